//! Structures written again by the encoders that made them, and compared with what is there: the
//! decoders show what a structure says, this shows that nothing else is in it.

use std::io;

use cvmkit_formats::sink::Sink;
use cvmkit_formats::source::Source;

use super::examination::Examination;

/// Zeros compared at a time; no answer depends on it.
const PIECE: usize = 1 << 16;

/// The first byte that is not the one that was written; none is the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) at: u64,
    expected: Option<u8>,
    found: Option<u8>,
}

/// Takes what an encoder writes and keeps where it is not what `source` has.
pub(super) struct Against<'a, S: ?Sized> {
    source: &'a S,
    first: Option<Difference>,
    /// The end of what was written.
    end: u64,
    buf: Vec<u8>,
}

impl<'a, S: Source + ?Sized> Against<'a, S> {
    pub(super) fn new(source: &'a S) -> Self {
        Self { source, first: None, end: 0, buf: Vec::new() }
    }

    /// The first difference, if there is one.
    pub(super) fn finish(mut self) -> io::Result<Option<Difference>> {
        if self.source.len() > self.end {
            let mut found = [0];
            self.source.read_at(self.end, &mut found)?;
            self.note(Difference { at: self.end, expected: None, found: Some(found[0]) });
        }
        Ok(self.first)
    }

    fn note(&mut self, difference: Difference) {
        if self.first.is_none_or(|first| difference.at < first.at) {
            self.first = Some(difference);
        }
    }
}

impl<S: Source + ?Sized> Sink for Against<'_, S> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.end = self.end.max(offset.saturating_add(bytes.len() as u64));
        let there = self.source.len().saturating_sub(offset);
        let shared = usize::try_from(there).unwrap_or(usize::MAX).min(bytes.len());
        let mut buf = std::mem::take(&mut self.buf);
        buf.resize(shared, 0);
        if shared > 0 {
            self.source.read_at(offset, &mut buf)?;
        }
        let (same, _) = bytes.split_at(shared);
        // Whole pieces are nearly always equal, and compared much faster than byte by byte.
        let differs = (same != buf).then(|| same.iter().zip(&buf).position(|(a, b)| a != b));
        let differs = differs.flatten();
        let at = differs.or_else(|| (shared < bytes.len()).then_some(shared));
        if let Some(at) = at {
            let (expected, found) = (bytes.get(at).copied(), buf.get(at).copied());
            self.note(Difference { at: offset + at as u64, expected, found });
        }
        self.buf = buf;
        Ok(())
    }

    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        static ZEROS: [u8; PIECE] = [0; PIECE];
        let end = offset.saturating_add(len);
        let mut at = offset;
        while at < end {
            let step = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let (piece, _) = ZEROS.split_at(step);
            self.write_at(at, piece)?;
            at += step as u64;
        }
        Ok(())
    }
}

/// Says where a file differs from what is written again: `base` is where the structure begins in it.
pub(super) fn report(
    examination: &mut Examination,
    file: &str,
    base: u64,
    difference: Option<Difference>,
    place: impl FnOnce(u64) -> String,
) {
    let Some(Difference { at, expected, found }) = difference else { return };
    let shown = |byte: Option<u8>| byte.map_or("the end".to_owned(), |byte| format!("{byte:#04x}"));
    let what = format!("byte {:#x}, in {}", base.saturating_add(at), place(at));
    examination.find(file, what, shown(expected), shown(found));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn against(source: &[u8], writes: &[(u64, &[u8])]) -> Option<u64> {
        let mut sink = Against::new(source);
        for (at, bytes) in writes {
            sink.write_at(*at, bytes).unwrap();
        }
        sink.finish().unwrap().map(|difference| difference.at)
    }

    #[test]
    fn the_lowest_difference_counts_whatever_comes_first() {
        assert_eq!(against(b"abcdef", &[(3, b"def"), (0, b"abc")]), None);
        assert_eq!(against(b"abcdef", &[(3, b"dXf"), (0, b"aYc")]), Some(1));
        assert_eq!(against(b"abcdef", &[(0, b"abcdefg")]), Some(6), "shorter than written");
        assert_eq!(against(b"abcdef", &[(0, b"abcde")]), Some(5), "longer than written");
        assert_eq!(against(b"", &[(4, b"x")]), Some(4));
        let mut sink = Against::new(&[0, 0, 7, 0][..]);
        sink.zeros(0, 4).unwrap();
        let expected = Difference { at: 2, expected: Some(0), found: Some(7) };
        assert_eq!(sink.finish().unwrap(), Some(expected));
    }

    /// What is written at once and in pieces is one; zeros as long as any are compared.
    #[test]
    fn zeros_are_compared_in_pieces() {
        let mut bytes = vec![0; 2 * PIECE + 5];
        let first = |bytes: &[u8]| {
            let mut sink = Against::new(bytes);
            sink.zeros(0, 2 * PIECE as u64 + 5).unwrap();
            sink.finish().unwrap().map(|difference| difference.at)
        };
        assert_eq!(first(&bytes), None);
        bytes[2 * PIECE + 4] = 1;
        assert_eq!(first(&bytes), Some(2 * PIECE as u64 + 4));
        bytes[PIECE] = 1;
        assert_eq!(first(&bytes), Some(PIECE as u64));
        let mut sink = Against::new(&bytes);
        sink.zeros(7, 0).unwrap();
        assert_eq!(sink.finish().unwrap().map(|it| it.at), Some(0), "nothing was written");
    }

    #[test]
    fn a_difference_is_told_by_its_place_in_the_file() {
        let told = |difference| {
            let mut examination = Examination::new(super::super::Check::Esp);
            report(&mut examination, "f", 0x100, difference, |at| format!("the place {at}"));
            let (_, findings) = examination.finish();
            findings.into_iter().map(|it| [it.what, it.expected, it.found]).collect::<Vec<_>>()
        };
        assert_eq!(told(None), [[""; 3]; 0]);
        let of = |expected, found| Some(Difference { at: 0x23, expected, found });
        let what = "byte 0x123, in the place 35";
        assert_eq!(told(of(Some(7), Some(255))), [[what, "0x07", "0xff"]]);
        assert_eq!(told(of(None, Some(0))), [[what, "the end", "0x00"]]);
        assert_eq!(told(of(Some(0), None)), [[what, "0x00", "the end"]]);
    }
}
