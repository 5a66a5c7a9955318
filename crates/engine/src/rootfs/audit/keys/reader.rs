//! Text read a character at a time, as it is within strings of JSON and of programs.

use std::io;

use cvmkit_formats::source::Source;

const PIECE: u64 = 4096;

/// A place in a source.
pub(super) struct Reader<'s, S> {
    source: &'s S,
    /// Where the bytes behind those in hand are.
    at: u64,
    bytes: std::vec::IntoIter<u8>,
}

impl<'s, S: Source> Reader<'s, S> {
    pub(super) fn new(source: &'s S, at: u64) -> Self {
        Self { source, at, bytes: Vec::new().into_iter() }
    }

    /// The byte that comes next.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.bytes.as_slice().is_empty() {
            let len = self.source.len().saturating_sub(self.at).min(PIECE);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
            self.source.read_at(self.at, &mut bytes)?;
            self.at += len;
            self.bytes = bytes.into_iter();
        }
        Ok(self.bytes.as_slice().first().copied())
    }

    /// The next byte; nothing at the end.
    pub(super) fn byte(&mut self) -> io::Result<Option<u8>> {
        self.peek()?;
        Ok(self.bytes.next())
    }

    /// Goes past `word`, if it comes next. What did come of it is gone otherwise.
    pub(super) fn takes(&mut self, word: &[u8]) -> io::Result<bool> {
        for byte in word {
            if self.peek()? != Some(*byte) {
                return Ok(false);
            }
            self.byte()?;
        }
        Ok(true)
    }

    /// The next character, of an escape the one that it stands for: text in a string of JSON, which may be
    /// in a string itself, has its lines ended by `\n`.
    pub(super) fn character(&mut self) -> io::Result<Option<u8>> {
        let first = self.byte()?;
        if first != Some(b'\\') {
            return Ok(first);
        }
        while self.peek()? == Some(b'\\') {
            self.byte()?;
        }
        Ok(match self.byte()? {
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            Some(b'u') => self.hexadecimal(4)?,
            Some(b'x') => self.hexadecimal(2)?,
            other => other,
        })
    }

    /// The character of a number; one that is in no key where there is none.
    fn hexadecimal(&mut self, digits: u8) -> io::Result<Option<u8>> {
        let mut number = 0_u32;
        for _ in 0..digits {
            let digit = self.byte()?.and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Ok(Some(0)) };
            number = number << 4 | digit;
        }
        Ok(Some(u8::try_from(number).unwrap_or_default()))
    }
}
