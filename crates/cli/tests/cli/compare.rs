//! `cvmkit compare`: untouched observations are equal, and whatever is planted is named.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::event::EventType;
use cvmkit_measure::event::RegisterSet;
use cvmkit_measure::event::log::{AlgorithmId, Log};
use cvmkit_measure::uefi::variables::SecureBoot;
use serde_json::{Value, json};

use crate::event_logs::{CCEL_OVMF, Record, UKI, header_index, records, write};
use crate::program::{Folder, Said};
use crate::small_uki::SmallUki;
use crate::tiny_image::TinyImage;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
    cvmkit_host::files::read(&path.join(name)).unwrap()
}

/// The image whose sections are those of the UKI in the real log.
pub(crate) fn uki() -> SmallUki {
    let mut uki = SmallUki::new(257);
    for section in [".splash", ".pcrpkey", ".pcrsig"] {
        uki.set(section, None);
    }
    uki
}

/// The real boot of a UKI, as its log would be of another image: the digests that the image
/// decides are replaced, all others are the machine's.
pub(crate) fn log_of(uki: &SmallUki) -> Vec<Record> {
    let log = Log::parse(UKI, RegisterSet::Tpm).unwrap();
    let mut records = records(&log);
    let image = uki.read().unwrap();
    let utf16 = |text: &str| -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    };
    let mut sections = Vec::new();
    for section in &image.sections {
        let name = [section.name.as_bytes(), b"\0"].concat();
        sections.extend([Digests::of(&name), section.digests]);
    }
    let line = Digests::of(&utf16(&image.command_line));
    let of_register = [(4, vec![image.image, image.kernel]), (9, vec![line, image.initrd])];
    for (pcr, digests) in of_register.into_iter().chain([(11, sections)]) {
        let is_fixed = |kind| matches!(kind, EventType::EV_SEPARATOR | EventType::EV_EFI_ACTION);
        let own = records.iter_mut().filter(|r| r.index == pcr && !is_fixed(r.event_type));
        let mut digests = digests.into_iter();
        own.for_each(|record| set(record, digests.next().unwrap()));
        assert_eq!(digests.next(), None, "PCR {pcr}");
    }
    records
}

fn set(record: &mut Record, digests: Digests) {
    for (algorithm, digest) in &mut record.digests {
        match *algorithm {
            AlgorithmId::SHA256 => *digest = digests.sha256.0.to_vec(),
            AlgorithmId::SHA384 => *digest = digests.sha384.0.to_vec(),
            _ => {}
        }
    }
}

pub(crate) fn bytes(records: &[Record]) -> Vec<u8> {
    let log = Log::parse(UKI, RegisterSet::Tpm).unwrap();
    write(&log.header, header_index(UKI), records)
}

fn compare(folder: &Folder, line: &str) -> (Said, Value) {
    let said = folder.cvmkit(&format!("compare {line} --format json"));
    let json = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"));
    (said, json)
}

#[test]
fn an_untouched_log_is_equal() {
    let image = TinyImage::new().uki(&uki()).finish();
    image.folder.put("log", &bytes(&log_of(&uki())));
    let (said, json) = compare(&image.folder, "log --with out");
    assert_eq!((said.code, &json["equal"]), (Some(0), &true.into()), "{json:#}");
    assert_eq!(json["observed"], "TPM event log");
    assert_eq!(json["events"]["assumptions"]["firmware"], "ovmf-2025.02");
    assert_eq!(json["events"]["banks"].as_array().unwrap().len(), 2);
    let text = image.folder.cvmkit("compare log --with out").answer();
    assert!(text.starts_with("TPM event log with `out`: equal\n"), "{text}");
    assert!(text.contains("PCR 11  equal") && text.contains("PCR 0   not predicted"), "{text}");
    // Firmware that is said to be another leaves boot services twice.
    let (said, json) = compare(&image.folder, "log --with out --firmware-behaviour ovmf-2026.08");
    assert_eq!(said.code, Some(0), "a disk that can't be written to: {json:#}");
}

