//! Inodes as they are stored, each in the shortest form that can say what it must.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::Error;
use super::data::FileData;
use super::listing::Listing;
use super::plan::encode_device;
use super::spec::{
    DeviceNode, Directory, DirectoryIndex, ExtendedDirectory, ExtendedFile, File, InodeHeader, Ipc,
    Kind, NO_XATTRS, Symlink,
};
use crate::tree::{Device, Meta, Node};

/// What all inodes have.
pub(super) struct Common<'a> {
    pub(super) meta: &'a Meta,
    pub(super) uid: u16,
    pub(super) gid: u16,
    pub(super) number: u32,
    pub(super) links: u32,
    pub(super) xattrs: u32,
}

/// The type of a node.
pub(super) fn kind<C>(node: &Node<C>) -> Kind {
    match node {
        Node::Directory(_) => Kind::Directory,
        Node::File(_) => Kind::File,
        Node::Symlink(_) => Kind::Symlink,
        Node::CharDevice(_) => Kind::CharDevice,
        Node::BlockDevice(_) => Kind::BlockDevice,
        Node::Fifo => Kind::Fifo,
        Node::Socket => Kind::Socket,
    }
}

impl Common<'_> {
    fn has_xattrs(&self) -> bool {
        self.xattrs != NO_XATTRS
    }

    fn header(&self, kind: Kind, extended: bool) -> Vec<u8> {
        let header = InodeHeader {
            kind: if extended { kind.extended() } else { kind.basic() }.into(),
            mode: self.meta.mode.into(),
            uid: self.uid.into(),
            gid: self.gid.into(),
            // `Plan::new` refused what does not fit.
            mtime: u32::try_from(self.meta.mtime).unwrap_or(0).into(),
            number: self.number.into(),
        };
        header.as_bytes().to_vec()
    }

    /// A directory. The names of its entries and of itself make its link count.
    pub(super) fn directory(&self, listing: &Listing, parent: u32) -> Result<Vec<u8>, Error> {
        let start = narrow("bytes in the directory table", listing.start.block)?;
        let links = listing.subdirectories.saturating_add(2);
        let offset = listing.start.offset;
        let basic_size = u16::try_from(listing.size).ok();
        if let (Some(size), true, false) = (basic_size, listing.index.is_empty(), self.has_xattrs())
        {
            let body = Directory {
                start: start.into(),
                links: links.into(),
                size: size.into(),
                offset: offset.into(),
                parent: parent.into(),
            };
            let mut bytes = self.header(Kind::Directory, false);
            bytes.extend_from_slice(body.as_bytes());
            return Ok(bytes);
        }
        // The index only makes look-ups faster, and its count has 16 bits.
        let index = &listing.index[..listing.index.len().min(usize::from(u16::MAX))];
        let body = ExtendedDirectory {
            links: links.into(),
            size: listing.size.into(),
            start: start.into(),
            parent: parent.into(),
            index_count: u16::try_from(index.len()).unwrap_or(u16::MAX).into(),
            offset: offset.into(),
            xattrs: self.xattrs.into(),
        };
        let mut bytes = self.header(Kind::Directory, true);
        bytes.extend_from_slice(body.as_bytes());
        for entry in index {
            let record = DirectoryIndex {
                index: entry.position.into(),
                start: narrow("bytes in the directory table", entry.block)?.into(),
                name_len: narrow("bytes in a name", entry.name.len() as u64 - 1)?.into(),
            };
            bytes.extend_from_slice(record.as_bytes());
            bytes.extend_from_slice(&entry.name);
        }
        Ok(bytes)
    }

    /// A regular file of `len` bytes.
    pub(super) fn file(&self, data: &FileData, len: u64) -> Vec<u8> {
        let plain = self.links == 1 && !self.has_xattrs() && data.sparse == 0;
        let narrow = (u32::try_from(data.start), u32::try_from(len));
        let mut bytes;
        if let (true, (Ok(start), Ok(size))) = (plain, narrow) {
            let body = File {
                start: start.into(),
                fragment: data.fragment.into(),
                offset: data.offset.into(),
                size: size.into(),
            };
            bytes = self.header(Kind::File, false);
            bytes.extend_from_slice(body.as_bytes());
        } else {
            let body = ExtendedFile {
                start: data.start.into(),
                size: len.into(),
                // Linux counts blocks from `size - sparse - 1`, which must not wrap
                // (`fs/squashfs/inode.c`); mksquashfs stays one below too.
                sparse: data.sparse.min(len.saturating_sub(1)).into(),
                links: self.links.into(),
                fragment: data.fragment.into(),
                offset: data.offset.into(),
                xattrs: self.xattrs.into(),
            };
            bytes = self.header(Kind::File, true);
            bytes.extend_from_slice(body.as_bytes());
        }
        for &size in &data.sizes {
            bytes.extend_from_slice(U32::new(size).as_bytes());
        }
        bytes
    }

    /// A symbolic link.
    pub(super) fn symlink(&self, target: &[u8]) -> Vec<u8> {
        let mut bytes = self.header(Kind::Symlink, self.has_xattrs());
        // `Plan::new` refused what does not fit.
        let len = u32::try_from(target.len()).unwrap_or(0);
        let body = Symlink { links: self.links.into(), len: len.into() };
        bytes.extend_from_slice(body.as_bytes());
        bytes.extend_from_slice(target);
        self.push_xattrs(&mut bytes);
        bytes
    }

    /// A device node.
    pub(super) fn device(&self, kind: Kind, device: Device) -> Vec<u8> {
        let mut bytes = self.header(kind, self.has_xattrs());
        // `Plan::new` refused what does not fit.
        let device = encode_device(device).unwrap_or(0);
        let body = DeviceNode { links: self.links.into(), device: device.into() };
        bytes.extend_from_slice(body.as_bytes());
        self.push_xattrs(&mut bytes);
        bytes
    }

    /// A named pipe or a socket.
    pub(super) fn ipc(&self, kind: Kind) -> Vec<u8> {
        let mut bytes = self.header(kind, self.has_xattrs());
        bytes.extend_from_slice(Ipc { links: self.links.into() }.as_bytes());
        self.push_xattrs(&mut bytes);
        bytes
    }

    fn push_xattrs(&self, bytes: &mut Vec<u8>) {
        if self.has_xattrs() {
            bytes.extend_from_slice(U32::new(self.xattrs).as_bytes());
        }
    }
}

