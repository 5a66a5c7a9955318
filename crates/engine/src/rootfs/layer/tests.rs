//! Layers over a tree, and the same archives unpacked by GNU tar.
#![expect(clippy::disallowed_types, reason = "oracle tools are started")]
#![expect(clippy::disallowed_methods, reason = "files are made for oracle tools")]

use std::io::Write;
use std::process::{Command, Stdio};

use cvmkit_formats::archive::tar;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::Node;

use super::sample::{Row, archive};
use super::*;
use crate::rootfs::tests::{access, assembly, at, oracle, refused};
use crate::rootfs::{Request, accounts, overlay};

fn layer(target: &str, rows: &[Row<'_>]) -> Layer {
    let bytes = archive(rows);
    let members = tar::members(&bytes[..], &tar::Limits::default()).unwrap();
    let (name, sha256) = ("l.tar".into(), Sha256::of(&bytes));
    Layer { name, sha256, target: target.into(), members, archive: bytes.into() }
}

/// The notices but that there is a layer.
fn told(assembly: &Assembly<'_>) -> Vec<Notice> {
    let notices = assembly.notices.iter();
    notices.filter(|notice| !matches!(notice, Notice::Layer { .. })).cloned().collect()
}

/// The tree of `packaged` files after both placings.
fn after<'a>(
    request: &'a Request<'a>,
    packaged: &[(&str, &str)],
) -> Result<Assembly<'a>, RootfsError> {
    let mut assembly = assembly(request, packaged);
    for (path, _) in packaged {
        let path = path.trim_matches('/').as_bytes().to_vec();
        assembly.owners.insert(path, "pkg".into());
    }
    place(&mut assembly)?;
    place_again(&mut assembly)?;
    Ok(assembly)
}

#[test]
fn members_are_placed_with_all_that_they_have() {
    let layers = [layer(
        "",
        &[
            ("./", 0o700, "/"),
            ("srv/", 0o750, "/"),
            ("srv/file", 0o4755, "text"),
            ("srv/link", 0o777, "-> file"),
            ("srv/name", 0o4755, "= srv/file"),
            ("deep/er/file", 0o600, "x"),
        ],
    )];
    let request = Request { layers: &layers, mtime: 9, ..Request::default() };
    let tree = after(&request, &[]).unwrap();
    assert_eq!(access(&tree, "/"), (0o755, 0, 0));
    assert_eq!(access(&tree, "/srv"), (0o750, 7, 8));
    assert_eq!(access(&tree, "/srv/file"), (0o4755, 7, 8));
    assert_eq!(at(&tree, "/srv/link").as_deref(), Some("-> file"));
    assert_eq!(access(&tree, "/deep/er"), (0o755, 0, 0));
    assert_eq!(at(&tree, "/deep/er/file").as_deref(), Some("x"));
    let [file, name] = ["srv/file", "srv/name"].map(|path| tree.find(path).unwrap());
    assert_eq!(file, name, "one inode");
    assert_eq!(tree.tree.inode(file).meta.mtime, 5);
    let sha256 = layers[0].sha256;
    assert_eq!(tree.notices[0], Notice::Layer { layer: "l.tar".into(), sha256, members: 6 });
    assert_eq!(
        told(&tree),
        [Notice::LayerFoldersKept { layer: "l.tar".into(), count: 1, first: "/".into() }]
    );
}

#[test]
fn what_is_newer_than_the_image_gets_its_time() {
    let layers = [layer("srv", &[("f", 0o644, "")])];
    let request = Request { layers: &layers, mtime: 3, ..Request::default() };
    let tree = after(&request, &[]).unwrap();
    assert_eq!(tree.tree.inode(tree.find("/srv/f").unwrap()).meta.mtime, 3);
}

