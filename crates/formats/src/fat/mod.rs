//! FAT16 and FAT32 volumes with long names, written once: the EFI system partition.
//!
//! The contract: the layout is a function of names, lengths and options alone, so that
//! [`Plan::len`] is known before the contents are; every file is contiguous; both FATs, the free
//! count and the backup boot sector are right. Every entry carries the one timestamp of the
//! options: FAT has no owners, modes or links, and of those a tree's modes, owners and times are
//! dropped by design, while links, devices and extended attributes are errors. Deliberately absent:
//! FAT12, exFAT, sectors of another size than 512, OEM code pages (a short name is ASCII).
//!
//! Standard: Microsoft "FAT: General Overview of On-Disk Format" 1.03. Oracle: `fsck.vfat -n`,
//! `mdir`, `mcopy`.

mod boot;
mod directory;
mod dump;
mod name;
mod place;
mod plan;
mod read;
pub mod spec;
mod write;

use std::io;

use thiserror::Error;

pub use dump::dump;
pub use plan::Plan;
pub use read::{File, Volume, read};

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

/// Why a volume was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error("{role}")]
    Io {
        /// What was being done, such as `reading ...`.
        role: &'static str,
        /// What the storage said.
        source: io::Error,
    },
    /// The bytes contradict the format or each other.
    #[error("FAT {what} at byte {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Where it lies in the volume.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The volume is of a kind this reader does not take.
    #[error("FAT volume: {0}")]
    Unsupported(String),
    /// An inode that FAT can't hold.
    #[error("FAT can't hold `/{path}`: {why}")]
    Refused {
        /// Path of the inode in the tree.
        path: String,
        /// What was expected and what was found.
        why: String,
    },
    /// The volume asked for can't be made.
    #[error("FAT volume, {what}: {why}")]
    Invalid {
        /// The option that can't be met.
        what: &'static str,
        /// What was expected and what was found.
        why: String,
    },
}

impl Error {
    fn corrupt(what: &'static str, at: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { what, at, why: why.into() }
    }
}
