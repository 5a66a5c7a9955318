//! Definition to lock: suites are trusted, packages are chosen, local files are surveyed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use cvmkit_debian::packages::{Index, Package};
use cvmkit_debian::resolver::{self, Options, Selected, Suite};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault, in_one_line};
use cvmkit_host::files;
use cvmkit_host::http::{Client, Limits};
use cvmkit_host::timestamp::Timestamp;
use serde::Serialize;

use super::accounts::{IdsOf, give_ids};
use super::idle::idle;
use super::inputs::{inputs, source_of};
use super::suite::{Accepted, Judge, SuiteError, TrustedSuite};
use super::{
    LOCK_MAX, LocalFile, Lock, LockError, LockFile, LockedPackage, empty, input_role, root_role,
    survey,
};
use crate::architecture::Architecture;
use crate::definition::raw::RawSource;
use crate::definition::{Definition, Input, Project};
use crate::fetch::Origins;
use crate::local::LocalFolder;

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
    /// Where suites and packages come from.
    pub origins: Origins<'a>,
    /// The time, for signatures and releases that expire.
    pub now: Timestamp,
    /// What is taken although it is out of date.
    pub accepted: Accepted<'a>,
    /// Tells the ids of accounts: [`crate::build::ids_of`].
    pub ids_of: IdsOf,
}

/// How a lock differs from the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    /// Packages that came, with their version.
    pub added: Vec<(String, String)>,
    /// Packages that went, with their version.
    pub removed: Vec<(String, String)>,
    /// Packages of which the version changed: name, before, after.
    pub moved: Vec<(String, String, String)>,
    /// Accounts that came with the id that they got.
    pub new_accounts: Vec<(String, u32)>,
    /// Accounts that went, with their id.
    pub gone_accounts: Vec<(String, u32)>,
    /// Local files that came, went or changed.
    pub files: Vec<String>,
    /// True if the lock was written anew: what the definition says may have changed, or the dates of
    /// suites, although no package and no file did.
    pub rewritten: bool,
}

