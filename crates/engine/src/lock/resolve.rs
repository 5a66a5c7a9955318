//! Definition to lock: suites are trusted, packages are chosen, local files are surveyed.

use std::collections::BTreeMap;
use std::fmt;

use cvmkit_debian::packages::{Index, Package};
use cvmkit_debian::resolver::{self, Options, Selected, Suite};
use serde::Serialize;

use super::suite::{Judge, SuiteError, TrustedSuite};
use super::{
    FIRMWARE_ROLE, FORMAT, LocalFile, Lock, LockError, LockFile, LockedPackage, STUB_ROLE,
    input_role, root_role, survey,
};
use crate::definition::raw::RawSource;
use crate::definition::{BootKind, Definition, Input, Platform, Project};
use crate::digest::Sha256;
use crate::files;
use crate::http::Client;
use crate::mirrors::Mirrors;
use crate::progress::Progress;
use crate::timestamp::Timestamp;

/// Debian's name of the one architecture there is so far.
const ARCHITECTURE: &str = "amd64";

/// How much of an earlier lock may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Packages only if their part of the definition changed.
    Needed,
    /// Everything to what the archives have now.
    All,
    /// These packages; the others stay at their locked versions.
    Only(Vec<String>),
}

/// What resolving needs besides the definition.
#[derive(Clone, Copy)]
pub struct Resolving<'a> {
    /// Where suites are fetched from.
    pub mirrors: &'a Mirrors,
    /// The time, for signatures and releases that expire.
    pub now: Timestamp,
    /// Suites of which a release past its `Valid-Until` is taken knowingly.
    pub accept_expired: &'a [String],
    /// Told of long work.
    pub progress: &'a dyn Progress,
}

/// How a lock differs from the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Packages that came, with their version.
    pub added: Vec<(String, String)>,
    /// Packages that went, with their version.
    pub removed: Vec<(String, String)>,
    /// Packages of which the version changed: name, before, after.
    pub moved: Vec<(String, String, String)>,
    /// Local files that came, went or changed.
    pub files: Vec<String>,
}

impl Changes {
    /// True if nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, version) in &self.added {
            writeln!(f, "  + {name} {version}")?;
        }
        for (name, version) in &self.removed {
            writeln!(f, "  - {name} {version}")?;
        }
        for (name, before, after) in &self.moved {
            writeln!(f, "  ~ {name} {before} -> {after}")?;
        }
        for path in &self.files {
            writeln!(f, "  ~ local file {path}")?;
        }
        Ok(())
    }
}

/// Makes the lock of a definition, or brings it up to date, and writes it.
///
/// # Errors
/// The definition, its local files, the suites, the resolver, or the file.
pub fn lock(
    project: &Project,
    update: &Update,
    resolving: &Resolving<'_>,
) -> Result<(Lock, Changes), LockError> {
    let definitions = project.definitions()?;
    let earlier = match LockFile::read(&project.lock_path()) {
        Ok(file) => Some(file.lock),
        Err(LockError::Missing { .. }) => None,
        // A lock that can't be read can't be kept to either.
        Err(_) if *update == Update::All => None,
        Err(error) => return Err(error),
    };
    let local = survey(&definitions, project.folder())?;
    let request = project.package_checksum();
    let mut lock = match &earlier {
        Some(lock)
            if *update == Update::Needed
                && lock.package_request == request
                && same_keys(&definitions, &lock.files, &local) =>
        {
            lock.clone()
        }
        _ => resolve(project, &definitions, update, earlier.as_ref(), resolving)?,
    };
    lock.definition = project.checksum();
    lock.package_request = request;
    lock.files = local;
    let changes = changes(earlier.as_ref(), &lock);
    if earlier.as_ref() != Some(&lock) {
        files::replace(&project.lock_path(), lock.to_text()?.as_bytes())?;
    }
    Ok((lock, changes))
}

/// Asks whether the lock of a definition fits it and its local files, as they are.
///
/// # Errors
/// What does not fit; its fault is that the answer is no.
pub fn check(project: &Project) -> Result<(), LockError> {
    let refuse = |error| match error {
        error @ (LockError::Stale { .. } | LockError::Missing { .. }) => {
            LockError::Unfit(Box::new(error))
        }
        // A local file that is gone is an answer too, not a fault of the machine.
        LockError::File(error) if error.is_not_found() => LockError::Unfit(Box::new(error.into())),
        error => error,
    };
    let file = LockFile::open(project).map_err(refuse)?;
    let local = survey(&project.definitions()?, project.folder()).map_err(refuse)?;
    match changes_of_files(&file.lock.files, &local).first() {
        None => Ok(()),
        Some(path) => {
            let kind_in = |files: &[LocalFile]| {
                let found = files.iter().find(|file| file.path == *path);
                found.map_or_else(|| "nothing".into(), |file| file.kind.to_string())
            };
            let (locked, found) = (kind_in(&file.lock.files), kind_in(&local));
            let path = path.clone();
            Err(LockError::Unfit(Box::new(LockError::LocalChanged { path, locked, found })))
        }
    }
}

