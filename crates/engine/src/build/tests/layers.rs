//! Archives that are put over the tree: copied, decompressed and listed.

use super::*;
use crate::lock::LockError;
use crate::packages::debian::AssembleError;
use crate::rootfs::RootfsError;
use crate::rootfs::layer::sample::{Row, archive};

const LAYER: &str = "[[layers]]\nsource = \"l.tar\"\n";

/// A definition with this archive as its layer, and a lock that has it.
fn bench(tables: &str, bytes: &[u8]) -> Bench {
    let bench = Bench::new(tables, &[("l.tar", "")]);
    files::replace(&bench.folder.path().join("l.tar"), bytes).unwrap();
    let files = survey(std::slice::from_ref(&bench.definition), bench.project.folder()).unwrap();
    let lock = Lock { files, ..bench.lock.lock.clone() };
    Bench { lock: crate::lock::sample::beside(&bench.project, lock), ..bench }
}

/// The paths of the layer's members.
fn paths(bench: &Bench) -> Result<Vec<String>, BuildError> {
    let inputs = bench.inputs();
    let parts = inputs.rootfs_request(&[], &bench.store)?;
    let [layer] = parts.as_request().root.layers else { panic!("one layer") };
    assert_eq!(layer.name, "l.tar");
    let members = layer.members.entries.iter();
    Ok(members.map(|entry| String::from_utf8(layer.path(&entry.path)).unwrap()).collect())
}

fn of(rows: &[Row<'_>]) -> Result<Vec<String>, BuildError> {
    paths(&bench(LAYER, &archive(rows)))
}

#[test]
fn an_archive_is_read_whatever_compresses_it() {
    let plain = archive(&[("./", 0o755, "/"), ("./a", 0o644, "text")]);
    for bytes in [plain.clone(), zstd::encode_all(&plain[..], 3).unwrap()] {
        assert_eq!(paths(&bench(LAYER, &bytes)).unwrap(), ["", "a"]);
        let below = format!("{LAYER}target = \"/srv/app\"\n");
        assert_eq!(paths(&bench(&below, &bytes)).unwrap(), ["srv/app", "srv/app/a"]);
    }
}

/// The contents are those of the decompressed archive.
#[test]
fn a_member_has_its_contents() {
    let plain = archive(&[("a", 0o644, "first"), ("b", 0o644, "second")]);
    for bytes in [plain.clone(), zstd::encode_all(&plain[..], 3).unwrap()] {
        let bench = bench(LAYER, &bytes);
        let inputs = bench.inputs();
        let parts = inputs.rootfs_request(&[], &bench.store).unwrap();
        let request = parts.as_request();
        let mut tree = crate::rootfs::assembly::Assembly::new(&request.root);
        crate::rootfs::layer::place(&mut tree).unwrap();
        assert_eq!(tree.text("a").unwrap().as_deref(), Some("first"));
        assert_eq!(tree.text("b").unwrap().as_deref(), Some("second"));
    }
}

/// Each of these would come otherwise than the archive says, or not at all.
#[test]
fn a_member_that_can_not_come_is_refused_with_all_others() {
    let error = of(&[
        ("etc/.wh.x", 0o644, ""),
        (".wh..wh..opq", 0o644, ""),
        ("etc/passwd", 0o644, ""),
        ("etc/passwd-", 0o644, ""),
        ("var/lib/dpkg/", 0o755, "/"),
        ("var/lib/dpkg/status", 0o644, ""),
    ]);
    let error = error.unwrap_err();
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "the layer `l.tar` holds what a layer can't bring:");
    for (line, words) in lines[1..].iter().zip([
        "`etc/.wh.x` is a whiteout",
        "`.wh..wh..opq` is a whiteout",
        "`etc/passwd` is written by the build",
        "`var/lib/dpkg/status` is of dpkg's database",
    ]) {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(error.fault(), host_fault());
    assert!(error.hint().unwrap().contains("again without these members"));
    // Below another folder it is no account.
    let below = format!("{LAYER}target = \"/srv\"\n");
    assert!(paths(&bench(&below, &archive(&[("etc/passwd", 0o644, "")]))).is_ok());
}

fn host_fault() -> cvmkit_host::fault::Fault {
    cvmkit_host::fault::Fault::Definition
}

#[test]
fn what_is_no_archive_is_refused_with_what_to_do() {
    let plain = archive(&[("a", 0o644, "text")]);
    let packed = zstd::encode_all(&plain[..], 3).unwrap();
    let outside = archive(&[("../a", 0o644, "")]);
    for (bytes, words, hint) in [
        (&b"BZh91AY&SY"[..], "bzip2, which is not supported", "`bzcat l.tar | zstd"),
        (&packed[..packed.len() - 1], "can't be decompressed: the zstd stream", "compress"),
        (&plain[..600], "the archive ends early", "make the archive again"),
        (&outside, "tar entry `../a` at offset 0: the path contains `..`", "-C FOLDER"),
        (b"not a tar", "ends early", "make the archive again"),
        (b"", "ends early", "make the archive again"),
    ] {
        let error = paths(&bench(LAYER, bytes)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error}");
        assert_eq!(error.fault(), host_fault());
    }
}

#[test]
fn a_layer_that_changes_after_it_was_locked_is_refused() {
    let bench = bench(LAYER, &archive(&[("a", 0o644, "then")]));
    let inputs = bench.inputs();
    files::replace(&bench.folder.path().join("l.tar"), &archive(&[("a", 0o644, "now")])).unwrap();
    let error = inputs.rootfs_request(&[], &bench.store).map(|_| ()).unwrap_err();
    assert!(matches!(error, BuildError::Lock(LockError::LocalChanged { .. })), "{error:?}");
    assert!(matches!(bench.checked(), Err(BuildError::Lock(LockError::LocalChanged { .. }))));
}

#[test]
fn a_layer_without_members_has_no_effect() {
    let error = of(&[]).unwrap_err();
    let BuildError::Assemble(error) = error else { panic!("{error:?}") };
    let AssembleError::Rootfs(RootfsError::NoEffect(unused)) = *error else { panic!("{error:?}") };
    assert_eq!(unused[0].to_string(), "layers.source: `l.tar` has no members");
}

/// The host name of the definition would be replaced without a word.
#[test]
fn a_host_name_that_a_layer_replaces_is_refused() {
    let text = definitions::text("hostname = \"h\"", LAYER);
    let locks = lock(vec![package("p")]);
    let named = String::from_utf8(archive(&[("etc/hostname", 0o644, "x")])).unwrap();
    let bench = Bench::of(&text, &[("l.tar", &named)], None, locks);
    let error = paths(&bench).unwrap_err();
    let words = "hostname: `h` is replaced by `/etc/hostname` of the definition";
    assert!(error.to_string().contains(words), "{error}");
}
