//! The exact inputs of a definition: which suites were trusted and why, every package with its
//! digest, every local file.
//!
//! A lock is bound to its definition by checksum: [`LockFile::open`] refuses a stale one. It holds
//! paths and digests, never hosts. Its records are sorted, one to a block, so that a change reviews
//! well.

mod error;
mod local;
mod resolve;
mod suite;

use std::path::{Path, PathBuf};

use cvmkit_debian::release::is_pool_path;
pub use error::LockError;
pub use local::{LocalFile, LocalKind, survey};
pub use resolve::{Changes, Resolving, Update, check, lock};
use serde::{Deserialize, Serialize};
pub use suite::SuiteError;

use crate::definition::Project;
use crate::digest::Sha256;
use crate::fetch::Wanted;
use crate::files;
use crate::timestamp::Timestamp;
use crate::versioned::{self, Versioned};

/// Version of the format of lock files.
const FORMAT: u32 = 1;

/// The first lines of every lock.
const HEADER: &str = "\
# The exact inputs of the image definition beside this file, made by `cvmkit lock`.
# Commit it and review its changes; do not edit it.
";

/// No package is longer; keeps sums of lengths small.
const PACKAGE_MAX: u64 = 1 << 40;

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
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Version of the format.
    pub format: u32,
    /// Checksum of the definition this lock was made for.
    pub definition: Sha256,
    /// Checksum of the part of the definition that decides about packages.
    pub package_request: Sha256,
    /// The suites that packages were chosen from.
    #[serde(default, rename = "suite")]
    pub suites: Vec<LockedSuite>,
    /// The packages, sorted by name, architecture and version.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
    /// The local files, sorted by path.
    #[serde(default, rename = "file")]
    pub files: Vec<LocalFile>,
}

/// A suite as it was trusted.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedSuite {
    /// Name in the definition.
    pub name: String,
    /// Archive.
    pub archive: String,
    /// Field `Date` of its signed release file.
    pub date: Timestamp,
    /// Field `Valid-Until`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// True if it was past `Valid-Until` when it was locked, and taken knowingly: newer versions,
    /// security updates among them, may have been withheld.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// Digest of its `InRelease`.
    pub inrelease: Sha256,
    /// Fingerprints of the keys whose signatures were good.
    pub signed_by: Vec<String>,
    /// Paths of the package indices below the suite, each with its digest.
    pub indices: Vec<LockedIndex>,
}

/// A package index as it was trusted.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedIndex {
    /// Path below the suite.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// A package.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture, in Debian's spelling.
    pub architecture: String,
    /// Archive.
    pub archive: String,
    /// Suite.
    pub suite: String,
    /// Path in the archive.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
    /// What it is for: `root`, `root:VARIANT`, `stub`, `firmware`.
    pub roles: Vec<String>,
    /// Why it is there.
    pub reason: String,
}

impl LockedPackage {
    /// What no lock that was made says: files are written where these lead (`cvmkit vendor`).
    fn fault(&self) -> Option<String> {
        let Self { name, archive, path, size, .. } = self;
        if !is_archive_name(archive) {
            return Some(format!("package `{name}`: `{archive}` is no name of an archive"));
        }
        if !is_pool_path(path) {
            return Some(format!("package `{name}`: the path `{path}` is not relative and normal"));
        }
        (*size > PACKAGE_MAX).then(|| format!("package `{name}`: no package has {size} bytes"))
    }
}

/// An archive's name is one part of its address, and a folder in a vendor folder.
pub(crate) fn is_archive_name(name: &str) -> bool {
    is_pool_path(name) && !name.contains('/')
}

impl Lock {
    /// The packages of one role, sorted.
    pub fn packages_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a LockedPackage> {
        self.packages.iter().filter(move |package| package.roles.iter().any(|has| has == role))
    }

    /// The newest release date of the suites that root packages come from: the time of everything
    /// the build makes.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        let holds_root = |suite: &&LockedSuite| {
            self.packages.iter().any(|package| {
                package.suite == suite.name
                    && package.archive == suite.archive
                    && package.roles.iter().any(|role| role.starts_with(ROOT_ROLE))
            })
        };
        self.suites.iter().filter(holds_root).map(|suite| suite.date).max().unwrap_or_default()
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

    /// The text of the lock file.
    ///
    /// # Errors
    /// The serialiser's; plain data does not fail.
    pub fn to_text(&self) -> Result<String, LockError> {
        let body = toml::to_string(self)
            .map_err(|error| LockError::Unserialisable { message: error.to_string() })?;
        Ok(format!("{HEADER}\n{body}"))
    }
}

impl Versioned for Lock {
    const NAME: &'static str = "lock";
    const KEY: &'static str = "format";
    const VERSION: u32 = FORMAT;
    const REMAKE: &'static str = "restore it from version control, or make it anew with `cvmkit lock \
                                  --update`";
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
    /// It is missing, or no lock of this format.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let text = files::read_text(path).map_err(|error| {
            if error.is_not_found() {
                LockError::Missing { path: path.to_owned() }
            } else {
                LockError::File(error)
            }
        })?;
        let lock: Lock = versioned::toml(&text, path.display())?;
        if let Some(message) = lock.packages.iter().find_map(LockedPackage::fault) {
            return Err(LockError::Malformed { path: path.to_owned(), message });
        }
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
            archive: package.archive.clone(),
            path: package.path.clone(),
            size: package.size,
            sha256: package.sha256,
            locked_at: self.place_of(&package.sha256.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(archive: &str, path: &str, size: u64) -> Result<LockFile, LockError> {
        let digest = Sha256::of(b"");
        let text = format!(
            "format = 1\ndefinition = \"{digest}\"\npackage-request = \"{digest}\"\n\
             [[package]]\nname = \"a\"\nversion = \"1\"\narchitecture = \"all\"\n\
             archive = \"{archive}\"\nsuite = \"x\"\npath = \"{path}\"\nsize = {size}\n\
             sha256 = \"{digest}\"\nroles = [\"root\"]\nreason = \"essential\"\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("image.lock");
        files::replace(&lock, text.as_bytes()).unwrap();
        LockFile::read(&lock)
    }

    #[test]
    fn a_lock_leads_nowhere_but_into_its_archives() {
        assert!(read("debian", "pool/main/a/a.deb", 7).is_ok());
        let refused = [
            read("debian", "../a.deb", 7),
            read("debian", "/etc/a.deb", 7),
            read("..", "a.deb", 7),
            read("a/b", "a.deb", 7),
            read("", "a.deb", 7),
            read("debian", "a.deb", u64::MAX >> 1),
        ];
        for result in refused {
            assert!(matches!(result, Err(LockError::Malformed { .. })), "{result:?}");
        }
    }
}
