//! Small trees, each with one thing that opens a terminal, or something that only looks like it.

use cvmkit_formats::tree::Inode;

use super::*;
use crate::rootfs::Request;
use crate::rootfs::tests::{assembly, at, refused};

const SYSTEM: &str = "/usr/lib/systemd/system";

/// Puts files with mode 0755, so that each may be a program.
fn programs<'a>(request: &'a Request<'a>, files: &[(&str, &str)]) -> Assembly<'a> {
    let mut assembly = assembly(request, &[]);
    for (path, text) in files {
        let placed = match text.strip_prefix("-> ") {
            Some(target) => assembly.link(path, target),
            None => assembly.write(path, 0o755, *text),
        };
        placed.unwrap();
    }
    assembly
}

fn unit_of(assembly: &Assembly<'_>, name: &str) -> super::super::units::file::Unit {
    match load(assembly, FOLDERS, name).unwrap() {
        Loaded::Unit(unit) => unit,
        other => panic!("{other:?}"),
    }
}

/// What the unit `name` with this text opens, in a tree of these files.
fn opening(name: &str, text: &str, files: &[(&str, &str)]) -> Option<String> {
    let request = Request::default();
    let path = format!("{SYSTEM}/{name}");
    let assembly = programs(&request, &[files, &[(path.as_str(), text)]].concat());
    let found = unit::opening(&assembly, &unit_of(&assembly, name)).unwrap();
    found.map(|found| {
        assert_eq!(found.file, path);
        found.why
    })
}

#[test]
fn login_units_are_known_by_name_template_and_instance() {
    for (unit, is_login) in [
        ("getty@.service", true),
        ("getty@tty1.service", true),
        ("serial-getty@ttyS0.service", true),
        ("container-getty@1.service", true),
        ("autovt@tty2.service", true),
        ("console-getty.service", true),
        ("debug-shell.service", true),
        ("rescue.service", true),
        ("emergency.service", true),
        ("ctrl-alt-del.target", true),
        ("systemd-firstboot.service", true),
        ("systemd-storagetm.service", true),
        ("getty-static.service", true),
        ("getty.service", false),
        ("getty.target", false),
        ("rescue.target", false),
        ("rescue@1.service", false),
        ("getty@tty1.socket", false),
        ("my-getty@tty1.service", false),
        ("getty@tty1", false),
    ] {
        assert_eq!(is_login_unit(unit), is_login, "{unit}");
    }
}

/// systemd.exec(5), `StandardInput=`.
#[test]
fn standard_input_is_judged_by_where_it_leads() {
    let unit = |input: &str| format!("[Service]\nExecStart=/x\nStandardInput={input}\n");
    for (input, is_opened) in [
        ("null", false),
        ("socket", false),
        ("data", false),
        ("fd:name", false),
        ("tty", true),
        ("tty-force", true),
        ("tty-fail", true),
        ("file:/dev/console", true),
        ("file:/dev/ttyS0", true),
        ("file:/dev/hvc0", true),
        ("file:/dev/pts/0", true),
        ("file:/dev/input/event0", true),
        ("file:/dev/serial/by-id/x", true),
        ("file:/dev/char/5:1", true),
        ("file:/dev/fd/0", true),
        ("file:/dev/stdin", true),
        ("file:/dev/ptmx", true),
        ("file:/dev/vcs1", true),
        ("file:/dev/vport1p1", true),
        ("file:/dev/xvc0", true),
        ("file:/dev//./console", true),
        ("file:/dev/../dev/console", true),
        ("file:/proc/self/fd/0", true),
        ("file:/proc/1/fd/3", true),
        ("file:/proc/self/status", false),
        ("file:/dev/null", false),
        ("file:/dev/zero", false),
        ("file:/etc/console", false),
        ("file:/etc/tty", true),
        ("file:%t/x", false),
        ("file:/%b", true),
        ("%b", true),
    ] {
        let link = [("/etc/tty", "-> ../dev/ttyS0")];
        let found = opening("a.service", &unit(input), &link);
        let reads = found.as_deref().is_some_and(|why| {
            why.contains("read a terminal: ") || why.starts_with("reads a terminal: ")
        });
        assert_eq!(reads, is_opened, "{input}: {found:?}");
    }
    // The last value counts.
    let twice = "[Service]\nStandardInput=tty\nStandardInput=null\n";
    assert_eq!(opening("a.service", twice, &[]), None);
    for section in ["Service", "Socket", "Mount", "Swap"] {
        let text = format!("[{section}]\nStandardInput=tty\n");
        assert!(opening("a.service", &text, &[]).is_some(), "{section}");
    }
    assert_eq!(opening("a.service", "[Unit]\nStandardInput=tty\n", &[]), None);
}

