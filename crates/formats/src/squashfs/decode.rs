//! Inodes, listings and extended attributes as they are found in an image.

use std::collections::BTreeMap;

use zerocopy::little_endian::{U32, U64};

use super::Error;
use super::extent::FileExtent;
use super::spec::{
    DIRECTORY_SIZE_BIAS, DeviceNode, Directory, DirectoryEntry, DirectoryHeader, DirectoryIndex,
    ExtendedDirectory, ExtendedFile, File, HEADER_ENTRIES_MAX, InodeHeader, Ipc, Kind, NO_FRAGMENT,
    NO_XATTRS, Reference, Symlink, XATTR_OUT_OF_LINE, XATTR_PREFIX_MASK, XATTR_PREFIXES, XattrName,
};
use super::table::{Cursor, Table};

/// An inode and what its type has.
pub(super) struct Decoded {
    pub(super) header: InodeHeader,
    pub(super) kind: Kind,
    pub(super) extended: bool,
    pub(super) links: u32,
    pub(super) xattrs: u32,
    pub(super) body: Body,
}

pub(super) enum Body {
    Directory(DirectoryBody),
    File(FileExtent),
    Symlink(Vec<u8>),
    Device(u32),
    Ipc,
}

pub(super) struct DirectoryBody {
    pub(super) start: Reference,
    /// Bytes of the listing.
    pub(super) len: u32,
    pub(super) parent: u32,
    pub(super) index: Vec<(DirectoryIndex, Vec<u8>)>,
}

/// Decodes the inode at `cursor`, which then is behind it.
pub(super) fn inode(cursor: &mut Cursor<'_>, block_size: u32) -> Result<Decoded, Error> {
    let header: InodeHeader = cursor.take()?;
    let number = header.kind.get();
    let (kind, extended) = Kind::from_number(number).ok_or_else(|| {
        cursor.corrupt(format!("expected an inode type of 1 to 14, found {number}"))
    })?;
    if header.mode.get() > 0o7777 {
        let why = format!("expected a mode of at most 07777, found {:#o}", header.mode.get());
        return Err(cursor.corrupt(why));
    }
    let mut decoded =
        Decoded { header, kind, extended, links: 1, xattrs: NO_XATTRS, body: Body::Ipc };
    match kind {
        Kind::Directory => decoded.directory(cursor)?,
        Kind::File => decoded.file(cursor, block_size)?,
        Kind::Symlink => {
            let Symlink { links, len } = cursor.take()?;
            decoded.links = links.get();
            decoded.body = Body::Symlink(cursor.bytes(size(len))?.to_vec());
        }
        Kind::BlockDevice | Kind::CharDevice => {
            let DeviceNode { links, device } = cursor.take()?;
            decoded.links = links.get();
            decoded.body = Body::Device(device.get());
        }
        Kind::Fifo | Kind::Socket => decoded.links = cursor.take::<Ipc>()?.links.get(),
    }
    if extended && !matches!(kind, Kind::Directory | Kind::File) {
        decoded.xattrs = cursor.take::<U32>()?.get();
    }
    Ok(decoded)
}

impl Decoded {
    fn directory(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        let mut index = Vec::new();
        let (start, offset, size, parent);
        if self.extended {
            let body: ExtendedDirectory = cursor.take()?;
            (start, offset, size, parent) = (body.start, body.offset, body.size, body.parent);
            (self.links, self.xattrs) = (body.links.get(), body.xattrs.get());
            for _ in 0..body.index_count.get() {
                let entry: DirectoryIndex = cursor.take()?;
                let name = cursor.bytes(self::size(entry.name_len).saturating_add(1))?.to_vec();
                index.push((entry, name));
            }
        } else {
            let body: Directory = cursor.take()?;
            (start, offset, parent) = (body.start, body.offset, body.parent);
            size = u32::from(body.size.get()).into();
            self.links = body.links.get();
        }
        let len = size.get().checked_sub(DIRECTORY_SIZE_BIAS).ok_or_else(|| {
            cursor.corrupt(format!("expected a directory size of at least 3, found {size}"))
        })?;
        let start = Reference { block: start.get().into(), offset: offset.get() };
        let parent = parent.get();
        self.body = Body::Directory(DirectoryBody { start, len, parent, index });
        Ok(())
    }

