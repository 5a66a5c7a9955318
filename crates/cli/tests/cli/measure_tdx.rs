//! `cvmkit measure tdx` against a real quote, td-shim's digests and QEMU.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::tdx::mrtd::{self, Rule};
use cvmkit_measure::tdx::quote::Quote;
use serde_json::Value;

pub(crate) use crate::bzimage::efi_kernel as kernel;
use crate::program::{Folder, Said};
use crate::small_uki::SmallUki;
use crate::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};

/// The firmware of Debian 12, which this suite runs on: SHA-256, and the MRTDs of td-shim's
/// `td_shim_tee_info_hash.py` in one pass and two (`crates/measure/tests/fixtures/README.md`).
const BOOKWORM: [&str; 3] = [
    "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
    "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057\
     fb887fed0744d5631a212967fb231c47",
    "acccbcc870a381adab0d3919d90a7f268ac3b0364771f202ed4bb4e892d045b3\
     3db3b32e6924cba830a724eed443f7e1",
];

/// Firmware with variables and memory of edk2 releases before May 2025, a kernel, and tables.
fn inputs() -> Folder {
    let folder = Folder::new();
    folder.put("fd", &whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY));
    folder.put("kernel", &kernel());
    folder.put("initrd", b"an initrd");
    for (name, bytes) in TABLES {
        folder.put(name, bytes);
    }
    folder
}

const TABLES: [(&str, &[u8]); 3] = [("loader", b"loads"), ("rsdp", b"points"), ("tables", b"say")];

/// Everything but the tables.
const TD: &str = "--firmware fd --kernel kernel --memory 2G --qemu-version 9.1 --secure-boot absent \
                  --layout edk2-stable202411";
const FILES: &str = "--acpi-loader loader --acpi-rsdp rsdp --acpi-tables tables";

fn measure(folder: &Folder, line: &str) -> Said {
    folder.cvmkit(&format!("measure tdx {line}"))
}

fn json(folder: &Folder, line: &str) -> Value {
    let said = folder.cvmkit(&format!("--format json measure tdx {line}")).answer();
    serde_json::from_str(&said).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

/// RTMR 0 of a TD that ran, of which the tables' digests are known, and the kernel is not.
#[test]
fn rtmr_0_is_that_of_a_real_quote() {
    let folder = inputs();
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures/tdx/quote.json");
    let recorded: Value =
        serde_json::from_slice(&cvmkit_host::files::read(&path).unwrap()).unwrap();
    let bytes = hex::decode(text(&recorded, "quote")).unwrap();
    let log: Value = serde_json::from_str(text(&recorded, "event_log")).unwrap();
    let is_table = |event: &&Value| event["event_type"] == 0xa && event["imr"] == 0;
    let tables = log.as_array().unwrap().iter().filter(is_table);
    let tables: Vec<_> = tables.map(|event| text(event, "digest")).collect();
    let [loader, rsdp, tables] = tables.try_into().unwrap();
    let line = format!("{TD} --acpi-loader {loader} --acpi-rsdp {rsdp} --acpi-tables {tables}");
    let [rtmr0, rtmr1, ..] = Quote::parse(&bytes).unwrap().rtmrs;
    let measured = json(&folder, &line);
    assert_eq!(text(&measured, "rtmr0"), rtmr0.to_string());
    assert_ne!(text(&measured, "rtmr1"), rtmr1.to_string());
    // A mebibyte more is another machine.
    let other = json(&folder, &line.replace("2G", "2049M"));
    assert_ne!(text(&other, "rtmr0"), rtmr0.to_string());
}

#[test]
fn the_mrtd_is_td_shim_s() {
    let path = Path::new("/usr/share/ovmf/OVMF.fd");
    let bytes = cvmkit_host::files::read(path).unwrap_or_default();
    let [digest, single, two] = BOOKWORM;
    if Sha256::of(&bytes).to_string() != digest {
        eprintln!("SKIPPED: no ovmf 2022.11-6+deb12u2 is installed");
        return;
    }
    let folder = inputs();
    let mrtd = |version| {
        let line = format!("--firmware {} --mrtd-only --qemu-version {version}", path.display());
        measure(&folder, &line).answer()
    };
    assert_eq!(mrtd("10.1"), format!("mrtd   {single}\n"));
    assert_eq!(mrtd("8.2.2"), format!("mrtd   {two}\n"));
    // Its layout and that it has Secure Boot are known: nothing else is needed, and nothing else fits.
    let line = format!(
        "--firmware {} --kernel kernel --memory 2G --qemu-version 9.1 {FILES}",
        path.display()
    );
    assert_eq!(text(&json(&folder, &line), "layout"), "edk2-stable202205");
    let refused = measure(&folder, &format!("{line} --layout edk2-stable202502")).refusal();
    assert!(refused.starts_with("exit 2\n") && refused.contains("edk2-stable202205"), "{refused}");
}

/// The rows are all there is: folded they are the registers.
#[test]
fn what_is_explained_is_what_is_measured() {
    let folder = inputs();
    let line = format!("{TD} {FILES} --initrd initrd --append quiet --explain");
    let measured = json(&folder, &line);
    let rows = measured["events"].as_array().unwrap();
    let fold = |register: &str| {
        let rows = rows.iter().filter(|row| row["register"] == register);
        rows.fold(Sha384::ZERO, |value, row| {
            let value = value.extend(text(row, "digest").parse().unwrap());
            assert_eq!(text(row, "value"), value.to_string(), "{row}");
            value
        })
    };
    for register in ["rtmr0", "rtmr1", "rtmr2", "rtmr3"] {
        assert_eq!(text(&measured, register), fold(register).to_string(), "{register}");
    }
    let last = rows.iter().rfind(|row| row["register"] == "mrtd").unwrap();
    let bytes = folder.get("fd");
    let launch = mrtd::launch(&Firmware::parse(&bytes).unwrap(), &Rule::of_qemu(9)).unwrap();
    assert_eq!(text(last, "value"), launch.digest().to_string());
    assert_eq!(text(&measured, "mrtd"), launch.digest().to_string());
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["index"], at);
    }
    let row = |source: &str| rows.iter().find(|row| row["source"] == source).unwrap();
    assert_eq!(text(row("initrd"), "digest"), Digests::of(b"an initrd").sha384.to_string());
    assert_eq!(text(row("command-line"), "register"), "rtmr2");
    assert_eq!(text(row("kernel"), "type"), "EV_EFI_BOOT_SERVICES_APPLICATION");
    let said = measure(&folder, &line).answer();
    for row in rows {
        let fields = ["type", "meaning", "source", "value"];
        let found = said.lines().any(|line| fields.iter().all(|at| line.contains(text(row, at))));
        assert!(found, "{row} in\n{said}");
    }
    assert!(said.contains(&format!("\nrtmr0  {}\n", text(&measured, "rtmr0"))), "{said}");
}

