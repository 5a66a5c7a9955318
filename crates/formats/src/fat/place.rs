//! What lies where in a planned volume, for people who are told of an offset.

use super::plan::{Extent, Plan, Target};
use super::spec::SECTOR;
use crate::source::Source;

impl<C: Source> Plan<'_, C> {
    /// What the byte at `offset` belongs to, such as `free cluster 6140`.
    #[must_use]
    pub fn place_of(&self, offset: u64) -> String {
        let geometry = &self.geometry;
        let sector = offset / SECTOR;
        let fats = geometry.reserved + 2 * geometry.fat_sectors;
        if sector == 0 {
            return "the boot sector".into();
        }
        if sector < geometry.reserved {
            return format!("reserved sector {sector}");
        }
        if sector < fats {
            let number = (sector - geometry.reserved) / geometry.fat_sectors.max(1) + 1;
            return format!("FAT {number}");
        }
        let Some(below) = offset.checked_sub(geometry.data_offset()) else {
            return "the root directory".into();
        };
        let cluster = below / geometry.cluster_bytes() + 2;
        if cluster >= geometry.clusters + 2 {
            return "the sectors behind the last cluster".into();
        }
        self.owner(cluster, offset).unwrap_or_else(|| format!("free cluster {cluster}"))
    }

    /// The file or directory that has a cluster.
    fn owner(&self, cluster: u64, offset: u64) -> Option<String> {
        let has =
            |extent: &Extent| (extent.first..extent.first + extent.clusters).contains(&cluster);
        let mut directories = self.directories.iter();
        if directories.any(|directory| has(&directory.extent)) {
            return Some("a directory".into());
        }
        let entries = self.directories.iter().flat_map(|directory| &directory.entries);
        entries.into_iter().find_map(|(_, target)| match target {
            Target::File(_, len, extent) if has(extent) => {
                let end = self.geometry.cluster_offset(extent.first) + u64::from(*len);
                Some(if offset < end { "a file".into() } else { "the slack behind a file".into() })
            }
            _ => None,
        })
    }
}
