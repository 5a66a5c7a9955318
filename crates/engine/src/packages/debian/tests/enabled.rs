//! What the definition enables must be able to do its work on this image.

use super::*;

/// OpenSSH's units as trixie has them, in small: host keys are made at a first boot, which an image
/// with an empty machine-id does not have.
fn with_ssh() -> Vec<Package> {
    let keygen = "[Unit]\nConditionFirstBoot=yes\nConditionPathIsReadWrite=/etc/ssh\n\
                  [Service]\nExecStart=ssh-keygen -A\n[Install]\nWantedBy=ssh.service\n";
    let enable = "#!/bin/sh\nset -e\n# Automatically added by dh_installsystemd/13.24.2\n\
        if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] || \
        [ \"$1\" = \"abort-deconfigure\" ] || [ \"$1\" = \"abort-remove\" ] ; then\n\
        \tif deb-systemd-helper --quiet was-enabled 'sshd-keygen.service'; then\n\
        \t\tdeb-systemd-helper enable 'sshd-keygen.service' >/dev/null || true\n\
        \tfi\nfi\n# End automatically added section\n";
    let ssh = package(
        "openssh-server",
        "",
        &[
            ("usr/sbin/sshd", "x"),
            ("usr/bin/sh", "x"),
            ("usr/bin/deb-systemd-helper", "x"),
            ("usr/lib/systemd/systemd", "x"),
            ("usr/lib/systemd/system/default.target", "[Unit]\nWants=multi-user.target\n"),
            ("usr/lib/systemd/system/multi-user.target", "[Unit]\nDescription=x\n"),
            (
                "usr/lib/systemd/system/ssh.service",
                "[Unit]\nConditionPathExists=!/etc/ssh/off\n[Service]\nExecStart=/usr/sbin/sshd -D\n\
                 [Install]\nWantedBy=multi-user.target\n",
            ),
            ("usr/lib/systemd/system/sshd-keygen.service", keygen),
        ],
    );
    let mut ssh = with_script(ssh, "postinst", enable);
    let helper = ssh.entries.iter_mut().find(|entry| entry.path.ends_with(b"-helper")).unwrap();
    helper.mode = 0o755;
    vec![ssh]
}

fn enabled(units: &[&str], files: &[Placed], debug: bool) -> Result<Vec<Notice>, AssembleError> {
    let packages = with_ssh();
    let enable = units.iter().map(|unit| (*unit).to_owned()).collect();
    let units = Units { enable, ..Units::default() };
    let asked = Request {
        root: rootfs::Request { units, files, debug, ..request(&packages).root },
        ..request(&packages)
    };
    assemble(&asked).map(|rootfs| rootfs.notices)
}

#[test]
fn a_helper_that_never_starts_is_told() {
    let condition = "ConditionFirstBoot=yes";
    let notices = enabled(&["ssh.service"], &[], true).unwrap();
    let helper = |condition: &str| Notice::HelperNeverStarts {
        unit: "ssh.service".into(),
        helper: "sshd-keygen.service".into(),
        condition: condition.into(),
    };
    assert_eq!(notices, [helper(condition)]);
    // Production tells that people can log in, too.
    let login =
        Notice::NetworkLogin { unit: "ssh.service".into(), program: "/usr/sbin/sshd".into() };
    assert_eq!(enabled(&["ssh.service"], &[], false).unwrap(), [helper(condition), login]);
    assert!(
        !enabled(&[], &[], false)
            .unwrap()
            .iter()
            .any(|notice| matches!(notice, Notice::NetworkLogin { .. }))
    );
    // One that is pulled in has the same condition.
    let wants = "/etc/systemd/system/ssh.service.wants/sshd-keygen.service";
    let target = "/usr/lib/systemd/system/sshd-keygen.service";
    let files = [overlays::placed(wants, "root", PlacedNode::Symlink(target.into()))];
    assert_eq!(enabled(&["ssh.service"], &files, true).unwrap(), [helper(condition)]);
    // One that could start, and is not enabled, is told as that.
    let plain = "[Service]\nExecStart=/usr/sbin/sshd\n[Install]\nWantedBy=ssh.service\n";
    let files = [overlays::placed(
        "/etc/systemd/system/sshd-keygen.service",
        "root",
        PlacedNode::File(plain.into()),
    )];
    assert_eq!(enabled(&["ssh.service"], &files, true).unwrap(), [helper("")]);
}

