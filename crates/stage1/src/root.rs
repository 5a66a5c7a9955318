//! Where PID 1 starts and where it goes: the kernel's file systems, then the new root.

use std::convert::Infallible;
use std::ffi::CStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chroot};
use std::path::Path;
use std::process;

use crate::{Fatal, sys};

/// Where the new root is mounted before it becomes `/`.
pub(crate) const NEW_ROOT: &str = "/sysroot";

/// The file systems an initramfs is unpacked into (`linux/magic.h`).
const RAMFS_MAGIC: i64 = 0x8584_58f6;
const TMPFS_MAGIC: i64 = 0x0102_1994;

const SAFE: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// Target, type, flags and options, as systemd mounts them (`mount-setup.c`).
const KERNEL_FILE_SYSTEMS: [(&str, &str, libc::c_ulong, &str); 4] = [
    ("/proc", "proc", SAFE, ""),
    ("/sys", "sysfs", SAFE, ""),
    ("/dev", "devtmpfs", libc::MS_NOSUID | libc::MS_STRICTATIME, "mode=0755"),
    ("/run", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_STRICTATIME, "mode=0755"),
];

/// What the kernel itself would give to init (`envp_init`, `init/main.c`).
const ENVIRONMENT: [&CStr; 2] = [c"HOME=/", c"TERM=linux"];

/// Refuses to run anywhere but as PID 1 of an initramfs: the switch of roots deletes files.
pub(crate) fn require_initramfs() -> Result<(), String> {
    if process::id() != 1 {
        return Err(format!("expected to be PID 1, found PID {}", process::id()));
    }
    match sys::filesystem_magic("/") {
        Ok(RAMFS_MAGIC | TMPFS_MAGIC) => Ok(()),
        Ok(other) => Err(format!("/: expected an initramfs, found file system {other:#x}")),
        Err(e) => Err(format!("/: {e}")),
    }
}

/// Mounts /proc, /sys, /dev and /run.
pub(crate) fn mount_kernel_file_systems() -> Result<(), Fatal> {
    for (target, kind, flags, options) in KERNEL_FILE_SYSTEMS {
        make_directory(target)?;
        sys::mount(kind, target, kind, flags, options)
            .map_err(|e| format!("{target}: mount as {kind}: {e}"))?;
    }
    make_directory(NEW_ROOT)
}

fn make_directory(path: &str) -> Result<(), Fatal> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(format!("{path}: {e}")),
        _ => Ok(()),
    }
}

/// Makes the new root `/`, frees the initramfs and becomes `init`.
pub(crate) fn switch(init: &str) -> Result<Infallible, Fatal> {
    for (target, ..) in KERNEL_FILE_SYSTEMS {
        let moved = format!("{NEW_ROOT}{target}");
        sys::mount(target, &moved, "", libc::MS_MOVE, "")
            .map_err(|e| format!("{target}: move to {moved}: {e}"))?;
    }
    empty_initramfs().map_err(|e| format!("initramfs: delete: {e}"))?;
    std::env::set_current_dir(NEW_ROOT).map_err(|e| format!("{NEW_ROOT}: {e}"))?;
    sys::mount(".", "/", "", libc::MS_MOVE, "")
        .map_err(|e| format!("{NEW_ROOT}: move to /: {e}"))?;
    chroot(".").map_err(|e| format!("{NEW_ROOT}: chroot: {e}"))?;
    std::env::set_current_dir("/").map_err(|e| format!("/: {e}"))?;
    sys::restore_sigpipe();
    sys::exec(init, &ENVIRONMENT).map_err(|e| format!("{init}: execve: {e}"))
}

/// Deletes every file of the initramfs, whose memory nothing else would free.
fn empty_initramfs() -> io::Result<()> {
    let device = fs::symlink_metadata("/")?.dev();
    empty(Path::new("/"), device)
}

/// Deletes what is in `directory`, without leaving the file system `device`.
fn empty(directory: &Path, device: u64) -> io::Result<()> {
    // Listed first, because the listing of a directory that changes may skip entries.
    let entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    for path in entries.iter().map(fs::DirEntry::path) {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.dev() != device {
            continue;
        }
        if metadata.is_dir() {
            empty(&path, device)?;
            fs::remove_dir(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
