//! dm-verity: a tree of hashes over a block device, whose root is all that must be trusted.
//!
//! [`Plan::new`] gives the offset of every level; [`Plan::write`] hashes the data on every thread
//! and emits the hash area, with the superblock of `veritysetup` unless told otherwise;
//! [`read`] decodes that superblock, [`Plan::verify`] and [`verify`] name the first bad block.
//!
//! Hash type 1 only (salt before the block, each digest at a power-of-two distance). Deliberately
//! absent: type 0 (Chrome OS), forward error correction, signatures of the root hash.
//!
//! Deliberate deviation: hash blocks are emitted when they are full, so levels are emitted side by
//! side; memory does not grow with the data.
//!
//! Standard: `Documentation/admin-guide/device-mapper/verity.rst` of Linux and the `DMVerity` page of
//! the cryptsetup wiki. Oracle: veritysetup.

mod check;
mod error;
mod root_hash;
pub mod spec;
mod write;

use sha2::{Digest, Sha256, Sha512};

pub use check::{Header, read, verify};
pub use error::{Error, Place};
pub use root_hash::RootHash;

/// The hash function of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
}

impl Algorithm {
    /// As the superblock and the kernel's table name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a digest, a power of two.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Appends the digest of `salt` and then `block`.
    fn append(self, salt: &[u8], block: &[u8], digests: &mut Vec<u8>) {
        match self {
            Self::Sha256 => {
                digests.extend_from_slice(
                    &Sha256::new().chain_update(salt).chain_update(block).finalize(),
                );
            }
            Self::Sha512 => {
                digests.extend_from_slice(
                    &Sha512::new().chain_update(salt).chain_update(block).finalize(),
                );
            }
        }
    }
}

/// What a hash tree is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// At most 256 bytes.
    pub salt: Vec<u8>,
    /// Identifies the hash area; only in the superblock.
    pub uuid: [u8; 16],
    /// Bytes of a data block: a power of two, 512 to 512 KiB.
    pub data_block_size: u32,
    /// Bytes of a hash block: a power of two, 512 to 512 KiB.
    pub hash_block_size: u32,
    /// The hash function of every level.
    pub algorithm: Algorithm,
    /// True to begin the hash area with a superblock.
    pub superblock: bool,
}

impl Options {
    /// SHA-256, blocks of 4096 bytes, a superblock: what `veritysetup format` does by default.
    #[must_use]
    pub fn new(salt: Vec<u8>, uuid: [u8; 16]) -> Self {
        Self {
            salt,
            uuid,
            data_block_size: 4096,
            hash_block_size: 4096,
            algorithm: Algorithm::Sha256,
            superblock: true,
        }
    }
}

/// One level of the tree; level 0 is over the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Offset in the hash area, bytes.
    pub offset: u64,
    /// How many hash blocks the level has.
    pub blocks: u64,
}

/// The layout of a hash area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    options: Options,
    data_blocks: u64,
    /// Level 0 first.
    levels: Vec<Level>,
    hash_len: u64,
}

impl Plan {
    /// Lays out the tree over `data_len` bytes. The top level comes first in the hash area. Data of
    /// one block has no levels: its digest is the root hash.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no data, data that is not a multiple of the block size, or an option
    /// outside its range.
    pub fn new(data_len: u64, options: &Options) -> Result<Self, Error> {
        check_options(options)?;
        let data_block_size = u64::from(options.data_block_size);
        if data_len == 0 || !data_len.is_multiple_of(data_block_size) {
            let expected = format!("a positive multiple of {data_block_size} bytes");
            return Err(Error::invalid("the data", expected, data_len));
        }
        let data_blocks = data_len / data_block_size;
        let hash_block_size = u64::from(options.hash_block_size);
        let per_block = hash_block_size / options.algorithm.digest_len() as u64;
        let mut blocks = data_blocks;
        let mut counts = Vec::new();
        while blocks > 1 {
            blocks = blocks.div_ceil(per_block);
            counts.push(blocks);
        }
        let mut offset = if options.superblock { hash_block_size } else { 0 };
        let mut levels = Vec::new();
        for blocks in counts.into_iter().rev() {
            levels.push(Level { offset, blocks });
            // The tree has fewer bytes than the data, but for tiny hash blocks over tiny data.
            offset = blocks
                .checked_mul(hash_block_size)
                .and_then(|len| offset.checked_add(len))
                .ok_or_else(|| Error::invalid("the data", "of a length 64 bits hold", data_len))?;
        }
        levels.reverse();
        Ok(Self { options: options.clone(), data_blocks, levels, hash_len: offset })
    }

