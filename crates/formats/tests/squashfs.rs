//! squashfs against squashfs-tools and against itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]
#![expect(clippy::disallowed_types, reason = "tests run squashfs-tools")]
#![expect(clippy::disallowed_methods, reason = "tests make files for squashfs-tools")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use cvmkit_formats::sink::Checked;
use cvmkit_formats::squashfs::{Compression, Error, Image, Limits, Options, Plan, dump, read};
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

type Files = Tree<Vec<u8>>;

/// Runs an oracle; `None`, loudly, if it is not installed.
fn run(tool: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(tool).args(arguments).env("TZ", "UTC").output() {
        Ok(output) => Some(output),
        Err(error) => {
            let required =
                std::env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
            assert!(!required, "{tool} is required: {error}");
            eprintln!("SKIPPED: {tool} is not installed");
            None
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(tree: &Files, options: &Options) -> Vec<u8> {
    let mut sink = Checked::new(Vec::new());
    let len = Plan::new(tree, options).unwrap().write(&mut sink).unwrap();
    assert_eq!(len % 4096, 0);
    sink.finish(len).unwrap()
}

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn small() -> Options {
    Options { block_size: 4096, ..Options::new(1_700_000_000) }
}

fn file(contents: impl Into<Vec<u8>>) -> Inode<Vec<u8>> {
    Inode::file(Meta::root(0o644, 1_600_000_000), contents.into())
}

fn with_xattrs(mut inode: Inode<Vec<u8>>, pairs: &[(&[u8], &[u8])]) -> Inode<Vec<u8>> {
    let pairs = pairs.iter().map(|&(name, value)| (name.to_vec(), value.to_vec()));
    inode.meta.xattrs = pairs.collect();
    inode
}

/// One of everything, small.
fn everything() -> Files {
    let mut tree = Tree::new(Meta::root(0o755, 1_500_000_000));
    let meta = Meta { uid: 1000, gid: 70000, ..Meta::root(0o4755, 1_234_567_890) };
    let capability: (&[u8], &[u8]) =
        (b"security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let node = |node| Inode { meta: Meta::root(0o600, 3), node };
    let mut sparse = vec![0; 3 * 4096];
    sparse[4096..8192].copy_from_slice(&noise(4096, 5));
    let entries: Vec<(&[u8], Inode<Vec<u8>>)> = vec![
        (b"bin", Inode::directory(meta.clone())),
        (b"bin/setuid", Inode::file(meta, b"#!/bin/true\n".to_vec())),
        (b"bin/ping", with_xattrs(file("ping"), &[capability, (b"user.note", b"a\0b")])),
        (b"bin/ping6", with_xattrs(file("ping six"), &[capability, (b"user.note", b"a\0b")])),
        (b"dev", with_xattrs(Inode::directory(Meta::root(0o1777, 0)), &[(b"trusted.x", b"")])),
        (b"dev/null", node(Node::CharDevice(Device { major: 1, minor: 3 }))),
        (b"dev/big", node(Node::BlockDevice(Device { major: 4095, minor: 1_048_575 }))),
        (b"dev/pipe", node(Node::Fifo)),
        (b"dev/log", with_xattrs(node(Node::Socket), &[(b"security.selinux", b"s\0")])),
        (b"dev/node", with_xattrs(node(Node::Fifo), &[(b"security.selinux", b"s\0")])),
        (b"empty", Inode::directory(Meta::root(0o700, 4_294_967_295))),
        (b"nothing", file("")),
        (b"link", Inode::symlink("bin/ping", 7)),
        (b"attributed", with_xattrs(Inode::symlink("x", 7), &[(b"trusted.a", b"b")])),
        (b"sparse", file(sparse)),
        (b"hole", file(vec![0; 8192])),
        (b"noise", file(noise(5000, 9))),
        (b"noise-again", file(noise(5000, 9))),
        (b"text", file("all work and no play\n".repeat(1000))),
        ("na\u{ef}ve".as_bytes(), file("x")),
        (b"bytes-\xff\xfe", file("y")),
    ];
    for (path, inode) in entries {
        tree.put(path, inode).unwrap();
    }
    let id = tree.lookup(b"noise").unwrap();
    tree.link(b"bin/hard", id).unwrap();
    let id = tree.lookup(b"dev/pipe").unwrap();
    tree.link(b"pipe", id).unwrap();
    tree
}

/// A directory whose listing needs more than 64 KiB, an index and extended inodes.
fn crowded() -> Files {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    for number in 0..70_000u32 {
        let name = format!("{number:05}-{}", "n".repeat(number as usize % 50));
        tree.put(name.as_bytes(), Inode::symlink(format!("t{number}"), 0)).unwrap();
    }
    tree
}

/// Hard links and ids apart, trees are equal when every path has the same inode.
fn assert_same(left: &Files, right: &Files) {
    let (left_walk, right_walk) = (left.walk(), right.walk());
    assert_eq!(left_walk.len(), right_walk.len());
    let mut ids = BTreeMap::new();
    for ((left_path, left_id), (right_path, right_id)) in left_walk.iter().zip(&right_walk) {
        let path = String::from_utf8_lossy(left_path);
        assert_eq!(left_path, right_path);
        assert_eq!(*ids.entry(*left_id).or_insert(*right_id), *right_id, "links of {path}");
        let (left, right) = (left.inode(*left_id), right.inode(*right_id));
        assert_eq!(left.meta, right.meta, "{path}");
        match (&left.node, &right.node) {
            (Node::Directory(_), Node::Directory(_)) => {}
            (left, right) => assert!(left == right, "contents of {path}"),
        }
    }
}

#[test]
fn everything_is_read_back() {
    for compression in [Compression::Zstd { level: 3 }, Compression::Gzip { level: 9 }] {
        for block_size in [4096, 1 << 17, 1 << 20] {
            let options = Options { compression, block_size, mkfs_time: 0 };
            let tree = everything();
            let image = write(&tree, &options);
            assert_same(&tree, &read(image.as_slice(), &Limits::default()).unwrap());
        }
    }
    let tree = crowded();
    assert_same(&tree, &read(write(&tree, &small()).as_slice(), &Limits::default()).unwrap());
    let bare = Tree::new(Meta::root(0o700, 1));
    assert_same(&bare, &read(write(&bare, &small()).as_slice(), &Limits::default()).unwrap());
}

#[test]
fn the_layout_is_reviewed() {
    let mut tree = everything();
    // Contents that do not shrink keep compressed sizes out of the listing, but for the tables'.
    tree.remove(b"text");
    let noise_only = tree.try_map(|contents| {
        Ok::<_, ()>(if contents.len() > 4096 { noise(8192, 1) } else { contents })
    });
    let image = write(&noise_only.unwrap(), &small());
    insta::assert_snapshot!(dump(image.as_slice(), &Limits::default()).unwrap());
}

#[test]
fn the_dump_names_tables_that_are_not_there() {
    let tree = Files::new(Meta::root(0o755, 0));
    let listing = dump(write(&tree, &small()).as_slice(), &Limits::default()).unwrap();
    let line = listing.lines().find(|line| line.contains("xattr_table")).unwrap();
    assert_eq!(line, "  0x38 xattr_table      none");
}

/// `gnu_dev_makedev` of glibc, for majors below 4096 and minors below 2^20.
fn makedev(device: Device) -> u64 {
    let (major, minor) = (u64::from(device.major), u64::from(device.minor));
    (major << 8) | (minor & 0xff) | ((minor & !0xff) << 12)
}

/// Device nodes and owners can be extracted by root only.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    let required = std::env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
    assert!(is_root || !required, "this oracle needs root");
    if !is_root {
        eprintln!("SKIPPED: unsquashfs is not run as root");
    }
    is_root
}

/// Compares what unsquashfs makes of an image with its tree; `None` if it can't be run.
fn extracted(image: &[u8], tree: &Files) -> Option<()> {
    if !is_root() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (at, root) = (folder.path().join("image"), folder.path().join("root"));
    std::fs::write(&at, image).unwrap();
    let arguments = ["-strict-errors", "-no-progress", "-quiet", "-d", text(&root), text(&at)];
    let output = run("unsquashfs", &arguments)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = |id| {
        let meta = &tree.inode(id).meta;
        format!("{:o} {} {} {}", meta.mode, meta.uid, meta.gid, meta.mtime)
    };
    for (path, id) in tree.walk() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::MetadataExt;
        let there = root.join(std::ffi::OsStr::from_bytes(&path));
        let stat = there.symlink_metadata().unwrap();
        let (mode, mtime) = (stat.mode() & 0o7777, stat.mtime());
        let found = format!("{mode:o} {} {} {mtime}", stat.uid(), stat.gid());
        assert_eq!(found, ours(id), "{}", there.display());
        match &tree.inode(id).node {
            Node::File(contents) => {
                assert!(std::fs::read(&there).unwrap() == *contents, "{}", there.display());
            }
            Node::Symlink(target) => {
                let found = std::fs::read_link(&there).unwrap();
                assert_eq!(found.as_os_str().as_bytes(), target);
            }
            _ => {}
        }
        if let Node::CharDevice(device) | Node::BlockDevice(device) = &tree.inode(id).node {
            assert_eq!(stat.rdev(), makedev(*device), "{}", there.display());
        }
        if !stat.is_dir() {
            assert_eq!(stat.nlink(), u64::from(tree.link_counts()[id.index()]));
        }
    }
    Some(())
}

#[test]
fn unsquashfs_extracts_what_was_written() {
    let tree = everything();
    for compression in [Compression::Zstd { level: 19 }, Compression::Gzip { level: 1 }] {
        let image = write(&tree, &Options { compression, ..small() });
        if extracted(&image, &tree).is_none() {
            return;
        }
    }
    let bare = Tree::new(Meta::root(0o755, 1));
    extracted(&write(&bare, &small()), &bare);
}

#[test]
fn unsquashfs_lists_devices_and_a_crowded_directory() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("image");
    std::fs::write(&at, write(&everything(), &small())).unwrap();
    let Some(output) = run("unsquashfs", &["-lln", text(&at)]) else { return };
    let listing = String::from_utf8_lossy(&output.stdout);
    for part in [
        "crw------- 0/0                   1,  3 1970-01-01 00:00 squashfs-root/dev/null",
        "-rwsr-xr-x 1000/70000",
        "squashfs-root/link -> bin/ping",
    ] {
        assert!(listing.contains(part), "{part} in\n{listing}");
    }
    std::fs::write(&at, write(&crowded(), &small())).unwrap();
    let output = run("unsquashfs", &["-l", text(&at)]).unwrap();
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 70_001);
}

