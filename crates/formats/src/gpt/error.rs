//! Why a table is refused.

use std::io;

use thiserror::Error;

/// Why a table was refused.
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
    /// The disk holds something that is no valid table.
    #[error("GPT {what} at byte {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Where it lies, in bytes from the start of the disk.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The disk holds a valid table that this reader does not take.
    #[error("GPT {what}: {why}")]
    Unsupported {
        /// The structure, in the words of the format.
        what: &'static str,
        /// What was expected and what was found.
        why: String,
    },
    /// The layout asked for can't be made.
    #[error("GPT layout, {what}: {why}")]
    Invalid {
        /// The partition or the property.
        what: String,
        /// What was expected and what was found.
        why: String,
    },
}
