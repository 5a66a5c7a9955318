//! `cvmkit measure stage0` against published policies, an event of a real machine, QEMU, and Python.

use serde_json::Value;

use crate::bzimage::kernel;
use crate::program::{Folder, Said};

/// The command line of the real machine, of which the event is a fixture.
const CMDLINE: &str = " console=ttyS0 panic=-1 brd.rd_nr=1 brd.rd_size=10000000 brd.max_part=1 \
                       ip=10.0.2.15:::255.255.255.0::eth0:off loglevel=7 -- \
                       --launcher-addr=vsock://2:42927";

/// The start of Oak's `oak.attestation.v1.Event` of that machine, and the digests in it.
const TURIN: &[u8] = include_bytes!("../../../measure/tests/fixtures/stage0_event_turin.bin");

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../measure/tests/stage0.py");
const LOADER: &[u8] = include_bytes!("../../../measure/tests/fixtures/table_loader.bin");

fn inputs(setup_sects: u8) -> Folder {
    let folder = Folder::new();
    folder.put("kernel", &kernel(setup_sects));
    folder.put("initrd", b"an initrd");
    folder.put("system.tar.xz", b"a system image");
    folder.put("loader", LOADER);
    folder.put("rsdp", &b"rsdp".repeat(5));
    folder.put("tables", &b"tables".repeat(1000));
    folder
}

fn measure(folder: &Folder, line: &str) -> Said {
    let words = ["measure", "stage0", "--kernel", "kernel", "--append", CMDLINE];
    folder.cvmkit_with(&[&words[..], &line.split_whitespace().collect::<Vec<_>>()].concat())
}

fn json(folder: &Folder, line: &str) -> Value {
    let said = measure(folder, &format!("{line} --format json")).answer();
    serde_json::from_str(&said).unwrap()
}

/// `memory_map_sha256` of HATs' policies at 7d618400ce0c and of Oak's `turin_oc_reference_values`.
#[test]
fn memory_maps_are_those_of_published_policies() {
    let folder = inputs(1);
    let published = [
        (
            "--machine q35 --memory 8000000K",
            "11103720aab9f4eff4b68b7573b6968e3947e5d7552ace7cebacdbdb448b68fe",
        ),
        (
            "--machine q35 --memory 8000000K --acpi-area low",
            "c9a26ba0a492465327894303dc6b1bd23a41cc1093fe96daa05fa7de0d25e392",
        ),
        (
            "--machine microvm --memory 4000000K",
            "b77a9bdcf8cf29648380d826ed121d6a24fe13127d58dd590ef15d1b434b7343",
        ),
        (
            "--machine microvm --memory 8G --acpi-area low",
            "4c985428fdc6101c71cc26ddc313cd8221bcbc54471991ec39b1be026d0e1c28",
        ),
        (
            "--machine microvm --memory 1024M",
            "6a5ebffd3a3afcfc5da85f1b9b5b2cd099f1529463a3c74455a95097140aaa88",
        ),
    ];
    for (line, expected) in published {
        assert_eq!(json(&folder, line)["measurement"]["memory_map_sha256"], expected, "{line}");
    }
}

/// QEMU without encryption fills in the kernel's header; what it hands over is read from it.
#[test]
fn the_kernel_is_what_qemu_hands_over() {
    for (setup_sects, machine, name) in
        [(1, "q35", "q35"), (2, "microvm,acpi=on,pcie=on", "microvm")]
    {
        let folder = inputs(setup_sects);
        let Some(qemu) = folder.oracle("qemu-system-x86_64", &["--version"]) else { return };
        qemu.answer();
        let asked = [SCRIPT, machine, "3000M", "kernel", "qemu-system-x86_64"];
        let Some(said) = folder.oracle("python3", &asked) else { return };
        let expected: Value = serde_json::from_str(&said.answer()).unwrap();
        let line = format!("--machine {name} --memory 3000M --guest");
        let plain = json(&folder, &format!("{line} plain"))["measurement"].clone();
        assert_eq!(plain["kernel_image_sha256"], expected["kernel_image"], "{machine}");
        assert_eq!(plain["kernel_setup_data_sha256"], expected["setup_data"], "{machine}");
        assert_eq!(plain["memory_map_sha256"], expected["memory_map"][1], "{machine}");
        let tdx = json(&folder, &format!("{line} tdx"))["measurement"].clone();
        assert_eq!(tdx, plain);
        // Of an encrypted guest of AMD the header is the file's, without place and size of an initrd.
        let mut setup = kernel(setup_sects);
        setup.truncate((usize::from(setup_sects) + 1) * 512);
        setup[0x218..0x220].fill(0);
        folder.put("setup", &setup);
        let snp = json(&folder, &format!("{line} snp"))["measurement"].clone();
        assert_eq!(snp["kernel_setup_data_sha256"], sha256sum(&folder, "setup"));
        assert_ne!(snp["kernel_setup_data_sha256"], plain["kernel_setup_data_sha256"]);
    }
}

fn sha256sum(folder: &Folder, name: &str) -> String {
    let said = folder.accepts("sha256sum", name).unwrap();
    said.split_whitespace().next().unwrap().to_owned()
}

