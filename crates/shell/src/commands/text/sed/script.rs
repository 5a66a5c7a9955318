//! The script of sed(1): its commands, parsed.

use super::super::super::call::{Call, shown};
use super::super::regex::{Dialect, Found, Regex};
use crate::stop::Stop;

/// Which lines.
#[derive(Debug)]
pub(super) enum Line {
    Number(u64),
    Last,
    Matches(Regex),
    /// Every so many lines from one on: `first~step`.
    Step(u64, u64),
}

/// Where a range ends.
#[derive(Debug)]
pub(super) enum End {
    At(Line),
    /// So many lines on.
    After(u64),
}

/// The lines that a command is for.
#[derive(Debug)]
pub(super) enum Address {
    All,
    One(Line),
    /// From a line to another; the number tells ranges apart.
    Range(Line, End, usize),
}

/// A part of what a match is replaced by.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(Vec<u8>),
    /// A group; 0 is the whole match.
    Group(usize),
    /// How what follows is spelled.
    Case(Case),
}

/// What `\L`, `\U`, `\l`, `\u` and `\E` make of the letters behind them (sed(1), "The s Command").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Kept,
    Lower,
    Upper,
    /// Of one letter; the others are kept.
    FirstLower,
    FirstUpper,
}

impl Case {
    fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'E' => Self::Kept,
            b'L' => Self::Lower,
            b'U' => Self::Upper,
            b'l' => Self::FirstLower,
            b'u' => Self::FirstUpper,
            _ => return None,
        })
    }

    pub(super) fn is_of_one_letter(self) -> bool {
        matches!(self, Self::FirstLower | Self::FirstUpper)
    }

    /// Appends a text, spelled so; of one letter only the first is changed, and the case is kept behind it.
    pub(super) fn append(&mut self, result: &mut Vec<u8>, text: &[u8]) {
        let at = result.len();
        result.extend_from_slice(text);
        let new = &mut result[at..];
        match self {
            Self::Kept => {}
            Self::Lower => new.make_ascii_lowercase(),
            Self::Upper => new.make_ascii_uppercase(),
            Self::FirstLower | Self::FirstUpper => {
                let Some(first) = new.first_mut() else { return };
                match self {
                    Self::FirstLower => first.make_ascii_lowercase(),
                    _ => first.make_ascii_uppercase(),
                }
                *self = Self::Kept;
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Substitution {
    pub(super) regex: Regex,
    pub(super) by: Vec<Part>,
    pub(super) all: bool,
    /// From this match on.
    pub(super) first: usize,
    pub(super) prints: bool,
}

impl Substitution {
    /// What it replaces next, with the groups that it needs.
    pub(super) fn find(
        &self,
        call: &Call<'_>,
        text: &[u8],
        from: usize,
    ) -> Result<Option<Found>, Stop> {
        let has_group = |part: &Part| matches!(part, Part::Group(number) if *number > 0);
        match self.by.iter().any(has_group) {
            true => self.regex.find_groups(call, text, from),
            false => Ok(self.regex.find(text, from).map(Found::without_groups)),
        }
    }
}

#[derive(Debug)]
pub(super) enum Action {
    Substitute(Substitution),
    Translate(Vec<(u8, u8)>),
    Delete,
    DeleteFirstLine,
    Print,
    PrintFirstLine,
    LineNumber,
    Next,
    AppendNext,
    Quit {
        prints: bool,
        code: u8,
    },
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    ReadFile(Vec<u8>),
    Hold,
    HoldAppend,
    Get,
    GetAppend,
    Exchange,
    /// To the command of this number.
    Branch(usize),
    BranchIfChanged(usize),
    BranchUnlessChanged(usize),
    /// Of a block: what is not selected goes on there.
    Block(usize),
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) address: Address,
    pub(super) negated: bool,
    pub(super) action: Action,
}

/// The commands, in order; branches and blocks name them by number.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    pub(super) ranges: usize,
}

struct Parser<'p, 'a, 's> {
    call: &'p Call<'a>,
    rest: &'s [u8],
    dialect: Dialect,
    script: Script,
    labels: Vec<(Vec<u8>, usize)>,
    /// Branches with their labels.
    branches: Vec<(usize, Vec<u8>)>,
    blocks: Vec<usize>,
}

impl Script {
    pub(super) fn parse(call: &Call<'_>, text: &[u8], dialect: Dialect) -> Result<Self, Stop> {
        let mut parser = Parser {
            call,
            rest: text,
            dialect,
            script: Self::default(),
            labels: Vec::new(),
            branches: Vec::new(),
            blocks: Vec::new(),
        };
        while parser.command()? {}
        parser.finish()
    }
}