/// What an instance is called decides what its template reads.
#[test]
fn a_template_is_judged_by_the_worst_instance() {
    let input = |value: &str| format!("[Service]\nStandardInput={value}\n");
    for (name, value, is_opened) in [
        ("a@.service", "%i", true),
        ("a@.service", "file:/dev/%i", true),
        ("a@.service", "fd:%i", false),
        ("a@.service", "null", false),
        ("a@null.service", "%i", false),
        ("a@tty.service", "%i", true),
        ("a@x.service", "file:/dev/%i", false),
        ("a@ttyS0.service", "file:/dev/%i", true),
    ] {
        assert_eq!(opening(name, &input(value), &[]).is_some(), is_opened, "{name} {value}");
    }
}

#[test]
fn a_socket_on_a_terminal_is_one() {
    for (value, is_opened) in
        [("/dev/ttyS1", true), ("/dev/%p", false), ("/dev/kmsg", false), ("/run/x", false)]
    {
        let text = format!("[Socket]\nListenSpecial={value}\n");
        let found = opening("a.socket", &text, &[]);
        assert_eq!(found.is_some(), is_opened, "{value}");
        assert!(found.is_none_or(|why| why == "listens on `/dev/ttyS1`"));
    }
    assert!(opening("tty1.socket", "[Socket]\nListenSpecial=/dev/%p\n", &[]).is_some());
}

/// systemd.service(5), "Command lines" and "Special executable prefixes".
#[test]
fn commands_are_words_without_their_signs() {
    let request = Request::default();
    for (text, words, may_fail) in [
        ("ExecStart=/a b 'c d'", &[&["/a", "b", "c d"][..]][..], false),
        ("ExecStart=-/a", &[&["/a"]], true),
        ("ExecStart=+-!/a", &[&["/a"]], true),
        ("ExecStart=@/a name b", &[&["/a", "b"]], false),
        ("ExecStart=@/a", &[&["/a"]], false),
        ("ExecStart=|:/a", &[&["/a"]], false),
        ("ExecStart=/a ; /b c", &[&["/a"], &["/b", "c"]], false),
        ("ExecStart=/a %p %%", &[&["/a", "x", "%"]], false),
        ("ExecStart=/a %b", &[&["/a", "%b"]], false),
        ("ExecStart=/a 'b", &[&["/a", "'b"]], false),
        ("ExecStopPost=/a", &[&["/a"]], false),
        ("ExecSearchPath=/a", &[], false),
        ("ExecPaths=/a", &[], false),
        ("ExecStart=/a\nExecStart=", &[], false),
    ] {
        let unit = format!("[Service]\n{text}\n");
        let assembly = assembly(&request, &[("/usr/lib/systemd/system/x.service", &unit)]);
        let unit = unit_of(&assembly, "x.service");
        let found = commands(&unit, "Service");
        let all: Vec<&Vec<String>> = found.iter().flat_map(|command| &command.words).collect();
        assert_eq!(all, words, "{text}");
        assert_eq!(found.iter().any(|command| command.may_fail), may_fail, "{text}");
        assert!(found.iter().all(|command| command.at.file == "/usr/lib/systemd/system/x.service"));
        assert!(commands(&unit, "Socket").is_empty());
    }
}

