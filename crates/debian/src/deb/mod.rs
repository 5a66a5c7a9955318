//! Debian binary packages, format 2.0 (deb(5)).
//!
//! The contract: [`Deb::parse`] accepts exactly `debian-binary`, `control.tar*`, `data.tar*`, in
//! that order, with nothing between or behind them; [`Deb::data`] is the decompressed file system
//! archive as a stream, which [`tar::entries`] lists under strict rules. What two readers could
//! understand in two ways is an error.
//! Deliberately absent: members that dpkg skips (a name with a leading `_`, such as `_gpgorigin`),
//! bzip2 and lzma members, writing. The oracles are `dpkg-deb` and GNU tar.

mod ar;
mod error;

use std::collections::BTreeMap;
use std::io::Read;

use cvmkit_formats::archive::EntryKind;
use cvmkit_formats::archive::tar;
use cvmkit_formats::compression::{self, Compression};

use crate::deb822::Paragraph;
pub use error::DebError;

/// The only contents of `debian-binary` that are understood (deb(5), "FORMAT").
const FORMAT: &[u8] = b"2.0\n";

/// The most a `control.tar` may decode to: 64 MiB; the largest in Debian is below 8 MiB.
pub const CONTROL_LIMIT: u64 = 64 << 20;

/// The most a `data.tar` may decode to unless the caller says otherwise: 16 GiB.
pub const DATA_LIMIT: u64 = 16 << 30;

/// What `control.tar` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The fields of the `control` file; `Package`, `Version` and `Architecture` are there.
    pub fields: Paragraph,
    /// The contents of every file by its name: `control`, `md5sums`, `conffiles`, `preinst`,
    /// `postinst`, `prerm`, `postrm`, `config`, `triggers`, `templates` and any other.
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
    /// [`CompressionError`](compression::CompressionError).
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
