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
    /// A file that can't be read: the observation, or one of the image's.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no observation.
    #[error("cannot compare `{}`", path.display())]
    Observed {
        /// The file that was observed.
        path: PathBuf,
        /// What is wrong with it.
        source: ObservedError,
    },
    /// The log is broken in the bank that is compared.
    #[error("the event log can't be replayed")]
    Log(#[from] log::Error),
    /// Reference values that can't be read, or are of another schema.
    #[error(transparent)]
    Known(#[from] ReadError),
    /// More than any observation has.
    #[error("`{}` is longer than {most} bytes, expected what a machine reports", path.display())]
    TooLong {
        /// The file that was observed.
        path: PathBuf,
        /// The most bytes that are read.
        most: u64,
    },
    /// No machine among the reference values fits what is given.
    #[error("`{}` has no reference values for such a machine", path.display())]
    NoMachine {
        /// The image's folder, or its reference values.
        path: PathBuf,
    },
    /// A fact about the machine that only a prediction from the image's files can take into account.
    #[error("{given} has no effect on values that are already computed, as in `{}`", path.display())]
    NeedsFiles {
        /// The file of reference values.
        path: PathBuf,
        /// The fact, as [`Options::described`](super::Options::described) names it.
        given: &'static str,
    },
    /// The image's manifest, by which its files are found.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The image, of which a boot can't be predicted.
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
        /// The image's folder, or its reference values.
        path: PathBuf,
        /// What was observed, in words.
        what: &'static str,
        /// Whether it is the folder, whose files were looked at too.
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

#[cfg(test)]
mod tests {
    use cvmkit_host::files;

    use super::*;
    use crate::output::{MissingFile, Role};
    use crate::values::ValueFault;

    fn path() -> PathBuf {
        PathBuf::from("a.log")
    }

    fn file(kind: std::io::ErrorKind) -> FileError {
        files::cannot("read", Path::new("a.log"))(kind)
    }

    const NO_LOG: log::Error = log::Error::AcpiTable;

    /// What is wrong with a log is wrong with the file it is in; all else is of what it is compared with.
    #[test]
    fn a_broken_log_is_said_of_its_file() {
        let named = CompareError::from(NO_LOG).of_observed(&path());
        let CompareError::Observed { path: of, source: ObservedError::Log(error) } = &named else {
            panic!("{named}")
        };
        assert_eq!((of, error), (&path(), &NO_LOG));
        let other = CompareError::NoMachine { path: "out".into() }.of_observed(&path());
        assert!(matches!(&other, CompareError::NoMachine { path } if path == Path::new("out")));
    }

    /// Whose fault it is, and words of the next step: `None` where there is none to name.
    #[test]
    fn an_error_says_whose_fault_it_is_and_the_next_step() {
        use std::io::ErrorKind::{NotFound, StorageFull};
        let full = Some("make room on the disk");
        let observed = |source| CompareError::Observed { path: path(), source };
        let without = |is_folder| CompareError::NoExpectation { path: path(), what: "", is_folder };
        let no_uki = MissingFile { folder: path(), role: Role::Uki };
        let fault = ValueFault { what: String::new(), expected: "", found: String::new() };
        let value = ReadError::Value { path: path(), machine: String::new(), fault };
        let rows: [(CompareError, Fault, Option<&str>); 17] = [
            (file(NotFound).into(), Fault::Definition, None),
            (file(StorageFull).into(), Fault::Environment, full),
            (ReadError::File(file(NotFound)).into(), Fault::Definition, None),
            (ReadError::File(file(StorageFull)).into(), Fault::Environment, full),
            (
                value.into(),
                Fault::Definition,
                Some("name the folder of an image that cvmkit built"),
            ),
            (
                ReadError::TooLong { path: path() }.into(),
                Fault::Definition,
                Some("name the folder"),
            ),
            (
                ManifestError::NoImage { folder: "out".into() }.into(),
                Fault::Definition,
                Some("name the folder of an image"),
            ),
            (ManifestError::File(file(StorageFull)).into(), Fault::Environment, full),
            (
                PredictionError::from(no_uki).into(),
                Fault::Definition,
                Some("predict a direct boot"),
            ),
            (PredictionError::File(file(StorageFull)).into(), Fault::Environment, full),
            (TdError::NoFirmware.into(), Fault::Definition, Some("name the latest layout")),
            (TdError::File(file(StorageFull)).into(), Fault::Environment, full),
            (ReferenceError::File(file(StorageFull)).into(), Fault::Environment, full),
            (
                CompareError::NeedsFiles { path: path(), given: "x" },
                Fault::Definition,
                Some("name the image's folder"),
            ),
            (
                observed(ObservedError::Unknown { found: String::new() }),
                Fault::Definition,
                Some("/sys/firmware/acpi/tables/data/CCEL"),
            ),
            (observed(ObservedError::Log(NO_LOG)), Fault::Definition, None),
            (without(true), Fault::Definition, Some("build the image for this platform")),
        ];
        let folder_needed = (without(false), Fault::Definition, Some("predicted from its files"));
        for (error, fault, hint) in rows.into_iter().chain([folder_needed]) {
            assert_eq!(error.fault(), fault, "{error:?}");
            let found = error.hint();
            match hint {
                Some(words) => assert!(found.as_ref().unwrap().contains(words), "{found:?}"),
                None => assert_eq!(found, None, "{error:?}"),
            }
        }
    }

    #[test]
    fn an_error_is_told_with_all_its_causes() {
        let error = CompareError::Observed { path: path(), source: ObservedError::Log(NO_LOG) };
        let expected =
            format!("cannot compare `a.log`: not an event log that can be replayed: {NO_LOG}");
        assert_eq!(in_full(&error), expected);
        assert_eq!(in_full(&NO_LOG), NO_LOG.to_string());
    }
}
