//! Places partitions and writes both copies of the table.

use std::collections::BTreeSet;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

use super::crc::{crc32, header_crc};
use super::spec::{
    ALIGNMENT, BACKUP_SECTORS, ENTRIES, ENTRY_ARRAY, Entry, FIRST_USABLE, Header, MBR_PROTECTIVE,
    MBR_SIGNATURE, MbrRecord, REVISION, SECTOR, SIGNATURE,
};
use super::{Error, Guid, Lba};
use crate::sink::Sink;

/// How large the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskSize {
    /// This many bytes, a multiple of 512.
    Exact(u64),
    /// What the partitions and the backup table need, rounded up to 1 MiB.
    Minimal,
}

/// Where a partition lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the first multiple of 1 MiB behind the partition before it in the list, long enough for
    /// this many bytes, rounded up to a sector.
    Next(u64),
    /// From one sector to another, both included.
    At(Lba, Lba),
}

/// A partition to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for: one of the constants of [`super::spec`], or any other but nil.
    pub type_guid: Guid,
    /// Its identity, distinct on the disk (`PARTUUID`).
    pub unique_guid: Guid,
    /// Its label, at most 36 UTF-16 units (`PARTLABEL`).
    pub name: String,
    /// Its sectors.
    pub place: Place,
    /// Attribute bits (UEFI 2.10 table 5-8 and UAPI.2).
    pub attributes: u64,
}

/// The disk to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Exact, or just large enough.
    pub size: DiskSize,
    /// `DiskGUID`, distinct from the partitions' GUIDs.
    pub disk_guid: Guid,
}

/// Where a planned partition lies, in bytes from the start of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// First byte, a multiple of 512.
    pub offset: u64,
    /// Length: whole sectors.
    pub len: u64,
}

/// A frozen partition table.
#[derive(Clone, Debug)]
pub struct Plan {
    disk_guid: Guid,
    sectors: u64,
    entries: Vec<Entry>,
    placed: Vec<Placed>,
}

impl Plan {
    /// Places `partitions`; the first becomes number 1.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the partition that overlaps, leaves the usable sectors, shares its
    /// GUID or has too long a name; or an impossible disk size.
    pub fn new(partitions: &[Partition], options: &Options) -> Result<Self, Error> {
        if partitions.len() as u64 > u64::from(ENTRIES) {
            let why = format!("expected at most {ENTRIES}, found {}", partitions.len());
            return Err(Error::Invalid { what: "partitions".into(), why });
        }
        let mut unique = BTreeSet::from([options.disk_guid]);
        let mut entries = Vec::with_capacity(partitions.len());
        let mut end = FIRST_USABLE;
        for partition in partitions {
            let entry = entry_of(partition, end)?;
            if !unique.insert(partition.unique_guid) {
                let why = format!("the GUID {} is taken already", partition.unique_guid);
                return Err(Error::Invalid { what: what(partition), why });
            }
            end = entry.last.get() + 1;
            entries.push(entry);
        }
        let furthest = entries.iter().map(|entry| entry.last.get() + 1).max();
        let sectors = disk_sectors(options.size, furthest.unwrap_or(FIRST_USABLE))?;
        check_ranges(partitions, &entries, sectors)?;
        let placed = entries.iter().map(|entry| Placed {
            offset: entry.first.get() * SECTOR,
            len: (entry.last.get() + 1 - entry.first.get()) * SECTOR,
        });
        let placed = placed.collect();
        Ok(Self { disk_guid: options.disk_guid, sectors, entries, placed })
    }

    /// Length of the disk in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a disk is never empty")]
    pub fn len(&self) -> u64 {
        self.sectors * SECTOR
    }

    /// Where the partitions lie, in the order they were given.
    #[must_use]
    pub fn partitions(&self) -> &[Placed] {
        &self.placed
    }

    /// Emits everything outside the partitions: protective MBR, both tables, zeros between.
    ///
    /// # Errors
    /// [`Error::Io`] when the sink fails.
    pub fn write(&self, sink: &mut impl Sink) -> Result<(), Error> {
        self.emit(sink).map_err(|source| Error::Io { role: "writing the partition table", source })
    }

    fn emit(&self, sink: &mut impl Sink) -> std::io::Result<()> {
        let array = self.entry_array();
        let last = self.sectors - 1;
        let mut front = self.protective_mbr();
        front.extend_from_slice(&self.header(1, last, 2, &array));
        front.extend_from_slice(&array);
        sink.write_at(0, &front)?;

        let backup = self.sectors - BACKUP_SECTORS;
        let mut used: Vec<(u64, u64)> =
            self.placed.iter().map(|placed| (placed.offset, placed.len)).collect();
        used.push((backup * SECTOR, 0));
        used.sort_unstable();
        let mut at = FIRST_USABLE * SECTOR;
        for (offset, len) in used {
            if offset > at {
                sink.zeros(at, offset - at)?;
            }
            at = offset + len;
        }

        let mut back = array.clone();
        back.extend_from_slice(&self.header(last, 1, backup, &array));
        sink.write_at(backup * SECTOR, &back)
    }

