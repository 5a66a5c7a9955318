//! What a TPM's registers hold after a boot: PCR 2 to 9 and 11 to 14 of a machine that boots a
//! unified kernel image from a disk, or a kernel that QEMU hands to OVMF.
//!
//! A prediction is a list of [`Event`]s; the registers are a fold over it. PCR 0 and 1 are decided
//! by the firmware build and the machine: they are predicted where the caller has their events from
//! a boot of the same ([`Firmware::pinned`]). [`Platform`] says what holds on which cloud.
//!
//! Nothing is predicted that can't be known: a stub whose rules are not proven, a command line that
//! the stub completes with a console of the machine, an initrd with a secret in it, an image that
//! Secure Boot would not start — each is an error. What is unknown of one register only leaves that
//! one open ([`Prediction::open`]). Deliberately absent: boot loaders between firmware and image
//! (shim, GRUB, systemd-boot), addons, credentials and extensions beside the image, option ROMs,
//! boots without an initrd.
//!
//! Standards: TCG PC Client Platform Firmware Profile 1.06; UAPI.7 "Linux TPM PCR Registry";
//! systemd-stub(7). Oracles: PCRs and event logs of boots under QEMU with swtpm; systemd-measure.

mod error;
mod newc;
mod pcr;
pub mod pcrsig;
mod pinned;
mod platform;
mod stub;
mod stub_version;
mod uki;
mod unknown;

use std::collections::BTreeMap;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use serde::Serialize;

use crate::event::{
    Bank, BankDigest, Event, EventType, Events, PcrIndex, PcrSha256, PcrSha384, Register, Source,
};
use crate::firmware::behaviour::Behaviour;
use crate::linux::KernelVersion;
use crate::uefi::action::{self, Action};
use crate::uefi::load_options;
use crate::uefi::medium::{Loaded, Medium};
use crate::uefi::variables::SecureBoot;
use crate::uefi::{PCR_BOOT_CONFIG, PCR_MACHINE, gpt, image, utf16};

pub use error::Error;
pub use pcr::{PCR_KERNEL, PCR_KERNEL_CONFIG, PCR_UKI};
pub use pinned::{Booted, Pinned, PinnedError, pinned};
pub use platform::{Platform, Prospect};
pub use stub::Stub;
pub use stub_version::StubVersion;
pub use uki::{MeasuredSection, Uki};
pub use unknown::Unknown;

/// The phases that systemd-pcrphase extends into PCR 11, each when it is reached
/// (systemd-pcrphase.service(8)): the first two in the initrd.
pub const PHASES: [&str; 4] = ["enter-initrd", "leave-initrd", "sysinit", "ready"];

/// The firmware of a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// How this build measures, where builds differ.
    pub behaviour: Behaviour,
    /// What its variables hold of Secure Boot.
    pub secure_boot: SecureBoot,
    /// PCR 0 and 1, if they are known from a boot of this firmware on this machine ([`pinned()`]).
    pub pinned: Option<Pinned>,
}

/// The disk that holds the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk<'a> {
    /// What [`gpt::data`] makes of its partition table; none for a file system without one.
    pub partition_table: Option<&'a [u8]>,
    /// How the machine has it.
    pub medium: Medium,
    /// Whether its EFI system partition has a file named `loader`, where systemd-stub expects a
    /// folder for its random seed.
    pub loader_is_file: bool,
}

impl Disk<'_> {
    /// Whether systemd-stub can keep a random seed. It finds an EFI system partition by the
    /// partition table.
    fn keeps_random_seed(&self) -> bool {
        let is_writable = self.medium.is_writable != Some(false);
        self.partition_table.is_some() && is_writable && !self.loader_is_file
    }
}

/// A kernel that QEMU hands to OVMF.
#[derive(Clone, Copy, Debug)]
pub struct DirectKernel<'a> {
    /// The kernel's Authenticode digests, of the file as OVMF gets it: QEMU older than 10 and OVMF
    /// older than 2025.02 use the one that QEMU has patched, newer ones together the original.
    pub kernel: Digests,
    /// What [`image::signatures`] finds in the kernel.
    pub signatures: &'a [u8],
    /// The version of the kernel, if it says one.
    pub kernel_version: Option<KernelVersion>,
    /// The command line of `-append`.
    pub command_line: &'a [u8],
    /// The digests of the file of `-initrd`.
    pub initrd: Digests,
    /// How the machine has its disk, if it has one, and its firmware.
    pub medium: Medium,
}

