//! From a layout to the layers of one image.

use cvmkit_formats::digest::Sha256;

use super::digest::Digest;
use super::document::{self, Descriptor, LayerType, Platform, refused};
use super::error::OciError;

/// No index, manifest or configuration is longer: registries take 4 MiB of a manifest (Distribution
/// Specification, "Pushing Manifests").
pub const DOCUMENT_MAX: u64 = 4 << 20;

/// How deep indices may lie in one another. Builders make two.
const DEPTH_MAX: usize = 4;

/// How many indices are read.
const INDICES_MAX: usize = 64;

/// The system that images of ours run.
const OS: &str = "linux";

/// An image of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What the index names of it: the digest of the manifest, which pins all else.
    pub manifest: Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What its blob hashes to.
    pub digest: Digest,
    /// How long the blob is.
    pub size: u64,
    /// How it is packed.
    pub packed: LayerType,
    /// What its decompressed archive hashes to.
    pub diff_id: Digest,
}

impl Layer {
    /// Compares the blob with what names it: its digest and its length.
    ///
    /// # Errors
    /// [`OciError::Blob`]
    pub fn check(&self, computed: Sha256, len: u64) -> Result<(), OciError> {
        check(self.digest, self.size, computed, len)
    }
}

/// Finds the image of an architecture, as OCI names it, and of a tag if one is asked for. `read` gives a file
/// of the layout, of at most 4 MiB.
///
/// # Errors
/// [`OciError`]: a document is damaged, or none or several images are meant; and those of `read`.
pub fn find<E: From<OciError>>(
    mut read: impl FnMut(&str) -> Result<Vec<u8>, E>,
    architecture: &str,
    reference: Option<&str>,
) -> Result<Image, E> {
    document::layout(&read("oci-layout")?, "oci-layout")?;
    let mut search = Search { read: &mut read, manifests: Vec::new(), indices: 0 };
    let index = document::index(&(search.read)("index.json")?, "index.json")?;
    search.index(index.manifests, None, DEPTH_MAX)?;
    let all = search.manifests;
    let is_named = |found: &Found| reference.is_none() || found.reference.as_deref() == reference;
    let is_right =
        |found: &&Found| found.platform.architecture == architecture && found.platform.os == OS;
    let mut right: Vec<&Found> =
        all.iter().filter(is_right).filter(|found| is_named(found)).collect();
    right.sort_by_key(|found| found.manifest);
    right.dedup_by_key(|found| found.manifest);
    let architecture = || architecture.to_owned();
    let reference = || reference.map(str::to_owned);
    match right.as_slice() {
        [one] => Ok(Image { manifest: one.manifest, layers: one.layers.clone() }),
        [] => Err(OciError::NoImage {
            architecture: architecture(),
            reference: reference(),
            found: all.iter().map(Found::shown).collect(),
        }
        .into()),
        several => Err(OciError::SeveralImages {
            architecture: architecture(),
            reference: reference(),
            found: several.iter().map(|found| found.shown()).collect(),
        }
        .into()),
    }
}

/// An image while the one that is meant is looked for.
struct Found {
    manifest: Digest,
    platform: Platform,
    reference: Option<String>,
    layers: Vec<Layer>,
}

impl Found {
    fn shown(&self) -> String {
        let Platform { architecture, os } = &self.platform;
        let tag = self.reference.as_ref().map_or_else(String::new, |tag| format!(" `{tag}`"));
        format!("{os}/{architecture}{tag}, {}", self.manifest).escape_debug().to_string()
    }
}

struct Search<'r, R> {
    read: &'r mut R,
    manifests: Vec<Found>,
    indices: usize,
}

impl<E: From<OciError>, R: FnMut(&str) -> Result<Vec<u8>, E>> Search<'_, R> {
    /// Every image below an index; what is none (signatures, attestations) is passed over. A tag of an
    /// index is that of its images.
    fn index(
        &mut self,
        descriptors: Vec<Descriptor>,
        tag: Option<&str>,
        depth: usize,
    ) -> Result<(), E> {
        for descriptor in descriptors {
            let tag = descriptor.reference().or(tag).map(str::to_owned);
            let path = descriptor.digest.path();
            if descriptor.is_index() {
                self.indices += 1;
                if depth == 0 || self.indices > INDICES_MAX {
                    return Err(
                        refused(&path, "too many indices, or too deep in one another").into()
                    );
                }
                let index = document::index(&self.blob(&descriptor)?, &path)?;
                self.index(index.manifests, tag.as_deref(), depth - 1)?;
            } else if descriptor.is_manifest() {
                self.manifest(&descriptor, tag)?;
            }
        }
        Ok(())
    }

    fn manifest(&mut self, descriptor: &Descriptor, reference: Option<String>) -> Result<(), E> {
        let unknown = |platform: &Platform| platform.os == "unknown";
        if descriptor.platform.as_ref().is_some_and(unknown) {
            // How builders mark attestations.
            return Ok(());
        }
        let path = descriptor.digest.path();
        let manifest = document::manifest(&self.blob(descriptor)?, &path)?;
        if !manifest.config.is_config() {
            // An artifact: no image.
            return Ok(());
        }
        let config_path = manifest.config.digest.path();
        let config = document::config(&self.blob(&manifest.config)?, &config_path)?;
        if let Some(platform) = descriptor.platform.as_ref().filter(|one| **one != config.platform)
        {
            let Platform { architecture, os } = &config.platform;
            let why = format!(
                "expected {}/{} as its index says, found {os}/{architecture}",
                platform.os, platform.architecture
            );
            return Err(refused(&config_path, &why.escape_debug().to_string()).into());
        }
        let (layers, diff_ids) = (&manifest.layers, &config.rootfs.diff_ids);
        if layers.len() != diff_ids.len() {
            let why = format!("expected {} `diff_ids`, found {}", layers.len(), diff_ids.len());
            return Err(refused(&config_path, &why).into());
        }
        let layers = layers.iter().zip(diff_ids).map(|(layer, diff_id)| {
            let packed = LayerType::of(&layer.media_type).ok_or_else(|| {
                let found = layer.media_type.escape_debug();
                refused(&path, &format!("`{found}` is no type of a layer that is supported"))
            })?;
            Ok(Layer { digest: layer.digest, size: layer.size, packed, diff_id: *diff_id })
        });
        let layers = layers.collect::<Result<Vec<_>, OciError>>()?;
        let (manifest, platform) = (descriptor.digest, config.platform);
        self.manifests.push(Found { manifest, platform, reference, layers });
        Ok(())
    }

    /// A document, checked against what names it.
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, E> {
        let path = descriptor.digest.path();
        if descriptor.size > DOCUMENT_MAX {
            let why = format!("expected at most {DOCUMENT_MAX} bytes, found {}", descriptor.size);
            return Err(refused(&path, &why).into());
        }
        let bytes = (self.read)(&path)?;
        check(descriptor.digest, descriptor.size, Sha256::of(&bytes), bytes.len() as u64)?;
        Ok(bytes)
    }
}

/// Compares a blob with what names it.
fn check(expected: Digest, size: u64, computed: Sha256, len: u64) -> Result<(), OciError> {
    let computed = Digest(computed);
    match computed == expected && len == size {
        true => Ok(()),
        false => Err(OciError::Blob { expected, size, computed, len }),
    }
}

#[cfg(test)]
mod tests;
