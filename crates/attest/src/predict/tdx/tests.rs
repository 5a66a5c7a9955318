//! Registers of a real quote, and registers that are folded by hand of what the standards say is measured.

use std::io;

use cvmkit_measure::event::Rtmr;
use cvmkit_measure::firmware::TdvfError;
use cvmkit_measure::tdx::quote::Quote;
use cvmkit_measure::tdx::rtmr::Error as BootError;
use cvmkit_measure::tpm;
use cvmkit_measure::uefi::gpt;
use cvmkit_measure::uefi::variables::X509;

use super::*;
use crate::output::{ManifestError, MissingFile};
use crate::tests::bzimage::efi_kernel;
use crate::tests::small_disk::{DEFAULT_PATH, partitioned};
use crate::tests::small_uki::SmallUki;
use crate::tests::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};
use crate::tests::{COMMAND_LINE, Folder, INITRD};

/// A TD of 2 GiB with firmware older than May 2025: `measure/tests/fixtures/README.md`.
const QUOTE: &str = include_str!("../../../../measure/tests/fixtures/tdx/quote.json");

const GIB: u64 = 1 << 30;

fn rtmr(number: u8) -> RtmrIndex {
    RtmrIndex::new(number).unwrap()
}

/// Firmware of edk2 before May 2025, without any variable.
fn firmware() -> TdFirmware {
    let bytes = whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY);
    TdFirmware::new(Path::new("OVMF.fd"), bytes).unwrap()
}

fn machine(qemu: QemuVersion, layout: &str) -> TdMachine {
    TdMachine {
        layout: Some(layout.parse().unwrap()),
        secure_boot: Some(SecureBootBuild::Absent),
        ..TdMachine::of_qemu(qemu, 2 * GIB)
    }
}

/// QEMU 10.2 hands over the file, and edk2 2024.11 has the last separator in RTMR 1.
fn newest() -> TdMachine {
    machine(QemuVersion::new(10, 2), "edk2-stable202411")
}

fn direct(command_line: &str) -> TdBoot {
    let folder = Folder::new();
    let path = folder.put("kernel", &efi_kernel());
    let kernel = FileSource::open(&path).unwrap();
    let initrd = Some((Digests::of(INITRD), INITRD.len() as u64));
    TdBoot::direct("vmlinuz".into(), kernel, initrd, command_line.into())
}

/// An image at this path of a disk, and the folder of both.
fn on_disk(version: u32, path: &str) -> (Folder, TdBoot) {
    let folder = Folder::new();
    let image = SmallUki::new(version).image();
    let uki = folder.put("a.efi", &image);
    let disk = folder.put("a.raw", &partitioned(&[(path, &image)]));
    let boot = TdBoot::disk(uki, Some(&disk)).unwrap();
    (folder, boot)
}

/// A register after these were extended into it.
fn fold(digests: &[Sha384]) -> Option<Rtmr> {
    Some(Rtmr(digests.iter().fold(Sha384::ZERO, |register, digest| register.extend(*digest))))
}

fn value(prediction: &Prediction, number: u8) -> Option<Rtmr> {
    prediction.rtmrs().get(&rtmr(number)).copied()
}

fn reason(prediction: &Prediction, number: u8) -> Option<Unknown> {
    prediction.open.get(&rtmr(number)).map(|open| open.reason)
}

/// TCG PC Client Platform Firmware Profile 1.06, section 10.4.4, and the four zero bytes of a separator.
fn started() -> [Sha384; 2] {
    [Sha384::of(b"Calling EFI Application from Boot Option"), Sha384::of(&[0; 4])]
}

fn left() -> [Sha384; 2] {
    [
        Sha384::of(b"Exit Boot Services Invocation"),
        Sha384::of(b"Exit Boot Services Returned with Success"),
    ]
}

fn options(text: &str) -> Sha384 {
    let bytes: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    Sha384::of(&bytes)
}

