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

use crate::definition::DefinitionError;
use crate::describe::DescribeError;
use crate::fetch::FetchError;
use crate::image::ImageError;
use crate::kernel::KernelError;
use crate::local::LocalError;
use crate::lock::LockError;
use crate::packages::debian::AnotherPackage;
use crate::packages::debian::AssembleError;

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
    /// A local file.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The lock has two packages of one name for an input.
    #[error("the lock has two packages `{package}` for the {role}: {}", .found.join(", "))]
    TwoInputPackages {
        /// What it is for.
        role: &'static str,
        /// The package.
        package: String,
        /// Version and suite of each.
        found: Vec<String>,
    },
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
            Self::Local(error) => error.fault(),
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
            Self::Local(error) => error.hint(),
            Self::TwoInputPackages { role, .. } => {
                Some(format!("name the suite that is meant with `{role}.suite`"))
            }
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
            Self::NoInputFile { role, .. } => Some(format!("correct `{role}.path`")),
            Self::MachineFileName { .. } => {
                Some("name the file with letters, digits and `._+~-`, no `.` first".into())
            }
            Self::NoInputPackage { .. } => Some("run `cvmkit lock --update`".into()),
            _ => None,
        }
    }
}