impl Changes {
    /// True if no package, no account and no file differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { rewritten: self.rewritten, ..Self::default() }
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
        for (name, id) in &self.new_accounts {
            writeln!(f, "  + account {name}, id {id}")?;
        }
        for (name, id) in &self.gone_accounts {
            writeln!(f, "  - account {name}, id {id}")?;
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
    let earlier = earlier(project, update, resolving)?;
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
    let Resolving { origins, ids_of, .. } = *resolving;
    give_ids(&mut lock, earlier.as_ref(), project, &definitions, origins, ids_of)?;
    for idle in idle(&definitions, &lock, project.folder())? {
        resolving.origins.progress.note(&format!("no effect: {idle}"));
    }
    let mut changes = changes(earlier.as_ref(), &lock);
    let text = lock.to_text()?;
    let there = files::read_up_to(&project.lock_path(), LOCK_MAX);
    if there.ok().as_deref() != Some(text.as_bytes()) {
        changes.rewritten = true;
        files::replace(&project.lock_path(), text.as_bytes())?;
    }
    Ok((lock, changes))
}

/// The lock that is there, in this format or the one before.
fn earlier(
    project: &Project,
    update: &Update,
    resolving: &Resolving<'_>,
) -> Result<Option<Lock>, LockError> {
    match LockFile::read_earlier(&project.lock_path()) {
        Ok(file) => Ok(Some(file.lock)),
        Err(LockError::Missing { .. }) => Ok(None),
        // A lock that can't be read can't be kept to either.
        Err(error) if *update == Update::All && error.fault() == Fault::Definition => {
            resolving.origins.progress.note(&format!(
                "{}; everything is locked anew, the ids of system accounts too, and whether a mirror shows an older state than the \
                 lock had seen can't be told",
                in_one_line(&error)
            ));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Asks whether the lock of a definition fits it and its local files, as they are.
///
/// # Errors
/// What does not fit; its fault is that the answer is no.
pub fn check(project: &Project) -> Result<(), LockError> {
    let refuse = |error| match error {
        error @ (LockError::Stale { .. }
        | LockError::Missing { .. }
        | LockError::Edited { .. }
        | LockError::UnknownIds { .. }
        | LockError::NotHeld { .. }) => LockError::Unfit(Box::new(error)),
        // A local file that is gone is an answer too, not a fault of the machine.
        LockError::File(error) if error.is_not_found() => LockError::Unfit(Box::new(error.into())),
        error => error,
    };
    let file = LockFile::open(project).map_err(refuse)?;
    let definitions = project.definitions()?;
    definitions.iter().try_for_each(|definition| file.holds(definition)).map_err(refuse)?;
    file.has_all_ids().map_err(refuse)?;
    let local = survey(&definitions, project.folder()).map_err(refuse)?;
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
    if resolving.origins.offline {
        return Err(LockError::Offline);
    }
    let judge = Judge {
        client: Client::new(Limits::default()),
        mirrors: resolving.origins.mirrors,
        now: resolving.now,
        architecture: project.definition(None)?.architecture.debian(),
        earlier: earlier.map_or(&[], |lock| &lock.suites),
        accepted: resolving.accepted,
        progress: resolving.origins.progress,
    };
    let trusted = trust(definitions, project.folder(), &judge)?;
    for suite in trusted.iter().map(|suite| &suite.locked).filter(|suite| suite.expired) {
        if let Some(until) = suite.valid_until {
            resolving.origins.progress.note(&format!(
                "suite `{}` expired at {until}; newer versions may exist and be withheld",
                suite.name
            ));
        }
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
        suites: trusted.into_iter().map(|suite| suite.locked).collect(),
        packages: packages.into_values().collect(),
        ..empty(Sha256::of(b""), Sha256::of(b""))
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

/// Every suite that a definition names, once for each way in which it is trusted: the archive, the
/// components, the keys and all else that a source says of it.
fn trust(
    definitions: &[Definition],
    folder: &Path,
    judge: &Judge<'_>,
) -> Result<Vec<TrustedSuite>, LockError> {
    let mut wanted: Vec<(RawSource, LocalFolder)> = Vec::new();
    let mut want = |source: RawSource, local: &LocalFolder| {
        if !wanted.iter().any(|(known, _)| *known == source) {
            wanted.push((source, local.clone()));
        }
    };
    for definition in definitions {
        let local = LocalFolder::of(definition, folder)?;
        for source in &definition.sources {
            source.suites.iter().for_each(|suite| want(source.alone(suite), &local));
        }
    }
    for definition in definitions {
        let local = LocalFolder::of(definition, folder)?;
        for (role, input) in inputs(definition) {
            if let Some(source) = source_of(definition, role, input)? {
                want(source, &local);
            }
        }
    }
    let mut trusted: Vec<TrustedSuite> = Vec::new();
    for (source, local) in &wanted {
        for suite in &source.suites {
            let found = judge.suite(source, suite, local)?;
            let is_same = |other: &&TrustedSuite| {
                (&other.locked.archive, &other.locked.name) == (&source.archive, suite)
            };
            // One name in a lock is one state of a suite.
            if let Some(other) = trusted.iter().find(is_same)
                && other.locked.inrelease != found.locked.inrelease
            {
                let (suite, archive) = (suite.clone(), source.archive.clone());
                return Err(SuiteError::Changed { suite, archive }.into());
            }
            trusted.push(found);
        }
    }
    Ok(trusted)
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
            let is_locked =
                |found: &Package<'_>| found.sha256 == package.sha256 && found.name == package.name;
            if !self.suites.iter().any(|(_, index)| index.packages.iter().any(is_locked)) {
                let (name, version) = (package.name.clone(), package.version.clone());
                return Err(LockError::NoLongerThere { name, version });
            }
            kept.entry(&package.name).or_default().push(package.sha256);
        }
        for (_, index) in &mut self.suites {
            index.packages.retain(|found| {
                kept.get(found.name).is_none_or(|locked| locked.contains(&found.sha256))
            });
        }
        Ok(())
    }

    /// Chooses the packages of one definition and notes what they are for.
    fn choose(&self, definition: &Definition, records: &mut Records) -> Result<(), LockError> {
        let variant = definition.variant.as_deref();
        let options = Options {
            architecture: definition.architecture.debian(),
            essential: definition.packages.essential,
        };
        let requests: Vec<&str> = definition.packages.install.iter().map(String::as_str).collect();
        let of_root = self.of_sources(&definition.sources);
        let suites = of_root.view();
        let selection = resolver::resolve(&suites, &requests, &options)?;
        for selected in &selection.packages {
            of_root.note(selected, root_role(variant), records);
        }
        for (role, input) in inputs(definition) {
            if let Input::Package { package, suite, .. } = input {
                let own = source_of(definition, role, input)?;
                let sources = own.as_ref().map_or(&definition.sources[..], std::slice::from_ref);
                let of_input = self.of_sources(sources);
                // Only the package itself: its dependencies are for running it, not for reading it.
                let suites = of_input.view();
                let found = newest(&suites, package, definition.architecture).ok_or_else(|| {
                    LockError::NoSuchInput { role, package: package.clone(), suite: suite.clone() }
                })?;
                of_input.note(&found, input_role(role, variant), records);
            }
        }
        Ok(())
    }

    /// The suites of these sources as they are trusted for them, each index alone, in their order.
    fn of_sources(&self, sources: &[RawSource]) -> Chosen<'_> {
        let wanted =
            sources.iter().flat_map(|source| source.suites.iter().map(|suite| source.alone(suite)));
        let entries = wanted
            .flat_map(|wanted| self.suites.iter().filter(move |(suite, _)| suite.source == wanted));
        Chosen { suites: entries.collect() }
    }
}

/// Locked packages by all that tells two apart.
type Records = BTreeMap<(String, String, String, Sha256, String, String), LockedPackage>;

/// The suites that packages of one kind come from.
struct Chosen<'a> {
    suites: Vec<&'a (&'a TrustedSuite, Index<'a>)>,
}

impl Chosen<'_> {
    /// As the resolver sees them.
    fn view(&self) -> Vec<Suite<'_>> {
        let view = self.suites.iter().map(|(suite, index)| Suite {
            id: suite.locked.name.as_str(),
            priority: suite.priority,
            index,
        });
        view.collect()
    }

