//! The superblock of veritysetup, version 1, little-endian: `struct verity_sb` of cryptsetup's
//! `lib/verity/verity.c`, described on the `DMVerity` page of the cryptsetup wiki.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `VERITY_SIGNATURE`.
pub const SIGNATURE: [u8; 8] = *b"verity\0\0";
/// `version`: the only one.
pub const VERSION: u32 = 1;
/// `hash_type`: 1 is the type of Linux, 0 that of Chrome OS.
pub const HASH_TYPE: u32 = 1;
/// Bytes of the `salt` field.
pub const SALT_MAX: usize = 256;
/// `VERITY_BLOCK_SIZE_OK`: the smallest block.
pub const BLOCK_SIZE_MIN: u32 = 512;
/// `VERITY_BLOCK_SIZE_OK`: the largest block.
pub const BLOCK_SIZE_MAX: u32 = 512 * 1024;

/// `struct verity_sb`, at the start of the hash area.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Superblock {
    /// `signature`, by which a hash area is known.
    pub signature: [u8; 8],
    /// `version` of the superblock.
    pub version: U32,
    /// `hash_type`: where the salt stands, behind the data or in front of it.
    pub hash_type: U32,
    /// `uuid` of the verity device.
    pub uuid: [u8; 16],
    /// `algorithm`, its name followed by NUL bytes.
    pub algorithm: [u8; 32],
    /// `data_block_size`, bytes.
    pub data_block_size: U32,
    /// `hash_block_size`, bytes.
    pub hash_block_size: U32,
    /// `data_blocks`, how many the tree covers.
    pub data_blocks: U64,
    /// `salt_size`, bytes.
    pub salt_size: U16,
    /// `_pad1`, zeros up to the salt.
    pub pad1: [u8; 6],
    /// `salt`, followed by NUL bytes.
    pub salt: [u8; SALT_MAX],
    /// `_pad2`, zeros up to 512 bytes.
    pub pad2: [u8; 168],
}

const _: () = assert!(size_of::<Superblock>() == 512);
