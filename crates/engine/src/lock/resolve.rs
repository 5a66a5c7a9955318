//! Definition to lock: suites are trusted, packages are chosen, local files are surveyed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault, in_one_line};
use cvmkit_host::files;
use cvmkit_host::http::{Client, Limits};
use cvmkit_host::timestamp::Timestamp;
use serde::Serialize;

use super::difference::ScriptChange;
use super::dropped::Drops;
use super::error::LockError;
use super::evaluation::{Evaluate, evaluate, script_changes};
use super::file::{LOCK_MAX, LockFile};
use super::inputs::{inputs, source_of};
use super::local::{LocalFile, LocalKind, local_packages, survey};
use super::records::{Lock, empty};
use super::role::{input_role, root_role};
use super::unused::unused;
use crate::definition::{Definition, Input, Project};
use crate::fetch::Origins;
use crate::local::{LocalError, LocalFolder};
use crate::packages::debian::{
    Accepted, Archives, Chosen, Judge, KeyFile, LocalIndex, LocalPackages, LocalPackagesError,
    Options, Source, SuiteError, TrustedSuite,
};
use crate::packages::{LockedPackage, LockedSuite};

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
    /// Evaluates packages: [`crate::build::evaluate`].
    pub evaluate: Evaluate,
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
    pub updated: Vec<(String, String, String)>,
    /// Accounts that came with the id that they got.
    pub new_accounts: Vec<(String, u32)>,
    /// Accounts that went, with their id.
    pub gone_accounts: Vec<(String, u32)>,
    /// Maintainer scripts of packages that stayed, which do something else than before.
    pub scripts: Vec<ScriptChange>,
    /// Local files that came, went or changed.
    pub files: Vec<String>,
    /// True if the lock was written anew: what the definition says may have changed, or the dates of
    /// suites, although no package and no file did.
    pub rewritten: bool,
}

