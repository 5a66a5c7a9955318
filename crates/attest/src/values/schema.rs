//! What `reference-values.json` holds.

use std::collections::BTreeMap;
use std::fmt;

use cvmkit_measure::claim::{Condition, Evidence, Reason};
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claims::{ConditionSchema, EvidenceSchema, ReasonSchema};
use super::{evidence, order};
use crate::machine_name::MachineName;
use crate::profile::{Boot, DiskAccess, Features, Memory, Profile, Technology, Vmm, word};

/// Version of the schema of the reference values.
pub const SCHEMA: u32 = 3;

/// What the launch digest is called among the registers.
pub(crate) const LAUNCH_DIGEST: &str = "launch-digest";

/// What to expect of every machine that the definition asks for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReferenceValues {
    /// Version of this schema.
    pub schema: u32,
    /// True for an image that may have shells and logins: never to be trusted in production.
    pub debug: bool,
    /// What the values take for granted of the machines.
    pub profiles: Vec<Profile>,
    /// One for each profile, vCPU type, number of vCPUs and size of memory.
    pub values: Vec<ReferenceValue>,
}

/// What to expect of one machine.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReferenceValue {
    /// Name of the profile.
    pub profile: String,
    /// Its version.
    pub profile_version: u32,
    /// What measures.
    pub platform: Technology,
    /// Who starts the machine.
    pub vmm: Vmm,
    /// Version of the VMM, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmm_version: Option<String>,
    /// How the image boots.
    pub boot: Boot,
    /// Number of virtual CPUs, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// CPU model of the virtual CPUs, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu_type: Option<String>,
    /// SEV features of the VMSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_features: Option<Features>,
    /// Memory, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The firmware's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// The file of the firmware's variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
    /// The event log that PCR 0 and 1 are pinned by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// How the firmware of a machine with a TPM measures, where its file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_behaviour: Option<String>,
    /// How the firmware of a TD measures, where its file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_layout: Option<String>,
    /// Whether the machine can write to its disk, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskAccess>,
    /// The bus of that disk, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub disk_bus: Option<DiskBus>,
    /// How QEMU gives the machine its firmware, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub firmware_by: Option<FirmwareBy>,
    /// SNP launch digest, 96 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_digest: Option<String>,
    /// Values of registers (`mrtd`, `rtmr0`, `pcr4`) in hex, by bank (`sha256`, `sha384`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "order::banks")]
    pub registers: BTreeMap<String, BTreeMap<String, String>>,
    /// What a verifier compares of a Secure Execution image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_execution: Option<SecureExecutionValue>,
    /// What the values of registers, and `launch-digest`, rest on, as codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "order::map")]
    #[schemars(with = "BTreeMap<String, Vec<ConditionSchema>>")]
    pub conditions: BTreeMap<String, Vec<Condition>>,
    /// What the rules of the values were compared with, as codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<EvidenceSchema>")]
    pub compared_with: Vec<Evidence>,
    /// Why a register has no value, as a code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "order::map")]
    #[schemars(with = "BTreeMap<String, ReasonSchema>")]
    pub not_predicted: BTreeMap<String, Reason>,
}

/// The header of a Secure Execution image: digests in hex.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecureExecutionValue {
    /// The tag of the header, which the attestation names.
    pub tag: String,
    /// PLD, of the encrypted pages.
    pub page_digest: String,
    /// ALD, of their addresses.
    pub address_digest: String,
    /// TLD, of their tweaks.
    pub tweak_digest: String,
    /// The hashes of the public host keys that can start the image.
    pub host_keys: Vec<String>,
}

/// The machine in words, with all that tells it from the other ones.
impl fmt::Display for ReferenceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.firmware_behaviour.as_ref().or(self.firmware_layout.as_ref());
        let name = MachineName::of(&self.profile)
            .vmm(self.vmm, self.vmm_version.as_ref())
            .boot(word(&self.boot))
            .vcpus(self.vcpus, self.vcpu_type.as_ref())
            .memory(self.memory.map(|memory| memory.0))
            .features(self.guest_features.as_ref())
            .with_any((self.disk == Some(DiskAccess::ReadOnly)).then_some("read-only disk"))
            .firmware(self.firmware.as_ref(), named.filter(|_| self.firmware.is_none()))
            .with_any(self.variables.as_ref().map(|name| format!("variables {name}")))
            .with_any(self.pinned.as_ref().map(|name| format!("pinned by {name}")));
        name.fmt(f)
    }
}

impl ReferenceValue {
    /// A value of a profile, without any digest yet.
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            profile: profile.name.clone(),
            profile_version: profile.version,
            platform: profile.technology,
            vmm: profile.vmm,
            vmm_version: profile.vmm_version.clone(),
            boot: profile.boot,
            vcpus: None,
            vcpu_type: None,
            guest_features: None,
            memory: None,
            firmware: profile.firmware.clone(),
            variables: profile.variables.clone(),
            pinned: profile.pinned.clone(),
            firmware_behaviour: profile.firmware_behaviour.clone(),
            firmware_layout: profile.firmware_layout.clone(),
            disk: profile.disk,
            disk_bus: profile.disk_bus,
            firmware_by: profile.firmware_by,
            launch_digest: None,
            registers: BTreeMap::new(),
            secure_execution: None,
            conditions: BTreeMap::new(),
            compared_with: evidence::of(profile),
            not_predicted: BTreeMap::new(),
        }
    }
}
