//! Debian binary packages, format 2.0 (deb(5)).
//!
//! The contract: [`Deb::parse`] accepts exactly `debian-binary`, `control.tar*`, `data.tar*`, in
//! that order, with nothing between or behind them; [`Deb::data`] is the decompressed file system
//! archive as a stream, which [`tar::entries`] lists under strict rules. What two readers could
//! understand in two ways is an error.
//! Deliberately absent: members dpkg would skip (`_gpgorigin`), bzip2 and lzma members, writing.
//! The oracles are `dpkg-deb` and GNU tar.

mod ar;

use std::collections::BTreeMap;
use std::io::Read;

use cvmkit_formats::archive::EntryKind;
use cvmkit_formats::archive::tar::{self, TarError};
use cvmkit_formats::compression::{self, Compression, CompressionError};
use thiserror::Error;

use crate::deb822::{Deb822Error, Paragraph};

/// The only contents of `debian-binary` that are understood (deb(5), "FORMAT").
const FORMAT: &[u8] = b"2.0\n";

/// The most a `control.tar` may decode to: 64 MiB; the largest in Debian is below 8 MiB.
pub const CONTROL_LIMIT: u64 = 64 << 20;

/// The most a `data.tar` may decode to unless the caller says otherwise: 16 GiB.
pub const DATA_LIMIT: u64 = 16 << 30;

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

/// What `control.tar` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The fields of the `control` file; `Package`, `Version` and `Architecture` are there.
    pub fields: Paragraph,
    /// Every file by name: `control`, `md5sums`, `conffiles`, `preinst`, `postinst`, `prerm`,
    /// `postrm`, `config`, `triggers`, `templates` and whatever else there is.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A binary package, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Deb<'a> {
    control: ar::Member<'a>,
    control_compression: Compression,
    data: ar::Member<'a>,
    data_compression: Compression,
}

impl<'a> Deb<'a> {
    /// Reads the outer layer; nothing is decompressed yet.
    ///
    /// # Errors
    /// [`DebError::ArMagic`], [`DebError::ArHeader`], [`DebError::ArTruncated`],
    /// [`DebError::Members`], [`DebError::Format`] or [`DebError::UnsupportedCompression`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DebError> {
        let members = ar::members(bytes)?;
        let [format, control, data] = members.as_slice() else {
            return Err(wrong_members(&members));
        };
        if format.name != "debian-binary" {
            return Err(wrong_members(&members));
        }
        if format.bytes != FORMAT {
            let found = format.bytes.get(..16).unwrap_or(format.bytes);
            return Err(DebError::Format(found.escape_ascii().to_string()));
        }
        let compression = |member: &ar::Member<'_>, stem| match member.name.strip_prefix(stem) {
            Some("") => Ok(Compression::None),
            Some(".gz") => Ok(Compression::Gzip),
            Some(".xz") => Ok(Compression::Xz),
            Some(".zst") => Ok(Compression::Zstd),
            Some(_) => Err(DebError::UnsupportedCompression(member.name.to_owned())),
            None => Err(wrong_members(&members)),
        };
        Ok(Self {
            control: *control,
            control_compression: compression(control, "control.tar")?,
            data: *data,
            data_compression: compression(data, "data.tar")?,
        })
    }

    /// Decodes `control.tar`.
    ///
    /// # Errors
    /// Any [`DebError`] but those of [`Deb::parse`].
    pub fn control(&self) -> Result<Control, DebError> {
        let (bytes, compression) = (self.control.bytes, self.control_compression);
        let archive = compression::decompress(bytes, compression, CONTROL_LIMIT)
            .map_err(|source| DebError::Compression { member: "control.tar", source })?;
        let files = control_files(&archive)?;
        let text = files.get("control").ok_or(DebError::NoControl)?;
        let text = std::str::from_utf8(text).map_err(|_| DebError::ControlEncoding)?;
        let fields = Paragraph::parse(text)?;
        for field in ["Package", "Version", "Architecture"] {
            if fields.get(field).is_none_or(str::is_empty) {
                return Err(DebError::ControlField(field));
            }
        }
        Ok(Control { fields, files })
    }

    /// The decompressed `data.tar`, at most [`DATA_LIMIT`] bytes. Read errors carry a
    /// [`CompressionError`].
    ///
    /// # Errors
    /// [`DebError::Compression`] if the decoder can't be set up.
    pub fn data(&self) -> Result<Box<dyn Read + Send + 'a>, DebError> {
        self.data_within(DATA_LIMIT)
    }

    /// The decompressed `data.tar`, at most `limit` bytes.
    ///
    /// # Errors
    /// As for [`Deb::data`].
    pub fn data_within(&self, limit: u64) -> Result<Box<dyn Read + Send + 'a>, DebError> {
        compression::reader(self.data.bytes, self.data_compression, limit)
            .map_err(|source| DebError::Compression { member: "data.tar", source })
    }
}

fn wrong_members(members: &[ar::Member<'_>]) -> DebError {
    DebError::Members(members.iter().take(8).map(|member| member.name.to_owned()).collect())
}

fn control_files(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, DebError> {
    let mut files = BTreeMap::new();
    for entry in tar::entries(archive)? {
        let refused = || DebError::ControlEntry(entry.path.escape_ascii().to_string());
        match entry.kind {
            EntryKind::Directory if entry.path.is_empty() => {}
            EntryKind::File { offset, len } if !entry.path.contains(&b'/') => {
                let start = usize::try_from(offset).ok();
                let len = usize::try_from(len).ok();
                let contents = start
                    .zip(len)
                    .and_then(|(start, len)| archive.get(start..start.checked_add(len)?));
                let name = std::str::from_utf8(&entry.path).map_err(|_| refused())?;
                files.insert(name.to_owned(), contents.ok_or_else(refused)?.to_vec());
            }
            _ => return Err(refused()),
        }
    }
    Ok(files)
}
