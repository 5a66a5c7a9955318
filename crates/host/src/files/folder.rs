//! An open folder: what is in it is reached through it, by plain names, and no link in it is followed.
//!
//! Somebody else may have put anything into the folder before, and may do so at any time. So names are
//! looked up relative to the folder that was opened, not by its path again; a file that is made is new;
//! one that is taken over is a regular file with no other name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, flock, linkat,
    mkdirat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::error::{FileError, Unsuitable, cannot};
use super::names::{parent, partial_name};
use super::open::regular;

/// Makes a folder and its parents.
///
/// # Errors
/// Names the folder.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(cannot("create the folder", path))
}

/// A folder that is open: files in it are found by its descriptor, so that another folder under its
/// name changes nothing.
#[derive(Clone, Debug)]
pub struct Folder {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

/// How every file of a folder is opened.
const FILE: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
/// How a folder is opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// The folder at `path`, as the user names it: links on the way are theirs.
    ///
    /// # Errors
    /// Names the folder.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let fd =
            openat(CWD, path, FOLDER, Mode::empty()).map_err(cannot("open the folder", path))?;
        Ok(Self { fd: Arc::new(fd), path: path.to_owned() })
    }

    /// The folder at `path`, made with its parents when it is not there.
    ///
    /// # Errors
    /// Names the folder.
    pub fn make(path: &Path) -> Result<Self, FileError> {
        make_folder(path)?;
        Self::open(path)
    }

    /// A folder in this one, made when it is not there; never what a link leads to.
    ///
    /// # Errors
    /// Names it.
    pub fn subfolder(&self, name: impl AsRef<OsStr>) -> Result<Self, FileError> {
        let name = name.as_ref();
        let path = self.path(name);
        let made = mkdirat(&*self.fd, name, Mode::from_raw_mode(0o777));
        if let Err(error) = made
            && !matches!(error, Errno::EXIST | Errno::ROFS | Errno::ACCESS | Errno::PERM)
        {
            return Err(cannot("create the folder", &path)(error));
        }
        // Where nothing can be made, what is there already still serves.
        let fd = openat(&*self.fd, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let fd = fd.map_err(|error| match error {
            // What is there is a link, or no folder.
            Errno::LOOP | Errno::NOTDIR => {
                let why = "it is not a folder, and links are not followed here".to_owned();
                cannot("use", &path)(Unsuitable::Foreign(why).into_io())
            }
            Errno::NOENT => cannot("create the folder", &path)(made.err().unwrap_or(error)),
            error => cannot("open the folder", &path)(error),
        })?;
        Ok(Self { fd: Arc::new(fd), path })
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// Where a file in it is, for messages.
    #[must_use]
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// Opens a regular file in it to read.
    ///
    /// # Errors
    /// Names the file.
    pub fn file(&self, name: impl AsRef<OsStr>) -> Result<File, FileError> {
        self.opened(name.as_ref(), OFlags::RDONLY, 0, "open")
    }

    /// A new file in it, readable by all whatever the umask.
    ///
    /// # Errors
    /// Names the file; that it is there already is one.
    pub fn create(&self, name: impl AsRef<OsStr>) -> Result<File, FileError> {
        self.create_with(name.as_ref(), 0o644)
    }

    /// Creates a file with this mode.
    ///
    /// # Errors
    /// The name is taken, or what the system says.
    pub fn create_with(&self, name: &OsStr, mode: u32) -> Result<File, FileError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = self.opened(name, flags, mode, "create")?;
        let path = self.path(name);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(cannot("set the mode of", &path))?;
        Ok(file)
    }

    /// A file in it to append to, made when it is not there, locked against other processes. What is
    /// no file of ours loses its name: a link, a pipe, a file with another name elsewhere.
    ///
    /// # Errors
    /// Names the file.
    pub fn open_locked(&self, name: impl AsRef<OsStr>) -> Result<File, FileError> {
        let name = name.as_ref();
        let path = self.path(name);
        loop {
            let file = match self.opened(name, OFlags::RDWR | OFlags::CREATE, 0o666, "create") {
                Ok(file) => file,
                Err(error) if error.is_unsuitable() || error.is_link() => {
                    self.remove(name)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            flock(&file, FlockOperation::LockExclusive).map_err(cannot("lock", &path))?;
            // Another process may have renamed the file while this one waited.
            let Some(named) = self.stat(name)? else { continue };
            let open = file.metadata().map_err(cannot("read", &path))?;
            if (open.dev(), open.ino()) != (named.st_dev, named.st_ino) {
                continue;
            }
            if open.nlink() == 1 {
                return Ok(file);
            }
            self.remove(name)?;
        }
    }

    fn opened(
        &self,
        name: &OsStr,
        flags: OFlags,
        mode: u32,
        action: &'static str,
    ) -> Result<File, FileError> {
        let path = self.path(name);
        let fd = openat(&*self.fd, name, FILE | flags, Mode::from_raw_mode(mode));
        // A pipe without a reader, a socket, a folder.
        let fd = fd.map_err(|error| match error {
            Errno::NXIO | Errno::ISDIR => cannot(action, &path)(Unsuitable::NoFile.into_io()),
            error => cannot(action, &path)(error),
        })?;
        regular(File::from(fd)).map_err(cannot(action, &path))
    }

    /// What has this name, itself and not where it leads; none if nothing has.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>, FileError> {
        let name = name.as_ref();
        match statat(&*self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(cannot("read", &self.path(name))(error)),
        }
    }

    /// The names in it, in byte order, each with its type.
    ///
    /// # Errors
    /// Names the folder.
    pub fn list(&self) -> Result<Vec<(OsString, FileType)>, FileError> {
        let fail = || cannot("list", &self.path);
        let mut names = Vec::new();
        for entry in Dir::read_from(&*self.fd).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let name = OsStr::from_bytes(name).to_owned();
            if let Some(stat) = self.stat(&name)? {
                names.push((name, FileType::from_raw_mode(stat.st_mode)));
            }
        }
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(names)
    }

    /// Removes what has this name, a folder with all that is in it; nothing that a link leads to.
    ///
    /// # Errors
    /// Names what can't be removed.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<(), FileError> {
        let name = name.as_ref();
        let fail = |error| cannot("remove", &self.path(name))(error);
        match unlinkat(&*self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) if self.is_folder(name)? => {}
            Err(error) => return Err(fail(error)),
        }
        self.subfolder(name)?.clear()?;
        match unlinkat(&*self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(fail(error)),
        }
    }

    fn is_folder(&self, name: &OsStr) -> Result<bool, FileError> {
        let stat = self.stat(name)?;
        Ok(stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory))
    }

    /// Removes all that is in it.
    ///
    /// # Errors
    /// Names what can't be removed.
    pub fn clear(&self) -> Result<(), FileError> {
        self.list()?.into_iter().try_for_each(|(name, _)| self.remove(name))
    }

    /// Writes a file so that it appears whole or not at all.
    ///
    /// # Errors
    /// Names the file.
    pub fn replace(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> Result<(), FileError> {
        let name = name.as_ref();
        let partial = partial_name(name);
        let mut file = self.create(&partial)?;
        let path = self.path(&partial);
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let placed = written.map_err(cannot("write", &path)).and_then(|()| {
            self.rename(&partial, self, name)?;
            self.sync()
        });
        if placed.is_err() {
            self.remove(&partial)?;
        }
        placed
    }

    /// Gives a file or folder in it another name, here or in another folder.
    ///
    /// # Errors
    /// Names the new one.
    pub fn rename(
        &self,
        from: impl AsRef<OsStr>,
        folder: &Self,
        to: impl AsRef<OsStr>,
    ) -> Result<(), FileError> {
        let to = to.as_ref();
        let renamed = renameat(&*self.fd, from.as_ref(), &*folder.fd, to);
        renamed.map_err(cannot("create", &folder.path(to)))
    }

    /// Gives two things in it each other's name, at once.
    pub fn exchange(&self, one: &OsStr, other: &OsStr) -> io::Result<()> {
        Ok(renameat_with(&*self.fd, one, &*self.fd, other, RenameFlags::EXCHANGE)?)
    }

    /// As [`Folder::rename`], unless something has the new name.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match renameat_with(&*self.fd, from, &*self.fd, to, RenameFlags::NOREPLACE) {
            // A file system that can't: for a folder, `rename` replaces none but an empty one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                Ok(renameat(&*self.fd, from, &*self.fd, to)?)
            }
            renamed => Ok(renamed?),
        }
    }

    /// Gives a regular file of it one more name, in another folder; that it is taken is no error.
    pub fn link(&self, name: &OsStr, folder: &Self) -> Result<(), FileError> {
        match linkat(&*self.fd, name, &*folder.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(cannot("create", &folder.path(name))(error)),
        }
    }

    /// Takes the lock of the folder, which goes when the last copy of this value is dropped.
    pub fn lock(&self) -> io::Result<()> {
        Ok(flock(&*self.fd, FlockOperation::NonBlockingLockExclusive)?)
    }

    /// Whether a name of another folder is this very one.
    pub fn is_at(&self, folder: &Self, name: &OsStr) -> Result<bool, FileError> {
        let own = rustix::fs::fstat(&*self.fd).map_err(cannot("read", &self.path))?;
        let named = folder.stat(name)?;
        Ok(named.is_some_and(|named| (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino)))
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// Names the folder.
    pub fn sync(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&*self.fd).map_err(cannot("sync", &self.path))
    }

    /// The folder that holds `path`, and its name there.
    pub fn of(path: &Path) -> Result<(Self, OsString), FileError> {
        let name = path.file_name().ok_or_else(|| {
            let why = "it has no file name".to_owned();
            cannot("use", path)(Unsuitable::Foreign(why).into_io())
        })?;
        Ok((Self::make(parent(path))?, name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::make(&temporary.path().join("ours")).unwrap();
        (temporary, folder)
    }

    #[test]
    fn a_link_under_a_fixed_name_is_not_followed() {
        let (temporary, folder) = folder();
        let victim = temporary.path().join("victim");
        super::super::replace(&victim, b"precious").unwrap();
        symlink(&victim, folder.path("fixed")).unwrap();
        let mut file = folder.open_locked("fixed").unwrap();
        file.write_all(b"ours").unwrap();
        fs::hard_link(&victim, folder.path("hard")).unwrap();
        folder.open_locked("hard").unwrap().write_all(b"ours").unwrap();
        assert_eq!(super::super::read(&victim).unwrap(), b"precious");
        symlink(&victim, folder.path("new")).unwrap();
        assert!(folder.create("new").is_err() && folder.file("new").is_err());
        folder.replace("new", b"ours").unwrap();
        assert_eq!(super::super::read(&victim).unwrap(), b"precious");
        assert_eq!(super::super::read(&folder.path("new")).unwrap(), b"ours");
    }

    fn names(folder: &Folder) -> Vec<String> {
        let listed = folder.list().unwrap().into_iter();
        listed.map(|(name, _)| name.into_string().unwrap()).collect()
    }

    /// How an error names its file, and what is wrong with it.
    fn told(error: &FileError) -> (String, io::ErrorKind) {
        let name = error.path.file_name().unwrap_or_default().to_string_lossy();
        (format!("{} {name}", error.action), error.source.kind())
    }

    #[test]
    fn a_new_file_is_new_and_has_its_mode() {
        let (_temporary, folder) = folder();
        for (name, mode) in [("a", 0o644), ("b", 0o600), ("c", 0o777)] {
            let file = match mode {
                0o644 => folder.create(name).unwrap(),
                mode => folder.create_with(name.as_ref(), mode).unwrap(),
            };
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, mode);
            let error = folder.create(name).unwrap_err();
            assert_eq!(told(&error), (format!("create {name}"), io::ErrorKind::AlreadyExists));
        }
        assert_eq!(names(&folder), ["a", "b", "c"]);
        let error = folder.file("none").unwrap_err();
        assert_eq!(told(&error), ("open none".into(), io::ErrorKind::NotFound));
        folder.subfolder("d").unwrap();
        assert!(folder.file("d").unwrap_err().is_unsuitable());
        assert!(folder.create("d").is_err());
    }

    #[test]
    fn a_subfolder_is_made_once_and_is_a_folder() {
        let (_temporary, folder) = folder();
        folder.subfolder("a").unwrap().create("x").unwrap();
        assert_eq!(names(&folder.subfolder("a").unwrap()), ["x"], "what is there is kept");
        folder.create("file").unwrap();
        let error = folder.subfolder("file").unwrap_err();
        assert!(error.is_unsuitable() && error.action == "use", "{error:?}");
        assert_eq!(error.source.to_string(), "it is not a folder, and links are not followed here");
        let error = folder.subfolder("none/b").unwrap_err();
        assert_eq!(told(&error), ("create the folder b".into(), io::ErrorKind::NotFound));
    }

    #[test]
    fn things_in_a_folder_are_told_apart() {
        let (_temporary, folder) = folder();
        folder.create("b").unwrap();
        folder.subfolder("c").unwrap();
        symlink("nowhere", folder.path("a")).unwrap();
        let listed: Vec<_> = folder.list().unwrap();
        let expected =
            [("a", FileType::Symlink), ("b", FileType::RegularFile), ("c", FileType::Directory)];
        assert_eq!(listed, expected.map(|(name, kind)| (name.into(), kind)));
        assert!(folder.stat("none").unwrap().is_none());
        assert!(folder.stat("a").unwrap().is_some(), "a link is there, wherever it leads");
        let error = folder.stat("b/x").unwrap_err();
        assert_eq!(told(&error), ("read x".into(), io::ErrorKind::NotADirectory));
    }

    #[test]
    fn a_file_gets_another_name_here_or_elsewhere() {
        let (_temporary, folder) = folder();
        let other = folder.subfolder("other").unwrap();
        folder.create("a").unwrap().write_all(b"a").unwrap();
        folder.create("b").unwrap().write_all(b"b").unwrap();
        folder.rename("a", &other, "c").unwrap();
        assert_eq!(
            (names(&folder), names(&other)),
            (vec!["b".into(), "other".into()], vec!["c".into()])
        );
        folder.rename("b", &other, "c").unwrap();
        assert_eq!(super::super::read(&other.path("c")).unwrap(), b"b", "it takes the place");
        let error = folder.rename("none", &other, "d").unwrap_err();
        assert_eq!(told(&error), ("create d".into(), io::ErrorKind::NotFound));

        other.create("d").unwrap();
        let error = other.rename_new(OsStr::new("c"), OsStr::new("d")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        other.rename_new(OsStr::new("c"), OsStr::new("e")).unwrap();
        assert_eq!(names(&other), ["d", "e"]);
        other.exchange(OsStr::new("d"), OsStr::new("e")).unwrap();
        assert_eq!(super::super::read(&other.path("d")).unwrap(), b"b");
        assert!(other.exchange(OsStr::new("d"), OsStr::new("none")).is_err());
    }

    #[test]
    fn one_more_name_of_a_file_replaces_nothing() {
        let (_temporary, folder) = folder();
        let other = folder.subfolder("other").unwrap();
        folder.create("a").unwrap().write_all(b"a").unwrap();
        let name = OsStr::new("a");
        for _ in 0..2 {
            folder.link(name, &other).unwrap();
        }
        assert_eq!(super::super::read(&other.path("a")).unwrap(), b"a");
        assert_eq!(folder.stat("a").unwrap().unwrap().st_nlink, 2);
        let error = folder.link(OsStr::new("none"), &other).unwrap_err();
        assert_eq!(told(&error), ("create none".into(), io::ErrorKind::NotFound));
    }

    #[test]
    fn a_folder_has_one_lock() {
        let (_temporary, folder) = folder();
        let again = Folder::open(folder.as_path()).unwrap();
        folder.lock().unwrap();
        assert_eq!(again.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(folder);
        again.lock().unwrap();
    }

    #[test]
    fn a_folder_knows_where_it_is() {
        let (temporary, folder) = folder();
        let (holder, name) = Folder::of(folder.as_path()).unwrap();
        assert_eq!((holder.as_path(), name.as_os_str()), (temporary.path(), OsStr::new("ours")));
        assert!(folder.is_at(&holder, &name).unwrap());
        holder.rename(&name, &holder, "theirs").unwrap();
        assert!(!folder.is_at(&holder, &name).unwrap() && holder.subfolder(&name).is_ok());
        assert!(!folder.is_at(&holder, &name).unwrap(), "another one has the name");
        assert!(folder.is_at(&holder, OsStr::new("theirs")).unwrap());
        let error = Folder::of(Path::new("/")).unwrap_err();
        assert_eq!(error.source.to_string(), "it has no file name");
        let (made, _) = Folder::of(&temporary.path().join("x/y/z")).unwrap();
        assert!(made.as_path().ends_with("x/y") && made.list().unwrap().is_empty());
    }

    #[test]
    fn what_is_removed_goes_with_all_that_is_in_it() {
        let (_temporary, folder) = folder();
        folder.remove("none").unwrap();
        folder.create("a").unwrap();
        folder.subfolder("b").unwrap().subfolder("c").unwrap().create("d").unwrap();
        folder.remove("b").unwrap();
        assert_eq!(names(&folder), ["a"]);
        folder.clear().unwrap();
        assert!(names(&folder).is_empty());
        folder.remove("a/b").unwrap();
    }

    /// The partial file goes when it can't take the place.
    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing() {
        let (_temporary, folder) = folder();
        folder.subfolder("a").unwrap();
        let error = folder.replace("a", b"x").unwrap_err();
        assert_eq!(told(&error), ("create a".into(), io::ErrorKind::IsADirectory));
        assert_eq!(names(&folder), ["a"]);
    }

    #[test]
    fn a_locked_file_keeps_what_it_has() {
        let (_temporary, folder) = folder();
        folder.open_locked("a").unwrap().write_all(b"kept").unwrap();
        let file = folder.open_locked("a").unwrap();
        assert_eq!(file.metadata().unwrap().len(), 4);
        let other = folder.file("a").unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err());
        let error = folder.open_locked("none/a").unwrap_err();
        assert_eq!(told(&error), ("create a".into(), io::ErrorKind::NotFound));
    }

    #[test]
    fn a_pipe_under_a_fixed_name_is_not_waited_for() {
        let (_temporary, folder) = folder();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, folder.path("pipe"), FileType::Fifo, mode, 0).unwrap();
        assert!(folder.file("pipe").unwrap_err().is_unsuitable());
        folder.open_locked("pipe").unwrap().write_all(b"x").unwrap();
        assert_eq!(super::super::read(&folder.path("pipe")).unwrap(), b"x");
    }

    #[test]
    fn a_linked_folder_is_neither_used_nor_emptied() {
        let (temporary, folder) = folder();
        let victim = temporary.path().join("victim");
        fs::create_dir(&victim).unwrap();
        super::super::replace(&victim.join("precious"), b"x").unwrap();
        symlink(&victim, folder.path("link")).unwrap();
        assert!(folder.subfolder("link").unwrap_err().is_unsuitable());
        let inner = folder.subfolder("inner").unwrap();
        symlink(&victim, inner.path("link")).unwrap();
        inner.subfolder("deep").unwrap().create("file").unwrap();
        folder.remove("inner").unwrap();
        folder.clear().unwrap();
        assert!(folder.list().unwrap().is_empty());
        assert!(victim.join("precious").exists());
    }
}
