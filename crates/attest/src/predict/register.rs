//! What is said of a PCR before a boot: its value with the conditions that it rests on, or why there
//! is none. Both as codes ([`cvmkit_measure::claim`]).

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_measure::claim::{Candidate, Condition, ConditionCode, Reason, ReasonCode, Word};
use cvmkit_measure::event::{Bank, BankDigest, PcrIndex};
use cvmkit_measure::tpm::{PCR_KERNEL, PCR_KERNEL_CONFIG, Platform, Prediction, Prospect};
use cvmkit_measure::uefi::{PCR_BOOT_CODE, PCR_BOOT_CONFIG, PCR_MACHINE, PCR_SECURE_BOOT};

use super::assumptions::{Assumptions, KernelHeader};
use super::evidence;
use super::tpm::TpmBoot;
use crate::profile::Memory;

/// What is known of a machine beside what its predictions assume: with that, [`Known::prediction`] says
/// what a register will hold.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The image, from its disk or direct.
    pub boot: &'a TpmBoot,
    /// Who gives the machine its TPM: which registers are left to the image.
    pub platform: Platform,
    /// Whether the variables of the firmware are known, and so the Secure Boot keys.
    pub variables: bool,
    /// Whether the disk is known, and so its partition table.
    pub disk: bool,
}

/// What is said of one register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterPrediction {
    /// It will have this value.
    Predicted {
        /// Of the bank that was asked for.
        value: BankDigest,
        /// What the value rests on; premises alone ([`ConditionCode::is_premise`]) if boots have proven it.
        conditions: Vec<Condition>,
    },
    /// It has no value, for this reason, with the candidates if they are few.
    Open(Reason),
}

impl Known<'_> {
    /// The register's value in a bank where all predictions agree, or the reason why there is none. Where
    /// they differ the reason names what has to be said of the machine, with the value for each answer.
    #[must_use]
    pub fn prediction(
        &self,
        bank: Bank,
        pcr: PcrIndex,
        predictions: &[(Assumptions, Prediction)],
    ) -> RegisterPrediction {
        let unknown = predictions.iter().find_map(|(_, prediction)| prediction.open.get(&pcr));
        // PCR 1 is predicted where it is pinned.
        let may_be_known = pcr == PCR_MACHINE || self.platform.prospect(pcr).is_predicted();
        if let Some(reason) = unknown.filter(|_| may_be_known) {
            return RegisterPrediction::Open((*reason).into());
        }
        if let Some(value) = pinned(bank, pcr, predictions) {
            return RegisterPrediction::Predicted {
                value,
                conditions: vec![ConditionCode::PinnedByLog.into()],
            };
        }
        let of_platform = match self.platform.prospect(pcr) {
            Prospect::Unknown(reason) => return RegisterPrediction::Open(reason.into()),
            Prospect::Predicted(conditions) => conditions,
        };
        let is_foreign = self.platform != Platform::QemuOvmf;
        if pcr == PCR_SECURE_BOOT && is_foreign && !self.variables {
            return RegisterPrediction::Open(ReasonCode::ProviderKeys.into());
        }
        let value = |(assumptions, prediction): &(Assumptions, Prediction)| {
            Some((*assumptions, value(bank, prediction, pcr)?))
        };
        let values: Vec<(Assumptions, BankDigest)> = predictions.iter().filter_map(value).collect();
        let Some((_, first)) = values.first() else {
            return RegisterPrediction::Open(ReasonCode::NothingKnown.into());
        };
        if values.iter().any(|(_, value)| value != first) {
            return RegisterPrediction::Open(open(&values));
        }
        let conditions = of_platform.iter().copied().chain(self.of_image(pcr));
        let conditions =
            conditions.chain(self.assumed(pcr, predictions)).chain(self.not_booted(predictions));
        RegisterPrediction::Predicted {
            value: *first,
            conditions: conditions.map(Into::into).collect(),
        }
    }

    /// What a value of a boot from a disk takes for granted of what else the machine has: the stub takes
    /// words from the machine's SMBIOS tables, and firmware starts the first disk that it can.
    fn of_image(&self, pcr: PcrIndex) -> Vec<ConditionCode> {
        let TpmBoot::Disk(disk) = self.boot else { return Vec::new() };
        let mut conditions = match pcr {
            PCR_BOOT_CODE => vec![ConditionCode::NoForeignDisk],
            PCR_KERNEL | PCR_KERNEL_CONFIG => vec![ConditionCode::NoAddedCommandLine],
            _ => Vec::new(),
        };
        // A loader before it is an image, has a configuration and may add words.
        let by_loader = [PCR_BOOT_CODE, PCR_BOOT_CONFIG, PCR_KERNEL, PCR_KERNEL_CONFIG];
        if !disk.is_default && by_loader.contains(&pcr) {
            conditions.push(ConditionCode::NamedByBootOption);
        }
        conditions
    }

    /// That no test boots such a machine. Of a cloud its own condition says that.
    fn not_booted(&self, predictions: &[(Assumptions, Prediction)]) -> Option<ConditionCode> {
        let start = self.boot.start();
        let is_booted = predictions.iter().all(|(it, _)| evidence::is_booted(it, start));
        let is_qemu = self.platform == Platform::QemuOvmf;
        (is_qemu && !is_booted).then_some(ConditionCode::NotBooted)
    }

    /// What a value assumes of variables and disk that are not known.
    fn assumed(
        &self,
        pcr: PcrIndex,
        predictions: &[(Assumptions, Prediction)],
    ) -> Option<ConditionCode> {
        let has_secure_boot = || predictions.iter().any(|(it, _)| it.secure_boot.is_some());
        let loads_kernel = matches!(self.boot, TpmBoot::Disk(disk) if disk.uki.stub.loads_kernel);
        match pcr {
            PCR_SECURE_BOOT if !self.variables && has_secure_boot() => {
                Some(ConditionCode::NoSecureBootKeys)
            }
            PCR_SECURE_BOOT if !self.variables => Some(ConditionCode::WithoutSecureBoot),
            PCR_BOOT_CODE if !self.variables && loads_kernel => Some(ConditionCode::SecureBootOff),
            PCR_BOOT_CONFIG if !self.disk => Some(ConditionCode::WithoutPartitionTable),
            _ => None,
        }
    }
}

