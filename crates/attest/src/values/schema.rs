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

/// The version of the reference values' schema that is read and written; another one is an error.
pub const SCHEMA: u32 = 3;

/// The name of the launch digest where registers are named, as among conditions.
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
    /// Version of the profile that the values were computed with.
    pub profile_version: u32,
    /// What measures the machine.
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
    /// Name of the firmware's file beside the image.
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

#[cfg(test)]
mod tests {
    use cvmkit_measure::claim::{ConditionCode, EvidenceCode, ReasonCode};
    use serde_json::{Value, json};

    use super::*;

    /// The fixture of `crates/attest/tests`, written by hand.
    const WRITTEN: &str = include_str!("../../tests/fixtures/export/reference-values.json");

    fn profile(name: &str) -> Profile {
        Profile::built_in(name).unwrap()
    }

    /// A value is that of its profile, and what was not computed is not in it.
    #[test]
    fn a_new_value_takes_over_what_the_profile_says() {
        let own = Profile {
            version: 7,
            firmware: Some("OVMF.fd".into()),
            variables: Some("VARS.fd".into()),
            pinned: Some("log".into()),
            disk: Some(DiskAccess::ReadOnly),
            ..profile("qemu-vtpm")
        };
        let value = serde_json::to_value(ReferenceValue::of(&own)).unwrap();
        assert_eq!(
            value,
            json!({
                "profile": "qemu-vtpm", "profile-version": 7, "platform": "tpm", "vmm": "qemu",
                "vmm-version": "10.0", "boot": "uki-disk", "firmware": "OVMF.fd",
                "variables": "VARS.fd", "pinned": "log", "firmware-behaviour": "ovmf-2025.02",
                "disk": "read-only", "disk-bus": "virtio-blk", "firmware-by": "pflash",
            })
        );
        let layout = Some("edk2-stable202411".to_owned());
        let td =
            ReferenceValue::of(&Profile { firmware_layout: layout.clone(), ..profile("gce-tdx") });
        assert_eq!((td.firmware_layout, td.vcpus, td.memory), (layout, None, None));
        assert!(!td.compared_with.is_empty());
    }

    #[test]
    fn a_machine_is_named_by_what_tells_it_from_others() {
        let vtpm = ReferenceValue::of(&profile("qemu-vtpm"));
        let snp = ReferenceValue {
            vcpus: Some(2),
            vcpu_type: Some("EPYC-v4".into()),
            guest_features: Some(Features(0x21)),
            firmware: Some("OVMF.fd".into()),
            ..ReferenceValue::of(&profile("qemu-snp"))
        };
        let td = ReferenceValue {
            vcpus: Some(1),
            memory: Some(Memory(2816 << 20)),
            ..ReferenceValue::of(&profile("gce-tdx"))
        };
        let firmware = Some("OVMF.fd".to_owned());
        for (value, expected) in [
            (vtpm.clone(), "qemu-vtpm (qemu 10.0, uki-disk boot, firmware as ovmf-2025.02)"),
            // A file says how it measures.
            (
                ReferenceValue { firmware: firmware.clone(), ..vtpm.clone() },
                "qemu-vtpm (qemu 10.0, uki-disk boot, OVMF.fd)",
            ),
            (
                ReferenceValue {
                    disk: Some(DiskAccess::ReadOnly),
                    firmware_behaviour: None,
                    variables: Some("VARS.fd".into()),
                    pinned: Some("log".into()),
                    ..vtpm
                },
                "qemu-vtpm (qemu 10.0, uki-disk boot, read-only disk, variables VARS.fd, pinned by log)",
            ),
            (snp, "qemu-snp (qemu, direct boot, 2 vCPUs EPYC-v4, features 0x21, OVMF.fd)"),
            (
                td.clone(),
                "gce-tdx (gce, uki-disk boot, 1 vCPU, 2816M, firmware as edk2-stable202411)",
            ),
            (
                ReferenceValue { firmware, ..td },
                "gce-tdx (gce, uki-disk boot, 1 vCPU, 2816M, OVMF.fd)",
            ),
        ] {
            assert_eq!(value.to_string(), expected);
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        let values: ReferenceValues = serde_json::from_str(WRITTEN).unwrap();
        let written: Value = serde_json::from_str(WRITTEN).unwrap();
        assert_eq!(serde_json::to_value(&values).unwrap(), written);
        let mut value = ReferenceValue::of(&profile("qemu-tdx-direct"));
        let name = || "rtmr0".to_owned();
        value.conditions = [(name(), vec![ConditionCode::NoOptionRom.into()])].into();
        value.not_predicted = [(name(), ReasonCode::AcpiTables.into())].into();
        value.compared_with = vec![Evidence::with(EvidenceCode::Boot, [])];
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<ReferenceValue>(&json).unwrap(), value);
    }

    /// Reading is strict: a key that is not known may be a limit that is not kept.
    #[test]
    fn unknown_and_missing_keys_are_refused() {
        let whole: Value = serde_json::from_str(WRITTEN).unwrap();
        let mut values = whole["values"].as_array().unwrap().iter();
        let at = values.position(|value| value["secure-execution"].is_object()).unwrap();
        for pointer in ["", "/values/0", &format!("/values/{at}/secure-execution")] {
            let mut more = whole.clone();
            more.pointer_mut(pointer).unwrap()["more"] = json!(1);
            let error = serde_json::from_value::<ReferenceValues>(more).unwrap_err().to_string();
            assert!(error.contains("unknown field `more`"), "{pointer}: {error}");
        }
        for (pointer, key) in [
            ("", "debug"),
            ("", "profiles"),
            ("/values/0", "profile"),
            ("/values/0", "platform"),
            ("/values/0", "boot"),
        ] {
            let mut less = whole.clone();
            less.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            let error = serde_json::from_value::<ReferenceValues>(less).unwrap_err().to_string();
            assert!(error.contains(&format!("missing field `{key}`")), "{pointer}: {error}");
        }
    }

    /// Every key that is written is one of the schema that `cvmkit schema` prints.
    #[test]
    fn the_schema_has_every_key_that_is_written() {
        let schema = schemars::schema_for!(ReferenceValues).to_value();
        let known = |of: &Value, keys: &Value| {
            let keys = keys.as_object().unwrap().keys();
            let unknown: Vec<_> = keys.filter(|key| of["properties"][*key].is_null()).collect();
            assert!(unknown.is_empty(), "{unknown:?}");
            assert_eq!(of["additionalProperties"], json!(false));
        };
        let whole: Value = serde_json::from_str(WRITTEN).unwrap();
        known(&schema, &whole);
        for value in whole["values"].as_array().unwrap() {
            known(&schema["$defs"]["ReferenceValue"], value);
        }
        assert_eq!(
            schema["$defs"]["ReferenceValue"]["properties"]["not-predicted"]["additionalProperties"]
                ["$ref"],
            "#/$defs/Reason"
        );
    }
}
