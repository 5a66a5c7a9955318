//! A TD's log, quote and registers against the folder of an image: the log of a real TD, as it would be of the
//! image here.

use std::collections::BTreeMap;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::compare::{Cause, Kind};
use cvmkit_measure::event::log::{AlgorithmId, Log};
use cvmkit_measure::event::{Bank, BankDigest, Register, RegisterSet};
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::linux::{self, SetupHeader};
use cvmkit_measure::tdx::mrtd::{self, Rule};
use cvmkit_measure::tdx::rtmr::AcpiTables;
use serde_json::{Value, json};

use super::super::*;
use super::fixture::rtmr;
use crate::predict::{PredictionError, TdError};
use crate::profile::Boot;
use crate::tests::bzimage::efi_kernel;
use crate::tests::event_logs::{CCEL_OVMF, Record, header_index, records, write};
use crate::tests::image::{ImageFolder, td_firmware, value};
use crate::tests::{COMMAND_LINE, INITRD};

const MEMORY: u64 = 2 << 30;

fn set(record: &mut Record, digest: Sha384) {
    record.digests = vec![(AlgorithmId::SHA384, digest.0.to_vec())];
}

/// The log of a TD of edk2 2022 with the digests that the image decides: the kernel as QEMU 9 patches it, the
/// command line with the firmware's word behind it, and the initrd.
fn log() -> Vec<Record> {
    let mut records = records(&Log::parse(CCEL_OVMF, RegisterSet::Td).unwrap());
    let command_line = COMMAND_LINE.as_bytes();
    let boot = linux::Boot { memory: MEMORY, initrd: Some(INITRD.len() as u64), command_line };
    let kernel = linux::digests(&efi_kernel(), &SetupHeader::Patched(boot)).unwrap();
    let line = format!("{COMMAND_LINE} initrd=initrd");
    let line: Vec<u8> = line.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    for (at, digest) in [(11, kernel.sha384), (16, Sha384::of(&line)), (17, Sha384::of(INITRD))] {
        set(&mut records[at], digest);
    }
    records
}

fn bytes(records: &[Record]) -> Vec<u8> {
    let log = Log::parse(CCEL_OVMF, RegisterSet::Td).unwrap();
    write(&log.header, header_index(CCEL_OVMF), records)
}

/// The ACPI tables of the machine of the log.
fn acpi() -> AcpiTables {
    let log = log();
    let [loader, rsdp, tables] = [8, 9, 10].map(|at: usize| Digests {
        sha256: Sha256::ZERO,
        sha384: Sha384(log[at].digests[0].1.as_slice().try_into().unwrap()),
    });
    AcpiTables { loader, rsdp, tables }
}

fn said(td: TdOptions) -> Options {
    Options { td, ..Options::default() }
}

fn with_tables() -> TdOptions {
    TdOptions { acpi: Some(acpi()), ..TdOptions::default() }
}

fn image() -> ImageFolder {
    ImageFolder::direct().file("firmware", "OVMF.fd", &td_firmware()).finish()
}

fn compared(
    image: &ImageFolder,
    observed: &[u8],
    options: &Options,
) -> Result<Report, CompareError> {
    image.put("observed", observed);
    compare(&image.at("observed"), image.path(), options)
}

/// Every divergence: register, place and kind.
fn parted(report: &Report) -> Vec<(Register, usize, Kind)> {
    let events = report.td.as_ref().unwrap().events.as_ref().unwrap();
    events.divergences().map(|of| (of.register, of.index, of.kind)).collect()
}

#[test]
fn the_log_of_the_image_is_equal_and_says_how_large_the_memory_is() {
    let image = image();
    let found = compared(&image, &bytes(&log()), &said(with_tables())).unwrap();
    assert!(found.equal, "{found}");
    assert_eq!(found.judgement.equal, [0, 1, 2, 3].map(|of| Judged::Register(rtmr(of))));
    assert_eq!(found.judgement.required, [1, 2].map(|of| Judged::Register(rtmr(of))));
    let td = found.td.unwrap();
    assert!(td.is_equal() && td.first().is_none() && td.not_predicted.is_empty());
    assert_eq!(
        (td.boot, td.assumptions.memory, td.assumptions.tpm),
        ("direct", Some(MEMORY), false)
    );
    assert_eq!(td.assumptions.layout.name, "edk2-stable202205");
    assert_eq!(td.assumptions.firmware, Some(image.at("OVMF.fd")));
    // An image without a unified kernel image can't boot from its disk.
    assert!(found.notes.iter().any(|note| note.starts_with("not tried: ")), "{:?}", found.notes);
}

