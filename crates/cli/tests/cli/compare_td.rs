//! `cvmkit compare` with TDs: the logs and the quote of TDs that ran are equal to their images, and
//! whatever is planted is named.
//!
//! The images that ran there are not at hand. So the digests that an image decides are those of a
//! small one here, and all others are the machine's; what is planted is planted as bytes.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use cvmkit_formats::digest::{Digests, Sha384};
use cvmkit_measure::event::log::{AlgorithmId, Log};
use cvmkit_measure::event::{EventType, RegisterSet};
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::linux::{self, Boot, SetupHeader};
use cvmkit_measure::tdx::mrtd::{self, Rule};
use serde_json::{Value, json};

use crate::event_logs::{CCEL_GKE_UKI, CCEL_OVMF, Record, header_index, records, write};
use crate::measure_tdx::kernel;
use crate::program::{Folder, Said};
use crate::small_uki::SmallUki;
use crate::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};
use crate::tiny_image::TinyImage;

const LINE: &str = "console=ttyS0 quiet";
const INITRD: &[u8] = b"an initrd";
const MEMORY: u64 = 2 << 30;

/// Firmware of which the TD HOB and the variables are those of the logs.
fn fd() -> Vec<u8> {
    whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY)
}

/// A folder with that firmware, a kernel, an initrd and a command line.
fn image() -> TinyImage {
    TinyImage::new()
        .file("firmware", "OVMF.fd", &fd())
        .file("kernel", "tiny.vmlinuz", &kernel())
        .file("initrd", "tiny.initrd", INITRD)
        .file("command-line", "tiny.cmdline", LINE.as_bytes())
        .finish()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// Kernel as an older QEMU patches it, command line with the firmware's word behind it, initrd.
fn of_image() -> [Digests; 3] {
    let boot =
        Boot { memory: MEMORY, initrd: Some(INITRD.len() as u64), command_line: LINE.as_bytes() };
    let kernel = linux::digests(&kernel(), &SetupHeader::Patched(boot)).unwrap();
    [kernel, Digests::of(&utf16(&format!("{LINE} initrd=initrd"))), Digests::of(INITRD)]
}

fn set(record: &mut Record, digests: Digests) {
    record.digests = vec![(AlgorithmId::SHA384, digests.sha384.0.to_vec())];
}

/// The log of a TD of edk2 2022, as it would be of this image.
fn log() -> Vec<Record> {
    let mut records = records(&Log::parse(CCEL_OVMF, RegisterSet::Td).unwrap());
    let [kernel, line, initrd] = of_image();
    for (at, digests) in [(11, kernel), (16, line), (17, initrd)] {
        set(&mut records[at], digests);
    }
    records
}

fn bytes(of: &[u8], records: &[Record]) -> Vec<u8> {
    let log = Log::parse(of, RegisterSet::Td).unwrap();
    write(&log.header, header_index(of), records)
}

/// The options that say which ACPI tables the machine of the log has.
fn acpi() -> String {
    let log = log();
    let digest = |at: usize| hex::encode(&log[at].digests[0].1);
    let [loader, rsdp, tables] = [8, 9, 10].map(digest);
    format!("--acpi-loader {loader} --acpi-rsdp {rsdp} --acpi-tables {tables}")
}

fn compare(folder: &Folder, line: &str) -> (Said, Value) {
    let said = folder.cvmkit(&format!("compare {line} --format json"));
    let json = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"));
    (said, json)
}

/// Every divergence: register, place, kind.
fn parted(json: &Value) -> Vec<(String, u64, String)> {
    let events = &json["td"]["events"];
    let lists = ["registers", "open"].map(|list| events[list].as_array().cloned());
    let registers = lists.into_iter().flatten().flatten();
    let divergence = |register: Value| {
        let of = register["divergence"].as_object()?.clone();
        let text = |field: &str| of[field].as_str().unwrap().to_owned();
        Some((text("register"), of["index"].as_u64().unwrap(), text("kind")))
    };
    registers.filter_map(divergence).collect()
}

fn judged(json: &Value) -> Vec<&str> {
    let registers = json["td"]["events"]["registers"].as_array().unwrap().iter();
    registers.map(|register| register["register"].as_str().unwrap()).collect()
}

#[test]
fn the_log_of_a_direct_boot_is_equal() {
    let image = image();
    image.folder.put("ccel", &bytes(CCEL_OVMF, &log()));
    let (said, json) = compare(&image.folder, &format!("ccel --with out {}", acpi()));
    assert_eq!((said.code, &json["equal"]), (Some(0), &true.into()), "{json:#}");
    assert_eq!(judged(&json), ["rtmr0", "rtmr1", "rtmr2", "rtmr3"]);
    let assumed = &json["td"]["assumptions"];
    // The memory is found by the TD HOB.
    assert_eq!((&assumed["memory"], &assumed["tpm"]), (&MEMORY.into(), &false.into()));
    assert_eq!(assumed["layout"], "edk2-stable202205");
    assert_eq!(json["td"]["boot"], "direct");
    let text = image.folder.cvmkit(&format!("compare ccel --with out {}", acpi())).answer();
    assert!(text.starts_with("TD event log with `out`: equal\n"), "{text}");
    assert!(text.contains("RTMR 3  equal") && text.contains("RTMR 0  equal"), "{text}");

    // Without the tables, RTMR 0 is judged as far as it is known, and never equal.
    let (said, json) = compare(&image.folder, "ccel --with out");
    assert_eq!((said.code, judged(&json)), (Some(0), vec!["rtmr1", "rtmr2", "rtmr3"]), "{json:#}");
    assert_eq!(json["td"]["events"]["open"][0]["known"], 8);
    let reason = json["td"]["not-predicted"]["rtmr0"].as_str().unwrap();
    assert!(reason.contains("ACPI tables"), "{reason}");
}

/// What is done to the log, the register, place and kind to name, and words of a cause.
type Planted = (fn(&mut Vec<Record>), &'static str, u64, &'static str, &'static str);

fn flip(records: &mut [Record], at: usize) {
    records[at].digests[0].1[0] ^= 1;
}

fn drop(records: &mut Vec<Record>, at: usize) {
    records.remove(at);
}

const PLANTED: [Planted; 14] = [
    (|log| flip(log, 0), "rtmr0", 0, "differs", "the memory size"),
    (|log| flip(log, 1), "rtmr0", 1, "differs", "the firmware is a different build"),
    (|log| flip(log, 2), "rtmr0", 2, "differs", "Secure Boot is switched"),
    (|log| drop(log, 6), "rtmr0", 6, "missing", "Secure Boot is switched"),
    (|log| flip(log, 10), "rtmr0", 10, "differs", "number of processors"),
    (|log| flip(log, 8), "rtmr0", 8, "differs", "its devices differ"),
    (|log| flip(log, 12), "rtmr0", 11, "differs", "boot options differ"),
    (|log| flip(log, 11), "rtmr1", 0, "differs", "the kernel differs"),
    (|log| drop(log, 19), "rtmr1", 3, "missing", "the log is cut"),
    (|log| log.insert(14, log[14].clone()), "rtmr1", 2, "unexpected", "measures other events"),
    (|log| flip(log, 16), "rtmr2", 0, "differs", "the kernel command line differs"),
    (|log| flip(log, 17), "rtmr2", 1, "differs", "the initrd differs"),
    (|log| drop(log, 17), "rtmr2", 1, "missing", "the initrd differs"),
    (|log| log.push(log[17].clone()), "rtmr2", 2, "unexpected", "the kernel differs"),
];

#[test]
fn planted_mismatches_are_named() {
    let image = image();
    for (at, (plant, register, index, kind, cause)) in PLANTED.into_iter().enumerate() {
        let mut records = log();
        plant(&mut records);
        image.folder.put("ccel", &bytes(CCEL_OVMF, &records));
        let line = format!("ccel --with out --memory 2G --tpm absent {}", acpi());
        let (said, json) = compare(&image.folder, &line);
        assert_eq!((said.code, &json["equal"]), (Some(1), &false.into()), "{at}: {json:#}");
        let expected = (register.to_owned(), index, kind.to_owned());
        assert_eq!(parted(&json), [expected], "{at}: {json:#}");
        let said = image.folder.cvmkit(&format!("compare {line}"));
        let (_, likely) = said.stdout.split_once("first divergence: ").unwrap();
        assert!(likely.contains(cause), "{at}: {likely}");
        assert!(
            said.stderr.contains("is not what `out` should measure: event "),
            "{}",
            said.stderr
        );
    }
}

/// The log is untouched, and the machine or the image is said to be another.
#[test]
fn other_machines_are_told_apart() {
    let image = image();
    image.folder.put("ccel", &bytes(CCEL_OVMF, &log()));
    image.folder.put("other.fd", &whole_firmware(0x40_0000, &vec![0x55; 0x8_4000], &EDK2_MEMORY));
    let with = |options: &str| {
        let line = format!("ccel --with out {} {options}", acpi());
        let said = image.folder.cvmkit(&format!("compare {line}"));
        assert_eq!(said.code, Some(1), "{options}: {said:?}");
        let (_, json) = compare(&image.folder, &line);
        let mut registers: Vec<_> =
            parted(&json).into_iter().map(|(register, index, _)| (register, index)).collect();
        registers.sort();
        (registers, format!("{}{}", said.stdout, said.stderr))
    };
    let rtmr = |number: u8, index: u64| (format!("rtmr{number}"), index);
    // A machine of 1 GiB has another TD HOB, and QEMU patches another kernel.
    let (registers, text) = with("--memory 1G");
    assert_eq!(registers, [rtmr(0, 0), rtmr(1, 0)], "{text}");
    assert!(text.contains("with 2048 MiB of memory, not 1024"), "{text}");
    // Of all layouts that differ as often, the one with the most events of the log.
    assert!(text.contains("as edk2-stable202205"), "{text}");
    let (registers, text) = with("--layout edk2-stable202411");
    assert_eq!(registers, [rtmr(0, 13), rtmr(1, 2)], "{text}");
    assert!(text.contains("its version is not that of its profile"), "{text}");
    // The version of QEMU decides which kernel newer firmware takes.
    let (registers, text) = with("--layout edk2-stable202502 --qemu-version 10.1");
    assert_eq!(registers, [rtmr(0, 13), rtmr(1, 0)], "{text}");
    assert!(text.contains("QEMU patches the header of a kernel"), "{text}");
    let (registers, text) = with("--layout edk2-stable202508");
    assert!(registers.contains(&rtmr(2, 0)), "{text}");
    assert!(text.contains("assembles the command line differently"), "{text}");
    let (registers, text) = with("--td-firmware other.fd --memory 2G");
    assert_eq!(registers, [rtmr(0, 1)], "{text}");
    // There would be a table more, and Linux would have measured into the TPM.
    let (registers, text) = with("--tpm present");
    assert_eq!(registers, [rtmr(0, 10), rtmr(2, 0)], "{text}");
    assert!(text.contains("the TD has a virtual TPM, or has none"), "{text}");
    // Other files.
    for (name, contents, register) in
        [("tiny.initrd", &b"another"[..], rtmr(2, 1)), ("tiny.cmdline", &b"quiet"[..], rtmr(2, 0))]
    {
        let before = image.folder.get(&format!("out/{name}"));
        image.folder.put(&format!("out/{name}"), contents);
        let (registers, text) = with("");
        assert!(registers.contains(&register), "{text}");
        image.folder.put(&format!("out/{name}"), &before);
    }
}

/// Where a quote of version 4 has MRTD and RTMR 0 to 2 (DCAP Quoting Library API, A.3.2).
const MRTD_AT: usize = 48 + 136;
const RTMR_AT: [usize; 3] = [48 + 328, 48 + 376, 48 + 424];

const RTMR_3_AT: usize = 48 + 472;

/// The quote of a real TD with its log, as they would be of this image before its software extends
/// RTMR 3; `rule` says how its VMM built it.
fn quote(rule: &Rule<'_>) -> (Vec<u8>, Value) {
    let fixture = include_str!("../../../measure/tests/fixtures/tdx/quote.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let mut quote = hex::decode(fixture["quote"].as_str().unwrap()).unwrap();
    let mut log: Value = serde_json::from_str(fixture["event_log"].as_str().unwrap()).unwrap();
    let events = log.as_array_mut().unwrap();
    events.retain(|event| event["imr"] != 3);
    quote[RTMR_3_AT..RTMR_3_AT + 48].fill(0);
    let [kernel, line, initrd] = of_image().map(|digests| digests.sha384.to_string());
    let is = |event: &Value, imr: u64, event_type: EventType| {
        event["imr"] == imr && event["event_type"] == u64::from(event_type.0)
    };
    let replaced = [
        (1, EventType::EV_EFI_BOOT_SERVICES_APPLICATION, vec![kernel]),
        (2, EventType::EV_EVENT_TAG, vec![line, initrd]),
    ];
    for (imr, event_type, digests) in replaced {
        let own = events.iter_mut().filter(|event| is(event, imr, event_type));
        let own: Vec<_> = own.collect();
        assert_eq!(own.len(), digests.len());
        own.into_iter().zip(digests).for_each(|(event, digest)| event["digest"] = digest.into());
    }
    for (imr, at) in (0_u64..).zip(RTMR_AT) {
        let own = events.iter().filter(|event| event["imr"] == imr);
        let value = own.fold(Sha384::ZERO, |value, event| {
            value.extend(event["digest"].as_str().unwrap().parse().unwrap())
        });
        quote[at..at + 48].copy_from_slice(&value.0);
    }
    let bytes = fd();
    let launch = mrtd::launch(&Firmware::parse(&bytes).unwrap(), rule).unwrap();
    quote[MRTD_AT..MRTD_AT + 48].copy_from_slice(&launch.digest().0.0);
    let answer = json!({ "quote": hex::encode(&quote), "event_log": log.to_string() });
    (quote, answer)
}

fn acpi_of(answer: &Value) -> String {
    let log: Value = serde_json::from_str(answer["event_log"].as_str().unwrap()).unwrap();
    let is_table = |event: &&Value| event["event_type"] == 0xa && event["imr"] == 0;
    let tables: Vec<_> = log.as_array().unwrap().iter().filter(is_table).collect();
    let [loader, rsdp, tables] = [0, 1, 2].map(|at| tables[at]["digest"].as_str().unwrap());
    format!("--acpi-loader {loader} --acpi-rsdp {rsdp} --acpi-tables {tables}")
}

/// Of each register: whether it is as expected, `None` if it was not given.
fn values(json: &Value) -> Vec<(&str, Option<bool>)> {
    let values = json["td"]["values"].as_array().unwrap().iter();
    let equal = |value: &Value| value["observed"].as_str().map(|o| value["expected"] == o);
    values.map(|value| (value["register"].as_str().unwrap(), equal(value))).collect()
}

#[test]
fn a_quote_is_compared_with_and_without_its_log() {
    let image = image();
    let (bytes, answer) = quote(&Rule::of_qemu(9));
    image.folder.put("quote", &bytes);
    image.folder.put("quote.json", answer.to_string().as_bytes());
    let acpi = acpi_of(&answer);
    let (said, json) = compare(&image.folder, &format!("quote.json --with out {acpi}"));
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(values(&json), [("mrtd", Some(true))]);
    assert_eq!(judged(&json), ["rtmr0", "rtmr1", "rtmr2", "rtmr3"]);
    assert_eq!(json["td"]["assumptions"]["memory"], MEMORY);

    // Without a log, what decides a register must be said, or is not judged.
    let whole = format!("quote --with out --memory 2G {acpi}");
    let (said, json) = compare(&image.folder, &whole);
    assert_eq!(said.code, Some(0), "{json:#}");
    let all = [("mrtd", Some(true)), ("rtmr0", Some(true)), ("rtmr1", Some(true))];
    assert_eq!(values(&json)[..3], all);
    let (said, json) = compare(&image.folder, "quote --with out");
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(
        values(&json).iter().map(|of| of.0).collect::<Vec<_>>(),
        ["mrtd", "rtmr1", "rtmr2", "rtmr3"]
    );
    assert!(json["td"]["not-predicted"]["rtmr0"].as_str().unwrap().contains("memory"));

    // Of the same quote as registers.
    let at = |at: usize| hex::encode(&bytes[at..at + 48]);
    let registers = format!("mrtd={}\nrtmr2={}\n", at(MRTD_AT), at(RTMR_AT[2]));
    image.folder.put("registers", registers.as_bytes());
    let (said, json) = compare(&image.folder, "registers --with out --memory 2G");
    // RTMR 1 is expected and was not given, so nothing shows which kernel was started.
    assert_eq!(
        (said.code, &json["judgement"]["missing"]),
        (Some(2), &json!(["rtmr1"])),
        "{json:#}"
    );
    let line = "registers --with out --memory 2G --require mrtd,rtmr2";
    let (said, json) = compare(&image.folder, line);
    assert_eq!(said.code, Some(0), "{json:#}");

    // RTMR 3 is judged in the same way with and without a log: who extends it is named.
    let mut extended = bytes.clone();
    extended[RTMR_3_AT] ^= 1;
    image.folder.put("extended", &extended);
    let said = image.folder.cvmkit(&format!("compare extended --with out --memory 2G {acpi}"));
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("RTMR 3  DIFFERS"), "{}", said.stdout);
    assert!(said.stdout.contains("the running system extended the register"), "{}", said.stdout);

    // Each register that differs is named, with what decides it.
    for (register, cause) in [("RTMR 1", "kernel differs"), ("RTMR 2", "command line")] {
        let mut planted = bytes.clone();
        planted[if register == "RTMR 1" { RTMR_AT[1] } else { RTMR_AT[2] }] ^= 1;
        image.folder.put("planted", &planted);
        let said = image.folder.cvmkit(&format!("compare planted --with out --memory 2G {acpi}"));
        assert_eq!(said.code, Some(1));
        assert!(said.stdout.contains(&format!("{register}  DIFFERS")), "{}", said.stdout);
        assert!(said.stdout.contains(cause), "{}", said.stdout);
    }
}

/// The MRTD says which version of QEMU built the TD, and which firmware is in it.
#[test]
fn the_mrtd_is_told_apart() {
    let image = image();
    let (two_passes, answer) = quote(&Rule::of_qemu(8));
    image.folder.put("quote", &two_passes);
    image.folder.put("quote.json", answer.to_string().as_bytes());
    let (said, json) = compare(&image.folder, "quote.json --with out");
    assert_eq!(
        (said.code, &json["td"]["assumptions"]["qemu"]),
        (Some(0), &"8.0".into()),
        "{json:#}"
    );
    let said = image.folder.cvmkit("compare quote --with out --qemu-version 9.1");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("MRTD    DIFFERS"), "{}", said.stdout);
    assert!(said.stdout.contains("in two passes"), "{}", said.stdout);
    let mut planted = two_passes.clone();
    planted[MRTD_AT] ^= 1;
    image.folder.put("quote", &planted);
    let said = image.folder.cvmkit("compare quote --with out");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("the firmware is a different build"), "{}", said.stdout);
    assert!(said.stderr.contains("MRTD differs"), "{}", said.stderr);
}

