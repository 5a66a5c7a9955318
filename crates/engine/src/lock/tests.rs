//! What locks are refused, and what of one is a variant's.

use super::sample::{account, lock, package, suite};
use super::*;
use crate::definition::sample as definitions;

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

#[test]
fn roles_are_of_a_variant_or_of_the_base() {
    assert_eq!([root_role(None), root_role(Some("v"))], ["root", "root:v"]);
    assert_eq!(input_role(STUB_ROLE, None), "stub");
    assert_eq!(input_role(FIRMWARE_ROLE, Some("v")), "firmware:v");
    let mut all = lock(vec![package("a"), package("b"), package("c")]);
    all.packages[1].roles = vec!["root:v".into(), "root".into()];
    all.packages[2].roles = vec!["stub".into()];
    let names = |role: &str| all.packages_of(role).map(|of| of.name.as_str()).collect::<String>();
    assert_eq!([names("root"), names("root:v"), names("stub")], ["ab", "b", "c"]);
    assert_eq!([names("roo"), names("root:"), names("")], [""; 3]);
    all.accounts = vec![account("x", 999, &["root"]), account("y", 998, &["root", "root:v"])];
    assert_eq!(all.ids(None), BTreeMap::from([("x".into(), 999), ("y".into(), 998)]));
    assert_eq!(all.ids(Some("v")), BTreeMap::from([("y".into(), 998)]));
}

/// The newest of the suites that packages of the root file system are of.
#[test]
fn the_time_of_an_image_is_that_of_its_newest_suite() {
    let of = |name: &str, suite: &str, roles: &[&str]| LockedPackage {
        suite: suite.into(),
        roles: roles.iter().map(ToString::to_string).collect(),
        ..package(name)
    };
    let mut all = lock(vec![of("a", "old", &["root"]), of("b", "trixie", &["root", "root:v"])]);
    all.suites = vec![suite("old", 3), suite("trixie", 7), suite("unused", 99)];
    assert_eq!(all.timestamp(None), Some(Timestamp(7)));
    all.packages.push(of("c", "unused", &["stub"]));
    assert_eq!(all.timestamp(None), Some(Timestamp(7)), "a stub's suite is not the root's");
    // A suite of the same name in another archive is another suite.
    all.suites.push(LockedSuite::bare("vendor", "trixie", Timestamp(100)));
    assert_eq!(all.timestamp(None), Some(Timestamp(7)));
    all.packages[0].roles = vec!["root:v".into()];
    all.packages[1].roles.retain(|role| role == "root");
    assert_eq!(all.timestamp(Some("v")), Some(Timestamp(3)));
}

#[test]
fn a_reason_leads_from_a_package_to_one_that_was_requested() {
    let of = |name: &str, reason: &str| LockedPackage { reason: reason.into(), ..package(name) };
    let all = lock(vec![
        of("a", "requested"),
        of("b", "Depends of a: b (>= 1)"),
        of("c", "Pre-Depends of b: c | d"),
        // Two that need each other, and one of a package that is not there.
        of("x", "Depends of y: x"),
        of("y", "Depends of x: y"),
        of("z", "Depends of gone: z"),
    ]);
    let chain = |name: &str| {
        let chain = all.explain(name);
        chain.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chain("a"), "a");
    assert_eq!(chain("c"), "c b a");
    assert_eq!(chain("x"), "x y");
    assert_eq!(chain("z"), "z");
    assert_eq!(chain("none"), "");
    assert_eq!(all.explain("b")[0].1, "Depends of a: b (>= 1)");
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

/// The digest of what a variant uses moves with each of its fields, and with nothing else.
#[test]
fn a_part_is_of_everything_that_goes_into_an_image() {
    let files = [LocalFile { path: "f".into(), kind: LocalKind::Folder }];
    let base = || lock(vec![package("a"), package("b")]);
    let digest = |lock: &Lock| lock.part(None, &files);
    let plain = digest(&base());
    type Change = fn(&mut Lock);
    let moving: [(&str, Change); 14] = [
        ("name", |lock| lock.packages[0].name += "x"),
        ("version", |lock| lock.packages[0].version += "x"),
        ("architecture", |lock| lock.packages[0].architecture += "x"),
        ("archive", |lock| lock.packages[0].archive += "x"),
        ("suite", |lock| lock.packages[0].suite += "x"),
        ("path", |lock| lock.packages[0].path += "x"),
        ("size", |lock| lock.packages[0].size += 1),
        ("sha256", |lock| lock.packages[0].sha256 = Sha256::of(b"x")),
        ("roles", |lock| lock.packages[0].roles = vec!["stub".into()]),
        ("one more role", |lock| lock.packages[0].roles.push("firmware".into())),
        ("one package less", |lock| drop(lock.packages.pop())),
        ("date of the suite", |lock| lock.suites[0].date = Timestamp(8)),
        ("InRelease of the suite", |lock| lock.suites[0].inrelease = Sha256::of(b"x")),
        ("an account", |lock| lock.accounts = vec![account("a", 999, &["root"])]),
    ];
    for (what, change) in moving {
        let mut changed = base();
        change(&mut changed);
        assert_ne!(digest(&changed), plain, "{what}");
    }
    let unused: [(&str, Change); 7] = [
        ("reason", |lock| lock.packages[0].reason += "x"),
        ("a role of another variant", |lock| lock.packages[0].roles.push("root:v".into())),
        ("an account of another variant", |lock| {
            lock.accounts = vec![account("a", 999, &["root:v"])];
        }),
        ("a suite without packages", |lock| lock.suites.push(suite("unused", 9))),
        ("definition", |lock| lock.definition = Sha256::of(b"x")),
        ("files of the lock", |lock| {
            lock.files = vec![LocalFile { path: "g".into(), kind: LocalKind::Folder }];
        }),
        ("a package of another variant", |lock| {
            lock.packages.push(LockedPackage { roles: vec!["root:v".into()], ..package("c") });
        }),
    ];
    for (what, change) in unused {
        let mut changed = base();
        change(&mut changed);
        assert_eq!(digest(&changed), plain, "{what}");
    }
    assert_ne!(base().part(None, &[]), plain, "its local files");
    assert_ne!(base().part(Some("v"), &files), plain, "its variant");
}
