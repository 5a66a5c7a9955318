//! Decodes the boot sector and the FAT.

use zerocopy::FromBytes;

use super::spec::{
    BOOT_SIGNATURE, BootSector, FAT16_CLUSTERS_MIN, FAT32_CLUSTERS_END, FAT32_CLUSTERS_MIN,
    Fat32Part, Identity, SECTOR,
};
use super::{Error, Width};
use crate::source::{self, Source, Window};

/// `len` bytes at `at` of a volume.
pub(super) fn bytes<S: Source + ?Sized>(source: &S, at: u64, len: u64) -> Result<Vec<u8>, Error> {
    let inside = at.checked_add(len).is_some_and(|end| end <= source.len());
    if !inside {
        return Err(Error::corrupt("volume", at, format!("{len} bytes leave the volume")));
    }
    Window::new(source, at, len)
        .and_then(|window| source::read_all(&window, len))
        .map_err(|source| Error::Io { role: "reading a FAT volume", source })
}

/// What the boot sector says, checked against itself and the length of the volume.
#[derive(Clone, Copy)]
pub(super) struct Boot {
    pub(super) width: Width,
    pub(super) sectors: u64,
    pub(super) fat_offset: u64,
    pub(super) fat_len: u64,
    pub(super) fats: u64,
    pub(super) root_offset: u64,
    pub(super) root_len: u64,
    pub(super) root_cluster: u64,
    pub(super) data_offset: u64,
    pub(super) cluster_len: u64,
    pub(super) clusters: u64,
    pub(super) fs_info: u64,
    pub(super) volume_id: u32,
    pub(super) label: [u8; 11],
}

impl Boot {
    pub(super) fn read<S: Source + ?Sized>(source: &S) -> Result<Self, Error> {
        let sector = bytes(source, 0, SECTOR)?;
        let refused = |why: String| Error::corrupt("boot sector", 0, why);
        let short = |_| refused("too short".into());
        if sector.get(510..) != Some(&BOOT_SIGNATURE[..]) {
            return Err(refused("expected 55 aa at its end".into()));
        }
        let (common, rest) = BootSector::read_from_prefix(&sector).map_err(|_| short(()))?;
        let (part, behind) = Fat32Part::read_from_prefix(rest).map_err(|_| short(()))?;
        let per_cluster = u64::from(common.sectors_per_cluster);
        if u64::from(common.bytes_per_sector.get()) != SECTOR {
            let found = common.bytes_per_sector.get();
            return Err(Error::Unsupported(format!("sectors of {found} bytes")));
        }
        if !per_cluster.is_power_of_two() {
            return Err(refused(format!("clusters of {per_cluster} sectors")));
        }
        let either = |small: u16, large: u32| match small {
            0 => u64::from(large),
            small => u64::from(small),
        };
        let sectors = either(common.sectors_16.get(), common.sectors_32.get());
        let fat_sectors = either(common.fat_sectors_16.get(), part.fat_sectors.get());
        let reserved = u64::from(common.reserved_sectors.get());
        let fats = u64::from(common.fats);
        let root_len = u64::from(common.root_entries.get()) * 32;
        let root_sector = reserved + fats * fat_sectors;
        let data_sector = root_sector + root_len.div_ceil(SECTOR);
        if reserved == 0 || fats == 0 || fat_sectors == 0 || data_sector > sectors {
            let why = format!("expected data within {sectors} sectors, found it at {data_sector}");
            return Err(refused(why));
        }
        if sectors * SECTOR > source.len() {
            let why = format!("expected {} bytes, found {}", sectors * SECTOR, source.len());
            return Err(refused(why));
        }
        let clusters = (sectors - data_sector) / per_cluster;
        let is_fat32 = common.fat_sectors_16.get() == 0;
        let width = width(clusters, is_fat32)?;
        let identity = if is_fat32 { behind } else { rest };
        let (identity, _) = Identity::read_from_prefix(identity).map_err(|_| short(()))?;
        Ok(Self {
            width,
            sectors,
            fat_offset: reserved * SECTOR,
            fat_len: fat_sectors * SECTOR,
            fats,
            root_offset: root_sector * SECTOR,
            root_len,
            root_cluster: u64::from(part.root_cluster.get()),
            data_offset: data_sector * SECTOR,
            cluster_len: per_cluster * SECTOR,
            clusters,
            fs_info: u64::from(part.fs_info.get()),
            volume_id: identity.volume_id.get(),
            label: identity.label,
        })
    }

