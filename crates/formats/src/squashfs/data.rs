//! File contents into data and fragment blocks: read once, compared, compressed on every thread,
//! emitted in order.
//!
//! Contents flow through in batches, which bound the memory. While one batch is emitted on the
//! calling thread, the next one is read and compressed on the pool. Nothing that is decided here
//! depends on where a batch ends.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::codec::Encoder;
use super::plan::{FilePlan, Plan};
use super::spec::{BLOCK_STORED, FragmentEntry, NO_FRAGMENT};
use super::{Error, spec};
use crate::sink::Sink;
use crate::source::Source;

/// Raw bytes per batch and thread: small for the memory, large for the balance between threads.
const BATCH_PER_THREAD: u64 = 4 << 20;

/// Where all contents went.
pub(super) struct Data {
    files: Vec<FileData>,
    pub(super) fragments: Vec<FragmentEntry>,
    /// Offset in the image behind the last block.
    pub(super) end: u64,
}

/// Where the contents of one file went.
#[derive(Clone)]
pub(super) struct FileData {
    pub(super) start: u64,
    /// Size on disk of each full block, with [`BLOCK_STORED`]; 0 for a hole.
    pub(super) sizes: Vec<u32>,
    /// Bytes in holes.
    pub(super) sparse: u64,
    pub(super) fragment: u32,
    pub(super) offset: u32,
    same_as: Option<usize>,
}

impl FileData {
    pub(super) const EMPTY: Self = Self {
        start: 0,
        sizes: Vec::new(),
        sparse: 0,
        fragment: NO_FRAGMENT,
        offset: 0,
        same_as: None,
    };
}

impl Data {
    /// Where the contents of [`Plan::files`]`[file]` are.
    pub(super) fn file(&self, file: usize) -> &FileData {
        let data = &self.files[file];
        data.same_as.map_or(data, |original| &self.files[original])
    }
}

/// Writes all contents from `start` of the image.
pub(super) fn write<C: Source>(
    plan: &Plan<'_, C>,
    start: u64,
    sink: &mut impl Sink,
) -> Result<Data, Error> {
    let mut packer = Packer::new(plan);
    let mut data =
        Data { files: vec![FileData::EMPTY; plan.files.len()], fragments: Vec::new(), end: start };
    let mut ready = Vec::new();
    let block_size = u64::from(plan.options.block_size);
    loop {
        let mut next = Ok(None);
        let emitted = rayon::in_place_scope(|scope| {
            scope.spawn(|_| next = packer.next_batch());
            ready.drain(..).try_for_each(|step| data.emit(step, block_size, sink))
        });
        emitted?;
        match next? {
            Some(steps) => ready = steps,
            None => return Ok(data),
        }
    }
}

/// What is done for a file, in the order of the image.
enum Step<B> {
    /// One of its full blocks.
    Block { file: usize, bytes: B },
    /// One of its full blocks is zero.
    Hole { file: usize },
    /// Its last bytes are in a fragment block.
    Tail { file: usize, fragment: u32, offset: u32 },
    /// Its contents are those of another file.
    Same { file: usize, original: usize },
    /// A fragment block is full; it belongs to many files.
    Fragment { bytes: B },
}

/// A block as it is stored.
struct Stored {
    bytes: Vec<u8>,
    /// Its size with [`BLOCK_STORED`].
    word: u32,
}

impl Stored {
    fn new(encoder: &Encoder<'_>, block: &[u8]) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let flag = if encoder.shrink(block, &mut bytes)? {
            bytes.shrink_to_fit();
            0
        } else {
            bytes = block.to_vec();
            BLOCK_STORED
        };
        // A block has at most 2^20 bytes.
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        Ok(Self { bytes, word: len | flag })
    }
}

/// A block's bytes before they are compressed.
enum Raw<'b> {
    Read(&'b [u8]),
    Packed(Vec<u8>),
}

