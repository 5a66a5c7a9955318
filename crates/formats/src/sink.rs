//! Where a writer's bytes go.
//!
//! The contract: every byte of the output is emitted exactly once and is final when emitted. Most
//! formats emit in order; one that does not (squashfs learns its table offsets last and emits its
//! superblock then) says so in its module documentation.

use std::io;

/// Receives the bytes of one output, addressed from its own offset 0.
pub trait Sink {
    /// Emits `bytes` at `offset`.
    ///
    /// # Errors
    /// Whatever the backing storage says; the writer stops there.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Declares `len` zero bytes at `offset`; storage that is zero already need not write them.
    ///
    /// # Errors
    /// As for [`Sink::write_at`].
    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        const CHUNK: [u8; 4096] = [0; 4096];
        let mut at = offset;
        let end = offset + len;
        while at < end {
            let step = usize::try_from((end - at).min(4096)).map_err(io::Error::other)?;
            self.write_at(at, &CHUNK[..step])?;
            at += step as u64;
        }
        Ok(())
    }
}

impl Sink for Vec<u8> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start
            .checked_add(bytes.len())
            .ok_or_else(|| io::Error::other("the output is longer than memory can address"))?;
        if self.len() < end {
            self.resize(end, 0);
        }
        self[start..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// A sink that shifts everything by a fixed amount: a partition of a disk, a member of an archive.
pub struct Shifted<'a, S: ?Sized> {
    inner: &'a mut S,
    base: u64,
}

impl<'a, S: Sink + ?Sized> Shifted<'a, S> {
    /// Offset 0 of the new sink is `base` of `inner`.
    pub fn new(inner: &'a mut S, base: u64) -> Self {
        Self { inner, base }
    }
}

impl<S: Sink + ?Sized> Sink for Shifted<'_, S> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(self.base + offset, bytes)
    }

    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.zeros(self.base + offset, len)
    }
}

/// Wraps a sink and proves the contract: overlapping or missing ranges are errors.
///
/// Tests wrap every writer in it.
pub struct Checked<S> {
    inner: S,
    /// Start and end of every emitted range, merged where they touch.
    seen: std::collections::BTreeMap<u64, u64>,
}

impl<S: Sink> Checked<S> {
    /// Starts with nothing emitted.
    pub fn new(inner: S) -> Self {
        Self { inner, seen: std::collections::BTreeMap::new() }
    }

    /// Returns the wrapped sink if exactly the range `0..len` was emitted.
    ///
    /// # Errors
    /// Names the ranges that were emitted when they are not one range `0..len`.
    pub fn finish(self, len: u64) -> io::Result<S> {
        let whole = match self.seen.len() {
            0 => len == 0,
            1 => self.seen.get(&0) == Some(&len),
            _ => false,
        };
        if whole {
            return Ok(self.inner);
        }
        Err(io::Error::other(format!("emitted {:x?}, expected 0..{len:#x}", self.seen)))
    }

    fn note(&mut self, start: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let (mut first, mut last) = (start, start + len);
        if let Some((&from, &to)) = self.seen.range(..last).next_back() {
            if to > start {
                return Err(io::Error::other(format!(
                    "range {start:#x}..{last:#x} overlaps {from:#x}..{to:#x}"
                )));
            }
            if to == start {
                self.seen.remove(&from);
                first = from;
            }
        }
        if let Some(to) = self.seen.remove(&last) {
            last = to;
        }
        self.seen.insert(first, last);
        Ok(())
    }
}

impl<S: Sink> Sink for Checked<S> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(offset, bytes.len() as u64)?;
        self.inner.write_at(offset, bytes)
    }

    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.note(offset, len)?;
        self.inner.zeros(offset, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked_accepts_ranges_in_any_order() {
        let mut sink = Checked::new(Vec::new());
        sink.write_at(4, b"tail").unwrap();
        sink.zeros(8, 2).unwrap();
        sink.write_at(0, b"head").unwrap();
        assert_eq!(sink.finish(10).unwrap(), b"headtail\0\0");
    }

    #[test]
    fn checked_refuses_overlap_and_holes() {
        let mut sink = Checked::new(Vec::new());
        sink.write_at(0, b"head").unwrap();
        assert!(sink.write_at(3, b"x").unwrap_err().to_string().contains("overlaps 0x0..0x4"));
        sink.write_at(5, b"x").unwrap();
        assert!(sink.finish(6).is_err());
    }

    #[test]
    fn shifted_sinks_begin_at_their_base() {
        let mut bytes = b"0123456789".to_vec();
        let mut shifted = Shifted::new(&mut bytes, 3);
        shifted.write_at(1, b"ab").unwrap();
        shifted.zeros(4, 2).unwrap();
        assert_eq!(bytes, b"0123ab6\0\09");
    }

    #[test]
    fn zeros_of_any_length_are_written() {
        for len in [0usize, 1, 4095, 4096, 4097, 10_000] {
            let mut bytes = vec![0xee; 3];
            Sink::zeros(&mut bytes, 2, len as u64).unwrap();
            assert_eq!(bytes.len(), 3.max(2 + len));
            assert_eq!(bytes[..2], [0xee; 2]);
            assert!(bytes[2..2 + len].iter().all(|&byte| byte == 0), "{len}");
        }
        let error = Vec::<u8>::new().write_at(u64::MAX, b"x").unwrap_err();
        assert_eq!(error.to_string(), "the output is longer than memory can address");
    }

    #[test]
    fn the_whole_length_is_emitted_once() {
        let emitted = |ranges: &[(u64, u64)], len: u64| {
            let mut sink = Checked::new(Vec::new());
            ranges.iter().try_for_each(|&(start, len)| sink.zeros(start, len))?;
            sink.finish(len).map(drop)
        };
        for (ranges, len, is_whole) in [
            (&[][..], 0, true),
            (&[], 1, false),
            (&[(0, 4)], 4, true),
            (&[(0, 4)], 5, false),
            (&[(0, 5)], 4, false),
            (&[(1, 3)], 4, false),
            (&[(0, 2), (4, 2), (2, 2)], 6, true),
            (&[(0, 2), (2, 0), (2, 2)], 4, true),
            (&[(0, 4), (4, 0)], 4, true),
            (&[(2, 2), (1, 2)], 4, false),
            (&[(2, 2), (0, 3)], 4, false),
            (&[(0, 4), (0, 4)], 4, false),
            (&[(2, 1), (0, 4)], 4, false),
        ] {
            assert_eq!(emitted(ranges, len).is_ok(), is_whole, "{ranges:?} of {len}");
        }
        let error = emitted(&[(0, 1), (2, 1)], 3).unwrap_err().to_string();
        assert_eq!(error, "emitted {0: 1, 2: 3}, expected 0..0x3");
    }
}
