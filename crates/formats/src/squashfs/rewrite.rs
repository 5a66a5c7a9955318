//! Writes an image again from what it decodes to, so that what nothing leads to shows.
//!
//! The contract: the layout, every table and every inode are derived anew from the tree as
//! [`Plan::write`] derives them; only the compressed form of a block is taken from the image, where
//! it must decode to the block and to nothing else. An image that this crate's writer made comes out
//! byte by byte, whichever version of a compressor it was made with; in any other, the first byte
//! that differs is one that the writer does not answer for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::codec::{Decoder, Encoder};
use super::extent::FileExtent;
use super::plan::Plan;
use super::read::Image;
use super::spec::BLOCK_STORED;
use super::table::Place;
use super::{Compression, Error, Options};
use crate::sink::Sink;
use crate::source::Source;
use crate::tree::{Node, Tree};

/// Writes `image` again, of which `tree` was decoded; answers the length in bytes.
///
/// # Errors
/// [`Error::Corrupt`] for a block that does not decode, [`Error::Content`] for contents that don't,
/// and what [`Plan::write`] says.
pub fn rewrite<S: Source>(
    image: &Image<S>,
    tree: Tree<FileExtent>,
    mkfs_time: u32,
    sink: &mut impl Sink,
) -> Result<u64, Error> {
    let stored = stored_blocks(image, &tree)?;
    let recall = |block: &[u8], out: &mut Vec<u8>| -> Result<bool, Error> {
        match stored.get(&digest(block)) {
            Some(place) if place.compressed => {
                *out = image.bytes.get("block", place.at, place.len)?;
                Ok(true)
            }
            // One that the image does not have differs, however it is stored.
            _ => Ok(false),
        }
    };
    let superblock = image.superblock();
    let options = Options {
        block_size: superblock.block_size.get(),
        // Only what the superblock says of it counts: nothing is compressed.
        compression: match image.bytes.decoder {
            Decoder::Zstd => Compression::Zstd { level: 1 },
            Decoder::Gzip => Compression::Gzip { level: 1 },
        },
        mkfs_time,
    };
    let tree = tree.try_map(|extent| Ok::<_, Error>(Contents::new(image, extent)))?;
    Plan::with_encoder(&tree, &options, Encoder::recalling(&recall))?.write(sink)
}

type Fingerprint = [u8; 32];

fn digest(block: &[u8]) -> Fingerprint {
    Sha256::digest(block).into()
}

/// Every block of the image by what it decodes to; of two, the first in the image.
fn stored_blocks<S: Source>(
    image: &Image<S>,
    tree: &Tree<FileExtent>,
) -> Result<BTreeMap<Fingerprint, Place>, Error> {
    let metadata = image.inodes.blocks().chain(image.directories.blocks());
    let metadata = metadata.chain(image.record_blocks.iter().copied());
    let pairs = image.xattr_pairs.iter().flat_map(|pairs| pairs.blocks());
    let metadata = metadata.chain(pairs).map(|at| image.bytes.metadata_place("table", at));
    let mut places = metadata.collect::<Result<BTreeSet<Place>, Error>>()?;
    places.extend(data_places(image, tree));
    let decode = |place: Place| -> Result<(Fingerprint, Place), Error> {
        let bytes = image.bytes.get("block", place.at, place.len)?;
        if !place.compressed {
            return Ok((digest(&bytes), place));
        }
        let block = image.bytes.decoder.expand(&bytes, image.block_size());
        let block = block.map_err(|why| Error::corrupt("block", place.at, why))?;
        Ok((digest(&block), place))
    };
    let places: Vec<Place> = places.into_iter().collect();
    let decoded = places.into_par_iter().map(decode).collect::<Result<Vec<_>, Error>>()?;
    let mut known = BTreeMap::new();
    for (digest, place) in decoded {
        known.entry(digest).or_insert(place);
    }
    Ok(known)
}

/// Where the blocks of all contents are.
fn data_places<S: Source>(image: &Image<S>, tree: &Tree<FileExtent>) -> BTreeSet<Place> {
    let place = |at: u64, word: u32| Place {
        at,
        len: usize::try_from(word & !BLOCK_STORED).unwrap_or(usize::MAX),
        compressed: word & BLOCK_STORED == 0,
    };
    let fragments = image.fragments.iter().map(|entry| place(entry.start.get(), entry.size.get()));
    let mut places: BTreeSet<Place> = fragments.collect();
    for (_, id) in tree.walk() {
        let Node::File(extent) = &tree.inode(id).node else { continue };
        let mut at = extent.start;
        for &word in extent.sizes.iter().filter(|&&word| word != 0) {
            places.insert(place(at, word));
            at = at.saturating_add((word & !BLOCK_STORED).into());
        }
    }
    places
}

/// The contents of a file of an image.
struct Contents<'i, S> {
    image: &'i Image<S>,
    len: u64,
    /// Offset in the image and size of each full block; a size of 0 is a hole.
    blocks: Vec<(u64, u32)>,
    fragment: Option<(u32, u32)>,
}

impl<'i, S: Source> Contents<'i, S> {
    fn new(image: &'i Image<S>, extent: FileExtent) -> Self {
        let mut at = extent.start;
        let blocks = extent.sizes.iter().map(|&word| {
            let block = (at, word);
            at = at.saturating_add((word & !BLOCK_STORED).into());
            block
        });
        Self { image, len: extent.len, blocks: blocks.collect(), fragment: extent.fragment }
    }

