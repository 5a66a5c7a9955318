//! The Cleartext Signature Framework around an `InRelease` (RFC 9580, section 7).
//!
//! Every byte of the input is the header line, a `Hash` header, signed text, armour or its end
//! line; whatever stands elsewhere is an error, so nothing can pass for signed that is not.

use std::io::Read;

use pgp::armor::{BlockType, Dearmor};

use super::error::OpenPgpError;

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// A taken-apart message.
pub(super) struct Clearsigned {
    /// The text as hashed, but with plain line breaks: unescaped, without white space at the ends
    /// of lines. Its last line has a line break, which is not hashed.
    pub(super) text: String,
    /// The signature packets.
    pub(super) packets: Vec<u8>,
}

impl Clearsigned {
    /// The octets that are hashed: CRLF between lines, none after the last one (section 7.2).
    pub(super) fn hashed(&self) -> Vec<u8> {
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        text.replace('\n', "\r\n").into_bytes()
    }

    pub(super) fn parse(message: &[u8]) -> Result<Self, OpenPgpError> {
        let message = std::str::from_utf8(message)
            .map_err(|error| OpenPgpError::Encoding(error.valid_up_to()))?;
        let mut lines = Lines { rest: message, number: 0 };
        if lines.next() != Some(BEGIN_MESSAGE) {
            return Err(lines.unexpected(BEGIN_MESSAGE));
        }
        loop {
            match lines.next() {
                Some("") => break,
                Some(line) if line.starts_with("Hash: ") => {}
                _ => return Err(lines.unexpected("a `Hash` header or an empty line")),
            }
        }
        let text = text(&mut lines)?;
        let packets = signature(&mut lines)?;
        Ok(Self { text, packets })
    }
}

fn text(lines: &mut Lines<'_>) -> Result<String, OpenPgpError> {
    let mut text = String::with_capacity(lines.rest.len());
    loop {
        let Some(line) = lines.next() else { return Err(lines.unexpected(BEGIN_SIGNATURE)) };
        if line == BEGIN_SIGNATURE {
            return Ok(text);
        }
        let line = match line.strip_prefix('-') {
            None => line,
            // Section 7.1: every line that starts with a dash is escaped.
            Some(escaped) => match escaped.strip_prefix(' ') {
                Some(line) => line,
                None => return Err(lines.unexpected("a dash-escaped line")),
            },
        };
        text.push_str(line.trim_end_matches([' ', '\t', '\r']));
        text.push('\n');
    }
}

fn signature(lines: &mut Lines<'_>) -> Result<Vec<u8>, OpenPgpError> {
    let mut armor = format!("{BEGIN_SIGNATURE}\n");
    loop {
        match lines.next() {
            None => return Err(lines.unexpected(END_SIGNATURE)),
            Some(line) if line.starts_with('-') && line != END_SIGNATURE => {
                return Err(lines.unexpected(END_SIGNATURE));
            }
            Some(line) => {
                armor.push_str(line);
                armor.push('\n');
                if line == END_SIGNATURE {
                    break;
                }
            }
        }
    }
    if !lines.rest.is_empty() {
        lines.next();
        return Err(lines.unexpected("the end of the message"));
    }
    let mut dearmor = Dearmor::new(armor.as_bytes());
    let mut packets = Vec::new();
    dearmor.read_to_end(&mut packets).map_err(|error| OpenPgpError::Armor(error.to_string()))?;
    match dearmor.typ {
        Some(BlockType::Signature) => Ok(packets),
        _ => Err(OpenPgpError::Armor("it is not a signature".to_owned())),
    }
}

