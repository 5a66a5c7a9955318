//! The image: contents, then tables, then the superblock that points at them.

use std::collections::BTreeMap;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::data::{self, Data};
use super::inode::{self, Common};
use super::listing::{self, Entry, Listing};
use super::metadata::{Indexed, Metadata};
use super::plan::Plan;
use super::spec::{self, Reference, Superblock};
use super::{Compression, Error};
use crate::sink::Sink;
use crate::source::Source;
use crate::tree::{InodeId, Node};

impl<C: Source> Plan<'_, C> {
    /// Writes the image on all threads of the current rayon pool; answers its length in bytes, a
    /// multiple of 4096. Everything is emitted in order but the superblock, which comes last.
    ///
    /// # Errors
    /// [`Error::Content`] when a file can't be read, [`Error::Io`] when the sink refuses,
    /// [`Error::TooMany`] when a table outgrows its field.
    pub fn write(&self, sink: &mut impl Sink) -> Result<u64, Error> {
        let header = size_of::<Superblock>() as u64;
        let data = data::write(self, header, sink)?;
        let tables = Tables::build(self, &data)?;
        let encoder = &self.encoder;
        let mut end = data.end;
        let mut append = |bytes: &[u8]| -> Result<u64, Error> {
            let at = end;
            sink.write_at(at, bytes).map_err(Error::writing(at))?;
            end += bytes.len() as u64;
            Ok(end)
        };
        let inode_table = data.end;
        let directory_table = append(&tables.inodes.stored)?;
        let at = append(&tables.directories.stored)?;
        let fragments = Indexed::new(encoder, at, data.fragments.as_bytes())?;
        let at = append(&fragments.bytes)?;
        let export = Indexed::new(encoder, at, tables.export().as_bytes())?;
        let at = append(&export.bytes)?;
        let ids = Indexed::new(encoder, at, &self.id_records())?;
        let at = append(&ids.bytes)?;
        let xattrs = self.xattr_sets.encode(encoder, at)?;
        let bytes_used = append(&xattrs.bytes)?;
        let superblock = Superblock {
            root_inode: tables.root.pack().into(),
            bytes_used: bytes_used.into(),
            id_table: ids.index.into(),
            xattr_table: xattrs.index.into(),
            inode_table: inode_table.into(),
            directory_table: directory_table.into(),
            fragment_table: fragments.index.into(),
            export_table: export.index.into(),
            fragments: u32::try_from(data.fragments.len()).unwrap_or(spec::NO_FRAGMENT).into(),
            ..self.superblock()
        };
        let padded = bytes_used.next_multiple_of(spec::PADDING);
        sink.zeros(bytes_used, padded - bytes_used).map_err(Error::writing(bytes_used))?;
        sink.write_at(0, superblock.as_bytes()).map_err(Error::writing(0))?;
        Ok(padded)
    }

    /// The fields that don't depend on where things went.
    fn superblock(&self) -> Superblock {
        let block_log = u16::try_from(self.options.block_size.ilog2()).unwrap_or(0);
        let compression = match self.options.compression {
            Compression::Gzip { .. } => spec::GZIP,
            Compression::Zstd { .. } => spec::ZSTD,
        };
        let flags = spec::FLAG_DUPLICATES | spec::FLAG_EXPORT | spec::FLAG_ALWAYS_FRAGMENTS;
        Superblock {
            magic: spec::MAGIC.into(),
            inodes: self.inodes.into(),
            mkfs_time: self.options.mkfs_time.into(),
            block_size: self.options.block_size.into(),
            fragments: 0.into(),
            compression: compression.into(),
            block_log: block_log.into(),
            flags: flags.into(),
            // `Ids` refuses more.
            ids: u16::try_from(self.ids.values.len()).unwrap_or(u16::MAX).into(),
            major: spec::MAJOR.into(),
            minor: spec::MINOR.into(),
            root_inode: 0.into(),
            bytes_used: 0.into(),
            id_table: 0.into(),
            xattr_table: spec::NO_TABLE.into(),
            inode_table: 0.into(),
            directory_table: 0.into(),
            fragment_table: 0.into(),
            export_table: 0.into(),
        }
    }

    fn id_records(&self) -> Vec<u8> {
        self.ids.values.iter().flat_map(|&id| U32::new(id).as_bytes().to_vec()).collect()
    }
}

/// The inode and the directory table, which refer to each other.
struct Tables {
    inodes: Metadata,
    directories: Metadata,
    /// Where each inode is, by number less one.
    places: Vec<Option<Reference>>,
    root: Reference,
}

