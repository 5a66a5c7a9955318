//! An event log against the boot of an image, event by event.

use cvmkit_measure::compare;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::registers::Registers;
use cvmkit_measure::event::{Bank, Observed, Register, RegisterSet, RtmrIndex};

use super::boots::boots;
use super::error::CompareError;
use super::events::{BankComparison, EventsComparison};
use super::expectation::Expectation;
use super::options::Options;
use super::report::Report;
use super::values::ValuesComparison;
use super::{explain, known_td, td, values};
use crate::predict::{Assumed, on_platform};

/// Compares a log with the image, or where there is only its reference values, the registers the
/// log comes to with those.
pub(super) fn compare(
    log: &Log<'_>,
    expectation: &Expectation<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), CompareError> {
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
    if log.registers == RegisterSet::Td {
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
            known_td::compare(subject, folder, &known, report);
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