/// What is known of a boot before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// What is extended, in order; nothing of registers that are open.
    pub events: Events,
    /// Registers that are not known, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<PcrIndex, Unknown>,
    /// PCR 0 begins with it.
    #[serde(skip)]
    pub startup_locality: u8,
    /// The bank of which PCR 0 and 1 are not pinned, if they are of another.
    #[serde(skip)]
    pub unpinned: Vec<Bank>,
    /// Registers that stay as the TPM starts them. Something in them is something unforeseen: in
    /// PCR 12 a command line, addon or credential from outside the image.
    pub untouched: Vec<PcrIndex>,
}

impl Prediction {
    fn new(mut events: Events, open: BTreeMap<PcrIndex, Unknown>, pinned: Option<&Pinned>) -> Self {
        // 8: GRUB. 11: UKIs. 12 and 13: what lies beside a UKI. 14: shim (UAPI.7).
        let possible = [8, 11, 12, 13, 14].into_iter().filter_map(PcrIndex::new);
        let used = |pcr: &PcrIndex| events.0.iter().any(|event| event.pcr == *pcr);
        let untouched = possible.filter(|pcr| !used(pcr) && !open.contains_key(pcr)).collect();
        events.0.retain(|event| !open.contains_key(&event.pcr));
        let startup_locality = pinned.map_or(0, Pinned::startup_locality);
        let is_missing = |bank: &Bank| pinned.is_some_and(|pinned| !pinned.banks().contains(bank));
        let unpinned = Bank::ALL.into_iter().filter(is_missing).collect();
        Self { events, open, startup_locality, unpinned, untouched }
    }

    /// The events that are known in a bank.
    #[must_use]
    pub fn in_bank(&self, bank: Bank) -> Events {
        let is_known = |event: &&Event| event.pcr.number() > 1 || !self.unpinned.contains(&bank);
        self.events.0.iter().filter(is_known).cloned().collect()
    }

    /// PCR 0 of a bank, which begins with the locality that the TPM was started at.
    fn first(&self, bank: Bank, events: &Events) -> Option<BankDigest> {
        let first = PcrIndex::new(0)?;
        let mut own = events.0.iter().filter(|event| event.pcr == first).peekable();
        own.peek()?;
        let initial = bank.initial(Register::Pcr(first), self.startup_locality);
        own.try_fold(initial, |value, event| value.extend(bank.pick(&event.digests)))
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
        let events = self.in_bank(Bank::Sha256);
        let mut bank = events.pcrs_sha256();
        if let Some(BankDigest::Sha256(value)) = self.first(Bank::Sha256, &events) {
            bank.extend(PcrIndex::new(0).map(|first| (first, PcrSha256(value))));
        }
        bank.extend(self.untouched.iter().map(|&pcr| (pcr, PcrSha256(Sha256::ZERO))));
        bank
    }

    /// Every predicted register of the SHA-384 bank.
    #[must_use]
    pub fn pcrs_sha384(&self) -> BTreeMap<PcrIndex, PcrSha384> {
        let events = self.in_bank(Bank::Sha384);
        let mut bank = events.pcrs_sha384();
        if let Some(BankDigest::Sha384(value)) = self.first(Bank::Sha384, &events) {
            bank.extend(PcrIndex::new(0).map(|first| (first, PcrSha384(value))));
        }
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
    let booted = match disk.partition_table {
        Some(_) => Booted::FromTable,
        None => Booted::FromFileSystem,
    };
    let mut open = uki.open.clone();
    let mut events = firmware.before_boot(booted, Some(&uki.stub), &mut open);
    events.extend([Action::CallingApplication.event()]);
    events.extend(separators());
    events.extend(boot.loading);
    events.extend(boot.sections);
    events.extend(boot.kernel);
    events.extend(boot.kernel_inputs);
    open.extend(old_kernel(uki.kernel_version));
    events.extend(firmware.exit(&disk.medium, Loaded::FromDisk, &mut open));
    Ok(Prediction::new(events, open, firmware.pinned.as_ref()))
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
        let options = [utf16(&uki.command_line).as_slice(), &[0, 0]].concat();
        let kernel_inputs = linux_events(&options, uki.initrd);
        Ok(Self { loading, sections: uki.section_events(), kernel, kernel_inputs })
    }
}