impl Tables {
    fn build<C: Source>(plan: &Plan<'_, C>, data: &Data) -> Result<Self, Error> {
        let mut tables = Self {
            inodes: Metadata::default(),
            directories: Metadata::default(),
            places: vec![None; plan.inodes as usize],
            root: Reference::default(),
        };
        let mut listings: BTreeMap<InodeId, (Listing, u32)> = BTreeMap::new();
        for &(directory, parent) in &plan.directories {
            let mut entries = Vec::new();
            for (name, id) in plan.tree.entries(directory) {
                let number = plan.numbers[id.index()];
                let inode = tables.place(plan, data, &listings, id)?;
                let kind = inode::kind(&plan.tree.inode(id).node);
                entries.push(Entry { name, kind, number, inode });
            }
            let listing = listing::append(&entries, &mut tables.directories, &plan.encoder)?;
            listings.insert(directory, (listing, parent));
        }
        tables.root = tables.place(plan, data, &listings, plan.tree.root())?;
        tables.inodes.flush(&plan.encoder)?;
        tables.directories.flush(&plan.encoder)?;
        Ok(tables)
    }

    /// Where an inode is; it is written when it is first asked for.
    fn place<C: Source>(
        &mut self,
        plan: &Plan<'_, C>,
        data: &Data,
        listings: &BTreeMap<InodeId, (Listing, u32)>,
        id: InodeId,
    ) -> Result<Reference, Error> {
        let index = plan.numbers[id.index()] as usize - 1;
        if let Some(place) = self.places[index] {
            return Ok(place);
        }
        let place = self.inodes.position()?;
        let bytes = encode(plan, data, listings, id)?;
        self.inodes.push(&plan.encoder, &bytes)?;
        self.places[index] = Some(place);
        Ok(place)
    }

    fn export(&self) -> Vec<U64> {
        self.places.iter().map(|place| U64::new(place.unwrap_or_default().pack())).collect()
    }
}

fn encode<C: Source>(
    plan: &Plan<'_, C>,
    data: &Data,
    listings: &BTreeMap<InodeId, (Listing, u32)>,
    id: InodeId,
) -> Result<Vec<u8>, Error> {
    let inode = plan.tree.inode(id);
    let slot = id.index();
    let common = Common {
        meta: &inode.meta,
        uid: plan.ids.number(inode.meta.uid),
        gid: plan.ids.number(inode.meta.gid),
        number: plan.numbers[slot],
        links: plan.links[slot],
        xattrs: plan.xattrs[slot],
    };
    let kind = inode::kind(&inode.node);
    Ok(match &inode.node {
        Node::Directory(_) => {
            let (listing, parent) = &listings[&id];
            common.directory(listing, *parent)?
        }
        Node::File(_) => {
            let file = plan.file_of[&id];
            common.file(data.file(file), plan.files[file].len)
        }
        Node::Symlink(target) => common.symlink(target),
        Node::CharDevice(device) | Node::BlockDevice(device) => common.device(kind, *device),
        Node::Fifo | Node::Socket => common.ipc(kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::Options;
    use crate::tree::{Inode, Meta, Tree};

    fn word(image: &[u8], at: usize, len: usize) -> u64 {
        image[at..at + len].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    /// The offsets are those of `struct squashfs_super_block`.
    #[test]
    fn the_superblock_says_where_the_tables_are() {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.put(b"f", Inode::file(Meta { uid: 5, ..Meta::root(0o644, 0) }, b"x".to_vec()))
            .unwrap();
        for (compression, number) in
            [(Compression::Gzip { level: 9 }, 1), (Compression::Zstd { level: 3 }, 6)]
        {
            let options = Options { block_size: 8192, compression, mkfs_time: 0x1234_5678 };
            let mut image = Vec::new();
            let len = Plan::new(&tree, &options).unwrap().write(&mut image).unwrap();
            assert_eq!((len, image.len()), (4096, 4096));
            let fields =
                [(0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 2), (22, 2), (24, 2), (26, 2)];
            let found = fields.map(|(at, len)| word(&image, at, len));
            let flags = 0x40 | 0x20 | 0x80;
            assert_eq!(found, [0x7371_7368, 2, 0x1234_5678, 8192, 1, number, 13, flags, 2]);
            assert_eq!((word(&image, 28, 2), word(&image, 30, 2)), (4, 0));
            let [root, used, ids, xattrs, inodes, directories, fragments, export] =
                [32, 40, 48, 56, 64, 72, 80, 88].map(|at| word(&image, at, 8));
            assert_eq!(xattrs, u64::MAX, "there are none");
            // Contents, inodes, directories, fragments, export table, ids: in this order.
            assert!(96 < inodes && inodes < directories && directories < fragments);
            assert!(fragments < export && export < ids && ids < used && used <= 4096);
            assert!(image[usize::try_from(used).unwrap()..].iter().all(|&byte| byte == 0));
            // The file's inode, 32 bytes, comes before the root's.
            assert_eq!(root, 32);
            // The index of the id table points at its one metadata block: the users 0 and 5.
            let block = usize::try_from(word(&image, usize::try_from(ids).unwrap(), 8)).unwrap();
            assert_eq!(word(&image, block, 2), 0x8000 | 8, "it does not shrink");
            assert_eq!((word(&image, block + 2, 4), word(&image, block + 6, 4)), (0, 5));
        }
    }
}
