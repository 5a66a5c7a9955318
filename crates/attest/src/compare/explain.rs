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
    use cvmkit_measure::compare::RegisterComparison;
    use cvmkit_measure::event::PcrIndex;

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
}