/// With the log of an earlier boot PCR 0 and 1 are judged too, event by event and as values.
#[test]
fn pinned_registers_are_compared() {
    let image = TinyImage::new().uki(&uki()).finish();
    image.folder.put("earlier", UKI);
    image.folder.put("log", &bytes(&log_of(&uki())));
    let text = image.folder.cvmkit("compare log --with out --pinned earlier").answer();
    assert!(text.contains("PCR 0   equal") && text.contains("PCR 1   equal"), "{text}");
    for (pcr, at) in [(0, 0), (1, 1)] {
        let mut other = log_of(&uki());
        flip(&mut other, pcr, at);
        image.folder.put("other", &bytes(&other));
        assert_eq!(image.folder.cvmkit("compare other --with out").code, Some(0), "not judged");
        let said = image.folder.cvmkit("compare other --with out --pinned earlier");
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains(&format!("event {at} of PCR {pcr} differs")), "{said:?}");
    }
    let zero = "0".repeat(64);
    image.folder.put("registers", format!("pcr1={zero}\n").as_bytes());
    let said = image.folder.cvmkit("compare registers --with out --pinned earlier");
    assert_eq!(said.code, Some(1), "{said:?}");
}

/// Firmware that has Secure Boot and no keys boots the same image; it is told apart by PCR 7.
#[test]
fn firmware_without_keys_is_found_out() {
    let image = TinyImage::new().uki(&uki()).finish();
    let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
    let mut records = log_of(&uki());
    for (at, event) in off.variable_events().iter().enumerate() {
        let at = nth(&records, 7, at);
        set(&mut records[at], event.digests);
    }
    image.folder.put("log", &bytes(&records));
    for line in ["log --with out", "log --with out --no-keys"] {
        let (said, json) = compare(&image.folder, line);
        assert_eq!(said.code, Some(0), "{json:#}");
        assert_eq!(json["events"]["assumptions"]["secure-boot"], false);
    }
}

