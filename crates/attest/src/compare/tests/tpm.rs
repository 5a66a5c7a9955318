//! A TPM's log and registers against the folder of an image: the log of a real boot, as it would be of the
//! image here.

use cvmkit_formats::digest::Digests;
use cvmkit_measure::compare::Kind;
use cvmkit_measure::event::log::{AlgorithmId, Log};
use cvmkit_measure::event::{Bank, EventType, PcrIndex, RegisterSet};
use cvmkit_measure::tpm::{PHASES, Platform};
use cvmkit_measure::uefi::medium::Medium;
use serde_json::{Value, json};

use super::super::boots::boots;
use super::super::*;
use super::fixture::pcr;
use crate::predict::{PredictionError, TpmMachine};
use crate::profile::Boot;
use crate::tests::COMMAND_LINE;
use crate::tests::event_logs::{Record, UKI, header_index, records, write};
use crate::tests::image::{ImageFolder, uki, value};

fn set(record: &mut Record, digests: Digests) {
    for (algorithm, digest) in &mut record.digests {
        match *algorithm {
            AlgorithmId::SHA256 => *digest = digests.sha256.0.to_vec(),
            AlgorithmId::SHA384 => *digest = digests.sha384.0.to_vec(),
            _ => {}
        }
    }
}

/// The log of the real boot with the digests that the image decides: PCR 4, 9 and 11.
fn log() -> Vec<Record> {
    let mut records = records(&Log::parse(UKI, RegisterSet::Tpm).unwrap());
    let image = uki().read().unwrap();
    let line: Vec<u8> = COMMAND_LINE.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let sections: Vec<Digests> = image
        .sections
        .iter()
        .flat_map(|of| [Digests::of(&[of.name.as_bytes(), b"\0"].concat()), of.digests])
        .collect();
    let of_image = [
        (4, vec![image.image, image.kernel]),
        (9, vec![Digests::of(&line), image.initrd]),
        (11, sections),
    ];
    for (index, digests) in of_image {
        let is_fixed = |kind| matches!(kind, EventType::EV_SEPARATOR | EventType::EV_EFI_ACTION);
        let own = records.iter_mut().filter(|of| of.index == index && !is_fixed(of.event_type));
        let own: Vec<&mut Record> = own.collect();
        assert_eq!(own.len(), digests.len(), "PCR {index}");
        own.into_iter().zip(digests).for_each(|(record, digests)| set(record, digests));
    }
    records
}

fn bytes(records: &[Record]) -> Vec<u8> {
    let log = Log::parse(UKI, RegisterSet::Tpm).unwrap();
    write(&log.header, header_index(UKI), records)
}

fn image() -> ImageFolder {
    ImageFolder::new().uki().finish()
}

fn compared(
    image: &ImageFolder,
    observed: &[u8],
    options: &Options,
) -> Result<Report, CompareError> {
    image.put("observed", observed);
    compare(&image.at("observed"), image.path(), options)
}

fn report(image: &ImageFolder, observed: &[u8]) -> Report {
    compared(image, observed, &Options::default()).unwrap()
}

/// The values of a bank that a log comes to, as lines.
fn lines(records: &[Record], bank: Bank, pcrs: &[u8]) -> String {
    let bytes = bytes(records);
    let log = Log::parse(&bytes, RegisterSet::Tpm).unwrap();
    let values = log.observed(bank).unwrap().replay();
    let line = |number: &u8| format!("pcr{number}={}\n", values[&pcr(*number)]);
    pcrs.iter().map(line).collect()
}

/// What extends a PCR, in the order of the log.
fn at(records: &[Record], index: u32, number: usize) -> usize {
    let own =
        |(_, of): &(usize, &Record)| of.index == index && of.event_type != EventType::EV_NO_ACTION;
    records.iter().enumerate().filter(own).nth(number).unwrap().0
}

fn flip(records: &mut [Record], index: u32, number: usize) {
    let at = at(records, index, number);
    records[at].digests.iter_mut().for_each(|(_, digest)| digest[0] ^= 1);
}

/// Puts the second event of a register before the first.
fn swap(records: &mut [Record], index: u32) {
    let (first, second) = (at(records, index, 0), at(records, index, 1));
    records.swap(first, second);
}

