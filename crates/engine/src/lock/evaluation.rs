//! What the evaluation of the packages tells a lock: the ids of accounts that neither a package nor the definition
//! fixes, given out once, and what each maintainer script does.
//!
//! Which accounts an image has is known when its packages and local files are put together
//! ([`crate::packages::debian::evaluate`]), so a lock is made of the packages themselves, not of their index
//! alone; whoever puts them together tells ([`Evaluate`]).
//! One table of ids serves all variants: a name has one id, and an id that is in the lock stays. Where the packages
//! can't be put together (one is not to be had, or a script can't be evaluated), the lock says so,
//! and keeps the ids that it had; a build refuses an account without one, and a script that does something else
//! than the lock says.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::Diagnosis;

use super::difference::{ScriptChange, ScriptDifference};
use super::error::LockError;
use super::file::LockFile;
use super::records::{Lock, LockedAccount, LockedScript};
use super::role::root_role;
use crate::definition::{Definition, Project};
use crate::fetch::{MirrorIncomplete, Origins};
use crate::rootfs::{Evaluated, EvaluatedScript, RootfsError, ScriptDecision};

/// Evaluates the packages of one variant of a lock, with ids that are given out already, which stay.
pub type Evaluate = fn(
    &Project,
    &Definition,
    &LockFile,
    &BTreeMap<String, u32>,
    Origins<'_>,
) -> Result<Evaluated, Unevaluated>;

/// Why packages can't be evaluated.
#[derive(Debug)]
pub enum Unevaluated {
    /// An id that was given out is that of another account: the definition or a package has to say.
    Taken(Box<RootfsError>),
    /// A package is not to be had.
    NotHad(Box<dyn Diagnosis>),
    /// The image can't be put together.
    Other(Box<dyn Diagnosis>),
}