    /// The bytes of one block, which has `len` of them, from `skip` on.
    fn fill(&self, index: u64, skip: usize, len: usize, buf: &mut [u8]) -> Result<(), Error> {
        let block = usize::try_from(index).ok().and_then(|index| self.blocks.get(index));
        let (bytes, start) = match (block, self.fragment) {
            (Some((_, 0)), _) => {
                buf.fill(0);
                return Ok(());
            }
            (Some(&(at, word)), _) => {
                let block = self.image.data_block(at, word)?;
                if block.len() != len {
                    let why = format!("expected {len} bytes, found {}", block.len());
                    return Err(Error::corrupt("data block", at, why));
                }
                (std::sync::Arc::new(block), 0)
            }
            (None, Some((index, offset))) => {
                (self.image.fragment(index)?, usize::try_from(offset).unwrap_or(usize::MAX))
            }
            (None, None) => return Err(Error::corrupt("inode", 0, "a file without its tail")),
        };
        let range =
            start.checked_add(skip).and_then(|from| Some(from..from.checked_add(buf.len())?));
        let part = range.and_then(|range| bytes.get(range)).ok_or_else(|| {
            Error::corrupt("fragment", 0, format!("expected {len} bytes at {start}"))
        })?;
        buf.copy_from_slice(part);
        Ok(())
    }
}

impl<S: Source> Source for Contents<'_, S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|&end| end <= self.len);
        let Some(end) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let block_size = self.image.block_size() as u64;
        let (mut at, mut rest) = (offset, buf);
        while at < end {
            let (index, skip) = (at / block_size, at % block_size);
            let len = (self.len - index * block_size).min(block_size);
            let step = (len - skip).min(end - at);
            // Nothing is longer than a block, and a block has at most 2^20 bytes.
            let small = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
            let (part, behind) = rest.split_at_mut(small(step));
            self.fill(index, small(skip), small(len), part).map_err(in_io)?;
            rest = behind;
            at += step;
        }
        Ok(())
    }
}

/// What the storage said, or that the bytes are wrong.
fn in_io(error: Error) -> io::Error {
    match error {
        Error::Io { source, .. } => source,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::Limits;
    use crate::tree::{Inode, Meta};

    fn written(compression: Compression) -> Vec<u8> {
        let mut tree = Tree::new(Meta::root(0o755, 1));
        tree.make_directories(b"d", &Meta::root(0o755, 2)).unwrap();
        let mut hole: Vec<u8> = (0..5000u32).flat_map(u32::to_le_bytes).collect();
        hole[4096..8192].fill(0);
        for (path, contents) in [
            ("d/text", b"all work and no play\n".repeat(700)),
            ("d/hole", hole),
            ("small", vec![1; 9]),
        ] {
            let mut inode = Inode::file(Meta::root(0o644, 3), contents);
            inode.meta.xattrs.insert(b"user.note".to_vec(), path.as_bytes().to_vec());
            tree.put(path.as_bytes(), inode).unwrap();
        }
        let options = Options { block_size: 4096, compression, mkfs_time: 7 };
        let mut bytes = Vec::new();
        Plan::new(&tree, &options).unwrap().write(&mut bytes).unwrap();
        bytes
    }

    fn rewritten(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let image = Image::open(bytes, &Limits::default())?;
        let tree = image.tree()?;
        let mut again = Vec::new();
        let len = rewrite(&image, tree, 7, &mut again)?;
        assert_eq!(len, again.len() as u64);
        Ok(again)
    }

    /// Whatever the level: blocks are recalled, and never compressed again.
    #[test]
    fn an_image_of_this_writer_comes_out_byte_by_byte() {
        for compression in [
            Compression::Zstd { level: 1 },
            Compression::Zstd { level: 19 },
            Compression::Gzip { level: 1 },
            Compression::Gzip { level: 9 },
        ] {
            let bytes = written(compression);
            assert!(rewritten(&bytes).unwrap() == bytes, "{compression:?}");
        }
    }

    #[test]
    fn what_nothing_leads_to_shows() {
        let bytes = written(Compression::Zstd { level: 3 });
        let used = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
        // The padding to 4 KiB, and a time of the superblock that the caller does not say.
        for at in [used, bytes.len() - 1, 8] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let again = rewritten(&changed).unwrap();
            let first = again.iter().zip(&changed).position(|(ours, theirs)| ours != theirs);
            assert_eq!(first, Some(at));
        }
    }

    /// Contents are read at any place and length, across blocks, holes and the tail.
    #[test]
    fn contents_are_one_source() {
        let bytes = written(Compression::Zstd { level: 3 });
        let image = Image::open(&bytes[..], &Limits::default()).unwrap();
        let tree = image.tree().unwrap();
        let id = tree.lookup(b"d/hole").unwrap();
        let Node::File(extent) = tree.inode(id).node.clone() else { panic!("{id:?}") };
        let contents = Contents::new(&image, extent);
        let mut expected: Vec<u8> = (0..5000u32).flat_map(u32::to_le_bytes).collect();
        expected[4096..8192].fill(0);
        assert_eq!(contents.len(), 20_000);
        for (offset, len) in
            [(0, 20_000), (4095, 2), (4096, 4096), (8191, 9000), (19_999, 1), (20_000, 0)]
        {
            let mut buf = vec![0xee; len];
            contents.read_at(offset, &mut buf).unwrap();
            let start = usize::try_from(offset).unwrap();
            assert!(buf == expected[start..start + len], "{offset}+{len}");
        }
        for (offset, len) in [(20_000, 1), (19_999, 2), (u64::MAX, 1)] {
            let error = contents.read_at(offset, &mut vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset}+{len}");
        }
    }
}
