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
