//! No terminal of a production image leads to a shell, however that is spelt.

use super::overlays::placed;
use super::*;

/// What systemd and util-linux have of terminals, in small.
fn with_terminals() -> Vec<Package> {
    vec![package(
        "systemd",
        "",
        &[
            ("lib", "-> usr/lib"),
            ("bin", "-> usr/bin"),
            ("usr/bin/bash", "#!"),
            ("usr/bin/dash", "#!"),
            ("usr/bin/sh", "-> dash"),
            ("usr/bin/login", "x"),
            ("usr/sbin/agetty", "x"),
            ("usr/sbin/getty", "-> agetty"),
            ("usr/sbin/sulogin", "x"),
            ("usr/sbin/init", "-> ../lib/systemd/systemd"),
            ("usr/lib/systemd/systemd", "x"),
            ("usr/lib/systemd/systemd-sulogin-shell", "x"),
            ("usr/lib/systemd/system-generators/systemd-getty-generator", "x"),
            ("usr/lib/systemd/system-generators/systemd-debug-generator", "x"),
            ("usr/lib/systemd/system-generators/systemd-fstab-generator", "x"),
            ("usr/lib/systemd/system/default.target", "-> multi-user.target"),
            ("usr/lib/systemd/system/multi-user.target", "[Unit]\nWants=getty.target\n"),
            ("usr/lib/systemd/system/getty.target", "[Unit]\nDescription=x\n"),
            ("usr/lib/systemd/system/reboot.target", "[Unit]\nDescription=x\n"),
            ("usr/lib/systemd/system/rescue.target", "[Unit]\nRequires=rescue.service\n"),
            ("usr/lib/systemd/system/runlevel1.target", "-> rescue.target"),
            ("usr/lib/systemd/system/ctrl-alt-del.target", "-> reboot.target"),
            ("usr/lib/systemd/system/rescue.service", "[Service]\nStandardInput=tty-force\n"),
            (
                "usr/lib/systemd/system/getty@.service",
                "[Service]\nExecStart=-/sbin/agetty - $TERM\n",
            ),
            ("usr/lib/systemd/system/autovt@.service", "-> getty@.service"),
            ("usr/lib/systemd/system/serial-getty@.service", "[Service]\nStandardInput=tty\n"),
            (
                "usr/lib/systemd/system/getty.target.wants/getty@tty1.service",
                "-> ../getty@.service",
            ),
            (
                "usr/lib/systemd/system/getty.target.wants/serial-getty@ttyS0.service",
                "-> ../gone.service",
            ),
            ("usr/lib/sysctl.d/50-default.conf", "kernel.sysrq = 0x01b6\n"),
        ],
    )]
}

fn executable(mut packages: Vec<Package>) -> Vec<Package> {
    for entry in &mut packages[0].entries {
        entry.mode = 0o755;
    }
    packages
}

fn refusal(files: &[Placed], words: &[&str]) -> Option<String> {
    let packages = executable(with_terminals());
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let asked = Request {
        root: rootfs::Request { files, command_line: &words, ..request(&packages).root },
        ..request(&packages)
    };
    assemble(&Request {
        root: rootfs::Request { debug: true, ..asked.clone().root },
        ..asked.clone()
    })
    .unwrap();
    match assemble(&asked) {
        Ok(_) => None,
        Err(error) => Some(format!("{error}\n{}", error.hint().unwrap_or_default())),
    }
}

fn file(path: &str, text: &str) -> Placed {
    placed(path, "root", PlacedNode::File(text.into()))
}

fn link(path: &str, target: &str) -> Placed {
    placed(path, "root", PlacedNode::Symlink(target.into()))
}

