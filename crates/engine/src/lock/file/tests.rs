//! Locks in files: of other formats, of other definitions, and where their lines are.

use cvmkit_host::fault::Diagnosis;

use super::*;
use crate::definition::sample as definitions;
use crate::lock::LockedDrop;
use crate::lock::sample::{self, account, lock, package};

#[test]
fn the_longest_lock_has_48_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.lock");
    files::replace(&path, b"").unwrap();
    let put = |len: u64| std::fs::File::options().write(true).open(&path).unwrap().set_len(len);
    put(LOCK_MAX).unwrap();
    let longest = LockFile::read(&path).unwrap_err();
    assert!(matches!(longest, LockError::Malformed { .. }), "{longest:?}");
    put(LOCK_MAX + 1).unwrap();
    let longer = LockFile::read(&path).unwrap_err();
    assert!(matches!(longer, LockError::TooLong { limit: 50_331_648, .. }), "{longer:?}");
}

/// The format before had a digest already, and no ids.
#[test]
fn a_lock_without_ids_is_read_to_make_the_next_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.lock");
    let before = Lock { format: FORMAT_WITHOUT_IDS, ..lock(vec![package("a")]) };
    let put = |lock: &Lock| files::replace(&path, lock.to_text().unwrap().as_bytes()).unwrap();
    put(&before);
    let error = LockFile::read(&path).unwrap_err();
    assert!(error.to_string().contains("has lock format 2, expected 4"), "{error}");
    let read = LockFile::read_earlier(&path).unwrap().lock;
    let unknown_ids_of = vec!["root".to_owned()];
    assert_eq!(read, Lock { format: FORMAT, unknown_ids_of, ..before.clone() });
    let text = before.to_text().unwrap().replace("essential", "requested");
    files::replace(&path, text.as_bytes()).unwrap();
    let edited = LockFile::read_earlier(&path).unwrap_err();
    assert!(matches!(edited, LockError::Edited { .. }), "{edited:?}");
    put(&Lock { accounts: vec![account("a", 999, &["root"])], ..before });
    let mixed = LockFile::read_earlier(&path).unwrap_err();
    assert!(matches!(mixed, LockError::Malformed { line: Some(_), .. }), "{mixed:?}");
}

#[test]
fn a_lock_is_that_of_its_definition() {
    let folder = tempfile::tempdir().unwrap();
    let project = |top: &str, tables: &str| {
        definitions::project_in(folder.path(), &definitions::text(top, tables))
    };
    let first = project("", "");
    let missing = LockFile::open(&first).unwrap_err();
    assert!(
        matches!(&missing, LockError::Missing { path } if *path == first.lock_path()),
        "{missing:?}"
    );
    sample::beside(&first, lock(vec![package("a")]));
    assert!(LockFile::open(&first).is_ok() && LockFile::for_packages(&first).is_ok());
    // What does not decide about packages.
    let renamed = project("hostname = \"x\"", "");
    let stale = LockFile::open(&renamed).unwrap_err();
    let LockError::Stale { path, definition, locked, computed } = &stale else {
        panic!("{stale:?}")
    };
    assert_eq!((path, definition), (&renamed.lock_path(), &renamed.path));
    assert_eq!((*locked, *computed), (first.checksum(), renamed.checksum()));
    assert!(LockFile::for_packages(&renamed).is_ok());
    // What does.
    let more = project("", "[packages]\ninstall = [\"a\"]");
    assert!(matches!(LockFile::for_packages(&more), Err(LockError::Stale { .. })));
    let nowhere = tempfile::tempdir().unwrap();
    let bare = definitions::project_in(nowhere.path(), &definitions::text("", ""));
    assert!(matches!(LockFile::for_packages(&bare), Err(LockError::Missing { .. })));
}

