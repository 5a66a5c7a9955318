//! What builds are made of: definitions, locks and local files in a folder, without a network.

mod base;
mod closure;
mod external;
mod inputs;
mod layers;
mod machines;
mod overlays;
mod parts;
mod rootfs;

use cvmkit_attest::output::Artifact;
use cvmkit_formats::tree::Node;
use cvmkit_host::fault::Diagnosis;
use cvmkit_host::progress::Silent;

use super::sample::{Bench, pinned, put};
use super::*;
use crate::definition::sample as definitions;
use crate::fetch::Origins;
use crate::lock::sample::{lock, package};
use crate::lock::{Lock, LockedPackage, survey};
use crate::mirrors::Mirrors;
use crate::store::{SealKey, Store};

/// Names and digests of files, as a description has them.
fn described(files: &[&str]) -> Described {
    let sums = Sums::new(files.iter().map(|name| ((*name).to_owned(), Sha256::of(b""))));
    Described {
        manifest: describe::sample::manifest(),
        identity: Sha256::of(b""),
        files: files.iter().map(ToString::to_string).collect(),
        sums,
    }
}

#[test]
fn the_sums_of_an_earlier_image_say_which_files_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let names = |found: Result<Sums, String>| found.unwrap().names().map(str::to_owned).collect();
    let found: Vec<String> = names(earlier(out).unwrap());
    assert_eq!(found, [""; 0], "there is none");
    let digest = Sha256::of(b"");
    put(out, "SHA256SUMS", &format!("{digest}  a\n{digest}  b\n"));
    let found: Vec<String> = names(earlier(out).unwrap());
    assert_eq!(found, ["a", "b"]);
    let path = out.join("SHA256SUMS");
    let said = |found: Result<Sums, String>| found.map(|_| ()).unwrap_err();
    for bytes in [&b"no sums"[..], b"\xff\xfe"] {
        files::replace(&path, bytes).unwrap();
        let note = said(earlier(out).unwrap());
        let begins = format!("`{}` was no list of sums (", path.display());
        assert!(
            note.starts_with(&begins) && note.ends_with("files of an earlier image stay"),
            "{note}"
        );
    }
    files::remove(&path).unwrap();
    files::make_folder(&path).unwrap();
    let note = said(earlier(out).unwrap());
    assert!(note.contains("was no list of sums"), "{note}");
}

#[test]
fn files_that_this_image_does_not_have_go() {
    let sums =
        |names: &[&str]| Sums::new(names.iter().map(|name| ((*name).to_owned(), Sha256::of(b""))));
    let now = described(&["a", "b", "manifest.json"]);
    assert_eq!(obsolete(&sums(&["a", "c", "d"]), &now), ["c", "d"]);
    assert_eq!(obsolete(&sums(&["a", "b"]), &now), [""; 0]);
    assert_eq!(obsolete(&Sums::default(), &now), [""; 0]);
}

#[test]
fn an_image_that_came_to_its_place_in_two_steps_is_noted() {
    assert_eq!(switched(Published::AtOnce), None);
    let note = switched(Published::InTwoSteps).unwrap();
    assert!(note.contains("can't exchange names"), "{note}");
}

/// The UKI has the os-release that a boot would find: by its link, and no longer than one is.
#[test]
fn the_os_release_is_the_image_s_own() {
    let meta = || Meta::root(0o644, 0);
    let tree = |target: Option<&str>, text: Vec<u8>| {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.make_directories(b"etc", &Meta::root(0o755, 0)).unwrap();
        tree.make_directories(b"usr/lib", &Meta::root(0o755, 0)).unwrap();
        tree.put(b"usr/lib/os-release", Inode::file(meta(), Content::from(text))).unwrap();
        if let Some(target) = target {
            tree.put(b"etc/os-release", Inode::symlink(target, 0)).unwrap();
        }
        tree
    };
    let linked = Some("../usr/lib/os-release");
    assert_eq!(os_release(&tree(linked, b"ID=x\n".to_vec())).unwrap(), b"ID=x\n");
    let longest = vec![b'x'; 1 << 20];
    assert_eq!(os_release(&tree(linked, longest.clone())).unwrap(), longest);
    let longer = os_release(&tree(linked, [longest, vec![b'x']].concat())).unwrap_err();
    assert!(matches!(longer, BuildError::OsRelease(_)), "{longer:?}");
    let none = os_release(&tree(None, Vec::new())).unwrap_err();
    assert!(matches!(none, BuildError::Tree(_)), "{none:?}");
    let folder = os_release(&tree(Some("../usr/lib"), Vec::new())).unwrap_err();
    assert!(matches!(folder, BuildError::OsRelease(_)), "{folder:?}");
}

