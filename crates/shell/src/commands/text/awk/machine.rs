//! What a program of awk works with: variables, the record, its input, and bounds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::super::super::call::Call;
use super::super::lines::readable;
use super::super::regex::Regex;
use super::lexer::unescaped;
use super::patterns::{self, Separator};
use super::record::Record;
use super::syntax::{
    ARGC, ARGV, CONVFMT, ENVIRON, FILENAME, FNR, FS, NF, NR, OFMT, OFS, ORS, Program, RLENGTH, RS,
    RSTART, SUBSEP, Slot,
};
use super::value::Value;
use crate::stop::Stop;
use crate::world::Files;

/// The most work that a program may do, in expressions and in parts of 16 bytes of what they make: far more
/// than any real one.
const WORK_MAX: u64 = 10_000_000;

/// The longest string.
const TEXT_MAX: usize = 16 << 20;

/// How deep expressions may call one another.
const DEPTH_MAX: u32 = 300;

/// Values by index.
pub(super) type Array = BTreeMap<Vec<u8>, Value>;

/// What a slot holds.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Scalar(Value),
    /// Functions share the arrays that they are given.
    Array(Rc<RefCell<Array>>),
}

impl Cell {
    pub(super) fn new(is_array: bool) -> Self {
        match is_array {
            true => Self::Array(Rc::default()),
            false => Self::Scalar(Value::Unset),
        }
    }
}

/// What is read next.
#[derive(Debug, Default)]
struct Input {
    /// The last operand that was read, from 1.
    operand: usize,
    text: Vec<u8>,
    at: usize,
    /// A file was among the operands, or the input was read.
    has_read: bool,
}

/// What reading comes to.
pub(super) enum Read {
    Record,
    End,
    /// A file can't be read, which is said.
    Failed,
}

pub(super) struct Machine<'m, 'c, F> {
    pub(super) program: &'m Program,
    pub(super) call: &'m mut Call<'c>,
    pub(super) files: &'m F,
    globals: Vec<Cell>,
    /// The variables of each function that runs.
    pub(super) frames: Vec<Vec<Cell>>,
    record: Record,
    input: Input,
    regexes: BTreeMap<Vec<u8>, Rc<Regex>>,
    /// Which ranges of the rules have begun.
    pub(super) ranges: Vec<bool>,
    work: u64,
    depth: u32,
    /// That of `exit`.
    pub(super) status: u8,
}

impl<'m, 'c, F: Files> Machine<'m, 'c, F> {
    pub(super) fn new(
        program: &'m Program,
        call: &'m mut Call<'c>,
        files: &'m F,
        operands: &[&[u8]],
    ) -> Self {
        let globals = program.globals.iter().map(|(_, is_array)| Cell::new(*is_array)).collect();
        let mut machine = Self {
            program,
            files,
            globals,
            frames: Vec::new(),
            record: Record::new(b"", Vec::new()),
            input: Input::default(),
            regexes: BTreeMap::new(),
            ranges: vec![false; program.ranges],
            work: 0,
            depth: 0,
            status: 0,
            call,
        };
        for (slot, text) in [
            (FS, &b" "[..]),
            (OFS, b" "),
            (ORS, b"\n"),
            (RS, b"\n"),
            (SUBSEP, b"\x1c"),
            (CONVFMT, b"%.6g"),
            (OFMT, b"%.6g"),
        ] {
            machine.globals[slot] = Cell::Scalar(Value::text_of(text));
        }
        for slot in [NR, FNR, RSTART] {
            machine.globals[slot] = Cell::Scalar(Value::Number(0.0));
        }
        machine.globals[RLENGTH] = Cell::Scalar(Value::Number(-1.0));
        let count = u32::try_from(operands.len() + 1).unwrap_or(u32::MAX);
        machine.globals[ARGC] = Cell::Scalar(Value::Number(count.into()));
        let name = machine.call.name().into_bytes();
        let words = std::iter::once(name.as_slice()).chain(operands.iter().copied());
        let words =
            words.enumerate().map(|(at, word)| (at.to_string().into_bytes(), Value::input(word)));
        machine.globals[ARGV] = Cell::Array(Rc::new(RefCell::new(words.collect())));
        let environment = machine.call.invocation.environment.iter();
        let variables =
            environment.map(|(name, value)| (name.clone().into_bytes(), Value::input(value)));
        machine.globals[ENVIRON] = Cell::Array(Rc::new(RefCell::new(variables.collect())));
        machine
    }

