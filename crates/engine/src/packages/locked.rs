//! What a lock says of suites and packages: records of the format of lock files.

use cvmkit_formats::digest::Sha256;
use cvmkit_host::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// A suite as it was trusted.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedSuite {
    /// Name in the definition.
    pub name: String,
    /// The archive it is of, such as `debian` or `debian-security`.
    pub archive: String,
    /// Field `Date` of its signed release file.
    pub date: Timestamp,
    /// Field `Valid-Until`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// True if it was past `Valid-Until` when it was locked, and accepted explicitly: newer versions,
    /// security updates among them, may have been withheld.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// The date that the lock had seen before, if this older one was accepted explicitly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Timestamp>,
    /// Digest of its `InRelease`.
    pub inrelease: Sha256,
    /// Fingerprints of the keys whose signatures were good.
    pub signed_by: Vec<String>,
    /// Those of them that had expired, and were accepted explicitly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expired_keys: Vec<String>,
    /// Paths of the package indices below the suite, each with its digest.
    pub indices: Vec<LockedIndex>,
}

/// A package index as it was trusted.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedIndex {
    /// Path below the suite.
    pub path: String,
    /// Length of the compressed index in bytes.
    pub size: u64,
    /// Digest of the compressed index, as the signed release file has it.
    pub sha256: Sha256,
}

/// A package as the signed index of its suite has it, and why the image needs it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// The field `Package` of deb-control(5).
    pub name: String,
    /// The field `Version`, with its epoch and revision.
    pub version: String,
    /// Architecture, in Debian's spelling.
    pub architecture: String,
    /// The archive that `path` counts from, such as `debian`; empty for a local file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub archive: String,
    /// The suite whose index names it; empty for a local file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// Path in the archive, or of a local file relative to the definition.
    pub path: String,
    /// Length of the `.deb` in bytes.
    pub size: u64,
    /// Digest of the `.deb`.
    pub sha256: Sha256,
    /// What it is for: `root`, `root:VARIANT`, `stub`, `firmware`.
    pub roles: Vec<String>,
    /// Why it is there.
    pub reason: String,
}

impl LockedPackage {
    /// True for a file beside the definition, which no archive vouches for.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.archive.is_empty()
    }
}

#[cfg(test)]
impl LockedSuite {
    /// A suite of which nothing is known but this; for tests.
    pub(crate) fn bare(archive: &str, name: &str, date: Timestamp) -> Self {
        Self {
            name: name.into(),
            archive: archive.into(),
            date,
            valid_until: None,
            expired: false,
            older_than: None,
            inrelease: Sha256::of(b""),
            signed_by: Vec::new(),
            expired_keys: Vec::new(),
            indices: Vec::new(),
        }
    }
}
