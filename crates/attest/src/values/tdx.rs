//! MRTD and RTMRs of TDs.

use cvmkit_formats::digest::{Digests, Sha256};
use cvmkit_measure::claim::ReasonCode;
use cvmkit_measure::event::RtmrIndex;
use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::tdx::mrtd::Mrtd;
use cvmkit_measure::tdx::prediction::Prediction;
use cvmkit_measure::tdx::rtmr::AcpiTables;
use cvmkit_measure::uefi::variables::SecureBoot;

use super::error::ReferenceError;
use super::image_files::{ImageFiles, of_td};
use super::schema::ReferenceValue;
use crate::predict::{TdBoot, TdFirmware, TdMachine};
use crate::profile::{Boot, Memory, Profile, Recorded, RecordedAcpi, Vmm};

/// The rule of a cloud's MRTD is that of QEMU from this version on: page by page.
const SINGLE_PASS: QemuVersion = QemuVersion::new(10, 0);

/// One value for each number of vCPUs and size of memory.
pub(super) fn values(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let boot = match profile.boot {
        Boot::Direct => subject.td_direct(profile)?,
        Boot::UkiDisk => subject.td_disk(profile)?,
    };
    let firmware = firmware(profile, subject)?;
    // Memory and vCPUs are not in it.
    let rule = machine(profile, 1, Memory(0)).rule;
    let mrtd = firmware.as_ref().map(|firmware| firmware.mrtd(&rule));
    let mrtd = mrtd.transpose().map_err(of_td(profile))?;
    let mut values = Vec::new();
    for &memory in &profile.memory {
        for &vcpus in &profile.vcpus {
            let machine = machine(profile, vcpus, memory);
            let registers = registers(profile, boot, firmware.as_ref(), &machine)?;
            let value = ReferenceValue {
                vcpus: Some(vcpus),
                memory: Some(memory),
                ..ReferenceValue::of(profile)
            };
            values.push(with_registers(value, boot, mrtd, &registers));
        }
    }
    Ok(values)
}

fn firmware(profile: &Profile, subject: &ImageFiles) -> Result<Option<TdFirmware>, ReferenceError> {
    let Some(name) = &profile.firmware else { return Ok(None) };
    let bytes = subject.machine_file(name)?;
    TdFirmware::new(&subject.machine_path(name), bytes).map(Some).map_err(of_td(profile))
}

/// What is extended on this machine, with the firmware if it is QEMU's.
fn registers(
    profile: &Profile,
    boot: &TdBoot,
    firmware: Option<&TdFirmware>,
    machine: &TdMachine,
) -> Result<Prediction, ReferenceError> {
    let prediction = match firmware.filter(|_| profile.vmm == Vmm::Qemu) {
        Some(firmware) => boot.registers(firmware, machine),
        None => boot.predict_foreign(SecureBoot::default(), machine),
    };
    prediction.map_err(of_td(profile))
}

fn with_registers(
    mut value: ReferenceValue,
    boot: &TdBoot,
    mrtd: Option<Mrtd>,
    prediction: &Prediction,
) -> ReferenceValue {
    let registers = value.registers.entry("sha384".to_owned()).or_default();
    match mrtd {
        Some(mrtd) => drop(registers.insert("mrtd".to_owned(), mrtd.to_string())),
        None => {
            value.not_predicted.insert("mrtd".to_owned(), ReasonCode::NoFirmwareFile.into());
        }
    }
    let name = |index: &RtmrIndex| format!("rtmr{index}");
    let known = prediction.rtmrs();
    registers.extend(known.iter().map(|(index, rtmr)| (name(index), rtmr.to_string())));
    let is_foreign = value.vmm != Vmm::Qemu;
    let conditions = known.keys().map(|index| (name(index), boot.conditions(*index, is_foreign)));
    value.conditions.extend(conditions.filter(|(_, conditions)| !conditions.is_empty()));
    let open = prediction.open.iter();
    value.not_predicted.extend(open.map(|(index, open)| (name(index), open.reason.into())));
    value
}

/// The machine, as far as the profile says.
pub(crate) fn machine(profile: &Profile, vcpus: u32, memory: Memory) -> TdMachine {
    let qemu = profile.qemu_version().unwrap_or(SINGLE_PASS);
    TdMachine {
        acpi: profile.acpi_of(vcpus, memory).map(tables),
        smbios: profile.smbios.map(recorded),
        layout: profile.firmware_layout.as_deref().and_then(|name| name.parse().ok()),
        secure_boot: profile.secure_boot,
        // Every machine of a cloud has one.
        tpm: profile.vmm != Vmm::Qemu,
        medium: profile.medium(),
        ..TdMachine::of_qemu(qemu, memory.0)
    }
}

fn tables(acpi: &RecordedAcpi) -> AcpiTables {
    AcpiTables {
        loader: recorded(acpi.loader),
        rsdp: recorded(acpi.rsdp),
        tables: recorded(acpi.tables),
    }
}

