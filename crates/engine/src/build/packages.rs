//! Locked packages, decoded: the control archive into memory, the data archive into the store, once.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;

use cvmkit_debian::deb::{Deb, DebError, entries};
use rayon::prelude::*;

use super::BuildError;
use super::inputs::Inputs;
use crate::fetch::{self, Origins, Wanted};
use crate::files::FileError;
use crate::rootfs::Package;
use crate::store::{Blob, Deriving, Store};

/// What decompressed data archives are called in the store.
const DERIVED: &str = "data-tar";

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
    let (data, entries) = match store.derived(DERIVED, blob.sha256)? {
        Some(data) => {
            let reader = BufReader::with_capacity(1 << 18, FromStart { blob: &data, at: 0 });
            let entries = entries(reader).map_err(refused)?;
            (data, entries)
        }
        None => store.derive(DERIVED, blob.sha256, |sink| {
            let mut tee = Tee { reader: deb.data().map_err(refused)?, sink, failed: None };
            let listed = entries(&mut tee);
            match (tee.failed, listed) {
                (Some(error), _) => Err(BuildError::File(error)),
                (None, listed) => listed.map_err(refused),
            }
        })?,
    };
    let field = |name: &str| control.fields.get(name).unwrap_or_default().to_owned();
    Ok(Package {
        name: field("Package"),
        version: field("Version"),
        architecture: field("Architecture"),
        entries,
        data: Arc::clone(&data.file),
        control,
    })
}

/// An object from its first byte on, whatever its file's own position is.
struct FromStart<'a> {
    blob: &'a Blob,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let n = self.blob.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Passes a stream on to the store while it is read.
struct Tee<'a, 'b, R> {
    reader: R,
    sink: &'a mut Deriving<'b>,
    /// Why the store could not take it, which the reader of the stream can't tell apart.
    failed: Option<FileError>,
}

impl<R: Read> Read for Tee<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        if let Err(error) = self.sink.write_all(&buf[..n]) {
            let kind = error.kind();
            self.failed = Some(self.sink.error(error));
            return Err(kind.into());
        }
        Ok(n)
    }
}
