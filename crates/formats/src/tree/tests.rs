use super::*;

fn merged_usr() -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    tree.make_directories(b"usr/lib", &Meta::root(0o755, 0)).unwrap();
    tree.put(b"lib", Inode::symlink("usr/lib", 0)).unwrap();
    tree
}

#[test]
fn parents_follow_links() {
    let mut tree = merged_usr();
    let id = tree.put(b"lib/x", Inode::file(Meta::root(0o644, 0), b"x".to_vec())).unwrap();
    assert_eq!(tree.lookup(b"usr/lib/x"), Some(id));
    assert_eq!(tree.canonical(b"lib/x").unwrap(), b"usr/lib/x");
    assert_eq!(tree.resolve(b"usr/../lib/./x"), Ok(id));
    assert_eq!(tree.lookup(b"lib/x"), None);
}

#[test]
fn links_never_leave_the_root_nor_loop() {
    let mut tree = merged_usr();
    tree.put(b"up", Inode::symlink("/../../usr", 0)).unwrap();
    assert_eq!(tree.resolve(b"up/lib"), Ok(tree.lookup(b"usr/lib").unwrap()));
    tree.put(b"loop", Inode::symlink("loop", 0)).unwrap();
    assert_eq!(tree.resolve(b"loop"), Err(TreeError::SymlinkLoop("loop".into())));
}

#[test]
fn an_entry_takes_another_name() {
    let mut tree = merged_usr();
    let file = |text: &str| Inode::file(Meta::root(0o644, 0), text.as_bytes().to_vec());
    let id = tree.put(b"lib/x", file("x")).unwrap();
    let other = tree.put(b"y", file("y")).unwrap();
    tree.rename(b"lib/x", b"y").unwrap();
    assert_eq!((tree.lookup(b"y"), tree.lookup(b"usr/lib/x")), (Some(id), None));
    assert_ne!(id, other);
    tree.link(b"z", id).unwrap();
    tree.rename(b"z", b"y").unwrap();
    assert_eq!((tree.lookup(b"z"), tree.lookup(b"y")), (Some(id), Some(id)), "both names stay");
    tree.rename(b"lib", b"l").unwrap();
    assert!(tree.lookup(b"l").is_some() && tree.lookup(b"lib").is_none(), "the link itself");
    tree.make_directories(b"a/b", &Meta::root(0o755, 0)).unwrap();
    tree.make_directories(b"c/d", &Meta::root(0o755, 0)).unwrap();
    for (from, to) in [("a", "c"), ("y", "c"), ("a", "y"), ("a", "a/b"), ("a", "a/b/e"), ("y", "a")]
    {
        let refused = Err(TreeError::Exists(to.to_owned()));
        assert_eq!(tree.rename(from.as_bytes(), to.as_bytes()), refused, "{from} {to}");
    }
    tree.rename(b"a", b"c/d").unwrap();
    assert!(tree.lookup(b"c/d/b").is_some() && tree.lookup(b"a").is_none());
    assert_eq!(tree.rename(b"a", b"e"), Err(TreeError::NotFound("a".into())));
    assert_eq!(tree.rename(b"c", b"q/e"), Err(TreeError::NotFound("q".into())));
    assert_eq!(tree.rename(b"c", b".."), Err(TreeError::InvalidName("..".into())));
}

#[test]
fn contents_are_those_of_every_name() {
    let mut tree = merged_usr();
    let id = tree.put(b"x", Inode::file(Meta::root(0o644, 0), b"x".to_vec())).unwrap();
    tree.link(b"y", id).unwrap();
    *tree.contents_mut(id).unwrap() = b"new".to_vec();
    let Node::File(contents) = &tree.inode(tree.lookup(b"y").unwrap()).node else { panic!() };
    assert_eq!(contents, b"new");
    assert!(tree.contents_mut(tree.root()).is_none());
}

