//! The guest's PID 1: from the initramfs to a root file system that dm-verity protects, or a kernel
//! panic.
//!
//! The contract: `roothash=` on the measured kernel command line decides what is mounted; every other
//! word of it, and every file of the initramfs, must be the one that the build put there. The host
//! owns every disk, so nothing read from one is believed before the kernel has verified it. Any
//! failure is one line, `cvmkit-stage1: fatal: ...`, and then a panic, because the kernel can't go
//! on without PID 1.
//!
//! Deliberately absent: a shell, a fallback of any kind, udev, a second `init`, network, and every
//! way for the console to answer. Oracle: a boot in QEMU with disks made by `mksquashfs`,
//! `veritysetup` and `sgdisk`, good and damaged.

#![expect(
    clippy::disallowed_methods,
    reason = "PID 1 has no host::files; every error is wrapped in a line that names the file"
)]

mod built_for;
mod cmdline;
mod console;
mod filesystem;
mod initramfs;
mod mapper;
mod modules;
mod partition;
mod root;
mod sys;
mod verity;

use std::process::ExitCode;

/// A line that says what failed, what was expected and what was found.
type Fatal = String;

fn main() -> ExitCode {
    if let Err(refusal) = root::require_initramfs() {
        eprintln!("cvmkit-stage1: {refusal}");
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|bug| console::fatal(&bug.to_string())));
    let Err(fatal) = boot();
    console::fatal(&fatal)
}

fn boot() -> Result<std::convert::Infallible, Fatal> {
    let initramfs = initramfs::list()?;
    root::mount_kernel_file_systems()?;
    let modules = modules::list()?;
    initramfs::require(&initramfs, &modules)?;
    let options = cmdline::read()?;
    modules::load(&modules)?;
    let partitions = partition::wait(&options.root_hash, options.root_wait)?;
    let superblock = verity::read(&partitions)?;
    let device = mapper::activate(&superblock, &partitions, &options.root_hash)?;
    let filesystem = filesystem::mount(&device)?;
    console::info(&format!("{filesystem} root, roothash={}", options.root_hash));
    root::switch(&options.init)
}