    /// The entries of the first FAT, of which every other is a copy.
    pub(super) fn read_fat<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<u32>, Error> {
        let entry_len = match self.width {
            Width::Fat32 => 4,
            Width::Fat16 => 2,
        };
        let needed = (self.clusters + 2) * entry_len;
        if needed > self.fat_len {
            let why = format!("{} bytes for {} clusters", self.fat_len, self.clusters);
            return Err(Error::corrupt("table", self.fat_offset, why));
        }
        let first = bytes(source, self.fat_offset, self.fat_len)?;
        for copy in 1..self.fats {
            let at = self.fat_offset + copy * self.fat_len;
            if bytes(source, at, self.fat_len)? != first {
                return Err(Error::corrupt("table", at, "differs from the first one"));
            }
        }
        let kept = first.get(..usize::try_from(needed).unwrap_or(usize::MAX)).unwrap_or(&first);
        Ok(match self.width {
            // The upper 4 bits are reserved (FAT 1.03, "FAT Data Structure").
            Width::Fat32 => kept
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&entry| u32::from_le_bytes(entry) & 0x0fff_ffff)
                .collect(),
            // Marks of FAT16 become those of FAT32.
            Width::Fat16 => kept
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&entry| match u16::from_le_bytes(entry) {
                    mark @ 0xfff7.. => 0x0fff_0000 | u32::from(mark),
                    cluster => u32::from(cluster),
                })
                .collect(),
        })
    }
}

