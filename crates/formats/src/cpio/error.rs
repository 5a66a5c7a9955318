//! Why an archive is refused.

use std::io;

use thiserror::Error;

/// Why an archive was refused.
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
    /// The bytes contradict the format.
    #[error("cpio {what} at byte {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Where it lies in the archive.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// A format this reader does not take, or an inode the format can't hold.
    #[error("cpio can't hold `/{path}`: {why}")]
    Unsupported {
        /// Path of the inode in the tree.
        path: String,
        /// What was expected and what was found.
        why: String,
    },
    /// The archive asked for can't be made.
    #[error("cpio archive, {what}: {why}")]
    Invalid {
        /// The option that can't be met.
        what: &'static str,
        /// What was expected and what was found.
        why: String,
    },
}
