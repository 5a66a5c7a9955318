//! FAT16 and FAT32 volumes.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Every file that is found can be
//! read to its end.
//!
//! Input: the volume up to its last byte that is not zero.

#![no_main]

use std::io;

use cvmkit_formats::fat::{dump, read};
use cvmkit_formats::source::{Source, read_all};
use cvmkit_formats::tree::Node;
use libfuzzer_sys::fuzz_target;

/// A volume no longer than this; the smallest FAT32 has 33 MiB.
const LEN_MAX: u64 = 36 << 20;
/// Bytes of contents to read.
const CONTENTS_MAX: u64 = 1 << 20;

/// A volume whose end is zeros, so that a small input describes a whole one.
struct Volume {
    head: Vec<u8>,
    len: u64,
}

impl Source for Volume {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let inside = offset.checked_add(buf.len() as u64).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf.fill(0);
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let head = self.head.get(from..).unwrap_or_default();
        let len = head.len().min(buf.len());
        buf[..len].copy_from_slice(&head[..len]);
        Ok(())
    }
}

fn word(head: &[u8], at: usize) -> usize {
    head.get(at..at + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])))
}

/// Copies the first FAT over the second one: mutations reach what the copies protect.
fn mirrored(mut head: Vec<u8>) -> Vec<u8> {
    let (start, len) = (word(&head, 14) * 512, word(&head, 22) * 512);
    if len != 0 && start + 2 * len <= head.len() {
        head.copy_within(start..start + len, start + len);
    }
    head
}

fn check(volume: &Volume) {
    let Ok(found) = read(volume) else { return };
    let _ = dump(&found);
    for (_, id) in found.tree.walk() {
        if let Node::File(file) = &found.tree.inode(id).node
            && file.len() <= CONTENTS_MAX
        {
            read_all(file, CONTENTS_MAX).expect("the file is in the volume");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    // `BPB_TotSec16`, or `BPB_TotSec32` if that is 0 (FAT specification 1.03, section 3.1).
    let long = word(bytes, 32) | word(bytes, 34) << 16;
    let sectors = if word(bytes, 19) == 0 { long } else { word(bytes, 19) };
    let len = (sectors as u64 * 512).min(LEN_MAX);
    check(&Volume { head: bytes.to_vec(), len: bytes.len() as u64 });
    check(&Volume { head: bytes.to_vec(), len });
    check(&Volume { head: mirrored(bytes.to_vec()), len });
});
