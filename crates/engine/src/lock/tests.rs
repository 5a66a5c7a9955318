//! What locks are refused.

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_host::versioned::VersionedError;

use super::fault::PACKAGE_MIN;
use super::sample::{account, dropped, lock, package, script};
use super::*;
use crate::packages::debian::SIZE_MAX;

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
    for archive in ["..", "a/b"] {
        refused(|package| package.archive = archive.into(), "not the name of an archive");
    }
    refused(|package| package.archive.clear(), "expected both `archive` and `suite`, or neither");
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

#[test]
fn scripts_that_no_lock_has_are_refused() {
    let both = ["root".to_owned(), "root:debug".to_owned()];
    let with = |scripts: &[LockedScript]| {
        let packages = vec![LockedPackage { roles: both.to_vec(), ..package("a") }, package("b")];
        let lock = Lock { scripts: scripts.to_vec(), ..lock(packages) };
        read(&lock.to_text().unwrap()).map(|read| assert_eq!(read, lock))
    };
    let of = |package: &str, kind: &str, roles: &[&str]| LockedScript {
        roles: roles.iter().map(ToString::to_string).collect(),
        ..script(package, kind, "text", &format!("{kind} {roles:?}"))
    };
    let root = &["root"][..];
    let mut two = [of("a", "postinst", root), of("a", "postinst", &["root:debug"])];
    two.sort();
    with(&two).unwrap();
    with(&[of("a", "config", &["root", "root:debug"]), of("b", "preinst", root)]).unwrap();
    for (scripts, words) in [
        (vec![of("a", "prerm", root)], "prerm of `a`: expected one of preinst, config, postinst"),
        (
            vec![of("b", "config", root), of("a", "config", root)],
            "config of `a`: is not in its place",
        ),
        (vec![of("a", "config", root); 2], "config of `a`: is twice"),
        (vec![of("a", "config", &[])], "config of `a`: no roles"),
        (vec![of("a", "config", &["root", "root"])], "role `root`"),
        (vec![of("a", "config", &["stub"])], "role `stub`"),
        (vec![of("b", "config", &["root:debug"])], "is of no package that is locked for its roles"),
        (vec![of("c", "config", root)], "is of no package that is locked for its roles"),
    ] {
        let error = with(&scripts).unwrap_err();
        assert!(matches!(error, LockError::Malformed { line: Some(_), .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn dropped_packages_that_no_lock_has_are_refused() {
    let with = |dropped: &[LockedDrop]| {
        let lock = Lock { dropped: dropped.to_vec(), ..lock(vec![package("a")]) };
        read(&lock.to_text().unwrap()).map(|read| assert_eq!(read, lock))
    };
    let of = |name: &str, roles: &[&str]| LockedDrop {
        provides: String::new(),
        roles: roles.iter().map(ToString::to_string).collect(),
        ..dropped(name, "essential", Some("not used"))
    };
    with(&[of("a", &["root:v"]), of("b", &["root"])]).unwrap();
    with(&[dropped("b", "Depends of a: b", None)]).unwrap();
    for (dropped, words) in [
        (vec![of("c", &["root"]), of("b", &["root"])], "`b` 1 is twice, or not in its place"),
        (vec![of("b", &["root"]), of("b", &["root:v"])], "`b` 1 is twice, or not in its place"),
        (vec![of("a", &["root"])], "`a`: a root file system has it"),
        (vec![of("b", &[])], "`b`: roles: expected"),
        (vec![of("b", &["root", "stub"])], "`b`: roles: expected"),
        (
            vec![of("b", &["root"]), LockedDrop { version: "2".into(), ..of("b", &["root"]) }],
            "`b`: one root file system does without it twice",
        ),
        (
            vec![LockedDrop { provides: "x".into(), ..dropped("b", "Depends of a: b", None) }],
            "`b`: provides: expected only of what the definition drops",
        ),
    ] {
        let error = with(&dropped).unwrap_err();
        assert!(matches!(error, LockError::Malformed { line: Some(_), .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
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
    for (found, more) in
        [(1, ""), (2, ""), (3, ""), (5, "brand-new = true\n"), (u32::MAX, "[[thing]]\n")]
    {
        let error = read(&format!("format = {found}\n{more}")).unwrap_err();
        let LockError::Versioned(VersionedError::Version { found: named, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(named, u64::from(found));
    }
    for text in ["", "format = \"4\"\n", "format = -1\n", "\0", "[[package]]\n", "format = 4\n"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, LockError::Malformed { .. }), "{text:?}: {error:?}");
    }
}

/// Both sides of each bound, and each role that a lock can have.
#[test]
fn records_that_a_lock_has_are_read() {
    for size in [PACKAGE_MIN, SIZE_MAX] {
        let one = lock(vec![LockedPackage { size, ..package("a") }]);
        assert_eq!(read(&one.to_text().unwrap()).unwrap(), one);
    }
    for roles in [&["root"][..], &["firmware"], &["stub"], &["root:v", "stub:v", "firmware:v"]] {
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        let one = lock(vec![LockedPackage { roles, ..package("a") }]);
        assert_eq!(read(&one.to_text().unwrap()).unwrap(), one);
    }
}

/// What is wrong with a lock, and in which line.
#[track_caller]
fn fault_of(lock: &Lock, words: &str, line: &str) {
    let text = lock.to_text().unwrap();
    let error = read(&text).unwrap_err();
    let LockError::Malformed { line: Some(at), message, .. } = &error else { panic!("{error:?}") };
    assert_eq!(message, words);
    assert_eq!(text.lines().nth(at - 1), Some(line));
}

#[test]
fn packages_have_one_order_and_are_there_once() {
    let digest_of = |package: &LockedPackage| format!("sha256 = \"{}\"", package.sha256);
    let (a, b) = (package("a"), package("b"));
    let twice = lock(vec![a.clone(), a.clone()]);
    fault_of(&twice, "package `a` 1 is twice", &digest_of(&a));
    let turned = lock(vec![b.clone(), a.clone()]);
    fault_of(&turned, "package `a` 1 is not in its place", &digest_of(&a));
    // The order of a lock: name, architecture, version, digest, archive, suite.
    let of = |architecture: &str, version: &str| LockedPackage {
        architecture: architecture.into(),
        version: version.into(),
        sha256: Sha256::of(format!("{architecture} {version}").as_bytes()),
        roles: vec!["stub".into()],
        ..package("a")
    };
    let ordered = [of("all", "2"), of("amd64", "1"), of("amd64", "2")];
    assert!(read(&lock(ordered.to_vec()).to_text().unwrap()).is_ok());
    for (one, other) in [(0, 1), (1, 2)] {
        let mut turned = ordered.clone();
        turned.swap(one, other);
        let words = format!("package `a` {} is not in its place", turned[other].version);
        fault_of(&lock(turned.to_vec()), &words, &digest_of(&turned[other]));
    }
    // One name in one root file system, whatever its version is; in two it may be.
    let newer = LockedPackage { version: "2".into(), sha256: Sha256::of(b"2"), ..package("a") };
    let both = lock(vec![package("a"), newer.clone()]);
    fault_of(&both, "role `root` has the package `a` twice", &digest_of(&newer));
    let roles = vec!["root:v".to_owned()];
    let apart = lock(vec![package("a"), LockedPackage { roles, ..newer.clone() }]);
    assert!(read(&apart.to_text().unwrap()).is_ok());
    let roles = vec!["firmware".to_owned()];
    let inputs = lock(vec![
        LockedPackage { roles: roles.clone(), ..package("a") },
        LockedPackage { roles, ..newer },
    ]);
    assert!(read(&inputs.to_text().unwrap()).is_ok(), "two suites may have an input of one name");
}

#[test]
fn a_suite_of_a_package_is_in_the_lock() {
    let line = format!("sha256 = \"{}\"", Sha256::of(b"a"));
    let elsewhere = LockedPackage { archive: "vendor".into(), ..package("a") };
    let words = "package `a`: the lock has no suite `trixie` of `vendor`";
    fault_of(&lock(vec![elsewhere]), words, &line);
    let later = LockedPackage { suite: "forky".into(), ..package("a") };
    let words = "package `a`: the lock has no suite `forky` of `debian`";
    fault_of(&lock(vec![later]), words, &line);
}

#[test]
fn local_files_have_one_order_and_are_there_once() {
    let file = |path: &str| LocalFile { path: path.into(), kind: LocalKind::Folder };
    let with = |files: &[&str]| Lock {
        files: files.iter().map(|path| file(path)).collect(),
        ..lock(Vec::new())
    };
    // Bytes, not names: `tree-b` stands before `tree/a`.
    let good = with(&["tree", "tree-b", "tree/a"]);
    assert_eq!(read(&good.to_text().unwrap()).unwrap(), good);
    for files in [&["a", "a"][..], &["b", "a"], &["tree", "tree/a", "tree-b"]] {
        let last = files.last().unwrap();
        let words = format!("the file `{last}` is twice, or not in its place");
        fault_of(&with(files), &words, &format!("path = \"{last}\""));
    }
}

/// A local package is one of the local files, in its very bytes.
#[test]
fn a_local_package_has_its_file() {
    let line = format!("sha256 = \"{}\"", Sha256::of(b"a"));
    let local = LockedPackage {
        archive: String::new(),
        suite: String::new(),
        path: "../debs/a b.deb".into(),
        ..package("a")
    };
    let with = |path: &str, size: u64, bytes: &[u8]| {
        let kind = LocalKind::File { size, sha256: Sha256::of(bytes), executable: false };
        let files = vec![LocalFile { path: path.into(), kind }];
        Lock { files, ..lock(vec![local.clone()]) }
    };
    let good = with("../debs/a b.deb", 700, b"a");
    let text = good.to_text().unwrap();
    assert_eq!(read(&text).unwrap(), good);
    assert_eq!(text.matches("archive = ").count(), 1, "that of the suite: {text}");
    let words =
        "package `a`: the lock has no local file `../debs/a b.deb` with its size and digest";
    for other in [
        with("debs/a.deb", 700, b"a"),
        with("../debs/a b.deb", 701, b"a"),
        with("../debs/a b.deb", 700, b"b"),
        lock(vec![local.clone()]),
    ] {
        let text = other.to_text().unwrap();
        let error = read(&text).unwrap_err();
        let LockError::Malformed { message, .. } = &error else { panic!("{error:?}") };
        assert_eq!(message, words);
    }
    let words = "package `a`: expected both `archive` and `suite`, or neither";
    let half = LockedPackage { suite: "trixie".into(), ..local };
    fault_of(&lock(vec![half]), words, &line);
    let half = LockedPackage { suite: String::new(), ..package("a") };
    fault_of(&lock(vec![half]), words, &line);
}
