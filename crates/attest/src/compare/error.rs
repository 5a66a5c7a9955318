//! Why nothing could be compared: that an observation differs is none of these.

use std::path::{Path, PathBuf};

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use cvmkit_measure::compare::WrongBank;
use cvmkit_measure::event::log;
use thiserror::Error;

use super::observed::ObservedError;
use crate::output::ManifestError;
use crate::predict::{PredictionError, TdError};
use crate::values::ReadError;
use crate::values::ReferenceError;

/// Why nothing could be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no observation.
    #[error("cannot compare `{}`", path.display())]
    Observed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ObservedError,
    },
    /// The log is broken in the bank that is compared.
    #[error("the event log can't be replayed")]
    Log(#[from] log::Error),
    /// The reference values.
    #[error(transparent)]
    Known(#[from] ReadError),
    /// More than any observation has.
    #[error("`{}` is longer than {most} bytes, expected what a machine reports", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        most: u64,
    },
    /// No machine among the reference values fits what is given.
    #[error("`{}` has no reference values for such a machine", path.display())]
    NoMachine {
        /// The folder or file.
        path: PathBuf,
    },
    /// A fact about the machine that only a prediction from the image's files can take into account.
    #[error("{given} has no effect on values that are already computed, as in `{}`", path.display())]
    NeedsFiles {
        /// The reference values.
        path: PathBuf,
        /// The fact, as [`Options::described`](super::Options::described) names it.
        given: &'static str,
    },
    /// The image's manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The image can't be predicted.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// The image can't be predicted as a TD.
    #[error(transparent)]
    Td(#[from] TdError),
    /// The image's launch can't be computed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Values of two banks where one is compared.
    #[error(transparent)]
    Bank(#[from] WrongBank),
    /// Neither values nor a prediction cover what was observed.
    #[error("`{}` does not say what to expect: it has no value for {what}", path.display())]
    NoExpectation {
        /// The folder or file.
        path: PathBuf,
        /// What was observed.
        what: &'static str,
        /// Whether it is a folder.
        is_folder: bool,
    },
}

impl CompareError {
    /// The same, said of the file it is about.
    pub(super) fn of_observed(self, path: &Path) -> Self {
        match self {
            Self::Log(error) => {
                Self::Observed { path: path.to_owned(), source: ObservedError::Log(error) }
            }
            other => other,
        }
    }
}

impl Diagnosis for CompareError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) | Self::Known(ReadError::File(error)) if error.is_not_found() => {
                Fault::Definition
            }
            Self::File(error) | Self::Known(ReadError::File(error)) => error.fault(),
            Self::Manifest(error) => error.fault(),
            Self::Prediction(error) => error.fault(),
            Self::Td(error) => error.fault(),
            Self::Reference(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) | Self::Known(ReadError::File(error)) => return error.hint(),
            Self::Manifest(error) => return error.hint(),
            Self::Prediction(error) => return error.hint(),
            Self::Td(error) => return error.hint(),
            Self::Reference(error) => return error.hint(),
            // A newer or an older version of the file is no wrong file.
            Self::Known(error @ ReadError::Versioned(_)) => return error.hint(),
            Self::Known(_) => {
                "name the folder of an image that cvmkit built, or the `reference-values.json` in it"
            }
            Self::NeedsFiles { .. } => {
                "name the image's folder: values for such a machine are computed from its files"
            }
            Self::Observed { source: ObservedError::Unknown { .. }, .. } => {
                "Linux has the log of a TPM in /sys/kernel/security/tpm0/binary_bios_measurements, \
                 and of a TD in /sys/firmware/acpi/tables/data/CCEL"
            }
            Self::NoExpectation { is_folder: false, .. } => {
                "name the image's folder: registers are predicted from its files"
            }
            Self::NoExpectation { .. } => {
                "build the image for this platform: `platforms` in its definition says which \
                 values `reference-values.json` gets"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// An error with its causes.
pub(super) fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
