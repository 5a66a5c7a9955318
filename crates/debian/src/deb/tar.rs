//! File system archives inside packages: POSIX ustar, its pax extended headers and the GNU long
//! names (POSIX.1-2017 pax(1) "ustar Interchange Format"; GNU tar manual, "GNU tar and POSIX tar").
//!
//! The contract: a stream is read to its very end, and every entry has one meaning. A field that
//! two readers could take differently (sizes that disagree, bytes behind a NUL, a name twice, an
//! entry below a link) refuses the archive. Deliberately absent: sparse files, v7 archives without
//! a magic, global pax headers, sub-second times, contents (an entry says where they are). The
//! oracles are GNU tar and `dpkg-deb`.

mod extended;
mod header;
mod paths;

use std::collections::BTreeMap;
use std::io::{self, Read};

use cvmkit_formats::compression::CompressionError;
use thiserror::Error;

use super::DebError;
use extended::Extended;
use header::Header;
use paths::Paths;

/// The unit of a tar archive (POSIX.1-2017 pax(1)).
const BLOCK: usize = 512;
const BLOCK_LEN: u64 = 512;

/// One file, directory, link or device of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Normalised and relative: no leading `./`, no leading or trailing slash. Empty is the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: `0o0000` to `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
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
        /// Driver.
        major: u32,
        /// Unit.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Driver.
        major: u32,
        /// Unit.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// What one archive may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: usize,
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of one path or link target (`PATH_MAX`, `linux/limits.h`).
    pub path: usize,
    /// Bytes of one entry's extended headers and long names.
    pub extended: u64,
}

impl Default for Limits {
    /// A million entries, files of 8 GiB, paths of 4096 bytes, 1 MiB of extended headers.
    fn default() -> Self {
        Self { entries: 1_000_000, file: 8 << 30, path: 4096, extended: 1 << 20 }
    }
}

/// Where and why an archive was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("tar entry `{path}` at offset {offset}: {reason}")]
pub struct TarError {
    /// The name in the entry's header, printable.
    pub path: String,
    /// Where the entry's header starts in the decompressed archive.
    pub offset: u64,
    /// The rule.
    pub reason: TarReason,
}

