//! The structures of squashfs 4.0, little-endian, as `fs/squashfs/squashfs_fs.h` of Linux declares
//! them; each field's name there is in its doc comment.

use zerocopy::little_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `SQUASHFS_MAGIC`: `hsqs`.
pub const MAGIC: u32 = 0x7371_7368;
/// `SQUASHFS_MAJOR`.
pub const MAJOR: u16 = 4;
/// `SQUASHFS_MINOR`.
pub const MINOR: u16 = 0;

/// `SQUASHFS_METADATA_SIZE`: bytes of an uncompressed metadata block.
pub const METADATA_SIZE: usize = 8192;
/// `SQUASHFS_COMPRESSED_BIT`: set in a metadata block's header when it is stored as it is.
pub const METADATA_STORED: u16 = 1 << 15;
/// `SQUASHFS_COMPRESSED_BIT_BLOCK`: set in a data block's size when it is stored as it is.
pub const BLOCK_STORED: u32 = 1 << 24;
/// `SQUASHFS_FILE_LOG`: 2 to this power is the default data block size.
pub const DEFAULT_BLOCK_SIZE: u32 = 1 << 17;
/// The smallest data block size: the kernel wants at least one page of 4096 bytes.
pub const BLOCK_SIZE_MIN: u32 = 1 << 12;
/// `SQUASHFS_FILE_MAX_SIZE`: the largest data block size.
pub const BLOCK_SIZE_MAX: u32 = 1 << 20;
/// `SQUASHFS_INVALID_BLK`: a table that is absent.
pub const NO_TABLE: u64 = u64::MAX;
/// `SQUASHFS_INVALID_FRAG`: a file without a fragment.
pub const NO_FRAGMENT: u32 = u32::MAX;
/// `SQUASHFS_INVALID_XATTR`: an inode without extended attributes.
pub const NO_XATTRS: u32 = u32::MAX;
/// `SQUASHFS_DIR_COUNT`: the most entries below one directory header.
pub const HEADER_ENTRIES_MAX: usize = 256;
/// A directory inode's size counts the `.` and `..` that are not stored
/// (`squashfs_readdir`, `fs/squashfs/dir.c`).
pub const DIRECTORY_SIZE_BIAS: u32 = 3;
/// mksquashfs pads the image to a multiple of this, so that it can back a loop device.
pub const PADDING: u64 = 4096;

/// `ZLIB_COMPRESSION`.
pub const GZIP: u16 = 1;
/// `ZSTD_COMPRESSION`.
pub const ZSTD: u16 = 6;

/// `SQUASHFS_DUPLICATE` (bit 6): files with one content share it.
pub const FLAG_DUPLICATES: u16 = 1 << 6;
/// `SQUASHFS_ALWAYS_FRAG` (bit 5): tails of large files are in fragments too.
pub const FLAG_ALWAYS_FRAGMENTS: u16 = 1 << 5;
/// `SQUASHFS_EXPORT` (bit 7): the inode look-up table for NFS is there.
pub const FLAG_EXPORT: u16 = 1 << 7;
/// `SQUASHFS_COMP_OPT` (bit 10): a metadata block with compressor options follows the superblock.
pub const FLAG_COMPRESSOR_OPTIONS: u16 = 1 << 10;

/// `SQUASHFS_XATTR_VALUE_OOL`: the value is a reference to another value.
pub const XATTR_OUT_OF_LINE: u16 = 0x100;
/// `SQUASHFS_XATTR_PREFIX_MASK`.
pub const XATTR_PREFIX_MASK: u16 = 0xff;
/// The prefixes that exist, indexed by `SQUASHFS_XATTR_USER`, `_TRUSTED` and `_SECURITY`.
pub const XATTR_PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];

/// Inode types; the directory table uses the basic one for both forms (`squashfs_fs.h`,
/// `SQUASHFS_DIR_TYPE` to `SQUASHFS_LSOCKET_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// `SQUASHFS_DIR_TYPE`.
    Directory = 1,
    /// `SQUASHFS_REG_TYPE`.
    File = 2,
    /// `SQUASHFS_SYMLINK_TYPE`.
    Symlink = 3,
    /// `SQUASHFS_BLKDEV_TYPE`.
    BlockDevice = 4,
    /// `SQUASHFS_CHRDEV_TYPE`.
    CharDevice = 5,
    /// `SQUASHFS_FIFO_TYPE`.
    Fifo = 6,
    /// `SQUASHFS_SOCKET_TYPE`.
    Socket = 7,
}

/// An extended type is the basic one plus this.
pub const EXTENDED: u16 = 7;

impl Kind {
    const ALL: [Self; 7] = [
        Self::Directory,
        Self::File,
        Self::Symlink,
        Self::BlockDevice,
        Self::CharDevice,
        Self::Fifo,
        Self::Socket,
    ];

    /// The type's number in its basic form.
    #[must_use]
    pub fn basic(self) -> u16 {
        self as u16
    }

