//! Which registers can be known before a boot, by platform.
//!
//! The clouds' rows say what follows from their documentation and from UEFI; only QEMU's are proven
//! by boots of this project's tests.

use std::fmt;
use std::str::FromStr;

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
    /// Predicted, and proven by boots.
    Proven,
    /// Predicted by the same rules, with this reservation.
    Computed(&'static str),
    /// Not predicted, for this reason.
    Unknown(&'static str),
}

impl Prospect {
    /// True if a prediction should be published.
    #[must_use]
    pub fn is_predicted(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// The reservation or the reason.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::Proven => None,
            Self::Computed(words) | Self::Unknown(words) => Some(words),
        }
    }
}

const NOT_BOOTED: &str = "computed by the rules that hold under QEMU; not proven on this platform";
const PROVIDER_KEYS: &str = "decided by the Secure Boot keys the instance was created with: predicted if those are given, \
     not proven on this platform";
const UNUSED: &str = "nothing measures into it before userspace; not proven on this platform";

impl Platform {
    /// What can be said of a register when the machine boots a unified kernel image from a disk.
    #[must_use]
    pub fn prospect(self, pcr: PcrIndex) -> Prospect {
        let everywhere = match pcr.number() {
            10 => Some("Linux IMA extends it with the registers before it and with files it reads"),
            15 => Some("userspace extends it with identities of the machine and its volumes"),
            16..=22 => Some("for debugging and dynamic launches, not for a boot"),
            23 => Some("for applications"),
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
        0 => Prospect::Unknown(
            "decided by the firmware build: the same at every boot of it, so record it once and \
             pin it",
        ),
        1 => Prospect::Unknown(
            "decided by the machine (ACPI tables, boot options, SMBIOS): record it once per \
             configuration and pin it",
        ),
        2 | 3 => Prospect::Computed("if no device has an option ROM"),
        _ => Prospect::Proven,
    }
}

fn azure(pcr: u8) -> Prospect {
    match pcr {
        0..=3 | 6 => Prospect::Unknown(
            "decided by Azure's firmware and its configuration, which changes without notice",
        ),
        5 => Prospect::Unknown("Azure's firmware measures boot attempts of its own into it"),
        7 => Prospect::Computed(PROVIDER_KEYS),
        8 | 12..=14 => Prospect::Computed(UNUSED),
        _ => Prospect::Computed(NOT_BOOTED),
    }
}

fn gce(pcr: u8) -> Prospect {
    match pcr {
        0 => Prospect::Unknown(
            "decided by Google's firmware: it publishes signed launch endorsements of each build",
        ),
        1..=3 | 6 => Prospect::Unknown("decided by Google's firmware and the machine type"),
        5 => Prospect::Computed("if the disk keeps its partition table when it is first booted"),
        7 => Prospect::Computed(PROVIDER_KEYS),
        8 | 12..=14 => Prospect::Computed(UNUSED),
        _ => Prospect::Computed(NOT_BOOTED),
    }
}

/// EC2 User Guide, "NitroTPM Attestation Document contents": PCR 4, 7 and 12 identify an attestable
/// image; PCR 0 and 1 are constant.
fn nitro(pcr: u8) -> Prospect {
    match pcr {
        4 | 12 => Prospect::Computed(NOT_BOOTED),
        7 => Prospect::Computed(PROVIDER_KEYS),
        0 | 1 => Prospect::Unknown("constant by Amazon's documentation, which names no value"),
        _ => Prospect::Unknown("Amazon documents PCR 4, 7 and 12 as those that identify an image"),
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
