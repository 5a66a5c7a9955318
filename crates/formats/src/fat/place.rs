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

#[cfg(test)]
mod tests {
    use super::super::{Options, Width};
    use super::*;
    use crate::tree::{Inode, Meta, Tree};

    /// FAT 1.03, "FAT Volume Structure": reserved sectors, two FATs, the root directory of FAT16,
    /// clusters from number 2.
    #[test]
    fn every_part_of_a_volume_has_its_place() {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.make_directories(b"d", &Meta::root(0o755, 0)).unwrap();
        tree.put(b"d/f", Inode::file(Meta::root(0o644, 0), b"12345".as_slice())).unwrap();
        // The clusters of the root directory, of `d`, of `d/f`, and the first that is free.
        for (width, reserved, root, clusters) in
            [(Width::Fat16, 1, "the root directory", 2), (Width::Fat32, 32, "a directory", 3)]
        {
            let plan = Plan::new(&tree, &Options { width, ..Options::default() }).unwrap();
            let (fat, cluster) = (plan.geometry.fat_sectors, plan.geometry.cluster_bytes());
            let fats = reserved * SECTOR;
            let end_of_fats = fats + 2 * fat * SECTOR;
            let file = plan.geometry.cluster_offset(clusters + 1);
            let end = plan.geometry.cluster_offset(plan.geometry.clusters + 2);
            let free = format!("free cluster {}", clusters + 2);
            let rows = [
                (0, "the boot sector"),
                (SECTOR - 1, "the boot sector"),
                (fats, "FAT 1"),
                (fats + fat * SECTOR - 1, "FAT 1"),
                (fats + fat * SECTOR, "FAT 2"),
                (end_of_fats - 1, "FAT 2"),
                (end_of_fats, root),
                (file - 1, "a directory"),
                (file, "a file"),
                (file + 4, "a file"),
                (file + 5, "the slack behind a file"),
                (file + cluster - 1, "the slack behind a file"),
                (file + cluster, &free),
                (end, "the sectors behind the last cluster"),
            ];
            for (offset, expected) in rows {
                assert_eq!(plan.place_of(offset), expected, "{width:?}: {offset}");
            }
            assert!(plan.place_of(end - 1).starts_with("free cluster "));
            assert_eq!(plan.place_of(SECTOR).starts_with("reserved sector 1"), reserved > 1);
        }
    }
}
