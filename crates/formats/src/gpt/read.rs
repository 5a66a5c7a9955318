//! Decodes a partition table and insists that both copies are whole and say the same.

use zerocopy::FromBytes;

use super::spec::{self, Header, MBR_PROTECTIVE, MBR_SIGNATURE, MbrRecord, SECTOR, SIGNATURE};
use super::{Error, Guid, Lba, crc32, header_crc};
use crate::source::{Source, Window};

/// Entry arrays above this are refused: 64 times what any tool writes.
const ARRAY_MAX: u64 = 1024 * 1024;

/// A used partition entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u32,
    /// What it is for.
    pub type_guid: Guid,
    /// Its identity.
    pub unique_guid: Guid,
    /// First sector.
    pub first: Lba,
    /// Last sector, included.
    pub last: Lba,
    /// Attribute bits.
    pub attributes: u64,
    /// Its label.
    pub name: String,
}

impl Entry {
    /// First byte on the disk. [`read`] has proven that it fits.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.first.0.saturating_mul(SECTOR)
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.last.0.saturating_sub(self.first.0).saturating_add(1)).saturating_mul(SECTOR)
    }

    /// True for an entry that covers no sector, which [`read`] never answers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// The partition's bytes.
    ///
    /// # Errors
    /// [`Error::Io`] when `disk` is not the one the entry was read from.
    pub fn window<S: Source>(&self, disk: S) -> Result<Window<S>, Error> {
        Window::new(disk, self.offset(), self.len())
            .map_err(|source| Error::Io { role: "opening a partition", source })
    }
}

/// A partition table whose two copies agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The disk's identity.
    pub disk_guid: Guid,
    /// First sector that partitions may use.
    pub first_usable: Lba,
    /// Last sector that partitions may use.
    pub last_usable: Lba,
    /// Sectors of the disk.
    pub sectors: u64,
    /// Used entries, by number.
    pub partitions: Vec<Entry>,
}

/// Reads the table of a disk of 512-byte sectors.
///
/// # Errors
/// [`Error::Corrupt`] if the protective MBR, a header, an entry array or a checksum of either copy
/// is wrong, if the copies differ, or if partitions overlap or leave the disk.
pub fn read<S: Source + ?Sized>(disk: &S) -> Result<Table, Error> {
    let sectors = disk.len() / SECTOR;
    if !disk.len().is_multiple_of(SECTOR) || sectors < 6 {
        return Err(corrupt("disk", 0, format!("{} bytes are no disk", disk.len())));
    }
    check_mbr(&sector(disk, 0)?)?;
    let (primary, primary_array) = read_copy(disk, "primary header", 1, sectors)?;
    let alternate = primary.alternate_lba.get();
    if alternate != sectors - 1 {
        let why = format!("expected AlternateLBA {}, found {alternate}", sectors - 1);
        return Err(corrupt("primary header", SECTOR, why));
    }
    let (backup, backup_array) = read_copy(disk, "backup header", alternate, sectors)?;
    check_agreement(&primary, &backup, (sectors - 1) * SECTOR)?;
    check_place("primary header", SECTOR, &primary, &primary_array)?;
    check_place("backup header", (sectors - 1) * SECTOR, &backup, &backup_array)?;
    if primary_array != backup_array {
        let at = backup.entries_lba.get().saturating_mul(SECTOR);
        return Err(corrupt("backup entries", at, "differ from the primary ones".into()));
    }
    let partitions = decode_entries(&primary, &primary_array)?;
    check_ranges(&partitions, &primary)?;
    Ok(Table {
        disk_guid: primary.disk_guid,
        first_usable: Lba(primary.first_usable.get()),
        last_usable: Lba(primary.last_usable.get()),
        sectors,
        partitions,
    })
}

fn corrupt(what: &'static str, at: u64, why: String) -> Error {
    Error::Corrupt { what, at, why }
}

fn bytes<S: Source + ?Sized>(disk: &S, at: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut buf = vec![0; len];
    disk.read_at(at, &mut buf)
        .map_err(|source| Error::Io { role: "reading the partition table", source })?;
    Ok(buf)
}

fn sector<S: Source + ?Sized>(disk: &S, lba: u64) -> Result<Vec<u8>, Error> {
    let at = Lba(lba).to_bytes().ok_or_else(|| corrupt("sector", lba, "beyond 2^64".into()))?;
    bytes(disk, at, 512)
}

fn check_mbr(sector: &[u8]) -> Result<(), Error> {
    if sector.get(510..) != Some(&MBR_SIGNATURE[..]) {
        return Err(corrupt("protective MBR", 510, "expected the signature 55 aa".into()));
    }
    let records = sector
        .get(446..510)
        .and_then(|part| <[MbrRecord]>::ref_from_bytes(part).ok())
        .unwrap_or_default();
    if !records.iter().any(|record| record.os_type == MBR_PROTECTIVE && record.first.get() == 1) {
        let why = "expected a record of type ee from sector 1, found none".into();
        return Err(corrupt("protective MBR", 446, why));
    }
    Ok(())
}

