//! Values of registers, without a log: against the boot of an image, or against reference values.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use cvmkit_formats::digest::Digests;
use cvmkit_measure::compare::{
    self, ValueComparison, causes_of_known, compare_values, judge_jointly,
};
use cvmkit_measure::event::registers::Registers;
use cvmkit_measure::event::{Bank, Register, RegisterSet};
use cvmkit_measure::tpm::{self, PCR_UKI, PHASES};
use serde::Serialize;

use super::boots::boots;
use super::error::CompareError;
use super::expectation::Expectation;
use super::known::KnownValue;
use super::options::Options;
use crate::predict::{Assumed, on_platform};

/// Values beside those that fit them best.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ValuesComparison {
    /// The machine or boot that fits best, in words.
    pub expected: String,
    /// Number of expectations that were tried.
    pub tried: usize,
    /// Other expectations that fit as well and are of fewer registers: of one of them more may be
    /// decided, once it is said that it is the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fits_as_well: Vec<String>,
    /// Every register of which a value is expected, bank by bank.
    pub registers: Vec<ValueComparison>,
    /// Registers of which a value was given and none is expected.
    pub not_predicted: Vec<Register>,
    /// Why registers of that machine have no expected value, in words, where there is a reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<Register, String>,
}

impl ValuesComparison {
    fn given(&self) -> impl Iterator<Item = &ValueComparison> {
        self.registers.iter().filter(|register| register.observed.is_some())
    }

    /// The values bank by bank, in their order.
    fn banks(&self) -> impl Iterator<Item = (Bank, Vec<&ValueComparison>)> {
        let of = |bank: Bank| {
            let values = self.registers.iter().filter(move |value| value.expected.bank() == bank);
            (bank, values.collect::<Vec<_>>())
        };
        Bank::ALL.into_iter().map(of).filter(|(_, values)| !values.is_empty())
    }

    /// Whether values of several banks are expected, whose registers have the same names.
    fn has_several_banks(&self) -> bool {
        self.banks().count() > 1
    }

    /// Whether a register has a line.
    pub(super) fn has_line(&self, register: Register) -> bool {
        let expected = self.registers.iter().map(|value| value.register);
        expected.chain(self.not_predicted.iter().copied()).any(|of| of == register)
    }

    /// Whether every value that was given and can be judged is the expected one, and there is any.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.given().next().is_some() && self.given().all(ValueComparison::is_equal)
    }

    /// Fewer differences are better, and of as many the one with more that is equal.
    pub(super) fn distance(&self) -> (usize, Reverse<usize>) {
        let equal = self.given().filter(|register| register.is_equal()).count();
        (self.given().count() - equal, Reverse(equal))
    }
}

impl fmt::Display for ValuesComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expected: {}", self.expected)?;
        self.fits_as_well.iter().try_for_each(|other| writeln!(f, "fits as well: {other}"))?;
        for (bank, values) in self.banks() {
            let is_given = values.iter().any(|value| value.observed.is_some());
            match (self.has_several_banks(), is_given) {
                (false, _) => {}
                (true, true) => writeln!(f, " bank {bank}")?,
                (true, false) => {
                    writeln!(f, " bank {bank} not given")?;
                    continue;
                }
            }
            values.iter().try_for_each(|value| write_value(f, value))?;
        }
        for register in &self.not_predicted {
            let reason =
                self.reasons.get(register).map_or("nothing is expected of it", String::as_str);
            writeln!(f, "  {register:<7} not judged: {reason}")?;
        }
        Ok(())
    }
}