impl Step<Raw<'_>> {
    fn compress(self, encoder: &Encoder<'_>) -> Result<Step<Stored>, Error> {
        let stored = |raw| match raw {
            Raw::Read(bytes) => Stored::new(encoder, bytes),
            Raw::Packed(bytes) => Stored::new(encoder, &bytes),
        };
        Ok(match self {
            Self::Block { file, bytes } => Step::Block { file, bytes: stored(bytes)? },
            Self::Fragment { bytes } => Step::Fragment { bytes: stored(bytes)? },
            Self::Hole { file } => Step::Hole { file },
            Self::Tail { file, fragment, offset } => Step::Tail { file, fragment, offset },
            Self::Same { file, original } => Step::Same { file, original },
        })
    }
}

impl Data {
    fn emit(
        &mut self,
        step: Step<Stored>,
        block_size: u64,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        match step {
            Step::Block { file, bytes } => {
                self.block_of(file, bytes.word);
                self.append(&bytes.bytes, sink)
            }
            Step::Hole { file } => {
                self.block_of(file, 0);
                self.files[file].sparse += block_size;
                Ok(())
            }
            Step::Tail { file, fragment, offset } => {
                self.files[file].fragment = fragment;
                self.files[file].offset = offset;
                Ok(())
            }
            Step::Same { file, original } => {
                self.files[file].same_as = Some(original);
                Ok(())
            }
            Step::Fragment { bytes } => {
                self.fragments.push(FragmentEntry {
                    start: self.end.into(),
                    size: bytes.word.into(),
                    unused: 0.into(),
                });
                self.append(&bytes.bytes, sink)
            }
        }
    }

    fn block_of(&mut self, file: usize, word: u32) {
        let data = &mut self.files[file];
        if data.sizes.is_empty() {
            data.start = self.end;
        }
        data.sizes.push(word);
    }

    fn append(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Error> {
        sink.write_at(self.end, bytes).map_err(Error::writing(self.end))?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// The digest over the digests of a file's blocks.
type Fingerprint = [u8; 32];

/// A part of a file that is in one batch.
struct Slice {
    file: usize,
    start: u64,
    len: usize,
}

/// One block of a slice, read.
struct Block<'b> {
    bytes: &'b [u8],
    is_zero: bool,
    /// All zero bytes where the file has no twin.
    digest: Fingerprint,
}

/// Turns files into steps, a batch at a time.
struct Packer<'p, 'a, C> {
    files: &'p [FilePlan<'a, C>],
    encoder: &'p Encoder<'a>,
    block_size: usize,
    batch: u64,
    /// The next byte to read: a file and an offset in it.
    next: (usize, u64),
    arena: Vec<u8>,
    /// Tails that are not in a fragment block yet.
    tails: Vec<u8>,
    /// How many fragment blocks are done.
    fragments: u32,
    known: BTreeMap<(u64, Fingerprint), usize>,
}

impl<'p, 'a, C: Source> Packer<'p, 'a, C> {
    fn new(plan: &'p Plan<'a, C>) -> Self {
        let threads = rayon::current_num_threads() as u64;
        let block_size = plan.options.block_size;
        Self {
            files: &plan.files,
            encoder: &plan.encoder,
            // At most 2^20, checked by `Plan::new`.
            block_size: usize::try_from(block_size).unwrap_or(spec::METADATA_SIZE),
            batch: (BATCH_PER_THREAD * threads).next_multiple_of(block_size.into()),
            next: (0, 0),
            arena: Vec::new(),
            tails: Vec::new(),
            fragments: 0,
            known: BTreeMap::new(),
        }
    }

    /// The next steps in order, or `None` behind the last one.
    fn next_batch(&mut self) -> Result<Option<Vec<Step<Stored>>>, Error> {
        let mut steps = Vec::new();
        let slices = self.take(&mut steps)?;
        let mut arena = std::mem::take(&mut self.arena);
        let len = slices.iter().map(|slice| slice.len).sum();
        if arena.len() < len {
            arena.resize(len, 0);
        }
        let blocks = read(&slices, self.files, self.block_size, &mut arena[..len])?;
        let mut rest = blocks.as_slice();
        for slice in &slices {
            let (mine, others) = rest.split_at(slice.len.div_ceil(self.block_size));
            self.pack(slice, mine, &mut steps)?;
            rest = others;
        }
        if slices.is_empty() && !self.tails.is_empty() {
            steps.push(self.flush_tails()?);
        }
        let encoder = self.encoder;
        let done = !steps.is_empty();
        let stored = steps.into_par_iter().with_max_len(1).map(|step| step.compress(encoder));
        let stored = stored.collect::<Result<Vec<_>, _>>()?;
        self.arena = arena;
        Ok(done.then_some(stored))
    }