/// I9: a register of which an input is not known has a reason, and is never equal.
#[test]
fn a_register_without_its_tables_is_judged_as_far_as_it_is_known() {
    let image = image();
    let options = Options { boot: Some(Boot::Direct), ..Options::default() };
    let found = compared(&image, &bytes(&log()), &options).unwrap();
    assert_eq!(found.judgement.equal, [1, 2, 3].map(|of| Judged::Register(rtmr(of))));
    assert_eq!(found.judgement.not_expected, [Judged::Register(rtmr(0))]);
    let td = found.td.as_ref().unwrap();
    let [open] = &td.events.as_ref().unwrap().open[..] else { panic!("{td}") };
    assert_eq!((open.register, open.known, open.divergence.is_none()), (rtmr(0), 8, true));
    let reason = &td.not_predicted[&rtmr(0)];
    assert!(reason.contains("ACPI tables"), "{reason}");
    let text = found.to_string();
    assert!(
        text.contains(&format!("RTMR 0  not judged beyond its first 8 events: {reason}")),
        "{text}"
    );
    // What is known of it can still part.
    let mut records = log();
    records[1].digests[0].1[0] ^= 1;
    let found = compared(&image, &bytes(&records), &options).unwrap();
    assert_eq!(found.judgement.differing, [Judged::Register(rtmr(0))]);
    assert!(found.to_string().contains("RTMR 0  DIFFERS  within the 8 events known of it"));
}

#[test]
fn the_first_event_that_differs_is_named() {
    type Plant = fn(&mut Vec<Record>);
    let rows: [(Plant, u8, usize, Kind); 9] = [
        (|log| log[1].digests[0].1[0] ^= 1, 0, 1, Kind::Differs),
        (|log| log[10].digests[0].1[0] ^= 1, 0, 10, Kind::Differs),
        (|log| drop(log.remove(6)), 0, 6, Kind::Missing),
        (|log| log[11].digests[0].1[0] ^= 1, 1, 0, Kind::Differs),
        (|log| drop(log.remove(19)), 1, 3, Kind::Missing),
        (|log| log.insert(14, log[14].clone()), 1, 2, Kind::Unexpected),
        (|log| log[16].digests[0].1[0] ^= 1, 2, 0, Kind::Differs),
        (|log| drop(log.remove(17)), 2, 1, Kind::Missing),
        (|log| log.push(log[17].clone()), 2, 2, Kind::Unexpected),
    ];
    let image = image();
    let td = TdOptions { memory: Some(MEMORY), tpm: Some(false), ..with_tables() };
    let options = Options { boot: Some(Boot::Direct), ..said(td) };
    for (row, (plant, number, index, kind)) in rows.into_iter().enumerate() {
        let mut records = log();
        plant(&mut records);
        let found = compared(&image, &bytes(&records), &options).unwrap();
        assert_eq!(parted(&found), [(rtmr(number), index, kind)], "{row}");
        assert_eq!(found.judgement.differing, [Judged::Register(rtmr(number))], "{row}");
        assert_eq!(found.td.unwrap().first().unwrap().register, rtmr(number), "{row}");
    }
}

/// The log is untouched, and the machine is said to be another.
#[test]
fn what_is_said_of_the_td_is_what_is_compared() {
    let image = image();
    let registers = |td: TdOptions| {
        let found = compared(&image, &bytes(&log()), &said(td)).unwrap();
        let mut parted: Vec<_> =
            parted(&found).into_iter().map(|(register, index, _)| (register, index)).collect();
        parted.sort_unstable();
        (parted, found.notes)
    };
    let of_memory = TdOptions { memory: Some(1 << 30), ..with_tables() };
    let (parted, notes) = registers(of_memory);
    assert_eq!(parted, [(rtmr(0), 0), (rtmr(1), 0)]);
    let words = "the TD HOB of the log is that of a machine with 2048 MiB of memory, not 1024";
    assert!(notes.iter().any(|note| note == words), "{notes:?}");
    let layout = |name: &str| TdOptions { layout: Some(name.parse().unwrap()), ..with_tables() };
    assert_eq!(registers(layout("edk2-stable202411")).0, [(rtmr(0), 13), (rtmr(1), 2)]);
    let newer = TdOptions { qemu: Some("10.1".parse().unwrap()), ..layout("edk2-stable202502") };
    assert_eq!(registers(newer).0, [(rtmr(0), 13), (rtmr(1), 0)]);
    let tpm = TdOptions { tpm: Some(true), ..with_tables() };
    assert_eq!(registers(tpm).0, [(rtmr(0), 10), (rtmr(2), 0)]);
}

