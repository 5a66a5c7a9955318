//! Which machines with a TPM a test boots: of those, and of no others, a prediction is called proven.

use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy, Loaded};

use super::{Assumptions, FirmwareBuild};

/// A machine that a test boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Booted {
    /// How its firmware measures.
    pub firmware: FirmwareBuild,
    /// How it has it.
    pub firmware_by: FirmwareBy,
    /// Whether the firmware loads the image from the disk, or a kernel from QEMU.
    pub from_disk: bool,
    /// The bus of its disk, if it has one.
    pub bus: Option<DiskBus>,
}

macro_rules! booted {
    ($($build:ident $by:ident $from_disk:literal $bus:expr;)+) => {
        &[$(Booted {
            firmware: FirmwareBuild::$build,
            firmware_by: FirmwareBy::$by,
            from_disk: $from_disk,
            bus: $bus,
        }),+]
    };
}

/// What `crates/cli/tests/vtpm` boots; it insists that this is the list of its cases.
pub const BOOTED: &[Booted] = booted! {
    Ovmf202502 Pflash true Some(DiskBus::VirtioBlk);
    Ovmf202502 Pflash true Some(DiskBus::Nvme);
    Ovmf202502 Pflash true Some(DiskBus::Ahci);
    Ovmf202502 Pflash false None;
    Ovmf202502 Bios true Some(DiskBus::VirtioBlk);
    Ovmf202502 Bios true Some(DiskBus::VirtioScsi);
    Ovmf202502 Bios true Some(DiskBus::Usb);
    Ovmf202502 Bios false None;
    Ovmf202502 Bios false Some(DiskBus::VirtioBlk);
    Ovmf202608 Pflash true Some(DiskBus::VirtioBlk);
    Ovmf202608 Pflash true Some(DiskBus::VirtioScsi);
    Ovmf202608 Pflash true Some(DiskBus::Usb);
    Ovmf202608 Pflash false Some(DiskBus::VirtioBlk);
    Ovmf202608 Bios true Some(DiskBus::VirtioBlk);
    Ovmf202608 Bios true Some(DiskBus::Nvme);
    Ovmf202608 Bios true Some(DiskBus::Ahci);
    Ovmf202608 Bios false None;
    Ovmf202608 Bios false Some(DiskBus::VirtioBlk);
    Ovmf202608 Bios false Some(DiskBus::VirtioScsi);
};

/// Whether a test boots such a machine; what is not said of it is taken to be as there.
pub(super) fn is_booted(assumptions: &Assumptions, loaded: Loaded) -> bool {
    let same = |said: Option<DiskBus>, booted: &Booted| {
        said.is_none() || booted.bus.is_none() || said == booted.bus
    };
    BOOTED.iter().any(|booted| {
        booted.firmware == assumptions.firmware
            && booted.from_disk == (loaded == Loaded::FromDisk)
            && assumptions.firmware_by.is_none_or(|by| by == booted.firmware_by)
            && same(assumptions.disk_bus, booted)
    })
}
