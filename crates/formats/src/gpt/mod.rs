//! The GUID partition table: plans where partitions lie, writes both copies of the table, reads
//! and checks them.
//!
//! The contract: [`Plan::write`] emits every byte of the disk that belongs to no partition, so the
//! caller emits exactly the partitions. Identifiers are input: nothing here is random. Deliberately
//! absent: 4096-byte sectors, hybrid MBRs, entry arrays of more or fewer than 128 entries (written;
//! the reader takes them), repair. Oracle: `sgdisk -v`, `sfdisk --json`.
//!
//! Standard: UEFI 2.10 chapter 5; UAPI.2 for the partition types and the root hash rule.

mod crc;
mod dump;
mod error;
mod guid;
mod lba;
mod plan;
mod read;
pub mod spec;

pub use dump::dump;
pub use error::Error;
pub use guid::{Guid, ParseGuidError};
pub use lba::Lba;
pub use plan::{DiskSize, Options, Partition, Place, Placed, Plan};
pub use read::{Entry, Table, read};

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