/// What is done to the log, and what must be named: register, place, kind, and words of a cause.
type Planted = (fn(&mut Vec<Record>), &'static str, u64, &'static str, &'static str);

fn nth(records: &[Record], pcr: u32, at: usize) -> usize {
    let own = |(_, record): &(usize, &Record)| {
        record.index == pcr && record.event_type != EventType::EV_NO_ACTION
    };
    records.iter().enumerate().filter(own).nth(at).unwrap().0
}

fn flip(records: &mut [Record], pcr: u32, at: usize) {
    let at = nth(records, pcr, at);
    records[at].digests.iter_mut().for_each(|(_, digest)| digest[0] ^= 1);
}

fn remove(records: &mut Vec<Record>, pcr: u32, at: usize) {
    let at = nth(records, pcr, at);
    records.remove(at);
}

fn repeat(records: &mut Vec<Record>, pcr: u32, at: usize) {
    let at = nth(records, pcr, at);
    records.insert(at, records[at].clone());
}

const PLANTED: [Planted; 12] = [
    (|log| flip(log, 4, 2), "pcr4", 2, "differs", "unified kernel image differs"),
    (|log| remove(log, 4, 3), "pcr4", 3, "missing", "systemd-stub"),
    (|log| flip(log, 7, 0), "pcr7", 0, "differs", "Secure Boot"),
    (|log| remove(log, 7, 4), "pcr7", 4, "missing", "Secure Boot"),
    (|log| flip(log, 9, 0), "pcr9", 0, "differs", "command line"),
    (|log| flip(log, 9, 1), "pcr9", 1, "differs", "initrd differs"),
    (|log| remove(log, 9, 1), "pcr9", 1, "missing", "initrd"),
    (|log| flip(log, 11, 5), "pcr11", 5, "differs", "unified kernel image"),
    (|log| remove(log, 11, 11), "pcr11", 11, "missing", "log is cut"),
    (|log| repeat(log, 11, 11), "pcr11", 12, "unexpected", "systemd-stub"),
    (|log| flip(log, 5, 1), "pcr5", 1, "differs", "firmware measures other events"),
    (|log| flip(log, 2, 0), "pcr2", 0, "differs", "firmware measures other events"),
];

#[test]
fn planted_mismatches_are_named() {
    let image = TinyImage::new().uki(&uki()).finish();
    for (at, (plant, register, index, kind, cause)) in PLANTED.into_iter().enumerate() {
        let mut records = log_of(&uki());
        plant(&mut records);
        image.folder.put("log", &bytes(&records));
        let (said, json) = compare(&image.folder, "log --with out");
        assert_eq!((said.code, &json["equal"]), (Some(1), &false.into()), "{at}: {json:#}");
        for bank in json["events"]["banks"].as_array().unwrap() {
            let registers = bank["registers"].as_array().unwrap().iter();
            let parted: Vec<_> = registers.filter(|r| !r["divergence"].is_null()).collect();
            let [only] = parted[..] else { panic!("{at}: {json:#}") };
            let divergence = &only["divergence"];
            let found = (&divergence["register"], &divergence["index"], &divergence["kind"]);
            assert_eq!(found, (&register.into(), &index.into(), &kind.into()), "{at}: {json:#}");
        }
        let said = image.folder.cvmkit("compare log --with out");
        assert_eq!(said.code, Some(1));
        assert!(said.stdout.contains("NOT equal"), "{}", said.stdout);
        let (_, likely) = said.stdout.split_once("first divergence: ").unwrap();
        assert!(likely.contains(cause), "{at}: {likely}");
        assert!(
            said.stderr.contains("is not what `out` should measure: event "),
            "{}",
            said.stderr
        );
    }
}

/// The other way round: the log is untouched, and the image is another one.
#[test]
fn another_image_is_told_apart() {
    for (section, registers) in
        [(".cmdline", &["pcr4", "pcr9", "pcr11"][..]), (".osrel", &["pcr4", "pcr9", "pcr11"])]
    {
        let mut other = uki();
        other.change(section);
        let image = TinyImage::new().uki(&other).finish();
        image.folder.put("log", &bytes(&log_of(&uki())));
        let (said, json) = compare(&image.folder, "log --with out");
        assert_eq!(said.code, Some(1));
        let compared = json["events"]["banks"][0]["registers"].as_array().unwrap().iter();
        let parted = compared.filter(|r| !r["divergence"].is_null());
        let parted: Vec<_> = parted.map(|r| r["register"].as_str().unwrap()).collect();
        assert_eq!(parted, registers, "{section}");
        let text = image.folder.cvmkit("compare log --with out").stdout;
        assert!(text.contains("first divergence: PCR 4: event 2 differs"), "{text}");
        assert!(text.contains(&format!("section {section}")), "{text}");
    }
}

#[test]
fn registers_are_compared_without_a_log() {
    let image = TinyImage::new().uki(&uki()).finish();
    let line = "measure tpm out --read-only-disk --phase enter-initrd --format json";
    let report: Value = serde_json::from_str(&image.folder.cvmkit(line).answer()).unwrap();
    let row = |row: &Value| Some((row["pcr"].as_u64()?, row["value"].as_str()?.to_owned()));
    let values: Vec<_> = report["pcrs"].as_array().unwrap().iter().filter_map(row).collect();
    let equals: String = values.iter().map(|(pcr, v)| format!("pcr{pcr}={v}\n")).collect();
    let yaml: String = values.iter().map(|(pcr, v)| format!("    {pcr:<2}: 0x{v}\n")).collect();
    image.folder.put("equals", format!("{equals}pcr0={}\n", "11".repeat(32)).as_bytes());
    image.folder.put(
        "yaml",
        format!("  sha256:\n{}", yaml.to_uppercase())
            .replace("SHA", "sha")
            .replace("0X", "0x")
            .as_bytes(),
    );
    image.folder.put("own.json", report.to_string().as_bytes());
    for name in ["equals", "yaml", "own.json"] {
        let (said, json) = compare(&image.folder, &format!("{name} --with out"));
        assert_eq!(said.code, Some(0), "{name}: {json:#}");
        let expected = json["values"]["expected"].as_str().unwrap();
        assert!(expected.ends_with("after phase enter-initrd"), "{expected}");
    }
    // Registers after a phase that is said not to be over.
    let (said, json) = compare(&image.folder, "equals --with out --phase :");
    assert_eq!(said.code, Some(1), "{json:#}");
    let (_, json) = compare(&image.folder, "equals --with out");
    assert_eq!(json["values"]["not-predicted"], json!(["pcr0"]));
    // One register is another.
    let planted =
        equals.replace(&format!("pcr9={}", values[7].1), &format!("pcr9={}", "22".repeat(32)));
    assert_ne!(planted, equals);
    image.folder.put("planted", planted.as_bytes());
    let said = image.folder.cvmkit("compare planted --with out");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("PCR 9   DIFFERS") && said.stdout.contains("command line"));
    assert!(said.stderr.contains("PCR 9 differs"), "{}", said.stderr);
}

