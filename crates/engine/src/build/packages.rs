//! Locked packages, fetched and opened.

use super::BuildError;
use super::inputs::Inputs;
use crate::fetch::{self, Origins};
use crate::packages::{self, Package, PackageError, Wanted};
use crate::store::{Blob, Store};

/// Every package of the root file system, in the lock's order.
pub(super) fn unpack(
    inputs: &Inputs<'_>,
    origins: Origins<'_>,
) -> Result<Vec<Package>, BuildError> {
    let wanted = inputs.lock.wanted(&inputs.root_role);
    let blobs = fetch::fetch(&wanted, origins)?;
    fetch::largest_first(&wanted, |at, wanted| package(wanted, &blobs[at], origins.store))
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
