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

mod error;
mod folder;
mod names;
mod open;
mod staging;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub use error::{FileError, Unsuitable, cannot, file_error};
pub use folder::{Folder, make_folder};
pub use names::{parent, partial_name};
pub use open::{FileSource, open, open_stream};
pub use staging::{Output, Published, Staging};

/// Longest file that is read whole unless a reader has a bound of its own: no kernel, firmware or
/// event log has a tenth of it. What may be longer, such as an initramfs, is read piece by piece.
const WHOLE_MAX: u64 = 128 << 20;

/// Longest text: sums, command lines, profiles, of some kB. One that is TOML takes up to 150 times as
/// much memory.
const TEXT_MAX: u64 = 2 << 20;

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::fault::{Diagnosis, Fault};

    /// Whether `names` are what is in a folder, hidden ones too.
    fn holds(folder: &Path, names: &[&str]) -> bool {
        let listed = list(folder).unwrap().into_iter().map(|(name, _)| name.into_string().unwrap());
        listed.collect::<Vec<_>>() == names
    }

    #[test]
    fn replaced_files_are_whole_and_leave_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert!(holds(folder.path(), &["a"]));
        // What is not there can't be replaced: neither a folder nor what has no name.
        let error = replace(&folder.path().join("none/a"), b"x").unwrap_err();
        assert_eq!((error.action, error.path), ("open the folder", folder.path().join("none")));
        let error = replace(Path::new("/"), b"x").unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput);
        // A folder in the place stays, and nothing is left beside it.
        make_folder(&folder.path().join("b/c")).unwrap();
        assert!(replace(&folder.path().join("b"), b"x").is_err());
        assert!(holds(folder.path(), &["a", "b"]));
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
            assert_eq!((error.action, error.path.as_path()), ("open", path));
            assert_eq!(error.source.to_string(), "it is not a regular file");
            assert_eq!(error.fault(), Fault::Definition);
            assert!(FileSource::open(path).is_err() && read_text(path).is_err());
            assert!(read_up_to(path, 1).is_err());
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
        File::create(&path).unwrap().set_len(TEXT_MAX).unwrap();
        assert_eq!(read_text(&path).unwrap().len() as u64, TEXT_MAX);
        // A file that says it is empty and has no end.
        let error = bounded(File::open("/dev/zero").unwrap(), 1000).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 1000 bytes");
        replace(&path, b"12345").unwrap();
        assert_eq!(read_at_most(&path, 5).unwrap(), b"12345");
        assert_eq!(
            read_at_most(&path, 4).unwrap_err().source.to_string(),
            "expected at most 4 bytes"
        );
        replace(&path, b"").unwrap();
        assert_eq!(read_at_most(&path, 0).unwrap(), b"");
    }

    #[test]
    fn the_start_of_a_file_is_read_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"12345").unwrap();
        for (max, expected) in [(0, ""), (4, "1234"), (5, "12345"), (6, "12345")] {
            assert_eq!(read_up_to(&path, max).unwrap(), expected.as_bytes(), "{max}");
        }
    }

    #[test]
    fn a_text_is_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, "größer".as_bytes()).unwrap();
        assert_eq!(read_text(&path).unwrap(), "größer");
        replace(&path, b"gr\xf6\xdfer").unwrap();
        let error = read_text(&path).unwrap_err();
        assert!(error.is_invalid() && !error.is_unsuitable(), "{error:?}");
        assert_eq!((error.action, error.path.as_path()), ("read", path.as_path()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        for (error, action) in [
            (read(&path).unwrap_err(), "open"),
            (read_text(&path).unwrap_err(), "open"),
            (read_up_to(&path, 1).unwrap_err(), "open"),
            (open_stream(&path).unwrap_err(), "open"),
            (FileSource::open(&path).unwrap_err(), "open"),
            (list(&path).unwrap_err(), "list"),
            (read_link(&path).unwrap_err(), "read the link"),
            (sync_folder(&path).unwrap_err(), "open the folder"),
            (create(&path.join("x")).unwrap_err(), "create"),
        ] {
            assert!(error.is_not_found() && error.path.starts_with(&path), "{error:?}");
            assert_eq!(error.action, action);
            assert_eq!(error.fault(), Fault::Environment);
            assert_eq!(error.to_string(), format!("cannot {action} `{}`", error.path.display()));
        }
        // To remove what is not there is no error; a folder is not removed as a file.
        remove(&path).unwrap();
        let error = remove(folder.path()).unwrap_err();
        assert_eq!((error.action, error.path.as_path()), ("remove", folder.path()));
    }

    #[test]
    fn names_are_listed_in_byte_order_with_their_types() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "B", "a-b", "a", ".h", "ä"] {
            replace(&folder.path().join(name), b"").unwrap();
        }
        make_folder(&folder.path().join("d/e")).unwrap();
        symlink("d", folder.path().join("l")).unwrap();
        assert!(holds(folder.path(), &[".h", "B", "a", "a-b", "b", "d", "l", "ä"]));
        for (name, kind) in list(folder.path()).unwrap() {
            let types = (kind.is_file(), kind.is_dir(), kind.is_symlink());
            let expected = (name != "d" && name != "l", name == "d", name == "l");
            assert_eq!(types, expected, "{name:?}");
        }
        assert_eq!(read_link(&folder.path().join("l")).unwrap(), Path::new("d"));
        remove(&folder.path().join("l")).unwrap();
        assert!(folder.path().join("d").exists(), "what a link leads to stays");
    }

    #[test]
    fn a_finished_file_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (finished, path) = (folder.path().join("f"), folder.path().join("p"));
        for text in ["one", "two"] {
            replace(&finished, text.as_bytes()).unwrap();
            place(&finished, &path).unwrap();
            assert_eq!(read_text(&path).unwrap(), text);
            assert!(holds(folder.path(), &["p"]));
        }
        // `place_new` leaves what is there, and the finished file goes all the same.
        replace(&finished, b"three").unwrap();
        place_new(&finished, &path).unwrap();
        assert_eq!(read_text(&path).unwrap(), "two");
        assert!(holds(folder.path(), &["p"]));
        replace(&finished, b"four").unwrap();
        place_new(&finished, &folder.path().join("q")).unwrap();
        assert_eq!(read_text(&folder.path().join("q")).unwrap(), "four");
        assert!(holds(folder.path(), &["p", "q"]));
        for error in [
            place(&finished, &path).unwrap_err(),
            place_new(&finished, &folder.path().join("r")).unwrap_err(),
        ] {
            assert!(error.is_not_found() && error.action == "create", "{error:?}");
        }
    }

    #[test]
    fn a_created_file_is_empty_and_readable_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"old").unwrap();
        let file = create(&path).unwrap();
        let status = file.metadata().unwrap();
        assert_eq!((status.len(), status.mode() & 0o7777), (0, 0o644));
    }

    #[test]
    fn a_scratch_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = create_unnamed(&Folder::open(folder.path()).unwrap()).unwrap();
        assert!(holds(folder.path(), &[]));
        let status = file.metadata().unwrap();
        assert_eq!((status.nlink(), status.mode() & 0o7777), (0, 0o600));
    }

    #[test]
    fn an_unlocked_file_can_be_locked_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(folder.path()).unwrap();
        let file = folder.open_locked("a").unwrap();
        let other = folder.file("a").unwrap();
        let lock = || {
            rustix::fs::flock(&other, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
        };
        assert!(!lock());
        unlock(&file, &folder.path("a")).unwrap();
        assert!(lock());
    }
}
