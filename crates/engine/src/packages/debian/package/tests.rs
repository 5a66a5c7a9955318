//! Packages made here byte by byte (deb(5), ar(5), tar(5)), in a store of their own.
#![expect(clippy::disallowed_methods, reason = "the test looks into the store's folder")]

use std::fs;

use cvmkit_formats::archive::EntryKind;
use cvmkit_formats::source::read_all;

use super::super::sample::{deb, tar_of};
use super::*;
use crate::store::SealKey;

const CONTROL: &str = "Package: one\nVersion: 1:2.0-3\nArchitecture: amd64\n";

fn good() -> Vec<u8> {
    deb(CONTROL, &tar_of(&[("./usr/x", b"contents of x"), ("./usr/y", b"y")]))
}

fn wanted(bytes: &[u8]) -> Wanted {
    Wanted {
        name: "one".into(),
        version: "1:2.0-3".into(),
        architecture: "amd64".into(),
        archive: "debian".into(),
        path: "pool/main/o/one.deb".into(),
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        locked_at: "image.lock:7".into(),
    }
}

/// A store with these bytes as its one object.
struct Kept {
    folder: tempfile::TempDir,
    store: Store,
    blob: Blob,
}

impl Kept {
    fn new(bytes: &[u8], key: Option<[u8; 32]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let store = Store::open(&root, key.map(SealKey::new), folder.path()).unwrap();
        let sha256 = store.insert(bytes).unwrap();
        let blob = store.get(sha256).unwrap().unwrap();
        Self { folder, store, blob }
    }

    /// How many decoded archives lie in the store.
    fn decoded(&self) -> usize {
        fs::read_dir(self.folder.path().join("store/decoded")).map_or(0, Iterator::count)
    }
}

fn contents(package: &Package, path: &str) -> Option<Vec<u8>> {
    package.file(path).map(|content| read_all(&content, 1 << 20).unwrap())
}

#[test]
fn a_package_is_opened_with_its_fields_and_files() {
    let bytes = good();
    for key in [None, Some([1; 32])] {
        let kept = Kept::new(&bytes, key);
        let package = open(&wanted(&bytes), &kept.blob, &kept.store).unwrap();
        let fields = [&package.name, &package.version, &package.architecture];
        assert_eq!(fields, ["one", "1:2.0-3", "amd64"]);
        let paths: Vec<&[u8]> = package.entries.iter().map(|entry| entry.path.as_slice()).collect();
        assert_eq!(paths, [&b"usr/x"[..], b"usr/y"]);
        assert_eq!(contents(&package, "usr/x").unwrap(), b"contents of x");
        assert_eq!(contents(&package, "usr/y").unwrap(), b"y");
        assert_eq!(contents(&package, "usr/z"), None);
        assert_eq!(contents(&package, "usr"), None);
        assert_eq!(package.control.fields.get("Version"), Some("1:2.0-3"));
    }
}

#[test]
fn only_a_regular_file_has_contents() {
    let mut package =
        super::super::tests::package("p", "", &[("a", "x"), ("b", "-> a"), ("c/", "")]);
    assert_eq!(contents(&package, "a").unwrap(), b"x");
    assert_eq!((contents(&package, "b"), contents(&package, "c")), (None, None));
    package.entries[0].kind = EntryKind::Fifo;
    assert_eq!(contents(&package, "a"), None);
}

