//! Locks out of which packages were taken, or into which some were put, and that were sealed again.

use cvmkit_formats::digest::Sha256;

use super::super::BuildError;
use super::super::sample::Bench;
use crate::definition::sample as definitions;
use crate::lock::{LockedDrop, LockedPackage, sample as locks};
use crate::packages::debian::sample::{deb, tar_of};

/// A package of the lock, and its bytes.
fn of(name: &str, relations: &str) -> (LockedPackage, Vec<u8>) {
    let control = format!("Package: {name}\nVersion: 1\nArchitecture: all\n{relations}");
    let bytes = deb(&control, &tar_of(&[(&format!("./{name}"), name.as_bytes())]));
    let (size, sha256) = (bytes.len() as u64, Sha256::of(&bytes));
    (LockedPackage { size, sha256, ..locks::package(name) }, bytes)
}

/// The notices of a root file system of these packages, or what is wrong with them.
fn built(
    tables: &str,
    packages: &[(LockedPackage, Vec<u8>)],
    dropped: Vec<LockedDrop>,
) -> Result<Vec<String>, BuildError> {
    let locked = packages.iter().map(|(locked, _)| locked.clone()).collect();
    let lock = crate::lock::Lock { dropped, ..locks::lock(locked) };
    let bench = Bench::of(&definitions::text("", tables), &[], None, lock);
    for (_, bytes) in packages {
        bench.store.insert(bytes).unwrap();
    }
    let notices = bench.checked()?.root_packages(bench.origins())?.notices;
    Ok(notices.iter().map(ToString::to_string).collect())
}

#[test]
fn a_lock_without_a_dependency_does_not_build() {
    let tables = "[packages]\ninstall = [\"app\"]";
    let app = || of("app", "Depends: guard (>= 1), lib | other\n");
    let (guard, lib) = (|| of("guard", ""), || of("lib", ""));
    assert_eq!(built(tables, &[app(), guard(), lib()], Vec::new()).unwrap(), [""; 0]);
    let error = built(tables, &[app()], Vec::new()).unwrap_err();
    let text = error.to_string();
    for words in [
        "`app` Depends on `guard (>= 1)`, which no package meets",
        "`app` Depends on `lib | other`, which no package meets",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let more = built(tables, &[app(), guard(), lib(), of("more", "")], Vec::new()).unwrap_err();
    assert!(
        more.to_string().contains("`more` is there, and neither requested nor needed"),
        "{more}"
    );
}

/// A record of the lock alone takes nothing out.
#[test]
fn what_the_definition_drops_is_not_missed() {
    let drop = "[packages]\ninstall = [\"app\"]\ndrop = { guard = \"not used\" }";
    let app = || of("app", "Depends: guard\n");
    let record = |because| locks::dropped("guard", "Depends of app: guard", because);
    let notices = built(drop, &[app()], vec![record(Some("not used"))]).unwrap();
    assert_eq!(notices, ["the definition drops guard: not used (Depends of app: guard)"]);
    let plain = "[packages]\ninstall = [\"app\"]";
    for (tables, records) in [
        (plain, vec![record(Some("not used"))]),
        (plain, vec![record(None)]),
        (drop, vec![record(None)]),
        (drop, vec![record(Some("another"))]),
        (drop, vec![]),
    ] {
        let error = built(tables, &[app()], records).unwrap_err();
        assert!(matches!(error, BuildError::Lock(_)), "{error:?}");
    }
    // One that is dropped stands for nothing else.
    let both = built(drop, &[of("app", "Depends: guard, lib\n")], vec![record(Some("not used"))]);
    let error = both.unwrap_err();
    assert!(error.to_string().contains("`app` Depends on `lib`"), "{error}");
    assert!(matches!(error, BuildError::Closure(_)), "{error:?}");
}
