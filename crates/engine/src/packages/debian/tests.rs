//! The effects against the tools they stand in for, on packages made here.
#![expect(clippy::disallowed_types, reason = "oracle tools are started")]
#![expect(clippy::disallowed_methods, reason = "oracle tools need real folders")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use cvmkit_debian::deb::Control;
use cvmkit_debian::deb822::Paragraph;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::Node;

mod accounts;
mod asked;
mod attributes;
mod base;
mod database;
mod enabled;
mod hostile;
mod links;
mod mutated;
mod origins;
mod overlays;
mod scripts;
mod terminals;
mod units;

use cvmkit_attest::output::Notice;
use cvmkit_formats::tree::Tree;
use cvmkit_host::fault::Diagnosis;

use super::*;
use crate::content::Content;
use crate::rootfs::tests::{is_root, oracle};
use crate::rootfs::{
    self, Changes, GroupRequest, Ids, Placed, PlacedNode, RootfsError, Units, UserRequest,
    capability,
};

pub(super) fn package(name: &str, control: &str, entries: &[(&str, &str)]) -> Package {
    let mut data = tempfile::tempfile().unwrap();
    let mut offset = 0;
    let entries = entries.iter().map(|&(path, what)| {
        let kind = match (what.strip_prefix("-> "), what.strip_prefix("= ")) {
            (Some(target), _) => EntryKind::Symlink(target.into()),
            (_, Some(target)) => EntryKind::HardLink(target.into()),
            _ if path.ends_with('/') || path.is_empty() => EntryKind::Directory,
            _ => {
                data.write_all(what.as_bytes()).unwrap();
                let len = what.len() as u64;
                offset += len;
                EntryKind::File { offset: offset - len, len }
            }
        };
        let mode = if matches!(kind, EntryKind::Directory) { 0o755 } else { 0o644 };
        Entry {
            path: path.trim_end_matches('/').into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 1000,
            xattrs: BTreeMap::new(),
        }
    });
    let entries = entries.collect();
    let text = format!("Package: {name}\nVersion: 1.0\nArchitecture: amd64\n{control}");
    Package {
        name: name.into(),
        version: "1.0".into(),
        architecture: "amd64".into(),
        control: Control { fields: Paragraph::parse(&text).unwrap(), files: BTreeMap::new() },
        entries,
        data: Arc::new(data),
    }
}

pub(super) fn with_script(mut package: Package, kind: &str, text: &str) -> Package {
    package.control.files.insert(kind.into(), text.into());
    package
}

pub(super) fn request(packages: &[Package]) -> Request<'_> {
    Request {
        packages,
        architecture: "amd64",
        root: rootfs::Request { mtime: 500, ..Default::default() },
        ..Request::default()
    }
}

/// Path, mode, owner and contents or target of everything.
fn listing(tree: &Tree<Content>) -> Vec<(String, u16, u32, u32, i64, Vec<u8>)> {
    let body = |node: &Node<Content>| match node {
        Node::File(content) => read_all(content, 1 << 20).unwrap(),
        Node::Symlink(target) => target.clone(),
        _ => Vec::new(),
    };
    let row = |(path, id): (Vec<u8>, _)| {
        let inode = tree.inode(id);
        let meta = &inode.meta;
        let path = String::from_utf8(path).unwrap();
        (path, meta.mode, meta.uid, meta.gid, meta.mtime, body(&inode.node))
    };
    tree.walk().into_iter().map(row).collect()
}

pub(super) fn text(rootfs: &Rootfs, path: &str) -> String {
    let id = rootfs.tree.resolve(path.as_bytes()).unwrap();
    let Node::File(content) = &rootfs.tree.inode(id).node else { panic!("{path}") };
    String::from_utf8(read_all(content, 1 << 20).unwrap()).unwrap()
}

