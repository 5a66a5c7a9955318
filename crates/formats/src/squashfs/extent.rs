//! Where the contents of a file are.

/// Where the contents of a file are in an [`Image`](super::Image).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileExtent {
    pub(super) len: u64,
    pub(super) start: u64,
    /// Size on disk of each block.
    pub(super) sizes: Vec<u32>,
    /// Index and offset of the tail's fragment block.
    pub(super) fragment: Option<(u32, u32)>,
}

impl FileExtent {
    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True for a file of no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