/// The image whose sections are those of the UKI in the log of Google's cloud.
fn uki() -> SmallUki {
    let mut uki = SmallUki::new(257);
    for section in [".splash", ".pcrpkey", ".pcrsig"] {
        uki.set(section, None);
    }
    uki
}

/// That log, as it would be of this image on a disk without a partition table.
fn cloud_log(uki: &SmallUki) -> Vec<Record> {
    let mut records = records(&Log::parse(CCEL_GKE_UKI, RegisterSet::Td).unwrap());
    records.retain(|record| record.event_type != EventType::EV_EFI_GPT_EVENT);
    let image = uki.read().unwrap();
    let contents: Vec<_> = image.sections.iter().map(|section| section.digests).collect();
    let is_image = |r: &&mut Record| r.event_type == EventType::EV_EFI_BOOT_SERVICES_APPLICATION;
    let images = records.iter_mut().filter(is_image).zip([image.image, image.kernel]);
    images.for_each(|(record, digests)| set(record, digests));
    // Name and contents in turns.
    let is_section = |record: &&mut Record| record.index == 3;
    let sections = records.iter_mut().filter(is_section).skip(1).step_by(2);
    let sections: Vec<_> = sections.collect();
    assert_eq!(sections.len(), contents.len());
    sections.into_iter().zip(contents).for_each(|(record, digests)| set(record, digests));
    records
}