    /// The levels, that over the data first.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Bytes of the hash area, the superblock's block counted.
    #[must_use]
    pub fn hash_len(&self) -> u64 {
        self.hash_len
    }

    /// How many data blocks there are.
    #[must_use]
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// What the tree is made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }
}

fn check_options(options: &Options) -> Result<(), Error> {
    let sizes = [
        ("the data block size", options.data_block_size),
        ("the hash block size", options.hash_block_size),
    ];
    for (what, size) in sizes {
        let range = spec::BLOCK_SIZE_MIN..=spec::BLOCK_SIZE_MAX;
        if !size.is_power_of_two() || !range.contains(&size) {
            return Err(Error::invalid(what, "a power of two, 512 to 524288", size));
        }
    }
    if options.salt.len() > spec::SALT_MAX {
        let found = format!("{} bytes", options.salt.len());
        return Err(Error::invalid("the salt", "at most 256 bytes", found));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// verity.rst, "Hash Tree": 4096-byte blocks hold 128 SHA-256 digests, the top level comes first.
    #[test]
    fn levels_lie_from_the_top_down() {
        let base = Options::new(Vec::new(), [0; 16]);
        let bare = Options { superblock: false, ..base.clone() };
        type Row<'a> = (&'a Options, u64, &'a [(u64, u64)], u64);
        let rows: [Row; 8] = [
            (&base, 1, &[], 4096),
            (&bare, 1, &[], 0),
            (&base, 2, &[(4096, 1)], 8192),
            (&base, 128, &[(4096, 1)], 8192),
            (&base, 129, &[(8192, 2), (4096, 1)], 16384),
            (&bare, 129, &[(4096, 2), (0, 1)], 12288),
            (&base, 128 * 128, &[(8192, 128), (4096, 1)], 130 * 4096),
            (&base, 128 * 128 + 1, &[(16384, 129), (8192, 2), (4096, 1)], 133 * 4096),
        ];
        for (options, blocks, levels, hash_len) in rows {
            let plan = Plan::new(blocks * 4096, options).unwrap();
            let found: Vec<_> = plan.levels().iter().map(|l| (l.offset, l.blocks)).collect();
            assert_eq!((found.as_slice(), plan.hash_len()), (levels, hash_len), "{blocks} blocks");
            assert_eq!((plan.data_blocks(), plan.options()), (blocks, options));
        }
    }

    #[test]
    fn lengths_and_options_outside_their_range_are_named() {
        let base = Options::new(Vec::new(), [0; 16]);
        for len in [0, 1, 4095, 4097, u64::MAX] {
            assert_eq!(
                Plan::new(len, &base).unwrap_err().to_string(),
                format!(
                    "dm-verity: the data must be a positive multiple of 4096 bytes, found {len}"
                )
            );
        }
        let salted = Options { salt: vec![0; 257], ..base.clone() };
        assert_eq!(
            Plan::new(4096, &salted).unwrap_err().to_string(),
            "dm-verity: the salt must be at most 256 bytes, found 257 bytes"
        );
        // The longest data, with as many hash blocks as it can have.
        let tiny = Options { data_block_size: 512, hash_block_size: 512, ..base.clone() };
        assert!(Plan::new(u64::MAX - 511, &tiny).is_ok());
        let wide = Options { algorithm: Algorithm::Sha512, ..tiny };
        assert!(Plan::new(u64::MAX - 511, &wide).is_ok());
        assert_eq!(Algorithm::Sha512.digest_len(), 2 * Algorithm::Sha256.digest_len());
    }

    #[test]
    fn data_of_another_length_is_refused_before_anything_is_emitted() {
        let plan = Plan::new(8192, &Options::new(Vec::new(), [0; 16])).unwrap();
        let mut sink = Vec::new();
        assert_eq!(
            plan.write([0; 4096].as_slice(), &mut sink).unwrap_err().to_string(),
            "dm-verity: the data must be 8192 bytes, found 4096"
        );
        assert!(sink.is_empty());
    }
}
