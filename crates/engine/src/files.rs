//! The file system of the host: every error names the file, folders list in byte order, and a
//! finished file appears by rename (I10).

#![expect(
    clippy::disallowed_methods,
    reason = "this module is the one home of the bare file-system calls"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cvmkit_formats::sink::Sink;
use cvmkit_formats::source::Source;
use rustix::fs::FlockOperation;
use thiserror::Error;

use crate::fault::{Diagnosis, Fault};

/// A file-system call that failed, and on what.
#[derive(Debug, Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    /// The verb, as in `cannot read`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// True when this user may not do it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(self.source.kind(), PermissionDenied | ReadOnlyFilesystem)
    }

    /// True when the file is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl Diagnosis for FileError {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        let holder = parent(&self.path).display();
        match self.source.kind() {
            io::ErrorKind::StorageFull => {
                Some(format!("make room on the disk that holds `{holder}`"))
            }
            io::ErrorKind::QuotaExceeded => Some(format!("the quota of `{holder}` is used up")),
            io::ErrorKind::FileTooLarge => Some("the limit on the size of files is too low".into()),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Some(format!("see who may write to `{holder}`"))
            }
            _ => None,
        }
    }
}

/// The error of a file within an error of something that wrote to it or read from it.
#[must_use]
pub fn file_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a FileError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref());
        if let Some(found) = error.downcast_ref().or(inner) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Names the file in an error: `.map_err(cannot("read", path))`.
pub fn cannot<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> FileError + use<E> {
    let path = path.to_owned();
    move |source| FileError { action, path, source: source.into() }
}

/// The whole file.
///
/// # Errors
/// Names the file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(cannot("read", path))
}

/// The first bytes of a file, at most `max` of them: one that never ends is read no further.
///
/// # Errors
/// Names the file.
pub fn read_up_to(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    open(path)?.take(max).read_to_end(&mut bytes).map_err(cannot("read", path))?;
    Ok(bytes)
}

/// The whole file, as UTF-8.
///
/// # Errors
/// Names the file.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(cannot("read", path))
}

/// Opens a file to read.
///
/// # Errors
/// Names the file.
pub fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(cannot("open", path))
}

/// Makes a folder and its parents.
///
/// # Errors
/// Names the folder.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(cannot("create the folder", path))
}

/// The names in a folder, in byte order, each with its type.
///
/// # Errors
/// Names the folder.
pub fn list(path: &Path) -> Result<Vec<(std::ffi::OsString, fs::FileType)>, FileError> {
    let fail = || cannot("list", path);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(fail())? {
        let entry = entry.map_err(fail())?;
        names.push((entry.file_name(), entry.file_type().map_err(fail())?));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(names)
}

/// The target of a symbolic link.
///
/// # Errors
/// Names the link.
pub fn read_link(path: &Path) -> Result<PathBuf, FileError> {
    fs::read_link(path).map_err(cannot("read the link", path))
}

/// Removes a file, if it is there.
///
/// # Errors
/// Names the file.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Writes a file so that it appears whole or not at all.
///
/// # Errors
/// Names the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let partial = partial_name(path);
    let written = create(&partial).and_then(|mut file| {
        file.write_all(bytes).map_err(cannot("write", &partial))?;
        file.sync_all().map_err(cannot("write", &partial))
    });
    let placed = written.and_then(|()| place(&partial, path));
    if placed.is_err() {
        remove(&partial)?;
    }
    placed
}

/// Renames a finished and synced file to its final name and syncs the folder.
///
/// # Errors
/// Names the final file.
pub fn place(finished: &Path, path: &Path) -> Result<(), FileError> {
    fs::rename(finished, path).map_err(cannot("create", path))?;
    sync_folder(parent(path))
}

/// Gives a finished file its name, unless something has that name already; the file goes then.
///
/// # Errors
/// Names the final file.
pub fn place_new(finished: &Path, path: &Path) -> Result<(), FileError> {
    match fs::hard_link(finished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(cannot("create", path)(error))
        }
        _ => {
            remove(finished)?;
            sync_folder(parent(path))
        }
    }
}

/// Gives a file another name, without waiting for the disk.
///
/// # Errors
/// Names the new one.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(cannot("create", to))
}

/// A new file in `folder` that loses its name at once: it goes when it is closed, however the
/// process ends.
///
/// # Errors
/// Names the file.
pub fn create_unnamed(folder: &Path) -> Result<File, FileError> {
    for attempt in 0_u32.. {
        let path = folder.join(format!(".scratch-{}-{attempt}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                remove(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("create", &path)(error)),
        }
    }
    Err(cannot("create a file in", folder)(io::Error::from(io::ErrorKind::AlreadyExists)))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Names the folder.
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    open(path)?.sync_all().map_err(cannot("sync", path))
}

/// The folder a path is in; `.` for a bare name.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A new file, readable by all whatever the umask, to be read and written by offset.
///
/// # Errors
/// Names the file.
pub fn create(path: &Path) -> Result<File, FileError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
        .map_err(cannot("create", path))?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))
        .map_err(cannot("set the mode of", path))?;
    Ok(file)
}

