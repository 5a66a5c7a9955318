//! What a volume is made with.

/// How wide an entry of the FAT is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// 65,525 clusters at least, which makes a volume of 33 MiB at least. UEFI 2.10 section 13.3
    /// asks for it on a fixed disk.
    #[default]
    Fat32,
    /// 4,085 to 65,524 clusters; 2 MiB at least. Firmware takes it on removable media, and in
    /// practice everywhere.
    Fat16,
}

/// What the volume is made with, besides the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Decides the shortest volume.
    pub width: Width,
    /// `BS_VolID`, which `blkid` prints as the UUID.
    pub volume_id: u32,
    /// Up to 11 capital letters, digits, spaces, `_` and `-`; none if empty.
    pub label: String,
    /// Creation, change and access time of every entry, seconds since 1970-01-01 UTC. FAT counts
    /// two seconds at a time from 1980 to 2107; a time outside is clamped to these.
    pub timestamp: i64,
    /// The volume is no shorter than this many bytes.
    pub min_len: u64,
    /// `BPB_HiddSec`: sectors before the volume on its disk; no loader in use reads it.
    pub hidden_sectors: u32,
}
