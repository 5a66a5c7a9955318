//! What describes an image: `manifest.json`, `reference-values.json` and `SHA256SUMS`, which covers
//! them all and whose own digest is the image's identity.

mod sums;

use std::path::Path;

use cvmkit_formats::gpt::Guid;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use sums::{SUMS_FILE, Sums, SumsError};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError, FileSource, Staging, cannot};
use cvmkit_host::timestamp::Timestamp;
use cvmkit_host::versioned::{self, Versioned, VersionedError};

use crate::build::MachineFile;
use crate::definition::Definition;
use crate::image::{self, Image, ImageError, Role};
use crate::lock::{LockError, LockFile, root_role};
use crate::reference::{ReferenceValues, VALUES_MAX};
use crate::rootfs::Notice;

/// Name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the reference values.
pub const REFERENCE_FILE: &str = "reference-values.json";

/// Longest manifest: a package has some 200 bytes, and one of the largest images some 3000 of them. None
/// is written that is longer.
const MANIFEST_MAX: u64 = VALUES_MAX;

/// Version of the schema of the manifest.
pub(crate) const SCHEMA: u32 = 3;

/// What an image is and what it was made from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of this schema.
    pub schema: u32,
    /// Version of cvmkit that made the image.
    pub cvmkit: String,
    /// The image.
    pub image: ImageRecord,
    /// The inputs.
    pub inputs: InputsRecord,
    /// The firmware that the reference values are for: a file beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// The root file system.
    pub root: RootRecord,
    /// Partitions in the order of the disk.
    pub partitions: Vec<PartitionRecord>,
    /// The files beside this one but `SHA256SUMS`, in the order they were written.
    pub artifacts: Vec<Artifact>,
    /// Packages of the root file system.
    pub packages: Vec<PackageRecord>,
}

impl Versioned for Manifest {
    const NAME: &'static str = "manifest";
    const KEY: &'static str = "schema";
    const VERSION: u32 = SCHEMA;
    const REMAKE: &'static str = "build the image again";
}

/// What an image is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageRecord {
    /// Name.
    pub id: String,
    /// Version.
    pub version: String,
    /// Name of the variant, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// True for an image that may have shells and logins: never to be trusted in production.
    pub debug: bool,
    /// Architecture.
    pub architecture: String,
    /// The kernel command line, byte by byte.
    pub command_line: String,
    /// The UUID that identities of the disk and its file systems are derived from.
    pub seed: String,
    /// RFC 3339 time of everything the build made.
    #[schemars(with = "String")]
    pub timestamp: Timestamp,
}

/// What an image was made from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InputsRecord {
    /// SHA-256 of what the definition says of this image: of the base, or of the variant laid over it.
    pub definition: Sha256,
    /// SHA-256 of what this image has of the lock: its packages, their suites and its local files.
    pub lock: Sha256,
    /// SHA-256 of the guest's PID 1.
    pub stage1: Sha256,
    /// SHA-256 of the systemd stub as it lies in the UKI: without symbols, checksum and the headers
    /// of the image's own sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uki_stub: Option<Sha256>,
    /// What decides each part of the image.
    pub parts: PartsRecord,
    /// Where the files of the machines came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machine_files: Vec<MachineFileRecord>,
}

/// Digests over what decides the parts of an image: a part whose digest is the same is the same.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PartsRecord {
    /// Packages, files and definition of the root file system.
    pub root: Sha256,
    /// The packages that hold the kernel.
    pub kernel: Sha256,
    /// Kernel, stage 1 and the list of modules.
    pub initrd: Sha256,
    /// The systemd stub; of nothing if the image has no UKI.
    pub stub: Sha256,
    /// Name, version and base package, which the os-release in the UKI tells.
    pub os_release: Sha256,
}

/// Where a file of a machine came from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MachineFileRecord {
    /// Its name beside the image.
    pub name: String,
    /// Package, version and path, or the local file.
    pub origin: String,
    /// Digest.
    pub sha256: Sha256,
}

/// The root file system.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RootRecord {
    /// File system.
    pub format: String,
    /// dm-verity root hash.
    pub root_hash: String,
    /// dm-verity salt in hex.
    pub salt: String,
    /// UUID in the dm-verity superblock.
    pub uuid: String,
    /// dm-verity hash algorithm.
    pub algorithm: String,
    /// Bytes in a dm-verity data block.
    pub data_block_size: u32,
    /// Bytes in a dm-verity hash block.
    pub hash_block_size: u32,
    /// What whoever verifies the image has to know about its contents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// A partition.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PartitionRecord {
    /// Label.
    pub name: String,
    /// Type GUID.
    #[serde(rename = "type")]
    pub type_guid: String,
    /// Unique GUID.
    pub uuid: String,
    /// First byte on the disk.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// A finished file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Artifact {
    /// File name.
    pub name: String,
    /// What it is: `disk`, `uki`, `kernel`, `initrd`, `command-line`, `root-hash`, `firmware`,
    /// `firmware-variables`, `event-log`, `secure-execution-image`, `reference-values`.
    pub role: String,
    /// Media type.
    pub media_type: String,
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// A package of the root file system.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageRecord {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Digest of the .deb.
    pub sha256: Sha256,
}

