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

/// PCR 11 by bank, in each a value after every moment that was asked for.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sha2::{Sha256, Sha384};

    use super::super::note::DEBUG_MARK;
    use super::super::tests::fixture::Values;
    use super::*;
    use crate::tests::image::{ImageFolder, uki};

    /// systemd-pcrphase.service(8): each moment is one phase later.
    #[test]
    fn the_moments_are_those_of_the_phases() {
        let moments: Vec<String> =
            SystemdMeasure::moments().iter().map(|phases| phases.join(":")).collect();
        assert_eq!(
            moments,
            [
                "enter-initrd",
                "enter-initrd:leave-initrd",
                "enter-initrd:leave-initrd:sysinit",
                "enter-initrd:leave-initrd:sysinit:ready",
            ]
        );
    }

    /// systemd-stub(7): the name of each section with a NUL, and what it holds, in the order of the manual;
    /// then each phase.
    fn by_hand<D: sha2::Digest>(phases: &[&str]) -> String {
        let image = uki().image();
        let sections = uki().read().unwrap().sections;
        let names: Vec<&str> = sections.iter().map(|section| section.name).collect();
        assert_eq!(names, [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"]);
        let mut events: Vec<Vec<u8>> = Vec::new();
        for name in names {
            events.push([name.as_bytes(), b"\0"].concat());
            events.push(section(&image, name));
        }
        events.extend(phases.iter().map(|phase| phase.as_bytes().to_vec()));
        let zero = vec![0; <D as sha2::Digest>::output_size()];
        let extend = |value: Vec<u8>, event: Vec<u8>| {
            D::digest([&value[..], &D::digest(event)[..]].concat()).to_vec()
        };
        hex::encode(events.into_iter().fold(zero, extend))
    }

    /// The contents of a section of a PE image (Microsoft, "PE Format", section table).
    fn section(image: &[u8], name: &str) -> Vec<u8> {
        let at = image.windows(8).position(|part| part.starts_with(name.as_bytes())).unwrap();
        let word = |at: usize| {
            let bytes = image[at..at + 4].try_into().unwrap();
            usize::try_from(u32::from_le_bytes(bytes)).unwrap()
        };
        let (len, offset) = (word(at + 8), word(at + 20));
        image[offset..offset + len].to_vec()
    }

    #[test]
    fn pcr_11_is_written_by_bank_after_each_phase() {
        let folder = ImageFolder::new().uki().values(&[], &[]).finish();
        let exported = |debug| {
            let values = Values::with(debug, &[], &[]);
            let bytes = cvmkit_host::files::read(&values.path()).unwrap();
            folder.put("reference-values.json", &bytes);
            let source = ExportSource::open(folder.path()).unwrap();
            let document = document(&source, folder.path()).unwrap();
            serde_json::from_slice::<Value>(&document.bytes).unwrap()
        };
        let all = exported(false);
        let phases = ["enter-initrd", "leave-initrd", "sysinit", "ready"];
        let of = |count: usize, hash: String| json!({ "phase": phases[..count].join(":"), "pcr": 11, "hash": hash });
        let bank = |hash: &dyn Fn(&[&str]) -> String| -> Vec<Value> {
            (1..=4).map(|count| of(count, hash(&phases[..count]))).collect()
        };
        assert_eq!(
            all,
            json!({ "sha256": bank(&by_hand::<Sha256>), "sha384": bank(&by_hand::<Sha384>) })
        );
        let mut marked = all;
        for moment in marked.as_object_mut().unwrap().values_mut().flat_map(Value::as_array_mut) {
            moment.iter_mut().for_each(|moment| moment["debug"] = DEBUG_MARK.into());
        }
        assert_eq!(exported(true), marked);
    }

    /// Before the first phase there is none to name.
    #[test]
    fn the_moment_before_the_first_phase_has_no_name() {
        let folder = ImageFolder::new().uki().values(&[], &[]).finish();
        let machine = TpmMachine::default();
        let predictions =
            TpmBoot::of_image(folder.path(), false).unwrap().predictions(&machine).unwrap();
        let values = SystemdMeasure::new(&predictions, &[Bank::Sha256], &[vec![]]);
        let hash = by_hand::<Sha256>(&[]);
        let expected = json!({ "sha256": [{ "pcr": 11, "hash": hash }] });
        assert_eq!(serde_json::to_value(values).unwrap(), expected);
        let nothing = SystemdMeasure::new(&[], &[Bank::Sha256], &[vec![]]);
        assert_eq!(serde_json::to_value(nothing).unwrap(), json!({ "sha256": [] }));
    }
}
