//! What a file of the root file system holds: bytes made by the build, or a range of a verified
//! object of the store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cvmkit_formats::source::Source;

/// The contents of one regular file. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub enum Content {
    /// Made by the build or read from the definition.
    Inline(Arc<[u8]>),
    /// A range of an object that the store verified when it was opened.
    Stored {
        /// The open object.
        object: Arc<File>,
        /// Where the file starts in the object.
        offset: u64,
        /// Length of the file in bytes.
        len: u64,
    },
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Inline(bytes.into())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Inline(text.as_bytes().into())
    }
}

impl Source for Content {
    fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Stored { len, .. } => *len,
        }
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Inline(bytes) => bytes.as_ref().read_at(at, buf),
            Self::Stored { object, offset, len } => match at.checked_add(buf.len() as u64) {
                Some(end) if end <= *len => object.read_exact_at(buf, offset + at),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}
