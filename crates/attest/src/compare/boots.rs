//! The boots of an image with a TPM that are tried: from the disk and direct, in each state of Secure Boot.

use cvmkit_measure::uefi::variables::SecureBoot;

use super::error::{CompareError, in_full};
use super::expectation::Expectation;
use super::options::Options;
use crate::predict::{Assumed, PredictionError, TpmBoot, TpmMachine};
use crate::profile::Boot;

/// Every boot of the image that is to be tried; what can't be predicted is noted as long as
/// something can.
pub(super) fn boots(
    expectation: &Expectation<'_>,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'static str, Assumed)>, CompareError> {
    let Some(folder) = expectation.folder else { return Ok(Vec::new()) };
    let kinds = match options.boot {
        Some(boot) => vec![boot == Boot::Direct],
        None => vec![false, true],
    };
    let mut predicted = Vec::new();
    let mut refusals: Vec<PredictionError> = Vec::new();
    for direct in kinds {
        let boot = TpmBoot::of_image(folder, direct)
            .and_then(|boot| Ok((boot.kind(), of_machines(&boot, options, notes)?)));
        match boot {
            Ok((kind, assumed)) => {
                predicted.extend(assumed.into_iter().map(|assumed| (kind, assumed)));
            }
            // Nothing is predicted of what is no image.
            Err(error @ PredictionError::Manifest(_)) => return Err(error.into()),
            Err(error) => refusals.push(error),
        }
    }
    if predicted.is_empty() {
        // The first is of the boot that was asked for, or of the usual one.
        return match refusals.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(predicted),
        };
    }
    notes.extend(refusals.iter().map(|error| format!("not tried: {}", in_full(error))));
    Ok(predicted)
}

/// What is predicted of each Secure Boot state the machine can be in.
fn of_machines(
    boot: &TpmBoot,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Vec<Assumed>, PredictionError> {
    let (mut predicted, refusal) = boot.predictions_but(&options.machine)?;
    notes.extend(refusal.map(|error| format!("tried in part: {}", in_full(&error))));
    if !options.knows_secure_boot {
        let secure_boot = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
        predicted.extend(boot.predictions(&TpmMachine { secure_boot, ..options.machine.clone() })?);
    }
    Ok(predicted)
}
