//! Emits a planned volume in order: boot sectors, FATs, clusters.

use std::io;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

use super::plan::{Directory, Geometry, Plan, Target};
use super::spec::{
    ATTR_ARCHIVE, ATTR_DIRECTORY, ATTR_VOLUME_ID, BACKUP_BOOT_SECTOR, BOOT_SIGNATURE, BootSector,
    DirEntry, EXTENDED_BOOT, FAT16_ROOT_ENTRIES, FS_INFO_SECTOR, Fat32Part, FsInfo, Identity,
    MEDIA, OEM_NAME, SECTOR,
};
use super::{Error, Width};
use crate::sink::Sink;
use crate::source::Source;
use crate::stream;
use crate::tree::Node;

/// 1980-01-01 00:00:00 and 2107-12-31 23:59:58, the first and last time of FAT.
const TIMES: (i64, i64) = (315_532_800, 4_354_819_198);

/// Entries of the FAT encoded at a time. No output depends on it.
const FAT_PIECE: usize = 64 * 1024;

/// A date and a time as a directory entry holds them.
#[derive(Clone, Copy)]
struct Stamp {
    date: U16,
    time: U16,
}

impl<C: Source> Plan<'_, C> {
    /// Emits the volume in order.
    ///
    /// # Errors
    /// [`Error::Io`] when the sink or the contents of a file fail.
    pub fn write(&self, sink: &mut impl Sink) -> Result<(), Error> {
        let Geometry { reserved, fat_sectors, .. } = self.geometry;
        self.write_reserved(sink)
            .and_then(|()| self.write_fat(sink, reserved * SECTOR))
            .and_then(|()| self.write_fat(sink, (reserved + fat_sectors) * SECTOR))
            .and_then(|()| self.write_clusters(sink))
            .map_err(|source| Error::Io { role: "writing a FAT volume", source })
    }

    fn write_reserved(&self, sink: &mut impl Sink) -> io::Result<()> {
        let boot = self.boot_sector();
        let mut reserved = boot.clone();
        if self.geometry.width == Width::Fat32 {
            let info = self.fs_info();
            reserved.extend_from_slice(info.as_bytes());
            reserved.resize(usize::from(BACKUP_BOOT_SECTOR) * 512, 0);
            reserved.extend_from_slice(&boot);
            reserved.extend_from_slice(info.as_bytes());
        }
        sink.write_at(0, &reserved)?;
        let at = reserved.len() as u64;
        sink.zeros(at, self.geometry.reserved * SECTOR - at)
    }

    fn boot_sector(&self) -> Vec<u8> {
        let Geometry { width, sectors, reserved, fat_sectors, sectors_per_cluster, .. } =
            self.geometry;
        let short = |value: u64| U16::new(u16::try_from(value).unwrap_or(0));
        let (jump, fat_sectors_16, root_entries, sectors_16) = match width {
            Width::Fat32 => ([0xeb, 0x58, 0x90], 0, 0, 0),
            Width::Fat16 => ([0xeb, 0x3c, 0x90], fat_sectors, FAT16_ROOT_ENTRIES, sectors),
        };
        let common = BootSector {
            jump,
            oem_name: OEM_NAME,
            bytes_per_sector: U16::new(512),
            sectors_per_cluster: u8::try_from(sectors_per_cluster).unwrap_or(0),
            reserved_sectors: short(reserved),
            fats: 2,
            root_entries: U16::new(root_entries),
            // 0 when it does not fit: then the 32-bit field holds.
            sectors_16: short(sectors_16),
            media: MEDIA,
            fat_sectors_16: short(fat_sectors_16),
            sectors_per_track: U16::new(32),
            heads: U16::new(64),
            hidden_sectors: U32::new(self.options.hidden_sectors),
            sectors_32: if short(sectors_16) == U16::ZERO { long(sectors) } else { U32::ZERO },
        };
        let mut sector = common.as_bytes().to_vec();
        if width == Width::Fat32 {
            let part = Fat32Part {
                fat_sectors: long(fat_sectors),
                ext_flags: U16::ZERO,
                version: U16::ZERO,
                root_cluster: U32::new(2),
                fs_info: U16::new(FS_INFO_SECTOR),
                backup_boot: U16::new(BACKUP_BOOT_SECTOR),
                reserved: [0; 12],
            };
            sector.extend_from_slice(part.as_bytes());
        }
        sector.extend_from_slice(self.identity().as_bytes());
        sector.resize(510, 0);
        sector.extend_from_slice(&BOOT_SIGNATURE);
        sector
    }

    fn identity(&self) -> Identity {
        Identity {
            drive: 0x80,
            reserved: 0,
            boot_signature: EXTENDED_BOOT,
            volume_id: U32::new(self.options.volume_id),
            label: self.label.unwrap_or(*b"NO NAME    "),
            file_system: match self.geometry.width {
                Width::Fat32 => *b"FAT32   ",
                Width::Fat16 => *b"FAT16   ",
            },
        }
    }

    fn fs_info(&self) -> FsInfo {
        let free = self.geometry.clusters - self.used;
        FsInfo {
            lead: U32::new(FsInfo::LEAD),
            reserved_1: [0; 480],
            structure: U32::new(FsInfo::STRUCT),
            free_clusters: long(free),
            // All ones: there is no hint.
            next_free: if free == 0 { U32::new(u32::MAX) } else { long(2 + self.used) },
            reserved_2: [0; 12],
            trail: U32::new(FsInfo::TRAIL),
        }
    }

    /// One FAT: media byte, chains of consecutive clusters, free entries.
    fn write_fat(&self, sink: &mut impl Sink, offset: u64) -> io::Result<()> {
        let mut at = offset;
        let mut bytes = Vec::new();
        self.push_fat(&mut bytes, 0x0fff_ff00 | u64::from(MEDIA));
        self.push_fat(&mut bytes, 0x0fff_ffff);
        for extent in &self.extents {
            let last = extent.first + extent.clusters - 1;
            for cluster in extent.first..=last {
                self.push_fat(&mut bytes, if cluster == last { 0x0fff_ffff } else { cluster + 1 });
                if bytes.len() >= FAT_PIECE {
                    sink.write_at(at, &bytes)?;
                    at += bytes.len() as u64;
                    bytes.clear();
                }
            }
        }
        sink.write_at(at, &bytes)?;
        at += bytes.len() as u64;
        sink.zeros(at, offset + self.geometry.fat_sectors * SECTOR - at)
    }

    /// One entry; FAT16 keeps the low half, which turns its marks into those of FAT16.
    fn push_fat(&self, bytes: &mut Vec<u8>, entry: u64) {
        let [a, b, c, d, ..] = entry.to_le_bytes();
        match self.geometry.width {
            Width::Fat32 => bytes.extend_from_slice(&[a, b, c, d]),
            Width::Fat16 => bytes.extend_from_slice(&[a, b]),
        }
    }

    fn write_clusters(&self, sink: &mut impl Sink) -> io::Result<()> {
        let stamp = stamp(self.options.timestamp);
        let root = self.geometry.root_sectors * SECTOR;
        let mut at = self.geometry.data_offset() - root;
        for (index, directory) in self.directories.iter().enumerate() {
            let bytes = self.directory_bytes(directory, index, stamp);
            sink.write_at(at, &bytes)?;
            let room = match (index, self.geometry.width) {
                (0, Width::Fat16) => root,
                _ => directory.extent.clusters * self.geometry.cluster_bytes(),
            };
            sink.zeros(at + bytes.len() as u64, room - bytes.len() as u64)?;
            at += room;
            for (_, target) in &directory.entries {
                let Target::File(id, len, extent) = target else { continue };
                let Node::File(contents) = &self.tree.inode(*id).node else { continue };
                stream::copy(contents, sink, at)?;
                let room = extent.clusters * self.geometry.cluster_bytes();
                sink.zeros(at + u64::from(*len), room - u64::from(*len))?;
                at += room;
            }
        }
        sink.zeros(at, self.len() - at)
    }

    fn directory_bytes(&self, directory: &Directory, index: usize, stamp: Stamp) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut push = |name: [u8; 11], attributes: u8, cluster: u64, size: u32| {
            bytes.extend_from_slice(entry(name, attributes, cluster, size, stamp).as_bytes());
        };
        if index == 0 {
            if let Some(label) = self.label {
                push(label, ATTR_VOLUME_ID, 0, 0);
            }
        } else {
            // FAT 1.03: `..` of a directory in the root says cluster 0, on FAT32 too.
            let parent = match directory.parent {
                0 => 0,
                parent => self.directories.get(parent).map_or(0, |parent| parent.extent.first),
            };
            push(*b".          ", ATTR_DIRECTORY, directory.extent.first, 0);
            push(*b"..         ", ATTR_DIRECTORY, parent, 0);
        }
        for (names, target) in &directory.entries {
            bytes.extend_from_slice(&names.long_entries());
            let short = match target {
                Target::Directory(child) => {
                    let first = self.directories.get(*child).map_or(0, |child| child.extent.first);
                    entry(names.short, ATTR_DIRECTORY, first, 0, stamp)
                }
                Target::File(_, len, extent) => {
                    entry(names.short, ATTR_ARCHIVE, extent.first, *len, stamp)
                }
            };
            bytes.extend_from_slice(short.as_bytes());
        }
        bytes
    }
}

