//! Which machines with a TPM a test boots: of those, and of no others, a prediction is called proven.

use std::fmt;

use cvmkit_measure::firmware::behaviour::FirmwareBuild;
use cvmkit_measure::linux::KernelVersion;
use cvmkit_measure::tpm::StubVersion;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};

use super::assumptions::Assumptions;

/// A machine that a test of this project boots, and whose registers it finds as predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Booted {
    /// The release of OVMF that it boots with.
    pub firmware: FirmwareBuild,
    /// Whether Secure Boot is on; none for firmware without it.
    pub secure_boot: Option<bool>,
    /// How QEMU gives it its firmware.
    pub firmware_by: FirmwareBy,
    /// The stub of the image that the firmware loads from the disk; none for a kernel from QEMU.
    pub stub: Option<StubVersion>,
    /// Whether it can't write to that disk.
    pub read_only: bool,
    /// The bus of its disk; none for a machine without one.
    pub bus: Option<DiskBus>,
}

/// The kernel that all of [`BOOTED`] start: the test fails with another one.
pub const BOOTED_KERNEL: KernelVersion = KernelVersion { major: 6, minor: 12 };

/// The release of QEMU, major and minor, that starts all of [`BOOTED`]: the test fails with another one.
pub const BOOTED_QEMU: &str = "10.0";

/// As evidence has it: `ovmf-2025.02/secure-boot-off/pflash/virtio-blk/systemd-257/linux-6.12/qemu-10.0`.
impl fmt::Display for Booted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure_boot = match self.secure_boot {
            None => "no-secure-boot",
            Some(false) => "secure-boot-off",
            Some(true) => "secure-boot-on",
        };
        write!(f, "{}/{secure_boot}/{}", self.firmware, self.firmware_by)?;
        match self.bus {
            Some(bus) => write!(f, "/{bus}")?,
            None => f.write_str("/no-disk")?,
        }
        f.write_str(if self.read_only { "/read-only" } else { "" })?;
        match self.stub {
            Some(stub) => write!(f, "/systemd-{stub}")?,
            None => f.write_str("/direct")?,
        }
        write!(f, "/linux-{BOOTED_KERNEL}/qemu-{BOOTED_QEMU}")
    }
}

macro_rules! booted {
    ($($build:ident $secure_boot:expr, $by:ident $stub:expr, $read_only:literal $bus:expr;)+) => {
        &[$(Booted {
            firmware: FirmwareBuild::$build,
            secure_boot: $secure_boot,
            firmware_by: FirmwareBy::$by,
            stub: $stub,
            read_only: $read_only,
            bus: $bus,
        }),+]
    };
}

const OF_257: Option<StubVersion> = Some(StubVersion(257));
const OF_262: Option<StubVersion> = Some(StubVersion(262));

/// The machines that `crates/cli/tests/boots/vtpm` boots: it fails if its cases are not these.
pub const BOOTED: &[Booted] = booted! {
    Ovmf202211 Some(false), Pflash OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202211 Some(false), Pflash OF_257, false Some(DiskBus::Ahci);
    Ovmf202211 Some(false), Bios None, false None;
    Ovmf202211 Some(false), Bios OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202211 Some(false), Bios OF_262, false Some(DiskBus::VirtioScsi);
    Ovmf202502 None, Pflash OF_257, false Some(DiskBus::Nvme);
    Ovmf202502 None, Bios None, false None;
    Ovmf202502 None, Bios None, false Some(DiskBus::VirtioBlk);
    Ovmf202502 None, Bios OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202502 None, Bios OF_262, false Some(DiskBus::VirtioBlk);
    Ovmf202502 None, Bios OF_262, false Some(DiskBus::Usb);
    Ovmf202502 Some(false), Pflash OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202502 Some(true), Pflash None, false None;
    Ovmf202502 Some(true), Pflash OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Pflash None, false Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Pflash OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Pflash OF_257, false Some(DiskBus::VirtioScsi);
    Ovmf202608 None, Pflash OF_262, false Some(DiskBus::Usb);
    Ovmf202608 None, Pflash OF_262, true Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Bios None, false None;
    Ovmf202608 None, Bios None, false Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Bios None, false Some(DiskBus::VirtioScsi);
    Ovmf202608 None, Bios OF_257, false Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Bios OF_257, false Some(DiskBus::Ahci);
    Ovmf202608 None, Bios OF_262, false Some(DiskBus::VirtioBlk);
    Ovmf202608 None, Bios OF_262, false Some(DiskBus::Nvme);
    Ovmf202608 Some(false), Pflash OF_262, true Some(DiskBus::VirtioBlk);
    Ovmf202608 Some(true), Pflash OF_262, false Some(DiskBus::VirtioBlk);
};

/// What boots in a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// As [`Booted::stub`].
    pub(crate) stub: Option<StubVersion>,
    /// None of a kernel that does not say.
    pub(crate) kernel: Option<KernelVersion>,
}