#[test]
fn directories_and_files_do_not_replace_each_other() {
    let mut tree = merged_usr();
    let file = Inode::file(Meta::root(0o644, 0), Vec::new());
    assert_eq!(tree.put(b"usr", file.clone()), Err(TreeError::Exists("usr".into())));
    assert!(tree.put(b"nowhere/x", file).is_err());
    let id = tree.put(b"usr", Inode::directory(Meta::root(0o700, 1))).unwrap();
    assert_eq!(tree.inode(id).meta.mode, 0o700);
    assert!(tree.lookup(b"usr/lib").is_some());
}

#[test]
fn walk_is_sorted_and_counts_hard_links() {
    let mut tree = merged_usr();
    let id = tree.put(b"usr/b", Inode::file(Meta::root(0o644, 0), Vec::new())).unwrap();
    tree.link(b"usr/a", id).unwrap();
    let paths: Vec<_> = tree.walk().into_iter().map(|(path, _)| show(&path)).collect();
    assert_eq!(paths, ["", "lib", "usr", "usr/a", "usr/b", "usr/lib"]);
    assert_eq!(tree.link_counts()[id.index()], 2);
}

#[test]
fn names_are_checked() {
    let mut tree = merged_usr();
    for name in [&b"usr/.."[..], b"usr/.", b"usr/a\0b", &[b'x'; 256]] {
        assert!(tree.put(name, Inode::symlink("x", 0)).is_err(), "{name:?}");
    }
}

#[test]
fn paths_are_followed_as_the_kernel_follows_them() {
    let mut tree = merged_usr();
    let file = || Inode::file(Meta::root(0o644, 0), Vec::new());
    let target = tree.put(b"usr/lib/f", file()).unwrap();
    for (path, link) in
        [("abs", "/usr/lib/f"), ("rel", "usr/lib/f"), ("two", "abs"), ("usr/up", "../rel")]
    {
        tree.put(path.as_bytes(), Inode::symlink(link, 0)).unwrap();
    }
    for path in
        ["abs", "rel", "two", "usr/up", "lib/f", "usr/./lib//f", "/usr/lib/../lib/f", "../../abs"]
    {
        assert_eq!(tree.resolve(path.as_bytes()), Ok(target), "{path}");
        assert_eq!(tree.real_path(path.as_bytes()).unwrap(), b"usr/lib/f", "{path}");
    }
    for (path, expected) in [
        ("none", TreeError::NotFound("none".into())),
        ("usr/none/x", TreeError::NotFound("usr/none".into())),
        ("abs/x", TreeError::NotADirectory("usr/lib/f".into())),
        // path_resolution(7): a component that is followed by another one is a directory (ENOTDIR).
        ("usr/lib/f/.", TreeError::NotADirectory("usr/lib/f".into())),
        ("usr/lib/f/..", TreeError::NotADirectory("usr/lib/f".into())),
        ("abs/../f", TreeError::NotADirectory("usr/lib/f".into())),
    ] {
        assert_eq!(tree.resolve(path.as_bytes()), Err(expected), "{path}");
    }
    // `canonical` follows the parents alone.
    for (path, real) in [("lib/none", "usr/lib/none"), ("two", "two"), ("lib", "lib"), ("", "")] {
        assert_eq!(tree.canonical(path.as_bytes()).unwrap(), real.as_bytes(), "{path}");
    }
    assert_eq!(tree.canonical(b"abs/x"), Err(TreeError::NotADirectory("usr/lib/f".into())));
}

/// `MAXSYMLINKS` of Linux: 40 links are followed, not 41.
#[test]
fn a_path_passes_forty_links() {
    let mut tree = merged_usr();
    tree.put(b"l0", Inode::symlink("usr", 0)).unwrap();
    for number in 1..=40 {
        let link = Inode::symlink(format!("l{}", number - 1), 0);
        tree.put(format!("l{number}").as_bytes(), link).unwrap();
    }
    assert_eq!(tree.resolve(b"l39"), Ok(tree.lookup(b"usr").unwrap()));
    assert_eq!(tree.resolve(b"l40"), Err(TreeError::SymlinkLoop("l40".into())));
}