    /// The type's number in its extended form.
    #[must_use]
    pub fn extended(self) -> u16 {
        self as u16 + EXTENDED
    }

    /// The type behind a number and whether it is the extended form.
    #[must_use]
    pub fn from_number(number: u16) -> Option<(Self, bool)> {
        Self::ALL.into_iter().find_map(|kind| match number {
            n if n == kind.basic() => Some((kind, false)),
            n if n == kind.extended() => Some((kind, true)),
            _ => None,
        })
    }
}

macro_rules! on_disk {
    ($($(#[$doc:meta])* $name:ident: $size:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
        const _: () = assert!(size_of::<$name>() == $size);
    )*};
}

on_disk! {
    /// `struct squashfs_super_block`, at offset 0.
    Superblock: 96 {
        /// `s_magic`.
        magic: U32,
        /// `inodes`: how many there are.
        inodes: U32,
        /// `mkfs_time`, seconds since 1970-01-01 UTC.
        mkfs_time: U32,
        /// `block_size`, bytes.
        block_size: U32,
        /// `fragments`: how many fragment blocks there are.
        fragments: U32,
        /// `compression`.
        compression: U16,
        /// `block_log`: base-2 logarithm of `block_size`.
        block_log: U16,
        /// `flags`.
        flags: U16,
        /// `no_ids`: how many users and groups there are.
        ids: U16,
        /// `s_major`.
        major: U16,
        /// `s_minor`.
        minor: U16,
        /// `root_inode`: a metadata reference into the inode table.
        root_inode: U64,
        /// `bytes_used`, without padding.
        bytes_used: U64,
        /// `id_table_start`: offset of the table's block pointers.
        id_table: U64,
        /// `xattr_id_table_start`: offset of [`XattrTable`].
        xattr_table: U64,
        /// `inode_table_start`: offset of the first metadata block.
        inode_table: U64,
        /// `directory_table_start`: offset of the first metadata block.
        directory_table: U64,
        /// `fragment_table_start`: offset of the table's block pointers.
        fragment_table: U64,
        /// `lookup_table_start`: offset of the table's block pointers.
        export_table: U64,
    }
    /// `struct squashfs_base_inode`, the start of every inode.
    InodeHeader: 16 {
        /// `inode_type`.
        kind: U16,
        /// `mode`: permission bits.
        mode: U16,
        /// `uid`: index into the id table.
        uid: U16,
        /// `guid`: index into the id table.
        gid: U16,
        /// `mtime`, seconds since 1970-01-01 UTC, unsigned.
        mtime: U32,
        /// `inode_number`, from 1.
        number: U32,
    }
    /// The rest of `struct squashfs_dir_inode`.
    Directory: 16 {
        /// `start_block`: metadata block of the listing, from the start of the directory table.
        start: U32,
        /// `nlink`.
        links: U32,
        /// `file_size`: bytes of the listing plus 3.
        size: U16,
        /// `offset` of the listing in its metadata block.
        offset: U16,
        /// `parent_inode`: its number; one more than the last number for the root.
        parent: U32,
    }
    /// The rest of `struct squashfs_ldir_inode`; `index_count` entries of [`DirectoryIndex`] follow.
    ExtendedDirectory: 24 {
        /// `nlink`.
        links: U32,
        /// `file_size`: bytes of the listing plus 3.
        size: U32,
        /// `start_block`: metadata block of the listing, from the start of the directory table.
        start: U32,
        /// `parent_inode`.
        parent: U32,
        /// `i_count`.
        index_count: U16,
        /// `offset` of the listing in its metadata block.
        offset: U16,
        /// `xattr`: index into the xattr id table.
        xattrs: U32,
    }
    /// `struct squashfs_dir_index`; the name follows.
    DirectoryIndex: 12 {
        /// `index`: bytes of the listing before the header this points to.
        index: U32,
        /// `start_block`: the metadata block of that header.
        start: U32,
        /// `size`: length of the name, less one.
        name_len: U32,
    }
    /// The rest of `struct squashfs_reg_inode`; a [`U32`] for each full block follows.
    File: 16 {
        /// `start_block`: offset of the first block in the image.
        start: U32,
        /// `fragment`: index into the fragment table.
        fragment: U32,
        /// `offset` of the tail in the fragment block.
        offset: U32,
        /// `file_size`, bytes.
        size: U32,
    }
    /// The rest of `struct squashfs_lreg_inode`; a [`U32`] for each full block follows.
    ExtendedFile: 40 {
        /// `start_block`: offset of the first block in the image.
        start: U64,
        /// `file_size`, bytes.
        size: U64,
        /// `sparse`: bytes in blocks that are not stored because they are zero.
        sparse: U64,
        /// `nlink`.
        links: U32,
        /// `fragment`: index into the fragment table.
        fragment: U32,
        /// `offset` of the tail in the fragment block.
        offset: U32,
        /// `xattr`: index into the xattr id table.
        xattrs: U32,
    }
    /// The rest of `struct squashfs_symlink_inode`; the target follows, in the extended form with a
    /// [`U32`] xattr index behind it.
    Symlink: 8 {
        /// `nlink`.
        links: U32,
        /// `symlink_size`, bytes of the target.
        len: U32,
    }
    /// The rest of `struct squashfs_dev_inode`; the extended form has a [`U32`] xattr index behind.
    DeviceNode: 8 {
        /// `nlink`.
        links: U32,
        /// `rdev` as Linux's `new_encode_dev` packs it (`include/linux/kdev_t.h`).
        device: U32,
    }
    /// The rest of `struct squashfs_ipc_inode`; the extended form has a [`U32`] xattr index behind.
    Ipc: 4 {
        /// `nlink`.
        links: U32,
    }
    /// `struct squashfs_dir_header`.
    DirectoryHeader: 12 {
        /// `count` of the entries that follow, less one.
        count: U32,
        /// `start_block`: metadata block of their inodes, from the start of the inode table.
        start: U32,
        /// `inode_number` the entries are relative to.
        number: U32,
    }
    /// `struct squashfs_dir_entry`; the name follows.
    DirectoryEntry: 8 {
        /// `offset` of the inode in its metadata block.
        offset: U16,
        /// `inode_number` less the header's.
        number_delta: I16,
        /// `type`, the basic form.
        kind: U16,
        /// `size`: length of the name, less one.
        name_len: U16,
    }
    /// `struct squashfs_fragment_entry`.
    FragmentEntry: 16 {
        /// `start_block`: offset of the fragment block in the image.
        start: U64,
        /// `size` on disk, with [`BLOCK_STORED`].
        size: U32,
        /// `unused`.
        unused: U32,
    }
    /// `struct squashfs_xattr_entry`; the name without its prefix follows.
    XattrName: 4 {
        /// `type`: prefix and [`XATTR_OUT_OF_LINE`].
        kind: U16,
        /// `size` of the name.
        len: U16,
    }
    /// `struct squashfs_xattr_id`.
    XattrSet: 16 {
        /// `xattr`: a metadata reference to the first name.
        first: U64,
        /// `count` of attributes.
        count: U32,
        /// `size`: bytes of all full names with a NUL each, and of all values (mksquashfs).
        size: U32,
    }
    /// `struct squashfs_xattr_id_table`; pointers to the blocks of [`XattrSet`] follow.
    XattrTable: 16 {
        /// `xattr_table_start`: offset of the first metadata block of names and values.
        start: U64,
        /// `xattr_ids`: how many [`XattrSet`] there are.
        sets: U32,
        /// `unused`.
        unused: U32,
    }
}

/// A place in a table of metadata blocks: the block's offset from the table's start and an offset in
/// the uncompressed block, packed as `block << 16 | offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Offset of the metadata block from the start of its table, bytes on disk.
    pub block: u64,
    /// Offset in the uncompressed block.
    pub offset: u16,
}