/// Writes a tree to a folder, as far as that needs no privilege.
fn materialise(tree: &Tree<Content>, folder: &Path) {
    for (path, mode, _, _, _, body) in listing(tree) {
        let at = folder.join(&path);
        let id = tree.lookup(path.as_bytes()).unwrap();
        match &tree.inode(id).node {
            Node::Directory(_) => fs::create_dir_all(&at).unwrap(),
            Node::Symlink(target) => {
                symlink(String::from_utf8_lossy(target).as_ref(), &at).unwrap()
            }
            _ => {
                fs::write(&at, body).unwrap();
                fs::set_permissions(&at, fs::Permissions::from_mode(u32::from(mode))).unwrap();
            }
        }
    }
}

/// The links below a folder of the tree, by path.
fn links(tree: &Tree<Content>, below: &str) -> BTreeMap<String, String> {
    let row = |(path, id): (Vec<u8>, _)| match &tree.inode(id).node {
        Node::Symlink(target) => {
            let path = String::from_utf8(path).unwrap();
            let rest = path.strip_prefix(below).filter(|rest| rest.starts_with('/'))?.to_owned();
            Some((rest, String::from_utf8(target.clone()).unwrap()))
        }
        _ => None,
    };
    tree.walk().into_iter().filter_map(row).collect()
}

/// The same of a real folder.
fn links_on_disk(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                let target = fs::read_link(&path).unwrap().to_str().unwrap().to_owned();
                found.insert(format!("/{name}"), target);
            }
        }
    }
    found
}

#[test]
fn usr_is_merged_and_the_order_of_packages_does_not_matter() {
    let make = || {
        vec![
            package("b", "", &[("bin/", ""), ("bin/b", "b"), ("usr/", ""), ("usr/share/", "")]),
            package("a", "", &[("lib/", ""), ("lib/a", "a"), ("lib/b", "= lib/a")]),
        ]
    };
    let packages = make();
    let forth = assemble(&request(&packages)).unwrap();
    let mut packages = make();
    packages.reverse();
    let back = assemble(&request(&packages)).unwrap();
    assert_eq!(listing(&forth.tree), listing(&back.tree));
    assert_eq!(forth.log, back.log);
    assert_eq!(forth.owners.get(&b"usr/bin/b"[..]).map(String::as_str), Some("b"));
    let one = forth.tree.lookup(b"usr/lib/a").unwrap();
    assert_eq!(forth.tree.lookup(b"usr/lib/b"), Some(one));
    // Packaged times are clamped to the time of the image.
    assert_eq!(forth.tree.inode(one).meta.mtime, 500);
}

#[test]
fn two_packages_with_one_path_are_an_error_unless_one_replaces_the_other() {
    let files: &[(&str, &str)] = &[("usr/", ""), ("usr/x", "x")];
    let packages = [package("a", "", files), package("b", "", files)];
    let error = assemble(&request(&packages)).unwrap_err();
    let AssembleError::PackageConflict { path, first, second } = &error else { panic!("{error}") };
    assert_eq!((path.as_str(), first.as_str(), second.as_str()), ("usr/x", "a", "b"));
    for (relation, replaces) in [("b", true), ("b (<< 2)", true), ("b (<< 1.0)", false)] {
        let control = format!("Replaces: c, {relation}\n");
        let winner = package("a", &control, &[("usr/", ""), ("usr/x", "won")]);
        let packages = [winner, package("b", "", files)];
        match assemble(&request(&packages)) {
            Ok(rootfs) => assert!(replaces && text(&rootfs, "usr/x") == "won", "{relation}"),
            Err(error) => assert!(!replaces, "{relation}: {error}"),
        }
    }
}

