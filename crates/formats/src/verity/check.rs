//! Checking data against a hash tree from the root down, and the superblock in front of it.

use rayon::prelude::*;
use zerocopy::FromBytes;

use super::root_hash::hex;
use super::spec::{HASH_TYPE, SIGNATURE, Superblock, VERSION};
use super::{Algorithm, Error, Options, Place, Plan, RootHash};
use crate::source::Source;

/// Bytes of one level that a task reads at a time; at least a block.
const CHUNK: u64 = 1 << 20;
/// Chunks that are looked at before a mismatch in one of them ends the search.
const CHUNKS: u64 = 256;

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How the tree was made.
    pub options: Options,
    /// How many data blocks it covers.
    pub data_blocks: u64,
}

/// Decodes the superblock at the start of a hash area.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Unsupported`] name the field; [`Error::Invalid`] for sizes out of range; [`Error::Io`].
pub fn read<S: Source + ?Sized>(hash: &S) -> Result<Header, Error> {
    let mut bytes = [0; size_of::<Superblock>()];
    hash.read_at(0, &mut bytes).map_err(Error::io("read the superblock", 0))?;
    let corrupt = |what, at, why: String| Err(Error::Corrupt { what, at, why });
    let Ok(superblock) = Superblock::read_from_bytes(&bytes) else {
        return corrupt("superblock", 0, "expected 512 bytes".into());
    };
    if superblock.signature != SIGNATURE {
        let found = superblock.signature.escape_ascii();
        return corrupt("signature", 0, format!("expected `verity\\0\\0`, found `{found}`"));
    }
    check_supported(&superblock)?;
    let name = superblock.algorithm.split(|&byte| byte == 0).next().unwrap_or_default();
    let algorithms = [Algorithm::Sha256, Algorithm::Sha512];
    let found = algorithms.into_iter().find(|algorithm| algorithm.name().as_bytes() == name);
    let Some(algorithm) = found else {
        let found = format!("`{}`", name.escape_ascii());
        let expected = "sha256 or sha512";
        return Err(Error::Unsupported { what: "hash algorithm", expected, found });
    };
    let salt_len = superblock.salt_size.get();
    let Some(salt) = superblock.salt.get(..usize::from(salt_len)) else {
        return corrupt("salt_size", 80, format!("expected at most 256, found {salt_len}"));
    };
    let options = Options {
        salt: salt.to_vec(),
        uuid: superblock.uuid,
        data_block_size: superblock.data_block_size.get(),
        hash_block_size: superblock.hash_block_size.get(),
        algorithm,
        superblock: true,
    };
    super::check_options(&options)?;
    Ok(Header { options, data_blocks: superblock.data_blocks.get() })
}

/// Refuses other versions and hash types, valid though they are.
fn check_supported(superblock: &Superblock) -> Result<(), Error> {
    let (version, hash_type) = (superblock.version.get(), superblock.hash_type.get());
    let refused = |what, expected, found| Err(Error::Unsupported { what, expected, found });
    match (version, hash_type) {
        (VERSION, HASH_TYPE) => Ok(()),
        (VERSION, 0) => refused("a tree of format", "1", "0 (Chrome OS)".to_owned()),
        (VERSION, other) => refused("a tree of format", "1", other.to_string()),
        (other, _) => refused("version", "1", other.to_string()),
    }
}

/// Checks `data` with the tree in `hash`, as its superblock describes it. Data behind the blocks
/// the superblock counts is not covered and makes the answer an error.
///
/// # Errors
/// As for [`read`] and [`Plan::verify`].
pub fn verify<D: Source + ?Sized, H: Source + ?Sized>(
    data: &D,
    hash: &H,
    root: &RootHash,
) -> Result<(), Error> {
    let header = read(hash)?;
    let size = u64::from(header.options.data_block_size);
    let len = header.data_blocks.checked_mul(size).ok_or_else(|| Error::Corrupt {
        what: "data_blocks",
        at: 72,
        why: format!("expected data of a length 64 bits hold, found {}", header.data_blocks),
    })?;
    Plan::new(len, &header.options)?.verify(data, hash, root)
}