#[test]
fn the_log_of_the_image_is_equal_in_both_banks() {
    let found = report(&image(), &bytes(&log()));
    assert!(found.equal, "{found}");
    let events = found.events.unwrap();
    assert!(events.is_equal());
    assert_eq!((events.boot, events.banks.len()), ("uki-disk", 2));
    assert_eq!(events.assumptions.firmware.to_string(), "ovmf-2025.02");
    assert_eq!(events.assumptions.secure_boot, None);
    // Firmware without Secure Boot, and firmware that has no keys.
    let image = image();
    let expectation = Expectation::read(image.path(), &Options::default()).unwrap();
    let tried = boots(&expectation, &Options::default(), &mut Vec::new()).unwrap();
    let off = tried.iter().filter(|(_, of)| of.assumptions.secure_boot == Some(false));
    assert_eq!((events.tried, tried.len()), (tried.len(), 2 * off.count()));
    let judged = &found.judgement;
    for number in [2, 3, 4, 5, 6, 7, 9, 11, 12, 13] {
        assert!(judged.equal.contains(&Judged::Register(pcr(number))), "PCR {number}");
    }
    assert!(judged.not_expected.contains(&Judged::Register(pcr(0))));
    assert_eq!(judged.required, [pcr(4), pcr(9), pcr(11)].map(Judged::Register));
}

/// What is done to the log: register, place and kind of the one divergence, in both banks.
#[test]
fn the_first_event_that_differs_is_named() {
    type Plant = fn(&mut Vec<Record>);
    let rows: [(Plant, u8, usize, Kind); 8] = [
        (|log| flip(log, 4, 2), 4, 2, Kind::Differs),
        (|log| flip(log, 9, 0), 9, 0, Kind::Differs),
        (|log| flip(log, 9, 1), 9, 1, Kind::Differs),
        (|log| flip(log, 11, 11), 11, 11, Kind::Differs),
        (|log| drop(log.remove(at(log, 9, 1))), 9, 1, Kind::Missing),
        (|log| drop(log.remove(at(log, 11, 11))), 11, 11, Kind::Missing),
        (|log| log.push(log[at(log, 11, 11)].clone()), 11, 12, Kind::Unexpected),
        (|log| swap(log, 9), 9, 0, Kind::OutOfOrder),
    ];
    let image = image();
    for (row, (plant, number, index, kind)) in rows.into_iter().enumerate() {
        let mut records = log();
        plant(&mut records);
        let found = report(&image, &bytes(&records));
        assert_eq!(found.judgement.verdict, Verdict::Differs, "{row}");
        assert_eq!(found.judgement.differing, [Judged::Register(pcr(number))], "{row}");
        for bank in found.events.unwrap().banks {
            let parted: Vec<_> = bank.comparison.divergences().collect();
            let [only] = parted[..] else { panic!("{row}: {parted:?}") };
            assert_eq!((only.register, only.index, only.kind), (pcr(number), index, kind));
        }
    }
}

/// A bank that parts is shown, though it is the second.
#[test]
fn a_divergence_of_one_bank_is_shown() {
    let mut records = log();
    let line = at(&records, 9, 0);
    let digests = &mut records[line].digests;
    let (_, sha384) = digests.iter_mut().find(|(id, _)| *id == AlgorithmId::SHA384).unwrap();
    sha384[0] ^= 1;
    let found = report(&image(), &bytes(&records));
    assert_eq!(found.judgement.differing, [Judged::Register(pcr(9))]);
    let text = found.to_string();
    assert!(text.contains("PCR 9   DIFFERS  sha384:"), "{text}");
    assert!(text.contains("PCR 4   equal    sha384:"), "{text}");
    assert!(text.contains("first divergence: PCR 9: event 0 differs"), "{text}");
    assert!(text.contains("  PCR 0   not predicted\n"), "{text}");
}

