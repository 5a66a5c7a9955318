//! Locked packages, decoded: the control archive into memory, the data archive into the store.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use cvmkit_debian::deb::{Deb, DebError, Entry, entries};
use rayon::prelude::*;

use super::BuildError;
use super::inputs::Inputs;
use crate::digest::Sha256;
use crate::fetch::{self, Origins, Wanted};
use crate::files::FileError;
use crate::rootfs::Package;
use crate::store::{Blob, Sealing, Store};

/// Every package of the root file system, in the lock's order.
pub(super) fn unpack(
    inputs: &Inputs<'_>,
    origins: Origins<'_>,
) -> Result<Vec<Package>, BuildError> {
    let wanted = inputs.lock.wanted(&inputs.root_role);
    let blobs = fetch::fetch(&wanted, origins)?;
    let mut work: Vec<_> = wanted.iter().zip(blobs).enumerate().collect();
    // The kernel alone is 40 % of the decoding: begin with the largest.
    work.sort_by_key(|(_, (wanted, _))| std::cmp::Reverse(wanted.size));
    let decode = |(at, (wanted, blob)): (usize, (&Wanted, Blob))| {
        package(wanted, &blob, origins.store).map(|package| (at, package))
    };
    let mut done =
        work.into_par_iter().with_max_len(1).map(decode).collect::<Result<Vec<_>, BuildError>>()?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, package)| package).collect())
}

/// One package.
pub(super) fn package(wanted: &Wanted, blob: &Blob, store: &Store) -> Result<Package, BuildError> {
    let refused = |source: DebError| BuildError::Deb {
        package: wanted.name.clone(),
        path: wanted.path.clone(),
        locked_at: wanted.locked_at.clone(),
        source: Box::new(source),
    };
    let bytes = blob.bytes()?;
    let deb = Deb::parse(&bytes).map_err(refused)?;
    let control = deb.control().map_err(refused)?;
    let (entries, data) = match unseal(blob.sha256, store)? {
        Some(decoded) => decoded,
        None => decode(&deb, blob.sha256, store, &refused)?,
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

/// The members of a data archive, and the archive.
type Decoded = (Vec<Entry>, Arc<File>);

/// What an earlier build decoded and sealed.
fn unseal(package: Sha256, store: &Store) -> Result<Option<Decoded>, BuildError> {
    let Some(mut sealed) = store.decoded(package)? else { return Ok(None) };
    let listed = entries(&mut sealed);
    // Whether it can be listed says nothing before the seal was checked.
    let file = sealed.finish()?;
    Ok(file.and_then(|file| Some((listed.ok()?, file))))
}

/// Decodes the data archive of a package.
fn decode(
    deb: &Deb<'_>,
    package: Sha256,
    store: &Store,
    refused: &impl Fn(DebError) -> BuildError,
) -> Result<Decoded, BuildError> {
    let copy = store.decode(package)?;
    let mut tee = Tee { reader: deb.data().map_err(refused)?, copy, failed: None };
    let listed = entries(&mut tee);
    if let Some(error) = tee.failed {
        return Err(error.into());
    }
    Ok((listed.map_err(refused)?, tee.copy.finish()?))
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
