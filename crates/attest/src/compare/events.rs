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
    /// Which.
    pub bank: Bank,
    /// Every register.
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
    /// Each bank of the log.
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
