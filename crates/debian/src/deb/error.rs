//! Why a package was refused.

use cvmkit_formats::archive::tar::TarError;
use cvmkit_formats::compression::CompressionError;
use thiserror::Error;

use crate::deb822::Deb822Error;

/// Why a package was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DebError {
    /// Not an `ar` archive.
    #[error("not a Debian package: expected the ar magic `!<arch>` at offset 0")]
    ArMagic,
    /// A member header that does not parse (ar(5)).
    #[error("ar member at offset {offset}: {what} is damaged")]
    ArHeader {
        /// Where the header starts, bytes from the start of the package.
        offset: usize,
        /// Which part of the header.
        what: &'static str,
    },
    /// The package ends within a member.
    #[error("ar member `{name}`: expected {size} bytes, found {found}")]
    ArTruncated {
        /// The member.
        name: String,
        /// What its header says, bytes.
        size: usize,
        /// How many bytes are left.
        found: usize,
    },
    /// Other members, or another order, than deb(5) prescribes: the names found, at most eight.
    #[error(
        "expected the members `debian-binary`, `control.tar*`, `data.tar*`, found `{}`",
        .0.join("`, `")
    )]
    Members(Vec<String>),
    /// A format version other than 2.0: the first 16 bytes of `debian-binary`, escaped.
    #[error("`debian-binary`: expected `2.0`, found `{0}`")]
    Format(String),
    /// A member with another compression than gzip, xz or zstd: its name.
    #[error("member `{0}`: expected gzip, xz, zstd or no compression")]
    UnsupportedCompression(String),
    /// A member that does not decompress.
    #[error("member `{member}`")]
    Compression {
        /// `control.tar` or `data.tar`.
        member: &'static str,
        /// Why.
        source: CompressionError,
    },
    /// A file system archive that breaks a rule, or a stream of one that failed.
    #[error(transparent)]
    Tar(TarError),
    /// An entry of `control.tar` that is not a regular file at its top: its path.
    #[error("control.tar: `{0}` is not a regular file at the top level")]
    ControlEntry(String),
    /// `control.tar` without a `control` file.
    #[error("control.tar has no `control` file")]
    NoControl,
    /// A `control` file that is not UTF-8.
    #[error("control.tar: `control` is not UTF-8")]
    ControlEncoding,
    /// A `control` file that does not parse.
    #[error("control.tar: `control`")]
    ControlSyntax(#[from] Deb822Error),
    /// A mandatory field that is absent or empty (deb-control(5)).
    #[error("control.tar: `control` has no field `{0}`")]
    ControlField(&'static str),
}

impl From<TarError> for DebError {
    /// Tells a member that does not decompress from an archive that breaks a rule. `data.tar` alone
    /// is listed while it decompresses.
    fn from(error: TarError) -> Self {
        let inside = match &error {
            TarError::Read(error) => CompressionError::inside(error).cloned(),
            _ => None,
        };
        match inside {
            Some(source) => Self::Compression { member: "data.tar", source },
            None => Self::Tar(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use cvmkit_formats::archive::tar::{self, TarReason};

    use super::*;

    /// A member that does not decompress is one fault, an archive that breaks a rule another.
    #[test]
    fn errors_of_the_archive_are_told_apart() {
        let inside = CompressionError::TooLarge { limit: 7 };
        let error = DebError::from(TarError::Read(inside.clone().into()));
        assert_eq!(error.to_string(), "member `data.tar`");
        assert_eq!(error.source().unwrap().to_string(), inside.to_string());

        let error = DebError::from(TarError::Read(io::Error::other("the disk is gone")));
        assert_eq!(error.to_string(), "the archive can't be read");
        assert_eq!(error.source().unwrap().to_string(), "the disk is gone");

        let error = DebError::from(tar::entries(&b"short"[..]).unwrap_err());
        assert!(matches!(
            &error,
            DebError::Tar(TarError::Entry { offset: 0, reason: TarReason::Truncated, .. })
        ));
        // The rule stands in the text once: nothing is below it.
        assert_eq!(error.to_string(), "tar entry `` at offset 0: the archive ends early");
        assert!(error.source().is_none());
    }
}
