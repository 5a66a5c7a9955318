//! What a writer decides besides the tree.

use super::spec;

/// How blocks are compressed. A block that does not shrink is stored as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard (RFC 8878) at a level of 1 to 22.
    Zstd {
        /// 1 is fastest, 22 is smallest.
        level: u8,
    },
    /// zlib streams (RFC 1950), which squashfs calls gzip, at a level of 1 to 9.
    Gzip {
        /// 1 is fastest, 9 is smallest.
        level: u8,
    },
}

/// What a writer decides besides the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a data block: a power of two, 4 KiB to 1 MiB.
    pub block_size: u32,
    /// Of data, fragments and metadata.
    pub compression: Compression,
    /// The superblock's creation time, seconds since 1970-01-01 UTC.
    pub mkfs_time: u32,
}

impl Options {
    /// Blocks of 128 KiB, zstd level 3.
    #[must_use]
    pub fn new(mkfs_time: u32) -> Self {
        Self {
            block_size: spec::DEFAULT_BLOCK_SIZE,
            compression: Compression::Zstd { level: 3 },
            mkfs_time,
        }
    }
}
