//! What a prediction assumes of a machine with a TPM, where it matters.

use std::fmt;

use cvmkit_measure::firmware::behaviour::FirmwareBuild;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};
use serde::Serialize;

use crate::machine_name::MachineName;

/// The kernel that the firmware gets when QEMU boots it directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelHeader {
    /// The file: QEMU 10 and later with OVMF 2025.02 and later.
    InFile,
    /// What QEMU makes of it in a `q35` machine: the address of the initrd depends on the memory
    /// (`x86_load_linux`).
    Patched {
        /// Bytes of memory, `-m`.
        memory: u64,
    },
}

impl fmt::Display for KernelHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFile => f.write_str("the kernel as in its file"),
            Self::Patched { memory } => {
                write!(f, "the kernel patched by QEMU for {} MiB", memory >> 20)
            }
        }
    }
}

/// What was assumed of the machine for a prediction, where it is of any importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Assumptions {
    /// The release of OVMF as which the firmware measures.
    pub firmware: FirmwareBuild,
    /// Whether Secure Boot is on; none for firmware without it.
    pub secure_boot: Option<bool>,
    /// Whether the machine can't write to the disk that it boots from; none for a direct boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_disk: Option<bool>,
    /// The bus of the machine's disk; none where it is of no importance, or not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bus: Option<DiskBus>,
    /// How QEMU gives the machine its firmware; none where it is of no importance, or not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_by: Option<FirmwareBy>,
    /// Which kernel the firmware gets; none for a boot from a disk.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    pub kernel: Option<KernelHeader>,
}

fn in_words<S: serde::Serializer>(
    header: &Option<KernelHeader>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(&header.map(|header| header.to_string()))
}

impl Assumptions {
    /// The machine in words, such as `uki-disk boot, firmware as ovmf-2025.02, no Secure Boot`. `boot` is
    /// `uki-disk` or `direct`.
    #[must_use]
    pub fn name(&self, boot: &str) -> MachineName {
        let secure_boot = match self.secure_boot {
            Some(true) => "Secure Boot on",
            Some(false) => "Secure Boot off",
            None => "no Secure Boot",
        };
        let none: Option<&str> = None;
        let machine = MachineName::default().boot(boot).firmware(none, Some(self.firmware));
        let machine = machine.with(secure_boot);
        let machine = match self.read_only_disk {
            Some(is_read_only) => machine.disk(is_read_only, self.disk_bus),
            None => machine,
        };
        let machine = machine.with_any(self.firmware_by.map(|by| format!("firmware by {by}")));
        machine.with_any(self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published in JSON: what does not count for the boot has no key.
    #[test]
    fn what_does_not_count_is_not_written() {
        let assumptions = Assumptions {
            firmware: "ovmf-2025.02".parse().unwrap(),
            secure_boot: Some(false),
            read_only_disk: Some(true),
            disk_bus: Some(DiskBus::VirtioBlk),
            firmware_by: None,
            kernel: None,
        };
        assert_eq!(
            serde_json::to_value(assumptions).unwrap(),
            serde_json::json!({
                "firmware": "ovmf-2025.02", "secure-boot": false, "read-only-disk": true,
                "disk-bus": "virtio-blk",
            })
        );
        assert_eq!(
            assumptions.name("uki-disk").to_string(),
            "uki-disk boot, firmware as ovmf-2025.02, Secure Boot off, read-only disk on virtio-blk"
        );
        let direct = Assumptions {
            secure_boot: None,
            read_only_disk: None,
            disk_bus: None,
            firmware_by: Some(FirmwareBy::Pflash),
            kernel: Some(KernelHeader::Patched { memory: 2 << 30 }),
            ..assumptions
        };
        assert_eq!(
            serde_json::to_value(direct).unwrap(),
            serde_json::json!({
                "firmware": "ovmf-2025.02", "secure-boot": null, "firmware-by": "pflash",
                "kernel": "the kernel patched by QEMU for 2048 MiB",
            })
        );
        assert_eq!(
            direct.name("direct").to_string(),
            "direct boot, firmware as ovmf-2025.02, no Secure Boot, firmware by pflash, the kernel \
             patched by QEMU for 2048 MiB"
        );
    }

    #[test]
    fn a_machine_is_named_by_all_that_was_assumed() {
        let assumptions = Assumptions {
            firmware: "ovmf-2026.08".parse().unwrap(),
            secure_boot: Some(true),
            read_only_disk: Some(false),
            disk_bus: None,
            firmware_by: None,
            kernel: None,
        };
        assert_eq!(
            assumptions.name("uki-disk").to_string(),
            "uki-disk boot, firmware as ovmf-2026.08, Secure Boot on, writable disk"
        );
        let direct = Assumptions {
            read_only_disk: None,
            // Of no importance where it is not said whether there is a disk to write to.
            disk_bus: Some(DiskBus::Nvme),
            kernel: Some(KernelHeader::InFile),
            ..assumptions
        };
        assert_eq!(
            direct.name("direct").to_string(),
            "direct boot, firmware as ovmf-2026.08, Secure Boot on, the kernel as in its file"
        );
    }
}
