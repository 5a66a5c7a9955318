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
