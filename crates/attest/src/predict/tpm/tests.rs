//! Registers are folded by hand of what the standards say is measured, or read from real boots.

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::Diagnosis as _;
use cvmkit_measure::event::log::AlgorithmId;
use cvmkit_measure::event::{Bank, EventType, Events, PcrSha256, Source};
use cvmkit_measure::tpm::{PinnedError, StubVersion};
use cvmkit_measure::uefi::{gpt, variable_store};

use super::*;
use crate::output::{ManifestError, MissingFile};
use crate::tests::bzimage::efi_kernel;
use crate::tests::event_logs::{DIRECT, UKI, header_index, records, write};
use crate::tests::small_disk::{DEFAULT_PATH, file_system, partitioned};
use crate::tests::small_uki::SmallUki;
use crate::tests::tdvf_image::empty_variables;
use crate::tests::{COMMAND_LINE, Folder, INITRD};

/// What the guests of the logs read from their TPM: `measure/tests/fixtures/event_logs/README.md`.
const UKI_PCRS: &str = include_str!("../../../../measure/tests/fixtures/event_logs/uki.pcrs.txt");
const DIRECT_PCRS: &str =
    include_str!("../../../../measure/tests/fixtures/event_logs/direct.pcrs.txt");

const WRITABLE: Medium = Medium { is_writable: Some(true), bus: None, firmware_by: None };
const READ_ONLY: Medium = Medium { is_writable: Some(false), ..WRITABLE };
const OPEN: Medium = Medium { is_writable: None, ..WRITABLE };

fn machine(firmware: FirmwareBuild, medium: Medium) -> TpmMachine {
    TpmMachine { firmware: Some(firmware), medium, ..TpmMachine::default() }
}

fn debian13() -> TpmMachine {
    machine(FirmwareBuild::Ovmf202502, WRITABLE)
}

/// The one prediction of a machine that leaves nothing open.
fn only(boot: &TpmBoot, machine: &TpmMachine) -> tpm::Prediction {
    let [assumed] = boot.predictions(machine).unwrap().try_into().unwrap();
    assumed.prediction
}

fn pcr(number: u8) -> PcrIndex {
    PcrIndex::new(number).unwrap()
}

fn sha256(prediction: &tpm::Prediction, number: u8) -> Option<Sha256> {
    prediction.pcrs_sha256().get(&pcr(number)).map(|PcrSha256(value)| *value)
}

/// A register after these were extended into it.
fn fold(digests: &[Sha256]) -> Option<Sha256> {
    Some(digests.iter().fold(Sha256::ZERO, |register, digest| register.extend(*digest)))
}

fn read_in_the_guest(text: &str, number: u8) -> Option<Sha256> {
    let start = format!("PCR256 {number} ");
    text.lines().find_map(|line| line.strip_prefix(&start))?.parse().ok()
}

/// TCG PC Client Platform Firmware Profile 1.06, section 10.4.4, and four zero bytes of a separator.
fn action(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}

