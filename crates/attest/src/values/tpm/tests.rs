//! Reference values of machines with a TPM: which registers have a value, on what it rests, and by what
//! firmware, files and profile that is decided.

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::tpm::Uki;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};
use serde_json::{Value, json};

use super::*;
use crate::output::Manifest;
use crate::predict::PredictionError;
use crate::profile::{DiskAccess, ProfileError};
use crate::tests::event_logs::UKI as UKI_LOG;
use crate::tests::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};
use crate::tests::{Folder, debian_firmware};

const GIB: u64 = 1 << 30;

fn built_in(name: &str) -> Profile {
    Profile::built_in(name).unwrap()
}

fn direct(vmm_version: &str) -> Profile {
    Profile {
        boot: Boot::Direct,
        vmm_version: Some(vmm_version.to_owned()),
        memory: vec![Memory(2 * GIB)],
        ..built_in("qemu-vtpm")
    }
}

fn files(folder: &Folder) -> ImageFiles {
    ImageFiles::of_folder(&Manifest::read(folder.root()).unwrap(), folder.root())
}

/// The values of an image with firmware, variables and a log beside it.
fn of(profile: &Profile) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let folder = Folder::image();
    folder.put("VARS.fd", &empty_variables());
    folder.put("log", UKI_LOG);
    folder.put("unknown.fd", &whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY));
    folder.put("part.fd", b"a part of an image");
    values(profile, &files(&folder))
}

fn only(profile: &Profile) -> ReferenceValue {
    let [value] = of(profile).unwrap().try_into().unwrap();
    value
}

/// Codes by register.
fn codes(value: &impl serde::Serialize) -> Value {
    fn code(value: &Value) -> Value {
        match value {
            Value::Array(all) => all.iter().map(code).collect(),
            one => one["code"].clone(),
        }
    }
    let all = serde_json::to_value(value).unwrap();
    all.as_object().unwrap().iter().map(|(name, value)| (name.clone(), code(value))).collect()
}

/// As boots show: crates/cli/tests/boots/vtpm has a kernel that QEMU 10 hands to 2022.11, and to 2025.02.
#[test]
fn a_kernel_is_patched_where_vmm_or_firmware_is_old_and_open_where_that_is_not_known() {
    let patched = [(Some(Memory(2 * GIB)), Some(KernelHeader::Patched { memory: 2 * GIB }))];
    let in_file = [(None, Some(KernelHeader::InFile))];
    let open = [(None, None)];
    let rows = [
        (direct("10.0"), Some(FirmwareBuild::Ovmf202608), in_file),
        (direct("10.0"), Some(FirmwareBuild::Ovmf202502), in_file),
        (direct("11.0"), Some(FirmwareBuild::Ovmf202502), in_file),
        (direct("10.0"), Some(FirmwareBuild::Ovmf202211), patched),
        (direct("9.2"), Some(FirmwareBuild::Ovmf202502), patched),
        (direct("7.2"), None, patched),
        (direct("10.0"), None, open),
        (Profile { vmm_version: None, ..direct("") }, Some(FirmwareBuild::Ovmf202502), open),
        // Patched for memory of which nothing is said.
        (Profile { memory: vec![], ..direct("7.2") }, Some(FirmwareBuild::Ovmf202502), open),
        (Profile { memory: vec![], ..direct("10.0") }, Some(FirmwareBuild::Ovmf202502), in_file),
    ];
    for (profile, build, expected) in rows {
        assert_eq!(headers(&profile, build), expected, "{profile:?}");
    }
    let disk = Profile { boot: Boot::UkiDisk, ..direct("10.0") };
    assert_eq!(headers(&disk, None), open);
}

