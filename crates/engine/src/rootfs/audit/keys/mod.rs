//! Private keys in files: in text form anywhere in a file, in binary form where a file starts with one.
//!
//! A file is searched whole, a piece at a time. What knows the words of a key holds none: a key has its body
//! behind them. Deliberately absent: what is compressed or encrypted as a whole.

mod armor;
mod binary;
mod reader;
mod secret;

use std::io;

use cvmkit_formats::source::Source;

use reader::Reader;

/// How much of a file is looked at, at a time.
const PIECE: usize = 256 << 10;

/// What stands in the text of a key, and what to ask where it does; all with as many bytes.
const MARKS: [(&[u8; MARK], Kind); 4] = [
    (b"RIVATE KEY", Kind::Armor),
    (b"LS0tLS1CRU", Kind::Encoded),
    (b"PrivateKey", Kind::WireGuard),
    (b"SECRET-KEY", Kind::Age),
];
const MARK: usize = 10;

/// The most bytes before a mark that belong to its key: `-----BEGIN ` and a label.
const BEFORE: u64 = 64;

#[derive(Clone, Copy)]
enum Kind {
    Armor,
    Encoded,
    WireGuard,
    Age,
}

/// Whether a file holds a private key.
pub(super) fn holds_key(source: &impl Source) -> io::Result<bool> {
    if binary::is_key(source)? {
        return Ok(true);
    }
    let search = Search::new();
    let len = source.len();
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(PIECE).min(PIECE)];
    let mut at = 0;
    while at + MARK as u64 <= len {
        let piece = usize::try_from(len - at).unwrap_or(PIECE).min(buffer.len());
        let bytes = &mut buffer[..piece];
        source.read_at(at, bytes)?;
        let mut from = 0;
        while let Some((found, kind)) = search.next(bytes, from) {
            if holds(source, at + found as u64, kind)? {
                return Ok(true);
            }
            from = found + 1;
        }
        // The next piece starts with what could be the start of a mark.
        at += (piece - (MARK - 1)) as u64;
    }
    Ok(false)
}

/// Whether there is a key around the mark at `at`.
fn holds(source: &impl Source, at: u64, kind: Kind) -> io::Result<bool> {
    let behind = at + MARK as u64;
    let mut before = vec![0; usize::try_from(at.min(BEFORE)).unwrap_or_default()];
    source.read_at(at - before.len() as u64, &mut before)?;
    match kind {
        Kind::Armor => {
            let is_first = before.strip_suffix(b"P").is_some_and(armor::begins);
            Ok(is_first && armor::goes_on(&mut Reader::new(source, behind))?)
        }
        Kind::Encoded => secret::is_encoded(&mut Reader::new(source, at)),
        Kind::WireGuard => secret::is_wireguard(&mut Reader::new(source, behind)),
        Kind::Age => {
            let is_first = before.ends_with(b"AGE-");
            Ok(is_first && secret::is_age(&mut Reader::new(source, behind))?)
        }
    }
}

/// A search for all marks at once (Horspool, with the smallest shift of them).
struct Search {
    /// How far to go on, by the last byte looked at.
    shifts: [usize; 256],
}

impl Search {
    fn new() -> Self {
        let mut shifts = [MARK; 256];
        for (mark, _) in MARKS {
            for (at, byte) in mark.iter().take(MARK - 1).enumerate() {
                let shift = &mut shifts[usize::from(*byte)];
                *shift = (*shift).min(MARK - 1 - at);
            }
        }
        Self { shifts }
    }

    /// Where the first mark at or behind `from` is.
    fn next(&self, bytes: &[u8], from: usize) -> Option<(usize, Kind)> {
        let mut at = from;
        while let Some(window) = bytes.get(at..at + MARK) {
            let last = window[MARK - 1];
            if matches!(last, b'Y' | b'U' | b'y')
                && let Some((_, kind)) = MARKS.iter().find(|(mark, _)| *mark == window)
            {
                return Some((at, *kind));
            }
            at += self.shifts[usize::from(last)];
        }
        None
    }
}

#[cfg(test)]
mod tests;