impl Plan {
    /// Checks the tree in `hash` from the root down and then `data`, on all threads of the current
    /// rayon pool.
    ///
    /// # Errors
    /// [`Error::Mismatch`] or [`Error::Padding`] name the first bad block of the uppermost bad
    /// level; [`Error::Invalid`] when `data` has not the planned length; [`Error::Io`].
    pub fn verify<D: Source + ?Sized, H: Source + ?Sized>(
        &self,
        data: &D,
        hash: &H,
        root: &RootHash,
    ) -> Result<(), Error> {
        self.check_data_len(data.len())?;
        for level in (0..self.levels.len()).rev() {
            let Some(here) = self.levels.get(level) else { continue };
            let blocks = Blocks {
                size: self.options.hash_block_size.into(),
                offset: here.offset,
                count: here.blocks,
                level: Some(level),
            };
            self.check(hash, &blocks, hash, level + 1, root)?;
        }
        let size = self.options.data_block_size.into();
        let blocks = Blocks { size, offset: 0, count: self.data_blocks, level: None };
        self.check(data, &blocks, hash, 0, root)
    }

    /// Checks all blocks of a level against the digests in the level `above`.
    fn check<S: Source + ?Sized, H: Source + ?Sized>(
        &self,
        source: &S,
        blocks: &Blocks,
        hash: &H,
        above: usize,
        root: &RootHash,
    ) -> Result<(), Error> {
        let per_chunk = (CHUNK / blocks.size).max(1);
        let chunks = blocks.count.div_ceil(per_chunk);
        let mut first = 0;
        while first < chunks {
            let last = (first + CHUNKS).min(chunks);
            // The first error in order, not in time: the answer is the same for any thread count.
            let wrong = (first..last).into_par_iter().find_map_first(|chunk| {
                let start = chunk * per_chunk;
                let count = per_chunk.min(blocks.count - start);
                let expected = self.expected(hash, above, start, count, root);
                let checked = expected
                    .and_then(|expected| self.check_chunk(source, blocks, start, count, &expected));
                checked.err()
            });
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
            first = last;
        }
        Ok(())
    }

    /// The digests that the level `above` has for `count` blocks from `start`.
    fn expected<H: Source + ?Sized>(
        &self,
        hash: &H,
        above: usize,
        start: u64,
        count: u64,
        root: &RootHash,
    ) -> Result<Vec<u8>, Error> {
        let Some(level) = self.levels.get(above) else {
            return Ok(root.as_bytes().to_vec());
        };
        // Digests fill hash blocks without a gap: both sizes are powers of two.
        let digest_len = self.options.algorithm.digest_len() as u64;
        read_at(hash, level.offset + start * digest_len, count * digest_len)
    }

    fn check_chunk<S: Source + ?Sized>(
        &self,
        source: &S,
        blocks: &Blocks,
        start: u64,
        count: u64,
        expected: &[u8],
    ) -> Result<(), Error> {
        let bytes = read_at(source, blocks.offset + start * blocks.size, count * blocks.size)?;
        let size = usize::try_from(blocks.size).unwrap_or(usize::MAX);
        let digest_len = self.options.algorithm.digest_len();
        let mut computed = Vec::with_capacity(digest_len);
        let mut digests = expected.chunks(digest_len);
        for (index, block) in (start..).zip(bytes.chunks(size)) {
            computed.clear();
            self.options.algorithm.append(&self.options.salt, block, &mut computed);
            let expected = digests.next().unwrap_or_default();
            if expected != computed {
                let (expected, computed) = (hex(expected), hex(&computed));
                return Err(Error::Mismatch { place: blocks.place(index), expected, computed });
            }
            if !self.padding_is_zero(blocks, index, block) {
                return Err(Error::Padding(blocks.place(index)));
            }
        }
        Ok(())
    }

    /// True if a hash block has nothing behind the digests of what is below it.
    fn padding_is_zero(&self, blocks: &Blocks, index: u64, block: &[u8]) -> bool {
        let Some(level) = blocks.level else { return true };
        let below = level.checked_sub(1).and_then(|below| self.levels.get(below));
        let below = below.map_or(self.data_blocks, |below| below.blocks);
        let digest_len = self.options.algorithm.digest_len();
        let per_block = blocks.size / digest_len as u64;
        let used = below.saturating_sub(index * per_block).min(per_block);
        let used = usize::try_from(used).unwrap_or(usize::MAX).saturating_mul(digest_len);
        block.iter().skip(used).all(|&byte| byte == 0)
    }
}

