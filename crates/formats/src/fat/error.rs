//! Why a volume is refused.

use std::io;

use thiserror::Error;

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
    pub(super) fn corrupt(what: &'static str, at: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { what, at, why: why.into() }
    }
}
