//! What a TPM's registers hold after a boot: PCR 2 to 9 and 11 to 14 of a machine that boots a
//! unified kernel image from a disk, or a kernel that QEMU hands to OVMF.
//!
//! A prediction is a list of [`Event`]s; the registers are a fold over it. PCR 0 and 1 are decided
//! by the firmware build and the machine: they are predicted where the caller has their events from
//! a boot of the same ([`Firmware::pinned`]). [`Platform`] says what holds on which cloud.
//!
//! Nothing is predicted that can't be known: a stub whose rules are not proven, a command line that
//! the stub completes with a console of the machine, an initrd with a secret in it, an image that
//! Secure Boot would not start — each is an error. Deliberately absent: boot loaders between
//! firmware and image (shim, GRUB, systemd-boot), addons, credentials and extensions beside the
//! image, UKIs with profiles, option ROMs, boots without an initrd.
//!
//! Standards: TCG PC Client Platform Firmware Profile 1.06; UAPI.7 "Linux TPM PCR Registry";
//! systemd-stub(7). Oracles: PCRs and event logs of boots under QEMU with swtpm; systemd-measure.

mod newc;
pub mod pcrsig;
mod pinned;
mod platform;
mod stub;
mod uki;

use std::collections::BTreeMap;
use std::io;

use cvmkit_formats::pe;
use serde::Serialize;
use thiserror::Error;

use crate::digest::{Digests, Sha256, Sha384};
use crate::event::{Event, EventType, Events, PcrIndex, PcrSha256, PcrSha384, Source};
use crate::tdx::layout::InitrdArgument;
use crate::uefi::action::{self, Action};
use crate::uefi::variables::SecureBoot;
use crate::uefi::{gpt, image, utf16};

pub use pinned::{PinnedError, pinned};
pub use platform::{Platform, Prospect};
pub use stub::{Stub, StubVersion};
pub use uki::{MeasuredSection, Uki};

/// Command line and initrd, which Linux measures itself (UAPI.7, PCR 9).
pub const PCR_KERNEL: PcrIndex = PcrIndex::new(9).unwrap();

/// The sections of a unified kernel image, and the phases of the boot (UAPI.7, PCR 11).
pub const PCR_UKI: PcrIndex = PcrIndex::new(11).unwrap();

/// The phases that systemd-pcrphase extends into PCR 11, each when it is reached
/// (systemd-pcrphase.service(8)): the first two in the initrd.
pub const PHASES: [&str; 4] = ["enter-initrd", "leave-initrd", "sysinit", "ready"];

/// Why there is no prediction.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The image, or the kernel in it, is no PE image.
    #[error("reading the image")]
    Image(#[from] pe::Error),
    /// The image can't be read.
    #[error("reading section `{section}`")]
    Io {
        /// Which.
        section: &'static str,
        /// What the storage said.
        source: io::Error,
    },
    /// The image does not say that it has a systemd stub.
    #[error("no systemd stub: expected section `.sdmagic` with `systemd-stub` and a version")]
    NoStub,
    /// A stub whose way to measure is not proven.
    #[error("systemd-stub {found}: it is not known what it measures; known: {known}")]
    UnknownStub {
        /// Its version.
        found: u32,
        /// The versions whose rules are known.
        known: String,
    },
    /// A section without which the measurements are not known.
    #[error("the image has no section `{0}`")]
    MissingSection(&'static str),
    /// A section that comes more than once: the stub chooses when it runs.
    #[error("the image has section `{0}` more than once: which one counts is decided at boot")]
    RepeatedSection(&'static str),
    /// A section that the stub measures on machines it fits, and not on others.
    #[error("the image has section `{0}`: whether it is measured depends on the machine")]
    MachineSection(&'static str),
    /// A section too large to be what its name says.
    #[error("section `{section}` has {found} bytes, expected at most {expected}")]
    LargeSection {
        /// Which.
        section: &'static str,
        /// Its length.
        found: u64,
        /// The most that is read.
        expected: u64,
    },
    /// A command line that is no text.
    #[error("section `.cmdline` is no UTF-8 text from byte {at}")]
    CommandLine {
        /// Where the text ends.
        at: usize,
    },
    /// The stub would add a console of the machine to the command line.
    #[error(
        "the command line has no `console=`: systemd-stub {version} would add one that depends on \
         the machine, and the kernel measures the whole line"
    )]
    NoConsole {
        /// Version of the stub.
        version: StubVersion,
    },
    /// The stub would add a secret of the machine to the initrd.
    #[error(
        "systemd-stub {version} adds a secret of the machine to the initrd when it can keep a \
         random seed in the EFI system partition, and the kernel measures the initrd: put a file \
         named `loader` where the folder would be"
    )]
    BootSecret {
        /// Version of the stub.
        version: StubVersion,
    },
    /// Secure Boot is on and would not start the image.
    #[error(
        "Secure Boot is on, but the {what} carries no certificate of `db` in a signature: the \
         firmware would refuse it"
    )]
    NotAuthorized {
        /// The image or the kernel.
        what: &'static str,
    },
}

