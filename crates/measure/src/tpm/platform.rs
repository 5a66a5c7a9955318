//! Which registers can be known before a boot, by platform.
//!
//! The clouds' rows say what follows from their documentation and from UEFI; only QEMU's are proven
//! by boots of this project's tests.

use std::fmt;
use std::str::FromStr;

use crate::claim::{ConditionCode, ReasonCode};
use crate::event::PcrIndex;
use crate::names::UnknownName;

/// Who gives the machine its TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Platform {
    /// QEMU with OVMF and swtpm.
    QemuOvmf,
    /// Azure Trusted Launch and confidential VMs.
    Azure,
    /// Google Compute Engine Shielded and confidential VMs.
    Gce,
    /// Amazon EC2 with NitroTPM.
    NitroTpm,
}

const NAMES: [(&str, Platform); 4] = [
    ("qemu-vtpm", Platform::QemuOvmf),
    ("azure-vtpm", Platform::Azure),
    ("gce-vtpm", Platform::Gce),
    ("nitro-tpm", Platform::NitroTpm),
];

impl FromStr for Platform {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let unknown = || UnknownName::new("TPM platform", name, NAMES.map(|(known, _)| known));
        known.map(|&(_, platform)| platform).ok_or_else(unknown)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, platform)| platform == self);
        f.pad(name.map_or("", |(name, _)| name))
    }
}

/// What can be said of a register before the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// Predicted; what the value rests on, nothing if boots have proven it.
    Predicted(&'static [ConditionCode]),
    /// Not predicted, for this reason.
    Unknown(ReasonCode),
}

impl Prospect {
    /// True if a prediction should be published.
    #[must_use]
    pub fn is_predicted(self) -> bool {
        matches!(self, Self::Predicted(_))
    }
}

const NOT_BOOTED: Prospect = Prospect::Predicted(&[ConditionCode::QemuRules]);
const PROVIDER_KEYS: Prospect =
    Prospect::Predicted(&[ConditionCode::ProviderKeys, ConditionCode::QemuRules]);
const UNUSED: Prospect =
    Prospect::Predicted(&[ConditionCode::UntouchedBeforeUserspace, ConditionCode::QemuRules]);

impl Platform {
    /// What can be said of a register when the machine boots a unified kernel image from a disk.
    #[must_use]
    pub fn prospect(self, pcr: PcrIndex) -> Prospect {
        let everywhere = match pcr.number() {
            10 => Some(ReasonCode::Ima),
            15 => Some(ReasonCode::UserspaceIdentities),
            16..=22 => Some(ReasonCode::DynamicLaunch),
            23 => Some(ReasonCode::Applications),
            _ => None,
        };
        if let Some(reason) = everywhere {
            return Prospect::Unknown(reason);
        }
        match self {
            Self::QemuOvmf => qemu(pcr.number()),
            Self::Azure => azure(pcr.number()),
            Self::Gce => gce(pcr.number()),
            Self::NitroTpm => nitro(pcr.number()),
        }
    }

    /// Whether the platform's evidence has the bank: `(SHA-256, SHA-384)`.
    #[must_use]
    pub fn banks(self) -> (bool, bool) {
        match self {
            Self::QemuOvmf => (true, true),
            Self::Azure | Self::Gce => (true, false),
            // EC2 User Guide, "NitroTPM Attestation Document contents": digest is SHA384.
            Self::NitroTpm => (false, true),
        }
    }
}

fn qemu(pcr: u8) -> Prospect {
    match pcr {
        0 => Prospect::Unknown(ReasonCode::FirmwareBuild),
        1 => Prospect::Unknown(ReasonCode::MachineConfiguration),
        2 | 3 => Prospect::Predicted(&[ConditionCode::NoOptionRom]),
        _ => Prospect::Predicted(&[]),
    }
}

fn azure(pcr: u8) -> Prospect {
    match pcr {
        0..=3 | 6 => Prospect::Unknown(ReasonCode::AzureFirmware),
        5 => Prospect::Unknown(ReasonCode::AzureBootAttempts),
        7 => PROVIDER_KEYS,
        8 | 12..=14 => UNUSED,
        _ => NOT_BOOTED,
    }
}

fn gce(pcr: u8) -> Prospect {
    match pcr {
        0 => Prospect::Unknown(ReasonCode::GoogleFirmwareEndorsed),
        1..=3 | 6 => Prospect::Unknown(ReasonCode::GoogleFirmware),
        5 => Prospect::Predicted(&[ConditionCode::PartitionTableKept, ConditionCode::QemuRules]),
        7 => PROVIDER_KEYS,
        8 | 12..=14 => UNUSED,
        _ => NOT_BOOTED,
    }
}

/// EC2 User Guide, "NitroTPM Attestation Document contents": PCR 4, 7 and 12 identify an attestable
/// image; PCR 0 and 1 are constant.
fn nitro(pcr: u8) -> Prospect {
    match pcr {
        4 | 12 => NOT_BOOTED,
        7 => PROVIDER_KEYS,
        0 | 1 => Prospect::Unknown(ReasonCode::AmazonConstant),
        _ => Prospect::Unknown(ReasonCode::AmazonUndocumented),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_each_register_has_an_answer() {
        for (name, platform) in NAMES {
            assert_eq!(name.parse(), Ok(platform));
            assert_eq!(platform.to_string(), name);
            let predicted = |pcr: &PcrIndex| platform.prospect(*pcr).is_predicted();
            let predicted: Vec<u8> =
                PcrIndex::all().filter(predicted).map(|p| p.number()).collect();
            assert!(predicted.contains(&4) && predicted.contains(&7), "{predicted:?}");
            assert!(!predicted.contains(&0) && !predicted.contains(&10), "{predicted:?}");
        }
        assert!("azure".parse::<Platform>().unwrap_err().to_string().contains("azure-vtpm"));
    }
}
