//! What is predicted of a TD that boots a unified kernel image from a disk is what the log of such a
//! TD on Google's cloud has, and what a TPM gets of the same boot.
//!
//! The image of that log is not at hand: the digests of the partition table, the image and the
//! contents of its sections are the log's, everything else is computed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "no test here changes the image")]
mod small_uki;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{
    Bank, BankDigest, EventType, Events, Register, RegisterSet, RtmrIndex,
};
use cvmkit_measure::firmware::behaviour::Behaviour;
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::linux::{self, KernelVersion};
use cvmkit_measure::tdx::disk::{DiskBoot, Firmware};
use cvmkit_measure::tdx::prediction::{Prediction, Unknown};
use cvmkit_measure::tdx::rtmr::{AcpiTables, Platform};
use cvmkit_measure::tpm::{self, Disk, Error, MeasuredSection, Uki};
use cvmkit_measure::uefi::medium::{DiskBus, Medium};
use cvmkit_measure::uefi::variables::SecureBoot;
use small_uki::SmallUki;

/// A TD of Google's cloud; `fixtures/event_logs/README.md`.
const GKE: &[u8] = include_bytes!("fixtures/event_logs/ccel_gke_uki.bin");

const SECURE_BOOT_OFF: SecureBoot =
    SecureBoot { enabled: Some(false), pk: vec![], kek: vec![], db: vec![], dbx: vec![] };

fn layout(name: &str) -> Layout {
    name.parse().unwrap()
}

fn foreign(name: &str) -> Firmware {
    Firmware::Foreign { layout: layout(name), secure_boot: SECURE_BOOT_OFF }
}

/// The events of a register in the log: type and digest.
fn logged(register: u8) -> Vec<(EventType, Sha384)> {
    let log = Log::parse(GKE, RegisterSet::Td).unwrap();
    let observed = log.observed(Bank::Sha384).unwrap();
    let register = Register::Rtmr(RtmrIndex::new(register).unwrap());
    let events = observed.events().iter().filter(|event| event.register == register);
    let event = |(event_type, digest)| match digest {
        BankDigest::Sha384(digest) => (event_type, digest),
        other => panic!("{other:?}"),
    };
    events.map(|observed| event((observed.event_type, observed.digest))).collect()
}

fn predicted(events: &Events, register: u8) -> Vec<(EventType, Sha384)> {
    let is_in = |pcr| RtmrIndex::of_pcr(pcr) == RtmrIndex::new(register);
    let events = events.0.iter().filter(|event| is_in(event.pcr));
    events.map(|event| (event.event_type, event.digests.sha384)).collect()
}

fn known(sha384: Sha384) -> Digests {
    Digests { sha256: Sha256::ZERO, sha384 }
}

/// The image of the log, as far as it is in the log.
fn uki_of_the_log() -> Uki {
    let images: Vec<_> = logged(1)
        .into_iter()
        .filter(|event| event.0 == EventType::EV_EFI_BOOT_SERVICES_APPLICATION)
        .map(|event| known(event.1))
        .collect();
    let contents = logged(2).into_iter().skip(1).step_by(2).map(|event| known(event.1));
    let names = [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"];
    let sections = names.into_iter().zip(contents);
    Uki {
        image: images[0],
        kernel: images[1],
        sections: sections.map(|(name, digests)| MeasuredSection { name, digests }).collect(),
        ..SmallUki::new(257).read().unwrap()
    }
}

/// The data of the log's event for the partition table: that is what is hashed.
fn table_of_the_log() -> Vec<u8> {
    let log = Log::parse(GKE, RegisterSet::Td).unwrap();
    let observed = log.observed(Bank::Sha384).unwrap();
    let is_table = |event_type| event_type == EventType::EV_EFI_GPT_EVENT;
    let table = observed.events().iter().find(|event| is_table(event.event_type));
    table.unwrap().data.to_vec()
}

fn disk(partition_table: Option<&[u8]>) -> Disk<'_> {
    Disk { partition_table, medium: medium(true), loader_is_file: false }
}

fn medium(is_writable: bool) -> Medium {
    Medium { is_writable: Some(is_writable), ..Medium::default() }
}

