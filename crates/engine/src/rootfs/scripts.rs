//! What the evaluation of maintainer scripts came to, as far as a lock keeps it.

use std::collections::BTreeMap;

use cvmkit_formats::digest::Sha256;
use serde::{Deserialize, Serialize};

/// What the definition decides about a script, instead of its evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptDecision {
    /// Nothing is done but what debhelper wrote into it.
    Skip,
    /// The same, behind the effect that the definition gives.
    Give,
}

/// A maintainer script, and what it did in all its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvaluatedScript {
    /// The package whose script it is.
    pub package: String,
    /// Its name in the package: `preinst`, `config` or `postinst`.
    pub script: String,
    /// Of its text.
    pub sha256: Sha256,
    /// Of all that it changed, as one line each: no id of an account that the lock gives moves it.
    pub effects: Sha256,
    /// What the definition decides about it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<ScriptDecision>,
    /// What it changed, in the order of its runs, each as a person reads it.
    pub lines: Vec<String>,
}

/// What a lock keeps of the evaluation of a root file system's packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// The ids of the accounts that nothing fixes, by name: with
    /// [`Ids::GivenOut`](crate::rootfs::Ids::GivenOut), those that belong into the lock.
    pub ids: BTreeMap<String, u32>,
    /// What each maintainer script did, in the order in which they first ran.
    pub scripts: Vec<EvaluatedScript>,
}
