//! Platform profiles: named, versioned files that say what a measurement takes for granted of a
//! machine: who starts it, how it boots, with how many vCPUs, how much memory and which devices.
//!
//! Those in [`BUILT_IN`] are part of the program (`crates/attest/profiles`). A definition names one
//! for each of its `platforms`, or a file of the same form beside it, and may change values. What
//! came of that is in `reference-values.json`, so that the values can be computed again from the
//! files of an image alone.
//!
//! A profile is data: [`Profile::parse`] refuses what does not fit together, so that nothing is
//! computed of a machine there is not.

mod built_in;
mod error;
mod requirement;
mod text;

use std::collections::BTreeSet;
use std::fmt;

use cvmkit_measure::claim::ConditionCode;
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::snp::VcpuType;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy, Medium};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use built_in::BUILT_IN;
pub use error::ProfileError;
pub use requirement::Requirement;
pub use text::{Features, Memory, Recorded};

use cvmkit_host::document::{self, Misfit};
use cvmkit_measure::firmware::behaviour::{FirmwareBuild, SecureBootBuild};

use crate::output::is_file_name;

/// Most machines of a profile.
const MACHINES_MAX: usize = 4096;

/// Most vCPUs of a machine.
const VCPUS_MAX: u32 = 512;

/// What measures a machine, and what its measurements are.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "kebab-case")]
pub enum Technology {
    /// AMD SEV-SNP: a launch digest.
    SevSnp,
    /// Intel TDX: MRTD and RTMRs.
    Tdx,
    /// A virtual TPM: PCRs.
    Tpm,
    /// IBM Secure Execution: the tag of an encrypted header.
    Se,
}

/// Who starts the machine: a program, or a cloud.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "kebab-case")]
pub enum Vmm {
    /// QEMU.
    Qemu,
    /// Amazon EC2.
    Ec2,
    /// Google Compute Engine.
    Gce,
    /// Azure.
    Azure,
}

impl fmt::Display for Vmm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&word(self))
    }
}

/// How the machine comes to its kernel.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// The VMM hands over kernel, initrd and command line.
    Direct,
    /// The firmware starts the unified kernel image on the disk.
    UkiDisk,
}

/// Whether a machine can write to its disk.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum DiskAccess {
    /// It can.
    Writable,
    /// It can't.
    ReadOnly,
}

/// What QEMU's ACPI tables come to for one machine: SHA-384 of the files in fw_cfg.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedAcpi {
    /// How many vCPUs the machine had.
    pub vcpus: u32,
    /// How much memory the machine had.
    pub memory: Memory,
    /// SHA-384 of `etc/table-loader`.
    pub loader: Recorded,
    /// SHA-384 of `etc/acpi/rsdp`.
    pub rsdp: Recorded,
    /// SHA-384 of `etc/acpi/tables`.
    pub tables: Recorded,
}

/// A platform profile: one kind of machine, with everything that its measurements depend on besides
/// the image.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// The name that definitions and reference values know it by.
    pub name: String,
    /// Version of the file: another one may give other values.
    pub version: u32,
    /// What measures its machines.
    pub technology: Technology,
    /// Who starts the machine.
    pub vmm: Vmm,
    /// Its version, where it counts, such as `10.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmm_version: Option<String>,
    /// How the machine boots.
    pub boot: Boot,
    /// Which firmware it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Requirement>,
    /// The file of its firmware, beside the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// The file of its firmware's variables, beside the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
    /// The event log that PCR 0 and 1 are pinned by, beside the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The file of a finished Secure Execution image, beside the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How the firmware of a TD measures: the edk2 release from which on it does. Left out for
    /// firmware whose SHA-256 is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_layout: Option<String>,
    /// How the firmware of a machine with a TPM measures, such as `ovmf-2025.02`. Left out for
    /// firmware whose SHA-256 is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_behaviour: Option<String>,
    /// Whether the firmware of a TD has Secure Boot. Left out for firmware whose SHA-256 is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub secure_boot: Option<SecureBootBuild>,
    /// Numbers of vCPUs, each of which gets values of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vcpus: Vec<u32>,
    /// QEMU names of CPU models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vcpu_types: Vec<String>,
    /// SEV features of the guest's VMSAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_features: Option<Features>,
    /// Sizes of memory, each of which gets values of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<Memory>,
    /// Whether the machine can write to its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskAccess>,
    /// The bus of that disk, where it counts, such as `virtio-blk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub disk_bus: Option<DiskBus>,
    /// How QEMU gives the machine its firmware, where it counts: `pflash` or `bios`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub firmware_by: Option<FirmwareBy>,
    /// Arguments of QEMU that give the machine its devices: those that its ACPI tables were recorded
    /// with. Nothing is computed of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// ACPI tables that were recorded of QEMU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acpi: Vec<RecordedAcpi>,
    /// The SMBIOS tables as firmware measures them, from the event log of such a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smbios: Option<Recorded>,
}

