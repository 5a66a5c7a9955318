//! The file system of the host: every error names the file, folders list in byte order, and a
//! finished file appears by rename (I10).
//!
//! The contract: what is opened here as a file is a regular one, so nothing waits for the writer of a
//! pipe; what is read whole has a bound, kept while it is read; what has a fixed name in a folder that
//! somebody else may have filled is reached through its [`Folder`], without following links.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is the one home of the bare file-system calls"
)]

mod folder;
mod staging;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use cvmkit_formats::source::Source;
use rustix::fs::OFlags;
use thiserror::Error;

pub use folder::Folder;
pub use staging::{Output, Published, Staging};

use crate::document::Misfit;
use crate::fault::{Diagnosis, Fault};

/// Longest file that is read whole unless a reader has a bound of its own: no kernel, firmware or
/// event log has a tenth of it. What may be longer, such as an initramfs, is read piece by piece.
const WHOLE_MAX: u64 = 128 << 20;

/// Longest text: sums, command lines, profiles, of some kB. One that is TOML takes up to 150 times as
/// much memory.
const TEXT_MAX: u64 = 2 << 20;

/// A file that is there and can't be what it should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unsuitable {
    /// A folder, a pipe, a device.
    #[error("it is not a regular file")]
    NoFile,
    /// Longer than anything of its kind.
    #[error("expected at most {0} bytes")]
    TooLong(u64),
    /// No document, or one of another type.
    #[error(transparent)]
    Malformed(Misfit),
    /// What belongs to nobody else's build.
    #[error("{0}")]
    Foreign(String),
}

impl Unsuitable {
    /// As an error of a reader or a writer.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, self)
    }
}

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

    /// True when a link is there that is not followed.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
    }

    /// True when something is there that can't be what it should be.
    #[must_use]
    pub fn is_unsuitable(&self) -> bool {
        self.source.get_ref().is_some_and(|inner| inner.is::<Unsuitable>())
    }

    /// True when its bytes are not what they should be.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.source.kind() == io::ErrorKind::InvalidData
    }

    /// True when the file is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl Diagnosis for FileError {
    fn fault(&self) -> Fault {
        if self.is_unsuitable() { Fault::Definition } else { Fault::Environment }
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

/// The whole of a regular file.
///
/// # Errors
/// Names the file; one of more than 128 MiB is refused.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, WHOLE_MAX)
}

/// The whole of a regular file of at most `limit` bytes.
///
/// # Errors
/// Names the file.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    bounded(file, limit).map_err(cannot("read", path))
}

/// What a file has from where it is read, if that is at most `limit` bytes.
///
/// # Errors
/// [`Unsuitable::TooLong`] within, or what the system says.
pub fn bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let said = file.metadata()?.len();
    if said > limit {
        return Err(Unsuitable::TooLong(limit).into_io());
    }
    let mut bytes = Vec::new();
    // To grow piece by piece would copy a large file several times.
    bytes.try_reserve_exact(usize::try_from(said).map_err(io::Error::other)?)?;
    // What a file says about its length holds only for one that nobody writes to.
    let len = file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if len as u64 > limit { Err(Unsuitable::TooLong(limit).into_io()) } else { Ok(bytes) }
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
/// Names the file; one of more than 2 MiB is refused.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let bytes = read_at_most(path, TEXT_MAX)?;
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(bytes).map_err(|error| cannot("read", path)(invalid(error)))
}

/// Opens a regular file to read, and nothing else: to open a pipe would wait for its writer.
///
/// # Errors
/// Names the file.
pub fn open(path: &Path) -> Result<File, FileError> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path);
    let file = opened.map_err(cannot("open", path))?;
    regular(file).map_err(cannot("open", path))
}

/// The file, if it is a regular one.
fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(Unsuitable::NoFile.into_io()) }
}

/// Opens what the user names to be read from start to end: a pipe or a device is taken too, and is
/// waited for. Whoever reads it keeps a bound.
///
/// # Errors
/// Names the file.
pub fn open_stream(path: &Path) -> Result<File, FileError> {
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
    let Some(name) = path.file_name() else {
        return Err(cannot("create", path)(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    Folder::open(parent(path))?.replace(name, bytes)
}

/// A name beside `name` that this process alone uses.
pub fn partial_name(name: &std::ffi::OsStr) -> std::ffi::OsString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".partial-{process}-{count}"));
    partial
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

/// A new file in `folder` that loses its name at once: it goes when it is closed, however the
/// process ends.
///
/// # Errors
/// Names the file.
pub fn create_unnamed(folder: &Folder) -> Result<File, FileError> {
    let name = partial_name("scratch".as_ref());
    let file = folder.create_with(&name, 0o600)?;
    folder.remove(&name)?;
    Ok(file)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Names the folder.
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    Folder::open(path)?.sync()
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

/// Lets other processes have a file of [`Folder::open_locked`] that stays open here.
///
/// # Errors
/// Names the file.
pub fn unlock(file: &File, path: &Path) -> Result<(), FileError> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock).map_err(cannot("unlock", path))
}

/// An open file as a random-access source of fixed length.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Opens `path`, a regular file.
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
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let error = read(path).unwrap_err();
            assert!(error.is_unsuitable(), "{error:?}");
            assert_eq!(error.fault(), Fault::Definition);
            assert!(FileSource::open(path).is_err() && read_text(path).is_err());
        }
    }

    #[test]
    fn a_bound_is_kept_while_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        File::create(&path).unwrap().set_len(WHOLE_MAX + 1).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.is_unsuitable() && error.source.to_string().contains("134217728"));
        assert!(read_text(&path).unwrap_err().is_unsuitable());
        // What says that it is longer than memory is refused as too long, before any of it is asked for.
        File::create(&path).unwrap().set_len(1 << 43).unwrap();
        assert!(read(&path).unwrap_err().is_unsuitable());
        // Texts have a bound of their own.
        File::create(&path).unwrap().set_len(TEXT_MAX + 1).unwrap();
        assert!(read(&path).is_ok() && read_text(&path).unwrap_err().is_unsuitable());
        // A file that says it is empty and has no end.
        let error = bounded(File::open("/dev/zero").unwrap(), 1000).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 1000 bytes");
        replace(&path, b"12345").unwrap();
        assert_eq!(read_at_most(&path, 5).unwrap(), b"12345");
        assert!(read_at_most(&path, 4).is_err());
    }
}