/// A server is one by what its package says, whatever its name.
#[test]
fn a_server_of_logins_is_told_by_what_its_package_provides() {
    let service = |kind: &str| {
        format!(
            "[Service]\nType={kind}\nExecStart=/usr/sbin/lshd\n[Install]\n\
             WantedBy=multi-user.target\n"
        )
    };
    let notices = |provides: &str, kind: &str| {
        let service = service(kind);
        let files = [
            ("usr/", ""),
            ("usr/sbin/", ""),
            ("usr/sbin/lshd", "x"),
            ("usr/lib/systemd/systemd", "x"),
            ("usr/lib/systemd/system/default.target", "[Unit]\nWants=multi-user.target\n"),
            ("usr/lib/systemd/system/multi-user.target", "[Unit]\nDescription=all\n"),
            ("usr/lib/systemd/system/lsh.service", service.as_str()),
        ];
        let packages = [package("lsh", provides, &files)];
        let units = Units { enable: vec!["lsh.service".to_owned()], ..Units::default() };
        assemble(&Request {
            root: rootfs::Request { units, ..request(&packages).root },
            ..request(&packages)
        })
        .unwrap()
        .notices
    };
    let login = |notices: &[Notice]| {
        notices.iter().any(|notice| matches!(notice, Notice::NetworkLogin { .. }))
    };
    assert!(login(&notices("Provides: foo (= 2), ssh-server\n", "simple")));
    assert!(login(&notices("Provides: telnet-server (= 1)\n", "notify")));
    assert!(!login(&notices("Provides: ssh-server\n", "oneshot")), "it makes keys, or the like");
    assert!(!login(&notices("Provides: ssh-client, httpd\n", "simple")));
}