/// A file to append to, made when it is not there, locked against other processes.
///
/// # Errors
/// Names the file.
pub fn open_locked(path: &Path) -> Result<File, FileError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(cannot("create", path))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(cannot("lock", path))?;
    Ok(file)
}

/// Lets other processes have a file of [`open_locked`] that stays open here.
///
/// # Errors
/// Names the file.
pub fn unlock(file: &File, path: &Path) -> Result<(), FileError> {
    rustix::fs::flock(file, FlockOperation::Unlock).map_err(cannot("unlock", path))
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}

/// A folder where a build's files grow until all are finished.
///
/// It stands beside the final folder as `.NAME.partial`, is locked while its process lives, and
/// goes when the value is dropped. One left by a killed build is taken over by the next.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    target: PathBuf,
    /// Holds the lock; closing it lets go.
    _lock: File,
}

impl Staging {
    /// Prepares to fill `target`.
    ///
    /// # Errors
    /// Names the folder; another live build of the same target is an error too.
    pub fn new(target: &Path) -> Result<Self, FileError> {
        make_folder(parent(target))?;
        let path = partial_name(target);
        make_folder(&path)?;
        let lock = open(&path)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(cannot("use, as another build is using it,", &path))?;
        for (name, _) in list(&path)? {
            remove(&path.join(name))?;
        }
        Ok(Self { path, target: target.to_owned(), _lock: lock })
    }

    /// A new file of this name.
    ///
    /// # Errors
    /// Names the file.
    pub fn create(&self, name: &str) -> Result<Output, FileError> {
        let path = self.path.join(name);
        Ok(Output { file: create(&path)?, path })
    }

    /// Makes a staged file durable.
    ///
    /// # Errors
    /// Names the file.
    pub fn sync(&self, name: &str) -> Result<(), FileError> {
        let path = self.path(name);
        open(&path)?.sync_all().map_err(cannot("write", &path))
    }

    /// Where a staged file is now.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the staged files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Moves the named files into the target, in this order. Before that, `obsolete` ones go: an
    /// image must not stand beside what is left of another.
    ///
    /// # Errors
    /// Names the file that could not be moved.
    pub fn publish(self, names: &[String], obsolete: &[String]) -> Result<(), FileError> {
        make_folder(&self.target)?;
        for name in obsolete {
            remove(&self.target.join(name))?;
        }
        for name in names {
            let to = self.target.join(name);
            fs::rename(self.path.join(name), &to).map_err(cannot("create", &to))?;
        }
        sync_folder(&self.target)?;
        sync_folder(parent(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing is lost when this fails: the next build takes the folder over.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// A staged file that is being written.
#[derive(Debug)]
pub struct Output {
    file: File,
    path: PathBuf,
}

impl Output {
    /// Sets the final length; what is never written reads as zeros.
    ///
    /// # Errors
    /// Names the file.
    pub fn set_len(&self, len: u64) -> Result<(), FileError> {
        self.file.set_len(len).map_err(cannot("write", &self.path))
    }

    /// Makes the bytes durable.
    ///
    /// # Errors
    /// Names the file.
    pub fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().map_err(cannot("write", &self.path))
    }

    /// Names this file in an error of a writer.
    #[must_use]
    pub fn error(&self, source: io::Error) -> FileError {
        cannot("write", &self.path)(source)
    }

    /// The file as it is now, to read back.
    ///
    /// # Errors
    /// Names the file.
    pub fn reader(&self) -> Result<FileSource, FileError> {
        self.file.try_clone().and_then(FileSource::of).map_err(cannot("read", &self.path))
    }
}

impl Sink for Output {
    /// Its errors name the file, through whatever writer they pass.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| io::Error::new(error.kind(), self.error(error)))
    }

    /// The file was made empty and only grows: what is not written is zero.
    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        if self.file.metadata()?.len() < offset + len {
            self.file.set_len(offset + len)?;
        }
        Ok(())
    }
}

/// An open file as a random-access source of fixed length.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Opens `path`.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = open(path)?;
        let len = file.metadata().map_err(cannot("read", path))?.len();
        Ok(Self { file, len })
    }

    /// The length now of an open file.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_files_are_whole_and_leave_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(list(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn staging_goes_when_dropped_and_is_exclusive() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let staging = Staging::new(&target).unwrap();
        staging.create("half").unwrap().write_at(0, b"x").unwrap();
        assert!(Staging::new(&target).is_err(), "a second build of one folder");
        drop(staging);
        assert!(list(folder.path()).unwrap().is_empty());
        let staging = Staging::new(&target).unwrap();
        staging.create("whole").unwrap().write_at(0, b"x").unwrap();
        staging.publish(&["whole".into()], &["old".into()]).unwrap();
        assert_eq!(list(folder.path()).unwrap().len(), 1);
        assert_eq!(read(&target.join("whole")).unwrap(), b"x");
    }
}
