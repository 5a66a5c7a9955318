//! Why an OCI image layout can't be used.

use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::digest::Digest;

/// Why an OCI image layout can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OciError {
    /// A document that does not say what its format asks for.
    #[error("`{path}` of the image layout is not what it should be: {why}")]
    Document {
        /// Its path in the layout.
        path: String,
        /// What was expected, and what was found.
        why: String,
    },
    /// A blob that is not what names it.
    #[error(
        "blob of the image layout differs from its descriptor\n    expected: {expected}, {size} bytes\n    \
         computed: {computed}, {len} bytes"
    )]
    Blob {
        /// The digest that names it.
        expected: Digest,
        /// The length in its descriptor.
        size: u64,
        /// The digest of its bytes.
        computed: Digest,
        /// How many there are.
        len: u64,
    },
    /// The layout has no image for this machine.
    #[error("the image layout has no image for linux/{architecture}{}{}", named(.reference), listed(.found))]
    NoImage {
        /// The machine's architecture, as OCI names it.
        architecture: String,
        /// The tag that is asked for.
        reference: Option<String>,
        /// What it has instead: platform and tag of each.
        found: Vec<String>,
    },
    /// The layout has several.
    #[error(
        "the image layout has {} images for linux/{architecture}{}{}",
        .found.len(), named(.reference), listed(.found)
    )]
    SeveralImages {
        /// The machine's architecture, as OCI names it.
        architecture: String,
        /// The tag that is asked for.
        reference: Option<String>,
        /// Digest and tag of each.
        found: Vec<String>,
    },
    /// A layer that decompresses to something else than the configuration says.
    #[error(
        "layer {digest} of the image decompresses to something else than its configuration says\n    \
         expected: {expected}\n    computed: {computed}"
    )]
    DiffId {
        /// The layer.
        digest: Digest,
        /// Its `diff_id`.
        expected: Digest,
        /// The digest of the decompressed archive.
        computed: Digest,
    },
    /// Entries of a layer that can't be applied.
    #[error(
        "layer {digest} of the image can't be applied:{}",
        .problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>()
    )]
    Entries {
        /// The layer.
        digest: Digest,
        /// Each path, and why.
        problems: Vec<String>,
    },
}

fn named(reference: &Option<String>) -> String {
    reference.as_ref().map_or_else(String::new, |name| format!(" of the name `{name}`"))
}

fn listed(found: &[String]) -> String {
    found.iter().map(|one| format!("\n    found: {one}")).collect()
}

impl Diagnosis for OciError {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Document { .. } => {
                "name a folder, or a tar archive of one, with `oci-layout`, `index.json` and `blobs`, \
                 as `skopeo copy docker://... oci:FOLDER` makes it"
            }
            Self::Blob { .. } | Self::DiffId { .. } => "copy the image again: it is damaged",
            Self::NoImage { .. } => "copy the image of this architecture, or name another one with `base.reference`",
            Self::SeveralImages { .. } => {
                "name the one that is meant with `base.reference`, or copy it alone"
            }
            Self::Entries { .. } => "make the image again without these entries",
        }
        .to_owned())
    }
}
