//! PCRs of machines with a TPM.

use cvmkit_measure::event::{Bank, PcrIndex};
use cvmkit_measure::firmware::behaviour::{FirmwareBuild, FirmwareFileError, KnownFirmware};
use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::tpm::{Platform, Prediction};

use super::error::ReferenceError;
use super::evidence;
use super::image_files::{ImageFiles, of_tpm};
use super::schema::ReferenceValue;
use crate::predict::register::{Known, RegisterPrediction};
use crate::predict::{self, Assumptions, KernelHeader, TpmMachine};
use crate::profile::{Boot, Memory, Profile, Vmm};

/// Registers of a boot; those above are for dynamic launches, debugging and applications.
const PCRS: u8 = 16;

/// The first version of QEMU that hands over a kernel as it is in its file. That later ones leave the
/// header alone is for confidential guests only.
const QEMU_WITH_KERNEL_FILE: QemuVersion = QemuVersion::new(10, 0);

/// One value, or for a kernel that QEMU patches one for each size of memory.
pub(super) fn values(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let firmware = behaviour(profile, subject)?;
    let headers = headers(profile, firmware.map(|known| known.build));
    let value = |(memory, header)| value(profile, subject, firmware, memory, header);
    headers.into_iter().map(value).collect()
}

/// Which kernel the firmware gets, as far as the profile says; where it does not, every one.
fn headers(
    profile: &Profile,
    build: Option<FirmwareBuild>,
) -> Vec<(Option<Memory>, Option<KernelHeader>)> {
    if profile.boot == Boot::UkiDisk {
        return vec![(None, None)];
    }
    let by_qemu = profile.qemu_version().map(|version| version >= QEMU_WITH_KERNEL_FILE);
    match (by_qemu, build.map(FirmwareBuild::takes_kernel_file)) {
        (Some(true), Some(true)) => vec![(None, Some(KernelHeader::InFile))],
        (Some(false), _) | (Some(true), Some(false)) if !profile.memory.is_empty() => {
            let patched =
                |memory: &Memory| (Some(*memory), Some(KernelHeader::Patched { memory: memory.0 }));
            profile.memory.iter().map(patched).collect()
        }
        _ => vec![(None, None)],
    }
}

/// The machine of a profile whose files are beside an image, and which kernel it gets if the profile
/// leaves no choice.
pub(super) fn machine_of(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<TpmMachine, ReferenceError> {
    let firmware = behaviour(profile, subject)?;
    let header = match headers(profile, firmware.map(|known| known.build))[..] {
        [(_, header)] => header,
        _ => None,
    };
    machine(profile, subject, firmware, header)
}

fn machine(
    profile: &Profile,
    subject: &ImageFiles,
    firmware: Option<KnownFirmware>,
    kernel_header: Option<KernelHeader>,
) -> Result<TpmMachine, ReferenceError> {
    let variables = profile.variables.as_deref().map(|name| subject.machine_path(name));
    Ok(TpmMachine {
        firmware: firmware.map(|known| known.build),
        secure_boot: match &variables {
            Some(path) => predict::secure_boot(path).map_err(of_tpm(profile))?,
            None => firmware.map(KnownFirmware::without_keys).unwrap_or_default(),
        },
        medium: profile.medium(),
        kernel_header,
        pinned: match &profile.pinned {
            Some(log) => {
                Some(predict::pinned(&subject.machine_path(log)).map_err(of_tpm(profile))?)
            }
            None => None,
        },
    })
}

fn value(
    profile: &Profile,
    subject: &ImageFiles,
    firmware: Option<KnownFirmware>,
    memory: Option<Memory>,
    kernel_header: Option<KernelHeader>,
) -> Result<ReferenceValue, ReferenceError> {
    let boot = match profile.boot {
        Boot::Direct => subject.direct(profile)?,
        Boot::UkiDisk => subject.uki_disk(profile)?,
    };
    let machine = machine(profile, subject, firmware, kernel_header)?;
    let predictions = boot.predictions(&machine).map_err(of_tpm(profile))?;
    let predictions: Vec<(Assumptions, Prediction)> =
        predictions.into_iter().map(|it| (it.assumptions, it.prediction)).collect();
    let platform = platform(profile.vmm);
    let known = Known { boot, platform, variables: profile.variables.is_some(), disk: true };
    let mut value = ReferenceValue { memory, ..ReferenceValue::of(profile) };
    if profile.vmm == Vmm::Qemu {
        let assumed = predictions.iter().map(|(assumptions, _)| assumptions);
        value.compared_with = vec![evidence::boots(assumed, boot.start())];
    }
    let (sha256, sha384) = platform.banks();
    let banks = [(Bank::Sha256, sha256), (Bank::Sha384, sha384)];
    for (bank, _) in banks.into_iter().filter(|(_, has)| *has) {
        for pcr in (0..PCRS).filter_map(PcrIndex::new) {
            note(&mut value, bank, pcr, known.prediction(bank, pcr, &predictions));
        }
    }
    Ok(value)
}

fn note(value: &mut ReferenceValue, bank: Bank, pcr: PcrIndex, prediction: RegisterPrediction) {
    let name = format!("pcr{pcr}");
    match prediction {
        RegisterPrediction::Open(reason) => {
            let known = value.not_predicted.entry(name);
            // Only the candidates are of a bank.
            let more = reason.candidates.clone();
            known.and_modify(|known| known.candidates.extend(more)).or_insert(reason);
        }
        RegisterPrediction::Predicted { value: digest, conditions } => {
            if !conditions.is_empty() {
                value.conditions.insert(name.clone(), conditions);
            }
            let bank = value.registers.entry(bank.to_string()).or_default();
            bank.insert(name, digest.to_string());
        }
    }
}

/// How the firmware measures: by its file, or by name.
fn behaviour(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<Option<KnownFirmware>, ReferenceError> {
    let named: Option<KnownFirmware> =
        profile.firmware_behaviour.as_deref().and_then(|name| name.parse().ok());
    let Some(firmware) = &profile.firmware else { return Ok(named) };
    let of_file = KnownFirmware::of_file(&subject.machine_file(firmware)?);
    agreed(profile, firmware, of_file, named)
}

/// What is known of the file, or what is named for a file that no boot was compared with; where both say
/// something they must agree.
fn agreed(
    profile: &Profile,
    firmware: &str,
    of_file: Result<KnownFirmware, FirmwareFileError>,
    named: Option<KnownFirmware>,
) -> Result<Option<KnownFirmware>, ReferenceError> {
    match (of_file, named) {
        (Ok(known), Some(named)) if known.build != named.build => {
            let build = known.build;
            let expected = format!("{build}, as `{firmware}` is known to measure, or nothing");
            Err(profile.invalid("firmware-behaviour", named.build.to_string(), expected).into())
        }
        (Ok(known), _) => Ok(Some(known)),
        (Err(FirmwareFileError::NotWhole(source)), _) => Err(ReferenceError::Firmware {
            firmware: firmware.to_owned(),
            source: Box::new(source),
        }),
        (Err(FirmwareFileError::Unknown(source)), None) => Err(ReferenceError::Behaviour {
            profile: profile.name.clone(),
            firmware: firmware.to_owned(),
            source,
        }),
        (Err(FirmwareFileError::Unknown(_)), named) => Ok(named),
    }
}

pub(super) fn platform(vmm: Vmm) -> Platform {
    match vmm {
        Vmm::Qemu => Platform::QemuOvmf,
        Vmm::Azure => Platform::Azure,
        Vmm::Gce => Platform::Gce,
        Vmm::Ec2 => Platform::NitroTpm,
    }
}

#[cfg(test)]
mod tests;
