//! Why a plan fails.

use std::path::PathBuf;

use cvmkit_attest::output::ManifestError;
use cvmkit_attest::values::{ReadError, ReferenceError};
use cvmkit_formats::pe;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use thiserror::Error;

use crate::build::BuildError;
use crate::definition::DefinitionError;
use crate::image::ImageError;
use crate::lock::LockError;

/// Why a plan fails.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// What a build would refuse.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The earlier image's description.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its reference values.
    #[error(transparent)]
    Values(#[from] ReadError),
    /// Its unified kernel image, or the stub.
    #[error("{what} can't be read")]
    Pe {
        /// Which.
        what: &'static str,
        /// Why.
        source: pe::Error,
    },
    /// It has no such file or section.
    #[error("the image in `{}` has no {what}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The image that would be built.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What would be measured.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

impl From<DefinitionError> for PlanError {
    fn from(error: DefinitionError) -> Self {
        Self::Build(error.into())
    }
}

impl From<LockError> for PlanError {
    fn from(error: LockError) -> Self {
        Self::Build(error.into())
    }
}

impl Diagnosis for PlanError {
    fn fault(&self) -> Fault {
        match self {
            Self::Build(error) => error.fault(),
            Self::Manifest(error) => error.fault(),
            Self::File(error) => error.fault(),
            Self::Image(error) => error.fault(),
            Self::Reference(error) => error.fault(),
            Self::Values(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Build(error) => error.hint(),
            Self::Manifest(ManifestError::NoImage { .. }) => Some(
                "a plan compares with an earlier build: run `cvmkit build`, or name its folder \
                 with `--with`"
                    .into(),
            ),
            Self::Values(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Reference(error) => error.hint(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;

    use cvmkit_host::files::cannot;

    use super::*;

    #[test]
    fn the_fault_and_the_hint_are_those_of_the_cause() {
        let denied = || cannot("read", "x".as_ref())(std::io::Error::from(PermissionDenied));
        let missing = || DefinitionError::Missing { path: "image.toml".into() };
        for (error, fault) in [
            (PlanError::from(LockError::Offline), Fault::Environment),
            (PlanError::from(missing()), Fault::Definition),
            (PlanError::File(denied()), Fault::Environment),
            (PlanError::Missing { folder: "out".into(), what: "kernel" }, Fault::Definition),
        ] {
            assert_eq!(error.fault(), fault, "{error:?}");
        }
        assert_eq!(PlanError::from(missing()).hint(), missing().hint());
        assert_eq!(PlanError::from(LockError::Offline).hint(), LockError::Offline.hint());
        assert_eq!(PlanError::Missing { folder: "out".into(), what: "kernel" }.hint(), None);
        let folder = tempfile::tempdir().unwrap();
        let none = cvmkit_attest::output::Manifest::read(folder.path()).unwrap_err();
        assert!(matches!(none, ManifestError::NoImage { .. }), "{none:?}");
        let error = PlanError::from(none);
        assert_eq!(error.fault(), Fault::Definition);
        assert!(error.hint().unwrap().contains("`--with`"), "a build, or the folder of one");
    }
}
