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
mod error;
mod extent;
mod inode;
mod listing;
mod metadata;
mod options;
mod plan;
mod read;
mod rewrite;
pub mod spec;
mod table;
mod write;
mod xattr;

pub use dump::dump;
pub use error::Error;
pub use extent::FileExtent;
pub use options::{Compression, Options};
pub use plan::Plan;
pub use read::{Image, Limits, read};
pub use rewrite::rewrite;