/// Why an image could not be described, or its description not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The host's files.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file could not be staged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The lock could not be serialised.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Plain data that does not serialise.
    #[error("the description can't be serialised")]
    Unserialisable(#[source] serde_json::Error),
    /// A file that is no manifest of this version.
    #[error(transparent)]
    Versioned(#[from] VersionedError),
    /// More than is read.
    #[error("a description of {found} bytes, expected at most {VALUES_MAX}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// A name that leads elsewhere.
    #[error("`{path}` names `{name}`, expected names of files beside it")]
    FileName {
        /// The file.
        path: String,
        /// The name.
        name: String,
    },
    /// The folder holds no image.
    #[error("`{folder}` holds no image: there is no {MANIFEST_FILE}")]
    NoImage {
        /// The folder.
        folder: String,
    },
}

impl Diagnosis for ManifestError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Image(error) => error.fault(),
            Self::Lock(error) => error.fault(),
            Self::Unserialisable(_) => Fault::Bug,
            Self::Versioned(_)
            | Self::TooLong { .. }
            | Self::FileName { .. }
            | Self::NoImage { .. } => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::NoImage { .. } => Some("name a folder that `cvmkit build` wrote".into()),
            Self::TooLong { .. } => {
                Some("give the platforms fewer vCPU counts, types and sizes of memory".into())
            }
            Self::Versioned(error) => error.hint(),
            _ => None,
        }
    }
}

impl Manifest {
    /// Reads the manifest of an output folder.
    ///
    /// # Errors
    /// There is none, or it is of another schema.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = files::read_at_most(&path, MANIFEST_MAX).map_err(|error| {
            if error.is_not_found() || error.source.kind() == std::io::ErrorKind::NotADirectory {
                ManifestError::NoImage { folder: folder.display().to_string() }
            } else {
                ManifestError::File(error)
            }
        })?;
        let place = || path.display().to_string();
        let manifest: Self = versioned::json(&bytes, path.display())?;
        // What is named here is opened beside it, and nowhere else.
        let mut names = manifest.artifacts.iter().map(|artifact| &artifact.name);
        if let Some(name) = names.find(|name| !is_file_name(name)) {
            return Err(ManifestError::FileName { path: place(), name: name.clone() });
        }
        Ok(manifest)
    }

    /// The name of the file of this role, if the image has one.
    #[must_use]
    pub fn file(&self, role: &str) -> Option<&str> {
        self.artifacts.iter().find(|file| file.role == role).map(|file| file.name.as_str())
    }
}

/// Whether a name is that of a file in the same folder.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..")
}

/// What is to be described.
pub(crate) struct Description<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) lock: &'a LockFile,
    pub(crate) image: &'a Image,
    pub(crate) parts: PartsRecord,
    pub(crate) machine_files: &'a [MachineFile],
    pub(crate) timestamp: Timestamp,
    pub(crate) version: &'a str,
    pub(crate) definition_digest: Sha256,
    pub(crate) lock_digest: Sha256,
    pub(crate) stage1: Sha256,
    pub(crate) notices: &'a [Notice],
}

/// A described image.
#[derive(Debug)]
pub struct Described {
    /// What was written.
    pub manifest: Manifest,
    /// What was written.
    pub sums: Sums,
    /// Digest of the sums.
    pub identity: Sha256,
    /// All staged files, the sums last.
    pub files: Vec<String>,
}

/// Stages the manifest, the reference values and the sums.
pub(crate) fn write(
    description: &Description<'_>,
    values: &ReferenceValues,
    staging: &Staging,
) -> Result<Described, ManifestError> {
    image::stage(staging, REFERENCE_FILE, &json(values)?)?;
    let mut listed = Vec::new();
    listed.extend(description.image.files.iter().map(|file| (file.name.as_str(), role(file.role))));
    let machine_files = description.machine_files.iter();
    listed.extend(machine_files.map(|file| (file.name.as_str(), machine_role(file.role))));
    listed.push((REFERENCE_FILE, REFERENCE_ROLE));
    // Each file on its own: a disk is hashed while all the others are.
    let artifacts = listed.into_par_iter().with_max_len(1);
    let artifacts = artifacts.map(|(name, role)| artifact(staging, name, role));
    let uki = description.image.files.iter().find(|file| file.role == Role::Uki);
    let uki_stub = uki.map(|uki| stub_of(&staging.path(&uki.name))).transpose()?;
    let manifest = manifest(description, artifacts.collect::<Result<_, _>>()?, uki_stub)?;
    let text = json(&manifest)?;
    image::stage(staging, MANIFEST_FILE, &text)?;
    let listed = manifest.artifacts.iter().map(|file| (file.name.clone(), file.sha256));
    let own = (MANIFEST_FILE.to_owned(), Sha256::of(&text));
    let sums = Sums::new(listed.chain([own]));
    let sums_text = sums.to_string();
    image::stage(staging, SUMS_FILE, sums_text.as_bytes())?;
    let files = sums.names().chain([SUMS_FILE]).map(str::to_owned).collect();
    Ok(Described { manifest, identity: Sha256::of(sums_text.as_bytes()), sums, files })
}