impl Changes {
    /// True if no package, no account, no effect of a script and no file differs.
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
        for (name, before, after) in &self.updated {
            writeln!(f, "  ~ {name} {before} -> {after}")?;
        }
        for (name, id) in &self.new_accounts {
            writeln!(f, "  + account {name}, id {id}")?;
        }
        for (name, id) in &self.gone_accounts {
            writeln!(f, "  - account {name}, id {id}")?;
        }
        for change in &self.scripts {
            writeln!(f, "  ~ {change}")?;
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
            if same_local_packages(project, &definitions, &lock.files, &local)? {
                lock.clone()
            } else {
                // No package of a suite moves because a local one did.
                let update = Update::Only(Vec::new());
                resolve(project, &definitions, &local, &update, earlier.as_ref(), resolving)?
            }
        }
        _ => resolve(project, &definitions, &local, update, earlier.as_ref(), resolving)?,
    };
    lock.definition = project.checksum();
    lock.package_request = request;
    lock.files = local;
    let Resolving { origins, evaluate: told, .. } = *resolving;
    evaluate(&mut lock, earlier.as_ref(), project, &definitions, origins, told)?;
    for unused in unused(&definitions, &lock, project.folder())? {
        resolving.origins.progress.note(&format!("no effect: {unused}"));
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

/// The lock that is there, in this format or one before.
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
                "{}; everything is locked from scratch, with new ids of system accounts, and a \
                 mirror that serves an older state than the lock had seen can't be detected",
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
        | LockError::NotHeld { .. }
        | LockError::OtherDrops { .. }) => LockError::Unfit(Box::new(error)),
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
    files: &[LocalFile],
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
        keep_locked(&mut archives, definitions, lock, moving)?;
    }
    let (mut packages, mut drops) = (BTreeMap::new(), Drops::default());
    let mut notes = BTreeSet::new();
    for definition in definitions {
        let local = read_local_packages(definition, project.folder(), files)?;
        let local = local.index();
        let offered = archives.of_sources(&definition.sources, definition.architecture);
        notes.extend(offered.compare(&local, definition.architecture.debian())?);
        choose(&archives, &local, definition, &mut packages, &mut drops)?;
    }
    notes.iter().for_each(|note| resolving.origins.progress.note(note));
    let dropped = drops.finish().map_err(|names| LockError::NotDropped { names })?;
    Ok(Lock {
        suites: once_each(trusted.into_iter().map(|suite| suite.locked)),
        packages: packages.into_values().collect(),
        dropped,
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

/// Whether the local packages are those that the lock was made with.
fn same_local_packages(
    project: &Project,
    definitions: &[Definition],
    before: &[LocalFile],
    now: &[LocalFile],
) -> Result<bool, LockError> {
    for definition in definitions {
        let local = LocalFolder::of(definition, project.folder())?;
        let named = local_packages(definition, &local)?;
        // What another file of the definition names may have been locked before as something else.
        let of = |files: &[LocalFile]| -> Vec<LocalFile> {
            let is_named = |file: &&LocalFile| {
                let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let folders = &definition.packages.local;
                named.contains(&file.path) || folders.iter().any(|one| one == folder)
            };
            files.iter().filter(is_named).cloned().collect()
        };
        if of(before) != of(now) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The local packages of a definition, as they were when the local files were surveyed.
fn read_local_packages(
    definition: &Definition,
    folder: &Path,
    surveyed: &[LocalFile],
) -> Result<LocalPackages, LockError> {
    let local = LocalFolder::of(definition, folder)?;
    let mut packages = LocalPackages::default();
    for path in local_packages(definition, &local)? {
        let bytes = local.read(&path, LocalPackages::LEN_MAX)?;
        let (found, file) = (Sha256::of(&bytes), surveyed.iter().find(|file| file.path == path));
        let was = file.map(|file| &file.kind);
        if !matches!(was, Some(LocalKind::File { sha256, .. }) if *sha256 == found) {
            let locked = was.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            return Err(LockError::LocalChanged { path, locked, found: found.to_string() });
        }
        packages.add(&path, &bytes, definition.architecture.debian());
    }
    Ok(packages.checked()?)
}

/// A record for each state of a suite and each trust in it, with the indices of all architectures.
fn once_each(suites: impl Iterator<Item = LockedSuite>) -> Vec<LockedSuite> {
    let mut records: Vec<LockedSuite> = Vec::new();
    for suite in suites {
        let bare = |of: &LockedSuite| LockedSuite { indices: Vec::new(), ..of.clone() };
        match records.iter_mut().find(|record| bare(record) == bare(&suite)) {
            Some(record) => {
                let new = suite.indices.into_iter().filter(|index| !record.indices.contains(index));
                let new: Vec<_> = new.collect();
                record.indices.extend(new);
            }
            None => records.push(suite),
        }
    }
    records
}

/// Every suite that a definition names, once for each architecture and for each trust in it: the archive, the
/// components, the keys and all else that a source says of it.
fn trust(
    definitions: &[Definition],
    folder: &Path,
    judge: &Judge<'_>,
) -> Result<Vec<TrustedSuite>, LockError> {
    let mut wanted: Vec<(Source, Architecture, LocalFolder, Option<&'static str>)> = Vec::new();
    let mut want = |source: Source, architecture, local: &LocalFolder, role| {
        if !wanted.iter().any(|(known, of, ..)| (known, *of) == (&source, architecture)) {
            wanted.push((source, architecture, local.clone(), role));
        }
    };
    for definition in definitions {
        let local = LocalFolder::of(definition, folder)?;
        for source in &definition.sources {
            let mut want = |suite| want(source.alone(suite), definition.architecture, &local, None);
            source.suites.iter().for_each(|suite| want(suite));
        }
    }
    for definition in definitions {
        let local = LocalFolder::of(definition, folder)?;
        for (role, input) in inputs(definition) {
            if let Some(source) = source_of(definition, role, input)? {
                want(source, definition.architecture, &local, Some(role));
            }
        }
    }
    let mut trusted: Vec<TrustedSuite> = Vec::new();
    for (source, architecture, local, role) in &wanted {
        let key_files = key_files(source, local)?;
        for suite in &source.suites {
            let found = judge.suite(source, suite, *architecture, &key_files);
            let found = found.map_err(|error| match role {
                Some(role) => LockError::InputSuite { role, suite: suite.clone(), source: error },
                None => error.into(),
            })?;
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

/// The key files of a source, read.
fn key_files(source: &Source, local: &LocalFolder) -> Result<Vec<KeyFile>, LocalError> {
    let read = |path: &String| {
        let bytes = local.read(path, KeyFile::LEN_MAX)?;
        Ok(KeyFile { path: path.clone(), bytes })
    };
    source.key_files.iter().map(read).collect()
}

/// Leaves nothing to choose of the locked packages but those that are `moving`: for each architecture, of those
/// that an image of it has.
fn keep_locked(
    archives: &mut Archives<'_>,
    definitions: &[Definition],
    lock: &Lock,
    moving: &[String],
) -> Result<(), LockError> {
    let known = |name: &String| lock.packages.iter().any(|package| package.name == *name);
    if let Some(name) = moving.iter().find(|name| !known(name)) {
        return Err(LockError::NotLocked { name: name.clone() });
    }
    let of_suites = lock.packages.iter().filter(|package| !package.is_local());
    let kept: Vec<_> = of_suites.filter(|package| !moving.contains(&package.name)).collect();
    let mut roles: BTreeMap<Architecture, BTreeSet<String>> = BTreeMap::new();
    for definition in definitions {
        let own = Lock::roles_of(definition.variant.as_deref());
        roles.entry(definition.architecture).or_default().extend(own);
    }
    for (architecture, roles) in roles {
        let has = |package: &&&LockedPackage| package.roles.iter().any(|role| roles.contains(role));
        archives.keep(architecture, kept.iter().filter(has).copied()).map_err(|package| {
            let (name, version) = (package.name.clone(), package.version.clone());
            LockError::NoLongerThere { name, version }
        })?;
    }
    Ok(())
}

/// Locked packages by all that tells two apart, in the order of the lock.
type Records = BTreeMap<(String, String, String, Sha256, String, String), LockedPackage>;

/// Chooses the packages of one definition and notes what they are for.
fn choose(
    archives: &Archives<'_>,
    local: &LocalIndex<'_>,
    definition: &Definition,
    records: &mut Records,
    drops: &mut Drops,
) -> Result<(), LockError> {
    let variant = definition.variant.as_deref();
    let architecture = definition.architecture.debian();
    let options = Options { architecture, essential: definition.packages.essential };
    let requests: Vec<&str> = definition.packages.install.iter().map(String::as_str).collect();
    let drop = &definition.packages.drop;
    let names = drop.keys().map(String::as_str).collect();
    let of_definition = || archives.of_sources(&definition.sources, definition.architecture);
    let offered = || of_definition().and_local(local);
    let Chosen { packages, gone, unasked } = offered().resolve(&requests, &options, &names)?;
    if !unasked.is_empty() {
        return Err(LocalPackagesError(unasked).into());
    }
    drops.note(drop, gone, &root_role(variant));
    for package in packages {
        note(package, root_role(variant), records);
    }
    for (role, input) in inputs(definition) {
        if let Input::Package { package, suite, .. } = input {
            let own = source_of(definition, role, input)?;
            // Only the package itself: its dependencies are for running it, not for reading it.
            let found = match &own {
                Some(source) => {
                    archives.of_sources(std::slice::from_ref(source), definition.architecture)
                }
                None => offered(),
            };
            let found = found.newest(package, architecture);
            let found = found.ok_or_else(|| LockError::NoSuchInput {
                role,
                package: package.clone(),
                suite: suite.clone(),
            })?;
            note(found, input_role(role, variant), records);
        }
    }
    Ok(())
}

/// Notes what a chosen package is for.
fn note(package: LockedPackage, role: String, records: &mut Records) {
    let LockedPackage { name, architecture, version, sha256, archive, suite, .. } = package.clone();
    let key = (name, architecture, version, sha256, archive, suite);
    let record = records.entry(key).or_insert(package);
    // Two inputs may be files of one package.
    if !record.roles.contains(&role) {
        record.roles.push(role);
    }
}

fn changes(earlier: Option<&Lock>, lock: &Lock) -> Changes {
    let of = |lock: &Lock| -> BTreeSet<String> {
        lock.packages.iter().map(|package| package.architecture.clone()).collect()
    };
    let mut architectures = of(lock);
    architectures.extend(earlier.map(of).unwrap_or_default());
    architectures.remove("all");
    // Where there are several, a name is that of a package of each.
    let by_name = |lock: &Lock| -> BTreeMap<String, String> {
        let entry = |LockedPackage { name, architecture, version, .. }: &LockedPackage| {
            let is_of_one = architectures.len() > 1 && architecture != "all";
            let name = if is_of_one { format!("{name}:{architecture}") } else { name.clone() };
            (name, version.clone())
        };
        lock.packages.iter().map(entry).collect()
    };
    let (before, after) = (earlier.map(by_name).unwrap_or_default(), by_name(lock));
    let mut changes = Changes::default();
    for (name, version) in &after {
        match before.get(name) {
            None => changes.added.push((name.clone(), version.clone())),
            Some(old) if old != version => {
                changes.updated.push((name.clone(), old.clone(), version.clone()));
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
    changes.scripts = earlier.map_or_else(Vec::new, |earlier| script_changes(earlier, lock));
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
mod tests;
