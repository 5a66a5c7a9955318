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
        _ => Err(OpenPgpError::Armor("it is no signature".to_owned())),
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
