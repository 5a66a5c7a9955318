//! Which document a machine is in, what it is made of, and what dstack's tools would refuse.

use cvmkit_host::fault::Diagnosis as _;
use cvmkit_host::files;
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::note::{DEBUG_MARK, Note};
use super::super::source::ExportSource;
use super::super::tests::fixture::{Values, machine, machine_of};
use super::*;
use crate::tests::bzimage::efi_kernel;
use crate::tests::image::{ImageFolder, snp_firmware, td_firmware, value};

/// A command line that dstack takes: the root hash in 64 digits.
fn line() -> String {
    format!("console=ttyS0 dstack.rootfs_hash={}", "5a".repeat(32))
}

/// The folder of an image that QEMU boots directly, with firmware of this name and these values.
fn image(line: &str, firmware: &[u8], profiles: &[Value], values: &[Value]) -> ImageFolder {
    ImageFolder::new()
        .file("firmware", "OVMF.fd", firmware)
        .file("kernel", "tiny.vmlinuz", &efi_kernel())
        .file("initrd", "tiny.initrd", b"initrd")
        .file("command-line", "tiny.cmdline", line.as_bytes())
        .values(profiles, values)
        .finish()
}

fn exported(folder: &ImageFolder) -> Result<Document, ExportError> {
    let source = ExportSource::open(folder.path()).unwrap();
    let machines: Vec<&ExpectedMachine> = source.machines.iter().collect();
    document(&source, &machines)
}

#[test]
fn a_machine_is_in_the_document_of_its_platform_and_vmm() {
    for (platform, vmm, boot, expected) in [
        ("tdx", "qemu", "direct", Some(Kind::Tdx)),
        ("tdx", "gce", "uki-disk", Some(Kind::Gcp)),
        ("tpm", "gce", "uki-disk", Some(Kind::Gcp)),
        ("tpm", "ec2", "uki-disk", Some(Kind::Aws)),
        ("tpm", "qemu", "uki-disk", None),
        ("tpm", "azure", "uki-disk", None),
        ("sev-snp", "qemu", "direct", Some(Kind::Snp)),
        ("sev-snp", "ec2", "uki-disk", Some(Kind::Snp)),
        ("se", "qemu", "direct", None),
    ] {
        let machine = machine(value("p", [platform, vmm, boot], json!({})));
        assert!(Kind::of(&machine) == expected, "{platform} of {vmm}");
    }
}

