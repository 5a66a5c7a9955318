//! tar: POSIX ustar, its pax extended headers and the GNU long names (POSIX.1-2017 pax(1) "ustar
//! Interchange Format"; GNU tar manual, "GNU tar and POSIX tar").
//!
//! The contract: a stream is read to its very end, and every entry has one meaning. A field that
//! two readers could take differently (sizes that disagree, bytes behind a NUL, a name twice, an
//! entry below a link) refuses the archive. [`entries`] reads what a package has, [`members`] what others
//! write. Deliberately absent: sparse files, v7 archives without a magic, global pax headers but
//! for a comment, sub-second times, contents (an entry says where they are). The oracles are GNU tar
//! and `dpkg-deb`.

mod dialect;
mod error;
mod extended;
mod header;
mod limits;
mod paths;

use std::collections::BTreeSet;
use std::io::{self, Read};

use super::entry::{Entry, EntryKind};
use dialect::Dialect;
pub use error::{TarError, TarReason};
use extended::Extended;
use header::{BLOCK, Header};
pub use limits::Limits;
use paths::Paths;

/// [`BLOCK`], as a length in the stream.
const BLOCK_LEN: u64 = 512;

/// Lists an archive, reading it to its end, under the default [`Limits`].
///
/// # Errors
/// [`TarError::Entry`] names entry, offset and rule; [`TarError::Read`] passes on the error of the
/// stream.
pub fn entries(tar: impl Read) -> Result<Vec<Entry>, TarError> {
    entries_within(tar, &Limits::default())
}

/// Lists an archive, reading it to its end, under other limits.
///
/// # Errors
/// As for [`entries`].
pub fn entries_within(tar: impl Read, limits: &Limits) -> Result<Vec<Entry>, TarError> {
    list(tar, limits, Dialect::Package).map(|members| members.entries)
}

/// A part of a file system, as an archive has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// What the archive holds, in its order: of a path that comes again the last one is meant, and a hard link
    /// means what its target is at that place.
    pub entries: Vec<Entry>,
    /// Paths that come again, not as the same directory.
    pub repeated: BTreeSet<Vec<u8>>,
}

/// Lists an archive that is no package's, reading it to its end. Beside what [`entries`] takes, a path may come
/// again as the same type, a mode may have the type of its file, and what GNU tar, bsdtar and Git add is known.
///
/// # Errors
/// As for [`entries`].
pub fn members(tar: impl Read, limits: &Limits) -> Result<Members, TarError> {
    list(tar, limits, Dialect::Layer)
}

fn list(tar: impl Read, limits: &Limits, dialect: Dialect) -> Result<Members, TarError> {
    let mut blocks = Blocks { inner: tar, offset: 0 };
    let mut paths = Paths::of(dialect);
    let mut found = Vec::new();
    let mut at = Position { dialect, ..Position::default() };
    while let Some(header) = next_header(&mut blocks, &mut at)? {
        let (header, extended) = with_extended(&mut blocks, &mut at, header, limits)?;
        let entry = at.check(extended.entry(&header, blocks.offset, limits))?;
        if let EntryKind::File { len, .. } = entry.kind {
            at.read(blocks.skip_padded(len))?;
        }
        if found.len() == limits.entries {
            return Err(at.error(TarReason::ManyEntries(limits.entries)));
        }
        if at.check(paths.admit(&entry))? {
            found.push(entry);
        }
    }
    Ok(Members { entries: found, repeated: paths.repeated })
}

/// The entry that is being read, for errors.
#[derive(Default)]
struct Position {
    dialect: Dialect,
    path: String,
    offset: u64,
}

impl Position {
    fn error(&self, reason: TarReason) -> TarError {
        TarError::Entry { path: self.path.clone(), offset: self.offset, reason }
    }

    fn check<T>(&self, result: Result<T, TarReason>) -> Result<T, TarError> {
        result.map_err(|reason| self.error(reason))
    }

    /// A stream that ends early is a bad archive; every other failure is the stream's own.
    fn read<T>(&self, result: io::Result<T>) -> Result<T, TarError> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.error(TarReason::Truncated),
            _ => TarError::Read(error),
        })
    }
}

/// The next header block; none behind the end mark, up to which only zeros may follow.
fn next_header<R: Read>(
    blocks: &mut Blocks<R>,
    at: &mut Position,
) -> Result<Option<Header>, TarError> {
    (at.path, at.offset) = (String::new(), blocks.offset);
    let block = at.read(blocks.block())?;
    if block.iter().all(|&byte| byte == 0) {
        let second = at.read(blocks.block())?;
        if second.iter().any(|&byte| byte != 0) {
            return Err(at.error(TarReason::LoneZeroBlock));
        }
        if !at.read(blocks.only_zeros_follow())? {
            return Err(at.error(TarReason::Trailing));
        }
        return Ok(None);
    }
    at.path = Header::printable_name(&block);
    Ok(Some(at.check(Header::decode(&block, at.dialect))?))
}

