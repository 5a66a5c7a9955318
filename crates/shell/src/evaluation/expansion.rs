//! Expansion of words (XCU 2.6), in the order that POSIX gives: tilde, parameters, commands, arithmetic;
//! splitting; path names; quotes.

use super::fields::Fields;
use super::state::State;
use super::{Fault, Shell, arithmetic};
use crate::pattern::{self, Char};
use crate::syntax::{Operation, Parameter, ParameterName, Piece, Word};
use crate::world::{FileType, World};

/// Where an expansion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// In `"..."`, or in what is never split.
    quoted: bool,
    /// Literal bytes are split as well: in the word of an unquoted `${...}`.
    literals_split: bool,
    /// There is one field whatever comes: `$@` is joined as `"$*"` is.
    is_one: bool,
}

impl Place {
    /// A word of a command.
    const WORD: Self = Self { quoted: false, literals_split: false, is_one: false };
    /// What is assigned, matched or the name of a file.
    const VALUE: Self = Self { is_one: true, ..Self::WORD };
    /// A here-document, an arithmetic expression.
    const TEXT: Self = Self { quoted: true, ..Self::VALUE };
}

/// A parameter's value.
pub(super) enum Value {
    Unset,
    One(Vec<u8>),
    /// `$@` and `$*`: each positional parameter, and whether they are joined in quotes.
    Many(Vec<Vec<u8>>, bool),
}