fn resolve(
    project: &Project,
    definitions: &[Definition],
    update: &Update,
    earlier: Option<&Lock>,
    resolving: &Resolving<'_>,
) -> Result<Lock, LockError> {
    let judge = Judge {
        client: Client::new(),
        mirrors: resolving.mirrors,
        now: resolving.now,
        architecture: ARCHITECTURE,
        folder: project.folder(),
        earlier: earlier.map_or(&[], |lock| &lock.suites),
        accept_expired: resolving.accept_expired,
    };
    let trusted = trust(definitions, &judge)?;
    for suite in trusted.iter().map(|suite| &suite.locked).filter(|suite| suite.expired) {
        let until = suite.valid_until.unwrap_or_default();
        resolving.progress.note(&format!(
            "suite `{}` expired at {until}; newer versions may exist and be withheld",
            suite.name
        ));
    }
    let mut archives = Archives::parse(&trusted)?;
    if let (Update::Only(moving), Some(lock)) = (update, earlier) {
        archives.keep_locked(lock, moving)?;
    }
    let mut packages = BTreeMap::new();
    for definition in definitions {
        archives.choose(definition, &mut packages)?;
    }
    Ok(Lock {
        format: FORMAT,
        definition: Sha256::of(b""),
        package_request: Sha256::of(b""),
        suites: trusted.into_iter().map(|suite| suite.locked).collect(),
        packages: packages.into_values().collect(),
        files: Vec::new(),
    })
}

/// Whether the suites would be judged with the keys that the lock was made with.
fn same_keys(definitions: &[Definition], before: &[LocalFile], now: &[LocalFile]) -> bool {
    let sources = definitions.iter().flat_map(|definition| &definition.sources);
    sources.flat_map(|source| &source.key_files).all(|path| {
        let of = |files: &[LocalFile]| files.iter().find(|file| file.path == *path).cloned();
        of(before) == of(now)
    })
}

/// Every suite that a definition names, once.
fn trust(definitions: &[Definition], judge: &Judge<'_>) -> Result<Vec<TrustedSuite>, SuiteError> {
    let mut wanted: Vec<(RawSource, String)> = Vec::new();
    let mut want = |source: &RawSource, suite: &str| {
        let known =
            |(has, name): &(RawSource, String)| has.archive == source.archive && name == suite;
        if !wanted.iter().any(known) {
            wanted.push((source.clone(), suite.to_owned()));
        }
    };
    for definition in definitions {
        for source in &definition.sources {
            source.suites.iter().for_each(|suite| want(source, suite));
        }
    }
    // A suite that only an input names is one of the first source's archive.
    for definition in definitions {
        for (_, input) in inputs(definition) {
            if let (Input::Package { suite: Some(suite), .. }, Some(source)) =
                (input, definition.sources.first())
            {
                want(source, suite);
            }
        }
    }
    wanted.iter().map(|(source, suite)| judge.suite(source, suite)).collect()
}

/// The inputs of a definition that do not go into the root file system, by role.
fn inputs(definition: &Definition) -> impl Iterator<Item = (&'static str, &Input)> {
    let stub = (definition.boot == BootKind::Disk).then_some((STUB_ROLE, &definition.stub));
    let machines = definition.platforms.iter().flat_map(Platform::inputs);
    let machines = definition.firmware.iter().chain(machines);
    stub.into_iter().chain(machines.map(|input| (FIRMWARE_ROLE, input)))
}

/// Indices to choose packages from.
struct Archives<'a> {
    suites: Vec<(&'a TrustedSuite, Index<'a>)>,
}

impl<'a> Archives<'a> {
    fn parse(trusted: &'a [TrustedSuite]) -> Result<Self, LockError> {
        let mut suites = Vec::new();
        for suite in trusted {
            for (text, locked) in suite.indices.iter().zip(&suite.locked.indices) {
                let index = Index::parse(text)
                    .map_err(|source| SuiteError::Index { path: locked.path.clone(), source })?;
                suites.push((suite, index));
            }
        }
        Ok(Self { suites })
    }

