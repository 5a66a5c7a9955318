//! What locks are refused, and what of one is a variant's.

use super::*;

fn package(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        archive: "debian".into(),
        suite: "x".into(),
        path: format!("pool/main/{name}.deb"),
        size: 700,
        sha256: Sha256::of(name.as_bytes()),
        roles: vec!["root".into()],
        reason: "essential".into(),
    }
}

pub(super) fn suite(name: &str, date: i64) -> LockedSuite {
    LockedSuite::bare("debian", name, Timestamp(date))
}

fn lock(packages: Vec<LockedPackage>) -> Lock {
    let (definition, package_request) = (Sha256::of(b"d"), Sha256::of(b"p"));
    Lock { suites: vec![suite("x", 7)], packages, ..empty(definition, package_request) }
}

fn account(name: &str, id: u32, roles: &[&str]) -> LockedAccount {
    let roles = roles.iter().map(ToString::to_string).collect();
    LockedAccount { name: name.into(), id, roles }
}

fn read(text: &str) -> Result<Lock, LockError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.lock");
    files::replace(&path, text.as_bytes()).unwrap();
    LockFile::read(&path).map(|file| file.lock)
}

/// A lock of one package that was changed, its digest made anew.
#[track_caller]
fn refused(change: impl Fn(&mut LockedPackage), words: &str) {
    let mut changed = package("a");
    change(&mut changed);
    let lock = lock(vec![changed]);
    let error = read(&lock.to_text().unwrap()).unwrap_err();
    assert!(matches!(error, LockError::Malformed { line: Some(_), .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_lock_leads_nowhere_but_into_its_archives() {
    assert!(read(&lock(vec![package("a")]).to_text().unwrap()).is_ok());
    for path in ["../a.deb", "/etc/a.deb", "a/../b"] {
        refused(|package| package.path = path.into(), "not relative and normal");
    }
    for archive in ["..", "a/b", ""] {
        refused(|package| package.archive = archive.into(), "not the name of an archive");
    }
}

/// With each of these a lock built an image.
#[test]
fn records_that_no_lock_has_are_refused() {
    for size in [0, 1, PACKAGE_MIN - 1, SIZE_MAX + 1] {
        refused(|package| package.size = size, "size = ");
    }
    refused(|package| package.roles.clear(), "no roles");
    for roles in [&["rooot"][..], &["root", "root"], &["root", "stab:debug"], &[""]] {
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        refused(|package| package.roles.clone_from(&roles), "role `");
    }
    refused(|package| package.suite = "y".into(), "no suite `y` of `debian`");
    for packages in [vec![package("a"), package("a")], vec![package("b"), package("a")]] {
        let error = read(&lock(packages).to_text().unwrap()).unwrap_err();
        assert!(matches!(error, LockError::Malformed { line: Some(_), .. }), "{error:?}");
    }
}

#[test]
fn accounts_that_no_lock_has_are_refused() {
    let with = |accounts: &[LockedAccount], unknown: &[&str]| {
        let unknown_ids_of = unknown.iter().map(ToString::to_string).collect();
        let accounts = accounts.to_vec();
        let lock = Lock { accounts, unknown_ids_of, ..lock(vec![package("a")]) };
        read(&lock.to_text().unwrap()).map(|read| assert_eq!(read, lock))
    };
    let (root, both) = (&["root"][..], &["root", "root:debug"][..]);
    with(&[account("a", 999, both), account("b", 100, root)], &["root:debug"]).unwrap();
    for (accounts, words) in [
        (vec![account("b", 999, root), account("a", 998, root)], "not in its place"),
        (vec![account("a", 999, root), account("a", 998, root)], "`a` is twice"),
        (vec![account("a", 999, root), account("b", 999, root)], "id 999 is that of `a`"),
        (vec![account("a", 1000, root)], "id = 1000, expected 100 to 999"),
        (vec![account("a", 99, root)], "id = 99, expected 100 to 999"),
        (vec![account("a", 0, root)], "id = 0, expected 100 to 999"),
        (vec![account("a:0", 500, root)], "is not a valid account name"),
        (vec![account("a", 500, &[])], "no roles"),
        (vec![account("a", 500, &["root", "root"])], "role `root`"),
        (vec![account("a", 500, &["stub"])], "role `stub`"),
    ] {
        let error = with(&accounts, &[]).unwrap_err();
        assert!(matches!(error, LockError::Malformed { line: Some(_), .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    for unknown in [&["root", "root"][..], &["firmware"], &["root:b", "root"]] {
        let error = with(&[], unknown).unwrap_err();
        assert!(error.to_string().contains("unknown-ids-of"), "{error}");
    }
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
    assert!(error.to_string().contains("has lock format 2, expected 3"), "{error}");
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

/// Every byte of a lock is bound: by its form, or by the digest in its head.
#[test]
fn an_edited_lock_is_refused() {
    let accounts = vec![account("a", 999, &["root"]), account("b", 998, &["root"])];
    let lock = Lock { accounts, ..lock(vec![package("a"), package("b")]) };
    let text = lock.to_text().unwrap();
    assert!(read(&text).is_ok());
    for at in 0..text.len() {
        let mut edited = text.clone().into_bytes();
        edited[at] = if edited[at] == b'0' { b'1' } else { b'0' };
        if let Ok(edited) = String::from_utf8(edited)
            && edited != text
        {
            assert!(read(&edited).is_err(), "byte {at}");
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..lines.len() {
        let mut less = lines.clone();
        less.remove(at);
        assert!(read(&(less.join("\n") + "\n")).is_err(), "without line {}", at + 1);
    }
    assert!(read(&format!("{text}\n")).is_err());
    assert!(read(&text.replace('\n', "\r\n")).is_err());
    let error = read(&text.replace("essential", "requested")).unwrap_err();
    let LockError::Edited { line, .. } = &error else { panic!("{error:?}") };
    assert!(lines[line - 1].starts_with("sha256 = "), "{error}");
    let error = read(&text.replace("name = \"b\"", "name =  \"b\"")).unwrap_err();
    let LockError::Malformed { line: Some(line), .. } = &error else { panic!("{error:?}") };
    assert!(lines[line - 1].starts_with("name = \"b\""), "{error}");
}

#[test]
fn a_record_has_a_bound() {
    let text = lock(vec![package("a")]).to_text().unwrap();
    let long = format!("{text}# {}\n", "x".repeat(1 << 20));
    let error = read(&long).unwrap_err();
    assert!(error.to_string().contains("bytes, expected at most 1048576"), "{error}");
}

#[test]
fn other_formats_are_named_before_they_are_read() {
    for (found, more) in [(1, ""), (2, ""), (4, "brand-new = true\n"), (u32::MAX, "[[thing]]\n")] {
        let error = read(&format!("format = {found}\n{more}")).unwrap_err();
        let LockError::Versioned(VersionedError::Version { found: named, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(named, u64::from(found));
    }
    for text in ["", "format = \"3\"\n", "format = -1\n", "\0", "[[package]]\n", "format = 3\n"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, LockError::Malformed { .. }), "{text:?}: {error:?}");
    }
}

/// A variant's packages and suites say nothing of the base.
#[test]
fn a_part_is_of_one_variant_alone() {
    let base = lock(vec![package("a")]);
    let mut both = lock(vec![package("a"), package("b")]);
    both.suites.push(suite("newer", 99));
    both.packages[0].roles.push("root:debug".into());
    both.packages[0].reason = "Depends of b: a".into();
    both.packages[1].roles = vec!["root:debug".into()];
    both.packages[1].suite = "newer".into();
    assert_eq!(base.part(None, &[]), both.part(None, &[]));
    assert_eq!(both.timestamp(None), Some(Timestamp(7)));
    assert_eq!(both.timestamp(Some("debug")), Some(Timestamp(99)));
    assert_eq!(both.timestamp(Some("other")), None);
    assert_ne!(both.part(Some("debug"), &[]), both.part(None, &[]));
    both.accounts = vec![account("b", 999, &["root:debug"])];
    assert_eq!(base.part(None, &[]), both.part(None, &[]));
    both.accounts[0].roles = vec!["root".into()];
    assert_ne!(base.part(None, &[]), both.part(None, &[]), "an id is a part of an image");
    let mut moved = base.clone();
    moved.packages[0].sha256 = Sha256::of(b"other");
    assert_ne!(base.part(None, &[]), moved.part(None, &[]));
}
