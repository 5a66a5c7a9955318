//! The exact inputs of a definition: which suites were trusted and why, every package with its
//! digest, every local file, every id that an account got.
//!
//! A lock is bound to its definition by checksum: [`LockFile::open`] refuses a stale one. It holds
//! paths and digests, never hosts. Its records are sorted, one to a block, so that a change reviews
//! well; it has one form, and its head has the digest of its body, so that nobody edits it by chance.

mod accounts;
mod error;
mod inputs;
mod local;
mod resolve;
#[cfg(test)]
pub(crate) mod sample;
mod text;
mod unused;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use accounts::{IdsOf, UntoldIds};
pub use error::LockError;
pub(crate) use inputs::source_of;
pub use local::{LocalFile, LocalKind, survey};
pub use resolve::{Changes, Resolving, Update, check, lock};
use serde::{Deserialize, Serialize};
pub use text::Unreadable;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_host::timestamp::Timestamp;
use cvmkit_host::versioned::{Versioned, VersionedError};

use crate::definition::{Definition, Project};
use crate::packages::Wanted;
pub use crate::packages::debian::{Accepted, Fingerprint, SuiteError};
use crate::packages::debian::{SIZE_MAX, is_archive_name, is_pool_path};
pub use crate::packages::{LockedIndex, LockedPackage, LockedSuite};

/// Version of the format of lock files.
const FORMAT: u32 = 3;

/// The first format, which `cvmkit lock` alone reads: it had no digest of its body.
const FORMAT_WITHOUT_DIGEST: u32 = 1;

/// The format after it, which `cvmkit lock` alone reads: it had no ids of accounts.
const FORMAT_WITHOUT_IDS: u32 = 2;

/// No lock is longer: 100 000 local files have 20 MB.
const LOCK_MAX: u64 = 48 << 20;

/// The shortest package there can be: an `ar` archive of three members (deb(5)).
const PACKAGE_MIN: u64 = 8 + 3 * 60;

/// The role of packages of the root file system of the base.
const ROOT_ROLE: &str = "root";
/// The role of the package that holds the stub of the UKI.
pub const STUB_ROLE: &str = "stub";
/// The role of the package that holds the firmware.
pub const FIRMWARE_ROLE: &str = "firmware";

/// The role of packages of the root file system of a variant.
#[must_use]
pub fn root_role(variant: Option<&str>) -> String {
    match variant {
        Some(name) => format!("{ROOT_ROLE}:{name}"),
        None => ROOT_ROLE.into(),
    }
}

/// The role of an input package (`stub`, `firmware`) of a variant.
#[must_use]
pub fn input_role(role: &str, variant: Option<&str>) -> String {
    match variant {
        Some(name) => format!("{role}:{name}"),
        None => role.into(),
    }
}

/// Exact inputs.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Lock {
    /// Version of the format: that of this program, whichever was read.
    pub format: u32,
    /// [`Project::checksum`] of the definition that this lock was made for.
    pub definition: Sha256,
    /// [`Project::package_checksum`] of it: while it is the same, packages stay as they are locked.
    pub package_request: Sha256,
    /// The roles of root file systems whose accounts could not be told when the lock was made: they
    /// may have some without an id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_ids_of: Vec<String>,
    /// The suites that packages were chosen from.
    #[serde(rename = "suite", skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<LockedSuite>,
    /// The packages, sorted by name, architecture and version.
    #[serde(rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<LockedPackage>,
    /// The accounts whose ids nothing else fixes, sorted by name.
    #[serde(rename = "account", skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<LockedAccount>,
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

