//! Objects: bytes that are what their name says.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, FileError, Folder, Staging, cannot};

use super::key::SealKey;

/// A user's store: verified objects by their SHA-256, and what was derived from them under a seal.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) root: Folder,
    pub(super) key: Option<SealKey>,
    /// Room for what goes with the process, where the store has none.
    scratch: PathBuf,
}

/// An open object whose bytes were checked.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Digest of the contents.
    pub sha256: Sha256,
    /// Length of the contents in bytes.
    pub len: u64,
    /// The file, open to read: its bytes are those that were checked, whatever happens to its name.
    pub file: Arc<File>,
}

impl Blob {
    /// The contents.
    ///
    /// # Errors
    /// Names the object.
    pub fn bytes(&self) -> Result<Vec<u8>, FileError> {
        let fail = || cannot("read", Path::new("an object of the store"));
        let mut bytes =
            vec![0; usize::try_from(self.len).map_err(|error| fail()(io::Error::other(error)))?];
        self.file.read_exact_at(&mut bytes, 0).map_err(fail())?;
        Ok(bytes)
    }
}

impl Store {
    /// The store at `root`, made when it is not there. Without a key it keeps nothing but objects.
    /// Where it can't be written to, short-lived files are made in the folder `scratch`.
    ///
    /// # Errors
    /// Names the folder.
    pub fn open(root: &Path, key: Option<SealKey>, scratch: &Path) -> Result<Self, FileError> {
        Ok(Self { root: Folder::make(root)?, key, scratch: scratch.to_owned() })
    }

    /// The object with this digest, if the store has it whole.
    ///
    /// # Errors
    /// Names the file that can't be read.
    pub fn get(&self, sha256: Sha256) -> Result<Option<Blob>, FileError> {
        let Some(folder) = self.existing(&["sha256", &sha256.to_string()[..2]])? else {
            return Ok(None);
        };
        let name = sha256.to_string();
        let file = match folder.file(&name) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) if error.is_unsuitable() || error.is_link() => {
                dropped(&folder, &name)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let read = Sha256::of_reader(&file).map_err(cannot("read", &folder.path(&name)));
        let (found, len) = read?;
        if found != sha256 {
            dropped(&folder, &name)?;
            return Ok(None);
        }
        Ok(Some(Blob { sha256, len, file: Arc::new(file) }))
    }

    /// A folder of the store, if it is there.
    pub(super) fn existing(&self, names: &[&str]) -> Result<Option<Folder>, FileError> {
        let mut folder = self.root.clone();
        for name in names {
            if folder.stat(name)?.is_none() {
                return Ok(None);
            }
            folder = folder.subfolder(name)?;
        }
        Ok(Some(folder))
    }

    /// The folder of the objects whose digests begin like this one.
    fn objects(&self, sha256: Sha256) -> Result<Folder, FileError> {
        self.root.subfolder("sha256")?.subfolder(&sha256.to_string()[..2])
    }

    pub(super) fn partial(&self) -> Result<Folder, FileError> {
        self.root.subfolder("partial")
    }

    /// Puts `bytes` in.
    ///
    /// # Errors
    /// Names the file that can't be written.
    pub fn insert(&self, bytes: &[u8]) -> Result<Sha256, FileError> {
        let sha256 = Sha256::of(bytes);
        if self.get(sha256)?.is_none() {
            self.objects(sha256)?.replace(sha256.to_string(), bytes)?;
        }
        Ok(sha256)
    }

