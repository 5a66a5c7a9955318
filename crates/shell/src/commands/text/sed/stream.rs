//! The lines of a text, and what a script makes of them.

use super::super::super::call::Call;
use super::super::lines::parts;
use super::script::{Action, Address, Case, Command, End, Line, Part, Script, Substitution};
use crate::stop::Stop;
use crate::world::Files;

/// The most work that one text may cost, in commands and in kilobytes that they work on: far more than any
/// real script.
const WORK_MAX: u64 = 10_000_000;

/// The most bytes of the pattern space and the hold space together.
const SPACE_MAX: usize = 16 << 20;

/// The lines that are read, and whether each has its line break.
pub(super) struct Input {
    lines: Vec<Vec<u8>>,
    at: usize,
    /// The last line ends with a line break.
    is_ended: bool,
}

impl Input {
    /// Texts one behind the other: each starts a line of its own. `end` is what lines end with.
    pub(super) fn of<'t>(texts: impl IntoIterator<Item = &'t [u8]>, end: u8) -> Self {
        let mut input = Self { lines: Vec::new(), at: 0, is_ended: true };
        for text in texts {
            input.lines.extend(parts(text, end).map(<[u8]>::to_vec));
            if !text.is_empty() {
                input.is_ended = text.ends_with(&[end]);
            }
        }
        input
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.get(self.at).cloned();
        self.at += usize::from(line.is_some());
        line
    }

    fn is_last(&self) -> bool {
        self.at >= self.lines.len()
    }
}

/// How a script ended.
pub(super) enum Ended {
    AtEnd,
    /// With `q`, and a status.
    Quit(u8),
}

/// Where a range stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Outside,
    /// It ends with a line that matches.
    Inside,
    /// It ends at this line.
    Until(u64),
}

/// What happens behind the last command of a cycle.
enum Cycle {
    Print,
    Silent,
    /// The next cycle starts with what is left of the pattern space.
    Again,
    Quit(u8),
}

/// Where a cycle goes on behind a command.
enum Flow {
    Next,
    To(usize),
    End(Cycle),
}

pub(super) struct Stream<'s, F> {
    script: &'s Script,
    quiet: bool,
    /// What ends a line: a line break, or a zero byte with `-z`.
    end: u8,
    files: &'s F,
    space: Vec<u8>,
    hold: Vec<u8>,
    line: u64,
    ranges: Vec<Range>,
    is_changed: bool,
    /// What is written behind the line.
    appended: Vec<u8>,
    output: Vec<u8>,
    /// The last line that was written lacks its line break.
    is_open: bool,
    work: u64,
}

impl<'s, F: Files> Stream<'s, F> {
    pub(super) fn new(script: &'s Script, quiet: bool, end: u8, files: &'s F) -> Self {
        let mut ranges = vec![Range::Outside; script.ranges];
        for command in &script.commands {
            // A range from line 0 has begun before the first line.
            if let Address::Range(Line::Number(0), _, number) = command.address {
                ranges[number] = Range::Inside;
            }
        }
        Self {
            script,
            quiet,
            end,
            files,
            space: Vec::new(),
            hold: Vec::new(),
            line: 0,
            ranges,
            is_changed: false,
            appended: Vec::new(),
            output: Vec::new(),
            is_open: false,
            work: 0,
        }
    }

    /// The work done so far, in about as much as a command of a shell takes.
    pub(super) fn work(&self) -> u64 {
        self.work >> 2
    }

    pub(super) fn output(self) -> Vec<u8> {
        self.output
    }

    pub(super) fn run(&mut self, call: &Call<'_>, mut input: Input) -> Result<Ended, Stop> {
        self.line = 0;
        let mut is_again = false;
        loop {
            if !is_again {
                let Some(line) = input.next() else { return Ok(Ended::AtEnd) };
                self.space = line;
                self.line += 1;
            }
            is_again = false;
            self.is_changed = false;
            let cycle = self.cycle(call, &mut input)?;
            if matches!(cycle, Cycle::Print | Cycle::Quit(_)) && !self.quiet {
                self.write_space(&input);
            }
            self.flush();
            match cycle {
                Cycle::Quit(code) => return Ok(Ended::Quit(code)),
                Cycle::Again => is_again = true,
                Cycle::Print | Cycle::Silent => {}
            }
        }
    }

