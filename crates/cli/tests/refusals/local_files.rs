//! Local files of an overlay: their cost grows with their number and not with their length, and what
//! changes while they are read is no part of an image.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use crate::archive::{Archive, Deb};

const WITH_OVERLAY: &str = "[packages]\ninstall = [\"kernel\"]\nessential = false\n\
                            [[overlays]]\nsource = \"tree\"\n";

fn archive() -> Option<Archive> {
    let archive = Archive::new(&[Deb::base(), Deb::kernel()])?;
    archive.define(WITH_OVERLAY);
    fs::create_dir_all(archive.path("project/tree/srv")).unwrap();
    Some(archive)
}

/// Runs a build to its end; answers the most memory that it held, in KiB (proc_pid_status(5)).
fn most_memory(archive: &Archive) -> u64 {
    let mut build = archive.command(&["build", "--out", "out"]);
    let mut child = build.stdout(std::process::Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let held = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        most = most.max(held.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            return most;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn memory_does_not_grow_with_a_local_file() {
    let Some(archive) = archive() else { return };
    let file = File::create(archive.path("project/tree/srv/big")).unwrap();
    file.set_len((512 << 20) + 7).unwrap();
    drop(file);
    archive.lock();
    let most = most_memory(&archive);
    assert!(most > 0 && most < 200 << 10, "{most} KiB for a file of 512 MiB");
}

/// The time of a build of nothing changed, with so many files.
fn unchanged(archive: &Archive, files: u32) -> Duration {
    for number in 0..files {
        let path = archive.path(&format!("project/tree/srv/{number}"));
        if !path.exists() {
            fs::write(path, number.to_string()).unwrap();
        }
    }
    archive.lock();
    archive.build().answer();
    let timed = || {
        let start = Instant::now();
        assert!(archive.build().answer().contains("unchanged"));
        start.elapsed()
    };
    // The least of some: other tests run at the same time.
    (0..3).map(|_| timed()).min().unwrap()
}

#[test]
fn time_grows_with_the_number_of_local_files_and_no_faster() {
    let Some(archive) = archive() else { return };
    let (few, many) = (unchanged(&archive, 4_000), unchanged(&archive, 16_000));
    // Four times the files: a list searched for each of its elements takes sixteen times as long.
    assert!(many < few * 9, "{few:?} for 4000, {many:?} for 16000");
}

#[test]
fn a_store_that_cannot_be_written_to_serves_and_keeps_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let Some(archive) = archive() else { return };
    archive.lock();
    archive.cvmkit(&["vendor", "vendor"]).answer();
    let store = archive.path("store");
    if !crate::rig::mount_namespaces() {
        return;
    }
    fs::set_permissions(archive.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let build = archive.command(&["build", "--offline", "--out", "out"]);
    let words = std::iter::once(build.get_program()).chain(build.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let script = format!(
        "mount --bind '{0}' '{0}' && mount -o remount,bind,ro '{0}' && exec {1}",
        store.display(),
        words.join(" ")
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    let folder = build.get_current_dir().map(std::path::Path::to_owned);
    command.current_dir(folder.unwrap_or_else(|| archive.path("project")));
    for (name, value) in build.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let said = crate::rig::run(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("the next build can't know"), "{}", said.stderr);
    // As another account: its key seals nothing that is there.
    let said = crate::rig::run(command.env("XDG_STATE_HOME", archive.path("state")));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
}
