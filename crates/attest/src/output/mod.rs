//! The folder that a build writes: what its files are called, what they are, and the two that
//! describe the others, `manifest.json` and `SHA256SUMS`, whose own digest is the image's identity.
//!
//! The contract: a name in a manifest or in sums is that of a file in the same folder. Reading is
//! here; the engine writes.

mod folder;
mod manifest;
mod notice;
mod role;
mod sums;

pub use folder::{MissingFile, OutputFolder};
pub use manifest::{
    Artifact, ImageRecord, InputsRecord, MANIFEST_FILE, MachineFileRecord, Manifest, ManifestError,
    PackageRecord, PartitionRecord, PartsRecord, RootRecord, SCHEMA,
};
pub use notice::Notice;
pub use role::Role;
pub use sums::{SUMS_FILE, SumMismatch, Sums, SumsError};

/// Name of the reference values.
pub const REFERENCE_FILE: &str = "reference-values.json";

/// Longest description that is read, and therefore written: a package of a manifest has some 200 bytes, a
/// reference value some 3 kB, and to read one takes up to 40 times its length.
pub const DESCRIPTION_MAX: u64 = 8 << 20;

/// Whether a name is that of a file in the same folder.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..")
}
