//! Machines that lack room or a program.

use std::process::Command;

use crate::archive::{Archive, Deb, noise};
use crate::rig::{self, Image, cvmkit, run};

/// Mounts `$1` MiB of memory at `$2`, runs the rest, and lists what is left there.
const IN_LITTLE_ROOM: &str = r#"
room=$1; at=$2; shift 2
mount -t tmpfs -o "size=${room}m" none "$at" || exit 99
"$@" >&2
code=$?
find "$at" -mindepth 1 ! -type d
exit $code
"#;

/// Runs a command with `room` MiB at a mount point; answers what it left there on stdout.
fn in_little_room(room: u32, at: &std::path::Path, command: &Command) -> rig::Said {
    let mut little = Command::new("unshare");
    little.args(["--mount", "/bin/sh", "-c", IN_LITTLE_ROOM, "sh", &room.to_string()]);
    little.arg(at).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        little.env(name, value.unwrap_or_default());
    }
    run(&mut little)
}

#[test]
fn a_full_disk_below_the_output_leaves_nothing() {
    if !rig::mount_namespaces() {
        return;
    }
    let image = Image::minimal();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let said = in_little_room(16, folder.path(), &image.command(&out, &["--offline"]));
    let hint = "hint: make room on the disk that holds ";
    said.refused(3, &["No space left on device", folder.path().to_str().unwrap(), hint]);
}

#[test]
fn a_full_disk_below_the_store_leaves_no_object() {
    if !rig::mount_namespaces() {
        return;
    }
    let hello = (0..10).fold(Deb::new("hello"), |deb, at| {
        deb.file(&format!("usr/share/hello/{at}"), &noise(&at.to_string()))
    });
    let Some(archive) = Archive::new(&[hello]) else { return };
    archive.lock();
    let store = archive.path("store");
    std::fs::create_dir_all(&store).unwrap();
    let said = in_little_room(1, &store, &archive.command(&["build", "--out", "out"]));
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    for word in ["No space left on device", "hint: make room", store.to_str().unwrap()] {
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
    }
    // A download that began may stay, to be resumed; an object may not.
    let left: Vec<&str> = said.stdout.lines().filter(|path| !path.contains("/partial/")).collect();
    assert!(left.is_empty(), "{left:?}");
    archive.nothing_built();
}

#[test]
fn a_missing_emulator_is_named_with_its_package() {
    let image = Image::minimal();
    let mut command = cvmkit(["boot".as_ref(), image.out.as_os_str()]);
    let said = run(command.arg("--direct").args(["--until", "x"]).env("PATH", "/nonexistent"));
    said.refused(3, &["qemu-system-x86_64", "is missing", "hint: ", "qemu-system-x86"]);
}
