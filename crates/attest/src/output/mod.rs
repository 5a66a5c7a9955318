//! The folder that a build writes: what its files are called, what they are, and the two that
//! describe the others, `manifest.json` and `SHA256SUMS`, whose own digest is the image's identity.
//!
//! The contract: a name in a manifest or in sums is that of a file in the same folder. Reading is
//! here; the engine writes.

mod folder;
mod manifest;
mod name;
mod notice;
mod role;
mod sums;

pub use folder::{MissingFile, OutputFolder};
pub use manifest::{
    Artifact, ImageRecord, InputsRecord, MANIFEST_FILE, MachineFileRecord, Manifest, ManifestError,
    PackageRecord, PartitionRecord, PartsRecord, RootRecord, SCHEMA,
};
pub use name::{DESCRIPTION_MAX, REFERENCE_FILE, is_file_name};
pub use notice::Notice;
pub use role::Role;
pub use sums::{SUMS_FILE, SumMismatch, Sums, SumsError};