/// The rule an archive broke.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarReason {
    /// The stream ends within a header, contents or padding, or without an end mark.
    #[error("the archive ends early")]
    Truncated,
    /// One zero block at the end, where two are the mark.
    #[error("the end mark is one zero block, expected two")]
    LoneZeroBlock,
    /// Bytes other than zero after the end mark.
    #[error("data after the end mark")]
    Trailing,
    /// The header's checksum is not the sum of its bytes.
    #[error("the header checksum is {expected}, its bytes sum up to {found}")]
    Checksum {
        /// What the header says.
        expected: u32,
        /// What it should say.
        found: u32,
    },
    /// Neither `ustar\0` with version `00` nor GNU's `ustar  \0`.
    #[error("the header has no ustar magic")]
    Magic,
    /// A field that is no number, or none of its range.
    #[error("field `{0}` is no number in its range")]
    Number(&'static str),
    /// A text field with bytes behind its NUL, or with a NUL where none may be.
    #[error("field `{0}` holds a NUL within its text")]
    Nul(&'static str),
    /// A type that packages do not use.
    #[error("entries of type {0:?} are not accepted")]
    Type(char),
    /// A sparse file, in the header or in extended headers.
    #[error("sparse files are not accepted")]
    Sparse,
    /// A size on an entry that has no contents.
    #[error("an entry of its type has no contents, its header says {0} bytes")]
    UnexpectedSize(u64),
    /// The header and its extended header disagree on the size.
    #[error("the header says {header} bytes, its extended header {extended}")]
    SizeClash {
        /// In the header.
        header: u64,
        /// In the extended header.
        extended: u64,
    },
    /// An extended header that does not parse.
    #[error("the extended header is damaged: {0}")]
    Extended(&'static str),
    /// An extended header keyword that is not understood.
    #[error("extended header keyword `{0}` is not understood")]
    Keyword(String),
    /// Two extended headers, or a keyword twice, for one entry.
    #[error("`{0}` is given twice for one entry")]
    ExtendedTwice(String),
    /// An extended header with no entry behind it.
    #[error("an extended header, and no entry follows")]
    ExtendedOrphan,
    /// No name at all.
    #[error("the path is empty")]
    EmptyPath,
    /// A path from the root of the host.
    #[error("the path is absolute")]
    AbsolutePath,
    /// A `..` in a path.
    #[error("the path has a `..`")]
    ParentPath,
    /// A `.` or an empty component within a path.
    #[error("the path is not normalised: an empty component or a `.` within it")]
    UnnormalisedPath,
    /// A line break in a path, which no file list of dpkg can hold.
    #[error("the path has a line break")]
    LineBreakPath,
    /// A trailing slash on something that is no directory.
    #[error("the path ends in a slash, the entry is no directory")]
    SlashPath,
    /// A component above 255 bytes (`NAME_MAX`).
    #[error("a path component is longer than 255 bytes")]
    LongName,
    /// The path or link target is above its limit.
    #[error("the path or link target is longer than {0} bytes")]
    LongPath(usize),
    /// The root is something else than a directory.
    #[error("the root is no directory")]
    Root,
    /// The path comes twice, and not as the same directory.
    #[error("the path comes twice")]
    Duplicate,
    /// Something above the path is no directory.
    #[error("`{0}` above it is no directory")]
    Parent(String),
    /// A symbolic link to nowhere.
    #[error("the link target is empty")]
    EmptyTarget,
    /// A hard link whose target is no earlier file of the archive.
    #[error("the hard link's target `{0}` is no earlier file of the archive")]
    LinkTarget(String),
    /// A link target on something that is no link.
    #[error("a link target on something that is no link")]
    UnexpectedTarget,
    /// A file above the limit.
    #[error("the file is larger than the limit of {0} bytes")]
    LargeFile(u64),
    /// Too many entries.
    #[error("more than {0} entries")]
    ManyEntries(usize),
    /// Extended headers above the limit.
    #[error("the extended headers are larger than the limit of {0} bytes")]
    LargeExtended(u64),
}

/// Lists an archive, reading it to its end, under the default [`Limits`].
///
/// # Errors
/// [`DebError::Tar`] names entry, offset and rule; [`DebError::Compression`] and [`DebError::Read`]
/// say that the stream itself failed.
pub fn entries(tar: impl Read) -> Result<Vec<Entry>, DebError> {
    entries_within(tar, &Limits::default())
}

/// Lists an archive, reading it to its end, under other limits.
///
/// # Errors
/// As for [`entries`].
pub fn entries_within(tar: impl Read, limits: &Limits) -> Result<Vec<Entry>, DebError> {
    let mut blocks = Blocks { inner: tar, offset: 0 };
    let mut paths = Paths::default();
    let mut found = Vec::new();
    let mut at = Position::default();
    while let Some(header) = next_header(&mut blocks, &mut at)? {
        let (header, extended) = with_extended(&mut blocks, &mut at, header, limits)?;
        let entry = at.check(extended.entry(&header, blocks.offset, limits))?;
        if let EntryKind::File { len, .. } = entry.kind {
            at.read(blocks.skip_padded(len))?;
        }
        if found.len() == limits.entries {
            return Err(at.error(TarReason::ManyEntries(limits.entries)).into());
        }
        if at.check(paths.admit(&entry))? {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The entry that is being read, for errors.
#[derive(Default)]
struct Position {
    path: String,
    offset: u64,
}

impl Position {
    fn error(&self, reason: TarReason) -> TarError {
        TarError { path: self.path.clone(), offset: self.offset, reason }
    }

    fn check<T>(&self, result: Result<T, TarReason>) -> Result<T, TarError> {
        result.map_err(|reason| self.error(reason))
    }

    /// Sorts a read error into what the stream is to blame for and what the archive is.
    fn read<T>(&self, result: io::Result<T>) -> Result<T, DebError> {
        result.map_err(|error| match CompressionError::inside(&error) {
            Some(source) => DebError::Compression { member: "data.tar", source: source.clone() },
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.error(TarReason::Truncated).into()
            }
            None => DebError::Read(error),
        })
    }
}

/// The next header block; none behind the end mark, up to which only zeros may follow.
fn next_header<R: Read>(
    blocks: &mut Blocks<R>,
    at: &mut Position,
) -> Result<Option<Header>, DebError> {
    (at.path, at.offset) = (String::new(), blocks.offset);
    let block = at.read(blocks.block())?;
    if block.iter().all(|&byte| byte == 0) {
        let second = at.read(blocks.block())?;
        if second.iter().any(|&byte| byte != 0) {
            return Err(at.error(TarReason::LoneZeroBlock).into());
        }
        if !at.read(blocks.only_zeros_follow())? {
            return Err(at.error(TarReason::Trailing).into());
        }
        return Ok(None);
    }
    at.path = Header::printable_name(&block);
    Ok(Some(at.check(Header::decode(&block))?))
}

/// Collects the extended headers in front of an entry.
fn with_extended<R: Read>(
    blocks: &mut Blocks<R>,
    at: &mut Position,
    mut header: Header,
    limits: &Limits,
) -> Result<(Header, Extended), DebError> {
    let mut extended = Extended::default();
    let mut total = 0u64;
    while matches!(header.kind, b'x' | b'L' | b'K') {
        total = total.saturating_add(header.size);
        if total > limits.extended {
            return Err(at.error(TarReason::LargeExtended(limits.extended)).into());
        }
        let bytes = at.read(blocks.contents(header.size))?;
        at.check(extended.add(header.kind, &bytes))?;
        let Some(next) = next_header(blocks, at)? else {
            return Err(at.error(TarReason::ExtendedOrphan).into());
        };
        header = next;
    }
    Ok((header, extended))
}

/// A stream in blocks that counts what it has read.
struct Blocks<R> {
    inner: R,
    offset: u64,
}

impl<R: Read> Blocks<R> {
    fn block(&mut self) -> io::Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.inner.read_exact(&mut block)?;
        self.offset += BLOCK_LEN;
        Ok(block)
    }

    /// `len` bytes and their padding, which the caller has bounded.
    fn contents(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.inner.read_exact(&mut bytes)?;
        self.offset += len;
        self.skip(padding(len))?;
        Ok(bytes)
    }

    /// Passes over contents and their padding.
    fn skip_padded(&mut self, len: u64) -> io::Result<()> {
        self.skip(len)?;
        self.skip(padding(len))
    }

    fn skip(&mut self, len: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.inner).take(len), &mut io::sink())?;
        self.offset += skipped;
        if skipped < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn only_zeros_follow(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let len = match self.inner.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.iter().take(len).any(|&byte| byte != 0) {
                return Ok(false);
            }
        }
    }
}

/// How many bytes fill the last block of `len` bytes.
fn padding(len: u64) -> u64 {
    len.wrapping_neg() % BLOCK_LEN
}