    /// A download of the object with this digest, begun or resumed. Other processes that want the
    /// same object wait here.
    ///
    /// # Errors
    /// Names the file that can't be made.
    pub fn begin(&self, sha256: Sha256) -> Result<Partial<'_>, FileError> {
        let folder = self.partial()?;
        let file = folder.open_locked(sha256.to_string())?;
        Ok(Partial { store: self, sha256, folder, file })
    }

    /// A file without a name, as long as it is open: room for what does not fit into memory.
    ///
    /// # Errors
    /// Names the file that can't be made.
    pub fn scratch(&self) -> Result<File, FileError> {
        match self.partial().and_then(|partial| files::create_unnamed(&partial)) {
            Err(error) if error.is_denied() => files::create_unnamed(&Folder::open(&self.scratch)?),
            made => made,
        }
    }

    /// A folder that goes with the value, for files that have to have names.
    ///
    /// # Errors
    /// Names the folder that can't be made.
    pub fn scratch_folder(&self, name: &str) -> Result<Staging, FileError> {
        let own = format!("{name}-{}", std::process::id());
        match self.partial().and_then(|partial| Staging::new(&partial.path(&own))) {
            Err(error) if error.is_denied() => Staging::new(&self.scratch.join(own)),
            made => made,
        }
    }

    /// Names the folder of scratch files in an error of writing to one.
    #[must_use]
    pub fn scratch_error(&self, source: io::Error) -> FileError {
        cannot("write a scratch file in", &self.root.path("partial"))(source)
    }
}

/// Removes what is not an object. In a store that can't be written to it stays, and is not used.
pub(super) fn dropped(folder: &Folder, name: &str) -> Result<(), FileError> {
    match folder.remove(name) {
        Err(error) if error.is_denied() => Ok(()),
        removed => removed,
    }
}

/// A download under way.
pub struct Partial<'a> {
    store: &'a Store,
    sha256: Sha256,
    folder: Folder,
    file: File,
}

impl Partial<'_> {
    fn path(&self) -> PathBuf {
        self.folder.path(self.sha256.to_string())
    }

    /// How many bytes are there from earlier tries.
    ///
    /// # Errors
    /// Names the file.
    pub fn fetched(&self) -> Result<u64, FileError> {
        Ok(self.file.metadata().map_err(cannot("read", &self.path()))?.len())
    }

    /// Appends what `body` has from `offset` on, up to `limit` bytes in all; earlier bytes beyond
    /// `offset` are dropped. `passed` gets every piece.
    ///
    /// # Errors
    /// Names the file; the inner error is the reader's.
    pub fn append(
        &mut self,
        offset: u64,
        limit: u64,
        body: &mut dyn Read,
        passed: &mut dyn FnMut(u64),
    ) -> Result<io::Result<u64>, FileError> {
        let path = self.path();
        let fail = || cannot("write", &path);
        self.file.set_len(offset).map_err(fail())?;
        let mut at = offset;
        let mut buf = vec![0; 1 << 16];
        while at <= limit {
            let n = match body.read(&mut buf) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) => return Ok(Err(error)),
            };
            self.file.write_all_at(&buf[..n], at).map_err(fail())?;
            at += n as u64;
            passed(n as u64);
        }
        Ok(Ok(at))
    }

    /// Checks what was fetched and takes it into the store; a mismatch drops it.
    ///
    /// # Errors
    /// Names the file that can't be read or renamed. The inner error is the digest that was found.
    pub fn finish(self) -> Result<Result<Blob, Sha256>, FileError> {
        let reader = self.file.try_clone().map_err(cannot("read", &self.path()))?;
        let (found, len) = hash_from_start(&reader).map_err(cannot("read", &self.path()))?;
        if found != self.sha256 {
            self.folder.remove(self.sha256.to_string())?;
            return Ok(Err(found));
        }
        self.file.sync_all().map_err(cannot("write", &self.path()))?;
        let (name, objects) = (self.sha256.to_string(), self.store.objects(self.sha256)?);
        self.folder.rename(&name, &objects, &name)?;
        objects.sync()?;
        // Whoever waits for this download goes on: two processes that each hold what the other one waits
        // for, for as long as they need their packages, would wait for ever.
        self.file.unlock().map_err(cannot("unlock", &objects.path(&name)))?;
        Ok(Ok(Blob { sha256: found, len, file: Arc::new(self.file) }))
    }
}

