//! Fields in their making: splitting (XCU 2.6.5), and which bytes quotes took the meaning of.

use crate::pattern::Char;

/// The words that an expansion comes to.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// Separators of fields; empty where nothing is split.
    separators: &'a [u8],
    done: Vec<Vec<Char>>,
    current: Option<Vec<Char>>,
    /// White space has just ended a field: a separator that is none belongs to the same end.
    ended_by_blank: bool,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

impl<'a> Fields<'a> {
    pub(super) fn new(separators: &'a [u8]) -> Self {
        Self { separators, done: Vec::new(), current: None, ended_by_blank: false }
    }

    /// Bytes that stay together. Quotes make a field even of nothing.
    pub(super) fn push(&mut self, bytes: &[u8], quoted: bool) {
        if quoted || !bytes.is_empty() {
            self.ended_by_blank = false;
            let current = self.current.get_or_insert_default();
            current.extend(bytes.iter().map(|&byte| Char { byte, quoted }));
        }
    }

    /// What an expansion that nothing quotes came to.
    pub(super) fn push_split(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if !self.separators.contains(&byte) {
                self.push(&[byte], false);
            } else if is_blank(byte) {
                self.ended_by_blank |= self.current.is_some();
                self.done.extend(self.current.take());
            } else if self.ended_by_blank {
                self.ended_by_blank = false;
            } else {
                self.done.push(self.current.take().unwrap_or_default());
            }
        }
    }

    /// Ends a field, between two of `"$@"`.
    pub(super) fn end(&mut self) {
        self.ended_by_blank = false;
        self.done.extend(self.current.take());
    }

    pub(super) fn finish(mut self) -> Vec<Vec<Char>> {
        self.end();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XCU 2.6.5, and what dash makes of `set -- $x`.
    #[test]
    fn separators_end_fields() {
        for (separators, text, expected) in [
            (" \t\n", "  a  b ", &["a", "b"][..]),
            (" \t\n", "", &[]),
            (":", "a:b", &["a", "b"]),
            (":", ":a", &["", "a"]),
            (":", "a:", &["a"]),
            (":", "a::b", &["a", "", "b"]),
            (" :", "a : b", &["a", "b"]),
            (" :", "a :: b", &["a", "", "b"]),
            (" :", " : a", &["", "a"]),
            ("", "a b", &["a b"]),
        ] {
            let mut fields = Fields::new(separators.as_bytes());
            fields.push_split(text.as_bytes());
            let found: Vec<String> = fields
                .finish()
                .into_iter()
                .map(|field| field.into_iter().map(|char| char::from(char.byte)).collect())
                .collect();
            assert_eq!(found, expected, "{separators:?} {text:?}");
        }
    }
}
