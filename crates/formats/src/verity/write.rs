//! Hashing data into a tree, with memory that does not grow with the data.

use rayon::prelude::*;
use zerocopy::IntoBytes;

use super::spec::{HASH_TYPE, SALT_MAX, SIGNATURE, Superblock, VERSION};
use super::{Error, Options, Plan, RootHash};
use crate::sink::Sink;
use crate::source::Source;

/// Bytes of data one task reads at a time; at least a block.
const CHUNK: u64 = 1 << 20;
/// Chunks per thread before their digests go on into the tree.
const CHUNKS_PER_THREAD: u64 = 32;

impl Plan {
    /// Hashes `data` on all threads of the current rayon pool, emits the hash area (its
    /// [`Plan::hash_len`] bytes) and answers the root hash.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `data` has not the planned length; [`Error::Io`].
    pub fn write<S: Source + ?Sized>(
        &self,
        data: &S,
        sink: &mut impl Sink,
    ) -> Result<RootHash, Error> {
        self.check_data_len(data.len())?;
        if self.options.superblock {
            self.write_superblock(sink)?;
        }
        let block_size = u64::from(self.options.data_block_size);
        let chunk_blocks = (CHUNK / block_size).max(1);
        let chunks = self.data_blocks.div_ceil(chunk_blocks);
        let batch = CHUNKS_PER_THREAD * rayon::current_num_threads() as u64;
        let mut tree = Growing::new(self);
        let mut first = 0;
        while first < chunks {
            let last = (first + batch).min(chunks);
            let digests = (first..last).into_par_iter().map_init(Vec::new, |buffer, chunk| {
                let start = chunk * chunk_blocks;
                let count = chunk_blocks.min(self.data_blocks - start);
                self.digests(data, start * block_size, count * block_size, buffer)
            });
            for digests in digests.collect::<Result<Vec<_>, _>>()? {
                tree.push(0, &digests, sink)?;
            }
            first = last;
        }
        tree.finish(sink)
    }

    pub(super) fn check_data_len(&self, found: u64) -> Result<(), Error> {
        let planned = self.data_blocks * u64::from(self.options.data_block_size);
        if found == planned {
            return Ok(());
        }
        Err(Error::invalid("the data", format!("{planned} bytes"), found))
    }

    /// The digests of the data blocks in `len` bytes at `at`.
    pub(super) fn digests<S: Source + ?Sized>(
        &self,
        data: &S,
        at: u64,
        len: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let too_long = |_| Error::invalid("a block", "of a length memory holds", len);
        buffer.resize(usize::try_from(len).map_err(too_long)?, 0);
        data.read_at(at, buffer).map_err(Error::io("read the data", at))?;
        let mut digests = Vec::new();
        for block in buffer.chunks(self.options.data_block_size as usize) {
            self.options.algorithm.append(&self.options.salt, block, &mut digests);
        }
        Ok(digests)
    }

    /// Emits what lies before the tree: the superblock and the zeros that fill its hash block.
    ///
    /// # Errors
    /// [`Error::Io`] when the sink fails.
    pub fn write_superblock(&self, sink: &mut impl Sink) -> Result<(), Error> {
        let superblock = superblock(&self.options, self.data_blocks);
        let len = superblock.as_bytes().len() as u64;
        let rest = u64::from(self.options.hash_block_size) - len;
        let role = "write the hash area";
        sink.write_at(0, superblock.as_bytes()).map_err(Error::io(role, 0))?;
        sink.zeros(len, rest).map_err(Error::io(role, len))
    }
}

fn superblock(options: &Options, data_blocks: u64) -> Superblock {
    let mut salt = [0; SALT_MAX];
    let mut algorithm = [0; 32];
    for (to, from) in salt.iter_mut().zip(&options.salt) {
        *to = *from;
    }
    for (to, from) in algorithm.iter_mut().zip(options.algorithm.name().bytes()) {
        *to = from;
    }
    Superblock {
        signature: SIGNATURE,
        version: VERSION.into(),
        hash_type: HASH_TYPE.into(),
        uuid: options.uuid,
        algorithm,
        data_block_size: options.data_block_size.into(),
        hash_block_size: options.hash_block_size.into(),
        data_blocks: data_blocks.into(),
        // At most 256, checked by `Plan::new`.
        salt_size: u16::try_from(options.salt.len()).unwrap_or(0).into(),
        pad1: [0; 6],
        salt,
        pad2: [0; 168],
    }
}

