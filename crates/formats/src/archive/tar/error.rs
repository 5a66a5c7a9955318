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
    /// The magic is neither `ustar\0` with version `00` nor GNU's `ustar  \0`.
    #[error("the header has no ustar magic")]
    Magic,
    /// A field that is not a number, or out of range: its name.
    #[error("field `{0}` is not a number, or out of range")]
    Number(&'static str),
    /// A text field with bytes behind its NUL, or with a NUL where none is allowed: its name.
    #[error("field `{0}` has a NUL within its text")]
    Nul(&'static str),
    /// An entry type that this kind of archive does not have: its type flag.
    #[error("entries of type {0:?} are not accepted")]
    Type(char),
    /// A sparse file, in the header or in extended headers.
    #[error("sparse files are not accepted")]
    Sparse,
    /// A size on an entry that has no contents.
    #[error("an entry of this type has no contents, but its header says {0} bytes")]
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
    /// An unknown extended header keyword: it may change what the entry means.
    #[error("unknown extended header keyword `{0}`")]
    Keyword(String),
    /// Two extended headers, or a keyword twice, for one entry.
    #[error("`{0}` occurs twice for one entry")]
    ExtendedTwice(String),
    /// An extended attribute that stands there twice, with two values.
    #[error("the extended attribute `{0}` has two values")]
    AttributeClash(String),
    /// An extended header with no entry behind it.
    #[error("no entry follows the extended header")]
    ExtendedOrphan,
    /// No name at all.
    #[error("the path is empty")]
    EmptyPath,
    /// A path with a leading slash.
    #[error("the path is absolute")]
    AbsolutePath,
    /// A `..` in a path.
    #[error("the path contains `..`")]
    ParentPath,
    /// A `.` or an empty component within a path.
    #[error("the path is not normalised: an empty component or a `.` within it")]
    UnnormalisedPath,
    /// A line break in a path, which no file list of dpkg can hold.
    #[error("the path contains a line break")]
    LineBreakPath,
    /// A trailing slash on an entry that is not a directory.
    #[error("the path ends in a slash, but the entry is not a directory")]
    SlashPath,
    /// A component above 255 bytes (`NAME_MAX`).
    #[error("a path component is longer than 255 bytes")]
    LongName,
    /// The path or link target is above its limit.
    #[error("the path or link target is longer than {0} bytes")]
    LongPath(usize),
    /// The root is not a directory.
    #[error("the root is not a directory")]
    Root,
    /// The path occurs twice, and not as the same directory.
    #[error("the path occurs twice")]
    Duplicate,
    /// The path occurs twice, as a directory and as something else: readers differ in what is left.
    #[error("the path occurs as a directory and as something else")]
    TwoTypes,
    /// A parent of the path is not a directory: where the entry lands would depend on the reader.
    #[error("its parent `{0}` is not a directory")]
    Parent(String),
    /// A symbolic link to nowhere.
    #[error("the link target is empty")]
    EmptyTarget,
    /// A hard link whose target is not an earlier file of the archive.
    #[error("the hard link's target `{0}` is not an earlier file of the archive")]
    LinkTarget(String),
    /// A link target on an entry that is not a link.
    #[error("the entry has a link target, but is not a link")]
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
