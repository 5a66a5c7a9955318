//! perl(1), as far as scripts use it to edit lines: `perl -p [-i] -e 's/../../; ..'`.
//!
//! Only substitutions are read, and of their expressions what [`Regex::of_perl_line`] has; a variable, a function
//! and any other statement is a [`Stop`]. Oracle: perl 5.36 and 5.40.

use super::super::call::{Call, shown};
use super::lines::readable;
use super::regex::Regex;
use super::sed::replace;
use crate::stop::Stop;
use crate::world::World;

/// Delimiters that are no bytes of an expression, of a word or of a pair.
const DELIMITERS: &[u8] = b"/:!,#%~@'";

/// What the words of a call ask for.
#[derive(Debug, Default)]
struct Request<'w> {
    prints: bool,
    /// The suffix of the copies that stay; without one, none stays.
    in_place: Option<&'w [u8]>,
    /// The parts of the program, joined by line breaks.
    program: Option<Vec<u8>>,
    files: Vec<&'w [u8]>,
}

/// A part of what a match is replaced by.
#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    /// A group; 0 is the whole match.
    Group(usize),
}

#[derive(Debug)]
struct Substitution {
    regex: Regex,
    by: Vec<Part>,
    all: bool,
}

/// perl(1).
pub(in super::super) fn perl<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let request = Request::of(call)?;
    let program = match &request.program {
        // By which scripts look whether it works at all.
        Some(program) if program.is_empty() && !request.prints && request.files.is_empty() => {
            return Ok(0);
        }
        Some(program) if request.prints => parse(call, program)?,
        _ => return Err(call.unsupported(shown(&call.arguments().join(&b' ')))),
    };
    let input: &[&[u8]] = &[b"-"];
    let files = if request.files.is_empty() { input } else { &request.files };
    for word in files {
        if request.in_place.is_some() && *word == b"-" {
            return Err(call.unsupported("-i of no file"));
        }
        let text = match readable(world, call, word) {
            Ok(text) => text,
            Err(error) => {
                // It goes on, and succeeds.
                let line = format!("Can't open {}: {}.\n", shown(word), error.words());
                call.print_error(line.as_bytes());
                continue;
            }
        };
        let mut output = Vec::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            world.work(1 + (line.len() as u64 >> 6));
            let mut line = line.to_vec();
            for substitution in &program {
                line = substitution.apply(call, line)?;
            }
            output.extend(line);
        }
        match request.in_place {
            None => call.print(&output),
            Some(suffix) => {
                if let Some(error) = replace(world, call, word, suffix, &output) {
                    let what = format!("a file that can't be edited ({})", error.words());
                    return Err(call.unsupported(what));
                }
            }
        }
    }
    Ok(0)
}

impl<'w> Request<'w> {
    fn of(call: &Call<'w>) -> Result<Self, Stop> {
        let mut request = Self::default();
        let mut words = call.arguments().iter().map(Vec::as_slice);
        while let Some(word) = words.next() {
            match word {
                b"--" => request.files.extend(words.by_ref()),
                // Options stand before all files.
                _ if !request.files.is_empty() => request.files.push(word),
                [b'-', letters @ ..] if !letters.is_empty() => {
                    request.letters(call, letters, &mut words)?;
                }
                word => request.files.push(word),
            }
        }
        let has_suffix = request.in_place.is_some_and(|suffix| !suffix.is_empty());
        match has_suffix {
            true => Err(call.unsupported("-i with a suffix")),
            false => Ok(request),
        }
    }

    fn letters(
        &mut self,
        call: &Call<'w>,
        mut letters: &'w [u8],
        words: &mut impl Iterator<Item = &'w [u8]>,
    ) -> Result<(), Stop> {
        while let [letter, rest @ ..] = letters {
            letters = rest;
            match letter {
                b'p' => self.prints = true,
                b'w' => {}
                b'i' => {
                    self.in_place = Some(rest);
                    return Ok(());
                }
                b'e' if rest.is_empty() => {
                    let missing = || call.unsupported("an option without its argument");
                    let text = words.next().ok_or_else(missing)?;
                    self.program = Some(match self.program.take() {
                        None => text.to_vec(),
                        Some(before) => [before.as_slice(), text].join(&b'\n'),
                    });
                }
                other => {
                    return Err(call.unsupported(format!("the option -{}", char::from(*other))));
                }
            }
        }
        Ok(())
    }
}