/// The registers that the log comes to.
fn replayed() -> BTreeMap<Register, BankDigest> {
    let bytes = bytes(&log());
    let log = Log::parse(&bytes, RegisterSet::Td).unwrap();
    log.observed(Bank::Sha384).unwrap().replay()
}

fn mrtd(qemu: u32) -> String {
    let bytes = td_firmware();
    let launch = mrtd::launch(&Firmware::parse(&bytes).unwrap(), &Rule::of_qemu(qemu)).unwrap();
    launch.digest().to_string()
}

/// Values without a log: MRTD by the order in which the VMM builds the TD, RTMRs by the boot.
#[test]
fn registers_of_a_td_are_judged_without_a_log() {
    let image = image();
    let replayed = replayed();
    let td = TdOptions {
        memory: Some(MEMORY),
        qemu: Some("9.0".parse().unwrap()),
        layout: Some("edk2-stable202205".parse().unwrap()),
        tpm: Some(false),
        ..with_tables()
    };
    let options = said(td);
    let lines = |mrtd: &str| {
        let rtmrs = (0..3).map(|number| format!("rtmr{number}={}\n", replayed[&rtmr(number)]));
        format!("mrtd={mrtd}\n{}", rtmrs.collect::<String>())
    };
    let found = compared(&image, lines(&mrtd(9)).as_bytes(), &options).unwrap();
    assert!(found.equal, "{found}");
    let equal = [Register::Mrtd, rtmr(0), rtmr(1), rtmr(2)].map(Judged::Register);
    assert_eq!(found.judgement.equal, equal);
    assert_eq!(found.judgement.not_given, [Judged::Register(rtmr(3))]);
    // Built in the other order, or of another file.
    for (mrtd, cause) in [(mrtd(8), Cause::VmmVersion), ("0a".repeat(48), Cause::FirmwareBuild)] {
        let found = compared(&image, lines(&mrtd).as_bytes(), &options).unwrap();
        assert_eq!(found.judgement.differing, [Judged::Register(Register::Mrtd)]);
        let td = found.td.unwrap();
        let value = td.values.iter().find(|value| value.register == Register::Mrtd).unwrap();
        assert_eq!(value.causes, [cause]);
        assert!(!td.is_equal());
    }
}

/// A machine of a profile, with these registers of it.
fn td(memory: &str, registers: Value) -> Value {
    let more = json!({
        "vmm-version": "9.1", "vcpus": 1, "memory": memory, "firmware": "OVMF.fd",
        "registers": { "sha384": registers }, "not-predicted": { "rtmr0": { "code": "acpi-tables" } },
    });
    value("td", ["tdx", "qemu", "direct"], more)
}

fn profile() -> Value {
    json!({
        "name": "td", "version": 1, "technology": "tdx", "vmm": "qemu", "vmm-version": "9.1",
        "boot": "direct", "firmware": "OVMF.fd", "firmware-layout": "edk2-stable202205",
        "secure-boot": "absent", "vcpus": [1], "memory": ["2G", "1G"],
    })
}

/// RTMR 1 and 2 of the log.
fn known() -> Value {
    let replayed = replayed();
    json!({ "rtmr1": replayed[&rtmr(1)].to_string(), "rtmr2": replayed[&rtmr(2)].to_string() })
}