    /// Hides every version of the locked packages but the locked one.
    fn keep_locked(&mut self, lock: &Lock, moving: &[String]) -> Result<(), LockError> {
        let known = |name: &String| lock.packages.iter().any(|package| package.name == *name);
        if let Some(name) = moving.iter().find(|name| !known(name)) {
            return Err(LockError::NotLocked { name: name.clone() });
        }
        // A name may be locked twice, for the root and as an input of another suite.
        let mut kept: BTreeMap<&str, Vec<Sha256>> = BTreeMap::new();
        for package in lock.packages.iter().filter(|package| !moving.contains(&package.name)) {
            let is_locked = |found: &Package<'_>| {
                found.sha256 == package.sha256.0 && found.name == package.name
            };
            if !self.suites.iter().any(|(_, index)| index.packages.iter().any(is_locked)) {
                let (name, version) = (package.name.clone(), package.version.clone());
                return Err(LockError::NoLongerThere { name, version });
            }
            kept.entry(&package.name).or_default().push(package.sha256);
        }
        for (_, index) in &mut self.suites {
            index.packages.retain(|found| {
                kept.get(found.name).is_none_or(|locked| locked.contains(&Sha256(found.sha256)))
            });
        }
        Ok(())
    }

    /// Chooses the packages of one definition and notes what they are for.
    fn choose(
        &self,
        definition: &Definition,
        chosen: &mut BTreeMap<(String, String, String), LockedPackage>,
    ) -> Result<(), LockError> {
        let variant = definition.variant.as_deref();
        let options =
            Options { architecture: ARCHITECTURE, essential: definition.packages.essential };
        let requests: Vec<&str> = definition.packages.install.iter().map(String::as_str).collect();
        let suites = self.of_sources(&definition.sources);
        let selection = resolver::resolve(&suites, &requests, &options)?;
        for selected in &selection.packages {
            self.note(selected, root_role(variant), chosen);
        }
        for (role, input) in inputs(definition) {
            if let Input::Package { package, suite, .. } = input {
                let suites = match suite {
                    Some(name) => self.of_suite(name),
                    None => self.of_sources(&definition.sources),
                };
                // Only the package itself: its dependencies are for running it, not for reading it.
                let found = newest(&suites, package).ok_or_else(|| LockError::NoSuchInput {
                    role,
                    package: package.clone(),
                    suite: suite.clone(),
                })?;
                self.note(&found, input_role(role, variant), chosen);
            }
        }
        Ok(())
    }

    fn of_sources(&self, sources: &[RawSource]) -> Vec<Suite<'_>> {
        let wanted = |suite: &TrustedSuite| {
            sources.iter().any(|source| {
                source.archive == suite.locked.archive && source.suites.contains(&suite.locked.name)
            })
        };
        self.filtered(wanted)
    }

    fn of_suite(&self, name: &str) -> Vec<Suite<'_>> {
        self.filtered(|suite| suite.locked.name == name)
    }

    fn filtered(&self, wanted: impl Fn(&TrustedSuite) -> bool) -> Vec<Suite<'_>> {
        let entries = self.suites.iter().filter(|(suite, _)| wanted(suite));
        let view = entries.map(|(suite, index)| Suite {
            id: suite.locked.name.as_str(),
            priority: suite.priority,
            index,
        });
        view.collect()
    }

    fn note(
        &self,
        selected: &Selected<'_>,
        role: String,
        chosen: &mut BTreeMap<(String, String, String), LockedPackage>,
    ) {
        let package = selected.package;
        // Two archives may have suites of one name: the one that has the package is meant.
        let has = |index: &Index<'_>| {
            let same =
                |found: &Package<'_>| found.name == package.name && found.sha256 == package.sha256;
            index.packages.iter().any(same)
        };
        let suite = self
            .suites
            .iter()
            .find(|(suite, index)| suite.locked.name == selected.suite && has(index));
        let key = (package.name.into(), package.architecture.into(), package.version.to_string());
        let record = chosen.entry(key).or_insert_with(|| LockedPackage {
            name: package.name.into(),
            version: package.version.to_string(),
            architecture: package.architecture.into(),
            archive: suite.map(|(suite, _)| suite.locked.archive.clone()).unwrap_or_default(),
            suite: selected.suite.into(),
            path: package.filename.into(),
            size: package.size,
            sha256: Sha256(package.sha256),
            roles: Vec::new(),
            reason: selected.reason.to_string(),
        });
        record.roles.push(role);
    }
}

/// The newest version of a package by pin priority.
fn newest<'a>(suites: &[Suite<'a>], name: &str) -> Option<Selected<'a>> {
    let usable = |package: &&Package<'_>| {
        package.name == name && [ARCHITECTURE, "all"].contains(&package.architecture)
    };
    let candidates = suites.iter().flat_map(|suite| {
        suite.index.packages.iter().filter(usable).map(move |package| (suite, package))
    });
    candidates
        .max_by(|(a_suite, a), (b_suite, b)| {
            a_suite.priority.cmp(&b_suite.priority).then_with(|| a.version.cmp(&b.version))
        })
        .map(|(suite, package)| Selected {
            package,
            suite: suite.id,
            reason: resolver::Reason::Requested,
        })
}

