//! Why a tree is not made or not accepted.

use std::{fmt, io};

use thiserror::Error;

/// Where a bad block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The data block with this index.
    Data(u64),
    /// A hash block.
    Hash {
        /// 0 is over the data.
        level: usize,
        /// Index of the block in its level.
        index: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(index) => write!(f, "data block {index}"),
            Self::Hash { level, index } => write!(f, "hash block {index} of level {level}"),
        }
    }
}

/// Why a tree was not made or not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An option or the data's length is outside its range.
    #[error("dm-verity: {what} must be {expected}, found {found}")]
    Invalid {
        /// The option, in words.
        what: &'static str,
        /// The range of the option, in words.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// The superblock contradicts the format.
    #[error("corrupt dm-verity superblock: {what} at {at:#x}: {why}")]
    Corrupt {
        /// The field by its name in `struct verity_sb`.
        what: &'static str,
        /// Byte offset of the field in the hash area.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// A valid superblock of a tree that this reader does not implement, such as Chrome OS's.
    #[error("dm-verity superblock: {what} {found} is not supported, expected {expected}")]
    Unsupported {
        /// The field by its name in `struct verity_sb`.
        what: &'static str,
        /// The value that is read.
        expected: &'static str,
        /// The field's value.
        found: String,
    },
    /// A block does not have the digest the level above says, or the root hash differs.
    #[error("dm-verity: {place} does not match: expected {expected}, computed {computed}")]
    Mismatch {
        /// The first one, from the top.
        place: Place,
        /// The digest the level above has, in hex.
        expected: String,
        /// The digest of what is there, in hex.
        computed: String,
    },
    /// A hash block is not zero behind its digests.
    #[error("dm-verity: {0} is not zero behind its digests")]
    Padding(Place),
    /// Not a root hash in hex.
    #[error("expected a root hash of 64 or 128 hex digits, found `{0}`")]
    RootHash(String),
    /// The data or the hash area could not be read or written.
    #[error("dm-verity: cannot {role} at {at:#x}")]
    Io {
        /// What was tried, such as `read the superblock`.
        role: &'static str,
        /// Offset in bytes.
        at: u64,
        /// What the source or sink says.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(role: &'static str, at: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { role, at, source }
    }

    pub(super) fn invalid(
        what: &'static str,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Invalid { what, expected: expected.into(), found: found.to_string() }
    }
}