/// The event is that of the real machine, with the digests of these files in the places of its own.
#[test]
fn the_event_is_framed_like_that_of_a_real_machine() {
    let folder = inputs(1);
    let line = "--machine microvm --memory 1G --initrd initrd --system-image system.tar.xz \
                --acpi dc70eb9b937bc72424db2ad06864287223d0085848513e169588a001ce664425 --explain";
    let report = json(&folder, line);
    let measured = &report["measurement"];
    assert_eq!(measured["init_ram_fs_sha256"], sha256sum(&folder, "initrd"));
    assert_eq!(measured["system_image_sha256"], sha256sum(&folder, "system.tar.xz"));
    let mut event = TURIN.to_vec();
    for (real, field) in [
        ("75f091da89ce81e9decb378c3b72a948aed5892612256b3a6e8305ed034ec39a", "kernel_setup_data"),
        ("f9d0584247b46cc234a862aa8cd08765b38405022253a78b9af189c4cedbe447", "kernel_image"),
        ("6b59368e63f013181cf3e083bdc3d0fda02a4f6f9e939702234c40544c620f3c", "init_ram_fs"),
    ] {
        let real = hex::decode(real).unwrap();
        let at = event.windows(32).position(|part| part == real).unwrap();
        let ours = measured[format!("{field}_sha256")].as_str().unwrap();
        event[at..at + 32].copy_from_slice(&hex::decode(ours).unwrap());
    }
    folder.put("event", &event);
    assert_eq!(report["event-sha256"], sha256sum(&folder, "event"));
    let rows = report["events"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    assert_eq!(rows[6]["digest"], report["event-sha256"]);
    assert_eq!(report["memory-map"][0], "0x000000000000-0x000000080000 Ram");
    let text = measure(&folder, line).answer();
    for word in ["    3 | stage0 | E820 table of", "E820  0x0000000f0000", "event_sha256       "] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// Python's regular expressions read the pattern as policies do.
#[test]
fn the_command_line_is_a_pattern() {
    let folder = inputs(1);
    let line = "--machine q35 --memory 2G";
    let pattern = |line: &str| {
        let report = json(&folder, line);
        report["measurement"]["kernel_cmd_line_regex"].as_str().unwrap().to_owned()
    };
    let code = "import re, sys; print([bool(re.fullmatch(sys.argv[1], a)) for a in sys.argv[2:]])";
    let longer = format!("{CMDLINE}1");
    let dotless = CMDLINE.replace("10.0.2", "10x0x2");
    for (options, expected) in
        [("", "[True, False, False, False]"), ("--any-tail", "[True, True, False, False]")]
    {
        let pattern = pattern(&format!("{line} {options}"));
        let arguments = ["-c", code, &pattern, CMDLINE, &longer, &dotless, CMDLINE.trim_start()];
        let Some(said) = folder.oracle("python3", &arguments) else { return };
        assert_eq!(said.answer().trim(), expected, "{pattern}");
    }
    let open = json(&folder, &format!("{line} --any-tail"));
    assert!(open["event-sha256"].is_null(), "{open}");
}

#[test]
fn acpi_tables_are_their_commands_windows_and_files() {
    let folder = inputs(1);
    let Some(said) = folder.oracle("python3", &[SCRIPT, "acpi", "loader"]) else { return };
    let expected: Value = serde_json::from_str(&said.answer()).unwrap();
    let files =
        "--machine q35 --memory 2G --acpi-loader loader --acpi-rsdp rsdp --acpi-tables tables";
    let windows = "--pci-windows 0x6000-0xffff,0xc0000000-0xfc000000,0x10000000000-0x20000000000";
    for (options, expected) in [("", &expected[0]), (windows, &expected[1])] {
        let report = json(&folder, &format!("{files} {options}"));
        assert_eq!(&report["measurement"]["acpi_table_sha256"], expected, "{options}");
    }
}

#[test]
fn what_is_not_known_has_a_reason_and_what_is_wrong_is_refused() {
    let folder = inputs(1);
    let report = json(&folder, "--machine q35 --memory 2G");
    let open = report["not-predicted"].as_array().unwrap();
    let fields: Vec<_> = open.iter().map(|reason| reason["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "stage0_measurement",
            "acpi_table_sha256",
            "system_image_sha256",
            "container_binary_sha256",
            "event_sha256"
        ]
    );
    assert!(report["measurement"]["acpi_table_sha256"].is_null());
    assert_eq!(report["measurement"]["init_ram_fs_sha256"], "0".repeat(64));
    let text = measure(&folder, "--machine q35 --memory 2G").answer();
    assert!(text.contains("acpi_table_sha256         - QEMU makes the tables"), "{text}");

    folder.put("kernel", b"MZ is not enough");
    insta::assert_snapshot!(measure(&folder, "--machine q35 --memory 2G").refusal(), @r"
    exit 2
    error: cannot use `kernel` as a kernel
      caused by: not a bzImage: expected boot flag 55aa at 0x1fe and `HdrS` at 0x202, found  and 
    hint: name a bzImage (arch/x86/boot/bzImage), as for QEMU's -kernel
    ");
    folder.put("kernel", &kernel(1));
    for (line, word) in [
        ("--machine q35 --memory 2T", "expected 4 MiB to 960 GiB"),
        ("--machine q35 --memory 2048", "a number of K, M, G or T"),
        ("--machine q35 --memory 3M", "expected 4 MiB to 960 GiB"),
        ("--machine q35 --memory 2G --acpi-loader loader", "--acpi-rsdp"),
        (
            "--machine q35 --memory 2G --acpi-loader rsdp --acpi-rsdp rsdp --acpi-tables tables",
            "128",
        ),
        ("--machine pc --memory 2G", "q35"),
        ("--machine q35 --memory 2G --initrd missing", "missing"),
    ] {
        let said = measure(&folder, line);
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert!(said.stderr.contains(word), "{word}: {said:?}");
    }
}