fn open(prediction: &Prediction, register: u8) -> Option<Unknown> {
    prediction.open.get(&RtmrIndex::new(register).unwrap()).map(|open| open.reason)
}

#[test]
fn the_log_of_a_td_with_a_tpm_is_predicted() {
    let (uki, table) = (uki_of_the_log(), table_of_the_log());
    let boot = DiskBoot {
        firmware: foreign("edk2-stable202411"),
        smbios: None,
        uki: &uki,
        disk: disk(Some(&table)),
        tpm: Some(true),
    };
    let prediction = boot.prediction().unwrap();
    for register in [1, 2] {
        assert_eq!(predicted(&prediction.events, register), logged(register), "RTMR {register}");
    }
    assert_eq!((logged(1).len(), logged(2).len()), (7, 12));
    assert_eq!(open(&prediction, 0), Some(Unknown::Firmware));
    assert_eq!(prediction.rtmrs().len(), 3);
    // An older firmware of that cloud ends its measurements in RTMR 0 (the log of `cos-113` in
    // go-eventlog whose name says that its separator is a duplicate).
    let older = DiskBoot { firmware: foreign("edk2-stable202205"), ..boot };
    let older = older.prediction().unwrap();
    let mut expected = logged(1);
    assert_eq!(expected.remove(1).0, EventType::EV_SEPARATOR);
    assert_eq!(predicted(&older.events, 1), expected);
}

/// Linux prefers a TPM; without one it measures into RTMR 2.
#[test]
fn where_the_kernel_measures_depends_on_a_tpm() {
    let uki = uki_of_the_log();
    let boot = |tpm| {
        let firmware = foreign("edk2-stable202411");
        let boot = DiskBoot { firmware, smbios: None, uki: &uki, disk: disk(None), tpm };
        boot.prediction().unwrap()
    };
    let without = boot(Some(false));
    let sections = logged(2);
    let events = predicted(&without.events, 2);
    assert_eq!(events[..sections.len()], sections);
    let types: Vec<_> = events[sections.len()..].iter().map(|event| event.0).collect();
    assert_eq!(types, [EventType::EV_EVENT_TAG; 2]);
    // The digests are those that a TPM gets.
    let firmware = tpm::Firmware {
        behaviour: Behaviour::OVMF_2025_02,
        secure_boot: SECURE_BOOT_OFF,
        pinned: None,
    };
    let tpm = tpm::disk_boot(&firmware, &uki, &disk(None)).unwrap();
    assert_eq!(predicted(&tpm.events, 2), events);
    let open_to_both = boot(None);
    assert_eq!(open(&open_to_both, 2), Some(Unknown::Tpm));
    let two = RtmrIndex::new(2).unwrap();
    assert_eq!(predicted(&open_to_both.open[&two].before, 2), sections);
    assert_eq!(open(&open_to_both, 1), None);
}

#[test]
fn kernels_before_6_9_are_not_predicted() {
    let mut uki = uki_of_the_log();
    uki.kernel_version = Some(KernelVersion { major: 6, minor: 8 });
    let boot = |uki: &Uki, tpm| {
        let firmware = foreign("edk2-stable202411");
        let boot = DiskBoot { firmware, smbios: None, uki, disk: disk(None), tpm };
        boot.prediction().unwrap()
    };
    let found = KernelVersion { major: 6, minor: 8 };
    assert_eq!(open(&boot(&uki, Some(false)), 2), Some(Unknown::OldKernel { found }));
    assert_eq!(open(&boot(&uki, Some(true)), 2), None, "a TPM gets it");
    uki.kernel_version = Some(KernelVersion { major: 6, minor: 12 });
    assert_eq!(open(&boot(&uki, Some(false)), 2), None);
}