impl Profile {
    /// The profile of that name that comes with the program.
    ///
    /// # Errors
    /// There is none.
    pub fn built_in(name: &str) -> Result<Self, ProfileError> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        let unknown = || ProfileError::Unknown { name: name.to_owned() };
        let (name, text) = found.ok_or_else(unknown)?;
        Self::parse(text, name)
    }

    /// Reads the text of a profile; `place` is what to call it in messages.
    ///
    /// # Errors
    /// No TOML, an unknown key, or values that do not fit together.
    pub fn parse(text: &str, place: &str) -> Result<Self, ProfileError> {
        let refused = |misfit: Misfit| ProfileError::Malformed {
            place: place.to_owned(),
            message: misfit.to_string(),
        };
        let profile: Self = document::toml(text).map_err(refused)?;
        if let Some((key, name)) = profile.files().find_map(|(key, name)| Some((key, name?))) {
            let rule = "no files: the definition's `platforms` name them";
            return Err(profile.invalid(key, name, rule));
        }
        profile.check()?;
        Ok(profile)
    }

    /// Refuses values that do not fit together.
    ///
    /// # Errors
    /// Names the key, what it holds and what it should.
    pub fn check(&self) -> Result<(), ProfileError> {
        self.check_machine()?;
        let Self { technology, .. } = self;
        let only = |is_given: bool, key, of: &[Technology], rule| {
            let fits = !is_given || of.contains(technology);
            if fits { Ok(()) } else { Err(self.invalid(key, "given", rule)) }
        };
        use Technology::{Se, SevSnp, Tdx, Tpm};
        only(!self.vcpu_types.is_empty(), "vcpu-types", &[SevSnp], "only for `sev-snp`")?;
        only(self.guest_features.is_some(), "guest-features", &[SevSnp], "only for `sev-snp`")?;
        only(!self.memory.is_empty(), "memory", &[Tdx, Tpm], "only for `tdx` and `tpm`")?;
        only(!self.vcpus.is_empty(), "vcpus", &[SevSnp, Tdx], "only for `sev-snp` and `tdx`")?;
        only(self.disk.is_some(), "disk", &[Tdx, Tpm], "only for `tdx` and `tpm`")?;
        only(self.disk_bus.is_some(), "disk-bus", &[Tdx, Tpm], "only for `tdx` and `tpm`")?;
        // A TD has it by `-bios`.
        only(self.firmware_by.is_some(), "firmware-by", &[Tpm], "only for `tpm`")?;
        only(!self.acpi.is_empty(), "acpi", &[Tdx], "only for `tdx`")?;
        only(self.smbios.is_some(), "smbios", &[Tdx], "only for `tdx`")?;
        only(self.firmware_layout.is_some(), "firmware-layout", &[Tdx], "only for `tdx`")?;
        only(self.firmware_behaviour.is_some(), "firmware-behaviour", &[Tpm], "only for `tpm`")?;
        only(self.secure_boot.is_some(), "secure-boot", &[Tdx], "only for `tdx`")?;
        only(self.variables.is_some(), "variables", &[Tpm], "only for `tpm`")?;
        only(self.pinned.is_some(), "pinned", &[Tpm], "only for `tpm`")?;
        only(self.image.is_some(), "image", &[Se], "only for `se`")?;
        self.check_counts()?;
        self.check_machines()
    }

    /// Who starts which technology, and how it boots then.
    fn check_machine(&self) -> Result<(), ProfileError> {
        use Technology::{Se, SevSnp, Tdx, Tpm};
        let (vmm, rule) = match self.technology {
            SevSnp => (self.vmm != Vmm::Azure, "`qemu`, `ec2` or `gce` for `sev-snp`"),
            Tdx => (matches!(self.vmm, Vmm::Qemu | Vmm::Gce), "`qemu` or `gce` for `tdx`"),
            Tpm => (true, ""),
            Se => (self.vmm == Vmm::Qemu, "`qemu` for `se`"),
        };
        if !vmm {
            return Err(self.invalid("vmm", word(&self.vmm), rule));
        }
        let is_fixed = match (self.technology, self.vmm) {
            // Without kernel hashes nothing says which image was booted.
            (SevSnp, Vmm::Qemu) | (Se, _) => Some((Boot::Direct, "`direct`")),
            (_, Vmm::Ec2 | Vmm::Gce | Vmm::Azure) => Some((Boot::UkiDisk, "`uki-disk`")),
            _ => None,
        };
        match is_fixed {
            Some((boot, rule)) if boot != self.boot => {
                Err(self.invalid("boot", word(&self.boot), rule))
            }
            _ => Ok(()),
        }
    }

    fn check_counts(&self) -> Result<(), ProfileError> {
        let of_vcpus = matches!(self.technology, Technology::SevSnp | Technology::Tdx);
        let fits = self.vcpus.iter().all(|count| (1..=VCPUS_MAX).contains(count));
        if !fits || self.vcpus.is_empty() == of_vcpus {
            return Err(self.invalid("vcpus", format!("{:?}", self.vcpus), "1 to 512 each"));
        }
        if let Some(unknown) = self.vcpu_types.iter().find(|name| name.parse::<VcpuType>().is_err())
        {
            let known = cvmkit_measure::snp::VCPU_TYPES.map(|known| known.name).join(", ");
            return Err(self.invalid("vcpu-types", unknown, known));
        }
        let of_types = self.technology == Technology::SevSnp && self.vmm == Vmm::Qemu;
        if self.vcpu_types.is_empty() == of_types {
            let rule =
                "QEMU names of CPU models for `qemu`, none for clouds: theirs are not measured";
            return Err(self.invalid("vcpu-types", format!("{:?}", self.vcpu_types), rule));
        }
        if self.technology == Technology::Tdx && self.memory.is_empty() {
            return Err(self.invalid("memory", "nothing", "sizes such as `2G`"));
        }
        let is_wanted = self.technology == Technology::Tdx || self.vmm_version.is_some();
        if is_wanted && self.vmm == Vmm::Qemu && self.qemu_version().is_none() {
            let found = self.vmm_version.clone().unwrap_or_default();
            return Err(self.invalid("vmm-version", found, "a version of QEMU such as `10.1`"));
        }
        let mut types = self.vcpu_types.iter().filter_map(|name| name.parse::<VcpuType>().ok());
        if let Some(version) = self.qemu_version()
            && let Some(later) = types.find(|it| it.since > (version.major, version.minor))
        {
            let (major, minor) = later.since;
            let expected = format!("QEMU {major}.{minor} or later for `{}`", later.name);
            return Err(self.invalid("vmm-version", version.to_string(), expected));
        }
        if let Some(name) = &self.firmware_layout
            && let Err(error) = name.parse::<Layout>()
        {
            return Err(self.invalid("firmware-layout", name, error.to_string()));
        }
        if let Some(name) = &self.firmware_behaviour
            && let Err(error) = name.parse::<FirmwareBuild>()
        {
            return Err(self.invalid("firmware-behaviour", name, error.to_string()));
        }
        Ok(())
    }

    /// Refuses files that are not beside the image.
    ///
    /// # Errors
    /// Names the key and the file.
    pub fn check_files(&self) -> Result<(), ProfileError> {
        for (key, name) in self.files() {
            if let Some(name) = name.filter(|name| !is_file_name(name)) {
                return Err(self.invalid(key, name, "the name of a file beside the image"));
            }
        }
        Ok(())
    }

    /// The keys of files beside the image, each with its file's name.
    fn files(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        let files = [
            ("firmware", &self.firmware),
            ("variables", &self.variables),
            ("pinned", &self.pinned),
            ("image", &self.image),
        ];
        files.into_iter().map(|(key, name)| (key, name.as_deref()))
    }

    /// Whether nothing can be said without the file of the firmware.
    #[must_use]
    pub fn needs_firmware(&self) -> bool {
        match self.technology {
            Technology::SevSnp => true,
            Technology::Tdx => self.vmm == Vmm::Qemu,
            Technology::Tpm | Technology::Se => false,
        }
    }

    /// Whether it starts firmware at all: a Secure Execution image is started by the machine itself.
    #[must_use]
    pub fn has_firmware(&self) -> bool {
        self.technology != Technology::Se
    }

    /// The firmware that it needs, in words.
    #[must_use]
    pub fn required_firmware(&self) -> &'static str {
        self.requires.map_or("the firmware of the machine", Requirement::words)
    }

    /// Whether the firmware that a definition names for all platforms is this one's: a cloud has
    /// its own, and a machine with a TPM is told by how it measures.
    #[must_use]
    pub fn takes_default_firmware(&self) -> bool {
        self.needs_firmware() && self.vmm == Vmm::Qemu
    }

    /// What the values of this profile take for granted as a whole: those of clouds follow from what
    /// is documented, and no machine there was asked. The log of one TD on Google's cloud was
    /// (`crates/measure/tests/fixtures/event_logs`), so that its profile has no such condition.
    #[must_use]
    pub fn condition(&self) -> Option<ConditionCode> {
        match (self.technology, self.vmm) {
            (_, Vmm::Qemu) | (Technology::Tdx | Technology::Se, _) => None,
            (Technology::SevSnp, _) => Some(ConditionCode::DocumentedRules),
            (Technology::Tpm, _) => Some(ConditionCode::QemuRules),
        }
    }

    /// Refuses more machines than anybody has, and one machine twice.
    fn check_machines(&self) -> Result<(), ProfileError> {
        let count = |len: usize| len.max(1);
        let lengths = [self.vcpus.len(), self.vcpu_types.len(), self.memory.len()];
        let machines = lengths.into_iter().fold(1, |all, len| count(len).saturating_mul(all));
        if machines > MACHINES_MAX {
            let rule = format!("at most {MACHINES_MAX}: vCPU counts x types x sizes of memory");
            return Err(self.invalid("number of machines", machines.to_string(), rule));
        }
        let twice = [
            ("vcpus", twice(&self.vcpus)),
            ("vcpu-types", twice(&self.vcpu_types)),
            ("memory", twice(&self.memory)),
        ];
        if let Some((key, value)) = twice.into_iter().find_map(|(key, value)| Some((key, value?))) {
            return Err(self.invalid(key, format!("{value} twice"), "each once"));
        }
        if self.guest_features.is_some_and(|Features(bits)| bits & 1 == 0) {
            let found = self.guest_features.map(|features| features.to_string());
            let rule = "bit 0 set, by which SEV-SNP is active, such as `0x1`";
            return Err(self.invalid("guest-features", found.unwrap_or_default(), rule));
        }
        Ok(())
    }

    /// QEMU's version; none of another VMM, or where any version gives the same values.
    #[must_use]
    pub fn qemu_version(&self) -> Option<QemuVersion> {
        self.vmm_version.as_deref().filter(|_| self.vmm == Vmm::Qemu)?.parse().ok()
    }

    /// How the machine has its disk and its firmware; one that is not said to be read-only may be
    /// written to.
    #[must_use]
    pub fn medium(&self) -> Medium {
        Medium {
            is_writable: Some(self.disk != Some(DiskAccess::ReadOnly)),
            bus: self.disk_bus,
            firmware_by: self.firmware_by,
        }
    }

    /// The ACPI tables that were recorded of a machine.
    #[must_use]
    pub fn acpi_of(&self, vcpus: u32, memory: Memory) -> Option<&RecordedAcpi> {
        self.acpi.iter().find(|acpi| acpi.vcpus == vcpus && acpi.memory == memory)
    }

    /// That a key of this profile has a value that does not fit.
    pub fn invalid(
        &self,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ProfileError {
        ProfileError::Invalid {
            profile: self.name.clone(),
            key: key.to_owned(),
            found: found.into(),
            expected: expected.into(),
        }
    }
}

/// The first value that a list has a second time.
fn twice<T: Ord + ToString>(values: &[T]) -> Option<String> {
    let mut known = BTreeSet::new();
    values.iter().find(|value| !known.insert(*value)).map(T::to_string)
}

/// A word of a profile as it is written.
pub(crate) fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