/// Registers without a log: at whichever phase they were read, or at the one that is said.
#[test]
fn registers_are_judged_at_the_phase_they_were_read() {
    let image = image();
    let all = [2, 3, 4, 5, 6, 7, 9, 11];
    let now = lines(&log(), Bank::Sha256, &all);
    let found = report(&image, now.as_bytes());
    assert!(found.equal, "{found}");
    let values = found.values.unwrap();
    assert!(!values.expected.contains("after phase"), "{}", values.expected);
    let initrd = Options { phases: Some(vec![PHASES[0].to_owned()]), ..Options::default() };
    let found = compared(&image, now.as_bytes(), &initrd).unwrap();
    assert_eq!(found.judgement.differing, [Judged::Register(pcr(11))]);
    let mut later = log();
    for (count, phase) in PHASES.iter().enumerate() {
        let mut record = later[at(&later, 11, 11)].clone();
        set(&mut record, Digests::of(phase.as_bytes()));
        later.push(record);
        let found = report(&image, lines(&later, Bank::Sha384, &all).as_bytes());
        assert!(found.equal, "{phase}: {found}");
        let after = format!(", after phase {}", PHASES[..=count].join(":"));
        let values = found.values.unwrap();
        assert!(values.expected.ends_with(&after), "{}", values.expected);
    }
    // Registers of which nothing is predicted are no comparison.
    let error =
        compared(&image, format!("pcr0={}", "0a".repeat(32)).as_bytes(), &initrd).unwrap_err();
    assert!(
        matches!(
            error,
            CompareError::NoExpectation { what: "any of these registers", is_folder: true, .. }
        ),
        "{error}"
    );
}

#[test]
fn a_register_that_nothing_is_expected_of_is_not_judged() {
    let image = image();
    let given = format!("{}pcr0={}\n", lines(&log(), Bank::Sha256, &[4, 9, 11]), "0a".repeat(32));
    let found = report(&image, given.as_bytes());
    assert!(found.equal);
    assert_eq!(found.judgement.not_expected, [Judged::Register(pcr(0))]);
    assert_eq!(found.values.unwrap().not_predicted, [pcr(0)]);
}

/// The reference values of a machine with this image, as the log has them.
fn values(records: &[Record], pcrs: &[u8]) -> Value {
    let registers: serde_json::Map<String, Value> = lines(records, Bank::Sha256, pcrs)
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let open = json!({ "pcr0": { "code": "firmware-build" } });
    value(
        "qemu-vtpm",
        ["tpm", "qemu", "uki-disk"],
        json!({ "registers": { "sha256": registers }, "not-predicted": open }),
    )
}

/// Reference values judge, with the folder as without; the files say at which event a value parts.
#[test]
fn reference_values_judge_and_events_explain() {
    let values = values(&log(), &[4, 9, 11]);
    let image = ImageFolder::new().uki().values(&[], &[values]).finish();
    let found = report(&image, &bytes(&log()));
    assert!(found.equal && found.events.is_none(), "{found}");
    let mut records = log();
    flip(&mut records, 9, 1);
    let found = report(&image, &bytes(&records));
    assert_eq!(found.judgement.differing, [Judged::Register(pcr(9))]);
    assert_eq!(found.judgement.equal, [pcr(4), pcr(11)].map(Judged::Register));
    let values = found.values.as_ref().unwrap();
    let nine = values.registers.iter().find(|value| value.register == pcr(9)).unwrap();
    // The event has the causes, and the value none.
    assert!(nine.causes.is_empty());
    let events = found.events.as_ref().unwrap();
    let parted: Vec<_> =
        events.banks.iter().flat_map(|bank| bank.comparison.divergences()).collect();
    let [only] = parted[..] else { panic!("{parted:?}") };
    assert_eq!((only.register, only.index), (pcr(9), 1));
    assert!(!only.causes.is_empty());
    let text = found.to_string();
    assert_eq!(text.matches("PCR 9   DIFFERS").count(), 1, "{text}");
    assert!(text.contains("first divergence: PCR 9: event 1 differs"), "{text}");
    assert!(text.contains("PCR 0   not judged: decided by the firmware build"), "{text}");
    // What is said of the machine is a question for the files.
    let described = Options { described: vec!["--read-only-disk"], ..Options::default() };
    let found = compared(&image, &bytes(&log()), &described).unwrap();
    assert!(found.equal && found.values.is_none() && found.events.is_some());
}

/// A cloud's registers are those that it leaves to the image.
#[test]
fn a_platform_judges_what_it_leaves_to_the_image() {
    let image = image();
    let judged = |platform| {
        let options = Options { platform: Some(platform), ..Options::default() };
        compared(&image, &bytes(&log()), &options).unwrap().judgement
    };
    let azure = judged(Platform::Azure);
    // The registers that the log of the real boot extends.
    for number in [0, 1, 2, 3, 4, 5, 6, 7, 9, 11] {
        let prospect = Platform::Azure.prospect(PcrIndex::new(number).unwrap());
        let is_open = azure.not_expected.contains(&Judged::Register(pcr(number)));
        assert_eq!(is_open, !prospect.is_predicted(), "PCR {number}");
    }
    assert!(azure.equal.contains(&Judged::Register(pcr(11))));
}