/// The last member of a path wins, within an archive and among archives, and what gives way is told.
#[test]
fn the_last_member_wins_and_is_told() {
    let first = layer(
        "",
        &[
            ("etc/x", 0o644, "1"),
            ("etc/y", 0o644, "= etc/x"),
            ("etc/x", 0o600, "2"),
            ("new/", 0o700, "/"),
            ("new/", 0o711, "/"),
        ],
    );
    let second =
        Layer { name: "m.tar".into(), ..layer("", &[("etc/x", 0o640, "3"), ("new/", 0o750, "/")]) };
    let layers = [first, second];
    let request = Request { layers: &layers, ..Request::default() };
    let tree = after(&request, &[("/etc/x", "packaged"), ("/etc/", "")]).unwrap();
    assert_eq!((at(&tree, "/etc/x").unwrap().as_str(), access(&tree, "/etc/x").0), ("3", 0o640));
    assert_eq!(at(&tree, "/etc/y").as_deref(), Some("1"), "the name of what was there then");
    assert_eq!(access(&tree, "/new").0, 0o750);
    let (layer, package) = ("l.tar".to_owned(), "pkg".to_owned());
    assert_eq!(
        told(&tree),
        [
            Notice::LayerReplaces {
                layer: layer.clone(),
                package,
                count: 1,
                first: "/etc/x".into()
            },
            Notice::LayerRepeats { layer, count: 2, first: "/etc/x".into() },
        ]
    );
    assert!(tree.log.contains(&"`/etc/x` of l.tar replaces that of pkg".to_owned()));
    assert!(tree.log.contains(&"l.tar has `/new` more than once: the last counts".to_owned()));
}

/// A tar of a home folder says 0700 and 1000:1000 of `./`: nobody means the root of the image.
#[test]
fn folders_that_are_there_stay_as_they_are() {
    let layers = [layer(
        "",
        &[("etc", 0o700, "/"), ("lib", 0o755, "/"), ("lib/x", 0o644, "x"), ("dev/null", 0o644, "")],
    )];
    let request = Request { layers: &layers, ..Request::default() };
    let packaged = [("/etc/", ""), ("/usr/lib/", ""), ("/lib", "-> usr/lib")];
    let tree = after(&request, &packaged).unwrap();
    assert_eq!(access(&tree, "/etc"), (0o755, 0, 0));
    assert_eq!(at(&tree, "/lib").as_deref(), Some("-> usr/lib"));
    assert_eq!(at(&tree, "/usr/lib/x").as_deref(), Some("x"));
    let layer = || "l.tar".to_owned();
    assert_eq!(
        told(&tree),
        [
            Notice::LayerFoldersKept { layer: layer(), count: 2, first: "/etc".into() },
            Notice::LayerHidden { layer: layer(), count: 1, first: "/dev/null".into() },
        ]
    );
    assert!(tree.log.contains(&"`/etc` keeps 0755 0:0, l.tar has 0700 7:8".to_owned()));
}

#[test]
fn a_file_is_no_folder_and_all_that_do_not_fit_are_named() {
    let layers = [layer(
        "",
        &[("etc", 0o644, "x"), ("f/", 0o755, "/"), ("f/x", 0o644, ""), ("g", 0o644, "")],
    )];
    let request = Request { layers: &layers, ..Request::default() };
    let error = after(&request, &[("/etc/", ""), ("/f", "file")]).map(drop);
    refused(error, "the layer `l.tar` does not fit over what is there:\n  `/etc`: ");
    let error = after(&request, &[("/etc/", ""), ("/f", "file")]).map(drop).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 4, "{error}");
}

/// Effects and scripts between both placings do not win, but what was taken away for good stays away.
#[test]
fn nothing_overwrites_a_layer_and_what_is_withheld_stays_away() {
    let layers =
        [layer("", &[("srv/", 0o750, "/"), ("srv/f", 0o600, "mine"), ("srv/g", 0o600, "g")])];
    let request = Request { layers: &layers, ..Request::default() };
    let mut tree = assembly(&request, &[]);
    place(&mut tree).unwrap();
    tree.write("/srv/f", 0o644, "theirs").unwrap();
    tree.tree.remove(b"srv/g");
    tree.layered.withheld.insert(b"srv/g".to_vec());
    let id = tree.find("/srv").unwrap();
    tree.tree.meta_mut(id).mode = 0o777;
    place_again(&mut tree).unwrap();
    assert_eq!(at(&tree, "/srv/f").as_deref(), Some("mine"));
    assert_eq!(at(&tree, "/srv/g"), None);
    assert_eq!(access(&tree, "/srv").0, 0o750);
}

