//! What is said of a PCR before a boot: its value with what that takes for granted, or why there is
//! none.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_measure::event::{Bank, BankDigest, PcrIndex};
use cvmkit_measure::tpm::{Platform, Prediction, Prospect};
use cvmkit_measure::uefi::{PCR_BOOT_CODE, PCR_BOOT_CONFIG, PCR_SECURE_BOOT};

use super::{Assumptions, Bootable};

/// What is known of the machine, beside what each prediction assumes.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What boots.
    pub boot: &'a Bootable,
    /// Who gives the machine its TPM.
    pub platform: Platform,
    /// Whether the variables of the firmware are.
    pub variables: bool,
    /// Whether the disk is.
    pub disk: bool,
}

/// What is said of one register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It will have this value.
    Predicted {
        /// In the bank that was asked for.
        value: BankDigest,
        /// What it takes for granted; none if boots have proven it.
        reservation: Option<String>,
    },
    /// It has no value, for this reason.
    Open(String),
}

impl Known<'_> {
    /// The register's value where all predictions agree, or the reason why there is none.
    #[must_use]
    pub fn outlook(
        &self,
        bank: Bank,
        pcr: PcrIndex,
        predictions: &[(Assumptions, Prediction)],
    ) -> Outlook {
        if let Some(value) = pinned(bank, pcr, predictions) {
            let words = "as the log of an earlier boot has it: of the same firmware in the same \
                         machine";
            return Outlook::Predicted { value, reservation: Some(words.to_owned()) };
        }
        let prospect = self.platform.prospect(pcr);
        if let Prospect::Unknown(words) = prospect {
            return Outlook::Open(words.to_owned());
        }
        let is_foreign = self.platform != Platform::QemuOvmf;
        if pcr == PCR_SECURE_BOOT && is_foreign && !self.variables {
            let words = "decided by the Secure Boot keys the instance was created with: name them \
                         (`--vars`, or `variables` of the platform)";
            return Outlook::Open(words.to_owned());
        }
        let value = |(assumptions, prediction): &(Assumptions, Prediction)| {
            Some((*assumptions, value(bank, prediction, pcr)?))
        };
        let values: Vec<(Assumptions, BankDigest)> = predictions.iter().filter_map(value).collect();
        let Some((_, first)) = values.first() else {
            return Outlook::Open("nothing is known of it".to_owned());
        };
        if values.iter().any(|(_, value)| value != first) {
            return Outlook::Open(open(&values));
        }
        let reservation = match (prospect.words(), self.reservation(pcr)) {
            (Some(words), Some(more)) => Some(format!("{words}; {more}")),
            (words, more) => words.or(more).map(str::to_owned),
        };
        Outlook::Predicted { value: *first, reservation }
    }

    /// What a value takes for granted because it was not said.
    fn reservation(&self, pcr: PcrIndex) -> Option<&'static str> {
        let loads_kernel = matches!(self.boot, Bootable::Disk(disk) if disk.uki.stub.loads_kernel);
        match pcr {
            PCR_SECURE_BOOT if !self.variables => Some(
                "of firmware without Secure Boot: name the variables of any other (`--vars`, or \
                 `variables` of the platform)",
            ),
            PCR_BOOT_CODE if !self.variables && loads_kernel => Some(
                "if Secure Boot is off: name the firmware's variables (`--vars`, or `variables` of \
                 the platform)",
            ),
            PCR_BOOT_CONFIG if !self.disk => {
                Some("of a disk without a partition table: name any other with --disk")
            }
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

/// A part of the assumptions, in words.
type Part = fn(&Assumptions) -> String;

/// What has to be said of the machine for the register to be predicted, and its value then.
fn open(values: &[(Assumptions, BankDigest)]) -> String {
    let firmware: Part = |assumptions| assumptions.firmware.to_string();
    let kernel: Part =
        |assumptions| assumptions.kernel.map_or(String::new(), |kernel| kernel.to_string());
    let both: Part = |assumptions| assumptions.to_string();
    // The first of these that leaves nothing open is enough to say.
    let ways = [
        ("--firmware-behaviour", firmware),
        ("--kernel-header", kernel),
        ("--firmware-behaviour and --kernel-header", both),
    ];
    let grouped = |name: Part| {
        let mut groups: BTreeMap<String, BTreeSet<BankDigest>> = BTreeMap::new();
        for (assumptions, value) in values {
            groups.entry(name(assumptions)).or_default().insert(*value);
        }
        groups
    };
    let mut ways = ways.into_iter().map(|(option, name)| (option, grouped(name)));
    let decides = |(_, groups): &(&str, BTreeMap<String, BTreeSet<BankDigest>>)| {
        groups.values().all(|values| values.len() == 1)
    };
    let Some((option, groups)) = ways.find(decides) else { return "it is open".to_owned() };
    let listed = |(name, values): (String, BTreeSet<BankDigest>)| {
        values.into_iter().map(move |value| format!("{value} with {name}")).collect::<Vec<_>>()
    };
    let each: Vec<String> = groups.into_iter().flat_map(listed).collect();
    format!(
        "decided by what {option} says (of a platform `firmware-behaviour`, `vmm-version` and \
         `memory`): {}",
        each.join(", ")
    )
}

/// The register's value in a bank, if the prediction has one.
#[must_use]
pub fn value(bank: Bank, prediction: &Prediction, pcr: PcrIndex) -> Option<BankDigest> {
    match bank {
        Bank::Sha256 => Some(BankDigest::Sha256(prediction.pcrs_sha256().get(&pcr)?.0)),
        Bank::Sha384 => Some(BankDigest::Sha384(prediction.pcrs_sha384().get(&pcr)?.0)),
    }
}
