//! Writes what describes an image: `manifest.json`, `reference-values.json` and `SHA256SUMS`, which
//! covers them all.

mod error;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::path::Path;

use cvmkit_attest::output::{
    self, Artifact, DESCRIPTION_MAX, ImageRecord, InputsRecord, MANIFEST_FILE, MachineFileRecord,
    Manifest, Notice, PackageRecord, PartitionRecord, PartsRecord, REFERENCE_FILE, Role,
    RootRecord, SUMS_FILE, Sums,
};
use cvmkit_attest::values::ReferenceValues;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::gpt::Guid;
use cvmkit_host::files::{self, FileSource, Staging, cannot};
use cvmkit_host::timestamp::Timestamp;
use rayon::prelude::*;
use serde::Serialize;

pub use error::DescribeError;

use crate::definition::Definition;
use crate::image::{self, Image, RootFormat};
use crate::lock::{LockFile, root_role};

/// A file of a machine that an image is measured for.
#[derive(Debug)]
pub struct MachineFile {
    /// Its name beside the image.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// What it holds, as it is written and digested.
    pub bytes: Vec<u8>,
    /// Where it came from: `ovmf-amdsev 2026.08-1: /usr/share/...`, or a local file.
    pub origin: String,
    /// Path of the .deb that has it, where that is a local file.
    pub local: Option<String>,
}

/// What is to be described.
pub(crate) struct Description<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) lock: &'a LockFile,
    pub(crate) image: &'a Image,
    pub(crate) parts: PartsRecord,
    pub(crate) machine_files: &'a [MachineFile],
    /// Where the local package is that has the stub.
    pub(crate) local_stub: Option<String>,
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
) -> Result<Described, DescribeError> {
    image::stage(staging, REFERENCE_FILE, &json(values)?)?;
    let mut listed = Vec::new();
    listed.extend(description.image.files.iter().map(|file| (file.name.as_str(), file.role)));
    let machine_files = description.machine_files.iter();
    listed.extend(machine_files.map(|file| (file.name.as_str(), file.role)));
    listed.push((REFERENCE_FILE, Role::ReferenceValues));
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
) -> Result<Manifest, DescribeError> {
    let definition = description.definition;
    let lock = &description.lock.lock;
    let verity = &definition.verity;
    let is_firmware = |file: &&MachineFile| file.role == Role::Firmware;
    let firmware = description.machine_files.iter().find(is_firmware);
    let role = root_role(definition.variant.as_deref());
    let packages = lock.packages_of(&role).map(|package| PackageRecord {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256,
        local: package.is_local().then(|| package.path.clone()),
    });
    Ok(Manifest {
        schema: output::SCHEMA,
        cvmkit: description.version.to_owned(),
        image: ImageRecord {
            id: definition.id.clone(),
            version: definition.version.clone(),
            variant: definition.variant.clone(),
            debug: definition.debug,
            architecture: definition.architecture.name().into(),
            command_line: description.image.command_line.clone(),
            seed: definition.seed.to_string(),
            timestamp: description.timestamp,
        },
        inputs: InputsRecord {
            definition: description.definition_digest,
            lock: description.lock_digest,
            stage1: description.stage1,
            uki_stub,
            local_stub: description.local_stub.clone(),
            parts: description.parts.clone(),
            machine_files: description.machine_files.iter().map(machine_file).collect(),
        },
        firmware: firmware.map(|firmware| firmware.name.clone()),
        root: RootRecord {
            format: RootFormat::of(&definition.root).name().into(),
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

fn machine_file(file: &MachineFile) -> MachineFileRecord {
    MachineFileRecord {
        name: file.name.clone(),
        origin: file.origin.clone(),
        local: file.local.clone(),
        sha256: Sha256::of(&file.bytes),
    }
}

/// The digest of the stub in a staged UKI.
fn stub_of(path: &Path) -> Result<Sha256, DescribeError> {
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

fn artifact(staging: &Staging, name: &str, role: Role) -> Result<Artifact, DescribeError> {
    let path = staging.path(name);
    let file = files::open(&path)?;
    let (sha256, size) = Sha256::of_reader(file).map_err(cannot("read", &path))?;
    let (role, media_type) = (role.name().to_owned(), role.media_type().to_owned());
    Ok(Artifact { name: name.to_owned(), role, media_type, size, sha256 })
}

/// The form in which documents are written, and in which alone they verify. One that is too long to
/// be read again is not written.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>, DescribeError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(DescribeError::Unserialisable)?;
    text.push(b'\n');
    if text.len() as u64 > DESCRIPTION_MAX {
        return Err(DescribeError::TooLong { found: text.len() });
    }
    Ok(text)
}
