//! Where values and events of one machine meet: values judge, and events say at which place a register
//! that differs has parted. So each register has one verdict, one line and one list of causes.

use std::fmt;

use cvmkit_measure::compare::{Comparison, ValueComparison};
use cvmkit_measure::event::{Bank, Register};

use super::values::ValuesComparison;

/// Leaves of `events` what explains a value that differs, with the causes that an event has in place
/// of those that the value alone has. Registers without a value stay if `bank` is none: only the
/// events are known of them.
pub(super) fn of_values(
    values: &mut ValuesComparison,
    events: &mut Comparison,
    bank: Option<Bank>,
) {
    let is_of = |value: &ValueComparison, register: Register| {
        value.register == register && bank.is_none_or(|bank| value.expected.bank() == bank)
    };
    let stays = |register: Register, parts: bool| match values
        .registers
        .iter()
        .find(|value| is_of(value, register) && value.observed.is_some())
    {
        Some(value) => parts && !value.is_equal(),
        None => bank.is_none(),
    };
    events.registers.retain(|of| stays(of.register, of.divergence.is_some()));
    events.open.retain(|of| stays(of.register, of.divergence.is_some()));
    let explained: Vec<Register> = events.divergences().map(|parting| parting.register).collect();
    for value in &mut values.registers {
        if explained.iter().any(|register| is_of(value, *register)) {
            value.causes.clear();
        }
    }
    let has_line = |register: &Register| {
        events.registers.iter().any(|of| of.register == *register)
            || events.open.iter().any(|of| of.register == *register)
    };
    values.not_predicted.retain(|register| !has_line(register));
}

/// The first place where a log parts from what is expected, and those in other registers.
pub(super) fn write_divergences(
    f: &mut fmt::Formatter<'_>,
    events: Option<&Comparison>,
) -> fmt::Result {
    let Some(first) = events.and_then(Comparison::first) else { return Ok(()) };
    writeln!(f, "first divergence: {first}")?;
    let all = events.into_iter().flat_map(Comparison::divergences);
    all.filter(|other| *other != first).try_for_each(|other| writeln!(f, "then: {other}"))
}

#[cfg(test)]
mod tests {
    use cvmkit_measure::compare::{Cause, Prediction, RegisterComparison, compare};
    use cvmkit_measure::event::{
        EventType, Events, Observed, ObservedEvent, PcrIndex, RegisterSet,
    };

    use super::*;

    fn pcr(number: u8) -> Register {
        Register::Pcr(PcrIndex::new(number).unwrap())
    }

    /// What equals its value is judged by it; what has no value keeps its events, if they are all there is.
    #[test]
    fn a_register_has_its_line_where_the_values_are() {
        let (expected, other) = (Bank::Sha256.hash(b"expected"), Bank::Sha256.hash(b"other"));
        let value = |number, observed| ValueComparison {
            register: pcr(number),
            expected,
            observed,
            causes: Vec::new(),
        };
        let register = |number| RegisterComparison {
            register: pcr(number),
            expected,
            observed: expected,
            divergence: None,
        };
        let events = || Comparison {
            registers: [4, 9, 11, 12].map(register).to_vec(),
            open: Vec::new(),
            not_predicted: Vec::new(),
        };
        let values = || ValuesComparison {
            expected: String::new(),
            tried: 1,
            fits_as_well: Vec::new(),
            registers: vec![value(4, Some(expected)), value(9, Some(other)), value(11, None)],
            not_predicted: vec![pcr(12), pcr(13)],
            reasons: Default::default(),
        };
        for (bank, left, not_predicted) in [
            // Of a TPM's log the values say all: no event parts here, so nothing is left to explain.
            (Some(Bank::Sha256), vec![], vec![pcr(12), pcr(13)]),
            // Of a TD the log speaks for registers without a value.
            (None, vec![pcr(11), pcr(12)], vec![pcr(13)]),
        ] {
            let (mut values, mut events) = (values(), events());
            of_values(&mut values, &mut events, bank);
            let found: Vec<Register> = events.registers.iter().map(|of| of.register).collect();
            assert_eq!((found, values.not_predicted), (left, not_predicted), "{bank:?}");
        }
    }

