//! What bash(1) makes of a parameter's value beside what POSIX has ("Parameter Expansion"): parts, replacements,
//! capitals, and the parameter that a value names.

use super::expansion::Value;
use super::{Fault, Shell, arithmetic};
use crate::pattern::{self, Char};
use crate::syntax::{Matches, Operation, ParameterName, Piece, Word};
use crate::world::World;

/// The longest text in which a pattern with `*` is looked for: each place of it may end at each other.
const STAR_MAX: usize = 1 << 10;

impl<W: World> Shell<'_, W> {
    /// The parameter that the value of one names (`${!NAME}`).
    pub(super) fn named_by(&mut self, name: &ParameterName) -> Result<ParameterName, Fault> {
        if let ParameterName::Variable(name) = name {
            self.check_variable(name)?;
        }
        let text = match self.value(name) {
            Value::One(text) => String::from_utf8_lossy(&text).into_owned(),
            _ => return Err(self.error(&format!("{name}: invalid indirect expansion"))),
        };
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number: Option<usize> = text.parse().ok();
            return match number {
                Some(0) => Ok(ParameterName::Script),
                Some(number) => Ok(ParameterName::Positional(number)),
                None => Err(self.error(&format!("{text}: invalid variable name"))),
            };
        }
        let word = Word { pieces: vec![Piece::Literal(text.clone().into_bytes())] };
        match word.as_name().filter(|name| !name.is_empty()) {
            Some(name) => Ok(ParameterName::Variable(name.to_owned())),
            None => Err(self.unsupported(format!("the parameter `{text}` of `${{!{name}}}`"))),
        }
    }

    /// What one of the operations of bash makes of a value that is checked.
    pub(super) fn changed_by_bash(
        &mut self,
        name: &ParameterName,
        operation: &Operation,
        value: Value,
    ) -> Result<Value, Fault> {
        match operation {
            Operation::Part { offset, length } => self.part(name, value, offset, length.as_deref()),
            Operation::Replace { which, pattern, with } => {
                let pattern = self.expand_pattern(pattern)?;
                let with = self.replacement(with)?;
                value.try_map(|text| self.replaced(&text, &pattern, *which, &with))
            }
            Operation::Case { upper, all, pattern } => {
                let pattern = match pattern {
                    Some(pattern) => Some(self.expand_pattern(pattern)?),
                    None => None,
                };
                if value.all().any(|text| !text.is_ascii()) {
                    return Err(self.unsupported("capitals of bytes beyond ASCII in bash"));
                }
                Ok(value.map(|text| in_case(text, *upper, *all, pattern.as_deref())))
            }
            _ => Ok(value),
        }
    }

    /// `${NAME:OFFSET:LENGTH}`.
    fn part(
        &mut self,
        name: &ParameterName,
        value: Value,
        offset: &[Piece],
        length: Option<&[Piece]>,
    ) -> Result<Value, Fault> {
        let (count, is_many) = match &value {
            Value::Unset => return Ok(Value::Unset),
            Value::One(text) if !text.is_ascii() => {
                return Err(self.unsupported("a part of bytes beyond ASCII in bash"));
            }
            Value::One(text) => (text.len(), false),
            // `$0` comes first.
            Value::Many(all, _) => (all.len() + 1, true),
        };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut start = self.integer(offset)?;
        if start < 0 {
            start = start.saturating_add(count);
        }
        let range = match start {
            start if !(0..=count).contains(&start) => 0..0,
            start => {
                let end = match length {
                    None => count,
                    Some(length) => match self.integer(length)? {
                        length if length >= 0 => start.saturating_add(length).min(count),
                        length if !is_many && length.saturating_add(count) >= start => {
                            length + count
                        }
                        length => {
                            return Err(
                                self.error(&format!("{name}: {length}: substring expression < 0"))
                            );
                        }
                    },
                };
                usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)
            }
        };
        Ok(match value {
            Value::Unset => Value::Unset,
            Value::One(text) => Value::One(text[range].to_vec()),
            Value::Many(mut all, joined) => {
                all.insert(0, self.state.name.clone());
                Value::Many(all[range].to_vec(), joined)
            }
        })
    }

    /// The value of an expression; one of nothing is 0.
    fn integer(&mut self, pieces: &[Piece]) -> Result<i64, Fault> {
        let expression = self.expand_expression(pieces)?;
        self.check_arithmetic(&expression)?;
        if expression.trim_ascii().is_empty() {
            return Ok(0);
        }
        arithmetic::evaluate(&expression, &mut self.state).map_err(|why| self.error(&why))
    }

    /// What comes in the place of a match; `&` is the match itself unless quotes took its meaning.
    fn replacement(&mut self, word: &Word) -> Result<Vec<Char>, Fault> {
        let with = self.expand_marked(word)?;
        let has_backslash = with.iter().any(|char| char.byte == b'\\' && !char.quoted);
        match has_backslash {
            true => Err(self.unsupported("a backslash that an expansion brings to `${NAME/...}`")),
            false => Ok(with),
        }
    }

    /// A text with other bytes where a pattern matches, the longest match at each place.
    fn replaced(
        &mut self,
        text: &[u8],
        pattern: &[Char],
        which: Matches,
        with: &[Char],
    ) -> Result<Vec<u8>, Fault> {
        self.check_text(pattern, text)?;
        if pattern.is_empty() && matches!(which, Matches::First | Matches::All) {
            return Ok(text.to_vec());
        }
        let has_star = pattern.iter().any(|char| char.byte == b'*' && !char.quoted);
        if has_star && text.len() > STAR_MAX {
            return Err(self.unsupported("a pattern with `*` in more than 1 KiB of `${NAME/...}`"));
        }
        // Without `*`, a byte of the pattern is one of the text at most.
        let reach = if has_star { text.len() } else { pattern.len() };
        let ends = |start: usize| start..start.saturating_add(reach).min(text.len()) + 1;
        let (mut found, mut at) = (Vec::new(), 0);
        let starts = match which {
            Matches::Start => 0..1,
            _ => 0..text.len() + 1,
        };
        for start in starts {
            if start < at {
                continue;
            }
            let mut end = None;
            let ends = if which == Matches::End { text.len()..text.len() + 1 } else { ends(start) };
            for at in ends.rev() {
                if self.matches(pattern, &text[start..at])? {
                    end = Some(at);
                    break;
                }
            }
            let Some(end) = end else { continue };
            if which == Matches::All && end == start && start > 0 {
                // What is empty matches at the start of a text alone.
                continue;
            }
            found.extend_from_slice(&text[at..start]);
            for char in with {
                match char {
                    Char { byte: b'&', quoted: false } => {
                        found.extend_from_slice(&text[start..end])
                    }
                    char => found.push(char.byte),
                }
            }
            at = end;
            if which != Matches::All {
                break;
            }
        }
        found.extend_from_slice(&text[at..]);
        self.expand(0, found.len() as u64)?;
        Ok(found)
    }
}

/// A text in capitals or without, each byte that a pattern matches or the first one alone.
fn in_case(mut text: Vec<u8>, upper: bool, all: bool, pattern: Option<&[Char]>) -> Vec<u8> {
    let most = if all { text.len() } else { 1 };
    for byte in text.iter_mut().take(most) {
        if pattern.is_none_or(|pattern| pattern::matches(pattern, &[*byte])) {
            *byte = if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        }
    }
    text
}
