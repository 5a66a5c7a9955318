//! What can make an event differ: knowledge about boots, as a table.

use std::fmt;

use serde::Serialize;

use super::kind::Kind;
use crate::event::{
    Event, EventType, Events, ObservedEvent, PcrIndex, Register, RtmrIndex, Source,
};

/// The strings firmware measures when the kernel takes over (TCG PC Client Platform Firmware
/// Profile 1.06, section 10.4.4); it may have to try more than once.
const EXIT_FAILED: &[u8] = b"Exit Boot Services Returned with Failure";
const EXIT_INVOKED: &[u8] = b"Exit Boot Services Invocation";

/// A likely reason why a machine did not do what was predicted. Prints as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The text of the command line differs.
    CommandLine,
    /// The same text, but other firmware puts `initrd=initrd` elsewhere.
    CommandLineLayout,
    /// The kernel that boots differs.
    Kernel,
    /// The kernel's header, which QEMU changes when it boots a kernel directly.
    KernelPatched,
    /// The initrd that boots differs.
    Initrd,
    /// The unified kernel image as a whole differs.
    Uki,
    /// The version of systemd-stub differs, and with it what is measured.
    StubVersion,
    /// Command line, credentials or addons from outside the UKI.
    OutsideUki,
    /// The firmware image differs.
    FirmwareBuild,
    /// Firmware that measures other things, or in another order.
    FirmwareLayout,
    /// A device with an option ROM.
    OptionRom,
    /// Secure Boot switched, or other keys.
    SecureBootVariables,
    /// Other boot options, or another one chosen.
    BootOrder,
    /// Other memory size or number of processors.
    MachineSize,
    /// Other devices or another version of the VMM.
    Devices,
    /// Another version of the VMM, which builds a TD in another order.
    VmmVersion,
    /// A virtual TPM beside the registers of a TD, or none.
    VirtualTpm,
    /// The GUID partition table of the boot disk differs.
    PartitionTable,
    /// Firmware left boot services at the second attempt.
    ExitBootServicesRetry,
    /// Something that ran after boot.
    Runtime,
    /// The TPM was not started by the firmware of a plain virtual machine.
    StartupLocality,
    /// The log ends before the boot does.
    LogIncomplete,
}

