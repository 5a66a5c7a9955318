//! What a hostile host attaches: an ESP with more on it than the image's own, disks with programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmkit_formats::pe::uki::{Options, Plan};
use cvmkit_formats::source::Source;

use crate::rig::{Image, found, run};

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
