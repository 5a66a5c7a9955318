//! What is predicted of a TD's kernel and ACPI tables is what OVMF measures when QEMU starts a
//! kernel, in both banks of a TPM: the digests that a TD extends into its RTMRs are the same.
//!
//! The tables come from a QEMU that runs no guest. Firmware of three Debian releases; 1, 2 and 8
//! processors; 1, 2.75, 3 and 8 GiB of memory. Each boot takes ten seconds or more under emulation;
//! every run of all checks has one of each release, and `cargo xtask campaign boots` the others.
//! Not proven here, for want of hardware: events that only a TD has (the TD HOB, the variables'
//! volume, fw_cfg items). Oracles: QEMU, OVMF, Linux, swtpm.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Bank, BankDigest, EventType, Events, PcrIndex, Register, RegisterSet};
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::linux::{self, Boot, SetupHeader};
use cvmkit_measure::tdx::rtmr::{ConfigurationItem, DirectBoot, Platform};
use cvmkit_measure::uefi::medium::Medium;
use cvmkit_measure::uefi::variables::SecureBoot;
use cvmkit_vm::{AcpiError, AcpiFiles, AcpiRequest, TD_MACHINE, acpi_files};

use crate::rig;
use crate::vtpm::inputs::{COMMAND_LINE, Inputs, StubOf};
use crate::vtpm::machine::Machine;

const MIB: u64 = 1 << 20;

/// Where OVMF puts the first 64-bit BAR on the processor that QEMU emulates: 40 bits of address,
/// and AMD's reserved range at the end of them.
const WINDOW: u64 = 0xc0_0000_0000;

