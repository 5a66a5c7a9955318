//! Locked packages, fetched and opened.

use cvmkit_formats::digest::Sha256;

use super::error::BuildError;
use crate::fetch::{self, Origins};
use crate::local::LocalFolder;
use crate::lock::LockError;
use crate::packages::{self, Package, PackageError, Wanted};
use crate::store::{Blob, Store};

/// Every package that is wanted, in that order; local ones are below `folder`.
pub(super) fn unpack(
    wanted: &[Wanted],
    folder: &LocalFolder,
    origins: Origins<'_>,
) -> Result<Vec<Package>, BuildError> {
    let blobs = fetch(wanted, folder, origins)?;
    fetch::largest_first(wanted, |at, wanted| package(wanted, &blobs[at], origins.store))
}

/// The bytes of packages, from wherever they are to be had.
pub(super) fn fetch(
    wanted: &[Wanted],
    folder: &LocalFolder,
    origins: Origins<'_>,
) -> Result<Vec<Blob>, BuildError> {
    let mut local = wanted.iter().filter(|wanted| wanted.is_local());
    local.try_for_each(|wanted| take_in(wanted, folder, origins.store))?;
    Ok(fetch::fetch(wanted, origins)?)
}

/// Puts a local package into the store, where builds find it decoded, if it is what is locked.
fn take_in(wanted: &Wanted, folder: &LocalFolder, store: &Store) -> Result<(), BuildError> {
    // A byte more than is locked is enough to see that it is another file.
    let bytes = folder.read(&wanted.path, wanted.size.saturating_add(1))?;
    let found = Sha256::of(&bytes);
    if found != wanted.sha256 {
        let (path, locked) = (wanted.path.clone(), wanted.sha256.to_string());
        return Err(LockError::LocalChanged { path, locked, found: found.to_string() }.into());
    }
    if store.get(found)?.is_none() {
        store.insert(&bytes)?;
        drop(bytes);
        store.get(found)?.iter().try_for_each(|blob| packages::keep(blob, store))?;
    }
    Ok(())
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
