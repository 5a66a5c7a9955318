//! What a lock says: its records, and what of them a variant uses.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::timestamp::Timestamp;
use cvmkit_host::versioned::Versioned;
use serde::{Deserialize, Serialize};

use super::dropped::LockedDrop;
use super::local::LocalFile;
use super::role::{FIRMWARE_ROLE, STUB_ROLE, input_role, root_role};
use crate::definition::Definition;
use crate::packages::{LockedPackage, LockedSuite};
use crate::rootfs::ScriptDecision;

/// Version of the format of lock files.
pub(super) const FORMAT: u32 = 4;

/// The first format, which `cvmkit lock` alone reads: it had no digest of its body.
pub(super) const FORMAT_WITHOUT_DIGEST: u32 = 1;

/// The format after it, which `cvmkit lock` alone reads: it had no ids of accounts.
pub(super) const FORMAT_WITHOUT_IDS: u32 = 2;

/// The format after that, which `cvmkit lock` alone reads: it did not say what scripts do.
pub(super) const FORMAT_WITHOUT_SCRIPTS: u32 = 3;

/// Exact inputs.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Lock {
    /// Version of the format: that of this program, whichever was read.
    pub format: u32,
    /// [`Project::checksum`](crate::definition::Project::checksum) of the definition that this lock was made for.
    pub definition: Sha256,
    /// [`Project::package_checksum`](crate::definition::Project::package_checksum) of it: while it is the
    /// same, packages stay as they are locked.
    pub package_request: Sha256,
    /// The roles of root file systems whose scripts could not be evaluated when the lock was made: they may
    /// have accounts without an id, and no script of theirs is in the lock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_ids_of: Vec<String>,
    /// The suites that packages were chosen from.
    #[serde(rename = "suite", skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<LockedSuite>,
    /// The packages, sorted by name, architecture and version.
    #[serde(rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<LockedPackage>,
    /// The packages that the image does without because its definition drops them, and those that stood
    /// only for these; sorted by all they say but their roles.
    #[serde(rename = "dropped", skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<LockedDrop>,
    /// The accounts whose ids nothing else fixes, sorted by name.
    #[serde(rename = "account", skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<LockedAccount>,
    /// The maintainer scripts and what they do, sorted by package, script and digests.
    #[serde(rename = "script", skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<LockedScript>,
    /// The local files, sorted by path.
    #[serde(rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LocalFile>,
}

/// An account of the image, with the id that it got when it first was in the lock.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedAccount {
    /// Its name: 1 to 31 lower-case letters, digits, `_` and `-`, no digit or `-` first.
    pub name: String,
    /// The id of the user, and of the group of that name: 100 to 999, each of one account.
    pub id: u32,
    /// The root file systems that have it: `root`, `root:VARIANT`, at least one.
    pub roles: Vec<String>,
}

/// A maintainer script of a root file system, and what it does there.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedScript {
    /// The package whose script it is.
    pub package: String,
    /// `preinst`, `config` or `postinst`.
    pub script: String,
    /// Of its text.
    pub sha256: Sha256,
    /// Of all that it changes ([`EvaluatedScript::effects`](crate::rootfs::EvaluatedScript::effects)).
    pub effects: Sha256,
    /// What the definition decides about it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ScriptDecision>,
    /// The root file systems in which it does that: `root`, `root:VARIANT`, at least one.
    pub roles: Vec<String>,
}

impl Lock {
    /// What packages are for in the base or a variant: the root file system first.
    pub(super) fn roles_of(variant: Option<&str>) -> [String; 3] {
        let input = |role| input_role(role, variant);
        [root_role(variant), input(STUB_ROLE), input(FIRMWARE_ROLE)]
    }

    /// The packages of one role, sorted.
    pub fn packages_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a LockedPackage> {
        self.packages.iter().filter(move |package| package.roles.iter().any(|has| has == role))
    }

    /// The maintainer scripts of one root file system, sorted.
    pub fn scripts_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a LockedScript> {
        self.scripts.iter().filter(move |script| script.roles.iter().any(|has| has == role))
    }

    /// The ids of a variant's accounts that nothing else fixes, by name.
    #[must_use]
    pub fn ids(&self, variant: Option<&str>) -> BTreeMap<String, u32> {
        let role = root_role(variant);
        let own = self.accounts.iter().filter(|account| account.roles.contains(&role));
        own.map(|account| (account.name.clone(), account.id)).collect()
    }