#[test]
fn a_disk_boot_of_qemu_leaves_open_what_firmware_and_userspace_decide() {
    let value = only(&built_in("qemu-vtpm"));
    assert_eq!(value.registers.keys().collect::<Vec<_>>(), ["sha256", "sha384"]);
    for (bank, digits) in [("sha256", 64), ("sha384", 96)] {
        let registers = &value.registers[bank];
        assert_eq!(registers.len(), 12, "PCR 2 to 9 and 11 to 14");
        assert!(registers.values().all(|value| value.len() == digits), "{bank}");
        assert_eq!(registers["pcr12"], "0".repeat(digits));
    }
    assert_eq!(
        codes(&value.not_predicted),
        json!({
            "pcr0": "firmware-build", "pcr1": "machine-configuration", "pcr10": "ima",
            "pcr15": "userspace-identities",
        })
    );
    assert_eq!(
        codes(&value.conditions),
        json!({
            "pcr2": ["no-option-rom", "not-booted"],
            "pcr3": ["no-option-rom", "not-booted"],
            "pcr4": ["no-foreign-disk", "secure-boot-off", "not-booted"],
            "pcr5": ["not-booted"],
            "pcr6": ["not-booted"],
            "pcr7": ["without-secure-boot", "not-booted"],
            "pcr8": ["not-booted"],
            "pcr9": ["no-added-command-line", "not-booted"],
            "pcr11": ["not-booted"],
            "pcr12": ["no-added-command-line", "not-booted"],
            "pcr13": ["not-booted"],
            "pcr14": ["not-booted"],
        })
    );
    // The boots that share five of the six things that machines differ in.
    let [boots] = value.compared_with.try_into().unwrap();
    let rest = "systemd-257/linux-6.12/qemu-10.0";
    assert_eq!(
        boots.to_string(),
        format!(
            "boots of ovmf-2025.02/no-secure-boot/pflash/nvme/{rest}, \
             ovmf-2025.02/no-secure-boot/bios/virtio-blk/{rest}, \
             ovmf-2025.02/secure-boot-off/pflash/virtio-blk/{rest}, \
             ovmf-2025.02/secure-boot-on/pflash/virtio-blk/{rest}"
        )
    );
}

/// TCG PC Client Platform Firmware Profile 1.06: action, separator, image, and the kernel of the image.
#[test]
fn pcr_4_is_the_fold_of_what_is_loaded() {
    let folder = Folder::image();
    let image = cvmkit_host::files::read(&folder.path("a.efi")).unwrap();
    let uki = Uki::read(&image).unwrap();
    let action = Sha256::of(b"Calling EFI Application from Boot Option");
    let digests = [action, Sha256::of(&[0; 4]), uki.image.sha256, uki.kernel.sha256];
    let expected = digests.into_iter().fold(Sha256::ZERO, Sha256::extend);
    let [value] = values(&built_in("gce-vtpm"), &files(&folder)).unwrap().try_into().unwrap();
    assert_eq!(value.registers["sha256"]["pcr4"], expected.to_string());
}

/// EC2 User Guide, "NitroTPM Attestation Document contents": SHA-384 alone, and PCR 4, 7 and 12.
#[test]
fn a_cloud_has_the_registers_and_banks_of_its_platform() {
    let of_image = ["pcr11", "pcr12", "pcr13", "pcr14", "pcr4", "pcr8", "pcr9"];
    for (name, bank, registers, five) in [
        ("azure-vtpm", "sha256", &of_image[..], "azure-boot-attempts"),
        // Firmware of which nothing is known may leave boot services twice.
        ("gce-vtpm", "sha256", &of_image, "disk-bus"),
        ("nitro-tpm", "sha384", &["pcr12", "pcr4"], "amazon-undocumented"),
    ] {
        let value = only(&built_in(name));
        assert_eq!(codes(&value.not_predicted)["pcr5"], five, "{name}");
        assert_eq!(value.registers.keys().collect::<Vec<_>>(), [bank], "{name}");
        assert_eq!(value.registers[bank].keys().collect::<Vec<_>>(), registers, "{name}");
        assert_eq!(codes(&value.not_predicted)["pcr7"], "provider-keys");
        let words: Vec<_> = value.compared_with.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 1);
        assert!(words[0].starts_with("only the documentation of"), "{words:?}");
        // With its keys the instance's PCR 7 is known.
        let keys = Profile { variables: Some("VARS.fd".into()), ..built_in(name) };
        let conditions = codes(&only(&keys).conditions);
        assert_eq!(conditions["pcr7"], json!(["provider-keys", "qemu-rules"]), "{name}");
    }
}

