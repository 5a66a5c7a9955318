//! Where a reader's bytes come from.

use std::io;

/// Random access to the bytes of one input. Many threads may read one source at the same time.
pub trait Source: Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// True for an input of no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the range leaves the input, otherwise what the backing
    /// storage says.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

impl Source for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buf.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(part);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        Source::len(self.as_slice())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buf)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }
}

/// A part of another source, such as one partition of a disk.
#[derive(Clone, Copy, Debug)]
pub struct Window<S> {
    inner: S,
    start: u64,
    len: u64,
}

impl<S> Window<S> {
    /// Where it begins in the other source.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl<S: Source> Window<S> {
    /// The `len` bytes of `inner` from `start`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the range leaves `inner`.
    pub fn new(inner: S, start: u64, len: u64) -> io::Result<Self> {
        match start.checked_add(len) {
            Some(end) if end <= inner.len() => Ok(Self { inner, start, len }),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl<S: Source> Source for Window<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match offset.checked_add(buf.len() as u64) {
            Some(end) if end <= self.len => self.inner.read_at(self.start + offset, buf),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads a whole source that is known to be small.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] above `limit` bytes, otherwise what the source says.
pub fn read_all<S: Source + ?Sized>(source: &S, limit: u64) -> io::Result<Vec<u8>> {
    if source.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; usize::try_from(source.len()).map_err(io::Error::other)?];
    source.read_at(0, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stay_inside() {
        let window = Window::new(b"0123456789".as_slice(), 2, 4).unwrap();
        let mut buf = [0; 2];
        window.read_at(2, &mut buf).unwrap();
        assert_eq!(&buf, b"45");
        assert!(window.read_at(3, &mut buf).is_err());
        assert!(window.read_at(u64::MAX, &mut buf).is_err());
        assert!(Window::new(b"0123456789".as_slice(), 8, 4).is_err());
    }

    #[test]
    fn a_window_is_a_source_of_its_own() {
        let window = Window::new(b"0123456789".as_slice(), 2, 6).unwrap();
        assert_eq!((Source::len(&window), window.start(), window.is_empty()), (6, 2, false));
        let inner = Window::new(window, 1, 5).unwrap();
        let mut buf = [0; 5];
        inner.read_at(0, &mut buf).unwrap();
        assert_eq!(&buf, b"34567");
        inner.read_at(5, &mut []).unwrap();
        assert!(inner.read_at(6, &mut []).is_err());
        assert!(Window::new(window, 2, 5).is_err() && Window::new(window, u64::MAX, 2).is_err());
        assert!(Window::new(window, 6, 0).unwrap().is_empty());
    }

    #[test]
    fn slices_are_read_up_to_their_end() {
        let bytes = b"abc".to_vec();
        let mut buf = [0; 2];
        for (offset, expected) in
            [(0, Some(*b"ab")), (1, Some(*b"bc")), (2, None), (u64::MAX, None)]
        {
            let read = Source::read_at(&bytes, offset, &mut buf);
            assert_eq!(read.ok().map(|()| buf), expected, "{offset}");
        }
        assert_eq!(read_all(&bytes, 3).unwrap(), bytes);
        let error = read_all(&bytes, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
