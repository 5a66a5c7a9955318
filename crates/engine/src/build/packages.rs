//! Locked packages, fetched and opened.

use super::error::BuildError;
use crate::fetch::{self, Origins};
use crate::packages::{self, Package, PackageError, Wanted};
use crate::store::{Blob, Store};

/// Every package that is wanted, in that order.
pub(super) fn unpack(wanted: &[Wanted], origins: Origins<'_>) -> Result<Vec<Package>, BuildError> {
    let blobs = fetch::fetch(wanted, origins)?;
    fetch::largest_first(wanted, |at, wanted| package(wanted, &blobs[at], origins.store))
}

/// One package; an error names its place in the lock.
pub(super) fn package(wanted: &Wanted, blob: &Blob, store: &Store) -> Result<Package, BuildError> {
    packages::open(wanted, blob, store).map_err(|error| match error {
        PackageError::File(error) => error.into(),
        PackageError::Another(error) => error.into(),
        PackageError::Deb(source) => BuildError::Deb {
            package: wanted.name.clone(),
            path: wanted.path.clone(),
            locked_at: wanted.locked_at.clone(),
            source: Box::new(source),
        },
    })
}