fn nth(records: &[Record], index: u32, at: usize) -> usize {
    let own = |(_, record): &(usize, &Record)| {
        record.index == index && record.event_type != EventType::EV_NO_ACTION
    };
    records.iter().enumerate().filter(own).nth(at).unwrap().0
}

fn flip_of(records: &mut [Record], index: u32, at: usize) {
    flip(records, nth(records, index, at));
}

fn drop_of(records: &mut Vec<Record>, index: u32, at: usize) {
    drop(records, nth(records, index, at));
}

#[test]
fn the_log_of_a_cloud_is_equal() {
    let image = TinyImage::new().uki(&uki()).finish();
    let untouched = cloud_log(&uki());
    image.folder.put("ccel", &bytes(CCEL_GKE_UKI, &untouched));
    let (said, json) = compare(&image.folder, "ccel --with out");
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(
        (judged(&json), &json["td"]["boot"]),
        (vec!["rtmr1", "rtmr2", "rtmr3"], &"uki-disk".into())
    );
    assert_eq!(json["td"]["assumptions"]["tpm"], true);
    assert!(json["td"]["not-predicted"]["rtmr0"].as_str().unwrap().contains("firmware"));

    // Without a TPM the kernel measures command line and initrd into the TD.
    let mut records = untouched.clone();
    let uki = uki().read().unwrap();
    let last = nth(&records, 3, 11);
    for digests in [uki.initrd, Digests::of(&utf16(&uki.command_line))] {
        let mut record = records[last].clone();
        record.event_type = EventType::EV_EVENT_TAG;
        set(&mut record, digests);
        records.insert(last + 1, record);
    }
    image.folder.put("ccel", &bytes(CCEL_GKE_UKI, &records));
    let (said, json) = compare(&image.folder, "ccel --with out");
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(json["td"]["assumptions"]["tpm"], false);

    // Firmware that ends its measurements in RTMR 0.
    let mut records = untouched.clone();
    let separator = nth(&records, 2, 1);
    records[separator].index = 1;
    image.folder.put("ccel", &bytes(CCEL_GKE_UKI, &records));
    let (said, json) = compare(&image.folder, "ccel --with out");
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(json["td"]["assumptions"]["layout"], "edk2-stable202205");
}

