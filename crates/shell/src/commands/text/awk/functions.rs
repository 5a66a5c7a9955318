//! The functions of awk (XCU `awk`, "Functions").

use std::rc::Rc;

use super::evaluate::count;
use super::lexer::Builtin;
use super::machine::Machine;
use super::sprintf::sprintf;
use super::syntax::{CONVFMT, Expr, FS, Place, RLENGTH, RSTART, Slot};
use super::value::Value;
use crate::stop::Stop;
use crate::world::Files;

impl<F: Files> Machine<'_, '_, F> {
    /// Functions of strings and numbers.
    pub(super) fn of_values(&mut self, builtin: Builtin, values: &[Value]) -> Result<Value, Stop> {
        let first = values.first().cloned().unwrap_or(Value::Unset);
        Ok(match builtin {
            Builtin::Int => Value::Number(self.number(&first)?.trunc()),
            Builtin::Length => count(self.text(&first)?.len()),
            Builtin::Tolower => Value::text_of(&self.text(&first)?.to_ascii_lowercase()),
            Builtin::Toupper => Value::text_of(&self.text(&first)?.to_ascii_uppercase()),
            Builtin::Sprintf => {
                let format = self.text(&first)?;
                let text = self.formatted(&format, values.get(1..).unwrap_or_default())?;
                Value::text_of(&text)
            }
            Builtin::Index => {
                let text = self.text(&first)?;
                let part = self.text(&values[1])?;
                if part.is_empty() {
                    return Err(self.unsupported("where nothing is in a string"));
                }
                let at = text.windows(part.len()).position(|window| *window == *part);
                count(at.map_or(0, |at| at + 1))
            }
            _ => self.substr(&first, &values[1..])?,
        })
    }

    /// A format with its values.
    pub(super) fn formatted(&mut self, format: &[u8], values: &[Value]) -> Result<Vec<u8>, Stop> {
        let conversion = self.special(CONVFMT)?;
        let text = self.told(sprintf(format, values, &conversion))?;
        self.count(text.len())?;
        Ok(text)
    }

    /// `substr`, where all versions of mawk agree: from a place in the string, by whole numbers.
    fn substr(&mut self, text: &Value, range: &[Value]) -> Result<Value, Stop> {
        let text = self.text(text)?;
        let mut numbers = Vec::new();
        for value in range {
            let number = self.number(value)?;
            if number.fract() != 0.0 {
                return Err(self.unsupported(format!("`substr` by {number}")));
            }
            numbers.push(number);
        }
        let (start, len) = match numbers.as_slice() {
            [start] => (start.max(1.0), f64::INFINITY),
            [start, _] if *start < 1.0 => {
                return Err(self.unsupported(format!("`substr` from {start}")));
            }
            [start, len] => (*start, *len),
            _ => return Err(self.unsupported("`substr` of nothing")),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "they saturate"
        )]
        let (start, len) = (start as usize - 1, len.max(0.0) as usize);
        let rest = text.get(start..).unwrap_or_default();
        Ok(Value::text_of(&rest[..len.min(rest.len())]))
    }

    /// Functions that take a regular expression.
    pub(super) fn with_pattern(
        &mut self,
        builtin: Builtin,
        arguments: &[Expr],
    ) -> Result<Value, Stop> {
        match (builtin, arguments) {
            (Builtin::Match, [text, pattern]) => {
                let text = self.eval(text)?;
                let text = self.text(&text)?;
                let pattern = self.pattern(pattern)?;
                let (start, len) = match self.regex(&pattern)?.find(&text, 0) {
                    Some(range) => (count(range.start + 1), count(range.len())),
                    None => (Value::Number(0.0), Value::Number(-1.0)),
                };
                self.set(Slot::Global(RSTART), start.clone())?;
                self.set(Slot::Global(RLENGTH), len)?;
                Ok(start)
            }
            (Builtin::Split, [text, Expr::Place(Place::Variable(array)), separator @ ..]) => {
                self.split(text, *array, separator.first())
            }
            (_, [pattern, by, place @ ..]) => {
                let record = Place::Field(Box::new(Expr::Number(0.0)));
                let place = match place {
                    [Expr::Place(place)] => place,
                    _ => &record,
                };
                self.substitute(pattern, by, place, builtin == Builtin::Gsub)
            }
            _ => Err(self.unsupported("a function with other arguments")),
        }
    }

    fn split(&mut self, text: &Expr, array: Slot, separator: Option<&Expr>) -> Result<Value, Stop> {
        let text = self.eval(text)?;
        let text = self.text(&text)?;
        let separator = match separator {
            Some(Expr::Regex(pattern)) => super::patterns::Separator::Regex(self.regex(pattern)?),
            Some(expr) => {
                let value = self.eval(expr)?;
                let value = self.text(&value)?;
                self.separator(&value)?
            }
            None => {
                let value = self.special(FS)?;
                self.separator(&value)?
            }
        };
        let fields = separator.split(&text);
        self.count(text.len() + fields.len() * 64)?;
        let array = self.array(array)?;
        let mut array = array.borrow_mut();
        array.clear();
        for (number, field) in (1..).zip(&fields) {
            let number: usize = number;
            array.insert(number.to_string().into_bytes(), Value::input(field));
        }
        Ok(count(fields.len()))
    }

    /// `sub` and `gsub`.
    fn substitute(
        &mut self,
        pattern: &Expr,
        by: &Expr,
        place: &Place,
        is_global: bool,
    ) -> Result<Value, Stop> {
        let pattern = self.pattern(pattern)?;
        let by = self.eval(by)?;
        let by = replacement(&self.text(&by)?);
        let old = self.read_place(place)?;
        let text: Rc<[u8]> = self.text(&old)?;
        let regex = self.regex(&pattern)?;
        let (mut result, mut copied, mut from, mut made) = (Vec::new(), 0, 0, 0);
        while from <= text.len()
            && let Some(range) = regex.find(&text, from)
        {
            from = if range.is_empty() { range.end + 1 } else { range.end };
            // Behind a match, an empty one is none.
            if range.is_empty() && range.start == copied && made > 0 {
                continue;
            }
            result.extend_from_slice(&text[copied..range.start]);
            for part in &by {
                match part {
                    Some(byte) => result.push(*byte),
                    None => result.extend_from_slice(&text[range.clone()]),
                }
            }
            copied = range.end;
            made += 1;
            self.count(result.len() / 64)?;
            if !is_global {
                break;
            }
        }
        if made > 0 {
            result.extend_from_slice(&text[copied..]);
            self.count(result.len())?;
            self.write_place(place, Value::text_of(&result))?;
        }
        Ok(count(made))
    }
}

/// What stands for a match: bytes, or all of it (`&`).
fn replacement(text: &[u8]) -> Vec<Option<u8>> {
    let (mut parts, mut bytes) = (Vec::new(), text.iter().peekable());
    while let Some(byte) = bytes.next() {
        parts.push(match (byte, bytes.peek()) {
            (b'\\', Some(b'&' | b'\\')) => bytes.next().copied(),
            (b'&', _) => None,
            (byte, _) => Some(*byte),
        });
    }
    parts
}
