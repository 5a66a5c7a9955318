//! Decodes an archive into a tree whose contents stay where they are.

use std::collections::BTreeMap;

use super::{
    ALIGNMENT, BLOCK_DEVICE, CHAR_DEVICE, DIRECTORY, Error, FIFO, FILE, HEADER, Header, MAGIC,
    PATH_MAX, SOCKET, SYMLINK, TRAILER, TYPE_MASK,
};
use crate::source::{Source, Window};
use crate::tree::{self, Device, Inode, InodeId, Meta, Node, Tree};

/// Most entries of an archive, and most bytes of all their names: an initramfs with all of a distribution
/// has some 20 000 entries. A decoded entry takes more memory than the archive has bytes for it.
const ENTRIES_MAX: usize = 1 << 18;
const NAMES_MAX: usize = 32 << 20;

/// Inode number and device: names that share it are hard links.
type Identity = (u32, u32, u32);

/// A decoded archive.
#[derive(Debug)]
pub struct Archive<'a, S: ?Sized> {
    /// The inodes. A root that the archive does not mention is mode 0755, owned by root, time 0.
    pub tree: Tree<Window<&'a S>>,
    /// The first byte behind the trailer and its padding to 4 bytes: where zeros, or another
    /// archive, may follow.
    pub end: u64,
}

/// Reads the archive at the start of `source`, up to its trailer.
///
/// # Errors
/// [`Error::Corrupt`] for what is no archive, leaves it, names a path twice, or comes before its
/// directory, and for more entries than any archive has; [`Error::Unsupported`] for another cpio format.
pub fn read<S: Source + ?Sized>(source: &S) -> Result<Archive<'_, S>, Error> {
    let mut unpacked = Unpacked {
        tree: Tree::new(Meta::root(0o755, 0)),
        contents: Vec::new(),
        linked: BTreeMap::new(),
    };
    let mut at = 0;
    let (mut entries, mut names) = (0, 0);
    loop {
        let start = at;
        let (header, name) = read_header(source, start)?;
        let refused = |why: String| Error::Corrupt { what: "entry", at: start, why };
        (entries, names) = (entries + 1, names + name.len());
        if entries > ENTRIES_MAX || names > NAMES_MAX {
            let most = format!("{ENTRIES_MAX} entries with names of {NAMES_MAX} bytes");
            return Err(refused(format!("it is one too many, expected at most {most}")));
        }
        let body = start + (HEADER as u64 + u64::from(header.namesize)).next_multiple_of(ALIGNMENT);
        if name == TRAILER {
            if header.filesize != 0 {
                return Err(refused("the trailer has contents".into()));
            }
            if body > source.len() {
                return Err(refused("the trailer is not padded".into()));
            }
            let tree = unpacked.finish().map_err(refused)?;
            return Ok(Archive { tree, end: body });
        }
        let contents = Window::new(source, body, u64::from(header.filesize))
            .map_err(|_| refused(format!("{} bytes leave the archive", header.filesize)))?;
        let path = checked_path(&name).map_err(refused)?;
        unpacked.insert(path, &header, contents).map_err(refused)?;
        at = body + u64::from(header.filesize).next_multiple_of(ALIGNMENT);
    }
}

fn read_header<S: Source + ?Sized>(source: &S, at: u64) -> Result<(Header, Vec<u8>), Error> {
    let refused = |why: String| Error::Corrupt { what: "header", at, why };
    let mut raw = [0; HEADER];
    read_at(source, at, &mut raw)?;
    let (magic, digits) = raw.split_at(MAGIC.len());
    if magic != MAGIC {
        let why = format!("expected 070701, found {}", String::from_utf8_lossy(magic));
        return Err(refused(why));
    }
    let mut fields = [0; 13];
    for (field, digits) in fields.iter_mut().zip(digits.chunks_exact(8)) {
        *field = hex(digits).ok_or_else(|| refused("a field is not hexadecimal".into()))?;
    }
    let [
        ino,
        mode,
        uid,
        gid,
        nlink,
        mtime,
        filesize,
        devmajor,
        devminor,
        rdevmajor,
        rdevminor,
        namesize,
        check,
    ] = fields;
    let length = usize::try_from(namesize).unwrap_or(usize::MAX);
    if !(2..=PATH_MAX).contains(&length) {
        return Err(refused(format!("a name of {namesize} bytes, expected 2..={PATH_MAX}")));
    }
    let mut name = vec![0; length];
    read_at(source, at + HEADER as u64, &mut name)?;
    if name.pop() != Some(0) || name.contains(&0) {
        return Err(refused("the name does not end at its NUL".into()));
    }
    let header = Header {
        ino,
        mode,
        uid,
        gid,
        nlink,
        mtime,
        filesize,
        devmajor,
        devminor,
        rdevmajor,
        rdevminor,
        namesize,
        check,
    };
    Ok((header, name))
}

