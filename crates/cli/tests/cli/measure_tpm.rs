//! `cvmkit measure tpm`: against systemd-measure, and against registers of real boots.

use std::collections::BTreeMap;

use cvmkit_formats::digest::{Sha256, Sha384};
use cvmkit_measure::event::RegisterSet;
use cvmkit_measure::event::log::{AlgorithmId, Header, Log};
use serde_json::Value;

use crate::event_logs::{CCEL_OVMF, UKI, header_index, records, write};
use crate::small_uki::SmallUki;
use crate::tiny_image::TinyImage;

const SYSTEMD_MEASURE: &str = "/usr/lib/systemd/systemd-measure";

/// PCRs of a real boot of a UKI; `measure/tests/fixtures/event_logs/README.md`.
const UKI_PCRS: &str = include_str!("../../../measure/tests/fixtures/event_logs/uki.pcrs.txt");

fn image() -> TinyImage {
    TinyImage::new().uki(&SmallUki::new(257)).finish()
}

fn json(image: &TinyImage, line: &str) -> Value {
    let said = image.folder.cvmkit(&format!("measure tpm {line} --format json"));
    serde_json::from_str(&said.answer()).unwrap()
}

/// Registers with a value, and the words of those without.
fn pcrs(report: &Value) -> (BTreeMap<u64, String>, BTreeMap<u64, String>) {
    let (mut values, mut reasons) = (BTreeMap::new(), BTreeMap::new());
    for row in report["pcrs"].as_array().unwrap() {
        let pcr = row["pcr"].as_u64().unwrap();
        match row["value"].as_str() {
            Some(value) => values.insert(pcr, value.to_owned()),
            None => reasons.insert(pcr, row["words"].as_str().unwrap().to_owned()),
        };
    }
    assert_eq!(values.len() + reasons.len(), 24, "every register has an answer");
    assert!(reasons.values().all(|words| words.len() > 10), "{reasons:?}");
    (values, reasons)
}

fn read_in_the_guest(pcr: u64) -> String {
    let start = format!("PCR256 {pcr} ");
    UKI_PCRS.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_lowercase()
}

/// The stub's own section, which `small_uki` puts into every image.
const SBAT: &[u8] = b"sbat,1,SBAT Version,sbat,1,https://example.invalid\n";