impl Parser<'_, '_, '_> {
    fn unsupported(&self, what: impl std::fmt::Display) -> Stop {
        self.call.unsupported(format!("{what} in its script"))
    }

    fn skip(&mut self, bytes: &[u8]) {
        let end = self.rest.iter().position(|byte| !bytes.contains(byte));
        self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eats = self.rest.first() == Some(&byte);
        if eats {
            self.rest = &self.rest[1..];
        }
        eats
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit());
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        super::super::super::call::number(digits)
    }

    /// Up to the end of the line.
    fn rest_of_line(&mut self) -> Vec<u8> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        line.to_vec()
    }

    /// Reads a command; false at the end.
    fn command(&mut self) -> Result<bool, Stop> {
        self.skip(b" \t\n;");
        if self.rest.is_empty() {
            return Ok(false);
        }
        if self.eat(b'#') {
            self.rest_of_line();
            return Ok(true);
        }
        let address = self.address()?;
        self.skip(b" \t");
        let mut negated = false;
        while self.eat(b'!') {
            negated = true;
            self.skip(b" \t");
        }
        let letter = self.next().ok_or_else(|| self.unsupported("a missing command"))?;
        let at = self.script.commands.len();
        let action = match letter {
            b'{' => {
                self.blocks.push(at);
                Action::Block(at)
            }
            b'}' => {
                let start =
                    self.blocks.pop().ok_or_else(|| self.unsupported("an unexpected `}`"))?;
                self.script.commands[start].action = Action::Block(at);
                self.end_of_command()?;
                return Ok(true);
            }
            b':' => {
                self.skip(b" \t");
                let label = self.label();
                self.labels.push((label, at));
                return Ok(true);
            }
            letter => self.action(letter, at)?,
        };
        // A text has read its own end.
        let has_ended = matches!(
            action,
            Action::Block(_) | Action::Append(_) | Action::Insert(_) | Action::Change(_)
        );
        self.script.commands.push(Command { address, negated, action });
        if !has_ended {
            self.end_of_command()?;
        }
        Ok(true)
    }

    fn action(&mut self, letter: u8, at: usize) -> Result<Action, Stop> {
        Ok(match letter {
            b's' => Action::Substitute(self.substitution()?),
            b'y' => Action::Translate(self.translation()?),
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirstLine,
            b'p' => Action::Print,
            b'P' => Action::PrintFirstLine,
            b'=' => Action::LineNumber,
            b'n' => Action::Next,
            b'N' => Action::AppendNext,
            b'q' | b'Q' => {
                self.skip(b" \t");
                let code = self.number().unwrap_or(0);
                let code = u8::try_from(code).map_err(|_| self.unsupported("an exit code"))?;
                Action::Quit { prints: letter == b'q', code }
            }
            b'a' => Action::Append(self.text()?),
            b'i' => Action::Insert(self.text()?),
            b'c' => Action::Change(self.text()?),
            b'r' => {
                self.skip(b" \t");
                Action::ReadFile(self.rest_of_line())
            }
            b'h' => Action::Hold,
            b'H' => Action::HoldAppend,
            b'g' => Action::Get,
            b'G' => Action::GetAppend,
            b'x' => Action::Exchange,
            b'b' | b't' | b'T' => {
                self.skip(b" \t");
                let label = self.label();
                self.branches.push((at, label));
                match letter {
                    b'b' => Action::Branch(0),
                    b't' => Action::BranchIfChanged(0),
                    _ => Action::BranchUnlessChanged(0),
                }
            }
            other => return Err(self.unsupported(format!("the command `{}`", char::from(other)))),
        })
    }

    /// Behind a command there is a line break, `;`, `}` or nothing.
    fn end_of_command(&mut self) -> Result<(), Stop> {
        self.skip(b" \t");
        match self.rest.first() {
            None | Some(b'\n' | b';' | b'}' | b'#') => Ok(()),
            Some(_) => Err(self.unsupported(format!("`{}`", shown(self.rest)))),
        }
    }

    fn label(&mut self) -> Vec<u8> {
        let is_end = |byte: &u8| b" \t\n;}".contains(byte);
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (label, rest) = self.rest.split_at(end);
        self.rest = rest;
        label.to_vec()
    }

    fn address(&mut self) -> Result<Address, Stop> {
        let Some(first) = self.line()? else { return Ok(Address::All) };
        self.skip(b" \t");
        if !self.eat(b',') {
            if matches!(first, Line::Number(0)) {
                return Err(self.unsupported("line 0"));
            }
            return Ok(Address::One(first));
        }
        self.skip(b" \t");
        let end = match self.rest.first() {
            Some(b'+') => {
                self.next();
                End::After(self.number().ok_or_else(|| self.unsupported("an address"))?)
            }
            _ => End::At(self.line()?.ok_or_else(|| self.unsupported("an address"))?),
        };
        if matches!(end, End::At(Line::Step(..)))
            || (matches!(first, Line::Number(0)) && !matches!(end, End::At(Line::Matches(_))))
        {
            return Err(self.unsupported("an address"));
        }
        self.script.ranges += 1;
        Ok(Address::Range(first, end, self.script.ranges - 1))
    }

    fn line(&mut self) -> Result<Option<Line>, Stop> {
        Ok(Some(match self.rest.first() {
            Some(b'$') => {
                self.next();
                Line::Last
            }
            Some(b'0'..=b'9') => {
                let first = self.number().ok_or_else(|| self.unsupported("an address"))?;
                match self.eat(b'~') {
                    true => Line::Step(first, self.number().unwrap_or(0)),
                    false => Line::Number(first),
                }
            }
            Some(b'/') => {
                self.next();
                self.matching(b'/')?
            }
            Some(b'\\') => {
                self.next();
                let delimiter = self.next().ok_or_else(|| self.unsupported("an address"))?;
                self.matching(delimiter)?
            }
            _ => return Ok(None),
        }))
    }

    fn matching(&mut self, delimiter: u8) -> Result<Line, Stop> {
        let pattern = self.delimited(delimiter, true)?;
        let ignore_case = self.eat(b'I');
        Ok(Line::Matches(self.regex(&pattern, ignore_case)?))
    }

    fn regex(&self, pattern: &[u8], ignore_case: bool) -> Result<Regex, Stop> {
        if pattern.is_empty() {
            return Err(self.unsupported("an empty expression"));
        }
        Regex::new(self.call, pattern, self.dialect, ignore_case)
    }

    /// Up to a delimiter, which a backslash or, in an expression, brackets make an ordinary byte.
    fn delimited(&mut self, delimiter: u8, is_regex: bool) -> Result<Vec<u8>, Stop> {
        if matches!(delimiter, b'\n' | b'\\') {
            return Err(self.unsupported("a delimiter"));
        }
        let mut text = Vec::new();
        loop {
            let byte = self.next().ok_or_else(|| self.unsupported("a missing delimiter"))?;
            match byte {
                byte if byte == delimiter => return Ok(text),
                b'\\' => {
                    let next =
                        self.next().ok_or_else(|| self.unsupported("a missing delimiter"))?;
                    match next == delimiter {
                        // An escaped delimiter stands for itself, whatever it means in an expression.
                        true if is_regex && b".*[]^$+?(){}|".contains(&next) => {
                            text.extend([b'[', next, b']']);
                            if next == b'^' {
                                return Err(self.unsupported("`^` as a delimiter"));
                            }
                        }
                        true if !is_regex && next == b'&' => text.extend([b'\\', next]),
                        true => text.push(next),
                        false => text.extend([b'\\', next]),
                    }
                }
                b'[' if is_regex => {
                    text.push(b'[');
                    self.bracket(&mut text)?;
                }
                byte => text.push(byte),
            }
        }
    }

    /// The rest of a bracket expression.
    fn bracket(&mut self, text: &mut Vec<u8>) -> Result<(), Stop> {
        let start = text.len();
        loop {
            let byte = self.next().ok_or_else(|| self.unsupported("an unmatched `[`"))?;
            text.push(byte);
            let inner = &text[start..];
            if byte == b']' && inner != b"]" && inner != b"^]" {
                return Ok(());
            }
            if inner.ends_with(b"[:") && inner.len() >= 2 {
                while !text.ends_with(b":]") {
                    text.push(self.next().ok_or_else(|| self.unsupported("an unmatched `[:`"))?);
                }
            }
        }
    }

    fn substitution(&mut self) -> Result<Substitution, Stop> {
        let delimiter = self.next().ok_or_else(|| self.unsupported("an `s` without its end"))?;
        let pattern = self.delimited(delimiter, true)?;
        let replacement = self.delimited(delimiter, false)?;
        let (mut all, mut first, mut prints, mut ignore_case) = (false, None, false, false);
        loop {
            match self.rest.first() {
                Some(b'g') => all = true,
                Some(b'p') => prints = true,
                Some(b'i' | b'I') => ignore_case = true,
                Some(b'1'..=b'9') => {
                    first = self.number();
                    continue;
                }
                Some(b'e' | b'm' | b'M' | b'w') => return Err(self.unsupported("a flag of `s`")),
                _ => break,
            }
            self.next();
        }
        let regex = self.regex(&pattern, ignore_case)?;
        let by = self.replacement(&replacement, regex.groups())?;
        let first = usize::try_from(first.unwrap_or(1)).unwrap_or(usize::MAX);
        Ok(Substitution { regex, by, all, first, prints })
    }

    fn replacement(&self, text: &[u8], groups: usize) -> Result<Vec<Part>, Stop> {
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let mut spelled = Case::Kept;
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            let group = match byte {
                b'&' => 0,
                b'\\' => match bytes.next() {
                    Some(digit @ b'0'..=b'9') => usize::from(digit - b'0'),
                    Some(b'n') => {
                        plain.push(b'\n');
                        continue;
                    }
                    Some(b't') => {
                        plain.push(b'\t');
                        continue;
                    }
                    Some(letter) if let Some(case) = Case::of(*letter) => {
                        if case.is_of_one_letter() && matches!(spelled, Case::Lower | Case::Upper) {
                            return Err(self.unsupported("one letter of others that are changed"));
                        }
                        spelled = case;
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                        parts.push(Part::Case(case));
                        continue;
                    }
                    Some(letter) if letter.is_ascii_alphabetic() => {
                        let letter = char::from(*letter);
                        return Err(self.unsupported(format!("`\\{letter}` in a replacement")));
                    }
                    Some(other) => {
                        plain.push(*other);
                        continue;
                    }
                    None => return Err(self.unsupported("a backslash at the end")),
                },
                byte => {
                    plain.push(*byte);
                    continue;
                }
            };
            if group > groups {
                return Err(self.unsupported(format!("`\\{group}`, which no group has,")));
            }
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Group(group));
        }
        parts.push(Part::Text(plain));
        Ok(parts)
    }

    fn translation(&mut self) -> Result<Vec<(u8, u8)>, Stop> {
        let delimiter = self.next().ok_or_else(|| self.unsupported("a `y` without its end"))?;
        let mut sides = Vec::new();
        for _ in 0..2 {
            let text = self.delimited(delimiter, false)?;
            let mut side = Vec::new();
            let mut bytes = text.iter();
            while let Some(byte) = bytes.next() {
                side.push(match byte {
                    b'\\' => match bytes.next() {
                        Some(b'\\') => b'\\',
                        Some(b'n') => b'\n',
                        _ => return Err(self.unsupported("an escape of `y`")),
                    },
                    byte => *byte,
                });
            }
            sides.push(side);
        }
        match sides.as_slice() {
            [from, to] if from.len() == to.len() => {
                Ok(from.iter().copied().zip(to.iter().copied()).collect())
            }
            _ => Err(self.unsupported("a `y` with sides of different lengths")),
        }
    }

    /// The text of `a`, `i` and `c`: on the same line, or behind a backslash and a line break.
    fn text(&mut self) -> Result<Vec<u8>, Stop> {
        self.skip(b" \t");
        if self.eat(b'\\') {
            let here = self.rest;
            self.skip(b" \t");
            if !self.eat(b'\n') {
                // Behind the backslash blanks belong to the text.
                self.rest = here;
            }
        }
        let mut text = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'\n' => break,
                b'\\' => text.extend(self.next()),
                byte => text.push(byte),
            }
        }
        if text.is_empty() {
            return Err(self.unsupported("an empty text"));
        }
        text.push(b'\n');
        // The line break is the end of the command.
        Ok(text)
    }

    fn finish(mut self) -> Result<Script, Stop> {
        if !self.blocks.is_empty() {
            return Err(self.unsupported("an unmatched `{`"));
        }
        let end = self.script.commands.len();
        for (at, label) in std::mem::take(&mut self.branches) {
            let target = match label.as_slice() {
                b"" => end,
                label => {
                    let known = self.labels.iter().find(|(known, _)| known == label);
                    let unknown = || self.unsupported(format!("the label `{}`", shown(label)));
                    known.ok_or_else(unknown)?.1
                }
            };
            match &mut self.script.commands[at].action {
                Action::Branch(to)
                | Action::BranchIfChanged(to)
                | Action::BranchUnlessChanged(to) => *to = target,
                _ => {}
            }
        }
        Ok(self.script)
    }
}
