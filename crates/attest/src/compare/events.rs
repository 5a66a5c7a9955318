//! An event log against the boot of an image, event by event.

use std::cmp::Reverse;
use std::fmt;

use cvmkit_measure::compare::{self, Comparison};
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::registers::Registers;
use cvmkit_measure::event::{Bank, Observed, Register, RegisterSet, RtmrIndex};
use cvmkit_measure::uefi::variables::SecureBoot;
use serde::Serialize;

use super::values::ValuesComparison;
use super::{CompareError, Expectation, Options, Report, explain, in_full, named, td, values};
use crate::predict::{Assumed, Assumptions, PredictionError, TpmBoot, TpmMachine, on_platform};
use crate::profile::Boot;

/// One bank of a log beside its prediction.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BankComparison {
    /// Which.
    pub bank: Bank,
    /// Every register.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// A log beside the prediction that fits it best.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventsComparison {
    /// How the image booted: `uki-disk` or `direct`.
    pub boot: &'static str,
    /// What was assumed of the machine.
    pub assumptions: Assumptions,
    /// Number of predictions that were tried.
    pub tried: usize,
    /// Each bank of the log.
    pub banks: Vec<BankComparison>,
}

impl EventsComparison {
    /// Whether every predicted register has exactly the predicted events, in every bank.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        !self.banks.is_empty() && self.banks.iter().all(|bank| bank.comparison.is_equal())
    }

    /// Fewer is better: registers that part, and then the later they do.
    fn distance(&self) -> (usize, Reverse<usize>) {
        let parting = self.banks.iter().flat_map(|bank| bank.comparison.divergences());
        let parting: Vec<usize> = parting.map(|divergence| divergence.index).collect();
        (parting.len(), Reverse(parting.iter().sum()))
    }

    /// The bank that is shown: the first that differs, or the first.
    fn shown(&self) -> Option<&BankComparison> {
        self.banks.iter().find(|bank| !bank.comparison.is_equal()).or(self.banks.first())
    }

    /// Where the log parts, and nothing of registers that don't.
    pub(super) fn write_divergences(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explain::write_divergences(f, self.shown().map(|bank| &bank.comparison))
    }
}

impl fmt::Display for EventsComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expected: {}", self.assumptions.name(self.boot))?;
        let Some(BankComparison { bank, comparison }) = self.shown() else { return Ok(()) };
        for register in &comparison.registers {
            let state = if register.divergence.is_some() { "DIFFERS" } else { "equal" };
            writeln!(f, "  {:<7} {state:<7}  {bank}:{}", register.register, register.observed)?;
        }
        for register in &comparison.not_predicted {
            writeln!(f, "  {register:<7} not predicted")?;
        }
        self.write_divergences(f)
    }
}

/// Every way the image can boot that is to be tried; what can't be predicted is noted as long as
/// something can.
pub(super) fn boots(
    expectation: &Expectation<'_>,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'static str, Assumed)>, CompareError> {
    let Some(folder) = expectation.folder else { return Ok(Vec::new()) };
    let ways = match options.boot {
        Some(boot) => vec![boot == Boot::Direct],
        None => vec![false, true],
    };
    let mut predicted = Vec::new();
    let mut refusals: Vec<PredictionError> = Vec::new();
    for direct in ways {
        let boot = TpmBoot::of_image(folder, direct)
            .and_then(|boot| Ok((boot.kind(), of_machines(&boot, options, notes)?)));
        match boot {
            Ok((kind, assumed)) => {
                predicted.extend(assumed.into_iter().map(|assumed| (kind, assumed)));
            }
            // Nothing is predicted of what is no image.
            Err(error @ PredictionError::Manifest(_)) => return Err(error.into()),
            Err(error) => refusals.push(error),
        }
    }
    if predicted.is_empty() {
        // The first is of the way that was asked for, or of the usual one.
        return match refusals.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(predicted),
        };
    }
    notes.extend(refusals.iter().map(|error| format!("not tried: {}", in_full(error))));
    Ok(predicted)
}

