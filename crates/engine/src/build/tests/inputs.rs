//! Inputs beside the lock, and what a root file system is asked to be of them.

use cvmkit_formats::source::read_all;

use super::*;
use crate::build::inputs::ids_of;
use crate::local::LocalError;
use crate::lock::{LocalFile, LocalKind, LockError, UntoldIds};
use crate::packages::debian::PackageDatabase;
use crate::rootfs::{GroupRequest, Ids, Placed, PlacedNode, UserRequest};

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
    let (bytes, origin) = read().unwrap();
    assert_eq!((bytes.as_slice(), origin.as_str()), (&b"code"[..], "local file fw/code.fd"));
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

/// A tar archive of these files (POSIX.1-1988, `ustar`).
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, text) in files {
        let mut header = vec![0; 512];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", text.len()));
        put(136, "00000000000\0");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// A package of these files (deb(5)).
fn deb(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let control = format!("Package: {name}\nVersion: 1\nArchitecture: all\n");
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar(&[("./control", &control)])),
        ("data.tar", tar(files)),
    ];
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len());
        archive.extend(header.as_bytes());
        archive.extend(bytes);
    }
    archive
}

/// A lock with these bytes as a package of the stub's role, which the store has.
fn stub_of(bytes: &[u8], change: impl Fn(&mut LockedPackage)) -> Bench {
    let mut stub = LockedPackage {
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        roles: vec!["stub".into()],
        ..package("s")
    };
    change(&mut stub);
    let text = definitions::text("", "[boot]\nstub = { package = \"s\", path = \"/usr/x.stub\" }");
    let bench = Bench::of(&text, &[], None, lock(vec![package("p"), stub]));
    bench.store.insert(bytes).unwrap();
    bench
}

#[test]
fn an_input_of_a_package_is_a_file_of_the_package_that_is_locked() {
    let read = |bench: &Bench| {
        let external = bench.inputs().external(bench.origins());
        external.map(|external| external.stub)
    };
    let good = deb("s", &[("./usr/x.stub", "the stub"), ("./usr/y", "")]);
    let bench = stub_of(&good, |_| ());
    assert_eq!(read(&bench).unwrap(), b"the stub");
    let stub = &bench.definition.stub;
    let (_, origin) = bench.inputs().input("stub", "boot.stub", stub, bench.origins()).unwrap();
    assert_eq!(origin, "s 1: /usr/x.stub");

    let error = read(&stub_of(&deb("s", &[("./usr/y", "")]), |_| ())).unwrap_err();
    let BuildError::NoInputFile { role, key, package, path } = &error else { panic!("{error:?}") };
    assert_eq!((*role, *key), ("stub", "boot.stub"));
    assert_eq!((package.as_str(), path.as_str()), ("s", "usr/x.stub"));
    let error = read(&stub_of(&deb("t", &[("./usr/x.stub", "")]), |_| ())).unwrap_err();
    assert!(matches!(error, BuildError::AnotherPackage(_)), "{error:?}");
    let error = read(&stub_of(&[b'x'; 700], |_| ())).unwrap_err();
    let BuildError::Deb { package, path, locked_at, .. } = &error else { panic!("{error:?}") };
    assert_eq!((package.as_str(), path.as_str()), ("s", "pool/main/s.deb"));
    assert!(locked_at.starts_with("image.lock:"), "{locked_at}");
    assert!(error.hint().unwrap().contains("`cvmkit lock --update s`"));
    // Not fetched, and no network.
    let bench = stub_of(&good, |stub| stub.sha256 = Sha256::of(b"other"));
    assert!(matches!(read(&bench).unwrap_err(), BuildError::Fetch(_)));
}