#[test]
fn a_command_is_judged_by_the_program_it_leads_to() {
    let files = [
        ("/usr/sbin/agetty", "x"),
        ("/usr/bin/login", "x"),
        ("/usr/bin/env", "x"),
        ("/usr/bin/mine", "-> ../sbin/agetty"),
        ("/usr/lib/plain", "x"),
        ("/bin", "-> usr/bin"),
    ];
    for (command, why) in [
        ("/usr/sbin/agetty ttyS0", Some("runs `/usr/sbin/agetty`")),
        ("agetty ttyS0", Some("runs `agetty`")),
        ("/bin/login", Some("runs `/bin/login`")),
        ("mine", Some("runs `mine`")),
        ("/usr/bin/mine x", Some("runs `/usr/bin/mine`")),
        ("/opt/gone/sulogin", Some("runs `/opt/gone/sulogin`")),
        ("/usr/bin/env agetty", Some("runs `agetty`")),
        ("/usr/bin/env /usr/bin/login", Some("runs `login`")),
        ("/usr/bin/env login", None),
        ("/bin/sh -c 'exec agetty - x'", Some("runs `agetty`")),
        ("/bin/sh -c 'x;$(getty)'", Some("runs `getty`")),
        ("/bin/sh -c 'cat </dev/ttyS0'", Some("reads `/dev/ttyS0`")),
        ("/bin/sh -c 'cat < /dev/hvc0'", Some("reads `/dev/hvc0`")),
        ("/bin/sh -c 'cat <>/dev/console;x'", Some("reads `/dev/console`")),
        ("/bin/sh -c 'cat <\"/dev/tty1\"'", Some("reads `/dev/tty1`")),
        ("/bin/sh -c 'cat </dev/null'", None),
        ("/bin/sh -c 'cat <tty'", None),
        ("/bin/sh -c 'echo >/dev/console'", None),
        ("/usr/lib/plain agetty-like", None),
        ("/usr/lib/plain /dev/console", None),
        ("/usr/lib/agetty.conf", None),
    ] {
        let text = format!("[Service]\nExecStart={command}\n");
        assert_eq!(opening("a.service", &text, &files).as_deref(), why, "{command}");
    }
}

#[test]
fn every_program_that_opens_a_shell_is_known() {
    for program in PROGRAMS {
        let text = format!("[Service]\nExecStart=/opt/{program}\n");
        assert!(opening("a.service", &text, &[]).is_some(), "{program}");
    }
}

/// What removal takes and leaves; a debug image is not asked.
#[test]
fn what_opens_a_terminal_is_taken_away_with_its_names() {
    use crate::rootfs::{Placed, PlacedNode};
    let own = [Placed {
        path: format!("{SYSTEM}/rescue.service"),
        mode: 0o644,
        user: "root".into(),
        group: "root".into(),
        xattrs: std::collections::BTreeMap::new(),
        node: PlacedNode::File("mine".into()),
    }];
    let request = Request { files: &own, ..Request::default() };
    let mut assembly = assembly(
        &request,
        &[
            ("/usr/sbin/agetty", "x"),
            ("/usr/sbin/getty", "-> agetty"),
            ("/opt/alias", "-> /usr/sbin/agetty"),
            ("/usr/lib/systemd/system/getty@.service", "x"),
            ("/usr/lib/systemd/system/rescue.service", "mine"),
            ("/usr/lib/systemd/system/reboot.target", "x"),
            ("/usr/lib/systemd/system/ctrl-alt-del.target", "-> reboot.target"),
            ("/etc/systemd/system/t.wants/getty@tty1.service", "-> /gone"),
            ("/etc/systemd/system/t.requires/debug-shell.service", "-> /gone"),
            ("/etc/systemd/system/t.other/getty@tty1.service", "-> /gone"),
            ("/usr/share/doc/t.wants/getty@tty1.service", "-> /gone"),
            ("/usr/share/agetty", "a text about it"),
            ("/usr/lib/systemd/system-generators/systemd-run-generator", "x"),
            ("/usr/lib/systemd/system-generators/systemd-fstab-generator", "x"),
        ],
    );
    // Another name of the same file goes too.
    let id = assembly.find("/usr/sbin/agetty").unwrap();
    assembly.tree.link(b"opt/hard", id).unwrap();
    assembly.owners.insert(b"usr/sbin/agetty".to_vec(), "util-linux".into());
    remove(&mut assembly).unwrap();
    for (path, is_left) in [
        ("/usr/sbin/agetty", false),
        ("/usr/sbin/getty", false),
        ("/opt/alias", false),
        ("/opt/hard", false),
        ("/usr/lib/systemd/system/getty@.service", false),
        ("/usr/lib/systemd/system/ctrl-alt-del.target", false),
        ("/etc/systemd/system/t.wants/getty@tty1.service", false),
        ("/etc/systemd/system/t.requires/debug-shell.service", false),
        ("/usr/lib/systemd/system-generators/systemd-run-generator", false),
        ("/etc/systemd/system/t.other/getty@tty1.service", true),
        ("/usr/share/doc/t.wants/getty@tty1.service", true),
        ("/usr/lib/systemd/system/rescue.service", true),
        ("/usr/lib/systemd/system/reboot.target", true),
        ("/usr/share/agetty", true),
        ("/usr/lib/systemd/system-generators/systemd-fstab-generator", true),
    ] {
        assert_eq!(at(&assembly, path).is_some(), is_left, "{path}");
    }
    assert!(assembly.owners.is_empty());
    let note = "production image: removed what opens a terminal: ";
    assert!(assembly.log.iter().any(|line| line.starts_with(note) && line.contains("/opt/hard")));
}

