//! C-style escapes as systemd decodes them (`cunescape`, `src/basic/escape.c`).

/// The bytes that `text` stands for.
///
/// # Errors
/// The escape that is unknown, unfinished or of a NUL.
pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, len) = one(escaped).ok_or_else(|| unknown(escaped))?;
        bytes.extend(byte);
        rest = escaped.get(len..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// What the escape behind a backslash stands for, and its length.
fn one(escaped: &str) -> Option<(Vec<u8>, usize)> {
    let byte = match escaped.bytes().next()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b's' => b' ',
        same @ (b'\\' | b'"' | b'\'') => same,
        b'x' => return Some((vec![u8::try_from(number(escaped, 1, 2, 16)?).ok()?], 3)),
        b'0'..=b'7' => return Some((vec![u8::try_from(number(escaped, 0, 3, 8)?).ok()?], 3)),
        b'u' => return Some((character(number(escaped, 1, 4, 16)?)?, 5)),
        b'U' => return Some((character(number(escaped, 1, 8, 16)?)?, 9)),
        _ => return None,
    };
    Some((vec![byte], 1))
}

/// The number in `count` digits; a NUL would end the text.
fn number(escaped: &str, at: usize, count: usize, radix: u32) -> Option<u32> {
    let digits = escaped.get(at..at + count)?;
    let all = digits.chars().all(|digit| digit.is_digit(radix));
    let number = all.then(|| u32::from_str_radix(digits, radix).ok())?;
    number.filter(|number| *number != 0)
}

fn character(code: u32) -> Option<Vec<u8>> {
    char::from_u32(code).map(|character| character.to_string().into_bytes())
}

fn unknown(escaped: &str) -> String {
    let escape: String = escaped.chars().take(1).collect();
    format!("`\\{escape}` is not a C-style escape")
}

/// The text that stands for these bytes as the argument of a line: [`decoded`] gives them again, and a reader of
/// lines takes nothing off its ends and does not take it for none (`-`).
pub(crate) fn encoded(bytes: &[u8]) -> String {
    if bytes == b"-" {
        return r"\x2d".to_owned();
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str(r"\\"),
                control if control.is_control() => {
                    text.extend(control.to_string().bytes().map(hex));
                }
                plain => text.push(plain),
            }
        }
        text.extend(chunk.invalid().iter().map(|&byte| hex(byte)));
    }
    if let Some(rest) = text.strip_suffix(' ') {
        text = format!(r"{rest}\s");
    }
    if let Some(rest) = text.strip_prefix(' ') {
        text = format!(r"\s{rest}");
    }
    text
}

fn hex(byte: u8) -> String {
    format!("\\x{byte:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (bytes, text) in [
            (&b"../run/x"[..], "../run/x"),
            ("größe €".as_bytes(), "größe €"),
            (b"a\\b", r"a\\b"),
            (b"a\nb\t", r"a\x0ab\x09"),
            (b"\xff\xfe", r"\xff\xfe"),
            ("\u{85}".as_bytes(), r"\xc2\x85"),
            (b" a b ", r"\sa b\s"),
            (b" ", r"\s"),
            (b"-", r"\x2d"),
            (b"--", "--"),
            (b"-x", "-x"),
            (b"\\", r"\\"),
            (b"'\"", "'\""),
            (b"", ""),
        ] {
            assert_eq!(encoded(bytes), text);
            assert_eq!(decoded(text).unwrap(), bytes, "{text}");
        }
        for byte in 1..=u8::MAX {
            for bytes in [vec![byte], vec![byte, b'a', byte], vec![b'\\', byte]] {
                let text = encoded(&bytes);
                assert_eq!(decoded(&text).unwrap(), bytes, "{text}");
                assert!(text.trim() == text && text != "-" && !text.contains('\n'), "{text:?}");
            }
        }
    }

    /// tmpfiles.d(5), "Fields may contain C-style escapes"; the list is that of `cunescape_one`.
    #[test]
    fn each_escape_stands_for_its_bytes() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("plain é", "plain é".as_bytes()),
            (r"\a\b\f\n\r\t\v", b"\x07\x08\x0c\n\r\t\x0b"),
            (r"\\n", b"\\n"),
            (r#"\"\'"#, b"\"'"),
            (r"a\sb", b"a b"),
            (r"\x41\x7F\xff", b"A\x7f\xff"),
            (r"\x412", b"A2"),
            (r"\101\377\0018", b"A\xff\x018"),
            (r"\u00e4\u20AC", "ä€".as_bytes()),
            (r"\U0001F600.", "😀.".as_bytes()),
            (r"end\\", b"end\\"),
        ] {
            assert_eq!(decoded(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn an_escape_that_systemd_refuses_is_refused() {
        for (text, escape) in [
            (r"\", r"\"),
            (r"a\\\", r"\"),
            (r"\q", r"\q"),
            (r"\e", r"\e"),
            (r"\N", r"\N"),
            (r"\é", r"\é"),
            (r"\x", r"\x"),
            (r"\x4", r"\x"),
            (r"\x+4", r"\x"),
            (r"\xg0", r"\x"),
            (r"\x00", r"\x"),
            (r"\0", r"\0"),
            (r"\12", r"\1"),
            (r"\128", r"\1"),
            (r"\000", r"\0"),
            (r"\400", r"\4"),
            (r"\u123", r"\u"),
            (r"\ud800", r"\u"),
            (r"\u0000", r"\u"),
            (r"\U00110000", r"\U"),
            (r"\u12é", r"\u"),
        ] {
            let expected = format!("`{escape}` is not a C-style escape");
            assert_eq!(decoded(text).unwrap_err(), expected, "{text}");
        }
    }
}
