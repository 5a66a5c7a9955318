//! Every reference value, computed again from the files by the profiles beside it.

use std::collections::BTreeMap;

use cvmkit_attest::output::Role;
use cvmkit_attest::profile::Profile;
use cvmkit_attest::values::{self, ReferenceValues, SCHEMA};

use super::described::form;
use super::error::in_one_line;
use super::examination::Examination;
use super::subject::Subject;
use super::{Check, VerifyError};

/// Checks the reference values.
pub(super) fn examine(subject: Subject<'_>) -> Result<Examination, VerifyError> {
    let mut examination = Examination::new(Check::ReferenceValues);
    let Some((name, _)) = subject.file(Role::ReferenceValues) else {
        examination.skip("all of it", "there are no reference values");
        return Ok(examination);
    };
    let text = subject.folder.text(name)?.unwrap_or_default();
    let found = match ReferenceValues::parse(&text, name.as_ref()) {
        Ok(values) => values,
        Err(error) => {
            let expected = format!("reference values of schema {SCHEMA}");
            examination.find(name, "the reference values", expected, in_one_line(&error));
            return Ok(examination);
        }
    };
    examination.detail = format!("{} values", found.values.len());
    form(&mut examination, name, &found, &text);
    if !profiles(&mut examination, name, subject, &found.profiles) {
        examination.skip("the values", "a profile can't be computed");
        return Ok(examination);
    }
    // Only what was opened as a plain file of the folder.
    let opened = |role| subject.file(role).map(|(name, _)| name.to_owned());
    let files =
        values::ImageFiles::of_files(subject.folder.path(), subject.manifest.image.debug, opened);
    match values::values(&found.profiles, &files) {
        Ok(computed) => compare(&mut examination, name, &computed, &found),
        Err(error) => {
            let what = "the values of its profiles";
            examination.find(name, what, "values that can be computed", in_one_line(&error));
        }
    }
    Ok(examination)
}

/// Whether every profile can be, and names files that the manifest lists and the folder has.
fn profiles(
    examination: &mut Examination,
    name: &str,
    subject: Subject<'_>,
    profiles: &[Profile],
) -> bool {
    let mut usable = true;
    for profile in profiles {
        if let Err(error) = profile.check() {
            examination.find(name, format!("profile {}", profile.name), "one that can be", error);
            usable = false;
        }
        let files = [
            (Role::Firmware, &profile.firmware),
            (Role::FirmwareVariables, &profile.variables),
            (Role::EventLog, &profile.pinned),
            (Role::SecureExecutionImage, &profile.image),
        ];
        for (role, file) in files {
            let Some(file) = file else { continue };
            let mut artifacts = subject.manifest.artifacts.iter();
            let is_listed = artifacts.any(|it| it.role == role.name() && it.name == *file);
            if !is_listed || subject.folder.source(file).is_none() {
                let what = format!("{role} of profile {}", profile.name);
                examination.find(name, what, "a file that the manifest lists", format!("`{file}`"));
                usable = false;
            }
        }
        if profile.needs_firmware() && profile.firmware.is_none() {
            let what = format!("firmware of profile {}", profile.name);
            examination.find(name, what, "a file", "none");
            usable = false;
        }
    }
    usable
}

/// Each field beside the one that was computed, as it is written: equal values are equal texts.
fn compare(
    examination: &mut Examination,
    name: &str,
    computed: &ReferenceValues,
    found: &ReferenceValues,
) {
    let (expected, written) = match (fields(computed), fields(found)) {
        (Ok(expected), Ok(written)) => (expected, written),
        (Err(error), _) | (_, Err(error)) => {
            examination.find(name, "the values", "values that can be written", error);
            return;
        }
    };
    let more = written.keys().filter(|key| !expected.contains_key(*key));
    for field in expected.keys().chain(more) {
        let shown = |fields: &BTreeMap<String, String>| {
            fields.get(field).cloned().unwrap_or_else(|| "nothing".to_owned())
        };
        examination.expect(name, field, shown(&expected), shown(&written));
    }
}

/// Every field of the values as a path and a text.
fn fields(values: &ReferenceValues) -> Result<BTreeMap<String, String>, serde_json::Error> {
    let mut fields = BTreeMap::new();
    flatten("", &serde_json::to_value(values)?, &mut fields);
    Ok(fields)
}

fn flatten(path: &str, value: &serde_json::Value, fields: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, value)| flatten(&below(key), value, fields));
        }
        serde_json::Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{at}]"), item, fields);
            }
        }
        serde_json::Value::String(text) => {
            fields.insert(path.to_owned(), text.clone());
        }
        other => {
            fields.insert(path.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_of_a_document_has_a_path_of_its_own() {
        let document = json!({
            "text": "t", "number": 7, "flag": false, "none": null,
            "table": { "inner": "i", "list": [1, { "deep": "d" }] }, "empty": [], "bare": {},
        });
        let mut found = BTreeMap::new();
        flatten("", &document, &mut found);
        let expected = [
            ("flag", "false"),
            ("none", "null"),
            ("number", "7"),
            ("table.inner", "i"),
            ("table.list[0]", "1"),
            ("table.list[1].deep", "d"),
            ("text", "t"),
        ];
        let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }

    /// A value that is more, one that is missing, and one that differs: each is one finding.
    #[test]
    fn values_are_compared_field_by_field() {
        let values = |values: serde_json::Value| -> ReferenceValues {
            let all = json!({ "schema": SCHEMA, "debug": false, "profiles": [], "values": values });
            serde_json::from_value(all).unwrap()
        };
        let machine = |registers: serde_json::Value| {
            json!([{
                "profile": "p", "profile-version": 1, "platform": "tpm", "vmm": "qemu",
                "boot": "uki-disk", "registers": { "sha256": registers },
            }])
        };
        let computed = values(machine(json!({ "pcr4": "aa", "pcr5": "bb" })));
        let found = |written: &ReferenceValues| {
            let mut examination = Examination::new(Check::ReferenceValues);
            compare(&mut examination, "f", &computed, written);
            let (_, findings) = examination.finish();
            let words =
                |of: super::super::Finding| [of.file, of.what, of.expected, of.found].join(" | ");
            findings.into_iter().map(words).collect::<Vec<_>>()
        };
        assert_eq!(found(&computed), [""; 0]);
        let written = values(machine(json!({ "pcr4": "ab", "pcr7": "cc" })));
        assert_eq!(
            found(&written),
            [
                "f | values[0].registers.sha256.pcr4 | aa | ab",
                "f | values[0].registers.sha256.pcr5 | bb | nothing",
                "f | values[0].registers.sha256.pcr7 | nothing | cc",
            ]
        );
    }
}