/// An image for SEV-SNP with the reference values of 1, 2 and 4 vCPUs.
pub(crate) fn snp_image() -> TinyImage {
    let image = TinyImage::new()
        .file("firmware", "OVMF.fd", &crate::ovmf_image::whole(&fixture("ovmf_AmdSev_suffix.bin")))
        .file("kernel", "tiny.vmlinuz", b"a kernel")
        .file("initrd", "tiny.initrd", b"an initrd")
        .file("command-line", "tiny.cmdline", b"console=ttyS0")
        .finish();
    let value = |vcpus: u32| {
        json!({
            "profile": "qemu-snp", "profile-version": 1,
            "platform": "sev-snp", "vmm": "qemu", "boot": "direct", "vcpus": vcpus,
            "vcpu-type": "EPYC-v4", "guest-features": "0x1", "firmware": "OVMF.fd",
            "launch-digest": digest(&image, &format!("--vcpus {vcpus} --vcpu-type EPYC-v4 {FILES}")),
        })
    };
    let values: Vec<Value> = [1, 2, 4].into_iter().map(value).collect();
    let text = json!({ "schema": 3, "debug": false, "profiles": [], "values": values }).to_string();
    image.folder.put("out/reference-values.json", text.as_bytes());
    image
}

pub(crate) const FILES: &str =
    "--kernel out/tiny.vmlinuz --initrd out/tiny.initrd --append console=ttyS0";

/// What `cvmkit measure snp` says, which is what sev-snp-measure says.
pub(crate) fn digest(image: &TinyImage, line: &str) -> String {
    let line = format!("measure snp --ovmf out/OVMF.fd {line}");
    image.folder.cvmkit(&line).answer().trim().to_owned()
}

#[test]
fn launches_that_are_expected_are_named() {
    let image = snp_image();
    let two = digest(&image, &format!("--vcpus 2 --vcpu-type EPYC-v4 {FILES}"));
    image.folder.put("digest", two.as_bytes());
    let mut report = fixture("snp_report_milan.bin");
    // MEASUREMENT (publication 56860, table 23).
    report[0x90..0xc0].copy_from_slice(&two.parse::<Sha384>().unwrap().0);
    image.folder.put("report", &report);
    for observed in ["digest", "report"] {
        for with in ["out", "out/reference-values.json"] {
            let (said, json) = compare(&image.folder, &format!("{observed} --with {with}"));
            assert_eq!(said.code, Some(0), "{observed} {with}: {json:#}");
            let [name] = &json["launch"]["matching"].as_array().unwrap()[..] else { panic!() };
            assert!(name.as_str().unwrap().contains("2 vCPUs EPYC-v4"), "{name}");
        }
    }
    // POLICY with bit 19, by which the host may debug the guest.
    report[8 + 2] |= 1 << 3;
    image.folder.put("report", &report);
    let said = image.folder.cvmkit("compare report --with out");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("not to be trusted") && said.stdout.contains("debug"), "{said:?}");
}

#[test]
fn launches_that_are_not_expected_are_told_apart() {
    let image = snp_image();
    let rows = [
        (
            format!("--vcpus 3 --vcpu-type EPYC-v4 {FILES}"),
            "3 vCPUs; the reference values are for 1, 2, 4",
        ),
        (format!("--vcpus 2 --vcpu-type EPYC-Genoa {FILES}"), "type EPYC-Genoa or EPYC-Genoa-v1"),
        (
            format!("--vcpus 1 --vcpu-type EPYC-v4 --guest-features 0x21 {FILES}"),
            "guest features are 0x21",
        ),
        (format!("--vcpus 4 --vmm-type ec2 {FILES}"), "the VMM is ec2"),
        (format!("--vcpus 4 --vmm-type gce {FILES}"), "the VMM is gce"),
        ("--vcpus 1 --vcpu-type EPYC-v4".to_owned(), "no kernel was measured"),
        (
            "--vcpus 1 --vcpu-type EPYC-v4 --kernel out/tiny.vmlinuz --append console=ttyS0".into(),
            "without the initrd",
        ),
    ];
    for (line, cause) in rows {
        image.folder.put("digest", digest(&image, &line).as_bytes());
        let said = image.folder.cvmkit("compare digest --with out");
        assert_eq!(said.code, Some(1), "{line}: {said:?}");
        let likely: Vec<_> = said.stdout.lines().filter(|l| l.contains("likely: ")).collect();
        let [only] = likely[..] else { panic!("{line}: {}", said.stdout) };
        assert!(only.contains(cause), "{line}: {}", said.stdout);
        let (_, json) = compare(&image.folder, "digest --with out/reference-values.json");
        assert_eq!(json["launch"]["tried"], 0, "there are no files to try with");
    }
    let other = format!("--vcpus 1 --vcpu-type EPYC-v4 {FILES} more");
    let other = other.replace("--append console=ttyS0 more", "--append more");
    image.folder.put("digest", digest(&image, &other).as_bytes());
    let said = image.folder.cvmkit("compare digest --with out");
    assert!(said.stdout.contains("another firmware, kernel, initrd or command line"), "{said:?}");
}