/// Lines without their breaks, which may be LF or CRLF.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.number += 1;
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn unexpected(&self, expected: &'static str) -> OpenPgpError {
        OpenPgpError::Framing { line: self.number, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../tests/fixtures/openpgp/good.asc");

    fn parse(message: &str) -> Result<Clearsigned, OpenPgpError> {
        Clearsigned::parse(message.as_bytes())
    }

    /// RFC 9580, 7.1 and 7.2: escapes and white space at the ends of lines are no part of the text;
    /// what is hashed has CRLF between its lines and none at its end.
    #[test]
    fn the_text_and_what_is_hashed_of_it() {
        let message = parse(GOOD).unwrap();
        let lines =
            ["Suite: test", "- dash", "Origin: fixture", "Date: Wed, 01 Jan 2025 00:00:00 UTC"];
        assert_eq!(message.text, lines.join("\n") + "\n");
        assert_eq!(message.hashed(), lines.join("\r\n").as_bytes());
        // A signature packet (type 2, one byte of length) of version 4.
        assert_eq!(message.packets[..3], [0x88, 0x86, 0x04]);
        let crlf = parse(&GOOD.replace('\n', "\r\n")).unwrap();
        assert_eq!((crlf.text, crlf.packets), (message.text.clone(), message.packets.clone()));
        let unended = parse(GOOD.trim_end()).unwrap();
        assert_eq!(unended.packets, message.packets);
        let empty = parse(&GOOD.replace("Suite: test", "")).unwrap();
        assert_eq!(empty.text, message.text.replace("Suite: test", ""));
    }

    /// One changed line, and where and what is missing then.
    #[test]
    fn nothing_stands_outside() {
        let header = "a `Hash` header or an empty line";
        let cases = [
            ("-----BEGIN PGP SIGNED", "-----BEGIN PGP SIGNE", 1, BEGIN_MESSAGE),
            ("-----BEGIN PGP SIGNED", "\n-----BEGIN PGP SIGNED", 1, BEGIN_MESSAGE),
            ("-----BEGIN PGP SIGNED", " -----BEGIN PGP SIGNED", 1, BEGIN_MESSAGE),
            ("Hash: ", "Comment: ", 2, header),
            ("Hash: ", "Hash:", 2, header),
            ("SHA256\n\n", "SHA256\n", 3, header),
            ("SHA256\n", "SHA256\nSuite: x\n", 3, header),
            ("- - dash", "- dash", 5, ""),
            ("- - dash", "-- dash", 5, "a dash-escaped line"),
            ("- - dash", "-", 5, "a dash-escaped line"),
            ("- - dash", "-----BEGIN PGP SIGNED MESSAGE-----", 5, "a dash-escaped line"),
            ("-----BEGIN PGP SIGNATURE", "-----BEGIN PGP SIGNATURE ", 8, "a dash-escaped line"),
            ("-----END PGP SIGNATURE", "-----END PGP SIGNED", 14, END_SIGNATURE),
            ("-----END PGP SIGNATURE-----\n", "", 14, END_SIGNATURE),
            ("=m5CY\n", "=m5CY\n-\n", 14, END_SIGNATURE),
            ("SIGNATURE-----\n", "", 8, "a dash-escaped line"),
        ];
        for (from, to, line, expected) in cases {
            let found = parse(&GOOD.replacen(from, to, 1));
            if expected.is_empty() {
                // `- dash` is the escape of `dash`: another text, whose signature does not verify.
                assert!(found.unwrap().text.contains("\ndash\n"));
                continue;
            }
            assert_eq!(found.err(), Some(OpenPgpError::Framing { line, expected }), "{to:?}");
        }
        for (tail, line) in [("\n", 15), ("x", 15), (GOOD, 15)] {
            let expected = "the end of the message";
            let found = parse(&format!("{GOOD}{tail}"));
            assert_eq!(found.err(), Some(OpenPgpError::Framing { line, expected }), "{tail:?}");
        }
        let text = GOOD.split(BEGIN_SIGNATURE).next().unwrap();
        let (line, expected) = (8, BEGIN_SIGNATURE);
        assert_eq!(parse(text).err(), Some(OpenPgpError::Framing { line, expected }));
    }

    #[test]
    fn a_message_is_text() {
        assert_eq!(Clearsigned::parse(b"ab\xff").err(), Some(OpenPgpError::Encoding(2)));
    }
}
