//! Reading an image: hostile bytes give an error, never a panic and never unbounded memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use zerocopy::FromBytes;

use super::Error;
use super::codec::Decoder;
use super::decode::{self, Body, Decoded, DirectoryBody, ListedEntry};
use super::extent::FileExtent;
use super::plan::{PATH_LEN_MAX, decode_device};
use super::spec::{self, BLOCK_STORED, FragmentEntry, Reference, Superblock, XattrSet, XattrTable};
use super::table::{Bytes, Table};
use crate::source::Source;
use crate::tree::{Inode, InodeId, Meta, Node, Tree};

/// Fragment blocks that an image keeps decoded: threads that read files side by side want some.
const FRAGMENTS_KEPT: usize = 16;

/// How much memory a foreign image may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each uncompressed table, and of all extended attributes.
    pub table_bytes: u64,
    /// Bytes of all contents that [`read`] answers.
    pub content_bytes: u64,
}

impl Default for Limits {
    /// Tables of 256 MiB, some five million inodes; contents of 4 GiB.
    fn default() -> Self {
        Self { table_bytes: 256 << 20, content_bytes: 4 << 30 }
    }
}

/// An open image: its tables are in memory, its contents are not.
pub struct Image<S> {
    pub(super) bytes: Bytes<S>,
    pub(super) superblock: Superblock,
    pub(super) inodes: Table,
    pub(super) directories: Table,
    pub(super) fragments: Vec<FragmentEntry>,
    /// References by inode number less one; empty if the image has no such table.
    pub(super) export: Vec<u64>,
    pub(super) ids: Vec<u32>,
    pub(super) xattr_sets: Vec<XattrSet>,
    pub(super) xattr_pairs: Option<Table>,
    /// Offsets of the metadata blocks of all tables of records.
    pub(super) record_blocks: Vec<u64>,
    limits: Limits,
    /// The fragment blocks used last: neighbours in a directory share one.
    recent: Mutex<VecDeque<(u32, Arc<Vec<u8>>)>>,
}

/// Reads a whole image, contents and all.
///
/// # Errors
/// As for [`Image::open`], [`Image::tree`] and [`Image::visit`]; [`Error::Unsupported`] above
/// [`Limits::content_bytes`].
pub fn read<S: Source>(source: S, limits: &Limits) -> Result<Tree<Vec<u8>>, Error> {
    let image = Image::open(source, limits)?;
    let mut left = limits.content_bytes;
    image.tree()?.try_map(|file| {
        left = left.checked_sub(file.len).ok_or_else(|| {
            let limit = limits.content_bytes;
            Error::Unsupported(format!("contents are larger than the limit of {limit} bytes"))
        })?;
        let mut contents = Vec::new();
        image.visit(&file, |block| {
            contents.extend_from_slice(block);
            Ok(())
        })?;
        Ok(contents)
    })
}

impl<S: Source> Image<S> {
    /// Reads the superblock and all tables.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the structure, the offset, the expected and the found;
    /// [`Error::Unsupported`] for another version, another compressor or a table above the limit;
    /// [`Error::Io`] from `source`.
    pub fn open(source: S, limits: &Limits) -> Result<Self, Error> {
        let superblock = superblock(&source)?;
        let number = superblock.compression.get();
        let decoder = Decoder::from_number(number).ok_or_else(|| {
            Error::Unsupported(format!("compression {number}, expected 1 (gzip) or 6 (zstd)"))
        })?;
        let bytes = Bytes { source, used: superblock.bytes_used.get(), decoder };
        let limit = limits.table_bytes;
        let fragments = u64::from(superblock.fragments.get());
        let mut directory_end = bytes.used;
        let mut record_blocks = Vec::new();
        let mut records = |what, index: u64, count: u64, size: u64| {
            if count == 0 {
                return Ok::<_, Error>(Vec::new());
            }
            let records = bytes.records(what, index, count, size, limit)?;
            directory_end = directory_end.min(records.first);
            record_blocks.extend(records.blocks);
            Ok(records.bytes)
        };
        let ids = records("id table", superblock.id_table.get(), superblock.ids.get().into(), 4)?;
        let fragments = records("fragment table", superblock.fragment_table.get(), fragments, 16)?;
        let inodes = match superblock.export_table.get() {
            spec::NO_TABLE => 0,
            _ => superblock.inodes.get().into(),
        };
        let export = records("export table", superblock.export_table.get(), inodes, 8)?;
        let start = superblock.directory_table.get();
        let directories = Table::load(&bytes, "directory table", start, directory_end, limit)?;
        let first = superblock.inode_table.get();
        let inodes = Table::load(&bytes, "inode table", first, start, limit)?;
        let (xattr_sets, xattr_pairs, blocks) = xattr_tables(&bytes, &superblock, limit)?;
        record_blocks.extend(blocks);
        Ok(Self {
            superblock,
            inodes,
            directories,
            fragments: fragments
                .chunks_exact(16)
                .flat_map(FragmentEntry::read_from_bytes)
                .collect(),
            export: decode::words(&export).collect(),
            ids: ids
                .chunks_exact(4)
                .map(|id| id.try_into().map_or(0, u32::from_le_bytes))
                .collect(),
            xattr_sets,
            xattr_pairs,
            record_blocks,
            limits: *limits,
            recent: Mutex::default(),
            bytes,
        })
    }