fn read_at<S: Source + ?Sized>(source: &S, at: u64, buf: &mut [u8]) -> Result<(), Error> {
    source.read_at(at, buf).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            let why = "the archive ends without a trailer".into();
            return Error::Corrupt { what: "header", at, why };
        }
        Error::Io { role: "reading a cpio archive", source: error }
    })
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value: u32, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(value << 4 | digit)
    })
}

/// The path of a stored name; `.` is the root, as is what GNU cpio writes as `./`.
fn checked_path(name: &[u8]) -> Result<&[u8], String> {
    let path = if name == b"." { &[] } else { name.strip_prefix(b"./").unwrap_or(name) };
    let whole = path.is_empty() || path.split(|&byte| byte == b'/').all(tree::is_valid_name);
    if whole { Ok(path) } else { Err(format!("the name `{}`", String::from_utf8_lossy(name))) }
}

/// What has been read so far.
struct Unpacked<S> {
    /// Its files hold their place in `contents`, where a later name of a hard link fills it in.
    tree: Tree<usize>,
    contents: Vec<Window<S>>,
    linked: BTreeMap<Identity, InodeId>,
}

impl<S: Source + Clone> Unpacked<S> {
    fn insert(&mut self, path: &[u8], header: &Header, contents: Window<S>) -> Result<(), String> {
        let shown = String::from_utf8_lossy(path);
        let parent = self.tree.lookup(tree::split(path).0);
        if !parent.is_some_and(|id| self.tree.inode(id).is_directory()) {
            return Err(format!("`/{shown}` comes before its directory"));
        }
        if !path.is_empty() && self.tree.lookup(path).is_some() {
            return Err(format!("`/{shown}` comes twice"));
        }
        let inode = decode(header, &contents, self.contents.len())?;
        let may_be_linked = header.nlink > 1 && !inode.is_directory();
        let identity = (header.devmajor, header.devminor, header.ino);
        if let Some(&id) = self.linked.get(&identity).filter(|_| may_be_linked) {
            self.merge(id, &inode, contents).map_err(|why| format!("`/{shown}` {why}"))?;
            return self.tree.link(path, id).map_err(|error| error.to_string());
        }
        if matches!(inode.node, Node::File(_)) {
            self.contents.push(contents);
        }
        let id = self.tree.put(path, inode).map_err(|error| error.to_string())?;
        if may_be_linked {
            self.linked.insert(identity, id);
        }
        Ok(())
    }

    /// Takes over the contents that come with a later name of a hard-linked file.
    fn merge(
        &mut self,
        id: InodeId,
        later: &Inode<usize>,
        contents: Window<S>,
    ) -> Result<(), String> {
        let earlier = self.tree.inode(id);
        let same = match (&earlier.node, &later.node) {
            (&Node::File(slot), Node::File(_)) => match self.contents.get_mut(slot) {
                Some(known) if known.is_empty() => {
                    *known = contents;
                    true
                }
                _ => contents.is_empty(),
            },
            (first, last) => first == last,
        };
        if same && earlier.meta == later.meta {
            return Ok(());
        }
        Err("shares its inode number with something else".into())
    }

    fn finish(self) -> Result<Tree<Window<S>>, String> {
        let Self { tree, contents, .. } = self;
        tree.try_map(|slot| contents.get(slot).cloned().ok_or_else(|| "no contents".to_owned()))
    }
}

/// The inode of a header, whose contents if any will be in `slot`.
fn decode<S: Source>(
    header: &Header,
    contents: &Window<S>,
    slot: usize,
) -> Result<Inode<usize>, String> {
    let device = Device { major: header.rdevmajor, minor: header.rdevminor };
    let node = match header.mode & TYPE_MASK {
        FILE => Node::File(slot),
        SYMLINK => Node::Symlink(target(contents)?),
        _ if header.filesize != 0 => {
            return Err(format!("mode {:o} with contents", header.mode));
        }
        DIRECTORY => Node::Directory(BTreeMap::new()),
        CHAR_DEVICE => Node::CharDevice(device),
        BLOCK_DEVICE => Node::BlockDevice(device),
        FIFO => Node::Fifo,
        SOCKET => Node::Socket,
        _ => return Err(format!("mode {:o} is no file type", header.mode)),
    };
    if header.mode > 0o177_777 {
        return Err(format!("mode {:o} has unknown bits", header.mode));
    }
    let meta = Meta {
        mode: u16::try_from(header.mode & 0o7777).unwrap_or_default(),
        uid: header.uid,
        gid: header.gid,
        mtime: i64::from(header.mtime),
        ..Meta::default()
    };
    Ok(Inode { meta, node })
}

fn target<S: Source>(contents: &Window<S>) -> Result<Vec<u8>, String> {
    let limit = PATH_MAX as u64 - 1;
    if contents.is_empty() || contents.len() > limit {
        return Err(format!("a target of {} bytes, expected 1..={limit}", contents.len()));
    }
    crate::source::read_all(contents, limit).map_err(|error| error.to_string())
}
