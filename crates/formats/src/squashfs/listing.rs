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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::Compression;

    fn entry(name: &str, number: u32, block: u64) -> Entry<'_> {
        let inode = Reference { block, offset: 3 };
        Entry { name: name.as_bytes(), kind: Kind::File, number, inode }
    }

    /// `squashfs_dir_header` and `squashfs_dir_entry`: a run shares a metadata block of inodes, has at
    /// most 256 entries, and numbers within 16 bits of the first.
    #[test]
    fn a_run_ends_where_its_header_can_not_say_more() {
        let same = entry("a", 40_000, 0);
        for (entries, expected) in [
            (vec![entry("a", 40_000, 0), entry("b", 40_001, 0)], 2),
            (vec![entry("a", 40_000, 0), entry("b", 40_001, 8194)], 1),
            (vec![entry("a", 40_000, 0), entry("b", 40_000 + 32_767, 0)], 2),
            (vec![entry("a", 40_000, 0), entry("b", 40_000 + 32_768, 0)], 1),
            (vec![entry("a", 40_000, 0), entry("b", 40_000 - 32_768, 0)], 2),
            (vec![entry("a", 40_000, 0), entry("b", 40_000 - 32_769, 0)], 1),
            ((0..256).map(|_| entry("a", 40_000, 0)).collect(), 256),
            ((0..257).map(|_| entry("a", 40_000, 0)).collect(), 256),
        ] {
            assert_eq!(run_len(&same, &entries), expected, "{} entries", entries.len());
        }
    }

    #[test]
    fn a_listing_is_a_header_and_its_entries() {
        let encoder = Encoder::new(Compression::Zstd { level: 3 }).unwrap();
        let mut table = Metadata::default();
        table.push(&encoder, b"before").unwrap();
        let entries =
            [entry("ab", 5, 0x10), Entry { kind: Kind::Directory, ..entry("c", 4, 0x10) }];
        let listing = append(&entries, &mut table, &encoder).unwrap();
        assert_eq!(listing.start, Reference { block: 0, offset: 6 });
        // 12 of the header, 8 and the name of each entry, and 3 for `.` and `..`.
        assert_eq!((listing.size, listing.subdirectories), (12 + 10 + 9 + 3, 1));
        assert!(listing.index.is_empty());
        table.flush(&encoder).unwrap();
        let header = [&[1, 0, 0, 0, 0x10, 0, 0, 0, 5, 0, 0, 0][..]].concat();
        let first = [&[3, 0, 0, 0, 2, 0, 1, 0][..], b"ab"].concat();
        let second = [&[3, 0, 0xff, 0xff, 1, 0, 0, 0][..], b"c"].concat();
        assert_eq!(table.stored[2 + 6..], [header, first, second].concat());

        let empty = append(&[], &mut table, &encoder).unwrap();
        assert_eq!((empty.start, empty.size), (Reference::default(), 3));
    }

    /// One index entry for each metadata block of the listing but its first (`squashfs_dir_index`).
    #[test]
    fn long_listings_have_an_index() {
        let encoder = Encoder::new(Compression::Zstd { level: 3 }).unwrap();
        let names: Vec<String> = (0..2000).map(|number| format!("{number:05}")).collect();
        let entries: Vec<_> = (0u32..).zip(&names).map(|(n, name)| entry(name, n, 0)).collect();
        let mut table = Metadata::default();
        let listing = append(&entries, &mut table, &encoder).unwrap();
        // Runs of 256 entries of 13 bytes: 3340 bytes each, so a header in every block but one.
        let positions: Vec<u32> = listing.index.iter().map(|entry| entry.position).collect();
        assert_eq!(positions, [3 * 3340, 5 * 3340]);
        assert_eq!(listing.index[0].name, b"00768");
        assert!(listing.index.windows(2).all(|pair| pair[0].block < pair[1].block));
        assert_eq!(listing.size, 3 + 7 * 3340 + 12 + (2000 - 7 * 256) * 13);
    }
}
