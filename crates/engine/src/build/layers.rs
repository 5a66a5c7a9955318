//! Tar archives of a definition: copied while they are hashed, decompressed and listed, nothing unpacked.
//!
//! The contract: what was compared with the lock is what is put over the tree, and a member that cannot come as
//! the archive has it is an error. Deliberately absent: what an archive does not say itself, such as
//! names of owners that the image may have under other numbers.

use std::io::{BufReader, Read};

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
use crate::lock::{LocalKind, LockError};
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
            let Some(locked) = self.locked.get(layer.source.as_str()) else { continue };
            let (content, computed) = copies.take(&self.folder.locate(&layer.source)?)?;
            if !matches!(locked.kind, LocalKind::File { sha256, .. } if sha256 == computed) {
                // It changed since it was surveyed.
                return Err(LockError::LocalChanged {
                    path: layer.source.clone(),
                    locked: locked.kind.to_string(),
                    found: computed.to_string(),
                }
                .into());
            }
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
    let listed = tar::members(BufReader::new(Reader::new(archive.clone())), &Limits::default());
    let members =
        listed.map_err(|source| LayerError::Tar { path: layer.source.clone(), source })?;
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
fn decompressed(
    path: &str,
    archive: Content,
    copies: &mut Copies<'_>,
) -> Result<Content, BuildError> {
    let path = || path.to_owned();
    let failed = |source| LayerError::Tar { path: path(), source: TarError::Read(source) };
    let mut start = Vec::new();
    let read = Reader::new(archive.clone()).take(START as u64).read_to_end(&mut start);
    read.map_err(failed)?;
    if start.starts_with(b"BZh") {
        return Err(LayerError::Bzip2 { path: path() }.into());
    }
    let compression = Compression::of_start(&start);
    if compression == Compression::None {
        return Ok(archive);
    }
    let corrupt = |source| LayerError::Compression { path: path(), source };
    let stream = BufReader::new(Reader::new(archive));
    let stream = compression::members(stream, compression, UNPACKED_MAX).map_err(corrupt)?;
    match copies.append(stream) {
        Ok((content, _)) => Ok(content),
        Err(AppendError::Write(error)) => Err(error.into()),
        Err(AppendError::Read(error)) => Err(match CompressionError::inside(&error) {
            Some(inside) => corrupt(inside.clone()).into(),
            None => failed(error).into(),
        }),
    }
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
        let mut names = entry.xattrs.keys();
        let other = names.find(|name| !ATTRIBUTES.iter().any(|place| name.starts_with(place)))?;
        format!("has the extended attribute `{}`, which an image can't have", other.escape_ascii())
    };
    Some(format!("`{}` {why}", entry.path.escape_ascii()))
}

/// The last name of a path.
fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}
