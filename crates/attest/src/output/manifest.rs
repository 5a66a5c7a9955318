//! `manifest.json`: what an image is, and what it was made from.

use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError};
use cvmkit_host::timestamp::Timestamp;
use cvmkit_host::versioned::{self, Versioned, VersionedError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::name::{DESCRIPTION_MAX, is_file_name};
use super::notice::Notice;
use super::role::Role;

/// Name of the file that holds the manifest, in every output folder.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The version of the manifest's schema that is read and written; another one is an error.
pub const SCHEMA: u32 = 3;

/// What an image is and what it was made from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of this schema.
    pub schema: u32,
    /// Version of cvmkit that made the image.
    pub cvmkit: String,
    /// What the image is: name, version, command line and seed.
    pub image: ImageRecord,
    /// What decided it: digests of the definition, the lock and each part.
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
    /// The `id` of the definition.
    pub id: String,
    /// The `version` of the definition.
    pub version: String,
    /// Name of the variant, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// True for an image that may have shells and logins: never to be trusted in production.
    pub debug: bool,
    /// The architecture of the machine, `x86-64`.
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
    /// Path of the .deb with the stub relative to the definition, where it is a local file that no archive's
    /// key vouches for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_stub: Option<String>,
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
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: Sha256,
    /// Path of the .deb with the file relative to the definition, where it is a local file that no archive's
    /// key vouches for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
}

/// The root file system.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RootRecord {
    /// The format of the root file system, `squashfs`.
    pub format: String,
    /// The dm-verity root hash, in hex: what the kernel command line has as `roothash=`.
    pub root_hash: String,
    /// dm-verity salt in hex.
    pub salt: String,
    /// UUID in the dm-verity superblock.
    pub uuid: String,
    /// The hash function of dm-verity, `sha256`.
    pub algorithm: String,
    /// Bytes in a dm-verity data block.
    pub data_block_size: u32,
    /// Bytes in a dm-verity hash block.
    pub hash_block_size: u32,
    /// What whoever verifies the image has to know about its contents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// A partition of the disk, as its GPT has it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PartitionRecord {
    /// The label in the partition table.
    pub name: String,
    /// The GUID of what it is for (Discoverable Partitions Specification).
    #[serde(rename = "type")]
    pub type_guid: String,
    /// The GUID of this partition alone.
    pub uuid: String,
    /// First byte on the disk.
    pub offset: u64,
    /// Length in bytes, a multiple of 512.
    pub size: u64,
}

/// A file of the output folder.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Artifact {
    /// Its name in the folder.
    pub name: String,
    /// What it is: `disk`, `uki`, `kernel`, `initrd`, `command-line`, `root-hash`, `firmware`,
    /// `firmware-variables`, `event-log`, `secure-execution-image`, `reference-values`. Another role
    /// is one that this version does not know.
    pub role: String,
    /// Its media type, such as `application/vnd.efi.img`.
    pub media_type: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: Sha256,
}

/// A package of the root file system.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageRecord {
    /// The field `Package` of deb-control(5).
    pub name: String,
    /// The field `Version`, with its epoch and revision.
    pub version: String,
    /// The field `Architecture`, in Debian's spelling: `amd64`, `all`.
    pub architecture: String,
    /// Digest of the .deb.
    pub sha256: Sha256,
    /// Path of the .deb relative to the definition, where it is a local file that no archive's key
    /// vouches for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
}

/// Why the manifest of a folder can't be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A manifest that can't be read, is not a regular file, or has more than
    /// [`DESCRIPTION_MAX`] bytes.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not JSON of this schema, or another version of it.
    #[error(transparent)]
    Versioned(#[from] VersionedError),
    /// An artifact whose name leads out of the folder ([`is_file_name`]).
    #[error("`{path}` names `{name}`, expected names of files beside it")]
    FileName {
        /// Path of the manifest.
        path: String,
        /// The name of the artifact.
        name: String,
    },
    /// A path without a manifest: another folder, a file, or nothing.
    #[error("`{folder}` holds no image: there is no {MANIFEST_FILE}")]
    NoImage {
        /// The path that was named.
        folder: String,
    },
}