/// Reference values judge; of machines with the same values the log has one, and says where it parts.
#[test]
fn reference_values_judge_a_td_and_its_log_explains() {
    let values = [td("1G", known()), td("2G", known())];
    let image = ImageFolder::direct()
        .file("firmware", "A.fd", b"not the one that is named")
        .file("firmware", "OVMF.fd", &td_firmware())
        .values(&[profile()], &values)
        .finish();
    let found = compared(&image, &bytes(&log()), &Options::default()).unwrap();
    assert!(found.equal, "{found}");
    assert_eq!(found.judgement.equal, [1, 2, 3].map(|of| Judged::Register(rtmr(of))));
    let values = found.values.as_ref().unwrap();
    assert_eq!(values.expected, "td (qemu 9.1, direct boot, 1 vCPU, 2G, OVMF.fd)");
    assert_eq!(values.tried, 2);
    let td = found.td.as_ref().unwrap();
    let events = td.events.as_ref().unwrap();
    // What equals its value has no line among the events; RTMR 3 has no value, and keeps its line.
    let left: Vec<Register> = events.registers.iter().map(|of| of.register).collect();
    assert_eq!((left, events.open.len()), (vec![rtmr(3)], 1));

    let mut records = log();
    records[16].digests[0].1[0] ^= 1;
    let found = compared(&image, &bytes(&records), &Options::default()).unwrap();
    assert_eq!(parted(&found), [(rtmr(2), 0, Kind::Differs)]);
    assert_eq!(found.judgement.differing, [Judged::Register(rtmr(2))]);
    let values = found.values.as_ref().unwrap();
    let value = values.registers.iter().find(|value| value.register == rtmr(2)).unwrap();
    assert!(value.causes.is_empty(), "the event has them");
    let text = found.to_string();
    assert_eq!(text.matches("RTMR 2  DIFFERS").count(), 1, "{text}");
}

/// Of machines whose values fit as well the log has one, wherever it stands among them.
#[test]
fn the_machine_of_a_log_is_found_in_any_order() {
    for memory in [["1G", "2G"], ["2G", "1G"]] {
        let values = memory.map(|memory| td(memory, known()));
        let image = ImageFolder::direct()
            .file("firmware", "OVMF.fd", &td_firmware())
            .values(&[profile()], &values)
            .finish();
        let found = compared(&image, &bytes(&log()), &Options::default()).unwrap();
        let expected = found.values.unwrap().expected;
        assert_eq!(expected, "td (qemu 9.1, direct boot, 1 vCPU, 2G, OVMF.fd)", "{memory:?}");
    }
    // Values alone have no log to choose by: the first.
    let image = ImageFolder::direct()
        .file("firmware", "OVMF.fd", &td_firmware())
        .values(&[profile()], &[td("1G", known()), td("2G", known())])
        .finish();
    let registers: String = known()
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{name}={}\n", value.as_str().unwrap()))
        .collect();
    let found = compared(&image, registers.as_bytes(), &Options::default()).unwrap();
    assert!(found.equal && found.td.is_none());
    assert!(found.values.unwrap().expected.contains(", 1G, "));
}

/// A cloud's firmware is not at hand: its profile says how it measures, or nobody does.
#[test]
fn a_td_of_a_cloud_is_explained_by_the_layout_of_its_profile() {
    let of = |layout: Option<&str>| {
        let mut profile = json!({
            "name": "gce", "version": 1, "technology": "tdx", "vmm": "gce", "boot": "uki-disk",
            "vcpus": [4], "memory": ["2G"],
        });
        if let Some(layout) = layout {
            profile["firmware-layout"] = layout.into();
        }
        let rtmr2 = replayed()[&rtmr(2)].to_string();
        let more = json!({ "memory": "2G", "registers": { "sha384": { "rtmr2": rtmr2 } } });
        let image = ImageFolder::new()
            .uki()
            .values(&[profile], &[value("gce", ["tdx", "gce", "uki-disk"], more)])
            .finish();
        compared(&image, &bytes(&log()), &Options::default()).unwrap()
    };
    let found = of(Some("edk2-stable202411"));
    let td = found.td.unwrap();
    assert_eq!((td.boot, td.assumptions.firmware, td.assumptions.tpm), ("uki-disk", None, true));
    assert_eq!(td.assumptions.layout.name, "edk2-stable202411");
    // RTMR 2 has its value; RTMR 1 has events alone, and they are another boot's.
    assert_eq!(found.judgement.equal, [2, 3].map(|of| Judged::Register(rtmr(of))));
    assert_eq!(found.judgement.differing, [Judged::Register(rtmr(1))]);
    let found = of(None);
    assert!(found.td.is_none() && found.equal, "{found}");
    let note = found.notes.last().unwrap();
    assert!(note.starts_with("not compared event by event: how the firmware measures"), "{note}");
}

