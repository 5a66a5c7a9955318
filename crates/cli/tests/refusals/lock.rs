//! Locks that say something else than `cvmkit lock` wrote, or than the packages are.

use std::fs;

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb};

const THREE: &str = "[packages]\ninstall = [\"hello\", \"kernel\"]\nessential = false\n";

fn three() -> Option<Archive> {
    let archive = Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])?;
    archive.define(THREE);
    archive.lock();
    Some(archive)
}

fn text(archive: &Archive) -> String {
    fs::read_to_string(archive.project().join("image.lock")).unwrap()
}

/// Writes another lock, its digest made anew: as one would who means it.
pub(crate) fn write(archive: &Archive, text: &str) {
    let (head, body) = text.split_once("format = ").unwrap();
    let (format, body) = body.split_once('\n').unwrap();
    let (_, body) = body.split_once('\n').unwrap();
    let body = format!("format = {format}\n{body}");
    let digest = Sha256::of(body.as_bytes());
    let (first, rest) = body.split_once('\n').unwrap();
    let text = format!("{head}{first}\nsha256 = \"{digest}\"\n{rest}");
    fs::write(archive.project().join("image.lock"), text).unwrap();
}

/// The record of a package.
fn record<'a>(text: &'a str, name: &str) -> &'a str {
    let mut records = text.split_inclusive("\n\n");
    records.find(|record| record.contains(&format!("\nname = \"{name}\"\n"))).unwrap()
}

#[test]
fn an_edited_lock_is_refused_with_its_place() {
    let Some(archive) = three() else { return };
    let path = archive.project().join("image.lock");
    fs::write(&path, text(&archive).replace("pool/main/hello", "pool/main/hallo")).unwrap();
    let words = ["image.lock` was edited", "stated:   ", "(image.lock:5)", "computed: ", "hint: "];
    archive.build().refused(2, &words);
    archive.cvmkit(&["lock"]).refused(2, &words);
    archive.cvmkit(&["lock", "--check"]).refused(1, &["image.lock` was edited"]);
    archive.nothing_built();
}

/// What somebody edits who makes the digest anew is still held against definition and packages.
#[test]
fn a_forged_lock_is_refused_by_what_it_says() {
    let Some(archive) = three() else { return };
    // What the store has is not asked for again: only the lock is wrong.
    archive.cvmkit(&["vendor", "vendor"]).answer();
    let good = text(&archive);
    let hello = record(&good, "hello").to_owned();
    let size = hello.lines().find(|line| line.starts_with("size = ")).unwrap().to_owned();
    let other_size = format!("size = {}", archive.content("hello_1.0_amd64.deb").len() + 1);
    let forged = [
        (good.replace(&hello, ""), "no package `hello` of role `root`"),
        (good.replace(&hello, &format!("{hello}{hello}")), "package `hello` 1.0 is twice"),
        (good.replace(&size, "size = 1"), "package `hello`: size = 1"),
        (good.replace("roles = [\"root\"]", "roles = []"), "no roles"),
        (good.replace(&size, &other_size), "does not have the locked size"),
        (
            good.replace(&hello, &hello.replace("version = \"1.0\"", "version = \"2.0\"")),
            "locked: Version `2.0`",
        ),
        (
            good.replace(
                &hello,
                &hello.replace("architecture = \"amd64\"", "architecture = \"all\""),
            ),
            "locked: Architecture `all`",
        ),
    ];
    for (text, words) in forged {
        assert_ne!(text, good, "{words}");
        write(&archive, &text);
        archive.build().refused(2, &[words, "hint: "]);
        archive.nothing_built();
    }
    write(&archive, &good);
    assert_eq!(text(&archive), good);
    archive.build().answer();
}

