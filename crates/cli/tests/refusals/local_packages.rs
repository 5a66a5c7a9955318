//! `.deb` files beside the definition: taken, locked, and refused where it would be unclear which package
//! the image has.

use std::fs;

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb};

const PACKAGES: &str = "[packages]\ninstall = [\"kernel\", \"hello\"]\nlocal = [\"debs\"]\n\
                        essential = false\n";

/// An archive with `hello` 1.0, and a project with a `hello` of its own in `debs/hello.deb`.
fn archive(own: &Deb) -> Option<Archive> {
    let archive = Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])?;
    archive.define(PACKAGES);
    put(&archive, "debs/hello.deb", own);
    Some(archive)
}

fn put(archive: &Archive, path: &str, deb: &Deb) -> Vec<u8> {
    let scratch = archive.path("local");
    fs::create_dir_all(&scratch).unwrap();
    let bytes = deb.build(&scratch);
    let path = archive.project().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, &bytes).unwrap();
    bytes
}

fn own(version: &'static str) -> Deb {
    let script = "#!/bin/sh\nset -e\necho made > /usr/share/hello/made\n";
    Deb { version, postinst: Some(script), ..Deb::new("hello") }
}

#[test]
fn a_local_package_is_locked_built_and_listed() {
    let Some(archive) = archive(&own("0.9")) else { return };
    fs::write(archive.project().join("debs/build.log"), "no package").unwrap();
    let said = archive.cvmkit(&["lock"]);
    let words = "the local package `hello` 0.9 is taken, although suite `tiny` has 1.0";
    assert!(said.stderr.contains(words), "{}", said.stderr);
    said.answer();
    let bytes = fs::read(archive.project().join("debs/hello.deb")).unwrap();
    let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    let record = format!(
        "[[package]]\nname = \"hello\"\nversion = \"0.9\"\narchitecture = \"amd64\"\n\
         path = \"debs/hello.deb\"\nsize = {}\nsha256 = \"{}\"\nroles = [\"root\"]\n",
        bytes.len(),
        Sha256::of(&bytes)
    );
    assert!(lock.contains(&record), "{lock}");
    assert!(!lock.contains("build.log"), "{lock}");
    archive.build().answer();
    let manifest = fs::read_to_string(archive.path("out/manifest.json")).unwrap();
    assert_eq!(manifest.matches("\"local\": \"debs/hello.deb\"").count(), 1, "{manifest}");
    assert!(archive.requests("hello_1.0_amd64.deb").is_empty(), "the suite's is not fetched");
}

#[test]
fn a_local_package_that_changed_is_found_against_the_lock() {
    let Some(archive) = archive(&own("0.9")) else { return };
    archive.lock();
    put(&archive, "debs/hello.deb", &own("0.8"));
    let words =
        ["the local file `debs/hello.deb` does not match the lock", "hint: run `cvmkit lock`"];
    archive.build().refused(2, &words);
    archive.cvmkit(&["lock", "--check"]).refused(1, &words[..1]);
    let said = archive.cvmkit(&["lock"]);
    assert!(said.stdout.contains("~ hello 0.9 -> 0.8"), "{}", said.stdout);
    said.answer();
    fs::remove_file(archive.project().join("debs/hello.deb")).unwrap();
    archive.build().refused(2, &["`debs` can't be used", "no file that ends in `.deb`"]);
    archive.nothing_built();
}

#[test]
fn what_would_make_it_unclear_which_package_there_is_is_refused_at_once() {
    let Some(archive) = archive(&own("0.9")) else { return };
    put(&archive, "debs/second.deb", &own("0.7"));
    put(&archive, "debs/arm.deb", &Deb { architecture: "arm64", ..Deb::new("arm") });
    fs::write(archive.project().join("debs/text.deb"), "no package").unwrap();
    let words = [
        "3 local packages can't be used",
        "the local package `debs/arm.deb` is for arm64, expected amd64 or all",
        "two local files have the package `hello`: `debs/hello.deb` and `debs/second.deb`",
        "the local file `debs/text.deb` can't be read as a package",
        "hint: ",
    ];
    archive.cvmkit(&["lock"]).refused(2, &words);
}

/// The image's database would say that it has the package of the suite.
#[test]
fn a_local_package_that_says_to_be_that_of_a_suite_is_refused() {
    let Some(archive) = archive(&own("1.0")) else { return };
    let words = [
        "the local package `debs/hello.deb` has name and version of `hello` 1.0 in suite `tiny`, and \
         differs from it",
        "hint: give your package a version of its own",
    ];
    archive.cvmkit(&["lock"]).refused(2, &words);
}