    fn entry_array(&self) -> Vec<u8> {
        let mut array = self.entries.as_bytes().to_vec();
        array.resize(ENTRY_ARRAY, 0);
        array
    }

    /// One sector with the header of the copy at `my_lba`.
    fn header(&self, my_lba: u64, alternate_lba: u64, entries_lba: u64, array: &[u8]) -> Vec<u8> {
        let mut header = Header {
            signature: SIGNATURE,
            revision: U32::new(REVISION),
            header_size: U32::new(92),
            header_crc: U32::ZERO,
            reserved: U32::ZERO,
            my_lba: U64::new(my_lba),
            alternate_lba: U64::new(alternate_lba),
            first_usable: U64::new(FIRST_USABLE),
            last_usable: U64::new(self.sectors - BACKUP_SECTORS - 1),
            disk_guid: self.disk_guid,
            entries_lba: U64::new(entries_lba),
            entries: U32::new(ENTRIES),
            entry_size: U32::new(128),
            entries_crc: U32::new(crc32(array)),
        };
        header.header_crc = U32::new(header_crc(header.as_bytes()));
        let mut sector = header.as_bytes().to_vec();
        sector.resize(512, 0);
        sector
    }

    /// Sector 0: one record that covers the disk (UEFI 2.10 section 5.2.3).
    fn protective_mbr(&self) -> Vec<u8> {
        let record = MbrRecord {
            boot: 0,
            first_chs: [0x00, 0x02, 0x00],
            os_type: MBR_PROTECTIVE,
            last_chs: [0xff, 0xff, 0xff],
            first: U32::new(1),
            sectors: U32::new(u32::try_from(self.sectors - 1).unwrap_or(u32::MAX)),
        };
        let mut sector = vec![0; 446];
        sector.extend_from_slice(record.as_bytes());
        sector.resize(510, 0);
        sector.extend_from_slice(&MBR_SIGNATURE);
        sector
    }
}

/// The sectors of the disk, given the first sector behind every partition.
fn disk_sectors(size: DiskSize, end: u64) -> Result<u64, Error> {
    let refused = |why: String| Error::Invalid { what: "disk size".into(), why };
    let needed = end
        .checked_add(BACKUP_SECTORS)
        .and_then(|sectors| sectors.checked_mul(SECTOR))
        .and_then(|bytes| bytes.checked_next_multiple_of(ALIGNMENT))
        .ok_or_else(|| refused("the partitions end beyond 2^64 bytes".into()))?;
    let bytes = match size {
        DiskSize::Minimal => needed,
        DiskSize::Exact(bytes) if bytes.is_multiple_of(SECTOR) => bytes,
        DiskSize::Exact(bytes) => {
            return Err(refused(format!("expected a multiple of {SECTOR} bytes, found {bytes}")));
        }
    };
    let least = (FIRST_USABLE + BACKUP_SECTORS + 1) * SECTOR;
    if bytes < least {
        return Err(refused(format!("expected at least {least} bytes, found {bytes}")));
    }
    Ok(bytes / SECTOR)
}

fn what(partition: &Partition) -> String {
    format!("partition `{}`", partition.name)
}

/// The entry of a partition; `end` is the first sector behind the partition before it.
fn entry_of(partition: &Partition, end: u64) -> Result<Entry, Error> {
    let refused = |why: String| Error::Invalid { what: what(partition), why };
    if partition.type_guid == Guid::NIL || partition.unique_guid == Guid::NIL {
        return Err(refused("the nil GUID marks an unused entry".into()));
    }
    let (first, last) = match partition.place {
        Place::At(Lba(first), Lba(last)) => (first, last),
        Place::Next(0) => return Err(refused("expected at least one byte, found 0".into())),
        Place::Next(bytes) => end
            .checked_next_multiple_of(ALIGNMENT / SECTOR)
            .and_then(|first| Some((first, first.checked_add(bytes.div_ceil(SECTOR))? - 1)))
            .ok_or_else(|| refused("ends beyond sector 2^64".into()))?,
    };
    if first > last || last == u64::MAX {
        return Err(refused(format!("expected first sector <= last, found {first} and {last}")));
    }
    let mut name = [U16::ZERO; 36];
    let units: Vec<u16> = partition.name.encode_utf16().collect();
    if units.len() > name.len() || units.contains(&0) {
        let why = format!("expected at most 36 UTF-16 units without NUL, found {}", units.len());
        return Err(refused(why));
    }
    for (slot, unit) in name.iter_mut().zip(units) {
        *slot = U16::new(unit);
    }
    Ok(Entry {
        type_guid: partition.type_guid,
        unique_guid: partition.unique_guid,
        first: U64::new(first),
        last: U64::new(last),
        attributes: U64::new(partition.attributes),
        name,
    })
}