/// What systemd-measure says of the image before any phase, in its own shape. A version that does
/// not know `.sbat` is helped: that section is the last of this image.
fn systemd_measure(image: &TinyImage, uki: &SmallUki) -> Option<Value> {
    let help = image.folder.oracle(SYSTEMD_MEASURE, &["--help"])?.answer();
    let mut options = vec![("sbat", SBAT)];
    options.extend(uki.sections().map(|(name, contents)| (name.trim_start_matches('.'), contents)));
    let mut arguments: Vec<String> = vec!["calculate".into(), "--json=short".into()];
    arguments.extend(["--bank=sha256", "--bank=sha384", "--phase=:"].map(str::to_owned));
    for (name, contents) in options {
        image.folder.put(name, contents);
        if name != "sbat" || help.contains("--sbat=") {
            arguments.push(format!("--{name}={name}"));
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = image.folder.oracle(SYSTEMD_MEASURE, &arguments)?.answer();
    let mut said: Value = serde_json::from_str(&said).unwrap();
    if !help.contains("--sbat=") {
        for measured in [b".sbat\0".as_slice(), SBAT] {
            extend(&mut said, measured);
        }
    }
    Some(said)
}

/// Extends the first value of each bank.
fn extend(said: &mut Value, measured: &[u8]) {
    let hash = |bank: &Value| bank[0]["hash"].as_str().unwrap().to_owned();
    let sha256: Sha256 = hash(&said["sha256"]).parse().unwrap();
    let sha384: Sha384 = hash(&said["sha384"]).parse().unwrap();
    said["sha256"][0]["hash"] = sha256.extend(Sha256::of(measured)).to_string().into();
    said["sha384"][0]["hash"] = sha384.extend(Sha384::of(measured)).to_string().into();
}

#[test]
fn pcr_11_is_that_of_systemd_measure() {
    let mut uki = SmallUki::new(257);
    for section in [".pcrsig", ".pcrpkey", ".uname"] {
        uki.set(section, None);
    }
    let image = TinyImage::new().uki(&uki).finish();
    let Some(mut expected) = systemd_measure(&image, &uki) else { return };
    assert_eq!(json(&image, "out --json-systemd-measure --phase :"), expected);
    extend(&mut expected, b"enter-initrd");
    extend(&mut expected, b"leave-initrd");
    for bank in ["sha256", "sha384"] {
        expected[bank][0]["phase"] = "enter-initrd:leave-initrd".into();
    }
    let line = "out --json-systemd-measure --phase enter-initrd:leave-initrd";
    assert_eq!(json(&image, line), expected);
    // Without an option, its four phases, of which that is the second.
    let all = json(&image, "out --json-systemd-measure");
    assert_eq!(all["sha256"][1], expected["sha256"][0]);
    assert_eq!(all["sha384"].as_array().unwrap().len(), 4);
}

#[test]
fn registers_of_a_real_boot() {
    let report = json(&image(), "out --firmware-behaviour ovmf-2025.02");
    let (values, reasons) = pcrs(&report);
    for pcr in [2, 3, 5, 6, 7, 8, 12, 13, 14] {
        assert_eq!(values[&pcr], read_in_the_guest(pcr), "PCR {pcr}");
    }
    assert_eq!(
        values.keys().copied().collect::<Vec<_>>(),
        [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]
    );
    // The value of a boot of Debian 12's `OVMF.fd`, which has Secure Boot and no keys.
    let off = pcrs(&json(&image(), "out --no-keys")).0;
    assert_eq!(off[&7], "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068");
    assert!(reasons[&0].contains("firmware"), "{}", reasons[&0]);
    assert_eq!((&report["stub"], &report["boot"]), (&257.into(), &"uki-disk".into()));
}

#[test]
fn a_change_of_the_image_changes_its_registers_and_no_others() {
    let changed = |section| {
        let mut uki = SmallUki::new(257);
        uki.change(section);
        let image = TinyImage::new().uki(&uki).finish();
        pcrs(&json(&image, "out --firmware-behaviour ovmf-2025.02")).0
    };
    let before = pcrs(&json(&image(), "out --firmware-behaviour ovmf-2025.02")).0;
    let differing = |after: BTreeMap<u64, String>| -> Vec<u64> {
        before.keys().copied().filter(|pcr| before[pcr] != after[pcr]).collect()
    };
    assert_eq!(differing(changed(".cmdline")), [4, 9, 11]);
    assert_eq!(differing(changed(".initrd")), [4, 9, 11]);
    assert_eq!(differing(changed(".splash")), [4, 11]);
}

/// What is not said of the machine is not guessed: the register has no value, and the words have
/// all it can be.
#[test]
fn what_is_open_is_not_predicted() {
    let image = image();
    let (open, reasons) = pcrs(&json(&image, "out"));
    assert!(!open.contains_key(&5) && open.contains_key(&11));
    let named = |name| pcrs(&json(&image, &format!("out --firmware-behaviour {name}"))).0;
    // What decides it of the newest firmware is a property of the machine.
    assert!(reasons[&5].contains("the bus of a disk"), "{}", reasons[&5]);
    let newest =
        |more: &str| pcrs(&json(&image, &format!("out --firmware-behaviour ovmf-2026.08{more}")));
    let (open, reasons) = newest("");
    assert!(!open.contains_key(&5) && reasons[&5].contains("boot services once or twice"));
    let twice = newest(" --disk-bus virtio-blk").0[&5].clone();
    for bus in ["virtio-scsi", "nvme", "usb", "ahci"] {
        let (once, _) = newest(&format!(" --disk-bus {bus}"));
        assert_eq!(once[&5], named("ovmf-2025.02")[&5], "{bus}");
        assert_ne!(once[&5], twice, "{bus}");
    }
    // A file of ovmf 2022.11-6+deb12u2, which measures as 2025.02 does.
    let digest = "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773";
    let (mut of_file, mut of_name) = (named(digest), named("ovmf-2025.02"));
    // The file is known to have Secure Boot built in.
    let (built_in, absent) = (of_file.remove(&7), of_name.remove(&7));
    assert_eq!(built_in, pcrs(&json(&image, "out --no-keys")).0.remove(&7));
    assert_ne!(built_in, absent);
    assert_eq!(of_file, of_name);
    // A disk that can't be written to is left at the first attempt by each of them.
    let (read_only, _) = pcrs(&json(&image, "out --read-only-disk"));
    assert_eq!(read_only[&5], named("ovmf-2025.02")[&5]);
    let unknown = image.folder.cvmkit("measure tpm out --firmware-behaviour edk2");
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("ovmf-2026.08"), "{}", unknown.stderr);
    image.folder.put("other.fd", &crate::ovmf_image::whole(&[0xff; 4096]));
    let unknown = image.folder.cvmkit("measure tpm out --firmware other.fd");
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("`other.fd`"), "{}", unknown.stderr);
}