/// What differs between builds of OVMF and reaches a register that is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Where `initrd=initrd` is in the command line of a kernel that QEMU hands over.
    pub initrd_argument: InitrdArgument,
    /// Whether the first `ExitBootServices` fails and the second succeeds when the system was
    /// loaded from a disk that can be written: two more events in PCR 5.
    pub exits_twice_from_writable_disk: bool,
}

impl Behaviour {
    /// Debian's OVMF 2022.11 and 2025.02.
    pub const OVMF_2025_02: Self =
        Self { initrd_argument: InitrdArgument::Last, exits_twice_from_writable_disk: false };

    /// Debian's OVMF 2026.08.
    pub const OVMF_2026_08: Self =
        Self { initrd_argument: InitrdArgument::First, exits_twice_from_writable_disk: true };
}

/// The firmware of a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// How this build behaves.
    pub behaviour: Behaviour,
    /// What its variables hold.
    pub secure_boot: SecureBoot,
    /// All events of PCR 0 and 1, if they are known from a boot of this firmware on this machine
    /// ([`pinned`]); otherwise empty.
    pub pinned: Events,
}

/// The disk that holds the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk<'a> {
    /// What [`gpt::data`] makes of its partition table; none for a file system without one.
    pub partition_table: Option<&'a [u8]>,
    /// Whether the machine can't write to it.
    pub read_only: bool,
    /// Whether its EFI system partition has a file named `loader`, where systemd-stub expects a
    /// folder for its random seed.
    pub loader_is_file: bool,
}

impl Disk<'_> {
    /// Whether systemd-stub can keep a random seed. It finds an EFI system partition by the
    /// partition table.
    fn keeps_random_seed(&self) -> bool {
        self.partition_table.is_some() && !self.read_only && !self.loader_is_file
    }
}

/// A kernel that QEMU hands to OVMF.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a> {
    /// The kernel's Authenticode digests, of the file as OVMF gets it: QEMU older than 10 and OVMF
    /// older than 2025.02 use the one that QEMU has patched, newer ones together the original.
    pub kernel: Digests,
    /// What [`image::signatures`] finds in the kernel.
    pub signatures: &'a [u8],
    /// The command line of `-append`.
    pub command_line: &'a str,
    /// The digests of the file of `-initrd`.
    pub initrd: Digests,
}

/// What is known of a boot before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// What is extended, in order.
    pub events: Events,
    /// Registers that stay as the TPM starts them. Something in them is something unforeseen: in
    /// PCR 12 a command line, addon or credential from outside the image.
    pub untouched: Vec<PcrIndex>,
}

impl Prediction {
    fn new(events: Events) -> Self {
        // 8: GRUB. 11: UKIs. 12 and 13: what lies beside a UKI. 14: shim (UAPI.7).
        let possible = [8, 11, 12, 13, 14].into_iter().filter_map(PcrIndex::new);
        let used = |pcr: &PcrIndex| events.0.iter().any(|event| event.pcr == *pcr);
        let untouched = possible.filter(|pcr| !used(pcr)).collect();
        Self { events, untouched }
    }

    /// The same boot, later: userspace has extended these phases, such as the first two of
    /// [`PHASES`] when the initrd is done. They are in no log of the firmware.
    #[must_use]
    pub fn at(mut self, phases: &[&str]) -> Self {
        self.events.extend(phases.iter().map(|phase| phase_event(phase)));
        self
    }

    /// Every predicted register of the SHA-256 bank.
    #[must_use]
    pub fn pcrs_sha256(&self) -> BTreeMap<PcrIndex, PcrSha256> {
        let mut bank = self.events.pcrs_sha256();
        bank.extend(self.untouched.iter().map(|&pcr| (pcr, PcrSha256(Sha256::ZERO))));
        bank
    }

    /// Every predicted register of the SHA-384 bank.
    #[must_use]
    pub fn pcrs_sha384(&self) -> BTreeMap<PcrIndex, PcrSha384> {
        let mut bank = self.events.pcrs_sha384();
        bank.extend(self.untouched.iter().map(|&pcr| (pcr, PcrSha384(Sha384::ZERO))));
        bank
    }
}

/// The boot of a unified kernel image from a disk, as the default or by a boot option without data
/// of its own.
///
/// # Errors
/// [`Error::NoConsole`], [`Error::BootSecret`] and [`Error::NotAuthorized`].
pub fn disk_boot(firmware: &Firmware, uki: &Uki, disk: &Disk<'_>) -> Result<Prediction, Error> {
    let boot = UkiEvents::new(&firmware.secure_boot, uki, disk)?;
    let mut events = firmware.before_boot();
    events.extend([Action::CallingApplication.event()]);
    events.extend(separators());
    events.extend(boot.loading);
    events.extend(boot.sections);
    events.extend(boot.kernel);
    events.extend(boot.kernel_inputs);
    if firmware.behaviour.exits_twice_from_writable_disk && !disk.read_only {
        events.extend([Action::ExitBootServices.event(), Action::ExitBootServicesFailed.event()]);
    }
    events.extend(action::exit_boot_services());
    Ok(Prediction::new(events))
}

