//! What was predicted against what a machine reports: which event is the first that differs, and
//! what most likely made it differ.
//!
//! Two logs of one register either have the same digests in the same order, or there is a first
//! place where they do not. [`compare`] names that place for every register the prediction speaks
//! of, and [`compare_values`] does what can be done when there are values and no log.
//! Registers the prediction is silent about are listed and not judged. Only digests count: the
//! type and the data of an observed event are what the log claims, and serve to explain.
//!
//! A log that equals the prediction proves nothing by itself: whoever verifies a machine compares
//! the values that a quote or report signs. Deliberately absent: signatures, and any judgement of
//! events a prediction does not make. Oracle: planted mismatches in the logs of real boots.

mod cause;
mod kind;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::event::{
    Bank, BankDigest, Event, EventType, Events, Observed, ObservedEvent, Register, RegisterSet,
    Source,
};

pub use cause::{Cause, causes_of_known};
pub use kind::Kind;
pub use values::{ValueComparison, WrongBank, judge_jointly};

/// What a machine should have done.
#[derive(Clone, Copy, Debug)]
pub struct Prediction<'a> {
    /// Every event of the registers that are predicted at all.
    pub events: &'a Events,
    /// Registers nothing may be extended into, such as PCR 12 of a UKI that takes no command line
    /// from outside.
    pub untouched: &'a [Register],
    /// The locality that the TPM is started at, which PCR 0 begins with.
    pub startup_locality: u8,
}

impl<'a> From<&'a Events> for Prediction<'a> {
    fn from(events: &'a Events) -> Self {
        Self { events, untouched: &[], startup_locality: 0 }
    }
}

impl<'a> Prediction<'a> {
    /// The events of each predicted register, with their place in the prediction.
    fn by_register(&self, set: RegisterSet) -> BTreeMap<Register, Vec<(usize, &'a Event)>> {
        let untouched = self.untouched.iter().filter(|register| set.contains(**register));
        let mut registers: BTreeMap<_, Vec<_>> =
            untouched.map(|register| (*register, Vec::new())).collect();
        for (position, event) in self.events.0.iter().enumerate() {
            if let Some(register) = set.of_pcr(event.pcr) {
                registers.entry(register).or_default().push((position, event));
            }
        }
        registers
    }

    /// The value of each predicted register.
    #[must_use]
    pub fn values(&self, set: RegisterSet, bank: Bank) -> BTreeMap<Register, BankDigest> {
        let registers = self.by_register(set).into_iter();
        let folded = |(register, events): (Register, Vec<(usize, &Event)>)| {
            let digests = events.iter().map(|(_, event)| bank.pick(&event.digests));
            (register, fold(bank.initial(register, self.startup_locality), digests))
        };
        registers.map(folded).collect()
    }
}

fn fold(initial: BankDigest, digests: impl Iterator<Item = BankDigest>) -> BankDigest {
    // One bank throughout: the callers' digests are picked for it or checked by `Observed::new`.
    digests.fold(initial, |value, digest| value.extend(digest).unwrap_or(value))
}

/// The predicted event at a divergence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    /// Its place in the whole prediction, from 0.
    pub position: usize,
    /// What a log calls it.
    pub event_type: EventType,
    /// What is measured, in words.
    pub meaning: String,
    /// The input that decides the digest.
    pub source: Source,
    /// What the register is extended with, in the bank that is compared.
    pub digest: BankDigest,
}

/// The reported event at a divergence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reported {
    /// Its place among all extensions of the log, from 0.
    pub position: usize,
    /// What the log calls it.
    pub event_type: EventType,
    /// What the log says about it, in words: untrusted unless `is_bound`.
    pub description: String,
    /// Whether the digest vouches for the description.
    pub is_bound: bool,
    /// What the log says that the register was extended with.
    pub digest: BankDigest,
}