fn separator() -> Sha256 {
    Sha256::of(&[0; 4])
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

const CALLING: &str = "Calling EFI Application from Boot Option";
const EXIT: &str = "Exit Boot Services Invocation";
const FAILED: &str = "Exit Boot Services Returned with Failure";
const SUCCEEDED: &str = "Exit Boot Services Returned with Success";

/// A unified kernel image with this stub as the default of a disk with a partition table.
fn on_disk(version: u32) -> (Folder, TpmBoot) {
    let folder = Folder::new();
    let image = SmallUki::new(version).image();
    let uki = folder.put("a.efi", &image);
    let disk = folder.put("a.raw", &partitioned(&[(DEFAULT_PATH, &image)]));
    let boot = TpmBoot::disk(uki, 0, Some(&disk)).unwrap();
    (folder, boot)
}

fn direct(folder: &Folder, command_line: &str) -> TpmBoot {
    let kernel = folder.put("kernel", &efi_kernel());
    let initrd = folder.put("initrd", INITRD);
    let line = folder.put("cmdline", command_line.as_bytes());
    TpmBoot::direct(kernel, &initrd, &line).unwrap()
}

#[test]
fn registers_that_no_image_decides_are_those_of_real_boots() {
    let folder = Folder::new();
    let uki = folder.put("a.efi", &SmallUki::new(257).image());
    let uki = TpmBoot::disk(uki, 0, None).unwrap();
    let direct = direct(&folder, COMMAND_LINE);
    let of_kernel = TpmMachine { kernel_header: Some(KernelHeader::InFile), ..debian13() };
    for (prediction, pcrs, numbers) in [
        (only(&uki, &debian13()), UKI_PCRS, &[2, 3, 5, 6, 7, 8, 12, 13, 14][..]),
        (only(&direct, &of_kernel), DIRECT_PCRS, &[2, 3, 5, 6, 7, 8, 11, 12, 13, 14]),
    ] {
        for &number in numbers {
            let expected = read_in_the_guest(pcrs, number);
            assert_eq!(sha256(&prediction, number), expected, "PCR {number}");
        }
        assert_eq!((sha256(&prediction, 0), sha256(&prediction, 1)), (None, None));
    }
}

#[test]
fn registers_of_an_image_are_folds_of_its_parts() {
    let (folder, boot) = on_disk(257);
    let image = tpm::Uki::read(&files::read(&folder.path("a.efi")).unwrap()).unwrap();
    let table = gpt::data(&files::read(&folder.path("a.raw")).unwrap()).unwrap().unwrap();
    let older = only(&boot, &debian13());
    let four = [action(CALLING), separator(), image.image.sha256, image.kernel.sha256];
    assert_eq!(sha256(&older, 4), fold(&four));
    let five = [separator(), Sha256::of(&table), action(EXIT), action(SUCCEEDED)];
    assert_eq!(sha256(&older, 5), fold(&five));
    let nine = [Sha256::of(&utf16(COMMAND_LINE)), image.initrd.sha256];
    assert_eq!(sha256(&older, 9), fold(&nine));
    assert_eq!(sha256(&older, 12), Some(Sha256::ZERO));
    // OVMF 2026.08 has to leave boot services twice with a writable disk on virtio-blk.
    let blk = Medium { bus: Some(DiskBus::VirtioBlk), ..WRITABLE };
    let newer = only(&boot, &machine(FirmwareBuild::Ovmf202608, blk));
    let [table, calls] = [&five[..2], &five[2..]];
    let twice = [table, &[action(EXIT), action(FAILED)], calls].concat();
    assert_eq!(sha256(&newer, 5), fold(&twice));
    assert_eq!(sha256(&newer, 4), fold(&four));
    let read_only = Medium { is_writable: Some(false), ..blk };
    let read_only = only(&boot, &machine(FirmwareBuild::Ovmf202608, read_only));
    assert_eq!(sha256(&read_only, 5), fold(&five));
    // Where it is not said on which bus the disk is, the register is open, and no other.
    let open = only(&boot, &machine(FirmwareBuild::Ovmf202608, WRITABLE));
    assert_eq!(open.open.keys().copied().collect::<Vec<_>>(), [pcr(5)]);
    assert_eq!((sha256(&open, 5), sha256(&open, 4)), (None, fold(&four)));
}

/// QEMU patches the kernel of a direct boot for memory, initrd and command line; newer ones hand over the
/// file.
#[test]
fn a_kernel_is_measured_as_the_firmware_gets_it() {
    let folder = Folder::new();
    let command_line = "quiet vga=ext";
    let boot = direct(&folder, command_line);
    let predicted = |kernel_header: KernelHeader| {
        let machine = TpmMachine { kernel_header: Some(kernel_header), ..debian13() };
        let prediction = only(&boot, &machine);
        let is_kernel = |event: &&Event| event.source == Source::Kernel;
        prediction.events.0.iter().find(is_kernel).unwrap().digests
    };
    let kernel = efi_kernel();
    let patched = |memory| {
        let initrd = Some(INITRD.len() as u64);
        let header = linux::Boot { memory, initrd, command_line: command_line.as_bytes() };
        linux::digests(&kernel, &SetupHeader::Patched(header)).unwrap()
    };
    let in_file = linux::digests(&kernel, &SetupHeader::AsInFile).unwrap();
    // Asked twice, since digests are kept: each under its own header.
    for _ in 0..2 {
        assert_eq!(predicted(KernelHeader::InFile), in_file);
        for memory in PATCHED_FOR {
            let found = predicted(KernelHeader::Patched { memory });
            assert_eq!(found, patched(memory), "{memory:#x}");
            assert_ne!(found, in_file, "{memory:#x}");
        }
    }
    assert_ne!(patched(PATCHED_FOR[0]), patched(PATCHED_FOR[1]));
    assert_ne!(patched(PATCHED_FOR[1]), patched(PATCHED_FOR[2]));
    assert_eq!(patched(2 << 30), patched(0xb000_0000), "2 GiB below 4 GiB from 2.75 GiB on");
}

/// `initrd=initrd` is behind the command line up to edk2 2025.05, and before it later.
#[test]
fn firmware_decides_what_the_kernel_is_given() {
    let folder = Folder::new();
    let boot = direct(&folder, COMMAND_LINE);
    for (build, options) in [
        (FirmwareBuild::Ovmf202211, format!("{COMMAND_LINE} initrd=initrd")),
        (FirmwareBuild::Ovmf202502, format!("{COMMAND_LINE} initrd=initrd")),
        (FirmwareBuild::Ovmf202608, format!("initrd=initrd {COMMAND_LINE}")),
    ] {
        let kernel_header = Some(KernelHeader::InFile);
        let prediction = only(&boot, &TpmMachine { kernel_header, ..machine(build, READ_ONLY) });
        let nine = [Sha256::of(&utf16(&options)), Sha256::of(INITRD)];
        assert_eq!(sha256(&prediction, 9), fold(&nine), "{build}");
    }
}

/// The parts of an assumption that configurations differ in.
fn shown(assumptions: &Assumptions) -> String {
    let word =
        |known: Option<&dyn std::fmt::Display>| known.map_or("-".to_owned(), ToString::to_string);
    let Assumptions { firmware, read_only_disk, disk_bus, firmware_by, kernel, .. } = assumptions;
    let read_only = read_only_disk.as_ref().map(|known| known as &dyn std::fmt::Display);
    let bus = disk_bus.as_ref().map(|known| known as &dyn std::fmt::Display);
    let by = firmware_by.as_ref().map(|known| known as &dyn std::fmt::Display);
    let kernel = match kernel {
        None => "-".to_owned(),
        Some(KernelHeader::InFile) => "file".to_owned(),
        Some(KernelHeader::Patched { memory }) => format!("{}M", memory >> 20),
    };
    format!("{firmware} {} {} {} {kernel}", word(read_only), word(bus), word(by))
}

fn configurations(boot: &TpmBoot, machine: &TpmMachine) -> Vec<String> {
    let all = boot.configurations(machine);
    let same = |(assumptions, medium): &(Assumptions, Medium)| {
        assumptions.disk_bus == medium.bus && assumptions.firmware_by == medium.firmware_by
    };
    assert!(all.iter().all(same));
    all.iter().map(|(assumptions, _)| shown(assumptions)).collect()
}

#[test]
fn what_is_not_said_of_a_machine_becomes_several_configurations() {
    let (folder, disk) = on_disk(257);
    assert_eq!(
        configurations(&disk, &TpmMachine::default()),
        [
            "ovmf-2025.02 false - - -",
            "ovmf-2025.02 true - - -",
            "ovmf-2026.08 false virtio-blk bios -",
            "ovmf-2026.08 false virtio-scsi - -",
            "ovmf-2026.08 true - - -",
        ]
    );
    assert_eq!(configurations(&disk, &debian13()), ["ovmf-2025.02 false - - -"]);
    let direct = direct(&folder, COMMAND_LINE);
    let kernels = ["file", "512M", "1024M", "2048M", "4096M"];
    let older = kernels.map(|kernel| format!("ovmf-2025.02 - - - {kernel}"));
    let of_newer = |kernel| {
        ["virtio-blk bios", "virtio-scsi -", "- -"]
            .map(|medium| format!("ovmf-2026.08 - {medium} {kernel}"))
    };
    let newer = kernels.into_iter().flat_map(of_newer);
    let expected: Vec<_> = older.into_iter().chain(newer).collect();
    assert_eq!(configurations(&direct, &TpmMachine::default()), expected);
    // Whether the disk is writable is of no importance to a kernel that the VMM hands over.
    let said = TpmMachine { kernel_header: Some(KernelHeader::InFile), ..debian13() };
    assert_eq!(configurations(&direct, &said), ["ovmf-2025.02 - - - file"]);
    let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
    let off = TpmMachine { secure_boot: off, ..debian13() };
    let assumed = disk.predictions(&off).unwrap();
    assert_eq!(assumed[0].assumptions.secure_boot, Some(false));
}

#[test]
fn media_are_one_of_each_group_that_measures_alike() {
    let (nvme, blk) = (Some(DiskBus::Nvme), Some(DiskBus::VirtioBlk));
    let (bios, pflash) = (Some(FirmwareBy::Bios), Some(FirmwareBy::Pflash));
    let medium = |is_writable, bus, firmware_by| Medium { is_writable, bus, firmware_by };
    let (yes, no) = (Some(true), Some(false));
    let scsi = Some(DiskBus::VirtioScsi);
    for (said, loaded, may_fail, expected) in [
        // What is said of the disk is taken as it is.
        (READ_ONLY, Loaded::FromDisk, true, vec![READ_ONLY]),
        (WRITABLE, Loaded::FromVmm, true, vec![WRITABLE]),
        (OPEN, Loaded::FromDisk, false, vec![WRITABLE, READ_ONLY]),
        (OPEN, Loaded::FromVmm, false, vec![OPEN]),
        (
            OPEN,
            Loaded::FromDisk,
            true,
            vec![medium(yes, blk, bios), medium(yes, scsi, None), READ_ONLY],
        ),
        (
            medium(None, nvme, None),
            Loaded::FromVmm,
            true,
            vec![medium(yes, nvme, bios), medium(yes, nvme, None), medium(no, nvme, None)],
        ),
        (
            medium(None, None, pflash),
            Loaded::FromDisk,
            true,
            vec![medium(yes, blk, pflash), medium(yes, scsi, pflash), medium(no, None, pflash)],
        ),
        (
            medium(None, blk, bios),
            Loaded::FromDisk,
            true,
            vec![medium(yes, blk, bios), medium(no, blk, bios)],
        ),
    ] {
        assert_eq!(media(said, loaded, may_fail), expected, "{said:?}, {loaded:?}, {may_fail}");
    }
}

/// systemd-stub 262 adds a secret to the initrd where it can keep a random seed.
#[test]
fn configurations_without_a_prediction_are_left_out_if_there_are_others() {
    let (folder, boot) = on_disk(262);
    let (predictions, refusal) = boot.predictions_but(&TpmMachine::default()).unwrap();
    let found: Vec<_> = predictions.iter().map(|assumed| shown(&assumed.assumptions)).collect();
    assert_eq!(found, ["ovmf-2025.02 true - - -", "ovmf-2026.08 true - - -"]);
    let secret = |error: &PredictionError| match error {
        PredictionError::Image { path, source } => {
            assert_eq!(path, &folder.path("a.efi"));
            matches!(**source, tpm::Error::BootSecret { version: StubVersion(262) })
        }
        _ => false,
    };
    assert!(refusal.is_some_and(|error| secret(&error)));
    assert!(secret(&boot.predictions(&debian13()).unwrap_err()));
    // A folder for the seed is not needed where nothing can be written, or where a file takes its place.
    let image = SmallUki::new(262).image();
    let taken = partitioned(&[(DEFAULT_PATH, &image), ("loader", b"")]);
    for disk in [taken, file_system(&[(DEFAULT_PATH, &image)])] {
        let disk = folder.put("other.raw", &disk);
        let boot = TpmBoot::disk(folder.path("a.efi"), 0, Some(&disk)).unwrap();
        let (predictions, refusal) = boot.predictions_but(&debian13()).unwrap();
        assert_eq!((predictions.len(), refusal.is_none()), (1, true));
    }
}

#[test]
fn secure_boot_refuses_what_nobody_signed() {
    let (folder, disk) = on_disk(257);
    let on = SecureBoot { enabled: Some(true), ..SecureBoot::default() };
    let kernel_header = Some(KernelHeader::InFile);
    let machine = TpmMachine { secure_boot: on, kernel_header, ..debian13() };
    let direct = direct(&folder, COMMAND_LINE);
    for (boot, file, expected) in [(disk, "a.efi", "image"), (direct, "kernel", "kernel")] {
        match boot.predictions(&machine).unwrap_err() {
            PredictionError::Image { path, source } => {
                assert_eq!(path, folder.path(file));
                let tpm::Error::NotAuthorized { what } = *source else { panic!("{source}") };
                assert_eq!(what, expected);
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn an_image_says_how_it_is_started() {
    let (folder, disk) = on_disk(262);
    let kernel = Some(KernelVersion { major: 6, minor: 12 });
    let direct = direct(&folder, COMMAND_LINE);
    let mut silent = efi_kernel();
    silent[0x20e..0x210].fill(0);
    let silent = folder.put("silent", &silent);
    let silent = TpmBoot::direct(silent, &folder.path("initrd"), &folder.path("cmdline")).unwrap();
    for (boot, kind, loaded, stub, kernel) in [
        (disk, "uki-disk", Loaded::FromDisk, Some(StubVersion(262)), kernel),
        (direct, "direct", Loaded::FromVmm, None, kernel),
        (silent, "direct", Loaded::FromVmm, None, None),
    ] {
        assert_eq!((boot.kind(), boot.loaded()), (kind, loaded));
        let start = boot.start();
        assert_eq!((start.stub, start.kernel), (stub, kernel));
    }
}

#[test]
fn an_output_folder_boots_as_its_manifest_says() {
    let folder = Folder::image();
    let disk = TpmBoot::of_image(folder.root(), false).unwrap();
    assert_eq!(disk.kind(), "uki-disk");
    let TpmBoot::Disk(disk) = disk else { panic!("a boot from the disk") };
    assert!(disk.is_default && disk.partition_table.is_some());
    let direct = TpmBoot::of_image(folder.root(), true).unwrap();
    let kernel_header = Some(KernelHeader::InFile);
    let prediction = only(&direct, &TpmMachine { kernel_header, ..debian13() });
    let options = utf16(&format!("{COMMAND_LINE} initrd=initrd"));
    let nine = [Sha256::of(&options), Sha256::of(INITRD)];
    assert_eq!(sha256(&prediction, 9), fold(&nine));
}

#[test]
fn a_folder_that_lacks_a_file_of_the_boot_is_refused() {
    let uki = SmallUki::new(257).image();
    let all: [(&str, &str, &[u8]); 5] = [
        ("a.efi", "uki", &uki),
        ("a.raw", "disk", b""),
        ("kernel", "kernel", b""),
        ("initrd", "initrd", b""),
        ("line", "command-line", b""),
    ];
    for (missing, is_direct) in [
        (Role::Uki, false),
        (Role::Disk, false),
        (Role::Kernel, true),
        (Role::Initrd, true),
        (Role::CommandLine, true),
    ] {
        let files: Vec<_> =
            all.into_iter().filter(|(_, role, _)| *role != missing.name()).collect();
        let folder = Folder::output(&files);
        match TpmBoot::of_image(folder.root(), is_direct).unwrap_err() {
            PredictionError::NoFile(error) => {
                assert_eq!(error, MissingFile { folder: folder.root().into(), role: missing });
            }
            error => panic!("{missing}: {error}"),
        }
    }
    let empty = Folder::new();
    for is_direct in [false, true] {
        let error = TpmBoot::of_image(empty.root(), is_direct).unwrap_err();
        assert!(
            matches!(error, PredictionError::Manifest(ManifestError::NoImage { .. })),
            "{error}"
        );
    }
}

#[test]
fn files_of_a_direct_boot_must_be_there_and_the_kernel_a_pe_image() {
    let folder = Folder::new();
    direct(&folder, COMMAND_LINE);
    let none = folder.path("none");
    for names in
        [["none", "initrd", "cmdline"], ["kernel", "none", "cmdline"], ["kernel", "initrd", "none"]]
    {
        let [kernel, initrd, line] = names.map(|name| folder.path(name));
        match TpmBoot::direct(kernel, &initrd, &line).unwrap_err() {
            PredictionError::File(error) => assert_eq!(error.path, none),
            error => panic!("{error}"),
        }
    }
    let broken = folder.put("broken", b"MZ is not enough");
    let error = TpmBoot::direct(broken.clone(), &folder.path("initrd"), &folder.path("cmdline"));
    match error.unwrap_err() {
        PredictionError::Kernel { path, source } => {
            assert_eq!(path, broken);
            assert!(matches!(*source, linux::Error::Image(_)), "{source}");
        }
        error => panic!("{error}"),
    }
    // A PE image that is not a bzImage can be hashed as it is, but not patched.
    let mut plain = efi_kernel();
    plain[0x202..0x206].copy_from_slice(b"hdrS");
    let plain = folder.put("plain", &plain);
    let boot =
        TpmBoot::direct(plain.clone(), &folder.path("initrd"), &folder.path("cmdline")).unwrap();
    match boot.predictions(&TpmMachine::default()).unwrap_err() {
        PredictionError::Kernel { path, source } => {
            assert_eq!(path, plain);
            assert!(matches!(*source, linux::Error::NoHeader { .. }), "{source}");
        }
        error => panic!("{error}"),
    }
}

/// UEFI 2.11, section 32.3: without a platform key Secure Boot is off, in firmware that has it.
#[test]
fn the_secure_boot_state_is_that_of_the_variables() {
    let folder = Folder::new();
    let path = folder.put("vars.fd", &empty_variables());
    let expected = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
    assert_eq!(secure_boot(&path).unwrap(), expected);
    let path = folder.put("code.fd", &[0xff; 4096]);
    match secure_boot(&path).unwrap_err() {
        PredictionError::Variables { path: named, source } => {
            assert_eq!(named, path);
            assert!(matches!(source, variable_store::Error::NoStore { at: 16, .. }), "{source}");
        }
        error => panic!("{error}"),
    }
    let error = secure_boot(&folder.path("none")).unwrap_err();
    assert!(matches!(&error, PredictionError::File(error) if error.is_not_found()), "{error}");
}

/// PCR 0 and 1 of a real boot are what its guest read, whatever boots next.
#[test]
fn a_log_pins_the_registers_of_firmware_and_machine() {
    let folder = Folder::new();
    let [uki_log, direct_log] =
        [("uki", UKI), ("direct", DIRECT)].map(|(name, log)| folder.put(name, log));
    let uki = folder.put("a.efi", &SmallUki::new(257).image());
    let uki = TpmBoot::disk(uki, 0, None).unwrap();
    let direct = direct(&folder, COMMAND_LINE);
    for (boot, log, pcrs) in [(uki, uki_log, UKI_PCRS), (direct, direct_log, DIRECT_PCRS)] {
        let pinned = pinned(&log).unwrap();
        assert_eq!(pinned.banks(), [Bank::Sha256, Bank::Sha384]);
        let kernel_header = Some(KernelHeader::InFile);
        let machine = TpmMachine { pinned: Some(pinned), kernel_header, ..debian13() };
        let prediction = only(&boot, &machine);
        for number in [0, 1] {
            let expected = read_in_the_guest(pcrs, number);
            assert!(expected.is_some());
            assert_eq!(sha256(&prediction, number), expected, "PCR {number}");
        }
    }
}

/// A TPM as `swtpm_setup` makes it has one bank: that one is pinned.
#[test]
fn a_log_pins_the_banks_that_it_has() {
    let folder = Folder::new();
    let log = Log::parse(UKI, RegisterSet::Tpm).unwrap();
    let mut of_one_bank = records(&log);
    for record in &mut of_one_bank {
        record.digests.retain(|(id, _)| *id == AlgorithmId::SHA256);
    }
    let file = folder.put("log", &write(&log.header, header_index(UKI), &of_one_bank));
    let pinned = pinned(&file).unwrap();
    assert_eq!(pinned.banks(), [Bank::Sha256]);
    let uki = folder.put("a.efi", &SmallUki::new(257).image());
    let machine = TpmMachine { pinned: Some(pinned), ..debian13() };
    let prediction = only(&TpmBoot::disk(uki, 0, None).unwrap(), &machine);
    assert_eq!(sha256(&prediction, 0), read_in_the_guest(UKI_PCRS, 0));
    assert_eq!(prediction.pcrs_sha384().get(&pcr(0)), None);
}

#[test]
fn a_log_that_cannot_pin_is_refused_with_its_path() {
    let folder = Folder::new();
    let log = Log::parse(UKI, RegisterSet::Tpm).unwrap();
    let mut of_others = records(&log);
    of_others.retain(|record| record.index != 1);
    let mut without_banks = records(&log);
    for record in &mut without_banks {
        record.digests.retain(|(id, _)| ![AlgorithmId::SHA256, AlgorithmId::SHA384].contains(id));
    }
    let index = header_index(UKI);
    for (name, bytes, no_events) in [
        ("cut", UKI[..UKI.len() / 2].to_vec(), false),
        ("text", b"no log at all".to_vec(), false),
        ("banks", write(&log.header, index, &without_banks), false),
        ("others", write(&log.header, index, &of_others), true),
    ] {
        let file = folder.put(name, &bytes);
        match pinned(&file).unwrap_err() {
            PredictionError::Pinned { path, source } => {
                assert_eq!(path, file);
                let found = source == PinnedError::NoEvents(pcr(1));
                assert_eq!(found, no_events, "{name}: {source}");
            }
            error => panic!("{name}: {error}"),
        }
    }
    let error = pinned(&folder.path("none")).unwrap_err();
    assert!(matches!(error, PredictionError::File(_)) && error.hint().is_none(), "{error}");
}

/// EC2 User Guide, "NitroTPM Attestation Document contents": PCR 4, 7 and 12 identify an image.
#[test]
fn a_platform_leaves_some_registers_to_the_image() {
    let event = |number| Event {
        pcr: pcr(number),
        event_type: EventType::EV_IPL,
        meaning: "a test".into(),
        source: Source::Code,
        digests: Digests::of(&[number]),
    };
    let prediction = tpm::Prediction {
        events: [0, 1, 2, 4, 5, 7, 9, 10, 23].into_iter().map(event).collect::<Events>(),
        open: [(pcr(11), tpm::Unknown::KernelVersion)].into(),
        startup_locality: 3,
        unpinned: vec![Bank::Sha384],
        untouched: [8, 12, 13].map(pcr).to_vec(),
    };
    for (platform, events, untouched) in [
        (Platform::QemuOvmf, &[0, 1, 2, 4, 5, 7, 9][..], &[8, 12, 13][..]),
        (Platform::Azure, &[0, 1, 4, 7, 9], &[8, 12, 13]),
        (Platform::Gce, &[0, 1, 4, 5, 7, 9], &[8, 12, 13]),
        (Platform::NitroTpm, &[0, 1, 4, 7], &[12]),
    ] {
        let found = on_platform(&prediction, platform);
        let of: Vec<u8> = found.events.0.iter().map(|event| event.pcr.number()).collect();
        assert_eq!(of, events, "{platform}");
        assert_eq!(
            found.untouched,
            untouched.iter().map(|pcr| self::pcr(*pcr)).collect::<Vec<_>>()
        );
        let expected = tpm::Prediction {
            events: found.events,
            untouched: found.untouched,
            ..prediction.clone()
        };
        assert_eq!(on_platform(&prediction, platform), expected, "{platform}");
    }
}
