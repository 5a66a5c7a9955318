//! MRTD and RTMRs of TDs.

use cvmkit_measure::digest::{Digests, Sha256};
use cvmkit_measure::tdx::rtmr::AcpiTables;

use super::schema::ReferenceValue;
use super::{ReferenceError, Subject};
use crate::predict::{TdError, TdFirmware, TdMachine};
use crate::profile::{Memory, Profile, Recorded, RecordedAcpi};

/// One value for each number of vCPUs and size of memory.
pub(super) fn values(
    profile: &Profile,
    subject: &Subject,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let refused = |source: TdError| ReferenceError::Td {
        profile: profile.name.clone(),
        source: Box::new(source),
    };
    let name = profile.firmware.as_deref().unwrap_or_default();
    let bytes = subject.machine_file(name)?;
    let firmware = TdFirmware::new(&subject.machine_path(name), bytes).map_err(refused)?;
    let boot = subject.td_direct(profile)?;
    let mut values = Vec::new();
    for &memory in &profile.memory {
        for &vcpus in &profile.vcpus {
            let machine = machine(profile, vcpus, memory);
            let prediction = boot.predict(&firmware, &machine).map_err(refused)?;
            let mut value = ReferenceValue {
                vcpus: Some(vcpus),
                memory: Some(memory),
                ..ReferenceValue::of(profile)
            };
            let registers = value.registers.entry("sha384".to_owned()).or_default();
            registers.insert("mrtd".to_owned(), prediction.mrtd.to_string());
            let rtmrs = prediction.registers.rtmrs();
            registers.extend(rtmrs.iter().map(|(i, rtmr)| (format!("rtmr{i}"), rtmr.to_string())));
            let open = prediction.registers.open.iter();
            value.not_predicted =
                open.map(|(i, open)| (format!("rtmr{i}"), open.reason.to_string())).collect();
            values.push(value);
        }
    }
    Ok(values)
}

/// The machine, as far as the profile says.
fn machine(profile: &Profile, vcpus: u32, memory: Memory) -> TdMachine {
    let major = profile.qemu_major().unwrap_or_default();
    TdMachine {
        acpi: profile.acpi_of(vcpus, memory).map(tables),
        smbios: profile.smbios.map(recorded),
        layout: profile.firmware_layout.as_deref().and_then(|name| name.parse().ok()),
        secure_boot: profile.secure_boot,
        ..TdMachine::of_qemu(major, memory.0)
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