impl Diagnosis for ManifestError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Versioned(_) | Self::FileName { .. } | Self::NoImage { .. } => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::NoImage { .. } => Some("name the folder of an image that cvmkit built".into()),
            Self::Versioned(error) => error.hint(),
            _ => None,
        }
    }
}

impl Manifest {
    /// Reads the manifest of an output folder.
    ///
    /// # Errors
    /// Any of [`ManifestError`].
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = files::read_at_most(&path, DESCRIPTION_MAX).map_err(|error| {
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

    /// The name of the first file of this role; none if the image has none.
    #[must_use]
    pub fn file(&self, role: Role) -> Option<&str> {
        self.files(role).next()
    }

    /// The names of all files of this role, in the order of the manifest.
    pub fn files(&self, role: Role) -> impl Iterator<Item = &str> {
        let of_role = self.artifacts.iter().filter(move |file| file.role == role.name());
        of_role.map(|file| file.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest() -> Value {
        crate::tests::manifest(&[
            ("a.raw", "disk"),
            ("one.fd", "firmware"),
            ("two.fd", "firmware"),
            ("a.new", "of-a-later-version"),
        ])
    }

    fn read(value: &Value) -> Result<Manifest, ManifestError> {
        let folder = tempfile::tempdir().unwrap();
        files::replace(&folder.path().join(MANIFEST_FILE), value.to_string().as_bytes()).unwrap();
        Manifest::read(folder.path())
    }

    #[test]
    fn files_are_found_by_their_role() {
        let manifest = read(&manifest()).unwrap();
        assert_eq!(manifest.file(Role::Disk), Some("a.raw"));
        assert_eq!(manifest.files(Role::Firmware).collect::<Vec<_>>(), ["one.fd", "two.fd"]);
        assert_eq!(manifest.file(Role::Uki), None);
        // What is not there is not written.
        let written = serde_json::to_value(&manifest).unwrap();
        assert_eq!(written, self::manifest());
    }

    /// Another version is said to be one before a key of it is called unknown.
    #[test]
    fn the_version_is_read_first_and_the_rest_strictly() {
        let changed = |pointer: &str, key: &str, value: Value| {
            let mut all = manifest();
            all.pointer_mut(pointer).unwrap()[key] = value;
            let error = read(&all).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", source.unwrap_or_default())
        };
        let mut later = manifest();
        later["schema"] = (SCHEMA + 1).into();
        later["new-key"] = 1.into();
        let later = read(&later).unwrap_err();
        assert!(later.to_string().contains("manifest schema 4, expected 3"), "{later}");
        assert!(later.hint().unwrap().contains("a newer cvmkit wrote it"), "{later}");
        for (pointer, key, value, words) in [
            ("", "new-key", json!(1), "new-key"),
            ("/image", "extra", json!(1), "extra"),
            ("/inputs/parts", "extra", json!(1), "extra"),
            ("/artifacts/0", "extra", json!(1), "extra"),
            ("/artifacts/0", "sha256", json!("00"), "64 lower-case hex digits"),
            ("/image", "debug", json!("no"), "debug"),
            ("", "schema", json!("3"), "expected the number 3"),
        ] {
            let said = changed(pointer, key, value);
            assert!(said.contains(words), "{pointer}/{key}: {said}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["../a.raw", "/etc/passwd", "a/b", "..", ""] {
            let mut all = manifest();
            all["artifacts"][1]["name"] = name.into();
            let error = read(&all).unwrap_err();
            assert!(matches!(error, ManifestError::FileName { .. }), "{name:?}: {error}");
        }
    }

    #[test]
    fn a_folder_without_an_image_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = Manifest::read(&path).unwrap_err();
            assert!(matches!(error, ManifestError::NoImage { .. }), "{error}");
            assert_eq!(error.fault(), Fault::Definition);
        }
        let file = folder.path().join("file");
        files::replace(&file, b"x").unwrap();
        assert!(matches!(Manifest::read(&file), Err(ManifestError::NoImage { .. })));
    }

    /// A manifest with every key that may be left out.
    #[test]
    fn every_record_is_written_as_it_was_read() {
        let (one, zero) = (Sha256::of(b"1").to_string(), Sha256::ZERO.to_string());
        let mut all = manifest();
        all["image"]["variant"] = "debug".into();
        all["image"]["debug"] = true.into();
        all["firmware"] = "one.fd".into();
        all["inputs"]["uki-stub"] = one.clone().into();
        all["inputs"]["machine-files"] =
            json!([{ "name": "one.fd", "origin": "ovmf 2025.02-8 OVMF.fd", "sha256": one }]);
        all["root"]["notices"] =
            json!([{ "code": "network-login", "unit": "ssh.service", "program": "sshd" }]);
        all["partitions"] =
            json!([{ "name": "esp", "type": "t", "uuid": "u", "offset": 1_048_576, "size": 512 }]);
        all["packages"] =
            json!([{ "name": "a", "version": "1", "architecture": "all", "sha256": zero }]);
        let manifest = read(&all).unwrap();
        assert_eq!(manifest.image.variant.as_deref(), Some("debug"));
        assert_eq!(manifest.inputs.machine_files[0].sha256, Sha256::of(b"1"));
        assert_eq!((manifest.partitions[0].offset, manifest.partitions[0].size), (1 << 20, 512));
        assert_eq!(manifest.root.notices.len(), 1);
        assert_eq!(serde_json::to_value(&manifest).unwrap(), all);
        assert_eq!(serde_json::from_value::<Manifest>(all).unwrap(), manifest);
    }

    /// What leads elsewhere is the name of a file that is opened, whatever its place in the list.
    #[test]
    fn the_name_that_leads_elsewhere_is_said() {
        let mut all = manifest();
        all["artifacts"][3]["name"] = "../../etc/passwd".into();
        let error = read(&all).unwrap_err();
        let ManifestError::FileName { path, name } = &error else { panic!("{error}") };
        assert!(path.ends_with("/manifest.json") && name == "../../etc/passwd", "{error}");
        assert_eq!((error.fault(), error.hint()), (Fault::Definition, None));
    }

    #[test]
    fn a_manifest_of_the_greatest_length_is_read() {
        let folder = crate::tests::Folder::new();
        let mut bytes = manifest().to_string().into_bytes();
        bytes.resize(usize::try_from(DESCRIPTION_MAX).unwrap(), b' ');
        folder.put(MANIFEST_FILE, &bytes);
        Manifest::read(folder.root()).unwrap();
        bytes.push(b' ');
        folder.put(MANIFEST_FILE, &bytes);
        let error = Manifest::read(folder.root()).unwrap_err();
        assert!(matches!(&error, ManifestError::File(file) if file.is_unsuitable()), "{error}");
        assert_eq!(error.fault(), Fault::Definition);
        // A folder of that name is no manifest.
        let folder = crate::tests::Folder::new();
        files::make_folder(&folder.path(MANIFEST_FILE)).unwrap();
        let error = Manifest::read(folder.root()).unwrap_err();
        assert!(matches!(&error, ManifestError::File(file) if file.is_unsuitable()), "{error}");
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let file = |kind: std::io::ErrorKind| FileError {
            action: "open",
            path: "folder/manifest.json".into(),
            source: kind.into(),
        };
        let denied = ManifestError::from(file(std::io::ErrorKind::PermissionDenied));
        assert_eq!(denied.fault(), Fault::Environment);
        assert_eq!(denied.hint().unwrap(), "see who may write to `folder`");
        let missing = ManifestError::NoImage { folder: "out".into() };
        assert_eq!(missing.hint().unwrap(), "name the folder of an image that cvmkit built");
        let mut older = manifest();
        older["schema"] = (SCHEMA - 1).into();
        let older = read(&older).unwrap_err();
        assert_eq!(older.fault(), Fault::Definition);
        assert_eq!(older.hint().unwrap(), "an older cvmkit wrote it: build the image again");
    }
}