/// The boot of a kernel that QEMU hands to OVMF.
///
/// # Errors
/// [`Error::NotAuthorized`].
pub fn direct_boot(firmware: &Firmware, direct: &DirectKernel<'_>) -> Result<Prediction, Error> {
    let authority = authority(&firmware.secure_boot, direct.signatures, "kernel")?;
    let mut open = BTreeMap::new();
    let mut events = firmware.before_boot(Booted::FromVmm, None, &mut open);
    events.extend(authority);
    // The kernel is loaded before OVMF declares itself ready to boot, and started after.
    events.extend([image::application(direct.kernel, "kernel", Source::Kernel)]);
    events.extend([Action::CallingApplication.event()]);
    events.extend(separators());
    let argument = firmware.behaviour.initrd_argument;
    let options = load_options::measured(&argument.load_options(direct.command_line, true));
    events.extend(linux_events(&options, direct.initrd));
    open.extend(old_kernel(direct.kernel_version));
    events.extend(firmware.exit(&direct.medium, Loaded::FromVmm, &mut open));
    Ok(Prediction::new(events, open, firmware.pinned.as_ref()))
}

impl Firmware {
    /// What every boot of it begins with.
    fn before_boot(
        &self,
        booted: Booted,
        stub: Option<&Stub>,
        open: &mut BTreeMap<PcrIndex, Unknown>,
    ) -> Events {
        let pinned = self.pinned.as_ref().map(|pinned| pinned.of_boot(booted, stub));
        let (mut events, unknown) = pinned.unwrap_or_default();
        open.extend(unknown.map(|reason| (PCR_MACHINE, reason)));
        events.extend(self.secure_boot.events());
        events
    }

    /// Leaving boot services: at once, or at the second try.
    fn exit(
        &self,
        medium: &Medium,
        loaded: Loaded,
        open: &mut BTreeMap<PcrIndex, Unknown>,
    ) -> Vec<Event> {
        let fails = match self.behaviour.first_exit_may_fail {
            true => medium.first_exit_fails(loaded),
            false => Some(false),
        };
        let mut events = Vec::new();
        match fails {
            Some(true) => {
                let failed = Action::ExitBootServicesFailed.event();
                events.extend([Action::ExitBootServices.event(), failed]);
            }
            Some(false) => {}
            None => drop(open.insert(PCR_BOOT_CONFIG, Unknown::ExitBootServices)),
        }
        events.extend(action::exit_boot_services());
        events
    }
}

/// The first release of which it is known that its EFI stub measures command line and initrd into a
/// TPM (the strings of both events are in Debian's 6.1, and boots of 6.12 and later have them).
const MEASURES_INTO_TPM: KernelVersion = KernelVersion { major: 6, minor: 1 };

