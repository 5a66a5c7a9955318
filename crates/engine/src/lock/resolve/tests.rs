//! What a lock is made of, when it is kept, and whether one fits.

use super::super::sample::{self, Notes, account, package};
use super::super::{Accepted, LocalKind, Unevaluated};
use super::*;
use crate::definition::sample as definitions;
use crate::mirrors::Mirrors;
use crate::packages::LockedIndex;
use crate::rootfs::Evaluated;
use crate::store::Store;

/// Tells of one account that the base has.
fn one_account(
    _: &Project,
    _: &Definition,
    _: &LockFile,
    known: &BTreeMap<String, u32>,
    _: Origins<'_>,
) -> Result<Evaluated, Unevaluated> {
    let id = known.get("a").copied().unwrap_or(999);
    Ok(Evaluated { ids: BTreeMap::from([("a".to_owned(), id)]), scripts: Vec::new() })
}

/// Locks without a network, and answers what was noted too.
fn locked(project: &Project, update: &Update) -> (Result<(Lock, Changes), LockError>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None, folder.path()).unwrap();
    let (notes, mirrors) = (Notes::default(), Mirrors::default());
    let origins =
        Origins { store: &store, vendor: None, mirrors: &mirrors, offline: true, progress: &notes };
    let resolving = Resolving {
        origins,
        now: Timestamp(0),
        accepted: Accepted::default(),
        evaluate: one_account,
    };
    let result = lock(project, update, &resolving);
    (result, notes.taken())
}

/// A definition in a folder, and a lock that fits it and its account.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(tables: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let project = bench.define("", tables);
        let accounts = vec![account("a", 999, &["root"])];
        let files = survey(&project.definitions().unwrap(), project.folder()).unwrap();
        sample::beside(&project, Lock { accounts, files, ..sample::lock(vec![package("p")]) });
        bench
    }

    fn define(&self, top: &str, tables: &str) -> Project {
        definitions::project_in(self.folder.path(), &definitions::text(top, tables))
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        files::make_folder(files::parent(&path)).unwrap();
        files::replace(&path, text.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        files::read_text(&self.folder.path().join("image.lock")).unwrap()
    }
}

#[test]
fn a_lock_that_fits_stays_byte_by_byte() {
    let bench = Bench::new("");
    let before = bench.text();
    let (result, notes) = locked(&bench.define("", ""), &Update::Needed);
    let (_, changes) = result.unwrap();
    assert_eq!((changes.clone(), bench.text()), (Changes::default(), before));
    assert!(changes.is_empty() && notes.is_empty(), "{notes:?}");
}

/// What does not decide about packages needs no network.
#[test]
fn a_change_beside_the_packages_is_locked_without_resolving() {
    let bench = Bench::new("");
    let before = bench.text();
    let project = bench.define("hostname = \"x\"", "");
    let (lock, changes) = locked(&project, &Update::Needed).0.unwrap();
    assert_eq!(changes, Changes { rewritten: true, ..Changes::default() });
    assert!(changes.is_empty(), "no package, no account and no file differs");
    assert_eq!((lock.definition, lock.packages.len()), (project.checksum(), 1));
    assert_ne!(bench.text(), before);
    assert_eq!(LockFile::open(&project).unwrap().lock, lock);
}

#[test]
fn packages_are_resolved_when_they_have_to_be() {
    let resolves = |bench: &Bench, project: &Project, update: &Update| {
        let before = bench.text();
        let (result, _) = locked(project, update);
        assert_eq!(bench.text(), before, "nothing is written by halves");
        matches!(result, Err(LockError::Offline))
    };
    let bench = Bench::new("");
    let same = bench.define("", "");
    assert!(!resolves(&bench, &same, &Update::Needed));
    assert!(resolves(&bench, &same, &Update::All));
    assert!(resolves(&bench, &same, &Update::Only(vec!["p".into()])));
    let more = bench.define("", "[packages]\ninstall = [\"p\"]");
    assert!(resolves(&bench, &more, &Update::Needed));
    let without = tempfile::tempdir().unwrap();
    let bare = definitions::project_in(without.path(), &definitions::text("", ""));
    assert!(matches!(locked(&bare, &Update::Needed).0, Err(LockError::Offline)));
    assert!(!bare.lock_path().exists());
}

