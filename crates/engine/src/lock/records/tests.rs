//! What of a lock is a variant's.

use super::*;
use crate::lock::LocalKind;
use crate::lock::sample::{account, dropped, lock, package, suite};

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
    // A root of local packages alone has that of the suites beside them.
    let local = |one: &LockedPackage| LockedPackage {
        archive: String::new(),
        suite: String::new(),
        ..one.clone()
    };
    let mut alone = lock(vec![local(&package("a"))]);
    alone.suites = vec![suite("old", 3), suite("trixie", 7)];
    assert_eq!((alone.timestamp(None), alone.timestamp(Some("v"))), (Some(Timestamp(7)), None));
    alone.packages.push(of("b", "old", &["root"]));
    assert_eq!(alone.timestamp(None), Some(Timestamp(3)));
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
    let mut other = base.clone();
    other.packages[0].sha256 = Sha256::of(b"other");
    assert_ne!(base.part(None, &[]), other.part(None, &[]));
}

/// The digest of what a variant uses moves with each of its fields, and with nothing else.
#[test]
fn a_part_is_of_everything_that_goes_into_an_image() {
    let files = [LocalFile { path: "f".into(), kind: LocalKind::Folder }];
    let base = || lock(vec![package("a"), package("b")]);
    let digest = |lock: &Lock| lock.part(None, &files);
    let plain = digest(&base());
    type Change = fn(&mut Lock);
    let moving: [(&str, Change); 15] = [
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
        ("what it does without", |lock| lock.dropped = vec![dropped("c", "essential", Some("x"))]),
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
fn a_dropped_package_has_its_reasons_too() {
    let mut all = lock(vec![package("a")]);
    all.dropped = vec![
        dropped("data", "Depends of tool: data", None),
        dropped("tool", "Depends of a: tool", Some("not used")),
    ];
    let chain = all.explain("data");
    let rows: Vec<String> = chain.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    assert_eq!(
        rows,
        [
            "data: Depends of tool: data (dropped with what needed it)",
            "tool: Depends of a: tool (dropped: not used)",
            "a: essential",
        ]
    );
}