#[test]
fn logins_are_gone_with_every_name_they_have() {
    let packages = executable(with_terminals());
    let rootfs = assemble(&request(&packages)).unwrap();
    for gone in [
        "usr/bin/login",
        "usr/sbin/agetty",
        "usr/sbin/getty",
        "usr/sbin/sulogin",
        "usr/lib/systemd/systemd-sulogin-shell",
        "usr/lib/systemd/system-generators/systemd-getty-generator",
        "usr/lib/systemd/system/getty@.service",
        "usr/lib/systemd/system/autovt@.service",
        "usr/lib/systemd/system/rescue.service",
        "usr/lib/systemd/system/ctrl-alt-del.target",
        "usr/lib/systemd/system/getty.target.wants/getty@tty1.service",
        "usr/lib/systemd/system/getty.target.wants/serial-getty@ttyS0.service",
        "etc/systemd/system/getty@.service",
    ] {
        assert!(rootfs.tree.lookup(gone.as_bytes()).is_none(), "{gone}");
        let is_noted = rootfs.log.iter().any(|line| line.contains(&format!("/{gone}")));
        assert!(is_noted || gone.starts_with("etc"), "{gone}");
    }
    for kept in [
        "usr/lib/systemd/system/reboot.target",
        "usr/lib/systemd/system-generators/systemd-fstab-generator",
        "usr/bin/bash",
    ] {
        assert!(rootfs.tree.lookup(kept.as_bytes()).is_some(), "{kept}");
    }
    assert_eq!(rootfs.tree.resolve(b"etc/systemd/system/getty@.service").ok(), None);
    assert!(text(&rootfs, "usr/lib/sysctl.d/zz-cvmkit.conf").contains("kernel.sysrq = 0"));
    let debug = assemble(&Request {
        root: rootfs::Request { debug: true, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    assert!(debug.tree.lookup(b"usr/sbin/agetty").is_some());
    assert!(debug.tree.lookup(b"usr/lib/sysctl.d/zz-cvmkit.conf").is_none());
}

#[test]
fn a_unit_that_reads_a_terminal_is_refused_however_it_is_written() {
    let unit = "/etc/systemd/system/x.service";
    for (text, word) in [
        (
            "[Service]\nExecStart=/bin/bash\nStandardInput=tty\nTTYPath=/dev/ttyS0\n",
            "StandardInput",
        ),
        ("[Service]\nExecStart=/bin/sh\nStandardInput=\\\n tty-force\n", "StandardInput"),
        ("[Service]\nExecStart=/bin/sh\nStandardInput=file:/dev/../dev/console\n", "console"),
        ("[Service]\nExecStart=/bin/sh\nStandardInput=file:/run/../proc/1/fd/0\n", "/fd/0"),
        ("[Service]\nExecStart=-/usr//sbin/./agetty ttyS0\n", "agetty"),
        ("[Service]\nExecStart=/lib/../bin/login\n", "login"),
        ("[Service]\nExecStartPost=@/usr/bin/env x agetty ttyS0\n", "agetty"),
        ("[Service]\nExecStart=/bin/sh -c 'exec bash <>/dev/hvc0 2>&1'\n", "/dev/hvc0"),
        ("[Service]\nExecStart=/bin/sh -c \"agetty ttyS0\"\n", "agetty"),
    ] {
        let refused = refusal(&[file(unit, text)], &[]).unwrap_or_else(|| panic!("{text}"));
        for word in [word, "x.service", unit] {
            assert!(refused.contains(word), "{word} in {refused}");
        }
    }
    for text in [
        "[Service]\nExecStart=/bin/sh -c 'echo x >/dev/console'\n",
        "[Service]\nExecStart=/usr/lib/x login\nStandardOutput=tty\nTTYPath=/dev/console\n",
        "[Service]\nExecStart=/usr/lib/x\nStandardInput=tty\nStandardInput=null\n",
        "[Service]\nExecStart=/bin/sh -c 'cat </dev/null </proc/mounts'\n",
    ] {
        assert_eq!(refusal(&[file(unit, text)], &[]), None, "{text}");
    }
}

#[test]
fn aliases_templates_instances_and_drop_ins_are_followed() {
    let plain = "[Service]\nExecStart=/usr/lib/x\n";
    let tty = "[Service]\nStandardInput=tty\n";
    let at = |name: &str, text: &str| file(&format!("/usr/lib/systemd/system/{name}"), text);
    let wants = "/etc/systemd/system/multi-user.target.wants";
    for (files, word) in [
        (vec![at("x.service", plain), at("x.service.d/a.conf", tty)], "x.service.d/a.conf"),
        (vec![at("x-y.service", plain), at("x-.service.d/a.conf", tty)], "x-y.service"),
        (vec![at("x.service", plain), at("service.d/a.conf", tty)], "service.d/a.conf"),
        (vec![at("x@.service", "[Service]\nStandardInput=%i\n")], "x@.service"),
        (
            vec![
                at("run@.service", "[Service]\nExecStart=/usr/sbin/%i\n"),
                link(
                    &format!("{wants}/run@agetty.service"),
                    "/usr/lib/systemd/system/run@.service",
                ),
            ],
            "run@agetty.service",
        ),
        (vec![link(&format!("{wants}/serial-getty@ttyS0.service"), "/x")], "serial-getty@ttyS0"),
        (vec![file("/etc/systemd/system/serial-getty@ttyS0.service", tty)], "serial-getty@ttyS0"),
        (vec![at("getty@.service", tty)], "getty@.service"),
        (vec![at("x.socket", "[Socket]\nListenSpecial=/dev/ttyS1\n")], "/dev/ttyS1"),
        (
            vec![
                link("/etc/c", "../dev/ttyS0"),
                at("x.service", "[Service]\nStandardInput=file:/etc/c\n"),
            ],
            "StandardInput=file:/etc/c",
        ),
        (
            vec![
                link("/usr/lib/y", "/usr/sbin/agetty"),
                at("x.service", "[Service]\nExecStart=/usr/lib/y\n"),
            ],
            "/usr/lib/y",
        ),
        (vec![file("/usr/lib/systemd/user/x.service", tty)], "x.service"),
        (
            vec![file(
                "/usr/share/dbus-1/system-services/x.service",
                "[D-BUS Service]\nExec=/usr/sbin/agetty ttyS0\n",
            )],
            "bus service",
        ),
        (
            vec![file(
                "/usr/lib/udev/rules.d/9.rules",
                "KERNEL==\"ttyS0\", RUN+=\"/usr/sbin/agetty %k\"\n",
            )],
            "udev rule",
        ),
    ] {
        let refused = refusal(&files, &[]).unwrap_or_else(|| panic!("{word}"));
        assert!(refused.contains(word), "{word} in {refused}");
    }
}

#[test]
fn the_chain_from_the_first_unit_is_named_and_a_mask_ends_it() {
    let tty = file("/usr/lib/systemd/system/x.service", "[Service]\nStandardInput=tty\n");
    let timer = file("/usr/lib/systemd/system/x.timer", "[Timer]\nOnBootSec=1\n");
    let wants =
        link("/etc/systemd/system/getty.target.wants/x.timer", "/usr/lib/systemd/system/x.timer");
    let refused = refusal(&[tty.clone(), timer, wants], &[]).unwrap();
    // `default.target` is another name of `multi-user.target`.
    let chain = "default.target -> getty.target -> x.timer -> x.service";
    assert!(refused.contains("units.mask = [\"x.service\"]"), "{refused}");
    assert!(refused.contains(chain), "{refused}");
    let packages = executable(with_terminals());
    let files = [tty];
    let units =
        Units { mask: vec!["x.service".into(), "getty@.service".into()], ..Units::default() };
    assemble(&Request {
        root: rootfs::Request { units, files: &files, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    let units = Units { enable: vec!["serial-getty@ttyS0.service".into()], ..Units::default() };
    let error = assemble(&Request {
        root: rootfs::Request { units, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap_err();
    assert!(error.to_string().contains("terminal"), "{error}");
}

#[test]
fn init_and_the_first_unit_are_no_shell() {
    for word in [
        "init=/bin/sh",
        "init=//bin/sh",
        "init=/usr//bin/bash",
        "init=/lib/../bin/dash",
        "init=/usr/sbin/sulogin",
        "init=/nowhere",
        "systemd.unit=rescue.target",
        "systemd.unit=runlevel1.target",
        "systemd.unit=emergency.target",
    ] {
        let refused = refusal(&[], &[word]).unwrap_or_else(|| panic!("{word}"));
        let value = word.split_once('=').unwrap().1;
        assert!(refused.contains(value), "{word}: {refused}");
    }
    for word in ["init=/lib/systemd/systemd", "init=//sbin/init", "systemd.unit=multi-user.target"]
    {
        assert_eq!(refusal(&[], &[word]), None, "{word}");
    }
    let default = "/etc/systemd/system/default.target";
    let files = [link(default, "/usr/lib/systemd/system/runlevel1.target")];
    assert!(refusal(&files, &[]).unwrap().contains("rescue.target"));
    let files = [link("/usr/sbin/init", "/bin/sh")];
    assert!(refusal(&files, &[]).unwrap().contains("commands"));
    let files =
        [link("/etc/systemd/system/kbrequest.target", "/usr/lib/systemd/system/reboot.target")];
    assert!(refusal(&files, &[]).unwrap().contains("keys"));
}

#[test]
fn what_comes_last_of_settings_decides() {
    for (path, text, word) in [
        ("/etc/sysctl.d/zzz.conf", "kernel/sysrq=1\n", "kernel.sysrq=1"),
        ("/etc/sysctl.d/zz-cvmkit.conf", "# mine\n", "50-default.conf"),
        ("/usr/lib/sysctl.d/zzzz.conf", "-kernel.sys* = 176\n", "kernel.sysrq=176"),
        ("/etc/sysctl.conf", "kernel.sysrq = 4\n", "/etc/sysctl.conf"),
        (
            "/etc/systemd/system.conf.d/zzz.conf",
            "[Manager]\nCtrlAltDelBurstAction=reboot-force\n",
            "CtrlAltDelBurstAction=reboot-force",
        ),
        ("/etc/systemd/system.conf.d/zzz.conf", "[Manager]\nCrashShell=yes\n", "shell"),
        (
            "/etc/systemd/system.conf",
            "[Manager]\nManagerEnvironment=SYSTEMD_SULOGIN_FORCE=1\n",
            "SYSTEMD_SULOGIN_FORCE",
        ),
        ("/etc/systemd/system-generators/systemd-getty-generator", "#!", "systemd-getty-generator"),
    ] {
        let refused = refusal(&[file(path, text)], &[]).unwrap_or_else(|| panic!("{path}"));
        assert!(refused.contains(word), "{word} in {refused}");
    }
    assert_eq!(refusal(&[file("/etc/sysctl.d/10.conf", "kernel.sysrq=1\n")], &[]), None);
}
