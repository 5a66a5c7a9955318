//! What a script can reach: files and commands, as somebody else has them.

use std::collections::BTreeMap;

use crate::stop::Stop;

/// The type of a file (XBD 3.142).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link, where links are not followed.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// What stat(2) says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is: a regular file, a directory, a link or a special file.
    pub file_type: FileType,
    /// The permissions, with set-user-ID, set-group-ID and the sticky bit: 12 bits.
    pub mode: u16,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Its length in bytes.
    pub size: u64,
    /// Seconds since 1970 of its last change.
    pub mtime: i64,
    /// What tells the file from others, whatever its names.
    pub inode: u64,
}

/// Why a file can't be reached or changed, as errno(3) has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileError {
    /// `ENOENT`.
    NotFound,
    /// `ENOTDIR`.
    NotADirectory,
    /// `EISDIR`.
    IsADirectory,
    /// `EEXIST`.
    Exists,
    /// `ENOTEMPTY`.
    NotEmpty,
    /// `ELOOP`.
    TooManyLinks,
    /// `EACCES`.
    Denied,
    /// `EPERM`.
    NotPermitted,
    /// `EROFS`.
    ReadOnly,
    /// `EINVAL`.
    Invalid,
    /// `ENOSPC`.
    NoSpace,
    /// `ENAMETOOLONG`.
    NameTooLong,
}

impl FileError {
    /// The words of strerror(3).
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotFound => "No such file or directory",
            Self::NotADirectory => "Not a directory",
            Self::IsADirectory => "Is a directory",
            Self::Exists => "File exists",
            Self::NotEmpty => "Directory not empty",
            Self::TooManyLinks => "Too many levels of symbolic links",
            Self::Denied => "Permission denied",
            Self::NotPermitted => "Operation not permitted",
            Self::ReadOnly => "Read-only file system",
            Self::Invalid => "Invalid argument",
            Self::NoSpace => "No space left on device",
            Self::NameTooLong => "File name too long",
        }
    }
}

/// A command that is no builtin and no function of the script.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The script that calls it.
    pub script: &'a str,
    /// The line of the call, from 1.
    pub line: u32,
    /// Its name and its arguments.
    pub words: &'a [Vec<u8>],
    /// The exported variables, with those that are assigned for it alone.
    pub environment: &'a BTreeMap<String, Vec<u8>>,
    /// The working directory, absolute.
    pub directory: &'a [u8],
    /// What new files lack of their permissions.
    pub umask: u16,
    /// How many programs have called one another for this call: a script's own has none before it.
    pub nested: u32,
    /// What it can read.
    pub input: &'a [u8],
    /// What it writes to descriptor 1.
    pub output: &'a mut Vec<u8>,
    /// What it writes to descriptor 2.
    pub errors: &'a mut Vec<u8>,
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status.
    pub status: u8,
    /// How many bytes of its input it has read: what follows in the script reads on from there.
    pub consumed: usize,
}

/// A file system. Paths are absolute; `..` in them is looked up as the kernel does, and one that ends
/// with `/` is a directory's. Parents are not made by anything here. What changes more than contents is
/// refused by a file system that does not say how. It bounds how deep directories lie in one another, as the
/// kernel does by the length of a path (`PATH_MAX`): programs go down each.
pub trait Files {
    /// What is at a path; the last link is followed or not.
    ///
    /// # Errors
    /// As for stat(2) and lstat(2).
    fn status(&self, path: &[u8], follow: bool) -> Result<Status, FileError>;

    /// The contents of a regular file.
    ///
    /// # Errors
    /// As for open(2).
    fn read(&self, path: &[u8]) -> Result<Vec<u8>, FileError>;

    /// Gives a regular file these contents, making it with `mode` if it is not there.
    ///
    /// # Errors
    /// As for open(2).
    fn write(&mut self, path: &[u8], contents: &[u8], mode: u16) -> Result<(), FileError>;

    /// Gives a regular file the contents of another, as [`Files::write`] does.
    ///
    /// # Errors
    /// As for open(2) of either.
    fn copy(&mut self, from: &[u8], to: &[u8], mode: u16) -> Result<(), FileError> {
        let contents = self.read(from)?;
        self.write(to, &contents, mode)
    }

    /// The names in a directory, without `.` and `..`, in byte order.
    ///
    /// # Errors
    /// As for opendir(3).
    fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError>;

