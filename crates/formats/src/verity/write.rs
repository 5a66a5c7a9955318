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