fn manifest(
    description: &Description<'_>,
    artifacts: Vec<Artifact>,
    uki_stub: Option<Sha256>,
) -> Result<Manifest, ManifestError> {
    let definition = description.definition;
    let lock = &description.lock.lock;
    let verity = &definition.verity;
    let machine_files = description.machine_files.iter().map(|file| MachineFileRecord {
        name: file.name.clone(),
        origin: file.origin.clone(),
        sha256: Sha256::of(&file.bytes),
    });
    let is_firmware = |file: &&MachineFile| file.role == MachineRole::Firmware;
    let firmware = description.machine_files.iter().find(is_firmware);
    let role = root_role(definition.variant.as_deref());
    let packages = lock.packages_of(&role).map(|package| PackageRecord {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256,
    });
    Ok(Manifest {
        schema: SCHEMA,
        cvmkit: description.version.to_owned(),
        image: ImageRecord {
            id: definition.id.clone(),
            version: definition.version.clone(),
            variant: definition.variant.clone(),
            debug: definition.debug,
            architecture: "x86-64".into(),
            command_line: description.image.command_line.clone(),
            seed: definition.seed.to_string(),
            timestamp: description.timestamp,
        },
        inputs: InputsRecord {
            definition: description.definition_digest,
            lock: description.lock_digest,
            stage1: description.stage1,
            uki_stub,
            parts: description.parts.clone(),
            machine_files: machine_files.collect(),
        },
        firmware: firmware.map(|firmware| firmware.name.clone()),
        root: RootRecord {
            format: "squashfs".into(),
            root_hash: description.image.root_hash.to_string(),
            salt: hex::encode(&verity.salt),
            uuid: Guid::from_text_order(verity.uuid).to_string(),
            algorithm: "sha256".into(),
            data_block_size: verity.data_block_size,
            hash_block_size: verity.hash_block_size,
            notices: description.notices.to_vec(),
        },
        partitions: description.image.partitions.iter().map(partition).collect(),
        artifacts,
        packages: packages.collect(),
    })
}

/// The digest of the stub in a staged UKI.
fn stub_of(path: &Path) -> Result<Sha256, ManifestError> {
    Ok(image::uki::stub_digest(&FileSource::open(path)?)?)
}

fn partition(partition: &image::Partition) -> PartitionRecord {
    PartitionRecord {
        name: partition.name.clone(),
        type_guid: partition.type_guid.to_string(),
        uuid: partition.unique_guid.to_string(),
        offset: partition.offset,
        size: partition.len,
    }
}

/// What a file of a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineRole {
    /// The firmware.
    Firmware,
    /// The firmware's variables.
    Variables,
    /// The event log of an earlier boot.
    EventLog,
    /// A finished Secure Execution image.
    SecureExecutionImage,
}

impl MachineRole {
    /// As the manifest has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::Variables => "firmware-variables",
            Self::EventLog => "event-log",
            Self::SecureExecutionImage => "secure-execution-image",
        }
    }
}

/// Role and media type of a file of a machine.
fn machine_role(role: MachineRole) -> (&'static str, &'static str) {
    (role.name(), "application/octet-stream")
}

/// Role and media type of the reference values.
const REFERENCE_ROLE: (&str, &str) = ("reference-values", "application/json");

/// Role and media type of a file of the image, as the manifest has them.
fn role(role: Role) -> (&'static str, &'static str) {
    let media_type = match role {
        Role::Disk => "application/vnd.efi.img",
        Role::Uki => "application/vnd.microsoft.portable-executable",
        Role::Kernel => "application/octet-stream",
        Role::Initrd => "application/zstd",
        Role::CommandLine | Role::RootHash => "text/plain",
    };
    (role.name(), media_type)
}

fn artifact(
    staging: &Staging,
    name: &str,
    (role, media_type): (&str, &str),
) -> Result<Artifact, ManifestError> {
    let path = staging.path(name);
    let file = files::open(&path)?;
    let (sha256, size) = Sha256::of_reader(file).map_err(cannot("read", &path))?;
    let (role, media_type) = (role.to_owned(), media_type.to_owned());
    Ok(Artifact { name: name.to_owned(), role, media_type, size, sha256 })
}

/// The form in which documents are written, and in which alone they verify. One that is too long to
/// be read again is not written.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>, ManifestError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(ManifestError::Unserialisable)?;
    text.push(b'\n');
    if text.len() as u64 > VALUES_MAX {
        return Err(ManifestError::TooLong { found: text.len() });
    }
    Ok(text)
}
