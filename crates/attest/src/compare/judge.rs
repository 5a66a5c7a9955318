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

/// Everything that was judged, and whether it is as expected in every comparison that judged it.
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

#[cfg(test)]
mod tests {
    use cvmkit_formats::digest::{Digests, Sha256, Sha384};
    use cvmkit_measure::compare::{Prediction, ValueComparison, compare, compare_start};
    use cvmkit_measure::event::{
        Bank, Event, EventType, Events, Observed, ObservedEvent, PcrIndex, Register, RegisterSet,
        Source,
    };
    use cvmkit_measure::snp::LaunchDigest;

    use super::super::events::{BankComparison, EventsComparison};
    use super::super::launch::LaunchComparison;
    use super::super::tests::fixture::{pcr, sha256};
    use super::super::values::ValuesComparison;
    use super::super::verdict::Verdict;
    use super::*;

    fn report() -> Report {
        Report {
            equal: false,
            judgement: Judgement::nothing(),
            observed: String::new(),
            with: "out".into(),
            refusals: Vec::new(),
            launch: None,
            events: None,
            td: None,
            values: None,
            notes: Vec::new(),
        }
    }

    /// Values of PCRs: whether each is equal, or none if it was not given.
    fn values(registers: &[(u8, Option<bool>)], not_predicted: &[u8]) -> ValuesComparison {
        let value = |(number, state): &(u8, Option<bool>)| ValueComparison {
            register: pcr(*number),
            expected: sha256(1),
            observed: state.map(|is_equal| if is_equal { sha256(1) } else { sha256(2) }),
            causes: Vec::new(),
        };
        ValuesComparison {
            expected: String::new(),
            tried: 1,
            fits_as_well: Vec::new(),
            registers: registers.iter().map(value).collect(),
            not_predicted: not_predicted.iter().map(|number| pcr(*number)).collect(),
            reasons: BTreeMap::new(),
        }
    }

