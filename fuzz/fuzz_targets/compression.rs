//! Compressed members: gzip, xz and zstd.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. No decoder gives more than its
//! limit.
//!
//! Input: one compressed stream of any format.

#![no_main]

use cvmkit_formats::compression::{Compression, decompress};
use libfuzzer_sys::fuzz_target;

/// Bytes to decompress at most.
const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        if let Ok(decoded) = decompress(bytes, compression, LIMIT) {
            assert!(decoded.len() as u64 <= LIMIT, "{compression:?} gave {}", decoded.len());
        }
    }
});
