//! Why an image is refused.

use std::io;

use thiserror::Error;

/// Why an image was refused.
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
    #[error("PE {what} at byte {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Where it lies in the image.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// A valid image of a kind that this reader does not take.
    #[error("PE {what}: {why}")]
    Unsupported {
        /// The structure, in the words of the format.
        what: &'static str,
        /// What was expected and what was found.
        why: String,
    },
    /// A UKI that can't be made as asked for.
    #[error("UKI section `{section}`: {why}")]
    Invalid {
        /// Name of the section.
        section: String,
        /// What was expected and what was found.
        why: String,
    },
}