#[test]
fn a_tree_without_terminals_loses_nothing_and_says_nothing_of_it() {
    let request = Request::default();
    let mut assembly = assembly(&request, &[("/usr/bin/x", "")]);
    remove(&mut assembly).unwrap();
    assert!(assembly.log.iter().all(|line| !line.contains("removed")), "{:?}", assembly.log);
    assert_eq!(
        at(&assembly, "/usr/lib/sysctl.d/zz-cvmkit.conf").unwrap().lines().last(),
        Some("kernel.sysrq = 0")
    );
    assert!(check(&assembly).unwrap().is_empty());
}

/// sysctl.d(5): files by name, `/etc/sysctl.conf` last, `-` and slashes allowed, keys may be patterns.
#[test]
fn the_last_value_of_sysrq_counts() {
    for (files, value) in [
        (&[][..], None),
        (&[("/etc/sysctl.d/a.conf", "kernel.sysrq=0\n")], None),
        (&[("/etc/sysctl.d/a.conf", "kernel.sysrq = 1\n")], Some("1")),
        (&[("/etc/sysctl.d/a.conf", "-kernel/sysrq=438\n")], Some("438")),
        (&[("/etc/sysctl.d/a.conf", "kernel.*=1\n")], Some("1")),
        (&[("/etc/sysctl.d/a.conf", "kernel.sys[a-z]q=1\n")], Some("1")),
        (&[("/etc/sysctl.d/a.conf", "# kernel.sysrq=1\n; kernel.sysrq=1\n")], None),
        (&[("/etc/sysctl.d/a.conf", "kernel.sysrq\n")], None),
        (&[("/etc/sysctl.d/a.conf", "kernel.sysrq=1\nkernel.sysrq=0\n")], None),
        (
            &[
                ("/usr/lib/sysctl.d/b.conf", "kernel.sysrq=0\n"),
                ("/etc/sysctl.d/a.conf", "kernel.sysrq=1\n"),
            ],
            None,
        ),
        (
            &[
                ("/usr/lib/sysctl.d/a.conf", "kernel.sysrq=1\n"),
                ("/etc/sysctl.d/a.conf", "# hides it\n"),
            ],
            None,
        ),
        (
            &[
                ("/usr/lib/sysctl.d/z.conf", "kernel.sysrq=0\n"),
                ("/etc/sysctl.conf", "kernel.sysrq=2\n"),
            ],
            Some("2"),
        ),
        (&[("/etc/sysctl.d/a.conf", "net.ipv4.ip_forward=1\n")], None),
        (&[("/etc/sysctl.d/a.txt", "kernel.sysrq=1\n")], None),
    ] {
        let request = Request::default();
        let assembly = assembly(&request, files);
        match value {
            None => settings::check(&assembly).unwrap(),
            Some(value) => {
                let words = format!(
                    "setting `kernel.sysrq` the host's keys reach the kernel: kernel.sysrq={value}"
                );
                refused(settings::check(&assembly), &words);
            }
        }
    }
}