/// What unsquashfs set, mksquashfs reads again; our reader then compares with the tree.
#[test]
fn unsquashfs_sees_the_extended_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let (at, again) = (folder.path().join("image"), folder.path().join("again"));
    if !is_root() {
        return;
    }
    let tree = everything();
    std::fs::write(&at, write(&tree, &small())).unwrap();
    let root = folder.path().join("root");
    let arguments = ["-quiet", "-no-progress", "-xattrs", "-d", text(&root), text(&at)];
    let Some(output) = run("unsquashfs", &arguments) else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let arguments =
        [text(&root), text(&again), "-comp", "zstd", "-noappend", "-quiet", "-no-progress"];
    let output = run("mksquashfs", &arguments).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = std::fs::read(&again).unwrap();
    assert_same(&tree, &read(image.as_slice(), &Limits::default()).unwrap());
}

#[test]
fn images_of_mksquashfs_are_read() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (at, root, again) =
        (folder.path().join("image"), folder.path().join("root"), folder.path().join("again"));
    let mut tree = everything();
    tree.put(b"large", file("0123456789abcdef".repeat(40_000))).unwrap();
    std::fs::write(&at, write(&tree, &small())).unwrap();
    let Some(output) = run("unsquashfs", &["-quiet", "-d", text(&root), text(&at)]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let variants: [&[&str]; 6] = [
        &["-comp", "gzip"],
        &["-comp", "gzip", "-Xcompression-level", "1", "-b", "4096"],
        &["-comp", "zstd", "-b", "1M", "-always-use-fragments"],
        &["-comp", "zstd", "-no-fragments", "-no-exports"],
        &["-comp", "zstd", "-noI", "-noD", "-noF", "-noX"],
        &["-comp", "zstd", "-no-duplicates", "-no-sparse"],
    ];
    for options in variants {
        let mut arguments = vec![text(&root), text(&again), "-noappend", "-quiet", "-no-progress"];
        arguments.extend(options);
        let output = run("mksquashfs", &arguments).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let image = std::fs::read(&again).unwrap();
        assert_same(&tree, &read(image.as_slice(), &Limits::default()).unwrap());
    }
}

