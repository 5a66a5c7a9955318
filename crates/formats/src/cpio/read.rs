//! Decodes an archive into a tree whose contents stay where they are.

use std::collections::BTreeMap;

use super::error::Error;
use super::spec::{
    ALIGNMENT, BLOCK_DEVICE, CHAR_DEVICE, DIRECTORY, FIFO, FILE, HEADER, Header, MAGIC, PATH_MAX,
    SOCKET, SYMLINK, TRAILER, TYPE_MASK,
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
/// [`Error::Corrupt`] for another cpio format, an entry that contradicts this one, leaves the archive,
/// comes twice or before its directory, and above 262,144 entries or 32 MiB of names; [`Error::Io`].
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
            return Err(refused(format!("expected at most {most}")));
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
    if whole {
        Ok(path)
    } else {
        Err(format!("the invalid name `{}`", String::from_utf8_lossy(name)))
    }
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
        Err("differs from an earlier name of the same inode".into())
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
        _ => return Err(format!("mode {:o} has an unknown file type", header.mode)),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a header in their order (buffer-format.rst, "cpio_header"), all zero.
    #[derive(Clone, Copy, Default)]
    struct Fields {
        ino: u32,
        mode: u32,
        links: u32,
        size: u32,
        /// Bytes of the name with its NUL; those of the name itself where 0.
        name_len: u32,
    }

    fn entry(name: &[u8], fields: Fields, contents: &[u8]) -> Vec<u8> {
        let Fields { ino, mode, links, size, name_len } = fields;
        let own_len = u32::try_from(name.len() + 1).unwrap();
        let name_len = if name_len == 0 { own_len } else { name_len };
        let values = [ino, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_len, 0];
        let mut bytes = MAGIC.to_vec();
        bytes.extend(values.into_iter().flat_map(|value| format!("{value:08x}").into_bytes()));
        bytes.extend(name);
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn file(name: &str, ino: u32, links: u32, contents: &[u8]) -> Vec<u8> {
        let size = u32::try_from(contents.len()).unwrap();
        let fields = Fields { ino, mode: FILE | 0o644, links, size, ..Fields::default() };
        entry(name.as_bytes(), fields, contents)
    }

    fn trailer() -> Vec<u8> {
        entry(TRAILER, Fields::default(), &[])
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    /// The refusal of an archive of these entries and a trailer.
    fn refused(entries: &[Vec<u8>]) -> String {
        refusal(&[entries.concat(), trailer()].concat())
    }

    fn of_mode(mode: u32, size: u32) -> Vec<u8> {
        let contents = vec![b'x'; usize::try_from(size).unwrap()];
        entry(b"a", Fields { mode, size, ..Fields::default() }, &contents)
    }

    #[test]
    fn headers_that_contradict_the_format_are_refused() {
        let named =
            |name_len| entry(b"a", Fields { mode: FILE, name_len, ..Fields::default() }, &[]);
        let changed = |at: usize, with: &[u8]| {
            let mut bytes = file("a", 1, 1, b"x");
            bytes[at..at + with.len()].copy_from_slice(with);
            bytes
        };
        let magic = "cpio header at byte 0x0: expected 070701, found";
        let rows = [
            (changed(0, b"070702"), format!("{magic} 070702")),
            (changed(0, b"070707"), format!("{magic} 070707")),
            (changed(6, b"0000000g"), "cpio header at byte 0x0: a field is not hexadecimal".into()),
            (
                changed(102, b"-0000000"),
                "cpio header at byte 0x0: a field is not hexadecimal".into(),
            ),
            (named(1), "cpio header at byte 0x0: a name of 1 bytes, expected 2..=4096".into()),
            (
                named(4097),
                "cpio header at byte 0x0: a name of 4097 bytes, expected 2..=4096".into(),
            ),
            (
                named(u32::MAX),
                "cpio header at byte 0x0: a name of 4294967295 bytes, expected 2..=4096".into(),
            ),
            (
                changed(111, b"b"),
                "cpio header at byte 0x0: the name does not end at its NUL".into(),
            ),
            (
                changed(110, b"\0"),
                "cpio header at byte 0x0: the name does not end at its NUL".into(),
            ),
            (
                entry(b"a", Fields { mode: FILE, size: u32::MAX, ..Fields::default() }, &[]),
                "cpio entry at byte 0x0: 4294967295 bytes leave the archive".into(),
            ),
        ];
        for (bytes, expected) in rows {
            assert_eq!(refused(&[bytes]), expected);
        }
        let ends = "cpio header at byte 0x70: the archive ends without a trailer";
        let one = entry(b"a", Fields { mode: FIFO, ..Fields::default() }, &[]);
        assert_eq!((one.len(), refusal(&one)), (0x70, ends.into()));
    }

    #[test]
    fn the_trailer_is_empty_and_whole() {
        let full = entry(TRAILER, Fields { size: 1, ..Fields::default() }, b"x");
        assert_eq!(refusal(&full), "cpio entry at byte 0x0: the trailer has contents");
        let whole = trailer();
        assert_eq!(whole.len(), 124);
        assert_eq!(read(&whole).unwrap().end, 124);
        assert_eq!(refusal(&whole[..123]), "cpio entry at byte 0x0: the trailer is not padded");
        // What follows is for the caller to look at.
        let followed = [whole.as_slice(), b"070701"].concat();
        assert_eq!(read(&followed).unwrap().end, 124);
    }

    /// `linux/stat.h`: the seven types, and nothing else in the mode.
    #[test]
    fn modes_are_those_of_linux() {
        for mode in [FILE, DIRECTORY, CHAR_DEVICE, BLOCK_DEVICE, FIFO, SOCKET] {
            let bytes = [of_mode(mode | 0o7777, 0), trailer()].concat();
            let archive = read(&bytes).unwrap();
            let id = archive.tree.lookup(b"a").unwrap();
            assert_eq!(archive.tree.inode(id).meta.mode, 0o7777, "{mode:o}");
        }
        for (mode, size, why) in [
            (0o030_644, 0, "mode 30644 has an unknown file type"),
            (0o110_644, 0, "mode 110644 has an unknown file type"),
            (0o644, 0, "mode 644 has an unknown file type"),
            (0o200_000 | FILE, 0, "mode 300000 has unknown bits"),
            (DIRECTORY, 1, "mode 40000 with contents"),
            (FIFO, 1, "mode 10000 with contents"),
            (SYMLINK, 0, "a target of 0 bytes, expected 1..=4095"),
            (SYMLINK, 4096, "a target of 4096 bytes, expected 1..=4095"),
        ] {
            assert_eq!(refused(&[of_mode(mode, size)]), format!("cpio entry at byte 0x0: {why}"));
        }
        assert!(read(&[of_mode(SYMLINK, 4095), trailer()].concat()).is_ok());
    }

    #[test]
    fn paths_come_once_and_behind_their_directories() {
        let directory = |name: &str| {
            entry(name.as_bytes(), Fields { mode: DIRECTORY, ..Fields::default() }, &[])
        };
        let rows = [
            (vec![file("a/b", 1, 1, b"")], "`/a/b` comes before its directory"),
            (
                vec![file("a", 1, 1, b""), file("a/b", 2, 1, b"")],
                "`/a/b` comes before its directory",
            ),
            (vec![file("a", 1, 1, b""), file("./a", 2, 1, b"")], "`/a` comes twice"),
            (vec![directory("a"), directory("a")], "`/a` comes twice"),
            (vec![file("../a", 1, 1, b"")], "the invalid name `../a`"),
            (vec![file("/a", 1, 1, b"")], "the invalid name `/a`"),
            (vec![file("a//b", 1, 1, b"")], "the invalid name `a//b`"),
            (vec![file("a/", 1, 1, b"")], "the invalid name `a/`"),
            (vec![file("a/./b", 1, 1, b"")], "the invalid name `a/./b`"),
            (vec![file(&"x".repeat(256), 1, 1, b"")], "the invalid name `xxx"),
        ];
        for (entries, expected) in rows {
            let at: usize = entries.iter().rev().skip(1).map(Vec::len).sum();
            let found = refused(&entries);
            let whole = format!("cpio entry at byte {at:#x}: {expected}");
            assert!(found.starts_with(&whole), "{found}");
        }
        let entries = [directory("."), directory("./a"), file("a/b", 1, 1, b"")].concat();
        let bytes = [entries, trailer()].concat();
        assert!(read(&bytes).unwrap().tree.lookup(b"a/b").is_some());
    }

    /// buffer-format.rst: the contents of a hard-linked file come with any of its names.
    #[test]
    fn names_of_one_inode_share_its_contents() {
        type Row<'a> = ([&'a [u8]; 3], Option<&'a [u8]>);
        let rows: [Row; 4] = [
            ([b"", b"", b"abc"], Some(b"abc")),
            ([b"abc", b"", b""], Some(b"abc")),
            ([b"", b"abc", b""], Some(b"abc")),
            ([b"abc", b"", b"abc"], None),
        ];
        for (contents, expected) in rows {
            let names = ["a", "b", "c"].into_iter().zip(contents);
            let mut bytes: Vec<u8> = names.flat_map(|(name, c)| file(name, 7, 3, c)).collect();
            bytes.extend(trailer());
            match (read(&bytes), expected) {
                (Ok(archive), Some(expected)) => {
                    let id = archive.tree.lookup(b"c").unwrap();
                    assert_eq!(archive.tree.link_counts()[id.index()], 3);
                    let Node::File(file) = &archive.tree.inode(id).node else { panic!("{id:?}") };
                    assert_eq!(crate::source::read_all(file, 9).unwrap(), expected);
                }
                (Err(error), None) => assert!(
                    error
                        .to_string()
                        .ends_with("`/c` differs from an earlier name of the same inode"),
                    "{error}"
                ),
                (found, _) => panic!("{contents:?}: {}", found.is_ok()),
            }
        }
        // One link says that no other name follows: then equal numbers mean nothing.
        let bytes = [file("a", 7, 1, b"x"), file("b", 7, 1, b"y"), trailer()].concat();
        let tree = read(&bytes).unwrap().tree;
        assert_ne!(tree.lookup(b"a"), tree.lookup(b"b"));
        // Another mode, or another kind of inode, is not the same inode.
        let fields = Fields { ino: 7, mode: FILE | 0o600, links: 2, ..Fields::default() };
        for other in [fields, Fields { mode: FIFO | 0o644, ..fields }] {
            let found = refused(&[file("a", 7, 2, b""), entry(b"b", other, &[])]);
            assert!(
                found.ends_with("`/b` differs from an earlier name of the same inode"),
                "{found}"
            );
        }
    }

    #[test]
    fn an_archive_has_bounds() {
        let name = "x".repeat(249);
        let many = |count: usize, name: &str| -> Vec<u8> {
            // Not byte by byte: there are 70 MB of them.
            let entries = (0..count).map(|at| file(&format!("{at:06}{name}"), 1, 1, b""));
            entries.collect::<Vec<_>>().concat()
        };
        // 32 MiB of names, and that of the trailer.
        let bytes = [many(131_586, &name), trailer()].concat();
        let expected = "expected at most 262144 entries with names of 33554432 bytes";
        let found = refusal(&bytes);
        assert!(found.ends_with(expected), "{found}");
        // As many entries as there may be, and the trailer.
        let bytes = [many(ENTRIES_MAX, ""), trailer()].concat();
        let found = refusal(&bytes);
        assert!(found.ends_with(expected), "{found}");
        let bytes = [many(ENTRIES_MAX - 1, ""), trailer()].concat();
        assert!(read(&bytes).is_ok());
    }
}