/// The log is of a boot from a disk without a partition table, and boot options name the disk.
#[test]
fn a_log_pins_pcr_0_and_says_why_not_pcr_1() {
    let value = only(&Profile { pinned: Some("log".into()), ..built_in("qemu-vtpm") });
    let text = include_str!("../../../../measure/tests/fixtures/event_logs/uki.pcrs.txt");
    let read = text.lines().find_map(|line| line.strip_prefix("PCR256 0 ")).unwrap();
    assert_eq!(value.registers["sha256"]["pcr0"], read.to_lowercase());
    assert_eq!(value.registers["sha384"]["pcr0"].len(), 96);
    assert_eq!(codes(&value.conditions)["pcr0"], json!(["pinned-by-log"]));
    assert_eq!(
        codes(&value.not_predicted),
        json!({
            "pcr1": "pinned-from-other-disk", "pcr10": "ima", "pcr15": "userspace-identities",
        })
    );
}

#[test]
fn a_patched_kernel_has_a_value_for_each_size_of_memory() {
    let memory = [GIB, 2 * GIB].map(Memory).to_vec();
    let own = Profile { memory, disk: None, disk_bus: None, ..direct("9.2") };
    let [one, two] = of(&own).unwrap().try_into().unwrap();
    assert_eq!((one.memory, two.memory), (Some(Memory(GIB)), Some(Memory(2 * GIB))));
    let register = |value: &ReferenceValue, name: &str| value.registers["sha256"][name].clone();
    assert_ne!(register(&one, "pcr4"), register(&two, "pcr4"));
    assert_eq!(register(&one, "pcr9"), register(&two, "pcr9"));
    let newer = only(&Profile { vmm_version: Some("10.0".into()), ..own });
    assert_eq!(newer.memory, None);
    assert_ne!(register(&newer, "pcr4"), register(&two, "pcr4"));
}

/// What would decide a register has a candidate for each bank.
#[test]
fn candidates_of_both_banks_are_kept() {
    let own = Profile { memory: vec![], vmm_version: None, ..direct("") };
    let value = only(&own);
    let reason = &value.not_predicted["pcr4"];
    assert_eq!(reason.code.code(), "kernel-header");
    let headers: Vec<_> = reason
        .candidates
        .iter()
        .map(|candidate| {
            let when = candidate.when.values().map(|word| word.as_str()).collect::<Vec<_>>();
            format!("{} {}", candidate.value.len(), when.join(" "))
        })
        .collect();
    let kernels = ["in-file", "patched 1G", "patched 2G", "patched 4G", "patched 512M"];
    let of_bank = |digits| kernels.map(|kernel| format!("{digits} {kernel}"));
    assert_eq!(headers, [of_bank(64), of_bank(96)].concat());
    assert!(!value.registers["sha256"].contains_key("pcr4"));
    assert!(value.registers["sha384"].contains_key("pcr9"));
}

fn known(profile: &Profile) -> Result<Option<KnownFirmware>, ReferenceError> {
    let folder = Folder::new();
    folder.put("unknown.fd", &whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY));
    folder.put("part.fd", b"a part of an image");
    behaviour(profile, &ImageFiles::of_files(folder.root(), false, |_| None))
}

fn named(firmware: Option<&str>, behaviour: Option<&str>) -> Profile {
    Profile {
        firmware: firmware.map(str::to_owned),
        firmware_behaviour: behaviour.map(str::to_owned),
        ..built_in("qemu-vtpm")
    }
}