impl Cause {
    const fn text(self) -> &'static str {
        match self {
            Self::CommandLine => "the kernel command line differs",
            Self::CommandLineLayout => {
                "the firmware assembles the command line differently: `initrd=initrd` comes first \
                 or last by its version, and not at all without an initrd"
            }
            Self::Kernel => "the kernel differs",
            Self::KernelPatched => {
                "QEMU patches the header of a kernel that it boots directly, by its version, the \
                 memory size and the size of the initrd, or hands it over unchanged"
            }
            Self::Initrd => "the initrd differs",
            Self::Uki => "the unified kernel image differs",
            Self::StubVersion => {
                "the UKI has a different version of systemd-stub, which measures other things (up \
                 to version 257 the kernel a second time)"
            }
            Self::OutsideUki => {
                "the stub took something from outside the UKI: a command line of the boot loader, \
                 credentials, addons or extensions beside it"
            }
            Self::FirmwareBuild => "the firmware is a different build",
            Self::FirmwareLayout => {
                "the firmware measures other events or in another order: its version is not that of \
                 its profile"
            }
            Self::OptionRom => {
                "a device has an option ROM, such as a network card or a GPU that is passed through"
            }
            Self::SecureBootVariables => {
                "Secure Boot is switched on or off, or its keys (PK, KEK, db, dbx) differ"
            }
            Self::BootOrder => {
                "the boot options differ, or a different one was tried first: they follow the \
                 devices of the machine and the variables kept from earlier boots"
            }
            Self::MachineSize => {
                "the memory size or the number of processors differs, which changes the TD HOB and \
                 the ACPI tables"
            }
            Self::Devices => {
                "the VMM's version or its devices differ, which changes the ACPI tables"
            }
            Self::VmmVersion => {
                "the VMM's version differs: QEMU 8 measures a TD's firmware in two passes, 9 and \
                 later in one"
            }
            Self::VirtualTpm => {
                "the TD has a virtual TPM, or has none: Linux measures its command line and initrd \
                 there if it has"
            }
            Self::PartitionTable => {
                "the partition table of the disk differs, or was grown to the disk's size"
            }
            Self::ExitBootServicesRetry => {
                "the firmware left boot services at the second attempt, which depends on chance: \
                 the next boot of the same machine may need one"
            }
            Self::Runtime => "the running system extended the register after it had booted",
            Self::StartupLocality => {
                "the TPM was started at a different locality, by an H-CRTM or by other firmware"
            }
            Self::LogIncomplete => "the log is cut, or was read before the boot was over",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// What can be behind a divergence, likeliest first.
pub(super) fn causes(
    kind: Kind,
    register: Register,
    expected: Option<&Event>,
    observed: Option<&ObservedEvent<'_>>,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    match (kind, expected, observed) {
        (Kind::InitialValue, _, _) => causes.push(Cause::StartupLocality),
        (Kind::Unexpected, _, Some(observed)) => {
            causes.extend(of_device(register));
            causes.extend(of_extra(register, observed));
            causes.extend(of_tpm(register, observed.event_type));
            causes.extend(of_layout(register));
        }
        (Kind::Missing, Some(expected), observed) => {
            causes.extend(of_absent(expected));
            causes.extend(of_tpm(register, expected.event_type));
            causes.extend(of_layout(register));
            causes.extend(observed.is_none().then_some(Cause::LogIncomplete));
        }
        (_, expected, observed) => {
            causes.extend(of_device(register));
            causes.extend(expected.into_iter().flat_map(of_contents));
            let is_other = |e: &Event, o: &ObservedEvent<'_>| e.event_type != o.event_type;
            let other_events = expected.zip(observed).is_some_and(|(e, o)| is_other(e, o));
            if kind == Kind::OutOfOrder {
                causes = of_layout(register).to_vec();
            } else if other_events {
                causes.extend(of_layout(register));
            }
        }
    }
    without_repetition(causes)
}

/// What can be behind a value, when nothing is known of its events.
pub(super) fn causes_of_value<'a>(
    register: Register,
    events: impl Iterator<Item = &'a Event>,
) -> Vec<Cause> {
    let mut sources: Vec<Cause> = of_device(register).into_iter().collect();
    sources.extend(events.flat_map(of_contents).copied());
    sources.extend(of_layout(register));
    if is_exit_register(register) {
        sources.push(Cause::ExitBootServicesRetry);
    }
    without_repetition(sources)
}

/// What can be behind a register of which only the expected value is known, not what it is made of.
#[must_use]
pub fn causes_of_known(register: Register) -> Vec<Cause> {
    use Cause::{
        BootOrder, CommandLine, Devices, ExitBootServicesRetry, FirmwareBuild, FirmwareLayout,
        Initrd, Kernel, MachineSize, OutsideUki, PartitionTable, SecureBootVariables, StubVersion,
        Uki, VirtualTpm,
    };
    let known: &[Cause] = match register {
        Register::Pcr(pcr) => match pcr.number() {
            0 => &[FirmwareBuild],
            1 => &[MachineSize, Devices, BootOrder, FirmwareBuild],
            4 => &[Uki, Kernel, BootOrder],
            5 => &[PartitionTable, ExitBootServicesRetry],
            7 => &[SecureBootVariables],
            9 => &[CommandLine, Initrd],
            11 => &[Uki],
            _ => &[],
        },
        Register::Rtmr(rtmr) => match rtmr.number() {
            0 => &[MachineSize, Devices, FirmwareBuild, BootOrder, SecureBootVariables],
            1 => &[Kernel, Uki, PartitionTable, ExitBootServicesRetry],
            2 => &[CommandLine, Initrd, VirtualTpm, OutsideUki],
            _ => &[],
        },
        Register::Mrtd => &[],
    };
    let known = of_device(register).into_iter().chain(known.iter().copied());
    let mut causes: Vec<Cause> = known.chain(of_layout(register).iter().copied()).collect();
    // Firmware that is asked for by its file has the layout that it has.
    if matches!(register, Register::Pcr(pcr) if matches!(pcr.number(), 4 | 7)) {
        causes.retain(|cause| *cause != FirmwareLayout);
    }
    causes.retain(|cause| *cause != StubVersion || register_is(register, 11));
    without_repetition(causes)
}

