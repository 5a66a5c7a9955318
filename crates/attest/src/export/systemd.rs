//! What `systemd-measure calculate --json=pretty` prints: PCR 11 by bank, after each phase.
//!
//! The shape: an object of banks, each a list of `{"phase", "pcr", "hash"}`, and of a debug image
//! `"debug"` in each. Oracle: systemd-measure.

use std::collections::BTreeMap;
use std::path::Path;

use cvmkit_measure::event::{Bank, BankDigest, PcrIndex};
use cvmkit_measure::tpm::{PCR_UKI, PHASES};
use cvmkit_measure::uefi::medium::Medium;
use serde::Serialize;

use super::document::{Document, json};
use super::error::ExportError;
use super::source::ExportSource;
use crate::predict::register::value;
use crate::predict::{Assumed, TpmBoot, TpmMachine};

/// One value of PCR 11.
#[derive(Clone, Debug, Serialize)]
struct Moment {
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    pcr: PcrIndex,
    hash: BankDigest,
    /// That it is the value of a debug image.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<&'static str>,
}

/// PCR 11 by bank.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct SystemdMeasure(BTreeMap<String, Vec<Moment>>);

impl SystemdMeasure {
    /// The values after the phases of each of `moments`.
    #[must_use]
    pub fn new(predictions: &[Assumed], banks: &[Bank], moments: &[Vec<String>]) -> Self {
        // PCR 11 is decided by the image alone: every prediction has the same.
        let prediction = predictions.first().map(|assumed| &assumed.prediction);
        let of_bank = |bank: &Bank| {
            let values = moments.iter().filter_map(|phases| {
                let names: Vec<&str> = phases.iter().map(String::as_str).collect();
                let hash = value(*bank, &prediction?.clone().at(&names), PCR_UKI)?;
                let phase = (!phases.is_empty()).then(|| phases.join(":"));
                Some(Moment { phase, pcr: PCR_UKI, hash, debug: None })
            });
            (bank.to_string(), values.collect())
        };
        Self(banks.iter().map(of_bank).collect())
    }

    /// The same with what every value of a debug image says.
    fn marked(mut self, mark: Option<&'static str>) -> Self {
        self.0.values_mut().flatten().for_each(|moment| moment.debug = mark);
        self
    }

    /// The moments that systemd-measure has values for when it is not told which.
    #[must_use]
    pub fn moments() -> Vec<Vec<String>> {
        let phases = |count| PHASES.iter().take(count).map(|name| (*name).to_owned()).collect();
        (1..=PHASES.len()).map(phases).collect()
    }
}

/// The values of the unified kernel image in `folder`.
pub(super) fn document(subject: &ExportSource, folder: &Path) -> Result<Document, ExportError> {
    // What only the other registers depend on may be as it likes.
    let machine = TpmMachine {
        medium: Medium { is_writable: Some(false), ..Medium::default() },
        ..TpmMachine::default()
    };
    let predictions = TpmBoot::of_image(folder, false)?.predictions(&machine)?;
    let values = SystemdMeasure::new(&predictions, &Bank::ALL, &SystemdMeasure::moments());
    json(&values.marked(subject.mark()), &[], Vec::new())
}
