//! The event of a GUID partition table, PCR 5.
//!
//! EDK2 measures the table of the disk it boots from, once, when it loads the first image from a
//! disk that has one: the primary header, a count and the entries in use. Unused entries, the
//! protective MBR and the backup are not measured. Standard: the profile, section 10.2.5
//! "UEFI_GPT_DATA"; UEFI 2.11, section 5.3.

use std::io;

use cvmkit_formats::container::Container;
use cvmkit_formats::gpt::spec;
use cvmkit_formats::source::Source as Bytes;
use thiserror::Error;
use zerocopy::FromBytes as _;

use super::{PCR_BOOT_CONFIG, event_of};
use crate::event::{Event, EventType, Source};

/// More entries than any table has (UEFI asks for 128 at least).
const ENTRIES_MAX: u64 = 1 << 12;

/// More bytes than an entry of any table has.
const ENTRY_MAX: u64 = 4096;

/// Why there is nothing to measure.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk can't be read.
    #[error("reading the partition table")]
    Io(#[from] io::Error),
    /// The file holds the disk in another form.
    #[error("the file is {found}, expected a raw disk")]
    Container {
        /// The container, by its signature.
        found: Container,
    },
    /// The table of a disk with larger sectors.
    #[error(
        "the partition table is of a disk with 4096-byte sectors (`EFI PART` at byte 4096), expected \
         512-byte sectors"
    )]
    SectorSize,
    /// A first sector that promises a table, and no table.
    #[error(
        "broken partition table: the first sector is that of a disk with GPT, expected `EFI PART` at \
         byte 512, found `{}`",
        found.escape_ascii()
    )]
    NoHeader {
        /// The eight bytes in the place of the signature.
        found: [u8; 8],
    },
    /// Neither a partition table of any kind nor a FAT file system.
    #[error(
        "not a raw disk: expected `EFI PART` at byte 512, or 55 aa at the end of the first sector with \
         partitions or a FAT file system, found {found:02x?} there"
    )]
    NoDisk {
        /// The last two bytes of the first sector.
        found: [u8; 2],
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

/// The bytes of UEFI_GPT_DATA for a disk of 512-byte sectors; none for a disk that has another table
/// or a FAT file system alone, of which firmware measures nothing.
///
/// # Errors
/// What is no such disk, or not known to be one: nothing can be said of it. Check sums are not
/// looked at; firmware would not boot from a table that fails them.
pub fn data<S: Bytes + ?Sized>(disk: &S) -> Result<Option<Vec<u8>>, Error> {
    if let Some(found) = Container::of(disk)? {
        return Err(Error::Container { found });
    }
    let mut raw = [0; size_of::<spec::Header>()];
    read_head(disk, spec::SECTOR, &mut raw)?;
    let header = spec::Header::ref_from_bytes(&raw)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if header.signature != SIGNATURE {
        check_without_table(disk, header.signature)?;
        return Ok(None);
    }
    if disk.len() < spec::SECTOR + size_of::<spec::Header>() as u64 {
        // What is missing was filled with zeros, and is no part of a header.
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
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
    Ok(Some([raw.as_slice(), &used.to_le_bytes(), &array].concat()))
}

/// `Signature` of the header (UEFI 2.11, section 5.3.2).
const SIGNATURE: [u8; 8] = *b"EFI PART";

/// The other size of sectors that disks have.
const LARGE_SECTOR: u64 = 4096;

/// Where the first sector has four records of 16 bytes, and in each the type of a partition (UEFI
/// 2.11, section 5.2.1).
const MBR_RECORDS: usize = 446;
const MBR_RECORD_LEN: usize = 16;
const MBR_TYPE: usize = 4;
/// Type of the record that keeps other tools off a disk with GPT (the same, section 5.2.3).
const MBR_GPT: u8 = 0xee;

/// `BPB_BytsPerSec` of a FAT file system, which starts with a jump (Microsoft, "FAT: General
/// Overview of On-Disk Format" 1.03, page 9).
const FAT_SECTOR: usize = 11;

/// Insists that a disk without a header of GPT where one would be is one that firmware can boot from
/// all the same.
fn check_without_table<S: Bytes + ?Sized>(disk: &S, header: [u8; 8]) -> Result<(), Error> {
    let mut found = [0; 8];
    read_head(disk, LARGE_SECTOR, &mut found)?;
    if found == SIGNATURE {
        return Err(Error::SectorSize);
    }
    let mut first = [0; 512];
    read_head(disk, 0, &mut first)?;
    let end = [first[510], first[511]];
    let is_fat = matches!(first[0], 0xeb | 0xe9) && first[FAT_SECTOR..].starts_with(&[0, 2]);
    let types = || {
        let records = first[MBR_RECORDS..510].chunks_exact(MBR_RECORD_LEN);
        records.filter_map(|record| record.get(MBR_TYPE).copied()).filter(|kind| *kind != 0)
    };
    if end != [0x55, 0xaa] || (!is_fat && types().next().is_none()) {
        return Err(Error::NoDisk { found: end });
    }
    if !is_fat && types().any(|kind| kind == MBR_GPT) {
        return Err(Error::NoHeader { found: header });
    }
    Ok(())
}

/// Fills a buffer from a place; with zeros behind the end of the disk.
fn read_head<S: Bytes + ?Sized>(disk: &S, at: u64, buf: &mut [u8]) -> io::Result<()> {
    let left = usize::try_from(disk.len().saturating_sub(at)).unwrap_or(buf.len());
    let part = left.min(buf.len());
    if part == 0 {
        // A place behind the end is none to read at, not even nothing.
        return Ok(());
    }
    buf.get_mut(..part).map_or(Ok(()), |buf| disk.read_at(at, buf))
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
        let data = data(&disk).unwrap().unwrap();
        assert_eq!(data.len(), 92 + 8 + 2 * 128);
        assert_eq!(data[..92], disk[512..604]);
        assert_eq!(data[92..100], 2u64.to_le_bytes());
        assert_eq!(data[100..], [[0x11; 128], [0x33; 128]].concat());
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for len in [0, 600, 4096] {
            assert!(matches!(data(&vec![0; len]), Err(Error::NoDisk { found: [0, 0] })), "{len}");
        }
        let text = "any text, of which there is enough for some sectors\n".repeat(100);
        let error = data(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("not a raw disk: expected `EFI PART` at byte 512"), "{error}");
        let qcow2 = [&b"QFI\xfb"[..], &disk(4, 128)].concat();
        assert!(matches!(data(&qcow2), Err(Error::Container { .. })));
        for (entries, size) in [(u32::MAX, 128), (4, 0), (4, 100), (4, u32::MAX)] {
            assert!(matches!(data(&disk(entries, size)), Err(Error::Entries { .. })));
        }
        assert!(matches!(data(&disk(128, 128)), Err(Error::Io(_))), "entries behind the end");
        // Cut within the header, behind a count of no entries.
        for (len, is_whole) in [(520, false), (598, false), (603, false), (604, true)] {
            let found = data(&disk(0, 4096)[..len]);
            match is_whole {
                true => assert_eq!(found.unwrap().unwrap().len(), 92 + 8, "{len}"),
                false => {
                    assert!(matches!(found, Err(Error::Io(_) | Error::Entries { .. })), "{len}")
                }
            }
        }
    }

    /// The first sector of a disk: its first bytes, `BPB_BytsPerSec`, types of partitions, its end.
    fn first_sector(start: u8, sector_size: [u8; 2], types: [u8; 4], end: [u8; 2]) -> Vec<u8> {
        let mut disk = vec![0; 16 * 512];
        disk[0] = start;
        disk[11..13].copy_from_slice(&sector_size);
        for (at, kind) in types.into_iter().enumerate() {
            disk[446 + 16 * at + 4] = kind;
        }
        disk[510..512].copy_from_slice(&end);
        disk
    }

    /// UEFI 2.11, section 5.2: firmware boots from a FAT file system or another table all the same.
    #[test]
    fn disks_without_this_table_are_told_apart() {
        let end = [0x55, 0xaa];
        let fat = [0, 2];
        for (disk, is_disk) in [
            (first_sector(0xeb, fat, [0; 4], end), true),
            (first_sector(0xe9, fat, [0; 4], end), true),
            (first_sector(0xeb, fat, [0, 0xee, 0, 0], end), true),
            (first_sector(0, [0; 2], [0, 0, 0, 0x0c], end), true),
            (first_sector(0xeb, [0, 16], [0; 4], end), false),
            (first_sector(0xea, fat, [0; 4], end), false),
            (first_sector(0, [0; 2], [0; 4], end), false),
            (first_sector(0xeb, fat, [0; 4], [0x55, 0]), false),
            (first_sector(0, [0; 2], [0x0c, 0, 0, 0xee], end), false),
        ] {
            match data(&disk) {
                Ok(found) => assert!(is_disk && found.is_none(), "{:?}", &disk[..16]),
                Err(Error::NoDisk { .. } | Error::NoHeader { .. }) => assert!(!is_disk),
                Err(error) => panic!("{error}"),
            }
        }
        let mut promised = first_sector(0, [0; 2], [0xee, 0, 0, 0], end);
        promised[512..520].copy_from_slice(b"EFI PARX");
        let error = data(&promised).unwrap_err();
        assert!(matches!(error, Error::NoHeader { found } if &found == b"EFI PARX"), "{error}");
        promised[4096..4104].copy_from_slice(b"EFI PART");
        assert!(matches!(data(&promised), Err(Error::SectorSize)));
    }
}
