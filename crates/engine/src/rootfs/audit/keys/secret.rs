//! Keys of one line.

use std::io;

use cvmkit_formats::source::Source;

use super::armor;
use super::reader::Reader;

/// The first line of a key in PEM, in base64, has this many characters at most.
const ENCODED: usize = 68;

/// The least of a body in base64.
const BODY_MIN: usize = 64;

/// Whether a key in PEM that is in base64 once more (as of Kubernetes' `client-key-data`) comes next.
pub(super) fn is_encoded(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    let mut text = Vec::new();
    while text.len() < ENCODED + BODY_MIN {
        match reader.character()? {
            Some(byte) if byte.is_ascii_alphanumeric() || b"+/=".contains(&byte) => text.push(byte),
            // Base64 may be in lines.
            Some(b'\n' | b'\r' | b' ') => {}
            _ => return Ok(false),
        }
    }
    let line = decoded(&text[..ENCODED]);
    let words = b"PRIVATE KEY";
    let at = line.windows(words.len()).position(|window| window == words);
    Ok(at.is_some_and(|at| {
        armor::begins(&line[..at]) && line[at + words.len()..].starts_with(b"-----")
    }))
}

/// The bytes of base64 (RFC 4648, section 4) without an end.
fn decoded(text: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0, |bits, byte| bits << 6 | value(byte));
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes
    };
    text.chunks_exact(4).flat_map(group).collect()
}

/// Whether the value of a `PrivateKey` comes next (wg(8), systemd.netdev(5)): 32 bytes in base64.
pub(super) fn is_wireguard(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    let (mut is_given, mut is_over) = (false, false);
    let mut key = Vec::new();
    while let Some(byte) = reader.byte()? {
        match byte {
            b' ' | b'\t' if key.is_empty() => {}
            b'=' if key.is_empty() && !is_given => is_given = true,
            b'=' if key.len() == 43 => {
                is_over = true;
                break;
            }
            _ if is_given && (byte.is_ascii_alphanumeric() || b"+/".contains(&byte)) => {
                key.push(byte);
            }
            _ => return Ok(false),
        }
        if key.len() > 43 {
            return Ok(false);
        }
    }
    // Two bits of the last character are not used. One character again and again is an example.
    let is_whole = key.last().is_some_and(|last| b"AEIMQUYcgkosw048".contains(last));
    let is_example = key.iter().take(42).all(|byte| Some(byte) == key.first());
    is_over &= !matches!(reader.peek()?, Some(byte) if byte.is_ascii_alphanumeric());
    Ok(is_over && is_whole && !is_example)
}

/// Whether the rest of a key of age comes behind `AGE-SECRET-KEY`: 32 bytes in Bech32, with their sum.
pub(super) fn is_age(reader: &mut Reader<'_, impl Source>) -> io::Result<bool> {
    if !reader.takes(b"-1")? {
        return Ok(false);
    }
    for _ in 0..58 {
        if !matches!(reader.byte()?, Some(byte) if b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(&byte))
        {
            return Ok(false);
        }
    }
    Ok(!matches!(reader.peek()?, Some(byte) if byte.is_ascii_alphanumeric()))
}
