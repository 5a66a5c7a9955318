//! What this account derived from verified objects, kept for its next build.
//!
//! To decode the packages of an image takes longer than to make the image, and nothing in a lock
//! says what a package decodes to. So the store keeps decoded packages and records of builds under
//! a seal: HMAC-SHA-256 (RFC 2104) with a key that lies outside of the store and never leaves the
//! account. Who fills a store that others use, such as a cache that machines share, can't make
//! a seal: what has none, or another key's, is dropped and derived again from objects that the lock
//! vouches for. Without a key nothing is kept, and everything is derived by every build.
//!
//! The contract: what is read through a seal is used only after its end was seen and matched.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, FileError, Folder, cannot};
use hmac::{Hmac, Mac};

use super::key::Kind;
use super::objects::{Store, dropped};

/// Bytes of the seal behind what it seals.
const SEAL_LEN: usize = 32;

/// Longest record of a build: sums of a few files.
const RECORD_MAX: u64 = 1 << 20;

/// What is read at once, to be hashed.
const BUFFER: usize = 256 << 10;

impl Store {
    /// Whether it keeps what is derived: it has a key.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.key.is_some()
    }

    /// What the package of that digest decodes to, if this account sealed it.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn decoded(&self, package: Sha256) -> Result<Option<Unsealing>, FileError> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some((folder, file)) = self.sealed(Kind::Decoded, package)? else { return Ok(None) };
        let path = folder.path(package.to_string());
        let len = file.metadata().map_err(cannot("read", &path))?.len();
        let Some(len) = len.checked_sub(SEAL_LEN as u64) else { return Ok(None) };
        let copy = file.try_clone().map_err(cannot("read", &path))?;
        let reader = BufReader::with_capacity(BUFFER, copy).take(len);
        let mac = key.begin(Kind::Decoded, package);
        Ok(Some(Unsealing { reader, mac, file, len, folder, name: package.to_string() }))
    }

    /// A place for what the package of that digest decodes to: sealed if there is a key, otherwise
    /// a file that goes with the process.
    ///
    /// # Errors
    /// Names the file that can't be made.
    pub fn decode(&self, package: Sha256) -> Result<Sealing<'_>, FileError> {
        let Some(key) = &self.key else {
            return Ok(Sealing { store: self, file: self.scratch()?, len: 0, seal: None });
        };
        let kept = || -> Result<_, FileError> {
            let target = self.root.subfolder(Kind::Decoded.folder())?;
            let partial = self.partial()?;
            let file = partial.open_locked(decoded_name(package))?;
            file.set_len(0).map_err(cannot("write", &partial.path(decoded_name(package))))?;
            Ok((file, Seal { mac: key.begin(Kind::Decoded, package), package, partial, target }))
        };
        match kept() {
            Ok((file, seal)) => Ok(Sealing { store: self, file, len: 0, seal: Some(seal) }),
            // Nothing can be kept: it goes with the process.
            Err(error) if error.is_denied() => {
                Ok(Sealing { store: self, file: self.scratch()?, len: 0, seal: None })
            }
            Err(error) => Err(error),
        }
    }

    /// The text that was recorded for a build, if any.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn recorded(&self, build: Sha256) -> Result<Option<Vec<u8>>, FileError> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some((folder, file)) = self.sealed(Kind::Build, build)? else { return Ok(None) };
        let path = folder.path(build.to_string());
        let mut text = match files::bounded(file, RECORD_MAX) {
            Ok(text) => text,
            // No record is that long: it is nobody's.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
            Err(error) => return Err(cannot("read", &path)(error)),
        };
        let Some(len) = text.len().checked_sub(SEAL_LEN) else { return Ok(None) };
        let seal = text.split_off(len);
        let mac = key.begin(Kind::Build, build).chain_update(&text);
        Ok(mac.verify_slice(&seal).is_ok().then_some(text))
    }

    /// Records a text for a build, if there is a key.
    ///
    /// # Errors
    /// Names the file that can't be written.
    pub fn record(&self, build: Sha256, text: &[u8]) -> Result<(), FileError> {
        let Some(key) = &self.key else { return Ok(()) };
        let folder = self.root.subfolder(Kind::Build.folder())?;
        let mac = key.begin(Kind::Build, build).chain_update(text).finalize();
        folder.replace(build.to_string(), &[text, &mac.into_bytes()].concat())
    }

    /// An open file of this kind and name, and the folder it is in. `None` without a file.
    fn sealed(&self, kind: Kind, name: Sha256) -> Result<Option<(Folder, File)>, FileError> {
        let Some(folder) = self.existing(&[kind.folder()])? else { return Ok(None) };
        match folder.file(name.to_string()) {
            Ok(file) => Ok(Some((folder, file))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) if error.is_unsuitable() || error.is_link() => {
                dropped(&folder, &name.to_string())?;
                Ok(None)
            }
            // Others' files, in a store that machines share, may be closed to this account.
            Err(error) if error.is_denied() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The name of what a package decodes to while it is written.
fn decoded_name(package: Sha256) -> String {
    format!("{package}.decoded")
}

/// Sealed bytes while they are read for the first time, from start to end.
#[derive(Debug)]
pub struct Unsealing {
    reader: io::Take<BufReader<File>>,
    mac: Hmac<sha2::Sha256>,
    file: File,
    len: u64,
    folder: Folder,
    name: String,
}

impl Unsealing {
    /// The file, to be read again by offset, if all of it was read and the seal is this account's.
    /// Otherwise it is dropped.
    ///
    /// # Errors
    /// Names the file that can't be read or removed.
    pub fn finish(self) -> Result<Option<Arc<File>>, FileError> {
        let mut seal = [0; SEAL_LEN];
        let path = self.folder.path(&self.name);
        self.file.read_exact_at(&mut seal, self.len).map_err(cannot("read", &path))?;
        if self.reader.limit() == 0 && self.mac.verify_slice(&seal).is_ok() {
            return Ok(Some(Arc::new(self.file)));
        }
        dropped(&self.folder, &self.name)?;
        Ok(None)
    }
}

impl Read for Unsealing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.mac.update(&buf[..n]);
        Ok(n)
    }
}

