//! Predicted registers are those that a machine has: boots under QEMU with swtpm, compared event by
//! event with the firmware's log and value by value with the TPM, in both banks.
//!
//! Firmware of three Debian releases, stubs of two, disks with and without a partition table,
//! kernels handed over by QEMU, Secure Boot absent, off and on, one and two processors. A boot takes
//! 20 to 30 seconds of a processor under emulation, so every run of all checks has those that show each rule
//! once, and `cargo xtask campaign boots` the others. Oracles: OVMF, systemd-stub, Linux and swtpm.

mod case;
pub(super) mod inputs;
pub(super) mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use cvmkit_attest::predict;
use cvmkit_formats::digest::Digests;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{
    Bank, BankDigest, Event, EventType, Events, ObservedEvent, PcrIndex, Register, RegisterSet,
    RtmrIndex, Source,
};
use cvmkit_measure::linux;
use cvmkit_measure::tdx;
use cvmkit_measure::tpm::{Error, Prediction};
use cvmkit_measure::uefi::medium::DiskBus;

use crate::rig;

use case::{Case, Firmware, Medium, Release, Variables};
use inputs::{Inputs, StubOf, Uki};
use machine::Report;

const BOOKWORM: Firmware = Firmware::new(Release::Bookworm);
const TRIXIE: Firmware = Firmware::new(Release::Trixie);
const FORKY: Firmware = Firmware::new(Release::Forky);
const OF_257: Uki = Uki::new(StubOf::Trixie);
const OF_262: Uki = Uki::new(StubOf::Forky);