#[test]
fn excluded_files_are_left_out_but_keep_their_hard_links() {
    let packages = [package(
        "a",
        "",
        &[
            ("usr/", ""),
            ("usr/doc/", ""),
            ("usr/doc/a/", ""),
            ("usr/doc/a/copyright", "c"),
            ("usr/doc/a/news", "n"),
            ("usr/news", "= usr/doc/a/news"),
            ("usr/man/", ""),
            ("usr/man/1", "m"),
        ],
    )];
    let exclude = ["/usr/doc/*", "!/usr/doc/*/copyright", "/usr/man/*"].map(str::to_owned);
    let rootfs = assemble(&Request { exclude: &exclude, ..request(&packages) }).unwrap();
    assert_eq!(text(&rootfs, "usr/news"), "n");
    assert_eq!(text(&rootfs, "usr/doc/a/copyright"), "c");
    assert!(rootfs.tree.lookup(b"usr/doc/a/news").is_none());
    assert!(rootfs.tree.lookup(b"usr/man/1").is_none());
}

#[test]
fn all_scripts_that_can_t_be_evaluated_are_one_error() {
    let files: &[(&str, &str)] = &[("usr/", "")];
    let of = |name: &str, kind: &str, text: &str| with_script(package(name, "", files), kind, text);
    let packages = [
        of("a", "postinst", "#!/bin/sh\nset -e\nfrobnicate\n"),
        of("b", "preinst", "#!/usr/bin/perl\n"),
        of("c", "postinst", "#!/bin/sh\nexit 3\n"),
        of("e", "postinst", "#!/bin/sh\nif true; then\n"),
        of("d", "postinst", "#!/bin/sh\n[ \"$1\" = configure ] && [ -z \"$2\" ]\n"),
    ];
    let error = assemble(&request(&packages)).unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    let (unparsed, lines) = lines.split_last().unwrap();
    assert!(unparsed.starts_with("    postinst of e, line 3: "), "{unparsed}");
    assert_eq!(
        lines,
        [
            "4 maintainer scripts can't be evaluated",
            "    preinst of b, line 1: a script of `perl` can't be evaluated",
            "    postinst of a, line 3: frobnicate: not found (ends with 127)",
            "    postinst of c: ends with 3, without a message",
        ]
    );
    // What the hint shows can be put into a definition as it is.
    let hint = error.hint().unwrap();
    let mut skip = BTreeMap::new();
    for line in hint.lines().skip(1) {
        let table: toml::Table = toml::from_str(line.trim()).unwrap();
        let (name, of) = table["scripts"].as_table().unwrap().iter().next().unwrap();
        let digest = of["skip"][0].as_str().unwrap().parse().unwrap();
        skip.insert(name.clone(), BTreeSet::from([digest]));
    }
    assert_eq!(skip.len(), 4, "{hint}");
    assemble(&Request { skip, ..request(&packages) }).unwrap();
}

#[test]
fn a_trigger_that_does_not_parse_is_an_error() {
    let packages = [with_script(package("b", "", &[]), "triggers", "interest\n")];
    let error = assemble(&request(&packages)).unwrap_err();
    assert!(matches!(error, AssembleError::Triggers { .. }), "{error}");
}

/// deb-triggers(5): who waits for a file acts when all packages are there.
#[test]
fn a_package_acts_on_what_others_bring() {
    let script = "#!/bin/sh\nset -e\nif [ \"$1\" = triggered ]; then echo \"$2\" > /etc/told; fi\n";
    let waiting = package("a", "", &[("etc/", "")]);
    let waiting = with_script(waiting, "triggers", "interest-noawait go\n");
    let packages = [
        with_script(waiting, "postinst", script),
        with_script(package("b", "", &[]), "triggers", "activate-noawait go\n"),
    ];
    let rootfs = assemble(&request(&packages)).unwrap();
    assert_eq!(text(&rootfs, "etc/told"), "go\n");
    let line = "postinst (triggered) of a: /etc/told 0644 root:root";
    assert!(rootfs.log.iter().any(|found| found == line), "{:?}", rootfs.log);
}

const SYSUSERS: &str = "g kvm -\nu mail-bot - \"Mail Bot\" /var/lib/bot /bin/false\nu! zed - - /\n\
    u fixed 950 - /\nm mail-bot kvm\n";