/// That a kernel may not measure what it is given.
fn old_kernel(version: Option<KernelVersion>) -> Option<(PcrIndex, Unknown)> {
    let unknown = match version {
        Some(found) if found < MEASURES_INTO_TPM => Unknown::OldKernel { found },
        Some(_) => return None,
        None => Unknown::KernelVersion,
    };
    Some((PCR_KERNEL, unknown))
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

/// What the kernel's EFI stub measures: its load options as it got them, with a final NUL, and the
/// initrd (Linux, `drivers/firmware/efi/libstub/efi-stub-helper.c`).
fn linux_events(load_options: &[u8], initrd: Digests) -> [Event; 2] {
    let event = |meaning: &'static str, source, digests| Event {
        pcr: PCR_KERNEL,
        event_type: EventType::EV_EVENT_TAG,
        meaning: meaning.into(),
        source,
        digests,
    };
    let options = Digests::of(load_options);
    [
        event("command line of the kernel", Source::CommandLine, options),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd, `src/boot/stub.c`: a console is looked for at the start of a word.
    #[test]
    fn a_console_is_a_word_of_the_command_line() {
        for (line, expected) in [
            ("console=ttyS0", true),
            ("quiet console=ttyS0", true),
            ("quiet", false),
            ("", false),
            ("noconsole=1", false),
            ("quiet\tconsole=ttyS0", false),
        ] {
            assert_eq!(has_console(line), expected, "{line:?}");
        }
    }

    #[test]
    fn kernels_before_6_1_and_silent_ones_are_not_predicted() {
        let version = |major, minor| Some(KernelVersion { major, minor });
        for (version, expected) in [
            (version(6, 1), None),
            (version(7, 0), None),
            (version(6, 0), Some("OldKernel { found: KernelVersion { major: 6, minor: 0 } }")),
            (version(5, 19), Some("OldKernel { found: KernelVersion { major: 5, minor: 19 } }")),
            (None, Some("KernelVersion")),
        ] {
            let found = old_kernel(version);
            assert_eq!(found.map(|(_, unknown)| format!("{unknown:?}")).as_deref(), expected);
            assert!(found.is_none_or(|(pcr, _)| pcr == PCR_KERNEL));
        }
    }

    #[test]
    fn a_random_seed_needs_a_table_a_folder_and_a_disk_to_write_to() {
        let disk = |table: Option<&'static [u8]>, is_writable, loader_is_file| Disk {
            partition_table: table,
            medium: Medium { is_writable, ..Medium::default() },
            loader_is_file,
        };
        for (disk, expected) in [
            (disk(Some(b"t"), Some(true), false), true),
            (disk(Some(b"t"), None, false), true),
            (disk(Some(b"t"), Some(false), false), false),
            (disk(Some(b"t"), Some(true), true), false),
            (disk(None, Some(true), false), false),
        ] {
            assert_eq!(disk.keeps_random_seed(), expected, "{disk:?}");
        }
    }

    fn event(pcr: u8, bytes: &[u8]) -> Event {
        let event_type = EventType::EV_IPL;
        let (pcr, digests) = (PcrIndex::new(pcr).unwrap(), Digests::of(bytes));
        Event { pcr, event_type, meaning: "a test".into(), source: Source::Code, digests }
    }

    fn numbers<V>(bank: &BTreeMap<PcrIndex, V>) -> Vec<u8> {
        bank.keys().map(|pcr| pcr.number()).collect()
    }

    /// UAPI.7: 8 is GRUB's, 11 to 14 those of images, of what lies beside them, and of shim.
    #[test]
    fn registers_without_events_stay_as_they_start() {
        let events: Events =
            [event(4, b"a"), event(11, b"b"), event(9, b"c")].into_iter().collect();
        let open = BTreeMap::from([
            (PCR_KERNEL, Unknown::KernelVersion),
            (PcrIndex::new(13).unwrap(), Unknown::PinnedDisk),
        ]);
        let prediction = Prediction::new(events, open, None);
        assert_eq!(numbers(&prediction.pcrs_sha256()), [4, 8, 11, 12, 14]);
        assert_eq!(numbers(&prediction.pcrs_sha384()), [4, 8, 11, 12, 14]);
        let twelve = PcrIndex::new(12).unwrap();
        assert_eq!(prediction.pcrs_sha256()[&twelve], PcrSha256(Sha256::ZERO));
        assert_eq!(prediction.pcrs_sha384()[&twelve], PcrSha384(Sha384::ZERO));
        let kept: Vec<u8> = prediction.events.0.iter().map(|event| event.pcr.number()).collect();
        assert_eq!(kept, [4, 11], "nothing of an open register");
        // systemd-measure(1), `--phase`: the words of PCR 11, without a NUL.
        let later = prediction.clone().at(&PHASES[..1]);
        let before = prediction.pcrs_sha256()[&PCR_UKI].0;
        assert_eq!(later.pcrs_sha256()[&PCR_UKI].0, before.extend(Sha256::of(b"enter-initrd")));
    }

    /// The value is of `tests/folds.py`.
    #[test]
    fn pcr_0_begins_with_the_locality() {
        let mut prediction =
            Prediction::new([event(0, b"a")].into_iter().collect(), BTreeMap::new(), None);
        prediction.startup_locality = 3;
        let first = PcrIndex::new(0).unwrap();
        assert_eq!(
            prediction.pcrs_sha256()[&first].to_string(),
            "ee267a2749991983e1ecf867d48996dcaf80163cc57ad81fce4216741f419bfb"
        );
        // Of a bank that no log has, PCR 0 and 1 are not known.
        prediction.unpinned = vec![Bank::Sha384];
        assert!(prediction.pcrs_sha256().contains_key(&first));
        assert!(!prediction.pcrs_sha384().contains_key(&first));
    }
}
