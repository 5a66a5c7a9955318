//! How often a system has to leave boot services, by how the machine has its disk and its firmware.
//!
//! `ExitBootServices` refuses when the memory map has changed since the system asked for it, and
//! the system asks again: two more events in PCR 5, or RTMR 1. With OVMF 2026.08 the first call
//! fails where a handler of the call itself changes the map. That depends on drivers that have
//! something to do then, so on the bus of a disk that can be written to and, of a kernel that the VMM
//! hands over, on what is on that disk too. Nothing of it is in the firmware's file.
//!
//! Oracle: event logs of boots under QEMU of each bus, with the disk writable and not, with the
//! firmware given by pflash and by `-bios` (`crates/cli/tests/boots/vtpm`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::UnknownName;

/// How a machine has a disk.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum DiskBus {
    /// `virtio-blk-pci`.
    VirtioBlk,
    /// `virtio-scsi-pci` with `scsi-hd`.
    VirtioScsi,
    /// `nvme`.
    Nvme,
    /// `usb-storage`.
    Usb,
    /// `ide-hd` on the AHCI controller of a `q35` machine.
    Ahci,
}

const BUSES: [(&str, DiskBus); 5] = [
    ("virtio-blk", DiskBus::VirtioBlk),
    ("virtio-scsi", DiskBus::VirtioScsi),
    ("nvme", DiskBus::Nvme),
    ("usb", DiskBus::Usb),
    ("ahci", DiskBus::Ahci),
];

impl FirmwareBy {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Pflash, Self::Bios];
}

impl DiskBus {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::VirtioBlk, Self::VirtioScsi, Self::Nvme, Self::Usb, Self::Ahci];
}

/// How QEMU gives a machine its firmware.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum FirmwareBy {
    /// As flash memory, code and variables: `-drive if=pflash`.
    Pflash,
    /// As a read-only image: `-bios`, the only option for confidential guests.
    Bios,
}

const FIRMWARE_MEDIA: [(&str, FirmwareBy); 2] =
    [("pflash", FirmwareBy::Pflash), ("bios", FirmwareBy::Bios)];

macro_rules! named {
    ($name:ty, $what:literal, $table:ident) => {
        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                let known = $table.iter().find(|(name, _)| *name == text);
                let unknown = || UnknownName::new($what, text, $table.map(|(name, _)| name));
                known.map(|(_, value)| *value).ok_or_else(unknown)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = $table.iter().find(|(_, value)| value == self);
                f.pad(name.map_or("", |(name, _)| name))
            }
        }
    };
}

named!(DiskBus, "disk bus", BUSES);
named!(FirmwareBy, "firmware medium", FIRMWARE_MEDIA);

/// From where the firmware has what it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// From a disk: a boot option leads to a file there.
    FromDisk,
    /// From QEMU (`-kernel`).
    FromVmm,
}

/// What is known of a machine's disk and firmware; what is not is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Medium {
    /// Whether it can write to a disk.
    pub is_writable: Option<bool>,
    /// The bus of that disk.
    pub bus: Option<DiskBus>,
    /// How it has its firmware.
    pub firmware_by: Option<FirmwareBy>,
}

impl Medium {
    /// Whether the first `ExitBootServices` fails, with firmware of the kind of OVMF 2026.08; none if
    /// what decides it is not known.
    #[must_use]
    pub fn first_exit_fails(&self, loaded: Loaded) -> Option<bool> {
        let is_virtio_blk = self.bus.map(|bus| bus == DiskBus::VirtioBlk);
        let by_disk = all([self.is_writable, is_virtio_blk]);
        match loaded {
            Loaded::FromDisk => by_disk,
            // Boots beside a disk with a FAT file system had it fail, and beside one without it not.
            Loaded::FromVmm => {
                let fails = all([by_disk, self.firmware_by.map(|by| by == FirmwareBy::Bios)]);
                fails.filter(|fails| !fails)
            }
        }
    }
}

/// Whether all of these are, as far as that is known: one that is not decides it.
fn all<const N: usize>(conditions: [Option<bool>; N]) -> Option<bool> {
    if conditions.contains(&Some(false)) {
        return Some(false);
    }
    (!conditions.contains(&None)).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for bus in DiskBus::ALL {
            assert_eq!(bus.to_string().parse(), Ok(bus));
        }
        for by in [FirmwareBy::Pflash, FirmwareBy::Bios] {
            assert_eq!(by.to_string().parse(), Ok(by));
        }
        let error = "scsi".parse::<DiskBus>().unwrap_err().to_string();
        assert!(error.contains("virtio-scsi"), "{error}");
    }

    #[test]
    fn one_condition_that_does_not_hold_decides() {
        let medium = |is_writable, bus, firmware_by| Medium { is_writable, bus, firmware_by };
        let (blk, scsi) = (Some(DiskBus::VirtioBlk), Some(DiskBus::VirtioScsi));
        let (bios, pflash) = (Some(FirmwareBy::Bios), Some(FirmwareBy::Pflash));
        let rows = [
            (medium(Some(true), blk, pflash), Some(true), Some(false)),
            (medium(Some(true), blk, bios), Some(true), None),
            (medium(Some(true), scsi, bios), Some(false), Some(false)),
            (medium(Some(false), None, None), Some(false), Some(false)),
            (medium(Some(true), None, pflash), None, Some(false)),
            (medium(None, blk, bios), None, None),
            (Medium::default(), None, None),
        ];
        for (medium, from_disk, from_vmm) in rows {
            assert_eq!(medium.first_exit_fails(Loaded::FromDisk), from_disk, "{medium:?}");
            assert_eq!(medium.first_exit_fails(Loaded::FromVmm), from_vmm, "{medium:?}");
        }
    }
}
