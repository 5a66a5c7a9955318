//! Decodes a partition table and insists that both copies are whole and say the same.

use zerocopy::FromBytes;

use super::crc::{crc32, header_crc};
use super::spec::{self, Header, MBR_PROTECTIVE, MBR_SIGNATURE, MbrRecord, SECTOR, SIGNATURE};
use super::{Error, Guid, Lba};
use crate::source::{Source, Window};

/// Entry arrays above this are refused: 64 times what any tool writes.
const ARRAY_MAX: u64 = 1024 * 1024;

/// The shortest disk: the protective MBR, and of each copy a header and one sector of entries, with
/// one usable sector between them.
const SECTORS_MIN: u64 = 6;

/// A used partition entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u32,
    /// `PartitionTypeGUID`; never nil.
    pub type_guid: Guid,
    /// `UniquePartitionGUID`, which Linux shows as `PARTUUID`.
    pub unique_guid: Guid,
    /// `StartingLBA`: first sector.
    pub first: Lba,
    /// `EndingLBA`: last sector, included.
    pub last: Lba,
    /// `Attributes` (UEFI 2.10 table 5-8; bits 48 to 63 by the type, UAPI.2).
    pub attributes: u64,
    /// `PartitionName` up to its first NUL, which Linux shows as `PARTLABEL`.
    pub name: String,
}