/// What is predicted of each Secure Boot state the machine can be in.
fn of_machines(
    boot: &TpmBoot,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Vec<Assumed>, PredictionError> {
    let (mut predicted, refusal) = boot.predictions_but(&options.machine)?;
    notes.extend(refusal.map(|error| format!("tried in part: {}", in_full(&error))));
    if !options.knows_secure_boot {
        let secure_boot = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
        predicted.extend(boot.predictions(&TpmMachine { secure_boot, ..options.machine.clone() })?);
    }
    Ok(predicted)
}

/// Compares a log with the image, or where there is only its reference values, the registers the
/// log comes to with those.
pub(super) fn compare(
    (set, bytes): (RegisterSet, &[u8]),
    expectation: &Expectation<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), CompareError> {
    let log = Log::parse(bytes, set)?;
    let banks: Vec<Observed<'_>> =
        Bank::ALL.iter().filter_map(|bank| log.observed(*bank).ok()).collect();
    if banks.is_empty() {
        // Why there is none is for the parser to say.
        log.observed(Bank::Sha256)?;
    }
    report.notes.push(
        "a log is the guest's own words: rely on it only where its registers are those that a \
         quote signs"
            .to_owned(),
    );
    if set == RegisterSet::Td {
        let [log] = &banks[..] else {
            return Err(expectation.without("an event log of two banks"));
        };
        let subject = td::ReportedTd { log: Some(log), values: None };
        return td_registers(&subject, &replay_td(log), expectation, options, report);
    }
    if expectation.folder.is_none() || expectation.answers_for_tpm(options) {
        report.values = Some(values::of_known(&replay(&banks), expectation, options)?);
    }
    let answered = report.values.as_ref().is_some_and(ValuesComparison::is_equal);
    if expectation.folder.is_none() || answered {
        return Ok(());
    }
    // Where reference values answer, this says at which event the log parts from them.
    let boots = boots(expectation, options, &mut report.notes)?;
    let tried = boots.len();
    let compared = boots.into_iter().map(|(boot, Assumed { assumptions, prediction })| {
        let prediction = on_platform(&prediction, options.platform());
        let untouched: Vec<Register> =
            prediction.untouched.iter().map(|p| Register::Pcr(*p)).collect();
        let bank = |observed: &Observed<'_>| {
            let events = prediction.in_bank(observed.bank());
            let expected = compare::Prediction {
                events: &events,
                untouched: &untouched,
                startup_locality: prediction.startup_locality,
            };
            let comparison = compare::compare(expected, observed);
            BankComparison { bank: observed.bank(), comparison }
        };
        EventsComparison { boot, assumptions, tried, banks: banks.iter().map(bank).collect() }
    });
    report.events = compared.min_by_key(EventsComparison::distance);
    if let (Some(values), Some(events)) = (&mut report.values, &mut report.events) {
        let banks = events.banks.iter_mut();
        banks.for_each(|of| explain::of_values(values, &mut of.comparison, Some(of.bank)));
    }
    Ok(())
}

/// Compares a TD with the reference values; with the boot of the image where those have none of its
/// registers, or where it is said what the machine is.
pub(super) fn td_registers(
    subject: &td::ReportedTd<'_>,
    registers: &Registers,
    expectation: &Expectation<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), CompareError> {
    // What is said of the machine is taken into account by the prediction alone.
    let known = match options.described.is_empty() {
        true => values::beside_known(registers, expectation, options),
        false => Vec::new(),
    };
    match expectation.folder {
        None if known.is_empty() => Err(expectation.without("any of these registers")),
        Some(folder) if known.is_empty() => {
            let (named, notes) = (&expectation.named, &mut report.notes);
            report.td =
                Some(td::compare(subject, folder, named, &options.td, options.boot, notes)?);
            Ok(())
        }
        folder => {
            named::compare(subject, folder, &known, report);
            Ok(())
        }
    }
}

/// The registers that the log of a TD comes to: all of them, as it is the log of all.
fn replay_td(log: &Observed<'_>) -> Registers {
    let replayed = log.replay();
    let mut registers = Registers::default();
    for register in RtmrIndex::all().map(Register::Rtmr) {
        let untouched = log.bank().initial(register, log.startup_locality());
        // A register comes once in a bank.
        let _ = registers.insert(register, replayed.get(&register).copied().unwrap_or(untouched));
    }
    registers
}

fn replay(banks: &[Observed<'_>]) -> Registers {
    let mut registers = Registers::default();
    for (register, value) in banks.iter().flat_map(Observed::replay) {
        // A register comes once in a bank.
        let _ = registers.insert(register, value);
    }
    registers
}