/// A suite that was trusted by another key is looked at again.
#[test]
fn a_key_file_that_changed_has_the_suites_judged_again() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench { folder };
    bench.put("k.asc", "one");
    bench.put("f", "one");
    let tables = "key-files = [\"k.asc\"]\n[[files]]\npath = \"/f\"\nsource = \"f\"";
    let project = bench.define("", tables);
    let files = survey(&project.definitions().unwrap(), project.folder()).unwrap();
    let accounts = vec![account("a", 999, &["root"])];
    sample::beside(&project, Lock { accounts, files, ..sample::lock(vec![package("p")]) });
    assert!(locked(&project, &Update::Needed).0.is_ok());
    bench.put("f", "two");
    let (_, changes) = locked(&project, &Update::Needed).0.unwrap();
    assert_eq!((changes.files, changes.rewritten), (vec!["f".to_owned()], true));
    bench.put("k.asc", "two");
    assert!(matches!(locked(&project, &Update::Needed).0, Err(LockError::Offline)));
}

#[test]
fn a_lock_that_can_t_be_read_is_kept_to_or_given_up_explicitly() {
    let bench = Bench::new("");
    let project = bench.define("", "");
    let edited = bench.text().replace("essential", "requested");
    bench.put("image.lock", &edited);
    let (result, notes) = locked(&project, &Update::Needed);
    assert!(matches!(result, Err(LockError::Edited { .. })), "{result:?}");
    assert_eq!(notes, [""; 0]);
    let only = Update::Only(vec!["p".into()]);
    assert!(matches!(locked(&project, &only).0, Err(LockError::Edited { .. })));
    let (result, notes) = locked(&project, &Update::All);
    assert!(matches!(result, Err(LockError::Offline)), "{result:?}");
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert!(note.contains("was edited") && note.contains("everything is locked from scratch"));
    assert_eq!(bench.text(), edited);
}

#[test]
fn a_request_of_the_definition_without_effect_is_noted() {
    let bench = Bench::new("");
    let project = bench.define("", "");
    sample::beside(&project, sample::lock(Vec::new()));
    let (_, notes) = locked(&project, &Update::Needed);
    let note = "no effect: sources.archive: `debian` is an archive that no package comes from \
                (suites `trixie`)";
    assert_eq!(notes, [note]);
}

#[test]
fn changes_are_told_by_name() {
    let of = |name: &str, version: &str| LockedPackage { version: version.into(), ..package(name) };
    let file = |path: &str, target: &str| LocalFile {
        path: path.into(),
        kind: LocalKind::Symlink { target: target.into() },
    };
    let before = Lock {
        accounts: vec![account("a", 999, &["root"]), account("b", 998, &["root"])],
        files: vec![file("gone", "x"), file("kept", "x"), file("other", "x")],
        ..sample::lock(vec![of("gone", "1"), of("kept", "1"), of("updated", "1")])
    };
    let after = Lock {
        accounts: vec![account("a", 999, &["root", "root:v"]), account("b", 997, &["root"])],
        files: vec![file("kept", "x"), file("new", "x"), file("other", "y")],
        ..sample::lock(vec![of("kept", "1"), of("updated", "2"), of("new", "3")])
    };
    let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    let expected = Changes {
        added: vec![pair("new", "3")],
        removed: vec![pair("gone", "1")],
        updated: vec![("updated".into(), "1".into(), "2".into())],
        new_accounts: vec![("b".into(), 997)],
        gone_accounts: vec![("b".into(), 998)],
        scripts: Vec::new(),
        files: ["gone", "new", "other"].map(str::to_owned).into(),
        rewritten: false,
    };
    let found = changes(Some(&before), &after);
    assert_eq!(found, expected);
    assert!(!found.is_empty());
    let shown = "  + new 3\n  - gone 1\n  ~ updated 1 -> 2\n  + account b, id 997\n  - account b, id \
                 998\n  ~ local file gone\n  ~ local file new\n  ~ local file other\n";
    assert_eq!(found.to_string(), shown);
    assert_eq!(changes(Some(&after), &after), Changes::default());
    let all = changes(None, &before);
    assert_eq!((all.added.len(), all.removed.len(), all.new_accounts.len()), (3, 0, 2));
    assert_eq!(all.files, ["gone", "kept", "other"]);
    // Each kind of change is one.
    for one in [
        Changes { added: expected.added.clone(), ..Changes::default() },
        Changes { gone_accounts: expected.gone_accounts.clone(), ..Changes::default() },
        Changes { files: expected.files.clone(), rewritten: true, ..Changes::default() },
    ] {
        assert!(!one.is_empty(), "{one:?}");
    }
}