    fn cycle(&mut self, call: &Call<'_>, input: &mut Input) -> Result<Cycle, Stop> {
        let script = self.script;
        let mut at = 0;
        while let Some(command) = script.commands.get(at) {
            self.count(call)?;
            at += 1;
            let is_selected = self.selects(&command.address, input) != command.negated;
            if let Action::Block(end) = command.action {
                if !is_selected {
                    at = end;
                }
                continue;
            }
            if is_selected {
                match self.command(call, command, input)? {
                    Flow::Next => {}
                    Flow::To(to) => at = to,
                    Flow::End(cycle) => return Ok(cycle),
                }
            }
        }
        Ok(Cycle::Print)
    }

    /// Counts a command and what it works on: a script that never ends, or doubles a line, does not.
    fn count(&mut self, call: &Call<'_>) -> Result<(), Stop> {
        let len = self.space.len().saturating_add(self.hold.len());
        self.work += 1 + (len as u64 >> 10);
        match (len > SPACE_MAX, self.work > WORK_MAX) {
            (true, _) => Err(call.unsupported("more than 16 MiB in one line")),
            (_, true) => Err(call.unsupported("more work than any script of a package asks for")),
            (false, false) => Ok(()),
        }
    }

    fn command(
        &mut self,
        call: &Call<'_>,
        command: &Command,
        input: &mut Input,
    ) -> Result<Flow, Stop> {
        let changed = |stream: &mut Self| std::mem::take(&mut stream.is_changed);
        match &command.action {
            Action::Substitute(substitution) => self.substitute(call, substitution, input)?,
            Action::Delete => return Ok(Flow::End(Cycle::Silent)),
            Action::DeleteFirstLine => match self.first_line_end() {
                Some(end) => {
                    self.space.drain(..=end);
                    return Ok(Flow::End(Cycle::Again));
                }
                None => return Ok(Flow::End(Cycle::Silent)),
            },
            // Without a next line, GNU sed prints and ends.
            Action::Next | Action::AppendNext if input.is_last() => {
                return Ok(Flow::End(Cycle::Print));
            }
            Action::Next => {
                if !self.quiet {
                    self.write_space(input);
                }
                self.read(input, false);
            }
            Action::AppendNext => self.read(input, true),
            Action::Quit { prints, code } => {
                self.quiet |= !prints;
                return Ok(Flow::End(Cycle::Quit(*code)));
            }
            Action::Append(text) => self.appended.extend_from_slice(text),
            Action::ReadFile(name) => {
                let text = self.files.read(&call.path(name)).unwrap_or_default();
                self.appended.extend_from_slice(&text);
            }
            Action::Change(text) => {
                self.change(command, text);
                return Ok(Flow::End(Cycle::Silent));
            }
            Action::Branch(to) => return Ok(Flow::To(*to)),
            Action::BranchIfChanged(to) if changed(self) => return Ok(Flow::To(*to)),
            Action::BranchUnlessChanged(to) if !changed(self) => return Ok(Flow::To(*to)),
            Action::BranchIfChanged(_) | Action::BranchUnlessChanged(_) | Action::Block(_) => {}
            action => self.spaces(action, input),
        }
        Ok(Flow::Next)
    }

    /// What only writes, or changes the pattern and hold spaces.
    fn spaces(&mut self, action: &Action, input: &Input) {
        match action {
            Action::Translate(pairs) => {
                for byte in &mut self.space {
                    if let Some((_, to)) = pairs.iter().find(|(from, _)| from == byte) {
                        *byte = *to;
                    }
                }
            }
            Action::Print => self.write_space(input),
            Action::PrintFirstLine => {
                let end = self.first_line_end().unwrap_or(self.space.len());
                let line = self.space[..end].to_vec();
                self.write(&line);
            }
            Action::LineNumber => {
                let line = self.line.to_string().into_bytes();
                self.write(&line);
            }
            Action::Insert(text) => self.raw(text),
            Action::Hold => self.hold.clone_from(&self.space),
            Action::HoldAppend => {
                self.hold.push(self.end);
                self.hold.extend_from_slice(&self.space);
            }
            Action::Get => self.space.clone_from(&self.hold),
            Action::GetAppend => {
                self.space.push(self.end);
                self.space.extend_from_slice(&self.hold);
            }
            Action::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            _ => {}
        }
    }

    /// Writes a text for the line; of a range it stands for all of it, behind its end.
    fn change(&mut self, command: &Command, text: &[u8]) {
        let is_inside = match &command.address {
            Address::Range(_, _, number) if !command.negated => {
                self.ranges[*number] != Range::Outside
            }
            _ => false,
        };
        if !is_inside {
            self.raw(text);
        }
    }

