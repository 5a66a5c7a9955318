//! The ids of accounts that neither a package nor the definition fixes: given out once, by the lock.
//!
//! Which accounts an image has is known when its packages and local files are put together
//! ([`crate::rootfs::unfixed_ids`]), so a lock is made of the packages themselves, not of their index
//! alone; whoever puts them together tells ([`IdsOf`]).
//! One table serves all variants: a name has one id, and an id that is in the lock stays. Where the
//! accounts can't be told (a package is not to be had, or does not fit the image), the lock says so,
//! and keeps the ids that it had; a build refuses an account without one.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_host::fault::Diagnosis;

use super::error::LockError;
use super::file::LockFile;
use super::records::{Lock, LockedAccount};
use super::role::root_role;
use crate::definition::{Definition, Project};
use crate::fetch::Origins;
use crate::rootfs::RootfsError;

/// Tells the ids of the accounts of one variant that nothing else fixes: of a lock, with ids that are
/// given out already, those as they are.
pub type IdsOf = fn(
    &Project,
    &Definition,
    &LockFile,
    &BTreeMap<String, u32>,
    Origins<'_>,
) -> Result<BTreeMap<String, u32>, UntoldIds>;

/// Why ids can't be told.
#[derive(Debug)]
pub enum UntoldIds {
    /// An id that was given out is that of another account: the definition or a package has to say.
    Taken(Box<RootfsError>),
    /// The image can't be put together.
    Other(Box<dyn Diagnosis>),
}

/// Gives every account of every variant its id; those of `earlier` stay.
pub(super) fn give_ids(
    lock: &mut Lock,
    earlier: Option<&Lock>,
    project: &Project,
    definitions: &[Definition],
    origins: Origins<'_>,
    ids_of: IdsOf,
) -> Result<(), LockError> {
    if let Some(earlier) = earlier.filter(|earlier| has_accounts_of(earlier, lock)) {
        lock.accounts.clone_from(&earlier.accounts);
        return Ok(());
    }
    let earlier = earlier.map_or(&[][..], |lock| &lock.accounts);
    let mut known: BTreeMap<String, u32> =
        earlier.iter().map(|account| (account.name.clone(), account.id)).collect();
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    lock.accounts.clear();
    let file = LockFile { path: project.lock_path(), text: String::new(), lock: lock.clone() };
    for definition in definitions {
        let role = root_role(definition.variant.as_deref());
        let names = match ids_of(project, definition, &file, &known, origins) {
            Ok(ids) => {
                known.extend(ids.clone());
                ids.into_keys().collect::<Vec<_>>()
            }
            Err(UntoldIds::Taken(error)) => return Err(LockError::Ids(error)),
            Err(UntoldIds::Other(error)) => {
                origins.progress.note(&format!(
                    "{}: the ids of its system accounts are not in the lock: {}",
                    definition.title(),
                    whole(&*error)
                ));
                unknown.insert(role.clone());
                let had = earlier.iter().filter(|account| account.roles.contains(&role));
                had.map(|account| account.name.clone()).collect()
            }
        };
        names.into_iter().for_each(|name| roles.entry(name).or_default().push(role.clone()));
    }
    let account = |(name, roles): (String, Vec<String>)| {
        let id = known.get(&name).copied()?;
        Some(LockedAccount { name, id, roles })
    };
    lock.accounts = roles.into_iter().filter_map(account).collect();
    lock.unknown_ids_of = unknown.into_iter().collect();
    Ok(())
}

/// Whether a lock has the accounts of another: nothing that decides about them differs.
fn has_accounts_of(earlier: &Lock, lock: &Lock) -> bool {
    let packages = |lock: &Lock| -> Vec<_> {
        let packages = lock.packages.iter();
        packages.map(|package| (package.sha256, package.roles.clone())).collect()
    };
    earlier.unknown_ids_of.is_empty()
        && earlier.definition == lock.definition
        && earlier.files == lock.files
        && packages(earlier) == packages(lock)
}

