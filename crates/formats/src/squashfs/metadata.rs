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