impl Reference {
    /// The reference as it is stored: block in the upper 48 bits.
    #[must_use]
    pub fn pack(self) -> u64 {
        self.block << 16 | u64::from(self.offset)
    }

    /// The reference of a stored number; the inverse of [`Reference::pack`].
    #[must_use]
    pub fn unpack(packed: u64) -> Self {
        let [low, high, ..] = packed.to_le_bytes();
        Self { block: packed >> 16, offset: u16::from_le_bytes([low, high]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SQUASHFS_DIR_TYPE` to `SQUASHFS_LSOCKET_TYPE` of `squashfs_fs.h`.
    #[test]
    fn types_have_two_numbers() {
        for (kind, basic, extended) in [
            (Kind::Directory, 1, 8),
            (Kind::File, 2, 9),
            (Kind::Symlink, 3, 10),
            (Kind::BlockDevice, 4, 11),
            (Kind::CharDevice, 5, 12),
            (Kind::Fifo, 6, 13),
            (Kind::Socket, 7, 14),
        ] {
            assert_eq!((kind.basic(), kind.extended()), (basic, extended));
            assert_eq!(Kind::from_number(basic), Some((kind, false)));
            assert_eq!(Kind::from_number(extended), Some((kind, true)));
        }
        for number in [0, 15, 0x101, u16::MAX] {
            assert_eq!(Kind::from_number(number), None, "{number}");
        }
    }

    /// `SQUASHFS_MKINODE` of `squashfs_fs.h`.
    #[test]
    fn a_reference_is_a_block_and_an_offset() {
        for (block, offset, packed) in [
            (0, 0, 0),
            (0, 0x1fff, 0x1fff),
            (1, 0, 0x1_0000),
            (0x1234_5678, 0x9abc, 0x1234_5678_9abc),
            ((1 << 48) - 1, 0xffff, u64::MAX),
        ] {
            let reference = Reference { block, offset };
            assert_eq!((reference.pack(), Reference::unpack(packed)), (packed, reference));
        }
    }
}