impl<W: World> Shell<'_, W> {
    /// The fields that words of a command come to.
    pub(super) fn expand_all(&mut self, words: &[Word]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut fields = Vec::new();
        for word in words {
            fields.extend(self.expand_fields(word)?);
        }
        Ok(fields)
    }

    fn expand_fields(&mut self, word: &Word) -> Result<Vec<Vec<u8>>, Fault> {
        let separators = self.state.separators();
        let mut fields = Fields::new(&separators);
        self.pieces(&word.pieces, Place::WORD, &mut fields)?;
        let mut found = Vec::new();
        for field in fields.finish() {
            match !self.state.options.no_glob && pattern::is_pattern(&field) {
                true => {
                    self.check_pattern(&field)?;
                    found.extend(self.paths(&field)?);
                }
                false => found.push(bytes_of(&field)),
            }
        }
        Ok(found)
    }

    /// What a word comes to where nothing is split: a value, a file's name, what `case` matches.
    pub(super) fn expand_one(&mut self, word: &Word) -> Result<Vec<u8>, Fault> {
        Ok(bytes_of(&self.one_field(&word.pieces, Place::VALUE)?))
    }

    /// A word to match with: what quotes took the meaning of is marked.
    pub(super) fn expand_pattern(&mut self, word: &Word) -> Result<Vec<Char>, Fault> {
        let pattern = pattern::with_backslashes(self.one_field(&word.pieces, Place::VALUE)?);
        self.check_pattern(&pattern)?;
        Ok(pattern)
    }

    /// The text of a here-document.
    pub(super) fn expand_document(&mut self, word: &Word) -> Result<Vec<u8>, Fault> {
        Ok(bytes_of(&self.one_field(&word.pieces, Place::TEXT)?))
    }

    /// The text of an expression.
    pub(super) fn expand_expression(&mut self, pieces: &[Piece]) -> Result<Vec<u8>, Fault> {
        Ok(bytes_of(&self.one_field(pieces, Place::TEXT)?))
    }

    /// What a word comes to where nothing is split; what quotes took the meaning of is marked.
    pub(super) fn expand_marked(&mut self, word: &Word) -> Result<Vec<Char>, Fault> {
        self.one_field(&word.pieces, Place::VALUE)
    }

    fn one_field(&mut self, pieces: &[Piece], place: Place) -> Result<Vec<Char>, Fault> {
        let mut fields = Fields::new(b"");
        self.pieces(pieces, place, &mut fields)?;
        Ok(fields.finish().into_iter().flatten().collect())
    }

    fn pieces(
        &mut self,
        pieces: &[Piece],
        place: Place,
        fields: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        for piece in pieces {
            match piece {
                Piece::Literal(bytes) if place.literals_split => fields.push_split(bytes),
                Piece::Literal(bytes) => fields.push(bytes, place.quoted),
                Piece::Quoted(bytes) => fields.push(bytes, true),
                Piece::Double(pieces) => {
                    // `"$@"` of no parameters is no field at all; other quotes make one.
                    if !is_all_parameters(pieces) {
                        fields.push(b"", true);
                    }
                    self.check_quotes(pieces)?;
                    let within = Place { quoted: true, literals_split: false, ..place };
                    self.pieces(pieces, within, fields)?;
                }
                Piece::Tilde(login) => {
                    self.check_tilde(login)?;
                    let home = match login.as_str() {
                        "" => self.state.get("HOME").cloned(),
                        login => self.world.home(login),
                    };
                    let home = home.unwrap_or_else(|| format!("~{login}").into_bytes());
                    fields.push(&home, true);
                }
                Piece::Parameter(parameter) => self.parameter(parameter, place, fields)?,
                Piece::Command(list) => {
                    let output = self.substitute(list)?;
                    push_value(&output, place, fields);
                }
                Piece::Arithmetic(pieces) => {
                    let expression = self.expand_expression(pieces)?;
                    self.check_arithmetic(&expression)?;
                    let value = arithmetic::evaluate(&expression, &mut self.state)
                        .map_err(|why| self.error(&why))?;
                    push_value(value.to_string().as_bytes(), place, fields);
                }
            }
        }
        Ok(())
    }

    fn parameter(
        &mut self,
        parameter: &Parameter,
        place: Place,
        fields: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        self.line = parameter.line;
        let named = match parameter.is_indirect {
            true => Some(self.named_by(&parameter.name)?),
            false => None,
        };
        let name = named.as_ref().unwrap_or(&parameter.name);
        self.check_parameter(name, &parameter.operation, place.quoted && !place.is_one)?;
        let value = self.value(name);
        self.expand(value.count() as u64, value.len(&self.state) as u64)?;
        let operand = Place { literals_split: !place.quoted, ..place };
        let is_set = |null: bool| value.is_set(null);
        match &parameter.operation {
            Operation::Value => self.checked(name, &value)?,
            Operation::Length => {
                let len = self.length(name, &value)?;
                push_value(len.to_string().as_bytes(), place, fields);
                return Ok(());
            }
            Operation::Default { null, word } if !is_set(*null) => {
                return self.pieces(&word.pieces, operand, fields);
            }
            Operation::Assign { null, word } if !is_set(*null) => {
                let ParameterName::Variable(variable) = name else {
                    return Err(self.error(&format!("{name}: bad variable name")));
                };
                let text = self.expand_one(word)?;
                self.state.set(variable, text.clone()).map_err(|why| self.error(&why))?;
                push_value(&text, place, fields);
                return Ok(());
            }
            Operation::Require { null, word } if !is_set(*null) => {
                return Err(self.required(name, *null, word)?);
            }
            Operation::Alternative { null, word } => {
                return match is_set(*null) {
                    true => self.pieces(&word.pieces, operand, fields),
                    false => Ok(()),
                };
            }
            Operation::Default { .. } | Operation::Assign { .. } | Operation::Require { .. } => {}
            Operation::WithoutStart { .. }
            | Operation::WithoutEnd { .. }
            | Operation::Part { .. }
            | Operation::Replace { .. }
            | Operation::Case { .. } => {
                self.checked(name, &value)?;
                let value = self.changed(name, &parameter.operation, value)?;
                push(value, place, fields, &self.state);
                return Ok(());
            }
        }
        push(value, place, fields, &self.state);
        Ok(())
    }

    /// A value without what a pattern matches, or as bash changes it.
    fn changed(
        &mut self,
        name: &ParameterName,
        operation: &Operation,
        value: Value,
    ) -> Result<Value, Fault> {
        let (longest, pattern, is_start) = match operation {
            Operation::WithoutStart { longest, pattern } => (*longest, pattern, true),
            Operation::WithoutEnd { longest, pattern } => (*longest, pattern, false),
            operation => return self.changed_by_bash(name, operation, value),
        };
        let pattern = self.expand_pattern(pattern)?;
        value.all().try_for_each(|text| self.check_text(&pattern, text))?;
        value.try_map(|text| match is_start {
            true => self.without_start(&text, &pattern, longest),
            false => self.without_end(&text, &pattern, longest),
        })
    }

    /// `${#NAME}`, in bytes.
    fn length(&mut self, name: &ParameterName, value: &Value) -> Result<usize, Fault> {
        self.checked(name, value)?;
        match self.is_bash() && value.all().any(|text| !text.is_ascii()) {
            true => Err(self.unsupported("the length of bytes beyond ASCII in bash")),
            false => Ok(value.len(&self.state)),
        }
    }

    /// The error of `${NAME?WORD}`.
    fn required(&mut self, name: &ParameterName, null: bool, word: &Word) -> Result<Fault, Fault> {
        let message = self.expand_one(word)?;
        let message = match message.is_empty() {
            true if null => "parameter not set or null".into(),
            true => "parameter not set".into(),
            false => String::from_utf8_lossy(&message).into_owned(),
        };
        Ok(self.error(&format!("{name}: {message}")))
    }

    /// Refuses a parameter that is not set, if `set -u` asks for that.
    fn checked(&mut self, name: &ParameterName, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Unset if self.state.options.no_unset => {
                Err(self.error(&format!("{name}: parameter not set")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn value(&self, name: &ParameterName) -> Value {
        let state = &self.state;
        let text = |found: Option<&Vec<u8>>| match found {
            Some(text) => Value::One(text.clone()),
            None => Value::Unset,
        };
        let number = |number: usize| Value::One(number.to_string().into_bytes());
        match name {
            ParameterName::Variable(name) => text(state.get(name)),
            ParameterName::Positional(number) => {
                text(number.checked_sub(1).and_then(|at| state.positional.get(at)))
            }
            ParameterName::All => Value::Many(state.positional.clone(), false),
            ParameterName::Joined => Value::Many(state.positional.clone(), true),
            ParameterName::Count => number(state.positional.len()),
            ParameterName::Status => Value::One(state.status.to_string().into_bytes()),
            ParameterName::Options => Value::One(state.options.letters()),
            ParameterName::Process => number(super::PROCESS_ID),
            ParameterName::Background => match state.background.keys().last() {
                Some(last) => number(*last),
                None => Value::Unset,
            },
            ParameterName::Script => Value::One(state.name.clone()),
        }
    }

    /// The paths that a pattern matches, in byte order; the pattern itself if there is none (XCU 2.14.3).
    fn paths(&mut self, field: &[Char]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut found = vec![Vec::new()];
        let mut rest = field;
        while !rest.is_empty() && !found.is_empty() {
            // However many slashes there are, they stay.
            let slashes = rest.iter().take_while(|char| char.byte == b'/').count();
            let len = rest[slashes..].iter().take_while(|char| char.byte != b'/').count();
            let (part, behind) = rest[slashes..].split_at(len);
            let mut next = Vec::new();
            for mut base in found {
                self.step()?;
                if slashes > 0 && !base.is_empty() && !self.is_directory(&base) {
                    continue;
                }
                base.extend(bytes_of(&rest[..slashes]));
                match part {
                    [] => next.push(base),
                    part => next.extend(self.below(&base, part, !behind.is_empty())),
                }
            }
            (found, rest) = (next, behind);
        }
        Ok(if found.is_empty() { vec![bytes_of(field)] } else { found })
    }

    /// What one part of a pattern matches in a directory, which ends with a slash or is the one here.
    fn below(&self, base: &[u8], part: &[Char], more: bool) -> Vec<Vec<u8>> {
        let join = |name: &[u8]| [base, name].concat();
        if !pattern::is_pattern(part) {
            let path = join(&bytes_of(part));
            let there = self.world.status(&self.state.absolute(&path), more).is_ok();
            return if there { vec![path] } else { Vec::new() };
        }
        let directory = if base.is_empty() { b"." } else { base };
        let names = self.world.list(&self.state.absolute(directory)).unwrap_or_default();
        let hidden = part.first().is_some_and(|char| char.byte == b'.');
        let names = names
            .into_iter()
            .filter(|name| (hidden || !name.starts_with(b".")) && pattern::matches(part, name));
        let paths = names.map(|name| join(&name));
        paths.filter(|path| !more || self.is_directory(path)).collect()
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        let status = self.world.status(&self.state.absolute(path), true);
        status.is_ok_and(|status| status.file_type == FileType::Directory)
    }
}

impl Value {
    /// Each of its texts.
    pub(super) fn all(&self) -> std::slice::Iter<'_, Vec<u8>> {
        match self {
            Self::Unset => [].iter(),
            Self::One(text) => std::slice::from_ref(text).iter(),
            Self::Many(all, _) => all.iter(),
        }
    }

    /// How many words it has.
    fn count(&self) -> usize {
        match self {
            Self::Unset => 0,
            Self::One(_) => 1,
            Self::Many(all, _) => all.len(),
        }
    }

    /// Its length; that of `$@` is the length of `"$*"`, as dash has it.
    fn len(&self, state: &State) -> usize {
        match self {
            Self::Unset => 0,
            Self::One(text) => text.len(),
            Self::Many(all, _) => joined(all, state).len(),
        }
    }

    /// Whether there is one; with `null`, whether it is not empty. `$@` and `$*` are always there, and as
    /// long as `"$*"` is.
    fn is_set(&self, null: bool) -> bool {
        match self {
            Self::Unset => false,
            Self::One(text) => !null || !text.is_empty(),
            Self::Many(all, _) => !null || all.len() > 1 || all.iter().any(|one| !one.is_empty()),
        }
    }

    pub(super) fn map(self, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Self {
        match self {
            Self::Unset => Self::Unset,
            Self::One(text) => Self::One(change(text)),
            Self::Many(all, joined) => Self::Many(all.into_iter().map(change).collect(), joined),
        }
    }

    pub(super) fn try_map(
        self,
        mut change: impl FnMut(Vec<u8>) -> Result<Vec<u8>, Fault>,
    ) -> Result<Self, Fault> {
        Ok(match self {
            Self::Unset => Self::Unset,
            Self::One(text) => Self::One(change(text)?),
            Self::Many(all, joined) => {
                Self::Many(all.into_iter().map(change).collect::<Result<_, _>>()?, joined)
            }
        })
    }
}

/// Whether quotes hold nothing but `$@`.
fn is_all_parameters(pieces: &[Piece]) -> bool {
    let [Piece::Parameter(Parameter { name, operation, is_indirect: false, .. })] = pieces else {
        return false;
    };
    let keeps_words = matches!(
        operation,
        Operation::Value
            | Operation::Part { .. }
            | Operation::Replace { .. }
            | Operation::Case { .. }
    );
    *name == ParameterName::All && keeps_words
}

fn push_value(bytes: &[u8], place: Place, fields: &mut Fields<'_>) {
    match place.quoted {
        true => fields.push(bytes, true),
        false => fields.push_split(bytes),
    }
}

fn push(value: Value, place: Place, fields: &mut Fields<'_>, state: &State) {
    match value {
        Value::Unset => {}
        Value::One(text) => push_value(&text, place, fields),
        Value::Many(all, _) if place.is_one => fields.push(&joined(&all, state), place.quoted),
        Value::Many(all, true) if place.quoted => fields.push(&joined(&all, state), true),
        Value::Many(all, _) => {
            for (at, text) in all.iter().enumerate() {
                if at > 0 {
                    fields.end();
                }
                push_value(text, place, fields);
            }
        }
    }
}

/// `"$*"`: joined by the first separator (XCU 2.5.2).
fn joined(all: &[Vec<u8>], state: &State) -> Vec<u8> {
    let separators = state.separators();
    let separator = separators.get(..1).unwrap_or_default();
    all.join(separator)
}

fn bytes_of(field: &[Char]) -> Vec<u8> {
    field.iter().map(|char| char.byte).collect()
}

impl<W: World> Shell<'_, W> {
    /// What is left of a text behind a start that a pattern matches.
    fn without_start(
        &mut self,
        text: &[u8],
        pattern: &[Char],
        longest: bool,
    ) -> Result<Vec<u8>, Fault> {
        let reach = reach(pattern, text);
        for len in 0..=reach {
            let len = if longest { reach - len } else { len };
            if self.matches(pattern, &text[..len])? {
                return Ok(text[len..].to_vec());
            }
        }
        Ok(text.to_vec())
    }

    /// What is left of a text before an end that a pattern matches.
    fn without_end(
        &mut self,
        text: &[u8],
        pattern: &[Char],
        longest: bool,
    ) -> Result<Vec<u8>, Fault> {
        let reach = reach(pattern, text);
        for len in 0..=reach {
            let at = text.len() - if longest { reach - len } else { len };
            if self.matches(pattern, &text[at..])? {
                return Ok(text[..at].to_vec());
            }
        }
        Ok(text.to_vec())
    }
}

/// How many bytes of a text a pattern matches at most: without `*`, one of the text for each of its own.
fn reach(pattern: &[Char], text: &[u8]) -> usize {
    match pattern.iter().any(|char| char.byte == b'*' && !char.quoted) {
        true => text.len(),
        false => pattern.len().min(text.len()),
    }
}

#[cfg(test)]
mod tests;
