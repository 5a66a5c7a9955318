//! Local files of an image: copied into a file without a name while they are hashed.
//!
//! The contract: what was compared with the lock is what goes into the image, even where somebody
//! writes to the file at the same time; memory does not grow with a file, nor open files with their
//! number; blocks of zeros take no room, so a sparse file stays one.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use cvmkit_formats::digest::{Hasher, Sha256};
use cvmkit_host::files::{self, FileError, cannot};

use crate::content::Content;
use crate::store::Store;

/// Bytes copied at a time; no output depends on it.
const PIECE: usize = 1 << 18;

/// The copies of one build.
pub(super) struct Copies<'a> {
    store: &'a Store,
    /// Made when it is needed.
    file: Option<Arc<File>>,
    /// Where the next copy begins.
    end: u64,
    buf: Vec<u8>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, file: None, end: 0, buf: Vec::new() }
    }

    /// The contents of a local file as they are now, and their digest.
    pub(super) fn take(&mut self, path: &Path) -> Result<(Content, Sha256), FileError> {
        self.append(files::open(path)?).map_err(|error| match error {
            AppendError::Read(error) => cannot("read", path)(error),
            AppendError::Write(error) => error,
        })
    }

    /// What `from` reads, and its digest.
    pub(super) fn append(&mut self, mut from: impl Read) -> Result<(Content, Sha256), AppendError> {
        let object = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let made = self.store.scratch().map_err(AppendError::Write)?;
                Arc::clone(self.file.insert(Arc::new(made)))
            }
        };
        self.buf.resize(PIECE, 0);
        let offset = self.end;
        let mut hasher = Hasher::default();
        loop {
            let piece = match from.read(&mut self.buf) {
                Ok(0) => break,
                Ok(n) => &self.buf[..n],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(AppendError::Read(error)),
            };
            hasher.update(piece);
            if piece.iter().any(|&byte| byte != 0) {
                let written = object.write_all_at(piece, self.end);
                written.map_err(|error| AppendError::Write(self.store.scratch_error(error)))?;
            }
            self.end += piece.len() as u64;
        }
        // Zeros at the end were not written.
        let set = object.set_len(self.end);
        set.map_err(|error| AppendError::Write(self.store.scratch_error(error)))?;
        let (sha256, len) = hasher.finish();
        Ok((Content::Stored { object, offset, len }, sha256))
    }
}

/// Why something was not copied.
pub(super) enum AppendError {
    /// What it was to be copied from.
    Read(io::Error),
    /// The store.
    Write(FileError),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use cvmkit_formats::source::{Source, read_all};

    use super::*;

    #[test]
    fn copies_are_what_was_hashed_and_sparse_files_stay_sparse() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), None, folder.path()).unwrap();
        let mut copies = Copies::new(&store);
        let (small, sparse) = (folder.path().join("small"), folder.path().join("sparse"));
        files::replace(&small, b"some bytes").unwrap();
        let file = File::options().write(true).create_new(true).open(&sparse).unwrap();
        file.set_len((64 << 20) + 7).unwrap();
        file.write_all_at(b"x", 40 << 20).unwrap();
        let (first, digest) = copies.take(&small).unwrap();
        assert_eq!(digest, Sha256::of(b"some bytes"));
        let (second, digest) = copies.take(&sparse).unwrap();
        assert_eq!(digest, Sha256::of_reader(files::open(&sparse).unwrap()).unwrap().0);
        files::replace(&small, b"others").unwrap();
        let (third, _) = copies.take(&small).unwrap();
        assert_eq!(read_all(&first, 100).unwrap(), b"some bytes", "as it was hashed");
        assert_eq!(read_all(&third, 100).unwrap(), b"others");
        let (last, _) = copies.take(&sparse).unwrap();
        let copied = read_all(&last, 1 << 30).unwrap();
        assert_eq!(Sha256::of(&copied), digest, "zeros at the end of all copies are there");
        let copied = read_all(&second, 1 << 30).unwrap();
        assert_eq!(second.len(), (64 << 20) + 7);
        assert_eq!(Sha256::of(&copied), digest);
        let blocks = copies.file.unwrap().metadata().unwrap().blocks();
        assert!(blocks * 512 < 4 << 20, "{blocks} blocks");
    }
}
