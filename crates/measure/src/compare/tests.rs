//! Every kind of difference between two lists of events.

use std::borrow::Cow;

use cvmkit_formats::digest::Digests;

use super::*;
use crate::event::PcrIndex;

const FOUR: u8 = 4;

fn predicted(pcr: u8, event_type: EventType, word: &str) -> Event {
    Event {
        pcr: PcrIndex::new(pcr).unwrap(),
        event_type,
        meaning: word.to_owned().into(),
        source: Source::Code,
        digests: Digests::of(word.as_bytes()),
    }
}

fn logged(pcr: u8, event_type: EventType, word: &str) -> ObservedEvent<'static> {
    ObservedEvent {
        register: Register::Pcr(PcrIndex::new(pcr).unwrap()),
        event_type,
        digest: Bank::Sha256.hash(word.as_bytes()),
        data: Cow::Owned(word.as_bytes().to_vec()),
    }
}

/// A letter each: capitals are separators, small letters actions.
fn of_letter(letter: char) -> EventType {
    if letter.is_uppercase() { EventType::EV_SEPARATOR } else { EventType::EV_EFI_ACTION }
}

fn compared(expected: &str, found: &str) -> Option<(usize, Kind)> {
    let events: Events =
        expected.chars().map(|l| predicted(FOUR, of_letter(l), &l.to_string())).collect();
    let observed: Vec<_> =
        found.chars().map(|l| logged(FOUR, of_letter(l), &l.to_string())).collect();
    let observed = Observed::new(RegisterSet::Tpm, Bank::Sha256, observed).unwrap();
    let comparison = compare(Prediction::from(&events), &observed);
    let first = comparison.first().map(|divergence| (divergence.index, divergence.kind));
    assert_eq!(first.is_none(), comparison.is_equal());
    let [register] = comparison.registers.as_slice() else { panic!("one register") };
    assert_eq!(register.expected == register.observed, first.is_none(), "{expected} {found}");
    first
}

/// Every kind of difference, at the first place where there is one.
#[test]
fn the_first_difference_is_named_by_what_comes_after_it() {
    use Kind::{Differs, Missing, OutOfOrder, Unexpected};
    for (expected, found, difference) in [
        ("abc", "abc", None),
        ("abc", "ab", Some((2, Missing))),
        ("abc", "", Some((0, Missing))),
        ("abc", "abcd", Some((3, Unexpected))),
        ("abc", "axc", Some((1, Differs))),
        ("abc", "ac", Some((1, Missing))),
        ("abc", "axbc", Some((1, Unexpected))),
        ("abc", "acb", Some((1, OutOfOrder))),
        ("abc", "cab", Some((0, OutOfOrder))),
        // Of one digest there may be several.
        ("aab", "ab", Some((1, Missing))),
        ("ab", "aab", Some((1, Unexpected))),
        ("aba", "aab", Some((1, OutOfOrder))),
        // Of two types: one more of the reported, one less of the predicted, or neither.
        ("ab", "aXc", Some((1, Unexpected))),
        ("aXb", "ac", Some((1, Missing))),
        ("aX", "ab", Some((1, Differs))),
        ("aXb", "acY", Some((1, Differs))),
    ] {
        assert_eq!(compared(expected, found), difference, "{expected} {found}");
    }
}

/// What follows from another input earlier in a boot comes later in the prediction.
#[test]
fn the_first_of_all_is_by_the_prediction_and_not_by_the_register() {
    let action = EventType::EV_EFI_ACTION;
    let events: Events =
        [predicted(7, action, "a"), predicted(4, action, "b"), predicted(7, action, "c")]
            .into_iter()
            .collect();
    let first = |words: [&str; 3]| {
        let [a, b, c] = words;
        let reported = vec![logged(7, action, a), logged(4, action, b), logged(7, action, c)];
        let observed = Observed::new(RegisterSet::Tpm, Bank::Sha256, reported).unwrap();
        let comparison = compare(Prediction::from(&events), &observed);
        comparison.first().map(|divergence| divergence.register.to_string())
    };
    assert_eq!(first(["a", "b", "c"]), None);
    assert_eq!(first(["a", "x", "y"]).as_deref(), Some("PCR 4"));
    assert_eq!(first(["x", "y", "c"]).as_deref(), Some("PCR 7"));
    assert_eq!(first(["a", "b", "y"]).as_deref(), Some("PCR 7"));
}