fn narrow(what: &'static str, found: u64) -> Result<u32, Error> {
    u32::try_from(found).map_err(|_| Error::TooMany { what, limit: u32::MAX.into(), found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::listing::IndexEntry;
    use crate::squashfs::spec::Reference;

    /// The fields of an inode, each with its length in bytes, little-endian.
    fn bytes(fields: &[(u64, usize)]) -> Vec<u8> {
        fields.iter().flat_map(|&(value, len)| value.to_le_bytes()[..len].to_vec()).collect()
    }

    /// `struct squashfs_base_inode` of a type: mode, owner, group, time, number.
    fn base(kind: u64) -> Vec<u8> {
        bytes(&[(kind, 2), (0o4755, 2), (1, 2), (2, 2), (0x6540_0000, 4), (7, 4)])
    }

    fn meta() -> Meta {
        Meta::root(0o4755, 0x6540_0000)
    }

    fn common(meta: &Meta, links: u32, xattrs: u32) -> Common<'_> {
        Common { meta, uid: 1, gid: 2, number: 7, links, xattrs }
    }

    fn data(start: u64, sizes: &[u32], sparse: u64) -> FileData {
        let mut data = FileData::EMPTY;
        (data.start, data.sizes, data.sparse) = (start, sizes.to_vec(), sparse);
        (data.fragment, data.offset) = (5, 6);
        data
    }

    /// `struct squashfs_reg_inode` and `squashfs_lreg_inode`: the shorter one wherever it can say it all.
    #[test]
    fn a_file_is_extended_where_it_must_be() {
        let meta = meta();
        let short = |start: u64, len: u64, sizes: &[u64]| {
            let body = bytes(&[(start, 4), (5, 4), (6, 4), (len, 4)]);
            let sizes: Vec<_> = sizes.iter().map(|&size| (size, 4)).collect();
            [base(2), body, bytes(&sizes)].concat()
        };
        let long = |start: u64, len: u64, sparse: u64, links: u64, xattrs: u64, sizes: &[u64]| {
            let body = bytes(&[(start, 8), (len, 8), (sparse, 8)]);
            let rest = bytes(&[(links, 4), (5, 4), (6, 4), (xattrs, 4)]);
            let sizes: Vec<_> = sizes.iter().map(|&size| (size, 4)).collect();
            [base(9), body, rest, bytes(&sizes)].concat()
        };
        let (most, none) = (u64::from(u32::MAX), u64::from(NO_XATTRS));
        let file =
            |links, xattrs, data: &FileData, len| common(&meta, links, xattrs).file(data, len);
        assert_eq!(file(1, NO_XATTRS, &data(96, &[9, 8], 0), 3), short(96, 3, &[9, 8]));
        assert_eq!(file(1, NO_XATTRS, &data(most, &[], 0), most), short(most, most, &[]));
        for (links, xattrs, start, sparse, len) in [
            (2, NO_XATTRS, 96, 0, 3),
            (1, 0, 96, 0, 3),
            (1, NO_XATTRS, most + 1, 0, 3),
            (1, NO_XATTRS, 96, 0, most + 1),
            (1, NO_XATTRS, 96, 1, 3),
        ] {
            let found = file(links, xattrs, &data(start, &[9], sparse), len);
            let (links, xattrs) = (u64::from(links), u64::from(xattrs));
            assert_eq!(found, long(start, len, sparse, links, xattrs, &[9]));
        }
        // A file that is all holes: one byte less, as mksquashfs counts it.
        let hole = file(1, NO_XATTRS, &data(0, &[0], 4096), 4096);
        assert_eq!(hole, long(0, 4096, 4095, 1, none, &[0]));
    }

    #[test]
    fn a_directory_is_extended_where_it_must_be() {
        let meta = meta();
        let listing = |size, index: &[(u32, u64, &str)]| Listing {
            start: Reference { block: 0x1234, offset: 0x56 },
            size,
            index: index
                .iter()
                .map(|&(position, block, name)| IndexEntry { position, block, name: name.into() })
                .collect(),
            subdirectories: 3,
        };
        let directory = |xattrs, listing: &Listing| {
            common(&meta, 1, xattrs).directory(listing, 9).map_err(|error| error.to_string())
        };
        // Links: its own name, `.`, and `..` of each directory in it.
        let short = [base(1), bytes(&[(0x1234, 4), (5, 4), (0xffff, 2), (0x56, 2), (9, 4)])];
        assert_eq!(directory(NO_XATTRS, &listing(0xffff, &[])), Ok(short.concat()));
        let long = |size: u64, index: u64, xattrs: u64| {
            let body = bytes(&[(5, 4), (size, 4), (0x1234, 4), (9, 4)]);
            [base(8), body, bytes(&[(index, 2), (0x56, 2), (xattrs, 4)])].concat()
        };
        let none = u64::from(NO_XATTRS);
        assert_eq!(directory(NO_XATTRS, &listing(0x1_0000, &[])), Ok(long(0x1_0000, 0, none)));
        assert_eq!(directory(4, &listing(20, &[])), Ok(long(20, 0, 4)));
        let indexed = listing(20, &[(8, 0x2000, "ab"), (16, 0x3000, "c")]);
        let records = [bytes(&[(8, 4), (0x2000, 4), (1, 4)]), b"ab".to_vec()];
        let more = [bytes(&[(16, 4), (0x3000, 4), (0, 4)]), b"c".to_vec()];
        let expected = [long(20, 2, none), records.concat(), more.concat()].concat();
        assert_eq!(directory(NO_XATTRS, &indexed), Ok(expected));
        let mut far = listing(20, &[]);
        far.start.block = 1 << 32;
        let message =
            "squashfs holds at most 4294967295 bytes in the directory table, found 4294967296";
        assert_eq!(directory(NO_XATTRS, &far), Err(message.to_owned()));
        let far = listing(20, &[(8, 1 << 32, "ab")]);
        assert_eq!(directory(NO_XATTRS, &far), Err(message.to_owned()));
    }

    /// Links, devices, pipes and sockets; in the extended form an index of attributes is behind.
    #[test]
    fn other_inodes_end_with_their_attributes() {
        let meta = meta();
        let device = Device { major: 0x123, minor: 0x4_5678 };
        // `new_encode_dev` of `include/linux/kdev_t.h`.
        let packed = 0x78 | 0x123 << 8 | 0x4_5600 << 12;
        for (kind, node, body) in [
            (
                3,
                Node::<()>::Symlink(b"to".to_vec()),
                [bytes(&[(2, 4), (2, 4)]), b"to".to_vec()].concat(),
            ),
            (4, Node::BlockDevice(device), bytes(&[(2, 4), (packed, 4)])),
            (5, Node::CharDevice(device), bytes(&[(2, 4), (packed, 4)])),
            (6, Node::Fifo, bytes(&[(2, 4)])),
            (7, Node::Socket, bytes(&[(2, 4)])),
        ] {
            for (xattrs, kind, end) in [(NO_XATTRS, kind, vec![]), (6, kind + 7, bytes(&[(6, 4)]))]
            {
                let common = common(&meta, 2, xattrs);
                let found = match &node {
                    Node::Symlink(target) => common.symlink(target),
                    Node::CharDevice(device) | Node::BlockDevice(device) => {
                        common.device(super::kind(&node), *device)
                    }
                    node => common.ipc(super::kind(node)),
                };
                assert_eq!(found, [base(kind), body.clone(), end].concat(), "{node:?}");
            }
        }
    }
}