#[test]
fn a_file_that_the_build_makes_is_root_s_and_of_the_image_s_time() {
    let bench = Bench::new("", &[]);
    let mut tree = Tree::new(Meta::root(0o755, 0));
    put_file(&mut tree, "x", b"bytes".to_vec(), &bench.inputs()).unwrap();
    let inode = tree.inode(tree.lookup(b"x").unwrap());
    assert_eq!(inode.meta, Meta::root(0o644, 7));
    let Node::File(content) = &inode.node else { panic!("not a file") };
    assert_eq!(read_all(content, 10).unwrap(), b"bytes");
    let error = put_file(&mut tree, "none/x", Vec::new(), &bench.inputs()).unwrap_err();
    assert!(matches!(error, BuildError::Tree(_)), "{error:?}");
}

/// A build is remembered under the seal of the account; where it can't be, the image is there anyway.
#[test]
fn a_build_that_can_t_be_remembered_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = Store::open(&root, Some(SealKey::new([1; 32])), folder.path()).unwrap();
    let mirrors = Mirrors::default();
    let origins = Origins {
        store: &store,
        vendor: None,
        mirrors: &mirrors,
        offline: true,
        progress: &Silent,
    };
    let builder = Builder { origins, stage1: b"", version: "1", program: None };
    let (key, now) = (Sha256::of(b"key"), described(&["a"]));
    assert_eq!(record(key, &now, &builder), None);
    assert_eq!(store.recorded(key).unwrap(), Some(now.sums.to_string().into_bytes()));
    let root = folder.path().join("other");
    let store = Store::open(&root, Some(SealKey::new([1; 32])), folder.path()).unwrap();
    put(&root, "builds", "a file in the place of the folder");
    let builder = Builder { origins: Origins { store: &store, ..origins }, ..builder };
    let note = record(key, &now, &builder).unwrap();
    assert!(note.starts_with("the next build can't know that nothing changed: "), "{note}");
}

/// An output is taken for an earlier build's if its files have the sums that the build wrote.
#[test]
fn an_earlier_build_is_known_by_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let key = Some(SealKey::new([1; 32]));
    let store = Store::open(&folder.path().join("store"), key, folder.path()).unwrap();
    let inputs = Sha256::of(b"inputs");
    let mut manifest = described(&[]).manifest;
    manifest.artifacts = vec![Artifact { name: "a".into(), ..manifest.artifacts[0].clone() }];
    let manifest_text = serde_json::to_string(&manifest).unwrap();
    put(&out, "a", "bytes");
    put(&out, "manifest.json", &manifest_text);
    let named = [("a", "bytes"), ("manifest.json", manifest_text.as_str())];
    let sums = Sums::new(named.map(|(name, text)| (name.to_owned(), Sha256::of(text.as_bytes()))));
    let sums = sums.to_string();
    put(&out, "SHA256SUMS", &sums);
    let find = || unchanged::find(&store, inputs, &out).unwrap();
    assert!(find().is_none(), "nothing is remembered");
    store.record(inputs, sums.as_bytes()).unwrap();
    let built = find().unwrap();
    assert_eq!((built.identity, built.unchanged), (Sha256::of(sums.as_bytes()), true));
    assert_eq!((built.folder, built.manifest), (out.clone(), manifest));
    assert!(built.log.is_empty() && built.notes.is_empty());
    assert!(unchanged::find(&store, Sha256::of(b"other"), &out).unwrap().is_none());
    assert!(unchanged::find(&store, inputs, &folder.path().join("none")).unwrap().is_none());
    for (name, text) in [("a", "bytez"), ("a", "byte"), ("SHA256SUMS", "")] {
        let before = files::read_text(&out.join(name)).unwrap();
        put(&out, name, text);
        assert!(find().is_none(), "{name}: {text}");
        put(&out, name, &before);
    }
    files::remove(&out.join("a")).unwrap();
    assert!(find().is_none(), "a file is gone");
    put(&out, "a", "bytes");
    assert!(find().is_some(), "all is as before");
    // What was remembered may be no sums: of another version of the program.
    store.record(inputs, b"no sums").unwrap();
    put(&out, "SHA256SUMS", "no sums");
    assert!(find().is_none());
}