/// The plan keeps every count within 32 bits.
fn long(value: u64) -> U32 {
    U32::new(u32::try_from(value).unwrap_or(u32::MAX))
}

fn entry(name: [u8; 11], attributes: u8, cluster: u64, size: u32, stamp: Stamp) -> DirEntry {
    let [a, b, c, d, ..] = cluster.to_le_bytes();
    DirEntry {
        name,
        attributes,
        nt_reserved: 0,
        created_tenths: 0,
        created_time: stamp.time,
        created_date: stamp.date,
        accessed_date: stamp.date,
        cluster_high: U16::from_bytes([c, d]),
        written_time: stamp.time,
        written_date: stamp.date,
        cluster_low: U16::from_bytes([a, b]),
        size: U32::new(size),
    }
}

/// FAT 1.03, "Date and Time Formats": years since 1980, two seconds at a time.
fn stamp(timestamp: i64) -> Stamp {
    let seconds = u64::try_from(timestamp.clamp(TIMES.0, TIMES.1) - TIMES.0).unwrap_or(0);
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 0u16;
    // 2100 is the only year of FAT's range that the rule of four gets wrong.
    let is_leap = |year: u16| year.is_multiple_of(4) && year != 120;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1u16;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let small = |value: u64| u16::try_from(value).unwrap_or(0);
    let date = year << 9 | month << 5 | (small(days) + 1);
    let time = small(time / 3600) << 11 | small(time / 60 % 60) << 5 | small(time % 60 / 2);
    Stamp { date: U16::new(date), time: U16::new(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(timestamp: i64) -> String {
        let Stamp { date, time } = stamp(timestamp);
        let (date, time) = (date.get(), time.get());
        format!(
            "{}-{:02}-{:02} {:02}:{:02}:{:02}",
            1980 + (date >> 9),
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2
        )
    }

    #[test]
    fn times_are_those_of_date_and_clamped() {
        // `date -u -d @N '+%F %T'`, rounded down to two seconds.
        assert_eq!(shown(1_709_210_096), "2024-02-29 12:34:56");
        assert_eq!(shown(4_107_542_399), "2100-02-28 23:59:58");
        assert_eq!(shown(4_107_542_400), "2100-03-01 00:00:00");
        assert_eq!(shown(0), "1980-01-01 00:00:00");
        assert_eq!(shown(i64::MAX), "2107-12-31 23:59:58");
    }
}