/// Reference values with the registers of a TD.
fn td_values(registers: &Value) -> String {
    let value = |profile: &str, registers: &Value| {
        json!({
            "profile": profile, "profile-version": 1, "platform": "tdx", "vmm": "qemu",
            "boot": "uki-disk", "registers": { "sha384": registers },
        })
    };
    let values = [value("other", &json!({ "rtmr1": "00".repeat(48) })), value("td", registers)];
    json!({ "schema": 3, "debug": false, "profiles": [], "values": values }).to_string()
}

#[test]
fn quotes_and_their_logs() {
    let folder = Folder::new();
    // The registers of the real quote, as its publisher has them (measurement of dstack).
    let quote: Value = serde_json::from_slice(&fixture("tdx/quote.json")).unwrap();
    let bytes = hex::decode(quote["quote"].as_str().unwrap()).unwrap();
    // Offsets of MRTD and RTMR0 to 2 in a quote of version 4 (DCAP Quoting Library API, A.3.2).
    let at = |offset: usize| hex::encode(&bytes[48 + offset..48 + offset + 48]);
    let registers =
        json!({ "mrtd": at(136), "rtmr0": at(328), "rtmr1": at(376), "rtmr2": at(424) });
    assert!(registers["rtmr0"].as_str().unwrap().starts_with("f8438db36b96"));
    folder.put("values.json", td_values(&registers).as_bytes());
    folder.put("quote.json", quote.to_string().as_bytes());
    folder.put("quote", &bytes);
    for (name, kind) in [("quote.json", "TD quote with event log"), ("quote", "TD quote")] {
        let (said, json) = compare(&folder, &format!("{name} --with values.json"));
        assert_eq!((said.code, &json["observed"]), (Some(0), &kind.into()), "{json:#}");
    }
    // A log with one digest changed is not what happened.
    let mut planted = quote.clone();
    let log = quote["event_log"].as_str().unwrap().replacen("0b8772e5", "0b8772e6", 1);
    planted["event_log"] = log.into();
    folder.put("planted.json", planted.to_string().as_bytes());
    let said = folder.cvmkit("compare planted.json --with values.json");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("not to be trusted: RTMR 0 is f8438db36b96"), "{}", said.stdout);
    // Another image: one register differs.
    let mut other = registers.clone();
    other["rtmr2"] = "11".repeat(48).into();
    folder.put("values.json", td_values(&other).as_bytes());
    let said = folder.cvmkit("compare quote --with values.json");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("RTMR 2  DIFFERS") && said.stdout.contains("RTMR 1  equal"));
}

#[test]
fn logs_of_a_td_are_replayed() {
    let folder = Folder::new();
    folder.put("ccel", CCEL_OVMF);
    // The value that the publisher of the log has (`event_log.rs` of crate measure).
    let log = Log::parse(CCEL_OVMF, RegisterSet::Td).unwrap();
    let mut value = Sha384::ZERO;
    for entry in log.entries.iter().filter(|entry| entry.index == 2 && entry.extends()) {
        value = value.extend(Sha384(entry.digests[0].1.try_into().unwrap()));
    }
    folder.put("values.json", td_values(&json!({ "rtmr1": value.to_string() })).as_bytes());
    let (said, json) = compare(&folder, "ccel --with values.json");
    assert_eq!((said.code, &json["observed"]), (Some(0), &"TD event log".into()), "{json:#}");
    folder.put("values.json", td_values(&json!({ "rtmr0": value.to_string() })).as_bytes());
    assert_eq!(compare(&folder, "ccel --with values.json").0.code, Some(1));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let image = snp_image();
    let log = bytes(&log_of(&uki()));
    image.folder.put("log", &log);
    image.folder.put("cut", &log[..log.len() - 7]);
    image.folder.put("noise", &crate::program::noise(100));
    image.folder.put("words", b"hello world");
    image.folder.put("pcrs", format!("pcr4={}", "00".repeat(32)).as_bytes());
    image.folder.put("empty.json", b"{}");
    let refused = |line: &str, words: &[&str]| {
        let said = image.folder.cvmkit(&format!("compare {line}"));
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{line}: {said:?}");
        assert!(said.stderr.starts_with("error: "), "{}", said.stderr);
        for word in words {
            assert!(said.stderr.contains(word), "{line}: {word}: {}", said.stderr);
        }
    };
    refused("missing --with out", &["`missing`"]);
    refused("log --with missing", &["`missing`"]);
    refused("noise --with out", &["`noise`", "100 bytes", "hint: "]);
    refused("words --with out", &["`words`", "hello world"]);
    refused("cut --with out", &["`cut`", "event log"]);
    refused("empty.json --with out", &["JSON without registers"]);
    refused("pcrs --with empty.json", &["`empty.json`", "schema"]);
    refused("pcrs --with out/reference-values.json", &["does not say what to expect", "folder"]);
    refused("log --with out", &["no unified kernel image"]);
    let zeros = Sha256::ZERO.to_string();
    image.folder.put("twice", format!("pcr4={zeros}\npcr4={}", "11".repeat(32)).as_bytes());
    refused("twice --with out", &["PCR 4 has two values"]);
}

