//! Inputs as they are in the folder, beside those of the lock.

use super::*;
use crate::local::LocalError;
use crate::lock::{LocalFile, LocalKind, LockError};

/// The path, and what was locked and found of it.
fn change(bench: &Bench) -> [String; 3] {
    match bench.checked().map(|_| ()).unwrap_err() {
        BuildError::Lock(LockError::LocalChanged { path, locked, found }) => [path, locked, found],
        other => panic!("{other:?}"),
    }
}

fn digest(text: &str) -> String {
    Sha256::of(text.as_bytes()).to_string()
}

#[test]
fn local_files_are_those_of_the_lock() {
    let tables = "[[overlays]]\nsource = \"tree\"\n[[files]]\npath = \"/f\"\nsource = \"f\"";
    let bench = Bench::new(tables, &[("tree/a", "a"), ("tree/sub/b", "b"), ("f", "f")]);
    assert!(bench.checked().is_ok());
    let text = |texts: [&str; 3]| texts.map(str::to_owned);
    bench.put("f", "g");
    assert_eq!(change(&bench), text(["f", &digest("f"), &digest("g")]));
    assert!(Inputs::of_folder(&bench.project, &bench.definition, &bench.lock).is_ok());
    bench.put("f", "f");
    bench.put("tree/new", "n");
    assert_eq!(change(&bench), text(["tree/new", "nothing", &digest("n")]));
    bench.remove("tree/new");
    bench.remove("tree/sub/b");
    assert_eq!(change(&bench), text(["tree/sub/b", &digest("b"), "nothing"]));
    std::os::unix::fs::symlink("a", bench.folder.path().join("tree/sub/b")).unwrap();
    assert_eq!(change(&bench), text(["tree/sub/b", &digest("b"), "a link to a"]));
    bench.remove("tree/sub/b");
    bench.put("tree/sub/b", "b");
    assert!(bench.checked().is_ok(), "all is as before");
    bench.remove("f");
    let gone = bench.checked().map(|_| ()).unwrap_err();
    assert!(matches!(gone, BuildError::Lock(LockError::File(_))), "{gone:?}");
}

/// A name that only begins like a folder's is not in it.
#[test]
fn what_is_below_a_folder_is_in_byte_order_and_no_neighbour() {
    let paths = ["tree", "tree-b", "tree-b/x", "tree/a", "tree/sub", "tree/sub/b", "tree0", "u"];
    let folder = |path: &&str| LocalFile { path: (*path).to_owned(), kind: LocalKind::Folder };
    let files = paths.iter().map(folder).collect();
    let mut bench = Bench::new("", &[]);
    bench.lock.lock.files = files;
    let inputs = bench.inputs();
    let below = |of: &str| inputs.locked_below(of).map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(below("tree"), ["a", "sub", "sub/b"]);
    assert_eq!(below("tree/sub"), ["b"]);
    assert_eq!(below("tree-b"), ["x"]);
    assert_eq!(below("u"), [""; 0]);
    assert_eq!(below("none"), [""; 0]);
}

#[test]
fn an_image_has_packages_and_those_that_it_installs() {
    let stub = LockedPackage { roles: vec!["stub".into()], ..package("p") };
    let bench = Bench::of(&definitions::text("", ""), &[], None, lock(vec![stub]));
    let none = bench.checked().map(|_| ()).unwrap_err();
    assert!(
        matches!(&none, BuildError::Lock(LockError::NoRootPackages { role }) if role == "root"),
        "{none:?}"
    );
    let text = definitions::text("", "[packages]\ninstall = [\"q\"]");
    let bench = Bench::of(&text, &[], None, lock(vec![package("p")]));
    let missing = bench.checked().map(|_| ()).unwrap_err();
    assert!(
        matches!(&missing, BuildError::Lock(LockError::NotHeld { package, .. }) if package == "q"),
        "{missing:?}"
    );
}

#[test]
fn a_local_input_has_the_digest_that_the_definition_pins() {
    let tables = format!("firmware = {}", pinned("fw/code.fd", "code"));
    let text = definitions::text(&tables, "[boot]\nkind = \"direct\"");
    let bench = Bench::of(&text, &[("fw/code.fd", "code")], None, lock(vec![package("p")]));
    let inputs = bench.inputs();
    let firmware = bench.definition.firmware.as_ref().unwrap();
    let read = || inputs.input("firmware", "firmware", firmware, bench.origins());
    let found = read().unwrap();
    assert_eq!(
        (found.bytes.as_slice(), found.origin.as_str()),
        (&b"code"[..], "local file fw/code.fd")
    );
    // It was whole when it was looked at, and is another by now.
    bench.put("fw/code.fd", "coda");
    let error = read().unwrap_err();
    let BuildError::Lock(LockError::LocalPin { path, expected, computed }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(path, "fw/code.fd");
    assert_eq!((expected, computed), (Sha256::of(b"code"), Sha256::of(b"coda")));
    bench.remove("fw/code.fd");
    std::os::unix::fs::symlink("../image.toml", bench.folder.path().join("fw/code.fd")).unwrap();
    let error = read().unwrap_err();
    assert!(matches!(error, BuildError::Local(LocalError::NotRegular { .. })), "{error:?}");
}

/// Two builds with one key have the same output: each thing that decides about it is in the key.
#[test]
fn a_key_is_of_all_that_decides_about_an_image() {
    let bench = Bench::new("", &[]);
    let builder = |stage1, version, program: Option<&[u8]>| Builder {
        origins: bench.origins(),
        stage1,
        version,
        program: program.map(Sha256::of),
    };
    let key = |bench: &Bench, builder: &Builder<'_>| bench.inputs().key(builder).unwrap();
    let own = builder(b"stage 1", "1.0", Some(b"program"));
    let plain = key(&bench, &own);
    assert_eq!(plain, key(&Bench::new("", &[]), &own), "in whatever folder");
    assert_eq!(key(&bench, &builder(b"stage 1", "1.0", None)), None);
    for other in [
        builder(b"stage 2", "1.0", Some(b"program")),
        builder(b"stage 1", "1.1", Some(b"program")),
        builder(b"stage 1", "1.0", Some(b"another")),
    ] {
        assert_ne!(key(&bench, &other), plain);
    }
    assert_ne!(key(&Bench::new("[units]\nmask = [\"a\"]", &[]), &own), plain, "the definition");
    let newer = LockedPackage { version: "2".into(), ..package("p") };
    let bench = Bench::of(&definitions::text("", ""), &[], None, lock(vec![newer]));
    assert_ne!(key(&bench, &own), plain, "the lock");
    // Of variants that come to the same, each is an image of its own.
    let text =
        definitions::text("", "[variant.v]\nhostname = \"x\"\n[variant.w]\nhostname = \"x\"");
    let of = |variant: &str| {
        let roles = vec!["root:v".to_owned(), "root:w".to_owned()];
        let lock = lock(vec![LockedPackage { roles, ..package("p") }]);
        key(&Bench::of(&text, &[], Some(variant), lock), &own)
    };
    assert_ne!(of("v"), of("w"));
}
