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
