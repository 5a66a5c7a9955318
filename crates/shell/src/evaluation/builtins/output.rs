//! `echo` and `printf`.

use super::super::{Fault, Shell};
use crate::world::World;

/// A text with its backslashes read; true if `\c` ended all output.
fn escaped(text: &[u8], zero_octal: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&letter) = text.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        match letter {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'c' => return (out, true),
            b'e' => out.push(0x1b),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'0'..=b'7' if letter == b'0' || !zero_octal => {
                // `\0ddd` in `echo` and `%b`, `\ddd` in a format.
                let start = if zero_octal { at } else { at - 1 };
                let digits =
                    text[start..].iter().take(3).take_while(|it| (b'0'..=b'7').contains(it));
                let digits: Vec<u8> = digits.copied().collect();
                at = start + digits.len();
                let value =
                    digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                out.push((value & 0xff) as u8);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    (out, false)
}

/// A conversion of a format.
struct Conversion {
    left: bool,
    zero: bool,
    sign: Option<u8>,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    letter: u8,
}

impl<W: World> Shell<'_, W> {
    /// dash's `echo` reads backslashes, whatever its options.
    pub(super) fn echo(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (line_break, words) = match arguments.split_first() {
            Some((option, words)) if option == b"-n" => (false, words),
            _ => (true, arguments),
        };
        let (mut text, ended) = escaped(&words.join(&b' '), true);
        if line_break && !ended {
            text.push(b'\n');
        }
        Ok(u8::from(!self.write(1, &text)?))
    }

    pub(super) fn printf(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let arguments = match arguments.split_first() {
            Some((first, rest)) if first == b"--" => rest,
            _ => arguments,
        };
        let Some((format, values)) = arguments.split_first() else {
            return Err(self.error("printf: usage: printf format [arg ...]"));
        };
        let mut values = values.iter();
        let (mut out, mut status) = (Vec::new(), 0);
        loop {
            let before = values.len();
            self.step()?;
            let ended = self.print_once(format, &mut values, &mut out, &mut status)?;
            if ended || values.len() == 0 || values.len() == before {
                break;
            }
        }
        if !self.write(1, &out)? {
            status = 1;
        }
        Ok(status)
    }

    /// The format once; true if `\c` ended all output.
    fn print_once(
        &mut self,
        format: &[u8],
        values: &mut std::slice::Iter<'_, Vec<u8>>,
        out: &mut Vec<u8>,
        status: &mut u8,
    ) -> Result<bool, Fault> {
        let mut at = 0;
        while at < format.len() {
            let rest = &format[at..];
            let plain = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            if plain > 0 {
                let (text, ended) = escaped(&rest[..plain], false);
                out.extend(text);
                if ended {
                    return Ok(true);
                }
                at += plain;
                continue;
            }
            if rest.starts_with(b"%%") {
                out.push(b'%');
                at += 2;
                continue;
            }
            let (conversion, len) = match self.conversion(rest, values)? {
                Some(found) => found,
                None => {
                    let shown = String::from_utf8_lossy(rest).into_owned();
                    return Err(self.unsupported(format!("`printf` of `{shown}`")));
                }
            };
            at += len;
            if self.print_value(&conversion, values.next(), out, status)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn conversion(
        &mut self,
        text: &[u8],
        values: &mut std::slice::Iter<'_, Vec<u8>>,
    ) -> Result<Option<(Conversion, usize)>, Fault> {
        let mut found = Conversion {
            left: false,
            zero: false,
            sign: None,
            alternate: false,
            width: 0,
            precision: None,
            letter: 0,
        };
        let mut at = 1;
        while let Some(flag) = text.get(at) {
            match flag {
                b'-' => found.left = true,
                b'0' => found.zero = true,
                b'+' | b' ' => found.sign = Some(*flag),
                b'#' => found.alternate = true,
                _ => break,
            }
            at += 1;
        }
        let mut number = |at: &mut usize| -> usize {
            if text.get(*at) == Some(&b'*') {
                *at += 1;
                let value =
                    values.next().and_then(|value| str::from_utf8(value).ok()?.parse().ok());
                return value.unwrap_or(0);
            }
            let digits = text[*at..].iter().take_while(|byte| byte.is_ascii_digit());
            let digits: Vec<u8> = digits.copied().collect();
            *at += digits.len();
            str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        found.width = number(&mut at);
        if text.get(at) == Some(&b'.') {
            at += 1;
            found.precision = Some(number(&mut at));
        }
        let limit = usize::try_from(self.limits.output).unwrap_or(usize::MAX);
        if found.width > limit || found.precision.is_some_and(|precision| precision > limit) {
            return Err(self.limit(self.limits.output, "bytes of output"));
        }
        found.letter = match text.get(at) {
            Some(letter) if b"bcdiouxXs".contains(letter) => *letter,
            _ => return Ok(None),
        };
        Ok(Some((found, at + 1)))
    }

    fn print_value(
        &mut self,
        conversion: &Conversion,
        value: Option<&Vec<u8>>,
        out: &mut Vec<u8>,
        status: &mut u8,
    ) -> Result<bool, Fault> {
        let text = value.map(Vec::as_slice).unwrap_or_default();
        let cut = |text: &[u8]| {
            let len = conversion.precision.unwrap_or(text.len()).min(text.len());
            text[..len].to_vec()
        };
        let (body, ended) = match conversion.letter {
            b's' => (cut(text), false),
            b'b' => {
                let (text, ended) = escaped(text, true);
                (cut(&text), ended)
            }
            b'c' => (text.first().copied().into_iter().collect(), false),
            _ => {
                let number = match numeric(text) {
                    Some(number) => number,
                    None => {
                        let shown = String::from_utf8_lossy(text).into_owned();
                        self.complain(&format!("printf: {shown}: expected numeric value"))?;
                        *status = 1;
                        0
                    }
                };
                (conversion.number(number), false)
            }
        };
        let padding = conversion.width.saturating_sub(body.len());
        let blanks = vec![b' '; padding];
        match conversion.left {
            true => out.extend([body, blanks].concat()),
            false => out.extend([blanks, body].concat()),
        }
        Ok(ended)
    }
}

/// A number: nothing is 0, and `'A` is a byte's value.
fn numeric(text: &[u8]) -> Option<i64> {
    match text {
        [] => Some(0),
        [b'\'' | b'"', byte, ..] => Some(i64::from(*byte)),
        text => super::super::arithmetic::number(text),
    }
}

impl Conversion {
    /// The digits of a number, as the letter wants them.
    fn number(&self, number: i64) -> Vec<u8> {
        let signed = matches!(self.letter, b'd' | b'i');
        let magnitude = if signed { number.unsigned_abs() } else { number.cast_unsigned() };
        let mut digits = match self.letter {
            b'o' => format!("{magnitude:o}"),
            b'x' => format!("{magnitude:x}"),
            b'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let prefix = match self.letter {
            b'o' if self.alternate && !digits.starts_with('0') => "0",
            b'x' if self.alternate && number != 0 => "0x",
            b'X' if self.alternate && number != 0 => "0X",
            _ if signed && number < 0 => "-",
            _ if signed && self.sign == Some(b'+') => "+",
            _ if signed && self.sign == Some(b' ') => " ",
            _ => "",
        };
        let wanted = match self.precision {
            Some(precision) => precision,
            None if self.zero && !self.left => self.width.saturating_sub(prefix.len()),
            None => 0,
        };
        if digits.len() < wanted {
            digits = format!("{}{digits}", "0".repeat(wanted - digits.len()));
        }
        format!("{prefix}{digits}").into_bytes()
    }
}
