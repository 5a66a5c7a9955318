//! Everything a rebuild needs, in a folder that `cvmkit build --vendor` reads.
//!
//! ```text
//! DIR/debian/pool/main/…    every locked package, at its path in its archive
//! DIR/image.lock            the lock they belong to
//! ```
//!
//! Local packages are not there: they lie beside the definition, as all local files do.

use std::collections::BTreeSet;
use std::path::Path;

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError};
use thiserror::Error;

use crate::definition::Project;
use crate::fetch::{self, FetchError, Origins};
use crate::lock::{LockError, LockFile};
use crate::packages::{self, AnotherPackage, PackageError, Wanted};

/// Why a folder can't be filled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VendorError {
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A package.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A package that is not the one that the lock names.
    #[error(transparent)]
    AnotherPackage(#[from] AnotherPackage),
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnosis for VendorError {
    fn fault(&self) -> Fault {
        match self {
            Self::Lock(error) => error.fault(),
            Self::Fetch(error) => error.fault(),
            Self::AnotherPackage(error) => error.fault(),
            Self::File(error) => error.fault(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lock(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::AnotherPackage(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

/// What a vendor folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendored {
    /// How many packages are there, those of all variants.
    pub packages: usize,
    /// The bytes of all of them together.
    pub bytes: u64,
}

/// Fills `folder` with every locked package, of all variants.
///
/// # Errors
/// The lock, a package, or the folder. What was written before stays and is whole.
pub fn vendor(
    project: &Project,
    folder: &Path,
    origins: Origins<'_>,
) -> Result<Vendored, VendorError> {
    let lock = LockFile::open(project)?;
    project.definitions().map_err(LockError::from)?.iter().try_for_each(|one| lock.holds(one))?;
    let roles: BTreeSet<&String> =
        lock.lock.packages.iter().flat_map(|package| &package.roles).collect();
    let wanted: BTreeSet<Wanted> = roles.into_iter().flat_map(|role| lock.wanted(role)).collect();
    let wanted: Vec<Wanted> = wanted.into_iter().filter(|wanted| !wanted.is_local()).collect();
    for (wanted, blob) in wanted.iter().zip(fetch::fetch(&wanted, origins)?) {
        match packages::identify(wanted, &blob) {
            Err(PackageError::Another(error)) => return Err(error.into()),
            Err(PackageError::File(error)) => return Err(error.into()),
            // A package that does not decode is refused by the build, which needs it.
            Ok(()) | Err(PackageError::Deb(_)) => {}
        }
        let path = fetch::vendor_path(folder, wanted);
        files::make_folder(files::parent(&path))?;
        files::replace(&path, &blob.bytes()?)?;
    }
    let text = files::read(&lock.path)?;
    files::replace(&folder.join(lock.path.file_name().unwrap_or_default()), &text)?;
    Ok(Vendored { packages: wanted.len(), bytes: wanted.iter().map(|wanted| wanted.size).sum() })
}