/// The tables of the TD, of which the log has the digests.
fn tables_of_the_quote() -> AcpiTables {
    let recorded: serde_json::Value = serde_json::from_str(QUOTE).unwrap();
    let log: serde_json::Value =
        serde_json::from_str(recorded["event_log"].as_str().unwrap()).unwrap();
    let is_table = |event: &&serde_json::Value| event["event_type"] == 0xa && event["imr"] == 0;
    let digest = |event: &serde_json::Value| Digests {
        sha256: Sha256::ZERO,
        sha384: event["digest"].as_str().unwrap().parse().unwrap(),
    };
    let tables = log.as_array().unwrap().iter().filter(is_table).map(digest);
    let [loader, rsdp, tables] = tables.collect::<Vec<_>>().try_into().unwrap();
    AcpiTables { loader, rsdp, tables }
}

#[test]
fn rtmr_0_is_that_of_a_real_quote() {
    let recorded: serde_json::Value = serde_json::from_str(QUOTE).unwrap();
    let bytes = hex::decode(recorded["quote"].as_str().unwrap()).unwrap();
    let expected = Quote::parse(&bytes).unwrap().rtmrs[0];
    let machine = TdMachine {
        acpi: Some(tables_of_the_quote()),
        ..machine(QemuVersion::new(9, 1), "edk2-stable202411")
    };
    let (firmware, boot) = (firmware(), direct(COMMAND_LINE));
    let predicted = boot.predict(&firmware, &machine).unwrap();
    assert_eq!(value(&predicted.registers, 0), Some(expected));
    assert_eq!(predicted.layout.name, "edk2-stable202411");
    assert_eq!(predicted.registers, boot.registers(&firmware, &machine).unwrap());
    // A mebibyte more is another machine; other tables, and a TPM, whose log is among them, too.
    let more = TdMachine { memory: machine.memory + (1 << 20), ..machine.clone() };
    let acpi = Some(AcpiTables { rsdp: Digests::of(b"x"), ..tables_of_the_quote() });
    let tables = TdMachine { acpi, ..machine.clone() };
    let with_tpm = TdMachine { tpm: true, ..machine.clone() };
    for other in [more, tables, with_tpm] {
        assert_ne!(value(&boot.registers(&firmware, &other).unwrap(), 0), Some(expected));
    }
    let unknown = TdMachine { acpi: None, ..machine };
    let predicted = boot.registers(&firmware, &unknown).unwrap();
    assert_eq!((value(&predicted, 0), reason(&predicted, 0)), (None, Some(Unknown::AcpiTables)));
}

/// The MRTD depends on the order in which the VMM builds the TD: QEMU 8 in two passes.
#[test]
fn the_mrtd_follows_the_machine_s_rule() {
    let (firmware, boot) = (firmware(), direct(COMMAND_LINE));
    let of = |qemu| {
        let machine = machine(qemu, "edk2-stable202411");
        let predicted = boot.predict(&firmware, &machine).unwrap();
        assert_eq!(predicted.mrtd, firmware.mrtd(&Rule::of_qemu(qemu.major)).unwrap());
        predicted.mrtd
    };
    assert_ne!(of(QemuVersion::new(8, 2)), of(QemuVersion::new(9, 0)));
    assert_eq!(of(QemuVersion::new(10, 1)), of(QemuVersion::new(9, 0)));
}

#[test]
fn registers_of_a_direct_boot_are_folds_of_its_parts() {
    let (firmware, boot) = (firmware(), direct(COMMAND_LINE));
    let kernel = linux::digests(&efi_kernel(), &SetupHeader::AsInFile).unwrap().sha384;
    let [calling, separator] = started();
    let predicted = boot.registers(&firmware, &newest()).unwrap();
    let one = [&[kernel, calling, separator][..], &left()].concat();
    assert_eq!(value(&predicted, 1), fold(&one));
    let two = [options(&format!("{COMMAND_LINE} initrd=initrd")), Sha384::of(INITRD)];
    assert_eq!(value(&predicted, 2), fold(&two));
    assert_eq!(value(&predicted, 3), fold(&[]));
    // Linux measures into a TPM rather than into the TD (`efi_measure_tagged_event`).
    let with_tpm = boot.registers(&firmware, &TdMachine { tpm: true, ..newest() }).unwrap();
    assert_eq!((value(&with_tpm, 1), value(&with_tpm, 2)), (fold(&one), fold(&[])));
    // Firmware of edk2 before November 2024 has the last separator in RTMR 0.
    let older = boot.registers(&firmware, &machine(newest().qemu, "edk2-stable202205")).unwrap();
    assert_eq!(value(&older, 1), fold(&[&[kernel, calling][..], &left()].concat()));
    // Without an initrd nothing names one.
    let folder = Folder::new();
    let path = folder.put("kernel", &efi_kernel());
    let kernel = FileSource::open(&path).unwrap();
    let bare = TdBoot::direct(path, kernel, None, COMMAND_LINE.into());
    let bare = bare.registers(&firmware, &newest()).unwrap();
    assert_eq!(value(&bare, 2), fold(&[options(COMMAND_LINE)]));
}

