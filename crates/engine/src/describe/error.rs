//! Why an image could not be described.

use cvmkit_attest::output::DESCRIPTION_MAX;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use thiserror::Error;

use crate::image::ImageError;

/// Why an image could not be described.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DescribeError {
    /// The host's files.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file could not be staged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Plain data that does not serialise.
    #[error("the description can't be serialised")]
    Unserialisable(#[source] serde_json::Error),
    /// More than is read.
    #[error("a description of {found} bytes, expected at most {DESCRIPTION_MAX}")]
    TooLong {
        /// Its length.
        found: usize,
    },
}

impl Diagnosis for DescribeError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Image(error) => error.fault(),
            Self::Unserialisable(_) => Fault::Bug,
            Self::TooLong { .. } => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::TooLong { .. } => {
                Some("give the platforms fewer vCPU counts, types and sizes of memory".into())
            }
            _ => None,
        }
    }
}