#[test]
fn a_unit_that_never_starts_or_runs_nothing_is_refused() {
    let unit = "/usr/lib/systemd/system/x.service";
    let install = "[Install]\nWantedBy=multi-user.target\n";
    for (text, word) in [
        (
            "[Unit]\nConditionFirstBoot=yes\n[Service]\nExecStart=/bin/sh\n",
            "ConditionFirstBoot=yes",
        ),
        ("[Unit]\nAssertPathExists=/etc/gone\n[Service]\nExecStart=/bin/sh\n", "AssertPathExists"),
        ("[Unit]\nConditionPathIsReadWrite=/etc\n[Service]\nExecStart=/bin/sh\n", "ReadWrite"),
        (
            "[Unit]\nConditionPathExists=|/etc/a\nConditionKernelCommandLine=|b\n[Service]\n\
          ExecStart=/bin/sh\n",
            "ConditionPathExists=|/etc/a",
        ),
        // Conditions and asserts are two lists: each is taken back, and holds, by itself.
        (
            "[Unit]\nConditionFirstBoot=yes\nAssertPathExists=\n[Service]\nExecStart=/bin/sh\n",
            "ConditionFirstBoot=yes",
        ),
        (
            "[Unit]\nConditionPathExists=|/etc/a\nAssertPathExists=|/run/b\n[Service]\n\
          ExecStart=/bin/sh\n",
            "ConditionPathExists=|/etc/a",
        ),
        ("[Unit]\nConditionNeedsUpdate=/etc\n[Service]\nExecStart=/bin/sh\n", "NeedsUpdate"),
        (
            "[Unit]\nConditionPathIsDirectory=/usr/bin/sh\n[Service]\nExecStart=/bin/sh\n",
            "PathIsDirectory",
        ),
        (
            "[Unit]\nConditionPathIsSymbolicLink=/usr/bin/sh\n[Service]\nExecStart=/bin/sh\n",
            "PathIsSymbolicLink",
        ),
        (
            "[Unit]\nConditionDirectoryNotEmpty=/etc/gone\n[Service]\nExecStart=/bin/sh\n",
            "DirectoryNotEmpty",
        ),
        (
            "[Unit]\nConditionFileNotEmpty=/etc/machine-id\n[Service]\nExecStart=/bin/sh\n",
            "FileNotEmpty",
        ),
        (
            "[Unit]\nConditionFileIsExecutable=/usr/bin/sh\n[Service]\nExecStart=/bin/sh\n",
            "FileIsExecutable",
        ),
        ("[Service]\nExecStart=/usr/lib/gone\n", "/usr/lib/gone"),
        ("[Service]\nExecStartPre=gone-too\nExecStart=/bin/sh\n", "gone-too"),
        ("[Service]\nExecStart=/usr/lib/script\n", "/usr/bin/python9"),
    ] {
        let files = [
            overlays::placed(
                unit,
                "root",
                PlacedNode::File(format!("{text}{install}").as_str().into()),
            ),
            Placed {
                mode: 0o644,
                ..overlays::placed(
                    "/usr/lib/script",
                    "root",
                    PlacedNode::File("#!/usr/bin/python9 -u\n".into()),
                )
            },
        ];
        let error = enabled(&["x.service"], &files, false).unwrap_err();
        assert!(error.to_string().contains(word), "{word} in {error}");
        enabled(&[], &files, false).unwrap();
    }
    for text in [
        "[Unit]\nConditionPathExists=/run/x\nConditionVirtualization=vm\n[Service]\nExecStart=/bin/sh\n",
        "[Unit]\nConditionFirstBoot=yes\nConditionFirstBoot=\n[Service]\nExecStart=-/usr/lib/gone\n",
        "[Unit]\nConditionPathExists=|/etc/a\nConditionPathExists=|/run/b\n[Service]\nExecStart=/bin/sh\n",
        "[Service]\nExecStart=/run/made/later\n",
        "[Unit]\nAssertFirstBoot=yes\nAssertPathExists=\n[Service]\nExecStart=/bin/sh\n",
    ] {
        let files = [overlays::placed(
            unit,
            "root",
            PlacedNode::File(format!("{text}{install}").as_str().into()),
        )];
        enabled(&["x.service"], &files, false).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn a_program_of_the_definition_has_what_runs_it() {
    let packages = [package("a", "", &[("usr/bin/env", "x"), ("usr/bin/awk", "x")])];
    let run = |text: &str, mode: u16| {
        let file = overlays::placed("/usr/lib/mine", "root", PlacedNode::File(text.into()));
        let files = [Placed { mode, ..file }];
        assemble(&Request {
            root: rootfs::Request { files: &files, ..request(&packages).root },
            ..request(&packages)
        })
        .map(drop)
    };
    for (text, runner) in [
        ("#!/bin/sh\n", "/bin/sh"),
        ("#! /usr/bin/env bash\n", "bash"),
        ("#!/usr/bin/env -S perl -w\n", "perl"),
    ] {
        let error = run(text, 0o755).unwrap_err();
        assert!(error.to_string().contains(&format!("`{runner}`")), "{error}");
        assert!(
            matches!(error, AssembleError::Rootfs(RootfsError::NoInterpreter { .. })),
            "{error}"
        );
        run(text, 0o644).unwrap();
    }
    for text in ["#!/usr/bin/awk -f\n", "#!/usr/bin/env awk\n", "no script"] {
        run(text, 0o755).unwrap();
    }
    // A dynamic program of this machine, on an image without its loader.
    let bytes = fs::read("/bin/true").unwrap();
    let file = overlays::placed("/usr/lib/mine", "root", PlacedNode::File(bytes.into()));
    let files = [file];
    let error = assemble(&Request {
        root: rootfs::Request { files: &files, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap_err();
    assert!(error.to_string().contains("ld-linux"), "{error}");
}