#[test]
fn planted_mismatches_of_a_disk_are_named() {
    let planted: [Planted; 6] = [
        (|log| flip_of(log, 2, 2), "rtmr1", 2, "differs", "unified kernel image differs"),
        (|log| drop_of(log, 2, 3), "rtmr1", 3, "missing", "a different version of systemd-stub"),
        (|log| flip_of(log, 2, 0), "rtmr1", 0, "differs", "measures other events"),
        (|log| flip_of(log, 3, 5), "rtmr2", 5, "differs", "unified kernel image differs"),
        (|log| drop_of(log, 3, 11), "rtmr2", 11, "missing", "the log is cut"),
        (
            |log| {
                let mut table = log[nth(log, 2, 2)].clone();
                table.event_type = EventType::EV_EFI_GPT_EVENT;
                table.digests[0].1[0] ^= 1;
                log.insert(nth(log, 2, 2), table);
            },
            "rtmr1",
            2,
            "unexpected",
            "the partition table of the disk",
        ),
    ];
    let image = TinyImage::new().uki(&uki()).finish();
    for (at, (plant, register, index, kind, cause)) in planted.into_iter().enumerate() {
        let mut records = cloud_log(&uki());
        plant(&mut records);
        image.folder.put("ccel", &bytes(CCEL_GKE_UKI, &records));
        let line = "ccel --with out --layout edk2-stable202411 --tpm present";
        let (said, json) = compare(&image.folder, line);
        assert_eq!(said.code, Some(1), "{at}: {json:#}");
        let expected = (register.to_owned(), index, kind.to_owned());
        assert_eq!(parted(&json), [expected], "{at}: {json:#}");
        let said = image.folder.cvmkit(&format!("compare {line}"));
        let (_, likely) = said.stdout.split_once("first divergence: ").unwrap();
        assert!(likely.contains(cause), "{at}: {likely}");
    }
    // Another image with the same log: the image comes first, as it is loaded first.
    let mut other = uki();
    other.change(".cmdline");
    let image = TinyImage::new().uki(&other).finish();
    image.folder.put("ccel", &bytes(CCEL_GKE_UKI, &cloud_log(&uki())));
    let said = image.folder.cvmkit("compare ccel --with out");
    assert!(said.stdout.contains("first divergence: RTMR 1: event 2 differs"), "{}", said.stdout);
    assert!(said.stdout.contains("section .cmdline"), "{}", said.stdout);
}