/// A register, with what was expected if it differs.
pub(super) fn write_value(f: &mut fmt::Formatter<'_>, value: &ValueComparison) -> fmt::Result {
    let ValueComparison { register, expected, observed, causes } = value;
    let bank = expected.bank();
    match observed {
        None => writeln!(f, "  {register:<7} not given"),
        Some(value) if value == expected => writeln!(f, "  {register:<7} equal    {bank}:{value}"),
        Some(value) => {
            writeln!(f, "  {register:<7} DIFFERS  {bank}:{value}")?;
            writeln!(f, "          expected {bank}:{expected}")?;
            causes.iter().try_for_each(|cause| writeln!(f, "          likely: {cause}"))
        }
    }
}

/// Compares values of a TPM with the boot of an image, or with its reference values where there is no
/// image.
pub(super) fn compare(
    registers: &Registers,
    expectation: &Expectation<'_>,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<ValuesComparison, CompareError> {
    if expectation.folder.is_none() || expectation.answers_for_tpm(options) {
        return of_known(registers, expectation, options);
    }
    let moments = moments(options);
    let mut compared = Vec::new();
    for (boot, Assumed { assumptions, prediction }) in boots(expectation, options, notes)? {
        let prediction = on_platform(&prediction, options.platform());
        for phases in &moments {
            let phases: Vec<&str> = phases.iter().map(String::as_str).collect();
            let after = (!phases.is_empty()).then(|| format!("after phase {}", phases.join(":")));
            let expected = assumptions.name(boot).with_any(after).to_string();
            compared.push(with_prediction(registers, &prediction.clone().at(&phases), expected)?);
        }
    }
    let best = best(compared).filter(|best| best.given().next().is_some());
    best.ok_or_else(|| expectation.without("any of these registers"))
}

/// When the registers may have been read: at the phases that are given, or at any.
fn moments(options: &Options) -> Vec<Vec<String>> {
    match &options.phases {
        Some(phases) => vec![phases.clone()],
        None => (0..=PHASES.len())
            .map(|count| PHASES.iter().take(count).map(|phase| (*phase).to_owned()).collect())
            .collect(),
    }
}

fn with_prediction(
    registers: &Registers,
    prediction: &tpm::Prediction,
    expected: String,
) -> Result<ValuesComparison, CompareError> {
    let untouched: Vec<Register> = prediction.untouched.iter().map(|p| Register::Pcr(*p)).collect();
    let mut comparison = ValuesComparison {
        expected,
        tried: 1,
        fits_as_well: Vec::new(),
        registers: Vec::new(),
        not_predicted: Vec::new(),
        reasons: BTreeMap::new(),
    };
    for (bank, values) in registers.banks() {
        let events = prediction.in_bank(bank);
        let events = compare::Prediction {
            events: &events,
            untouched: &untouched,
            startup_locality: prediction.startup_locality,
        };
        let compared = compare_values(events, RegisterSet::Tpm, bank, values)?;
        let is_silent =
            |register: &&Register| compared.iter().all(|value| value.register != **register);
        comparison.not_predicted.extend(values.keys().filter(is_silent));
        comparison.registers.extend(compared);
    }
    comparison.not_predicted.sort_unstable();
    comparison.not_predicted.dedup();
    Ok(comparison)
}

/// Compares values with the reference values.
pub(super) fn of_known(
    registers: &Registers,
    expectation: &Expectation<'_>,
    options: &Options,
) -> Result<ValuesComparison, CompareError> {
    let compared = beside_known(registers, expectation, options);
    let compared = compared.into_iter().map(|(_, comparison)| comparison).collect();
    best(compared).ok_or_else(|| expectation.without("any of these registers"))
}

/// Every machine of the reference values that has any of these registers, with the comparison.
pub(super) fn beside_known(
    registers: &Registers,
    expectation: &Expectation<'_>,
    options: &Options,
) -> Vec<(KnownValue, ValuesComparison)> {
    let moments = moments(options);
    let at_moments = |known| moments.iter().filter_map(move |phases| at(known, phases));
    let known = expectation.known.iter().flat_map(at_moments);
    let compared = known.map(|known| {
        let comparison = with_known(registers, &known);
        (known, comparison)
    });
    compared.filter(|(_, comparison)| comparison.given().next().is_some()).collect()
}

