//! Values of awk: numbers, strings, and input that may be either (XCU `awk`, "Expressions in awk").

use std::cmp::Ordering;
use std::rc::Rc;

use super::format;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Unset,
    Number(f64),
    Text(Rc<[u8]>),
    /// What was read: a number too, if it looks like one.
    Input(Rc<[u8]>),
}

/// The whole numbers that all versions of mawk write with all their digits.
const WHOLE_MAX: f64 = 2_147_483_647.0;

impl Value {
    pub(super) fn text_of(text: &[u8]) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn input(text: &[u8]) -> Self {
        Self::Input(text.into())
    }

    pub(super) fn of_bool(holds: bool) -> Self {
        Self::Number(f64::from(u8::from(holds)))
    }

    /// As a number: that which a string starts with.
    ///
    /// # Errors
    /// What implementations read differently: hexadecimal digits, infinity.
    pub(super) fn number(&self) -> Result<f64, String> {
        match self {
            Self::Unset => Ok(0.0),
            Self::Number(number) => Ok(*number),
            Self::Text(text) | Self::Input(text) => leading(text),
        }
    }

    /// As a string, by a format for what is no whole number.
    ///
    /// # Errors
    /// A number that implementations write differently.
    pub(super) fn text(&self, conversion: &[u8]) -> Result<Rc<[u8]>, String> {
        match self {
            Self::Unset => Ok(Rc::from(&b""[..])),
            Self::Text(text) | Self::Input(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number_text(*number, conversion)?.into()),
        }
    }

    pub(super) fn is_true(&self) -> Result<bool, String> {
        Ok(match self {
            Self::Unset => false,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Input(text) => match numeric(text)? {
                Some(number) => number != 0.0,
                None => !text.is_empty(),
            },
        })
    }

    /// As numbers if both are, as strings if not.
    pub(super) fn compare(&self, other: &Self, conversion: &[u8]) -> Result<Ordering, String> {
        if let (Some(one), Some(other)) = (self.as_numeric()?, other.as_numeric()?) {
            return one.partial_cmp(&other).ok_or_else(|| "a comparison with no number".to_owned());
        }
        Ok(self.text(conversion)?.cmp(&other.text(conversion)?))
    }

    /// The number, of a value that is one.
    pub(super) fn as_numeric(&self) -> Result<Option<f64>, String> {
        match self {
            Self::Unset => Ok(Some(0.0)),
            Self::Number(number) => Ok(Some(*number)),
            Self::Text(_) => Ok(None),
            Self::Input(text) => numeric(text),
        }
    }
}

/// A number as a string.
pub(super) fn number_text(number: f64, conversion: &[u8]) -> Result<Vec<u8>, String> {
    if number.fract() != 0.0 {
        return format::number(conversion, number);
    }
    if number.abs() > WHOLE_MAX {
        return Err(format!("the digits of a whole number beyond {WHOLE_MAX}"));
    }
    // Without the sign of a zero.
    Ok(format!("{}", number + 0.0).into_bytes())
}

/// How long the decimal number is that a text starts with: 0 if it starts with none.
pub(super) fn number_len(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut len = sign + whole;
    let mut fraction = 0;
    if text.get(len) == Some(&b'.') {
        fraction = digits(len + 1);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(text.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = if len + 1 + sign <= text.len() { digits(len + 1 + sign) } else { 0 };
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    &text[text.iter().take_while(is_blank).count()..]
}

/// Refuses what strtod(3) takes for a number and awk need not.
fn checked(text: &[u8]) -> Result<(), String> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let starts =
        |word: &[u8]| digits.len() >= word.len() && digits[..word.len()].eq_ignore_ascii_case(word);
    match starts(b"0x") || starts(b"inf") || starts(b"nan") {
        true => Err(format!("the number `{}`", String::from_utf8_lossy(text))),
        false => Ok(()),
    }
}

fn leading(text: &[u8]) -> Result<f64, String> {
    let text = without_blanks(text);
    checked(text)?;
    parsed(&text[..number_len(text)])
}

fn parsed(digits: &[u8]) -> Result<f64, String> {
    if digits.is_empty() {
        return Ok(0.0);
    }
    let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse::<f64>().ok());
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| "a number beyond all bounds".to_owned())
}

/// The number that all of a text is, but for blanks.
fn numeric(text: &[u8]) -> Result<Option<f64>, String> {
    let text = without_blanks(text);
    let len = number_len(text);
    if len > 0 && without_blanks(&text[len..]).is_empty() {
        return parsed(&text[..len]).map(Some);
    }
    // Only where all of it would be a number does it matter.
    let word = without_blanks(text).trim_ascii_end();
    if !word.is_empty()
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(byte))
    {
        let is_word = |known: &[u8]| {
            word.strip_prefix(b"-")
                .or_else(|| word.strip_prefix(b"+"))
                .unwrap_or(word)
                .eq_ignore_ascii_case(known)
        };
        let digits = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
        let is_hexadecimal = digits.len() > 2
            && digits[..2].eq_ignore_ascii_case(b"0x")
            && digits[2..].iter().all(u8::is_ascii_hexdigit);
        if is_hexadecimal || is_word(b"inf") || is_word(b"infinity") || is_word(b"nan") {
            checked(word)?;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Value, number_len, number_text};

    #[test]
    fn a_number_ends_where_it_stops_being_one() {
        for (text, expected) in [
            ("", 0),
            ("x", 0),
            ("12", 2),
            ("12x", 2),
            ("-3.5e2z", 6),
            (".5.", 2),
            (".", 0),
            ("5.", 2),
            ("1e", 1),
            ("1e+", 1),
            ("1e+3", 4),
            ("+-1", 0),
            ("+7", 2),
        ] {
            assert_eq!(number_len(text.as_bytes()), expected, "{text}");
        }
    }

    /// What Debian 12 and 13 write differently is not written.
    #[test]
    fn whole_numbers_have_all_their_digits() {
        for (number, expected) in [
            (0.0, Some("0")),
            (-0.0, Some("0")),
            (2_147_483_647.0, Some("2147483647")),
            (-2_147_483_647.0, Some("-2147483647")),
            (2_147_483_648.0, None),
            (0.1, Some("0.1")),
            (1_234_567.8, Some("1.23457e+06")),
        ] {
            let text = number_text(number, b"%.6g").ok();
            assert_eq!(text.as_deref(), expected.map(str::as_bytes), "{number}");
        }
    }

    /// XCU `awk`, "numeric string".
    #[test]
    fn input_is_a_number_if_all_of_it_looks_like_one() {
        for (text, expected) in [
            (" 12 ", Ok(Some(12.0))),
            ("1e1", Ok(Some(10.0))),
            ("3x", Ok(None)),
            ("", Ok(None)),
            ("info", Ok(None)),
            ("0xzz", Ok(None)),
        ] {
            assert_eq!(Value::input(text.as_bytes()).as_numeric(), expected, "{text}");
        }
        for text in ["0x1A", "inf", "-nan", "Infinity"] {
            assert!(Value::input(text.as_bytes()).as_numeric().is_err(), "{text}");
        }
        assert!(Value::text_of(b"0x1A").number().is_err());
    }
}
