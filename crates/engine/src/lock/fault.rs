//! What no lock says that `cvmkit lock` wrote, though its text reads well.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;

use super::dropped::LockedDrop;
use super::local::LocalKind;
use super::records::{Lock, LockedAccount, LockedScript};
use super::role::{FIRMWARE_ROLE, ROOT_ROLE, STUB_ROLE};
use crate::packages::LockedPackage;
use crate::packages::debian::{SIZE_MAX, is_archive_name, is_pool_path};
use crate::rootfs::{SYSTEM_ID_MAX, SYSTEM_ID_MIN, is_packaged_name};

/// The shortest package there can be: an `ar` archive of three members (deb(5)).
pub(super) const PACKAGE_MIN: u64 = 8 + 3 * 60;

impl Lock {
    /// What is wrong with the records, and words of the line that says it.
    pub(super) fn fault(&self) -> Option<(String, String)> {
        if let Some(found) =
            self.packages.iter().find_map(|package| Some((package, package.fault()?)))
        {
            return Some((found.1, found.0.words()));
        }
        if let Some(pair) = self.packages.windows(2).find(|pair| pair[0].key() >= pair[1].key()) {
            let twice = pair[0].key() == pair[1].key();
            let (name, version) = (&pair[1].name, &pair[1].version);
            let what = if twice { "twice" } else { "not in its place" };
            return Some((format!("package `{name}` {version} is {what}"), pair[1].words()));
        }
        let mut in_root = BTreeSet::new();
        for package in &self.packages {
            let is_root = |role: &&String| role.starts_with(ROOT_ROLE);
            let mut roles = package.roles.iter().filter(is_root);
            if let Some(role) = roles.find(|role| !in_root.insert((*role, &package.name))) {
                let message = format!("role `{role}` has the package `{}` twice", package.name);
                return Some((message, package.words()));
            }
        }
        if let Some(found) = fault_of_accounts(self)
            .or_else(|| fault_of_drops(self))
            .or_else(|| fault_of_scripts(self))
        {
            return Some(found);
        }
        let suites: BTreeSet<_> =
            self.suites.iter().map(|suite| (&suite.archive, &suite.name)).collect();
        if let Some(found) = self.fault_of_local_packages() {
            return Some(found);
        }
        let mut packages = self.packages.iter().filter(|package| !package.is_local());
        if let Some(stray) = packages.find(|one| !suites.contains(&(&one.archive, &one.suite))) {
            let LockedPackage { name, archive, suite, .. } = stray;
            let message =
                format!("package `{name}`: the lock has no suite `{suite}` of `{archive}`");
            return Some((message, stray.words()));
        }
        let pair = self.files.windows(2).find(|pair| pair[0].path >= pair[1].path)?;
        let path = &pair[1].path;
        Some((format!("the file `{path}` is twice, or not in its place"), format!("\"{path}\"")))
    }
}

impl Lock {
    /// A local package is one of the local files; words of its line if it is not.
    fn fault_of_local_packages(&self) -> Option<(String, String)> {
        let is_file = |package: &LockedPackage| {
            let mut files = self.files.iter().filter(|file| file.path == package.path);
            files.any(|file| {
                let LocalKind::File { size, sha256, .. } = file.kind else { return false };
                (size, sha256) == (package.size, package.sha256)
            })
        };
        let mut packages = self.packages.iter().filter(|package| package.is_local());
        let stray = packages.find(|package| !is_file(package))?;
        let (name, path) = (&stray.name, &stray.path);
        let message = format!(
            "package `{name}`: the lock has no local file `{path}` with its size and digest"
        );
        Some((message, stray.words()))
    }
}

impl LockedPackage {
    /// What no lock that was made says: files are written where these lead (`cvmkit vendor`).
    fn fault(&self) -> Option<String> {
        let Self { name, archive, suite, path, size, .. } = self;
        if self.is_local() != suite.is_empty() {
            return Some(format!(
                "package `{name}`: expected both `archive` and `suite`, or neither"
            ));
        }
        if !self.is_local() && !is_archive_name(archive) {
            return Some(format!("package `{name}`: `{archive}` is not the name of an archive"));
        }
        if !self.is_local() && !is_pool_path(path) {
            return Some(format!("package `{name}`: the path `{path}` is not relative and normal"));
        }
        if !(PACKAGE_MIN..=SIZE_MAX).contains(size) {
            return Some(format!(
                "package `{name}`: size = {size}, expected {PACKAGE_MIN} to {SIZE_MAX} bytes"
            ));
        }
        if self.roles.is_empty() {
            return Some(format!("package `{name}`: no roles, expected what it is there for"));
        }
        let mut seen = BTreeSet::new();
        let is_known = |role: &String| {
            let kind = role.split_once(':').map_or(role.as_str(), |(kind, _)| kind);
            [ROOT_ROLE, STUB_ROLE, FIRMWARE_ROLE].contains(&kind)
        };
        let role = self.roles.iter().find(|role| !is_known(role) || !seen.insert(*role))?;
        Some(format!(
            "package `{name}`: role `{role}`, expected `{ROOT_ROLE}`, `{STUB_ROLE}` and \
             `{FIRMWARE_ROLE}`, each with `:VARIANT` or not, and each once"
        ))
    }

    /// Its place in the lock.
    fn key(&self) -> (&str, &str, &str, Sha256, &str, &str) {
        let Self { name, architecture, version, sha256, archive, suite, .. } = self;
        (name, architecture, version, *sha256, archive, suite)
    }

    /// Its line of the lock.
    fn words(&self) -> String {
        self.sha256.to_string()
    }
}