pub(super) fn register_is(register: Register, pcr: u8) -> bool {
    matches!(register, Register::Pcr(index) if index.number() == pcr)
}

/// The first suspect of the registers that only devices extend.
fn of_device(register: Register) -> Option<Cause> {
    let of_devices = register_is(register, 2) || register_is(register, 3);
    of_devices.then_some(Cause::OptionRom)
}

/// Causes that can't be, by how a machine is predicted to boot: nothing patches the kernel of a UKI,
/// and a kernel booted directly has no stub but its own.
pub(super) fn ruled_out(events: &Events) -> &'static [Cause] {
    let has = |source| events.0.iter().any(|event| event.source == source);
    if has(Source::Uki) || has(Source::UkiSection) {
        &[Cause::KernelPatched, Cause::CommandLineLayout]
    } else if has(Source::Kernel) {
        &[Cause::Uki, Cause::StubVersion, Cause::OutsideUki]
    } else {
        &[]
    }
}

fn without_repetition(causes: Vec<Cause>) -> Vec<Cause> {
    let mut distinct = Vec::new();
    for cause in causes {
        if !distinct.contains(&cause) {
            distinct.push(cause);
        }
    }
    distinct
}

/// Whose contents decide an event.
fn of_contents(event: &Event) -> &'static [Cause] {
    let is_in_uki = event.pcr.number() == UKI_PCR;
    match event.source {
        Source::Code if event.pcr.number() < FIRST_OS_PCR => &[Cause::FirmwareLayout],
        Source::Code => &[Cause::StubVersion],
        Source::Firmware => &[Cause::FirmwareBuild],
        Source::FirmwareVariables => match event.event_type {
            EventType::EV_EFI_VARIABLE_BOOT | EventType::EV_EFI_VARIABLE_BOOT2 => {
                &[Cause::BootOrder, Cause::FirmwareLayout]
            }
            // The volume they are in, which comes with the firmware.
            EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB2 => {
                &[Cause::FirmwareBuild, Cause::SecureBootVariables]
            }
            _ => &[Cause::SecureBootVariables],
        },
        Source::Machine => match event.event_type {
            EventType::EV_EFI_HANDOFF_TABLES | EventType::EV_EFI_HANDOFF_TABLES2 => {
                &[Cause::MachineSize, Cause::FirmwareBuild]
            }
            _ => &[Cause::MachineSize, Cause::Devices],
        },
        Source::PartitionTable => &[Cause::PartitionTable],
        Source::Uki => &[Cause::Uki, Cause::BootOrder],
        Source::Kernel | Source::Initrd | Source::CommandLine | Source::UkiSection if is_in_uki => {
            &[Cause::Uki]
        }
        Source::Kernel => &[Cause::Kernel, Cause::KernelPatched],
        Source::Initrd => &[Cause::Initrd, Cause::StubVersion],
        Source::CommandLine => &[Cause::CommandLine, Cause::CommandLineLayout],
        Source::UkiSection => &[Cause::Uki, Cause::StubVersion],
    }
}

/// Where systemd-stub measures the sections of the UKI it is part of.
pub(super) const UKI_PCR: u8 = 11;

/// PCRs from here on are the operating system's (TCG PC Client Platform Firmware Profile 1.06,
/// section 3.3.4).
const FIRST_OS_PCR: u8 = 8;