#[test]
fn the_explanation_ends_in_the_values() {
    let line = "out --firmware-behaviour ovmf-2026.08 --disk-bus nvme --phase enter-initrd:leave-initrd --explain";
    let image = image();
    for bank in ["sha256", "sha384"] {
        let report = json(&image, &format!("{line} --bank {bank}"));
        let (values, _) = pcrs(&report);
        let mut last = BTreeMap::new();
        for step in report["events"].as_array().unwrap() {
            let register = step["register"].as_str().unwrap().trim_start_matches("pcr");
            last.insert(register.parse::<u64>().unwrap(), step["value"].as_str().unwrap());
        }
        assert_eq!(last.len(), 8, "{last:?}");
        for (pcr, value) in last {
            assert_eq!(values[&pcr], value, "PCR {pcr} ({bank})");
        }
        let text = image.folder.cvmkit(&format!("measure tpm {line} --bank {bank}")).answer();
        for word in
            ["phase leave-initrd", "EV_EFI_BOOT_SERVICES_APPLICATION", "unified kernel image"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(text.contains(&format!("PCR 11 {bank}:{}", values[&11])), "{text}");
    }
}

/// The log and the registers of one real boot: PCR 0 and 1 are what its guest read, whatever is
/// predicted to boot next.
#[test]
fn a_log_pins_the_registers_of_firmware_and_machine() {
    let image = image();
    image.folder.put("log", UKI);
    let (unpinned, reasons) = pcrs(&json(&image, "out"));
    assert!(reasons[&0].contains("pin it") && reasons[&1].contains("pin it"), "{reasons:?}");
    let report = json(&image, "out --pinned log --explain");
    let (mut values, _) = pcrs(&report);
    for pcr in [0, 1] {
        assert_eq!(values.remove(&pcr).unwrap(), read_in_the_guest(pcr));
    }
    assert_eq!(values, unpinned, "nothing else changes");
    assert!(report["pcrs"][1]["words"].as_str().unwrap().contains("the same firmware"), "{report}");
    let first = &report["events"][0];
    assert_eq!(first["register"], "pcr0");
    assert!(first["meaning"].as_str().unwrap().starts_with("as recorded: "), "{first}");
    let (sha384, _) = pcrs(&json(&image, "out --pinned log --bank sha384"));
    assert_eq!(sha384[&0].len(), 96);
}

#[test]
fn a_log_that_cannot_pin_is_refused() {
    let image = image();
    let log = Log::parse(UKI, RegisterSet::Tpm).unwrap();
    let is_sha256 = |id: &AlgorithmId| *id == AlgorithmId::SHA256;
    let algorithms = log.header.algorithms.iter().copied().filter(|(id, _)| is_sha256(id));
    let header = Header { algorithms: algorithms.collect(), ..log.header.clone() };
    let mut one_bank = records(&log);
    one_bank.iter_mut().for_each(|record| record.digests.retain(|(id, _)| is_sha256(id)));
    let mut no_pcr_1 = records(&log);
    no_pcr_1.retain(|record| record.index != 1);
    image.folder.put("one-bank", &write(&header, header_index(UKI), &one_bank));
    image.folder.put("no-pcr-1", &write(&log.header, header_index(UKI), &no_pcr_1));
    image.folder.put("td", CCEL_OVMF);
    image.folder.put("cut", &UKI[..UKI.len() / 2]);
    // Of a TPM with one bank as swtpm_setup makes it: that bank is pinned.
    let (sha256, _) = pcrs(&json(&image, "out --pinned one-bank"));
    assert_eq!(sha256[&0], read_in_the_guest(0));
    let (sha384, reasons) = pcrs(&json(&image, "out --pinned one-bank --bank sha384"));
    assert!(!sha384.contains_key(&0) && reasons[&1].contains("pin it"), "{reasons:?}");
    for (log, words) in
        [("no-pcr-1", "no event of PCR 1"), ("td", ""), ("cut", ""), ("missing", "missing")]
    {
        let said = image.folder.cvmkit(&format!("measure tpm out --pinned {log}"));
        assert_eq!(said.code, Some(2), "{log}: {said:?}");
        assert!(said.stderr.contains(words) && said.stderr.contains(log), "{log}: {said:?}");
    }
}

#[test]
fn platforms_say_what_they_leave_open() {
    let image = image();
    let report = json(&image, "out --platform nitro-tpm");
    let (values, reasons) = pcrs(&report);
    assert_eq!(report["bank"], "sha384");
    assert_eq!(values.keys().copied().collect::<Vec<_>>(), [4, 12]);
    assert!(reasons[&7].contains("--vars"), "{}", reasons[&7]);
    let refused = image.folder.cvmkit("measure tpm out --platform nitro-tpm --bank sha256");
    insta::assert_snapshot!(refused.refusal(), @r#"
    exit 2
    error: platform nitro-tpm has no sha256 bank: expected --bank sha384
    "#);
    let (values, reasons) = pcrs(&json(&image, "out --platform azure-vtpm"));
    assert!(values.contains_key(&11) && reasons[&5].contains("Azure"));
}

#[test]
fn what_cannot_be_known_is_refused() {
    let mut without_console = SmallUki::new(262);
    without_console.set(".cmdline", Some(b"quiet"));
    let image = TinyImage::new().uki(&without_console).finish();
    image.folder.put("other.efi", b"MZ is not enough");
    let refused = |line: &str| {
        let said = image.folder.cvmkit(&format!("measure tpm {line}"));
        assert_eq!(said.code, Some(2), "{said:?}");
        said.stderr
    };
    let said = refused("out");
    assert!(said.contains("no `console=`") && said.contains("tiny.efi"), "{said}");
    assert!(refused("--uki other.efi").contains("`other.efi`"));
    assert!(refused("--uki missing.efi").contains("`missing.efi`"));
    assert!(refused("out --direct").contains("has no kernel"));
    assert!(refused("elsewhere").contains("holds no image"));
    assert!(refused("out --vars other.efi").contains("firmware variables"));
    refused("");
}