/// An image for several technologies has firmware for each.
#[test]
fn firmware_that_starts_no_td_is_left_out() {
    let end = include_bytes!("../../../measure/tests/fixtures/ovmf_AmdSev_suffix.bin");
    let snp = &crate::ovmf_image::whole(end);
    let image = TinyImage::new()
        .file("firmware", "OVMF.amdsev.fd", snp)
        .file("firmware", "OVMF.fd", &fd())
        .file("kernel", "tiny.vmlinuz", &kernel())
        .file("initrd", "tiny.initrd", INITRD)
        .file("command-line", "tiny.cmdline", LINE.as_bytes())
        .finish();
    image.folder.put("ccel", &bytes(CCEL_OVMF, &log()));
    let (said, json) = compare(&image.folder, &format!("ccel --with out {}", acpi()));
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(json["td"]["assumptions"]["firmware"], "out/OVMF.fd");
    assert_eq!(judged(&json), ["rtmr0", "rtmr1", "rtmr2", "rtmr3"]);

    let image = TinyImage::new().file("firmware", "OVMF.amdsev.fd", snp).uki(&uki()).finish();
    image.folder.put("ccel", &bytes(CCEL_GKE_UKI, &cloud_log(&uki())));
    let (said, json) = compare(&image.folder, "ccel --with out");
    assert_eq!(said.code, Some(0), "{json:#}");
    assert_eq!(json["td"]["assumptions"].get("firmware"), None);
    let notes = json["notes"].to_string();
    assert!(notes.contains("cannot measure `out/OVMF.amdsev.fd`"), "{notes}");
}

