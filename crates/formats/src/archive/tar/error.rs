//! Why an archive was refused.

use std::io;

use thiserror::Error;

/// Why an archive was not listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarError {
    /// An entry broke a rule.
    #[error("tar entry `{path}` at offset {offset}: {reason}")]
    Entry {
        /// The name in the entry's header, printable; empty between entries.
        path: String,
        /// Where the entry's header starts in the decompressed archive.
        offset: u64,
        /// The rule.
        reason: TarReason,
    },
    /// The stream failed, which says nothing about the archive.
    #[error("the archive can't be read")]
    Read(#[source] io::Error),
}

/// The rule an archive broke.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarReason {
    /// The stream ends within a header, contents or padding, or without an end mark.
    #[error("the archive ends early")]
    Truncated,
    /// One zero block at the end, where two are the mark.
    #[error("the end mark is one zero block, expected two")]
    LoneZeroBlock,
    /// Bytes other than zero after the end mark.
    #[error("data after the end mark")]
    Trailing,
    /// The header's checksum is not the sum of its bytes.
    #[error("the header checksum is {expected}, its bytes sum up to {found}")]
    Checksum {
        /// What the header says.
        expected: u32,
        /// What it should say.
        found: u32,
    },
    /// Neither `ustar\0` with version `00` nor GNU's `ustar  \0`.
    #[error("the header has no ustar magic")]
    Magic,
    /// A field that is no number, or none of its range.
    #[error("field `{0}` is no number in its range")]
    Number(&'static str),
    /// A text field with bytes behind its NUL, or with a NUL where none may be.
    #[error("field `{0}` holds a NUL within its text")]
    Nul(&'static str),
    /// A type that packages do not use.
    #[error("entries of type {0:?} are not accepted")]
    Type(char),
    /// A sparse file, in the header or in extended headers.
    #[error("sparse files are not accepted")]
    Sparse,
    /// A size on an entry that has no contents.
    #[error("an entry of its type has no contents, its header says {0} bytes")]
    UnexpectedSize(u64),
    /// The header and its extended header disagree on the size.
    #[error("the header says {header} bytes, its extended header {extended}")]
    SizeClash {
        /// In the header.
        header: u64,
        /// In the extended header.
        extended: u64,
    },
    /// An extended header that does not parse.
    #[error("the extended header is damaged: {0}")]
    Extended(&'static str),
    /// An extended header keyword that is not understood.
    #[error("extended header keyword `{0}` is not understood")]
    Keyword(String),
    /// Two extended headers, or a keyword twice, for one entry.
    #[error("`{0}` is given twice for one entry")]
    ExtendedTwice(String),
    /// An extended header with no entry behind it.
    #[error("an extended header, and no entry follows")]
    ExtendedOrphan,
    /// No name at all.
    #[error("the path is empty")]
    EmptyPath,
    /// A path from the root of the host.
    #[error("the path is absolute")]
    AbsolutePath,
    /// A `..` in a path.
    #[error("the path has a `..`")]
    ParentPath,
    /// A `.` or an empty component within a path.
    #[error("the path is not normalised: an empty component or a `.` within it")]
    UnnormalisedPath,
    /// A line break in a path, which no file list of dpkg can hold.
    #[error("the path has a line break")]
    LineBreakPath,
    /// A trailing slash on something that is no directory.
    #[error("the path ends in a slash, the entry is no directory")]
    SlashPath,
    /// A component above 255 bytes (`NAME_MAX`).
    #[error("a path component is longer than 255 bytes")]
    LongName,
    /// The path or link target is above its limit.
    #[error("the path or link target is longer than {0} bytes")]
    LongPath(usize),
    /// The root is something else than a directory.
    #[error("the root is no directory")]
    Root,
    /// The path comes twice, and not as the same directory.
    #[error("the path comes twice")]
    Duplicate,
    /// Something above the path is no directory.
    #[error("`{0}` above it is no directory")]
    Parent(String),
    /// A symbolic link to nowhere.
    #[error("the link target is empty")]
    EmptyTarget,
    /// A hard link whose target is no earlier file of the archive.
    #[error("the hard link's target `{0}` is no earlier file of the archive")]
    LinkTarget(String),
    /// A link target on something that is no link.
    #[error("a link target on something that is no link")]
    UnexpectedTarget,
    /// A file above the limit.
    #[error("the file is larger than the limit of {0} bytes")]
    LargeFile(u64),
    /// Too many entries.
    #[error("more than {0} entries")]
    ManyEntries(usize),
    /// Extended headers above the limit.
    #[error("the extended headers are larger than the limit of {0} bytes")]
    LargeExtended(u64),
}