/// A TD has no bank but SHA-384.
fn recorded(Recorded(sha384): Recorded) -> Digests {
    Digests { sha256: Sha256::ZERO, sha384 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cvmkit_formats::digest::Sha384;
    use cvmkit_host::fault::Diagnosis as _;
    use cvmkit_measure::firmware::behaviour::SecureBootBuild;
    use cvmkit_measure::tdx::mrtd::Rule;
    use cvmkit_measure::uefi::medium::DiskBus;
    use serde_json::{Value, json};

    use super::*;
    use crate::output::Manifest;
    use crate::predict::TdError;
    use crate::profile::DiskAccess;
    use crate::tests::Folder;
    use crate::tests::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};

    const GIB: u64 = 1 << 30;

    fn bytes() -> Vec<u8> {
        whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY)
    }

    /// A profile with firmware beside the image that is described, since nobody knows it.
    fn with_firmware(name: &str) -> Profile {
        Profile {
            firmware: Some("OVMF.fd".into()),
            firmware_layout: Some("edk2-stable202411".into()),
            secure_boot: Some(SecureBootBuild::Absent),
            ..Profile::built_in(name).unwrap()
        }
    }

    fn of(profile: &Profile) -> Result<Vec<ReferenceValue>, ReferenceError> {
        let folder = Folder::image();
        folder.put("OVMF.fd", &bytes());
        folder.put("other.fd", b"no firmware");
        let manifest = Manifest::read(folder.root()).unwrap();
        values(profile, &ImageFiles::of_folder(&manifest, folder.root()))
    }

    fn json(value: &impl serde::Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    fn mrtd(major: u32) -> String {
        let firmware = TdFirmware::new(Path::new("OVMF.fd"), bytes()).unwrap();
        firmware.mrtd(&Rule::of_qemu(major)).unwrap().to_string()
    }

    fn names(value: &ReferenceValue) -> Vec<&str> {
        assert_eq!(value.registers.keys().collect::<Vec<_>>(), ["sha384"]);
        value.registers["sha384"].keys().map(String::as_str).collect()
    }

    #[test]
    fn each_size_of_memory_has_a_value_for_each_number_of_vcpus() {
        let memory = [2 * GIB, 4 * GIB].map(Memory).to_vec();
        let own = Profile { vcpus: vec![1, 3], memory, ..with_firmware("qemu-tdx-direct") };
        let found = of(&own).unwrap();
        let machines: Vec<_> = found
            .iter()
            .map(|value| (value.memory.unwrap().0 / GIB, value.vcpus.unwrap()))
            .collect();
        assert_eq!(machines, [(2, 1), (2, 3), (4, 1), (4, 3)]);
        for value in &found {
            assert_eq!(names(value), ["mrtd", "rtmr1", "rtmr2", "rtmr3"]);
            assert_eq!(value.registers["sha384"]["mrtd"], mrtd(10));
            assert_eq!(value.registers["sha384"]["rtmr3"], Sha384::ZERO.to_string());
            assert_eq!(json(&value.not_predicted), json!({ "rtmr0": { "code": "acpi-tables" } }));
            assert_eq!(
                json(&value.conditions),
                json!({
                    "rtmr1": [{ "code": "no-option-rom" }],
                    "rtmr3": [{ "code": "until-software-extends" }],
                })
            );
        }
        // The kernel that QEMU 10.1 patches depends on the memory below 4 GiB, which is 2 GiB in both.
        assert_eq!(found[0].registers, found[2].registers);
    }

    /// QEMU 8 builds a TD in two passes.
    #[test]
    fn the_vmm_decides_the_mrtd() {
        let older = Profile { vmm_version: Some("8.2".into()), ..with_firmware("qemu-tdx-direct") };
        for (own, expected) in [
            (older, mrtd(8)),
            (with_firmware("qemu-tdx-uki"), mrtd(10)),
            (with_firmware("gce-tdx"), mrtd(10)),
        ] {
            let [value] = of(&own).unwrap().try_into().unwrap();
            assert_eq!(value.registers["sha384"]["mrtd"], expected, "{}", own.name);
        }
        assert_ne!(mrtd(8), mrtd(10));
    }

    #[test]
    fn recorded_tables_give_rtmr_0_of_their_machine() {
        let digest = |text: &[u8]| Recorded(Sha384::of(text));
        let recorded = RecordedAcpi {
            vcpus: 2,
            memory: Memory(2 * GIB),
            loader: digest(b"loader"),
            rsdp: digest(b"rsdp"),
            tables: digest(b"tables"),
        };
        let own =
            Profile { vcpus: vec![1, 2], acpi: vec![recorded], ..with_firmware("qemu-tdx-direct") };
        let [one, two] = of(&own).unwrap().try_into().unwrap();
        assert!(!names(&one).contains(&"rtmr0") && names(&two).contains(&"rtmr0"));
        assert!(two.not_predicted.is_empty());
        // Another boot of the same machine, whose tables differ.
        let other = RecordedAcpi { tables: digest(b"others"), ..own.acpi[0].clone() };
        let [_, others] = of(&Profile { acpi: vec![other], ..own }).unwrap().try_into().unwrap();
        assert_ne!(others.registers["sha384"]["rtmr0"], two.registers["sha384"]["rtmr0"]);
        assert_eq!(others.registers["sha384"]["rtmr1"], two.registers["sha384"]["rtmr1"]);
    }

    /// Google's firmware is not at hand, and its machines have a TPM, which Linux prefers.
    #[test]
    fn a_cloud_leaves_rtmr_0_open_with_and_without_its_firmware() {
        let own = Profile::built_in("gce-tdx").unwrap();
        let [without] = of(&own).unwrap().try_into().unwrap();
        assert_eq!(names(&without), ["rtmr1", "rtmr2", "rtmr3"]);
        assert_eq!(
            json(&without.not_predicted),
            json!({
                "mrtd": { "code": "no-firmware-file" }, "rtmr0": { "code": "unknown-firmware" },
            })
        );
        let codes = ["secure-boot-off", "no-option-rom", "no-foreign-disk"];
        assert_eq!(
            json(&without.conditions),
            json!({
                "rtmr1": codes.map(|code| json!({ "code": code })),
                "rtmr2": [{ "code": "no-added-command-line" }],
                "rtmr3": [{ "code": "until-software-extends" }],
            })
        );
        let [with] = of(&with_firmware("gce-tdx")).unwrap().try_into().unwrap();
        assert_eq!(names(&with), ["mrtd", "rtmr1", "rtmr2", "rtmr3"]);
        assert_eq!(json(&with.not_predicted), json!({ "rtmr0": { "code": "unknown-firmware" } }));
        let [qemu] = of(&with_firmware("qemu-tdx-uki")).unwrap().try_into().unwrap();
        let register = |value: &ReferenceValue, name: &str| value.registers["sha384"][name].clone();
        assert_eq!(register(&with, "rtmr1"), register(&qemu, "rtmr1"));
        assert_ne!(register(&with, "rtmr2"), register(&qemu, "rtmr2"));
    }

    #[test]
    fn a_machine_is_what_its_profile_says() {
        let digest = Recorded(Sha384::of(b"smbios"));
        let own = Profile {
            vmm_version: Some("9.2".into()),
            smbios: Some(digest),
            disk: Some(DiskAccess::ReadOnly),
            disk_bus: Some(DiskBus::Nvme),
            ..with_firmware("qemu-tdx-direct")
        };
        let machine = machine(&own, 1, Memory(3 * GIB));
        assert_eq!((machine.qemu, machine.memory), (QemuVersion::new(9, 2), 3 * GIB));
        assert_eq!(machine.rule, Rule::of_qemu(9));
        assert_eq!(machine.layout.map(|layout| layout.name), Some("edk2-stable202411"));
        assert_eq!(machine.secure_boot, Some(SecureBootBuild::Absent));
        let smbios = Digests { sha256: Sha256::ZERO, sha384: Sha384::of(b"smbios") };
        assert_eq!((machine.smbios, machine.acpi, machine.tpm), (Some(smbios), None, false));
        assert_eq!(machine.medium.is_writable, Some(false));
        assert_eq!(machine.medium.bus, Some(DiskBus::Nvme));
        let cloud = super::machine(&Profile::built_in("gce-tdx").unwrap(), 4, Memory(GIB));
        assert_eq!((cloud.qemu, cloud.rule, cloud.tpm), (SINGLE_PASS, Rule::of_qemu(10), true));
        assert_eq!((cloud.smbios, cloud.secure_boot), (None, None));
        assert_eq!(cloud.medium.is_writable, Some(true));
    }

    #[test]
    fn what_cannot_be_predicted_names_the_profile() {
        let own = with_firmware("qemu-tdx-direct");
        let cases = [
            Profile { firmware_layout: None, ..own.clone() },
            Profile { secure_boot: None, ..own.clone() },
            Profile { firmware: Some("other.fd".into()), ..own.clone() },
            Profile { memory: vec![Memory(8 << 20)], ..own.clone() },
            // QEMU's machine without a file, of whose firmware nothing is said.
            Profile { firmware: None, firmware_layout: None, ..own.clone() },
        ];
        let is_it: [fn(&TdError) -> bool; 5] = [
            |error| matches!(error, TdError::NoLayout { .. }),
            |error| matches!(error, TdError::NoSecureBoot { .. }),
            |error| matches!(error, TdError::Firmware { .. }),
            |error| matches!(error, TdError::Firmware { .. }),
            |error| matches!(error, TdError::NoFirmware),
        ];
        for (profile, is_it) in cases.into_iter().zip(is_it) {
            match of(&profile).unwrap_err() {
                ReferenceError::Td { profile: named, source } => {
                    assert!(named == "qemu-tdx-direct" && is_it(&source), "{source}");
                }
                error => panic!("{error}"),
            }
        }
        let error = of(&Profile { firmware: Some("none.fd".into()), ..own }).unwrap_err();
        assert!(matches!(error, ReferenceError::File(_)) && error.hint().is_none(), "{error}");
    }
}
