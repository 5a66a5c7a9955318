//! Files that the command line names. A missing file is an error of usage (exit 2), an unreadable one an error
//! of the environment (exit 3).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cvmkit_formats::digest::Digests;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError, FileSource};
use thiserror::Error;

/// Longest firmware or SVSM, bytes: real ones have up to 16 MiB. At most two of them are in memory.
pub(super) const FIRMWARE_MAX: u64 = 128 << 20;

/// Longest kernel or Secure Execution image, bytes; read whole, one at a time. Real ones have about 10 MB. An
/// initrd is [hashed](digests) instead.
pub(super) const IMAGE_MAX: u64 = 256 << 20;

/// Longest key file in PEM, bytes: a P-384 key has about 300.
pub(super) const KEY_FILE_MAX: u64 = 1 << 16;

/// Longest file that is hashed, bytes: a direct boot counts them in 32 bits.
const HASHED_MAX: u64 = 1 << 32;

/// A named file that could not be used.
#[derive(Debug, Error)]
#[error(transparent)]
pub(super) struct InputError(#[from] FileError);

impl Diagnosis for InputError {
    fn fault(&self) -> Fault {
        match self.0.source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput => Fault::Definition,
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}

/// Opens a file or a pipe to read from start to end. A pipe has no length, so the reader keeps a bound.
pub(super) fn open(path: &Path) -> Result<File, InputError> {
    Ok(files::open_stream(path)?)
}

/// Opens a regular file to read at any offset; a pipe or a device is refused.
pub(super) fn source(path: &Path) -> Result<FileSource, InputError> {
    Ok(FileSource::open(path)?)
}

/// The bytes of a file shorter than `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, InputError> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    // A buffer that grows piece by piece copies a large file several times. The length that a file reports is
    // only a hint: without that much memory, it is read as far as it goes.
    let expected = file.metadata().map_or(0, |meta| meta.len().min(limit));
    let _ = bytes.try_reserve_exact(usize::try_from(expected).unwrap_or(0));
    let mut file = file.take(limit);
    let len = file.read_to_end(&mut bytes).map_err(files::cannot("read", path))?;
    if len as u64 >= limit {
        let why = format!("expected fewer than {limit} bytes");
        let error = io::Error::new(io::ErrorKind::InvalidInput, why);
        return Err(files::cannot("use", path)(error).into());
    }
    Ok(bytes)
}

/// The digest of a file of at most 4 GiB.
pub(super) fn sha256(path: &Path) -> Result<Sha256, InputError> {
    let file = open(path)?.take(HASHED_MAX + 1);
    let (digest, len) = Sha256::of_reader(file).map_err(files::cannot("read", path))?;
    within_hashed_max(path, len)?;
    Ok(digest)
}

/// The digests that registers need of a file of at most 4 GiB, and its length.
pub(super) fn digests(path: &Path) -> Result<(Digests, u64), InputError> {
    let file = open(path)?.take(HASHED_MAX + 1);
    let (digests, len) = Digests::of_reader(file).map_err(files::cannot("read", path))?;
    within_hashed_max(path, len)?;
    Ok((digests, len))
}

fn within_hashed_max(path: &Path, len: u64) -> Result<(), InputError> {
    if len <= HASHED_MAX {
        return Ok(());
    }
    let why = format!("expected at most {HASHED_MAX} bytes");
    let error = io::Error::new(io::ErrorKind::InvalidInput, why);
    Err(files::cannot("use", path)(error).into())
}