#[test]
fn the_package_of_an_input_is_one_of_its_role_and_its_sources() {
    let good = deb("s", &[("./usr/x.stub", "the stub")]);
    let none = |change: fn(&mut LockedPackage)| {
        let error = stub_of(&good, change).inputs().external(stub_of(&good, |_| ()).origins());
        matches!(error.map(|_| ()).unwrap_err(), BuildError::NoInputPackage { role: "stub" })
    };
    assert!(none(|stub| stub.roles = vec!["firmware".into()]));
    assert!(none(|stub| stub.roles = vec!["stub:debug".into()]));
    assert!(none(|stub| stub.name = "t".into()));
    // Two suites of the definition have it.
    let text = definitions::text(
        "",
        "[[sources]]\nsuites = [\"forky\"]\n\
         [boot]\nstub = { package = \"s\", path = \"/usr/x.stub\" }",
    );
    let of = |version: &str, suite: &str| LockedPackage {
        version: version.into(),
        suite: suite.into(),
        sha256: Sha256::of(suite.as_bytes()),
        roles: vec!["stub".into()],
        ..package("s")
    };
    let mut two = lock(vec![package("p"), of("1", "trixie"), of("2", "forky")]);
    two.suites.push(crate::lock::sample::suite("forky", 9));
    let bench = Bench::of(&text, &[], None, two);
    let error = bench.inputs().external(bench.origins()).map(|_| ()).unwrap_err();
    let BuildError::TwoInputPackages { role, key, package, found } = error else {
        panic!("{error:?}")
    };
    assert_eq!((role, key, package.as_str()), ("stub", "boot.stub", "s"));
    assert_eq!(found, ["1 of trixie", "2 of forky"]);
}

#[test]
fn an_image_without_a_uki_needs_no_stub() {
    let bench = Bench::new("[boot]\nkind = \"direct\"", &[]);
    let external = bench.inputs().external(bench.origins()).unwrap();
    assert_eq!(external.stub, [0; 0]);
    assert!(external.machines.profiles.is_empty() && external.machines.files.is_empty());
}

/// Path, mode, owner, and what it is.
fn shown(placed: &Placed) -> (String, u16, String, String) {
    let what = match &placed.node {
        PlacedNode::File(content) => {
            format!("file {}", String::from_utf8(read_all(content, 100).unwrap()).unwrap())
        }
        PlacedNode::Directory => "directory".into(),
        PlacedNode::OverlayDirectory => "overlay directory".into(),
        PlacedNode::Symlink(target) => format!("link to {target}"),
        PlacedNode::Existing(changes) => {
            let (user, group) = (&changes.user, &changes.group);
            format!("existing {:?} {user:?} {group:?}", changes.mode)
        }
    };
    (placed.path.clone(), placed.mode, format!("{}:{}", placed.user, placed.group), what)
}