    /// The newest release date of the suites that a variant's root packages come from: the time of
    /// everything its build makes. `None` if it has none.
    #[must_use]
    pub fn timestamp(&self, variant: Option<&str>) -> Option<Timestamp> {
        let role = root_role(variant);
        let of_root: BTreeSet<_> = self
            .packages_of(&role)
            .map(|package| (package.archive.as_str(), package.suite.as_str()))
            .collect();
        let holds_root =
            |suite: &&LockedSuite| of_root.contains(&(suite.archive.as_str(), suite.name.as_str()));
        let of_suites = self.suites.iter().filter(holds_root).map(|suite| suite.date).max();
        // Local packages are of no date: a root of them alone has that of the suites beside them.
        let is_local = self.packages_of(&role).any(LockedPackage::is_local);
        of_suites.or_else(|| self.suites.iter().map(|suite| suite.date).max().filter(|_| is_local))
    }

    /// What a definition asks for and the lock does not have.
    pub(super) fn missing(&self, definition: &Definition) -> Option<String> {
        let role = root_role(definition.variant.as_deref());
        let has = |request: &&String| {
            let (name, version) = match request.split_once('=') {
                Some((name, version)) => (name, Some(version)),
                None => (request.as_str(), None),
            };
            self.packages_of(&role).any(|package| {
                package.name == name && version.is_none_or(|version| package.version == version)
            })
        };
        definition.packages.install.iter().find(|request| !has(request)).cloned()
    }

    /// A digest of what a variant uses, and of nothing that only another one does: `files` are its
    /// local files.
    #[must_use]
    pub fn part(&self, variant: Option<&str>, files: &[LocalFile]) -> Sha256 {
        let own = Self::roles_of(variant);
        let used: Vec<_> = self
            .packages
            .iter()
            .filter_map(|package| {
                let roles: Vec<bool> =
                    own.iter().map(|role| package.roles.contains(role)).collect();
                // Why it is there may be told of another variant; what it is there for is the same.
                roles.contains(&true).then(|| {
                    let LockedPackage { name, version, architecture, archive, suite, path, .. } =
                        package;
                    let record = (name, version, architecture, archive, suite, path);
                    (record, package.size, package.sha256, roles)
                })
            })
            .collect();
        let suites: BTreeSet<_> = self
            .suites
            .iter()
            .filter(|suite| {
                used.iter()
                    .any(|(package, ..)| *package.3 == suite.archive && *package.4 == suite.name)
            })
            .map(|suite| (&suite.archive, &suite.name, suite.date, suite.inrelease))
            .collect();
        let scripts: Vec<_> = self
            .scripts_of(&own[0])
            .map(|script| (&script.package, &script.script, script.sha256, script.effects))
            .collect();
        let part = (suites, used, self.ids(variant), scripts, files);
        let dropped: Vec<_> = self
            .dropped
            .iter()
            .filter(|dropped| dropped.roles.contains(&own[0]))
            .map(|dropped| {
                let LockedDrop { name, version, because, provides, .. } = dropped;
                (name, version, because, provides)
            })
            .collect();
        // Absent where there are none: the digests of other images stay what they were.
        let part = match dropped.is_empty() {
            true => serde_json::to_vec(&part),
            false => serde_json::to_vec(&(part, dropped)),
        };
        Sha256::of(&part.expect("strings, numbers and lists serialise"))
    }

    /// Why a package is locked: the chain from it to one that was requested, each with its reason.
    #[must_use]
    pub fn explain(&self, name: &str) -> Vec<(String, String)> {
        let mut chain: Vec<(String, String)> = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next.take() {
            let Some((reason, words)) = self.reason_of(&name) else { break };
            // A reason reads `Depends of OTHER: RELATION`, or is one word.
            let of = reason.split_once(" of ").and_then(|(_, rest)| rest.split_once(':'));
            next = of
                .map(|(other, _)| other.to_owned())
                .filter(|other| chain.iter().all(|(seen, _)| seen != other));
            chain.push((name, words));
        }
        chain
    }

    /// Why a package was chosen, and what to say of it: of a dropped one that it is dropped too.
    fn reason_of(&self, name: &str) -> Option<(&str, String)> {
        if let Some(package) = self.packages.iter().find(|package| package.name == name) {
            return Some((&package.reason, package.reason.clone()));
        }
        let dropped = self.dropped.iter().find(|dropped| dropped.name == name)?;
        Some((&dropped.reason, dropped.to_string()))
    }
}

impl Versioned for Lock {
    const NAME: &'static str = "lock";
    const KEY: &'static str = "format";
    const VERSION: u32 = FORMAT;
    const REMAKE: &'static str = "run `cvmkit lock`, which rewrites a lock of an older format \
        and changes no package, or make a new one with `cvmkit lock --update`";
}

/// A lock of nothing.
pub(super) fn empty(definition: Sha256, package_request: Sha256) -> Lock {
    Lock {
        format: FORMAT,
        definition,
        package_request,
        unknown_ids_of: Vec::new(),
        suites: Vec::new(),
        packages: Vec::new(),
        dropped: Vec::new(),
        accounts: Vec::new(),
        scripts: Vec::new(),
        files: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
