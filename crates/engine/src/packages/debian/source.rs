//! Where packages come from: suites of an archive, and who may sign them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Some suites of one archive.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// Archive: the last part of its address below a mirror, `debian` or `debian-security`.
    #[serde(default = "debian")]
    pub archive: String,
    /// Suites or code names, such as `trixie`.
    pub suites: Vec<String>,
    /// Components of the suites, such as `main` or `non-free-firmware`. Default: `main`.
    #[serde(default = "main_component")]
    pub components: Vec<String>,
    /// Fingerprints of archive keys to accept, of the Debian archive keys and those in `key-files`.
    /// Default: all in `key-files`, or the Debian archive keys when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// OpenPGP certificates beside the definition, armored or binary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_files: Vec<String>,
    /// What the signed release files must say in `Origin`, such as `Debian`: tells archives apart
    /// that share keys and names of suites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What the signed release files must say in `Label`, such as `Debian-Security`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many days old a suite without `Valid-Until` may be before `lock` notes it. Default: 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
}

impl Source {
    /// This source with one suite alone: two that are equal are to be trusted alike.
    #[must_use]
    pub(crate) fn alone(&self, suite: &str) -> Self {
        Self { suites: vec![suite.to_owned()], ..self.clone() }
    }
}

fn debian() -> String {
    "debian".into()
}

fn main_component() -> Vec<String> {
    vec!["main".into()]
}
