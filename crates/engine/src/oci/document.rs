//! The documents of an image layout, as far as they decide about a tree. Keys that are not known here are passed
//! over, as the specification asks of readers ("Extensibility").

use std::collections::BTreeMap;

use cvmkit_formats::compression::Compression;
use cvmkit_host::document;
use serde::{Deserialize, de::DeserializeOwned};

use super::digest::Digest;
use super::error::OciError;

/// What `oci-layout` must say (Image Layout Specification, "oci-layout file").
const LAYOUT_VERSION: &str = "1.0.0";

/// The version of manifests and indices (Image Manifest Specification, `schemaVersion`).
const SCHEMA_VERSION: u32 = 2;

/// Types of an index and of a manifest, those of Docker beside them.
const INDICES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The annotation with a tag ("Pre-Defined Annotation Keys").
const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// What names a blob.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// What it must hash to.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The machine that an image is for, where an index says.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Tags, among others.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn is_index(&self) -> bool {
        INDICES.contains(&self.media_type.as_str())
    }

    pub(super) fn is_manifest(&self) -> bool {
        MANIFESTS.contains(&self.media_type.as_str())
    }

    pub(super) fn is_config(&self) -> bool {
        CONFIGS.contains(&self.media_type.as_str())
    }

    /// The tag, if it has one.
    pub(super) fn reference(&self) -> Option<&str> {
        self.annotations.get(REFERENCE).map(String::as_str)
    }
}

/// What an image runs on.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Platform {
    /// As Go names it: `amd64`, `arm64`, `s390x`.
    pub architecture: String,
    /// As Go names it: `linux`.
    pub os: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    pub(super) manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(super) struct Config {
    #[serde(flatten)]
    pub(super) platform: Platform,
    pub(super) rootfs: Rootfs,
}

#[derive(Deserialize)]
pub(super) struct Rootfs {
    pub(super) diff_ids: Vec<Digest>,
}

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerType(pub Compression);

impl LayerType {
    /// By the type of its descriptor; nothing of what is no tar archive, or encrypted.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        let packed = match media_type {
            "application/vnd.docker.image.rootfs.diff.tar" => Compression::None,
            "application/vnd.docker.image.rootfs.diff.tar.gzip" => Compression::Gzip,
            "application/vnd.docker.image.rootfs.diff.tar.zstd" => Compression::Zstd,
            other => {
                let kind = other.strip_prefix("application/vnd.oci.image.layer.")?;
                match kind.strip_prefix("nondistributable.").unwrap_or(kind) {
                    "v1.tar" => Compression::None,
                    "v1.tar+gzip" => Compression::Gzip,
                    "v1.tar+zstd" => Compression::Zstd,
                    _ => return None,
                }
            }
        };
        Some(Self(packed))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

fn json<T: DeserializeOwned>(bytes: &[u8], path: &str) -> Result<T, OciError> {
    document::json(bytes).map_err(|misfit| refused(path, &misfit.to_string()))
}

pub(super) fn refused(path: &str, why: &str) -> OciError {
    OciError::Document { path: path.to_owned(), why: why.to_owned() }
}

fn version(found: u32, path: &str) -> Result<(), OciError> {
    let why = || format!("expected `schemaVersion` {SCHEMA_VERSION}, found {found}");
    if found == SCHEMA_VERSION { Ok(()) } else { Err(refused(path, &why())) }
}

/// Checks the file that marks a layout.
pub(super) fn layout(bytes: &[u8], path: &str) -> Result<(), OciError> {
    let Layout { image_layout_version: found } = json(bytes, path)?;
    let why = || {
        let found = found.escape_debug();
        format!("expected `imageLayoutVersion` {LAYOUT_VERSION}, found {found}")
    };
    if found == LAYOUT_VERSION { Ok(()) } else { Err(refused(path, &why())) }
}

pub(super) fn index(bytes: &[u8], path: &str) -> Result<Index, OciError> {
    let index: Index = json(bytes, path)?;
    version(index.schema_version, path).map(|()| index)
}

pub(super) fn manifest(bytes: &[u8], path: &str) -> Result<Manifest, OciError> {
    let manifest: Manifest = json(bytes, path)?;
    version(manifest.schema_version, path).map(|()| manifest)
}

pub(super) fn config(bytes: &[u8], path: &str) -> Result<Config, OciError> {
    json(bytes, path)
}