#[test]
fn what_cannot_be_predicted_of_a_td_is_refused() {
    let image = TinyImage::new().uki(&uki()).finish();
    image.folder.put("ccel", &bytes(CCEL_OVMF, &log()));
    image.folder.put("fd", b"no firmware");
    let refused = |line: &str, words: &str| {
        let said = image.folder.cvmkit(&format!("compare {line}"));
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{line}: {said:?}");
        assert!(said.stderr.contains(words), "{line}: {}", said.stderr);
    };
    refused("ccel --with missing", "`missing`");
    refused("ccel --with out --td-firmware fd", "cannot measure `fd`");
    refused("ccel --with out --td-firmware none", "`none`");
    refused("ccel --with out --acpi-loader fd", "--acpi-rsdp");
    refused("ccel --with out --layout edk2", "edk2-stable202205");
}

/// The reference values of that image as `build` has them: a machine of the profile for each size of
/// memory, of which no ACPI tables are known.
fn with_reference_values(
    image: &TinyImage,
    (layout, secure_boot): (&str, &str),
    values: &[(&str, [String; 4])],
) {
    let value = |(memory, [mrtd, rtmr1, rtmr2, rtmr3]): &(&str, [String; 4])| {
        json!({
            "profile": "td", "profile-version": 1, "platform": "tdx", "vmm": "qemu",
            "vmm-version": "9.1", "boot": "direct", "vcpus": 1, "memory": memory,
            "firmware": "OVMF.fd", "firmware-layout": layout,
            "registers": { "sha384": {
                "mrtd": mrtd, "rtmr1": rtmr1, "rtmr2": rtmr2, "rtmr3": rtmr3,
            } },
            "conditions": { "rtmr3": [{ "code": "until-software-extends" }] },
            "not-predicted": { "rtmr0": { "code": "acpi-tables" } },
        })
    };
    let profile = json!({
        "name": "td", "version": 1, "technology": "tdx", "vmm": "qemu", "vmm-version": "9.1",
        "boot": "direct", "firmware": "OVMF.fd", "firmware-layout": layout, "secure-boot": secure_boot,
        "vcpus": [1], "memory": ["2G", "1G"],
    });
    let values: Vec<Value> = values.iter().map(value).collect();
    let file = json!({ "schema": 3, "debug": false, "profiles": [profile], "values": values });
    image.folder.put("out/reference-values.json", file.to_string().as_bytes());
}

