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
