//! The event of a GUID partition table, PCR 5.
//!
//! EDK2 measures the table of the disk it boots from, once, when it loads the first image from a
//! disk that has one: the primary header, a count and the entries in use. Unused entries, the
//! protective MBR and the backup are not measured. Standard: the profile, section 10.2.5
//! "UEFI_GPT_DATA"; UEFI 2.11, section 5.3.

use std::io;

use cvmkit_formats::gpt::spec;
use cvmkit_formats::source::Source as Bytes;
use thiserror::Error;
use zerocopy::FromBytes as _;

use super::{PCR_BOOT_CONFIG, event_of};
use crate::event::{Event, EventType, Source};

/// More entries than that are no partition table (UEFI asks for 128 at least).
const ENTRIES_MAX: u64 = 1 << 12;

/// Larger entries than that are none either.
const ENTRY_MAX: u64 = 4096;

/// Why there is nothing to measure.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk can't be read.
    #[error("reading the partition table")]
    Io(#[from] io::Error),
    /// The disk has no header where one must be.
    #[error("no partition table: expected `EFI PART` at byte 512, found {found:02x?}")]
    NoTable {
        /// The eight bytes there.
        found: [u8; 8],
    },
    /// The header asks for entries that can't be.
    #[error(
        "GPT header at byte 512: {entries} entries of {size} bytes, expected at most {ENTRIES_MAX} \
         of a multiple of 128 and at most {ENTRY_MAX}"
    )]
    Entries {
        /// `NumberOfPartitionEntries`
        entries: u32,
        /// `SizeOfPartitionEntry`
        size: u32,
    },
}

/// The bytes of UEFI_GPT_DATA for a disk of 512-byte sectors.
///
/// # Errors
/// [`Error::NoTable`] for a disk without one: firmware then measures nothing. Check sums are not
/// looked at; firmware would not boot from a table that fails them.
pub fn data<S: Bytes + ?Sized>(disk: &S) -> Result<Vec<u8>, Error> {
    let mut raw = [0; size_of::<spec::Header>()];
    disk.read_at(spec::SECTOR, &mut raw)?;
    let header = spec::Header::ref_from_bytes(&raw)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if &header.signature != b"EFI PART" {
        return Err(Error::NoTable { found: header.signature });
    }
    let (entries, size) = (header.entries.get(), header.entry_size.get());
    let fits = u64::from(entries) <= ENTRIES_MAX
        && size.is_multiple_of(128)
        && (128..=ENTRY_MAX).contains(&u64::from(size));
    if !fits {
        return Err(Error::Entries { entries, size });
    }
    let start = header.entries_lba.get().checked_mul(spec::SECTOR);
    let mut at = start.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut used: u64 = 0;
    let mut array = Vec::new();
    let mut entry = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    for _ in 0..entries {
        disk.read_at(at, &mut entry)?;
        at = at.saturating_add(u64::from(size));
        // `PartitionTypeGUID` of an unused entry is zero (UEFI 2.11, section 5.3.3).
        if entry.iter().take(16).any(|&byte| byte != 0) {
            used += 1;
            array.extend_from_slice(&entry);
        }
    }
    Ok([raw.as_slice(), &used.to_le_bytes(), &array].concat())
}

/// The event of those bytes.
#[must_use]
pub fn event(data: &[u8]) -> Event {
    let meaning = "partition table of the boot disk";
    event_of(PCR_BOOT_CONFIG, EventType::EV_EFI_GPT_EVENT, meaning, Source::PartitionTable, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of eight sectors with two entries of four in use, the second and the last.
    fn disk(entries: u32, size: u32) -> Vec<u8> {
        let mut disk = vec![0; 8 * 512];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 72] = 2; // PartitionEntryLBA
        disk[512 + 80..512 + 84].copy_from_slice(&entries.to_le_bytes());
        disk[512 + 84..512 + 88].copy_from_slice(&size.to_le_bytes());
        disk[1024 + 128..1024 + 256].fill(0x11);
        disk[1024 + 384..1024 + 512].fill(0x33);
        disk
    }

    #[test]
    fn only_entries_in_use_count() {
        let disk = disk(4, 128);
        let data = data(&disk).unwrap();
        assert_eq!(data.len(), 92 + 8 + 2 * 128);
        assert_eq!(data[..92], disk[512..604]);
        assert_eq!(data[92..100], 2u64.to_le_bytes());
        assert_eq!(data[100..], [[0x11; 128], [0x33; 128]].concat());
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(matches!(data(&vec![0; 4096]), Err(Error::NoTable { .. })));
        assert!(matches!(data(&vec![0; 600]), Err(Error::Io(_))));
        for (entries, size) in [(u32::MAX, 128), (4, 0), (4, 100), (4, u32::MAX)] {
            assert!(matches!(data(&disk(entries, size)), Err(Error::Entries { .. })));
        }
        assert!(matches!(data(&disk(128, 128)), Err(Error::Io(_))), "entries behind the end");
    }
}
