//! Formats as printf(3) reads them (XCU `awk`, "Output Statements").

/// The widest field.
const WIDTH_MAX: usize = 1 << 16;

/// A conversion of a format.
#[derive(Debug, Default)]
pub(super) struct Conversion {
    left: bool,
    zero: bool,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// What stands for the conversions of a format, one after the other.
pub(super) trait Source {
    /// The next width or precision, of `*`.
    fn width(&mut self) -> Result<f64, String>;

    /// The next value without its padding; nothing for a letter that is not known.
    fn body(&mut self, conversion: &Conversion, letter: u8) -> Result<Option<Vec<u8>>, String>;
}

/// The format with its values.
///
/// # Errors
/// What implementations print differently, and a format without its values.
pub(super) fn render(format: &[u8], source: &mut impl Source) -> Result<Vec<u8>, String> {
    let (mut out, mut rest) = (Vec::new(), format);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        if let Some(behind) = rest.strip_prefix(b"%") {
            out.push(b'%');
            rest = behind;
            continue;
        }
        let shown = || format!("the format `{}`", String::from_utf8_lossy(format));
        let (found, letter) = Conversion::read(&mut rest, source)?.ok_or_else(shown)?;
        let body = source.body(&found, letter)?.ok_or_else(shown)?;
        let padding = found.width.saturating_sub(body.len());
        match found.left {
            true => {
                out.extend_from_slice(&body);
                out.extend(std::iter::repeat_n(b' ', padding));
            }
            false => {
                out.extend(std::iter::repeat_n(b' ', padding));
                out.extend_from_slice(&body);
            }
        }
    }
    Ok(out)
}

/// A number by a format that has one conversion, as `CONVFMT` has.
///
/// # Errors
/// As for [`render`].
pub(super) fn number(format: &[u8], number: f64) -> Result<Vec<u8>, String> {
    struct One(Option<f64>);
    impl One {
        fn next(&mut self) -> Result<f64, String> {
            self.0.take().ok_or_else(|| "a format of a number with more than one".to_owned())
        }
    }
    impl Source for One {
        fn width(&mut self) -> Result<f64, String> {
            self.next()
        }

        fn body(&mut self, conversion: &Conversion, letter: u8) -> Result<Option<Vec<u8>>, String> {
            let number = self.next()?;
            conversion.number(letter, number)
        }
    }
    render(format, &mut One(Some(number)))
}

impl Conversion {
    /// Takes one, behind its `%`, from a format; answers its letter too.
    fn read(text: &mut &[u8], source: &mut impl Source) -> Result<Option<(Self, u8)>, String> {
        let mut found = Self::default();
        while let Some((flag, rest)) = text.split_first() {
            match flag {
                b'-' => found.left = true,
                b'0' => found.zero = true,
                b'#' => found.alternate = true,
                b'+' => found.sign = Some('+'),
                b' ' if found.sign.is_none() => found.sign = Some(' '),
                b' ' => {}
                _ => break,
            }
            *text = rest;
        }
        let mut number = |text: &mut &[u8]| -> Result<Option<usize>, String> {
            let number = match text.strip_prefix(b"*") {
                Some(rest) => {
                    *text = rest;
                    whole(source.width()?).and_then(|number| usize::try_from(number).ok())
                }
                None => {
                    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let digits = str::from_utf8(&text[..len]).unwrap_or_default();
                    *text = &text[len..];
                    if len == 0 { Some(0) } else { digits.parse().ok() }
                }
            };
            Ok(number.filter(|number| *number <= WIDTH_MAX))
        };
        let Some(width) = number(text)? else { return Ok(None) };
        found.width = width;
        if let Some(rest) = text.strip_prefix(b".") {
            *text = rest;
            match number(text)? {
                Some(precision) => found.precision = Some(precision),
                None => return Ok(None),
            }
        }
        let Some((letter, rest)) = text.split_first() else { return Ok(None) };
        *text = rest;
        Ok(Some((found, *letter)))
    }