#[test]
fn overlays_are_placed_first_and_files_after_them() {
    let tables = "\
[[files]]
path = \"/text\"
content = \"a\"
mode = \"0600\"
owner = \"u\"
[[files]]
path = \"/local\"
source = \"f\"
group = \"g\"
xattrs = { \"user.a\" = \"b\" }
[[files]]
path = \"/folder\"
folder = true
[[files]]
path = \"/link\"
symlink = \"t\"
[[files]]
path = \"/there\"
mode = \"0700\"
[[overlays]]
source = \"tree\"
owner = \"o\"
[[overlays]]
source = \"more\"
target = \"/srv/x\"
group = \"7\"
";
    let files = [("tree/sub/run", "#!"), ("more/m", "m"), ("f", "local")];
    let folder_mode = |bench: &Bench| {
        use std::os::unix::fs::PermissionsExt;
        let run = bench.folder.path().join("tree/sub/run");
        std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("sub", bench.folder.path().join("tree/to")).unwrap();
    };
    let mut bench = Bench::new(tables, &files);
    folder_mode(&bench);
    let survey = survey(std::slice::from_ref(&bench.definition), bench.project.folder()).unwrap();
    bench.lock.lock.files = survey;
    let inputs = bench.inputs();
    let parts = inputs.rootfs_request(&[], &bench.store).unwrap();
    let request = parts.as_request();
    let found: Vec<_> = request.root.files.iter().map(shown).collect();
    let expected = [
        ("/sub", 0o755, "o:root", "overlay directory"),
        ("/sub/run", 0o755, "o:root", "file #!"),
        ("/to", 0o777, "o:root", "link to sub"),
        ("/srv/x/m", 0o644, "root:7", "file m"),
        ("/text", 0o600, "u:root", "file a"),
        ("/local", 0o644, "root:g", "file local"),
        ("/folder", 0o755, "root:root", "directory"),
        ("/link", 0o644, "root:root", "link to t"),
        ("/there", 0o700, "root:root", "existing Some(448) None None"),
    ];
    let expected = expected.map(|(path, mode, owner, what)| {
        (path.to_owned(), mode, owner.to_owned(), what.to_owned())
    });
    assert_eq!(found, expected);
    let attributes: Vec<_> = request.root.files.iter().filter(|of| !of.xattrs.is_empty()).collect();
    assert_eq!((attributes.len(), attributes[0].path.as_str()), (1, "/local"));
    assert_eq!(attributes[0].xattrs[&b"user.a"[..]], b"b");
}

/// What was compared with the lock is what is placed.
#[test]
fn a_file_that_changes_while_it_is_copied_is_refused() {
    let tables = "[[files]]\npath = \"/f\"\nsource = \"f\"";
    let bench = Bench::new(tables, &[("f", "then")]);
    let inputs = bench.inputs();
    bench.put("f", "now");
    let error = inputs.rootfs_request(&[], &bench.store).map(|_| ()).unwrap_err();
    let BuildError::Lock(LockError::LocalChanged { path, locked, found }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((path.as_str(), locked, found), ("f", digest("then"), digest("now")));
}

#[test]
fn a_root_file_system_is_asked_to_be_what_the_definition_says() {
    let tables = "\
[packages]
exclude-paths = [\"/a/*\"]
include-paths = [\"/a/b\"]
metadata = \"minimal\"
[kernel]
command-line = [\"systemd.volatile=state\"]
[units]
enable = [\"e\"]
mask = [\"m\"]
default = \"d.target\"
[[users]]
name = \"u\"
uid = 7
gid = 8
groups = [\"x\"]
comment = \"c\"
home = \"/h\"
shell = \"/bin/false\"
[[users]]
name = \"v\"
";
    let accounts = vec![crate::lock::sample::account("w", 900, &["root"])];
    let of = Lock { accounts, ..lock(vec![package("p")]) };
    let bench = Bench::of(&definitions::text("hostname = \"h\"", tables), &[], None, of);
    let inputs = bench.inputs();
    let parts = inputs.rootfs_request(&[], &bench.store).unwrap();
    let request = parts.as_request();
    assert_eq!(request.exclude, ["/a/*", "!/a/b"], "inclusions behind all exclusions");
    assert_eq!(request.architecture, "amd64");
    assert!(matches!(request.package_database, PackageDatabase::Minimal));
    let root = request.root;
    assert_eq!(root.ids, Ids::Locked(std::collections::BTreeMap::from([("w".into(), 900)])));
    let user = UserRequest {
        name: "u".into(),
        uid: Some(7),
        groups: vec!["x".into()],
        comment: "c".into(),
        home: Some("/h".into()),
        shell: Some("/bin/false".into()),
        ..UserRequest::default()
    };
    assert_eq!(root.users, [user, UserRequest { name: "v".into(), ..UserRequest::default() }]);
    assert_eq!(root.groups, [GroupRequest { name: "u".into(), gid: Some(8) }]);
    assert_eq!(
        (root.units.enable.as_slice(), root.units.mask.as_slice()),
        (&["e".to_owned()][..], &["m".to_owned()][..])
    );
    assert_eq!(root.units.default_target.as_deref(), Some("d.target"));
    assert_eq!((root.hostname, root.image_id, root.image_version), (Some("h"), "tiny", "1"));
    assert_eq!((root.debug, root.mtime, root.volatile_var), (false, 7, true));

    let bench = Bench::new("[packages]\nmetadata = \"none\"", &[]);
    let inputs = bench.inputs();
    let parts = inputs.rootfs_request(&[], &bench.store).unwrap();
    let request = parts.as_request();
    assert!(matches!(request.package_database, PackageDatabase::Absent));
    assert!(!request.root.volatile_var);
    let bench = Bench::new("[packages]\nmetadata = \"full\"", &[]);
    let inputs = bench.inputs();
    let parts = inputs.rootfs_request(&[], &bench.store).unwrap();
    assert!(matches!(parts.as_request().package_database, PackageDatabase::Full));
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

#[test]
fn ids_of_an_image_that_can_t_be_put_together_are_not_told() {
    let bench = Bench::new("", &[]);
    let known = std::collections::BTreeMap::new();
    let told = ids_of(&bench.project, &bench.definition, &bench.lock, &known, bench.origins());
    let Err(UntoldIds::Other(error)) = told else { panic!("told of packages that are not there") };
    let error = error.downcast_ref::<BuildError>().unwrap();
    assert!(matches!(error, BuildError::Fetch(_)), "{error:?}");
}