/// Why a machine's registers have no value.
fn reasons(known: &KnownValue) -> BTreeMap<Register, String> {
    let reasons = known.value.not_predicted.iter();
    reasons.filter_map(|(name, why)| Some((name.parse().ok()?, why.to_string()))).collect()
}

/// What is expected after these phases: userspace has extended each into PCR 11 then. Nothing for a
/// machine that has no such register.
fn at(known: &KnownValue, phases: &[String]) -> Option<KnownValue> {
    let mut known = known.clone();
    let register = Register::Pcr(PCR_UKI);
    let mut has_phases = phases.is_empty();
    for (bank, values) in &mut known.digests.registers {
        let Some(value) = values.get_mut(&register) else { continue };
        has_phases = true;
        for phase in phases {
            let digest = bank.pick(&Digests::of(phase.as_bytes()));
            // Both are of this bank.
            *value = value.extend(digest).unwrap_or(*value);
        }
    }
    if !phases.is_empty() {
        known.name.push_str(&format!(", after phase {}", phases.join(":")));
    }
    has_phases.then_some(known)
}

fn with_known(registers: &Registers, known: &KnownValue) -> ValuesComparison {
    let expected = known.digests.registers.iter().flat_map(|(bank, values)| {
        values.iter().map(move |(register, value)| ValueComparison {
            register: *register,
            expected: *value,
            observed: registers.get(*bank, *register),
            causes: Vec::new(),
        })
    });
    let mut expected: Vec<ValueComparison> = expected.collect();
    let differs = |value: &&mut ValueComparison| value.observed.is_some() && !value.is_equal();
    for value in expected.iter_mut().filter(differs) {
        value.causes = causes_of_known(value.register);
    }
    judge_jointly(&mut expected);
    let silent = registers.banks().flat_map(|(bank, values)| {
        let known = known.digests.registers.get(&bank);
        values.keys().filter(move |register| known.is_none_or(|of| !of.contains_key(register)))
    });
    ValuesComparison {
        expected: known.name.clone(),
        tried: 1,
        fits_as_well: Vec::new(),
        registers: expected,
        not_predicted: silent.copied().collect(),
        reasons: reasons(known),
    }
}

/// The comparison that fits best; of several the first, which names those that ask for less. A machine
/// that reports does not choose what it is compared with by leaving registers out.
fn best(compared: Vec<ValuesComparison>) -> Option<ValuesComparison> {
    let first = compared.iter().min_by_key(|comparison| comparison.distance())?;
    Some(among(first, &compared))
}

/// A comparison with what is to be said of the others beside it.
pub(super) fn among(first: &ValuesComparison, compared: &[ValuesComparison]) -> ValuesComparison {
    let tried = compared.len();
    let open =
        |comparison: &ValuesComparison| comparison.registers.len() - comparison.given().count();
    let asks_less = |other: &&ValuesComparison| {
        other.distance() == first.distance() && open(other) < open(first)
    };
    let fits_as_well = compared.iter().filter(asks_less).map(|other| other.expected.clone());
    ValuesComparison { tried, fits_as_well: fits_as_well.collect(), ..first.clone() }
}

#[cfg(test)]
mod tests {
    use cvmkit_measure::event::{BankDigest, PcrIndex};

    use super::super::known;
    use super::*;

    fn pcr(number: u8) -> Register {
        Register::Pcr(PcrIndex::new(number).unwrap())
    }

    fn digest(bank: Bank, text: &str) -> BankDigest {
        bank.hash(text.as_bytes())
    }

