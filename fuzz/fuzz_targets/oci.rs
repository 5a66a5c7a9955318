//! OCI image layouts: the documents that lead to an image, and layers with whiteouts on top of each other.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. No path of the tree has an empty name, `.` or
//! `..`, and none is a whiteout.
//!
//! Input: what every document of the layout is, a line break, then two layers of one length.

#![no_main]

use cvmkit_engine::content::Content;
use cvmkit_engine::oci::{Digest, OciError, Stack, find};
use cvmkit_formats::archive::tar::{Limits, members};
use cvmkit_formats::digest::Sha256;
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

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (document, rest) = bytes.split_at(at);
    let read = |path: &str| -> Result<Vec<u8>, OciError> {
        match path {
            "oci-layout" => Ok(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            _ => Ok(document.to_vec()),
        }
    };
    let _ = find(read, "amd64", None);
    let layers = rest.get(1..).unwrap_or_default();
    let half = layers.len() / 2 / BLOCK * BLOCK;
    let limits = Limits { entries: 10_000, ..Limits::default() };
    let mut stack = Stack::new(0);
    for layer in [&layers[..half], &layers[half..]] {
        let layer = repaired(layer);
        let Ok(found) = members(&*layer, &limits) else { continue };
        let digest = Digest(Sha256::of(&layer));
        let _ = stack.apply(digest, &found, &Content::from(layer));
    }
    let (tree, _) = stack.finish();
    for (path, _) in tree.walk().into_iter().skip(1) {
        let mut names = path.split(|&byte| byte == b'/');
        let is_wrong =
            |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.starts_with(b".wh.");
        assert!(!names.any(is_wrong), "{path:?}");
    }
});