    fn file(&mut self, cursor: &mut Cursor<'_>, block_size: u32) -> Result<(), Error> {
        let (start, len, fragment, offset): (u64, u64, u32, u32);
        if self.extended {
            let body: ExtendedFile = cursor.take()?;
            (start, len) = (body.start.get(), body.size.get());
            (fragment, offset) = (body.fragment.get(), body.offset.get());
            (self.links, self.xattrs) = (body.links.get(), body.xattrs.get());
        } else {
            let body: File = cursor.take()?;
            (start, len) = (body.start.get().into(), body.size.get().into());
            (fragment, offset) = (body.fragment.get(), body.offset.get());
        }
        let fragment = (fragment != NO_FRAGMENT).then_some((fragment, offset));
        let blocks = match fragment {
            Some(_) => len / u64::from(block_size),
            None => len.div_ceil(block_size.into()),
        };
        let bytes = usize::try_from(blocks).ok().and_then(|blocks| blocks.checked_mul(4));
        let bytes = cursor.bytes(bytes.unwrap_or(usize::MAX))?;
        let words = bytes.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_le_bytes));
        let sizes = words.collect();
        self.body = Body::File(FileExtent { len, start, sizes, fragment });
        Ok(())
    }
}

/// One name of a listing.
pub(super) struct ListedEntry {
    pub(super) name: Vec<u8>,
    pub(super) inode: Reference,
    pub(super) kind: u16,
    pub(super) number: u32,
}

/// The entries of a directory, checked to be in byte order.
pub(super) fn listing(table: &Table, body: &DirectoryBody) -> Result<Vec<ListedEntry>, Error> {
    let mut entries: Vec<ListedEntry> = Vec::new();
    if body.len == 0 {
        return Ok(entries);
    }
    let mut cursor = table.at(body.start)?;
    let end = cursor.at.saturating_add(size(body.len.into()));
    while cursor.at < end {
        let header: DirectoryHeader = cursor.take()?;
        let count = size(header.count);
        if count >= HEADER_ENTRIES_MAX {
            let why = format!("expected a header of at most 256 entries, found {count} and one");
            return Err(cursor.corrupt(why));
        }
        for _ in 0..=count {
            let entry = listed(&mut cursor, &header)?;
            if entries.last().is_some_and(|last| last.name >= entry.name) {
                return Err(cursor.corrupt(format!(
                    "expected names in ascending order, found `{}`",
                    String::from_utf8_lossy(&entry.name)
                )));
            }
            entries.push(entry);
        }
    }
    if cursor.at != end {
        let why = format!("expected the listing to end at {end:#x}");
        return Err(cursor.corrupt(why));
    }
    Ok(entries)
}

fn listed(cursor: &mut Cursor<'_>, header: &DirectoryHeader) -> Result<ListedEntry, Error> {
    let entry: DirectoryEntry = cursor.take()?;
    let name = cursor.bytes(usize::from(entry.name_len.get()) + 1)?.to_vec();
    if !crate::tree::is_valid_name(&name) {
        let shown = String::from_utf8_lossy(&name).into_owned();
        return Err(cursor.corrupt(format!("expected a file name, found `{shown}`")));
    }
    let number = header.number.get().wrapping_add_signed(entry.number_delta.get().into());
    let inode = Reference { block: header.start.get().into(), offset: entry.offset.get() };
    Ok(ListedEntry { name, inode, kind: entry.kind.get(), number })
}

