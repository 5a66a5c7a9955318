//! Text out of a log: ASCII or UTF-16, shown so that a terminal takes no orders from it.

use std::fmt;

/// Characters shown of a text; a kernel command line has up to 2048.
const CHARS_SHOWN: usize = 512;

/// Text without the NULs at its end. Prints quoted, with everything unprintable escaped, and cut
/// after 512 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl Text {
    /// Text of bytes that should be ASCII; what is not UTF-8 is replaced.
    pub(super) fn lossy(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
    }

    /// Text of UTF-16 units; halves of pairs are replaced.
    pub(super) fn of_utf16(units: &[u16]) -> Self {
        Self(String::from_utf16_lossy(units).trim_end_matches('\0').to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(CHARS_SHOWN) {
            Some((end, _)) => {
                write!(f, "{:?}...", self.0.get(..end).unwrap_or_default())
            }
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// The text that `bytes` are, in ASCII (or UTF-8) or in little-endian UTF-16, with or without NULs
/// at the end; none when they are something else, or empty. Most bytes are valid UTF-16 of some
/// language, so half of such text must be ASCII.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<Text> {
    let narrow = std::str::from_utf8(bytes).ok().map(str::to_owned);
    let wide = || {
        let (units, []) = bytes.as_chunks::<2>() else { return None };
        let units: Vec<_> = units.iter().copied().map(u16::from_le_bytes).collect();
        let ascii = units.iter().filter(|unit| **unit < 0x80).count();
        (2 * ascii >= units.len()).then(|| String::from_utf16(&units).ok()).flatten()
    };
    narrow.and_then(readable).or_else(|| wide().and_then(readable))
}

/// Text of at least one character, none of them a control character but tabs and ends of lines.
fn readable(text: String) -> Option<Text> {
    let text = text.trim_end_matches('\0');
    let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    (!text.is_empty() && text.chars().all(is_text)).then(|| Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn both_encodings_are_read_and_bytes_are_not_text() {
        for text_in in [".linux", "a", "console=ttyS0 quiet", "\u{4e2d}\u{e9}=1"] {
            for bytes in [text_in.as_bytes().to_vec(), wide(text_in), wide(&format!("{text_in}\0"))]
            {
                assert_eq!(text(&bytes), Some(Text(text_in.to_owned())), "{bytes:?}");
            }
        }
        for bytes in
            [&b""[..], &[0, 0, 0, 0], &[0xff, 0xff], &[1, 2, 3], &[0, 0xd8], b"\x4e\xac\x08\x81"]
        {
            assert_eq!(text(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_shown_is_one_short_line_and_no_terminal_sequence() {
        let hostile = Text::lossy(b"a\x1b[2J\"\n\xe2\x80\xae\0");
        assert_eq!(hostile.to_string(), "\"a\\u{1b}[2J\\\"\\n\\u{202e}\"");
        let long = Text("x".repeat(100_000)).to_string();
        assert_eq!(long.len(), CHARS_SHOWN + 5);
    }
}
