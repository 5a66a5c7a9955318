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

/// What can be judged: a register, or the launch digest of SEV-SNP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// The launch digest of SEV-SNP: `launch-digest`.
    LaunchDigest,
    /// A register of a TPM or a TD: `pcr4`, `rtmr1`, `mrtd`.
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

/// Whether a machine runs the image, or that it can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that is required was judged, and is as expected.
    Equal,
    /// Something is not as expected, or the observation is not to be trusted.
    Differs,
    /// Nothing differs, but something that is required was not judged.
    Undecided,
}

/// The answer with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judgement {
    /// The answer, which follows from the lists below.
    pub verdict: Verdict,
    /// What is as expected in every bank and comparison.
    pub equal: Vec<Judged>,
    /// What is not as expected, in any bank or comparison.
    pub differing: Vec<Judged>,
    /// What is expected, and was not given.
    pub not_given: Vec<Judged>,
    /// What was given, and has no expectation.
    pub not_expected: Vec<Judged>,
    /// What must be judged for the answer to be "equal".
    pub required: Vec<Judged>,
    /// What of that was not judged.
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

    /// The answer of what was compared: `judged` says of each whether it is as expected, `expected` and `given`
    /// name what has no counterpart on the other side. `required` is what must be judged for "equal". What is
    /// refused (`is_refused`) is never equal.
    pub(super) fn of(
        judged: &BTreeMap<Judged, bool>,
        expected: BTreeSet<Judged>,
        given: BTreeSet<Judged>,
        required: Option<&[Judged]>,
        is_refused: bool,
    ) -> Self {
        let open = |names: BTreeSet<Judged>| -> Vec<Judged> {
            names.into_iter().filter(|name| !judged.contains_key(name)).collect()
        };
        let (not_given, not_expected) = (open(expected), open(given));
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
        let verdict = if !differing.is_empty() || is_refused {
            Verdict::Differs
        } else if !missing.is_empty() || equal.is_empty() {
            Verdict::Undecided
        } else {
            Verdict::Equal
        };
        Self { verdict, equal, differing, not_given, not_expected, required, missing }
    }

    /// The answer in one line: `equal`, `NOT equal`, or what can't be told and why.
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

