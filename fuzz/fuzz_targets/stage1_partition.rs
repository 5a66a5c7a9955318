//! Stage 1's reading of the partition table.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A UUID that is found stands in the
//! disk, and its entry has the extent that the kernel shows.
//!
//! Input: the logarithm of the block size less 9, the number of the partition, then the disk.

#![no_main]

use std::io;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;

/// Stage 1 is a program, not a library; these modules of it need nothing of the others.
#[path = "../../crates/stage1/src/built_for.rs"]
mod built_for;
#[expect(dead_code, reason = "what reads `/proc` is for stage 1 itself")]
#[path = "../../crates/stage1/src/cmdline.rs"]
mod cmdline;
#[expect(dead_code, reason = "what reads `/sys` is for stage 1 itself")]
#[path = "../../crates/stage1/src/partition.rs"]
mod partition;

use partition::{Partition, part_uuid};

type Fatal = String;

struct Disk<'a>(&'a [u8]);

impl FileExt for Disk<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or(&[]);
        let len = from.len().min(buf.len());
        buf[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(([shift, index], disk)) = bytes.split_first_chunk() else { return };
    let block_size = 512_u64 << (shift % 10);
    // What the kernel would show of the entry, if it took the table.
    let field =
        |at: usize| disk.get(at..).and_then(<[u8]>::first_chunk).map(|b| u64::from_le_bytes(*b));
    let unit = block_size / 512;
    for at in (0..disk.len().min(1 << 16)).step_by(128) {
        let (Some(first), Some(last)) = (field(at + 32), field(at + 40)) else { continue };
        let shown = Partition {
            name: "vda1".into(),
            number: "254:1".into(),
            start: first.wrapping_mul(unit),
            sectors: last.wrapping_sub(first).wrapping_add(1).wrapping_mul(unit),
        };
        let Ok(uuid) = part_uuid(&Disk(disk), block_size, u64::from(*index), &shown) else {
            continue;
        };
        // Its last field is in the order of its text.
        let text = uuid.to_string();
        let tail: Vec<u8> = text
            .rsplit('-')
            .next()
            .into_iter()
            .flat_map(|digits| {
                (0..digits.len())
                    .step_by(2)
                    .filter_map(|i| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok())
            })
            .collect();
        assert!(disk.windows(6).any(|window| window == tail), "{text} is not in the disk");
    }
});