#[test]
fn open_registers_are_judged_up_to_the_last_known_event() {
    let action = EventType::EV_EFI_ACTION;
    let events: Events =
        [predicted(4, action, "a"), predicted(5, action, "b")].into_iter().collect();
    let four = Register::Pcr(PcrIndex::new(4).unwrap());
    let compared = |reported: Vec<ObservedEvent<'static>>| {
        let observed = Observed::new(RegisterSet::Tpm, Bank::Sha256, reported).unwrap();
        compare_start(Prediction::from(&events), &[four], &observed)
    };
    let known =
        compared(vec![logged(4, action, "a"), logged(4, action, "x"), logged(5, action, "b")]);
    assert_eq!((known.registers.len(), known.open[0].known, known.is_equal()), (1, 1, true));
    assert_eq!(known.open[0].divergence, None);
    let parted = compared(vec![logged(4, action, "x"), logged(5, action, "b")]);
    let divergence = parted.open[0].divergence.as_ref().unwrap();
    assert_eq!((divergence.index, divergence.kind), (0, Kind::Differs));
    assert!(!parted.is_equal());
    // Nothing but open registers is nothing compared.
    let one: Events = [predicted(4, action, "a")].into_iter().collect();
    let observed =
        Observed::new(RegisterSet::Tpm, Bank::Sha256, vec![logged(4, action, "a")]).unwrap();
    assert!(!compare_start(Prediction::from(&one), &[four], &observed).is_equal());
}

#[test]
fn untouched_registers_and_silent_ones() {
    let action = EventType::EV_EFI_ACTION;
    let events: Events = [predicted(4, action, "a")].into_iter().collect();
    let twelve = Register::Pcr(PcrIndex::new(12).unwrap());
    let prediction = Prediction { events: &events, untouched: &[twelve], startup_locality: 0 };
    let reported = vec![logged(4, action, "a"), logged(12, action, "x"), logged(9, action, "y")];
    let observed = Observed::new(RegisterSet::Tpm, Bank::Sha256, reported).unwrap();
    let comparison = compare(prediction, &observed);
    let found: Vec<_> = comparison.divergences().map(|d| (d.register, d.index, d.kind)).collect();
    assert_eq!(found, [(twelve, 0, Kind::Unexpected)]);
    assert_eq!(comparison.not_predicted, [Register::Pcr(PcrIndex::new(9).unwrap())]);
    let values = prediction.values(RegisterSet::Tpm, Bank::Sha256);
    assert_eq!(values[&twelve], Bank::Sha256.initial(twelve, 0));
    // A TD has no PCR 12: RTMR 2 stands for more than that.
    assert_eq!(prediction.values(RegisterSet::Td, Bank::Sha384).len(), 1);
}

#[test]
fn another_locality_is_no_event() {
    let events: Events = [predicted(0, EventType::EV_S_CRTM_VERSION, "a")].into_iter().collect();
    let reported = vec![logged(0, EventType::EV_S_CRTM_VERSION, "a")];
    let observed = Observed::new(RegisterSet::Tpm, Bank::Sha256, reported).unwrap();
    let prediction = Prediction { startup_locality: 3, ..Prediction::from(&events) };
    let comparison = compare(prediction, &observed);
    let divergence = comparison.first().unwrap();
    assert_eq!((divergence.kind, divergence.index), (Kind::InitialValue, 0));
    assert_eq!((divergence.expected.clone(), divergence.observed.clone()), (None, None));
    assert_eq!(divergence.causes, [Cause::StartupLocality]);
    assert!(compare(prediction, &observed.with_startup_locality(3)).is_equal());
}

#[test]
fn values_are_of_one_bank() {
    let events: Events = [predicted(4, EventType::EV_EFI_ACTION, "a")].into_iter().collect();
    let four = Register::Pcr(PcrIndex::new(4).unwrap());
    let compared = |value: BankDigest| {
        let values = BTreeMap::from([(four, value)]);
        compare_values(Prediction::from(&events), RegisterSet::Tpm, Bank::Sha256, &values)
    };
    let right = Prediction::from(&events).values(RegisterSet::Tpm, Bank::Sha256)[&four];
    assert!(compared(right).unwrap()[0].is_equal());
    let other = &compared(Bank::Sha256.hash(b"x")).unwrap()[0];
    assert!(!other.is_equal() && !other.causes.is_empty());
    assert_eq!(
        compared(Bank::Sha384.hash(b"x")).unwrap_err().to_string(),
        "the value of PCR 4 is a digest of sha384, expected sha256"
    );
    let none = BTreeMap::new();
    let set = RegisterSet::Tpm;
    let missing = compare_values(Prediction::from(&events), set, Bank::Sha256, &none).unwrap();
    assert_eq!(
        (missing[0].observed, missing[0].is_equal(), missing[0].causes.len()),
        (None, false, 0)
    );
}