    /// A log with one event in each of these PCRs.
    fn observed(extended: &[u8]) -> Observed<'static> {
        let event = |number: &u8| ObservedEvent {
            register: pcr(*number),
            event_type: EventType::EV_SEPARATOR,
            digest: sha256(9),
            data: Default::default(),
        };
        let events = extended.iter().map(event).collect();
        Observed::new(RegisterSet::Tpm, Bank::Sha256, events).unwrap()
    }

    /// That log, where nothing may be extended into some registers.
    fn events(extended: &[u8], untouched: &[u8]) -> EventsComparison {
        let observed = observed(extended);
        let untouched: Vec<Register> = untouched.iter().map(|number| pcr(*number)).collect();
        let nothing = Events::default();
        let expected = Prediction { untouched: &untouched, ..Prediction::from(&nothing) };
        let comparison = compare(expected, &observed);
        let assumptions = crate::predict::Assumptions {
            firmware: "ovmf-2025.02".parse().unwrap(),
            secure_boot: None,
            read_only_disk: None,
            disk_bus: None,
            firmware_by: None,
            kernel: None,
        };
        let banks = vec![BankComparison { bank: Bank::Sha256, comparison }];
        EventsComparison { boot: "uki-disk", assumptions, tried: 1, banks }
    }

    fn names(judged: &[Judged]) -> Vec<String> {
        judged.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_that_were_given_are_judged() {
        let values = values(&[(4, Some(true)), (9, Some(false)), (11, None)], &[0]);
        let found = judge(&Report { values: Some(values), ..report() }, None);
        assert_eq!(names(&found.equal), ["PCR 4"]);
        assert_eq!(names(&found.differing), ["PCR 9"]);
        assert_eq!(names(&found.not_given), ["PCR 11"]);
        assert_eq!(names(&found.not_expected), ["PCR 0"]);
        assert_eq!(found.verdict, Verdict::Differs);
    }

    /// Where values answer, events say why and no more: each register has one verdict.
    #[test]
    fn events_judge_where_no_values_do() {
        let log = || Some(events(&[9, 0], &[4, 9]));
        let found = judge(&Report { events: log(), ..report() }, None);
        assert_eq!(
            (names(&found.equal), names(&found.differing)),
            (vec!["PCR 4".into()], vec!["PCR 9".into()])
        );
        assert_eq!(names(&found.not_expected), ["PCR 0"]);
        let values = values(&[(9, Some(true)), (11, Some(true))], &[]);
        let found = judge(&Report { events: log(), values: Some(values), ..report() }, None);
        assert_eq!(names(&found.equal), ["PCR 9", "PCR 11"]);
        assert!(found.differing.is_empty() && found.not_expected.is_empty());
    }

    /// Both banks have a PCR 4: it is as expected if it is in both.
    #[test]
    fn a_register_that_differs_in_one_bank_differs() {
        let mut log = events(&[], &[4]);
        log.banks.extend(events(&[4], &[4]).banks);
        let found = judge(&Report { events: Some(log), ..report() }, None);
        assert_eq!((names(&found.differing), found.equal.len()), (vec!["PCR 4".into()], 0));
        let mut twice = values(&[(4, Some(false)), (4, Some(true))], &[]);
        for _ in 0..2 {
            let found = judge(&Report { values: Some(twice.clone()), ..report() }, None);
            assert_eq!((names(&found.differing), found.equal.len()), (vec!["PCR 4".into()], 0));
            twice.registers.reverse();
        }
    }

    /// A register whose start alone is known can differ, and is never equal.
    #[test]
    fn an_open_register_is_never_equal() {
        let event = Event {
            pcr: PcrIndex::new(9).unwrap(),
            event_type: EventType::EV_SEPARATOR,
            meaning: "a test".into(),
            source: Source::Code,
            digests: Digests { sha256: Sha256([9; 32]), sha384: Sha384::ZERO },
        };
        let known: Events = [event].into_iter().collect();
        let judged = |extended: &[u8]| {
            let mut log = events(extended, &[]);
            let observed = observed(extended);
            log.banks[0].comparison = compare_start(Prediction::from(&known), &[pcr(9)], &observed);
            judge(&Report { events: Some(log), ..report() }, None)
        };
        let found = judged(&[9]);
        assert_eq!((found.equal.len(), found.differing.len()), (0, 0));
        let found = judged(&[]);
        assert_eq!((found.equal.len(), names(&found.differing)), (0, vec!["PCR 9".to_owned()]));
    }

    #[test]
    fn a_launch_digest_is_judged_by_the_machines_that_it_is_of() {
        let launch = |matching: &[&str]| LaunchComparison {
            observed: LaunchDigest(Sha384::ZERO),
            matching: matching.iter().map(ToString::to_string).collect(),
            reference_values: 1,
            would_match: Vec::new(),
            tried: 0,
        };
        for (matching, verdict) in [(&["a"][..], Verdict::Equal), (&[], Verdict::Differs)] {
            let found = judge(&Report { launch: Some(launch(matching)), ..report() }, None);
            assert_eq!(found.verdict, verdict);
        }
        // A guest that its host may debug is not equal, whatever it measured.
        let refused = Report {
            launch: Some(launch(&["a"])),
            refusals: vec!["a debug policy".to_owned()],
            ..report()
        };
        let found = judge(&refused, None);
        assert_eq!(
            (found.verdict, names(&found.equal)),
            (Verdict::Differs, vec!["launch digest".into()])
        );
        assert_eq!(judge(&report(), None).verdict, Verdict::Undecided);
    }

    #[test]
    fn what_is_required_and_was_not_judged_is_missing() {
        let required = [Judged::Register(Register::Mrtd)];
        let found = judge(&report(), Some(&required));
        assert_eq!((found.verdict, found.missing), (Verdict::Undecided, required.to_vec()));
    }
}
