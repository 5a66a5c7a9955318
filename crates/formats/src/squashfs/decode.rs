//! Inodes, listings and extended attributes as they are found in an image.

use std::collections::BTreeMap;

use zerocopy::little_endian::{U32, U64};

use super::Error;
use super::read::FileExtent;
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