#[test]
fn firmware_that_nobody_knows_measures_as_it_is_said() {
    let older = "ovmf-2022.11";
    let expected = Some(older.parse().unwrap());
    assert_eq!(known(&named(None, None)).unwrap(), None);
    assert_eq!(known(&named(None, Some(older))).unwrap(), expected);
    assert_eq!(known(&named(Some("unknown.fd"), Some(older))).unwrap(), expected);
    match known(&named(Some("unknown.fd"), None)).unwrap_err() {
        ReferenceError::Behaviour { profile, firmware, .. } => {
            assert_eq!((profile.as_str(), firmware.as_str()), ("qemu-vtpm", "unknown.fd"));
        }
        error => panic!("{error}"),
    }
    for behaviour in [None, Some(older)] {
        match known(&named(Some("part.fd"), behaviour)).unwrap_err() {
            ReferenceError::Firmware { firmware, .. } => assert_eq!(firmware, "part.fd"),
            error => panic!("{error}"),
        }
    }
    let error = known(&named(Some("none.fd"), Some(older))).unwrap_err();
    assert!(matches!(error, ReferenceError::File(_)), "{error}");
}

#[test]
fn a_name_may_repeat_what_the_file_says_and_not_contradict_it() {
    let profile = named(Some("OVMF.fd"), None);
    let of = |of_file, named: Option<FirmwareBuild>| {
        let named = named.map(|build| KnownFirmware { build, secure_boot: None });
        agreed(&profile, "OVMF.fd", of_file, named)
    };
    let build = FirmwareBuild::Ovmf202502;
    let known = KnownFirmware { build, secure_boot: Some(true) };
    assert_eq!(of(Ok(known), None).unwrap(), Some(known));
    assert_eq!(of(Ok(known), Some(build)).unwrap(), Some(known));
    // The two measure alike, and are not the same.
    match of(Ok(known), Some(FirmwareBuild::Ovmf202211)).unwrap_err() {
        ReferenceError::Profile(ProfileError::Invalid { profile, key, found, expected }) => {
            assert_eq!(profile, "qemu-vtpm");
            assert_eq!((key.as_str(), found.as_str()), ("firmware-behaviour", "ovmf-2022.11"));
            assert_eq!(expected, "ovmf-2025.02, as `OVMF.fd` is known to measure, or nothing");
        }
        error => panic!("{error}"),
    }
}

/// Firmware with Secure Boot, of whose variables nothing is said, has no keys.
#[test]
fn a_machine_without_variables_has_secure_boot_off_if_its_firmware_has_it() {
    let files = ImageFiles::of_files(Folder::new().root(), false, |_| None);
    let build = FirmwareBuild::Ovmf202502;
    for (secure_boot, enabled) in [(Some(true), Some(false)), (Some(false), None), (None, None)] {
        let known = Some(KnownFirmware { build, secure_boot });
        let machine = machine(&built_in("qemu-vtpm"), &files, known, None).unwrap();
        assert_eq!(machine.secure_boot.enabled, enabled, "{secure_boot:?}");
        assert_eq!(machine.firmware, Some(build));
    }
    let none = machine(&built_in("qemu-vtpm"), &files, None, None).unwrap();
    assert!(none.firmware.is_none() && none.secure_boot.enabled.is_none());
}

