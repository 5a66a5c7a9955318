//! The events of a log beside those of a predicted boot, bank by bank.

use std::cmp::Reverse;
use std::fmt;

use cvmkit_measure::compare::Comparison;
use cvmkit_measure::event::Bank;
use serde::Serialize;

use super::explain;
use crate::predict::Assumptions;

/// One bank of a log beside its prediction.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BankComparison {
    /// Whose digests were compared.
    pub bank: Bank,
    /// Every register that is predicted, event by event.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// A log beside the prediction that fits it best.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EventsComparison {
    /// How the image booted: `uki-disk` or `direct`.
    pub boot: &'static str,
    /// What was assumed of the machine.
    pub assumptions: Assumptions,
    /// Number of predictions that were tried.
    pub tried: usize,
    /// Each bank that the log has digests of, SHA-256 first.
    pub banks: Vec<BankComparison>,
}

impl EventsComparison {
    /// Whether every predicted register has exactly the predicted events, in every bank.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        !self.banks.is_empty() && self.banks.iter().all(|bank| bank.comparison.is_equal())
    }

    /// Fewer is better: registers that part, and then the later they do.
    pub(super) fn distance(&self) -> (usize, Reverse<usize>) {
        let parting = self.banks.iter().flat_map(|bank| bank.comparison.divergences());
        let parting: Vec<usize> = parting.map(|divergence| divergence.index).collect();
        (parting.len(), Reverse(parting.iter().sum()))
    }

    /// The bank that is shown: the first that differs, or the first.
    fn shown(&self) -> Option<&BankComparison> {
        self.banks.iter().find(|bank| !bank.comparison.is_equal()).or(self.banks.first())
    }

    /// Where the log parts, and nothing of registers that don't.
    pub(super) fn write_divergences(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explain::write_divergences(f, self.shown().map(|bank| &bank.comparison))
    }
}

impl fmt::Display for EventsComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expected: {}", self.assumptions.name(self.boot))?;
        let Some(BankComparison { bank, comparison }) = self.shown() else { return Ok(()) };
        for register in &comparison.registers {
            let state = if register.divergence.is_some() { "DIFFERS" } else { "equal" };
            writeln!(f, "  {:<7} {state:<7}  {bank}:{}", register.register, register.observed)?;
        }
        for register in &comparison.not_predicted {
            writeln!(f, "  {register:<7} not predicted")?;
        }
        self.write_divergences(f)
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_measure::compare::{Prediction, compare};
    use cvmkit_measure::event::{EventType, Events, Observed, ObservedEvent, RegisterSet};

    use super::super::tests::fixture::{pcr, sha256, sha384};
    use super::*;

    /// Registers into which nothing may be extended, of a log with so many events in each.
    fn bank(bank: Bank, registers: &[(u8, usize)]) -> BankComparison {
        let digest = if bank == Bank::Sha256 { sha256(9) } else { sha384(9) };
        let event = |number| ObservedEvent {
            register: pcr(number),
            event_type: EventType::EV_SEPARATOR,
            digest,
            data: Default::default(),
        };
        let events = registers.iter().flat_map(|(number, count)| vec![event(*number); *count]);
        let observed = Observed::new(RegisterSet::Tpm, bank, events.collect()).unwrap();
        let untouched: Vec<_> = registers.iter().map(|(number, _)| pcr(*number)).collect();
        let nothing = Events::default();
        let expected = Prediction { untouched: &untouched, ..Prediction::from(&nothing) };
        BankComparison { bank, comparison: compare(expected, &observed) }
    }

    fn of(banks: Vec<BankComparison>) -> EventsComparison {
        let assumptions = Assumptions {
            firmware: "ovmf-2025.02".parse().unwrap(),
            secure_boot: None,
            read_only_disk: None,
            disk_bus: None,
            firmware_by: None,
            kernel: None,
        };
        EventsComparison { boot: "uki-disk", assumptions, tried: 1, banks }
    }

    /// A comparison of nothing must not pass for a good one.
    #[test]
    fn a_log_is_equal_if_every_bank_is() {
        let (equal, differs) = (&[(4, 0)][..], &[(4, 1)][..]);
        for (of_256, of_384, is_equal) in
            [(equal, equal, true), (equal, differs, false), (differs, equal, false)]
        {
            let both = vec![bank(Bank::Sha256, of_256), bank(Bank::Sha384, of_384)];
            assert_eq!(of(both).is_equal(), is_equal);
        }
        assert!(!of(Vec::new()).is_equal());
        assert!(!of(vec![bank(Bank::Sha256, &[])]).is_equal());
    }

    #[test]
    fn the_nearest_boot_parts_in_the_fewest_registers_of_all_banks() {
        let distance = |of_256: &[(u8, usize)], of_384: &[(u8, usize)]| {
            of(vec![bank(Bank::Sha256, of_256), bank(Bank::Sha384, of_384)]).distance()
        };
        let equal = distance(&[(4, 0)], &[(4, 0)]);
        let one = distance(&[(4, 1)], &[(4, 0)]);
        let two = distance(&[(4, 1)], &[(4, 1)]);
        let three = distance(&[(4, 1), (9, 1)], &[(4, 1)]);
        assert!(equal < one && one < two && two < three);
        assert_eq!((equal.0, three.0), (0, 3));
    }

    /// A bank that differs is shown; of several that are equal the first.
    #[test]
    fn one_bank_is_shown() {
        let (equal, differs) = (&[(4, 0), (9, 0)][..], &[(4, 0), (9, 1)][..]);
        for (of_256, of_384, shown) in [
            (equal, equal, "sha256"),
            (equal, differs, "sha384"),
            (differs, equal, "sha256"),
            (differs, differs, "sha256"),
        ] {
            let both = vec![bank(Bank::Sha256, of_256), bank(Bank::Sha384, of_384)];
            let text = of(both).to_string();
            let lines: Vec<&str> = text.lines().collect();
            let words = "expected: uki-disk boot, firmware as ovmf-2025.02, no Secure Boot";
            assert_eq!(lines[0], words);
            let value = if shown == "sha256" { sha256(0) } else { sha384(0) };
            assert_eq!(lines[1], format!("  PCR 4   equal    {shown}:{value}"));
            let is_differing = of_256 == differs || of_384 == differs;
            assert_eq!(lines[2].starts_with("  PCR 9   DIFFERS"), is_differing, "{text}");
            assert_eq!(text.contains("first divergence: PCR 9"), is_differing, "{text}");
        }
        assert_eq!(of(Vec::new()).to_string().lines().count(), 1);
    }
}
