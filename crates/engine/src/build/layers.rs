//! Tar archives of a definition: copied while they are hashed, decompressed and listed, nothing unpacked.
//!
//! The contract: what was compared with the lock is what is put over the tree, and a member that cannot come as
//! the archive has it is an error. Deliberately absent: what an archive does not say itself, such as
//! names of owners that the image may have under other numbers.

use std::io::{self, BufReader, Read as _};

use cvmkit_formats::archive::Entry;
use cvmkit_formats::archive::tar::{self, Limits, TarError};
use cvmkit_formats::compression::{self, Compression, CompressionError};
use cvmkit_formats::digest::Sha256;

use super::copies::{AppendError, Copies};
use super::error::BuildError;
use super::inputs::Inputs;
use super::layer_error::LayerError;
use crate::content::{Content, Reader};
use crate::definition::Layer;
use crate::rootfs;

/// The most bytes that an archive may have when it is decompressed: a guard, no image has as many.
const UNPACKED_MAX: u64 = 64 << 30;

/// Longer than any magic number of a compressor.
const START: usize = 8;

/// How the name of a whiteout starts (OCI Image Layer Specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";

/// Where the build itself writes accounts (passwd(5), group(5), shadow(5), gshadow(5)).
const ACCOUNTS: [&[u8]; 4] = [b"etc/passwd", b"etc/group", b"etc/shadow", b"etc/gshadow"];

/// Where dpkg has its database.
const DATABASE: &[u8] = b"var/lib/dpkg/";

/// Where extended attributes of an image may be (xattr(7)); `system.` has ACLs, which no root file system
/// of ours holds.
const ATTRIBUTES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];

impl Inputs<'_> {
    /// The definition's layers, in its order; without those that the lock does not have.
    pub(super) fn layers(&self, copies: &mut Copies<'_>) -> Result<Vec<rootfs::Layer>, BuildError> {
        let mut layers = Vec::new();
        for layer in &self.definition.layers {
            if !self.locked.contains_key(layer.source.as_str()) {
                continue;
            }
            let (content, computed) = self.locked_copy(copies, &layer.source)?;
            layers.push(open(layer, computed, content, copies)?);
        }
        Ok(layers)
    }
}

/// Lists an archive.
fn open(
    layer: &Layer,
    sha256: Sha256,
    archive: Content,
    copies: &mut Copies<'_>,
) -> Result<rootfs::Layer, BuildError> {
    let archive = decompressed(&layer.source, archive, copies)?;
    let members = listed(&layer.source, &archive)?;
    let (name, target) = (layer.source.clone(), layer.target.clone());
    let layer = rootfs::Layer { name, sha256, target, members, archive };
    let members = layer.members.entries.iter();
    let problems: Vec<String> = members.filter_map(|entry| problem(&layer, entry)).collect();
    match problems.is_empty() {
        true => Ok(layer),
        false => Err(LayerError::Members { path: layer.name, problems }.into()),
    }
}

/// The archive itself, whatever compressed it.
pub(super) fn decompressed(
    path: &str,
    archive: Content,
    copies: &mut Copies<'_>,
) -> Result<Content, BuildError> {
    let mut start = Vec::new();
    let read = Reader::new(archive.clone()).take(START as u64).read_to_end(&mut start);
    read.map_err(|source| unread(path, source))?;
    if start.starts_with(b"BZh") {
        return Err(LayerError::Bzip2 { path: path.to_owned() }.into());
    }
    match Compression::of_start(&start) {
        Compression::None => Ok(archive),
        other => unpacked(path, archive, other, copies).map(|(content, _)| content),
    }
}

/// What a compressed archive holds, and its digest.
pub(super) fn unpacked(
    path: &str,
    archive: Content,
    compression: Compression,
    copies: &mut Copies<'_>,
) -> Result<(Content, Sha256), BuildError> {
    let corrupt = |source| LayerError::Compression { path: path.to_owned(), source };
    let stream = BufReader::new(Reader::new(archive));
    let stream = compression::members(stream, compression, UNPACKED_MAX).map_err(corrupt)?;
    copies.append(stream).map_err(|error| match error {
        AppendError::Write(error) => error.into(),
        AppendError::Read(error) => match CompressionError::inside(&error) {
            Some(inside) => corrupt(inside.clone()).into(),
            None => unread(path, error).into(),
        },
    })
}

/// The members of a decompressed archive.
pub(super) fn listed(path: &str, archive: &Content) -> Result<tar::Members, LayerError> {
    let reader = BufReader::new(Reader::new(archive.clone()));
    let listed = tar::members(reader, &Limits::default());
    listed.map_err(|source| LayerError::Tar { path: path.to_owned(), source })
}

/// That what was copied can't be read.
pub(super) fn unread(path: &str, source: io::Error) -> LayerError {
    LayerError::Tar { path: path.to_owned(), source: TarError::Read(source) }
}

/// What is wrong with an extended attribute of a member, if anything is.
pub(super) fn other_attribute(entry: &Entry) -> Option<String> {
    let mut names = entry.xattrs.keys();
    let other = names.find(|name| !ATTRIBUTES.iter().any(|place| name.starts_with(place)))?;
    Some(format!(
        "has the extended attribute `{}`, which an image can't have",
        other.escape_ascii()
    ))
}

/// Why a member can't come as the archive has it.
fn problem(layer: &rootfs::Layer, entry: &Entry) -> Option<String> {
    let path = layer.path(&entry.path);
    let why = if name(&entry.path).starts_with(WHITEOUT) {
        "is a whiteout: only the layers of a container image remove what is below them".to_owned()
    } else if ACCOUNTS.contains(&path.as_slice()) {
        "is written by the build: name accounts in `[[users]]`".to_owned()
    } else if path.starts_with(DATABASE) {
        "is of dpkg's database, which the build writes: name packages in `[packages]`".to_owned()
    } else {
        other_attribute(entry)?
    };
    Some(format!("`{}` {why}", entry.path.escape_ascii()))
}

/// The last name of a path.
fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}