/// Debian's files, which the environment names: `measure/tests/debian_firmware`.
#[test]
fn known_firmware_measures_as_its_file_says() {
    let folder = Folder::new();
    let mut found = 0;
    for image in debian_firmware::images() {
        let Ok(expected) = KnownFirmware::of_file(&image.bytes) else { continue };
        found += 1;
        folder.put("OVMF.fd", &image.bytes);
        let files = ImageFiles::of_files(folder.root(), false, |_| None);
        let of = |name: Option<&str>| behaviour(&named(Some("OVMF.fd"), name), &files);
        let own = expected.build.to_string();
        assert_eq!(of(None).unwrap(), Some(expected), "{}", image.package.name);
        assert_eq!(of(Some(&own)).unwrap(), Some(expected), "{}", image.package.name);
        let other = if own == "ovmf-2022.11" { "ovmf-2026.08" } else { "ovmf-2022.11" };
        match of(Some(other)).unwrap_err() {
            ReferenceError::Profile(ProfileError::Invalid { key, found, expected, .. }) => {
                assert_eq!((key.as_str(), found.as_str()), ("firmware-behaviour", other));
                assert!(expected.starts_with(&format!("{own}, as `OVMF.fd`")), "{expected}");
            }
            error => panic!("{error}"),
        }
        // Firmware with Secure Boot, of whose variables nothing is said, has no keys.
        let machine = machine_of(&named(Some("OVMF.fd"), None), &files).unwrap();
        assert_eq!(machine.firmware, Some(expected.build));
        let enabled = (expected.secure_boot == Some(true)).then_some(false);
        assert_eq!(machine.secure_boot.enabled, enabled, "{}", image.package.name);
    }
    eprintln!("COMPARED: {found} known images");
}

#[test]
fn a_machine_is_what_profile_and_files_say() {
    let folder = Folder::new();
    folder.put("VARS.fd", &empty_variables());
    folder.put("log", UKI_LOG);
    let files = ImageFiles::of_files(folder.root(), false, |_| None);
    let own = Profile {
        variables: Some("VARS.fd".into()),
        pinned: Some("log".into()),
        disk: Some(DiskAccess::ReadOnly),
        ..direct("7.2")
    };
    let machine = machine_of(&own, &files).unwrap();
    assert_eq!(machine.firmware, Some(FirmwareBuild::Ovmf202502));
    assert_eq!(machine.secure_boot.enabled, Some(false));
    assert_eq!(machine.medium.is_writable, Some(false));
    let bus = (machine.medium.bus, machine.medium.firmware_by);
    assert_eq!(bus, (Some(DiskBus::VirtioBlk), Some(FirmwareBy::Pflash)));
    assert_eq!(machine.kernel_header, Some(KernelHeader::Patched { memory: 2 * GIB }));
    assert_eq!(machine.pinned.map(|pinned| pinned.banks().len()), Some(2));
    // Of two sizes of memory it is not said which.
    let memory = [GIB, 2 * GIB].map(Memory).to_vec();
    let both = machine_of(&Profile { memory, ..own.clone() }, &files).unwrap();
    assert_eq!(both.kernel_header, None);
    let bare =
        machine_of(&Profile { variables: None, pinned: None, ..own.clone() }, &files).unwrap();
    assert!(bare.pinned.is_none() && bare.secure_boot.enabled.is_none());
    for broken in [
        Profile { variables: Some("log".into()), ..own.clone() },
        Profile { pinned: Some("VARS.fd".into()), ..own.clone() },
    ] {
        match machine_of(&broken, &files).unwrap_err() {
            ReferenceError::Tpm { profile, source } => {
                assert_eq!(profile, "qemu-vtpm");
                assert_eq!(
                    matches!(*source, PredictionError::Variables { .. }),
                    broken.variables != own.variables
                );
                assert_eq!(
                    matches!(*source, PredictionError::Pinned { .. }),
                    broken.pinned != own.pinned
                );
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn errors_of_a_value_name_the_profile() {
    let no_files = Folder::output(&[]);
    match values(&built_in("azure-vtpm"), &files(&no_files)).unwrap_err() {
        ReferenceError::NoFile { profile, .. } => assert_eq!(profile, "azure-vtpm"),
        error => panic!("{error}"),
    }
    let secure = Profile { variables: Some("log".into()), ..built_in("azure-vtpm") };
    assert!(matches!(of(&secure), Err(ReferenceError::Tpm { .. })));
    assert!(matches!(of(&named(Some("part.fd"), None)), Err(ReferenceError::Firmware { .. })));
    assert!(matches!(of(&named(Some("unknown.fd"), None)), Err(ReferenceError::Behaviour { .. })));
}
