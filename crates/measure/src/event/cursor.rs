//! Reading little-endian fields one after the other, never past the end.

use crate::guid::Guid;

/// What is left of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// Bytes that were read so far.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes; nothing is read when there are fewer.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.offset = self.offset.checked_add(len)?;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn guid(&mut self) -> Option<Guid> {
        self.array().map(Guid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_little_endian_and_nothing_is_read_past_the_end() {
        let bytes: Vec<u8> = (1..=20).collect();
        let mut cursor = Cursor::new(&bytes);
        assert_eq!(
            (cursor.u8(), cursor.u16(), cursor.u32()),
            (Some(1), Some(0x0302), Some(0x0706_0504))
        );
        assert_eq!((cursor.u64(), cursor.offset()), (Some(0x0f0e_0d0c_0b0a_0908), 15));
        assert_eq!((cursor.guid(), cursor.u64(), cursor.take(6)), (None, None, None));
        // What did not fit took nothing.
        assert_eq!((cursor.offset(), cursor.rest()), (15, &bytes[15..]));
        assert_eq!((cursor.take(5), cursor.is_empty()), (Some(&bytes[15..]), true));
        assert_eq!(
            (cursor.take(0), cursor.u8(), cursor.take(usize::MAX)),
            (Some(&[][..]), None, None)
        );
        let guid = Cursor::new(&bytes).guid().unwrap();
        assert_eq!(guid.to_string(), "04030201-0605-0807-090a-0b0c0d0e0f10");
    }
}
