//! Locked packages, decoded: the control archive into memory, the data archive into a scratch file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use cvmkit_debian::deb::{Deb, DebError, entries};
use rayon::prelude::*;

use super::BuildError;
use super::inputs::Inputs;
use crate::fetch::{self, Origins, Wanted};
use crate::rootfs::Package;
use crate::store::{Blob, Store};

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
    let data = store.scratch()?;
    let mut tee = Tee { reader: deb.data().map_err(refused)?, copy: &data, failed: None };
    let listed = entries(&mut tee);
    if let Some(error) = tee.failed {
        return Err(store.scratch_error(error).into());
    }
    let entries = listed.map_err(refused)?;
    let field = |name: &str| control.fields.get(name).unwrap_or_default().to_owned();
    Ok(Package {
        name: field("Package"),
        version: field("Version"),
        architecture: field("Architecture"),
        entries,
        data: Arc::new(data),
        control,
    })
}

/// Copies a stream while it is read.
struct Tee<'a, R> {
    reader: R,
    copy: &'a File,
    /// Why it could not be copied, which the reader of the stream can't tell from a bad stream.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        let mut copy = self.copy;
        copy.write_all(&buf[..n]).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            io::Error::from(kind)
        })?;
        Ok(n)
    }
}