/// The text is where the setup header says, as in Debian's kernels.
#[test]
fn a_kernel_says_its_version() {
    let mut kernel = vec![0; 0x4000];
    assert_eq!(linux::version(&kernel), None);
    kernel[0x20e..0x210].copy_from_slice(&0x3040_u16.to_le_bytes());
    let text = b"6.12.107+deb13-cloud-amd64 (debian-kernel@lists.debian.org)";
    kernel[0x3240..0x3240 + text.len()].copy_from_slice(text);
    assert_eq!(linux::version(&kernel), Some(KernelVersion { major: 6, minor: 12 }));
    kernel[0x3240] = b'x';
    assert_eq!(linux::version(&kernel), None);
    kernel.truncate(0x3248);
    assert_eq!(linux::version(&kernel), None);
    assert_eq!(linux::version(&Vec::new()), None);
}

/// RTMR 0 is known up to the boot options, which follow the devices.
#[test]
fn boot_options_of_devices_are_not_guessed() {
    let uki = SmallUki::new(257).read().unwrap();
    let [hob, cfv, tables] = [b"hob", b"cfv", b"tab"].map(|bytes| Digests::of(bytes));
    let acpi = AcpiTables { loader: tables, rsdp: tables, tables };
    let boot = |name: &str, acpi| {
        let platform = Platform {
            layout: layout(name),
            td_hob: hob,
            cfv,
            secure_boot: SecureBoot::default(),
            configuration: Vec::new(),
            acpi,
            has_tpm: false,
        };
        let firmware = Firmware::Known(Box::new(platform));
        let boot = DiskBoot {
            firmware,
            smbios: Some(tables),
            uki: &uki,
            disk: Disk { medium: medium(name != "edk2-stable202505"), ..disk(None) },
            tpm: Some(false),
        };
        boot.prediction().unwrap()
    };
    let zero = RtmrIndex::new(0).unwrap();
    let before = |prediction: &Prediction| prediction.open[&zero].before.0.len();
    let older = boot("edk2-stable202502", Some(acpi));
    assert_eq!((open(&older, 0), before(&older)), (Some(Unknown::BootOptions), 11));
    let older = boot("edk2-stable202502", None);
    assert_eq!((open(&older, 0), before(&older)), (Some(Unknown::AcpiTables), 8));
    // The order of the devices is among what it measures early.
    let newer = boot("edk2-stable202505", Some(acpi));
    assert_eq!((open(&newer, 0), before(&newer)), (Some(Unknown::BootOptions), 2));
    assert_eq!(open(&newer, 1), None);
    let newest = boot("edk2-stable202508", Some(acpi));
    assert_eq!(open(&newest, 1), Some(Unknown::ExitBootServices));
    assert_eq!(open(&newest, 2), None);
    // Where a TPM sees the call succeed at once, a TD does: it has its firmware by `-bios`.
    let on = |medium| {
        let (firmware, tpm) = (foreign("edk2-stable202508"), Some(false));
        let disk = Disk { medium, ..disk(None) };
        DiskBoot { firmware, smbios: None, uki: &uki, disk, tpm }.prediction().unwrap()
    };
    assert_eq!(open(&on(medium(true)), 1), Some(Unknown::ExitBootServices));
    let scsi = Medium { bus: Some(DiskBus::VirtioScsi), ..medium(true) };
    let blk = Medium { bus: Some(DiskBus::VirtioBlk), ..medium(true) };
    assert_eq!(open(&on(blk), 1), Some(Unknown::ExitBootServices));
    for known in [scsi, medium(false)] {
        assert_eq!(open(&on(known), 1), None, "{known:?}");
    }
}

#[test]
fn what_no_boot_of_the_image_can_do_is_refused() {
    let mut uki = uki_of_the_log();
    uki.stub.adds_console = true;
    uki.command_line = "quiet".into();
    let firmware = foreign("edk2-stable202411");
    let boot = DiskBoot { firmware, smbios: None, uki: &uki, disk: disk(None), tpm: Some(true) };
    assert!(matches!(boot.prediction(), Err(Error::NoConsole { .. })));
    uki.stub.adds_console = false;
    let secure_boot = SecureBoot { enabled: Some(true), ..SECURE_BOOT_OFF };
    let firmware = Firmware::Foreign { layout: layout("edk2-stable202411"), secure_boot };
    let boot = DiskBoot { firmware, smbios: None, uki: &uki, disk: disk(None), tpm: Some(true) };
    assert!(matches!(boot.prediction(), Err(Error::NotAuthorized { .. })));
}