/// The first place where a register's events are not the predicted ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Divergence {
    /// The register whose value differs.
    pub register: Register,
    /// Number of events of this register that agree, so the place of the first that does not.
    pub index: usize,
    /// How they differ.
    pub kind: Kind,
    /// What should be there; none after the last predicted event, nor for [`Kind::InitialValue`].
    pub expected: Option<Expected>,
    /// What is there; none after the last reported event, nor for [`Kind::InitialValue`].
    pub observed: Option<Reported>,
    /// What can make this difference, likeliest first.
    pub causes: Vec<Cause>,
    /// Where the prediction stands at this place, to find the first divergence of all.
    #[serde(skip)]
    position: usize,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, index, kind, .. } = self;
        match kind {
            Kind::InitialValue => write!(f, "{register} {kind}")?,
            _ => write!(f, "{register}: event {index} {kind}{}", Pair(self))?,
        }
        self.causes.iter().try_for_each(|cause| write!(f, "\n  likely: {cause}"))
    }
}

/// The two events of a divergence, below each other.
struct Pair<'a>(&'a Divergence);

impl fmt::Display for Pair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.expected {
            Some(Expected { event_type, meaning, digest, .. }) => {
                write!(f, "\n  expected: {event_type}, {meaning}\n            {digest}")?;
            }
            None => f.write_str("\n  expected: no further event")?,
        }
        match &self.0.observed {
            Some(Reported { event_type, description, digest, is_bound, position }) => {
                let claimed = if *is_bound { "" } else { " (claimed by the log)" };
                write!(f, "\n  observed: {event_type}, {description}{claimed}")?;
                write!(f, "\n            {digest}, extension {position} of the log")
            }
            None => f.write_str("\n  observed: no further event"),
        }
    }
}

/// One register that is predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegisterComparison {
    /// Which.
    pub register: Register,
    /// The value after all predicted events.
    pub expected: BankDigest,
    /// The value after all reported events.
    pub observed: BankDigest,
    /// Where they part; none when all events are equal.
    pub divergence: Option<Divergence>,
}

/// One register of which only the start is predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OpenComparison {
    /// Which.
    pub register: Register,
    /// Number of events that are predicted.
    pub known: usize,
    /// The value after all reported events, which is not judged.
    pub observed: BankDigest,
    /// Where they part already; none when all of them are equal.
    pub divergence: Option<Divergence>,
}

/// A prediction beside a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Every predicted register, by number.
    pub registers: Vec<RegisterComparison>,
    /// Every register of which only the start is predicted: it can part, and is never equal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenComparison>,
    /// Registers the log extends and the prediction is silent about.
    pub not_predicted: Vec<Register>,
}

impl Comparison {
    /// Whether every predicted register has exactly the predicted events. Never so when no register
    /// is predicted: a comparison of nothing must not pass for a good one.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        !self.registers.is_empty() && self.divergences().next().is_none()
    }

    /// The first divergence of each register that has one, by register.
    pub fn divergences(&self) -> impl Iterator<Item = &Divergence> {
        let whole = self.registers.iter().map(|register| register.divergence.as_ref());
        let open = self.open.iter().map(|register| register.divergence.as_ref());
        whole.chain(open).flatten()
    }

    /// The first divergence of all, in the order of the prediction: what follows from another
    /// input earlier in a boot comes later.
    #[must_use]
    pub fn first(&self) -> Option<&Divergence> {
        self.divergences().min_by_key(|divergence| divergence.position)
    }
}

/// Compares a prediction with a log, register by register. What the prediction has for PCR 0 has no
/// register in a TD and is left out there.
#[must_use]
pub fn compare(prediction: Prediction<'_>, observed: &Observed<'_>) -> Comparison {
    compare_start(prediction, &[], observed)
}

