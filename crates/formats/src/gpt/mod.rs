//! The GUID partition table: plans where partitions lie, writes both copies of the table, reads
//! and checks them.
//!
//! The contract: [`Plan::write`] emits every byte of the disk that belongs to no partition, so the
//! caller emits exactly the partitions. Identifiers are input: nothing here is random. Deliberately
//! absent: 4096-byte sectors, hybrid MBRs, entry arrays of more or fewer than 128 entries (written;
//! the reader takes them), repair. Oracle: `sgdisk -v`, `sfdisk --json`.
//!
//! Standard: UEFI 2.10 chapter 5; UAPI.2 for the partition types and the root hash rule.

mod dump;
mod guid;
mod plan;
mod read;
pub mod spec;

use std::io;

use thiserror::Error;

pub use dump::dump;
pub use guid::{Guid, ParseGuidError};
pub use plan::{DiskSize, Options, Partition, Place, Placed, Plan};
pub use read::{Entry, Table, read};

/// A sector number of a disk of 512-byte sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lba(pub u64);

impl Lba {
    /// The sector's offset in bytes, or nothing beyond 2^64.
    #[must_use]
    pub fn to_bytes(self) -> Option<u64> {
        self.0.checked_mul(spec::SECTOR)
    }
}

/// Why a table was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error("{role}")]
    Io {
        /// What was being done, such as `reading ...`.
        role: &'static str,
        /// What the storage said.
        source: io::Error,
    },
    /// The disk holds something that is no valid table.
    #[error("GPT {what} at byte {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Where it lies, in bytes from the start of the disk.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The disk holds a valid table that this reader does not take.
    #[error("GPT {what}: {why}")]
    Unsupported {
        /// The structure, in the words of the format.
        what: &'static str,
        /// What was expected and what was found.
        why: String,
    },
    /// The layout asked for can't be made.
    #[error("GPT layout, {what}: {why}")]
    Invalid {
        /// The partition or the property.
        what: String,
        /// What was expected and what was found.
        why: String,
    },
}

/// The unique GUIDs of a dm-verity data partition and of its hash partition.
///
/// UAPI.2, "Root Verity Partition": the data partition's GUID is the first 128 bits of the root
/// hash, the hash partition's the last 128 bits, both in text order: the digits of the GUID are the
/// digits of the hash.
///
/// # Errors
/// [`Error::Invalid`] for a root hash below 32 bytes, whose halves would overlap.
pub fn part_uuids_from_root_hash(root_hash: &[u8]) -> Result<(Guid, Guid), Error> {
    match (root_hash.first_chunk::<16>(), root_hash.last_chunk::<16>()) {
        (Some(&data), Some(&hash)) if root_hash.len() >= 32 => {
            Ok((Guid::from_text_order(data), Guid::from_text_order(hash)))
        }
        _ => Err(Error::Invalid {
            what: "partition GUIDs of a root hash".into(),
            why: format!("expected at least 32 bytes, found {}", root_hash.len()),
        }),
    }
}

/// CRC-32 as UEFI 2.10 section 5.3.2 asks for it: ISO 3309, the one of Ethernet and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC-32 of a header: over its `HeaderSize` bytes, with its own field zero.
fn header_crc(bytes: &[u8]) -> u32 {
    const FIELD: std::ops::Range<usize> = 16..20;
    let mut copy = bytes.to_vec();
    if let Some(field) = copy.get_mut(FIELD) {
        field.fill(0);
    }
    crc32(&copy)
}
