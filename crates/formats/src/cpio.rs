//! The cpio archive the kernel unpacks as its initramfs ("newc", "SVR4 without checksums").
//!
//! The contract: entries come in the order of [`Tree::walk`], directories before what is in them,
//! the root as `.`; inode numbers count from 1 in that order; the contents of a hard-linked file
//! come with its last name, as GNU cpio writes them and the kernel takes them. What the kernel
//! would skip without a word (long names, long targets, a file named like the trailer) is an error.
//! Deliberately absent: the `070702` variant with checksums, the older formats, compression.
//!
//! Standard: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst` and, where
//! it is silent, `init/initramfs.c`. Oracle: `cpio -itv`, `cpio -i`.

mod error;
mod read;
mod spec;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use self::spec::{
    ALIGNMENT, BLOCK_DEVICE, CHAR_DEVICE, DIRECTORY, FIFO, FILE, Header, PATH_MAX, SOCKET, SYMLINK,
    TRAILER,
};
use crate::sink::Sink;
use crate::source::Source;
use crate::stream;
use crate::tree::{Device, Inode, InodeId, Node, Tree};

pub use error::Error;
pub use read::{Archive, read};

/// How the archive ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The archive's length is a multiple of this, itself a multiple of 4. GNU cpio writes 512; 4
    /// makes the shortest archive that another one may follow.
    pub block: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { block: 512 }
    }
}

/// One entry: where it starts, its encoded header and name, and whether the inode's contents
/// follow.
#[derive(Clone, Debug)]
struct Entry {
    offset: u64,
    head: Vec<u8>,
    id: InodeId,
    body: u32,
}

/// A frozen archive.
#[derive(Debug)]
pub struct Plan<'a, C> {
    tree: &'a Tree<C>,
    entries: Vec<Entry>,
    /// Where the trailer starts.
    end: u64,
    len: u64,
}

impl<'a, C: Source> Plan<'a, C> {
    /// Lays `tree` out.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names an inode with extended attributes, a time outside 32 bits, 4
    /// GiB or more of contents, or a name or target that the kernel would skip; [`Error::Invalid`]
    /// a block size that is not a multiple of 4.
    pub fn new(tree: &'a Tree<C>, options: &Options) -> Result<Self, Error> {
        let block = u64::from(options.block);
        if block == 0 || !block.is_multiple_of(ALIGNMENT) {
            let why = format!("expected a multiple of 4, found {block}");
            return Err(Error::Invalid { what: "block size", why });
        }
        let walk = tree.walk();
        let links = tree.link_counts();
        let last_names: BTreeMap<InodeId, usize> =
            walk.iter().enumerate().map(|(at, &(_, id))| (id, at)).collect();
        let mut numbers = BTreeMap::new();
        let mut entries = Vec::with_capacity(walk.len());
        let mut offset = 0;
        for (at, (path, id)) in walk.into_iter().enumerate() {
            let next = numbers.len() + 1;
            let ino = *numbers.entry(id).or_insert(next);
            let nlink = links.get(id.index()).copied().unwrap_or(1);
            let is_last = last_names.get(&id) == Some(&at);
            let (header, name) = header(tree, path, id, ino, nlink, is_last)?;
            let head = header.encode(&name);
            let body = header.filesize;
            let start = offset;
            offset += head.len() as u64 + u64::from(body).next_multiple_of(ALIGNMENT);
            entries.push(Entry { offset: start, head, id, body });
        }
        let len = (offset + trailer().len() as u64).next_multiple_of(block);
        Ok(Self { tree, entries, end: offset, len })
    }

    /// Length of the archive in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an archive is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Emits the archive in order.
    ///
    /// # Errors
    /// [`Error::Io`] when the sink or the contents of a file fail.
    pub fn write(&self, sink: &mut impl Sink) -> Result<(), Error> {
        self.emit(sink).map_err(|source| Error::Io { role: "writing a cpio archive", source })
    }

    fn emit(&self, sink: &mut impl Sink) -> io::Result<()> {
        for entry in &self.entries {
            sink.write_at(entry.offset, &entry.head)?;
            let start = entry.offset + entry.head.len() as u64;
            let body = u64::from(entry.body);
            match &self.tree.inode(entry.id).node {
                Node::File(contents) if body != 0 => stream::copy(contents, sink, start)?,
                Node::Symlink(target) => sink.write_at(start, target)?,
                _ => {}
            }
            let end = start + body;
            sink.zeros(end, end.next_multiple_of(ALIGNMENT) - end)?;
        }
        let trailer = trailer();
        sink.write_at(self.end, &trailer)?;
        let at = self.end + trailer.len() as u64;
        sink.zeros(at, self.len - at)
    }
}