/// The blocks of the data or of one level.
struct Blocks {
    size: u64,
    offset: u64,
    count: u64,
    /// `None` for the data.
    level: Option<usize>,
}

impl Blocks {
    fn place(&self, index: u64) -> Place {
        match self.level {
            Some(level) => Place::Hash { level, index },
            None => Place::Data(index),
        }
    }
}

fn read_at<S: Source + ?Sized>(source: &S, at: u64, len: u64) -> Result<Vec<u8>, Error> {
    let too_long = |_| Error::invalid("a block", "of a length memory holds", len);
    let mut bytes = vec![0; usize::try_from(len).map_err(too_long)?];
    source.read_at(at, &mut bytes).map_err(Error::io("read blocks", at))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Vec<u8> {
        (0..20 * 512u32).flat_map(u32::to_le_bytes).take(20 * 512).collect()
    }

    /// 20 blocks of 512 bytes: level 0 has two hash blocks of 16 digests, level 1 one.
    fn options() -> Options {
        Options { data_block_size: 512, hash_block_size: 512, ..Options::new(vec![7; 3], [1; 16]) }
    }

    fn written(options: &Options) -> (Vec<u8>, RootHash) {
        let mut hash = Vec::new();
        let data = data();
        let plan = Plan::new(data.len() as u64, options).unwrap();
        let root = plan.write(&data, &mut hash).unwrap();
        (hash, root)
    }

    /// `struct verity_sb`: offset of a field, what is written there, what is said.
    #[test]
    fn every_field_of_a_superblock_is_checked() {
        let (whole, _) = written(&options());
        let rows: [(usize, &[u8], &str); 14] = [
            (
                0,
                b"V",
                "corrupt dm-verity superblock: signature at 0x0: expected `verity\\0\\0`, found `Verity\\x00\\x00`",
            ),
            (
                7,
                b"1",
                "corrupt dm-verity superblock: signature at 0x0: expected `verity\\0\\0`, found `verity\\x001`",
            ),
            (8, &[2], "dm-verity superblock: version 2 is not supported, expected 1"),
            (8, &[0], "dm-verity superblock: version 0 is not supported, expected 1"),
            (
                12,
                &[0],
                "dm-verity superblock: a tree of format 0 (Chrome OS) is not supported, expected 1",
            ),
            (12, &[2], "dm-verity superblock: a tree of format 2 is not supported, expected 1"),
            (
                32,
                b"sha1\0\0",
                "dm-verity superblock: hash algorithm `sha1` is not supported, expected sha256 or sha512",
            ),
            (
                38,
                b"x",
                "dm-verity superblock: hash algorithm `sha256x` is not supported, expected sha256 or sha512",
            ),
            (
                32,
                b"\0",
                "dm-verity superblock: hash algorithm `` is not supported, expected sha256 or sha512",
            ),
            (
                80,
                &[1, 1],
                "corrupt dm-verity superblock: salt_size at 0x50: expected at most 256, found 257",
            ),
            (
                64,
                &[0, 1],
                "dm-verity: the data block size must be a power of two, 512 to 524288, found 256",
            ),
            (
                64,
                &[1, 2],
                "dm-verity: the data block size must be a power of two, 512 to 524288, found 513",
            ),
            (
                68,
                &[0, 0, 16],
                "dm-verity: the hash block size must be a power of two, 512 to 524288, found 1048576",
            ),
            (
                68,
                &[0, 0, 0, 0],
                "dm-verity: the hash block size must be a power of two, 512 to 524288, found 0",
            ),
        ];
        for (at, bytes, expected) in rows {
            let mut broken = whole.clone();
            broken[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(read(&broken).unwrap_err().to_string(), expected);
        }
        assert_eq!(
            read(&whole[..511]).unwrap_err().to_string(),
            "dm-verity: cannot read the superblock at 0x0"
        );
    }

    #[test]
    fn a_superblock_says_what_was_asked_for() {
        let base = options();
        for options in [
            base.clone(),
            Options { salt: Vec::new(), ..base.clone() },
            Options { salt: vec![9; 256], ..base.clone() },
            Options { algorithm: Algorithm::Sha512, ..base.clone() },
            Options { hash_block_size: 512 * 1024, data_block_size: 1024, ..base },
        ] {
            let header = read(&written(&options).0).unwrap();
            let data_blocks = 20 * 512 / u64::from(options.data_block_size);
            assert_eq!(header, Header { options, data_blocks });
        }
    }

    #[test]
    fn data_that_the_superblock_does_not_count_is_refused() {
        let (mut hash, root) = written(&options());
        let longer = [data(), vec![0; 512]].concat();
        let shorter = &data()[..19 * 512];
        for (data, found) in [(longer.as_slice(), 10752), (shorter, 9728)] {
            assert_eq!(
                verify(data, &hash, &root).unwrap_err().to_string(),
                format!("dm-verity: the data must be 10240 bytes, found {found}")
            );
        }
        hash[72..80].copy_from_slice(&(u64::MAX / 512 + 1).to_le_bytes());
        assert_eq!(
            verify(&data(), &hash, &root).unwrap_err().to_string(),
            "corrupt dm-verity superblock: data_blocks at 0x48: expected data of a length 64 bits \
             hold, found 36028797018963968"
        );
        hash[72..80].fill(0);
        assert_eq!(
            verify(&data(), &hash, &root).unwrap_err().to_string(),
            "dm-verity: the data must be a positive multiple of 512 bytes, found 0"
        );
    }

    /// The first bad block from the root down is named, whatever is wrong below it.
    #[test]
    fn the_uppermost_bad_level_is_named() {
        let (whole, root) = written(&options());
        let plan = Plan::new(20 * 512, &options()).unwrap();
        let offsets: Vec<usize> =
            plan.levels().iter().map(|level| usize::try_from(level.offset).unwrap()).collect();
        assert_eq!(offsets, [1024, 512]);
        plan.verify(&data(), &whole, &root).unwrap();
        let place = |hash: &[u8], data: &[u8]| plan.verify(data, hash, &root).unwrap_err();
        let mut hash = whole.clone();
        let mut data = data();
        data[19 * 512] ^= 1;
        assert!(
            place(&hash, &data).to_string().starts_with("dm-verity: data block 19 does not match")
        );
        hash[offsets[0] + 512] ^= 1;
        let found = place(&hash, &data).to_string();
        assert!(found.starts_with("dm-verity: hash block 1 of level 0 does not match"), "{found}");
        hash[offsets[1]] ^= 1;
        let found = place(&hash, &data).to_string();
        assert!(found.starts_with("dm-verity: hash block 0 of level 1 does not match"), "{found}");
        let cut = &whole[..offsets[0] + 512];
        let found = plan.verify(&self::data(), cut, &root).unwrap_err().to_string();
        assert_eq!(found, "dm-verity: cannot read blocks at 0x400");
    }

    /// A block whose padding is not zero has another digest, so a forger makes the tree above anew:
    /// the bytes behind the digests still have a place to hide, and are refused.
    #[test]
    fn what_hides_behind_the_digests_is_found() {
        let options = options();
        let plan = Plan::new(20 * 512, &options).unwrap();
        let (whole, _) = written(&options);
        let digest = |block: &[u8]| {
            let mut digest = Vec::new();
            options.algorithm.append(&options.salt, block, &mut digest);
            digest
        };
        // Level 0, block 1 has the digests of data blocks 16 to 19; level 1 those of two blocks.
        for (at, is_level_0) in [(1536 + 4 * 32, true), (2047, true), (512 + 2 * 32, false)] {
            let mut hash = whole.clone();
            hash[at] = 1;
            if is_level_0 {
                let above = digest(&hash[1536..2048]);
                hash[512 + 32..512 + 64].copy_from_slice(&above);
            }
            let root = RootHash::new(digest(&hash[512..1024]));
            let expected = match is_level_0 {
                true => Place::Hash { level: 0, index: 1 },
                false => Place::Hash { level: 1, index: 0 },
            };
            let found = plan.verify(&data(), &hash, &root);
            assert!(matches!(found, Err(Error::Padding(place)) if place == expected), "{found:?}");
        }
    }
}
