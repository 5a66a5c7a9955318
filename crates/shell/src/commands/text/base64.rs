//! base64(1).

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::lines::readable;
use crate::stop::Stop;
use crate::world::World;

/// RFC 4648, table 1.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The characters of a line, unless `-w` says otherwise.
const WIDTH: usize = 76;

/// Why a text can't be decoded.
enum Problem {
    /// What comes before it is decoded.
    Invalid(Vec<u8>),
    /// Releases differ in what they make of it.
    Unpadded,
}

/// base64(1).
pub(in super::super) fn base64<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("decode", b'd'), ("ignore-garbage", b'i'), ("wrap", b'w')];
    let options = Options::of(call, "diw:", &long)?;
    let width = match options.last(b'w').map(|word| (word, number(word))) {
        None => WIDTH,
        Some((_, Some(width))) => usize::try_from(width).unwrap_or(usize::MAX),
        Some((word, None)) => {
            return Ok(call.usage(&format!("invalid wrap size: '{}'", shown(word)), 1));
        }
    };
    let word: &[u8] = match options.operands.as_slice() {
        [] => b"-",
        [word] => word,
        [_, extra, ..] => {
            return Ok(call.usage(&format!("extra operand '{}'", shown(extra)), 1));
        }
    };
    let text = match readable(world, call, word) {
        Ok(text) => text,
        Err(error) => return Ok(call.fail("", word, error)),
    };
    if !options.has(b'd') {
        call.print(&encode(&text, width));
        return Ok(0);
    }
    match decode(&text, options.has(b'i')) {
        Ok(bytes) => {
            call.print(&bytes);
            Ok(0)
        }
        Err(Problem::Invalid(before)) => {
            call.print(&before);
            Ok(call.usage("invalid input", 1))
        }
        Err(Problem::Unpadded) => Err(call.unsupported("a text without its padding")),
    }
}

/// Lines of `width` characters; one without an end where that is 0.
fn encode(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() / 3 * 4 + 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4usize {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            text.push(if place <= group.len() { ALPHABET[index] } else { b'=' });
        }
    }
    if width == 0 {
        return text;
    }
    let mut lines = Vec::with_capacity(text.len() + text.len() / width + 1);
    for line in text.chunks(width) {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines
}

/// Groups of four characters, of which the last two may be padding; line ends stand anywhere.
fn decode(text: &[u8], ignores_garbage: bool) -> Result<Vec<u8>, Problem> {
    let value = |byte: u8| ALPHABET.iter().position(|known| *known == byte);
    let counts = |byte: &u8| match ignores_garbage {
        true => *byte == b'=' || value(*byte).is_some(),
        false => *byte != b'\n',
    };
    let text: Vec<u8> = text.iter().copied().filter(counts).collect();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.chunks(4) {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        let digits: Option<Vec<usize>> =
            group[..group.len() - padding].iter().map(|byte| value(*byte)).collect();
        match digits {
            Some(digits) if group.len() == 4 && digits.len() >= 2 => {
                let bits = digits.iter().fold(0, |bits, digit| bits << 6 | digit);
                let bits = bits << (6 * padding);
                let of = |shift: usize| u8::try_from(bits >> shift & 255).unwrap_or_default();
                bytes.extend_from_slice(&[of(16), of(8), of(0)][..3 - padding]);
            }
            Some(_) if group.len() < 4 && padding == 0 => return Err(Problem::Unpadded),
            _ => {
                // As far as it is whole, the last group is written too.
                let digits: Vec<usize> = group.iter().map_while(|byte| value(*byte)).collect();
                let bits = digits.iter().fold(0, |bits, digit| bits << 6 | digit)
                    << (6 * (4 - digits.len()));
                let of = |shift: usize| u8::try_from(bits >> shift & 255).unwrap_or_default();
                bytes.extend_from_slice(&[of(16), of(8)][..digits.len().saturating_sub(1).min(2)]);
                return Err(Problem::Invalid(bytes));
            }
        }
    }
    Ok(bytes)
}
