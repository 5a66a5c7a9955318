//! Programs that ask the kernel that runs: the one that runs a build is not the image's, and is not asked.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::system::Program;
use crate::packages::debian::commands::words::shown;

/// The program of a name, if it is one of these.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    Some(match name {
        b"aa-enabled" => aa_enabled,
        b"aa-status" => aa_status,
        b"auditctl" => auditctl,
        b"findmnt" => findmnt,
        b"ip" => ip,
        b"lpstat" => lpstat,
        b"lsmod" => lsmod,
        b"systemd-detect-virt" => detect_virt,
        _ => return None,
    })
}

/// `aa-enabled [-q] [-x]` of AppArmor 4.1, where the kernel has no AppArmor (aa-enabled(1), "Exit status").
fn aa_enabled(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let mut is_quiet = false;
    for word in call.arguments() {
        match word.as_slice() {
            b"-q" | b"--quiet" => is_quiet = true,
            b"-x" | b"--exclusive" => {}
            _ => return Err(call.unsupported(shown(call.arguments()))),
        }
    }
    if !is_quiet {
        call.print(b"No - not available on this system.\n");
    }
    Ok(1)
}

/// `aa-status --enabled` of AppArmor 4.1, likewise (aa-status(8)).
fn aa_status(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [option] if option == b"--enabled" => Ok(1),
        words => Err(call.unsupported(shown(words))),
    }
}

/// `auditctl -s` of audit 4.0, where the kernel has no auditing: it has no status.
fn auditctl(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [option] if option == b"-s" => {
            call.print_error(b"Error - audit support not in kernel\n");
            Ok(1)
        }
        words => Err(call.unsupported(shown(words))),
    }
}

/// `findmnt [PATH]` of util-linux 2.41: no mount is known, as in a chroot without `/proc/self/mountinfo`.
fn findmnt(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [path] if path.starts_with(b"/") => Ok(1),
        words => Err(call.unsupported(shown(words))),
    }
}

/// `ip link` of iproute2 6.15, where there is no interface but the one that every system has.
fn ip(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const LOOPBACK: &[u8] =
        b"1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN mode DEFAULT group default qlen 1000\n    \
          link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n";
    match call.arguments() {
        [object] if object == b"l" || object == b"link" => {
            call.print(LOOPBACK);
            Ok(0)
        }
        words => Err(call.unsupported(shown(words))),
    }
}

/// `systemd-detect-virt [--quiet] --container` of systemd 257: an image is a machine, and no container.
fn detect_virt(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut is_quiet, mut is_container) = (false, false);
    for word in call.arguments() {
        match word.as_slice() {
            b"-q" | b"--quiet" => is_quiet = true,
            b"-c" | b"--container" => is_container = true,
            _ => return Err(call.unsupported(shown(call.arguments()))),
        }
    }
    if !is_container {
        return Err(call.unsupported("the kind of machine, which runs the image"));
    }
    if !is_quiet {
        call.print(b"none\n");
    }
    Ok(1)
}

/// `lsmod` of kmod 34, where there is no `/proc/modules`.
fn lsmod(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    if let [_, ..] = call.arguments() {
        return Err(call.unsupported(shown(call.arguments())));
    }
    call.print_error(b"libkmod: ERROR: could not open /proc/modules: No such file or directory\n");
    Ok(1)
}

/// `lpstat -h SOCKET -r` of CUPS 2.4, where no scheduler runs.
fn lpstat(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [host, socket, option] if host == b"-h" && socket.starts_with(b"/") && option == b"-r" => {
            call.print(b"scheduler is not running\n");
            Ok(0)
        }
        words => Err(call.unsupported(shown(words))),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// The statuses are those of the manual pages; the texts are those of the programs.
    #[test]
    fn the_kernel_of_the_build_is_not_asked() {
        let files = [
            ("/usr/bin/aa-enabled", "+x"),
            ("/usr/sbin/aa-status", "+x"),
            ("/usr/sbin/auditctl", "+x"),
            ("/usr/bin/findmnt", "+x"),
            ("/usr/bin/ip", "+x"),
            ("/usr/bin/lpstat", "+x"),
            ("/usr/sbin/lsmod", "+x"),
            ("/usr/bin/systemd-detect-virt", "+x"),
        ];
        let script = "aa-enabled; echo $?; aa-enabled --quiet; echo $?; aa-status --enabled; echo $?; \
                      auditctl -s 2>/dev/null; echo $?; findmnt /; echo $?; lsmod 2>/dev/null; echo $?; lpstat -h /run/cups/cups.sock -r; echo $?; \
                      systemd-detect-virt --quiet --container; echo $?; systemd-detect-virt -c; echo $?; ip l | grep -c UP";
        let expected = "No - not available on this system.\n1\n1\n1\n1\n1\n1\nscheduler is not running\n0\n1\nnone\n1\n0\n";
        assert_eq!(output(&files, script), expected);
        for script in [
            "aa-enabled -z",
            "aa-status",
            "auditctl -R f",
            "findmnt -n /",
            "findmnt",
            "lsmod x",
            "lpstat -a",
            "ip addr",
            "systemd-detect-virt",
            "systemd-detect-virt --vm",
        ] {
            assert!(stop(&files, script).contains(script.split(' ').next().unwrap()), "{script}");
        }
    }
}