    /// The superblock as it was read, every field checked.
    #[must_use]
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The file system, with references into this image for contents.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the inode or directory table contradicts itself: a reference to
    /// nothing, unsorted names, a directory with two parents, inodes that overlap.
    pub fn tree(&self) -> Result<Tree<FileExtent>, Error> {
        let root = Reference::unpack(self.superblock.root_inode.get());
        let mut budget = Budget {
            inode_bytes: self.inodes.len() as u64,
            listing_bytes: self.directories.len() as u64,
            xattr_bytes: self.limits.table_bytes,
        };
        let decoded = self.inode(root, &mut budget)?;
        let meta = self.meta(&decoded, root, &mut budget)?;
        let Body::Directory(body) = decoded.body else {
            let why = format!("expected the root to be a directory, found {:?}", decoded.kind);
            return Err(Error::corrupt("inode", root.block, why));
        };
        let mut walk = Walk {
            image: self,
            tree: Tree::new(meta),
            seen: BTreeMap::new(),
            directories: BTreeSet::from([root]),
            budget,
        };
        let mut pending = vec![(Vec::new(), body)];
        while let Some((path, body)) = pending.pop() {
            walk.directory(&path, &body, &mut pending)?;
        }
        let (found, expected) =
            (walk.seen.len() + walk.directories.len(), self.superblock.inodes.get());
        if found as u64 != u64::from(expected) {
            let why = format!("expected {expected} inodes, found {found} with names");
            return Err(Error::corrupt("superblock", 0, why));
        }
        Ok(walk.tree)
    }

    pub(super) fn block_size(&self) -> usize {
        // At most 2^20, checked by `superblock`.
        usize::try_from(self.superblock.block_size.get()).unwrap_or(spec::METADATA_SIZE)
    }

    fn inode(&self, at: Reference, budget: &mut Budget) -> Result<Decoded, Error> {
        let mut cursor = self.inodes.at(at)?;
        let start = cursor.at;
        let decoded = decode::inode(&mut cursor, self.superblock.block_size.get())?;
        let spent = (cursor.at - start) as u64;
        budget.inode_bytes = budget.inode_bytes.checked_sub(spent).ok_or_else(|| {
            Error::corrupt("inode table", start as u64, "expected inodes that do not overlap")
        })?;
        Ok(decoded)
    }

    fn meta(&self, inode: &Decoded, at: Reference, budget: &mut Budget) -> Result<Meta, Error> {
        let id = |index: u16| {
            self.ids.get(usize::from(index)).copied().ok_or_else(|| {
                let why = format!("expected an id below {}, found {index}", self.ids.len());
                Error::corrupt("inode", at.block, why)
            })
        };
        Ok(Meta {
            mode: inode.header.mode.get(),
            uid: id(inode.header.uid.get())?,
            gid: id(inode.header.gid.get())?,
            mtime: inode.header.mtime.get().into(),
            xattrs: self.xattrs(inode.xattrs, &mut budget.xattr_bytes)?,
        })
    }

