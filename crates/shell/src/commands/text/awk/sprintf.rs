//! Formats with the values of a program.

use super::format::{Conversion, Source, render, whole};
use super::value::Value;

struct Values<'v> {
    values: std::slice::Iter<'v, Value>,
    /// The format of numbers that become strings.
    conversion: &'v [u8],
}

impl<'v> Values<'v> {
    fn next(&mut self) -> Result<&'v Value, String> {
        self.values.next().ok_or_else(|| "a format without its values".to_owned())
    }
}

impl Source for Values<'_> {
    fn width(&mut self) -> Result<f64, String> {
        self.next()?.number()
    }

    fn body(&mut self, conversion: &Conversion, letter: u8) -> Result<Option<Vec<u8>>, String> {
        let value = self.next()?;
        Ok(Some(match letter {
            b's' => conversion.cut(&value.text(self.conversion)?).to_vec(),
            b'c' => match value.as_numeric()?.filter(|_| !matches!(value, Value::Unset)) {
                Some(number) => {
                    let byte = whole(number).and_then(|number| u8::try_from(number).ok());
                    vec![byte.ok_or("a character beyond 255")?]
                }
                None => {
                    let text = value.text(self.conversion)?;
                    vec![*text.first().ok_or("a character of an empty string")?]
                }
            },
            letter => return conversion.number(letter, value.number()?),
        }))
    }
}

/// `sprintf`.
///
/// # Errors
/// As for [`render`].
pub(super) fn sprintf(
    format: &[u8],
    values: &[Value],
    conversion: &[u8],
) -> Result<Vec<u8>, String> {
    render(format, &mut Values { values: values.iter(), conversion })
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::sprintf;

    #[test]
    fn a_character_is_a_number_or_the_first_of_a_string() {
        let text = |value: Value| sprintf(b"%c", &[value], b"%.6g").ok();
        assert_eq!(text(Value::Number(65.9)).as_deref(), Some(&b"A"[..]));
        assert_eq!(text(Value::Number(255.0)).as_deref(), Some(&b"\xff"[..]));
        assert_eq!(text(Value::Number(256.0)), None);
        assert_eq!(text(Value::Number(-1.0)), None);
        assert_eq!(text(Value::input(b"65")).as_deref(), Some(&b"A"[..]));
        assert_eq!(text(Value::text_of(b"65")).as_deref(), Some(&b"6"[..]));
        assert_eq!(text(Value::text_of(b"")), None);
    }

    #[test]
    fn each_conversion_needs_its_value() {
        let values = [Value::Number(3.0), Value::Number(2.0), Value::text_of(b"abc")];
        let text = |format: &[u8]| sprintf(format, &values, b"%.6g").ok();
        assert_eq!(text(b"%s %s %s").as_deref(), Some(&b"3 2 abc"[..]));
        assert_eq!(text(b"%*.*s|").as_deref(), Some(&b" ab|"[..]));
        assert_eq!(text(b"%s %s %s %s"), None);
        assert_eq!(text(b"%s"), Some(b"3".to_vec()));
    }
}
