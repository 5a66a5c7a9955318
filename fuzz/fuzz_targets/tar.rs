//! Entries of a tar archive, a package's and anybody's.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. No accepted path leaves the root:
//! components are never empty, `.` or `..`. What a package may have anybody may, and it means the same.
//!
//! Input: an uncompressed archive; checksums need not be right.

#![no_main]

use cvmkit_formats::archive::EntryKind;
use cvmkit_formats::archive::tar::{Limits, entries_within, members};
use libfuzzer_sys::fuzz_target;

/// Bytes of a header, and where its checksum is (POSIX.1-2024, pax, "ustar Interchange Format").
const BLOCK: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Makes the checksum of every block with a header's magic right: mutations reach the fields.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(BLOCK) {
        if block[257..262] == *b"ustar" {
            block[CHECKSUM].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    bytes
}

fn check_path(path: &[u8]) {
    let outside = |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.contains(&0);
    assert!(path.is_empty() || !path.split(|&byte| byte == b'/').any(outside), "{path:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { entries: 10_000, ..Limits::default() };
    let _ = entries_within(bytes, &limits);
    let _ = members(bytes, &limits);
    let repaired = repaired(bytes);
    let anybodys = members(&*repaired, &limits);
    if let Ok(entries) = entries_within(&*repaired, &limits) {
        let found = anybodys.as_ref().expect("a package's archive is read");
        assert!(found.entries == entries && found.repeated.is_empty(), "it means the same");
    }
    let Ok(found) = anybodys else { return };
    for entry in found.entries {
        check_path(&entry.path);
        match entry.kind {
            EntryKind::HardLink(target) => check_path(&target),
            EntryKind::Symlink(target) => assert!(!target.contains(&0), "a NUL in a target"),
            _ => {}
        }
    }
});