impl Entry {
    /// First byte on the disk. [`read`] has proven that it fits.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.first.0.saturating_mul(SECTOR)
    }

    /// Length in bytes: whole sectors.
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
    /// `DiskGUID`.
    pub disk_guid: Guid,
    /// First sector that partitions may use.
    pub first_usable: Lba,
    /// Last sector that partitions may use.
    pub last_usable: Lba,
    /// Sectors of the disk, of 512 bytes, both tables included.
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
    if !disk.len().is_multiple_of(SECTOR) || sectors < SECTORS_MIN {
        let least = SECTORS_MIN * SECTOR;
        let why =
            format!("expected whole sectors and at least {least} bytes, found {}", disk.len());
        return Err(corrupt("disk", 0, why));
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
        .ok_or_else(|| {
            refused(format!("expected HeaderSize 92 to 512, found {}", header.header_size.get()))
        })?;
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
        return Err(refused(format!("expected SizeOfPartitionEntry 128 x 2^n, found {size}")));
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
            let why = format!("the name of partition {number} is not UTF-16");
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
        let why = format!(
            "expected usable sectors between 2 and {backup_array}, found {first_usable}..={last_usable}"
        );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::{DiskSize, Options, Partition, Place, Plan};

    /// Where the two headers and the two entry arrays of [`disk`] are.
    const PRIMARY: usize = 512;
    const BACKUP: usize = 6143 * 512;
    const ARRAYS: [usize; 2] = [2 * 512, 6111 * 512];

    /// 3 MiB with partitions at sectors 2048 to 2055 and 4096 to 4103.
    fn disk() -> Vec<u8> {
        let partition = |name: &str, unique| Partition {
            type_guid: spec::LINUX_GENERIC,
            unique_guid: Guid::from_u128(unique),
            name: name.into(),
            place: Place::Next(4096),
            attributes: 0,
        };
        let options = Options { size: DiskSize::Minimal, disk_guid: Guid::from_u128(9) };
        let plan = Plan::new(&[partition("a", 1), partition("b", 2)], &options).unwrap();
        let mut disk = Vec::new();
        plan.write(&mut disk).unwrap();
        assert_eq!(disk.len(), BACKUP + 512);
        disk
    }

    fn put(disk: &mut [u8], at: usize, bytes: &[u8]) {
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes one field of both headers, or of one entry in both arrays.
    fn both(disk: &mut [u8], places: [usize; 2], offset: usize, bytes: &[u8]) {
        for place in places {
            put(disk, place + offset, bytes);
        }
    }

    /// Makes the checksums right again, so that what lies behind them is looked at.
    fn sealed(mut disk: Vec<u8>) -> Vec<u8> {
        for at in [PRIMARY, BACKUP] {
            let (mut header, _) = Header::read_from_prefix(&disk[at..]).unwrap();
            let start = usize::try_from(header.entries_lba.get()).unwrap().saturating_mul(512);
            let len = usize::try_from(header.entries.get() * header.entry_size.get()).unwrap();
            if let Some(array) = disk.get(start..).and_then(|rest| rest.get(..len)) {
                header.entries_crc.set(crc32(array));
            }
            put(&mut disk, at, zerocopy::IntoBytes::as_bytes(&header));
            let size = usize::try_from(header.header_size.get()).unwrap().min(512);
            let crc = header_crc(&disk[at..at + size]);
            put(&mut disk, at + 16, &crc.to_le_bytes());
        }
        disk
    }

    fn refusal(disk: &[u8]) -> String {
        read(disk).unwrap_err().to_string()
    }

    #[test]
    fn what_lies_before_the_checksums_is_refused() {
        type Edit = fn(&mut Vec<u8>);
        let rows: [(Edit, &str); 9] = [
            (
                |disk| disk.truncate(BACKUP + 511),
                "GPT disk at byte 0x0: expected whole sectors and at least 3072 bytes, found 3145727",
            ),
            (
                |disk| disk.truncate(5 * 512),
                "GPT disk at byte 0x0: expected whole sectors and at least 3072 bytes, found 2560",
            ),
            (
                |disk| disk[511] = 0,
                "GPT protective MBR at byte 0x1fe: expected the signature 55 aa",
            ),
            (
                |disk| disk[446 + 4] = 0x83,
                "GPT protective MBR at byte 0x1be: expected a record of type ee from sector 1, \
                 found none",
            ),
            (
                |disk| disk[446 + 8] = 2,
                "GPT protective MBR at byte 0x1be: expected a record of type ee from sector 1, \
                 found none",
            ),
            (
                |disk| disk[PRIMARY] = b'e',
                "GPT primary header at byte 0x200: expected EFI PART, found [65, 46, 49, 20, 50, \
                 41, 52, 54]",
            ),
            (
                |disk| disk[PRIMARY + 8] = 1,
                "GPT primary header: expected revision 1.0, found 0x10001",
            ),
            (
                |disk| disk[PRIMARY + 12] = 91,
                "GPT primary header at byte 0x200: expected HeaderSize 92 to 512, found 91",
            ),
            (
                |disk| put(disk, PRIMARY + 12, &[1, 2]),
                "GPT primary header at byte 0x200: expected HeaderSize 92 to 512, found 513",
            ),
        ];
        for (edit, expected) in rows {
            let mut disk = disk();
            edit(&mut disk);
            assert_eq!(refusal(&disk), expected);
        }
    }

    #[test]
    fn a_record_of_the_mbr_may_be_any_of_four() {
        let mut disk = disk();
        disk.copy_within(446..462, 494);
        disk[446..462].fill(0);
        assert!(read(&disk).is_ok());
    }

    #[test]
    fn both_checksums_of_both_copies_count() {
        for (at, expected) in [
            (PRIMARY + 24, "GPT primary header at byte 0x200: HeaderCRC32: expected "),
            (PRIMARY + 16, "GPT primary header at byte 0x200: HeaderCRC32: expected "),
            (BACKUP + 24, "GPT backup header at byte 0x2ffe00: HeaderCRC32: expected "),
            (ARRAYS[0] + 48, "GPT primary header at byte 0x400: PartitionEntryArrayCRC32: "),
            (ARRAYS[1] + 48, "GPT backup header at byte 0x2fbe00: PartitionEntryArrayCRC32: "),
        ] {
            let mut disk = disk();
            disk[at] ^= 1;
            let found = refusal(&disk);
            assert!(found.starts_with(expected), "{found}");
        }
    }

    /// UEFI 2.10 table 5-5: offsets of the header's fields.
    #[test]
    fn header_fields_that_contradict_the_disk_are_refused() {
        for (at, value, expected) in [
            (PRIMARY + 24, 2, "GPT primary header at byte 0x200: expected MyLBA 1, found 2"),
            (BACKUP + 24, 2, "GPT backup header at byte 0x2ffe00: expected MyLBA 6143, found 2"),
            (
                PRIMARY + 32,
                6142,
                "GPT primary header at byte 0x200: expected AlternateLBA 6143, found 6142",
            ),
            (
                PRIMARY + 72,
                1,
                "GPT primary header at byte 0x200: the entry array at sector 1 leaves the disk",
            ),
            (
                PRIMARY + 72,
                6113,
                "GPT primary header at byte 0x2fc200: the entry array at sector 6113 leaves the disk",
            ),
            (
                PRIMARY + 72,
                u64::MAX,
                "GPT primary header at byte 0xffffffffffffffff: the entry array at sector \
                 18446744073709551615 leaves the disk",
            ),
            (
                PRIMARY + 80,
                128 << 32 | 8193,
                "GPT primary header at byte 0x400: an entry array of 1048704 bytes, at most 1048576",
            ),
            (
                PRIMARY + 80,
                64 << 32 | 128,
                "GPT primary header at byte 0x400: expected SizeOfPartitionEntry 128 x 2^n, found 64",
            ),
            (
                PRIMARY + 80,
                192 << 32 | 128,
                "GPT primary header at byte 0x400: expected SizeOfPartitionEntry 128 x 2^n, found 192",
            ),
        ] {
            let mut disk = disk();
            put(&mut disk, at, &value.to_le_bytes());
            assert_eq!(refusal(&sealed(disk)), expected);
        }
    }

    #[test]
    fn every_field_of_the_backup_is_that_of_the_primary() {
        let differs = "GPT backup header at byte 0x2ffe00: differs from the primary one";
        // AlternateLBA, FirstUsableLBA, LastUsableLBA, DiskGUID, NumberOfPartitionEntries.
        for (offset, value) in [(32, 2u8), (40, 35), (48, 0), (71, 0), (80, 64)] {
            let mut disk = disk();
            disk[BACKUP + offset] = value;
            assert_eq!(refusal(&sealed(disk)), differs, "offset {offset}");
        }
        // SizeOfPartitionEntry, with the array where it has room.
        let mut larger = disk();
        put(&mut larger, BACKUP + 72, &3000u64.to_le_bytes());
        put(&mut larger, BACKUP + 84, &256u32.to_le_bytes());
        assert_eq!(refusal(&sealed(larger)), differs);
        let mut other = disk();
        other[ARRAYS[1] + 48] ^= 1;
        assert_eq!(
            refusal(&sealed(other)),
            "GPT backup entries at byte 0x2fbe00: differ from the primary ones"
        );
    }

    /// What the bounds of the usable sectors may be: nothing may lie on a table.
    #[test]
    fn usable_sectors_keep_off_the_tables() {
        let headers = [PRIMARY, BACKUP];
        let rows = [
            (
                33,
                6110,
                "GPT primary header at byte 0x200: entries at sectors 2..34 are among the usable ones",
            ),
            (
                34,
                6111,
                "GPT backup header at byte 0x2ffe00: entries at sectors 6111..6143 are among the \
                 usable ones",
            ),
            (
                1,
                1,
                "GPT primary header at byte 0x200: expected usable sectors between 2 and 6143, found \
                 1..=1",
            ),
            (
                34,
                32,
                "GPT primary header at byte 0x200: expected usable sectors between 2 and 6143, found \
                 34..=32",
            ),
        ];
        for (first, last, expected) in rows {
            let mut disk = disk();
            both(&mut disk, headers, 40, &u64::to_le_bytes(first));
            both(&mut disk, headers, 48, &u64::to_le_bytes(last));
            assert_eq!(refusal(&sealed(disk)), expected);
        }
        // Both headers share the primary array: then only the backup header is in the way.
        for last in [6143, u64::MAX] {
            let mut disk = disk();
            put(&mut disk, BACKUP + 72, &2u64.to_le_bytes());
            both(&mut disk, headers, 48, &last.to_le_bytes());
            let found = refusal(&sealed(disk));
            assert!(found.contains("expected usable sectors between 2 and 6143"), "{found}");
        }
    }

    #[test]
    fn partitions_stay_apart_and_inside() {
        // Offset in the arrays (StartingLBA 32, EndingLBA 40; 128 for the second entry), value.
        let rows = [
            (32, 33, Some("partition 1: expected sectors within 34..=6110, found 33..=2055")),
            (32, 34, None),
            (40, 2047, Some("partition 1: expected sectors within 34..=6110, found 2048..=2047")),
            (40, 2048, None),
            (40, 4095, None),
            (40, 4096, Some("partition 2: expected sectors within 4097..=6110, found 4096..=4103")),
            (168, 6110, None),
            (
                168,
                6111,
                Some("partition 2: expected sectors within 2056..=6110, found 4096..=6111"),
            ),
            (168, u64::MAX, Some("partition 2: expected sectors within 2056..=6110, found")),
        ];
        for (offset, value, expected) in rows {
            let mut disk = disk();
            both(&mut disk, ARRAYS, offset, &value.to_le_bytes());
            let found = read(&sealed(disk)).map_err(|error| error.to_string());
            match (expected, found) {
                (None, found) => assert!(found.is_ok(), "{found:?}"),
                (Some(part), Err(found)) => {
                    let whole = format!("GPT entry at byte 0x400: {part}");
                    assert!(found.starts_with(&whole), "{found}");
                }
                (Some(part), Ok(_)) => panic!("{part}"),
            }
        }
        let mut unpaired = disk();
        both(&mut unpaired, ARRAYS, 56, &[0x00, 0xd8]);
        assert_eq!(
            refusal(&sealed(unpaired)),
            "GPT entry at byte 0x400: the name of partition 1 is not UTF-16"
        );
    }

    #[test]
    fn larger_entries_are_read_and_unused_ones_keep_their_numbers() {
        let mut disk = disk();
        // 64 entries of 256 bytes in the same room; the first is unused.
        for array in ARRAYS {
            disk.copy_within(array + 128..array + 256, array + 256);
            disk[array..array + 256].fill(0);
        }
        for header in [PRIMARY, BACKUP] {
            put(&mut disk, header + 80, &64u32.to_le_bytes());
            put(&mut disk, header + 84, &256u32.to_le_bytes());
        }
        let table = read(&sealed(disk)).unwrap();
        let [entry] = table.partitions.as_slice() else { panic!("{table:?}") };
        assert_eq!((entry.number, entry.name.as_str()), (2, "b"));
        assert_eq!((entry.offset(), entry.len(), entry.is_empty()), (4096 * 512, 4096, false));
    }

    #[test]
    fn a_storage_that_fails_is_told_apart() {
        struct Failing;
        impl Source for Failing {
            fn len(&self) -> u64 {
                1 << 20
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
                Err(std::io::Error::other("no medium"))
            }
        }
        let error = read(&Failing).unwrap_err();
        assert_eq!(error.to_string(), "reading the partition table");
        let entry = read(&disk()).unwrap().partitions.remove(0);
        assert!(matches!(entry.window(&vec![0; 512]), Err(Error::Io { .. })));
        assert_eq!(entry.window(&disk()).unwrap().start(), 2048 * 512);
    }
}