/// PCR 0 and 1, which only a log can have put into a prediction, and then into each.
fn pinned(
    bank: Bank,
    pcr: PcrIndex,
    predictions: &[(Assumptions, Prediction)],
) -> Option<BankDigest> {
    let (_, prediction) = predictions.first().filter(|_| pcr.number() < 2)?;
    value(bank, prediction, pcr)
}

/// What was assumed of the machine, by the key that would say it.
type When = BTreeMap<String, Word>;

/// A part of the assumptions.
type Part = fn(&Assumptions) -> When;

fn of_firmware(assumptions: &Assumptions) -> When {
    [("firmware-behaviour".to_owned(), Word::of(assumptions.firmware))].into()
}

fn of_kernel(assumptions: &Assumptions) -> When {
    let (header, memory) = match assumptions.kernel {
        None => (None, None),
        Some(KernelHeader::InFile) => (Some("in-file"), None),
        Some(KernelHeader::Patched { memory }) => (Some("patched"), Some(Memory(memory))),
    };
    let header = header.map(|header| ("kernel-header".to_owned(), Word::of(header)));
    let memory = memory.map(|memory| ("memory".to_owned(), Word::of(memory)));
    header.into_iter().chain(memory).collect()
}

fn of_both(assumptions: &Assumptions) -> When {
    let mut all = of_firmware(assumptions);
    all.extend(of_kernel(assumptions));
    all
}

/// What has to be said of the machine for the register to be predicted, and its value then.
fn open(values: &[(Assumptions, BankDigest)]) -> Reason {
    // The first of these that leaves nothing open is enough to say.
    let parts: [(ReasonCode, Part); 3] = [
        (ReasonCode::FirmwareBehaviour, of_firmware),
        (ReasonCode::KernelHeader, of_kernel),
        (ReasonCode::FirmwareAndKernelHeader, of_both),
    ];
    for (code, part) in parts {
        let mut groups: BTreeMap<When, BTreeSet<BankDigest>> = BTreeMap::new();
        for (assumptions, value) in values {
            groups.entry(part(assumptions)).or_default().insert(*value);
        }
        if groups.values().any(|values| values.len() > 1) {
            continue;
        }
        let candidate = |(when, values): (When, BTreeSet<BankDigest>)| {
            let value = values.into_iter().next()?.to_string();
            Some(Candidate { when, value })
        };
        let candidates = groups.into_iter().filter_map(candidate).collect();
        return Reason { candidates, ..code.into() };
    }
    ReasonCode::Undecided.into()
}

/// The register's value in a bank; none if the prediction leaves the register open, or has nothing
/// extended into it.
#[must_use]
pub fn value(bank: Bank, prediction: &Prediction, pcr: PcrIndex) -> Option<BankDigest> {
    match bank {
        Bank::Sha256 => Some(BankDigest::Sha256(prediction.pcrs_sha256().get(&pcr)?.0)),
        Bank::Sha384 => Some(BankDigest::Sha384(prediction.pcrs_sha384().get(&pcr)?.0)),
    }
}

#[cfg(test)]
mod tests;