    /// A log with one event in each of these PCRs, into which nothing may be extended.
    fn parting(bank: Bank, numbers: &[u8]) -> Comparison {
        let event = |number: &u8| ObservedEvent {
            register: pcr(*number),
            event_type: EventType::EV_SEPARATOR,
            digest: bank.hash(b"event"),
            data: Default::default(),
        };
        let events = numbers.iter().map(event).collect();
        let observed = Observed::new(RegisterSet::Tpm, bank, events).unwrap();
        let untouched: Vec<Register> = numbers.iter().map(|number| pcr(*number)).collect();
        let nothing = Events::default();
        let expected = Prediction { untouched: &untouched, ..Prediction::from(&nothing) };
        compare(expected, &observed)
    }

    fn values(registers: Vec<ValueComparison>) -> ValuesComparison {
        ValuesComparison {
            expected: String::new(),
            tried: 1,
            fits_as_well: Vec::new(),
            registers,
            not_predicted: Vec::new(),
            reasons: Default::default(),
        }
    }

    /// A value of this bank that is another than is expected.
    fn differing(bank: Bank, number: u8) -> ValueComparison {
        ValueComparison {
            register: pcr(number),
            expected: bank.hash(b"expected"),
            observed: Some(bank.hash(b"other")),
            causes: vec![Cause::Kernel],
        }
    }

    /// An event has the causes in place of the value; of a value without one they stay.
    #[test]
    fn a_value_that_an_event_explains_has_no_causes_of_its_own() {
        for bank in [Some(Bank::Sha256), None] {
            let mut found = values(vec![differing(Bank::Sha256, 4), differing(Bank::Sha256, 9)]);
            let mut events = parting(Bank::Sha256, &[4, 11]);
            of_values(&mut found, &mut events, bank);
            let causes: Vec<usize> = found.registers.iter().map(|of| of.causes.len()).collect();
            assert_eq!(causes, [0, 1], "{bank:?}");
            let left: Vec<Register> = events.registers.iter().map(|of| of.register).collect();
            // Without a value, a TPM's register has no line; a TD's is judged by its log.
            let expected = if bank.is_some() { vec![pcr(4)] } else { vec![pcr(4), pcr(11)] };
            assert_eq!(left, expected, "{bank:?}");
        }
    }

    /// Events of one bank explain no value of another.
    #[test]
    fn a_bank_is_explained_by_its_own_events() {
        let mut found = values(vec![differing(Bank::Sha384, 4)]);
        let mut events = parting(Bank::Sha256, &[4]);
        of_values(&mut found, &mut events, Some(Bank::Sha256));
        assert_eq!((found.registers[0].causes.len(), events.registers.len()), (1, 0));
        let mut events = parting(Bank::Sha384, &[4]);
        of_values(&mut found, &mut events, Some(Bank::Sha384));
        assert_eq!((found.registers[0].causes.len(), events.registers.len()), (0, 1));
    }

    #[test]
    fn the_first_place_is_told_before_the_others() {
        struct Lines(Option<Comparison>);
        impl fmt::Display for Lines {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_divergences(f, self.0.as_ref())
            }
        }
        let said = |events: Option<Comparison>| Lines(events).to_string();
        assert_eq!(said(None), "");
        assert_eq!(said(Some(parting(Bank::Sha256, &[]))), "");
        let text = said(Some(parting(Bank::Sha256, &[4, 9, 11])));
        let heads: Vec<&str> = text.lines().filter(|line| line.contains(": PCR ")).collect();
        assert_eq!(
            heads,
            [
                "first divergence: PCR 4: event 0 is unexpected",
                "then: PCR 9: event 0 is unexpected",
                "then: PCR 11: event 0 is unexpected",
            ]
        );
    }
}
