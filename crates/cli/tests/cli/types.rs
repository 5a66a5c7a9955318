//! A value of another type, in every file that people write or edit: the key, the place, what was expected
//! and what was found. Exit 2.

use std::path::Path;

use cvmkit_host::files;

use crate::program::{Folder, Said};
use crate::tiny_image::TinyImage;

const VALUES: &str = include_str!("../../../attest/tests/fixtures/export/reference-values.json");

fn recipe(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/minimal");
    files::read_text(&folder.join(name)).unwrap()
}

/// The text with a line changed, and the number of that line.
fn with(text: &str, line: &str, other: &str) -> (String, usize) {
    let at = text.lines().position(|found| found.trim() == line);
    assert!(at.is_some(), "no line {line:?}");
    let at = at.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let lines = [&lines[..at], &[other], &lines[at + 1..]].concat();
    (lines.join("\n") + "\n", at + 1)
}

fn says(said: &Said, words: &[&str]) {
    assert_eq!(said.code, Some(2), "{said:?}");
    for words in words {
        assert!(said.stderr.contains(words), "{words}: {said:?}");
    }
}

#[test]
fn a_definition_names_the_key() {
    let folder = Folder::new();
    let definition = recipe("image.toml");
    for (line, message) in [
        ("id = 3", "`id`: expected a string, found `3`"),
        ("id = [\"a\"]", "`id`: expected a string, found an array"),
        ("id = {}", "`id`: expected a string, found a table"),
    ] {
        let (text, at) = with(&definition, "id = \"minimal\"", line);
        folder.put("image.toml", text.as_bytes());
        for command in ["lock", "build --offline", "plan --offline"] {
            let place = format!("image.toml:{at}:");
            says(&folder.cvmkit(command), &[message, &place]);
        }
    }
    for (more, message) in [
        (
            "[[platforms]]\nprofile = \"qemu-snp\"\nvcpus = \"two\"",
            "vcpus`: expected an array, found \"two\"",
        ),
        (
            "[[platforms]]\nprofile = \"qemu-snp\"\nvcpus = [1, \"two\"]",
            "vcpus[1]`: expected a whole number, found \"two\"",
        ),
        ("[[files]]\npath = \"/a\"\nsymlink = 3", ".symlink`: expected a string, found `3`"),
    ] {
        folder.put("image.toml", format!("{definition}\n{more}\n").as_bytes());
        let last = definition.lines().count() + 1 + more.lines().count();
        let place = format!("image.toml:{last}:");
        says(&folder.cvmkit("lock"), &[message, &place]);
    }
}

#[test]
fn a_lock_names_the_key() {
    let folder = Folder::new();
    let (definition, lock) = (recipe("image.toml"), recipe("image.lock"));
    folder.put("image.toml", definition.as_bytes());
    // Whatever the recipe is locked to.
    let line = |start: &str| lock.lines().find(|line| line.starts_with(start)).unwrap();
    let (text, at) = with(&lock, line("size = "), "size = \"much\"");
    folder.put("image.lock", text.as_bytes());
    let place = format!("image.lock:{at}");
    let words = ["`suite.indices[0].size`: expected a whole number, found \"much\"", &place];
    says(&folder.cvmkit("lock --explain systemd"), &words);
    let (text, _) = with(&lock, line("format = "), "format = true");
    folder.put("image.lock", text.as_bytes());
    let words = ["`format`: expected a whole number, found `true`"];
    says(&folder.cvmkit("lock --explain systemd"), &words);
}

#[test]
fn reference_values_a_manifest_and_a_profile_name_the_key() {
    let image = TinyImage::new().finish();
    let folder = &image.folder;
    let count = "\"vcpus\": 1,";
    assert!(VALUES.contains(count));
    let at = VALUES.lines().position(|line| line.trim() == count).unwrap() + 1;
    folder.put("values.json", VALUES.replacen(count, "\"vcpus\": \"one\",", 1).as_bytes());
    let place = format!("at line {at}, column ");
    let words = ["`values[0].vcpus`: expected a whole number, found \"one\"", &place];
    says(&folder.cvmkit("export values.json --as rvps"), &words);
    folder.put("digest", &[b'0'; 96]);
    says(&folder.cvmkit("compare digest --with values.json"), &words);

    let manifest = String::from_utf8(folder.get("out/manifest.json")).unwrap();
    let altered = manifest.replacen("\"debug\":false", "\"debug\":\"no\"", 1);
    let altered = altered.replacen("\"debug\": false", "\"debug\": \"no\"", 1);
    assert_ne!(manifest, altered);
    folder.put("out/manifest.json", altered.as_bytes());
    let words = ["`image.debug`: expected `true` or `false`, found \"no\"", "at line "];
    says(&folder.cvmkit("boot --print-command out"), &words);

    let profile = folder.cvmkit("profile qemu-snp").answer();
    let (text, at) = with(&profile, "version = 1", "version = \"1\"");
    folder.put("own.toml", text.as_bytes());
    let place = format!("at line {at}, column ");
    let words = ["`version`: expected a whole number, found \"1\"", &place];
    says(&folder.cvmkit("profile ./own.toml"), &words);
}