/// Gives every account of every variant its id, those of `earlier` stay, and says what each script does.
///
/// Nothing is fetched where nothing changed: without the packages, what `earlier` says stays.
pub(super) fn evaluate(
    lock: &mut Lock,
    earlier: Option<&Lock>,
    project: &Project,
    definitions: &[Definition],
    origins: Origins<'_>,
    evaluate: Evaluate,
) -> Result<(), LockError> {
    let same = earlier.filter(|earlier| has_evaluation_of(earlier, lock, definitions));
    let origins = Origins { offline: origins.offline || same.is_some(), ..origins };
    // Packages that were chosen just now are those of the mirrors' own indices.
    let is_fresh =
        earlier.is_none_or(|had| had.suites != lock.suites || had.packages != lock.packages);
    let earlier = earlier.map_or(&[][..], |lock| &lock.accounts);
    let mut known: BTreeMap<String, u32> =
        earlier.iter().map(|account| (account.name.clone(), account.id)).collect();
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut scripts = Scripts::default();
    let mut unknown = BTreeSet::new();
    lock.accounts.clear();
    lock.scripts.clear();
    let file = LockFile { path: project.lock_path(), text: String::new(), lock: lock.clone() };
    for definition in definitions {
        let role = root_role(definition.variant.as_deref());
        let names = match (evaluate(project, definition, &file, &known, origins), same) {
            (Ok(evaluated), _) => {
                scripts.add(&evaluated.scripts, &role);
                known.extend(evaluated.ids.clone());
                evaluated.ids.into_keys().collect::<Vec<_>>()
            }
            (Err(Unevaluated::NotHad(_)), Some(same)) => {
                lock.accounts.clone_from(&same.accounts);
                lock.scripts.clone_from(&same.scripts);
                return Ok(());
            }
            (Err(Unevaluated::Taken(error)), _) => return Err(LockError::Ids(error)),
            (Err(Unevaluated::NotHad(error) | Unevaluated::Other(error)), _) => {
                origins.progress.note(&format!(
                    "{}: its maintainer scripts are not evaluated, so the lock has neither their effects nor \
                     all ids of accounts: {}",
                    definition.title(),
                    incomplete(&*error).filter(|_| is_fresh).unwrap_or_else(|| whole(&*error))
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
    lock.scripts = scripts.finish();
    lock.unknown_ids_of = unknown.into_iter().collect();
    Ok(())
}

/// What to tell of a package that is not to be had although the mirror's own index lists it.
fn incomplete(error: &(dyn Diagnosis + 'static)) -> Option<String> {
    let error: &(dyn Error + 'static) = error;
    Some(whole(&MirrorIncomplete::of(error.downcast_ref()?)?))
}

/// Scripts with the root file systems in which they do the same.
#[derive(Default)]
struct Scripts(BTreeMap<ScriptKey, Vec<String>>);

/// All of a script but where it is.
type ScriptKey = (String, String, Sha256, Sha256, Option<ScriptDecision>);

impl Scripts {
    fn add(&mut self, scripts: &[EvaluatedScript], role: &str) {
        for EvaluatedScript { package, script, sha256, effects, decision, .. } in scripts {
            let key = (package.clone(), script.clone(), *sha256, *effects, *decision);
            self.0.entry(key).or_default().push(role.to_owned());
        }
    }

    fn finish(self) -> Vec<LockedScript> {
        let script = |((package, script, sha256, effects, decision), roles)| LockedScript {
            package,
            script,
            sha256,
            effects,
            decision,
            roles,
        };
        self.0.into_iter().map(script).collect()
    }
}

/// Whether a lock has what the evaluation of another would come to: nothing that decides about it differs but,
/// perhaps, this program.
fn has_evaluation_of(earlier: &Lock, lock: &Lock, definitions: &[Definition]) -> bool {
    let packages = |lock: &Lock| -> Vec<_> {
        let packages = lock.packages.iter();
        packages.map(|package| (package.sha256, package.roles.clone())).collect()
    };
    earlier.unknown_ids_of.is_empty()
        && earlier.definition == lock.definition
        && earlier.files == lock.files
        && packages(earlier) == packages(lock)
        && definitions.iter().all(|definition| {
            // Scripts are told the time of the image.
            let variant = definition.variant.as_deref();
            earlier.timestamp(variant) == lock.timestamp(variant)
        })
}

/// What scripts of packages that are in both locks do otherwise in the second; of two texts that do the same,
/// nothing.
pub(super) fn script_changes(before: &Lock, after: &Lock) -> Vec<ScriptChange> {
    let stays = |lock: &Lock, role: &String, name: &String| {
        lock.packages_of(role).any(|package| package.name == *name)
    };
    let mut changes: Vec<ScriptChange> = Vec::new();
    let (of_before, of_after) = (by_role(&before.scripts), by_role(&after.scripts));
    let keys: BTreeSet<_> = of_before.keys().chain(of_after.keys()).collect();
    for key @ (package, script, role) in keys {
        // What a lock did not say can't have changed.
        let is_known =
            |lock: &Lock| !lock.unknown_ids_of.contains(role) && stays(lock, role, package);
        if !is_known(before) || !is_known(after) {
            continue;
        }
        if let Some(change) = difference(of_before.get(key), of_after.get(key)) {
            let change = ScriptChange { package: package.clone(), script: script.clone(), change };
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
    changes
}

/// Text and effects of each script: by package, script and role.
fn by_role(scripts: &[LockedScript]) -> BTreeMap<(String, String, String), (Sha256, Sha256)> {
    let of = |one: &LockedScript| {
        let one = one.clone();
        one.roles.into_iter().map(move |role| {
            ((one.package.clone(), one.script.clone(), role), (one.sha256, one.effects))
        })
    };
    scripts.iter().flat_map(of).collect()
}

fn difference(
    before: Option<&(Sha256, Sha256)>,
    after: Option<&(Sha256, Sha256)>,
) -> Option<ScriptDifference> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(ScriptDifference::New),
        (Some(_), None) => Some(ScriptDifference::Gone),
        (Some((_, before)), Some((_, after))) if before == after => None,
        (Some((before, _)), Some((after, _))) if before == after => Some(ScriptDifference::Effects),
        (Some(_), Some(_)) => Some(ScriptDifference::Text),
    }
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
    /// Asks whether the maintainer scripts of a variant do what the lock says.
    ///
    /// # Errors
    /// Names all that do something else.
    pub fn holds_scripts(
        &self,
        variant: Option<&str>,
        evaluated: &[EvaluatedScript],
    ) -> Result<(), LockError> {
        let role = root_role(variant);
        if self.lock.unknown_ids_of.contains(&role) {
            return Err(LockError::UnknownIds { path: self.path.clone(), roles: vec![role] });
        }
        let found: BTreeMap<_, _> = evaluated
            .iter()
            .map(|one| ((one.package.clone(), one.script.clone()), (one.sha256, one.effects)))
            .collect();
        let locked: BTreeMap<_, _> = self
            .lock
            .scripts_of(&role)
            .map(|one| ((one.package.clone(), one.script.clone()), (one.sha256, one.effects)))
            .collect();
        let names: BTreeSet<_> = found.keys().chain(locked.keys()).collect();
        let changes: Vec<ScriptChange> = names
            .into_iter()
            .filter_map(|name| {
                let change = difference(locked.get(name), found.get(name))?;
                let (package, script) = name.clone();
                Some(ScriptChange { package, script, change })
            })
            .collect();
        match changes.is_empty() {
            true => Ok(()),
            false => Err(LockError::OtherEffects { path: self.path.clone(), role, changes }),
        }
    }

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

    use super::super::sample::{Notes, account, lock, package, script};
    use super::super::{LocalFile, LocalKind, LockedPackage};
    use super::*;
    use crate::definition::sample;
    use crate::mirrors::Mirrors;
    use crate::store::Store;

    /// Gives ids to accounts as an image of the base, and of the variants `v` and `w`, would.
    fn given(
        now: &mut Lock,
        earlier: Option<&Lock>,
        told: Evaluate,
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
        let result = evaluate(now, earlier, &project, &definitions, origins, told);
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
    ) -> Result<Evaluated, Unevaluated> {
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
        let ids = names.iter().map(|name| ((*name).to_owned(), id(name))).collect();
        Ok(Evaluated { ids, scripts: vec![did("p", "postinst", b"x")] })
    }

    /// As [`three`], but for the variant `v`, whose image can't be put together.
    fn all_but_v(
        project: &Project,
        definition: &Definition,
        file: &LockFile,
        known: &BTreeMap<String, u32>,
        origins: Origins<'_>,
    ) -> Result<Evaluated, Unevaluated> {
        if definition.variant.as_deref() == Some("v") {
            let names = vec!["a".to_owned(), "b".to_owned()];
            return Err(Unevaluated::Other(Box::new(RootfsError::NoLockedId { names })));
        }
        three(project, definition, file, known, origins)
    }

    /// A script that was evaluated.
    fn did(package: &str, script: &str, does: &[u8]) -> EvaluatedScript {
        EvaluatedScript {
            package: package.into(),
            script: script.into(),
            sha256: Sha256::of(b"text"),
            effects: Sha256::of(does),
            decision: None,
            lines: Vec::new(),
        }
    }

    fn not_had(
        _: &Project,
        _: &Definition,
        _: &LockFile,
        _: &BTreeMap<String, u32>,
        origins: Origins<'_>,
    ) -> Result<Evaluated, Unevaluated> {
        assert!(origins.offline);
        let names = vec!["a".to_owned()];
        Err(Unevaluated::NotHad(Box::new(RootfsError::NoLockedId { names })))
    }

    fn taken(
        _: &Project,
        _: &Definition,
        _: &LockFile,
        _: &BTreeMap<String, u32>,
        _: Origins<'_>,
    ) -> Result<Evaluated, Unevaluated> {
        Err(Unevaluated::Taken(Box::new(RootfsError::NoLockedId { names: vec!["a".into()] })))
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
            scripts: vec![script("p", "postinst", "text", "x")],
            files: vec![LocalFile { path: "f".into(), kind: LocalKind::Folder }],
            ..lock(vec![package("p")])
        };
        let again = || Lock { accounts: Vec::new(), scripts: Vec::new(), ..earlier.clone() };
        let mut now = again();
        let (result, notes) = given(&mut now, Some(&earlier), not_had);
        result.unwrap();
        assert_eq!((now, notes), (earlier.clone(), Vec::new()));
        type Change = fn(&mut Lock);
        let changes: [(&str, Change); 5] = [
            ("the time", |lock| lock.suites[0].date.0 += 1),
            ("the definition", |lock| lock.definition = Sha256::of(b"x")),
            ("the files", |lock| lock.files.clear()),
            ("a package", |lock| lock.packages[0].sha256 = Sha256::of(b"x")),
            ("its roles", |lock| lock.packages[0].roles.push("root:v".into())),
        ];
        for (what, change) in changes {
            let mut now = again();
            change(&mut now);
            let (_, notes) = given(&mut now, Some(&earlier), not_had);
            assert!(!notes.is_empty(), "{what}");
        }
        // Why a package is there says nothing of accounts.
        let mut now = again();
        now.packages[0] = LockedPackage { reason: "requested".into(), ..package("p") };
        assert!(given(&mut now, Some(&earlier), not_had).1.is_empty());
        // What was not known then may be known now.
        let partial = Lock { unknown_ids_of: vec!["root".into()], ..earlier.clone() };
        assert!(!given(&mut again(), Some(&partial), not_had).1.is_empty());
        // Where the packages are there, they are evaluated: this program may do it otherwise.
        let mut now = again();
        given(&mut now, Some(&earlier), three).0.unwrap();
        assert_ne!(now.accounts, earlier.accounts);
    }

    #[test]
    fn a_script_is_locked_with_the_root_file_systems_in_which_it_does_the_same() {
        let mut now = lock(vec![package("p")]);
        given(&mut now, None, three).0.unwrap();
        let roles = ["root", "root:v", "root:w"].map(str::to_owned).to_vec();
        assert_eq!(now.scripts, [LockedScript { roles, ..script("p", "postinst", "text", "x") }]);
        let file = LockFile { path: "l".into(), text: String::new(), lock: now };
        let holds = |scripts: &[EvaluatedScript]| match file.holds_scripts(None, scripts) {
            Ok(()) => Vec::new(),
            Err(LockError::OtherEffects { role, changes, .. }) => {
                assert_eq!(role, "root");
                changes.iter().map(ToString::to_string).collect()
            }
            Err(error) => panic!("{error:?}"),
        };
        assert!(holds(&[did("p", "postinst", b"x")]).is_empty());
        let other = [did("p", "postinst", b"y")];
        assert_eq!(holds(&other), ["postinst of p has the same text and another effect"]);
        assert_eq!(holds(&[]), ["postinst of p is gone"]);
        let more = [did("p", "postinst", b"x"), did("p", "preinst", b"x")];
        assert_eq!(holds(&more), ["preinst of p is new"]);
    }

    /// Of packages that stayed: what else a script does, not how it is written.
    #[test]
    fn what_scripts_do_otherwise_is_told() {
        let of = |scripts: &[LockedScript]| Lock {
            scripts: scripts.to_vec(),
            ..lock(vec![package("p"), package("q")])
        };
        let one = |text: &str, does: &str| script("p", "postinst", text, does);
        let told = |before: &Lock, after: &Lock| -> Vec<String> {
            script_changes(before, after).iter().map(ToString::to_string).collect()
        };
        let before = of(&[one("t", "x"), script("q", "config", "t", "x")]);
        assert!(told(&before, &before).is_empty());
        let rewritten = of(&[one("u", "x"), script("q", "config", "u", "x")]);
        assert!(told(&before, &rewritten).is_empty());
        assert_eq!(
            told(&before, &of(&[one("u", "y"), script("q", "preinst", "t", "x")])),
            [
                "postinst of p has another text and another effect",
                "config of q is gone",
                "preinst of q is new"
            ]
        );
        assert_eq!(
            told(&before, &of(&[one("t", "y"), script("q", "config", "t", "x")])),
            ["postinst of p has the same text and another effect"]
        );
        // A package that went took its scripts along, and what was not known did not change.
        let without = Lock { packages: vec![package("p")], ..of(&[one("t", "x")]) };
        assert!(told(&before, &without).is_empty() && told(&without, &before).is_empty());
        let unknown = Lock { unknown_ids_of: vec!["root".into()], ..of(&[]) };
        assert!(told(&unknown, &before).is_empty() && told(&before, &unknown).is_empty());
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
                "tiny 2 (v): its maintainer scripts are not evaluated, so the lock has neither their effects \
              nor all ids of accounts: the lock has no id for the accounts `a`, `b`, and nothing else fixes one\nhint: run `cvmkit lock`, which \
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