fn trailer() -> Vec<u8> {
    Header { nlink: 1, namesize: 11, ..Header::default() }.encode(TRAILER)
}

/// The header of one name of an inode, and the name as it is stored.
fn header<C: Source>(
    tree: &Tree<C>,
    path: Vec<u8>,
    id: InodeId,
    ino: usize,
    links: u32,
    is_last: bool,
) -> Result<(Header, Vec<u8>), Error> {
    let inode = tree.inode(id);
    let name = if path.is_empty() { b".".to_vec() } else { path };
    let refused =
        |why: String| Error::Unsupported { path: String::from_utf8_lossy(&name).into(), why };
    if !inode.meta.xattrs.is_empty() {
        return Err(refused("the format has no extended attributes".into()));
    }
    if name == TRAILER {
        return Err(refused("the name ends the archive".into()));
    }
    if name.len() >= PATH_MAX {
        return Err(refused(format!("a path of {} bytes; the kernel skips it", name.len())));
    }
    let mtime = u32::try_from(inode.meta.mtime)
        .map_err(|_| refused(format!("time {} is outside 32 bits", inode.meta.mtime)))?;
    let (kind, device) = kind(inode);
    let body = match &inode.node {
        Node::File(contents) if is_last => contents.len(),
        Node::Symlink(target) if target.is_empty() || target.len() >= PATH_MAX => {
            return Err(refused(format!("a target of {} bytes", target.len())));
        }
        Node::Symlink(target) => target.len() as u64,
        _ => 0,
    };
    let nlink = match &inode.node {
        // As a Linux file system counts: `.`, the name, and `..` of every directory inside.
        Node::Directory(_) => {
            let below = tree.entries(id).filter(|&(_, child)| tree.inode(child).is_directory());
            2 + u32::try_from(below.count()).unwrap_or(u32::MAX - 2)
        }
        _ => links,
    };
    let header = Header {
        ino: u32::try_from(ino).map_err(|_| refused("more than 2^32 inodes".into()))?,
        mode: kind | u32::from(inode.meta.mode & 0o7777),
        nlink,
        uid: inode.meta.uid,
        gid: inode.meta.gid,
        mtime,
        filesize: u32::try_from(body)
            .map_err(|_| refused(format!("{body} bytes; the format ends at {}", u32::MAX)))?,
        rdevmajor: device.major,
        rdevminor: device.minor,
        namesize: u32::try_from(name.len() + 1).unwrap_or(u32::MAX),
        ..Header::default()
    };
    Ok((header, name))
}

/// The type bits of an inode, and the device it stands for (0, 0 for none).
fn kind<C>(inode: &Inode<C>) -> (u32, Device) {
    const NONE: Device = Device { major: 0, minor: 0 };
    match inode.node {
        Node::Directory(_) => (DIRECTORY, NONE),
        Node::File(_) => (FILE, NONE),
        Node::Symlink(_) => (SYMLINK, NONE),
        Node::CharDevice(device) => (CHAR_DEVICE, device),
        Node::BlockDevice(device) => (BLOCK_DEVICE, device),
        Node::Fifo => (FIFO, NONE),
        Node::Socket => (SOCKET, NONE),
    }
}

/// Lists an archive, one line per name: type and mode (octal), owner, time, links, path, contents.
#[must_use]
pub fn dump<C: Source>(tree: &Tree<C>) -> String {
    let mut text = String::new();
    let links = tree.link_counts();
    for (path, id) in tree.walk() {
        let inode = tree.inode(id);
        let (kind, device) = kind(inode);
        let detail = match &inode.node {
            Node::File(contents) => format!("{} bytes", contents.len()),
            Node::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Node::CharDevice(_) | Node::BlockDevice(_) => {
                format!("device {}:{}", device.major, device.minor)
            }
            _ => String::new(),
        };
        let meta = &inode.meta;
        let line = format!(
            "{:06o} {}:{} {} {} /{} {detail}",
            kind | u32::from(meta.mode),
            meta.uid,
            meta.gid,
            meta.mtime,
            links.get(id.index()).copied().unwrap_or(0),
            String::from_utf8_lossy(&path),
        );
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
