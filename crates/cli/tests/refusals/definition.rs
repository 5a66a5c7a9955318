//! Definitions and locks that say what can't be.

use std::fs;

use crate::archive::{Archive, Deb};
use crate::rig::snapshots::Transcript;
use crate::rig::{self, cvmkit, run};

/// `cvmkit lock` of this text, in a folder that must not get a lock.
#[track_caller]
fn refused(text: &str, words: &[&str]) {
    let _transcript = Transcript::open();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("image.toml"), text).unwrap();
    run(cvmkit(["lock"]).current_dir(folder.path())).refused(2, words);
    assert_eq!(rig::names(folder.path()), ["image.toml"]);
}

#[test]
fn an_unknown_key_is_placed_and_a_near_one_suggested() {
    let text = "id = \"x\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\n[packages]\n\
                instal = [\"systemd\"]\n";
    refused(text, &["`instal`", "image.toml:6:1", "hint: did you mean `install`?"]);
    refused("nonsense = 1\n", &["`nonsense`", "image.toml:1:1", "hint: the keys here are "]);
}

#[test]
fn bad_toml_is_placed() {
    refused("id = \"x\nversion = 1\n", &["image.toml:1:"]);
    refused("id = \"x\"\nversion = 1\n", &["image.toml:2:11", "string"]);
}

#[test]
fn a_missing_definition_is_named() {
    let _transcript = Transcript::open();
    let folder = tempfile::tempdir().unwrap();
    let said = run(cvmkit(["build", "nowhere"]).current_dir(folder.path()));
    said.refused(2, &["nowhere", "hint: name a folder that holds `image.toml`"]);
    assert!(rig::names(folder.path()).is_empty());
}

#[test]
fn a_build_never_resolves() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.build().refused(2, &["no lock at ", "image.lock", "hint: run `cvmkit lock`"]);
    archive.nothing_built();
    assert!(archive.requests("").is_empty(), "{:?}", archive.requests(""));
}

#[test]
fn a_stale_lock_is_refused_and_a_new_one_taken() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    let before = fs::read(archive.project().join("image.lock")).unwrap();
    let path = archive.project().join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("version = \"1\"", "version = \"2\"")).unwrap();
    let words = ["image.lock", "is stale", "image.toml", "locked: ", "computed: "];
    archive.build().refused(2, &words);
    archive.build().refused(2, &["hint: run `cvmkit lock`"]);
    archive.nothing_built();
    archive.cvmkit(&["lock", "--check"]).refused(1, &["is stale"]);
    assert_eq!(before, fs::read(archive.project().join("image.lock")).unwrap());
    archive.lock();
    archive.cvmkit(&["lock", "--check"]).answer();
}

#[test]
fn a_damaged_lock_is_refused() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    let path = archive.project().join("image.lock");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    archive.build().refused(2, &["image.lock", "is not a lock", "hint: restore it"]);
    archive.nothing_built();
}

#[test]
fn a_package_that_no_suite_has_is_named() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.define("[packages]\ninstall = [\"helo\"]\nessential = false\n");
    let words = ["no suite has a package `helo`", "`hello`", "hint: correct `packages.install`"];
    archive.cvmkit(&["lock"]).refused(2, &words);
    assert!(!archive.project().join("image.lock").exists());
}

#[test]
fn packages_that_exclude_each_other_are_named() {
    let one = Deb { fields: "Conflicts: other\n", ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[one, Deb::new("other")]) else { return };
    archive.define("[packages]\ninstall = [\"hello\", \"other\"]\nessential = false\n");
    archive.cvmkit(&["lock"]).refused(2, &["`hello`", "`other`", "onflict", "hint: "]);
    assert!(!archive.project().join("image.lock").exists());
}

#[test]
fn a_dependency_that_nothing_meets_is_named() {
    let one = Deb { fields: "Depends: missing (>= 2)\n", ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[one]) else { return };
    archive.cvmkit(&["lock"]).refused(2, &["`hello`", "missing (>= 2)", "hint: "]);
    assert!(!archive.project().join("image.lock").exists());
}
