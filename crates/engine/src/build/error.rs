//! Why a build ended.

use std::io;

use crate::packages::debian::DebError;
use cvmkit_attest::output::ManifestError;
use cvmkit_attest::profile::ProfileError;
use cvmkit_attest::values::ReferenceError;
use cvmkit_formats::tree::TreeError;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use thiserror::Error;

use super::layer_error::LayerError;
use crate::definition::DefinitionError;
use crate::describe::DescribeError;
use crate::fetch::FetchError;
use crate::image::ImageError;
use crate::kernel::KernelError;
use crate::local::LocalError;
use crate::lock::LockError;
use crate::oci::OciError;
use crate::packages::debian::{AnotherPackage, AssembleError, ClosureError};

/// Why a build ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The definition.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An architecture that there are no images of yet.
    #[error("an image for `{0}` can't be built yet, only locked")]
    Architecture(&'static str),
    /// The locked files.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The host's files.
    #[error(transparent)]
    File(#[from] FileError),
    /// A package.
    #[error("package `{package}` can't be read\n  path: {path}  ({locked_at})")]
    Deb {
        /// Its name.
        package: String,
        /// Its path in the archive.
        path: String,
        /// Line of the lock.
        locked_at: String,
        /// Why.
        source: Box<DebError>,
    },
    /// A package that is not the one that the lock names.
    #[error(transparent)]
    AnotherPackage(#[from] AnotherPackage),
    /// The base.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// An archive that is put over the tree.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A local file.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The lock has two packages of one name for an input.
    #[error("the lock has two packages `{package}` for the {role}: {}", .found.join(", "))]
    TwoInputPackages {
        /// What it is for.
        role: &'static str,
        /// Where the definition names it: `boot.stub`, `platforms.variables`.
        key: &'static str,
        /// The package.
        package: String,
        /// Version and suite of each.
        found: Vec<String>,
    },
    /// The packages of the root file system, as a set.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// The root file system.
    #[error(transparent)]
    Assemble(#[from] Box<AssembleError>),
    /// The kernel in the root file system.
    #[error(transparent)]
    KernelFiles(#[from] KernelError),
    /// The kernel's image.
    #[error("the kernel can't be read")]
    Kernel(#[source] io::Error),
    /// The os-release file.
    #[error("the image has no readable /etc/os-release")]
    OsRelease(#[source] io::Error),
    /// A path of the tree.
    #[error("the root file system can't be completed")]
    Tree(#[from] TreeError),
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A platform profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The reference values.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The manifest of an earlier build.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// What describes the image.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// A profile that is not UTF-8.
    #[error("the profile `{path}` is not UTF-8")]
    ProfileEncoding {
        /// The local file.
        path: String,
    },
    /// A package does not hold the file that the definition takes from it.
    #[error("`{package}` holds no file `/{path}` for the {role}")]
    NoInputFile {
        /// What it is for.
        role: &'static str,
        /// Where the definition names it: `boot.stub`, `platforms.variables`.
        key: &'static str,
        /// The package.
        package: String,
        /// The path.
        path: String,
    },
    /// The file that the definition takes from a package can't be read.
    #[error("`/{path}` of `{package}` can't be read for the {role}")]
    InputFile {
        /// What it is for.
        role: &'static str,
        /// The package.
        package: String,
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file of a machine can't lie beside the image under its name.
    #[error("`{name}` can't be the name of a file beside the image")]
    MachineFileName {
        /// Its name.
        name: String,
    },
    /// The lock has no package for an input.
    #[error("the lock names no package for the {role}")]
    NoInputPackage {
        /// What it is for.
        role: &'static str,
    },
}

impl From<AssembleError> for BuildError {
    fn from(error: AssembleError) -> Self {
        Self::Assemble(Box::new(error))
    }
}

impl Diagnosis for BuildError {
    fn fault(&self) -> Fault {
        match self {
            Self::Definition(error) => error.fault(),
            Self::Lock(error) => error.fault(),
            Self::Fetch(error) => error.fault(),
            Self::File(error) => error.fault(),
            Self::AnotherPackage(error) => error.fault(),
            Self::Oci(error) => error.fault(),
            Self::Layer(error) => error.fault(),
            Self::Local(error) => error.fault(),
            Self::Closure(error) => error.fault(),
            Self::Assemble(error) => error.fault(),
            Self::KernelFiles(error) => error.fault(),
            Self::Image(error) => error.fault(),
            Self::Profile(error) => error.fault(),
            Self::Reference(error) => error.fault(),
            Self::Manifest(error) => error.fault(),
            Self::Describe(error) => error.fault(),
            Self::Kernel(_) | Self::InputFile { .. } => Fault::Environment,
            // Its bytes are those that the lock names: another archive state is needed.
            Self::Deb { .. } => Fault::Environment,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Definition(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::AnotherPackage(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Local(error) => error.hint(),
            Self::TwoInputPackages { key, .. } => {
                Some(format!("name the suite that is meant with `{key}.suite`"))
            }
            Self::Closure(error) => error.hint(),
            Self::Assemble(error) => error.hint(),
            Self::KernelFiles(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Profile(error) => error.hint(),
            Self::Reference(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::Describe(error) => error.hint(),
            Self::Deb { package, .. } => Some(format!(
                "the package is damaged in the archive itself: `cvmkit lock --update {package}`"
            )),
            Self::NoInputFile { key, .. } => Some(format!("correct `{key}.path`")),
            Self::MachineFileName { .. } => {
                Some("name the file with letters, digits and `._+~-`, no `.` first".into())
            }
            Self::Architecture(_) => Some(
                "build a variant with `architecture = \"x86-64\"`; locks and audits take any"
                    .into(),
            ),
            Self::NoInputPackage { .. } => Some("run `cvmkit lock --update`".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;

    use cvmkit_host::files::cannot;

    use super::*;
    use crate::packages::debian::SuiteError;

    /// The hint named `stub.path`, which no definition has, and `firmware.path` for each file of a machine.
    #[test]
    fn a_hint_names_the_key_that_the_definition_has() {
        for key in ["boot.stub", "firmware", "platforms.firmware", "platforms.variables"] {
            let (package, path) = ("p".to_owned(), "x".to_owned());
            let error = BuildError::NoInputFile { role: "stub", key, package, path };
            assert_eq!(error.to_string(), "`p` holds no file `/x` for the stub");
            assert_eq!(error.hint(), Some(format!("correct `{key}.path`")));
            let found = vec!["1 of a".to_owned(), "2 of b".to_owned()];
            let error =
                BuildError::TwoInputPackages { role: "stub", key, package: "p".into(), found };
            let words = "the lock has two packages `p` for the stub: 1 of a, 2 of b";
            assert_eq!(error.to_string(), words);
            let hint = format!("name the suite that is meant with `{key}.suite`");
            assert_eq!(error.hint(), Some(hint));
        }
    }

    /// A cause keeps its fault and its hint, whoever wraps it.
    #[test]
    fn the_fault_is_that_of_the_cause() {
        let denied = || cannot("read", "x".as_ref())(io::Error::from(PermissionDenied));
        let expired = || SuiteError::Changed { suite: "s".into(), archive: "a".into() };
        let lock = || LockError::Suite(expired());
        let io = || io::Error::from(PermissionDenied);
        let missing = DefinitionError::Missing { path: "image.toml".into() };
        let hint = missing.hint();
        assert_eq!(BuildError::from(missing).hint(), hint);
        let hint = LockError::Offline.hint();
        assert_eq!(BuildError::from(LockError::Offline).hint(), hint);
        let (role, package) = ("firmware", "p".to_owned());
        for (error, fault) in [
            (BuildError::from(DefinitionError::Missing { path: "x".into() }), Fault::Definition),
            (DefinitionError::File(denied()).into(), Fault::Environment),
            (LockError::Offline.into(), Fault::Environment),
            (LockError::Missing { path: "x".into() }.into(), Fault::Definition),
            (BuildError::Lock(lock()), expired().fault()),
            (FetchError::NoMirror { archive: "a".into() }.into(), Fault::Environment),
            (denied().into(), Fault::Environment),
            (LocalError::Absolute { path: "/x".into() }.into(), Fault::Definition),
            (LocalError::File(denied()).into(), Fault::Environment),
            (BuildError::Kernel(io()), Fault::Environment),
            (BuildError::OsRelease(io()), Fault::Definition),
            (
                BuildError::InputFile { role, package, path: "x".into(), source: io() },
                Fault::Environment,
            ),
            (BuildError::NoInputPackage { role }, Fault::Definition),
            (BuildError::MachineFileName { name: "a b".into() }, Fault::Definition),
            (BuildError::ProfileEncoding { path: "x".into() }, Fault::Definition),
        ] {
            assert_eq!(error.fault(), fault, "{error:?}");
        }
    }

    #[test]
    fn an_error_with_a_next_step_says_it() {
        let role = "firmware";
        for (error, words) in [
            (BuildError::NoInputPackage { role }, Some("`cvmkit lock --update`")),
            (
                BuildError::MachineFileName { name: "a b".into() },
                Some("letters, digits and `._+~-`"),
            ),
            (BuildError::ProfileEncoding { path: "x".into() }, None),
            (BuildError::OsRelease(PermissionDenied.into()), None),
        ] {
            let hint = error.hint();
            assert_eq!(hint.is_some(), words.is_some(), "{error:?}");
            assert!(hint.unwrap_or_default().contains(words.unwrap_or_default()), "{error:?}");
        }
    }
}