    /// Chooses what to read next. A file of at most a batch is taken whole, so that its fingerprint
    /// is known before any of it is compressed; a larger one is read twice if it has a twin.
    fn take(&mut self, steps: &mut Vec<Step<Raw<'_>>>) -> Result<Vec<Slice>, Error> {
        let mut slices = Vec::new();
        let mut taken = 0;
        while taken < self.batch {
            let (file, start) = self.next;
            let Some(plan) = self.files.get(file) else { break };
            let left = plan.len - start;
            if left == 0 {
                self.next = (file + 1, 0);
                continue;
            }
            if start == 0 && left > self.batch && plan.has_twin {
                let fingerprint = self.fingerprint(plan)?;
                if let Some(original) = self.meet(file, fingerprint) {
                    steps.push(Step::Same { file, original });
                    self.next = (file + 1, 0);
                    continue;
                }
            }
            let block_size = self.block_size as u64;
            let room = (self.batch - taken).next_multiple_of(block_size);
            let len = if left <= self.batch { left } else { room };
            // At most twice the batch.
            slices.push(Slice { file, start, len: usize::try_from(len).unwrap_or(0) });
            self.next = (file, start + len);
            taken += len;
        }
        Ok(slices)
    }

    /// The file met before with the same contents, if there is one.
    fn meet(&mut self, file: usize, fingerprint: Fingerprint) -> Option<usize> {
        let original = *self.known.entry((self.files[file].len, fingerprint)).or_insert(file);
        (original != file).then_some(original)
    }

    fn fingerprint(&self, file: &FilePlan<'_, C>) -> Result<Fingerprint, Error> {
        let block_size = self.block_size as u64;
        let digests = (0..file.len.div_ceil(block_size)).into_par_iter().map(|block| {
            let start = block * block_size;
            let len = (file.len - start).min(block_size);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(self.block_size)];
            fill(file, start, &mut bytes)?;
            Ok(sha256(&bytes))
        });
        let digests = digests.collect::<Result<Vec<Fingerprint>, Error>>()?;
        Ok(sha256(digests.as_flattened()))
    }

    fn pack<'b>(
        &mut self,
        slice: &Slice,
        blocks: &[Block<'b>],
        steps: &mut Vec<Step<Raw<'b>>>,
    ) -> Result<(), Error> {
        let file = slice.file;
        let plan = &self.files[file];
        if plan.has_twin && slice.len as u64 == plan.len {
            let digests: Vec<Fingerprint> = blocks.iter().map(|block| block.digest).collect();
            if let Some(original) = self.meet(file, sha256(digests.as_flattened())) {
                steps.push(Step::Same { file, original });
                return Ok(());
            }
        }
        for block in blocks {
            if block.bytes.len() < self.block_size {
                self.pack_tail(file, block.bytes, steps)?;
            } else if block.is_zero {
                steps.push(Step::Hole { file });
            } else {
                steps.push(Step::Block { file, bytes: Raw::Read(block.bytes) });
            }
        }
        Ok(())
    }

    fn pack_tail(
        &mut self,
        file: usize,
        tail: &[u8],
        steps: &mut Vec<Step<Raw<'_>>>,
    ) -> Result<(), Error> {
        if self.tails.len() + tail.len() > self.block_size {
            steps.push(self.flush_tails()?);
        }
        let offset = u32::try_from(self.tails.len()).unwrap_or(0);
        steps.push(Step::Tail { file, fragment: self.fragments, offset });
        self.tails.extend_from_slice(tail);
        Ok(())
    }