fn hash_from_start(file: &File) -> io::Result<(Sha256, u64)> {
    use std::io::Seek;
    let mut file = file;
    file.rewind()?;
    Sha256::of_reader(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_object_is_dropped_never_served() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None, folder.path()).unwrap();
        let sha256 = store.insert(b"bytes").unwrap();
        assert_eq!(store.get(sha256).unwrap().unwrap().bytes().unwrap(), b"bytes");
        let object = store.objects(sha256).unwrap().path(sha256.to_string());
        files::replace(&object, b"bytez").unwrap();
        assert!(store.get(sha256).unwrap().is_none());
        assert!(!object.exists());
    }

    #[test]
    fn what_is_no_file_is_no_object_and_is_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None, folder.path()).unwrap();
        let sha256 = Sha256::of(b"bytes");
        let object = store.objects(sha256).unwrap().path(sha256.to_string());
        mknodat(CWD, &object, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(store.get(sha256).unwrap().is_none());
        std::os::unix::fs::symlink("/dev/zero", &object).unwrap();
        assert!(store.get(sha256).unwrap().is_none());
        store.insert(b"bytes").unwrap();
        assert!(store.get(sha256).unwrap().is_some());
    }

    #[test]
    fn a_link_in_the_place_of_a_download_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        files::replace(&victim, b"precious").unwrap();
        let store = Store::open(&folder.path().join("store"), None, folder.path()).unwrap();
        let sha256 = Sha256::of(b"0123456789");
        let place = store.partial().unwrap().path(sha256.to_string());
        std::os::unix::fs::symlink(&victim, &place).unwrap();
        let mut partial = store.begin(sha256).unwrap();
        partial.append(0, 10, &mut &b"0123456789"[..], &mut |_| ()).unwrap().unwrap();
        partial.finish().unwrap().unwrap();
        assert_eq!(files::read(&victim).unwrap(), b"precious");
        assert_eq!(store.get(sha256).unwrap().unwrap().bytes().unwrap(), b"0123456789");
        std::fs::remove_dir(folder.path().join("store/partial")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("store/partial")).unwrap();
        assert!(store.begin(sha256).is_err(), "nor is the folder of downloads, where it is a link");
    }

    #[test]
    fn scratch_files_have_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None, folder.path()).unwrap();
        let (one, two) = (store.scratch().unwrap(), store.scratch().unwrap());
        one.write_all_at(b"one", 0).unwrap();
        two.write_all_at(b"two", 0).unwrap();
        let mut read = [0; 3];
        one.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"one");
        assert!(files::list(&folder.path().join("partial")).unwrap().is_empty());
    }

    /// Two processes that fetch the same packages each hold some while they wait for the others.
    #[test]
    fn what_was_fetched_is_locked_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None, folder.path()).unwrap();
        let sha256 = Sha256::of(b"0123456789");
        let mut partial = store.begin(sha256).unwrap();
        let waiting = files::open(&partial.path()).unwrap();
        partial.append(0, 10, &mut &b"0123456789"[..], &mut |_| ()).unwrap().unwrap();
        assert!(waiting.try_lock().is_err(), "a download has one writer");
        let blob = partial.finish().unwrap().unwrap();
        assert!(waiting.try_lock().is_ok(), "and an object none");
        drop(blob);
    }

    #[test]
    fn downloads_resume_and_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None, folder.path()).unwrap();
        let sha256 = Sha256::of(b"0123456789");
        let mut partial = store.begin(sha256).unwrap();
        partial.append(0, 10, &mut &b"01234"[..], &mut |_| ()).unwrap().unwrap();
        drop(partial);
        let mut partial = store.begin(sha256).unwrap();
        assert_eq!(partial.fetched().unwrap(), 5);
        partial.append(5, 10, &mut &b"56789"[..], &mut |_| ()).unwrap().unwrap();
        assert_eq!(partial.finish().unwrap().unwrap().len, 10);
        let mut partial = store.begin(Sha256::of(b"other")).unwrap();
        partial.append(0, 5, &mut &b"wrong"[..], &mut |_| ()).unwrap().unwrap();
        assert_eq!(partial.finish().unwrap().unwrap_err(), Sha256::of(b"wrong"));
        assert!(store.get(sha256).unwrap().is_some());
    }
}
