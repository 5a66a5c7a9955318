//! stage0's measurements against Oak's attestations of real machines, HATs' published policies, and
//! what a stock QEMU gives to firmware.
//!
//! `CVMKIT_QEMU` or `PATH` finds QEMU; `stage0.py` asks it, and computes every digest once more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs the oracle, found by the environment"
)]

mod bzimage;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bzimage::kernel;
use cvmkit_measure::stage0::{
    self, AcpiArea, AcpiError, E820Kind, InitrdDigest, KernelError, MachineType, Measurements,
    MemoryMap, PciWindows, SetupDataVariant,
};
use proptest::prelude::*;
use serde_json::Value;

const KIB: u64 = 1024;
const GIB: u64 = 1 << 30;

fn memory_map(machine: MachineType, size: u64, acpi: AcpiArea) -> String {
    MemoryMap::of_qemu(machine, size, acpi).unwrap().digest().to_string()
}

/// `memory_map_sha256` in private-compute-infra-toolkit/hats at 7d618400ce0c: policies and test
/// data, for `ram_size_kb: 8000000` and the other sizes of its launcher configurations, over the
/// versions of QEMU's machine and of stage0 that HATs used.
#[test]
fn memory_maps_are_those_of_published_policies() {
    let published = [
        (
            MachineType::Q35,
            8_000_000 * KIB,
            AcpiArea::LowAndHigh,
            "11103720aab9f4eff4b68b7573b6968e3947e5d7552ace7cebacdbdb448b68fe",
        ),
        (
            MachineType::Q35,
            8_000_000 * KIB,
            AcpiArea::Low,
            "c9a26ba0a492465327894303dc6b1bd23a41cc1093fe96daa05fa7de0d25e392",
        ),
        (
            MachineType::Q35,
            4_000_000 * KIB,
            AcpiArea::LowAndHigh,
            "23b1d609b7fb55c1f10764567359f1e2e4c773e27371324ef9bab521f2467429",
        ),
        (
            MachineType::Q35,
            4_000_000 * KIB,
            AcpiArea::Low,
            "93b5ebde624f92becfd8e9249f7d35c460ced7f782b1e827082dc115f81d63be",
        ),
        (
            MachineType::Microvm,
            8_000_000 * KIB,
            AcpiArea::LowAndHigh,
            "196215d0c7bb1f3882b0ac6001cc0c5e45df895e542407374e116ede5353a428",
        ),
        (
            MachineType::Microvm,
            8_000_000 * KIB,
            AcpiArea::Low,
            "73ec5878eed10ac257e855324bf2621ebed8f5825464c6afe2f0152ac23ea7fb",
        ),
        (
            MachineType::Microvm,
            4_000_000 * KIB,
            AcpiArea::LowAndHigh,
            "b77a9bdcf8cf29648380d826ed121d6a24fe13127d58dd590ef15d1b434b7343",
        ),
        (
            MachineType::Microvm,
            4_000_000 * KIB,
            AcpiArea::Low,
            "0426d345c21e3e7ecae3d7d73547242211c428ed937153cc13a42e804b235086",
        ),
        (
            MachineType::Microvm,
            8 * GIB,
            AcpiArea::Low,
            "4c985428fdc6101c71cc26ddc313cd8221bcbc54471991ec39b1be026d0e1c28",
        ),
        // Oak's `turin_oc_reference_values`.
        (
            MachineType::Microvm,
            GIB,
            AcpiArea::LowAndHigh,
            "6a5ebffd3a3afcfc5da85f1b9b5b2cd099f1529463a3c74455a95097140aaa88",
        ),
    ];
    for (machine, size, acpi, expected) in published {
        assert_eq!(memory_map(machine, size, acpi), expected, "{machine:?} {size} {acpi:?}");
    }
}

#[test]
fn a_memory_map_prints_and_odd_sizes_are_refused() {
    let map = MemoryMap::of_qemu(MachineType::Microvm, GIB, AcpiArea::LowAndHigh).unwrap();
    let lines: Vec<_> = map.entries().iter().map(ToString::to_string).collect();
    let expected = [
        "0x000000000000-0x000000080000 Ram",
        "0x000000080000-0x0000000a0000 Acpi",
        "0x0000000f0000-0x000000100000 Reserved",
        "0x000000100000-0x00003ff00000 Ram",
        "0x00003ff00000-0x000040000000 Acpi",
        "0x0000feffc000-0x0000ff000000 Reserved",
    ];
    assert_eq!(lines, expected);
    assert_eq!(map.entries()[1].kind, E820Kind::Acpi);
    for size in [0, GIB + 1, 961 * GIB, u64::MAX] {
        let error = MemoryMap::of_qemu(MachineType::Q35, size, AcpiArea::Low).unwrap_err();
        assert_eq!(error.found, size);
    }
}