/// `count` attributes from `first` on; their bytes are taken off `budget`.
pub(super) fn xattrs(
    table: &Table,
    first: u64,
    count: u32,
    budget: &mut u64,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
    let mut set = BTreeMap::new();
    let mut cursor = table.at(Reference::unpack(first))?;
    for _ in 0..count {
        let XattrName { kind, len } = cursor.take()?;
        let prefix = usize::from(kind.get() & XATTR_PREFIX_MASK);
        let prefix = XATTR_PREFIXES.get(prefix).ok_or_else(|| {
            cursor.corrupt(format!("expected an xattr prefix of 0 to 2, found {prefix}"))
        })?;
        let mut name = prefix.to_vec();
        name.extend_from_slice(cursor.bytes(usize::from(len.get()))?);
        let mut value = value(&mut cursor)?;
        if kind.get() & XATTR_OUT_OF_LINE != 0 {
            let reference = value.try_into().map(u64::from_le_bytes).map_err(|_| {
                cursor.corrupt("expected an out-of-line xattr value to be 8 bytes".into())
            })?;
            value = self::value(&mut table.at(Reference::unpack(reference))?)?;
        }
        let spent = (name.len() + value.len()) as u64;
        *budget = budget.checked_sub(spent).ok_or_else(|| {
            Error::Unsupported("more extended attributes than the limit for a table".into())
        })?;
        let shown = String::from_utf8_lossy(&name).into_owned();
        if set.insert(name, value).is_some() {
            return Err(cursor.corrupt(format!("expected each xattr once, found `{shown}` twice")));
        }
    }
    Ok(set)
}