/// Whether a test boots such a machine. What is not said of it leaves several, and each has to be
/// booted; of a disk beside a kernel from QEMU that means none.
pub(super) fn is_booted(assumptions: &Assumptions, start: Start) -> bool {
    let given_by = assumptions.firmware_by.map_or(FirmwareBy::ALL.to_vec(), |by| vec![by]);
    let buses = match (assumptions.disk_bus, start.stub) {
        (Some(bus), _) => vec![Some(bus)],
        (None, Some(_)) => DiskBus::ALL.iter().copied().map(Some).collect(),
        (None, None) => vec![None],
    };
    let machine = |firmware_by, bus| Booted {
        firmware: assumptions.firmware,
        secure_boot: assumptions.secure_boot,
        firmware_by,
        stub: start.stub,
        read_only: assumptions.read_only_disk == Some(true),
        bus,
    };
    let of = |by: FirmwareBy| buses.iter().map(move |bus| machine(by, *bus));
    let mut machines = given_by.into_iter().flat_map(of);
    start.kernel == Some(BOOTED_KERNEL) && machines.all(|machine| BOOTED.contains(&machine))
}

/// The boots of machines whose firmware measures as this one's does, of such an image: those that are
/// most alike.
pub(crate) fn alike(assumptions: &Assumptions, start: Start) -> Vec<Booted> {
    let measures_so = |booted: &&Booted| {
        booted.stub.is_some() == start.stub.is_some()
            && booted.firmware.behaviour() == assumptions.firmware.behaviour()
    };
    let likeness = |booted: &Booted| {
        [
            booted.firmware == assumptions.firmware,
            booted.secure_boot == assumptions.secure_boot,
            booted.stub == start.stub,
            assumptions.firmware_by.is_none_or(|by| by == booted.firmware_by),
            assumptions.disk_bus.is_none_or(|bus| Some(bus) == booted.bus),
            assumptions.read_only_disk.is_none_or(|read_only| read_only == booted.read_only),
        ]
        .iter()
        .filter(|is_alike| **is_alike)
        .count()
    };
    let fitting: Vec<Booted> = BOOTED.iter().filter(measures_so).copied().collect();
    let most = fitting.iter().map(likeness).max();
    fitting.into_iter().filter(|booted| Some(likeness(booted)) == most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_TRIXIE: Start = Start { stub: OF_257, kernel: Some(BOOTED_KERNEL) };

    fn machine() -> Assumptions {
        Assumptions {
            firmware: FirmwareBuild::Ovmf202502,
            secure_boot: None,
            read_only_disk: Some(false),
            disk_bus: Some(DiskBus::VirtioBlk),
            firmware_by: Some(FirmwareBy::Bios),
            kernel: None,
        }
    }

    /// A machine that differs in one thing, or of which one is not said, is another.
    #[test]
    fn only_what_is_booted_counts() {
        assert!(is_booted(&machine(), OF_TRIXIE));
        let others = [
            Assumptions { firmware: FirmwareBuild::Ovmf202211, ..machine() },
            Assumptions { secure_boot: Some(true), ..machine() },
            Assumptions { read_only_disk: Some(true), ..machine() },
            Assumptions { disk_bus: Some(DiskBus::Ahci), ..machine() },
            Assumptions { disk_bus: None, ..machine() },
            Assumptions { firmware_by: Some(FirmwareBy::Pflash), ..machine() },
            Assumptions { firmware_by: None, ..machine() },
        ];
        for other in others {
            assert!(!is_booted(&other, OF_TRIXIE), "{other:?}");
        }
        let kernel = Some(KernelVersion { major: 6, minor: 13 });
        let starts = [Start { kernel, ..OF_TRIXIE }, Start { kernel: None, ..OF_TRIXIE }];
        for start in starts.into_iter().chain([Start { stub: Some(StubVersion(258)), ..OF_TRIXIE }])
        {
            assert!(!is_booted(&machine(), start), "{start:?}");
        }
    }

    #[test]
    fn the_boots_that_are_most_alike_are_named() {
        let words = |machine: &Assumptions| {
            let booted = alike(machine, OF_TRIXIE);
            booted.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let same = "ovmf-2025.02/no-secure-boot/bios/virtio-blk/systemd-257/linux-6.12/qemu-10.0";
        assert_eq!(words(&machine()), [same]);
        // No boot of this firmware is from that bus: another release's boot does not stand for it.
        let ahci = Assumptions { disk_bus: Some(DiskBus::Ahci), ..machine() };
        assert_eq!(words(&ahci), [same]);
        // Of two releases that measure alike, a boot of this one is as near as a setting.
        let off = Assumptions { secure_boot: Some(false), ..machine() };
        assert!(words(&off).iter().any(|word| word.starts_with("ovmf-2025.02/")));
        let newer = Assumptions { firmware: FirmwareBuild::Ovmf202608, ..machine() };
        assert!(words(&newer).iter().all(|word| word.starts_with("ovmf-2026.08/")));
    }

    const DIRECT: Start = Start { stub: None, kernel: Some(BOOTED_KERNEL) };

    /// A kernel from the VMM may be beside a disk or not: where none is said there is none.
    #[test]
    fn a_direct_boot_counts_with_the_disk_that_is_beside_it() {
        let beside = |firmware_by, disk_bus, read_only_disk| Assumptions {
            firmware: FirmwareBuild::Ovmf202608,
            disk_bus,
            firmware_by,
            read_only_disk,
            ..machine()
        };
        let (bios, pflash) = (Some(FirmwareBy::Bios), Some(FirmwareBy::Pflash));
        for (assumptions, expected) in [
            (beside(bios, None, None), true),
            (beside(bios, Some(DiskBus::VirtioBlk), None), true),
            (beside(bios, Some(DiskBus::VirtioScsi), Some(false)), true),
            (beside(bios, Some(DiskBus::VirtioScsi), Some(true)), false),
            (beside(bios, Some(DiskBus::Nvme), None), false),
            (beside(pflash, Some(DiskBus::VirtioBlk), None), true),
            (beside(pflash, None, None), false),
            (beside(None, Some(DiskBus::VirtioBlk), None), true),
            (beside(None, None, None), false),
        ] {
            assert_eq!(is_booted(&assumptions, DIRECT), expected, "{assumptions:?}");
        }
    }

    #[test]
    fn a_read_only_disk_is_another_machine() {
        let of_262 = Start { stub: OF_262, ..OF_TRIXIE };
        let read_only = Assumptions {
            firmware: FirmwareBuild::Ovmf202608,
            secure_boot: Some(false),
            read_only_disk: Some(true),
            firmware_by: Some(FirmwareBy::Pflash),
            ..machine()
        };
        assert!(is_booted(&read_only, of_262));
        assert!(!is_booted(&Assumptions { read_only_disk: Some(false), ..read_only }, of_262));
        assert!(!is_booted(&Assumptions { read_only_disk: None, ..read_only }, of_262));
    }

    fn named(machine: &Assumptions, start: Start) -> Vec<String> {
        alike(machine, start).iter().map(ToString::to_string).collect()
    }

    /// Each of the six things that machines differ in counts one.
    #[test]
    fn the_nearest_boots_share_most_of_the_machine() {
        let on = Assumptions {
            firmware: FirmwareBuild::Ovmf202608,
            secure_boot: Some(true),
            firmware_by: Some(FirmwareBy::Pflash),
            ..machine()
        };
        let of_262 = Start { stub: OF_262, ..OF_TRIXIE };
        assert_eq!(
            named(&on, of_262),
            ["ovmf-2026.08/secure-boot-on/pflash/virtio-blk/systemd-262/linux-6.12/qemu-10.0"]
        );
        let read_only = Assumptions { secure_boot: None, read_only_disk: Some(true), ..on };
        assert_eq!(
            named(&read_only, of_262),
            [
                "ovmf-2026.08/no-secure-boot/pflash/virtio-blk/read-only/systemd-262/linux-6.12/qemu-10.0"
            ]
        );
        // Two releases that measure alike: one has the firmware, the other one Secure Boot.
        let older = Assumptions { firmware: FirmwareBuild::Ovmf202211, ..on };
        assert_eq!(
            named(&older, OF_TRIXIE),
            [
                "ovmf-2022.11/secure-boot-off/pflash/virtio-blk/systemd-257/linux-6.12/qemu-10.0",
                "ovmf-2025.02/secure-boot-on/pflash/virtio-blk/systemd-257/linux-6.12/qemu-10.0",
            ]
        );
        let direct = Assumptions { secure_boot: None, firmware_by: None, disk_bus: None, ..older };
        assert_eq!(
            named(&direct, DIRECT),
            [
                "ovmf-2022.11/secure-boot-off/bios/no-disk/direct/linux-6.12/qemu-10.0",
                "ovmf-2025.02/no-secure-boot/bios/no-disk/direct/linux-6.12/qemu-10.0",
                "ovmf-2025.02/no-secure-boot/bios/virtio-blk/direct/linux-6.12/qemu-10.0"
            ]
        );
        assert_eq!(
            named(&Assumptions { disk_bus: Some(DiskBus::VirtioBlk), ..direct }, DIRECT),
            ["ovmf-2025.02/no-secure-boot/bios/virtio-blk/direct/linux-6.12/qemu-10.0"]
        );
    }

    /// A word that evidence may have ([`cvmkit_measure::claim::Word`]), and each boot once.
    #[test]
    fn every_boot_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = BOOTED.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), BOOTED.len());
        for word in words {
            let json = format!("\"{word}\"");
            assert!(serde_json::from_str::<cvmkit_measure::claim::Word>(&json).is_ok(), "{word}");
        }
    }
}
