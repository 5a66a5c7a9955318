//! What a report judges: every register and digest of it, in every comparison that was made.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Report;
use super::td::TdComparison;
use super::verdict::{Judged, Judgement};

/// The answer of a report, if at least `required` is to be judged.
pub(super) fn judge(report: &Report, required: Option<&[Judged]>) -> Judgement {
    let (judged, is_refused) = (judged(report), !report.refusals.is_empty());
    Judgement::of(&judged, expected(report), silent(report), required, is_refused)
}

/// Everything that was judged, and whether it is as expected in every way it was looked at.
fn judged(report: &Report) -> BTreeMap<Judged, bool> {
    let mut judged = BTreeMap::new();
    let mut note = |name: Judged, is_equal: bool| {
        let state = judged.entry(name).or_insert(true);
        *state = *state && is_equal;
    };
    if let Some(launch) = &report.launch {
        note(Judged::LaunchDigest, launch.is_equal());
    }
    // Where reference values answer, the events of a TPM's log say why, and no more.
    let events = report.events.iter().filter(|_| report.values.is_none());
    let banks = events.flat_map(|events| &events.banks).map(|bank| &bank.comparison);
    let td = report.td.iter().filter_map(|td| td.events.as_ref());
    for comparison in banks.chain(td) {
        for register in &comparison.registers {
            note(Judged::Register(register.register), register.divergence.is_none());
        }
        for open in comparison.open.iter().filter(|open| open.divergence.is_some()) {
            note(Judged::Register(open.register), false);
        }
    }
    for value in values(report).filter(|value| value.observed.is_some()) {
        note(Judged::Register(value.register), value.is_equal());
    }
    judged
}

/// Every value that is expected.
fn values(report: &Report) -> impl Iterator<Item = &cvmkit_measure::compare::ValueComparison> {
    let of_td = report.td.iter().flat_map(|td| &td.values);
    of_td.chain(report.values.iter().flat_map(|values| &values.registers))
}

fn expected(report: &Report) -> BTreeSet<Judged> {
    values(report).map(|value| Judged::Register(value.register)).collect()
}

/// What was given and is expected nowhere.
fn silent(report: &Report) -> BTreeSet<Judged> {
    let of_values = report.values.iter().flat_map(|values| &values.not_predicted);
    let events = report.events.iter().filter(|_| report.values.is_none());
    let banks = events.flat_map(|events| &events.banks);
    let of_events = banks.flat_map(|bank| &bank.comparison.not_predicted);
    let of_td = report.td.iter().flat_map(TdComparison::silent);
    of_values.chain(of_events).chain(of_td).map(|register| Judged::Register(*register)).collect()
}
