//! What every archive is a list of.

use std::collections::BTreeMap;

/// One file, directory, link or device of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Normalised and relative: no leading `./`, no leading or trailing slash. Empty is the root.
    pub path: Vec<u8>,
    /// Its type, with what that type alone has.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: `0o0000` to `0o7777`.
    pub mode: u16,
    /// Owner, by number: names in an archive are ignored.
    pub uid: u32,
    /// Group, by number.
    pub gid: u32,
    /// Modification time, seconds since 1970-01-01 UTC, rounded down.
    pub mtime: i64,
    /// Extended attributes by full name (pax `SCHILY.xattr.*`).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file: `len` bytes at `offset` of the decompressed archive.
    File {
        /// Where the contents start.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// A symbolic link and its target, as written.
    Symlink(Vec<u8>),
    /// Another name of an earlier entry, whose normalised path this is.
    HardLink(Vec<u8>),
    /// A character device.
    CharDevice {
        /// The driver's number.
        major: u32,
        /// The device's number within its driver.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The driver's number.
        major: u32,
        /// The device's number within its driver.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}
