//! What a file of the root file system holds: bytes made by the build, or a range of a verified
//! object of the store.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::source::Source;
use cvmkit_formats::tree::{Device, Meta, Node};

/// The contents of one regular file. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub enum Content {
    /// Made by the build or read from the definition.
    Inline(Arc<[u8]>),
    /// A range of an object that the store verified when it was opened.
    Stored {
        /// The open object.
        object: Arc<File>,
        /// Where the file starts in the object.
        offset: u64,
        /// Length of the file in bytes.
        len: u64,
    },
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Inline(bytes.into())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Inline(text.as_bytes().into())
    }
}

impl Source for Content {
    fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Stored { len, .. } => *len,
        }
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Inline(bytes) => bytes.as_ref().read_at(at, buf),
            Self::Stored { object, offset, len } => match at.checked_add(buf.len() as u64) {
                Some(end) if end <= *len => object.read_exact_at(buf, offset + at),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}

impl Content {
    /// A file in an archive that this is: `len` bytes at `offset`, nothing of what is behind its end.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Self {
        match self {
            Self::Stored { object, offset: start, .. } => {
                Self::Stored { object: object.clone(), offset: start + offset, len }
            }
            Self::Inline(bytes) => {
                let at = |at: u64| usize::try_from(at).unwrap_or(bytes.len()).min(bytes.len());
                let (start, end) = (at(offset), at(offset.saturating_add(len)));
                Self::Inline(bytes[start..end.max(start)].into())
            }
        }
    }
}

/// What an entry of an archive is in a tree, its contents being what `part` gives for offset and length. None
/// of a hard link, which is what its target is.
pub(crate) fn node(
    kind: &EntryKind,
    part: impl FnOnce(u64, u64) -> Content,
) -> Option<Node<Content>> {
    Some(match kind {
        EntryKind::HardLink(_) => return None,
        EntryKind::Directory => Node::Directory(BTreeMap::new()),
        &EntryKind::File { offset, len } => Node::File(part(offset, len)),
        EntryKind::Symlink(target) => Node::Symlink(target.clone()),
        &EntryKind::CharDevice { major, minor } => Node::CharDevice(Device { major, minor }),
        &EntryKind::BlockDevice { major, minor } => Node::BlockDevice(Device { major, minor }),
        EntryKind::Fifo => Node::Fifo,
    })
}

/// What a tree keeps of an entry beside what it is: a link has the mode that Linux gives each, and nothing is younger
/// than `newest`, in seconds since 1970.
pub(crate) fn meta(entry: &Entry, newest: i64) -> Meta {
    let mode = if matches!(entry.kind, EntryKind::Symlink(_)) { 0o777 } else { entry.mode };
    Meta {
        mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime.min(newest),
        xattrs: entry.xattrs.clone(),
    }
}

/// Reads a content from its start to its end.
pub(crate) struct Reader {
    content: Content,
    at: u64,
}

impl Reader {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, at: 0 }
    }
}

impl io::Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.content.len() - self.at).unwrap_or(usize::MAX);
        let len = left.min(buf.len());
        self.content.read_at(self.at, &mut buf[..len])?;
        self.at += len as u64;
        Ok(len)
    }
}