/// Reference values of a machine with a TPM, for the image in `out`: what `measure tpm` predicts.
pub(crate) fn tpm_values(image: &TinyImage) -> Vec<(String, String)> {
    let line = "measure tpm out --firmware-behaviour ovmf-2025.02 --read-only-disk --format json";
    let report: Value = serde_json::from_str(&image.folder.cvmkit(line).answer()).unwrap();
    let row = |row: &Value| {
        Some((format!("pcr{}", row["pcr"].as_u64()?), row["value"].as_str()?.to_owned()))
    };
    let values: Vec<_> = report["pcrs"].as_array().unwrap().iter().filter_map(row).collect();
    let registers: serde_json::Map<_, _> =
        values.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    let text = json!({
        "schema": 3, "debug": false, "profiles": [],
        "values": [{
            "profile": "qemu-vtpm", "profile-version": 1, "platform": "tpm", "vmm": "qemu",
            "boot": "uki-disk", "registers": { "sha256": registers },
        }],
    });
    image.folder.put("out/reference-values.json", text.to_string().as_bytes());
    values
}

pub(crate) fn lines(values: &[(String, String)]) -> String {
    values.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

fn with_other(values: &[(String, String)], others: &[&str]) -> String {
    let other = |(name, value): &(String, String)| {
        let is_other = others.contains(&name.as_str());
        (name.clone(), if is_other { "22".repeat(32) } else { value.clone() })
    };
    lines(&values.iter().map(other).collect::<Vec<_>>())
}

/// The folder and the reference values in it are one question. The folder's files say more of why,
/// and never something else.
#[test]
fn one_question_has_one_answer() {
    let image = TinyImage::new().uki(&uki()).finish();
    let values = tpm_values(&image);
    // Firmware that has Secure Boot and no keys: another PCR 7 than is published.
    let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
    let line = "measure tpm out --read-only-disk --firmware-behaviour ovmf-2025.02 --no-keys \
                --format json";
    let report: Value = serde_json::from_str(&image.folder.cvmkit(line).answer()).unwrap();
    let off_value = report["pcrs"][7]["value"].as_str().unwrap().to_owned();
    assert!(!off.variable_events().is_empty() && values[5].0 == "pcr7" && values[5].1 != off_value);
    let planted = lines(&values).replace(&values[5].1, &off_value);
    image.folder.put("equal", lines(&values).as_bytes());
    image.folder.put("off", planted.as_bytes());
    image.folder.put("log", &bytes(&log_of(&uki())));
    for (name, code) in [("equal", 0), ("off", 1), ("log", 0)] {
        let said = ["out", "out/reference-values.json"].map(|with| {
            let (said, json) = compare(&image.folder, &format!("{name} --with {with}"));
            assert_eq!(said.code, Some(code), "{name} with {with}: {json:#}");
            (json["judgement"].clone(), json["values"].clone())
        });
        assert_eq!(said[0], said[1], "{name}");
    }
    let said = image.folder.cvmkit("compare off --with out/reference-values.json");
    assert!(said.stdout.contains("PCR 7   DIFFERS"), "{}", said.stdout);
    assert!(said.stdout.contains("likely: Secure Boot is switched on or off"), "{}", said.stdout);
    // Said of the machine, it is another question: with the files it can be answered.
    assert_eq!(image.folder.cvmkit("compare off --with out --no-keys").code, Some(0));
    let said = image.folder.cvmkit("compare off --with out/reference-values.json --no-keys");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--no-keys has no effect on values"), "{}", said.stderr);
    // Nor is a phase a matter of files.
    let phase = "measure tpm out --firmware-behaviour ovmf-2025.02 --read-only-disk --phase \
                 enter-initrd --format json";
    let report: Value = serde_json::from_str(&image.folder.cvmkit(phase).answer()).unwrap();
    let eleven = report["pcrs"][11]["value"].as_str().unwrap();
    let at = values.iter().position(|(name, _)| name == "pcr11").unwrap();
    image.folder.put("later", lines(&values).replace(&values[at].1, eleven).as_bytes());
    for with in ["out", "out/reference-values.json"] {
        let (said, json) = compare(&image.folder, &format!("later --with {with}"));
        assert_eq!(said.code, Some(0), "{json:#}");
        let expected = json["values"]["expected"].as_str().unwrap();
        assert!(expected.ends_with("after phase enter-initrd"), "{expected}");
    }
}

/// "Equal" is said when what the image decides was judged, or what is required.
#[test]
fn a_verdict_names_what_was_judged() {
    let image = TinyImage::new().uki(&uki()).finish();
    let values = tpm_values(&image);
    image.folder.put("lone", format!("pcr14={}\n", "00".repeat(32)).as_bytes());
    for with in ["out", "out/reference-values.json"] {
        let (said, json) = compare(&image.folder, &format!("lone --with {with}"));
        assert_eq!((said.code, &json["equal"]), (Some(2), &false.into()), "{json:#}");
        assert_eq!(json["judgement"]["verdict"], "undecided");
        assert_eq!(json["judgement"]["missing"], json!(["pcr4", "pcr9", "pcr11"]));
        let said = image.folder.cvmkit(&format!("compare lone --with {with}"));
        let heading = "can't tell: equal in PCR 14, but PCR 4, PCR 9 and PCR 11 were not judged";
        assert!(said.stdout.lines().next().unwrap().ends_with(heading), "{}", said.stdout);
        assert!(said.stderr.contains("cannot tell whether `lone`"), "{}", said.stderr);
        let said = image.folder.cvmkit(&format!("compare lone --with {with} --require pcr14"));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.lines().next().unwrap().ends_with(": equal in PCR 14"), "{said:?}");
    }
    // What is required and expected nowhere can't be judged either.
    image.folder.put("all", lines(&values).as_bytes());
    let (said, json) = compare(&image.folder, "all --with out --require pcr4,pcr0");
    assert_eq!((said.code, &json["judgement"]["missing"]), (Some(2), &json!(["pcr0"])), "{json:#}");
    assert_eq!(image.folder.cvmkit("compare all --with out --require pcr4").code, Some(0));
    assert_eq!(image.folder.cvmkit("compare all --with out --require pcr99").code, Some(2));
    // The machine can be named.
    let with = "--with out/reference-values.json";
    assert_eq!(image.folder.cvmkit(&format!("compare all {with} --boot uki-disk")).code, Some(0));
    for other in ["--boot direct", "--profile gce-vtpm", "--platform gce-vtpm"] {
        let said = image.folder.cvmkit(&format!("compare all {with} {other}"));
        assert_eq!(said.code, Some(2), "{other}: {said:?}");
        assert!(said.stderr.contains("no reference values for such a machine"), "{said:?}");
    }
}