/// systemd-system.conf(5).
#[test]
fn settings_of_pid_1_are_refused_where_keys_or_a_crash_open_a_shell() {
    let own = "/etc/systemd/system.conf.d/z.conf";
    for (path, text, words) in [
        (own, "[Manager]\nCtrlAltDelBurstAction=none\n", None),
        (
            own,
            "[Manager]\nCtrlAltDelBurstAction=reboot-force\n",
            Some("CtrlAltDelBurstAction=reboot-force"),
        ),
        (own, "[Manager]\nCtrlAltDelBurstAction=poweroff\nCtrlAltDelBurstAction=none\n", None),
        (own, "[Manager]\nCrashShell=no\n", None),
        (own, "[Manager]\nCrashShell=on\n", Some("a shell opens when PID 1 crashes")),
        (own, "[Manager]\nCrashShell=Yes\n", Some("a shell opens when PID 1 crashes")),
        (own, "[Other]\nCrashShell=yes\n", None),
        (
            own,
            "[Manager]\nManagerEnvironment=SYSTEMD_X=1\n",
            Some("changes a default of PID 1: SYSTEMD_X=1"),
        ),
        (own, "[Manager]\nManagerEnvironment=LANG=C\n", None),
        ("/usr/lib/systemd/system.conf", "[Manager]\nCrashShell=1\n", Some("a shell opens")),
        (
            "/usr/local/lib/systemd/system.conf.d/a.conf",
            "[Manager]\nCrashShell=t\n",
            Some("a shell opens"),
        ),
        ("/etc/systemd/user.conf", "[Manager]\nCrashShell=yes\n", None),
    ] {
        let request = Request::default();
        let assembly = assembly(&request, &[(path, text)]);
        match words {
            None => settings::check(&assembly).unwrap(),
            Some(words) => {
                refused(settings::check(&assembly), words);
                refused(settings::check(&assembly), &format!("  --> {path}\n"));
            }
        }
    }
    // The first main file hides the others, and a drop-in goes over it.
    let request = Request::default();
    let assembly = assembly(
        &request,
        &[
            ("/etc/systemd/system.conf", "[Manager]\n"),
            ("/usr/lib/systemd/system.conf", "[Manager]\nCrashShell=yes\n"),
        ],
    );
    settings::check(&assembly).unwrap();
}

#[test]
fn what_production_writes_closes_what_packages_open() {
    let request = Request::default();
    let mut assembly = assembly(
        &request,
        &[
            ("/usr/lib/sysctl.d/50-default.conf", "kernel.sysrq = 0x01b6\n"),
            (
                "/usr/lib/systemd/system.conf.d/50.conf",
                "[Manager]\nCrashShell=yes\nCtrlAltDelBurstAction=reboot\n",
            ),
        ],
    );
    assert!(settings::check(&assembly).is_err());
    settings::write(&mut assembly).unwrap();
    settings::check(&assembly).unwrap();
}

/// dbus-daemon(1), "INTEGRATING SYSTEM SERVICES"; udev(7), "ENV{SYSTEMD_WANTS}".
#[test]
fn the_bus_and_udev_name_units() {
    let request = Request::default();
    let assembly = assembly(
        &request,
        &[
            (
                "/usr/share/dbus-1/system-services/a.service",
                "[D-BUS Service]\nName=a\nExec=/bin/false\nSystemdService=a.service\n",
            ),
            (
                "/usr/share/dbus-1/system-services/a.txt",
                "[D-BUS Service]\nSystemdService=b.service\n",
            ),
            (
                "/usr/lib/udev/rules.d/1.rules",
                "# ENV{SYSTEMD_WANTS}=\"no.service\"\n\
                 SUBSYSTEM==\"tty\", ENV{SYSTEMD_WANTS}+=\"one.service two@$kernel.service\"\n\
                 ENV{SYSTEMD_WANTS}=\"three@%k.service four@x.service\", TAG+=\"systemd\"\n",
            ),
        ],
    );
    let units = activation::units(&assembly).unwrap();
    assert_eq!(
        units,
        ["a.service", "one.service", "two@.service", "three@.service", "four@x.service"]
    );
}

