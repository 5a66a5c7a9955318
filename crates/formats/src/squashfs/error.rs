//! Why a tree is not written or an image not read.

use std::io;

use thiserror::Error;

/// Why a tree was not written or an image not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is outside its range.
    #[error("squashfs: {option} must be {expected}, found {found}")]
    Option {
        /// The option, in words.
        option: &'static str,
        /// The range of the option, in words.
        expected: &'static str,
        /// The value that was given.
        found: u64,
    },
    /// squashfs can't store what the tree says.
    #[error("squashfs cannot store `/{path}`: {why}")]
    Unrepresentable {
        /// Path of the inode in the tree.
        path: String,
        /// What the format allows and what was found.
        why: String,
    },
    /// The tree as a whole is too large.
    #[error("squashfs holds at most {limit} {what}, found {found}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The format's limit.
        limit: u64,
        /// What the tree needs.
        found: u64,
    },
    /// The image contradicts the format.
    #[error("corrupt squashfs: {what} at {at:#x}: {why}")]
    Corrupt {
        /// The structure, in the words of the format.
        what: &'static str,
        /// Offset in the image, or in the uncompressed table for `inode` and `directory`.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The image is valid but uses what this reader does not implement, or exceeds its [`Limits`](super::Limits).
    #[error("unsupported squashfs: {0}")]
    Unsupported(String),
    /// A compressor failed.
    #[error("squashfs: cannot compress a block: {0}")]
    Compress(io::Error),
    /// Contents could not be read.
    #[error("squashfs: cannot read `/{path}`")]
    Content {
        /// Path of the file in the tree.
        path: String,
        /// What its source says.
        source: io::Error,
    },
    /// The image could not be read or written.
    #[error("squashfs: cannot {role} at {at:#x}")]
    Io {
        /// `read the image` or `write the image`.
        role: &'static str,
        /// Offset in the image.
        at: u64,
        /// What the source or sink says.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn writing(at: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { role: "write the image", at, source }
    }

    pub(super) fn reading(at: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { role: "read the image", at, source }
    }

    pub(super) fn corrupt(what: &'static str, at: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { what, at, why: why.into() }
    }
}