/// One test for each boot: an ignored one combines rules that others show.
macro_rules! boots {
    ($($(#[$doc:meta])* $name:ident: $case:expr;)*) => {
        $($(#[$doc])* #[test] fn $name() { boot(stringify!($name), &$case); })*

        fn cases() -> Vec<Case> {
            vec![$($case),*]
        }
    };
}

boots! {
    #[ignore = "campaign boots"]
    stub_257_without_a_table: Case::disk(TRIXIE, OF_257, Medium::Fat);
    #[ignore = "campaign boots"]
    stub_257_with_a_table: Case::disk(TRIXIE, OF_257, Medium::Gpt).on_two_processors();
    #[ignore = "campaign boots"]
    stub_262_without_a_table: Case::disk(TRIXIE, OF_262, Medium::Fat);
    /// A file where systemd-stub would keep its random seed: no secret in the initrd.
    #[ignore = "campaign boots"]
    stub_262_with_a_table:
        Case::disk(TRIXIE, OF_262, Medium::GptWithLoaderFile).on_two_processors();
    #[ignore = "campaign boots"]
    stub_257_on_forky: Case::disk(FORKY, OF_257, Medium::Fat).on_two_processors();
    #[ignore = "campaign boots"]
    stub_257_on_forky_with_a_table: Case::disk(FORKY.with(Variables::Flash), OF_257, Medium::Gpt);
    #[ignore = "campaign boots"]
    stub_262_on_forky: Case::disk(FORKY, OF_262, Medium::Fat);
    #[ignore = "campaign boots"]
    stub_262_on_forky_from_a_disk_that_cannot_be_written:
        Case::disk(FORKY.with(Variables::Flash), OF_262, Medium::GptReadOnly);
    #[ignore = "campaign boots"]
    stub_257_on_bookworm: Case::disk(BOOKWORM, OF_257, Medium::Gpt).on_two_processors();
    /// Signature, key and profile become files of the initrd, and its length is odd.
    every_extra_file_of_stub_257: Case::disk(TRIXIE, OF_257.with_extra_files(), Medium::Fat);
    every_extra_file_of_stub_262: Case::disk(FORKY, OF_262.with_extra_files(), Medium::Fat);
    /// The initrd is the section itself.
    #[ignore = "campaign boots"]
    nothing_but_an_initrd: Case::disk(TRIXIE, OF_257.bare(), Medium::Fat);
    secure_boot_on: Case::disk(TRIXIE.with(Variables::Enrolled), OF_257, Medium::Gpt);
    #[ignore = "campaign boots"]
    secure_boot_on_forky:
        Case::disk(FORKY.with(Variables::Enrolled), OF_262, Medium::Fat).on_two_processors();
    #[ignore = "campaign boots"]
    secure_boot_without_keys: Case::disk(TRIXIE.with(Variables::NoKeys), OF_257, Medium::Fat);
    direct: Case::direct(TRIXIE);
    #[ignore = "campaign boots"]
    direct_on_forky: Case::direct(FORKY).on_two_processors();
    /// Older firmware takes the kernel as QEMU patches it.
    direct_on_bookworm: Case::direct(BOOKWORM);
    #[ignore = "campaign boots"]
    direct_with_secure_boot: Case::direct(TRIXIE.with(Variables::Enrolled));
    // Every bus, and both modes of giving firmware: with OVMF 2026.08 they decide PCR 5.
    forky_from_virtio_scsi: Case::disk(FORKY.with(Variables::Flash), OF_257, Medium::Gpt)
        .on(DiskBus::VirtioScsi);
    forky_from_nvme: Case::disk(FORKY, OF_262, Medium::GptWithLoaderFile).on(DiskBus::Nvme);
    #[ignore = "campaign boots"]
    forky_from_usb: Case::disk(FORKY.with(Variables::Flash), OF_262, Medium::Fat).on(DiskBus::Usb);
    #[ignore = "campaign boots"]
    forky_from_ahci: Case::disk(FORKY, OF_257, Medium::Gpt).on(DiskBus::Ahci);
    #[ignore = "campaign boots"]
    trixie_from_nvme: Case::disk(TRIXIE.with(Variables::Flash), OF_257, Medium::Gpt)
        .on(DiskBus::Nvme);
    #[ignore = "campaign boots"]
    trixie_from_usb: Case::disk(TRIXIE, OF_262, Medium::Fat).on(DiskBus::Usb);
    #[ignore = "campaign boots"]
    bookworm_from_ahci: Case::disk(BOOKWORM.with(Variables::Flash), OF_257, Medium::Gpt)
        .on(DiskBus::Ahci);
    #[ignore = "campaign boots"]
    bookworm_from_virtio_scsi: Case::disk(BOOKWORM, OF_262, Medium::Fat).on(DiskBus::VirtioScsi);
    #[ignore = "campaign boots"]
    direct_on_forky_beside_a_disk: Case::direct(FORKY).beside_a_disk();
    #[ignore = "campaign boots"]
    direct_on_forky_by_pflash_beside_a_disk:
        Case::direct(FORKY.with(Variables::Flash)).beside_a_disk();
    #[ignore = "campaign boots"]
    direct_on_forky_beside_a_scsi_disk:
        Case::direct(FORKY).beside_a_disk().on(DiskBus::VirtioScsi);
    #[ignore = "campaign boots"]
    direct_on_trixie_beside_a_disk: Case::direct(TRIXIE).beside_a_disk();
    // Every file of firmware that is known by its digest.
    #[ignore = "campaign boots"]
    bookworm_with_secure_boot_without_keys:
        Case::disk(BOOKWORM.with(Variables::NoKeys), OF_257, Medium::Fat);
    #[ignore = "campaign boots"]
    trixie_strict_without_keys:
        Case::disk(TRIXIE.with(Variables::StrictNoKeys), OF_257, Medium::Fat);
    #[ignore = "campaign boots"]
    forky_strict_without_keys:
        Case::disk(FORKY.with(Variables::StrictNoKeys), OF_262, Medium::GptReadOnly);
    #[ignore = "campaign boots"]
    forky_legacy: Case::disk(FORKY.with(Variables::Legacy), OF_257, Medium::Gpt);
}

/// What is called proven is what is booted here, and the other way round.
#[test]
fn proven_machines_are_those_that_are_booted() {
    let booted: BTreeSet<_> = cases().iter().map(Case::booted).collect();
    let said: BTreeSet<_> = predict::BOOTED.iter().copied().collect();
    assert_eq!(booted, said);
    assert_eq!(said.len(), predict::BOOTED.len(), "each once");
}

/// The versions that evidence names are those of the boots.
#[test]
fn proven_machines_have_this_kernel_and_this_qemu() {
    let Some(inputs) = Inputs::get() else { return };
    let kernel = fs::read(&inputs.kernel).unwrap();
    assert_eq!(linux::version(&kernel), Some(predict::BOOTED_KERNEL));
    let said = rig::run(Command::new("qemu-system-x86_64").arg("--version")).answer();
    assert!(said.contains(&format!("version {}.", predict::BOOTED_QEMU)), "{said}");
}

/// A file of firmware says of itself what the boots of it show: its release, and PCR 7 of a machine
/// without keys.
#[test]
fn files_of_firmware_are_known_for_what_they_do() {
    let Some(inputs) = Inputs::get() else { return };
    for case in cases() {
        let (known, booted) = (case.known_firmware(inputs), case.booted());
        assert_eq!(known.build, booted.firmware, "{booted:?}");
        let expected = booted.secure_boot.map(|_| false);
        assert_eq!(known.without_keys().enabled, expected, "{booted:?}");
    }
}

/// What stub 262 does where it can keep a random seed is not predicted, because it can't be: the
/// initrd that the kernel measures is another one.
#[test]
fn a_secret_in_the_initrd_is_refused() {
    let case = Case::disk(TRIXIE, OF_262, Medium::Gpt);
    let Some(inputs) = Inputs::get() else { return };
    let prepared = case.prepare(inputs);
    assert!(matches!(prepared.prediction(), Err(Error::BootSecret { .. })));
    let without = prepared.predict(true).unwrap();
    let report = prepared.machine().run();
    let initrd = PcrIndex::new(9).unwrap();
    for (&pcr, value) in &without.pcrs_sha256() {
        let same = report.pcrs[&(Bank::Sha256, pcr)] == value.to_string();
        assert_eq!(same, pcr != initrd, "{pcr:?}");
    }
}

/// A log pins PCR 0 and 1 of other boots of its firmware in its machine, and of no other machine:
/// every register up to 9 and all events, of a command line that the first boot did not have.
#[test]
fn a_log_pins_the_next_boot() {
    let Some(inputs) = Inputs::get() else { return };
    let machine = || Case::direct(FORKY);
    let first = machine().prepare(inputs).machine().run();
    let second = machine().with_command_line("console=ttyS0 quiet panic=-1 second");
    let second = second.prepare(inputs).pinned_by(&first.log);
    let report = second.machine().run();
    let prediction = second.prediction().unwrap();
    let events = compare(&prediction, &report);
    let registers: Vec<u8> = prediction.pcrs_sha256().keys().map(|pcr| pcr.number()).collect();
    assert_eq!(registers.get(..10), Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9][..]));
    eprintln!("pinned: {} registers, {events} events", registers.len());
    // Another machine has another PCR 1, and the same PCR 0.
    let other = machine().on_two_processors().prepare(inputs).machine().run();
    let [same, different] = [0, 1].map(|pcr| {
        let pcr = (Bank::Sha256, PcrIndex::new(pcr).unwrap());
        other.pcrs[&pcr] == report.pcrs[&pcr]
    });
    assert!(same && !different, "{}", other.text());
}

/// PCR 0 as the first boot of a firmware had it.
static PCR_0: Mutex<BTreeMap<Firmware, Events>> = Mutex::new(BTreeMap::new());

fn boot(name: &str, case: &Case) {
    let Some(inputs) = Inputs::get() else { return };
    let prepared = case.prepare(inputs);
    let report = prepared.machine().run();
    let mut prediction = prepared.prediction().unwrap();
    // The first boot says what PCR 0 is; it is a function of the firmware, so later ones agree. Not
    // so with Debian 12, which measures a volume that depends on the machine.
    if case.firmware.pins_pcr_0() {
        let recorded = recorded(&report, PcrIndex::new(0).unwrap());
        let mut known = PCR_0.lock().unwrap_or_else(PoisonError::into_inner);
        prediction.events.extend(known.entry(case.firmware).or_insert(recorded).0.clone());
    }
    let events = compare(&prediction, &report);
    if let Some(prediction) = prepared.td_prediction() {
        compare_td(&prediction, &report);
    }
    eprintln!("{name}: {} registers, {events} events", prediction.pcrs_sha256().len());
}

/// The events of a register in a log, as a caller would pin them.
fn recorded(report: &Report, pcr: PcrIndex) -> Events {
    let (sha256, sha384) = (report.events(Bank::Sha256, pcr), report.events(Bank::Sha384, pcr));
    let both = sha256.into_iter().zip(sha384);
    let event = |((event_type, sha256), (_, sha384)): ((EventType, String), (_, String))| Event {
        pcr,
        event_type,
        meaning: "recorded".into(),
        source: Source::Firmware,
        digests: Digests { sha256: sha256.parse().unwrap(), sha384: sha384.parse().unwrap() },
    };
    both.map(event).collect()
}

/// Event by event in the order of each register, then the registers; answers how many events.
fn compare(prediction: &Prediction, report: &Report) -> usize {
    let sha256 = prediction.pcrs_sha256();
    assert!(sha256.len() >= 12, "{:?}", sha256.keys());
    let mut count = 0;
    for &pcr in sha256.keys() {
        let events = || prediction.events.0.iter().filter(|event| event.pcr == pcr);
        for bank in [Bank::Sha256, Bank::Sha384] {
            let found = report.events(bank, pcr);
            for (at, expected) in events().enumerate() {
                let meaning = &expected.meaning;
                let digest = match bank {
                    Bank::Sha256 => expected.digests.sha256.to_string(),
                    Bank::Sha384 => expected.digests.sha384.to_string(),
                };
                let what = format!("{pcr:?} ({bank}), event {at}: {meaning}\n{}", report.text());
                assert_eq!(found.get(at), Some(&(expected.event_type, digest)), "{what}");
            }
            assert_eq!(found.len(), events().count(), "{pcr:?} ({bank})\n{}", report.text());
            count += found.len();
        }
    }
    let sha384 = prediction.pcrs_sha384();
    for pcr in sha256.keys() {
        let value = |bank| report.pcrs[&(bank, *pcr)].as_str();
        assert_eq!(sha256[pcr].to_string(), value(Bank::Sha256), "{pcr:?}");
        assert_eq!(sha384[pcr].to_string(), value(Bank::Sha384), "{pcr:?}");
    }
    count / 2
}

/// The registers of a TD are those of a TPM by another name: RTMR 1 has PCR 2 to 6, RTMR 2 has 8 to
/// 15, and of the separators that a TPM gets for each register a TD gets one.
fn compare_td(prediction: &tdx::prediction::Prediction, report: &Report) {
    let log = Log::parse(&report.log, RegisterSet::Tpm).unwrap();
    let observed = log.observed(Bank::Sha384).unwrap();
    let rtmr = |register| match register {
        Register::Pcr(pcr) => RtmrIndex::of_pcr(pcr),
        other => panic!("{other:?}"),
    };
    for number in [1, 2] {
        let register = RtmrIndex::new(number).unwrap();
        if prediction.open.contains_key(&register) {
            continue;
        }
        let own = prediction.events.0.iter().filter(|e| RtmrIndex::of_pcr(e.pcr) == Some(register));
        let expected: Vec<_> =
            own.map(|e| (e.event_type, BankDigest::Sha384(e.digests.sha384))).collect();
        let is_other = |event: &ObservedEvent<'_>| {
            event.event_type == EventType::EV_SEPARATOR
                && event.register != Register::Pcr(PcrIndex::new(4).unwrap())
        };
        let logged =
            observed.events().iter().filter(|event| rtmr(event.register) == Some(register));
        let logged = logged.filter(|event| !is_other(event));
        let logged: Vec<_> = logged.map(|event| (event.event_type, event.digest)).collect();
        assert_eq!(expected, logged, "RTMR {number}\n{}", report.text());
    }
}

impl Report {
    /// Type and digest of what was extended into a register.
    fn events(&self, bank: Bank, pcr: PcrIndex) -> Vec<(EventType, String)> {
        let log = Log::parse(&self.log, RegisterSet::Tpm).unwrap();
        let observed = log.observed(bank).unwrap();
        let events = observed.events().iter().filter(|event| event.register == Register::Pcr(pcr));
        events.map(|event| (event.event_type, event.digest.to_string())).collect()
    }

    /// The log, a line for each entry.
    fn text(&self) -> String {
        let log = Log::parse(&self.log, RegisterSet::Tpm).unwrap();
        let observed = log.observed(Bank::Sha256).unwrap();
        let lines = observed.events().iter().map(|event| {
            format!(
                "{} {} {} {}\n",
                event.register,
                event.event_type,
                event.digest,
                event.describe()
            )
        });
        lines.collect()
    }
}