/// What one register shows to be as expected is no cause of another one.
#[test]
fn causes_are_judged_together() {
    let image = TinyImage::new().uki(&uki()).finish();
    let values = tpm_values(&image);
    for with in ["out", "out --firmware-behaviour ovmf-2025.02", "out/reference-values.json"] {
        let likely = |others: &[&str], register: &str| -> Vec<String> {
            image.folder.put("other", with_other(&values, others).as_bytes());
            let said = image.folder.cvmkit(&format!("compare other --with {with}"));
            assert_eq!(said.code, Some(1), "{said:?}");
            let from = said.stdout.lines().skip_while(|line| !line.contains(register)).skip(1);
            let causes = from.take_while(|line| line.starts_with("    "));
            let likely = causes.filter_map(|line| line.split_once("likely: "));
            likely.map(|(_, cause)| cause.to_owned()).collect()
        };
        let together = likely(&["pcr4", "pcr9", "pcr11"], "PCR 4 ");
        assert!(
            together[0].contains("command line") && together[1].contains("initrd"),
            "{with}: {together:?}"
        );
        let handed = likely(&["pcr9"], "PCR 9 ");
        assert!(handed.iter().all(|cause| !cause.contains("kernel differs")), "{handed:?}");
        let image_alone = likely(&["pcr4", "pcr11"], "PCR 11 ");
        assert!(image_alone[0].contains("unified kernel image"), "{image_alone:?}");
        assert!(likely(&["pcr2"], "PCR 2 ")[0].contains("option ROM"));
    }
}

