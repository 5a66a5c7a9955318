//! expr(1).

use super::super::call::{Call, shown};
use super::regex::{Dialect, Regex};
use crate::stop::Stop;
use crate::world::World;

/// expr(1): its exit status is 1 for an empty text and for zero, 2 for words that are no expression.
pub(in super::super) fn expr<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments();
    let mut parser = Parser { call, words };
    let value = match parser.alternatives()? {
        Ok(value) if parser.words.is_empty() => value,
        Ok(_) => return Ok(call.usage("syntax error", 2)),
        Err(message) => return Ok(call.usage(&message, 2)),
    };
    call.print(&value);
    call.print(b"\n");
    Ok(u8::from(is_null(&value)))
}

/// A value, or what expr says of words that have none.
type Value = Result<Result<Vec<u8>, String>, Stop>;

fn is_null(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.is_empty() || (!digits.is_empty() && digits.iter().all(|byte| *byte == b'0'))
}

fn integer(value: &[u8]) -> Option<i128> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(value).ok()?.parse().ok())?
}

struct Parser<'p, 'a> {
    call: &'p Call<'a>,
    words: &'a [Vec<u8>],
}

macro_rules! value {
    ($value:expr) => {
        match $value? {
            Ok(value) => value,
            Err(message) => return Ok(Err(message)),
        }
    };
}

impl Parser<'_, '_> {
    fn operator(&mut self, operators: &[&str]) -> Option<Vec<u8>> {
        let (word, rest) = self.words.split_first()?;
        let found = operators.iter().any(|operator| operator.as_bytes() == word);
        found.then(|| {
            self.words = rest;
            word.clone()
        })
    }

    fn alternatives(&mut self) -> Value {
        let mut left = value!(self.conjunction());
        while self.operator(&["|"]).is_some() {
            let right = value!(self.conjunction());
            if is_null(&left) {
                left = if is_null(&right) { b"0".to_vec() } else { right };
            }
        }
        Ok(Ok(left))
    }

    fn conjunction(&mut self) -> Value {
        let mut left = value!(self.comparison());
        while self.operator(&["&"]).is_some() {
            let right = value!(self.comparison());
            if is_null(&left) || is_null(&right) {
                left = b"0".to_vec();
            }
        }
        Ok(Ok(left))
    }

    fn comparison(&mut self) -> Value {
        let mut left = value!(self.sum());
        while let Some(operator) = self.operator(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = value!(self.sum());
            let order = match (integer(&left), integer(&right)) {
                (Some(one), Some(other)) => one.cmp(&other),
                _ => left.cmp(&right),
            };
            let holds = match operator.as_slice() {
                b"<" => order.is_lt(),
                b"<=" => order.is_le(),
                b"=" | b"==" => order.is_eq(),
                b"!=" => order.is_ne(),
                b">=" => order.is_ge(),
                _ => order.is_gt(),
            };
            left = if holds { b"1".to_vec() } else { b"0".to_vec() };
        }
        Ok(Ok(left))
    }

    fn sum(&mut self) -> Value {
        let mut left = value!(self.product());
        while let Some(operator) = self.operator(&["+", "-"]) {
            let right = value!(self.product());
            let (Some(one), Some(other)) = (integer(&left), integer(&right)) else {
                return Ok(Err("non-integer argument".to_owned()));
            };
            let sum =
                if operator == b"+" { one.checked_add(other) } else { one.checked_sub(other) };
            left = self.bounded(sum)?;
        }
        Ok(Ok(left))
    }

    fn product(&mut self) -> Value {
        let mut left = value!(self.matched());
        while let Some(operator) = self.operator(&["*", "/", "%"]) {
            let right = value!(self.matched());
            let (Some(one), Some(other)) = (integer(&left), integer(&right)) else {
                return Ok(Err("non-integer argument".to_owned()));
            };
            if operator != b"*" && other == 0 {
                return Ok(Err("division by zero".to_owned()));
            }
            let product = match operator.as_slice() {
                b"*" => one.checked_mul(other),
                b"/" => one.checked_div(other),
                _ => one.checked_rem(other),
            };
            left = self.bounded(product)?;
        }
        Ok(Ok(left))
    }

    fn bounded(&self, number: Option<i128>) -> Result<Vec<u8>, Stop> {
        let number = number.and_then(|number| i64::try_from(number).ok());
        let number = number.ok_or_else(|| self.call.unsupported("a number beyond 64 bits"))?;
        Ok(number.to_string().into())
    }

    fn matched(&mut self) -> Value {
        let mut left = value!(self.primary());
        while self.operator(&[":"]).is_some() {
            let right = value!(self.primary());
            left = self.matches(&left, &right)?;
        }
        Ok(Ok(left))
    }

    /// What the first group matches, or how many bytes match, from the start on.
    fn matches(&self, text: &[u8], pattern: &[u8]) -> Result<Vec<u8>, Stop> {
        let regex = Regex::new(self.call, pattern, Dialect::Basic, false)?;
        if regex.groups() == 0 {
            let found = regex.find(text, 0).filter(|found| found.start == 0);
            return Ok(found.map_or(0, |found| found.len()).to_string().into());
        }
        let found = regex.find_groups(self.call, text, 0)?.filter(|found| found.whole().start == 0);
        let group = found.and_then(|found| found.group(1));
        Ok(group.map(|at| text[at].to_vec()).unwrap_or_default())
    }

    fn primary(&mut self) -> Value {
        if self.operator(&["("]).is_some() {
            let inner = value!(self.alternatives());
            if self.operator(&[")"]).is_none() {
                return Ok(Err("syntax error: expecting ')'".to_owned()));
            }
            return Ok(Ok(inner));
        }
        if let Some(keyword) = self.operator(&["match", "substr", "index", "length", "+"]) {
            return Err(self.call.unsupported(format!("`{}`", shown(&keyword))));
        }
        match self.words.split_first() {
            Some((word, rest)) => {
                self.words = rest;
                Ok(Ok(word.clone()))
            }
            None => Ok(Err("syntax error: missing argument".to_owned())),
        }
    }
}