    fn flush_tails<'b>(&mut self) -> Result<Step<Raw<'b>>, Error> {
        self.fragments =
            self.fragments.checked_add(1).filter(|&n| n < NO_FRAGMENT).ok_or(Error::TooMany {
                what: "fragment blocks",
                limit: u64::from(NO_FRAGMENT) - 1,
                found: u64::from(NO_FRAGMENT),
            })?;
        let tails = std::mem::replace(&mut self.tails, Vec::with_capacity(self.block_size));
        Ok(Step::Fragment { bytes: Raw::Packed(tails) })
    }
}

/// Reads every block of `slices` into `arena`, in order.
fn read<'b, C: Source>(
    slices: &[Slice],
    files: &[FilePlan<'_, C>],
    block_size: usize,
    mut arena: &'b mut [u8],
) -> Result<Vec<Block<'b>>, Error> {
    let mut places = Vec::new();
    for slice in slices {
        let (mine, rest) = arena.split_at_mut(slice.len);
        arena = rest;
        let starts = (slice.start..).step_by(block_size);
        places.extend(mine.chunks_mut(block_size).zip(starts).map(|at| (&files[slice.file], at)));
    }
    let blocks = places.into_par_iter().map(|(file, (bytes, start))| {
        fill(file, start, bytes)?;
        let is_zero = bytes.len() == block_size && bytes.iter().all(|&byte| byte == 0);
        let digest = if file.has_twin { sha256(bytes) } else { Fingerprint::default() };
        Ok(Block { bytes, is_zero, digest })
    });
    blocks.collect()
}

fn fill<C: Source>(file: &FilePlan<'_, C>, start: u64, bytes: &mut [u8]) -> Result<(), Error> {
    file.content
        .read_at(start, bytes)
        .map_err(|source| Error::Content { path: file.path.clone(), source })
}

