//! Moves contents from a [`Source`] to a [`Sink`] in pieces, so that no writer holds a file in
//! memory.

use std::io;

use crate::sink::Sink;
use crate::source::Source;

/// Bytes moved at a time. No output depends on it.
const PIECE: u64 = 256 * 1024;

/// Hands all of `source` to `take`, in order.
///
/// # Errors
/// What the source or `take` says.
pub(crate) fn each_piece<C: Source + ?Sized>(
    source: &C,
    range: std::ops::Range<u64>,
    mut take: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let longest = range.end.saturating_sub(range.start).min(PIECE);
    let mut buf = vec![0; usize::try_from(longest).map_err(io::Error::other)?];
    let mut at = range.start;
    while at < range.end {
        let step = usize::try_from((range.end - at).min(PIECE)).map_err(io::Error::other)?;
        source.read_at(at, &mut buf[..step])?;
        take(at, &buf[..step])?;
        at += step as u64;
    }
    Ok(())
}

/// Copies all of `source` to `offset` of `sink`.
///
/// # Errors
/// What the source or the sink says.
pub(crate) fn copy<C: Source + ?Sized, S: Sink + ?Sized>(
    source: &C,
    sink: &mut S,
    offset: u64,
) -> io::Result<()> {
    each_piece(source, 0..source.len(), |at, bytes| sink.write_at(offset + at, bytes))
}