/// Reference values of Oak's test data, of a real machine each. stage0's events in the evidence
/// beside them are the fixtures, and the certificate of the kernel layer there carries the digest.
#[test]
fn events_are_those_of_attested_machines() {
    let kernel =
        "f9d0584247b46cc234a862aa8cd08765b38405022253a78b9af189c4cedbe447".parse().unwrap();
    let setup_data =
        "75f091da89ce81e9decb378c3b72a948aed5892612256b3a6e8305ed034ec39a".parse().unwrap();
    let map =
        |machine, size| MemoryMap::of_qemu(machine, size, AcpiArea::LowAndHigh).unwrap().digest();
    let turin = Measurements {
        setup_data,
        kernel,
        initrd: "6b59368e63f013181cf3e083bdc3d0fda02a4f6f9e939702234c40544c620f3c".parse().unwrap(),
        memory_map: map(MachineType::Microvm, GIB),
        acpi: "dc70eb9b937bc72424db2ad06864287223d0085848513e169588a001ce664425".parse().unwrap(),
        cmdline: " console=ttyS0 panic=-1 brd.rd_nr=1 brd.rd_size=10000000 brd.max_part=1 \
                  ip=10.0.2.15:::255.255.255.0::eth0:off loglevel=7 -- \
                  --launcher-addr=vsock://2:42927"
            .to_owned(),
    };
    assert_eq!(turin.event(), include_bytes!("fixtures/stage0_event_turin.bin"));
    let certified = "2882af70e7ac67e9efa7bc9f8dd663ca95e1afb92c92d45b09d99a1c8a659dda";
    assert_eq!(turin.event_digest().to_string(), certified);

    let genoa = Measurements {
        setup_data,
        kernel,
        initrd: "b2b5eda097c2e15988fd3837145432e3792124dbe0586edd961efda497274391".parse().unwrap(),
        memory_map: map(MachineType::Q35, 8_000_000 * KIB),
        acpi: "194afdde1699c335fdd4ed99fd36d9500230fbda0ab14f6d95fc35d219ddf32e".parse().unwrap(),
        cmdline: " console=ttyS0 panic=-1 brd.rd_nr=1 brd.rd_size=10485760 brd.max_part=1 \
                  ip=10.0.2.15:::255.255.255.0::enp0s1:off quiet -- \
                  --launcher-addr=vsock://2:4275719511"
            .to_owned(),
    };
    assert_eq!(genoa.event(), include_bytes!("fixtures/stage0_event_genoa.bin"));
    let certified = "c38a9a59f8fa62f7cb1ed01f928663cdfd09c2bf5abe6f0aaf3deda15df4e29a";
    assert_eq!(genoa.event_digest().to_string(), certified);
    let json = serde_json::to_value(&genoa).unwrap();
    assert_eq!(json["kernel_setup_data_sha256"], setup_data.to_string());
}

