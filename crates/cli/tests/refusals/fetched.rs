//! What a fetched package leaves in the store: the package, and what it decodes to, sealed.
//!
//! Oracle: `dpkg-deb --fsys-tarfile`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use cvmkit_engine::fetch::{Origins, Wanted, fetch};
use cvmkit_engine::mirrors::Mirrors;
use cvmkit_engine::store::{SealKey, Store};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::progress::Silent;

use crate::archive::{Archive, Deb};
use crate::rig;

/// When the store's file of each decoded package was written.
fn decoded(store: &Path) -> BTreeMap<String, SystemTime> {
    let folder = store.join("decoded");
    let written = |name: &String| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
    rig::names(&folder).into_iter().map(|name| (name.clone(), written(&name))).collect()
}

fn deb_path(name: &str) -> String {
    format!("pool/main/{name}/{name}_1.0_amd64.deb")
}

/// The decompressed data archive, as dpkg says.
fn data(archive: &Archive, name: &str) -> Vec<u8> {
    let deb = archive.path("vendor/debian").join(deb_path(name));
    let output = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(deb).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Insists that the store has what the package decodes to, and the seal behind it.
#[track_caller]
fn is_kept(store: &Path, archive: &Archive, name: &str) {
    let digest = Sha256::of(archive.content(&deb_path(name)));
    let kept = fs::read(store.join("decoded").join(digest.to_string())).unwrap();
    let (bytes, seal) = kept.split_at(kept.len() - 32);
    assert!(bytes == data(archive, name), "{name}");
    assert_ne!(seal, [0; 32]);
}

const THREE: &str = "[packages]\ninstall = [\"hello\", \"kernel\"]\nessential = false\n";

fn three() -> Option<Archive> {
    let archive = Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])?;
    archive.define(THREE);
    archive.lock();
    archive.cvmkit(&["vendor", "vendor"]).answer();
    Some(archive)
}

#[test]
fn a_fetched_package_is_decoded_and_a_build_decodes_no_more() {
    let Some(archive) = three() else { return };
    let store = archive.path("store");
    let fetched = decoded(&store);
    assert_eq!(fetched.len(), 3);
    for name in ["hello", "base", "kernel"] {
        is_kept(&store, &archive, name);
    }
    archive.cvmkit(&["build", "--offline", "--out", "out"]).answer();
    assert_eq!(decoded(&store), fetched);

    // Another account believes nothing of it, and builds the same.
    let mut other = archive.command(&["build", "--offline", "--out", "other"]);
    rig::run(other.env("XDG_STATE_HOME", archive.path("state"))).answer();
    let again = decoded(&store);
    assert!(again.iter().all(|(name, written)| fetched[name] < *written), "{fetched:?} {again:?}");
    let sums = |folder: &str| fs::read(archive.path(folder).join("SHA256SUMS")).unwrap();
    assert!(sums("out") == sums("other"));
}

#[test]
fn what_comes_from_a_vendor_folder_is_decoded_too() {
    let Some(archive) = three() else { return };
    let hello = archive.content(&deb_path("hello"));
    let wanted = [Wanted {
        name: "hello".into(),
        version: "1.0".into(),
        architecture: "amd64".into(),
        archive: "debian".into(),
        path: deb_path("hello"),
        size: hello.len() as u64,
        sha256: Sha256::of(hello),
        locked_at: "image.lock:1".into(),
    }];
    let (folder, vendor) = (archive.path("other"), archive.path("vendor"));
    let mirrors = Mirrors::new([]);
    let fetched_with = |key: Option<u8>| {
        let key = key.map(|byte| SealKey::new([byte; 32]));
        let store = Store::open(&folder, key, &folder).unwrap();
        let vendor = Some(vendor.as_path());
        let origins =
            Origins { store: &store, vendor, mirrors: &mirrors, offline: true, progress: &Silent };
        fetch(&wanted, origins).unwrap();
        fs::remove_dir_all(folder.join("sha256")).unwrap();
        decoded(&folder)
    };
    assert!(fetched_with(None).is_empty(), "without a key nothing is kept");
    let ours = fetched_with(Some(1));
    is_kept(&folder, &archive, "hello");
    assert_eq!(fetched_with(Some(1)), ours, "it was there");
    assert_ne!(fetched_with(Some(2)), ours, "another account's is no reason to leave it");
    is_kept(&folder, &archive, "hello");
}

#[test]
fn a_package_that_does_not_decode_is_fetched_and_refused_by_the_build() {
    let hello = Deb { cut: 5000, ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[hello]) else { return };
    archive.lock();
    archive.cvmkit(&["vendor", "vendor"]).answer();
    assert!(decoded(&archive.path("store")).is_empty());
    let words = ["package `hello` can't be read", "hello_1.0_amd64.deb", "image.lock:", "hint: "];
    archive.cvmkit(&["build", "--offline", "--out", "out"]).refused(3, &words);
    archive.nothing_built();
}
