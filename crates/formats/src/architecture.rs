//! What a machine's processor is called, by whom, and what follows from it: one row for each
//! architecture.

use crate::gpt::{Guid, spec};
use crate::pe;

/// An architecture, in systemd's spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Architecture {
    /// `amd64` in Debian's spelling.
    #[cfg_attr(any(feature = "serde", feature = "schema"), serde(rename = "x86-64"))]
    #[default]
    X86_64,
    /// `arm64` in Debian's spelling, `aarch64` in QEMU's.
    #[cfg_attr(any(feature = "serde", feature = "schema"), serde(rename = "arm64"))]
    Arm64,
}

impl Architecture {
    /// In systemd's spelling (`ConditionArchitecture=` of systemd.unit(5)), as definitions and manifests
    /// have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
            Self::Arm64 => "arm64",
        }
    }

    /// In Debian's spelling (Debian Policy, section 11.1).
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// What firmware boots from a disk that no boot entry names (UEFI 2.10, section 3.5.1.1).
    #[must_use]
    pub const fn boot_file(self) -> &'static str {
        match self {
            Self::X86_64 => "EFI/BOOT/BOOTX64.EFI",
            Self::Arm64 => "EFI/BOOT/BOOTAA64.EFI",
        }
    }

    /// The machine in the header of a PE image (Microsoft PE Format, "Machine Types").
    #[must_use]
    pub const fn pe_machine(self) -> u16 {
        match self {
            Self::X86_64 => pe::spec::MACHINE_X86_64,
            Self::Arm64 => pe::spec::MACHINE_ARM64,
        }
    }

    /// QEMU's emulator of it, and the Debian package that has it.
    #[must_use]
    pub const fn qemu(self) -> (&'static str, &'static str) {
        match self {
            Self::X86_64 => ("qemu-system-x86_64", "qemu-system-x86"),
            Self::Arm64 => ("qemu-system-aarch64", "qemu-system-arm"),
        }
    }

    /// QEMU's machine type with UEFI firmware (`-machine`).
    #[must_use]
    pub const fn qemu_machine(self) -> &'static str {
        match self {
            Self::X86_64 => "q35",
            Self::Arm64 => "virt",
        }
    }

    /// systemd's stub in the package `systemd-boot-efi`.
    #[must_use]
    pub const fn stub(self) -> &'static str {
        match self {
            Self::X86_64 => "usr/lib/systemd/boot/efi/linuxx64.efi.stub",
            Self::Arm64 => "usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
        }
    }

    /// The types of the root partition and of its hash tree (UAPI.2, Discoverable Partitions).
    #[must_use]
    pub const fn partition_types(self) -> (Guid, Guid) {
        match self {
            Self::X86_64 => (spec::ROOT_X86_64, spec::ROOT_VERITY_X86_64),
            Self::Arm64 => (spec::ROOT_ARM64, spec::ROOT_VERITY_ARM64),
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use serde::Deserialize as _;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn documents_have_the_name() {
        let read = |name| Architecture::deserialize(StrDeserializer::<Error>::new(name));
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            assert_eq!(read(architecture.name()), Ok(architecture));
        }
        assert!(read("amd64").is_err());
    }
}
