//! Reference values (RFC 9334, section 8.3): what hardware will measure, computed from the files of
//! the image as they were written.

use std::path::Path;

use cvmkit_measure::firmware::{self, Firmware};
use cvmkit_measure::kernel_hashes::{CmdlineNulError, KernelHashes};
use cvmkit_measure::snp::{self, Guest, GuestFeatures, Vmm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::build::FirmwareFile;
use crate::definition::{Definition, SnpPlatform};
use crate::digest::Sha256;
use crate::fault::{Diagnosis, Fault};
use crate::files::{self, FileError, Staging};
use crate::image::{Image, Role};

/// Version of the schema of the reference values.
const SCHEMA: u32 = 1;

/// What to expect of every platform that the definition names.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReferenceValues {
    /// Version of this schema.
    pub schema: u32,
    /// One for each platform, vCPU type and number of vCPUs.
    pub values: Vec<ReferenceValue>,
}

/// What to expect of one machine.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReferenceValue {
    /// Technology: `sev-snp`.
    pub platform: String,
    /// Virtual machine monitor: `qemu`.
    pub vmm: String,
    /// How the image is started: `direct`, kernel hashes on.
    pub boot: String,
    /// Number of virtual CPUs.
    pub vcpus: u32,
    /// CPU model of the virtual CPUs.
    pub vcpu_type: String,
    /// SEV features of the VMSA.
    pub guest_features: String,
    /// The firmware's file.
    pub firmware: String,
    /// SNP launch digest, 96 hex digits.
    pub launch_digest: String,
}

/// Why reference values can't be computed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A file of the image.
    #[error(transparent)]
    File(#[from] FileError),
    /// The firmware is none that could be measured.
    #[error("the firmware `{firmware}` can't be measured")]
    Firmware {
        /// Its file.
        firmware: String,
        /// Why.
        source: Box<firmware::Error>,
    },
    /// The launch can't be computed.
    #[error("the SEV-SNP launch with firmware `{firmware}` can't be computed")]
    Snp {
        /// Its file.
        firmware: String,
        /// Why.
        source: Box<snp::Error>,
    },
    /// The command line is none.
    #[error("the command line can't be measured")]
    CommandLine(#[from] CmdlineNulError),
    /// A vCPU type that is not known.
    #[error("`{name}` is no vCPU type\n    known: {known}")]
    VcpuType {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The image has no such file.
    #[error("the image has no {role}")]
    NoFile {
        /// What is missing.
        role: &'static str,
    },
}

impl Diagnosis for ReferenceError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::NoFile { .. } => Fault::Bug,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Firmware { .. } | Self::Snp { .. } => {
                Some("use a firmware built for SEV-SNP with kernel hashes, such as `OVMF.amdsev.fd` of package `ovmf-amdsev`".into())
            }
            _ => None,
        }
    }
}

/// The files that decide a launch.
pub(crate) struct Measured<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) initrd: &'a Path,
    pub(crate) command_line: &'a Path,
}

/// The reference values of a definition's platforms.
pub(crate) fn values(
    definition: &Definition,
    image: &Image,
    firmware: Option<&FirmwareFile>,
    staging: &Staging,
) -> Result<ReferenceValues, ReferenceError> {
    let path = |role: Role, what| {
        let file = image.files.iter().find(|file| file.role == role);
        file.map(|file| staging.path(&file.name)).ok_or(ReferenceError::NoFile { role: what })
    };
    let mut all = ReferenceValues { schema: SCHEMA, values: Vec::new() };
    let Some(firmware) = firmware else { return Ok(all) };
    let hashes = kernel_hashes(&Measured {
        kernel: &path(Role::Kernel, "kernel")?,
        initrd: &path(Role::Initrd, "initrd")?,
        command_line: &path(Role::CommandLine, "command line")?,
    })?;
    let bytes = files::read(&staging.path(&firmware.name))?;
    for platform in &definition.platforms {
        all.values.extend(snp_values(platform, &firmware.name, &bytes, hashes)?);
    }
    Ok(all)
}

/// The hashes that the firmware checks, of files.
pub(crate) fn kernel_hashes(measured: &Measured<'_>) -> Result<KernelHashes, ReferenceError> {
    let digest = |path: &Path| -> Result<_, ReferenceError> {
        let (Sha256(digest), _) =
            Sha256::of_reader(files::open(path)?).map_err(files::cannot("read", path))?;
        Ok(cvmkit_measure::digest::Sha256(digest))
    };
    let initrd = digest(measured.initrd)?;
    let command_line = files::read(measured.command_line)?;
    Ok(KernelHashes::from_digests(digest(measured.kernel)?, Some(initrd), &command_line)?)
}

/// The launch digests of one platform.
pub(crate) fn snp_values(
    platform: &SnpPlatform,
    name: &str,
    firmware: &[u8],
    hashes: KernelHashes,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let parsed = Firmware::parse(firmware).map_err(|source| ReferenceError::Firmware {
        firmware: name.to_owned(),
        source: Box::new(source),
    })?;
    let mut values = Vec::new();
    for vcpu_type in &platform.vcpu_types {
        let vcpu = snp::VCPU_TYPES.iter().find(|known| known.name == vcpu_type);
        let vcpu = vcpu.ok_or_else(|| ReferenceError::VcpuType {
            name: vcpu_type.clone(),
            known: snp::VCPU_TYPES.map(|known| known.name).join(", "),
        })?;
        let guest = Guest {
            features: GuestFeatures(platform.guest_features),
            kernel: Some(hashes),
            ..Guest::new(Vmm::Qemu { vcpu: vcpu.signature() })
        };
        let digests = snp::digests(&parsed, &guest, &platform.vcpus).map_err(|source| {
            ReferenceError::Snp { firmware: name.to_owned(), source: Box::new(source) }
        })?;
        values.extend(digests.into_iter().map(|(vcpus, digest)| ReferenceValue {
            platform: "sev-snp".into(),
            vmm: "qemu".into(),
            boot: "direct".into(),
            vcpus,
            vcpu_type: vcpu_type.clone(),
            guest_features: format!("{:#x}", platform.guest_features),
            firmware: name.to_owned(),
            launch_digest: digest.to_string(),
        }));
    }
    Ok(values)
}
