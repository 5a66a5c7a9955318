//! What a root file system is asked to be.

use cvmkit_formats::source::read_all;

use super::*;
use crate::lock::{LockError, Unevaluated};
use crate::packages::debian::PackageDatabase;
use crate::rootfs::{GroupRequest, Ids, Placed, PlacedNode, UserRequest};

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
    let digest = |text: &str| Sha256::of(text.as_bytes()).to_string();
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

#[test]
fn an_image_whose_packages_are_not_there_is_not_evaluated() {
    let bench = Bench::new("", &[]);
    let known = std::collections::BTreeMap::new();
    let told = evaluate(&bench.project, &bench.definition, &bench.lock, &known, bench.origins());
    let Err(Unevaluated::NotHad(error)) = told else {
        panic!("told of packages that are not there")
    };
    assert!(format!("{error:?}").starts_with("Offline"), "{error:?}");
}
