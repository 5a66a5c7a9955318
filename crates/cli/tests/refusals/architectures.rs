//! One lock for images of several architectures.

use std::fs;

use crate::archive::{Archive, Deb};

const VARIANT: &str = "[variant.arm]\narchitecture = \"arm64\"\n";

/// Packages of two architectures, of which one is for both.
fn archive() -> Option<Archive> {
    let shared = || Deb { architecture: "all", ..Deb::base() };
    let hello = Deb { fields: "Depends: base\n", ..Deb::new("hello") };
    let of_arm = Deb { architecture: "arm64", version: "2.0", ..hello.clone() };
    let of_arm = Deb {
        postinst: Some("#!/bin/sh\necho $DPKG_MAINTSCRIPT_ARCH >/usr/share/hello/a\n"),
        ..of_arm
    };
    let archive = Archive::new(&[hello, of_arm, shared()])?;
    archive.define(VARIANT);
    Some(archive)
}

/// Each image has the packages of its own architecture and those of both; their suite is one record, with the index of
/// each. Scripts are evaluated for the architecture of their image.
#[test]
fn a_lock_has_the_packages_of_every_variant_s_architecture() {
    let Some(archive) = archive() else { return };
    archive.lock();
    let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    let record = |name: &str, version: &str, architecture: &str| {
        let head = format!(
            "name = \"{name}\"\nversion = \"{version}\"\narchitecture = \"{architecture}\"\n"
        );
        let found = lock.split("[[package]]\n").find(|record| record.starts_with(&head));
        found.unwrap_or_else(|| panic!("no {name} {version} {architecture}\n{lock}")).to_owned()
    };
    assert!(record("hello", "1.0", "amd64").contains("roles = [\"root\"]"), "{lock}");
    assert!(record("hello", "2.0", "arm64").contains("roles = [\"root:arm\"]"), "{lock}");
    assert!(record("base", "1.0", "all").contains("roles = [\"root\", \"root:arm\"]"), "{lock}");
    assert_eq!(lock.matches("[[suite]]").count(), 1, "{lock}");
    for index in ["main/binary-amd64/Packages.gz", "main/binary-arm64/Packages"] {
        assert!(lock.contains(&format!("path = \"{index}\"")), "{lock}");
    }
    let said = archive.cvmkit(&["lock", "--explain", "hello"]).answer();
    assert!(said.contains("/usr/share/hello/a"), "{said}");
    archive.cvmkit(&["lock", "--check"]).answer();
}

/// What an image needs that can't be made yet is said before anything is made.
#[test]
fn an_image_of_another_architecture_is_locked_and_not_built() {
    let Some(archive) = archive() else { return };
    archive.lock();
    let words =
        ["an image for `arm64` can't be built yet, only locked", "architecture = \"x86-64\""];
    archive.cvmkit(&["build", "--out", "out", "--variant", "arm"]).refused(2, &words);
    archive.nothing_built();
}

#[test]
fn an_architecture_that_a_suite_lacks_is_named() {
    let Some(archive) = Archive::new(&[Deb::new("hello"), Deb::base()]) else { return };
    archive.define(VARIANT);
    let words = ["the suite `tiny` has no package index for architecture arm64"];
    archive.cvmkit(&["lock"]).refused(2, &words);
}
