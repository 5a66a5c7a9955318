//! Directory listings: runs of entries behind a header that says where their inodes are.

use zerocopy::IntoBytes;

use super::Error;
use super::codec::Encoder;
use super::metadata::Metadata;
use super::spec::{
    DIRECTORY_SIZE_BIAS, DirectoryEntry, DirectoryHeader, HEADER_ENTRIES_MAX, Kind, Reference,
};

/// One name and the inode it leads to.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: Kind,
    pub(super) number: u32,
    pub(super) inode: Reference,
}

/// A listing in the directory table.
#[derive(Clone, Default)]
pub(super) struct Listing {
    pub(super) start: Reference,
    /// As the inode says it, 3 more than there are bytes.
    pub(super) size: u32,
    pub(super) index: Vec<IndexEntry>,
    /// Entries that are directories.
    pub(super) subdirectories: u32,
}

/// The first header in a metadata block other than the listing's first.
#[derive(Clone)]
pub(super) struct IndexEntry {
    pub(super) position: u32,
    pub(super) block: u64,
    pub(super) name: Vec<u8>,
}

/// Appends the listing of `entries`, which are in byte order of their names.
pub(super) fn append(
    entries: &[Entry<'_>],
    table: &mut Metadata,
    encoder: &Encoder<'_>,
) -> Result<Listing, Error> {
    let mut listing = Listing { size: DIRECTORY_SIZE_BIAS, ..Listing::default() };
    if entries.is_empty() {
        return Ok(listing);
    }
    listing.start = table.position()?;
    let mut indexed = listing.start.block;
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let (run, others) = rest.split_at(run_len(first, rest));
        let block = table.position()?.block;
        if block != indexed {
            listing.index.push(IndexEntry {
                position: listing.size - DIRECTORY_SIZE_BIAS,
                block,
                name: first.name.to_vec(),
            });
            indexed = block;
        }
        let bytes = encode(first, run)?;
        table.push(encoder, &bytes)?;
        listing.size = u32::try_from(bytes.len())
            .ok()
            .and_then(|len| listing.size.checked_add(len))
            .ok_or_else(|| too_large("bytes in one directory listing"))?;
        rest = others;
    }
    let directories = entries.iter().filter(|entry| entry.kind == Kind::Directory).count();
    listing.subdirectories =
        u32::try_from(directories).map_err(|_| too_large("directories in one directory"))?;
    Ok(listing)
}

/// How many entries can stand behind one header.
fn run_len(first: &Entry<'_>, entries: &[Entry<'_>]) -> usize {
    let fits = |entry: &&Entry<'_>| {
        entry.inode.block == first.inode.block && delta(first, entry).is_some()
    };
    entries.iter().take(HEADER_ENTRIES_MAX).take_while(fits).count()
}

fn delta(first: &Entry<'_>, entry: &Entry<'_>) -> Option<i16> {
    i16::try_from(i64::from(entry.number) - i64::from(first.number)).ok()
}

fn encode(first: &Entry<'_>, run: &[Entry<'_>]) -> Result<Vec<u8>, Error> {
    let start =
        u32::try_from(first.inode.block).map_err(|_| too_large("bytes in the inode table"))?;
    let header = DirectoryHeader {
        // `run_len` answers 1 to 256.
        count: u32::try_from(run.len() - 1).unwrap_or(0).into(),
        start: start.into(),
        number: first.number.into(),
    };
    let mut bytes = header.as_bytes().to_vec();
    for entry in run {
        let record = DirectoryEntry {
            offset: entry.inode.offset.into(),
            number_delta: delta(first, entry).unwrap_or(0).into(),
            kind: entry.kind.basic().into(),
            // `Tree` has names of 1 to 255 bytes only.
            name_len: u16::try_from(entry.name.len() - 1).unwrap_or(0).into(),
        };
        bytes.extend_from_slice(record.as_bytes());
        bytes.extend_from_slice(entry.name);
    }
    Ok(bytes)
}

fn too_large(what: &'static str) -> Error {
    let limit = u64::from(u32::MAX);
    Error::TooMany { what, limit, found: limit + 1 }
}