/// QEMU patches the kernel for memory, initrd and command line; edk2 2025.02 and QEMU 10.0 leave the file.
#[test]
fn the_kernel_is_measured_as_the_firmware_gets_it() {
    let command_line = "quiet vga=ext";
    let (firmware, boot) = (firmware(), direct(command_line));
    let kernel = efi_kernel();
    let patched = |memory| {
        let initrd = Some(INITRD.len() as u64);
        let boot = linux::Boot { memory, initrd, command_line: command_line.as_bytes() };
        linux::digests(&kernel, &SetupHeader::Patched(boot)).unwrap()
    };
    let in_file = linux::digests(&kernel, &SetupHeader::AsInFile).unwrap();
    for (qemu, layout, memory, expected) in [
        ((9, 1), "edk2-stable202411", 2 * GIB, patched(2 * GIB)),
        ((9, 1), "edk2-stable202411", GIB, patched(GIB)),
        ((10, 1), "edk2-stable202411", GIB, patched(GIB)),
        ((10, 1), "edk2-stable202502", GIB, in_file),
        ((9, 1), "edk2-stable202502", GIB, patched(GIB)),
        ((10, 2), "edk2-stable202205", GIB, in_file),
    ] {
        let qemu = QemuVersion::new(qemu.0, qemu.1);
        let machine = TdMachine { memory, ..machine(qemu, layout) };
        let predicted = boot.registers(&firmware, &machine).unwrap();
        let is_kernel = |event: &&Event| event.source == cvmkit_measure::event::Source::Kernel;
        let found = predicted.events.0.iter().find(is_kernel).unwrap().digests;
        assert_eq!(found, expected, "{qemu}, {layout}, {memory:#x}");
    }
    assert_ne!(patched(GIB), patched(2 * GIB));
}

#[test]
fn registers_of_an_image_are_folds_of_its_parts() {
    let (folder, boot) = on_disk(257, DEFAULT_PATH);
    let uki = tpm::Uki::read(&files::read(&folder.path("a.efi")).unwrap()).unwrap();
    let table = gpt::data(&files::read(&folder.path("a.raw")).unwrap()).unwrap().unwrap();
    let [calling, separator] = started();
    let predicted = boot.registers(&firmware(), &newest()).unwrap();
    let images = [calling, separator, Sha384::of(&table), uki.image.sha384, uki.kernel.sha384];
    assert_eq!(value(&predicted, 1), fold(&[&images[..], &left()].concat()));
    let mut two = Vec::new();
    for section in &uki.sections {
        let name = [section.name.as_bytes(), b"\0"].concat();
        two.extend([Sha384::of(&name), section.digests.sha384]);
    }
    let with_tpm = boot.registers(&firmware(), &TdMachine { tpm: true, ..newest() }).unwrap();
    assert_eq!(value(&with_tpm, 2), fold(&two));
    two.extend([options(COMMAND_LINE), uki.initrd.sha384]);
    assert_eq!(value(&predicted, 2), fold(&two));
    assert_eq!(value(&predicted, 3), fold(&[]));
    // Boot options name the devices.
    assert_eq!(reason(&predicted, 0), Some(Unknown::AcpiTables));
    let acpi = Some(tables_of_the_quote());
    let with_tables = boot.registers(&firmware(), &TdMachine { acpi, ..newest() }).unwrap();
    assert_eq!(reason(&with_tables, 0), Some(Unknown::BootOptions));
}