/// Names in one line, with commas and an `and`; `nothing` for none.
#[must_use]
pub fn listed(names: &[Judged]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Judged {
        text.parse().unwrap()
    }

    fn set(names: &[&str]) -> BTreeSet<Judged> {
        names.iter().map(|name| judged(name)).collect()
    }

    /// Each of `equal` and `differing` was judged.
    fn judgement(
        (equal, differing): (&[&str], &[&str]),
        expected: &[&str],
        given: &[&str],
        required: Option<&[&str]>,
        is_refused: bool,
    ) -> Judgement {
        let states = set(equal).into_iter().map(|name| (name, true));
        let states = states.chain(set(differing).into_iter().map(|name| (name, false)));
        let required: Option<Vec<Judged>> =
            required.map(|names| names.iter().map(|name| judged(name)).collect());
        let (expected, given) = (set(expected), set(given));
        Judgement::of(&states.collect(), expected, given, required.as_deref(), is_refused)
    }

    /// "Equal" needs every register that the image's own bytes decide, as far as one is expected.
    #[test]
    fn equal_is_said_of_what_the_image_decides() {
        use Verdict::{Differs, Equal, Undecided};
        type Names = &'static [&'static str];
        let rows: [(Names, Names, Names, Verdict); 8] = [
            (&["pcr4", "pcr9", "pcr11"], &[], &["pcr4", "pcr9", "pcr11"], Equal),
            // PCR 7 is the machine's: that it was not given leaves the answer as it is.
            (&["pcr4", "pcr9", "pcr11"], &[], &["pcr7"], Equal),
            (&["pcr14"], &[], &["pcr4", "pcr14"], Undecided),
            (&["pcr4", "pcr11"], &[], &["pcr4", "pcr9", "pcr11"], Undecided),
            (&["pcr4", "pcr9"], &["pcr7"], &[], Differs),
            (&["rtmr1", "rtmr2"], &[], &["mrtd"], Equal),
            (&["launch-digest"], &[], &[], Equal),
            (&[], &[], &[], Undecided),
        ];
        for (equal, differing, expected, verdict) in rows {
            let found = judgement((equal, differing), expected, &[], None, false);
            assert_eq!(found.verdict, verdict, "{equal:?} {differing:?} {expected:?}");
        }
    }

    #[test]
    fn what_is_required_and_was_not_judged_is_named() {
        let found =
            judgement((&["pcr4"], &[]), &["pcr11"], &["pcr14"], Some(&["pcr4", "mrtd"]), false);
        assert_eq!(found.verdict, Verdict::Undecided);
        assert_eq!(found.missing, [judged("mrtd")]);
        assert_eq!(
            (found.not_given.clone(), found.not_expected.clone()),
            (vec![judged("pcr11")], vec![judged("pcr14")],)
        );
        assert_eq!(found.heading(), "can't tell: equal in PCR 4, but MRTD was not judged");
        assert_eq!(
            found.to_string(),
            "judged: PCR 4\nnot judged, because not given: PCR 11\n\
             not judged, because nothing is expected of it: PCR 14\n"
        );
    }

    /// A debug policy or a revoked TCB is no reason to look at digests any more.
    #[test]
    fn what_is_refused_is_never_equal() {
        let found = judgement((&["pcr4"], &[]), &[], &[], Some(&["pcr4"]), true);
        assert_eq!((found.verdict, found.heading()), (Verdict::Differs, "NOT equal".to_owned()));
    }

    #[test]
    fn a_name_that_is_no_register_is_refused() {
        for text in ["", "pcr", "pcr24", "pcr-1", "rtmr4", "mrtd0", "launch", "launch-digests"] {
            let error = text.parse::<Judged>().unwrap_err();
            assert!(error.contains(&format!("found `{text}`")), "{error}");
        }
    }

    #[test]
    fn names_are_listed_as_a_sentence_has_them() {
        let names = ["pcr4", "pcr9", "launch-digest"].map(judged);
        for (count, words) in [
            (0, "nothing"),
            (1, "PCR 4"),
            (2, "PCR 4 and PCR 9"),
            (3, "PCR 4, PCR 9 and launch digest"),
        ] {
            assert_eq!(listed(&names[..count]), words);
        }
    }

    /// What is said of a machine in one line: each verdict, with what was judged and what was not.
    #[test]
    fn a_heading_says_what_the_answer_rests_on() {
        type Names = &'static [&'static str];
        let rows: [(Names, Names, Names, Option<Names>, &str); 8] = [
            (&["pcr4"], &[], &["pcr4"], None, "equal"),
            (&["pcr4", "pcr9"], &[], &["pcr7"], None, "equal in PCR 4 and PCR 9"),
            (&["pcr4"], &["pcr9"], &["pcr11"], None, "NOT equal"),
            (&[], &[], &[], None, "can't tell: nothing was judged"),
            (&[], &[], &["pcr4"], None, "can't tell: nothing was judged"),
            (
                &["pcr7"],
                &[],
                &["pcr4"],
                None,
                "can't tell: equal in PCR 7, but PCR 4 was not judged",
            ),
            (
                &["pcr7"],
                &[],
                &["pcr4", "pcr9"],
                None,
                "can't tell: equal in PCR 7, but PCR 4 and PCR 9 were not judged",
            ),
            (&["pcr4"], &[], &[], Some(&["pcr4"]), "equal"),
        ];
        for (equal, differing, expected, required, heading) in rows {
            let found = judgement((equal, differing), expected, &[], required, false);
            assert_eq!(found.heading(), heading);
        }
    }

    /// What was judged is neither missing nor without an expectation.
    #[test]
    fn each_register_has_one_place_in_the_answer() {
        let all = ["pcr0", "pcr4", "pcr9", "pcr11"];
        let found = judgement((&["pcr4"], &["pcr9"]), &all, &all, None, false);
        assert_eq!((found.equal, found.differing), (vec![judged("pcr4")], vec![judged("pcr9")]));
        assert_eq!(found.not_given, ["pcr0", "pcr11"].map(judged));
        assert_eq!(found.not_expected, ["pcr0", "pcr11"].map(judged));
        assert_eq!(found.required, ["pcr4", "pcr9", "pcr11"].map(judged));
        assert_eq!(found.missing, [judged("pcr11")]);
    }

    /// A requirement of nothing is met by anything, but nothing is never equal.
    #[test]
    fn an_answer_of_nothing_is_undecided() {
        assert_eq!(judgement((&["pcr0"], &[]), &[], &[], Some(&[]), false).verdict, Verdict::Equal);
        assert_eq!(judgement((&[], &[]), &[], &[], Some(&[]), false).verdict, Verdict::Undecided);
        let nothing = Judgement::nothing();
        assert_eq!((nothing.verdict, nothing.to_string()), (Verdict::Undecided, String::new()));
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for (text, shown) in [
            ("launch-digest", "launch digest"),
            ("pcr23", "PCR 23"),
            ("rtmr3", "RTMR 3"),
            ("mrtd", "MRTD"),
        ] {
            let name = judged(text);
            assert_eq!(serde_json::to_value(name).unwrap(), text);
            assert_eq!(name.to_string(), shown);
        }
        assert_eq!(format!("[{:<14}]", Judged::LaunchDigest), "[launch digest ]");
        let verdicts = [Verdict::Equal, Verdict::Differs, Verdict::Undecided];
        let written = verdicts.map(|verdict| serde_json::to_value(verdict).unwrap());
        assert_eq!(written, ["equal", "differs", "undecided"]);
    }
}