    /// Notes what a chosen package is for.
    fn note(&self, selected: &Selected<'_>, role: String, records: &mut Records) {
        let package = selected.package;
        // Two archives may have suites of one name: the first that has the package is meant.
        let has = |index: &Index<'_>| {
            let same =
                |found: &Package<'_>| found.name == package.name && found.sha256 == package.sha256;
            index.packages.iter().any(same)
        };
        let of_suite = |(suite, index): &&&(&TrustedSuite, Index<'_>)| {
            suite.locked.name == selected.suite && has(index)
        };
        let archive = self.suites.iter().find(of_suite).map(|(suite, _)| &suite.locked.archive);
        let archive = archive.expect("a package is chosen from these suites");
        let (version, sha256) = (package.version.to_string(), package.sha256);
        let key = (
            package.name.into(),
            package.architecture.into(),
            version.clone(),
            sha256,
            archive.clone(),
            selected.suite.into(),
        );
        let record = records.entry(key).or_insert_with(|| LockedPackage {
            name: package.name.into(),
            version,
            architecture: package.architecture.into(),
            archive: archive.clone(),
            suite: selected.suite.into(),
            path: package.filename.into(),
            size: package.size,
            sha256,
            roles: Vec::new(),
            reason: selected.reason.to_string(),
        });
        // Two inputs may be files of one package.
        if !record.roles.contains(&role) {
            record.roles.push(role);
        }
    }
}

/// The newest version of a package by pin priority.
fn newest<'a>(
    suites: &[Suite<'a>],
    name: &str,
    architecture: Architecture,
) -> Option<Selected<'a>> {
    let usable = |package: &&Package<'_>| {
        package.name == name && [architecture.debian(), "all"].contains(&package.architecture)
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
    let ids = |lock: &Lock| -> BTreeSet<(String, u32)> {
        lock.accounts.iter().map(|account| (account.name.clone(), account.id)).collect()
    };
    let (before, after) = (earlier.map(ids).unwrap_or_default(), ids(lock));
    changes.new_accounts = after.difference(&before).cloned().collect();
    changes.gone_accounts = before.difference(&after).cloned().collect();
    changes
}