#[test]
fn what_is_there_decides_what_may_be_put() {
    let mut tree = merged_usr();
    let file = |byte| Inode::file(Meta::root(0o644, 0), vec![byte]);
    let first = tree.put(b"f", file(1)).unwrap();
    let second = tree.put(b"f", file(2)).unwrap();
    assert_ne!(first, second);
    assert_eq!((tree.lookup(b"f"), tree.link_counts()[first.index()]), (Some(second), 0));
    tree.put(b"f", Inode::symlink("x", 0)).unwrap();
    let directory = || Inode::directory(Meta::root(0o700, 0));
    assert_eq!(tree.put(b"f", directory()), Err(TreeError::Exists("f".into())));
    assert_eq!(tree.put(b"", file(0)), Err(TreeError::Exists(String::new())));
    assert_eq!(tree.put(b"", directory()), Ok(tree.root()));
    assert_eq!(tree.inode(tree.root()).meta.mode, 0o700);
    assert_eq!(tree.put(b"f/x", file(0)), Err(TreeError::NotFound("x".into())));
    assert_eq!(tree.link(b"usr", second), Err(TreeError::Exists("usr".into())));
    let usr = tree.lookup(b"usr").unwrap();
    assert_eq!(tree.link(b"again", usr), Err(TreeError::Exists("again".into())));
    assert_eq!(tree.link(b"usr/..", second), Err(TreeError::InvalidName("..".into())));
}

#[test]
fn directories_are_made_where_they_are_missing() {
    let mut tree = merged_usr();
    let meta = Meta::root(0o750, 9);
    let made = tree.make_directories(b"lib/a//b", &meta).unwrap();
    assert_eq!(tree.lookup(b"usr/lib/a/b"), Some(made));
    assert_eq!(tree.inode(made).meta, meta);
    let usr = tree.lookup(b"usr").unwrap();
    assert_eq!(tree.inode(usr).meta.mode, 0o755, "what is there stays");
    tree.put(b"f", Inode::file(Meta::root(0, 0), Vec::new())).unwrap();
    let expected = Err(TreeError::NotADirectory("f".into()));
    assert_eq!(tree.make_directories(b"f/a", &meta), expected);
    assert_eq!(tree.make_directories(b"", &meta), Ok(tree.root()));
}

#[test]
fn what_is_removed_is_gone_with_all_below_it() {
    let mut tree = merged_usr();
    assert!(tree.remove(b"usr") && !tree.remove(b"usr") && !tree.remove(b"none/x"));
    assert_eq!(tree.walk().len(), 2, "the root and a link");
    assert_eq!(tree.lookup(b"usr/lib"), None);
    // A link is removed, and not followed.
    let mut linked = merged_usr();
    assert!(linked.remove(b"lib") && !linked.remove(b"lib/x"));
    assert!(linked.lookup(b"usr/lib").is_some());
}

#[test]
fn contents_are_converted_and_the_first_failure_ends_it() {
    let mut tree = merged_usr();
    let id = tree.put(b"f", Inode::file(Meta::root(0, 0), vec![1, 2])).unwrap();
    let lengths = tree.clone().try_map(|contents| Ok::<_, ()>(contents.len())).unwrap();
    assert_eq!(lengths.inode(id).node, Node::File(2));
    assert_eq!(lengths.walk(), tree.walk());
    assert_eq!(tree.try_map(|_| Err::<(), _>("no")), Err("no"));
}

#[test]
fn paths_are_split_at_slashes() {
    for (path, parent, name) in
        [("a/b/c", "a/b", "c"), ("a", "", "a"), ("a/", "a", ""), ("", "", "")]
    {
        assert_eq!(split(path.as_bytes()), (parent.as_bytes(), name.as_bytes()));
    }
    let names: Vec<_> = components(b"/a//b/").collect();
    assert_eq!(names, [b"a", b"b"]);
    assert!(is_valid_name(&[b'x'; 255]) && is_valid_name(b"...") && is_valid_name(b"\xff"));
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
        assert!(!is_valid_name(name), "{name:?}");
    }
}