fn check_ranges(partitions: &[Partition], entries: &[Entry], sectors: u64) -> Result<(), Error> {
    let mut order: Vec<(&Partition, u64, u64)> = partitions
        .iter()
        .zip(entries)
        .map(|(partition, entry)| (partition, entry.first.get(), entry.last.get()))
        .collect();
    order.sort_by_key(|&(_, first, _)| first);
    let last_usable = sectors - BACKUP_SECTORS - 1;
    let mut free = FIRST_USABLE;
    for (partition, first, last) in order {
        if first < free || last > last_usable {
            let why =
                format!("expected sectors within {free}..={last_usable}, found {first}..={last}");
            return Err(Error::Invalid { what: what(partition), why });
        }
        free = last + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::spec::LINUX_GENERIC;

    const DISK: Guid = Guid::from_u128(0xd);

    fn partition(unique: u128, place: Place) -> Partition {
        let unique_guid = Guid::from_u128(unique);
        let name = format!("p{unique}");
        Partition { type_guid: LINUX_GENERIC, unique_guid, name, place, attributes: 0 }
    }

    fn at(first: u64, last: u64) -> Place {
        Place::At(Lba(first), Lba(last))
    }

    fn refusal(partitions: &[Partition], size: DiskSize) -> String {
        Plan::new(partitions, &Options { size, disk_guid: DISK }).unwrap_err().to_string()
    }

    #[test]
    fn every_refusal_names_the_partition_and_the_bound() {
        let exact = DiskSize::Exact(4 << 20);
        let one = |place| vec![partition(1, place)];
        let named = |name: &str| vec![Partition { name: name.into(), ..partition(1, at(34, 34)) }];
        let nil = |type_guid, unique_guid| {
            vec![Partition { type_guid, unique_guid, ..partition(1, at(34, 34)) }]
        };
        let rows = [
            (one(Place::Next(0)), "partition `p1`: expected at least one byte, found 0"),
            (one(Place::Next(u64::MAX)), "disk size: the partitions end beyond 2^64 bytes"),
            (one(at(35, 34)), "partition `p1`: expected first sector <= last, found 35 and 34"),
            (one(at(1, u64::MAX)), "partition `p1`: expected first sector <= last, found 1 and"),
            (one(at(33, 34)), "partition `p1`: expected sectors within 34..=8158, found 33..=34"),
            (
                one(at(34, 8159)),
                "partition `p1`: expected sectors within 34..=8158, found 34..=8159",
            ),
            (
                vec![partition(1, at(34, 40)), partition(2, at(40, 41))],
                "partition `p2`: expected sectors within 41..=8158, found 40..=41",
            ),
            (
                vec![partition(1, at(34, 40)), partition(1, at(41, 41))],
                "partition `p1`: the GUID 00000000-0000-0000-0000-000000000001 is taken already",
            ),
            (
                vec![partition(0xd, at(34, 40))],
                "partition `p13`: the GUID 00000000-0000-0000-0000-00000000000d is taken already",
            ),
            (nil(Guid::NIL, DISK), "partition `p1`: the nil GUID marks an unused entry"),
            (nil(DISK, Guid::NIL), "partition `p1`: the nil GUID marks an unused entry"),
            (named(&"x".repeat(37)), "expected at most 36 UTF-16 units without NUL, found 37"),
            (named("a\0b"), "expected at most 36 UTF-16 units without NUL, found 3"),
            (
                (1..=129).map(|unique| partition(unique, Place::Next(1))).collect(),
                "GPT layout, partitions: expected at most 128, found 129",
            ),
        ];
        for (partitions, expected) in rows {
            let found = refusal(&partitions, exact);
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    /// UEFI 2.10 section 5.3.1: MBR, two headers, two arrays of 16 KiB; and one usable sector.
    #[test]
    fn the_size_of_a_disk_has_bounds() {
        let least = (34 + 33 + 1) * 512;
        let options = |size| Options { size: DiskSize::Exact(size), disk_guid: DISK };
        assert_eq!(Plan::new(&[], &options(least)).unwrap().len(), least);
        for (size, expected) in [
            (least - 512, "GPT layout, disk size: expected at least 34816 bytes, found 34304"),
            (least + 1, "GPT layout, disk size: expected a multiple of 512 bytes, found 34817"),
        ] {
            assert_eq!(refusal(&[], DiskSize::Exact(size)), expected);
        }
        for last in [u64::MAX - 1, u64::MAX / 512, u64::MAX / 512 - 33] {
            let found = refusal(&[partition(1, at(34, last))], DiskSize::Minimal);
            assert_eq!(found, "GPT layout, disk size: the partitions end beyond 2^64 bytes");
        }
    }

    #[test]
    fn partitions_without_a_place_follow_each_other_at_whole_mebibytes() {
        let partitions = [
            partition(1, Place::Next(1)),
            partition(2, at(5000, 5000)),
            partition(3, Place::Next((1 << 20) + 1)),
        ];
        let options = Options { size: DiskSize::Minimal, disk_guid: DISK };
        let plan = Plan::new(&partitions, &options).unwrap();
        let mebibyte = 1 << 20;
        let placed: Vec<(u64, u64)> =
            plan.partitions().iter().map(|placed| (placed.offset, placed.len)).collect();
        assert_eq!(placed, [(mebibyte, 512), (5000 * 512, 512), (3 * mebibyte, mebibyte + 512)]);
        assert_eq!(plan.len(), 5 * mebibyte);
    }
}
