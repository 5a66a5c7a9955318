//! What a machine's processor is called, by whom, and what follows from it: one row for each
//! architecture.

use cvmkit_formats::gpt::{Guid, spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An architecture, in systemd's spelling.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub enum Architecture {
    /// `amd64` in Debian's spelling.
    #[serde(rename = "x86-64")]
    X86_64,
}

impl Architecture {
    /// In systemd's spelling (`ConditionArchitecture=` of systemd.unit(5)), as definitions and manifests
    /// have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
        }
    }

    /// In Debian's spelling (Debian Policy, section 11.1).
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
        }
    }

    /// What firmware boots from a disk that no boot entry names (UEFI 2.10, section 3.5.1.1).
    #[must_use]
    pub const fn boot_file(self) -> &'static str {
        match self {
            Self::X86_64 => "EFI/BOOT/BOOTX64.EFI",
        }
    }

    /// systemd's stub in the package `systemd-boot-efi`.
    #[must_use]
    pub const fn stub(self) -> &'static str {
        match self {
            Self::X86_64 => "usr/lib/systemd/boot/efi/linuxx64.efi.stub",
        }
    }

    /// The types of the root partition and of its hash tree (UAPI.2, Discoverable Partitions).
    #[must_use]
    pub const fn partition_types(self) -> (Guid, Guid) {
        match self {
            Self::X86_64 => (spec::ROOT_X86_64, spec::ROOT_VERITY_X86_64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_name() {
        let written = serde_json::to_string(&Architecture::X86_64).unwrap();
        assert_eq!(written, format!("\"{}\"", Architecture::X86_64.name()));
    }
}
