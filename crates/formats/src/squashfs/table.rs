//! Tables of an image in memory, bounded however often a hostile image points at one block.

use std::collections::BTreeMap;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, IntoBytes};

use super::Error;
use super::codec::Decoder;
use super::spec::{METADATA_SIZE, METADATA_STORED, Reference};
use crate::source::Source;

/// The bytes of an image, up to what its superblock says is used.
pub(super) struct Bytes<S> {
    pub(super) source: S,
    pub(super) used: u64,
    pub(super) decoder: Decoder,
}

impl<S: Source> Bytes<S> {
    /// `len` bytes at `at`, which must be inside the image.
    pub(super) fn get(&self, what: &'static str, at: u64, len: usize) -> Result<Vec<u8>, Error> {
        let end = at.checked_add(len as u64).filter(|&end| end <= self.used);
        if end.is_none() {
            let used = self.used;
            let why = format!("expected {len} bytes within the image's {used:#x}");
            return Err(Error::corrupt(what, at, why));
        }
        let mut bytes = vec![0; len];
        self.source.read_at(at, &mut bytes).map_err(Error::reading(at))?;
        Ok(bytes)
    }

    /// One uncompressed metadata block and the offset behind it.
    fn metadata_block(&self, what: &'static str, at: u64) -> Result<(Vec<u8>, u64), Error> {
        let stored = self.metadata_place(what, at)?;
        let end = stored.at + stored.len as u64;
        let bytes = self.get(what, stored.at, stored.len)?;
        if !stored.compressed {
            return Ok((bytes, end));
        }
        let block = self.decoder.expand(&bytes, METADATA_SIZE);
        Ok((block.map_err(|why| Error::corrupt(what, at, why))?, end))
    }

    /// Where the metadata block at `at` is stored.
    pub(super) fn metadata_place(&self, what: &'static str, at: u64) -> Result<Place, Error> {
        let header = self.get(what, at, 2)?;
        let header = header.try_into().map_or(0, u16::from_le_bytes);
        let len = usize::from(header & !METADATA_STORED);
        if len == 0 || len > METADATA_SIZE {
            let why = format!("expected a metadata block of 1 to 8192 bytes, found {len}");
            return Err(Error::corrupt(what, at, why));
        }
        Ok(Place { at: at + 2, len, compressed: header & METADATA_STORED == 0 })
    }

    /// A table of `count` records of `size` bytes behind block pointers at `index`, as one piece.
    pub(super) fn records(
        &self,
        what: &'static str,
        index: u64,
        count: u64,
        size: u64,
        limit: u64,
    ) -> Result<Records, Error> {
        let total = count.checked_mul(size).filter(|&total| total <= limit);
        let total = total.and_then(|total| usize::try_from(total).ok());
        let total = total.ok_or_else(|| over(what, limit))?;
        let blocks = total.div_ceil(METADATA_SIZE);
        let pointers = self.get(what, index, blocks * size_of::<U64>())?;
        let mut records =
            Records { bytes: Vec::with_capacity(total), first: index, blocks: Vec::new() };
        for (block, pointer) in pointers.chunks_exact(size_of::<U64>()).enumerate() {
            let at = pointer.try_into().map_or(0, u64::from_le_bytes);
            if block == 0 {
                records.first = at;
            }
            records.blocks.push(at);
            records.bytes.extend_from_slice(&self.metadata_block(what, at)?.0);
        }
        if records.bytes.len() != total {
            let why = format!("expected {total} bytes of records, found {}", records.bytes.len());
            return Err(Error::corrupt(what, index, why));
        }
        Ok(records)
    }
}

/// Where a block is stored, without its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Offset in the image.
    pub(super) at: u64,
    pub(super) len: usize,
    pub(super) compressed: bool,
}

/// The records of a table with block pointers.
pub(super) struct Records {
    pub(super) bytes: Vec<u8>,
    /// Offset in the image of the first block.
    pub(super) first: u64,
    /// Offsets in the image of all blocks.
    pub(super) blocks: Vec<u64>,
}

/// The most bytes one table may take was exceeded.
fn over(what: &'static str, limit: u64) -> Error {
    Error::Unsupported(format!("{what} is larger than the limit of {limit} bytes"))
}

/// All metadata blocks of one table, uncompressed and joined.
pub(super) struct Table {
    what: &'static str,
    /// Offset in the image of the first block.
    start: u64,
    bytes: Vec<u8>,
    /// Offset in `bytes` of each block, by its offset from the table's start on disk.
    blocks: BTreeMap<u64, usize>,
}

impl Table {
    /// Reads the blocks between two offsets of the image.
    pub(super) fn load<S: Source>(
        image: &Bytes<S>,
        what: &'static str,
        start: u64,
        end: u64,
        limit: u64,
    ) -> Result<Self, Error> {
        let mut table = Self { what, start, bytes: Vec::new(), blocks: BTreeMap::new() };
        let mut at = start;
        while at < end {
            let (block, next) = image.metadata_block(what, at)?;
            if next > end {
                let why = format!("expected the block to end by {end:#x}, found {next:#x}");
                return Err(Error::corrupt(what, at, why));
            }
            table.blocks.insert(at - start, table.bytes.len());
            table.bytes.extend_from_slice(&block);
            if table.bytes.len() as u64 > limit {
                return Err(over(what, limit));
            }
            at = next;
        }
        Ok(table)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Offsets in the image of all blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = u64> {
        self.blocks.keys().map(|block| self.start + block)
    }

    /// Reads on from the start.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { table: self, at: 0 }
    }

    /// Reads on from a reference.
    pub(super) fn at(&self, reference: Reference) -> Result<Cursor<'_>, Error> {
        let block = self.blocks.get(&reference.block).ok_or_else(|| {
            Error::corrupt(self.what, reference.block, "expected the start of a metadata block")
        })?;
        // A block has at most 8192 bytes; past its end is the next one, as for the kernel.
        Ok(Cursor { table: self, at: block + usize::from(reference.offset) })
    }

    /// The reference to an offset in the joined table.
    pub(super) fn reference(&self, at: usize) -> Reference {
        let found = self.blocks.iter().take_while(|&(_, &start)| start <= at).last();
        let (block, start) = found.map_or((0, 0), |(&block, &start)| (block, start));
        Reference { block, offset: u16::try_from(at - start).unwrap_or(u16::MAX) }
    }
}

/// A place in a table that moves on as it is read.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    table: &'t Table,
    /// Offset in the joined table.
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.table.bytes.len()
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'t [u8], Error> {
        let end = self.at.checked_add(len);
        let found = end.and_then(|end| self.table.bytes.get(self.at..end));
        let bytes = found.ok_or_else(|| {
            let total = self.table.bytes.len();
            self.corrupt(format!("expected {len} more bytes, but the table has {total} in all"))
        })?;
        self.at += len;
        Ok(bytes)
    }

    /// The next fixed structure.
    pub(super) fn take<T: FromBytes + IntoBytes>(&mut self) -> Result<T, Error> {
        let bytes = self.bytes(size_of::<T>())?;
        T::read_from_bytes(bytes).map_err(|_| self.corrupt("a structure of another size".into()))
    }

    pub(super) fn corrupt(&self, why: String) -> Error {
        Error::corrupt(self.table.what, self.at as u64, why)
    }
}