/// Overlays and files of the definition come after layers.
#[test]
fn files_of_the_definition_win_over_layers() {
    let layers = [layer("", &[("etc/x", 0o600, "layer")])];
    let files = [crate::rootfs::Placed {
        path: "/etc/x".into(),
        mode: 0o644,
        user: "root".into(),
        group: "root".into(),
        xattrs: BTreeMap::new(),
        node: crate::rootfs::PlacedNode::File("own".into()),
    }];
    let request = Request { layers: &layers, files: &files, ..Request::default() };
    let mut tree = assembly(&request, &[]);
    place(&mut tree).unwrap();
    let kept = overlay::place(&mut tree).unwrap();
    let accounts = accounts::collect(&mut tree, crate::rootfs::tests::MASTERS).unwrap();
    place_again(&mut tree).unwrap();
    overlay::place_owned(&mut tree, &accounts, &kept).unwrap();
    assert_eq!(at(&tree, "/etc/x").as_deref(), Some("own"));
}

/// Path, type with mode, and text or target of all but the root, as find(1) prints them.
fn listed(tree: &Assembly<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, id) in tree.tree.walk().into_iter().skip(1) {
        let inode = tree.tree.inode(id);
        let (kind, what) = match &inode.node {
            Node::Directory(_) => ("d", String::new()),
            Node::Symlink(target) => ("l", String::from_utf8(target.clone()).unwrap()),
            Node::File(content) => {
                ("f", String::from_utf8(read_all(content, 1000).unwrap()).unwrap())
            }
            other => panic!("{other:?}"),
        };
        let path = String::from_utf8(path).unwrap();
        lines.push(format!("{path} {kind} {:o} {what}", inode.meta.mode));
    }
    lines.sort();
    lines
}

/// GNU tar extracts the same archives over the same folders, told to keep those that are there.
#[test]
fn gnu_tar_makes_the_same_tree() {
    if oracle("tar", &["--version"]).is_none() {
        return;
    }
    let layers = [
        &[
            ("./", 0o755, "/"),
            ("./usr", 0o700, "/"),
            ("./usr/a", 0o644, "first"),
            ("./usr/b", 0o644, "= ./usr/a"),
            ("./usr/a", 0o600, "second"),
            ("./usr/c", 0o777, "-> a"),
            ("./usr/c", 0o640, "no link any more"),
            ("./new", 0o711, "/"),
            ("./new/x", 0o755, "x"),
        ][..],
        &[
            ("new/x", 0o640, "of the second"),
            ("new/y", 0o640, "= new/x"),
            ("lib/z", 0o644, "through a link"),
            ("usr/d", 0o777, "-> ../new"),
        ],
    ];
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("usr/lib")).unwrap();
    std::os::unix::fs::symlink("usr/lib", at("lib")).unwrap();
    std::fs::write(at("usr/a"), "packaged").unwrap();
    for rows in layers {
        let mut tar = Command::new("tar")
            .args(["--no-overwrite-dir", "--keep-directory-symlink", "-xpf", "-", "-C"])
            .arg(folder.path())
            .arg("--no-same-owner")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        tar.stdin.take().unwrap().write_all(&archive(rows)).unwrap();
        assert!(tar.wait().unwrap().success());
    }
    let output = Command::new("find")
        .arg(folder.path())
        .args(["-mindepth", "1", "-printf", "%P %y %m %l\n"])
        .output()
        .unwrap();
    let mut expected: Vec<String> = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let path = line.split(' ').next().unwrap();
        let is_file = line.contains(" f ");
        let text = if is_file { std::fs::read_to_string(at(path)).unwrap() } else { String::new() };
        expected.push(format!("{line}{text}"));
    }
    expected.sort();
    let layers: Vec<Layer> = layers.iter().map(|rows| layer("", rows)).collect();
    let request = Request { layers: &layers, ..Request::default() };
    let packaged = [("/usr/lib/", ""), ("/lib", "-> usr/lib"), ("/usr/a", "packaged")];
    assert_eq!(listed(&after(&request, &packaged).unwrap()), expected);
}