/// One input at a time: the registers that change, and no others.
#[test]
fn inputs_change_their_registers() {
    let folder = inputs();
    folder.put("other", b"another");
    let line = format!("{TD} {FILES} --initrd initrd --append quiet");
    let first = json(&folder, &line);
    let changed = |from: &str, to: &str| {
        let other = json(&folder, &line.replace(from, to));
        let registers = ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"];
        registers.into_iter().filter(|at| first[at] != other[at]).collect::<Vec<_>>()
    };
    assert_eq!(changed("--acpi-rsdp rsdp", "--acpi-rsdp other"), ["rtmr0"]);
    assert_eq!(changed("--append quiet", "--append loud"), ["rtmr2"]);
    // QEMU writes the place of the initrd, which is its length and the memory, into the kernel.
    assert_eq!(changed("--initrd initrd", "--initrd other"), ["rtmr1", "rtmr2"]);
    assert_eq!(changed("--memory 2G", "--memory 2049M"), ["rtmr0", "rtmr1"]);
    assert_eq!(changed("--qemu-version 9.1", "--qemu-version 8.2"), ["mrtd"]);
    let digest = Digests::of(b"points").sha384.to_string();
    assert!(changed("--acpi-rsdp rsdp", &format!("--acpi-rsdp {digest}")).is_empty());
}

#[test]
fn what_is_open_is_refused() {
    let folder = inputs();
    let whole = format!("{TD} {FILES}");
    let cases = [
        (format!("{TD} --acpi-loader loader --acpi-tables tables"), "missing --acpi-rsdp"),
        (format!("{TD} --acpi-from-qemu"), "missing --vcpus"),
        (whole.replace("--qemu-version 9.1", ""), "missing --qemu-version"),
        (whole.replace("--layout edk2-stable202411", ""), "edk2-stable202502"),
        (whole.replace("--secure-boot absent", ""), "--secure-boot built-in"),
        (whole.replace("--memory 2G", "--memory 2048"), "such as 2G or 2816M"),
        (whole.replace("--kernel kernel", "--kernel initrd"), "HdrS"),
        (whole.replace("--firmware fd", "--firmware kernel"), "no firmware volume"),
        (format!("--firmware fd --mrtd-only --qemu-version 9.0 {FILES}"), "--mrtd-only"),
        (whole.replace("--qemu-version 9.1", "--qemu-version 9"), "such as 10.1"),
    ];
    for (line, words) in cases {
        let refused = measure(&folder, &line).refusal();
        assert!(refused.starts_with("exit 2\n"), "{line}\n{refused}");
        assert!(refused.contains(words), "{line}\n{refused}");
    }
}