/// Indices are signed, and yet their records were never compared with the packages.
#[test]
fn an_index_that_lies_about_a_package_is_found_out() {
    let lies = [("Version: 1.0", "Version: 1.1"), ("Architecture: amd64", "Architecture: all")];
    for (from, to) in lies {
        let hello = Deb { listed: Some((from, to)), ..Deb::new("hello") };
        let Some(archive) = Archive::new(&[hello, Deb::base(), Deb::kernel()]) else { return };
        archive.define(THREE);
        archive.lock();
        let (field, said) = to.split_once(": ").unwrap();
        let locked = format!("locked: {field} `{said}`  (image.lock:");
        let words =
            ["`hello` is not the package that the lock names", &locked, "found:  ", "hint: "];
        archive.build().refused(2, &words);
        archive.cvmkit(&["vendor", "vendor"]).refused(2, &words);
        archive.nothing_built();
    }
}

#[test]
fn a_lock_of_the_format_before_is_written_anew_without_moving_anything() {
    let Some(archive) = three() else { return };
    let good = text(&archive);
    let digest = good.lines().find(|line| line.starts_with("sha256 = ")).unwrap();
    let before = good.replacen(&format!("{digest}\n"), "", 1).replace("format = 4", "format = 1");
    fs::write(archive.project().join("image.lock"), before).unwrap();
    let words =
        ["has lock format 1, expected 4", "hint: an older cvmkit wrote it: run `cvmkit lock`"];
    archive.build().refused(2, &words);
    let before = archive.requests("").len();
    let said = archive.cvmkit(&["lock"]).answer();
    assert!(
        said.contains("rewritten: no package, account, script or local file changed"),
        "{said}"
    );
    assert_eq!(archive.requests("").len(), before, "it asked a mirror");
    assert_eq!(text(&archive), good);
}

#[test]
fn a_lock_that_was_written_anew_is_not_called_unchanged() {
    let Some(archive) = three() else { return };
    let said = archive.cvmkit(&["lock"]).answer();
    assert!(said.trim_end().ends_with(", unchanged"), "{said}");
    let path = archive.project().join("image.toml");
    let definition = fs::read_to_string(&path).unwrap();
    fs::write(&path, definition.replace("version = \"1\"", "version = \"2\"")).unwrap();
    let said = archive.cvmkit(&["lock"]).answer();
    assert!(!said.contains("unchanged"), "{said}");
    assert!(
        said.contains("rewritten: no package, account, script or local file changed"),
        "{said}"
    );
}

/// The digests of the whole definition and lock were in the manifest of each variant.
#[test]
fn another_variant_leaves_the_identity_of_the_base() {
    let debs = [Deb::new("hello"), Deb::base(), Deb::kernel(), Deb::new("tracer")];
    let Some(archive) = Archive::new(&debs) else { return };
    archive.define(THREE);
    fs::create_dir(archive.project().join("tree")).unwrap();
    fs::write(archive.project().join("tree/motd"), "debug").unwrap();
    archive.lock();
    archive.cvmkit(&["build", "--out", "out"]).answer();
    let debug = "[variant.debug]\ndebug = true\n[variant.debug.packages]\n\
                 install = [\"tracer\"]\n[[variant.debug.overlays]]\nsource = \"tree\"\n\
                 target = \"/etc\"\n[variant.alpha]\nversion = \"3\"\n\
                 [variant.alpha.packages]\ninstall = [\"tracer\"]\n";
    archive.define(&format!("{THREE}{debug}"));
    archive.lock();
    archive.cvmkit(&["build", "--out", "out2"]).answer();
    let sums = |out: &str| fs::read_to_string(archive.path(out).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("out"), sums("out2"));
    archive.cvmkit(&["build", "--variant", "debug", "--out", "out3"]).answer();
    assert_ne!(sums("out"), sums("out3"));
}

/// Bounds are kept while a file is read.
#[test]
fn a_definition_and_a_lock_have_a_longest_length() {
    let Some(archive) = three() else { return };
    let path = archive.project().join("image.toml");
    let definition = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{definition}# {}", "x".repeat(4 << 20))).unwrap();
    archive.cvmkit(&["lock"]).refused(2, &["definition is longer than 2097152 bytes", "hint: "]);
    fs::write(&path, definition).unwrap();
    let lock = archive.project().join("image.lock");
    fs::File::create(&lock).unwrap().set_len((48 << 20) + 1).unwrap();
    archive.build().refused(2, &["image.lock` is longer than 50331648 bytes", "hint: "]);
}
