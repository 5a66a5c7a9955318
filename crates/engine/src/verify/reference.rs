//! Every reference value, computed again from the files.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::source::{Source, read_all};
use cvmkit_measure::kernel_hashes::KernelHashes;

use super::error::in_one_line;
use super::examination::Examination;
use super::folder::Digests;
use super::{Check, Subject, VerifyError};
use crate::definition::SnpPlatform;
use crate::digest::Sha256;
use crate::manifest::REFERENCE_FILE;
use crate::reference::{self, ReferenceValue, ReferenceValues};

/// Version of the schema that is understood.
const SCHEMA: u32 = 1;

/// Most vCPUs of a value, and of a definition.
const VCPUS_MAX: u32 = 512;

/// Longest firmware that is taken: a guard, real ones have up to 16 MiB.
const FIRMWARE_MAX: u64 = 256 << 20;

/// vCPU type and guest features: what values have in common whose digests are computed together.
type Machine = (String, u64);

/// Checks the reference values. The digests are those of the files as they are.
pub(super) fn examine(subject: Subject<'_>, digests: &Digests) -> Result<Examination, VerifyError> {
    let mut examination = Examination::new(Check::ReferenceValues);
    let Some((name, _)) = subject.file("reference-values") else {
        examination.skip("all of it", "there are no reference values");
        return Ok(examination);
    };
    let text = subject.folder.text(name)?.unwrap_or_default();
    let values: ReferenceValues = match serde_json::from_slice(&text) {
        Ok(values) => values,
        Err(error) => {
            let expected = format!("reference values of schema {SCHEMA}");
            examination.find(name, "the reference values", expected, error);
            return Ok(examination);
        }
    };
    examination.expect(REFERENCE_FILE, "schema", SCHEMA, values.schema);
    examination.detail = format!("{} values", values.values.len());
    let Some((firmware, source)) = subject.file("firmware") else {
        match (subject.manifest.file("firmware"), values.values.len()) {
            (None, 0) => {}
            (None, found) => {
                let expected = "none, as the image has no firmware";
                examination.find(name, "the reference values", expected, found);
            }
            (Some(_), _) => examination.skip("the values", "there is no firmware"),
        }
        return Ok(examination);
    };
    let Some(hashes) = kernel_hashes(&mut examination, subject, digests)? else {
        return Ok(examination);
    };
    let bytes = match read_all(source, FIRMWARE_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            let expected = format!("at most {FIRMWARE_MAX} bytes");
            examination.find(firmware, "the firmware", expected, source.len());
            return Ok(examination);
        }
        Err(error) => {
            examination.refused(subject.folder, firmware, "the firmware", error)?;
            return Ok(examination);
        }
    };
    compare(&mut examination, name, &values, (firmware, &bytes), hashes);
    Ok(examination)
}

/// The hashes that the firmware checks.
fn kernel_hashes(
    examination: &mut Examination,
    subject: Subject<'_>,
    digests: &Digests,
) -> Result<Option<KernelHashes>, VerifyError> {
    let digest = |role| {
        let Sha256(digest) = digests.get(subject.file(role)?.0)?;
        Some(cvmkit_measure::digest::Sha256(*digest))
    };
    let (Some(kernel), Some(initrd)) = (digest("kernel"), digest("initrd")) else {
        examination.skip("the values", "there are not both a kernel and an initramfs");
        return Ok(None);
    };
    let Some((name, _)) = subject.file("command-line") else {
        examination.skip("the values", "there is no command line");
        return Ok(None);
    };
    let Some(line) = subject.folder.text(name)? else {
        examination.skip("the values", "the command line is too long to be one");
        return Ok(None);
    };
    match KernelHashes::from_digests(kernel, Some(initrd), &line) {
        Ok(hashes) => Ok(Some(hashes)),
        Err(error) => {
            examination.find(name, "the command line", "one that can be measured", error);
            Ok(None)
        }
    }
}

/// Computes every value again, those of one machine together.
fn compare(
    examination: &mut Examination,
    name: &str,
    values: &ReferenceValues,
    (firmware, bytes): (&str, &[u8]),
    hashes: KernelHashes,
) {
    let mut machines: BTreeMap<Machine, BTreeSet<u32>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for value in &values.values {
        if !seen.insert((&value.vcpu_type, &value.guest_features, value.vcpus)) {
            examination.find(name, title(value), "one value", "a second one");
        }
        match machine(value) {
            Ok(machine) => {
                machines.entry(machine).or_default().insert(value.vcpus);
            }
            Err((expected, found)) => examination.find(name, title(value), expected, found),
        }
    }
    for ((vcpu_type, guest_features), vcpus) in machines {
        let platform = SnpPlatform {
            vcpus: vcpus.into_iter().collect(),
            vcpu_types: vec![vcpu_type.clone()],
            guest_features,
        };
        let computed = match reference::snp_values(&platform, firmware, bytes, hashes) {
            Ok(computed) => computed,
            Err(error) => {
                let what = format!("the launch of {vcpu_type} with `{firmware}`");
                examination.find(name, what, "one that can be computed", in_one_line(&error));
                continue;
            }
        };
        let same = |a: &ReferenceValue, b: &ReferenceValue| {
            (a.vcpus, &a.vcpu_type, &a.guest_features) == (b.vcpus, &b.vcpu_type, &b.guest_features)
        };
        for expected in &computed {
            for found in values.values.iter().filter(|found| same(expected, found)) {
                differences(examination, name, expected, found);
            }
        }
    }
}

/// Each field of a value.
fn differences(
    examination: &mut Examination,
    name: &str,
    expected: &ReferenceValue,
    found: &ReferenceValue,
) {
    let fields = [
        ("platform", &expected.platform, &found.platform),
        ("vmm", &expected.vmm, &found.vmm),
        ("boot", &expected.boot, &found.boot),
        ("firmware", &expected.firmware, &found.firmware),
        ("launch digest", &expected.launch_digest, &found.launch_digest),
    ];
    for (field, expected, found_field) in fields {
        let what = format!("{field} of {}", title(found));
        examination.expect(name, &what, expected, found_field);
    }
}

fn title(value: &ReferenceValue) -> String {
    let ReferenceValue { platform, vcpu_type, vcpus, guest_features, .. } = value;
    format!("{platform}, {vcpu_type}, {vcpus} vCPUs, guest features {guest_features}")
}

/// What a value is for, or what is expected in the place of what.
fn machine(value: &ReferenceValue) -> Result<Machine, (String, String)> {
    if value.vcpus == 0 || value.vcpus > VCPUS_MAX {
        return Err((format!("1 to {VCPUS_MAX} vCPUs"), value.vcpus.to_string()));
    }
    let features = &value.guest_features;
    let digits =
        features.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match digits {
        // Written in one way only, so that equal values are equal texts.
        Some(number) if format!("{number:#x}") == *features => {
            Ok((value.vcpu_type.clone(), number))
        }
        _ => Err(("guest features in hex, such as 0x1".into(), format!("`{features}`"))),
    }
}
