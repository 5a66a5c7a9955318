//! The system calls that `std` does not offer: the only unsafe code of stage 1.
//!
//! Every function takes owned or borrowed Rust values, so that no caller can hand the kernel a
//! dangling pointer, and turns -1 into the `errno`.

#![expect(unsafe_code, reason = "system calls; each block says why it is sound")]

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

/// `mount(2)`.
pub(crate) fn mount(
    source: &str,
    target: &str,
    fstype: &str,
    flags: libc::c_ulong,
    data: &str,
) -> io::Result<()> {
    let [source, target, fstype, data] =
        [CString::new(source)?, CString::new(target)?, CString::new(fstype)?, CString::new(data)?];
    // SAFETY: four NUL-terminated strings that live until the call returns.
    check(unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), fstype.as_ptr(), flags, data.as_ptr().cast())
    })
}

/// The magic number of the file system that holds `path` (`statfs(2)`, `linux/magic.h`).
pub(crate) fn filesystem_magic(path: &str) -> io::Result<i64> {
    let path = CString::new(path)?;
    // SAFETY: all-zero bytes are a valid `statfs`, which is plain integers.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated string and a `statfs` to fill, both alive until the call returns.
    check(unsafe { libc::statfs(path.as_ptr(), &raw mut found) })?;
    Ok(found.f_type)
}

/// `finit_module(2)` without parameters. It returns when the module's init function has returned.
pub(crate) fn finit_module(module: &File) -> io::Result<()> {
    let parameters = c"";
    // SAFETY: an open descriptor and a NUL-terminated string, both alive until the call returns.
    let status = unsafe {
        libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), parameters.as_ptr(), 0)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A device-mapper `ioctl(2)`: reads and writes `buffer`, whose first header says its own length.
pub(crate) fn mapper_ioctl(
    control: &File,
    request: libc::Ioctl,
    buffer: &mut [u8],
) -> io::Result<()> {
    // SAFETY: the kernel reads and writes no more than the `data_size` of the header, which
    // `mapper::Request` sets to the length of this buffer; it copies, so alignment is no matter.
    check(unsafe { libc::ioctl(control.as_raw_fd(), request, buffer.as_mut_ptr()) })
}

/// Gives SIGPIPE its default action back, which the Rust runtime took and `execve` would pass on.
pub(crate) fn restore_sigpipe() {
    // SAFETY: `SIG_DFL` installs no handler, so no code can run at a bad moment.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// `execve(2)` with the program's path as its only argument. Returns only when it failed.
pub(crate) fn exec(program: &str, environment: &[&CStr]) -> io::Result<Infallible> {
    let program = CString::new(program)?;
    let argv = [program.as_ptr(), ptr::null()];
    let envp: Vec<_> =
        environment.iter().map(|variable| variable.as_ptr()).chain([ptr::null()]).collect();
    // SAFETY: a NUL-terminated string and two NULL-terminated arrays of such, alive until the call
    // returns.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Err(io::Error::last_os_error())
}

fn check(status: libc::c_int) -> io::Result<()> {
    if status == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
