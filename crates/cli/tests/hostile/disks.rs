//! What a hostile host attaches: an ESP with more on it than the image's own, disks with programs.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmkit_formats::pe::uki::{Options, Plan};
use cvmkit_formats::source::Source;

use crate::rig::{self, Image, found, run, skip};

/// Printed by every program of the host. It is in no string that a machine is given.
pub(crate) const HOST: &str = "HOST CODE RUNS";

/// Where systemd-stub looks for what goes with the UKI that it is in.
pub(crate) const EXTRA: &str = "EFI/BOOT/BOOTX64.EFI.extra.d";

/// An ESP with the image's own UKI and these files, by path.
pub(crate) fn esp(image: &Image, files: &[(&str, &[u8])], to: &Path) {
    let mut mkfs = Command::new(found("mkfs.vfat").unwrap());
    run(mkfs.args(["-C", "-n", "ESP"]).arg(to).arg("49152")).answer();
    let folder = tempfile::tempdir().unwrap();
    let mut all: Vec<(String, PathBuf)> = vec![("EFI/BOOT/BOOTX64.EFI".into(), image.file(".efi"))];
    for (at, (path, bytes)) in files.iter().enumerate() {
        let file = folder.path().join(at.to_string());
        fs::write(&file, bytes).unwrap();
        all.push(((*path).to_owned(), file));
    }
    for (path, file) in all {
        let mut folder = String::new();
        for part in Path::new(&path).parent().unwrap() {
            folder = format!("{folder}/{}", part.to_str().unwrap());
            // A folder that is there already is fine.
            let _ = Command::new("mmd").arg("-i").arg(to).arg(format!("::{folder}")).output();
        }
        let mut copy = Command::new("mcopy");
        run(copy.arg("-i").arg(to).arg(file).arg(format!("::/{path}"))).answer();
    }
}

/// An addon: a PE image with a command line and no kernel (systemd-stub(7), "Companion Files").
pub(crate) fn addon(stub: &Path, words: &str) -> Vec<u8> {
    let stub = fs::read(stub).unwrap();
    let options = Options { keep_nx_compat: true };
    let line = words.as_bytes().to_vec();
    let plan = Plan::new(&stub, &[(".cmdline", line.len() as u64)], &options).unwrap();
    let mut image = Vec::new();
    plan.write(&[(".cmdline", &line as &dyn Source)], &mut image).unwrap();
    image
}

/// An ext4 file system with these files, all of them executable.
pub(crate) fn ext4(files: &[(&str, &[u8])], to: &Path) {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut mkfs = Command::new(found("mke2fs").unwrap());
    mkfs.args(["-q", "-t", "ext4", "-d"]).arg(folder.path());
    run(mkfs.arg(to).arg("24M")).answer();
}

/// The UUID of the machine, of which systemd makes the machine ID when an image has none.
pub(crate) const MACHINE: &str = "11111111-2222-4333-8444-555555555555";

/// What systemd mounts or uses because of its type (Discoverable Partitions Specification): /home,
/// /srv, /var, swap, ESP, XBOOTLDR.
const TYPED: [&str; 6] = [
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
    "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
    "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
    SWAP,
    rig::ESP,
    "bc13c2ff-59e6-4262-a352-b275fd6f7172",
];

const SWAP: &str = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f";

/// A /var has to have this UUID to be that of [`MACHINE`]: the HMAC-SHA256 of its type with the
/// machine ID as key (`sd_id128_get_machine_app_specific(3)`), by Python.
const OF_MACHINE: &str = "27f8fbe2-435d-43a7-96f1-9dbc2a923802";

/// The disk of an image with partitions that were not in it behind its own: one of each type, with
/// this file system, or swap. None, loudly, without the tools.
pub(crate) fn with_typed_partitions(image: &Image, to: &Path, contents: &Path) -> Option<Image> {
    const SIZE: u64 = 24 << 20;
    let own = image.partitions()?.len();
    let (Some(sgdisk), Some(mkswap)) = (found("sgdisk"), found("mkswap")) else {
        skip("sgdisk or mkswap is not installed");
        return None;
    };
    fs::create_dir_all(to).unwrap();
    let disk = to.join("image.raw");
    fs::copy(image.file(".raw"), &disk).unwrap();
    let file = File::options().write(true).open(&disk).unwrap();
    file.set_len(file.metadata().unwrap().len() + (TYPED.len() as u64 + 2) * SIZE).unwrap();
    let mut add = Command::new(sgdisk);
    // The second table goes to the end, which is elsewhere now.
    add.arg("--move-second-header");
    for (at, kind) in (own + 1..).zip(TYPED) {
        add.arg(format!("--new={at}:0:+24M")).arg(format!("--typecode={at}:{kind}"));
        if kind == TYPED[2] {
            add.arg(format!("--partition-guid={at}:{OF_MACHINE}"));
        }
    }
    run(add.arg(&disk)).answer();
    let swap = to.join("swap");
    File::create(&swap).unwrap().set_len(SIZE).unwrap();
    run(Command::new(mkswap).arg(&swap)).answer();
    let typed = Image { recipe: image.recipe.clone(), out: to.to_owned() };
    for partition in typed.partitions()?.iter().skip(own) {
        let contents = if partition.kind == SWAP { &swap } else { contents };
        file.write_all_at(&fs::read(contents).unwrap(), partition.start).unwrap();
    }
    Some(typed)
}

/// A script that runs in the root of an image.
pub(crate) fn script() -> Vec<u8> {
    format!("#!/bin/sh\necho '{HOST}'\n").into_bytes()
}

/// A root file system whose init is the host's.
pub(crate) fn root(to: &Path) {
    let busybox = fs::read(found("busybox").unwrap()).unwrap();
    let init = format!("#!/bin/busybox sh\necho '{HOST}'\n/bin/busybox sleep 100\n");
    ext4(&[("bin/busybox", &busybox), ("sbin/init", init.as_bytes()), ("dev/x", b"")], to);
}
