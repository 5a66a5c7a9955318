//! Archives against GNU cpio, and against themselves.

#![expect(clippy::disallowed_methods, reason = "oracles take files")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tool;

use cvmkit_formats::cpio::{self, Error, Options, Plan};
use cvmkit_formats::sink::Checked;
use cvmkit_formats::source::{Source, read_all};
use cvmkit_formats::tree::{Device, Inode, InodeId, Meta, Node, Tree};
use proptest::prelude::*;

fn written<C: Source>(tree: &Tree<C>, options: &Options) -> Vec<u8> {
    let plan = Plan::new(tree, options).unwrap();
    let mut sink = Checked::new(Vec::new());
    plan.write(&mut sink).unwrap();
    sink.finish(plan.len()).unwrap()
}

/// Paths, inodes and which names are links, in the order of the walk.
fn shown<C: Source>(tree: &Tree<C>) -> Vec<String> {
    let mut first: Vec<InodeId> = Vec::new();
    let mut lines = Vec::new();
    for (path, id) in tree.walk() {
        let number = first.iter().position(|&known| known == id).unwrap_or_else(|| {
            first.push(id);
            first.len() - 1
        });
        let inode = tree.inode(id);
        let node = match &inode.node {
            Node::Directory(_) => "directory".to_owned(),
            Node::File(contents) => format!("{:?}", read_all(contents, 1 << 20).unwrap()),
            Node::Symlink(target) => format!("-> {target:?}"),
            Node::CharDevice(device) => format!("c {device:?}"),
            Node::BlockDevice(device) => format!("b {device:?}"),
            Node::Fifo => "fifo".to_owned(),
            Node::Socket => "socket".to_owned(),
        };
        lines.push(format!("{path:?} {number} {:?} {node}", inode.meta));
    }
    lines
}

/// What an initramfs has, and a hard link; no device unless asked for (extraction needs root).
fn initramfs(devices: bool) -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Meta::root(0o755, 1_700_000_000));
    tree.put(b"dev", Inode::directory(Meta::root(0o755, 1))).unwrap();
    if devices {
        let console = Node::CharDevice(Device { major: 5, minor: 1 });
        tree.put(b"dev/console", Inode { meta: Meta::root(0o600, 2), node: console }).unwrap();
    }
    let init = Inode::file(Meta::root(0o755, 1_600_000_000), b"#!init".to_vec());
    let id = tree.put(b"init", init).unwrap();
    tree.put(b"lib", Inode::symlink("usr/lib", 3)).unwrap();
    tree.link(b"sbin-init", id).unwrap();
    let meta = Meta { mode: 0o4711, uid: 1000, gid: 100, mtime: 4, ..Meta::default() };
    tree.put(b"suid", Inode::file(meta, b"12345".to_vec())).unwrap();
    tree
}

#[test]
fn gnu_cpio_lists_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    std::fs::write(&path, written(&initramfs(true), &Options::default())).unwrap();
    let args = ["-itv", "--numeric-uid-gid", "--quiet", "-F", path.to_str().unwrap()];
    let Some(text) = tool::accepts("cpio", &args) else { return };
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "drwxr-xr-x 3 0 0 0 Nov 14 2023 .",
            "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
            "crw------- 1 0 0 5, 1 Jan 1 1970 dev/console",
            "-rwxr-xr-x 2 0 0 0 Sep 13 2020 init",
            "lrwxrwxrwx 1 0 0 7 Jan 1 1970 lib -> usr/lib",
            "-rwxr-xr-x 2 0 0 6 Sep 13 2020 sbin-init",
            "-rws--x--x 1 1000 100 5 Jan 1 1970 suid",
        ]
    );
}

#[test]
fn gnu_cpio_extracts_what_was_written() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    std::fs::write(&path, written(&initramfs(false), &Options { block: 4 })).unwrap();
    let into = folder.path().join("into");
    std::fs::create_dir_all(&into).unwrap();
    let (into_text, path) = (into.to_str().unwrap(), path.to_str().unwrap());
    let args = ["-idm", "--quiet", "-D", into_text, "-F", path];
    if tool::accepts("cpio", &args).is_none() {
        return;
    }
    assert_eq!(std::fs::read(into.join("init")).unwrap(), b"#!init");
    assert_eq!(std::fs::read(into.join("sbin-init")).unwrap(), b"#!init");
    let (init, link) = (into.join("init").metadata(), into.join("sbin-init").metadata());
    assert_eq!(init.as_ref().unwrap().ino(), link.unwrap().ino());
    assert_eq!(init.unwrap().mtime(), 1_600_000_000);
    assert_eq!(std::fs::read_link(into.join("lib")).unwrap().to_str(), Some("usr/lib"));
}