    fn first_line_end(&self) -> Option<usize> {
        self.space.iter().position(|byte| *byte == self.end)
    }

    fn read(&mut self, input: &mut Input, appends: bool) {
        self.flush();
        let line = input.next().unwrap_or_default();
        match appends {
            true => {
                self.space.push(self.end);
                self.space.extend(line);
            }
            false => self.space = line,
        }
        self.line += 1;
    }

    fn is_line(&self, line: &Line, input: &Input) -> bool {
        match line {
            Line::Number(number) => *number == self.line,
            Line::Last => input.is_last(),
            Line::Matches(regex) => regex.is_match(&self.space),
            Line::Step(first, 0) => self.line == *first,
            Line::Step(first, step) => {
                self.line >= *first && (self.line - first).is_multiple_of(*step)
            }
        }
    }

    fn selects(&mut self, address: &Address, input: &Input) -> bool {
        let (first, end, number) = match address {
            Address::All => return true,
            Address::One(line) => return self.is_line(line, input),
            Address::Range(first, end, number) => (first, end, *number),
        };
        match self.ranges[number] {
            Range::Outside => {
                if !self.is_line(first, input) {
                    return false;
                }
                self.ranges[number] = match end {
                    End::After(0) => Range::Outside,
                    End::After(more) => Range::Until(self.line.saturating_add(*more)),
                    // An end before the start selects one line.
                    End::At(Line::Number(last)) if *last <= self.line => Range::Outside,
                    End::At(Line::Number(last)) => Range::Until(*last),
                    End::At(Line::Last) if input.is_last() => Range::Outside,
                    End::At(_) => Range::Inside,
                };
                true
            }
            Range::Until(last) => {
                if self.line >= last {
                    self.ranges[number] = Range::Outside;
                }
                // A line that was read inside the range may have passed its end.
                self.line <= last || self.is_line(first, input)
            }
            Range::Inside => {
                if let End::At(line) = end
                    && self.is_line(line, input)
                {
                    self.ranges[number] = Range::Outside;
                }
                true
            }
        }
    }

    fn substitute(
        &mut self,
        call: &Call<'_>,
        substitution: &Substitution,
        input: &Input,
    ) -> Result<(), Stop> {
        let text = std::mem::take(&mut self.space);
        let (mut result, mut from, mut copied, mut count) = (Vec::new(), 0, 0, 0);
        let mut is_changed = false;
        while from <= text.len()
            && let Some(found) = substitution.find(call, &text, from)?
        {
            let range = found.whole();
            // Behind a match, an empty one is none.
            let is_behind = range.is_empty() && range.start == copied && count > 0;
            if !is_behind {
                count += 1;
                if count >= substitution.first {
                    result.extend_from_slice(&text[copied..range.start]);
                    let mut case = Case::Kept;
                    for part in &substitution.by {
                        match part {
                            Part::Text(text) => case.append(&mut result, text),
                            Part::Group(number) => {
                                let group = found.group(*number).unwrap_or_default();
                                if group.is_empty() && case.is_of_one_letter() {
                                    return Err(call.unsupported("one letter of an empty group"));
                                }
                                case.append(&mut result, &text[group]);
                            }
                            Part::Case(next) => case = *next,
                        }
                    }
                    is_changed = true;
                } else {
                    result.extend_from_slice(&text[copied..range.end]);
                }
                copied = range.end;
                if is_changed && !substitution.all {
                    break;
                }
            }
            from = if range.is_empty() { range.end + 1 } else { range.end };
        }
        result.extend_from_slice(text.get(copied..).unwrap_or_default());
        self.space = result;
        if is_changed {
            self.is_changed = true;
            if substitution.prints {
                self.write_space(input);
            }
        }
        Ok(())
    }

    /// Writes the pattern space; the last line has a line break if it was read with one.
    fn write_space(&mut self, input: &Input) {
        let is_ended = input.is_ended || !input.is_last();
        self.close();
        self.output.extend_from_slice(&self.space);
        if is_ended {
            self.output.push(self.end);
        }
        self.is_open = !is_ended;
    }

    fn write(&mut self, line: &[u8]) {
        self.raw(line);
        self.output.push(self.end);
    }

    fn raw(&mut self, text: &[u8]) {
        self.close();
        self.output.extend_from_slice(text);
    }

    /// Ends a line that was written without a line break.
    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.output.push(self.end);
        }
    }

    /// Writes what stands behind the line.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.appended);
        if !text.is_empty() {
            self.raw(&text);
        }
    }
}