/// Devices with 64-bit BARs, in the order of their slots.
const DEVICES: [&str; 4] =
    ["-device", "virtio-rng-pci", "-device", "virtio-net-pci,romfile=,mac=52:54:00:12:34:56"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Release {
    Bookworm,
    Trixie,
    Forky,
}

impl Release {
    fn firmware(self, inputs: &Inputs) -> PathBuf {
        match self {
            Self::Bookworm => "/usr/share/ovmf/OVMF.fd".into(),
            Self::Trixie => inputs.firmware(StubOf::Trixie, "ovmf/OVMF.fd"),
            Self::Forky => inputs.firmware(StubOf::Forky, "ovmf/OVMF.fd"),
        }
    }

    fn layout(self) -> Layout {
        let (year, month) = match self {
            Self::Bookworm => (2022, 11),
            Self::Trixie => (2025, 2),
            Self::Forky => (2026, 8),
        };
        Layout::of_edk2(year, month).unwrap()
    }

    /// Debian 12 builds Secure Boot into its one image, later releases do not.
    fn secure_boot(self) -> SecureBoot {
        let enabled = (self == Self::Bookworm).then_some(false);
        SecureBoot { enabled, ..SecureBoot::default() }
    }
}

/// One test for each boot: firmware, processors, MiB of memory, devices.
macro_rules! boots {
    ($($(#[$more:meta])*
       $name:ident: $release:ident, $vcpus:literal, $mib:literal, $devices:expr;)*) => {
        $($(#[$more])* #[test] fn $name() {
            boot(Release::$release, $vcpus, $mib * MIB, $devices);
        })*
    };
}

boots! {
    one_processor_and_1_gib: Trixie, 1, 1024, &[];
    two_processors_and_2_75_gib: Forky, 2, 2816, &DEVICES;
    #[ignore = "campaign boots"]
    eight_processors_and_3_gib: Trixie, 8, 3072, &DEVICES;
    #[ignore = "campaign boots"]
    two_processors_and_8_gib: Forky, 2, 8192, &[];
    // The kernel as QEMU patches it; this firmware measures ACPI tables in a TD only.
    #[ignore = "campaign boots"]
    a_patched_kernel_below_the_split: Bookworm, 1, 2815, &[];
    a_patched_kernel_above_the_split: Bookworm, 1, 2816, &DEVICES;
}

/// Register, type, digests.
type Measured = (PcrIndex, EventType, Digests);

fn boot(release: Release, vcpus: u32, memory: u64, devices: &[&str]) {
    let Some(inputs) = Inputs::get() else { return };
    let folder = tempfile::tempdir().unwrap();
    let acpi = tables(&request(vcpus, memory, devices), folder.path());
    let mut arguments: Vec<OsString> = vec!["-bios".into(), release.firmware(inputs).into()];
    arguments.extend(["-machine".into(), TD_MACHINE.into()]);
    arguments.extend(["-m".into(), (memory / MIB).to_string().into()]);
    arguments.extend(["-kernel".into(), inputs.kernel.clone().into()]);
    arguments.extend(["-initrd".into(), inputs.initrd.clone().into()]);
    arguments.extend(["-append".into(), COMMAND_LINE.into()]);
    arguments.extend(devices.iter().map(OsString::from));
    let log = measured(&Machine { folder, vcpus, arguments }.run().log);
    let predicted = predicted(release, memory, &acpi, inputs, &log);
    for (at, (found, logged)) in predicted.iter().zip(&log).enumerate() {
        assert_eq!(found, logged, "event {at}");
    }
    assert_eq!(predicted.len(), log.len());
    let acpi = log.iter().filter(|event| event.1 == EventType::EV_PLATFORM_CONFIG_FLAGS).count();
    assert_eq!(acpi, if release == Release::Bookworm { 0 } else { 4 });
}

fn request(vcpus: u32, memory: u64, devices: &[&str]) -> AcpiRequest {
    let path = std::env::var_os("PATH").unwrap_or_default();
    AcpiRequest {
        arguments: devices.iter().map(OsString::from).collect(),
        pci_window: Some(WINDOW),
        ..AcpiRequest::new(std::env::split_paths(&path).collect(), vcpus, memory)
    }
}

/// The tables of a machine that has the TPM of the boots, and their serial port.
fn tables(request: &AcpiRequest, folder: &Path) -> AcpiFiles {
    let socket = folder.join("tables.sock");
    let _tpm = Tpm::start(&folder.join("tables"), &socket);
    let mut chardev = OsString::from("socket,id=tpm,path=");
    chardev.push(&socket);
    let mut arguments: Vec<OsString> = vec!["-chardev".into(), chardev];
    let words = ["-serial", "null", "-tpmdev", "emulator,id=tpm0,chardev=tpm"];
    arguments.extend(words.into_iter().map(OsString::from));
    arguments.extend(["-device", "tpm-crb,tpmdev=tpm0"].map(OsString::from));
    arguments.extend(request.arguments.clone());
    acpi_files(&AcpiRequest { arguments, ..request.clone() }).unwrap()
}

/// A `swtpm` that does not outlive the test.
struct Tpm(Child);

impl Tpm {
    fn start(state: &Path, socket: &Path) -> Self {
        fs::create_dir_all(state).unwrap();
        let text = |before: &str, path: &Path| {
            let mut text = OsString::from(before);
            text.push(path);
            text
        };
        let mut command = Command::new("swtpm");
        command.args(["socket", "--tpm2", "--terminate", "--tpmstate"]).arg(text("dir=", state));
        command.arg("--ctrl").arg(text("type=unixio,path=", socket));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tpm = Self(command.spawn().unwrap());
        let started = Instant::now();
        while !socket.exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "swtpm does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        tpm
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a TPM gets of the events of the TD: not those that only a TD has, nor the separators, of
/// which a TD gets one.
fn predicted(
    release: Release,
    memory: u64,
    acpi: &AcpiFiles,
    inputs: &Inputs,
    log: &[Measured],
) -> Vec<Measured> {
    let nothing = Digests { sha256: Sha256::ZERO, sha384: Sha384::ZERO };
    let (kernel, initrd) = (fs::read(&inputs.kernel).unwrap(), fs::read(&inputs.initrd).unwrap());
    let layout = release.layout();
    let qemu = acpi.qemu_version.parse().unwrap();
    let command_line = COMMAND_LINE.as_bytes();
    let boot = Boot { memory, initrd: Some(initrd.len() as u64), command_line };
    let header = match layout.measures_patched_kernel(qemu) {
        true => SetupHeader::Patched(boot),
        false => SetupHeader::AsInFile,
    };
    // What the firmware leaves out of these tables differs from machine to machine: an input.
    let smbios = log.iter().find(|event| event.1 == EventType::EV_EFI_HANDOFF_TABLES);
    let boot = DirectBoot {
        platform: Platform {
            layout,
            td_hob: nothing,
            cfv: nothing,
            secure_boot: release.secure_boot(),
            configuration: ConfigurationItem::of_direct_boot(),
            acpi: Some(acpi.digests()),
            has_tpm: true,
        },
        authority: None,
        smbios: smbios.map(|event| event.2),
        kernel: linux::digests(&kernel, &header).unwrap(),
        kernel_version: linux::version(&kernel),
        tpm: Some(false),
        medium: Medium { is_writable: Some(false), ..Medium::default() },
        initrd: Some(Digests::of(&initrd)),
        command_line,
    };
    let events: Events = boot.events().unwrap();
    let shared = events.0.iter().filter(|event| {
        let of_td = matches!(
            event.event_type,
            EventType::EV_EFI_HANDOFF_TABLES2 | EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB2
        );
        let acpi = event.event_type == EventType::EV_PLATFORM_CONFIG_FLAGS;
        let item = acpi && event.meaning.starts_with("fw_cfg ");
        let unmeasured = acpi && release == Release::Bookworm;
        !of_td && !item && !unmeasured && !is_separator(event.pcr, event.event_type)
    });
    shared.map(|event| (event.pcr, event.event_type, event.digests)).collect()
}

fn is_separator(pcr: PcrIndex, event_type: EventType) -> bool {
    event_type == EventType::EV_SEPARATOR && pcr.number() < 7
}

/// A log without separators and the firmware's own image.
fn measured(log: &[u8]) -> Vec<Measured> {
    let log = Log::parse(log, RegisterSet::Tpm).unwrap();
    let [sha256, sha384] = [Bank::Sha256, Bank::Sha384].map(|bank| log.observed(bank).unwrap());
    let both = sha256.events().iter().zip(sha384.events());
    let events = both.map(|(one, other)| {
        let Register::Pcr(pcr) = one.register else { panic!("{one:?}") };
        let (BankDigest::Sha256(sha256), BankDigest::Sha384(sha384)) = (one.digest, other.digest)
        else {
            panic!("{one:?} {other:?}")
        };
        (pcr, one.event_type, Digests { sha256, sha384 })
    });
    let firmware = [EventType::EV_S_CRTM_VERSION, EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB];
    events
        .filter(|(pcr, event_type, _)| {
            !is_separator(*pcr, *event_type) && !firmware.contains(event_type)
        })
        .collect()
}

fn has_qemu() -> bool {
    let found = rig::found("qemu-system-x86_64").is_some();
    if !found {
        rig::skip("qemu-system-x86_64 is not installed");
    }
    found
}

/// What is in the tables changes them, memory as far as it is below 4 GiB; asked twice, they are the
/// same.
#[test]
fn tables_are_those_of_one_machine() {
    if !has_qemu() {
        return;
    }
    let asked = request(2, 2048 * MIB, &DEVICES);
    let tables = |request: &AcpiRequest| acpi_files(request).unwrap().digests();
    let first = tables(&asked);
    assert_eq!(first, tables(&asked));
    let others = [
        AcpiRequest { vcpus: 3, ..asked.clone() },
        AcpiRequest { memory: 1 << 30, ..asked.clone() },
        AcpiRequest { machine: "q35".into(), ..asked.clone() },
        AcpiRequest { machine: format!("{TD_MACHINE},hpet=off"), ..asked.clone() },
        AcpiRequest { pci_window: Some(0x3800_0000_0000), ..asked.clone() },
        AcpiRequest { arguments: Vec::new(), ..asked.clone() },
    ];
    for other in others {
        assert_ne!(tables(&other).tables, first.tables, "{other:?}");
    }
}

#[test]
fn machines_without_predictable_tables_are_refused() {
    if !has_qemu() {
        return;
    }
    let asked = |devices: &[&str]| request(1, 1024 * MIB, devices);
    let error = |request: &AcpiRequest| acpi_files(request).unwrap_err();
    let unplaced = AcpiRequest { pci_window: None, ..asked(&DEVICES) };
    let unplaced = error(&unplaced);
    let names = matches!(&unplaced, AcpiError::NoWindow { function } if function == "00:01.0");
    assert!(names, "{unplaced}");
    let low = AcpiRequest { pci_window: Some(0xc000_0000), ..asked(&DEVICES) };
    assert!(matches!(error(&low), AcpiError::Window { found: 0xc000_0000, .. }));
    let bridge = error(&asked(&["-device", "pcie-root-port,chassis=1"]));
    assert!(matches!(bridge, AcpiError::Bridge { .. }), "{bridge}");
    let unknown = error(&asked(&["-device", "no-such-device"]));
    assert!(
        matches!(&unknown, AcpiError::Refused { stderr } if stderr.contains("no-such-device")),
        "{unknown}"
    );
    let without = AcpiRequest { machine: format!("{TD_MACHINE},acpi=off"), ..asked(&[]) };
    assert!(matches!(error(&without), AcpiError::NoFile { .. }));
}

/// A QEMU that says nothing is given up on, and ended.
#[test]
fn a_silent_qemu_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mark) = (folder.path().join("qemu"), folder.path().join("pid"));
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo QEMU emulator version 10.0.2 && exit\n\
         echo $$ >{}\nexec sleep 100\n",
        mark.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let asked = AcpiRequest {
        qemu: Some(program),
        timeout: Duration::from_secs(3),
        ..request(1, 1024 * MIB, &[])
    };
    let started = Instant::now();
    assert!(matches!(acpi_files(&asked), Err(AcpiError::TimedOut)));
    assert!(started.elapsed() < Duration::from_secs(30));
    let pid = fs::read_to_string(mark).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "process {pid} is still there");
}