fn width(clusters: u64, is_fat32: bool) -> Result<Width, Error> {
    match clusters {
        0..FAT16_CLUSTERS_MIN => {
            Err(Error::Unsupported(format!("{clusters} clusters make it FAT12")))
        }
        FAT16_CLUSTERS_MIN..FAT32_CLUSTERS_MIN if !is_fat32 => Ok(Width::Fat16),
        FAT32_CLUSTERS_MIN..FAT32_CLUSTERS_END if is_fat32 => Ok(Width::Fat32),
        _ => {
            let why = format!("{clusters} clusters contradict BPB_FATSz16");
            Err(Error::corrupt("boot sector", 0, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat::{Options, Plan};
    use crate::tree::{Meta, Tree};

    /// An empty volume: 3 MiB of FAT16, or 34 MiB of FAT32.
    fn volume(width: Width) -> Vec<u8> {
        let tree = Tree::<Vec<u8>>::new(Meta::root(0o755, 0));
        let options = Options { width, volume_id: 7, ..Options::default() };
        let mut bytes = Vec::new();
        Plan::new(&tree, &options).unwrap().write(&mut bytes).unwrap();
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        let read = Boot::read(bytes).and_then(|boot| boot.read_fat(bytes).map(drop));
        read.unwrap_err().to_string()
    }

    /// FAT 1.03, "Boot Sector and BPB": offsets of the fields.
    #[test]
    fn fields_that_contradict_each_other_are_refused() {
        let whole = volume(Width::Fat16);
        let clusters = Boot::read(&whole).unwrap().clusters;
        let sectors = whole.len() / 512;
        let rows: [(usize, &[u8], String); 10] = [
            (510, &[0], "FAT boot sector at byte 0x0: expected 55 aa at its end".into()),
            (11, &[0, 16], "FAT volume: sectors of 4096 bytes".into()),
            (13, &[0], "FAT boot sector at byte 0x0: clusters of 0 sectors".into()),
            (13, &[3], "FAT boot sector at byte 0x0: clusters of 3 sectors".into()),
            (13, &[128], "clusters make it FAT12".into()),
            (
                14,
                &[0],
                format!("FAT boot sector at byte 0x0: expected data within {sectors} sectors"),
            ),
            (
                16,
                &[0],
                format!("FAT boot sector at byte 0x0: expected data within {sectors} sectors"),
            ),
            (19, &[40, 0], "FAT boot sector at byte 0x0: expected data within 40 sectors".into()),
            (19, &[0xff, 0xff], format!("expected 33553920 bytes, found {}", whole.len())),
            (
                22,
                &[1, 0],
                format!("FAT table at byte 0x200: 512 bytes for {} clusters", clusters + 46),
            ),
        ];
        for (at, bytes, expected) in rows {
            let mut broken = whole.clone();
            broken[at..at + bytes.len()].copy_from_slice(bytes);
            let found = refusal(&broken);
            assert!(found.contains(&expected), "{expected}: {found}");
        }
        assert_eq!(refusal(&whole[..511]), "FAT volume at byte 0x0: 512 bytes leave the volume");
        let short = &whole[..whole.len() - 1];
        let (expected, found) = (whole.len(), short.len());
        assert_eq!(
            refusal(short),
            format!("FAT boot sector at byte 0x0: expected {expected} bytes, found {found}")
        );
    }

    #[test]
    fn the_copies_of_the_fat_are_the_same() {
        let mut bytes = volume(Width::Fat16);
        let boot = Boot::read(&bytes).unwrap();
        let second = usize::try_from(boot.fat_offset + boot.fat_len).unwrap();
        bytes[second + 9] ^= 1;
        let expected = format!("FAT table at byte {second:#x}: differs from the first one");
        assert_eq!(refusal(&bytes), expected);
    }

    /// FAT 1.03, "FAT Type Determination": the number of clusters alone decides.
    #[test]
    fn the_width_follows_the_number_of_clusters() {
        let rows = [
            (4084, false, "FAT volume: 4084 clusters make it FAT12"),
            (4084, true, "FAT volume: 4084 clusters make it FAT12"),
            (4085, false, "Fat16"),
            (4085, true, "FAT boot sector at byte 0x0: 4085 clusters contradict BPB_FATSz16"),
            (65524, false, "Fat16"),
            (65525, false, "FAT boot sector at byte 0x0: 65525 clusters contradict BPB_FATSz16"),
            (65525, true, "Fat32"),
            (0x0fff_fff4, true, "Fat32"),
            (
                0x0fff_fff5,
                true,
                "FAT boot sector at byte 0x0: 268435445 clusters contradict BPB_FATSz16",
            ),
        ];
        for (clusters, is_fat32, expected) in rows {
            let found = match width(clusters, is_fat32) {
                Ok(width) => format!("{width:?}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn marks_of_both_widths_are_read_as_those_of_fat32() {
        for (width, entry, expected) in [
            (Width::Fat16, [0xff, 0xff, 0, 0], 0x0fff_ffff),
            (Width::Fat16, [0xf7, 0xff, 0, 0], 0x0fff_fff7),
            (Width::Fat16, [0xf6, 0xff, 0, 0], 0xfff6),
            (Width::Fat32, [0xff, 0xff, 0xff, 0xff], 0x0fff_ffff),
            (Width::Fat32, [3, 0, 0, 0xf0], 3),
        ] {
            let mut bytes = volume(width);
            let boot = Boot::read(&bytes).unwrap();
            let len = if width == Width::Fat16 { 2 } else { 4 };
            for copy in 0..2 {
                let fat = usize::try_from(boot.fat_offset + copy * boot.fat_len).unwrap();
                bytes[fat + 5 * len..fat + 6 * len].copy_from_slice(&entry[..len]);
            }
            let fat = boot.read_fat(&bytes).unwrap();
            assert_eq!(fat[5], expected, "{width:?} {entry:x?}");
            assert_eq!(fat.len() as u64, boot.clusters + 2);
            assert_eq!(boot.volume_id, 7);
        }
    }
}