/// What loading a unified kernel image from a disk measures, whoever keeps the registers: the parts
/// in their order.
pub(crate) struct UkiEvents {
    /// By the firmware: what verified the image, the partition table, the image.
    pub(crate) loading: Vec<Event>,
    /// By the stub.
    pub(crate) sections: Vec<Event>,
    /// By the firmware, if the stub has it load the kernel.
    pub(crate) kernel: Option<Event>,
    /// By the kernel.
    pub(crate) kernel_inputs: [Event; 2],
}

impl UkiEvents {
    pub(crate) fn new(secure_boot: &SecureBoot, uki: &Uki, disk: &Disk<'_>) -> Result<Self, Error> {
        let version = uki.stub.version;
        if uki.stub.adds_console && !has_console(&uki.command_line) {
            return Err(Error::NoConsole { version });
        }
        if uki.stub.adds_boot_secret && disk.keeps_random_seed() {
            return Err(Error::BootSecret { version });
        }
        let authority = authority(secure_boot, &uki.signatures, "image")?;
        let mut loading: Vec<Event> = authority.into_iter().collect();
        loading.extend(disk.partition_table.map(gpt::event));
        loading.push(image::application(uki.image, "unified kernel image", Source::Uki));
        // With Secure Boot the stub vouches for the kernel, and for that it takes the place of the
        // firmware's handler, which is the one that measures.
        let is_measured = uki.stub.loads_kernel && secure_boot.enabled != Some(true);
        let meaning = "kernel in the unified kernel image";
        let kernel = is_measured.then(|| image::application(uki.kernel, meaning, Source::Kernel));
        let kernel_inputs = linux_events(&uki.command_line, uki.initrd);
        Ok(Self { loading, sections: uki.section_events(), kernel, kernel_inputs })
    }
}

/// The boot of a kernel that QEMU hands to OVMF.
///
/// # Errors
/// [`Error::NotAuthorized`].
pub fn direct_boot(firmware: &Firmware, direct: &Direct<'_>) -> Result<Prediction, Error> {
    let authority = authority(&firmware.secure_boot, direct.signatures, "kernel")?;
    let mut events = firmware.before_boot();
    events.extend(authority);
    // The kernel is loaded before OVMF declares itself ready to boot, and started after.
    events.extend([image::application(direct.kernel, "kernel", Source::Kernel)]);
    events.extend([Action::CallingApplication.event()]);
    events.extend(separators());
    let command_line = match firmware.behaviour.initrd_argument {
        InitrdArgument::Last => format!("{} initrd=initrd", direct.command_line),
        InitrdArgument::First => format!("initrd=initrd {}", direct.command_line),
    };
    events.extend(linux_events(&command_line, direct.initrd));
    events.extend(action::exit_boot_services());
    Ok(Prediction::new(events))
}

impl Firmware {
    /// What every boot of it begins with.
    fn before_boot(&self) -> Events {
        let mut events = self.pinned.clone();
        events.extend(self.secure_boot.events());
        events
    }
}

/// The separators of the registers that are predicted without a boot: [`Firmware::pinned`] has
/// those of PCR 0 and 1.
fn separators() -> impl Iterator<Item = Event> {
    action::separators().filter(|event| event.pcr.number() > 1)
}

/// The event of verifying an image, if there is verification.
fn authority(
    secure_boot: &SecureBoot,
    signatures: &[u8],
    what: &'static str,
) -> Result<Option<Event>, Error> {
    if secure_boot.enabled != Some(true) {
        return Ok(None);
    }
    secure_boot.authority(signatures).map(Some).ok_or(Error::NotAuthorized { what })
}

/// What the kernel's EFI stub measures: the command line as it got it, with a final NUL, and the
/// initrd (Linux, `drivers/firmware/efi/libstub/efi-stub-helper.c`).
fn linux_events(command_line: &str, initrd: Digests) -> [Event; 2] {
    let event = |meaning: &'static str, source, digests| Event {
        pcr: PCR_KERNEL,
        event_type: EventType::EV_EVENT_TAG,
        meaning: meaning.into(),
        source,
        digests,
    };
    let text = Digests::of_parts([utf16(command_line).as_slice(), &[0, 0]]);
    [
        event("command line of the kernel", Source::CommandLine, text),
        event("initrd of the kernel", Source::Initrd, initrd),
    ]
}

/// The event of reaching a phase: its name without a NUL (systemd-measure(1), `--phase`).
fn phase_event(phase: &str) -> Event {
    Event {
        pcr: PCR_UKI,
        event_type: EventType::EV_IPL,
        meaning: format!("phase {phase}").into(),
        source: Source::Code,
        digests: Digests::of(phase.as_bytes()),
    }
}

/// True if systemd-stub leaves the consoles to the command line.
fn has_console(command_line: &str) -> bool {
    command_line.starts_with("console=") || command_line.contains(" console=")
}
