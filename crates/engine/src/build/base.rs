//! The base of a root file system: an OCI image layout beside the definition, a folder or a tar archive of one.
//!
//! The contract: every file of the layout that is read is the one that the lock has, every blob is what its
//! descriptor names, and every layer decompresses to what the configuration says.

use std::collections::BTreeMap;

use cvmkit_formats::archive::EntryKind;
use cvmkit_formats::archive::tar;
use cvmkit_formats::compression::Compression;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::{Source as _, read_all};

use super::copies::Copies;
use super::error::BuildError;
use super::inputs::Inputs;
use super::layer_error::LayerError;
use super::layers;
use crate::content::{Content, Reader};
use crate::lock::{LocalKind, LockError};
use crate::oci::{self, DOCUMENT_MAX, Digest, OciError, Stack};
use crate::rootfs::Base;

impl Inputs<'_> {
    /// The tree that the definition's base makes; none without one.
    pub(super) fn base(&self, copies: &mut Copies<'_>) -> Result<Option<Base>, BuildError> {
        let Some(base) = &self.definition.base else { return Ok(None) };
        let mut layout = Layout::of(self, copies, &base.oci)?;
        let read = |path: &str| layout.document(path);
        let architecture = self.definition.architecture.debian();
        let image = oci::find(read, architecture, base.reference.as_deref())?;
        let mut stack = Stack::new(self.timestamp.0);
        for layer in &image.layers {
            let (members, archive) = layout.layer(layer)?;
            stack.apply(layer.digest, &members, &archive)?;
        }
        Ok(Some(Base {
            name: base.oci.clone(),
            digest: image.manifest.to_string(),
            layers: image.layers.len() as u64,
            tree: stack.finish().0,
        }))
    }

    /// A local file as the lock has it.
    pub(super) fn locked_copy(
        &self,
        copies: &mut Copies<'_>,
        path: &str,
    ) -> Result<(Content, Sha256), BuildError> {
        let (content, computed) = copies.take(&self.folder.locate(path)?)?;
        let locked = self.locked.get(path);
        let is_same = locked.is_some_and(
            |locked| matches!(locked.kind, LocalKind::File { sha256, .. } if sha256 == computed),
        );
        if is_same {
            return Ok((content, computed));
        }
        // It changed since it was surveyed.
        Err(LockError::LocalChanged {
            path: path.to_owned(),
            locked: locked.map_or_else(|| "nothing".to_owned(), |locked| locked.kind.to_string()),
            found: computed.to_string(),
        }
        .into())
    }
}

/// The files of a layout.
struct Layout<'l, 'c> {
    inputs: &'l Inputs<'l>,
    copies: &'l mut Copies<'c>,
    /// The folder, relative to the definition; or the archive.
    source: &'l str,
    /// Files of the archive, where it is one.
    members: Option<BTreeMap<Vec<u8>, Content>>,
}

impl<'l, 'c> Layout<'l, 'c> {
    fn of(
        inputs: &'l Inputs<'l>,
        copies: &'l mut Copies<'c>,
        source: &'l str,
    ) -> Result<Self, BuildError> {
        let is_file = |kind: &LocalKind| matches!(kind, LocalKind::File { .. });
        let members = match inputs.locked.get(source) {
            Some(locked) if is_file(&locked.kind) => {
                let (archive, _) = inputs.locked_copy(copies, source)?;
                let archive = layers::decompressed(source, archive, copies)?;
                let listed = layers::listed(source, &archive)?;
                let files = listed.entries.into_iter().filter_map(|entry| match entry.kind {
                    EntryKind::File { offset, len } => {
                        Some((entry.path, archive.part(offset, len)))
                    }
                    _ => None,
                });
                Some(files.collect())
            }
            _ => None,
        };
        Ok(Self { inputs, copies, source, members })
    }

    /// A file, and what it hashes to.
    fn file(&mut self, path: &str) -> Result<(Content, Sha256), BuildError> {
        let missing =
            || OciError::Document { path: path.to_owned(), why: "it is not there".to_owned() };
        match &self.members {
            Some(members) => {
                let content = members.get(path.as_bytes()).ok_or_else(missing)?.clone();
                let failed = |source| layers::unread(self.source, source);
                let (sha256, _) =
                    Sha256::of_reader(Reader::new(content.clone())).map_err(failed)?;
                Ok((content, sha256))
            }
            None => {
                let local = format!("{}/{path}", self.source);
                match self.inputs.locked.get(local.as_str()) {
                    Some(locked) if matches!(locked.kind, LocalKind::File { .. }) => {
                        self.inputs.locked_copy(self.copies, &local)
                    }
                    _ => Err(missing().into()),
                }
            }
        }
    }

    fn document(&mut self, path: &str) -> Result<Vec<u8>, BuildError> {
        let (content, _) = self.file(path)?;
        if content.len() > DOCUMENT_MAX {
            let why = format!("expected at most {DOCUMENT_MAX} bytes, found {}", content.len());
            return Err(OciError::Document { path: path.to_owned(), why }.into());
        }
        read_all(&content, DOCUMENT_MAX)
            .map_err(|source| layers::unread(self.source, source).into())
    }

    /// The members of a layer, and its decompressed archive.
    fn layer(&mut self, layer: &oci::Layer) -> Result<(tar::Members, Content), BuildError> {
        let (blob, sha256) = self.file(&layer.digest.path())?;
        layer.check(sha256, blob.len())?;
        let name = format!("{}/{}", self.source, layer.digest.path());
        let (archive, computed) = match layer.packed.0 {
            Compression::None => (blob, sha256),
            packed => layers::unpacked(&name, blob, packed, self.copies)?,
        };
        let (expected, computed) = (layer.diff_id, Digest(computed));
        if expected != computed {
            let digest = layer.digest;
            return Err(OciError::DiffId { digest, expected, computed }.into());
        }
        let members = layers::listed(&name, &archive)?;
        let attributes = members.entries.iter().filter_map(|entry| {
            let why = layers::other_attribute(entry)?;
            Some(format!("`{}` {why}", entry.path.escape_ascii()))
        });
        let problems: Vec<String> = attributes.collect();
        match problems.is_empty() {
            true => Ok((members, archive)),
            false => Err(LayerError::Members { path: name, problems }.into()),
        }
    }
}