    /// One numbered set of extended attributes.
    pub(super) fn xattrs(
        &self,
        index: u32,
        budget: &mut u64,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        if index == spec::NO_XATTRS {
            return Ok(BTreeMap::new());
        }
        let set = usize::try_from(index).ok().and_then(|index| self.xattr_sets.get(index));
        let (Some(set), Some(pairs)) = (set, &self.xattr_pairs) else {
            let why = format!("expected below {} xattr sets, found {index}", self.xattr_sets.len());
            return Err(Error::corrupt("inode", 0, why));
        };
        decode::xattrs(pairs, set.first.get(), set.count.get(), budget)
    }

    /// Gives `each` the contents of a file in order, a block at a time.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the block; otherwise what `each` says or the source.
    pub fn visit(
        &self,
        file: &FileExtent,
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let block_size = self.block_size();
        let (mut at, mut left) = (file.start, file.len);
        for &word in &file.sizes {
            let len = usize::try_from(left).map_or(block_size, |left| left.min(block_size));
            if word == 0 {
                each(&vec![0; len])?;
            } else {
                let block = self.data_block(at, word)?;
                if block.len() != len {
                    let why = format!("expected {len} bytes, found {}", block.len());
                    return Err(Error::corrupt("data block", at, why));
                }
                each(&block)?;
                at = at.saturating_add((word & !BLOCK_STORED).into());
            }
            left = left.saturating_sub(len as u64);
        }
        match file.fragment {
            Some((index, offset)) if left > 0 => {
                let block = self.fragment(index)?;
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let len = usize::try_from(left).unwrap_or(usize::MAX);
                let tail = start.checked_add(len).and_then(|end| block.get(start..end));
                each(tail.ok_or_else(|| {
                    let why = format!("expected {len} bytes at {start} of {}", block.len());
                    Error::corrupt("fragment", index.into(), why)
                })?)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn data_block(&self, at: u64, word: u32) -> Result<Vec<u8>, Error> {
        let limit = self.block_size();
        let len = usize::try_from(word & !BLOCK_STORED).unwrap_or(usize::MAX);
        if len > limit {
            let why = format!("expected at most {limit} bytes on disk, found {len}");
            return Err(Error::corrupt("data block", at, why));
        }
        let stored = self.bytes.get("data block", at, len)?;
        if word & BLOCK_STORED != 0 {
            return Ok(stored);
        }
        let block = self.bytes.decoder.expand(&stored, limit);
        block.map_err(|why| Error::corrupt("data block", at, why))
    }

    pub(super) fn fragment(&self, index: u32) -> Result<Arc<Vec<u8>>, Error> {
        let recent = self.recent.lock().ok();
        let known = recent.and_then(|recent| {
            let known = recent.iter().find(|(known, _)| *known == index);
            known.map(|(_, block)| Arc::clone(block))
        });
        if let Some(block) = known {
            return Ok(block);
        }
        let entry = usize::try_from(index).ok().and_then(|index| self.fragments.get(index));
        let entry = entry.ok_or_else(|| {
            let why = format!("expected an index below {}", self.fragments.len());
            Error::corrupt("fragment", index.into(), why)
        })?;
        let block = Arc::new(self.data_block(entry.start.get(), entry.size.get())?);
        if let Ok(mut recent) = self.recent.lock() {
            recent.truncate(FRAGMENTS_KEPT - 1);
            recent.push_front((index, Arc::clone(&block)));
        }
        Ok(block)
    }
}

/// What is left of each table: nothing in it can be used twice.
struct Budget {
    inode_bytes: u64,
    listing_bytes: u64,
    xattr_bytes: u64,
}

struct Walk<'i, S> {
    image: &'i Image<S>,
    tree: Tree<FileExtent>,
    /// What is no directory and may have more names.
    seen: BTreeMap<Reference, InodeId>,
    directories: BTreeSet<Reference>,
    budget: Budget,
}

impl<S: Source> Walk<'_, S> {
    fn directory(
        &mut self,
        path: &[u8],
        body: &DirectoryBody,
        pending: &mut Vec<(Vec<u8>, DirectoryBody)>,
    ) -> Result<(), Error> {
        let left = self.budget.listing_bytes.checked_sub(body.len.into());
        self.budget.listing_bytes = left.ok_or_else(|| {
            let why = "expected listings that do not overlap";
            Error::corrupt("directory table", body.start.block, why)
        })?;
        for entry in decode::listing(&self.image.directories, body)? {
            let mut child = path.to_vec();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend_from_slice(&entry.name);
            if child.len() > PATH_LEN_MAX {
                return Err(Error::Unsupported(format!("a path of {} bytes", child.len())));
            }
            if let Some(body) = self.entry(&child, &entry)? {
                pending.push((child, body));
            }
        }
        Ok(())
    }

    /// Puts one entry into the tree; answers the listing to read if it is a directory.
    fn entry(&mut self, path: &[u8], entry: &ListedEntry) -> Result<Option<DirectoryBody>, Error> {
        let corrupt = |why: String| {
            let shown = String::from_utf8_lossy(path).into_owned();
            Error::corrupt("directory entry", entry.inode.block, format!("`/{shown}`: {why}"))
        };
        if let Some(&id) = self.seen.get(&entry.inode) {
            self.tree.link(path, id).map_err(|error| corrupt(error.to_string()))?;
            return Ok(None);
        }
        let decoded = self.image.inode(entry.inode, &mut self.budget)?;
        let (kind, number) = (decoded.kind.basic(), decoded.header.number.get());
        if (entry.kind, entry.number) != (kind, number) {
            return Err(corrupt(format!(
                "expected inode {} of type {}, found inode {number} of type {kind}",
                entry.number, entry.kind
            )));
        }
        let meta = self.image.meta(&decoded, entry.inode, &mut self.budget)?;
        let mut listing = None;
        let node = match decoded.body {
            Body::Directory(body) => {
                if !self.directories.insert(entry.inode) {
                    return Err(corrupt("expected a directory to have one parent".into()));
                }
                listing = Some(body);
                Node::Directory(BTreeMap::new())
            }
            Body::File(extent) => Node::File(extent),
            Body::Symlink(target) => Node::Symlink(target),
            Body::Device(device) if decoded.kind == spec::Kind::CharDevice => {
                Node::CharDevice(decode_device(device))
            }
            Body::Device(device) => Node::BlockDevice(decode_device(device)),
            Body::Ipc if decoded.kind == spec::Kind::Fifo => Node::Fifo,
            Body::Ipc => Node::Socket,
        };
        let id = self.tree.put(path, Inode { meta, node });
        let id = id.map_err(|error| corrupt(error.to_string()))?;
        if listing.is_none() {
            self.seen.insert(entry.inode, id);
        }
        Ok(listing)
    }
}

fn superblock<S: Source>(source: &S) -> Result<Superblock, Error> {
    let mut bytes = [0; size_of::<Superblock>()];
    if source.len() < bytes.len() as u64 {
        let why = format!("expected at least 96 bytes, found {}", source.len());
        return Err(Error::corrupt("superblock", 0, why));
    }
    source.read_at(0, &mut bytes).map_err(Error::reading(0))?;
    let corrupt = |at, why| Err(Error::corrupt("superblock", at, why));
    let Ok(superblock) = Superblock::read_from_bytes(&bytes) else {
        return corrupt(0, "expected 96 bytes".into());
    };
    let magic = superblock.magic.get();
    if magic != spec::MAGIC {
        return corrupt(0, format!("expected magic {:#x}, found {magic:#x}", spec::MAGIC));
    }
    let version = (superblock.major.get(), superblock.minor.get());
    if version != (spec::MAJOR, spec::MINOR) {
        return Err(Error::Unsupported(format!("version {}.{}", version.0, version.1)));
    }
    let (size, log) = (superblock.block_size.get(), superblock.block_log.get());
    let range = spec::BLOCK_SIZE_MIN..=spec::BLOCK_SIZE_MAX;
    if !range.contains(&size) || 1u32.checked_shl(log.into()) != Some(size) {
        let why = format!("expected a block size of 2^12 to 2^20, found {size} and 2^{log}");
        return corrupt(12, why);
    }
    let used = superblock.bytes_used.get();
    if used > source.len() {
        let why = format!("expected an image of {used} bytes, found {}", source.len());
        return corrupt(40, why);
    }
    Ok(superblock)
}

/// The sets, the table they point into, and where the blocks of the sets are.
type Xattrs = (Vec<XattrSet>, Option<Table>, Vec<u64>);

fn xattr_tables<S: Source>(
    image: &Bytes<S>,
    superblock: &Superblock,
    limit: u64,
) -> Result<Xattrs, Error> {
    let at = superblock.xattr_table.get();
    if at == spec::NO_TABLE {
        return Ok((Vec::new(), None, Vec::new()));
    }
    let what = "xattr table";
    let header = image.get(what, at, size_of::<XattrTable>())?;
    let header = XattrTable::read_from_bytes(&header)
        .map_err(|_| Error::corrupt(what, at, "expected 16 bytes"))?;
    let size = size_of::<XattrSet>();
    let index = at + size_of::<XattrTable>() as u64;
    let records = image.records(what, index, header.sets.get().into(), size as u64, limit)?;
    let sets = records.bytes.chunks_exact(size).flat_map(XattrSet::read_from_bytes).collect();
    let pairs = Table::load(image, what, header.start.get(), records.first, limit)?;
    Ok((sets, Some(pairs), records.blocks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::{Options, Plan};

    /// One directory with a file of two blocks and a tail.
    fn image() -> Vec<u8> {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.make_directories(b"d", &Meta::root(0o755, 0)).unwrap();
        let contents: Vec<u8> = (0..2500u32).flat_map(u32::to_le_bytes).collect();
        tree.put(b"d/f", Inode::file(Meta::root(0o644, 0), contents)).unwrap();
        let options = Options { block_size: 4096, ..Options::new(0) };
        let mut bytes = Vec::new();
        Plan::new(&tree, &options).unwrap().write(&mut bytes).unwrap();
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes, &Limits::default()).unwrap_err().to_string()
    }

    fn field(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    /// `struct squashfs_super_block`: offset of a field, what is written there, what is said.
    #[test]
    fn every_field_of_the_superblock_is_checked() {
        let whole = image();
        let len = whole.len();
        let rows: [(usize, &[u8], String); 13] = [
            (0, b"i", "corrupt squashfs: superblock at 0x0: expected magic 0x73717368, found 0x73717369".into()),
            (28, &[3], "unsupported squashfs: version 3.0".into()),
            (30, &[1], "unsupported squashfs: version 4.1".into()),
            (
                12,
                &[0, 0x20],
                "corrupt squashfs: superblock at 0xc: expected a block size of 2^12 to 2^20, found 8192 and 2^12".into(),
            ),
            (
                22,
                &[44],
                "corrupt squashfs: superblock at 0xc: expected a block size of 2^12 to 2^20, found 4096 and 2^44".into(),
            ),
            (
                40,
                &u64::MAX.to_le_bytes(),
                format!("corrupt squashfs: superblock at 0x28: expected an image of {} bytes, found {len}", u64::MAX),
            ),
            (20, &[2], "unsupported squashfs: compression 2, expected 1 (gzip) or 6 (zstd)".into()),
            (20, &[1], "expected a zlib stream".into()),
            (26, &[9], "expected 36 bytes of records, found 4".into()),
            (26, &[0], "corrupt squashfs: inode at 0x0: expected an id below 0, found 0".into()),
            (4, &[9], "expected 72 bytes of records, found 24".into()),
            (32, &[0, 0, 1], "corrupt squashfs: inode table at 0x1: expected the start of a metadata block".into()),
            (32, &[0], "corrupt squashfs: inode at 0x0: expected the root to be a directory, found File".into()),
        ];
        for (at, bytes, expected) in rows {
            let mut broken = whole.clone();
            broken[at..at + bytes.len()].copy_from_slice(bytes);
            let found = refusal(&broken);
            assert!(found.contains(&expected), "offset {at}: {found}");
        }
        // Without the export table the number of inodes is that of the names.
        let mut counted = whole.clone();
        counted[4] = 9;
        counted[88..96].fill(0xff);
        assert_eq!(
            refusal(&counted),
            "corrupt squashfs: superblock at 0x0: expected 9 inodes, found 3 with names"
        );
        assert_eq!(
            refusal(&whole[..95]),
            "corrupt squashfs: superblock at 0x0: expected at least 96 bytes, found 95"
        );
    }

    /// The kernel takes blocks of 4 KiB to 1 MiB, whose logarithm is beside them.
    #[test]
    fn block_sizes_have_bounds() {
        let whole = image();
        for (log, is_read) in [(11, false), (12, true), (17, true), (20, true), (21, false)] {
            let mut other = whole.clone();
            other[12..16].copy_from_slice(&(1u32 << log).to_le_bytes());
            other[22] = log;
            assert_eq!(Image::open(other, &Limits::default()).is_ok(), is_read, "2^{log}");
        }
    }

    #[test]
    fn tables_lie_inside_what_is_used() {
        let whole = image();
        for at in [48, 64, 72, 80, 88] {
            for value in [field(&whole, 40), u64::MAX - 1] {
                let mut broken = whole.clone();
                broken[at..at + 8].copy_from_slice(&value.to_le_bytes());
                assert!(refusal(&broken).contains("expected"), "offset {at}: {value:#x}");
            }
        }
        // Bytes behind `bytes_used` are no part of the image.
        let used = usize::try_from(field(&whole, 40)).unwrap();
        assert!(read(&whole[..used], &Limits::default()).is_ok());
        let mut less = whole;
        less[40] -= 1;
        assert!(read(&less[..], &Limits::default()).is_err());
    }

    #[test]
    fn contents_and_tables_have_limits() {
        let whole = image();
        let with = |limits| read(&whole[..], &limits).map(drop).map_err(|error| error.to_string());
        let limits = Limits::default();
        assert_eq!(with(Limits { content_bytes: 10_000, ..limits }), Ok(()));
        assert_eq!(
            with(Limits { content_bytes: 9999, ..limits }).unwrap_err(),
            "unsupported squashfs: contents are larger than the limit of 9999 bytes"
        );
        let found = with(Limits { table_bytes: 15, ..limits }).unwrap_err();
        assert_eq!(
            found,
            "unsupported squashfs: fragment table is larger than the limit of 15 bytes"
        );
    }

    /// An extent that an inode could have: its blocks, and where its tail is.
    #[test]
    fn blocks_and_tails_have_the_length_that_the_file_says() {
        let image = Image::open(image(), &Limits::default()).unwrap();
        let tree = image.tree().unwrap();
        let id = tree.lookup(b"d/f").unwrap();
        let Node::File(extent) = &tree.inode(id).node else { panic!("{id:?}") };
        let visit = |extent: &FileExtent| {
            let mut bytes = Vec::new();
            let visited = image.visit(extent, |block| {
                bytes.extend_from_slice(block);
                Ok(())
            });
            visited.map(|()| bytes).map_err(|error| error.to_string())
        };
        let expected: Vec<u8> = (0..2500u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(visit(extent).unwrap(), expected);
        assert_eq!((extent.len(), extent.is_empty()), (10_000, false));
        let (fragment, offset) = extent.fragment.unwrap();
        let changed = |change: &dyn Fn(&mut FileExtent)| {
            let mut extent = extent.clone();
            change(&mut extent);
            visit(&extent)
        };
        // The tail is the whole fragment block: neither one byte later nor in another block.
        let later = changed(&|extent| extent.fragment = Some((fragment, offset + 1)));
        assert!(later.unwrap_err().contains("fragment at 0x0: expected 1808 bytes at 1 of 1808"));
        let other = changed(&|extent| extent.fragment = Some((1, 0)));
        assert!(other.unwrap_err().contains("fragment at 0x1: expected an index below 1"));
        let long = changed(&|extent| extent.sizes[0] = 4097 | BLOCK_STORED);
        assert!(long.unwrap_err().contains("expected at most 4096 bytes on disk, found 4097"));
        let short = changed(&|extent| extent.sizes[0] = 16 | BLOCK_STORED);
        assert!(short.unwrap_err().contains("expected 4096 bytes, found 16"));
        let outside = changed(&|extent| extent.start = u64::MAX);
        assert!(outside.unwrap_err().contains("bytes within the image's"));
        // A hole is zeros, and takes no room.
        let holes = changed(&|extent| extent.sizes = vec![0, 0]).unwrap();
        assert_eq!(holes[..8192], [0; 8192]);
        assert_eq!(holes[8192..], expected[8192..]);
        // Without a tail there is nothing behind the blocks.
        assert_eq!(changed(&|extent| extent.fragment = None).unwrap().len(), 8192);
    }
}