/// Where the image's files don't explain a log, values judge all the same.
#[test]
fn a_log_that_cannot_be_explained_is_judged_by_its_values() {
    let of = |firmware: Option<&[u8]>, profiles: &[Value]| {
        let image = ImageFolder::direct();
        let image = match firmware {
            Some(firmware) => image.file("firmware", "OVMF.fd", firmware),
            None => image,
        };
        let image = image.values(profiles, &[td("2G", known())]).finish();
        compared(&image, &bytes(&log()), &Options::default()).unwrap()
    };
    for firmware in [None, Some(&b"no firmware"[..])] {
        let found = of(firmware, &[profile()]);
        assert!(found.equal && found.td.is_none(), "{found}");
        let note = found.notes.last().unwrap();
        assert!(note.starts_with("not compared event by event: "), "{note}");
    }
    // Without its profile nothing is known of the machine but its values.
    let found = of(Some(&td_firmware()), &[]);
    assert!(found.equal && found.td.is_none() && found.notes.len() == 1, "{:?}", found.notes);
}

/// What is said of a TD is a question for the files, and no other firmware than the named one is guessed.
#[test]
fn a_td_that_is_described_is_predicted() {
    let image = ImageFolder::direct()
        .file("firmware", "OVMF.fd", &td_firmware())
        .values(&[profile()], &[td("2G", known())])
        .finish();
    let options = Options { described: vec!["--acpi-tables"], ..said(with_tables()) };
    let found = compared(&image, &bytes(&log()), &options).unwrap();
    assert!(found.equal && found.values.is_none(), "{found}");
    assert_eq!(found.judgement.equal, [0, 1, 2, 3].map(|of| Judged::Register(rtmr(of))));
}

#[test]
fn a_td_that_cannot_be_predicted_is_refused() {
    let image = image();
    let disk = Options { boot: Some(Boot::UkiDisk), ..Options::default() };
    let error = compared(&image, &bytes(&log()), &disk).unwrap_err();
    let CompareError::Td(TdError::Image(PredictionError::NoFile(missing))) = &error else {
        panic!("{error}")
    };
    assert_eq!(missing.role, crate::output::Role::Uki);
    let firmware = |path| said(TdOptions { firmware: Some(path), ..TdOptions::default() });
    let none = compared(&image, &bytes(&log()), &firmware(image.at("none.fd"))).unwrap_err();
    assert!(matches!(&none, CompareError::File(error) if error.is_not_found()), "{none}");
    let broken = compared(&image, &bytes(&log()), &firmware(image.at("tiny.initrd"))).unwrap_err();
    assert!(matches!(broken, CompareError::Td(TdError::Firmware { .. })), "{broken}");
}

/// Without a log nothing says how large the memory is, which the TD HOB describes.
#[test]
fn a_register_that_depends_on_the_memory_is_open_without_it() {
    let image = image();
    let line = format!("rtmr1={}\n", replayed()[&rtmr(1)]);
    let with_rtmr0 = format!("{line}rtmr0={}\n", replayed()[&rtmr(0)]);
    let options = Options { boot: Some(Boot::Direct), ..said(with_tables()) };
    let found = compared(&image, with_rtmr0.as_bytes(), &options).unwrap();
    assert_eq!(found.judgement.equal, [Judged::Register(rtmr(1))]);
    assert_eq!(found.judgement.not_expected, [Judged::Register(rtmr(0))]);
    assert_eq!(found.judgement.missing, [Judged::Register(rtmr(2))]);
    let td = found.td.unwrap();
    assert_eq!(td.assumptions.memory, None);
    assert!(td.not_predicted[&rtmr(0)].contains("the size of the memory"));
    // QEMU patches the kernel for this memory; the values are those of one size.
    assert_eq!(td.assumptions.qemu.map(|version| version.major), Some(10));
    let of_memory = TdOptions { memory: Some(MEMORY), ..with_tables() };
    let options = Options { boot: Some(Boot::Direct), ..said(of_memory) };
    let found = compared(&image, with_rtmr0.as_bytes(), &options).unwrap();
    assert_eq!(found.judgement.equal, [0, 1].map(|of| Judged::Register(rtmr(of))));
}