/// The same, where of some registers only the first events are predicted, as what follows is not
/// known: those are open, and equal to nothing.
#[must_use]
pub fn compare_start(
    prediction: Prediction<'_>,
    open: &[Register],
    observed: &Observed<'_>,
) -> Comparison {
    let expected = prediction.by_register(observed.registers());
    let mut reported: BTreeMap<Register, Vec<(usize, &ObservedEvent<'_>)>> = BTreeMap::new();
    for (position, event) in observed.events().iter().enumerate() {
        reported.entry(event.register).or_default().push((position, event));
    }
    let not_predicted =
        reported.keys().filter(|register| !expected.contains_key(register)).copied().collect();
    let ruled_out = cause::ruled_out(prediction.events);
    let mut comparison = Comparison { registers: Vec::new(), open: Vec::new(), not_predicted };
    for (register, expected) in expected {
        let reported = reported.remove(&register).unwrap_or_default();
        let bank = observed.bank();
        let sides = Sides { register, bank, ruled_out, expected, reported };
        let whole = sides.comparison([prediction.startup_locality, observed.startup_locality()]);
        if !open.contains(&register) {
            comparison.registers.push(whole);
            continue;
        }
        let known = sides.expected.len();
        // What comes after the last known event is not judged.
        let divergence = whole.divergence.filter(|divergence| divergence.index < known);
        let observed = whole.observed;
        comparison.open.push(OpenComparison { register, known, observed, divergence });
    }
    comparison
}

/// The events of one register.
struct Sides<'a> {
    register: Register,
    bank: Bank,
    /// Causes that this kind of boot does not have.
    ruled_out: &'static [Cause],
    expected: Vec<(usize, &'a Event)>,
    reported: Vec<(usize, &'a ObservedEvent<'a>)>,
}

impl Sides<'_> {
    fn comparison(&self, startup_localities: [u8; 2]) -> RegisterComparison {
        let register = self.register;
        let [expected_initial, observed_initial] =
            startup_localities.map(|locality| self.bank.initial(register, locality));
        let expected =
            fold(expected_initial, self.expected.iter().map(|(_, event)| self.digest(event)));
        let observed = fold(observed_initial, self.reported.iter().map(|(_, event)| event.digest));
        let divergence = if expected_initial == observed_initial {
            self.divergence()
        } else {
            Some(self.diverging(0, Kind::InitialValue))
        };
        RegisterComparison { register, expected, observed, divergence }
    }

    fn digest(&self, event: &Event) -> BankDigest {
        self.bank.pick(&event.digests)
    }

    fn divergence(&self) -> Option<Divergence> {
        let pairs = self.expected.iter().zip(&self.reported);
        let index = pairs.take_while(|((_, e), (_, o))| self.digest(e) == o.digest).count();
        let kind = match (self.expected.get(index), self.reported.get(index)) {
            (None, None) => return None,
            (Some(_), None) => Kind::Missing,
            (None, Some(_)) => Kind::Unexpected,
            (Some((_, expected)), Some((_, reported))) => self.kind(index, expected, reported),
        };
        Some(self.diverging(index, kind))
    }

    /// How two digests differ, by what comes after them. An expected digest that the rest of the
    /// log has less often than the rest of the prediction has gone; a reported one that it has
    /// more often has come.
    fn kind(&self, index: usize, expected: &Event, reported: &ObservedEvent<'_>) -> Kind {
        let is_gone = {
            let [predicted, logged] = self.counts(index, self.digest(expected));
            logged < predicted
        };
        let has_come = {
            let [predicted, logged] = self.counts(index, reported.digest);
            logged > predicted
        };
        match (is_gone, has_come) {
            (true, true) => self.replaced(index, expected.event_type, reported.event_type),
            (true, false) => Kind::Missing,
            (false, true) => Kind::Unexpected,
            (false, false) => Kind::OutOfOrder,
        }
    }

    /// How often a digest is in the rest of the prediction and in the rest of the log.
    fn counts(&self, index: usize, digest: BankDigest) -> [usize; 2] {
        let predicted = self.expected.iter().skip(index).filter(|(_, e)| self.digest(e) == digest);
        let logged = self.reported.iter().skip(index).filter(|(_, o)| o.digest == digest);
        [predicted.count(), logged.count()]
    }

    /// One digest has gone and another has come. Of one type, that is one event with other
    /// contents; of two types, either may have its counterpart later.
    fn replaced(&self, index: usize, expected: EventType, reported: EventType) -> Kind {
        let counts = |event_type| {
            let predicted = self.expected.iter().skip(index);
            let logged = self.reported.iter().skip(index);
            let predicted = predicted.filter(|(_, event)| event.event_type == event_type).count();
            let logged = logged.filter(|(_, event)| event.event_type == event_type).count();
            (predicted, logged)
        };
        if expected == reported {
            return Kind::Differs;
        }
        let (predicted, logged) = counts(expected);
        let comes_later = logged >= predicted;
        let (predicted, logged) = counts(reported);
        let was_due_later = predicted >= logged;
        match (comes_later, was_due_later) {
            (true, false) => Kind::Unexpected,
            (false, true) => Kind::Missing,
            _ => Kind::Differs,
        }
    }

    fn diverging(&self, index: usize, kind: Kind) -> Divergence {
        let expected = self.expected.get(index).copied();
        let reported = self.reported.get(index).copied();
        let mut causes =
            cause::causes(kind, self.register, expected.map(|(_, e)| e), reported.map(|(_, o)| o));
        causes.retain(|cause| !self.ruled_out.contains(cause));
        // After the last predicted event of a register, its place is just behind that one.
        let last = self.expected.last().map(|(position, _)| position + 1);
        // A register without any comes last.
        let position = expected.map(|(position, _)| position).or(last).unwrap_or(usize::MAX);
        // No event is at fault when the register did not start where it should have.
        let is_event = kind != Kind::InitialValue;
        let (expected, reported) = (expected.filter(|_| is_event), reported.filter(|_| is_event));
        let expected = expected.map(|(position, event)| Expected {
            position,
            event_type: event.event_type,
            meaning: event.meaning.to_string(),
            source: event.source,
            digest: self.digest(event),
        });
        let observed = reported.map(|(position, event)| Reported {
            position,
            event_type: event.event_type,
            description: event.describe(),
            is_bound: event.binds_data(),
            digest: event.digest,
        });
        Divergence { register: self.register, index, kind, expected, observed, causes, position }
    }
}

