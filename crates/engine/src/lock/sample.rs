//! Locks that tests are made of.

use std::sync::Mutex;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_host::progress::Progress;
use cvmkit_host::timestamp::Timestamp;

use super::records::empty;
use super::{Lock, LockFile, LockedAccount, LockedDrop, LockedPackage, LockedScript, LockedSuite};
use crate::definition::Project;

/// A package of the root file system.
pub(crate) fn package(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        archive: "debian".into(),
        suite: "trixie".into(),
        path: format!("pool/main/{name}.deb"),
        size: 700,
        sha256: Sha256::of(name.as_bytes()),
        roles: vec!["root".into()],
        reason: "essential".into(),
    }
}

pub(crate) fn suite(name: &str, date: i64) -> LockedSuite {
    LockedSuite::bare("debian", name, Timestamp(date))
}

/// A lock of these packages, all of one suite, for no definition.
pub(crate) fn lock(packages: Vec<LockedPackage>) -> Lock {
    let (definition, package_request) = (Sha256::of(b"d"), Sha256::of(b"p"));
    Lock { suites: vec![suite("trixie", 7)], packages, ..empty(definition, package_request) }
}

pub(crate) fn account(name: &str, id: u32, roles: &[&str]) -> LockedAccount {
    let roles = roles.iter().map(ToString::to_string).collect();
    LockedAccount { name: name.into(), id, roles }
}

/// A script of this text that does what these bytes stand for.
pub(crate) fn script(package: &str, script: &str, text: &str, does: &str) -> LockedScript {
    LockedScript {
        package: package.into(),
        script: script.into(),
        sha256: Sha256::of(text.as_bytes()),
        effects: Sha256::of(does.as_bytes()),
        decision: None,
        roles: vec!["root".into()],
    }
}

/// A package that the base does without.
pub(crate) fn dropped(name: &str, reason: &str, because: Option<&str>) -> LockedDrop {
    LockedDrop {
        name: name.into(),
        version: "1".into(),
        reason: reason.into(),
        because: because.map(str::to_owned),
        provides: String::new(),
        roles: vec!["root".into()],
    }
}

/// A lock that fits a definition, in the file beside it.
pub(crate) fn beside(project: &Project, lock: Lock) -> LockFile {
    let (definition, package_request) = (project.checksum(), project.package_checksum());
    let lock = Lock { definition, package_request, ..lock };
    files::replace(&project.lock_path(), lock.to_text().unwrap().as_bytes()).unwrap();
    LockFile::read(&project.lock_path()).unwrap()
}

/// Keeps what is noted.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(crate) fn taken(self) -> Vec<String> {
        self.0.into_inner().unwrap()
    }
}

impl Progress for Notes {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}