#[test]
fn a_package_is_noted_once_with_all_its_roles() {
    let mut records = Records::new();
    let bare = |name: &str| LockedPackage { roles: Vec::new(), ..package(name) };
    note(bare("b"), "root".into(), &mut records);
    note(bare("a"), "root".into(), &mut records);
    note(bare("a"), "root:v".into(), &mut records);
    note(bare("a"), "root".into(), &mut records);
    // The same bytes of another suite are another record.
    note(LockedPackage { suite: "forky".into(), ..bare("a") }, "stub".into(), &mut records);
    let found: Vec<_> = records
        .values()
        .map(|of| (of.name.as_str(), of.suite.as_str(), of.roles.join(" ")))
        .collect();
    assert_eq!(
        found,
        [
            ("a", "forky", "stub".to_owned()),
            ("a", "trixie", "root root:v".to_owned()),
            ("b", "trixie", "root".to_owned()),
        ]
    );
}

#[test]
fn a_package_is_moved_or_kept_if_the_lock_has_it() {
    let lock = sample::lock(vec![package("a"), package("b")]);
    let of = [definitions::definition("")];
    let keep = |moving: &[&str]| {
        let moving: Vec<String> = moving.iter().map(ToString::to_string).collect();
        keep_locked(&mut Archives::parse(&[]).unwrap(), &of, &lock, &moving)
    };
    let unknown = keep(&["a", "c"]);
    assert!(matches!(&unknown, Err(LockError::NotLocked { name }) if name == "c"), "{unknown:?}");
    // No suite is there that could have it still.
    let gone = keep(&["a"]);
    let Err(LockError::NoLongerThere { name, version }) = &gone else { panic!("{gone:?}") };
    assert_eq!((name.as_str(), version.as_str()), ("b", "1"));
    keep(&["a", "b"]).unwrap();
}

/// A folder of local packages could bring one that nothing asks for.
#[test]
fn a_local_package_that_says_to_be_essential_is_refused_unless_it_is_requested() {
    use crate::packages::debian::sample::{deb, tar_of};
    let control = "Package: own\nVersion: 1\nArchitecture: all\nEssential: yes\n";
    let mut local = LocalPackages::default();
    local.add("debs/own.deb", &deb(control, &tar_of(&[("./x", b"x")])), "amd64");
    let local = local.checked().unwrap();
    let chosen = |tables: &str| {
        let (mut records, mut drops) = (Records::new(), Drops::default());
        let (archives, index) = (Archives::parse(&[]).unwrap(), local.index());
        let definition = definitions::definition(&format!("[boot]\nkind = \"direct\"\n{tables}"));
        let chosen = choose(&archives, &index, &definition, &mut records, &mut drops);
        chosen.map(|()| records.into_values().map(|one| one.name).collect::<Vec<_>>())
    };
    let error = chosen("").unwrap_err();
    assert!(error.to_string().contains("`debs/own.deb` says that `own` is essential"), "{error}");
    assert!(error.hint().unwrap().contains("`packages.install`"));
    assert_eq!(chosen("[packages]\ninstall = [\"own\"]").unwrap(), ["own"]);
    assert_eq!(chosen("[packages]\nessential = false").unwrap(), [""; 0]);
}