/// Of a cloud's firmware RTMR 0 is not known, and what the image decides is the same as under QEMU.
#[test]
fn firmware_that_is_not_at_hand_leaves_rtmr_0_open() {
    let (_folder, disk) = on_disk(257, DEFAULT_PATH);
    for boot in [direct(COMMAND_LINE), disk] {
        for tpm in [false, true] {
            let machine = TdMachine { tpm, ..newest() };
            let known = boot.registers(&firmware(), &machine).unwrap();
            let foreign = boot.predict_foreign(SecureBoot::default(), &machine).unwrap();
            assert_eq!(reason(&foreign, 0), Some(Unknown::Firmware), "{}", boot.kind());
            assert_eq!(foreign.open.len(), 1);
            for number in [1, 2, 3] {
                assert!(value(&foreign, number).is_some());
                assert_eq!(value(&foreign, number), value(&known, number), "RTMR {number}");
            }
        }
        let unknown = TdMachine { layout: None, ..newest() };
        let error = boot.predict_foreign(SecureBoot::default(), &unknown).unwrap_err();
        assert!(matches!(error, TdError::NoFirmware), "{error}");
    }
}

/// OVMF of edk2 2025.05 measures SMBIOS tables, which differ from the files that QEMU makes.
#[test]
fn smbios_tables_count_where_the_layout_measures_them() {
    let (firmware, boot) = (firmware(), direct(COMMAND_LINE));
    let acpi = Some(tables_of_the_quote());
    let machine = TdMachine { acpi, ..machine(QemuVersion::new(10, 2), "edk2-stable202505") };
    let open = boot.registers(&firmware, &machine).unwrap();
    let layout = "edk2-stable202505";
    assert_eq!(reason(&open, 0), Some(Unknown::SmbiosTables { layout }));
    let with = |smbios: &[u8]| {
        let machine = TdMachine { smbios: Some(Digests::of(smbios)), ..machine.clone() };
        value(&boot.registers(&firmware, &machine).unwrap(), 0).unwrap()
    };
    assert_ne!(with(b"one"), with(b"other"));
}

#[test]
fn conditions_follow_what_boots_and_how_it_was_found() {
    let (_one, default) = on_disk(257, DEFAULT_PATH);
    let (_other, named) = on_disk(257, "EFI/Linux/a.efi");
    let direct = direct(COMMAND_LINE);
    let codes = |boot: &TdBoot, number: u8, is_foreign| {
        let conditions = boot.conditions(rtmr(number), is_foreign);
        assert!(conditions.iter().all(|condition| condition.values.is_empty()));
        conditions.iter().map(|condition| condition.code.code()).collect::<Vec<_>>()
    };
    let until = &["until-software-extends"][..];
    for (boot, number, expected) in [
        (&direct, 0, &[][..]),
        (&direct, 1, &["no-option-rom"]),
        (&direct, 2, &[]),
        (&direct, 3, until),
        (&default, 0, &[]),
        (&default, 1, &["no-option-rom", "no-foreign-disk"]),
        (&default, 2, &["no-added-command-line"]),
        (&default, 3, until),
        (&named, 1, &["no-option-rom", "no-foreign-disk", "named-by-boot-option"]),
        (&named, 2, &["no-added-command-line", "named-by-boot-option"]),
        (&named, 3, until),
    ] {
        assert_eq!(codes(boot, number, false), expected, "{} RTMR {number}", boot.kind());
        // Of a cloud's firmware the Secure Boot state is no more than said, and RTMR 1 shows it.
        let secure_boot = (number == 1).then_some("secure-boot-off");
        let foreign: Vec<_> = secure_boot.into_iter().chain(expected.iter().copied()).collect();
        assert_eq!(codes(boot, number, true), foreign, "{} RTMR {number}", boot.kind());
    }
}