/// The paths of local files that came, went or changed, sorted.
fn changes_of_files(before: &[LocalFile], after: &[LocalFile]) -> Vec<String> {
    let (before, after) = (by_path(before), by_path(after));
    let paths: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
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
        let suite = super::super::tests::suite(name, 0);
        let locked = super::super::LockedSuite { archive: archive.into(), ..suite };
        let (priority, indices) = (PinPriority::Default, Vec::new());
        TrustedSuite { locked, source: source(archive, &[name]), priority, indices }
    }

    fn source(archive: &str, suites: &[&str]) -> RawSource {
        let json = serde_json::json!({ "archive": archive, "suites": suites });
        serde_json::from_value(json).unwrap()
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
        Lock { packages, ..empty(Sha256::of(b""), Sha256::of(b"")) }
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
        let sources = [source("debian", &["stable"]), source("vendor", &["stable"])];
        let of_both = archives.of_sources(&sources);
        let suites = of_both.view();
        let chosen = newest(&suites, "a", Architecture::X86_64).unwrap();
        let mut noted = BTreeMap::new();
        of_both.note(&chosen, "root".into(), &mut noted);
        let noted: Vec<_> =
            noted.into_values().map(|found| (found.version, found.archive)).collect();
        assert_eq!(noted, [("2".to_owned(), "vendor".to_owned())]);
    }

    /// What a variant says of a suite was passed over once a sibling had named the suite.
    #[test]
    fn a_suite_is_one_only_where_all_that_a_source_says_of_it_is() {
        let plain = source("debian", &["stable"]);
        let contrib = RawSource { components: vec!["contrib".into()], ..plain.clone() };
        let keys = RawSource { keys: vec!["00".into()], ..plain.clone() };
        let of = |source: &RawSource| TrustedSuite {
            source: source.clone(),
            ..suite("stable", "debian")
        };
        let trusted = [of(&plain), of(&contrib), of(&keys)];
        let texts = [index("1"), index("2"), index("3")];
        let indices = texts.each_ref().map(|text| Index::parse(text.as_bytes()).unwrap());
        let archives = Archives { suites: trusted.iter().zip(indices).collect() };
        for (source, version) in [(plain, "1"), (contrib, "2"), (keys, "3")] {
            let sources = [RawSource { suites: vec!["x".into(), "stable".into()], ..source }];
            let chosen = archives.of_sources(&sources);
            let suites = chosen.view();
            assert_eq!(suites.len(), 1);
            assert_eq!(
                newest(&suites, "a", Architecture::X86_64).unwrap().package.version.as_str(),
                version
            );
        }
    }

    fn definition(sources: &str, input: &str) -> Definition {
        let text = format!(
            "id = \"x\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\
             seed = \"0e9a6fe0-68f6-408c-bbeb-136054d20445\"\n{sources}\n\
             [firmware]\npackage = \"p\"\npath = \"/p\"\n{input}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.toml");
        files::replace(&path, text.as_bytes()).unwrap();
        Project::open(&path).unwrap().definition(None).unwrap()
    }

    /// A suite of the second archive was looked for in the first.
    #[test]
    fn an_input_s_suite_is_that_of_its_own_archive() {
        let two = "[[sources]]\nsuites = [\"stable\"]\n\
                   [[sources]]\narchive = \"vendor\"\nsuites = [\"tools\"]\nkeys = [\"00\"]\n";
        let same = "[[sources]]\nsuites = [\"stable\"]\n\
                    [[sources]]\narchive = \"vendor\"\nsuites = [\"stable\"]\n";
        let keys = "[[sources]]\nsuites = [\"stable\"]\n\
                    [[sources]]\nsuites = [\"other\"]\nkeys = [\"00\"]\n";
        let found = |sources: &str, input: &str| {
            let definition = definition(sources, input);
            let firmware = definition.firmware.clone().unwrap();
            source_of(&definition, "firmware", &firmware)
        };
        let of = |sources: &str, input: &str| {
            let source = found(sources, input).unwrap().unwrap();
            (source.archive, source.suites.join(" "), source.keys.len())
        };
        let expected =
            |archive: &str, suite: &str, keys: usize| (archive.to_owned(), suite.to_owned(), keys);
        assert_eq!(found(two, "").unwrap(), None);
        assert_eq!(of(two, "suite = \"tools\""), expected("vendor", "tools", 1));
        assert_eq!(of(two, "suite = \"forky\""), expected("debian", "forky", 0));
        let vendor = "suite = \"forky\"\narchive = \"vendor\"";
        assert_eq!(of(two, vendor), expected("vendor", "forky", 1));
        assert_eq!(of(keys, "suite = \"other\""), expected("debian", "other", 1));
        let stable = "suite = \"stable\"\narchive = \"vendor\"";
        assert_eq!(of(same, stable), expected("vendor", "stable", 0));
        for (sources, input) in [(same, "suite = \"stable\""), (keys, "suite = \"forky\"")] {
            let ambiguous = found(sources, input);
            assert!(matches!(ambiguous, Err(LockError::AmbiguousSuite { .. })), "{ambiguous:?}");
        }
        let unknown = found(two, "suite = \"x\"\narchive = \"elsewhere\"");
        assert!(matches!(unknown, Err(LockError::UnknownArchive { .. })), "{unknown:?}");
    }
}
