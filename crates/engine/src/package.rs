//! Packages of the store, decoded: the control archive into memory, the data archive into a file.
//!
//! A data archive is decoded once and kept under the store's seal: by [`keep`] when the package
//! enters the store, while others still come over the network, otherwise by the first build that
//! [`open`]s it. Where the store has no key, or the seal is not this account's, every build decodes.
//!
//! The contract: [`keep`] never refuses a package. One that does not decode is refused by whoever
//! opens it, who knows what it is for and where the lock names it.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use cvmkit_debian::deb::{Deb, DebError, Entry, entries};
use thiserror::Error;

use crate::digest::Sha256;
use crate::files::FileError;
use crate::rootfs::Package;
use crate::store::{Blob, Sealing, Store};

/// Why a package can't be used.
#[derive(Debug, Error)]
pub(crate) enum PackageError {
    /// What it holds.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The store.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The package in these bytes.
///
/// # Errors
/// What is wrong with it, or the file of the store that can't be read or written.
pub(crate) fn open(blob: &Blob, store: &Store) -> Result<Package, PackageError> {
    let bytes = blob.bytes()?;
    let deb = Deb::parse(&bytes)?;
    let control = deb.control()?;
    let (entries, data) = match unseal(blob.sha256, store)? {
        Some(decoded) => decoded,
        None => decode(&deb, blob.sha256, store)?,
    };
    let field = |name: &str| control.fields.get(name).unwrap_or_default().to_owned();
    Ok(Package {
        name: field("Package"),
        version: field("Version"),
        architecture: field("Architecture"),
        entries,
        data,
        control,
    })
}

/// Decodes a package for the builds to come, unless the store keeps nothing or has it already.
///
/// # Errors
/// The file of the store that can't be read or written.
pub(crate) fn keep(blob: &Blob, store: &Store) -> Result<(), FileError> {
    if !store.keeps() || unseal(blob.sha256, store)?.is_some() {
        return Ok(());
    }
    let bytes = blob.bytes()?;
    let decoded = Deb::parse(&bytes).map_err(PackageError::Deb);
    match decoded.and_then(|deb| decode(&deb, blob.sha256, store)) {
        Ok(_) | Err(PackageError::Deb(_)) => Ok(()),
        Err(PackageError::File(error)) => Err(error),
    }
}

/// The members of a data archive, and the archive.
type Decoded = (Vec<Entry>, Arc<File>);

/// What was decoded and sealed before.
fn unseal(package: Sha256, store: &Store) -> Result<Option<Decoded>, FileError> {
    let Some(mut sealed) = store.decoded(package)? else { return Ok(None) };
    let listed = entries(&mut sealed);
    // Whether it can be listed says nothing before the seal was checked.
    let file = sealed.finish()?;
    Ok(file.and_then(|file| Some((listed.ok()?, file))))
}

/// Decodes the data archive of a package.
fn decode(deb: &Deb<'_>, package: Sha256, store: &Store) -> Result<Decoded, PackageError> {
    let copy = store.decode(package)?;
    let mut tee = Tee { reader: deb.data()?, copy, failed: None };
    let listed = entries(&mut tee);
    if let Some(error) = tee.failed {
        return Err(error.into());
    }
    Ok((listed?, tee.copy.finish()?))
}

/// Copies a stream while it is read.
struct Tee<'a, R> {
    reader: R,
    copy: Sealing<'a>,
    /// Why it could not be copied, which the reader of the stream can't tell from a bad stream.
    failed: Option<FileError>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.copy.write(&buf[..n]).map_err(|error| {
            self.failed = Some(error);
            io::Error::from(io::ErrorKind::Other)
        })?;
        Ok(n)
    }
}