/// What puts an event where none was predicted.
fn of_extra(register: Register, event: &ObservedEvent<'_>) -> Vec<Cause> {
    let is_exit = [EXIT_FAILED, EXIT_INVOKED].contains(&event.data.as_ref());
    match event.event_type {
        EventType::EV_EFI_ACTION if is_exit && is_exit_register(register) => {
            vec![Cause::ExitBootServicesRetry]
        }
        EventType::EV_EFI_GPT_EVENT | EventType::EV_EFI_GPT_EVENT2 => vec![Cause::PartitionTable],
        EventType::EV_EFI_VARIABLE_BOOT | EventType::EV_EFI_VARIABLE_BOOT2 => {
            vec![Cause::BootOrder]
        }
        EventType::EV_EFI_VARIABLE_DRIVER_CONFIG | EventType::EV_EFI_VARIABLE_AUTHORITY => {
            vec![Cause::SecureBootVariables]
        }
        EventType::EV_EFI_BOOT_SERVICES_APPLICATION => {
            vec![Cause::BootOrder, Cause::StubVersion]
        }
        EventType::EV_EFI_ACTION if !is_exit_register(register) => vec![Cause::BootOrder],
        EventType::EV_EFI_HANDOFF_TABLES | EventType::EV_EFI_HANDOFF_TABLES2 => {
            vec![Cause::FirmwareBuild]
        }
        _ => Vec::new(),
    }
}

/// What keeps a predicted event from happening.
fn of_absent(event: &Event) -> Vec<Cause> {
    match (event.source, event.event_type) {
        (_, EventType::EV_EFI_GPT_EVENT | EventType::EV_EFI_GPT_EVENT2) => {
            vec![Cause::PartitionTable]
        }
        (_, EventType::EV_EFI_VARIABLE_AUTHORITY) => vec![Cause::SecureBootVariables],
        (Source::Kernel, EventType::EV_EFI_BOOT_SERVICES_APPLICATION) => vec![Cause::StubVersion],
        (Source::Code, _) => Vec::new(),
        _ => of_contents(event).to_vec(),
    }
}

/// What Linux measures into a TD it measures into a TPM instead, if there is one.
fn of_tpm(register: Register, event_type: EventType) -> Option<Cause> {
    let is_kernel_s = RtmrIndex::new(2).map(Register::Rtmr) == Some(register)
        && event_type == EventType::EV_EVENT_TAG;
    is_kernel_s.then_some(Cause::VirtualTpm)
}

/// Who decides which events a register gets at all.
fn of_layout(register: Register) -> &'static [Cause] {
    match register {
        Register::Pcr(pcr) if pcr.number() < FIRST_OS_PCR => &[Cause::FirmwareLayout],
        Register::Pcr(pcr) if pcr.number() == UKI_PCR => &[Cause::StubVersion, Cause::Runtime],
        Register::Pcr(pcr) if matches!(pcr.number(), 12 | 13) => {
            &[Cause::OutsideUki, Cause::Runtime]
        }
        Register::Pcr(pcr) if pcr.number() == 9 => &[Cause::StubVersion, Cause::Kernel],
        Register::Pcr(_) => &[Cause::Runtime],
        Register::Rtmr(rtmr) => match rtmr.number() {
            0 | 1 => &[Cause::FirmwareLayout],
            2 => &[Cause::StubVersion, Cause::OutsideUki, Cause::Kernel],
            _ => &[Cause::Runtime],
        },
        Register::Mrtd => &[Cause::FirmwareBuild, Cause::VmmVersion],
    }
}

/// Where firmware measures that it leaves boot services.
fn is_exit_register(register: Register) -> bool {
    match register {
        Register::Pcr(pcr) => pcr.number() == 5,
        Register::Rtmr(rtmr) => PcrIndex::new(5).and_then(RtmrIndex::of_pcr) == Some(rtmr),
        Register::Mrtd => false,
    }
}