#[test]
fn identical_files_share_their_blocks() {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    tree.put(b"a", file(noise(20_000_000, 3))).unwrap();
    let once = write(&tree, &small()).len();
    // Too large for one batch of a thread, so that the first pass over them only compares.
    for name in [b"b", b"c"] {
        tree.put(name, file(noise(20_000_000, 3))).unwrap();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let image = pool.install(|| write(&tree, &small()));
    assert!(image.len() < once + 50_000, "{} and {once}", image.len());
    assert_same(&tree, &read(image.as_slice(), &Limits::default()).unwrap());
}

#[test]
fn threads_do_not_change_the_bytes() {
    let mut tree = everything();
    for (seed, len) in (0..).zip([40_000, 3_000_000, 9_000_000, 100, 9_000_000]) {
        let contents = noise(len, 1 + seed % 2).repeat(2);
        tree.put(format!("f{seed}").as_bytes(), file(contents)).unwrap();
    }
    for level in [1, 3, 6, 13] {
        let options = Options { compression: Compression::Zstd { level }, ..small() };
        let digests = [1, 2, 7].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            Sha256::digest(pool.install(|| write(&tree, &options)))
        });
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "level {level}");
    }
}

/// The digest is our API: a change of one is a line in the changelog.
#[test]
fn the_bytes_are_pinned() {
    let digest = |tree: &Files, options: &Options| {
        let digest = Sha256::digest(write(tree, options));
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let tree = everything();
    let zstd = digest(&tree, &small());
    let gzip = digest(&tree, &Options { compression: Compression::Gzip { level: 9 }, ..small() });
    insta::assert_snapshot!(format!("zstd 3  {zstd}\ngzip 9  {gzip}\n"));

    let mut changed = everything();
    changed.meta_mut(changed.lookup(b"bin/setuid").unwrap()).mtime += 1;
    assert_ne!(digest(&changed, &small()), zstd);
    assert_ne!(digest(&tree, &Options { mkfs_time: 1, ..small() }), zstd);
}

#[test]
fn what_squashfs_cannot_store_is_an_error() {
    let refused = |inode: Inode<Vec<u8>>, part: &str| {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.put(b"it", inode).unwrap();
        let error = Plan::new(&tree, &small()).err().unwrap();
        assert!(matches!(error, Error::Unrepresentable { .. }));
        let message = error.to_string();
        assert!(message.contains("`/it`") && message.contains(part), "{message}");
    };
    let acl: (&[u8], &[u8]) = (b"system.posix_acl_access", b"\x02\0\0\0");
    refused(with_xattrs(file(""), &[acl]), "system.posix_acl_access");
    refused(with_xattrs(file(""), &[(b"user.", b"")]), "no name");
    refused(Inode::symlink("x", -1), "mtime");
    refused(Inode::symlink("x", 1 << 32), "mtime");
    refused(Inode::symlink("", 0), "target");
    refused(Inode::file(Meta::root(0o10_000, 0), Vec::new()), "mode");
    let device = Node::CharDevice(Device { major: 4096, minor: 0 });
    refused(Inode { meta: Meta::root(0, 0), node: device }, "4096");
    let tree = everything();
    for block_size in [0, 2048, 5000, 1 << 21] {
        assert!(Plan::new(&tree, &Options { block_size, ..small() }).is_err());
    }
}

/// Every byte of a small image, flipped in three ways, and every length.
#[test]
fn damage_is_an_error_or_another_tree() {
    let mut tree = everything();
    tree.remove(b"text");
    let options = [small(), Options { compression: Compression::Gzip { level: 9 }, ..small() }];
    for options in options {
        let image = write(&tree, &options);
        let limits = Limits { table_bytes: 1 << 20, content_bytes: 1 << 20 };
        for at in 0..image.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = image.clone();
                bad[at] ^= flip;
                let _ = read(bad.as_slice(), &limits);
                let _ = dump(bad.as_slice(), &limits);
            }
        }
        let used = Image::open(image.as_slice(), &limits).unwrap().superblock().bytes_used.get();
        for len in 0..usize::try_from(used).unwrap() {
            assert!(read(&image[..len], &limits).is_err(), "{len} bytes");
        }
    }
}