/// An error's message, its causes and the next step: all that a build would say.
fn whole(error: &dyn Diagnosis) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !parts.contains(&text) {
            parts.push(text);
        }
        cause = error.source();
    }
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{}{hint}", parts.join(": "))
}

impl LockFile {
    /// Refuses a lock whose maker could not tell all accounts.
    pub(super) fn has_all_ids(&self) -> Result<(), LockError> {
        match self.lock.unknown_ids_of.as_slice() {
            [] => Ok(()),
            roles => Err(LockError::UnknownIds { path: self.path.clone(), roles: roles.to_vec() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::digest::Sha256;

    use super::super::sample::{Notes, account, lock, package};
    use super::super::{LocalFile, LocalKind, LockedPackage};
    use super::*;
    use crate::definition::sample;
    use crate::mirrors::Mirrors;
    use crate::store::Store;

    /// Gives ids to accounts as an image of the base, and of the variants `v` and `w`, would.
    fn given(
        now: &mut Lock,
        earlier: Option<&Lock>,
        ids_of: IdsOf,
    ) -> (Result<(), LockError>, Vec<String>) {
        let tables = "[variant.v]\nversion = \"2\"\n[variant.w]\nversion = \"3\"";
        let project = sample::project(&sample::text("", tables)).unwrap();
        let definitions = project.definitions().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None, folder.path()).unwrap();
        let (notes, mirrors) = (Notes::default(), Mirrors::default());
        let origins = Origins {
            store: &store,
            vendor: None,
            mirrors: &mirrors,
            offline: true,
            progress: &notes,
        };
        let result = give_ids(now, earlier, &project, &definitions, origins, ids_of);
        (result, notes.taken())
    }

    /// Accounts `a` and `b` everywhere, `c` in the variant `v`: those that are known as they are, the
    /// others the highest that is free.
    fn three(
        _: &Project,
        definition: &Definition,
        _: &LockFile,
        known: &BTreeMap<String, u32>,
        _: Origins<'_>,
    ) -> Result<BTreeMap<String, u32>, UntoldIds> {
        let names: &[&str] = match definition.variant.as_deref() {
            Some("v") => &["a", "b", "c"],
            _ => &["a", "b"],
        };
        let mut taken: BTreeSet<u32> = known.values().copied().collect();
        let mut id = |name: &str| {
            let id = known.get(name).copied();
            let id = id.or_else(|| (100..=999).rev().find(|id| !taken.contains(id))).unwrap();
            taken.insert(id);
            id
        };
        Ok(names.iter().map(|name| ((*name).to_owned(), id(name))).collect())
    }

    /// As [`three`], but for the variant `v`, whose image can't be put together.
    fn all_but_v(
        project: &Project,
        definition: &Definition,
        file: &LockFile,
        known: &BTreeMap<String, u32>,
        origins: Origins<'_>,
    ) -> Result<BTreeMap<String, u32>, UntoldIds> {
        if definition.variant.as_deref() == Some("v") {
            let names = vec!["a".to_owned(), "b".to_owned()];
            return Err(UntoldIds::Other(Box::new(RootfsError::NoLockedId { names })));
        }
        three(project, definition, file, known, origins)
    }

    fn taken(
        _: &Project,
        _: &Definition,
        _: &LockFile,
        _: &BTreeMap<String, u32>,
        _: Origins<'_>,
    ) -> Result<BTreeMap<String, u32>, UntoldIds> {
        Err(UntoldIds::Taken(Box::new(RootfsError::NoLockedId { names: vec!["a".into()] })))
    }

    #[test]
    fn a_name_has_one_id_in_all_root_file_systems_that_have_it() {
        let mut now = lock(vec![package("p")]);
        let (result, notes) = given(&mut now, None, three);
        result.unwrap();
        assert_eq!(notes, [""; 0]);
        let everywhere = ["root", "root:v", "root:w"];
        let expected = [
            account("a", 999, &everywhere),
            account("b", 998, &everywhere),
            account("c", 997, &["root:v"]),
        ];
        assert_eq!(now.accounts, expected);
        assert_eq!(now.unknown_ids_of, [""; 0]);
        assert!(
            LockFile { path: "l".into(), text: String::new(), lock: now }.has_all_ids().is_ok()
        );
    }

    #[test]
    fn an_id_that_is_in_the_lock_stays() {
        let earlier = Lock {
            accounts: vec![account("b", 500, &["root"]), account("gone", 501, &["root"])],
            ..lock(vec![package("p")])
        };
        let mut now = lock(vec![package("p"), package("q")]);
        now.accounts = vec![account("stale", 700, &["root"])];
        given(&mut now, Some(&earlier), three).0.unwrap();
        let ids: Vec<_> = now.accounts.iter().map(|of| (of.name.as_str(), of.id)).collect();
        assert_eq!(ids, [("a", 999), ("b", 500), ("c", 998)], "and one that went is gone");
    }

    /// Where nothing changed, nothing is put together: the packages need not even be there.
    #[test]
    fn the_same_inputs_have_the_same_accounts() {
        let earlier = Lock {
            accounts: vec![account("x", 123, &["root"])],
            files: vec![LocalFile { path: "f".into(), kind: LocalKind::Folder }],
            ..lock(vec![package("p")])
        };
        let again = || Lock { accounts: Vec::new(), ..earlier.clone() };
        let mut now = again();
        given(&mut now, Some(&earlier), taken).0.unwrap();
        assert_eq!(now, earlier);
        type Change = fn(&mut Lock);
        let changes: [(&str, Change); 4] = [
            ("the definition", |lock| lock.definition = Sha256::of(b"x")),
            ("the files", |lock| lock.files.clear()),
            ("a package", |lock| lock.packages[0].sha256 = Sha256::of(b"x")),
            ("its roles", |lock| lock.packages[0].roles.push("root:v".into())),
        ];
        for (what, change) in changes {
            let mut now = again();
            change(&mut now);
            let (result, _) = given(&mut now, Some(&earlier), taken);
            assert!(matches!(result, Err(LockError::Ids(_))), "{what}: {result:?}");
        }
        // Why a package is there says nothing of accounts.
        let mut now = again();
        now.packages[0] = LockedPackage { reason: "requested".into(), ..package("p") };
        given(&mut now, Some(&earlier), taken).0.unwrap();
        // What was not known then may be known now.
        let partial = Lock { unknown_ids_of: vec!["root".into()], ..earlier.clone() };
        assert!(matches!(given(&mut again(), Some(&partial), taken).0, Err(LockError::Ids(_))));
    }

    #[test]
    fn a_variant_that_can_t_be_put_together_keeps_its_ids_and_is_named() {
        let earlier = Lock {
            accounts: vec![account("c", 500, &["root:v"]), account("d", 501, &["root"])],
            ..lock(vec![package("p")])
        };
        let mut now = lock(vec![package("q")]);
        let (result, notes) = given(&mut now, Some(&earlier), all_but_v);
        result.unwrap();
        assert_eq!(
            notes,
            [
                "tiny 2 (v): the ids of its system accounts are not in the lock: the lock has no id for \
              the accounts `a`, `b`, and nothing else fixes one\nhint: run `cvmkit lock`, which \
              keeps the ids that are there"
            ],
            "the error and its hint"
        );
        let expected = [
            account("a", 999, &["root", "root:w"]),
            account("b", 998, &["root", "root:w"]),
            account("c", 500, &["root:v"]),
        ];
        assert_eq!(now.accounts, expected);
        assert_eq!(now.unknown_ids_of, ["root:v"]);
        let file = LockFile { path: "image.lock".into(), text: String::new(), lock: now };
        let Err(LockError::UnknownIds { path, roles }) = file.has_all_ids() else {
            panic!("a lock without all ids is taken for whole")
        };
        assert_eq!((path.to_str(), roles), (Some("image.lock"), vec!["root:v".to_owned()]));
    }

    #[test]
    fn an_id_of_another_account_is_an_error() {
        let (result, _) = given(&mut lock(vec![package("p")]), None, taken);
        let Err(LockError::Ids(error)) = result else { panic!("{result:?}") };
        assert!(matches!(*error, RootfsError::NoLockedId { .. }));
    }
}
