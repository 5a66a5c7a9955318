//! A mirror with a name, on a machine whose name service has modules of its own.

use std::fs;
use std::process::Command;

use crate::archive::{Archive, Deb};
use crate::rig::{self, run, skip};

/// Runs the command behind the first argument on a machine where `/etc/nsswitch.conf` and `/etc/hosts`
/// are those of the folder `$1`.
const ON_ANOTHER_MACHINE: &str = "\
set -e
mount --bind \"$1/nsswitch.conf\" /etc/nsswitch.conf
mount --bind \"$1/hosts\" /etc/hosts
shift
exec \"$@\"
";

/// A module of the host is linked to the host's C library: in a static program it would be a second
/// one, which kills it where their versions differ.
#[test]
fn a_name_is_looked_up_without_the_modules_of_the_host() {
    let Some(strace) = rig::found("strace") else { return skip("strace is not installed") };
    if !rig::mount_namespaces() {
        return;
    }
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    // What `lock` fetched is to be asked for once more.
    fs::remove_dir_all(archive.path("store")).unwrap();
    let put = |name: &str, text: &str| fs::write(archive.path(name), text).unwrap();
    put("nsswitch.conf", "hosts: absent [NOTFOUND=continue] files\n");
    put("hosts", "127.0.0.1 mirror.invalid\n");
    let log = archive.path("trace");
    let vendor = archive.command(&["vendor", "vendor"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "/bin/sh", "-c", ON_ANOTHER_MACHINE, "sh"]).arg(archive.path(""));
    command.arg(strace).args(["-f", "-qq", "-e", "trace=open,openat,openat2", "-o"]).arg(&log);
    command.arg(vendor.get_program()).args(vendor.get_args());
    command.current_dir(archive.path(""));
    for (name, value) in vendor.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("CVMKIT_MIRROR", archive.address.replace("127.0.0.1", "mirror.invalid"));
    run(&mut command).answer();
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("\"/etc/hosts\""), "the name was looked up");
    assert!(!log.contains("libnss_") && !log.contains("ld.so.cache"), "{log}");
}
