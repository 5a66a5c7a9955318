//! The answer of a comparison: equal, different, or not to be told, with what was judged and what
//! was not.
//!
//! "Equal" is said only when every register that is required was judged. By default those are the
//! ones that the image's own bytes decide, as far as they are expected: a machine that shows that
//! PCR 14 is zero has shown nothing of the image it booted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use cvmkit_measure::event::{PcrIndex, Register, RtmrIndex};
use serde::{Serialize, Serializer};

use super::{Report, TdComparison};

/// What can be judged: a register, or the launch digest of SEV-SNP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// The launch digest.
    LaunchDigest,
    /// A register.
    Register(Register),
}

const LAUNCH_DIGEST: &str = "launch-digest";

impl FromStr for Judged {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == LAUNCH_DIGEST {
            return Ok(Self::LaunchDigest);
        }
        let expected = || {
            format!(
                "expected registers such as pcr4, rtmr1, mrtd, or launch-digest; found `{text}`"
            )
        };
        text.parse().map(Self::Register).map_err(|_| expected())
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LaunchDigest => f.pad("launch digest"),
            Self::Register(register) => register.fmt(f),
        }
    }
}

impl Serialize for Judged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::LaunchDigest => serializer.serialize_str(LAUNCH_DIGEST),
            Self::Register(register) => serializer.serialize_str(&register.key()),
        }
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that is required was judged, and is as expected.
    Equal,
    /// Something is not as expected.
    Differs,
    /// Nothing differs, but something that is required was not judged.
    Undecided,
}

/// The answer with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// What is as expected.
    pub equal: Vec<Judged>,
    /// What is not.
    pub differing: Vec<Judged>,
    /// What is expected, and was not given.
    pub not_given: Vec<Judged>,
    /// What was given, and has no expectation.
    pub not_expected: Vec<Judged>,
    /// What must be judged for the answer to be "equal".
    pub required: Vec<Judged>,
    /// What of it was not.
    pub missing: Vec<Judged>,
}

/// The registers that the image's own bytes decide: its kernel, initrd and command line.
fn of_image() -> impl Iterator<Item = Judged> {
    let pcrs = [4, 9, 11].into_iter().filter_map(PcrIndex::new).map(Register::Pcr);
    let rtmrs = [1, 2].into_iter().filter_map(RtmrIndex::new).map(Register::Rtmr);
    [Judged::LaunchDigest].into_iter().chain(pcrs.chain(rtmrs).map(Judged::Register))
}

impl Judgement {
    /// Before anything was compared.
    pub(super) const fn nothing() -> Self {
        Self {
            verdict: Verdict::Undecided,
            equal: Vec::new(),
            differing: Vec::new(),
            not_given: Vec::new(),
            not_expected: Vec::new(),
            required: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The answer of what was compared, if at least `required` is to be judged.
    pub(super) fn of(report: &Report, required: Option<&[Judged]>) -> Self {
        let judged = judged(report);
        let not_given: BTreeSet<Judged> =
            expected(report).into_iter().filter(|name| !judged.contains_key(name)).collect();
        let not_expected: BTreeSet<Judged> =
            silent(report).into_iter().filter(|name| !judged.contains_key(name)).collect();
        let required: Vec<Judged> = match required {
            Some(required) => required.to_vec(),
            None => {
                let is_known =
                    |name: &Judged| judged.contains_key(name) || not_given.contains(name);
                of_image().filter(is_known).collect()
            }
        };
        let missing: Vec<Judged> =
            required.iter().filter(|name| !judged.contains_key(name)).copied().collect();
        let of = |state| judged.iter().filter(move |(_, is)| **is == state).map(|(name, _)| *name);
        let (equal, differing): (Vec<_>, Vec<_>) = (of(true).collect(), of(false).collect());
        let verdict = if !differing.is_empty() || !report.refusals.is_empty() {
            Verdict::Differs
        } else if !missing.is_empty() || equal.is_empty() {
            Verdict::Undecided
        } else {
            Verdict::Equal
        };
        let (not_given, not_expected) =
            (not_given.into_iter().collect(), not_expected.into_iter().collect());
        Self { verdict, equal, differing, not_given, not_expected, required, missing }
    }

    /// The answer as a heading.
    #[must_use]
    pub fn heading(&self) -> String {
        match self.verdict {
            Verdict::Equal if self.not_given.is_empty() => "equal".to_owned(),
            Verdict::Equal => format!("equal in {}", listed(&self.equal)),
            Verdict::Differs => "NOT equal".to_owned(),
            Verdict::Undecided if self.equal.is_empty() => {
                "can't tell: nothing was judged".to_owned()
            }
            Verdict::Undecided => format!(
                "can't tell: equal in {}, but {} {} not judged",
                listed(&self.equal),
                listed(&self.missing),
                if self.missing.len() == 1 { "was" } else { "were" }
            ),
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("judged", [self.equal.as_slice(), &self.differing].concat()),
            ("not judged, because not given", self.not_given.clone()),
            ("not judged, because nothing is expected of it", self.not_expected.clone()),
        ];
        for (label, mut names) in rows {
            if !names.is_empty() {
                names.sort_unstable();
                writeln!(f, "{label}: {}", listed(&names))?;
            }
        }
        Ok(())
    }
}

/// Names in one line.
#[must_use]
pub fn listed(names: &[Judged]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
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
