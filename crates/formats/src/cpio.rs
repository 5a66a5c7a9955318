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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Meta;

    /// A header as the text of `buffer-format.rst` has it: the magic and 13 fields in hexadecimal.
    fn entry(fields: [u32; 11], name: &str, body: &[u8]) -> Vec<u8> {
        let mut text = "070701".to_owned();
        for field in fields {
            text += &format!("{field:08X}");
        }
        let mut bytes = format!("{text}{:08X}{:08X}{name}\0", name.len() + 1, 0).into_bytes();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn archive<C: Source>(tree: &Tree<C>, block: u32) -> Vec<u8> {
        let plan = Plan::new(tree, &Options { block }).unwrap();
        let mut bytes = Vec::new();
        plan.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, plan.len());
        bytes
    }

    /// Every type of file, byte by byte: ino, mode, uid, gid, nlink, mtime, filesize, the device it is on,
    /// the device it is.
    #[test]
    fn an_archive_is_what_the_document_says() {
        let meta = |mode| Meta { uid: 1, gid: 2, ..Meta::root(mode, 0x6540_0000) };
        let mut tree = Tree::new(meta(0o755));
        let node = |mode, node| Inode { meta: meta(mode), node };
        let file = tree.put(b"a", node(0o4644, Node::File(b"12345".to_vec()))).unwrap();
        tree.put(b"b", node(0o700, Node::Directory(BTreeMap::new()))).unwrap();
        tree.put(b"b/c", node(0o755, Node::Directory(BTreeMap::new()))).unwrap();
        tree.put(b"d", node(0o777, Node::Symlink(b"to".to_vec()))).unwrap();
        let device = Device { major: 0x1234, minor: 0x5_6789 };
        tree.put(b"e", node(0o600, Node::CharDevice(device))).unwrap();
        tree.put(b"f", node(0o660, Node::BlockDevice(device))).unwrap();
        tree.put(b"g", node(0o600, Node::Fifo)).unwrap();
        tree.put(b"h", node(0o755, Node::Socket)).unwrap();
        tree.link(b"i", file).unwrap();
        let (time, none) = (0x6540_0000, [0, 0]);
        let fields = |ino, mode, nlink, len, [major, minor]: [u32; 2]| {
            [ino, mode, 1, 2, nlink, time, len, 0, 0, major, minor]
        };
        let numbers = [0x1234, 0x5_6789];
        let mut expected = [
            // `.`, its name, and `..` of one directory.
            entry(fields(1, 0o40755, 3, 0, none), ".", b""),
            // The contents come with the last name of a file.
            entry(fields(2, 0o104_644, 2, 0, none), "a", b""),
            entry(fields(3, 0o40700, 3, 0, none), "b", b""),
            entry(fields(4, 0o40755, 2, 0, none), "b/c", b""),
            entry(fields(5, 0o120_777, 1, 2, none), "d", b"to"),
            entry(fields(6, 0o20600, 1, 0, numbers), "e", b""),
            entry(fields(7, 0o60660, 1, 0, numbers), "f", b""),
            entry(fields(8, 0o10600, 1, 0, none), "g", b""),
            entry(fields(9, 0o140_755, 1, 0, none), "h", b""),
            entry(fields(2, 0o104_644, 2, 5, none), "i", b"12345"),
            entry([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], "TRAILER!!!", b""),
        ]
        .concat();
        assert_eq!(archive(&tree, 4), expected);
        expected.resize(expected.len().next_multiple_of(512), 0);
        assert_eq!(archive(&tree, 512), expected);
        assert_eq!(Options::default(), Options { block: 512 });
    }

    #[test]
    fn the_end_is_a_multiple_of_the_block() {
        let tree = Tree::<Vec<u8>>::new(Meta::root(0o755, 0));
        // `.` takes 112 bytes, the trailer 124.
        for (block, len) in [(4, 236), (8, 240), (236, 236), (240, 240), (512, 512)] {
            assert_eq!(archive(&tree, block).len(), len, "{block}");
        }
        for block in [0, 1, 2, 6, 510] {
            let error = Plan::new(&tree, &Options { block }).unwrap_err().to_string();
            let expected = "cpio archive, block size: expected a multiple of 4, found";
            assert_eq!(error, format!("{expected} {block}"));
        }
    }

    /// A file that has a length and no bytes.
    #[derive(Debug)]
    struct Length(u64);

    impl Source for Length {
        fn len(&self) -> u64 {
            self.0
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Err(io::Error::other("it is gone"))
        }
    }

    /// What the format can't say, and what `do_header` of `init/initramfs.c` would skip without a word.
    #[test]
    fn what_the_kernel_would_not_unpack_is_refused() {
        let refusal = |path: &[u8], inode: Inode<Length>| {
            let meta = Meta::root(0o755, 0);
            let mut tree = Tree::new(meta.clone());
            tree.make_directories(crate::tree::split(path).0, &meta).unwrap();
            tree.put(path, inode).unwrap();
            Plan::new(&tree, &Options::default()).map(drop).map_err(|error| match error {
                Error::Unsupported { why, .. } => why,
                error => error.to_string(),
            })
        };
        let file = |mtime, len| Inode::file(Meta::root(0o644, mtime), Length(len));
        let most = u32::MAX;
        let refused = |why: &str| Err(why.to_owned());
        assert_eq!(refusal(b"f", file(most.into(), most.into())), Ok(()));
        assert_eq!(refusal(b"f", file(1 << 32, 0)), refused("time 4294967296 is outside 32 bits"));
        assert_eq!(refusal(b"f", file(-1, 0)), refused("time -1 is outside 32 bits"));
        let long = "4294967296 bytes; the format ends at 4294967295";
        assert_eq!(refusal(b"f", file(0, 1 << 32)), refused(long));
        assert_eq!(refusal(TRAILER, file(0, 0)), refused("the name ends the archive"));
        assert_eq!(refusal(b"d/TRAILER!!!", file(0, 0)), Ok(()));
        let mut attributed = file(0, 0);
        attributed.meta.xattrs.insert(b"user.a".to_vec(), Vec::new());
        let attributes = "the format has no extended attributes";
        assert_eq!(refusal(b"f", attributed), refused(attributes));
        // `PATH_MAX` is 4096 with the NUL.
        let path = |len: usize| -> Vec<u8> {
            let mut path = [[b'x'; 255].as_slice(), b"/"].concat().repeat(16);
            path.truncate(len);
            path
        };
        assert_eq!(refusal(&path(4095), file(0, 0)), Ok(()));
        let mut longer = path(4094);
        longer.extend(b"/y");
        assert_eq!(
            refusal(&longer, file(0, 0)),
            refused("a path of 4096 bytes; the kernel skips it")
        );
        for (len, expected) in [
            (0, refused("a target of 0 bytes")),
            (1, Ok(())),
            (4095, Ok(())),
            (4096, refused("a target of 4096 bytes")),
        ] {
            assert_eq!(refusal(b"l", Inode::symlink(vec![b'x'; len], 0)), expected, "{len}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_ends_the_archive() {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.put(b"f", Inode::file(Meta::root(0o644, 0), Length(5))).unwrap();
        let plan = Plan::new(&tree, &Options::default()).unwrap();
        let error = plan.write(&mut Vec::new()).unwrap_err();
        let Error::Io { role, source } = &error else { panic!("{error:?}") };
        assert_eq!((*role, source.to_string().as_str()), ("writing a cpio archive", "it is gone"));
    }
}