    /// A comparison of PCRs of the SHA-256 bank; each by its number, with what was given.
    fn compared(name: &str, registers: &[(u8, Option<bool>)]) -> ValuesComparison {
        let value = |(number, given): &(u8, Option<bool>)| {
            let expected = digest(Bank::Sha256, "expected");
            let other = digest(Bank::Sha256, "other");
            let observed = given.map(|is_equal| if is_equal { expected } else { other });
            ValueComparison { register: pcr(*number), expected, observed, causes: Vec::new() }
        };
        ValuesComparison {
            expected: name.to_owned(),
            tried: 1,
            fits_as_well: Vec::new(),
            registers: registers.iter().map(value).collect(),
            not_predicted: vec![pcr(14)],
            reasons: [(pcr(14), "decided by shim".to_owned())].into(),
        }
    }

    /// A report that leaves registers out must not choose the machine with fewer expectations.
    #[test]
    fn the_best_fit_names_those_that_ask_for_less() {
        let all = [
            compared("differs", &[(4, Some(true)), (9, Some(false))]),
            compared("asks for more", &[(4, Some(true)), (9, None)]),
            compared("asks for less", &[(4, Some(true))]),
        ];
        let best = best(all.to_vec()).unwrap();
        assert_eq!((best.expected.as_str(), best.tried), ("asks for more", 3));
        assert_eq!(best.fits_as_well, ["asks for less"]);
        assert!(best.is_equal());
        assert!(super::best(Vec::new()).is_none());
    }

    #[test]
    fn fewer_differences_come_before_more_that_is_equal() {
        let one = compared("", &[(4, Some(true)), (9, Some(true)), (11, Some(false))]);
        let none = compared("", &[(4, Some(true))]);
        let more = compared("", &[(4, Some(true)), (9, Some(true))]);
        assert!(more.distance() < none.distance() && none.distance() < one.distance());
        // Nothing given is not "equal".
        assert!(!compared("", &[(4, None)]).is_equal());
    }

    #[test]
    fn every_register_has_one_line() {
        let comparison = compared("a machine", &[(4, Some(true)), (9, Some(false)), (11, None)]);
        let text = comparison.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert_eq!(lines[0], "expected: a machine");
        assert!(lines[1].starts_with("PCR 4   equal    sha256:"), "{text}");
        assert!(lines[2].starts_with("PCR 9   DIFFERS  sha256:"), "{text}");
        assert!(lines[3].starts_with("expected sha256:"), "{text}");
        assert_eq!(lines[4..], ["PCR 11  not given", "PCR 14  not judged: decided by shim"]);
        assert!(comparison.has_line(pcr(14)) && !comparison.has_line(pcr(7)));
    }

    /// Both banks have a PCR 4.
    #[test]
    fn banks_are_told_apart() {
        let mut both = compared("", &[(4, Some(true))]);
        let expected = digest(Bank::Sha384, "expected");
        both.registers.push(ValueComparison {
            register: pcr(4),
            expected,
            observed: None,
            causes: Vec::new(),
        });
        let text = both.to_string();
        assert!(
            text.contains(" bank sha256\n") && text.contains(" bank sha384 not given\n"),
            "{text}"
        );
    }