#[test]
fn an_output_folder_boots_as_its_manifest_says() {
    let folder = Folder::image();
    let (direct, disk) =
        (TdBoot::of_image(folder.root()).unwrap(), TdBoot::disk_of_image(folder.root()).unwrap());
    assert_eq!((direct.kind(), disk.kind()), ("direct", "uki-disk"));
    let predicted = direct.registers(&firmware(), &newest()).unwrap();
    let two = [options(&format!("{COMMAND_LINE} initrd=initrd")), Sha384::of(INITRD)];
    assert_eq!(value(&predicted, 2), fold(&two));
    let on_disk = disk.registers(&firmware(), &newest()).unwrap();
    let is_table = |event: &Event| event.source == cvmkit_measure::event::Source::PartitionTable;
    assert!(on_disk.events.0.iter().any(is_table));
    let bare = TdBoot::disk(folder.path("a.efi"), None).unwrap();
    assert!(!bare.registers(&firmware(), &newest()).unwrap().events.0.iter().any(is_table));
}

#[test]
fn a_folder_that_lacks_a_file_of_the_boot_is_refused() {
    let all: [(&str, &str, &[u8]); 3] =
        [("kernel", "kernel", b"k"), ("initrd", "initrd", b"i"), ("line", "command-line", b"l")];
    let missing = |folder: &Folder, error: TdError, role| match error {
        TdError::Image(PredictionError::NoFile(error)) => {
            assert_eq!(error, MissingFile { folder: folder.root().into(), role });
        }
        error => panic!("{error}"),
    };
    for role in [Role::Kernel, Role::Initrd, Role::CommandLine] {
        let files: Vec<_> = all.into_iter().filter(|(_, name, _)| *name != role.name()).collect();
        let folder = Folder::output(&files);
        missing(&folder, TdBoot::of_image(folder.root()).unwrap_err(), role);
    }
    let folder = Folder::output(&all);
    missing(&folder, TdBoot::disk_of_image(folder.root()).unwrap_err(), Role::Uki);
    let empty = Folder::new();
    for error in [
        TdBoot::of_image(empty.root()).unwrap_err(),
        TdBoot::disk_of_image(empty.root()).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                TdError::Image(PredictionError::Manifest(ManifestError::NoImage { .. }))
            ),
            "{error}"
        );
    }
    files::remove(&folder.path("initrd")).unwrap();
    let error = TdBoot::of_image(folder.root()).unwrap_err();
    let is_it = |error: &files::FileError| {
        error.path == folder.path("initrd") && error.source.kind() == io::ErrorKind::NotFound
    };
    assert!(matches!(&error, TdError::File(error) if is_it(error)), "{error}");
}

#[test]
fn a_boot_that_cannot_be_is_refused() {
    let (firmware, machine) = (firmware(), newest());
    let error = direct("quiet\0hidden").predict(&firmware, &machine).unwrap_err();
    assert!(matches!(error, TdError::Boot(BootError::CommandLineNul { at: 5 })), "{error:?}");
    let on = SecureBoot { enabled: Some(true), ..SecureBoot::default() };
    let error = direct(COMMAND_LINE).predict_foreign(on.clone(), &machine).unwrap_err();
    assert!(matches!(error, TdError::Boot(BootError::NoAuthority)), "{error:?}");
    let (folder, disk) = on_disk(257, DEFAULT_PATH);
    match disk.predict_foreign(on, &machine).unwrap_err() {
        TdError::Image(PredictionError::Image { path, source }) => {
            assert_eq!(path, folder.path("a.efi"));
            assert!(matches!(*source, tpm::Error::NotAuthorized { what: "image" }), "{source}");
        }
        error => panic!("{error}"),
    }
    let path = folder.put("kernel", b"MZ is not enough");
    let kernel = FileSource::open(&path).unwrap();
    let broken = TdBoot::direct(path.clone(), kernel, None, Vec::new());
    match broken.predict(&firmware, &machine).unwrap_err() {
        TdError::Kernel { path: named, source } => {
            assert_eq!(named, path);
            assert!(matches!(source, linux::Error::NoHeader { .. }), "{source}");
        }
        error => panic!("{error}"),
    }
    // The sections of this firmware end at 8.125 MiB.
    let small = TdMachine { memory: 8 << 20, ..machine };
    let error = direct(COMMAND_LINE).predict(&firmware, &small).unwrap_err();
    assert!(
        matches!(
            &error,
            TdError::Firmware {
                path,
                source: FirmwareCause::Tdx(cvmkit_measure::tdx::Error::OutsideMemory { .. }),
            } if path == Path::new("OVMF.fd")
        ),
        "{error:?}"
    );
}

