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
    /// Its type.
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

/// Why a file can't be reached, as errno(3) has it.
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
    /// `ELOOP`.
    TooManyLinks,
    /// `EACCES`.
    Denied,
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
            Self::TooManyLinks => "Too many levels of symbolic links",
            Self::Denied => "Permission denied",
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

/// Files and commands. Paths are absolute, with no `.` or `..` left in them by the shell's own doing.
pub trait World {
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

    /// The names in a directory, without `.` and `..`, in byte order.
    ///
    /// # Errors
    /// As for opendir(3).
    fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError>;

    /// Whether a command of this name can be run: what `command -v` answers, a path or a name.
    fn find(&self, name: &[u8], search: &[u8]) -> Option<Vec<u8>>;

    /// Runs a command.
    ///
    /// # Errors
    /// [`Stop`] if it is not implemented, or not with these words.
    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop>;

    /// The home directory of a login name.
    fn home(&self, login: &str) -> Option<Vec<u8>>;
}