/// A case of confidential-dot-ai/kettle#56: RTMR 3 is judged once, and what extended it is named.
#[test]
fn rtmr_3_has_one_answer() {
    let folder = Folder::new();
    let [one, two] = ["11", "22"].map(|byte| byte.repeat(48));
    let zero = "00".repeat(48);
    let expected = json!({ "rtmr1": one, "rtmr2": two, "rtmr3": zero });
    folder.put("values.json", td_values(&expected).as_bytes());
    let registers = format!("rtmr1={one}\nrtmr2={two}\n");
    folder.put("extended", format!("{registers}rtmr3={}\n", "33".repeat(48)).as_bytes());
    let said = folder.cvmkit("compare extended --with values.json");
    assert_eq!(said.code, Some(1), "{said:?}");
    let of_register = |line: &&str| line.contains("RTMR 3") && !line.contains("judged");
    assert_eq!(said.stdout.lines().filter(of_register).count(), 1, "{}", said.stdout);
    let likely = "likely: the running system extended the register after it had booted";
    assert!(said.stdout.contains(likely), "{}", said.stdout);
    folder.put("untouched", format!("{registers}rtmr3={zero}\n").as_bytes());
    assert_eq!(folder.cvmkit("compare untouched --with values.json").code, Some(0));
    folder.put("without", registers.as_bytes());
    let said = folder.cvmkit("compare without --with values.json").answer();
    assert!(said.lines().next().unwrap().ends_with("equal in RTMR 1 and RTMR 2"), "{said}");
}

#[test]
fn what_is_malformed_is_never_missing() {
    let image = snp_image();
    let path = "out/reference-values.json";
    let text = String::from_utf8(image.folder.get(path)).unwrap();
    let digest = digest(&image, &format!("--vcpus 2 --vcpu-type EPYC-v4 {FILES}"));
    // A digest is given itself, as the help says.
    assert_eq!(image.folder.cvmkit(&format!("compare {digest} --with out")).code, Some(0));
    image.folder.put(path, text.replace(&digest, &digest[..95]).as_bytes());
    for with in ["out", path] {
        let said = image.folder.cvmkit(&format!("compare {digest} --with {with}"));
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("expected 96 hex digits for launch-digest"), "{said:?}");
    }
    // A newer schema is told before what it brought along.
    let newer = text.replace("\"schema\":3", "\"schema\":4,\"brought-along\":true");
    image.folder.put(path, newer.as_bytes());
    let said = image.folder.cvmkit(&format!("compare {digest} --with out"));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("schema 4, expected 3"), "{}", said.stderr);
    assert!(said.stderr.contains("a newer cvmkit wrote it"), "{}", said.stderr);
    // What is too long is refused, and not cut.
    let mut long = format!("pcr4={}\n", "00".repeat(32)).into_bytes();
    long.resize((64 << 20) + 1, b'\n');
    image.folder.put("long", &long);
    let said = image.folder.cvmkit("compare long --with out");
    assert!(said.code == Some(2) && said.stderr.contains("is longer than"), "{}", said.stderr);
}

/// Values of a cloud are not said to be for QEMU.
#[test]
fn the_vmm_of_the_reference_values_is_named() {
    let image = snp_image();
    let path = "out/reference-values.json";
    let text = String::from_utf8(image.folder.get(path)).unwrap();
    let of_gce = text.replace("\"vmm\":\"qemu\"", "\"vmm\":\"gce\"");
    assert_ne!(of_gce, text);
    let line = format!("--vcpus 3 --vcpu-type EPYC-v4 {FILES}");
    image.folder.put("digest", digest(&image, &line).as_bytes());
    image.folder.put(path, of_gce.as_bytes());
    let said = image.folder.cvmkit("compare digest --with out");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("the reference values are for gce"), "{}", said.stdout);
    assert!(!said.stdout.contains("for QEMU") && !said.stdout.contains("for qemu"), "{said:?}");
}