fn sha256(bytes: &[u8]) -> Fingerprint {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::{Compression, Options};
    use crate::tree::{Inode, Meta, Tree};

    const BLOCK: usize = 4096;

    /// Bytes that do not shrink.
    fn noise(seed: u8, len: usize) -> Vec<u8> {
        let digests = (0_u64..).map(|count| sha256(&[&[seed][..], &count.to_le_bytes()].concat()));
        digests.flatten().take(len).collect()
    }

    /// What becomes of files named `a`, `b` and so on, from byte 96, and the bytes of the image.
    fn written(files: &[Vec<u8>]) -> (Data, Vec<u8>) {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        for (name, contents) in (b'a'..).zip(files) {
            let file = Inode::file(Meta::root(0o644, 0), contents.clone());
            tree.put(&[name], file).unwrap();
        }
        let compression = Compression::Zstd { level: 1 };
        let options = Options { block_size: 4096, compression, mkfs_time: 0 };
        let plan = Plan::new(&tree, &options).unwrap();
        let mut image = vec![0; 96];
        let data = write(&plan, 96, &mut image).unwrap();
        assert_eq!(data.end, image.len() as u64);
        (data, image)
    }

    #[test]
    fn a_block_that_does_not_shrink_is_stored() {
        let (contents, zeros) = (noise(1, BLOCK), vec![b'z'; BLOCK]);
        let (data, image) = written(&[[contents.clone(), zeros.clone()].concat()]);
        let file = data.file(0);
        let [stored, packed] = file.sizes[..] else { panic!("{:?}", file.sizes) };
        assert_eq!((file.start, stored), (96, BLOCK_STORED | 4096));
        assert_eq!(image[96..96 + BLOCK], contents);
        assert!(packed > 0 && packed < 100, "{packed}");
        let frame = &image[96 + BLOCK..];
        assert_eq!(frame.len(), packed as usize);
        assert_eq!(zstd::stream::decode_all(frame).unwrap(), zeros);
        assert_eq!((file.sparse, file.fragment), (0, NO_FRAGMENT));
    }

    #[test]
    fn blocks_of_zeros_are_holes() {
        let mut contents = vec![0; 3 * BLOCK];
        contents[2 * BLOCK - 1] = 1;
        let (data, _) = written(&[contents, vec![0; 2 * BLOCK], vec![0; 10]]);
        let file = data.file(0);
        assert_eq!((file.sizes[0], file.sizes[2], file.sparse), (0, 0, 2 * BLOCK as u64));
        assert_ne!(file.sizes[1], 0);
        assert_eq!((data.file(1).sizes.as_slice(), data.file(1).sparse), (&[0, 0][..], 8192));
        // A tail is in a fragment, zero or not.
        let tail = data.file(2);
        assert_eq!((tail.sizes.len(), tail.sparse, tail.fragment), (0, 0, 0));
    }

    #[test]
    fn tails_share_a_fragment_block_until_it_is_full() {
        let files = [noise(1, 1000), noise(2, 3096), noise(3, BLOCK + 1), noise(4, 4095), vec![]];
        let (data, image) = written(&files);
        let places: Vec<_> =
            (0..5).map(|file| (data.file(file).fragment, data.file(file).offset)).collect();
        assert_eq!(places, [(0, 0), (0, 1000), (1, 0), (1, 1), (NO_FRAGMENT, 0)]);
        let [first, second] = &data.fragments[..] else { panic!("{:?}", data.fragments) };
        assert_eq!(
            (first.size.get(), second.size.get()),
            (BLOCK_STORED | 4096, BLOCK_STORED | 4096)
        );
        let at = usize::try_from(first.start.get()).unwrap();
        assert_eq!(image[at..at + BLOCK], [files[0].clone(), files[1].clone()].concat());
        let at = usize::try_from(second.start.get()).unwrap();
        assert_eq!(image[at..at + BLOCK], [&files[2][BLOCK..], &files[3]].concat());
        assert_eq!(data.file(4).start, 0, "an empty file is nowhere");
    }

    #[test]
    fn files_with_the_same_contents_share_them() {
        let (one, other) = (noise(1, BLOCK + 10), noise(2, BLOCK + 10));
        let mut almost = one.clone();
        almost[BLOCK + 9] ^= 1;
        let longer = [one.as_slice(), b"x"].concat();
        let (data, image) =
            written(&[one.clone(), other.clone(), one.clone(), almost, longer, one, other]);
        let places: Vec<_> =
            (0..7).map(|file| (data.file(file).start, data.file(file).offset)).collect();
        assert_eq!((places[2], places[5], places[6]), (places[0], places[0], places[1]));
        let distinct: std::collections::BTreeSet<_> = places.iter().collect();
        assert_eq!(distinct.len(), 4);
        // Four blocks of 4096 bytes and a fragment block.
        let fragment = data.fragments[0].size.get() & !BLOCK_STORED;
        assert_eq!(image.len(), 96 + 4 * BLOCK + fragment as usize);
    }

    /// A batch has 4 MiB for each thread: what is larger is read piece by piece, and twice if it has a twin.
    #[test]
    fn large_files_are_those_of_many_batches() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let large: Vec<u8> = (0..u32::try_from(BATCH_PER_THREAD).unwrap() / 4 + 1500)
            .flat_map(|number| (number / 64).to_le_bytes())
            .collect();
        let mut twin = large.clone();
        *twin.last_mut().unwrap() ^= 1;
        let files = [large.clone(), twin, large.clone(), noise(1, 10)];
        let (data, image) = pool.install(|| written(&files));
        assert_eq!(data.file(2).start, data.file(0).start);
        assert_ne!(data.file(1).start, data.file(0).start);
        let file = data.file(0);
        assert_eq!(file.sizes.len(), large.len() / BLOCK);
        let mut at = usize::try_from(file.start).unwrap();
        for (size, block) in file.sizes.iter().zip(large.chunks(BLOCK)) {
            let len = (size & !BLOCK_STORED) as usize;
            assert_eq!(zstd::stream::decode_all(&image[at..at + len]).unwrap(), block);
            at += len;
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        struct Short;
        impl Source for Short {
            fn len(&self) -> u64 {
                5
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
                Err(std::io::Error::other("it is gone"))
            }
        }
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.put(b"f", Inode::file(Meta::root(0o644, 0), Short)).unwrap();
        let plan = Plan::new(&tree, &Options::new(0)).unwrap();
        let Err(error) = write(&plan, 96, &mut Vec::new()) else { panic!() };
        assert_eq!(error.to_string(), "squashfs: cannot read `/f`");
    }
}
