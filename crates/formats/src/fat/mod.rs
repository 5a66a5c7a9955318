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
mod error;
mod name;
mod options;
mod place;
mod plan;
mod read;
pub mod spec;
mod write;

pub use dump::dump;
pub use error::Error;
pub use options::{Options, Width};
pub use plan::Plan;
pub use read::{File, Volume, read};