/// A tree of which each level has one block that is not full yet.
struct Growing<'p> {
    plan: &'p Plan,
    /// That block and its index, for each level; above the last level is the root.
    blocks: Vec<(Vec<u8>, u64)>,
    root: Vec<u8>,
}

impl<'p> Growing<'p> {
    fn new(plan: &'p Plan) -> Self {
        let block_size = plan.options.hash_block_size as usize;
        let block = || (Vec::with_capacity(block_size), 0);
        Self { plan, blocks: plan.levels.iter().map(|_| block()).collect(), root: Vec::new() }
    }

    /// Adds digests to a level; full blocks are emitted and hashed into the level above.
    fn push(&mut self, level: usize, digests: &[u8], sink: &mut impl Sink) -> Result<(), Error> {
        let block_size = self.plan.options.hash_block_size as usize;
        let mut rest = digests;
        while !rest.is_empty() {
            let Some((block, _)) = self.blocks.get_mut(level) else {
                self.root = rest.to_vec();
                return Ok(());
            };
            let room = block_size - block.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            block.extend_from_slice(now);
            rest = later;
            if block.len() == block_size {
                self.close(level, sink)?;
            }
        }
        Ok(())
    }

    /// Fills a level's block up with zeros, emits it and hashes it into the level above.
    fn close(&mut self, level: usize, sink: &mut impl Sink) -> Result<(), Error> {
        let options = &self.plan.options;
        let block_size = options.hash_block_size as usize;
        let (block, index) = &mut self.blocks[level];
        block.resize(block_size, 0);
        let at = self.plan.levels[level].offset + *index * block_size as u64;
        sink.write_at(at, block).map_err(Error::io("write the hash area", at))?;
        let mut digest = Vec::new();
        options.algorithm.append(&options.salt, block, &mut digest);
        block.clear();
        *index += 1;
        self.push(level + 1, &digest, sink)
    }

    fn finish(mut self, sink: &mut impl Sink) -> Result<RootHash, Error> {
        for level in 0..self.blocks.len() {
            if !self.blocks[level].0.is_empty() {
                self.close(level, sink)?;
            }
        }
        Ok(RootHash::new(self.root))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256, Sha512};

    use super::*;
    use crate::verity::Algorithm;

    fn small(salt: &[u8], superblock: bool) -> Options {
        let options = Options::new(salt.to_vec(), *b"0123456789abcdef");
        Options { data_block_size: 512, hash_block_size: 512, superblock, ..options }
    }

    fn sha256(salt: &[u8], block: &[u8]) -> Vec<u8> {
        Sha256::new().chain_update(salt).chain_update(block).finalize().to_vec()
    }

    /// The digests of blocks, each group of 16 in a hash block that zeros fill up.
    fn level(salt: &[u8], data: &[u8]) -> Vec<u8> {
        let digests: Vec<u8> = data.chunks(512).flat_map(|block| sha256(salt, block)).collect();
        let blocks = digests.chunks(512).flat_map(|block| {
            let mut block = block.to_vec();
            block.resize(512, 0);
            block
        });
        blocks.collect()
    }