#[test]
fn the_bus_and_udev_run_no_login() {
    let bus = "/etc/dbus-1/system-services/x.service";
    let rules = "/etc/udev/rules.d/x.rules";
    for (path, text, what) in [
        (bus, "[D-BUS Service]\nExec=/sbin/agetty ttyS0\n", Some("bus service")),
        (bus, "[D-BUS Service]\nExec=/usr/bin/x\nUser=agetty\n", None),
        (rules, "RUN+=\"/sbin/agetty %k\"\n", Some("udev rule")),
        (rules, "RUN{program}+=\"/sbin/agetty %k\"\n", Some("udev rule")),
        (rules, "PROGRAM==\"/bin/login\"\n", Some("udev rule")),
        (rules, "IMPORT{program}=\"agetty\"\n", Some("udev rule")),
        (rules, "RUN{builtin}+=\"agetty\"\n", None),
        (rules, "# RUN+=\"/sbin/agetty\"\n", None),
        (rules, "ENV{X}=\"agetty\", RUN+=\"/usr/bin/x\"\n", None),
        ("/etc/udev/rules.d/x.conf", "RUN+=\"/sbin/agetty\"\n", None),
    ] {
        let request = Request::default();
        let assembly = assembly(&request, &[(path, text)]);
        match what {
            None => activation::check(&assembly).unwrap(),
            Some(what) => refused(activation::check(&assembly), &format!("{what} runs `")),
        }
    }
}

fn booting(words: &[String]) -> Request<'_> {
    Request { command_line: words, ..Request::default() }
}

#[test]
fn init_is_a_program_and_no_interpreter() {
    let files = [
        ("/usr/lib/systemd/systemd", "x"),
        ("/sbin/init", "-> /usr/lib/systemd/systemd"),
        ("/usr/lib/systemd/system/default.target", "[Unit]\n"),
        ("/usr/bin/bash-static", "x"),
        ("/usr/bin/python3.13", "x"),
        ("/usr/bin/shim", "x"),
        ("/usr/bin/mine", "x"),
        ("/usr/bin/alias", "-> bash-static"),
        ("/etc/shells", "# shells\n/usr/bin/mine\n"),
        ("/opt/folder/x", ""),
    ];
    for (word, words) in [
        ("init=/usr/lib/systemd/systemd", None),
        ("init=/sbin/init", None),
        ("init=/usr/bin/shim", None),
        ("init=/usr/bin/bash-static", Some("`init=/usr/bin/bash-static` takes commands")),
        ("init=/usr/bin/alias", Some("takes commands from the console")),
        ("init=/usr/bin/python3.13", Some("takes commands from the console")),
        ("init=/usr/bin/mine", Some("takes commands from the console")),
        ("init=/gone", Some("init= `/gone`: expected a program of the image")),
        ("init=/opt/folder", Some("expected a program of the image")),
        ("init=/etc/shells", Some("it is not executable")),
        ("noinit=/gone", None),
        ("systemd.unit=default.target", None),
        ("systemd.unit=gone.target", Some("unit `gone.target`: is what systemd starts first")),
    ] {
        let command_line = [word.to_owned()];
        let request = booting(&command_line);
        let mut assembly = programs(&request, &files);
        assembly.write("/etc/shells", 0o644, "# shells\n/usr/bin/mine\n").unwrap();
        match words {
            None => drop(init::check(&assembly).unwrap()),
            Some(words) => refused(init::check(&assembly), words),
        }
    }
    // The last word counts.
    let command_line = ["init=/gone".to_owned(), "init=/usr/bin/shim".to_owned()];
    let request = booting(&command_line);
    init::check(&programs(&request, &files)).unwrap();
}

#[test]
fn the_first_unit_is_no_shell_however_it_is_called() {
    let target = |name: &str| (format!("{SYSTEM}/{name}"), "[Unit]\n".to_owned());
    for (links, word, start) in [
        (&[][..], None, Ok("default.target")),
        (&[("default.target", "multi-user.target")], None, Ok("default.target")),
        (&[("default.target", "rescue.target")], None, Err("it is `rescue.target`")),
        (
            &[("runlevel1.target", "rescue.target")],
            Some("runlevel1.target"),
            Err("`rescue.target`"),
        ),
        (&[], Some("emergency.target"), Err("it is `emergency.target`")),
        (&[], Some("multi-user.target"), Ok("multi-user.target")),
    ] {
        let command_line: Vec<String> =
            word.map(|word| format!("systemd.unit={word}")).into_iter().collect();
        let request = booting(&command_line);
        let targets = ["rescue.target", "emergency.target", "multi-user.target"].map(target);
        let mut assembly = assembly(&request, &[]);
        for (path, text) in &targets {
            assembly.write(path, 0o644, text.as_str()).unwrap();
        }
        for (name, to) in links {
            assembly.link(&format!("{SYSTEM}/{name}"), to).unwrap();
        }
        match start {
            Ok(start) => assert_eq!(init::check(&assembly).unwrap(), start),
            Err(words) => refused(init::check(&assembly), words),
        }
    }
    // With systemd there must be a first unit.
    let request = Request::default();
    let with = assembly(&request, &[("/usr/lib/systemd/systemd", "x")]);
    refused(init::check(&with), "unit `default.target`: is what systemd starts first");
}