impl Substitution {
    /// What it makes of a line.
    fn apply(&self, call: &Call<'_>, line: Vec<u8>) -> Result<Vec<u8>, Stop> {
        let inner = line.strip_suffix(b"\n").unwrap_or(&line);
        if inner.contains(&b'\n') && self.regex.has_anchor() {
            return Err(call.unsupported("an anchor in a text of several lines"));
        }
        let (mut result, mut at) = (Vec::new(), 0);
        while let Some(found) = self.regex.find_groups(call, &line, at)? {
            let whole = found.whole();
            if whole.is_empty() && self.all {
                return Err(call.unsupported("an empty match, of all that there are"));
            }
            result.extend_from_slice(&line[at..whole.start]);
            for part in &self.by {
                match part {
                    Part::Text(text) => result.extend_from_slice(text),
                    Part::Group(number) => {
                        let range = found.group(*number).unwrap_or(0..0);
                        result.extend_from_slice(&line[range]);
                    }
                }
            }
            at = whole.end;
            if !self.all {
                break;
            }
        }
        result.extend_from_slice(&line[at..]);
        Ok(result)
    }
}

/// The substitutions of a program.
fn parse(call: &Call<'_>, program: &[u8]) -> Result<Vec<Substitution>, Stop> {
    let refused = |what: &str| {
        call.unsupported(format!("{what}, in the program `{}`", shown(program).trim()))
    };
    let (mut rest, mut substitutions) = (program, Vec::new());
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return Ok(substitutions),
            [b';', tail @ ..] => rest = tail,
            [b's', delimiter, tail @ ..] if DELIMITERS.contains(delimiter) => {
                let (pattern, tail) = delimited(tail, *delimiter).map_err(refused)?;
                let (replacement, tail) = delimited(tail, *delimiter).map_err(refused)?;
                let end = tail.iter().position(|byte| !byte.is_ascii_alphabetic());
                let (flags, tail) = tail.split_at(end.unwrap_or(tail.len()));
                if flags.iter().any(|flag| !b"gi".contains(flag)) {
                    return Err(refused("a flag of a substitution"));
                }
                rest = tail.trim_ascii_start();
                if !matches!(rest, [] | [b';', ..]) {
                    return Err(refused("a statement without its end"));
                }
                let is_literal = *delimiter == b'\'';
                let pattern = expression(pattern, *delimiter).map_err(refused)?;
                let regex = Regex::of_perl_line(call, &pattern, flags.contains(&b'i'))?;
                let by = match is_literal {
                    true if replacement.contains(&b'\\') => {
                        return Err(refused("a backslash in a replacement"));
                    }
                    true => vec![Part::Text(replacement.to_vec())],
                    false => parts(replacement, regex.groups()).map_err(refused)?,
                };
                substitutions.push(Substitution { regex, by, all: flags.contains(&b'g') });
            }
            _ => return Err(refused("a statement that is no substitution")),
        }
    }
}

/// Up to a delimiter without a backslash before it, and what follows.
fn delimited(text: &[u8], delimiter: u8) -> Result<(&[u8], &[u8]), &'static str> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == delimiter => return Ok((&text[..at], &text[at + 1..])),
            _ => at += 1,
        }
    }
    Err("a substitution without its end")
}

/// An expression in which no variable stands.
fn expression(text: &[u8], delimiter: u8) -> Result<Vec<u8>, &'static str> {
    if text.is_empty() {
        return Err("an empty expression, which is the last one");
    }
    let (mut result, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let next = text.get(at).ok_or("a backslash at an end")?;
                at += 1;
                // None of the delimiters means anything in an expression, with a backslash or without.
                result.extend([b'\\', *next]);
            }
            b'$' | b'@' if delimiter != b'\'' => {
                let ends = matches!(text.get(at), None | Some(b')' | b'|'));
                if *byte == b'@' || !ends {
                    return Err("a variable");
                }
                result.push(b'$');
            }
            byte => result.push(*byte),
        }
    }
    Ok(result)
}

/// The parts of a replacement in which no variable stands.
fn parts(text: &[u8], groups: usize) -> Result<Vec<Part>, &'static str> {
    let (mut parts, mut plain, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        let next = text.get(at).copied();
        let group = match (byte, next) {
            (b'$', Some(b'&')) => 0,
            (b'$' | b'\\', Some(digit @ b'1'..=b'9')) => {
                let is_more = |byte: &u8| byte.is_ascii_digit() || b"[{".contains(byte);
                if text.get(at + 1).is_some_and(is_more) || text[at + 1..].starts_with(b"->") {
                    return Err("a variable");
                }
                usize::from(digit - b'0')
            }
            (b'$' | b'@', _) => return Err("a variable"),
            (b'\\', Some(letter)) => {
                at += 1;
                plain.push(match letter {
                    b'n' => b'\n',
                    b't' => b'\t',
                    letter if letter.is_ascii_alphanumeric() => {
                        return Err("an escape in a replacement");
                    }
                    other => other,
                });
                continue;
            }
            (b'\\', None) => return Err("a backslash at an end"),
            (byte, _) => {
                plain.push(*byte);
                continue;
            }
        };
        if group > groups {
            return Err("a group that is not there");
        }
        at += 1;
        parts.push(Part::Text(std::mem::take(&mut plain)));
        parts.push(Part::Group(group));
    }
    parts.push(Part::Text(plain));
    Ok(parts)
}