    /// verity.rst, "Hash Tree", computed from the bottom up: 16 digests of 32 bytes fill a block of 512.
    #[test]
    fn each_level_has_the_digests_of_the_one_below() {
        for salt in [&b""[..], b"salt"] {
            for blocks in [1, 2, 16, 17, 256, 257, 300] {
                let data: Vec<u8> =
                    (0..blocks * 128_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
                let mut levels = Vec::new();
                let mut below = data.clone();
                while below.len() > 512 {
                    below = level(salt, &below);
                    levels.insert(0, below.clone());
                }
                let plan = Plan::new(data.len() as u64, &small(salt, false)).unwrap();
                let mut area = Vec::new();
                let root = plan.write(data.as_slice(), &mut area).unwrap();
                assert_eq!(area, levels.concat(), "{blocks} blocks");
                assert_eq!(root.as_bytes(), sha256(salt, &below), "{blocks} blocks");
            }
        }
    }

    /// Data of many chunks and batches has the tree of its blocks.
    #[test]
    fn a_tree_does_not_depend_on_how_data_is_read() {
        let mut data: Vec<u8> = (0..(3 << 18) + 256_u32).flat_map(u32::to_le_bytes).collect();
        data.truncate(data.len() / 4096 * 4096);
        let options = Options::new(b"s".to_vec(), [0; 16]);
        let plan = Plan::new(data.len() as u64, &options).unwrap();
        let digests: Vec<u8> = data.chunks(4096).flat_map(|block| sha256(b"s", block)).collect();
        let mut area = Vec::new();
        plan.write(data.as_slice(), &mut area).unwrap();
        let lowest = usize::try_from(plan.levels()[0].offset).unwrap();
        assert_eq!(area[lowest..lowest + digests.len()], digests);
        assert!(area[lowest + digests.len()..].iter().all(|&byte| byte == 0));
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut again = Vec::new();
            pool.install(|| plan.write(data.as_slice(), &mut again)).unwrap();
            assert_eq!(again, area);
        }
    }

    /// `struct verity_sb` of cryptsetup, byte by byte.
    #[test]
    fn the_superblock_is_that_of_veritysetup() {
        let options = Options { hash_block_size: 1024, ..small(b"salty", true) };
        let plan = Plan::new(3 * 512, &options).unwrap();
        let mut area = Vec::new();
        plan.write_superblock(&mut area).unwrap();
        let mut expected = b"verity\0\0".to_vec();
        expected.extend([1, 0, 0, 0, 1, 0, 0, 0]);
        expected.extend(b"0123456789abcdef");
        expected.extend(b"sha256");
        expected.resize(64, 0);
        expected.extend([0, 2, 0, 0, 0, 4, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend(b"salty");
        expected.resize(1024, 0);
        assert_eq!(area, expected);
        let wide = Options { algorithm: Algorithm::Sha512, salt: vec![7; 256], ..options };
        let mut area = Vec::new();
        Plan::new(512, &wide).unwrap().write_superblock(&mut area).unwrap();
        assert_eq!(area[32..40], *b"sha512\0\0");
        assert_eq!((area[80..82].to_vec(), area[88..344].to_vec()), (vec![0, 1], vec![7; 256]));
        assert!(area[344..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn digests_of_512_bits_fill_a_block_by_eights() {
        let options = Options { algorithm: Algorithm::Sha512, ..small(b"", false) };
        let data: Vec<u8> = (0..9 * 512_u32).flat_map(|n| u8::try_from(n % 251)).collect();
        let digest = |block: &[u8]| Sha512::digest(block).to_vec();
        let mut lower: Vec<u8> = data.chunks(512).flat_map(digest).collect();
        lower.resize(1024, 0);
        let mut upper: Vec<u8> = lower.chunks(512).flat_map(digest).collect();
        upper.resize(512, 0);
        let mut area = Vec::new();
        let plan = Plan::new(data.len() as u64, &options).unwrap();
        let root = plan.write(data.as_slice(), &mut area).unwrap();
        assert_eq!(area, [upper.clone(), lower].concat());
        assert_eq!(root.as_bytes(), digest(&upper));
    }

    #[test]
    fn data_that_cannot_be_read_is_told_with_its_place() {
        struct Gone;
        impl Source for Gone {
            fn len(&self) -> u64 {
                4096
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
                Err(std::io::Error::other("it is gone"))
            }
        }
        let plan = Plan::new(4096, &small(b"", false)).unwrap();
        let error = plan.write(&Gone, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "dm-verity: cannot read the data at 0x0");
    }
}