    /// What a symbolic link holds.
    ///
    /// # Errors
    /// As for readlink(2): [`FileError::Invalid`] of anything else.
    fn target(&self, path: &[u8]) -> Result<Vec<u8>, FileError>;

    /// The absolute path that a path leads to, without links, `.` and `..`.
    ///
    /// # Errors
    /// As for realpath(3).
    fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, FileError>;

    /// Makes a directory.
    ///
    /// # Errors
    /// As for mkdir(2).
    fn make_directory(&mut self, _path: &[u8], _mode: u16) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Makes a FIFO.
    ///
    /// # Errors
    /// As for mkfifo(3).
    fn make_fifo(&mut self, _path: &[u8], _mode: u16) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As for symlink(2).
    fn make_symlink(&mut self, _path: &[u8], _target: &[u8]) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Makes another name of a file that is no directory; a link at its end is not followed.
    ///
    /// # Errors
    /// As for link(2).
    fn make_link(&mut self, _existing: &[u8], _path: &[u8]) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Gives a file another name, in the place of what has it.
    ///
    /// # Errors
    /// As for rename(2).
    fn rename(&mut self, _from: &[u8], _to: &[u8]) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Takes a name away: a directory's only if it is empty.
    ///
    /// # Errors
    /// As for unlink(2) and rmdir(2).
    fn remove(&mut self, _path: &[u8]) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Sets the 12 bits of the permissions; links are followed.
    ///
    /// # Errors
    /// As for chmod(2).
    fn set_mode(&mut self, _path: &[u8], _mode: u16) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Sets the owner, the group, or both. As chown(2) does for root, it keeps the permissions but
    /// set-user-ID and set-group-ID of a regular file.
    ///
    /// # Errors
    /// As for chown(2) and lchown(2).
    fn set_owner(
        &mut self,
        _path: &[u8],
        _uid: Option<u32>,
        _gid: Option<u32>,
        _follow: bool,
    ) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }

    /// Sets the time of the last change, in seconds since 1970; without one, that of everything that is
    /// made now.
    ///
    /// # Errors
    /// As for utimensat(2).
    fn set_time(&mut self, _path: &[u8], _mtime: Option<i64>) -> Result<(), FileError> {
        Err(FileError::ReadOnly)
    }
}

/// What a script can reach: files and commands.
pub trait World: Files {
    /// Whether a command of this name, or at this absolute path, can be run: what `command -v` answers, a
    /// path or a name.
    fn find(&self, name: &[u8], search: &[u8]) -> Option<Vec<u8>>;

    /// Runs a command.
    ///
    /// # Errors
    /// [`Stop`] if it is not implemented, or not with these words.
    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop>;

    /// A bound of this world that a file would have gone beyond: the most there may be, and of what. The
    /// file was refused ([`FileError::NoSpace`]), and the evaluation ends. Asked before each command; a
    /// world without bounds has to know that a script can double a directory with each.
    fn exceeded(&self) -> Option<(u64, &'static str)> {
        None
    }

    /// Counts work of the evaluation: commands, turns of loops, and what is copied. A world that bounds what
    /// scripts do together, and programs that evaluate scripts, adds it up for [`World::exceeded`].
    fn work(&self, _units: u64) {}

    /// The seconds since 1970 that programs take for the present: a world has no clock, but what it becomes has
    /// a time.
    fn now(&self) -> i64 {
        0
    }

    /// The text that `.` reads at a path: the file's, unless the world has its own for it.
    ///
    /// # Errors
    /// As for [`Files::read`].
    fn source(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        self.read(path)
    }

    /// The home directory of a login name.
    fn home(&self, login: &str) -> Option<Vec<u8>>;
}

/// A path as seen from a directory, absolute, without `.` and repeated slashes.
#[must_use]
pub fn absolute(directory: &[u8], path: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    if !path.starts_with(b"/") {
        whole.extend_from_slice(directory);
        whole.push(b'/');
    }
    whole.extend_from_slice(path);
    let mut absolute = Vec::new();
    for part in whole.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
        absolute.push(b'/');
        absolute.extend_from_slice(part);
    }
    // `x/` and `x/.` are a directory or nothing.
    let is_directory = (path.ends_with(b"/") && path.len() > 1) || path.ends_with(b"/.");
    if absolute.is_empty() || (is_directory && absolute.len() > 1) {
        absolute.push(b'/');
    }
    absolute
}
