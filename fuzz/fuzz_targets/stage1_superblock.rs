//! Stage 1's reading of the dm-verity superblock, and the table line it makes of it.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is taken lies inside of the
//! partitions, and becomes one line of a fixed number of words.
//!
//! Input: sectors of the data and of the hash partition (8 bytes each, little endian), a superblock.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Stage 1 is a program, not a library; these modules of it need nothing of the others.
#[path = "../../crates/stage1/src/built_for.rs"]
mod built_for;
#[expect(dead_code, reason = "what reads devices is for stage 1 itself")]
#[path = "../../crates/stage1/src/cmdline.rs"]
mod cmdline;
#[expect(dead_code, reason = "what reads devices is for stage 1 itself")]
#[path = "../../crates/stage1/src/partition.rs"]
mod partition;
#[expect(dead_code, reason = "what reads devices is for stage 1 itself")]
#[path = "../../crates/stage1/src/verity.rs"]
mod verity;

use cmdline::RootHash;
use partition::{Partition, Partitions};
use verity::{SUPERBLOCK, Superblock};

type Fatal = String;

/// A version, names of devices, block sizes and counts, the algorithm, hash and salt, options.
const WORDS: usize = 13;

fuzz_target!(|bytes: &[u8]| {
    let Some((data, rest)) = bytes.split_first_chunk() else { return };
    let Some((hash, rest)) = rest.split_first_chunk() else { return };
    let Some(superblock) = rest.first_chunk::<SUPERBLOCK>() else { return };
    let partition = |number: &str, sectors: [u8; 8]| Partition {
        name: "vda".into(),
        number: number.into(),
        start: 0,
        sectors: u64::from_le_bytes(sectors),
    };
    let partitions =
        Partitions { data: partition("254:1", *data), hash: partition("254:2", *hash) };
    let decoded = Superblock::decode(superblock);
    let Ok(superblock) = decoded.and_then(|superblock| superblock.fit(&partitions)) else { return };
    assert!(superblock.sectors() > 0, "an empty device");
    assert!(superblock.sectors() <= partitions.data.sectors, "data outside of its partition");
    let line = superblock.table(&partitions, &RootHash([0xab; 32]));
    assert_eq!(line.split(' ').count(), WORDS, "{line}");
    assert!(line.is_ascii() && !line.contains(char::is_control), "{line}");
});
