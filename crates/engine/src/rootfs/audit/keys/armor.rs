//! Keys between a line that begins them and one that ends them: PEM (RFC 7468), OpenPGP (RFC 9580, section
//! 6.2), SSH (RFC 4716).

use std::io;

use cvmkit_formats::source::Source;

use super::reader::Reader;

/// The shortest body of a key: one of 112 bits has some more characters.
const BODY_MIN: u64 = 40;

/// A line of a body is longer than this, but the last one and the sum behind it (RFC 9580, section 6.1).
const LINE_MIN: u64 = 16;
const LAST_LINES: u64 = 2;

/// No header of a key is longer.
const HEADER_MAX: u64 = 1024;

/// Whether text ends as what stands before `PRIVATE KEY` in a first line: `-----BEGIN RSA `.
pub(super) fn begins(before: &[u8]) -> bool {
    let is_of_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    // From the last dash on.
    let Some(dash) = before.iter().rposition(|byte| *byte == b'-') else { return false };
    let (dashes, words) = before.split_at(dash + 1);
    let words = words.strip_prefix(b" ").unwrap_or(words);
    let Some(label) = words.strip_prefix(b"BEGIN ") else { return false };
    dashes.ends_with(b"----") && label.iter().all(|byte| *byte == b' ' || is_of_label(byte))
}

/// Whether the rest of a first line comes behind `PRIVATE KEY`, then a body, and its last line.
pub(super) fn goes_on(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    Ok(is_end_of_line(reader)? && has_body(reader)?)
}

/// Goes past what ends a first or last line: ` BLOCK`, and dashes.
fn is_end_of_line(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    if reader.peek()? == Some(b' ') {
        reader.byte()?;
        if reader.peek()? == Some(b'B') && !reader.takes(b"BLOCK")? {
            return Ok(false);
        }
    }
    let is_end = reader.takes(b"----")?;
    if reader.peek()? == Some(b'-') {
        reader.byte()?;
    }
    Ok(is_end)
}

/// A word of a body.
#[derive(Default)]
struct Word {
    len: u64,
    is_other: bool,
    has_letter: bool,
    last: u8,
}

/// The body of a key, as far as it was read.
#[derive(Default)]
struct Body {
    word: Word,
    /// The characters of its lines.
    len: u64,
    /// How many short lines there were.
    short: u64,
    /// How much of a header was read, if it is one.
    header: Option<u64>,
}

/// Whether a body comes next, and a last line.
fn has_body(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    let mut body = Body::default();
    while let Some(character) = reader.character()? {
        if let Some(len) = &mut body.header {
            *len += 1;
            match character {
                b'\n' | b'\r' => body.header = None,
                _ if *len > HEADER_MAX => return Ok(false),
                _ => {}
            }
            continue;
        }
        let goes_on = match character {
            b'-' if reader.peek()? == Some(b'-') => {
                return Ok(body.end_word() && body.is_key() && is_last_line(reader)?);
            }
            b'\n' | b'\r' | b'\t' | b' ' | b'"' | b'\'' | b'`' | b',' | b';' => body.end_word(),
            _ => body.add(character),
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(false)
}

/// Whether the rest of a last line comes: the first dash has been read.
fn is_last_line(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    if !reader.takes(b"---")? {
        return Ok(false);
    }
    for optional in [b'-', b' '] {
        if reader.peek()? == Some(optional) {
            reader.byte()?;
        }
    }
    if !reader.takes(b"END ")? {
        return Ok(false);
    }
    let mut label = Vec::new();
    while let Some(byte) = reader.peek()? {
        if !(byte == b' ' || byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            break;
        }
        label.push(byte);
        reader.byte()?;
        if label.ends_with(b"PRIVATE KEY") {
            return is_end_of_line(reader);
        }
        if label.len() > 64 {
            break;
        }
    }
    Ok(false)
}

impl Body {
    /// Adds a character of a word; false if no key has it.
    fn add(&mut self, character: u8) -> bool {
        let is_letter = character.is_ascii_alphanumeric();
        self.word.len += 1;
        self.word.has_letter |= is_letter;
        self.word.is_other |= !(is_letter || b"+/=".contains(&character));
        self.word.last = character;
        // Whatever it is that has such words, it is not text.
        character.is_ascii_graphic() && !(self.word.is_other && self.word.len > HEADER_MAX)
    }

    /// Ends a word: a line of the key, the start of a header, or what programs and comments have between
    /// lines. False if it is none of them.
    fn end_word(&mut self) -> bool {
        let word = std::mem::take(&mut self.word);
        if !word.has_letter {
            return true;
        }
        if word.is_other {
            self.header = (word.last == b':' && self.len == 0).then_some(0);
            return self.header.is_some();
        }
        self.len += word.len;
        if word.len < LINE_MIN {
            self.short += 1;
            return self.short <= LAST_LINES;
        }
        self.short == 0
    }

    fn is_key(&self) -> bool {
        self.len >= BODY_MIN
    }
}
