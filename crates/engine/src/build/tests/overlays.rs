//! What a folder brings along, and what not.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::build::overlays::notes;
use crate::packages::debian::AssembleError;
use crate::rootfs::RootfsError;

fn mode(bench: &Bench, name: &str, mode: u32) {
    let path = bench.folder.path().join(name);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const OVERLAY: &str = "[[overlays]]\nsource = \"tree\"\n";

/// Each mode alone, and which of both notes it has.
#[test]
fn a_mode_that_says_more_than_the_image_is_noted() {
    for (bits, closed, special) in [
        (0o644, false, false),
        (0o755, false, false),
        (0o604, false, false),
        (0o640, true, false),
        (0o600, true, false),
        (0o751, true, false),
        (0o1644, false, true),
        (0o2755, false, true),
        (0o4755, false, true),
        (0o4750, true, true),
    ] {
        let bench = Bench::new(OVERLAY, &[("tree/f", "f")]);
        mode(&bench, "tree/f", bits);
        // Whether it is executable is in the lock.
        let files =
            survey(std::slice::from_ref(&bench.definition), bench.project.folder()).unwrap();
        let lock = Lock { files, ..bench.lock.lock.clone() };
        let bench = Bench { lock: crate::lock::sample::beside(&bench.project, lock), ..bench };
        let found = notes(&bench.inputs()).unwrap();
        let named = format!("overlays: `tree/f` ({bits:04o}): ");
        assert!(found.iter().all(|note| note.starts_with(&named)), "{found:?}");
        let is = |words: &str| found.iter().any(|note| note.contains(words));
        assert_eq!(is("others can't read it here"), closed, "{bits:o}: {found:?}");
        assert_eq!(is("setuid, setgid and sticky bits"), special, "{bits:o}: {found:?}");
        assert_eq!(found.len(), usize::from(closed) + usize::from(special));
    }
}

#[test]
fn the_first_of_several_files_is_named_and_the_others_counted() {
    let files = [("tree/a", "a"), ("tree/b", "b"), ("tree/c", "c"), ("tree/sub/d", "d")];
    let bench = Bench::new(OVERLAY, &files);
    let found = |closed: &[&str]| {
        for (name, _) in files {
            mode(&bench, name, if closed.contains(&name) { 0o600 } else { 0o644 });
        }
        notes(&bench.inputs()).unwrap()
    };
    assert_eq!(found(&[]), [""; 0]);
    assert!(found(&["tree/b"])[0].starts_with("overlays: `tree/b` (0600): others"));
    let two = found(&["tree/sub/d", "tree/b"]);
    assert!(two[0].starts_with("overlays: `tree/b` (0600) and 1 more: others"), "{two:?}");
    let all = found(&["tree/a", "tree/b", "tree/c", "tree/sub/d"]);
    assert!(all[0].starts_with("overlays: `tree/a` (0600) and 3 more: others"), "{all:?}");
    // Folders and links have no mode that counts.
    mode(&bench, "tree/sub", 0o700);
    assert_eq!(found(&[]), [""; 0]);
    mode(&bench, "tree/sub", 0o755);
}

#[test]
fn a_file_with_a_mode_of_the_definition_is_not_noted() {
    let file = |path: &str, keys: &str| format!("[[files]]\npath = \"{path}\"\n{keys}\n");
    for (target, path, keys, is_noted) in [
        ("", "/f", "mode = \"0600\"", false),
        ("target = \"/srv\"\n", "/srv/f", "mode = \"0600\"", false),
        ("target = \"/srv\"\n", "/f", "mode = \"0600\"", true),
        ("", "/f", "owner = \"a\"", true),
        ("", "/g", "mode = \"0600\"", true),
    ] {
        let tables = format!("{OVERLAY}{target}{}", file(path, keys));
        let bench = Bench::new(&tables, &[("tree/f", "f")]);
        mode(&bench, "tree/f", 0o600);
        assert_eq!(!notes(&bench.inputs()).unwrap().is_empty(), is_noted, "{target}{path}: {keys}");
    }
}

/// What is asked for and changes nothing is an error (I9).
fn unused(text: &str, files: &[(&str, &str)]) -> Vec<String> {
    let bench = Bench::of(text, files, None, lock(vec![package("p")]));
    match bench.inputs().rootfs_request(&[], &bench.store).map(|_| ()) {
        Ok(()) => Vec::new(),
        Err(BuildError::Assemble(error)) => match *error {
            AssembleError::Rootfs(RootfsError::NoEffect(unused)) => {
                unused.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        },
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_overlay_brings_something_and_a_host_name_is_not_replaced() {
    let file = "[[files]]\npath = \"/etc/hostname\"\ncontent = \"other\"";
    let overlay = definitions::text("", OVERLAY);
    assert_eq!(unused(&overlay, &[("tree/f", "f")]), [""; 0]);
    let folder = [("tree/sub/.keep", "")];
    assert_eq!(unused(&overlay, &folder), [""; 0], "a folder is something");
    let host = "hostname: `h` is replaced by `/etc/hostname` of the definition";
    assert_eq!(unused(&definitions::text("hostname = \"h\"", file), &[]), [host]);
    assert_eq!(unused(&definitions::text("", file), &[]), [""; 0], "the id is no request");
    assert_eq!(unused(&definitions::text("hostname = \"h\"", ""), &[]), [""; 0]);
    let own = definitions::text("hostname = \"h\"", OVERLAY);
    assert_eq!(
        unused(&own, &[("tree/etc/hostname", "other")]),
        [host],
        "an overlay replaces it too"
    );
    assert_eq!(unused(&own, &[("tree/etc/hostnames", "other")]), [""; 0]);
}

#[test]
fn an_empty_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    files::make_folder(&folder.path().join("tree")).unwrap();
    let project = definitions::project_in(folder.path(), &definitions::text("", OVERLAY));
    let definition = project.definition(None).unwrap();
    let files = survey(std::slice::from_ref(&definition), project.folder()).unwrap();
    let lock = Lock { files, ..lock(vec![package("p")]) };
    let lock = crate::lock::sample::beside(&project, lock);
    let inputs = Inputs::check(&project, &definition, &lock).unwrap();
    let store = Store::open(&folder.path().join("store"), None, folder.path()).unwrap();
    let error = inputs.rootfs_request(&[], &store).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("overlays.source: `tree` is an empty folder"), "{error}");
}
