//! File systems that somebody else made: a base in an OCI layout, and tar archives over what packages have.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::archive::{Archive, Deb};
use crate::rig::{self, Image, run};

/// Packages that an image can be made of.
fn archive() -> Option<Archive> {
    Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])
}

const PACKAGES: &str = "[packages]\ninstall = [\"kernel\", \"hello\"]\nessential = false\n";

/// Runs a tool in a folder; false, loudly, where it is missing.
fn tool(folder: &Path, name: &str, arguments: &[&str]) -> bool {
    let Some(program) = rig::found(name) else {
        rig::skip(&format!("{name} is not installed"));
        return false;
    };
    run(Command::new(program).args(arguments).current_dir(folder)).answer();
    true
}

/// What the built image has below `/opt`: mode, owner and path, as unsquashfs lists them.
fn opt(archive: &Archive) -> Option<Vec<String>> {
    let out = archive.path("out");
    let image = Image { recipe: archive.project(), out };
    let partitions = image.partitions()?;
    let partition = partitions.iter().find(|partition| partition.kind == rig::ROOT).unwrap();
    let root = archive.path("root");
    partition.copy(&image.file(".raw"), &root);
    let listing = rig::oracle("unsquashfs", ["-lln".as_ref(), root.as_os_str()])?.answer();
    let below = listing.lines().filter(|line| line.contains("squashfs-root/opt/"));
    // Mode, owner, length, day, time, path, and what follows it of a link.
    let words = below.map(|line| line.split_whitespace().collect::<Vec<_>>());
    Some(words.map(|words| [&words[..2], &words[5..]].concat().join(" ")).collect())
}

/// An archive of GNU tar, with modes and owners by number.
#[test]
fn a_tar_archive_of_gnu_tar_is_a_layer_of_the_image() {
    let Some(archive) = archive() else { return };
    let tree = archive.path("tree/app");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("run"), "#!/bin/sh\n").unwrap();
    fs::write(tree.join("data"), "1\n").unwrap();
    std::os::unix::fs::symlink("data", tree.join("link")).unwrap();
    let (into, mode) = (archive.project().join("app.tar.gz"), "--mode=u=rwX,g=rX,o=");
    let arguments = ["--owner=1234", "--group=1235", mode, "-czf", into.to_str().unwrap(), "app"];
    if !tool(&archive.path("tree"), "tar", &arguments) {
        return;
    }
    archive.define(&format!("{PACKAGES}[[layers]]\nsource = \"app.tar.gz\"\ntarget = \"/opt\"\n"));
    archive.lock();
    archive.build().answer();
    let Some(found) = opt(&archive) else { return };
    assert_eq!(
        found,
        [
            "drwxr-x--- 1234/1235 squashfs-root/opt/app",
            "-rw-r----- 1234/1235 squashfs-root/opt/app/data",
            "lrwxrwxrwx 1234/1235 squashfs-root/opt/app/link -> data",
            "-rw-r----- 1234/1235 squashfs-root/opt/app/run",
        ]
    );
    fs::write(&into, fs::read(archive.path("tree/app/run")).unwrap()).unwrap();
    archive.build().refused(2, &["the local file `app.tar.gz` does not match the lock"]);
}

/// Makes the layout `base` beside the definition: an image with a layer for each of `changes`. Answers what umoci
/// itself unpacks below `/opt/app`.
fn layout(archive: &Archive, changes: &[&dyn Fn(&Path)]) -> Option<Vec<String>> {
    let folder = archive.project();
    let umoci = |arguments: &[&str]| tool(&folder, "umoci", arguments);
    if !umoci(&["init", "--layout", "base"]) {
        return None;
    }
    umoci(&["new", "--image", "base:1"]);
    let unpack = || umoci(&["unpack", "--rootless", "--image", "base:1", "bundle"]);
    for change in changes {
        unpack();
        change(&folder.join("bundle/rootfs"));
        umoci(&["repack", "--image", "base:1", "bundle"]);
        fs::remove_dir_all(folder.join("bundle")).unwrap();
    }
    unpack();
    let unpacked = rig::names(&folder.join("bundle/rootfs/opt/app"));
    fs::remove_dir_all(folder.join("bundle")).unwrap();
    Some(unpacked)
}

const BASE: &str = "[base]\noci = \"base\"\n";

/// Two files in the tree of an image.
fn two_files(root: &Path) {
    let app = root.join("opt/app");
    fs::create_dir_all(&app).unwrap();
    fs::write(app.join("one"), "1\n").unwrap();
    fs::write(app.join("two"), "2\n").unwrap();
}

/// An image of two layers, of which the second takes a file away.
#[test]
fn an_image_that_umoci_made_is_a_base() {
    let Some(archive) = archive() else { return };
    let one_is_gone = |root: &Path| {
        fs::remove_file(root.join("opt/app/one")).unwrap();
        std::os::unix::fs::symlink("two", root.join("opt/app/three")).unwrap();
    };
    let Some(unpacked) = layout(&archive, &[&two_files, &one_is_gone]) else { return };
    archive.define(&format!("{PACKAGES}{BASE}"));
    archive.lock();
    archive.build().answer();
    let Some(found) = opt(&archive) else { return };
    assert_eq!(
        found,
        [
            "drwxr-xr-x 0/0 squashfs-root/opt/app",
            "lrwxrwxrwx 0/0 squashfs-root/opt/app/three -> two",
            "-rw-r--r-- 0/0 squashfs-root/opt/app/two",
        ]
    );
    assert_eq!(unpacked, ["three", "two"]);
    run(&mut rig::cvmkit(["verify".as_ref(), archive.path("out").as_os_str()])).answer();
}

/// What its files say of owners would be somebody else's.
#[test]
fn an_account_of_a_base_with_another_id_is_refused() {
    let Some(archive) = archive() else { return };
    let account = |root: &Path| {
        two_files(root);
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "worker:x:777:777::/:/usr/sbin/nologin\n").unwrap();
        fs::write(root.join("etc/group"), "worker:x:777:\n").unwrap();
    };
    if layout(&archive, &[&account]).is_none() {
        return;
    }
    let user = |id: u32| format!("[[users]]\nname = \"worker\"\nuid = {id}\ngid = {id}\n");
    archive.define(&format!("{PACKAGES}{BASE}{}", user(778)));
    let said = archive.cvmkit(&["lock"]);
    let said = if said.code == Some(0) { archive.build() } else { said };
    said.refused(2, &["worker", "777", "778"]);
    archive.nothing_built();
    archive.define(&format!("{PACKAGES}{BASE}{}", user(777)));
    archive.lock();
    archive.build().answer();
}