/// Compares the values of registers when there is no log: every predicted register, by number.
/// Given values of other registers are not judged.
///
/// # Errors
/// A value of another bank than `bank`.
pub fn compare_values(
    prediction: Prediction<'_>,
    set: RegisterSet,
    bank: Bank,
    values: &BTreeMap<Register, BankDigest>,
) -> Result<Vec<ValueComparison>, WrongBank> {
    if let Some((register, value)) = values.iter().find(|(_, value)| value.bank() != bank) {
        let (register, found, expected) = (*register, value.bank(), bank);
        return Err(WrongBank { register, found, expected });
    }
    let events = prediction.by_register(set);
    let ruled_out = cause::ruled_out(prediction.events);
    let compared = prediction.values(set, bank).into_iter().map(|(register, expected)| {
        let observed = values.get(&register).copied();
        let deciding = events.get(&register).into_iter().flatten().map(|(_, event)| *event);
        let mut causes = match observed {
            Some(value) if value != expected => cause::causes_of_value(register, deciding),
            _ => Vec::new(),
        };
        causes.retain(|cause| !ruled_out.contains(cause));
        ValueComparison { register, expected, observed, causes }
    });
    let mut compared: Vec<ValueComparison> = compared.collect();
    judge_jointly(&mut compared);
    Ok(compared)
}

/// Which of several candidates a digest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identification<L> {
    /// The candidates that have this digest, in the order given; usually one or none.
    pub matching: Vec<L>,
    /// Number of candidates.
    pub tried: usize,
}

/// Finds the candidates with the digest that was observed, such as a launch digest of which
/// neither the number of vCPUs nor the guest features are known.
///
/// ```
/// use cvmkit_formats::digest::Sha384;
/// use cvmkit_measure::compare::identify;
/// use cvmkit_measure::snp::LaunchDigest;
///
/// let by_vcpus = [1, 2, 4].map(|vcpus: u8| (vcpus, LaunchDigest(Sha384::of(&[vcpus]))));
/// let found = identify(&LaunchDigest(Sha384::of(&[2])), by_vcpus);
/// assert_eq!((found.matching, found.tried), (vec![2], 3));
/// ```
pub fn identify<L, D: PartialEq>(
    observed: &D,
    candidates: impl IntoIterator<Item = (L, D)>,
) -> Identification<L> {
    let mut found = Identification { matching: Vec::new(), tried: 0 };
    for (label, digest) in candidates {
        found.tried += 1;
        if digest == *observed {
            found.matching.push(label);
        }
    }
    found
}