#[test]
fn boots_that_cannot_be_predicted_are_noted_if_others_can() {
    let tried = |image: &ImageFolder, options: &Options| {
        let expectation = Expectation::read(image.path(), options).unwrap();
        let mut notes = Vec::new();
        let boots = boots(&expectation, options, &mut notes).map(|boots| {
            let mut kinds: Vec<&str> = boots.iter().map(|(kind, _)| *kind).collect();
            kinds.dedup();
            kinds
        });
        (boots, notes)
    };
    let of = |boot| Options { boot, ..Options::default() };
    let both = ImageFolder::direct().uki().finish();
    let (boots, notes) = tried(&both, &of(None));
    assert_eq!((boots.unwrap(), notes), (vec!["uki-disk", "direct"], vec![]));
    let (boots, notes) = tried(&both, &of(Some(Boot::Direct)));
    assert_eq!((boots.unwrap(), notes), (vec!["direct"], vec![]));
    let disk = image();
    let (boots, notes) = tried(&disk, &of(None));
    assert_eq!(boots.unwrap(), ["uki-disk"]);
    assert!(notes.len() == 1 && notes[0].starts_with("not tried: the image in "), "{notes:?}");
    let direct = ImageFolder::direct().finish();
    let (boots, notes) = tried(&direct, &of(None));
    assert_eq!(boots.unwrap(), ["direct"]);
    assert!(notes.len() == 1 && notes[0].ends_with("has no unified kernel image"), "{notes:?}");
    let (boots, notes) = tried(&direct, &of(Some(Boot::UkiDisk)));
    let error = boots.unwrap_err();
    assert!(matches!(error, CompareError::Prediction(PredictionError::NoFile(_))), "{error}");
    assert!(notes.is_empty());
    // Of an image for neither, the reason of the usual boot.
    let neither = ImageFolder::new().finish();
    let (boots, _) = tried(&neither, &of(None));
    let error = boots.unwrap_err().to_string();
    assert!(error.ends_with("has no unified kernel image"), "{error}");
    // Nothing is predicted of what is no image.
    let none = ImageFolder::new();
    let (boots, _) = tried(&none, &of(None));
    let error = boots.unwrap_err();
    assert!(matches!(error, CompareError::Prediction(PredictionError::Manifest(_))), "{error}");
}

#[test]
fn what_is_known_of_secure_boot_is_not_tried() {
    let image = image();
    let states = |options: &Options| {
        let expectation = Expectation::read(image.path(), options).unwrap();
        let boots = boots(&expectation, options, &mut Vec::new()).unwrap();
        let states: std::collections::BTreeSet<Option<bool>> =
            boots.iter().map(|(_, of)| of.assumptions.secure_boot).collect();
        states.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(states(&Options::default()), [None, Some(false)]);
    let known = Options { knows_secure_boot: true, ..Options::default() };
    assert_eq!(states(&known), [None]);
    // Values alone have no files to predict from.
    let file = ImageFolder::new().values(&[], &[]).finish();
    let path = file.at("reference-values.json");
    let expectation = Expectation::read(&path, &known).unwrap();
    assert!(boots(&expectation, &known, &mut Vec::new()).unwrap().is_empty());
}

/// What is said of the machine is what is predicted of it.
#[test]
fn what_is_said_of_the_machine_is_assumed() {
    let image = image();
    let machine = TpmMachine {
        firmware: Some("ovmf-2026.08".parse().unwrap()),
        medium: Medium { is_writable: Some(false), ..Medium::default() },
        ..TpmMachine::default()
    };
    let options = Options { machine, knows_secure_boot: true, ..Options::default() };
    let found = compared(&image, &bytes(&log()), &options).unwrap();
    let events = found.events.unwrap();
    assert_eq!((events.tried, events.assumptions.read_only_disk), (1, Some(true)));
    assert_eq!(events.assumptions.firmware.to_string(), "ovmf-2026.08");
}