#[test]
fn the_listing_of_an_initramfs() {
    let bytes = written(&initramfs(true), &Options::default());
    let archive = cpio::read(&bytes).unwrap();
    insta::assert_snapshot!(cpio::dump(&archive.tree), @r"
    040755 0:0 1700000000 1 /
    040755 0:0 1 1 /dev
    020600 0:0 2 1 /dev/console device 5:1
    100755 0:0 1600000000 2 /init 6 bytes
    120777 0:0 3 1 /lib -> usr/lib
    100755 0:0 1600000000 2 /sbin-init 6 bytes
    104711 1000:100 4 1 /suid 5 bytes
    ");
}

#[test]
fn the_trailer_is_124_bytes_and_another_archive_may_follow() {
    let empty = Tree::<Vec<u8>>::new(Meta::root(0o755, 0));
    let bytes = written(&empty, &Options { block: 4 });
    assert_eq!(bytes.len(), 112 + 124);
    let mut two = bytes.clone();
    two.extend_from_slice(&bytes);
    assert_eq!(cpio::read(&two).unwrap().end, bytes.len() as u64);
}

#[test]
fn what_the_format_or_the_kernel_loses_is_refused() {
    let refused = |path: &[u8], inode: Inode<Vec<u8>>| {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.put(path, inode).unwrap();
        let answer = Plan::new(&tree, &Options::default()).map(|_| ());
        assert!(matches!(answer, Err(Error::Unsupported { .. })), "{answer:?}");
    };
    let file = |meta| Inode::file(meta, Vec::new());
    let mut capable = Meta::root(0o755, 0);
    capable.xattrs.insert(b"security.capability".to_vec(), vec![1]);
    refused(b"a", file(capable));
    refused(b"a", file(Meta::root(0o644, -1)));
    refused(b"a", file(Meta::root(0o644, 1 << 32)));
    refused(b"TRAILER!!!", file(Meta::root(0o644, 0)));
    refused(b"a", Inode::symlink("", 0));
    refused(b"a", Inode::symlink("x".repeat(4096), 0));
    let tree = Tree::<Vec<u8>>::new(Meta::root(0o755, 0));
    assert!(Plan::new(&tree, &Options { block: 6 }).is_err());
}

#[test]
fn hostile_archives_never_panic() {
    let bytes = written(&initramfs(true), &Options { block: 4 });
    for len in 0..bytes.len() {
        assert!(cpio::read(&bytes[..len]).is_err(), "{len} bytes");
    }
    for at in 0..bytes.len() {
        for value in [0, b'0', b'F', b'/', 0xff] {
            let mut broken = bytes.clone();
            broken[at] = value;
            let _ = cpio::read(&broken);
        }
    }
    let escape = String::from_utf8_lossy(&bytes).replacen("init\0", "../x\0", 1);
    assert!(cpio::read(&escape.into_bytes()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        entries in prop::collection::vec(
            ("[a-c]{1,2}(/[a-c]{1,2}){0,3}", 0..8u8, any::<[u8; 6]>(), any::<u32>()), 0..40)
    ) {
        let mut tree = Tree::new(Meta::root(0o755, 7));
        for (path, kind, bytes, number) in entries {
            let meta = Meta {
                mode: u16::from(bytes[0]) << 4,
                uid: number,
                gid: !number,
                mtime: i64::from(number),
                ..Meta::default()
            };
            let device = Device { major: number >> 20, minor: number & 0xfffff };
            let (parent, _) = cvmkit_formats::tree::split(path.as_bytes());
            let node = match kind {
                0 => Node::Directory(Default::default()),
                1 | 2 => Node::File(bytes[..usize::from(bytes[0] % 7)].to_vec()),
                3 => Node::Symlink(b"a/b".to_vec()),
                4 => Node::CharDevice(device),
                5 => Node::BlockDevice(device),
                6 => Node::Fifo,
                _ => {
                    let target = tree.walk().into_iter().map(|(_, id)| id)
                        .find(|&id| matches!(tree.inode(id).node, Node::File(_)));
                    if let (Some(id), Some(_)) = (target, tree.lookup(parent)) {
                        let _ = tree.link(path.as_bytes(), id);
                    }
                    continue;
                }
            };
            if tree.make_directories(parent, &meta).is_ok() {
                let _ = tree.put(path.as_bytes(), Inode { meta, node });
            }
        }
        let bytes = written(&tree, &Options::default());
        let archive = cpio::read(&bytes).unwrap();
        prop_assert_eq!(shown(&archive.tree), shown(&tree));
        prop_assert_eq!(bytes.len() % 512, 0);
        prop_assert_eq!(written(&archive.tree, &Options::default()), bytes);
    }
}