#[test]
fn files_of_the_definition_win_and_have_their_owners() {
    let packages = accounts::accounts_packages();
    let placed = |path: &str, user: &str, node: PlacedNode| Placed {
        path: path.into(),
        mode: 0o600,
        user: user.into(),
        group: "0".into(),
        xattrs: BTreeMap::new(),
        node,
    };
    let files = [
        placed("/etc/hosts", "mail-bot", PlacedNode::File("mine\n".into())),
        placed("/etc/resolv.conf", "root", PlacedNode::Symlink("/dev/null".into())),
        placed("/usr/lib/sysusers.d/x.conf", "root", PlacedNode::File(SYSUSERS.into())),
        placed("/srv/data", "998", PlacedNode::Directory),
    ];
    let rootfs = assemble(&Request {
        root: rootfs::Request { files: &files, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    assert_eq!(text(&rootfs, "etc/hosts"), "mine\n");
    let id = rootfs.tree.lookup(b"etc/hosts").unwrap();
    assert_eq!((rootfs.tree.inode(id).meta.uid, rootfs.tree.inode(id).meta.mode), (998, 0o600));
    assert!(
        rootfs.log.iter().any(|line| line.contains("replaces that of base")),
        "{:?}",
        rootfs.log
    );
    let files = [placed("/etc/x", "nobody-knows", PlacedNode::Directory)];
    assert!(
        assemble(&Request {
            root: rootfs::Request { files: &files, ..request(&packages).root },
            ..request(&packages)
        })
        .is_err()
    );
}

#[test]
fn the_image_knows_its_name_and_a_debug_image_says_so() {
    let packages = [package("a", "", &[("usr/lib/os-release", "ID=debian\nIMAGE_ID=old\n")])];
    let named = Request {
        root: rootfs::Request {
            image_id: "node",
            image_version: "1.2~rc1",
            hostname: Some("cvm-1"),
            ..request(&packages).root
        },
        ..request(&packages)
    };
    let rootfs = assemble(&named).unwrap();
    let release = "ID=debian\nIMAGE_ID=\"node\"\nIMAGE_VERSION=\"1.2~rc1\"\n";
    assert_eq!(text(&rootfs, "etc/os-release"), release);
    assert_eq!(
        (text(&rootfs, "etc/hostname"), text(&rootfs, "etc/machine-id")),
        ("cvm-1\n".into(), String::new())
    );
    let rootfs = assemble(&Request {
        root: rootfs::Request { debug: true, ..named.clone().root },
        ..named.clone()
    })
    .unwrap();
    assert!(text(&rootfs, "etc/os-release").ends_with("VARIANT_ID=\"debug\"\n"));
    for bad in [
        Request {
            root: rootfs::Request { image_id: "a\"b", ..named.clone().root },
            ..named.clone()
        },
        Request {
            root: rootfs::Request { hostname: Some("-x"), ..named.clone().root },
            ..named.clone()
        },
        Request { root: rootfs::Request { hostname: Some("a\nb"), ..named.root }, ..named },
    ] {
        assert!(matches!(assemble(&bad), Err(AssembleError::Rootfs(RootfsError::Value { .. }))));
    }
}

#[test]
fn a_library_that_needs_a_loader_cache_is_an_error() {
    let configuration = ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
    let own = ("etc/ld.so.conf.d/x.conf", "# x\n/opt/x/lib\n/usr/lib/x86_64-linux-gnu\n");
    let native = ("usr/lib/x86_64-linux-gnu/libx.so.1", "");
    let packages = [package("a", "", &[configuration, own, native])];
    assemble(&request(&packages)).unwrap();
    let packages = [package("a", "", &[configuration, own, ("opt/x/lib/libx.so.1", "")])];
    let error = assemble(&request(&packages)).unwrap_err();
    assert!(error.to_string().contains("opt/x/lib/libx.so.1"), "{error}");
}
