//! Packages of the store, decoded: the control archive into memory, the data archive into a file.
//!
//! A data archive is decoded once and kept under the store's seal: by [`keep`] when the package
//! enters the store, while others still come over the network, otherwise by the first build that
//! [`open`]s it. Where the store has no key, or the seal is not this account's, every build decodes.
//!
//! The contract: [`keep`] never refuses a package. One that does not decode is refused by the code that
//! opens it, who knows what it is for and where the lock names it.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

pub use cvmkit_debian::deb::DebError;
use cvmkit_debian::deb::{Control, Deb};
use cvmkit_formats::archive::{Entry, EntryKind, tar};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use thiserror::Error;

use crate::content::Content;
use crate::packages::Wanted;
use crate::store::{Blob, Sealing, Store};

/// Where dpkg has its database (`DPKG_ADMINDIR`).
pub(super) const ADMIN_DIRECTORY: &str = "/var/lib/dpkg";

/// How the names of packages with a kernel start (Debian kernel handbook, section 2.2).
pub(crate) const KERNEL_PACKAGES: &str = "linux-image-";

/// The package that the os-release file is of.
pub(crate) const BASE_PACKAGE: &str = "base-files";

/// A package, verified and decoded.
#[derive(Clone, Debug)]
pub struct Package {
    /// The field `Package` of deb-control(5).
    pub name: String,
    /// The field `Version`, with its epoch and revision.
    pub version: String,
    /// The field `Architecture`: `amd64`, `all` and so on.
    pub architecture: String,
    /// The control archive.
    pub control: Control,
    /// The members of `data.tar`, in its order.
    pub entries: Vec<Entry>,
    /// The decompressed `data.tar`; offsets in `entries` count from its start.
    pub data: Arc<File>,
}

impl Package {
    /// The contents of the regular file at `path`, as the archive spells it without a leading slash.
    pub(crate) fn file(&self, path: &str) -> Option<Content> {
        let found = self.entries.iter().find(|entry| entry.path == path.as_bytes())?;
        let EntryKind::File { offset, len } = found.kind else { return None };
        Some(Content::Stored { object: self.data.clone(), offset, len })
    }
}

/// Why a package can't be used.
#[derive(Debug, Error)]
pub(crate) enum PackageError {
    /// What it holds.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// Which one it is.
    #[error(transparent)]
    Another(#[from] AnotherPackage),
    /// The store.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The package in these bytes, which must be the one that the lock names: indices and locks say what
/// is in a package, and nobody but the package itself knows.
///
/// # Errors
/// What is wrong with it, or the file of the store that can't be read or written.
pub(crate) fn open(wanted: &Wanted, blob: &Blob, store: &Store) -> Result<Package, PackageError> {
    let bytes = blob.bytes()?;
    let deb = Deb::parse(&bytes)?;
    let control = deb.control()?;
    is_locked(&control, wanted)?;
    let (entries, data) = match unseal(blob.sha256, store)? {
        Some(decoded) => decoded,
        None => decode(&deb, blob.sha256, store)?,
    };
    Ok(Package {
        name: wanted.name.clone(),
        version: wanted.version.clone(),
        architecture: wanted.architecture.clone(),
        entries,
        data,
        control,
    })
}

/// Refuses a package that is not the one that the lock names.
///
/// # Errors
/// What is wrong with it, or the field that differs.
pub(crate) fn identify(wanted: &Wanted, blob: &Blob) -> Result<(), PackageError> {
    let bytes = blob.bytes()?;
    Ok(is_locked(&Deb::parse(&bytes)?.control()?, wanted)?)
}

/// deb-control(5): the three fields that name a package.
fn is_locked(control: &Control, wanted: &Wanted) -> Result<(), AnotherPackage> {
    for (field, locked) in [
        ("Package", &wanted.name),
        ("Version", &wanted.version),
        ("Architecture", &wanted.architecture),
    ] {
        let found = control.fields.get(field);
        if found != Some(locked.as_str()) {
            return Err(AnotherPackage {
                name: wanted.name.clone(),
                path: wanted.path.clone(),
                field,
                locked: locked.clone(),
                locked_at: wanted.locked_at.clone(),
                found: found.map_or_else(|| "nothing".to_owned(), |found| format!("`{found}`")),
            });
        }
    }
    Ok(())
}

/// A package that is not the one that the lock names.
#[derive(Debug, Error)]
#[error(
    "`{name}` is not the package that the lock names\n  path: {path}\n    locked: {field} `{locked}`  \
     ({locked_at})\n    found:  {field} {found}"
)]
pub struct AnotherPackage {
    /// The locked name.
    name: String,
    /// Its path in the archive.
    path: String,
    /// The field of the control file.
    field: &'static str,
    /// In the lock.
    locked: String,
    /// Line of the lock.
    locked_at: String,
    /// In the control file.
    found: String,
}

impl Diagnosis for AnotherPackage {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        Some(format!(
            "the lock was edited, or the archive's index is wrong: restore the lock from version \
             control, or try `cvmkit lock --update {}`",
            self.name
        ))
    }
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
        Ok(_) | Err(PackageError::Deb(_) | PackageError::Another(_)) => Ok(()),
        Err(PackageError::File(error)) => Err(error),
    }
}

/// The members of a data archive, and the archive.
type Decoded = (Vec<Entry>, Arc<File>);

/// What was decoded and sealed before.
fn unseal(package: Sha256, store: &Store) -> Result<Option<Decoded>, FileError> {
    let Some(mut sealed) = store.decoded(package)? else { return Ok(None) };
    let listed = tar::entries(&mut sealed);
    // Whether it can be listed says nothing before the seal was checked.
    let file = sealed.finish()?;
    Ok(file.and_then(|file| Some((listed.ok()?, file))))
}

/// Decodes the data archive of a package.
fn decode(deb: &Deb<'_>, package: Sha256, store: &Store) -> Result<Decoded, PackageError> {
    let copy = store.decode(package)?;
    let mut tee = Tee { reader: deb.data()?, copy, failed: None };
    let listed = tar::entries(&mut tee);
    if let Some(error) = tee.failed {
        return Err(error.into());
    }
    Ok((listed.map_err(DebError::from)?, tee.copy.finish()?))
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

/// `Multi-Arch: same` packages can be there once for each architecture: the name tells.
pub(super) fn info_name(package: &Package) -> String {
    let same = package.control.fields.get("Multi-Arch").is_some_and(|value| value == "same");
    match same {
        true => format!("{}:{}", package.name, package.architecture),
        false => package.name.clone(),
    }
}

#[cfg(test)]
mod tests;
