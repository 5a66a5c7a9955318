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

#[cfg(test)]
impl Table {
    /// A table of one block of these bytes.
    pub(super) fn of_block(what: &'static str, bytes: Vec<u8>) -> Self {
        Self { what, start: 0, bytes, blocks: BTreeMap::from([(0, 0)]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metadata block that is stored as it is.
    fn stored(bytes: &[u8]) -> Vec<u8> {
        let len = u16::try_from(bytes.len()).unwrap() | METADATA_STORED;
        [&len.to_le_bytes()[..], bytes].concat()
    }

    fn image(bytes: Vec<u8>) -> Bytes<Vec<u8>> {
        Bytes { used: bytes.len() as u64, source: bytes, decoder: Decoder::Zstd }
    }

    fn load(image: &Bytes<Vec<u8>>, end: u64, limit: u64) -> Result<Table, String> {
        Table::load(image, "a table", 0, end, limit).map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_are_joined_and_found_by_their_offset_on_disk() {
        let image = image([stored(b"abc"), stored(b"de")].concat());
        let table = load(&image, 9, 5).unwrap();
        assert_eq!((table.len(), table.blocks().collect::<Vec<_>>()), (5, vec![0, 5]));
        let mut cursor = table.at(Reference { block: 5, offset: 1 }).unwrap();
        assert_eq!((cursor.bytes(1).unwrap(), cursor.is_at_end()), (&b"e"[..], true));
        // An offset behind a block is in the next one.
        assert_eq!(table.at(Reference { block: 0, offset: 3 }).unwrap().bytes(2).unwrap(), b"de");
        for (at, block, offset) in [(0, 0, 0), (2, 0, 2), (3, 5, 0), (4, 5, 1)] {
            assert_eq!(table.reference(at), Reference { block, offset });
        }
        let inside = Reference { block: 1, offset: 0 };
        assert_eq!(
            table.at(inside).err().unwrap().to_string(),
            "corrupt squashfs: a table at 0x1: expected the start of a metadata block"
        );
        let mut cursor = table.cursor();
        assert_eq!(
            cursor.bytes(6).unwrap_err().to_string(),
            "corrupt squashfs: a table at 0x0: expected 6 more bytes, but the table has 5 in all"
        );
        assert!(cursor.bytes(usize::MAX).is_err());
        assert_eq!(cursor.take::<zerocopy::little_endian::U32>().unwrap().get(), 0x6463_6261);
    }

    #[test]
    fn blocks_that_leave_the_table_or_the_image_are_refused() {
        let whole = image([stored(b"abc"), stored(b"de")].concat());
        assert_eq!(
            load(&whole, 8, 99).err().unwrap(),
            "corrupt squashfs: a table at 0x5: expected the block to end by 0x8, found 0x9"
        );
        assert_eq!(
            load(&whole, 9, 4).err().unwrap(),
            "unsupported squashfs: a table is larger than the limit of 4 bytes"
        );
        assert_eq!(
            load(&whole, 10, 99).err().unwrap(),
            "corrupt squashfs: a table at 0x9: expected 2 bytes within the image's 0x9"
        );
        for header in [0x8000_u16, 0, 0x2001, 0xa001] {
            let found = load(&image(header.to_le_bytes().to_vec()), 2, 99).err().unwrap();
            let len = header & 0x7fff;
            assert_eq!(
                found,
                format!(
                    "corrupt squashfs: a table at 0x0: expected a metadata block of 1 to 8192 bytes, \
                     found {len}"
                )
            );
        }
        let broken = image([&3u16.to_le_bytes()[..], b"abc"].concat());
        let found = load(&broken, 5, 99).err().unwrap();
        assert!(found.contains("a table at 0x0: expected a zstd frame"), "{found}");
    }

    #[test]
    fn records_fill_their_blocks() {
        let first = stored(&[1; METADATA_SIZE]);
        let second = stored(&[2; 16]);
        let index = (first.len() + second.len()) as u64;
        let pointers = [0, first.len() as u64].map(u64::to_le_bytes).concat();
        let image = image([first.clone(), second, pointers].concat());
        let records = |count, limit| image.records("ids", index, count, 16, limit);
        let found = records(513, 8208).unwrap();
        assert_eq!((found.bytes.len(), found.first), (8208, 0));
        assert_eq!(found.blocks, [0, first.len() as u64]);
        let refused = |count, limit| records(count, limit).err().unwrap().to_string();
        assert_eq!(
            refused(514, 9000),
            format!(
                "corrupt squashfs: ids at {index:#x}: expected 8224 bytes of records, found 8208"
            )
        );
        assert_eq!(
            refused(1, 9000),
            format!(
                "corrupt squashfs: ids at {index:#x}: expected 16 bytes of records, found 8192"
            )
        );
        let limit = "unsupported squashfs: ids is larger than the limit of 8207 bytes";
        assert_eq!(refused(513, 8207), limit);
        assert_eq!(refused(u64::MAX, 8207), limit);
    }
}
