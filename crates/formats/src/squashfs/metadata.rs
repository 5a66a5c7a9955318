//! Metadata blocks: 8 KiB of table each, compressed, behind a two-byte header.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

use super::Error;
use super::codec::Encoder;
use super::spec::{METADATA_SIZE, METADATA_STORED, Reference};

/// A table under construction, which knows where its next byte will be.
#[derive(Default)]
pub(super) struct Metadata {
    /// Finished blocks with their headers.
    pub(super) stored: Vec<u8>,
    /// Less than a block.
    pending: Vec<u8>,
    /// Offset of each finished block in `stored`.
    starts: Vec<u64>,
    shrunk: Vec<u8>,
}

impl Metadata {
    /// Where the next byte goes.
    pub(super) fn position(&self) -> Result<Reference, Error> {
        let offset = u16::try_from(self.pending.len()).map_err(|_| too_large())?;
        Ok(Reference { block: self.stored.len() as u64, offset })
    }

    pub(super) fn push(&mut self, encoder: &Encoder<'_>, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = METADATA_SIZE - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == METADATA_SIZE {
                self.flush(encoder)?;
            }
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, encoder: &Encoder<'_>) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.starts.push(self.stored.len() as u64);
        let shrunk = encoder.shrink(&self.pending, &mut self.shrunk)?;
        let (bytes, flag) =
            if shrunk { (&self.shrunk, 0) } else { (&self.pending, METADATA_STORED) };
        let len = u16::try_from(bytes.len()).map_err(|_| too_large())?;
        self.stored.extend_from_slice(&(len | flag).to_le_bytes());
        self.stored.extend_from_slice(bytes);
        self.pending.clear();
        Ok(())
    }
}

/// A table with pointers to its blocks behind them, as it is stored at `start`.
pub(super) struct Indexed {
    /// Blocks, then what came as `head`, then pointers.
    pub(super) bytes: Vec<u8>,
    /// Offset in the image of what follows the blocks: what the superblock points to.
    pub(super) index: u64,
}

impl Indexed {
    /// Packs `records` into blocks from `start` of the image.
    pub(super) fn new(encoder: &Encoder<'_>, start: u64, records: &[u8]) -> Result<Self, Error> {
        Self::with_head(encoder, start, records, &[])
    }

    /// As [`Indexed::new`], with `head` between the blocks and the pointers.
    pub(super) fn with_head(
        encoder: &Encoder<'_>,
        start: u64,
        records: &[u8],
        head: &[u8],
    ) -> Result<Self, Error> {
        let mut table = Metadata::default();
        table.push(encoder, records)?;
        table.flush(encoder)?;
        let index = start + table.stored.len() as u64;
        let mut bytes = table.stored;
        bytes.extend_from_slice(head);
        for at in table.starts {
            bytes.extend_from_slice(U64::new(start + at).as_bytes());
        }
        Ok(Self { bytes, index })
    }
}

fn too_large() -> Error {
    Error::TooMany {
        what: "bytes in a metadata block",
        limit: METADATA_SIZE as u64,
        found: METADATA_SIZE as u64 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::Compression;

    fn encoder() -> Encoder<'static> {
        Encoder::new(Compression::Zstd { level: 3 }).unwrap()
    }

    /// Bytes that do not shrink.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn blocks_are_full_and_what_does_not_shrink_is_stored() {
        let (encoder, bytes) = (encoder(), noise(METADATA_SIZE + 3));
        let mut table = Metadata::default();
        table.push(&encoder, &bytes[..METADATA_SIZE - 1]).unwrap();
        let last = Reference { block: 0, offset: 8191 };
        assert_eq!(table.position().unwrap(), last);
        table.push(&encoder, &bytes[METADATA_SIZE - 1..]).unwrap();
        assert_eq!(table.position().unwrap(), Reference { block: 8194, offset: 3 });
        assert_eq!(table.stored[..2], 0xa000_u16.to_le_bytes());
        assert_eq!(table.stored[2..], bytes[..METADATA_SIZE]);
        table.flush(&encoder).unwrap();
        assert_eq!(table.stored[8194..], [&[3, 0x80], &bytes[METADATA_SIZE..]].concat());
        assert_eq!(table.starts, [0, 8194]);
        // Nothing pending: no block.
        table.flush(&encoder).unwrap();
        assert_eq!(table.starts.len(), 2);
    }

    #[test]
    fn an_index_points_to_every_block_in_the_image() {
        let encoder = encoder();
        let records = vec![7; METADATA_SIZE + 1];
        let indexed = Indexed::with_head(&encoder, 1000, &records, b"head").unwrap();
        let blocks = usize::try_from(indexed.index - 1000).unwrap();
        let (blocks, behind) = indexed.bytes.split_at(blocks);
        let first = usize::from(u16::from_le_bytes([blocks[0], blocks[1]]));
        assert!(first < 100, "a block of one byte shrinks: {first}");
        let second = 1000 + 2 + first as u64;
        assert_eq!(behind, [&b"head"[..], &1000u64.to_le_bytes(), &second.to_le_bytes()].concat());
        let empty = Indexed::new(&encoder, 1000, &[]).unwrap();
        assert_eq!((empty.bytes.len(), empty.index), (0, 1000));
    }
}