#[test]
fn generators_that_listen_to_the_host_are_masked_or_gone() {
    let name = "systemd-run-generator";
    for folder in GENERATOR_FOLDERS {
        for (text, is_refused) in
            [("#!/bin/sh\n", true), ("-> /dev/null", false), ("-> ../x", true)]
        {
            let request = Request::default();
            let path = format!("{folder}/{name}");
            let assembly = assembly(&request, &[(&path, text)]);
            match is_refused {
                true => refused(generators(&assembly), &format!("generator `{name}`")),
                false => generators(&assembly).unwrap(),
            }
        }
    }
    let request = Request::default();
    let other = "/etc/systemd/system-generators/systemd-fstab-generator";
    generators(&assembly(&request, &[(other, "x")])).unwrap();
}

#[test]
fn keys_that_the_host_presses_start_nothing() {
    for target in KEY_TARGETS {
        for (text, is_refused) in [("[Unit]\n", true), ("-> /dev/null", false), ("-> gone", false)]
        {
            let request = Request::default();
            let path = format!("/etc/systemd/system/{target}");
            let assembly = assembly(&request, &[(&path, text)]);
            let found = keys(&assembly, &Reached::default());
            match is_refused {
                true => refused(found, &format!("unit `{target}` is started by keys")),
                false => found.unwrap(),
            }
        }
    }
}

/// A login over the network is told by the name of its server, or by what its package provides.
#[test]
fn servers_of_logins_are_told() {
    let default = |service: &str| format!("[Unit]\nWants={service}\n");
    for (program, provided, kind, is_told) in [
        ("/usr/sbin/sshd", "", "simple", true),
        ("/usr/sbin/dropbear", "", "simple", true),
        ("/usr/sbin/in.telnetd", "", "oneshot", true),
        ("/usr/sbin/other", "ssh-server", "simple", true),
        ("/usr/sbin/other", "telnet-server", "simple", true),
        ("/usr/sbin/other", "ssh-server", "oneshot", false),
        ("/usr/sbin/other", "mail-server", "simple", false),
        ("/usr/sbin/other", "", "simple", false),
    ] {
        let request = Request::default();
        let wants = default("x.service");
        let unit = format!("[Service]\nType={kind}\nExecStart={program} -D\n");
        let mut assembly = programs(
            &request,
            &[
                ("/usr/lib/systemd/system/default.target", &wants),
                ("/usr/lib/systemd/system/x.service", &unit),
                (program, "x"),
            ],
        );
        assembly.owners.insert(program.trim_start_matches('/').into(), "p".into());
        let provided = BTreeSet::from([provided.to_owned()]);
        assembly.provided.insert("p".into(), provided);
        let reached = walk::walk(&assembly, &["default.target"]).unwrap();
        let found = network_logins(&assembly, &reached).unwrap();
        let told = Notice::NetworkLogin { unit: "x.service".into(), program: program.into() };
        let expected: Vec<Notice> = is_told.then_some(told).into_iter().collect();
        assert_eq!(found, expected, "{program} {kind}");
        let none = network_logins(&assembly, &Reached::default()).unwrap();
        assert!(none.is_empty(), "a boot does not start it");
    }
}

#[test]
fn a_debug_image_is_not_judged() {
    let request = Request { debug: true, ..Request::default() };
    let text = "[Service]\nStandardInput=tty\n";
    let mut tree = assembly(&request, &[("/usr/lib/systemd/system/x.service", text)]);
    assert!(check(&tree).unwrap().is_empty());
    let node = Node::Symlink(b"/bin/sh".to_vec());
    let meta = tree.root(0o777);
    tree.put("/sbin/init", Inode { meta, node }).unwrap();
    assert!(check(&tree).unwrap().is_empty());
}