#[test]
fn limits_hold() {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    tree.put(b"zeros", file(vec![0; 10 << 20])).unwrap();
    let image = write(&tree, &small());
    let limits = Limits { content_bytes: 1 << 20, ..Limits::default() };
    assert!(matches!(read(image.as_slice(), &limits), Err(Error::Unsupported(_))));
    let limits = Limits { table_bytes: 100, ..Limits::default() };
    assert!(matches!(read(image.as_slice(), &limits), Err(Error::Unsupported(_))));
}

prop_compose! {
    fn meta()(
        mode in 0u16..0o10_000,
        uid in prop_oneof![Just(0u32), any::<u32>()],
        gid in 0u32..3,
        mtime in 0i64..=u32::MAX.into(),
        xattrs in prop::collection::btree_map("(user|trusted|security)\\.[a-z]{1,20}", ".{0,300}", 0..3),
    ) -> Meta {
        let bytes = |(name, value): (String, String)| (name.into_bytes(), value.into_bytes());
        Meta { mode, uid, gid, mtime, xattrs: xattrs.into_iter().map(bytes).collect() }
    }
}

fn node() -> impl Strategy<Value = Node<Vec<u8>>> {
    let device = (0..4096u32, 0..1u32 << 20).prop_map(|(major, minor)| Device { major, minor });
    let contents = (0usize..20_000, 0u32..4, any::<bool>())
        .prop_map(|(len, seed, is_zero)| if is_zero { vec![0; len] } else { noise(len, seed) });
    prop_oneof![
        4 => Just(Node::Directory(BTreeMap::new())),
        6 => contents.prop_map(Node::File),
        1 => "[a-z/]{1,200}".prop_map(|target| Node::Symlink(target.into_bytes())),
        1 => device.clone().prop_map(Node::CharDevice),
        1 => device.prop_map(Node::BlockDevice),
        1 => Just(Node::Fifo),
        1 => Just(Node::Socket),
    ]
}