    /// Something that is not implemented, or not done alike by all.
    pub(super) fn unsupported(&self, why: impl std::fmt::Display) -> Stop {
        self.call.unsupported(why)
    }

    /// Ends where something can't be told.
    pub(super) fn told<T>(&self, found: Result<T, String>) -> Result<T, Stop> {
        found.map_err(|why| self.unsupported(why))
    }

    /// The work done so far, in about as much as a command of a shell takes.
    pub(super) fn work(&self) -> u64 {
        self.work >> 2
    }

    /// Counts work, and the bytes that it makes.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Stop> {
        self.work += 1 + (bytes as u64 >> 4);
        match (self.work > WORK_MAX, bytes > TEXT_MAX) {
            (true, _) => Err(self.unsupported("more work than any program of a package asks for")),
            (_, true) => Err(self.unsupported("more than 16 MiB in one string")),
            (false, false) => Ok(()),
        }
    }

    /// Does something one level down.
    pub(super) fn deeper<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        if self.depth >= DEPTH_MAX {
            return Err(self.unsupported(format!("more than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let ran = run(self);
        self.depth -= 1;
        ran
    }

    fn cell(&mut self, slot: Slot) -> Option<&mut Cell> {
        match slot {
            Slot::Global(number) => self.globals.get_mut(number),
            Slot::Local(number) => self.frames.last_mut()?.get_mut(number),
        }
    }

    pub(super) fn get(&mut self, slot: Slot) -> Result<Value, Stop> {
        if slot == Slot::Global(NF) {
            let len = u32::try_from(self.record.len()).unwrap_or(u32::MAX);
            return Ok(Value::Number(len.into()));
        }
        match self.cell(slot) {
            Some(Cell::Scalar(value)) => Ok(value.clone()),
            _ => Err(self.unsupported("an array where a value stands")),
        }
    }

    pub(super) fn set(&mut self, slot: Slot, value: Value) -> Result<(), Stop> {
        if slot == Slot::Global(NF) {
            let len = self.index(&value)?;
            let set = self.record.set_len(len);
            return self.told(set);
        }
        match self.cell(slot) {
            Some(Cell::Scalar(old)) => {
                *old = value;
                Ok(())
            }
            _ => Err(self.unsupported("an array where a value stands")),
        }
    }

    /// An array; a variable that nothing is known of becomes one.
    pub(super) fn array(&mut self, slot: Slot) -> Result<Rc<RefCell<Array>>, Stop> {
        match self.cell(slot) {
            Some(Cell::Array(array)) => Ok(array.clone()),
            Some(cell @ Cell::Scalar(Value::Unset)) => {
                let array: Rc<RefCell<Array>> = Rc::default();
                *cell = Cell::Array(array.clone());
                Ok(array)
            }
            _ => Err(self.unsupported("a value where an array stands")),
        }
    }

    /// Whether a slot holds an array.
    pub(super) fn is_array(&mut self, slot: Slot) -> bool {
        matches!(self.cell(slot), Some(Cell::Array(_)))
    }

    /// What a call hands on of a variable.
    pub(super) fn handed(&mut self, slot: Slot, is_array: bool) -> Result<Cell, Stop> {
        if is_array || self.is_array(slot) {
            return self.array(slot).map(Cell::Array);
        }
        self.get(slot).map(Cell::Scalar)
    }

    /// The text of one of the variables that the language knows.
    pub(super) fn special(&mut self, slot: usize) -> Result<Rc<[u8]>, Stop> {
        let value = self.get(Slot::Global(slot))?;
        self.told(value.text(b"%.6g"))
    }

    pub(super) fn number(&self, value: &Value) -> Result<f64, Stop> {
        self.told(value.number())
    }

    /// As the string that it is where numbers become strings (`CONVFMT`).
    pub(super) fn text(&mut self, value: &Value) -> Result<Rc<[u8]>, Stop> {
        let text = match value {
            Value::Number(_) => {
                let conversion = self.special(CONVFMT)?;
                self.told(value.text(&conversion))?
            }
            value => self.told(value.text(b""))?,
        };
        self.count(text.len())?;
        Ok(text)
    }

    /// The number of a field.
    fn index(&self, value: &Value) -> Result<usize, Stop> {
        let number = self.number(value)?.trunc();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range"
        )]
        match (0.0..=1e6).contains(&number) {
            true => Ok(number as usize),
            false => Err(self.unsupported(format!("the field {number}"))),
        }
    }

    pub(super) fn field(&mut self, index: &Value) -> Result<Value, Stop> {
        match self.index(index)? {
            0 => {
                let (separator, conversion) = (self.special(OFS)?, self.special(CONVFMT)?);
                let whole = self.record.whole(&separator, &conversion);
                self.told(whole)
            }
            number => Ok(self.record.field(number)),
        }
    }

    pub(super) fn set_field(&mut self, index: &Value, value: Value) -> Result<(), Stop> {
        match self.index(index)? {
            0 => {
                let text = self.text(&value)?;
                self.set_record(&text)
            }
            number => {
                self.count(number)?;
                let set = self.record.set_field(number, value);
                self.told(set)
            }
        }
    }

    fn set_record(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.count(text.len())?;
        let separator = self.field_separator()?;
        let fields = separator.split(text);
        self.count(fields.len() * 16)?;
        self.record = Record::new(text, fields);
        Ok(())
    }

    /// `FS`. Where paragraphs are records, a line break separates fields too (XCU `awk`), but for the mawk of
    /// Debian 12.
    fn field_separator(&mut self) -> Result<Separator, Stop> {
        let text = self.special(FS)?;
        let separator = self.separator(&text)?;
        match self.special(RS)?.is_empty() && !matches!(separator, Separator::Blanks) {
            true => Err(self.unsupported("fields of paragraphs that blanks do not separate")),
            false => Ok(separator),
        }
    }

    /// What a string separates by.
    pub(super) fn separator(&mut self, text: &[u8]) -> Result<Separator, Stop> {
        match Separator::plain(text) {
            Some(separator) => Ok(separator),
            None => self.regex(text).map(Separator::Regex),
        }
    }

    pub(super) fn regex(&mut self, pattern: &[u8]) -> Result<Rc<Regex>, Stop> {
        if let Some(known) = self.regexes.get(pattern) {
            return Ok(known.clone());
        }
        // A program may make them up.
        self.count(1 << 12)?;
        let regex = Rc::new(patterns::regex(self.call, pattern)?);
        self.regexes.insert(pattern.to_vec(), regex.clone());
        Ok(regex)
    }

    /// Assigns what `-v` or an operand says: `NAME=VALUE`; false if it says something else.
    pub(super) fn assign(&mut self, word: &[u8]) -> Result<bool, Stop> {
        let Some(end) = word.iter().position(|byte| *byte == b'=') else { return Ok(false) };
        let name = &word[..end];
        let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && name.first().is_some_and(|byte| !byte.is_ascii_digit());
        if !is_name {
            return Ok(false);
        }
        let value = self.told(unescaped(&word[end + 1..]))?;
        let slot = self.program.globals.iter().position(|(known, _)| known.as_bytes() == name);
        // What the program does not name it can't read.
        if let Some(slot) = slot {
            self.set(Slot::Global(slot), Value::input(&value))?;
        }
        Ok(true)
    }

    /// Reads the next record of the operands, or of the input.
    pub(super) fn read(&mut self) -> Result<Read, Stop> {
        loop {
            let separator = self.special(RS)?;
            let rest = self.input.text.get(self.input.at..).unwrap_or_default();
            let found = self.told(record_end(rest, &separator))?;
            let Some((range, consumed)) = found else {
                match self.open_next()? {
                    Read::Record => continue,
                    end => return Ok(end),
                }
            };
            let text = rest[range].to_vec();
            self.input.at += consumed;
            for slot in [NR, FNR] {
                let value = self.get(Slot::Global(slot))?;
                let next = self.number(&value)? + 1.0;
                self.set(Slot::Global(slot), Value::Number(next))?;
            }
            self.set_record(&text)?;
            return Ok(Read::Record);
        }
    }

    /// Opens the next file of the operands; operands that assign do so in their turn.
    fn open_next(&mut self) -> Result<Read, Stop> {
        loop {
            self.count(0)?;
            let operand = self.input.operand + 1;
            let count = self.get(Slot::Global(ARGC))?;
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            if operand as f64 >= self.number(&count)? {
                if self.input.has_read {
                    return Ok(Read::End);
                }
                self.input.has_read = true;
                self.input.text = self.call.input();
                self.input.at = 0;
                return Ok(Read::Record);
            }
            self.input.operand = operand;
            let words = self.array(Slot::Global(ARGV))?;
            let word = words.borrow().get(operand.to_string().as_bytes()).cloned();
            let word = self.text(&word.unwrap_or(Value::Unset))?;
            if word.is_empty() || self.assign(&word)? {
                continue;
            }
            self.input.has_read = true;
            match readable(self.files, self.call, &word) {
                Ok(text) => (self.input.text, self.input.at) = (text, 0),
                Err(error) => {
                    self.call.fail("cannot open", &word, error);
                    return Ok(Read::Failed);
                }
            }
            let name = if *word == *b"-" { Value::text_of(b"") } else { Value::input(&word) };
            self.set(Slot::Global(FILENAME), name)?;
            self.set(Slot::Global(FNR), Value::Number(0.0))?;
            return Ok(Read::Record);
        }
    }

    /// Writes to descriptor 1, or to 2.
    pub(super) fn write(&mut self, text: &[u8], is_error: bool) -> Result<(), Stop> {
        self.count(text.len())?;
        match is_error {
            true => self.call.invocation.errors.extend_from_slice(text),
            false => self.call.print(text),
        }
        Ok(())
    }
}