impl LockedPackage {
    /// What no lock that was made says: files are written where these lead (`cvmkit vendor`).
    fn fault(&self) -> Option<String> {
        let Self { name, archive, path, size, .. } = self;
        if !is_archive_name(archive) {
            return Some(format!("package `{name}`: `{archive}` is not the name of an archive"));
        }
        if !is_pool_path(path) {
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

impl Lock {
    /// The packages of one role, sorted.
    pub fn packages_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a LockedPackage> {
        self.packages.iter().filter(move |package| package.roles.iter().any(|has| has == role))
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
        self.suites.iter().filter(holds_root).map(|suite| suite.date).max()
    }

    /// What is wrong with the records, and words of the line that says it.
    fn fault(&self) -> Option<(String, String)> {
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
        if let Some(found) = accounts::fault(self) {
            return Some(found);
        }
        let suites: BTreeSet<_> =
            self.suites.iter().map(|suite| (&suite.archive, &suite.name)).collect();
        let mut packages = self.packages.iter();
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

    /// What a definition asks for and the lock does not have.
    fn missing(&self, definition: &Definition) -> Option<String> {
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
        let own = [
            root_role(variant),
            input_role(STUB_ROLE, variant),
            input_role(FIRMWARE_ROLE, variant),
        ];
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
        let part = serde_json::to_vec(&(suites, used, self.ids(variant), files));
        Sha256::of(&part.expect("strings, numbers and lists serialise"))
    }

    /// Why a package is locked: the chain from it to one that was requested, each with its reason.
    #[must_use]
    pub fn explain(&self, name: &str) -> Vec<(String, String)> {
        let mut chain: Vec<(String, String)> = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next.take() {
            let Some(package) = self.packages.iter().find(|package| package.name == name) else {
                break;
            };
            // A reason reads `Depends of OTHER: RELATION`, or is one word.
            let of = package.reason.split_once(" of ").and_then(|(_, rest)| rest.split_once(':'));
            next = of
                .map(|(other, _)| other.to_owned())
                .filter(|other| chain.iter().all(|(seen, _)| seen != other));
            chain.push((name, package.reason.clone()));
        }
        chain
    }
}

impl Versioned for Lock {
    const NAME: &'static str = "lock";
    const KEY: &'static str = "format";
    const VERSION: u32 = FORMAT;
    const REMAKE: &'static str = "run `cvmkit lock`, which rewrites a lock of an older format \
        and changes no package, or make a new one with `cvmkit lock --update`";
}

/// A lock and the file it was read from.
#[derive(Clone, Debug)]
pub struct LockFile {
    /// The file.
    pub path: PathBuf,
    /// Its text, to find lines for messages.
    text: String,
    /// What it says.
    pub lock: Lock,
}

impl LockFile {
    /// Reads a lock, without asking whether it fits the definition.
    ///
    /// # Errors
    /// It is missing, or no lock of this format as `cvmkit lock` wrote it.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        Self::read_format(path, FORMAT)
    }

    /// Reads a lock of this format or one before, to make the next of it.
    fn read_earlier(path: &Path) -> Result<Self, LockError> {
        let read = Self::read(path);
        let Err(LockError::Versioned(VersionedError::Version { found, .. })) = &read else {
            return read;
        };
        let before = [FORMAT_WITHOUT_DIGEST, FORMAT_WITHOUT_IDS];
        match before.into_iter().find(|format| *found == u64::from(*format)) {
            Some(format) => Self::read_format(path, format),
            None => read,
        }
    }

    fn read_format(path: &Path, format: u32) -> Result<Self, LockError> {
        let bytes = files::read_up_to(path, LOCK_MAX + 1).map_err(|error| {
            if error.is_not_found() {
                LockError::Missing { path: path.to_owned() }
            } else {
                LockError::File(error)
            }
        })?;
        if bytes.len() as u64 > LOCK_MAX {
            return Err(LockError::TooLong { path: path.to_owned(), limit: LOCK_MAX });
        }
        let (text, lock) = String::from_utf8(bytes)
            .map_err(|error| Unreadable::encoding(&error))
            .and_then(|text| Lock::read(&text, format).map(|lock| (text, lock)))
            .map_err(|error| error.in_file(path))?;
        Ok(Self { path: path.to_owned(), text, lock })
    }

    /// Reads the lock of a definition.
    ///
    /// # Errors
    /// As for [`LockFile::read`], and a lock of another definition.
    pub fn open(project: &Project) -> Result<Self, LockError> {
        let file = Self::read(&project.lock_path())?;
        let computed = project.checksum();
        if file.lock.definition != computed {
            return Err(LockError::Stale {
                path: file.path,
                definition: project.path.clone(),
                locked: file.lock.definition,
                computed,
            });
        }
        Ok(file)
    }

    /// Asks whether the lock has the packages that a definition names.
    ///
    /// # Errors
    /// Names one that it does not have.
    pub fn holds(&self, definition: &Definition) -> Result<(), LockError> {
        match self.lock.missing(definition) {
            None => Ok(()),
            Some(package) => {
                let role = root_role(definition.variant.as_deref());
                Err(LockError::NotHeld { path: self.path.clone(), package, role })
            }
        }
    }

    /// Reads the lock of a definition that may have changed since in what does not decide about
    /// packages.
    ///
    /// # Errors
    /// As for [`LockFile::open`], if it changed in what does.
    pub fn for_packages(project: &Project) -> Result<Self, LockError> {
        let file = Self::read(&project.lock_path())?;
        if file.lock.package_request == project.package_checksum() {
            return Ok(file);
        }
        Self::open(project)
    }

    /// `image.lock:LINE` of the first line that holds `words`.
    #[must_use]
    pub fn place_of(&self, words: &str) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        match self.text.lines().position(|line| line.contains(words)) {
            Some(at) => format!("{name}:{}", at + 1),
            None => name.into_owned(),
        }
    }

    /// What to fetch for one role, sorted.
    #[must_use]
    pub fn wanted(&self, role: &str) -> Vec<Wanted> {
        self.lock.packages_of(role).map(|package| self.wanted_package(package)).collect()
    }

    /// What to fetch for one package of the lock.
    #[must_use]
    pub fn wanted_package(&self, package: &LockedPackage) -> Wanted {
        Wanted {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            archive: package.archive.clone(),
            path: package.path.clone(),
            size: package.size,
            sha256: package.sha256,
            locked_at: self.place_of(&package.sha256.to_string()),
        }
    }
}

/// A lock of nothing.
fn empty(definition: Sha256, package_request: Sha256) -> Lock {
    Lock {
        format: FORMAT,
        definition,
        package_request,
        unknown_ids_of: Vec::new(),
        suites: Vec::new(),
        packages: Vec::new(),
        accounts: Vec::new(),
        files: Vec::new(),
    }
}
