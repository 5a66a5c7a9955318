//! dm-verity superblocks and hash trees.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A tree made as a foreign
//! superblock says is good, and stops being good when a byte of the data changes.
//!
//! Input: a hash area; what follows the superblock is data as well.

#![no_main]

use cvmkit_formats::verity::{Plan, read, verify};
use libfuzzer_sys::fuzz_target;

/// Bytes of data to hash at most.
const DATA_MAX: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = read(bytes) else { return };
    let block = header.options.data_block_size as usize;
    // Everything behind the superblock is data, in whole blocks.
    let mut data = bytes.get(512..).unwrap_or_default().to_vec();
    data.truncate(DATA_MAX);
    data.resize(data.len().max(1).next_multiple_of(block), 0);
    let Ok(plan) = Plan::new(data.len() as u64, &header.options) else { return };
    let mut hash = Vec::new();
    let root = plan.write(&data, &mut hash).expect("memory does not fail");
    let own = read(&hash).expect("our own superblock is read");
    assert_eq!(own.options, header.options);
    verify(&data, &hash, &root).expect("our own tree is good");
    let _ = verify(&data, bytes, &root);
    let middle = data.len() / 2;
    data[middle] ^= 1;
    verify(&data, &hash, &root).expect_err("changed data is good");
});