/// The maintainer scripts that an installation runs (Debian Policy 6.5, debconf-devel(7)).
const SCRIPTS: [&str; 3] = ["preinst", "config", "postinst"];

/// What no lock that was made says of scripts, and words of the line that says it.
fn fault_of_scripts(lock: &Lock) -> Option<(String, String)> {
    let mut seen = BTreeSet::new();
    for (at, one) in lock.scripts.iter().enumerate() {
        let LockedScript { package, script, effects, roles, .. } = one;
        let refuse = |why: String| {
            Some((format!("{script} of `{package}`: {why}"), format!("effects = \"{effects}\"")))
        };
        if !SCRIPTS.contains(&script.as_str()) {
            return refuse(format!("expected one of {}", SCRIPTS.join(", ")));
        }
        let key = |one: &LockedScript| {
            (one.package.clone(), one.script.clone(), one.sha256, one.effects, one.decision)
        };
        let before = at.checked_sub(1).and_then(|at| lock.scripts.get(at));
        if let Some(before) = before.filter(|before| key(before) >= key(one)) {
            let twice = key(before) == key(one);
            return refuse(if twice { "is twice" } else { "is not in its place" }.to_owned());
        }
        if roles.is_empty() {
            return refuse("no roles, expected the root file systems that have it".to_owned());
        }
        for role in roles {
            let kind = role.split_once(':').map_or(role.as_str(), |(kind, _)| kind);
            if kind != ROOT_ROLE || !seen.insert((role, package, script)) {
                return refuse(format!("role `{role}`, expected `{ROOT_ROLE}` ones, each once"));
            }
        }
        let owners = lock.packages.iter().filter(|owner| owner.name == *package);
        if roles.iter().any(|role| !owners.clone().any(|owner| owner.roles.contains(role))) {
            return refuse("is of no package that is locked for its roles".to_owned());
        }
    }
    None
}

/// What no lock that was made says of dropped packages, and words of the line that says it.
fn fault_of_drops(lock: &Lock) -> Option<(String, String)> {
    let words = |dropped: &LockedDrop| format!("name = \"{}\"", dropped.name);
    if let Some(pair) = lock.dropped.windows(2).find(|pair| pair[0].key() >= pair[1].key()) {
        let (name, version) = (&pair[1].name, &pair[1].version);
        let message =
            format!("the dropped package `{name}` {version} is twice, or not in its place");
        return Some((message, words(&pair[1])));
    }
    let mut seen = BTreeSet::new();
    for dropped in &lock.dropped {
        let LockedDrop { name, because, provides, roles, .. } = dropped;
        let refuse = |why: &str| Some((format!("dropped package `{name}`: {why}"), words(dropped)));
        let is_root = |role: &String| role.split(':').next() == Some(ROOT_ROLE);
        if roles.is_empty() || !roles.iter().all(is_root) {
            return refuse("roles: expected the root file systems that do without it");
        }
        if roles.iter().any(|role| !seen.insert((name, role))) {
            return refuse("one root file system does without it twice");
        }
        if because.is_none() && !provides.is_empty() {
            return refuse("provides: expected only of what the definition drops");
        }
        let has = |package: &LockedPackage| {
            package.name == *name && package.roles.iter().any(|role| roles.contains(role))
        };
        if lock.packages.iter().any(has) {
            return refuse("a root file system has it");
        }
    }
    None
}

/// What no lock that was made says of accounts, and words of the line that says it.
fn fault_of_accounts(lock: &Lock) -> Option<(String, String)> {
    let strictly_sorted = |roles: &[String]| roles.is_sorted_by(|one, next| one < next);
    let is_root = |role: &String| {
        let kind = role.split_once(':').map_or(role.as_str(), |(kind, _)| kind);
        kind == ROOT_ROLE
    };
    let unknown = &lock.unknown_ids_of;
    if !strictly_sorted(unknown) || !unknown.iter().all(is_root) {
        let expected = format!("`{ROOT_ROLE}`, with `:VARIANT` or not, each once and in its place");
        return Some((format!("unknown-ids-of: expected {expected}"), "unknown-ids-of".to_owned()));
    }
    let mut holders: BTreeMap<u32, &str> = BTreeMap::new();
    for (at, LockedAccount { name, id, roles }) in lock.accounts.iter().enumerate() {
        let own_line = format!("name = \"{name}\"");
        let refuse = |why: String| Some((format!("account `{name}`: {why}"), own_line.clone()));
        if !is_packaged_name(name) {
            return refuse("is not a valid account name".to_owned());
        }
        let before = at.checked_sub(1).and_then(|at| lock.accounts.get(at));
        if let Some(before) = before.filter(|before| before.name >= *name) {
            let twice = before.name == *name;
            let what = if twice { "twice" } else { "not in its place" };
            return Some((format!("account `{name}` is {what}"), own_line));
        }
        if !(SYSTEM_ID_MIN..=SYSTEM_ID_MAX).contains(id) {
            return refuse(format!("id = {id}, expected {SYSTEM_ID_MIN} to {SYSTEM_ID_MAX}"));
        }
        if let Some(other) = holders.insert(*id, name) {
            return refuse(format!("id {id} is that of `{other}`"));
        }
        if roles.is_empty() {
            return refuse("no roles, expected the root file systems that have it".to_owned());
        }
        let mut seen = BTreeSet::new();
        if let Some(role) = roles.iter().find(|role| !is_root(role) || !seen.insert(*role)) {
            return refuse(format!("role `{role}`, expected `{ROOT_ROLE}` ones, each once"));
        }
    }
    None
}
