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
    /// A member header that does not parse.
    #[error("ar member at offset {offset}: {what} is damaged")]
    ArHeader {
        /// Where in the package.
        offset: usize,
        /// Which part.
        what: &'static str,
    },
    /// The package ends within a member.
    #[error("ar member `{name}`: expected {size} bytes, found {found}")]
    ArTruncated {
        /// The member.
        name: String,
        /// What its header says.
        size: usize,
        /// What is left.
        found: usize,
    },
    /// Other members, or another order, than deb(5) prescribes.
    #[error(
        "expected the members `debian-binary`, `control.tar*`, `data.tar*`, found `{}`",
        .0.join("`, `")
    )]
    Members(Vec<String>),
    /// Another format version.
    #[error("`debian-binary`: expected `2.0`, found `{0}`")]
    Format(String),
    /// A member compressed in a way that is not read.
    #[error("member `{0}`: expected no compression, gzip, xz or zstd")]
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
    /// An entry of `control.tar` that is no plain file at its top.
    #[error("control.tar: `{0}` is no plain file at the top level")]
    ControlEntry(String),
    /// `control.tar` without a `control` file.
    #[error("control.tar has no `control` file")]
    NoControl,
    /// A `control` file that is no UTF-8.
    #[error("control.tar: `control` is not UTF-8")]
    ControlEncoding,
    /// A `control` file that does not parse.
    #[error("control.tar: `control`")]
    ControlSyntax(#[from] Deb822Error),
    /// A mandatory field that is absent.
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
