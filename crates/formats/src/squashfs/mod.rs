//! squashfs 4.0: a read-only, compressed Linux file system.
//!
//! [`Plan::new`] checks a tree and freezes everything that does not depend on compression (inode
//! numbers, the id and xattr tables, which files could be duplicates); [`Plan::write`] compresses on
//! every thread and emits; [`Image`] reads back, for `verify` and for foreign images; [`dump`] lists
//! an image's structures. The output is a function of the tree, the [`Options`] and the versions of
//! the compressors, never of the thread count.
//!
//! Written: all inode types in basic and extended form, hard links, extended attributes of the
//! `user.`, `trusted.` and `security.` namespaces, fragments with every tail packed, sparse blocks,
//! shared contents of identical files, directory indices, the export table.
//!
//! Deliberate deviations: the superblock is emitted last, because its table offsets depend on how
//! far the data shrank. Compressor options are not stored; no decoder of zstd or zlib needs them.
//! Deliberately absent: lzma, lzo, lz4, xz, data blocks shared by files that differ, out-of-line
//! xattr values when writing, POSIX ACLs (squashfs has no namespace for them: an error).
//!
//! Standard: `fs/squashfs/squashfs_fs.h` and `Documentation/filesystems/squashfs.rst` of Linux.
//! Oracle: mksquashfs and unsquashfs of squashfs-tools.

mod codec;
mod data;
mod decode;
mod dump;
mod inode;
mod listing;
mod metadata;
mod plan;
mod read;
mod rewrite;
pub mod spec;
mod table;
mod write;
mod xattr;

use std::io;

use thiserror::Error;

pub use dump::dump;
pub use plan::Plan;
pub use read::{FileExtent, Image, Limits, read};
pub use rewrite::rewrite;

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

/// Why a tree was not written or an image not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is outside its range.
    #[error("squashfs: {option} must be {expected}, found {found}")]
    Option {
        /// The option, in words.
        option: &'static str,
        /// The range of the option, in words.
        expected: &'static str,
        /// The value that was given.
        found: u64,
    },
    /// squashfs can't store what the tree says.
    #[error("squashfs cannot store `/{path}`: {why}")]
    Unrepresentable {
        /// Path of the inode in the tree.
        path: String,
        /// What the format allows and what was found.
        why: String,
    },
    /// The tree as a whole is too large.
    #[error("squashfs holds at most {limit} {what}, found {found}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The format's limit.
        limit: u64,
        /// What the tree needs.
        found: u64,
    },
    /// The image contradicts the format.
    #[error("corrupt squashfs: {what} at {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Offset in the image, or in the uncompressed table for `inode` and `directory`.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The image is valid but uses what this reader does not implement, or exceeds its [`Limits`].
    #[error("unsupported squashfs: {0}")]
    Unsupported(String),
    /// A compressor failed.
    #[error("squashfs: cannot compress a block: {0}")]
    Compress(io::Error),
    /// Contents could not be read.
    #[error("squashfs: cannot read `/{path}`")]
    Content {
        /// Path of the file in the tree.
        path: String,
        /// What its source says.
        source: io::Error,
    },
    /// The image could not be read or written.
    #[error("squashfs: cannot {role} at {at:#x}")]
    Io {
        /// `read the image` or `write the image`.
        role: &'static str,
        /// Offset in the image.
        at: u64,
        /// What the source or sink says.
        source: io::Error,
    },
}

impl Error {
    fn writing(at: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { role: "write the image", at, source }
    }

    fn reading(at: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { role: "read the image", at, source }
    }

    fn corrupt(what: &'static str, at: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { what, at, why: why.into() }
    }
}