fn value(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Error> {
    let len = cursor.take::<U32>()?;
    Ok(cursor.bytes(size(len))?.to_vec())
}

/// Where a value that has no room in a usize is too large anyway.
fn size(value: U32) -> usize {
    usize::try_from(value.get()).unwrap_or(usize::MAX)
}

/// The fields of a [`U64`] table.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let words = bytes.chunks_exact(size_of::<U64>());
    words.map(|word| word.try_into().map_or(0, u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;
    use zerocopy::little_endian::U16;

    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// `struct squashfs_base_inode`, then what the type has.
    fn header(kind: u16, mode: u16) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &mode.to_le_bytes(), &[0; 4], &words(&[9, 1])].concat()
    }

    fn decoded(bytes: Vec<u8>) -> Result<Decoded, String> {
        let table = Table::of_block("inode table", bytes);
        let mut cursor = table.cursor();
        let inode = inode(&mut cursor, 4096).map_err(|error| error.to_string())?;
        assert!(cursor.is_at_end());
        Ok(inode)
    }

    #[test]
    fn every_type_is_read_in_both_forms() {
        for (kind, body, links, xattrs) in [
            (3, [words(&[5, 2]), b"ab".to_vec()].concat(), 5, NO_XATTRS),
            (10, [words(&[5, 2]), b"ab".to_vec(), words(&[8])].concat(), 5, 8),
            (4, words(&[2, 0x103]), 2, NO_XATTRS),
            (11, words(&[2, 0x103, 8]), 2, 8),
            (5, words(&[2, 0x103]), 2, NO_XATTRS),
            (12, words(&[2, 0x103, 8]), 2, 8),
            (6, words(&[3]), 3, NO_XATTRS),
            (13, words(&[3, 8]), 3, 8),
            (7, words(&[3]), 3, NO_XATTRS),
            (14, words(&[3, 8]), 3, 8),
            (2, words(&[96, NO_FRAGMENT, 0, 0]), 1, NO_XATTRS),
            (9, words(&[96, 0, 0, 0, 0, 0, 4, NO_FRAGMENT, 0, 8]), 4, 8),
            // Size and offset share a word, as do the number of index entries and the offset.
            (1, words(&[7, 2, 3, 1]), 2, NO_XATTRS),
            (8, words(&[2, 3, 7, 1, 0, 8]), 2, 8),
        ] {
            let inode = decoded([header(kind, 0o7777), body].concat()).unwrap();
            assert_eq!((inode.links, inode.xattrs), (links, xattrs), "type {kind}");
            assert_eq!(inode.extended, kind > 7);
            let expected = match kind {
                1 | 8 => {
                    matches!(&inode.body, Body::Directory(d) if (d.start.block, d.len, d.parent) == (7, 0, 1))
                }
                2 | 9 => {
                    matches!(&inode.body, Body::File(f) if (f.len, f.start) == (0, 96) && f.fragment.is_none())
                }
                3 | 10 => matches!(&inode.body, Body::Symlink(target) if target == b"ab"),
                4 | 5 | 11 | 12 => matches!(inode.body, Body::Device(0x103)),
                _ => matches!(inode.body, Body::Ipc),
            };
            assert!(expected, "type {kind}");
        }
    }

    #[test]
    fn inodes_that_contradict_the_format_are_refused() {
        for (bytes, expected) in [
            (header(0, 0), "at 0x10: expected an inode type of 1 to 14, found 0"),
            (header(15, 0), "at 0x10: expected an inode type of 1 to 14, found 15"),
            (header(6, 0o10000), "at 0x10: expected a mode of at most 07777, found 0o10000"),
            (
                [header(1, 0), words(&[0, 2, 2, 1])].concat(),
                "at 0x20: expected a directory size of at least 3, found 2",
            ),
            (
                [header(3, 0), words(&[1, u32::MAX])].concat(),
                "at 0x18: expected 4294967295 more bytes, but the table has 24 in all",
            ),
            (header(6, 0), "at 0x10: expected 4 more bytes, but the table has 16 in all"),
        ] {
            let found = decoded(bytes).err().unwrap();
            assert_eq!(found, format!("corrupt squashfs: inode table {expected}"));
        }
    }

    /// Blocks of 4096 bytes: the tail has a block of its own only without a fragment.
    #[test]
    fn a_file_has_a_size_for_each_block() {
        for (len, fragment, blocks) in [
            (0, NO_FRAGMENT, 0),
            (1, NO_FRAGMENT, 1),
            (4096, NO_FRAGMENT, 1),
            (4097, NO_FRAGMENT, 2),
            (4095, 3, 0),
            (4097, 3, 1),
        ] {
            let sizes: Vec<u32> = (100..100 + blocks).collect();
            let body = [words(&[96, fragment, 17, len]), words(&sizes)].concat();
            let inode = decoded([header(2, 0), body].concat()).unwrap();
            let Body::File(extent) = inode.body else { panic!("{len}") };
            assert_eq!(extent.sizes, sizes, "{len} bytes");
            assert_eq!(extent.fragment, (fragment == 3).then_some((3, 17)));
        }
        // As many blocks as no table has.
        let huge = words(&[0, 0, u32::MAX, u32::MAX, 0, 0, 1, NO_FRAGMENT, 0, 0]);
        assert!(decoded([header(9, 0), huge].concat()).is_err());
    }

    #[test]
    fn an_index_comes_behind_its_directory() {
        let index = [words(&[20, 0, 1]), b"ab".to_vec()].concat();
        // A count of one, and an offset of 6.
        let body = [words(&[2, 3, 7, 1, 6 << 16 | 1, NO_XATTRS]), index].concat();
        let inode = decoded([header(8, 0), body].concat()).unwrap();
        let Body::Directory(directory) = inode.body else { panic!("a directory") };
        let [(entry, name)] = directory.index.as_slice() else { panic!("one entry") };
        assert_eq!((entry.index.get(), name.as_slice()), (20, &b"ab"[..]));
        assert_eq!(directory.start, Reference { block: 7, offset: 6 });
    }

    /// A header (count less one, metadata block, number) and entries (offset, delta, type, name).
    fn listed(count: u32, entries: &[(i16, &[u8])]) -> Vec<u8> {
        let mut bytes = words(&[count, 40, 100]);
        for (delta, name) in entries {
            let entry = DirectoryEntry {
                offset: U16::new(3),
                number_delta: (*delta).into(),
                kind: U16::new(2),
                name_len: U16::new(u16::try_from(name.len() - 1).unwrap()),
            };
            bytes.extend(entry.as_bytes());
            bytes.extend(*name);
        }
        bytes
    }

    fn names(bytes: Vec<u8>, len: usize) -> Result<Vec<(String, u32)>, String> {
        let len = u32::try_from(len).unwrap();
        let table = Table::of_block("directory table", bytes);
        let body = DirectoryBody { start: Reference::default(), len, parent: 0, index: Vec::new() };
        let entries = listing(&table, &body).map_err(|error| error.to_string())?;
        assert!(entries.iter().all(|entry| entry.inode == Reference { block: 40, offset: 3 }));
        let shown = |entry: ListedEntry| (String::from_utf8(entry.name).unwrap(), entry.number);
        Ok(entries.into_iter().map(shown).collect())
    }

    #[test]
    fn listings_are_in_order_whole_and_of_file_names() {
        let two = listed(1, &[(-1, b"a"), (5, b"b")]);
        let expected = [("a".to_owned(), 99), ("b".to_owned(), 105)];
        assert_eq!(names(two.clone(), two.len()).unwrap(), expected);
        let runs = [listed(0, &[(0, b"a")]), listed(0, &[(0, b"b")])].concat();
        assert_eq!(names(runs.clone(), runs.len()).unwrap().len(), 2);
        assert!(names(Vec::new(), 0).unwrap().is_empty());
        let whole = two.len();
        for (bytes, len, expected) in [
            (
                listed(1, &[(0, b"b"), (0, b"a")]),
                30,
                "expected names in ascending order, found `a`",
            ),
            (
                listed(1, &[(0, b"a"), (0, b"a")]),
                30,
                "expected names in ascending order, found `a`",
            ),
            (listed(0, &[(0, b".")]), 21, "expected a file name, found `.`"),
            (listed(0, &[(0, b"..")]), 22, "expected a file name, found `..`"),
            (listed(0, &[(0, b"a/b")]), 23, "expected a file name, found `a/b`"),
            (listed(0, &[(0, b"a\0")]), 22, "expected a file name, found `a\0`"),
            (two.clone(), whole - 1, "expected the listing to end at 0x1d"),
            (two, whole + 1, "expected 12 more bytes, but the table has 30 in all"),
            (
                words(&[256, 0, 0]),
                12,
                "expected a header of at most 256 entries, found 256 and one",
            ),
            (words(&[u32::MAX, 0, 0]), 12, "expected a header of at most 256 entries"),
        ] {
            let found = names(bytes, len).unwrap_err();
            assert!(found.contains(expected), "{expected}: {found}");
        }
        let long = "n".repeat(256);
        let found = names(listed(0, &[(0, long.as_bytes())]), 276).unwrap_err();
        assert!(found.contains("expected a file name, found `nnn"), "{found}");
    }

    /// `squashfs_xattr_entry`, the rest of the name, the length of the value, the value.
    fn pair(kind: u16, name: &[u8], value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(name.len()).unwrap();
        let value_len = u32::try_from(value.len()).unwrap();
        let head = [kind.to_le_bytes(), len.to_le_bytes()].concat();
        [&head, name, &value_len.to_le_bytes(), value].concat()
    }

    fn attributes(bytes: Vec<u8>, count: u32, mut budget: u64) -> Result<Vec<String>, String> {
        let table = Table::of_block("xattr table", bytes);
        let set = xattrs(&table, 0, count, &mut budget).map_err(|error| error.to_string())?;
        let shown = |(name, value): (Vec<u8>, Vec<u8>)| {
            format!("{}={}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&value))
        };
        Ok(set.into_iter().map(shown).collect())
    }

    #[test]
    fn attributes_are_read_in_line_and_out_of_line() {
        let three = [pair(0, b"a", b"1"), pair(1, b"b", b""), pair(2, b"c", b"3")].concat();
        assert_eq!(
            attributes(three.clone(), 3, 99).unwrap(),
            ["security.c=3", "trusted.b=", "user.a=1"]
        );
        // The value of the first, by its place: 4 bytes of header and 1 of name before it.
        let elsewhere = pair(XATTR_OUT_OF_LINE, b"z", &5u64.to_le_bytes());
        let four = [three, elsewhere].concat();
        assert!(attributes(four, 4, 99).unwrap().contains(&"user.z=1".to_owned()));
        for (bytes, count, budget, expected) in [
            (pair(3, b"a", b""), 1, 99, "expected an xattr prefix of 0 to 2, found 3"),
            (pair(0, b"a", b"").repeat(2), 2, 99, "expected each xattr once, found `user.a` twice"),
            (
                pair(XATTR_OUT_OF_LINE, b"a", b"1234567"),
                1,
                99,
                "expected an out-of-line xattr value to be 8 bytes",
            ),
            (pair(0, b"a", b"12"), 1, 7, "more extended attributes than the limit for a table"),
            (pair(0, b"a", b""), 2, 99, "expected 4 more bytes"),
        ] {
            let found = attributes(bytes, count, budget).unwrap_err();
            assert!(found.contains(expected), "{expected}: {found}");
        }
        assert!(attributes(pair(0, b"a", b"12"), 1, 8).is_ok());
    }
}