/// FIPS 180-4: SHA-256 of "abc".
#[test]
fn an_initrd_is_measured_as_it_is() {
    assert_eq!(
        InitrdDigest::of(b"abc").to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn a_command_line_becomes_a_pattern_of_itself() {
    assert_eq!(
        stage0::cmdline_pattern(" ip=10.0.2.15::eth0 a|b"),
        r"^ ip=10\.0\.2\.15::eth0 a\|b$"
    );
}

fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let in_path = || {
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
    };
    let found = env::var_os(variable).map(PathBuf::from).or_else(in_path);
    if found.is_none() {
        assert!(env::var("CVMKIT_ORACLES").as_deref() != Ok("require"), "{name} is not installed");
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}

fn ask(python: &Path, arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stage0.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn qemu_gives_stage0_what_is_predicted() {
    let Some(qemu) = program("CVMKIT_QEMU", "qemu-system-x86_64") else { return };
    let Some(python) = program("CVMKIT_PYTHON", "python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (microvm, q35) = ("microvm,acpi=on,pcie=on", "q35");
    let cases = [
        (q35, MachineType::Q35, 2815, 1),
        (q35, MachineType::Q35, 2816, 0),
        (q35, MachineType::Q35, 9000, 3),
        (microvm, MachineType::Microvm, 64, 2),
        (microvm, MachineType::Microvm, 3072, 1),
        (microvm, MachineType::Microvm, 3073, 1),
    ];
    for (name, machine, mib, setup_sects) in cases {
        let file = kernel(setup_sects);
        let path = folder.path().join("kernel");
        fs::write(&path, &file).unwrap();
        let (memory, path) = (format!("{mib}M"), path.to_str().unwrap());
        let answer = ask(&python, &[name, &memory, path, qemu.to_str().unwrap()]);
        let case = format!("{name} {memory} {setup_sects}");
        let split = stage0::split(&file).unwrap();
        assert_eq!(answer["kernel_image"], split.image_digest().to_string(), "{case}");
        let by_qemu = split.setup_data_digest(SetupDataVariant::ByQemu);
        assert_eq!(answer["setup_data"], by_qemu.to_string(), "{case}");
        let maps =
            [AcpiArea::Low, AcpiArea::LowAndHigh].map(|acpi| memory_map(machine, mib << 20, acpi));
        assert_eq!(
            [&answer["memory_map"][0], &answer["memory_map"][1]],
            [&maps[0], &maps[1]],
            "{case}"
        );
    }
}

/// Oak's rule in `oak_kernel_measurement`: the file's first sectors, the fields of the initrd zero.
#[test]
fn encrypted_guests_see_the_setup_data_of_the_file() {
    let file = kernel(2);
    let split = stage0::split(&file).unwrap();
    let mut expected = file[..1536].to_vec();
    expected[0x218..0x220].fill(0);
    assert_eq!(split.setup_data(SetupDataVariant::Unmodified), expected);
    let [plain, encrypted] = [SetupDataVariant::ByQemu, SetupDataVariant::Unmodified]
        .map(|variant| split.setup_data_digest(variant));
    assert_ne!(plain, encrypted);
}

#[test]
fn what_is_no_kernel_is_refused() {
    for file in [&b""[..], b"MZ", &[0; 1024]] {
        assert!(matches!(stage0::split(file), Err(KernelError::NoBzImage { .. })));
    }
    let file = kernel(1);
    let truncated = KernelError::Truncated { setup: 1024, found: 1024 };
    assert_eq!(stage0::split(&file[..1024]), Err(truncated));
}

/// Commands of a real QEMU (Oak's `stage0/testdata/table_loader`) with made-up files: no tables
/// with a published digest exist, so the expectation is the script's.
#[test]
fn acpi_digests_cover_commands_windows_and_files() {
    let Some(python) = program("CVMKIT_PYTHON", "python3") else { return };
    let loader = include_bytes!("fixtures/table_loader.bin");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/table_loader.bin");
    let answer = ask(&python, &["acpi", path.to_str().unwrap()]);
    let (rsdp, tables) = (b"rsdp".repeat(5), b"tables".repeat(1000));
    let file = |name: &str| match name {
        "etc/acpi/rsdp" => Some(&rsdp[..]),
        "etc/acpi/tables" => Some(&tables[..]),
        _ => None,
    };
    let windows = PciWindows {
        ports: 0x6000..0xffff,
        memory32: 0xc000_0000..0xfc00_0000,
        memory64: 1 << 40..1 << 41,
    };
    let [before, since] = [None, Some(&windows)]
        .map(|windows| stage0::acpi_digest(loader, windows, file).unwrap().to_string());
    assert_eq!([&answer[0], &answer[1]], [&before, &since]);

    let missing = stage0::acpi_digest(loader, None, |name| file(name).filter(|_| name.len() < 14));
    let name = "etc/acpi/tables".to_owned();
    assert_eq!(missing, Err(AcpiError::Missing { at: 128, name }));
    let length = stage0::acpi_digest(&loader[1..], None, file);
    assert_eq!(length, Err(AcpiError::Length { found: loader.len() - 1 }));
    let mut nameless = *loader;
    nameless[4..60].fill(b'x');
    assert_eq!(stage0::acpi_digest(&nameless, None, file), Err(AcpiError::Name { at: 0 }));
}

proptest! {
    #[test]
    fn any_file_is_split_or_refused(
        mut file in proptest::collection::vec(any::<u8>(), 0x300..0x2000),
        commands in proptest::collection::vec(any::<u8>(), 0..4 * 128),
    ) {
        file[0x1fe..0x206].copy_from_slice(b"\x55\xaa\0\0HdrS");
        if let Ok(split) = stage0::split(&file) {
            let setup = split.setup_data(SetupDataVariant::ByQemu);
            prop_assert!(setup.len() < file.len());
        }
        let _ = stage0::acpi_digest(&commands, None, |_| Some(b""));
    }
}
