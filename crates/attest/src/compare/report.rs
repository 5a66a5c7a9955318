//! The answer of a comparison, with everything that it rests on.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::events::EventsComparison;
use super::launch::LaunchComparison;
use super::td::TdComparison;
use super::values::ValuesComparison;
use super::verdict::Judgement;

/// The answer of a comparison, for programs as JSON and for people as text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Whether all that is required was judged, and is as expected.
    pub equal: bool,
    /// The answer with what was judged and what was not.
    pub judgement: Judgement,
    /// What the observation is, in words, such as `TPM event log`.
    pub observed: String,
    /// What it was compared with: the image's folder, or its reference values.
    pub with: PathBuf,
    /// Why the observation is not to be trusted whatever it says.
    pub refusals: Vec<String>,
    /// The launch digest of SEV-SNP, if one was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchComparison>,
    /// The event log of a TPM beside the boot that fits it best; none where values say all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsComparison>,
    /// A TD beside the boot that fits it best: its log, its quote or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub td: Option<TdComparison>,
    /// Values of registers beside those of the machine that fits them best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesComparison>,
    /// What to know about the answer, one sentence each: what is not verified, what was not tried.
    pub notes: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = self.judgement.heading();
        writeln!(f, "{} with `{}`: {heading}", self.observed, self.with.display())?;
        for refusal in &self.refusals {
            writeln!(f, "  not to be trusted: {refusal}")?;
        }
        self.launch.iter().try_for_each(|launch| write!(f, "{launch}"))?;
        match &self.values {
            // Events say why a value differs, and no more: each register has one verdict.
            Some(values) => {
                write!(f, "{values}")?;
                self.td.iter().try_for_each(|td| td.write_events(f, values))?;
                self.events.iter().try_for_each(|events| events.write_divergences(f))?;
            }
            None => {
                self.events.iter().try_for_each(|events| write!(f, "{events}"))?;
                self.td.iter().try_for_each(|td| write!(f, "{td}"))?;
            }
        }
        write!(f, "{}", self.judgement)
    }
}