#[test]
fn machines_of_several_documents_are_refused() {
    let of = |of: [&str; 3]| value("p", of, json!({}));
    let refused = |values: &[Value]| {
        let file = Values::of(values);
        let source = file.source();
        let machines: Vec<&ExpectedMachine> = source.machines.iter().collect();
        document(&source, &machines).unwrap_err()
    };
    let (td, nitro) = (["tdx", "qemu", "direct"], ["tpm", "ec2", "uki-disk"]);
    let error = refused(&[of(nitro), of(td), of(nitro)]);
    let ExportError::SeveralPlatforms { shape: Shape::Dstack, platforms } = &error else {
        panic!("{error}")
    };
    assert_eq!(platforms, &["tdx of qemu", "tpm of ec2"]);
    // A machine without a document is one more.
    let error = refused(&[of(td), of(["se", "qemu", "direct"])]);
    assert!(matches!(error, ExportError::SeveralPlatforms { .. }), "{error}");
    let error = refused(&[of(["tpm", "azure", "uki-disk"]), of(["se", "qemu", "direct"])]);
    let ExportError::NoPlace { shape: Shape::Dstack, platforms, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(platforms, &["tpm", "se"]);
}

fn nitro(debug: bool, registers: Value) -> ExpectedMachine {
    let more = json!({
        "registers": { "sha384": registers },
        "conditions": {
            "pcr7": [{ "code": "provider-keys" }], "pcr9": [{ "code": "no-option-rom" }],
        },
    });
    machine_of(debug, value("nitro", ["tpm", "ec2", "uki-disk"], more))
}

/// dstack 312dc60, `AwsOsImageMeasurement::from_boot_pcrs`: SHA-256 of PCR 4, 7 and 12 in a row.
#[test]
fn a_nitro_tpm_has_one_digest_of_three_registers() {
    let registers = json!({
        "pcr4": "04".repeat(48), "pcr7": "07".repeat(48), "pcr9": "09".repeat(48),
        "pcr12": "0c".repeat(48),
    });
    let machine = nitro(false, registers.clone());
    let document = aws(&machine).unwrap();
    let digest = Sha256::digest([[4; 48], [7; 48], [12; 48]].concat());
    let map = [&[0x6f][..], b"boot_pcr_digest", &[0x58, 0x20], &digest].concat();
    assert_eq!(document.bytes, [&[0xa1][..], &map].concat());
    assert_eq!((document.media_type, document.is_binary()), ("application/cbor", true));
    // Of the registers in it alone.
    let [note] = &document.notes[..] else { panic!("{:?}", document.notes) };
    assert!(note.to_string().starts_with(&format!("{machine}: pcr7: ")), "{note}");
    // A debug image's has one more entry, which dstack skips.
    let marked = aws(&nitro(true, registers.clone())).unwrap().bytes;
    let mark = [&[0x65][..], b"debug", &[0x6b], DEBUG_MARK.as_bytes()].concat();
    assert_eq!(marked, [&[0xa2][..], &map, &mark].concat());
    for missing in ["pcr4", "pcr7", "pcr12"] {
        let mut less = registers.clone();
        less.as_object_mut().unwrap().remove(missing);
        let error = aws(&nitro(false, less)).unwrap_err();
        assert!(
            matches!(&error, ExportError::Missing { shape: Shape::Dstack, what, .. } if what == missing),
            "{error}"
        );
    }
}

#[test]
fn a_nitro_tpm_is_alone_in_its_document() {
    let of = |name: &str| value(name, ["tpm", "ec2", "uki-disk"], json!({}));
    let file = Values::of(&[of("a"), of("b")]);
    let source = file.source();
    let machines: Vec<&ExpectedMachine> = source.machines.iter().collect();
    let error = document(&source, &machines).unwrap_err();
    assert!(matches!(error, ExportError::SeveralMachines { shape: Shape::Dstack, .. }), "{error}");
}

/// dstack 312dc60, `GcpOsImageMeasurement`: version 1, and the Authenticode digest of the UKI: SHA-256
/// without the checksum and the entry of the certificate table (Microsoft, "Windows Authenticode Portable
/// Executable Signature Format", calculating the PE image hash).
#[test]
fn a_google_machine_has_the_digest_of_the_uki() {
    let uki = efi_kernel();
    let folder = ImageFolder::new()
        .file("uki", "tiny.efi", &uki)
        .values(&[], &[value("td", ["tdx", "gce", "uki-disk"], json!({}))])
        .finish();
    let digest = Sha256::digest([&uki[..0x98], &uki[0x9c..0xe8], &uki[0xf0..]].concat());
    let expected =
        [&[0xa2, 0x67][..], b"version", &[0x01, 0x68], b"uki_auth", &[0x58, 0x20], &digest];
    assert_eq!(exported(&folder).unwrap().bytes, expected.concat());
    folder.put("tiny.efi", b"no image");
    let error = exported(&folder).unwrap_err();
    assert!(matches!(&error, ExportError::Image { path, .. } if *path == folder.at("tiny.efi")));
    let without = ImageFolder::direct()
        .values(&[], &[value("tpm", ["tpm", "gce", "uki-disk"], json!({}))])
        .finish();
    let error = exported(&without).unwrap_err();
    assert!(matches!(&error, ExportError::NoFile(missing) if missing.role == Role::Uki), "{error}");
    let alone = ExportSource::open(&without.at("reference-values.json")).unwrap();
    let error = document(&alone, &[&alone.machines[0]]).unwrap_err();
    assert!(matches!(error, ExportError::NoFolder { what: "unified kernel image", .. }), "{error}");
}

/// dstack-mr, `TdxMeasurements`.
#[test]
fn the_registers_of_a_td_have_the_names_of_dstack_mr() {
    let registers = json!({
        "mrtd": "0a".repeat(48), "rtmr0": "0b".repeat(48), "rtmr1": "0c".repeat(48),
        "rtmr2": "0d".repeat(48), "rtmr3": "00".repeat(48),
    });
    let td = |debug, registers: &Value| {
        let more = json!({ "registers": { "sha384": registers } });
        machine_of(debug, value("td", ["tdx", "qemu", "direct"], more))
    };
    let tpm = machine(value("tpm", ["tpm", "qemu", "uki-disk"], json!({})));
    let machine = td(false, &registers);
    // Machines that are no TDs are passed over.
    let document = super::registers(&[&tpm, &machine]).unwrap();
    let mut expected = registers.clone();
    expected.as_object_mut().unwrap().remove("rtmr3");
    let written: Value = serde_json::from_slice(&document.bytes).unwrap();
    assert_eq!((written, document.machines), (expected.clone(), vec![machine.to_string()]));
    let marked = super::registers(&[&td(true, &registers)]).unwrap();
    expected["debug"] = DEBUG_MARK.into();
    assert_eq!(serde_json::from_slice::<Value>(&marked.bytes).unwrap(), expected);
    for missing in ["mrtd", "rtmr0", "rtmr1", "rtmr2"] {
        let mut less = registers.clone();
        less.as_object_mut().unwrap().remove(missing);
        let error = super::registers(&[&td(false, &less)]).unwrap_err();
        assert!(matches!(&error, ExportError::Missing { what, .. } if what == missing), "{error}");
    }
    let error = super::registers(&[&machine, &machine]).unwrap_err();
    assert!(matches!(error, ExportError::SeveralMachines { shape: Shape::DstackMr, .. }));
    let error = super::registers(&[&tpm]).unwrap_err();
    assert!(matches!(error, ExportError::NoPlace { shape: Shape::DstackMr, .. }), "{error}");
}

/// dstack 312dc60, `dstack-mr/src/lib.rs`: without the hash of the root there is nothing to verify it by.
#[test]
fn a_command_line_has_the_hash_of_the_root() {
    let snp = || value("snp", ["sev-snp", "qemu", "direct"], json!({ "firmware": "OVMF.fd" }));
    let digits = "5a".repeat(32);
    for (line, is_taken) in [
        (format!("dstack.rootfs_hash={digits}"), true),
        (format!("a  dstack.rootfs_hash={digits}\n"), true),
        (String::new(), false),
        ("console=ttyS0".to_owned(), false),
        (format!("dstack.rootfs_hash={}", &digits[1..]), false),
        (format!("dstack.rootfs_hash={}", &digits[2..]), false),
        (format!("dstack.rootfs_hash={digits}5a"), false),
        (format!("dstack.rootfs_hash={}", "5g".repeat(32)), false),
        (format!("xdstack.rootfs_hash={digits}"), false),
        // The first counts.
        (format!("dstack.rootfs_hash= dstack.rootfs_hash={digits}"), false),
    ] {
        let folder = image(&line, &snp_firmware(), &[], &[snp()]);
        match exported(&folder) {
            Ok(_) => assert!(is_taken, "{line}"),
            Err(ExportError::NoRootfsHash) => assert!(!is_taken, "{line}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }
}

/// The maps of a document, which are read in the order in which they are written.
fn entries(value: &ciborium::Value) -> Vec<(String, ciborium::Value)> {
    let entries = value.as_map().unwrap().iter();
    entries.map(|(key, value)| (key.as_text().unwrap().to_owned(), value.clone())).collect()
}

fn decoded(document: &Document) -> ciborium::Value {
    ciborium::from_reader(&document.bytes[..]).unwrap()
}

/// dstack 312dc60, `CborSevOsImageMeasurement`; the firmware's numbers are those it was made with.
#[test]
fn the_document_of_a_guest_has_the_digests_of_its_files() {
    let of = |vcpus: u32| {
        let more = json!({ "firmware": "OVMF.fd", "vcpus": vcpus });
        value("snp", ["sev-snp", "qemu", "direct"], more)
    };
    let folder = image(&line(), &snp_firmware(), &[], &[of(1), of(2)]);
    let document = exported(&folder).unwrap();
    assert_eq!(document.machines.len(), 2);
    let all = decoded(&document);
    let all = entries(&all);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "version",
            "cmdline",
            "ovmf_hash",
            "kernel_hash",
            "initrd_hash",
            "hashes_table_gpa",
            "reset_eip",
            "ovmf_sections"
        ]
    );
    let number = |at: usize| u64::try_from(all[at].1.as_integer().unwrap()).unwrap();
    assert_eq!((number(0), number(5), number(6)), (3, 0x81_0c00, 0x80_b004));
    assert_eq!(all[1].1.as_text().unwrap(), line());
    let digest = |at: usize| all[at].1.as_bytes().unwrap().clone();
    assert_eq!(digest(3), Sha256::digest(efi_kernel()).to_vec());
    assert_eq!(digest(4), Sha256::digest(b"initrd").to_vec());
    let sections = crate::tests::ovmf_image::SECTIONS;
    let written = all[7].1.as_array().unwrap().iter().map(|section| {
        let fields = entries(section);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["gpa", "size", "type"]);
        [0, 1, 2].map(|at: usize| u32::try_from(fields[at].1.as_integer().unwrap()).unwrap())
    });
    assert_eq!(written.collect::<Vec<_>>(), sections);
}

#[test]
fn firmware_without_a_place_for_kernel_hashes_is_refused() {
    let snp = value("snp", ["sev-snp", "qemu", "direct"], json!({ "firmware": "OVMF.fd" }));
    let without = crate::tests::ovmf_image::OvmfImage { hash_table: None, ..Default::default() };
    let folder = image(&line(), &without.bytes(), &[], &[snp]);
    let error = exported(&folder).unwrap_err();
    assert!(
        matches!(&error, ExportError::NoHashTable { path } if *path == folder.at("OVMF.fd")),
        "{error}"
    );
    folder.put("OVMF.fd", b"no firmware");
    let error = exported(&folder).unwrap_err();
    assert!(matches!(&error, ExportError::Firmware { .. }), "{error}");
    files::remove(&folder.at("OVMF.fd")).unwrap();
    assert!(matches!(exported(&folder).unwrap_err(), ExportError::File(_)));
}

/// A document has one firmware and one kernel.
#[test]
fn machines_with_other_firmware_have_other_documents() {
    let of = |boot: &str, more| value("snp", ["sev-snp", "qemu", boot], more);
    let one = || of("direct", json!({ "firmware": "OVMF.fd" }));
    for other in [
        of("direct", json!({ "firmware": "other.fd" })),
        of("direct", json!({})),
        of("uki-disk", json!({ "firmware": "OVMF.fd" })),
    ] {
        let folder = image(&line(), &snp_firmware(), &[], &[one(), other.clone()]);
        let error = exported(&folder).unwrap_err();
        let ExportError::SeveralMachines { machines, .. } = &error else { panic!("{error}") };
        assert_eq!(machines.len(), 2, "{other}");
    }
}

/// A profile of a TD that QEMU of this version starts, with firmware of this layout.
fn profile(version: &str, layout: &str) -> Value {
    json!({
        "name": "td", "version": 1, "technology": "tdx", "vmm": "qemu", "vmm-version": version,
        "boot": "direct", "firmware": "OVMF.fd", "firmware-layout": layout,
        "secure-boot": "absent", "vcpus": [1], "memory": ["2G"],
    })
}

fn td(memory: &str) -> Value {
    let more = json!({ "vcpus": 1, "memory": memory, "firmware": "OVMF.fd" });
    value("td", ["tdx", "qemu", "direct"], more)
}

const LAYOUT: &str = "edk2-stable202411";

/// dstack 312dc60, `CborTdxOsImageMeasurement`. What is in it of the real fixture is proven in `tdx`.
#[test]
fn the_document_of_a_td_is_the_same_for_every_memory() {
    let bytes_of = |memory: &[&str]| {
        let values: Vec<Value> = memory.iter().map(|memory| td(memory)).collect();
        let folder = image(&line(), &td_firmware(), &[profile("9.1", LAYOUT)], &values);
        exported(&folder).unwrap()
    };
    let document = bytes_of(&["2G"]);
    assert_eq!(document.notes, []);
    let all = decoded(&document);
    let names = |value: &ciborium::Value| -> Vec<String> {
        entries(value).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&all), ["version", "image", "tdvf"]);
    let [(_, version), (_, files), (_, tdvf)] = &entries(&all)[..] else { panic!("{all:?}") };
    assert_eq!(version.as_integer().unwrap(), 3.into());
    assert_eq!(names(files), ["cmdline_sha384", "kernel_authenticode", "initrd_sha384"]);
    let digest = sha2::Sha384::digest(b"initrd").to_vec();
    assert_eq!(entries(files)[2].1.as_bytes(), Some(&digest));
    assert_eq!(names(tdvf), ["ovmf", "mrtd", "td_hob"]);
    let [(_, variant), (_, mrtd), (_, td_hob)] = &entries(tdvf)[..] else { panic!("{tdvf:?}") };
    assert_eq!(variant.as_text(), Some("pre202505"));
    assert_eq!(names(mrtd), ["single_pass", "two_pass"]);
    // The first page; that of the TD HOB from there; four ranges, each with start and length.
    let witness = [0x80, 0x10, 9, 4, 0, 6, 9, 2, 11, 2, 16, 16];
    assert_eq!(td_hob.as_bytes(), Some(&witness.to_vec()));
    // Bounds of the memory that dstack's verifier takes without the files: 2 GiB, and 2.75 GiB and more.
    for (memory, is_noted) in [
        ("2G", false),
        ("2816M", false),
        ("64G", false),
        ("2815M", true),
        ("2049M", true),
        ("1G", true),
    ] {
        let of_memory = bytes_of(&[memory]);
        assert_eq!(of_memory.bytes, document.bytes, "{memory}");
        assert_eq!(of_memory.notes.len(), usize::from(is_noted), "{memory}");
    }
}