/// The firmware of the quote, and that of the log: layout and Secure Boot.
const OF_QUOTE: (&str, &str) = ("edk2-stable202411", "absent");
const OF_LOG: (&str, &str) = ("edk2-stable202205", "absent");

/// MRTD, RTMR 1, 2 and 3 of a quote.
fn registers_of(quote: &[u8]) -> [String; 4] {
    [MRTD_AT, RTMR_AT[1], RTMR_AT[2], RTMR_3_AT].map(|at| hex::encode(&quote[at..at + 48]))
}

/// An image for two technologies, with the firmware of the other one first: it starts TDs too.
fn image_of_two() -> TinyImage {
    let other = whole_firmware(0x40_0000, &vec![0x55; 0x8_4000], &EDK2_MEMORY);
    TinyImage::new()
        .file("firmware", "A.fd", &other)
        .file("firmware", "OVMF.fd", &fd())
        .file("kernel", "tiny.vmlinuz", &kernel())
        .file("initrd", "tiny.initrd", INITRD)
        .file("command-line", "tiny.cmdline", LINE.as_bytes())
        .finish()
}

/// How often each register is judged in what a person sees: lines that begin with its name.
fn lines_of<'a>(text: &'a str, register: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.trim_start().starts_with(register)).collect()
}

/// The case `rtmr3-two-answers`, with the folder: each register has one verdict, one line and one list
/// of causes, for the machine that the profile names.
#[test]
fn a_td_has_one_answer_for_each_register() {
    let image = image_of_two();
    let (bytes, _) = quote(&Rule::of_qemu(9));
    let known = registers_of(&bytes);
    let [mrtd, rtmr1, rtmr2, zero] = &known;
    let other = "11".repeat(48);
    let of_1g = [mrtd.clone(), other.clone(), rtmr2.clone(), zero.clone()];
    with_reference_values(&image, OF_QUOTE, &[("2G", known.clone()), ("1G", of_1g)]);
    let one_line_each = |text: &str| {
        for register in ["MRTD", "RTMR 0", "RTMR 1", "RTMR 2", "RTMR 3"] {
            assert!(lines_of(text, register).len() <= 1, "{register}: {text}");
        }
        assert!(!text.contains("A.fd"), "{text}");
        let judged = lines_of(text, "not judged, because").concat();
        let names: Vec<_> =
            judged.match_indices("RTMR").map(|(at, _)| &judged[at..at + 6]).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len(), "{text}");
    };

    image.folder.put("lone", format!("rtmr3={zero}\n").as_bytes());
    let said = image.folder.cvmkit("compare lone --with out");
    assert_eq!(said.code, Some(2), "{said:?}");
    one_line_each(&said.stdout);
    assert!(said.stdout.contains("expected: td (qemu 9.1, direct boot, 1 vCPU, 2G, OVMF.fd)"));
    assert!(said.stdout.contains("not judged, because not given: MRTD, RTMR 1 and RTMR 2\n"));

    let ab = "ab".repeat(48);
    let registers = format!("mrtd={mrtd}\nrtmr1={rtmr1}\nrtmr2={rtmr2}\nrtmr3={ab}\n");
    image.folder.put("extended", registers.as_bytes());
    let said = image.folder.cvmkit("compare extended --with out");
    assert_eq!(said.code, Some(1), "{said:?}");
    one_line_each(&said.stdout);
    let likely: Vec<_> = lines_of(&said.stdout, "likely:");
    assert_eq!(likely.len(), 1, "{}", said.stdout);
    assert!(likely[0].contains("the running system extended the register"), "{likely:?}");

    // Another kernel has one list of causes, and none that the other registers exclude.
    let planted = registers.replace(rtmr1, &ab).replace(&format!("rtmr3={ab}"), "");
    image.folder.put("kernel", planted.as_bytes());
    let said = image.folder.cvmkit("compare kernel --with out");
    assert_eq!(said.code, Some(1), "{said:?}");
    one_line_each(&said.stdout);
    let kernel = "likely: the kernel differs";
    assert_eq!(said.stdout.matches(kernel).count(), 1, "{}", said.stdout);
}