/// The next record of a text, and where what ends it does; nothing at the end.
fn record_end(rest: &[u8], separator: &[u8]) -> Result<Option<(Range<usize>, usize)>, String> {
    // Line breaks before a paragraph are none of it.
    let start = match separator {
        [] => rest.iter().take_while(|byte| **byte == b'\n').count(),
        [_] => 0,
        _ => return Err("a record separator of more than one byte".to_owned()),
    };
    let text = &rest[start..];
    if text.is_empty() {
        return Ok(None);
    }
    let (len, behind) = match separator {
        [separator] => match text.iter().position(|byte| byte == separator) {
            Some(len) => (len, 1),
            None => (text.len(), 0),
        },
        _ => {
            let end = text.windows(2).position(|pair| pair == b"\n\n");
            let len = end.unwrap_or_else(|| text.strip_suffix(b"\n").unwrap_or(text).len());
            (len, text[len..].iter().take_while(|byte| **byte == b'\n').count())
        }
    };
    Ok(Some((start..start + len, start + len + behind)))
}

#[cfg(test)]
mod tests {
    use super::record_end;

    #[test]
    fn paragraphs_are_records_without_a_separator() {
        for (text, separator, expected) in [
            ("", "\n", None),
            ("a\nb", "\n", Some((0..1, 2))),
            ("ab", "\n", Some((0..2, 2))),
            ("\n", "\n", Some((0..0, 1))),
            ("\n\na\nb\n\n\nc", "", Some((2..5, 8))),
            ("a\n", "", Some((0..1, 2))),
            ("\n\n", "", None),
        ] {
            assert_eq!(record_end(text.as_bytes(), separator.as_bytes()), Ok(expected), "{text:?}");
        }
        assert!(record_end(b"a", b"ab").is_err());
    }
}