/// A register that is not known takes no other with it.
#[test]
fn an_unknown_register_leaves_the_others() {
    let folder = inputs();
    let whole = format!("{TD} {FILES} --append quiet");
    let known = json(&folder, &whole);
    let without = |line: &str, register: &str, words: &str| {
        let found = json(&folder, line);
        for at in ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"] {
            assert_eq!(found[at].is_null(), at == register, "{at}: {found}");
        }
        let text = measure(&folder, line).answer();
        assert!(text.contains(words), "{text}");
        found
    };
    // Tables whose digest is not given.
    let newer = whole.replace("202411", "202505");
    without(&newer, "rtmr0", "measures the SMBIOS tables");
    // Debian 12's kernel may not measure what it is given.
    let mut kernel = folder.get("kernel");
    kernel[0x20e..0x210].copy_from_slice(&0x70_u16.to_le_bytes());
    kernel[0x270..0x280].copy_from_slice(b"6.1.0-47-cloud-a");
    folder.put("old", &kernel);
    let old = without(&whole.replace("--kernel kernel", "--kernel old"), "rtmr2", "Linux 6.1");
    assert_eq!((&old["mrtd"], &old["rtmr0"]), (&known["mrtd"], &known["rtmr0"]));
    // How often boot services are left is decided by the disk.
    let newest = whole.replace("202411", "202508") + " --smbios loader";
    without(&newest, "rtmr1", "leave boot services");
    let on = |more: &str| json(&folder, &format!("{newest} {more}"))["rtmr1"].clone();
    assert!(on("--disk-bus virtio-blk").is_null());
    assert_eq!(on("--disk-bus nvme"), on("--read-only-disk"));
    assert!(!on("--disk-bus nvme").is_null());
}

/// From 10.2.0 on QEMU leaves the kernel of a confidential guest alone.
#[test]
fn the_minor_version_of_qemu_counts() {
    let folder = inputs();
    let line = format!("{TD} {FILES} --append quiet --initrd initrd");
    let rtmr1 = |version: &str| {
        json(&folder, &line.replace("--qemu-version 9.1", version))["rtmr1"].clone()
    };
    let patched = rtmr1("--qemu-version 9.1");
    assert_eq!(rtmr1("--qemu-version 10.0"), patched);
    assert_eq!(rtmr1("--qemu-version 10.1.3"), patched);
    let in_file = rtmr1("--qemu-version 10.2.0");
    assert_ne!(in_file, patched);
    assert_eq!(rtmr1("--qemu-version 11.0"), in_file);
    // As firmware that takes the file has it, whatever QEMU does.
    let newer = line.replace("202411", "202502").replace("9.1", "10.1");
    assert_eq!(json(&folder, &newer)["rtmr1"], in_file);
}

/// The tables that QEMU makes, and the digests that are printed of them, give the same registers.
#[test]
fn tables_of_qemu_are_recorded_by_their_digests() {
    let folder = inputs();
    let Some(version) = folder.oracle("qemu-system-x86_64", &["--version"]) else { return };
    let version = version.answer();
    let version = version.split_whitespace().nth(3).unwrap().to_owned();
    let line = TD.replace("--qemu-version 9.1", "--vcpus 2");
    let made = json(&folder, &format!("{line} --acpi-from-qemu"));
    assert_eq!(text(&made, "qemu-version"), version);
    let acpi = &made["acpi"];
    let (loader, rsdp, tables) = (text(acpi, "loader"), text(acpi, "rsdp"), text(acpi, "tables"));
    let recorded = json(
        &folder,
        &format!(
            "{line} --qemu-version {version} --acpi-loader {loader} --acpi-rsdp {rsdp} \
             --acpi-tables {tables}"
        ),
    );
    assert_eq!(made, recorded);
    let other =
        json(&folder, &format!("{line} --acpi-from-qemu").replace("--vcpus 2", "--vcpus 3"));
    assert_ne!(made["rtmr0"], other["rtmr0"]);
    assert_eq!(made["rtmr1"], other["rtmr1"]);
    let refused = measure(&folder, &format!("{line} --acpi-from-qemu --qemu-version 3.0"));
    assert!(refused.refusal().starts_with("exit 2\n"));
    let device = "--qemu-argument -device --qemu-argument virtio-rng-pci";
    let refused = measure(&folder, &format!("{line} --acpi-from-qemu {device}")).refusal();
    assert!(refused.starts_with("exit 2\n") && refused.contains("--pci-window"), "{refused}");
    let missing = measure(&folder, &format!("{line} --acpi-from-qemu ./none")).refusal();
    assert!(missing.starts_with("exit 3\n") && missing.contains("qemu-system-x86"), "{missing}");
}