/// The answer to `lock --check`, and what is no answer but an error.
#[test]
fn a_lock_fits_or_what_does_not_is_said() {
    let tables = "[[overlays]]\nsource = \"tree\"\n[[files]]\npath = \"/f\"\nsource = \"f\"\n\
                  [packages]\ninstall = [\"p\"]";
    let bench = Bench { folder: tempfile::tempdir().unwrap() };
    bench.put("tree/a", "a");
    bench.put("f", "f");
    let project = bench.define("", tables);
    let unfit = || match check(&project) {
        Err(LockError::Unfit(error)) => *error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(unfit(), LockError::Missing { .. }));
    let files = || survey(&project.definitions().unwrap(), project.folder()).unwrap();
    let whole = || Lock { files: files(), ..sample::lock(vec![package("p")]) };
    sample::beside(&project, whole());
    check(&project).unwrap();

    sample::beside(&project, Lock { packages: vec![package("q")], ..whole() });
    assert!(matches!(unfit(), LockError::NotHeld { package, .. } if package == "p"));
    sample::beside(&project, Lock { unknown_ids_of: vec!["root".into()], ..whole() });
    assert!(matches!(unfit(), LockError::UnknownIds { .. }));
    let file = sample::beside(&project, whole());
    let text = files::read_text(&file.path).unwrap();
    bench.put("image.lock", &text.replace("essential", "requested"));
    assert!(matches!(unfit(), LockError::Edited { .. }));
    bench.put("image.lock", "format = 4\n");
    assert!(matches!(check(&project), Err(LockError::Malformed { .. })), "no answer, but no lock");

    sample::beside(&project, whole());
    bench.put("tree/a", "b");
    let LockError::LocalChanged { path, locked, found } = unfit() else { panic!("not found") };
    let digest = |text: &str| Sha256::of(text.as_bytes()).to_string();
    assert_eq!((path.as_str(), locked, found), ("tree/a", digest("a"), digest("b")));
    bench.put("tree/a", "a");
    bench.put("tree/b", "b");
    let LockError::LocalChanged { path, locked, found } = unfit() else { panic!("not found") };
    assert_eq!((path.as_str(), locked, found), ("tree/b", "nothing".into(), digest("b")));
    files::remove(&bench.folder.path().join("tree/b")).unwrap();
    files::remove(&bench.folder.path().join("tree/a")).unwrap();
    let LockError::LocalChanged { path, locked, found } = unfit() else { panic!("not found") };
    assert_eq!((path.as_str(), locked, found), ("tree/a", digest("a"), "nothing".into()));
    bench.put("tree/a", "a");
    files::remove(&bench.folder.path().join("f")).unwrap();
    assert!(matches!(unfit(), LockError::File(error) if error.is_not_found()));
    bench.put("f", "f");
    check(&project).unwrap();
    let changed = bench.define("hostname = \"x\"", tables);
    let error = check(&changed).unwrap_err();
    let LockError::Unfit(inner) = &error else { panic!("{error:?}") };
    assert!(matches!(**inner, LockError::Stale { .. }));
    assert_eq!(error.fault(), Fault::Negative);
}

/// One signed state of a suite is one record, with the indices of all that its packages are chosen for; another trust
/// in it is another record.
#[test]
fn a_suite_is_one_record_with_the_indices_of_all_architectures() {
    let index = |path: &str| LockedIndex { path: path.into(), size: 1, sha256: Sha256::of(b"") };
    let suite = |paths: &[&str]| LockedSuite {
        indices: paths.iter().map(|path| index(path)).collect(),
        ..LockedSuite::bare("debian", "stable", Timestamp(1))
    };
    let (amd64, arm64) = ("main/binary-amd64/Packages.xz", "main/binary-arm64/Packages.xz");
    let expired = LockedSuite { expired: true, ..suite(&[arm64]) };
    let all = [suite(&[amd64]), suite(&[arm64]), expired.clone(), suite(&[amd64])];
    assert_eq!(once_each(all.into_iter()), [suite(&[amd64, arm64]), expired]);
}

/// What is told of a change names the architecture where there are two, for a name is then that of two packages.
#[test]
fn changes_name_the_architecture_where_there_are_several() {
    let of = |name: &str, architecture: &str, version: &str| LockedPackage {
        architecture: architecture.into(),
        version: version.into(),
        ..package(name)
    };
    let before = sample::lock(vec![of("a", "amd64", "1"), of("b", "all", "1")]);
    let after =
        sample::lock(vec![of("a", "amd64", "1"), of("a", "arm64", "2"), of("b", "all", "2")]);
    let changes = changes(Some(&before), &after);
    assert_eq!(changes.added, [("a:arm64".to_owned(), "2".to_owned())]);
    assert_eq!(changes.updated, [("b".to_owned(), "1".to_owned(), "2".to_owned())]);
    assert_eq!(changes.removed, []);
}