/// Inodes go below the directories made so far; some get a second name.
fn tree() -> impl Strategy<Value = Files> {
    let entry = ("[a-z\u{e9}.]{1,40}", any::<prop::sample::Index>(), meta(), node(), 0u8..8);
    (meta(), prop::collection::vec(entry, 0..60)).prop_map(|(root, entries)| {
        let mut tree = Tree::new(root);
        let mut directories = vec![Vec::new()];
        for (name, below, meta, node, link) in entries {
            let mut path: Vec<u8> = below.get(&directories).clone();
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
            let is_directory = matches!(node, Node::Directory(_));
            let Ok(id) = tree.put(&path, Inode { meta, node }) else { continue };
            if is_directory {
                directories.push(path);
            } else if link == 0 {
                path.extend_from_slice(b"~");
                let _ = tree.link(&path, id);
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_back(tree in tree(), block_log in 12u32..18, gzip: bool) {
        let compression =
            if gzip { Compression::Gzip { level: 6 } } else { Compression::Zstd { level: 1 } };
        let options = Options { compression, block_size: 1 << block_log, mkfs_time: 0 };
        let image = write(&tree, &options);
        assert_same(&tree, &read(image.as_slice(), &Limits::default()).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 15, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_accepted_by_unsquashfs(tree in tree()) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("image");
        std::fs::write(&at, write(&tree, &small())).unwrap();
        if let Some(output) = run("unsquashfs", &["-lln", text(&at)]) {
            prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let lines = output.stdout.iter().filter(|&&byte| byte == b'\n').count();
            prop_assert_eq!(lines, tree.walk().len());
        }
    }
}
