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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order_and_cover_the_range() {
        let piece = usize::try_from(PIECE).unwrap();
        let bytes: Vec<u8> = (0..=250u8).cycle().take(2 * piece + 5).collect();
        for range in [0..0, 5..5, 0..1, 7..PIECE + 7, 0..PIECE, 0..PIECE + 1, 3..bytes.len() as u64]
        {
            let mut next = range.start;
            let mut seen = Vec::new();
            each_piece(&bytes, range.clone(), |at, bytes| {
                assert_eq!(at, next);
                next += bytes.len() as u64;
                seen.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            assert!(seen == bytes[start..end], "{range:?}");
        }
    }

    #[test]
    fn a_failure_of_either_side_ends_it() {
        let bytes = vec![7; 10];
        let error = each_piece(&bytes, 5..11, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let error = each_piece(&bytes, 0..10, |_, _| Err(io::Error::other("full"))).unwrap_err();
        assert_eq!(error.to_string(), "full");
        let mut sink = vec![1; 3];
        copy(&bytes, &mut sink, 2).unwrap();
        assert_eq!(sink, [vec![1; 2], bytes].concat());
    }
}