    /// As much of a string as the precision lets through.
    pub(super) fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[..self.precision.unwrap_or(text.len()).min(text.len())]
    }

    /// A number without its padding of blanks; nothing for a letter that is not one's.
    ///
    /// # Errors
    /// A whole number that implementations print differently.
    pub(super) fn number(&self, letter: u8, number: f64) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(match letter {
            b'd' | b'i' | b'o' | b'x' | b'X' | b'u' => {
                let is_signed = b"di".contains(&letter);
                let number = whole(number).filter(|number| *number >= 0 || is_signed);
                self.integer(letter, number.ok_or("a whole number beyond 2147483647")?)
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => self.float(letter, number),
            _ => return Ok(None),
        }))
    }

    fn integer(&self, letter: u8, number: i64) -> Vec<u8> {
        let mut digits = match letter {
            b'o' => format!("{number:o}"),
            b'x' => format!("{number:x}"),
            b'X' => format!("{number:X}"),
            _ => number.unsigned_abs().to_string(),
        };
        if self.precision == Some(0) && number == 0 {
            digits.clear();
        }
        let prefix = match letter {
            b'o' if self.alternate && !digits.starts_with('0') => "0".to_owned(),
            b'x' if self.alternate && number != 0 => "0x".to_owned(),
            b'X' if self.alternate && number != 0 => "0X".to_owned(),
            b'd' | b'i' => self.sign_of(number < 0),
            _ => String::new(),
        };
        let wanted = match self.precision {
            Some(precision) => precision,
            None if self.zero && !self.left => self.width.saturating_sub(prefix.len()),
            None => 0,
        };
        let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
        format!("{prefix}{zeros}{digits}").into_bytes()
    }

    fn sign_of(&self, is_negative: bool) -> String {
        match is_negative {
            true => "-".to_owned(),
            false => self.sign.map(String::from).unwrap_or_default(),
        }
    }

    fn float(&self, letter: u8, number: f64) -> Vec<u8> {
        let precision = self.precision.unwrap_or(6);
        let magnitude = number.abs();
        let mut digits = match letter {
            b'f' | b'F' => self.pointed(format!("{magnitude:.precision$}")),
            b'e' | b'E' => self.exponential(magnitude, precision),
            _ => self.general(magnitude, precision.max(1)),
        };
        if letter.is_ascii_uppercase() {
            digits = digits.to_ascii_uppercase();
        }
        let sign = self.sign_of(number.is_sign_negative() && number != 0.0);
        let zeros = match self.zero && !self.left {
            true => "0".repeat(self.width.saturating_sub(sign.len() + digits.len())),
            false => String::new(),
        };
        format!("{sign}{zeros}{digits}").into_bytes()
    }

    /// `#` keeps the point of what has no digits behind it.
    fn pointed(&self, digits: String) -> String {
        match self.alternate && !digits.contains('.') {
            true => digits + ".",
            false => digits,
        }
    }

    /// `1.5e+03`.
    fn exponential(&self, magnitude: f64, precision: usize) -> String {
        let (mantissa, exponent) = parts(magnitude, precision);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", self.pointed(mantissa), exponent.abs())
    }

    /// The shorter of both, without zeros at its end.
    fn general(&self, magnitude: f64, precision: usize) -> String {
        let (mantissa, exponent) = parts(magnitude, precision - 1);
        let trimmed = |digits: String| match digits.contains('.') && !self.alternate {
            true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => digits,
        };
        let is_fixed =
            exponent >= -4 && usize::try_from(exponent.max(0)).unwrap_or_default() < precision;
        if is_fixed {
            let behind = i64::try_from(precision).unwrap_or_default() - 1 - exponent;
            let behind = usize::try_from(behind).unwrap_or_default();
            return trimmed(self.pointed(format!("{magnitude:.behind$}")));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(self.pointed(mantissa)), exponent.abs())
    }
}

/// A mantissa of so many digits behind the point, and the exponent.
fn parts(magnitude: f64, precision: usize) -> (String, i64) {
    let text = format!("{magnitude:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.to_owned(), exponent.parse().unwrap_or_default())
}

/// A whole number that every version of mawk takes.
pub(super) fn whole(number: f64) -> Option<i64> {
    let number = number.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
    (number.abs() <= 2_147_483_647.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::number;

    /// As printf(3) prints them.
    #[test]
    fn numbers_are_those_of_c() {
        for (format, value, expected) in [
            ("%.6g", 0.1, "0.1"),
            ("%.6g", 123_456_789.5, "1.23457e+08"),
            ("%.6g", 0.000_01, "1e-05"),
            ("%.6g", 0.0001, "0.0001"),
            ("%.6g", 999_999.5, "1e+06"),
            ("%g", 1e10, "1e+10"),
            ("%G", 1e-10, "1E-10"),
            ("%#g", 1.5, "1.50000"),
            ("%.3e", 12_345.678, "1.235e+04"),
            ("%.0f", 2.5, "2"),
            ("%.0f", 3.5, "4"),
            ("%#.0f", 3.0, "3."),
            ("%08.3f", -1.5, "-001.500"),
            ("%-8.2f|", 1.0, "1.00    |"),
            ("%+d", 5.0, "+5"),
            ("% d", 5.9, " 5"),
            ("%05d", -42.0, "-0042"),
            ("%.3d", 7.0, "007"),
            ("%.0d", 0.0, ""),
            ("%#x", 255.0, "0xff"),
            ("%#o", 8.0, "010"),
            ("a%%%d", 2_147_483_647.0, "a%2147483647"),
        ] {
            let found = number(format.as_bytes(), value);
            assert_eq!(found.as_deref(), Ok(expected.as_bytes()), "{format} {value}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for (format, value) in [
            ("%d", 2_147_483_648.0),
            ("%x", -1.0),
            ("%z", 1.0),
            ("%d%d", 1.0),
            ("%*d", 1.0),
            ("%", 1.0),
            ("%99999d", 1.0),
        ] {
            assert!(number(format.as_bytes(), value).is_err(), "{format}");
        }
    }
}
