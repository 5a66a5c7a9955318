//! What `reference-values.json` holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::{Boot, Features, Memory, Profile, Technology, Vmm};

/// Version of the schema of the reference values.
pub const SCHEMA: u32 = 2;

/// What the launch digest is called among the registers.
pub(crate) const LAUNCH_DIGEST: &str = "launch-digest";

/// What to expect of every machine that the definition asks for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReferenceValues {
    /// Version of this schema.
    pub schema: u32,
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
    /// SNP launch digest, 96 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_digest: Option<String>,
    /// Values of registers (`mrtd`, `rtmr0`, `pcr4`) in hex, by bank (`sha256`, `sha384`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registers: BTreeMap<String, BTreeMap<String, String>>,
    /// What a verifier compares of a Secure Execution image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_execution: Option<SecureExecutionValue>,
    /// What the values of registers, and `launch-digest`, take for granted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reservations: BTreeMap<String, String>,
    /// Why a register has no value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_predicted: BTreeMap<String, String>,
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

impl ReferenceValue {
    /// The machine in words: `qemu-snp, 2 vCPUs, EPYC-v4, guest features 0x1`.
    #[must_use]
    pub fn machine(&self) -> String {
        let mut words = vec![self.profile.clone()];
        words.extend(self.vcpus.map(|count| match count {
            1 => "1 vCPU".to_owned(),
            count => format!("{count} vCPUs"),
        }));
        words.extend(self.vcpu_type.clone());
        words.extend(self.guest_features.map(|features| format!("guest features {features}")));
        words.extend(self.memory.map(|memory| memory.to_string()));
        words.join(", ")
    }

    /// A value of a profile, without any digest yet.
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            profile: profile.name.clone(),
            profile_version: profile.version,
            platform: profile.technology,
            vmm: profile.vmm,
            boot: profile.boot,
            vcpus: None,
            vcpu_type: None,
            guest_features: None,
            memory: None,
            firmware: profile.firmware.clone(),
            launch_digest: None,
            registers: BTreeMap::new(),
            secure_execution: None,
            reservations: BTreeMap::new(),
            not_predicted: BTreeMap::new(),
        }
    }
}