fn changes(earlier: Option<&Lock>, lock: &Lock) -> Changes {
    let by_name = |lock: &Lock| -> BTreeMap<String, String> {
        lock.packages
            .iter()
            .map(|package| (package.name.clone(), package.version.clone()))
            .collect()
    };
    let (before, after) = (earlier.map(by_name).unwrap_or_default(), by_name(lock));
    let mut changes = Changes::default();
    for (name, version) in &after {
        match before.get(name) {
            None => changes.added.push((name.clone(), version.clone())),
            Some(old) if old != version => {
                changes.moved.push((name.clone(), old.clone(), version.clone()));
            }
            Some(_) => {}
        }
    }
    let gone = before.into_iter().filter(|(name, _)| !after.contains_key(name));
    changes.removed.extend(gone);
    let files_before = earlier.map_or(&[][..], |lock| &lock.files);
    changes.files = changes_of_files(files_before, &lock.files);
    changes
}

/// The paths of local files that came, went or changed, sorted.
fn changes_of_files(before: &[LocalFile], after: &[LocalFile]) -> Vec<String> {
    let (before, after) = (by_path(before), by_path(after));
    let paths: std::collections::BTreeSet<&str> =
        before.keys().chain(after.keys()).copied().collect();
    let changed = paths.into_iter().filter(|path| before.get(path) != after.get(path));
    changed.map(str::to_owned).collect()
}

fn by_path(files: &[LocalFile]) -> BTreeMap<&str, &LocalFile> {
    files.iter().map(|file| (file.path.as_str(), file)).collect()
}

#[cfg(test)]
mod tests {
    use cvmkit_debian::release::PinPriority;

    use super::*;

    fn suite(name: &str, archive: &str) -> TrustedSuite {
        let locked = super::super::LockedSuite {
            name: name.into(),
            archive: archive.into(),
            date: Timestamp(0),
            valid_until: None,
            expired: false,
            inrelease: Sha256::of(b""),
            signed_by: Vec::new(),
            indices: Vec::new(),
        };
        TrustedSuite { locked, priority: PinPriority::Default, indices: Vec::new() }
    }

    /// An index of package `a` in one version.
    fn index(version: &str) -> String {
        format!(
            "Package: a\nVersion: {version}\nArchitecture: amd64\nFilename: pool/a_{version}.deb\n\
             Size: 7\nSHA256: {}\n",
            Sha256::of(version.as_bytes())
        )
    }

    fn package(version: &str) -> LockedPackage {
        LockedPackage {
            name: "a".into(),
            version: version.into(),
            architecture: "amd64".into(),
            archive: "debian".into(),
            suite: "x".into(),
            path: format!("pool/a_{version}.deb"),
            size: 7,
            sha256: Sha256::of(version.as_bytes()),
            roles: Vec::new(),
            reason: String::new(),
        }
    }

    fn lock_of(packages: Vec<LockedPackage>) -> Lock {
        let (definition, package_request) = (Sha256::of(b""), Sha256::of(b""));
        let (suites, files) = (Vec::new(), Vec::new());
        Lock { format: FORMAT, definition, package_request, suites, packages, files }
    }

    #[test]
    fn a_name_that_is_locked_in_two_versions_keeps_both() {
        let (stable, testing) = (suite("stable", "debian"), suite("testing", "debian"));
        let texts = [index("1"), index("2")];
        let [one, two] = [&texts[0], &texts[1]].map(|text| Index::parse(text.as_bytes()).unwrap());
        let mut archives = Archives { suites: vec![(&stable, one), (&testing, two)] };
        archives.keep_locked(&lock_of(vec![package("1"), package("2")]), &[]).unwrap();
        assert!(archives.suites.iter().all(|(_, index)| index.packages.len() == 1));
        archives.keep_locked(&lock_of(vec![package("2")]), &[]).unwrap();
        assert!(archives.suites[0].1.packages.is_empty());
        let gone = archives.keep_locked(&lock_of(vec![package("3")]), &[]);
        assert!(matches!(gone, Err(LockError::NoLongerThere { .. })));
    }

    #[test]
    fn of_two_suites_of_one_name_the_one_that_has_the_package_is_noted() {
        let (ours, theirs) = (suite("stable", "debian"), suite("stable", "vendor"));
        let texts = [index("1"), index("2")];
        let [one, two] = [&texts[0], &texts[1]].map(|text| Index::parse(text.as_bytes()).unwrap());
        let archives = Archives { suites: vec![(&ours, one), (&theirs, two)] };
        let chosen = newest(&archives.of_suite("stable"), "a").unwrap();
        let mut noted = BTreeMap::new();
        archives.note(&chosen, "root".into(), &mut noted);
        let noted: Vec<_> =
            noted.into_values().map(|found| (found.version, found.archive)).collect();
        assert_eq!(noted, [("2".to_owned(), "vendor".to_owned())]);
    }
}