#[test]
fn a_lock_holds_what_a_definition_installs() {
    let folder = tempfile::tempdir().unwrap();
    let tables = "[packages]\ninstall = [\"a=1\", \"b\"]\n[variant.v.packages]\ninstall = [\"c\"]";
    let project = definitions::project_in(folder.path(), &definitions::text("", tables));
    let both =
        |name: &str| LockedPackage { roles: vec!["root".into(), "root:v".into()], ..package(name) };
    let missing = |packages: Vec<LockedPackage>, variant: Option<&str>| {
        let file = sample::beside(&project, lock(packages));
        match file.holds(&project.definition(variant).unwrap()) {
            Ok(()) => None,
            Err(LockError::NotHeld { path, package, role }) => {
                assert_eq!(path, project.lock_path());
                Some((package, role))
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    let named = |package: &str, role: &str| Some((package.to_owned(), role.to_owned()));
    assert_eq!(missing(vec![both("a"), both("b"), both("c")], None), None);
    assert_eq!(missing(vec![both("a"), both("b"), both("c")], Some("v")), None);
    assert_eq!(missing(vec![both("b")], None), named("a=1", "root"));
    let newer = LockedPackage { version: "2".into(), ..both("a") };
    assert_eq!(missing(vec![newer, both("b")], None), named("a=1", "root"));
    assert_eq!(missing(vec![both("a")], None), named("b", "root"));
    // There, but for the base alone.
    assert_eq!(missing(vec![both("a"), both("b"), package("c")], Some("v")), named("c", "root:v"));
    let stub = LockedPackage { roles: vec!["stub".into()], ..package("b") };
    assert_eq!(missing(vec![both("a"), stub], None), named("b", "root"));
}

/// A lock that was edited and sealed again said of an image that it does without something, or nothing of it.
#[test]
fn a_lock_holds_what_a_definition_drops() {
    let folder = tempfile::tempdir().unwrap();
    let tables = "[packages]\ninstall = [\"a\"]\ndrop = { tool = \"not used\", x = \"y\" }";
    let project = definitions::project_in(folder.path(), &definitions::text("", tables));
    let held = |dropped: Vec<LockedDrop>| {
        let file = sample::beside(&project, Lock { dropped, ..lock(vec![package("a")]) });
        file.holds(&project.definition(None).unwrap())
    };
    let of = |name: &str, because: &str| {
        sample::dropped(name, &format!("Depends of a: {name}"), Some(because))
    };
    held(vec![of("tool", "not used"), of("x", "y")]).unwrap();
    let error = held(vec![of("tool", "other"), of("z", "y")]).unwrap_err();
    let LockError::OtherDrops { path, role, problems } = &error else { panic!("{error:?}") };
    assert_eq!((path, role.as_str(), problems.len()), (&project.lock_path(), "root", 3));
    assert!(
        error.to_string().contains("\n    the definition drops `tool` with the reason"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("restore the lock"));
}

#[test]
fn what_is_fetched_names_its_line_of_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let project = definitions::project_in(folder.path(), &definitions::text("", ""));
    let stub = LockedPackage { roles: vec!["stub".into()], ..package("b") };
    let file = sample::beside(&project, lock(vec![package("a"), stub, package("c")]));
    let wanted = file.wanted("root");
    let text = files::read_text(&file.path).unwrap();
    for (wanted, name) in wanted.iter().zip(["a", "c"]) {
        let LockedPackage { version, architecture, archive, path, size, sha256, .. } =
            package(name);
        let line = text.lines().position(|line| line.contains(&sha256.to_string())).unwrap() + 1;
        let expected = Wanted {
            name: name.into(),
            version,
            architecture,
            archive,
            path,
            size,
            sha256,
            locked_at: format!("image.lock:{line}"),
        };
        assert_eq!(*wanted, expected);
    }
    assert_eq!(wanted.len(), 2);
    assert_eq!(file.place_of("no such words"), "image.lock");
    assert_eq!(file.place_of("format = "), "image.lock:4");
}