/// A log says at which event a value parts, of the machine that the values are of.
#[test]
fn the_log_of_a_td_explains_its_values() {
    let image = image_of_two();
    let (_, answer) = quote(&Rule::of_qemu(9));
    let (bytes, _) = quote(&Rule::of_qemu(9));
    let known = registers_of(&bytes);
    with_reference_values(&image, OF_QUOTE, &[("1G", known.clone()), ("2G", known.clone())]);
    image.folder.put("quote.json", answer.to_string().as_bytes());
    let (said, json) = compare(&image.folder, "quote.json --with out");
    assert_eq!(said.code, Some(0), "{json:#}");
    // Of machines with the same values the log has one: the TD HOB is of 2 GiB.
    assert!(json["values"]["expected"].as_str().unwrap().contains(", 2G, "), "{json:#}");
    assert_eq!(json["td"]["events"]["registers"], json!([]));
    assert_eq!(json["judgement"]["equal"], json!(["mrtd", "rtmr1", "rtmr2", "rtmr3"]));
    assert_eq!(json["td"]["events"]["open"][0]["divergence"], Value::Null);
    let said = image.folder.cvmkit("compare quote.json --with out");
    assert_eq!(lines_of(&said.stdout, "RTMR 0").len(), 1, "{}", said.stdout);
    assert!(said.stdout.contains("RTMR 0  not judged beyond its first"), "{}", said.stdout);

    // A log that parts: one verdict, and the event has the causes.
    let mut records = log();
    image.folder.put("ccel", &self::bytes(CCEL_OVMF, &records));
    cvmkit_host::files::remove(&image.folder.path("out/reference-values.json")).unwrap();
    let (_, json) = compare(&image.folder, "ccel --with out --td-firmware out/OVMF.fd");
    let observed = json["td"]["events"]["registers"].as_array().unwrap().iter();
    let mut observed = observed.map(|of| of["observed"].as_str().unwrap().to_owned());
    let of_log = [known[0].clone()].into_iter().chain(observed.by_ref()).collect::<Vec<_>>();
    with_reference_values(&image, OF_LOG, &[("2G", of_log.try_into().unwrap())]);
    flip(&mut records, 16);
    image.folder.put("ccel", &self::bytes(CCEL_OVMF, &records));
    let (said, json) = compare(&image.folder, "ccel --with out");
    assert_eq!(said.code, Some(1), "{json:#}");
    assert_eq!(parted(&json), [("rtmr2".to_owned(), 0, "differs".to_owned())], "{json:#}");
    assert_eq!(json["judgement"]["differing"], json!(["rtmr2"]));
    assert_eq!(json["judgement"]["equal"], json!(["rtmr1", "rtmr3"]));
    let said = image.folder.cvmkit("compare ccel --with out");
    assert_eq!(lines_of(&said.stdout, "RTMR 2  DIFFERS").len(), 1, "{}", said.stdout);
    let cause = "likely: the kernel command line differs";
    assert_eq!(said.stdout.matches(cause).count(), 1, "{}", said.stdout);

    // What is said of the machine has effect, and no other firmware is guessed.
    let said = image.folder.cvmkit("compare ccel --with out --tpm absent");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("out/OVMF.fd") && !said.stdout.contains("A.fd"), "{said:?}");
}