#[test]
fn what_is_not_said_of_firmware_is_asked_for() {
    let (firmware, boot) = (firmware(), direct(COMMAND_LINE));
    let error = boot.predict(&firmware, &TdMachine { layout: None, ..newest() }).unwrap_err();
    assert!(
        matches!(error, TdError::NoLayout { digest, .. } if digest == firmware.digest()),
        "{error:?}"
    );
    let error = boot.predict(&firmware, &TdMachine { secure_boot: None, ..newest() }).unwrap_err();
    assert!(matches!(error, TdError::NoSecureBoot { .. }), "{error:?}");
    let error = TdFirmware::new(Path::new("x"), vec![0; 4096]).unwrap_err();
    assert!(
        matches!(
            error,
            TdError::Firmware {
                source: FirmwareCause::Tdx(cvmkit_measure::tdx::Error::Tdvf(TdvfError::Firmware(
                    _
                ))),
                ..
            }
        ),
        "{error:?}"
    );
}

/// UEFI 2.11, section 32.4.1: an `EFI_SIGNATURE_LIST` of one certificate.
fn database(certificate: &[u8]) -> Vec<u8> {
    let entry = [&[0xaa; 16], certificate].concat();
    let sizes = [28 + entry.len(), 0, entry.len()];
    let sizes = sizes.map(|size| u32::try_from(size).unwrap().to_le_bytes()).concat();
    [&X509.0[..], &sizes, &entry].concat()
}

/// With Secure Boot the entry of `db` that verified the kernel is in RTMR 0, which PCR 7 is part of.
#[test]
fn a_signed_kernel_is_authorized_by_the_database() {
    const CERTIFICATE: &[u8] = b"a certificate...";
    let mut kernel = efi_kernel();
    // `IMAGE_DIRECTORY_ENTRY_SECURITY`: offset and size of the certificate table.
    let (at, len) = (kernel.len(), CERTIFICATE.len());
    kernel[0xe8..0xec].copy_from_slice(&u32::try_from(at).unwrap().to_le_bytes());
    kernel[0xec..0xf0].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
    kernel.extend_from_slice(CERTIFICATE);
    let folder = Folder::new();
    let path = folder.put("kernel", &kernel);
    let boot = TdBoot::direct(path.clone(), FileSource::open(&path).unwrap(), None, Vec::new());
    let policy = |db: Vec<u8>, enabled| SecureBoot { enabled, db, ..SecureBoot::default() };
    let TdBoot::Direct(direct) = &boot else { panic!("a direct boot") };
    let (own, other) = (database(CERTIFICATE), database(b"another one....."));
    assert!(direct.authority(&policy(own.clone(), Some(true))).unwrap().is_some());
    assert!(direct.authority(&policy(other.clone(), Some(true))).unwrap().is_none());
    for enabled in [Some(false), None] {
        assert!(direct.authority(&policy(own.clone(), enabled)).unwrap().is_none());
    }
    boot.predict_foreign(policy(own, Some(true)), &newest()).unwrap();
    let error = boot.predict_foreign(policy(other, Some(true)), &newest()).unwrap_err();
    assert!(matches!(error, TdError::Boot(BootError::NoAuthority)), "{error:?}");
}

#[test]
fn a_machine_of_qemu_leaves_everything_else_open() {
    let machine = TdMachine::of_qemu(QemuVersion::new(8, 1), 3 * GIB);
    assert_eq!((machine.qemu, machine.memory), (QemuVersion::new(8, 1), 3 * GIB));
    assert_eq!(machine.rule, Rule::of_qemu(8));
    assert!(machine.acpi.is_none() && machine.smbios.is_none() && machine.layout.is_none());
    assert!(machine.secure_boot.is_none() && !machine.tpm);
    assert_eq!(machine.medium, Medium::default());
}
