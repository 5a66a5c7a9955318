use cvmkit_formats::archive::tar;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::Node;

use super::*;
use crate::rootfs::layer::sample::{Row, archive};

fn apply(stack: &mut Stack, rows: &[Row<'_>]) -> Result<(), OciError> {
    let bytes = archive(rows);
    let members = tar::members(&bytes[..], &tar::Limits::default()).unwrap();
    stack.apply(Digest(Sha256::of(&bytes)), &members, &bytes.into())
}

/// What these layers make: each path with its mode, and its text, its target or `/`; and idle whiteouts.
fn stacked(layers: &[&[Row<'_>]]) -> Result<(Vec<String>, Vec<String>), OciError> {
    let mut stack = Stack::new(9);
    for rows in layers {
        apply(&mut stack, rows)?;
    }
    let (tree, idle) = stack.finish();
    let lines = tree.walk().into_iter().map(|(path, id)| {
        let inode = tree.inode(id);
        let what = match &inode.node {
            Node::Directory(_) => "/".to_owned(),
            Node::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Node::File(content) => String::from_utf8(read_all(content, 99).unwrap()).unwrap(),
            other => panic!("{other:?}"),
        };
        format!("{} {:o} {what}", String::from_utf8_lossy(&path), inode.meta.mode)
    });
    let idle = idle.iter().map(|path| String::from_utf8_lossy(path).into_owned());
    Ok((lines.collect(), idle.collect()))
}

fn tree(layers: &[&[Row<'_>]]) -> Vec<String> {
    stacked(layers).unwrap().0
}

const LOWER: &[Row<'_>] = &[
    ("./", 0o755, "/"),
    ("etc/", 0o755, "/"),
    ("etc/a", 0o644, "a"),
    ("etc/b", 0o644, "b"),
    ("etc/d/", 0o755, "/"),
    ("etc/d/x", 0o644, "x"),
];

/// "Whiteouts": the file, or the folder with all in it, and nothing beside it.
#[test]
fn a_whiteout_removes_what_is_below() {
    assert_eq!(
        tree(&[LOWER, &[("etc/.wh.a", 0o644, "")]]),
        [" 755 /", "etc 755 /", "etc/b 644 b", "etc/d 755 /", "etc/d/x 644 x"]
    );
    assert_eq!(
        tree(&[LOWER, &[("etc/.wh.d", 0, "")]]),
        [" 755 /", "etc 755 /", "etc/a 644 a", "etc/b 644 b"]
    );
    assert_eq!(tree(&[LOWER, &[(".wh.etc", 0, "")]]), [" 755 /"]);
}

/// "Whiteout files MUST only apply to resources in lower/parent layers", wherever they stand.
#[test]
fn a_whiteout_keeps_what_its_own_layer_brings() {
    let after = [" 755 /", "etc 755 /", "etc/new 600 n"];
    for upper in [
        [("etc/new", 0o600, "n"), ("etc/.wh..wh..opq", 0, "")],
        [("etc/.wh..wh..opq", 0, ""), ("etc/new", 0o600, "n")],
    ] {
        assert_eq!(tree(&[LOWER, &upper]), after);
    }
    for upper in [
        [("etc/a", 0o600, "new"), ("etc/.wh.a", 0, "")],
        [("etc/.wh.a", 0, ""), ("etc/a", 0o600, "new")],
    ] {
        assert!(tree(&[LOWER, &upper]).contains(&"etc/a 600 new".to_owned()));
    }
}

#[test]
fn a_whiteout_of_nothing_is_told() {
    let upper = [("etc/.wh.gone", 0, ""), ("new/", 0o755, "/"), ("new/.wh..wh..opq", 0, "")];
    let (_, idle) = stacked(&[LOWER, &upper]).unwrap();
    assert_eq!(idle, ["etc/.wh.gone", "new/.wh..wh..opq"]);
}

/// Each of these removes something else, or nothing, depending on who applies it.
#[test]
fn an_ambiguous_whiteout_is_refused() {
    let linked: &[Row<'_>] =
        &[("usr/", 0o755, "/"), ("usr/x", 0o644, "x"), ("lib", 0o777, "-> usr")];
    for (lower, upper, words) in [
        (linked, [("lib/.wh.x", 0, "")], "its parent `lib` is not a folder"),
        (linked, [("usr/x/.wh.y", 0, "")], "its parent `usr/x` is not a folder"),
        (LOWER, [("etc/.wh.", 0, "")], "is no whiteout"),
        (LOWER, [("etc/.wh..", 0, "")], "is no whiteout"),
        (LOWER, [("etc/.wh...", 0, "")], "is no whiteout"),
        (LOWER, [(".wh..wh.plnk", 0, "")], "is no whiteout"),
        (LOWER, [("etc/.wh.a", 0, "text")], "a whiteout is an empty regular file"),
        (LOWER, [("etc/.wh.a", 0o755, "/")], "a whiteout is an empty regular file"),
        (LOWER, [("etc/.wh.a", 0o777, "-> b")], "a whiteout is an empty regular file"),
        (LOWER, [(".wh.etc/x", 0o644, "x")], "lies below a whiteout"),
    ] {
        let text = stacked(&[lower, &upper]).unwrap_err().to_string();
        assert!(text.contains(words), "{upper:?}: {text}");
    }
}

/// "Applying Changesets": an entry replaces what is there, a folder takes over mode and owner alone.
#[test]
fn an_entry_replaces_what_has_its_path() {
    let upper = [("etc/", 0o700, "/"), ("etc/d", 0o600, "a file now"), ("etc/a/", 0o711, "/")];
    assert_eq!(
        tree(&[LOWER, &upper]),
        [" 755 /", "etc 700 /", "etc/a 711 /", "etc/b 644 b", "etc/d 600 a file now"]
    );
    let linked: &[Row<'_>] = &[("usr/", 0o755, "/"), ("lib", 0o777, "-> usr")];
    // A file goes through a link, and a folder takes the place of one.
    assert!(tree(&[linked, &[("lib/x", 0o644, "x")]]).contains(&"usr/x 644 x".to_owned()));
    assert!(tree(&[linked, &[("lib/", 0o755, "/")]]).contains(&"lib 755 /".to_owned()));
}

#[test]
fn a_hard_link_is_another_name_of_what_its_target_is() {
    let upper = [("a", 0o644, "1"), ("b", 0o644, "= a"), ("a", 0o644, "2")];
    let found = tree(&[&[("b", 0o600, "old")], &upper]);
    assert_eq!(found, [" 755 /", "a 644 2", "b 644 1"]);
}