/// Bytes while they are written, from start to end.
#[derive(Debug)]
pub struct Sealing<'a> {
    store: &'a Store,
    file: File,
    len: u64,
    seal: Option<Seal>,
}

#[derive(Debug)]
struct Seal {
    mac: Hmac<sha2::Sha256>,
    package: Sha256,
    partial: Folder,
    target: Folder,
}

impl Sealing<'_> {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// Names the folder.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let written = self.file.write_all_at(bytes, self.len);
        written.map_err(|error| self.store.scratch_error(error))?;
        self.len += bytes.len() as u64;
        if let Some(seal) = &mut self.seal {
            seal.mac.update(bytes);
        }
        Ok(())
    }

    /// The file, to be read by offset. What is not finished is no seal: it is written over by the
    /// next try.
    ///
    /// # Errors
    /// Names the file.
    pub fn finish(self) -> Result<Arc<File>, FileError> {
        if let Some(Seal { mac, package, partial, target }) = self.seal {
            let written = self.file.write_all_at(&mac.finalize().into_bytes(), self.len);
            written.map_err(|error| self.store.scratch_error(error))?;
            // Not synced: after a power failure the seal does not match, and all is decoded again.
            let name = package.to_string();
            partial.rename(decoded_name(package), &target, &name)?;
            files::unlock(&self.file, &target.path(&name))?;
        }
        Ok(Arc::new(self.file))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::SealKey;

    const PACKAGE: Sha256 = Sha256([7; 32]);

    fn store(folder: &Path, key: Option<[u8; 32]>) -> Store {
        Store::open(folder, key.map(SealKey::new), folder).unwrap()
    }

    fn decode(store: &Store, bytes: &[u8]) -> Arc<File> {
        let mut sealing = store.decode(PACKAGE).unwrap();
        for piece in bytes.chunks(1000) {
            sealing.write(piece).unwrap();
        }
        sealing.finish().unwrap()
    }

    fn read(store: &Store) -> Option<Vec<u8>> {
        let mut unsealing = store.decoded(PACKAGE).unwrap()?;
        let mut bytes = Vec::new();
        unsealing.read_to_end(&mut bytes).unwrap();
        unsealing.finish().unwrap().map(|_| bytes)
    }

    #[test]
    fn what_was_sealed_is_read_back_by_the_same_account_only() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = vec![5; 12_345];
        let ours = store(folder.path(), Some([1; 32]));
        let file = decode(&ours, &bytes);
        let mut read_again = [0; 5];
        file.read_exact_at(&mut read_again, 12_340).unwrap();
        assert_eq!(read_again, [5; 5]);
        assert_eq!(read(&ours), Some(bytes));
        assert!(files::list(&folder.path().join("partial")).unwrap().is_empty());
        assert_eq!(read(&store(folder.path(), None)), None);
        assert_eq!(read(&store(folder.path(), Some([2; 32]))), None);
        assert_eq!(read(&ours), None, "another account's key dropped it");
    }

    #[test]
    fn one_changed_byte_or_a_lost_end_breaks_the_seal() {
        let folder = tempfile::tempdir().unwrap();
        let ours = store(folder.path(), Some([1; 32]));
        let path = ours.root.path("decoded").join(PACKAGE.to_string());
        decode(&ours, b"some bytes");
        let whole = files::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            files::replace(&path, &altered).unwrap();
            assert_eq!(read(&ours), None, "byte {at}");
            assert!(!path.exists(), "byte {at}");
            files::replace(&path, &whole[..at]).unwrap();
            assert_eq!(read(&ours), None, "cut at {at}");
        }
        let other = ours.root.path("decoded").join(Sha256([8; 32]).to_string());
        files::replace(&other, &whole).unwrap();
        let mut renamed = ours.decoded(Sha256([8; 32])).unwrap().unwrap();
        renamed.read_to_end(&mut Vec::new()).unwrap();
        assert!(renamed.finish().unwrap().is_none(), "a seal is of one package");
    }

    #[test]
    fn bytes_that_were_not_read_are_not_vouched_for() {
        let folder = tempfile::tempdir().unwrap();
        let ours = store(folder.path(), Some([1; 32]));
        decode(&ours, b"some bytes");
        let mut unsealing = ours.decoded(PACKAGE).unwrap().unwrap();
        unsealing.read_exact(&mut [0; 4]).unwrap();
        assert!(unsealing.finish().unwrap().is_none());
    }

    #[test]
    fn without_a_key_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let keyless = store(folder.path(), None);
        decode(&keyless, b"some bytes");
        keyless.record(PACKAGE, b"sums").unwrap();
        assert_eq!(keyless.recorded(PACKAGE).unwrap(), None);
        assert!(!folder.path().join("decoded").exists() && !folder.path().join("builds").exists());
    }

    #[test]
    fn records_of_another_account_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let ours = store(folder.path(), Some([1; 32]));
        ours.record(PACKAGE, b"sums").unwrap();
        assert_eq!(ours.recorded(PACKAGE).unwrap().as_deref(), Some(&b"sums"[..]));
        assert_eq!(store(folder.path(), Some([2; 32])).recorded(PACKAGE).unwrap(), None);
        let path = ours.root.path("builds").join(PACKAGE.to_string());
        files::replace(&path, b"an unsealed text, as anybody may write it").unwrap();
        assert_eq!(ours.recorded(PACKAGE).unwrap(), None);
    }
}
