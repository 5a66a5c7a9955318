//! A TD against the machines of reference values, and against the boot of the one that fits it best.

use std::path::Path;

use cvmkit_host::files;

use super::error::{CompareError, in_full};
use super::known::KnownValue;
use super::named::file;
use super::report::Report;
use super::values::ValuesComparison;
use super::{explain, td, values};
use crate::predict::{TdBoot, TdFirmware};
use crate::profile::Boot;
use crate::values::td_machine;

/// Compares a TD with the machines of reference values that have any of its registers. Of those that
/// fit its values as well, the log chooses.
pub(super) fn compare(
    subject: &td::ReportedTd<'_>,
    folder: Option<&Path>,
    known: &[(KnownValue, ValuesComparison)],
    report: &mut Report,
) {
    let compared: Vec<ValuesComparison> = known.iter().map(|(_, of)| of.clone()).collect();
    let Some(least) = compared.iter().map(ValuesComparison::distance).min() else { return };
    let fitting = known.iter().filter(|(_, comparison)| comparison.distance() == least);
    let mut chosen = None;
    for (known, comparison) in fitting {
        let mut notes = Vec::new();
        let explained = match (folder, subject.log) {
            (Some(folder), Some(_)) => explained(subject, folder, known, &mut notes),
            _ => Ok(None),
        };
        let explained = explained.unwrap_or_else(|error| {
            notes.push(format!("not compared event by event: {}", in_full(&error)));
            None
        });
        let distance = explained.as_ref().map(td::TdComparison::distance);
        let is_nearer = match &chosen {
            None => true,
            Some((_, _, _, other)) => distance.is_some() && distance < *other,
        };
        if is_nearer {
            chosen = Some((comparison, explained, notes, distance));
        }
    }
    let Some((comparison, explained, notes, _)) = chosen else { return };
    report.notes.extend(notes);
    let mut values = values::among(comparison, &compared);
    report.td = explained.map(|mut td| {
        if let Some(events) = &mut td.events {
            explain::of_values(&mut values, events, None);
        }
        td.keep_reasons_of_lines();
        td
    });
    report.values = Some(values);
}

/// The log beside the boot of a machine that reference values are of.
fn explained(
    subject: &td::ReportedTd<'_>,
    folder: &Path,
    known: &KnownValue,
    notes: &mut Vec<String>,
) -> Result<Option<td::TdComparison>, CompareError> {
    let (Some(profile), Some(memory)) = (&known.profile, known.value.memory) else {
        return Ok(None);
    };
    let boot = match known.value.boot {
        Boot::Direct => TdBoot::of_image(folder)?,
        Boot::UkiDisk => TdBoot::disk_of_image(folder)?,
    };
    let read = |name| {
        let path = folder.join(name);
        Ok::<_, CompareError>(TdFirmware::new(&path, files::read(&path)?)?)
    };
    let firmware = file(known).map(read).transpose()?;
    let machine = td_machine(profile, known.value.vcpus.unwrap_or(1), memory);
    td::of_machine_known(subject, &boot, firmware.as_ref(), machine, notes).map(Some)
}