/// One copy of the table: its header and its entry array, with both checksums proven.
fn read_copy<S: Source + ?Sized>(
    disk: &S,
    what: &'static str,
    lba: u64,
    sectors: u64,
) -> Result<(Header, Vec<u8>), Error> {
    let raw = sector(disk, lba)?;
    let at = lba.saturating_mul(SECTOR);
    let refused = |why: String| corrupt(what, at, why);
    let (header, _) =
        Header::read_from_prefix(&raw).map_err(|_| refused("the sector is too short".into()))?;
    if header.signature != SIGNATURE {
        return Err(refused(format!("expected EFI PART, found {:02x?}", header.signature)));
    }
    if header.revision.get() != spec::REVISION {
        return Err(Error::Unsupported {
            what,
            why: format!("expected revision 1.0, found {:#x}", header.revision.get()),
        });
    }
    let signed = usize::try_from(header.header_size.get())
        .ok()
        .filter(|&size| size >= 92)
        .and_then(|size| raw.get(..size))
        .ok_or_else(|| refused(format!("HeaderSize {} is none", header.header_size.get())))?;
    let computed = header_crc(signed);
    if computed != header.header_crc.get() {
        let found = header.header_crc.get();
        return Err(refused(format!("HeaderCRC32: expected {computed:08x}, found {found:08x}")));
    }
    if header.my_lba.get() != lba {
        return Err(refused(format!("expected MyLBA {lba}, found {}", header.my_lba.get())));
    }
    let array = read_array(disk, what, &header, sectors)?;
    Ok((header, array))
}

fn read_array<S: Source + ?Sized>(
    disk: &S,
    what: &'static str,
    header: &Header,
    sectors: u64,
) -> Result<Vec<u8>, Error> {
    let start = header.entries_lba.get();
    let at = start.saturating_mul(SECTOR);
    let refused = |why: String| corrupt(what, at, why);
    let size = header.entry_size.get();
    // UEFI 2.10 table 5-5: SizeOfPartitionEntry is 128 x 2^n.
    if size < 128 || !size.is_power_of_two() {
        return Err(refused(format!("SizeOfPartitionEntry {size} is none")));
    }
    let len = u64::from(size) * u64::from(header.entries.get());
    if len > ARRAY_MAX {
        return Err(refused(format!("an entry array of {len} bytes, at most {ARRAY_MAX}")));
    }
    let inside = start.checked_add(len.div_ceil(SECTOR)).is_some_and(|end| end <= sectors);
    if !inside || start < 2 {
        return Err(refused(format!("the entry array at sector {start} leaves the disk")));
    }
    let array = bytes(disk, at, usize::try_from(len).unwrap_or(usize::MAX))?;
    let computed = crc32(&array);
    let found = header.entries_crc.get();
    if computed != found {
        return Err(refused(format!(
            "PartitionEntryArrayCRC32: expected {computed:08x}, found {found:08x}"
        )));
    }
    Ok(array)
}

fn check_agreement(primary: &Header, backup: &Header, at: u64) -> Result<(), Error> {
    let same = primary.disk_guid == backup.disk_guid
        && primary.first_usable == backup.first_usable
        && primary.last_usable == backup.last_usable
        && primary.entries == backup.entries
        && primary.entry_size == backup.entry_size
        && backup.alternate_lba.get() == primary.my_lba.get();
    if same {
        return Ok(());
    }
    Err(corrupt("backup header", at, "differs from the primary one".into()))
}

/// Partitions must not be able to lie on the entry array.
fn check_place(what: &'static str, at: u64, header: &Header, array: &[u8]) -> Result<(), Error> {
    let start = header.entries_lba.get();
    let end = start.saturating_add((array.len() as u64).div_ceil(SECTOR));
    if end <= header.first_usable.get() || start > header.last_usable.get() {
        return Ok(());
    }
    Err(corrupt(what, at, format!("entries at sectors {start}..{end} are among the usable ones")))
}

fn decode_entries(header: &Header, array: &[u8]) -> Result<Vec<Entry>, Error> {
    let size = usize::try_from(header.entry_size.get()).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for (number, raw) in (1u32..).zip(array.chunks_exact(size)) {
        let Ok((entry, _)) = spec::Entry::read_from_prefix(raw) else { break };
        if entry.type_guid == Guid::NIL {
            continue;
        }
        let units = entry.name.iter().map(|unit| unit.get()).take_while(|&unit| unit != 0);
        let name = char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| {
            let why = format!("the name of partition {number} is no UTF-16");
            corrupt("entry", header.entries_lba.get().saturating_mul(SECTOR), why)
        })?;
        found.push(Entry {
            number,
            type_guid: entry.type_guid,
            unique_guid: entry.unique_guid,
            first: Lba(entry.first.get()),
            last: Lba(entry.last.get()),
            attributes: entry.attributes.get(),
            name,
        });
    }
    Ok(found)
}

fn check_ranges(partitions: &[Entry], header: &Header) -> Result<(), Error> {
    let (first_usable, last_usable) = (header.first_usable.get(), header.last_usable.get());
    // Everything else is between the two arrays, so partitions within these bounds are on the disk.
    let backup_array = header.alternate_lba.get();
    if first_usable < 2 || last_usable >= backup_array || first_usable > last_usable + 1 {
        let why = format!("usable sectors {first_usable}..={last_usable} are no range");
        return Err(corrupt("primary header", SECTOR, why));
    }
    let mut order: Vec<&Entry> = partitions.iter().collect();
    order.sort_by_key(|entry| entry.first);
    let mut free = first_usable;
    for entry in order {
        let (first, last) = (entry.first.0, entry.last.0);
        if first < free || last < first || last > last_usable {
            let why = format!(
                "partition {}: expected sectors within {free}..={last_usable}, found {first}..={last}",
                entry.number
            );
            return Err(corrupt("entry", header.entries_lba.get().saturating_mul(SECTOR), why));
        }
        free = last + 1;
    }
    Ok(())
}
