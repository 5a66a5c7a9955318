//! Reference values as a comparison needs them: for each machine a name, a launch digest, registers.
//!
//! The file may have more fields than are known here, as later versions do; only the schema's
//! number is insisted on.

use std::path::{Path, PathBuf};

use cvmkit_measure::event::Register;
use cvmkit_measure::snp::{GuestFeatures, LaunchDigest};
use serde_json::Value;
use thiserror::Error;

use super::registers::{Registers, RegistersError};
use crate::files::{self, FileError};

/// The schema of the file.
const SCHEMA: u64 = crate::reference::SCHEMA as u64;

/// Why the reference values can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KnownError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No JSON.
    #[error("`{}` is no JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Something else.
    #[error("`{}` holds no reference values: expected {expected}, found {found}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What must be there.
        expected: &'static str,
        /// What is.
        found: String,
    },
    /// A value that is no digest.
    #[error("`{}`, values[{index}]", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Which, from 0.
        index: usize,
        /// What is wrong.
        source: RegistersError,
    },
}

/// The reference values of one machine.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownValue {
    pub(super) name: String,
    pub(super) launch_digest: Option<LaunchDigest>,
    pub(super) vcpus: Option<u32>,
    pub(super) vcpu_type: Option<String>,
    pub(super) features: Option<GuestFeatures>,
    pub(super) registers: Registers,
}

/// Reads a file of reference values.
pub(super) fn read(path: &Path) -> Result<Vec<KnownValue>, KnownError> {
    let json = |source| KnownError::Json { path: path.to_owned(), source };
    let value: Value = serde_json::from_slice(&files::read(path)?).map_err(json)?;
    let form = |expected, found: Option<&Value>| KnownError::Form {
        path: path.to_owned(),
        expected,
        found: found.map_or("nothing".into(), |found| found.to_string().chars().take(40).collect()),
    };
    let schema = value.get("schema");
    if schema.and_then(Value::as_u64) != Some(SCHEMA) {
        return Err(form("`schema` 2", schema));
    }
    let values = value.get("values");
    let values = values.and_then(Value::as_array).ok_or_else(|| form("a list `values`", values))?;
    let known = |(index, value)| {
        known(value).map_err(|source| KnownError::Value { path: path.to_owned(), index, source })
    };
    values.iter().enumerate().map(known).collect()
}

fn known(value: &Value) -> Result<KnownValue, RegistersError> {
    let field = |name: &str| value.get(name).or_else(|| value.get(name.replace('-', "_")));
    let text = |name| field(name).and_then(Value::as_str);
    Ok(KnownValue {
        name: name(value),
        launch_digest: text("launch-digest").and_then(|digits| digits.parse().ok()),
        vcpus: field("vcpus").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()),
        vcpu_type: text("vcpu-type").map(str::to_owned),
        features: text("guest-features").and_then(features),
        registers: Registers::of_json(value)?,
    })
}

fn features(text: &str) -> Option<GuestFeatures> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(GuestFeatures)
}

/// What a machine is told apart by: every field that is no digest.
fn name(value: &Value) -> String {
    let words = |(key, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_digest = text.len() >= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_register = key.parse::<Register>().is_ok();
        (!is_digest && !is_register).then(|| format!("{key} {text}"))
    };
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(words).collect::<Vec<_>>().join(", ")
}