    /// systemd-pcrphase.service(8): each phase is extended into PCR 11 as its SHA-256.
    #[test]
    fn a_phase_is_extended_into_pcr_11_of_every_machine_that_has_it() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/export/reference-values.json");
        let known = known::read(&path).unwrap();
        let phases = ["enter-initrd".to_owned()];
        let value =
            |known: &KnownValue| known.digests.registers.get(&Bank::Sha256)?.get(&pcr(11)).copied();
        let mut with_pcr = 0;
        for machine in &known {
            assert_eq!(at(machine, &[]).map(|it| it.name), Some(machine.name.clone()));
            let Some(before) = value(machine) else {
                assert!(at(machine, &phases).is_none(), "{}", machine.name);
                continue;
            };
            let after = at(machine, &phases).unwrap();
            assert_eq!(value(&after), before.extend(digest(Bank::Sha256, "enter-initrd")));
            assert!(after.name.ends_with(", after phase enter-initrd"), "{}", after.name);
            with_pcr += 1;
        }
        assert!(with_pcr > 0);
    }

    fn line(value: &ValueComparison) -> String {
        struct Line<'a>(&'a ValueComparison);
        impl fmt::Display for Line<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_value(f, self.0)
            }
        }
        Line(value).to_string()
    }

    #[test]
    fn a_value_that_differs_has_its_causes_below_it() {
        let (expected, other) = (digest(Bank::Sha256, "a"), digest(Bank::Sha256, "b"));
        let value =
            |observed, causes| ValueComparison { register: pcr(4), expected, observed, causes };
        let cause = compare::Cause::Kernel;
        assert_eq!(line(&value(None, vec![cause])), "  PCR 4   not given\n");
        let equal = format!("  PCR 4   equal    sha256:{expected}\n");
        assert_eq!(line(&value(Some(expected), vec![cause])), equal);
        let differs = format!(
            "  PCR 4   DIFFERS  sha256:{other}\n          expected sha256:{expected}\n          \
             likely: {cause}\n"
        );
        assert_eq!(line(&value(Some(other), vec![cause])), differs);
    }

    fn registers(values: &[(Register, BankDigest)]) -> Registers {
        super::super::tests::fixture::registers(values)
    }

    /// Values of one machine: in a bank of its own each, with why others have none.
    #[test]
    fn each_bank_of_a_machine_is_compared_with_its_own_values() {
        let (short, long) = (digest(Bank::Sha256, "a"), digest(Bank::Sha384, "a"));
        let value = crate::tests::image::value(
            "mine",
            ["tpm", "qemu", "uki-disk"],
            serde_json::json!({
                "registers": {
                    "sha256": { "pcr4": short.to_string(), "pcr7": short.to_string() },
                    "sha384": { "pcr4": long.to_string() },
                },
                "not-predicted": { "pcr0": { "code": "firmware-build" } },
            }),
        );
        let known = &super::super::tests::fixture::known(&[value])[0];
        let other = digest(Bank::Sha256, "b");
        let given = registers(&[(pcr(4), long), (pcr(7), other), (pcr(9), other), (pcr(0), other)]);
        let found = with_known(&given, known);
        let rows: Vec<_> = found
            .registers
            .iter()
            .map(|of| (of.register, of.expected.bank(), of.observed, of.causes.is_empty()))
            .collect();
        assert_eq!(
            rows,
            [
                (pcr(4), Bank::Sha256, None, true),
                (pcr(7), Bank::Sha256, Some(other), false),
                (pcr(4), Bank::Sha384, Some(long), true),
            ]
        );
        assert_eq!(found.not_predicted, [pcr(0), pcr(9)]);
        assert_eq!(found.expected, "mine (qemu, uki-disk boot)");
        assert_eq!(found.reasons.keys().collect::<Vec<_>>(), [&pcr(0)]);
        assert!(found.reasons[&pcr(0)].starts_with("decided by the firmware build"));
    }

    /// A machine of which no register was given is no candidate.
    #[test]
    fn machines_that_have_none_of_the_registers_are_left_out() {
        let of = |name: &str, register: &str| {
            let value = digest(Bank::Sha384, register).to_string();
            let registers = serde_json::json!({ "registers": { "sha384": { register: value } } });
            crate::tests::image::value(name, ["tdx", "qemu", "direct"], registers)
        };
        let image = crate::tests::image::ImageFolder::new()
            .values(&[], &[of("a", "rtmr1"), of("b", "rtmr2")])
            .finish();
        let options = Options::default();
        let expectation = Expectation::read(image.path(), &options).unwrap();
        let rtmr1 = super::super::tests::fixture::rtmr(1);
        let given = registers(&[(rtmr1, digest(Bank::Sha384, "rtmr1"))]);
        let found = beside_known(&given, &expectation, &options);
        let names: Vec<&str> = found.iter().map(|(known, _)| known.name.as_str()).collect();
        assert_eq!(names, ["a (qemu, direct boot)"]);
        assert!(found[0].1.is_equal());
    }

    /// systemd-pcrphase.service(8): before the first, and after each of the four.
    #[test]
    fn registers_are_read_at_any_phase_unless_one_is_said() {
        let words = |options: &Options| {
            moments(options).iter().map(|phases| phases.join(":")).collect::<Vec<_>>()
        };
        let of = |phases: Option<Vec<String>>| Options { phases, ..Options::default() };
        let all = words(&of(None));
        assert_eq!((all.len(), all[0].as_str(), all[1].as_str()), (5, "", "enter-initrd"));
        assert_eq!(all[4], "enter-initrd:leave-initrd:sysinit:ready");
        assert_eq!(words(&of(Some(vec!["mine".to_owned()]))), ["mine"]);
        assert_eq!(words(&of(Some(vec![]))), [""]);
    }

    /// Registers, each once, that a boot says nothing of.
    #[test]
    fn a_prediction_is_silent_of_registers_that_it_has_no_events_for() {
        let prediction = tpm::Prediction {
            untouched: vec![PcrIndex::new(12).unwrap()],
            ..tpm::Prediction::default()
        };
        let given = registers(&[
            (pcr(12), digest(Bank::Sha256, "a")),
            (pcr(9), digest(Bank::Sha256, "a")),
            (pcr(9), digest(Bank::Sha384, "a")),
            (pcr(0), digest(Bank::Sha384, "a")),
        ]);
        let found = with_prediction(&given, &prediction, "a boot".to_owned()).unwrap();
        assert_eq!(found.not_predicted, [pcr(0), pcr(9)]);
        let judged: Vec<_> =
            found.registers.iter().map(|of| (of.register, of.expected.bank())).collect();
        assert_eq!(judged, [(pcr(12), Bank::Sha256), (pcr(12), Bank::Sha384)]);
        assert_eq!((found.expected.as_str(), found.is_equal()), ("a boot", false));
    }

    /// What one register shows to be as expected is no cause of another, and what several have in common comes
    /// first.
    #[test]
    fn the_causes_of_a_machine_are_judged_together() {
        let expected = digest(Bank::Sha256, "a");
        let registers_of = ["pcr4", "pcr9", "pcr11"].map(|name| (name, expected.to_string()));
        let sha256: BTreeMap<_, _> = registers_of.into_iter().collect();
        let value = crate::tests::image::value(
            "mine",
            ["tpm", "qemu", "uki-disk"],
            serde_json::json!({ "registers": { "sha256": sha256 } }),
        );
        let known = &super::super::tests::fixture::known(&[value])[0];
        let causes = |states: [bool; 3]| -> Vec<Vec<compare::Cause>> {
            let other = digest(Bank::Sha256, "b");
            let given = [4, 9, 11].into_iter().zip(states);
            let given: Vec<_> = given
                .map(|(number, is_equal)| (pcr(number), if is_equal { expected } else { other }))
                .collect();
            let found = with_known(&registers(&given), known);
            found.registers.into_iter().map(|value| value.causes).collect()
        };
        use compare::Cause::{CommandLine, Initrd, Kernel, Uki};
        let together = causes([false; 3]);
        assert!(together.iter().all(|causes| causes[..2] == [CommandLine, Initrd]), "{together:?}");
        let [image, handed, sections] = &causes([false, true, false])[..] else { panic!() };
        assert!(image.contains(&Uki) && image.contains(&Kernel) && handed.is_empty());
        assert!(!image.contains(&CommandLine) && sections.contains(&Uki));
        let [image, handed, sections] = &causes([true, false, true])[..] else { panic!() };
        assert!(image.is_empty() && sections.is_empty());
        assert!(handed.contains(&CommandLine) && !handed.contains(&Kernel));
    }
}
