//! Magic numbers: whether certain bytes stand at a certain place of a file.

use std::io;

use cvmkit_formats::source::Source;

/// True if `magic` stands at byte `at`.
pub(super) fn has(source: &impl Source, at: u64, magic: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; magic.len()];
    Ok(bytes(source, at, &mut found)? && found == magic)
}

/// Fills `found` from byte `at` on; false if the file ends before.
pub(super) fn bytes(source: &impl Source, at: u64, found: &mut [u8]) -> io::Result<bool> {
    match at.checked_add(found.len() as u64) {
        Some(end) if end <= source.len() => source.read_at(at, found).map(|()| true),
        _ => Ok(false),
    }
}
