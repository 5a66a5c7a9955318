//! The image boots, and with one byte or one parameter changed it ends in a kernel panic that says
//! why.
//!
//! Oracle: Linux itself, in QEMU. As many machines run at once as libtest has threads.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod rig;

use std::fs;
use std::time::Instant;

use rig::{Image, Partition, READY, ROOT, ROOT_VERITY, cvmkit, run_machine, skip};

/// Seconds after which a boot has failed; under emulation one takes 10 to 40.
const TIMEOUT: &str = "300";

/// False, loudly, without an emulator.
fn can_boot() -> bool {
    if rig::found("qemu-system-x86_64").is_none() {
        skip("qemu-system-x86_64 is not installed");
        return false;
    }
    true
}

/// Boots and insists that the expectation is met; answers the console.
#[track_caller]
fn boot(image: &Image, arguments: &[&str]) -> String {
    let log = image.out.with_extension("serial.log");
    let mut command = cvmkit(["boot".as_ref(), image.out.as_os_str()]);
    command.args(arguments).args(["--timeout", TIMEOUT, "--serial-log"]).arg(&log);
    let started = Instant::now();
    let said = run_machine(&mut command);
    let console = fs::read(&log).unwrap_or_default();
    let console = String::from_utf8_lossy(&console).into_owned();
    assert_eq!(said.code, Some(0), "{}\n{}\n{console}", said.stdout, said.stderr);
    eprintln!("{arguments:?}: {:.1} s", started.elapsed().as_secs_f64());
    console
}

/// A copy of the image whose files may be replaced.
fn altered() -> (tempfile::TempDir, Image) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let image = Image::minimal().linked(&folder.path().join("out"));
    (folder, image)
}

/// Boots what cannot boot, and insists on the line that says why.
#[track_caller]
fn panics(image: &Image, reason: &str) {
    let console = boot(image, &["--direct", "--expect", "panic"]);
    let (said, panic) = (console.find(reason), console.find("Kernel panic - not syncing"));
    assert!(panic.is_some(), "{console}");
    assert!(said.is_some_and(|said| said <= panic.unwrap_or(0) + 200), "no `{reason}`:\n{console}");
    assert!(!console.contains(READY), "{console}");
    assert!(!console.contains("systemd["), "systemd never ran:\n{console}");
}

#[test]
fn uefi_boots_the_disk() {
    if !can_boot() {
        return;
    }
    let (_folder, image) = altered();
    let console = boot(&image, &["--until", READY]);
    assert!(console.contains(READY) && !console.contains("Kernel panic"), "{console}");
    let root_hash = image.text(".roothash");
    assert!(console.contains(&format!("roothash={}", root_hash.trim())), "{console}");
}

#[test]
fn qemu_boots_the_kernel() {
    if !can_boot() {
        return;
    }
    let (_folder, image) = altered();
    let console = boot(&image, &["--direct", "--until", READY]);
    assert!(console.contains(READY) && !console.contains("Kernel panic"), "{console}");
}

fn partition(image: &Image, kind: &str) -> Option<Partition> {
    image.partitions()?.into_iter().find(|partition| partition.kind == kind)
}

#[test]
fn a_flipped_byte_in_the_root_panics() {
    if !can_boot() {
        return;
    }
    let (_folder, image) = altered();
    let Some(root) = partition(&image, ROOT) else { return };
    image.flip(".raw", root.start + 100);
    panics(&image, "device-mapper: verity:");
}

#[test]
fn a_flipped_byte_in_the_hash_tree_panics() {
    if !can_boot() {
        return;
    }
    let (_folder, image) = altered();
    let Some(tree) = partition(&image, ROOT_VERITY) else { return };
    // The superblock takes the first block; the tree starts with its top.
    image.flip(".raw", tree.start + 4096 + 5);
    panics(&image, "device-mapper: verity:");
}

/// Boots with `roothash=` replaced.
#[track_caller]
fn panics_with_root_hash(replace: impl FnOnce(&str) -> String, reason: &str) {
    if !can_boot() {
        return;
    }
    let (_folder, image) = altered();
    let line = image.text(".cmdline");
    let root_hash = image.text(".roothash").trim().to_owned();
    let parameter = format!("roothash={root_hash} ");
    assert!(line.contains(&parameter), "{line}");
    image.replace(".cmdline", &line.replace(&parameter, &replace(&root_hash)));
    panics(&image, reason);
}

/// Stage 1 looks for its partitions as long as every image does.
#[test]
fn another_root_hash_panics() {
    let other = |hash: &str| {
        let digit = if hash.starts_with('0') { '1' } else { '0' };
        format!("roothash={digit}{} ", &hash[1..])
    };
    panics_with_root_hash(other, "cvmkit-stage1: fatal: partitions: expected ");
}

#[test]
fn no_root_hash_panics() {
    panics_with_root_hash(
        |_| String::new(),
        "cvmkit-stage1: fatal: kernel command line: expected `roothash=<64 hexadecimal digits>`, \
         found `efi=noruntime`",
    );
}

#[test]
fn a_short_root_hash_panics() {
    panics_with_root_hash(
        |hash| format!("roothash={} ", &hash[1..]),
        "cvmkit-stage1: fatal: kernel command line: roothash: expected 64 hexadecimal digits",
    );
}

#[test]
fn a_root_hash_that_is_no_number_panics() {
    panics_with_root_hash(
        |hash| format!("roothash=g{} ", &hash[1..]),
        "cvmkit-stage1: fatal: kernel command line: roothash: expected 64 hexadecimal digits",
    );
}

#[test]
fn a_second_root_hash_panics() {
    panics_with_root_hash(
        |hash| format!("roothash={hash} roothash={} ", "0".repeat(64)),
        "cvmkit-stage1: fatal: kernel command line: expected `efi=noruntime`, found `roothash=000",
    );
}

#[test]
fn a_boot_that_does_not_end_as_expected_is_a_no() {
    if !can_boot() {
        return;
    }
    let (_folder, image) = altered();
    image.replace(".cmdline", "console=ttyS0 panic=-1");
    let mut command = cvmkit(["boot".as_ref(), image.out.as_os_str()]);
    let said = run_machine(command.args(["--direct", "--until", READY, "--timeout", TIMEOUT]));
    assert_eq!(said.code, Some(1), "{said:?}");
    for word in ["error: ", READY, "Kernel panic", "hint: "] {
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
    }
}