/// deb-control(5): the three fields that name a package.
#[test]
fn a_package_that_is_not_the_locked_one_is_refused_with_the_field_that_differs() {
    let bytes = good();
    let kept = Kept::new(&bytes, None);
    let right = wanted(&bytes);
    identify(&right, &kept.blob).unwrap();
    for (wanted, field, locked, found) in [
        (Wanted { name: "two".into(), ..right.clone() }, "Package", "two", "`one`"),
        (Wanted { version: "2.0-3".into(), ..right.clone() }, "Version", "2.0-3", "`1:2.0-3`"),
        (Wanted { architecture: "all".into(), ..right.clone() }, "Architecture", "all", "`amd64`"),
        (
            Wanted { version: "3".into(), architecture: "all".into(), ..right.clone() },
            "Version",
            "3",
            "`1:2.0-3`",
        ),
    ] {
        for error in [
            identify(&wanted, &kept.blob).unwrap_err(),
            open(&wanted, &kept.blob, &kept.store).map(drop).unwrap_err(),
        ] {
            let PackageError::Another(another) = error else { panic!("{error}") };
            assert_eq!((another.field, another.locked.as_str()), (field, locked));
            assert_eq!(
                (another.found.as_str(), another.locked_at.as_str()),
                (found, "image.lock:7")
            );
            assert_eq!((&another.name, &another.path), (&wanted.name, &wanted.path));
            assert_eq!(another.fault(), Fault::Definition);
            let hint = another.hint().unwrap();
            assert!(hint.ends_with(&format!("`cvmkit lock --update {}`", wanted.name)), "{hint}");
        }
    }
}

#[test]
fn what_does_not_decode_is_refused_by_who_opens_it_and_kept_by_nobody() {
    let cut = &good()[..100];
    let no_tar = deb(CONTROL, &[b'x'; 600]);
    let no_control = deb("Package: one\n", &tar_of(&[]));
    // `keep` looks at the files alone.
    for (bytes, is_identified, decoded) in [
        (&b"no package"[..], false, 0),
        (cut, false, 0),
        (&no_tar, true, 0),
        (&no_control, false, 1),
    ] {
        let kept = Kept::new(bytes, Some([1; 32]));
        let error = open(&wanted(bytes), &kept.blob, &kept.store).map(drop).unwrap_err();
        assert!(matches!(error, PackageError::Deb(_)), "{error}");
        assert_eq!(identify(&wanted(bytes), &kept.blob).is_ok(), is_identified);
        keep(&kept.blob, &kept.store).unwrap();
        assert_eq!(kept.decoded(), decoded);
    }
}

#[test]
fn a_package_is_decoded_once_where_the_store_has_a_key() {
    let bytes = good();
    let kept = Kept::new(&bytes, None);
    keep(&kept.blob, &kept.store).unwrap();
    assert_eq!(kept.decoded(), 0, "nothing is kept without a key");

    let kept = Kept::new(&bytes, Some([1; 32]));
    keep(&kept.blob, &kept.store).unwrap();
    assert_eq!(kept.decoded(), 1);
    keep(&kept.blob, &kept.store).unwrap();
    assert_eq!(kept.decoded(), 1);
    let package = open(&wanted(&bytes), &kept.blob, &kept.store).unwrap();
    assert_eq!(contents(&package, "usr/x").unwrap(), b"contents of x");
    // Who opens it first keeps it too.
    let kept = Kept::new(&bytes, Some([1; 32]));
    open(&wanted(&bytes), &kept.blob, &kept.store).unwrap();
    assert_eq!(kept.decoded(), 1);
}

#[test]
fn a_kept_archive_that_somebody_changed_is_decoded_again() {
    let bytes = good();
    let kept = Kept::new(&bytes, Some([1; 32]));
    keep(&kept.blob, &kept.store).unwrap();
    let folder = kept.folder.path().join("store/decoded");
    let path = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut changed = fs::read(&path).unwrap();
    let at = changed.windows(8).position(|text| text == b"contents").unwrap();
    changed[at] = b'C';
    fs::write(&path, &changed).unwrap();
    let package = open(&wanted(&bytes), &kept.blob, &kept.store).unwrap();
    assert_eq!(contents(&package, "usr/x").unwrap(), b"contents of x");
    // And with the seal of another account.
    let root = kept.folder.path().join("store");
    let other = Store::open(&root, Some(SealKey::new([2; 32])), kept.folder.path()).unwrap();
    let package = open(&wanted(&bytes), &kept.blob, &other).unwrap();
    assert_eq!(contents(&package, "usr/y").unwrap(), b"y");
}