/// Collects the extended headers in front of an entry.
fn with_extended<R: Read>(
    blocks: &mut Blocks<R>,
    at: &mut Position,
    mut header: Header,
    limits: &Limits,
) -> Result<(Header, Extended), TarError> {
    let mut extended = Extended::of(at.dialect);
    let mut total = 0u64;
    while matches!(header.kind, b'x' | b'g' | b'L' | b'K') {
        total = total.saturating_add(header.size);
        if total > limits.extended {
            return Err(at.error(TarReason::LargeExtended(limits.extended)));
        }
        let bytes = at.read(blocks.contents(header.size))?;
        at.check(extended.add(header.kind, &bytes))?;
        let Some(next) = next_header(blocks, at)? else {
            return Err(at.error(TarReason::ExtendedOrphan));
        };
        header = next;
    }
    Ok((header, extended))
}

/// A stream in blocks that counts what it has read.
struct Blocks<R> {
    inner: R,
    offset: u64,
}

impl<R: Read> Blocks<R> {
    fn block(&mut self) -> io::Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.inner.read_exact(&mut block)?;
        self.offset += BLOCK_LEN;
        Ok(block)
    }

    /// `len` bytes and their padding, which the caller has bounded.
    fn contents(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.inner.read_exact(&mut bytes)?;
        self.offset += len;
        self.skip(padding(len))?;
        Ok(bytes)
    }

    /// Passes over contents and their padding.
    fn skip_padded(&mut self, len: u64) -> io::Result<()> {
        self.skip(len)?;
        self.skip(padding(len))
    }

    fn skip(&mut self, len: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.inner).take(len), &mut io::sink())?;
        self.offset += skipped;
        if skipped < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn only_zeros_follow(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let len = match self.inner.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.iter().take(len).any(|&byte| byte != 0) {
                return Ok(false);
            }
        }
    }
}

/// How many bytes fill the last block of `len` bytes.
fn padding(len: u64) -> u64 {
    len.wrapping_neg() % BLOCK_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_fill_whole_blocks() {
        for (len, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (u64::MAX, 1)] {
            assert_eq!(padding(len), expected, "{len}");
        }
    }

    #[test]
    fn blocks_are_counted_as_they_are_read() {
        let bytes: Vec<u8> = (0..2048_u32).flat_map(|n| u8::try_from(n % 251)).collect();
        let mut blocks = Blocks { inner: bytes.as_slice(), offset: 0 };
        assert_eq!(blocks.contents(513).unwrap(), bytes[..513]);
        assert_eq!(blocks.offset, 1024);
        assert_eq!(blocks.block().unwrap(), bytes[1024..1536]);
        blocks.skip_padded(1).unwrap();
        assert_eq!(blocks.offset, 2048);
        blocks.skip_padded(0).unwrap();
        assert_eq!(blocks.skip(1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(blocks.block().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn only_zeros_may_follow_the_end() {
        for (len, at, expected) in [
            (0, None, true),
            (70_000, None, true),
            (70_000, Some(69_999), false),
            (1, Some(0), false),
        ] {
            let mut bytes = vec![0; len];
            if let Some(at) = at {
                bytes[at] = 1;
            }
            let mut blocks = Blocks { inner: bytes.as_slice(), offset: 0 };
            assert_eq!(blocks.only_zeros_follow().unwrap(), expected, "{len} {at:?}");
        }
    }

    /// A stream that fails says nothing about the archive; one that ends early is a bad archive.
    #[test]
    fn a_stream_that_fails_is_no_bad_archive() {
        struct Broken(io::ErrorKind);
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
        }
        let error = entries(Broken(io::ErrorKind::TimedOut)).unwrap_err();
        let TarError::Read(source) = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        for bytes in [vec![], vec![0; 511], vec![0; 512], vec![0; 1023]] {
            let error = entries(bytes.as_slice()).unwrap_err();
            let TarError::Entry { path, offset: 0, reason } = error else { panic!("{error}") };
            assert_eq!((path.as_str(), reason), ("", TarReason::Truncated));
        }
        assert_eq!(entries(vec![0; 1024].as_slice()).unwrap(), []);
        let mut lone = vec![0; 1024];
        lone[600] = 1;
        let error = entries(lone.as_slice()).unwrap_err().to_string();
        assert_eq!(error, "tar entry `` at offset 0: the end mark is one zero block, expected two");
    }
}
