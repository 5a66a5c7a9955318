//! Words of a kernel command line that open a shell on the console, or ask something that a
//! production image does not do any more (I11).
//!
//! The kernel and systemd take `-` and `_` for the same (`parameq`, `proc_cmdline_key_streq`). What
//! `init=` and `systemd.unit=` lead to is looked at in the tree (`rootfs::terminals`).

/// Words that systemd takes for rescue or emergency mode, as those of SysV init (runlevel(7)).
const RESCUE_WORDS: [&str; 8] = ["-b", "-s", "1", "S", "emergency", "rescue", "s", "single"];

/// Parameters by name, with what they do.
const PARAMETERS: [(&str, &str); 18] = [
    ("systemd.break", SHELL),
    ("systemd.condition_first_boot", "no questions of a first boot"),
    ("systemd.confirm_spawn", "no questions about units on the console"),
    ("systemd.crash_shell", SHELL),
    ("systemd.debug_shell", SHELL),
    ("systemd.default_debug_tty", SHELL),
    ("systemd.getty_auto", REMOVED),
    ("systemd.mask", REMOVED_UNITS),
    ("systemd.run", REMOVED),
    ("systemd.run_failure_action", REMOVED),
    ("systemd.run_success_action", REMOVED),
    ("systemd.set_credential", "no credentials on the command line"),
    ("systemd.set_credential_binary", "no credentials on the command line"),
    ("systemd.ssh_auto", REMOVED),
    ("systemd.ssh_listen", REMOVED),
    ("systemd.wants", REMOVED_UNITS),
    ("rdinit", "no other first program than stage 1"),
    ("sysrq_always_enabled", KEYS),
];

/// How the names of families of parameters start.
const FAMILIES: [(&str, &str); 7] = [
    ("rd.", "no parameter of another initramfs: stage 1 takes none of them"),
    ("kgdb", DEBUGGER),
    ("ekgdb", DEBUGGER),
    ("kdb", DEBUGGER),
    ("sysctl.kernel.sysrq", KEYS),
    // What is no parameter of the kernel's becomes an environment variable of PID 1.
    ("SYSTEMD_", "no variable that changes a default of PID 1"),
    ("LD_", "no variable that changes a default of PID 1"),
];

const SHELL: &str = "no shell on the console";
const DEBUGGER: &str = "no debugger of the kernel on the console";
const KEYS: &str = "no keys of the console for the kernel";
const REMOVED: &str = "no parameter of a generator that production images do not have";
const REMOVED_UNITS: &str =
    "no units on the command line: `units.enable` and `units.mask` name them";

/// What a production image has instead, for a parameter that it can't have.
pub(super) fn refused(parameter: &str) -> Option<&'static str> {
    if RESCUE_WORDS.contains(&parameter) {
        return Some(SHELL);
    }
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = name.replace('-', "_");
    if name == "systemd.setenv" {
        return refused(value);
    }
    // The kernel takes `sysctl.kernel/sysrq` too.
    let dotted = name.replace('/', ".");
    let named = PARAMETERS.iter().find(|(refused, _)| *refused == name);
    let family = || FAMILIES.iter().find(|(start, _)| dotted.starts_with(start));
    named.or_else(family).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each parameter of the table with each spelling, and with a value.
    #[test]
    fn every_parameter_that_is_listed_is_refused_with_its_own_reason() {
        for (name, why) in PARAMETERS {
            for spelt in [name.to_owned(), name.replace('_', "-"), format!("{name}=x")] {
                assert_eq!(refused(&spelt), Some(why), "{spelt}");
            }
            // A name that only begins like it is another parameter.
            let longer = format!("{name}x");
            let is_family = FAMILIES.iter().any(|(start, _)| longer.starts_with(start));
            assert_eq!(refused(&longer).is_some(), is_family, "{longer}");
        }
        for (start, why) in FAMILIES {
            assert_eq!(refused(&format!("{start}x=1")), Some(why), "{start}");
            assert_eq!(refused(&format!("x{start}")), None, "{start}");
        }
        for word in RESCUE_WORDS {
            assert_eq!(refused(word), Some(SHELL), "{word}");
            assert_eq!(refused(&format!("{word}=1")), None, "{word}");
        }
    }

    /// systemd(1): the value of `systemd.setenv=` becomes a variable of PID 1, so it is looked at as
    /// one, however often it is wrapped.
    #[test]
    fn a_variable_is_refused_inside_of_setenv() {
        let why = Some("no variable that changes a default of PID 1");
        assert_eq!(refused("systemd.setenv=LD_PRELOAD=/x"), why);
        assert_eq!(refused("systemd.setenv=systemd.setenv=LD_PRELOAD=/x"), why);
        assert_eq!(refused("systemd.setenv=SYSTEMD-X=1"), why, "as the kernel spells it");
        assert_eq!(refused("systemd.setenv="), None);
        assert_eq!(refused("systemd.setenv"), None);
    }

    #[test]
    fn what_opens_a_shell_or_a_debugger_is_refused_however_it_is_spelt() {
        for parameter in [
            "s",
            "1",
            "-b",
            "single",
            "systemd.debug-shell",
            "systemd.debug_shell=tty1",
            "systemd.crash_shell=1",
            "systemd.confirm-spawn",
            "systemd.setenv=SYSTEMD_SULOGIN_FORCE=1",
            "SYSTEMD_SULOGIN_FORCE=1",
            "SYSTEMD_UNIT_PATH=/tmp",
            "systemd.wants=x.service",
            "rd.shell",
            "rd.systemd.unit=rescue.target",
            "rdinit=/bin/sh",
            "kgdboc=ttyS0",
            "kgdbwait",
            "sysrq-always-enabled",
            "sysctl.kernel.sysrq=1",
            "sysctl.kernel/sysrq=1",
        ] {
            assert!(refused(parameter).is_some(), "{parameter}");
        }
        for parameter in [
            "quiet",
            "console=ttyS0",
            "panic=-1",
            "systemd.volatile=state",
            "systemd.show_status=false",
            "systemd.firstboot=off",
            "systemd.setenv=LANG=C",
            "3",
            "sysctl.kernel.panic=5",
        ] {
            assert_eq!(refused(parameter), None, "{parameter}");
        }
    }
}