/// RTMR 2 of a TD with a TPM is PCR 11 of its SHA-384 bank, which `measure_tpm` holds against
/// systemd-measure; without one it is what a TPM has in PCR 11 and 9 one after the other.
#[test]
fn a_uki_from_a_disk_has_the_events_of_a_tpm() {
    let folder = inputs();
    folder.put("u.efi", &SmallUki::new(257).image());
    let tpm = folder.cvmkit("measure tpm --uki u.efi --bank sha384 --explain --format json");
    let tpm: Value = serde_json::from_str(&tpm.answer()).unwrap();
    let pcr_11 = tpm["pcrs"].as_array().unwrap().iter().find(|row| row["pcr"] == 11).unwrap();
    let uki = TD.replace("--kernel kernel", "--uki u.efi");
    let with = json(&folder, &format!("{uki} {FILES} --tpm"));
    assert_eq!(text(&with, "rtmr2"), text(pcr_11, "value"));
    let without = json(&folder, &format!("{uki} {FILES} --explain"));
    let rows = without["events"].as_array().unwrap();
    let digests: Vec<&str> = rows
        .iter()
        .filter(|row| row["register"] == "rtmr2")
        .map(|row| text(row, "digest"))
        .collect();
    let logged = tpm["events"].as_array().unwrap().iter();
    let logged = logged.filter(|row| row["register"] == "pcr11" || row["register"] == "pcr9");
    assert_eq!(digests, logged.map(|row| text(row, "digest")).collect::<Vec<_>>());
    assert_ne!(with["rtmr2"], without["rtmr2"]);
    assert_eq!(with["rtmr1"], without["rtmr1"]);

    // Devices are in RTMR 0, and there is no file of a cloud's firmware.
    for (report, words) in [
        (&with, "boot options"),
        (&json(&folder, &uki), "ACPI tables"),
        (&json(&folder, "--uki u.efi --tpm --layout edk2-stable202411"), "firmware"),
    ] {
        assert_eq!(report.get("rtmr0"), None);
        let reason = text(&report["not-predicted"]["rtmr0"], "words");
        assert!(reason.contains(words), "{reason}");
        assert_eq!(report["rtmr1"], with["rtmr1"]);
    }
    let said = measure(&folder, "--uki u.efi --tpm --layout edk2-stable202411").answer();
    assert!(said.contains("rtmr0  not predicted: ") && !said.contains("mrtd"), "{said}");
    // Older firmware of that cloud has one event less.
    let older = json(&folder, "--uki u.efi --tpm --layout edk2-stable202205");
    assert_ne!(older["rtmr1"], with["rtmr1"]);
    for (line, words) in [
        ("--uki u.efi --tpm", "--layout"),
        ("--uki u.efi --kernel kernel", "--kernel"),
        ("--uki kernel --layout edk2-stable202411", ".sdmagic"),
        (uki.replace("--memory 2G", "").as_str(), "--memory"),
    ] {
        let refused = measure(&folder, line).refusal();
        assert!(refused.starts_with("exit 2\n") && refused.contains(words), "{line}\n{refused}");
    }
}

/// Without ACPI tables RTMR 0 alone has no value, and the others are those that they are with them.
#[test]
fn a_kernel_without_acpi_tables_is_measured_but_for_rtmr_0() {
    let folder = inputs();
    let whole = json(&folder, &format!("{TD} {FILES}"));
    let without = json(&folder, TD);
    for register in ["mrtd", "rtmr1", "rtmr2", "rtmr3"] {
        assert!(whole[register].is_string(), "{register}");
        assert_eq!(without[register], whole[register], "{register}");
    }
    assert_eq!(without.get("rtmr0"), None);
    assert_eq!(without["not-predicted"]["rtmr0"]["code"], "acpi-tables");
    let said = measure(&folder, TD).answer();
    assert!(said.contains("--acpi-from-qemu"), "{said}");
    // Firmware that measures more needs more.
    let newer = measure(&folder, &format!("{TD} {FILES}").replace("202411", "202505")).answer();
    assert!(newer.contains("rtmr0  not predicted: ") && newer.contains("--smbios"), "{newer}");
}