/// QEMU 10 offers the kernel as it is in its file, and firmware from edk2 2025.02 on takes it.
#[test]
fn a_kernel_that_is_not_patched_is_noted() {
    let notes = |version: &str, layout: &str| {
        let folder = image(&line(), &td_firmware(), &[profile(version, layout)], &[td("2G")]);
        exported(&folder).unwrap().notes.iter().map(Note::to_string).collect::<Vec<_>>()
    };
    assert_eq!(notes("9.2", "edk2-stable202502"), Vec::<String>::new());
    assert_eq!(notes("10.1", LAYOUT), Vec::<String>::new());
    let note = notes("10.1", "edk2-stable202502");
    assert!(note.len() == 1 && note[0].starts_with("td: QEMU 10.1 has this firmware"), "{note:?}");
}

#[test]
fn a_boot_that_the_verifier_does_not_know_is_refused() {
    use cvmkit_measure::event::RtmrIndex;
    let error_of = |fd: &[u8], layout: &str| {
        exported(&image(&line(), fd, &[profile("9.1", layout)], &[td("2G")])).unwrap_err()
    };
    // Where the separator of older firmware is in RTMR 0.
    let error = error_of(&td_firmware(), "edk2-stable202205");
    let ExportError::OtherBoot { register, at, .. } = &error else { panic!("{error}") };
    assert_eq!((*register, *at), (RtmrIndex::new(0).unwrap(), 14), "{error}");
    // Variables in the firmware, where the verifier takes none for granted.
    let variables = vec![0x55; 0x8_4000];
    let memory = crate::tests::tdvf_image::EDK2_MEMORY;
    let fd = crate::tests::tdvf_image::whole_firmware(0x40_0000, &variables, &memory);
    let error = error_of(&fd, LAYOUT);
    let ExportError::OtherBoot { register, at, expected, .. } = &error else { panic!("{error}") };
    assert_eq!((*register, *at), (RtmrIndex::new(0).unwrap(), 2), "{error}");
    assert!(expected.contains("344bc51c980ba621aaa00da3ed7436f7"), "{expected}");
    // Firmware that measures items of QEMU's configuration, too.
    let error = error_of(&td_firmware(), "edk2-stable202505");
    let ExportError::OtherBoot { register, expected, found, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*register, RtmrIndex::new(0).unwrap(), "{error}");
    assert_ne!(expected, found);
    assert!(error.hint().unwrap().contains("edk2 2024.11 to 2025.02"), "{error}");
    // A kernel that may not measure what it is given: no event of it is known.
    let folder = image(&line(), &td_firmware(), &[profile("9.1", LAYOUT)], &[td("2G")]);
    let mut kernel = efi_kernel();
    kernel[0x240..0x247].copy_from_slice(b"6.8.00\0");
    folder.put("tiny.vmlinuz", &kernel);
    let error = exported(&folder).unwrap_err();
    let ExportError::Missing { what, why, .. } = &error else { panic!("{error}") };
    assert_eq!(what, "rtmr2");
    assert!(why.contains("Linux 6.8 may not measure its command line"), "{why}");
}

#[test]
fn a_td_that_boots_from_a_disk_has_no_document() {
    let folder =
        image(&line(), &td_firmware(), &[], &[value("td", ["tdx", "qemu", "uki-disk"], json!({}))]);
    let error = exported(&folder).unwrap_err();
    let ExportError::NoPlace { platforms, .. } = &error else { panic!("{error}") };
    assert_eq!(platforms, &["a TD that boots from a disk"]);
    // Without its profile, nothing is known of the machine.
    let folder = image(&line(), &td_firmware(), &[], &[td("2G")]);
    assert!(matches!(exported(&folder).unwrap_err(), ExportError::NoProfile { .. }));
    // One QEMU patches the kernel, and the other does not: two documents.
    let layout = "edk2-stable202502";
    let mut newer = profile("10.1", layout);
    newer["name"] = "newer".into();
    let mut of_newer = td("2G");
    of_newer["profile"] = "newer".into();
    let profiles = [profile("9.1", layout), newer];
    let error = exported(&image(&line(), &td_firmware(), &profiles, &[td("2G"), of_newer]));
    assert!(matches!(error.unwrap_err(), ExportError::SeveralMachines { .. }));
}
