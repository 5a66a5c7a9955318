//! Scripts over a small system, and the same calls of the real programs on a folder.
#![expect(clippy::disallowed_types, reason = "oracle tools are started")]
#![expect(clippy::disallowed_methods, reason = "files are made for oracle tools")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Finished, Start};
use cvmkit_shell::world::{FileType, Files as _};

use super::*;
use crate::packages::debian::tests::package;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::tests::{is_root, oracle};
use crate::rootfs::{self};

/// Programs that scripts of these tests call.
const PROGRAMS: &[&str] = &[
    "addgroup",
    "adduser",
    "cat",
    "chronyd",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "depmod",
    "dpkg",
    "dpkg-divert",
    "dpkg-query",
    "dpkg-statoverride",
    "dpkg-trigger",
    "echo",
    "getcap",
    "getent",
    "gpasswd",
    "grep",
    "groupadd",
    "hostname",
    "id",
    "ldconfig",
    "locale",
    "ls",
    "mkdir",
    "perl",
    "pidof",
    "run-parts",
    "runlevel",
    "setcap",
    "sh",
    "stat",
    "ssh-keygen",
    "systemctl",
    "uname",
    "update-alternatives",
];

/// Others, which are not in `/usr/bin`.
const ADMINISTRATION: [&str; 4] = ["update-rc.d", "useradd", "usermod", "a2enmod"];

/// A tree of `files` with the programs; see [`rootfs::tests::assembly`] for their notation.
pub(super) fn machine<'a>(
    request: &'a rootfs::Request<'a>,
    files: &[(&str, &str)],
) -> Assembly<'a> {
    let mut assembly = rootfs::tests::assembly(request, files);
    for name in PROGRAMS {
        assembly.write(&format!("/usr/bin/{name}"), 0o755, "").unwrap();
    }
    for name in ADMINISTRATION {
        assembly.write(&format!("/usr/sbin/{name}"), 0o755, "").unwrap();
    }
    for (path, _) in
        files.iter().filter(|(path, _)| path.starts_with("/usr/") && path.contains("bin/"))
    {
        let id = assembly.find(path).unwrap();
        assembly.tree.meta_mut(id).mode = 0o755;
    }
    for name in ["etc", "run", "tmp", "var"] {
        let meta = assembly.root(0o755);
        assembly.directory(name, meta).unwrap();
    }
    assembly
}

/// Evaluates a script as the `postinst` of the package `p`.
pub(super) fn run(system: &mut System<'_, '_>, script: &str) -> Result<Finished, Stop> {
    let variable = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let start = Start {
        name: "script".into(),
        environment: [
            variable("PATH", "/usr/sbin:/usr/bin"),
            variable("DPKG_MAINTSCRIPT_PACKAGE", "p"),
        ]
        .into(),
        ..Start::default()
    };
    system.script(script.as_bytes(), start)
}

/// What a script prints over a tree of files.
pub(super) fn output(files: &[(&str, &str)], script: &str) -> String {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, files);
    let packages = [package("p", "", &[]), package("linux-image-6.1-x", "", &[])];
    let mut system = System::new(&mut assembly, &packages, "amd64");
    let finished = run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
    String::from_utf8(finished.output).unwrap()
}

/// The data that a script wanted to make.
pub(super) fn data(files: &[(&str, &str)], script: &str) -> Vec<LeftOut> {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, files);
    let mut system = System::new(&mut assembly, &[], "amd64");
    run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
    system.asked.data.clone()
}

/// The calls that a script, of the package `p`, drew at random with, of files that are left out; and the files
/// that it left in `/etc`.
pub(super) fn drawn(files: &[(&str, &str)], script: &str) -> (Vec<String>, Vec<String>) {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, files);
    let mut system = System::new(&mut assembly, &[], "amd64");
    run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
    system.leave_out_drawn("script", "p").unwrap();
    let calls = system.asked.secrets.iter().map(|one| one.call.clone()).collect();
    let effects = system.take_effects().into_iter();
    let paths = effects.filter_map(|effect| match effect {
        Effect::Path(path, ..) => Some(path),
        _ => None,
    });
    (calls, paths.collect())
}

/// What ends the evaluation of a script.
pub(super) fn stop(files: &[(&str, &str)], script: &str) -> String {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, files);
    let mut system = System::new(&mut assembly, &[], "amd64");
    let finished = run(&mut system, script).and_then(|finished| {
        system.leave_out_drawn("script", "p")?;
        Ok(finished)
    });
    match finished {
        Err(stop) => stop.to_string(),
        Ok(finished) => panic!("{script}: {finished:?}"),
    }
}

/// The links and files below the folders of `files`, except those of dpkg's own.
fn listing(system: &System<'_, '_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![b"/etc".to_vec(), b"/opt".to_vec()];
    while let Some(folder) = pending.pop() {
        for name in system.list(&folder).unwrap_or_default() {
            let path = [folder.as_slice(), &name].join(&b'/');
            let at = system.status(&path, false).unwrap();
            let text = String::from_utf8(path.clone()).unwrap();
            match at.file_type {
                FileType::Symlink => {
                    let target = String::from_utf8(system.target(&path).unwrap()).unwrap();
                    lines.push(format!("{text} -> {target}"));
                }
                FileType::Directory => pending.push(path),
                _ => lines.push(format!("{text} {:o}", at.mode)),
            }
        }
    }
    lines.sort();
    lines
}

/// The same of a folder of the machine.
fn listing_on_disk(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![root.join("etc"), root.join("opt")];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let at = fs::symlink_metadata(&path).unwrap();
            let text = format!("/{}", path.strip_prefix(root).unwrap().to_str().unwrap());
            if at.is_symlink() {
                lines
                    .push(format!("{text} -> {}", fs::read_link(&path).unwrap().to_str().unwrap()));
            } else if at.is_dir() {
                pending.push(path);
            } else {
                lines.push(format!("{text} {:o}", at.permissions().mode() & 0o7777));
            }
        }
    }
    lines.sort();
    lines
}

/// A folder with the files, for the real programs.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in ["var/lib/dpkg/info", "var/lib/dpkg/alternatives", "var/log", "etc"] {
        fs::create_dir_all(root.path().join(name)).unwrap();
    }
    fs::write(root.path().join("var/lib/dpkg/status"), "").unwrap();
    for (path, what) in files {
        let at = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match what.strip_prefix("-> ") {
            Some(target) => symlink(target, &at).unwrap(),
            None if path.ends_with('/') => fs::create_dir_all(&at).unwrap(),
            None => {
                fs::write(&at, what).unwrap();
                fs::set_permissions(&at, fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
    }
    root
}

/// Runs a script with dash, in which `program` works on a folder; answers what it prints.
fn real(root: &Path, program: &str, options: &str, script: &str) -> Option<String> {
    oracle("dash", &["-c", "true"])?;
    oracle("sh", &["-c", &format!("command -v {program}")]).filter(|found| !found.is_empty())?;
    let text = script.replace(&format!("{program} "), &format!("{program} {options} "));
    let output = Command::new("dash")
        .args(["-c", &text])
        .env("LC_ALL", "C")
        .env("DPKG_MAINTSCRIPT_PACKAGE", "p")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("ROOT", root)
        .output()
        .unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Compares a script with the real program on the same files: its output, and the tree behind it.
fn compare(program: &str, options: &str, files: &[(&str, &str)], script: &str) {
    let root = folder(files);
    let Some(expected) = real(root.path(), program, options, script) else { return };
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, files);
    let mut system = System::new(&mut assembly, &[], "amd64");
    let finished = run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
    let found = String::from_utf8(finished.output).unwrap();
    assert_eq!(found, expected, "{script}: {}", String::from_utf8_lossy(&finished.errors));
    assert_eq!(listing(&system), listing_on_disk(root.path()), "{script}");
}

#[test]
fn diversions_are_those_of_dpkg_divert() {
    let files = [("/opt/x", "x"), ("/opt/y", "y")];
    for script in [
        "dpkg-divert --package p --rename --divert /opt/x.orig --add /opt/x; echo $?; \
         dpkg-divert --package p --rename --divert /opt/x.orig --add /opt/x; echo $?; \
         dpkg-divert --list; dpkg-divert --truename /opt/x; dpkg-divert --listpackage /opt/x; \
         dpkg-divert --package q --no-rename --divert /opt/x.b --add /opt/x; echo $?",
        "dpkg-divert --package p --rename --add /opt/x; dpkg-divert --package p --rename --remove /opt/x; \
         echo $?; dpkg-divert --package p --rename --remove /opt/x; echo $?; dpkg-divert --list",
        "dpkg-divert --local --no-rename --add /opt/y; dpkg-divert --list /opt/y; dpkg-divert --list /opt/z; \
         dpkg-divert --listpackage /opt/y",
        "dpkg-divert --quiet --package p --rename --divert /opt/y --add /opt/x; echo $?",
        "dpkg-divert --package p --no-rename --divert /opt/z --add /opt; echo $?",
        "dpkg-divert --package p --rename --divert /opt/b --add /opt/none; echo $?; dpkg-divert --list '*'",
    ] {
        if script.contains("'*'") {
            assert!(stop(&files, script).contains("the pattern *"), "{script}");
            continue;
        }
        compare("dpkg-divert", "--root \"$ROOT\"", &files, script);
    }
}

#[test]
fn overrides_are_those_of_dpkg_statoverride() {
    if !is_root() {
        return;
    }
    let files =
        [("/opt/x", "x"), ("/etc/passwd", "root:x:0:0::/:\n"), ("/etc/group", "root:x:0:\n")];
    for script in [
        "dpkg-statoverride --update --add root root 4755 /opt/x; echo $?; dpkg-statoverride --list; \
         dpkg-statoverride --list /opt/x; echo $?; dpkg-statoverride --list /opt/y; echo $?",
        "dpkg-statoverride --add root root 0750 /opt/x; echo $?; \
         dpkg-statoverride --add root root 0755 /opt/x; echo $?; dpkg-statoverride --list",
        "dpkg-statoverride --update --add root root 0750 /opt/gone; echo $?; \
         dpkg-statoverride --remove /opt/gone; echo $?; dpkg-statoverride --remove /opt/gone; echo $?",
        "dpkg-statoverride --add root root 0750 /opt/x; dpkg-statoverride --list '/opt/*'; \
         dpkg-statoverride --list '/no*' '/op?/[x]'; echo $?; dpkg-statoverride --list '*y'; echo $?",
        "dpkg-statoverride --add '#0' '#0' 0750 /opt/x/; echo $?; dpkg-statoverride --list",
        "dpkg-statoverride --add nobody-there root 0750 /opt/x; echo $?",
        "dpkg-statoverride --add '#4294967295' root 0750 /opt/x; echo $?; dpkg-statoverride --list",
        "dpkg-statoverride --add root root rwx /opt/x; echo $?",
    ] {
        compare("dpkg-statoverride", "--root \"$ROOT\"", &files, script);
    }
}

#[test]
fn links_are_those_of_update_alternatives() {
    let files = [("/opt/a", ""), ("/opt/b", ""), ("/opt/a.1", ""), ("/opt/file", "")];
    let install = |name: &str, priority: u32| {
        format!(
            "update-alternatives --quiet --install /opt/tool tool /opt/{name} {priority} \
             --slave /opt/tool.1 tool.1 /opt/{name}.1; echo $?; "
        )
    };
    for script in [
        install("a", 10),
        install("a", 10) + &install("b", 20),
        install("b", 20) + &install("a", 10),
        install("b", 20)
            + &install("a", 30)
            + "update-alternatives --quiet --remove tool /opt/a; echo $?",
        install("a", 20) + "update-alternatives --quiet --remove tool /opt/a; echo $?",
        install("a", 20)
            + &install("b", 1)
            + "update-alternatives --quiet --remove-all tool; echo $?",
        install("gone", 10),
        install("b", 5) + &install("a", 5) + "update-alternatives --list tool; echo $?",
        install("b", 5) + &install("a", 5) + "update-alternatives --query tool; echo $?; update-alternatives --display tool; echo $?",
        "update-alternatives --list none; update-alternatives --query none; echo $?; update-alternatives --display none; echo $?".into(),
        "update-alternatives --quiet --install /opt/tool a/b /opt/a 1; echo $?".into(),
        "update-alternatives --quiet --install opt/tool tool /opt/a 1; echo $?".into(),
    ] {
        compare("update-alternatives", "--root \"$ROOT\" --log /dev/null", &files, &script);
    }
}

#[test]
fn links_of_init_scripts_are_those_of_update_rc_d() {
    let header = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: x\n# Default-Start: 2 3 5\n\
                  # Default-Stop:  0 6\n### END INIT INFO\n# Default-Start: 4\n";
    let files =
        [("/etc/init.d/x", header), ("/etc/init.d/y", "#!/bin/sh\n"), ("/etc/rc2.d/S03z", "")];
    for script in [
        "update-rc.d x defaults; echo $?; update-rc.d x defaults; echo $?",
        "update-rc.d x defaults-disabled; echo $?; update-rc.d x defaults; echo $?",
        "update-rc.d x defaults; update-rc.d x remove; echo $?",
        "update-rc.d y defaults; echo $?; update-rc.d z defaults; echo $?",
        "update-rc.d gone defaults; echo $?; update-rc.d gone remove; echo $?",
        "update-rc.d x; echo $?",
    ] {
        // The program has no option for it: the variable stands before the call.
        let root = folder(&files);
        let text = script.replace("update-rc.d ", "DPKG_ROOT=\"$ROOT\" update-rc.d ");
        let Some(expected) = real(root.path(), "update-rc.d", "", &text) else { return };
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &files);
        let mut system = System::new(&mut assembly, &[], "amd64");
        let finished = run(&mut system, script).unwrap();
        assert_eq!(String::from_utf8(finished.output).unwrap(), expected, "{script}");
        assert_eq!(listing(&system), listing_on_disk(root.path()), "{script}");
    }
}

#[test]
fn versions_compare_as_dpkg_compares_them() {
    let versions = ["''", "1.0", "1.0-1", "1:0.1", "1.0~rc1", "2"];
    let mut script = String::new();
    for operator in [
        "lt", "le", "eq", "ne", "ge", "gt", "lt-nl", "le-nl", "ge-nl", "gt-nl", "'<'", "'<<'",
        "'>='",
    ] {
        for first in versions {
            for second in versions {
                script +=
                    &format!("dpkg --compare-versions {first} {operator} {second}; echo $?\n");
            }
        }
    }
    script += "dpkg --validate-version 1:2-3; echo $?; dpkg --validate-version -- 1_2 2>/dev/null; echo $?\n\
               dpkg --validate-pkgname a+b; echo $?; dpkg --validate-pkgname A >/dev/null 2>&1; echo $?\n\
               dpkg --assert-multi-arch; echo $?; dpkg --print-foreign-architectures\n";
    compare("dpkg", "", &[], &script);
    assert_eq!(output(&[], "dpkg --print-architecture"), "amd64\n");
    assert!(stop(&[], "dpkg --configure -a").contains("--configure -a"));
}

/// shadow's programs with `--prefix`: the same lines.
#[test]
fn accounts_are_those_of_useradd_and_groupadd() {
    if !is_root() {
        return;
    }
    let files = [
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("/etc/group", "root:x:0:\nadm:x:4:\nmail:x:8:\n"),
        ("/etc/shadow", "root:*:1::::::\n"),
        ("/etc/gshadow", "root:*::\nadm:*::\nmail:*::\n"),
        (
            "/etc/login.defs",
            "SYS_UID_MIN 100\nSYS_UID_MAX 999\nSYS_GID_MIN 100\nSYS_GID_MAX 999\nUSERGROUPS_ENAB yes\n",
        ),
        ("/etc/default/useradd", "SHELL=/bin/sh\n"),
    ];
    for script in [
        "groupadd -r g; echo $?; groupadd -r g 2>/dev/null; echo $?; groupadd -f g; echo $?",
        "groupadd -r -g 777 g; echo $?",
        "useradd -r u; echo $?; useradd -r u 2>/dev/null; echo $?",
        "useradd -r -M -d /opt/u -s /bin/false -c 'A user' -g adm u; echo $?",
        "useradd --system --uid 123 --user-group --home-dir /nonexistent u; echo $?",
        "useradd -r -g none u 2>/dev/null; echo $?",
        "useradd -r -G adm,mail u; echo $?; usermod -aG mail u; echo $?",
        "useradd -r u; usermod -s /bin/false -c C -d /x u; echo $?; usermod -c C none 2>/dev/null; echo $?",
        "useradd -r u; usermod -a -G adm u; usermod -a -G none u 2>/dev/null; echo $?",
    ] {
        let root = folder(&files);
        let mut text = script.to_owned();
        for program in ["groupadd", "useradd", "usermod"] {
            if oracle("sh", &["-c", &format!("command -v {program}")]).is_none() {
                return;
            }
            text = text.replace(&format!("{program} "), &format!("{program} -P \"$ROOT\" "));
        }
        let Some(expected) = real(root.path(), "dash", "", &text) else { return };
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &files);
        let mut system = System::new(&mut assembly, &[], "amd64");
        let finished = run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
        let errors = String::from_utf8_lossy(&finished.errors);
        assert_eq!(String::from_utf8(finished.output).unwrap(), expected, "{script}: {errors}");
        for table in ["/etc/passwd", "/etc/group"] {
            let found = String::from_utf8(system.read(table.as_bytes()).unwrap()).unwrap();
            let expected = fs::read_to_string(root.path().join(&table[1..])).unwrap();
            assert_eq!(found, expected, "{script}");
        }
    }
}

/// adduser(8) of Debian 13, `--system`.
#[test]
fn system_users_are_those_of_adduser() {
    let files = [
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("/etc/group", "root:x:0:\nnogroup:x:65534:\nadm:x:4:\n"),
    ];
    for (script, passwd, group) in [
        ("adduser --system u", "u:x:999:65534::/nonexistent:/usr/sbin/nologin\n", ""),
        (
            "adduser --system --group --home /var/lib/u --gecos 'A user' --shell /bin/sh u",
            "u:x:999:999:A user:/var/lib/u:/bin/sh\n",
            "u:x:999:\n",
        ),
        (
            "adduser --system --ingroup adm --uid 120 u",
            "u:x:120:4::/nonexistent:/usr/sbin/nologin\n",
            "",
        ),
        (
            "addgroup --system g; addgroup --system g; adduser --system --ingroup g --quiet u",
            "u:x:998:999::/nonexistent:/usr/sbin/nologin\n",
            "g:x:999:\n",
        ),
        (
            "adduser --system u; adduser --system u",
            "u:x:999:65534::/nonexistent:/usr/sbin/nologin\n",
            "",
        ),
    ] {
        let script = format!("{script}; echo $?; cat /etc/passwd /etc/group");
        let head = format!("0\n{}", files[0].1);
        assert_eq!(
            output(&files, &script),
            format!("{head}{passwd}{}{group}", files[1].1),
            "{script}"
        );
    }
    let script = "adduser --system u; adduser u adm; echo $?; adduser u none 2>/dev/null; echo $?; \
                  adduser none adm 2>/dev/null; echo $?; getent group adm; getent passwd 999 | grep -c u; \
                  getent passwd none; echo $?; id -u u";
    assert_eq!(output(&files, script), "0\n12\n12\nadm:x:4:u\n1\n2\n999\n");
    let script =
        "adduser --system --group --home /var/lib/u u; stat -c '%a %u %g' /var/lib /var/lib/u";
    assert_eq!(output(&files, script), "755 0 0\n755 999 999\n");
    assert!(stop(&files, "adduser u").contains("an account of a person"));
}

/// deb-systemd-helper(1p): nothing was there before.
#[test]
fn units_are_asked_for() {
    let unit = "[Install]\nWantedBy=multi-user.target\n";
    let files =
        [("/usr/lib/systemd/system/u.service", unit), ("/usr/lib/systemd/user/v.service", unit)];
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, &files);
    let mut system = System::new(&mut assembly, &[], "amd64");
    let script = "
        h() { deb-systemd-helper --quiet \"$@\"; echo $1 $?; }
        h unmask u.service; h was-enabled u.service; h debian-installed u.service; h enable u.service
        h debian-installed u.service; h was-enabled u.service; h enable gone.service
        h update-state w.service; h debian-installed w.service
        deb-systemd-helper --user enable v.service; systemctl daemon-reload; echo $?
        systemctl enable gone 2>/dev/null; echo $?; deb-systemd-invoke start u.service; echo $?
        h mask u.service; h unmask u.service; systemctl mask x.service; h unmask x.service; runlevel; echo $?";
    let finished = run(&mut system, script).unwrap();
    let lines = "unmask 0\nwas-enabled 0\ndebian-installed 1\nenable 0\ndebian-installed 0\n\
                 was-enabled 0\nenable 1\nupdate-state 0\ndebian-installed 0\n0\n1\n0\nmask 0\nunmask 0\n\
                 unmask 0\nunknown\n1\n";
    assert_eq!(String::from_utf8(finished.output).unwrap(), lines);
    let unit = |name: &str, is_user| Unit { package: "p".into(), name: name.into(), is_user };
    assert_eq!(system.asked.units, [unit("u.service", false), unit("v.service", true)]);
    // Its own mask is gone, and that of somebody else is not.
    assert!(system.masked.is_empty());
    assert_eq!(listing(&system), ["/etc/systemd/system/x.service -> /dev/null"]);
    run(&mut system, "deb-systemd-helper disable u.service").unwrap();
    assert_eq!(system.asked.units, [unit("v.service", true)]);
    assert!(stop(&[], "systemctl edit x").contains("edit x"));
    let of_erlang = "DPKG_MAINTSCRIPT_PACKAGE=erlang-base systemctl list-unit-files '*.s*'";
    assert_eq!(output(&[], &format!("systemctl && {of_erlang} && echo a")), "a\n");
    assert!(stop(&[], "systemctl list-unit-files").contains("list-unit-files"));
}

#[test]
fn a_question_has_an_answer_or_a_default() {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, &[("/usr/share/debconf/confmodule", "")]);
    let mut system = System::new(&mut assembly, &[], "amd64");
    system.debconf = debconf::Database::new(debconf::Answers::new(
        [("p/answered".into(), "mine".into())].into(),
        false,
    ));
    let templates = "Template: p/answered\nType: string\nDefault: theirs\nDescription: d\n\n\
                     Template: p/choice\nType: select\nChoices: one, two\nDefault: two\nDescription: d ${who}\n\n\
                     Template: p/flag\nType: boolean\nDescription: d\n";
    system.debconf.owner = "other".into();
    system.debconf.load(b"Template: p/shared\nType: string\nDefault: s\nDescription: d\n").unwrap();
    system.debconf.owner = "p".into();
    system.debconf.load(templates.as_bytes()).unwrap();
    let script = "set -e
        . /usr/share/debconf/confmodule
        db_version 2.0
        for one in answered choice flag; do db_get p/$one; echo \"$one=$RET\" >&3; done
        db_get p/none || echo \"$? $RET\" >&3
        db_input high p/choice || echo \"input $?\" >&3
        db_go
        db_set p/flag true; db_get p/flag; echo \"$RET\" >&3
        db_set p/choice three; db_input low p/choice || true; db_go || true; db_get p/choice; echo \"$RET\" >&3
        db_fget p/flag seen; echo \"$RET\" >&3; db_fset p/flag seen true; db_fget p/flag seen; echo \"$RET\" >&3
        db_subst p/choice who me; db_metaget p/choice description; echo \"$RET\" >&3
        db_reset p/flag; db_get p/flag; echo \"[$RET]\" >&3
        db_register p/choice p/new; db_get p/new; echo \"$RET\" >&3; db_unregister p/new; db_get p/new || echo $? >&3
        db_register p/choice p/shared; db_purge; db_get p/choice || echo $? >&3; db_get p/shared; echo \"$RET\" >&3
        echo not seen; db_stop; exit 0";
    let finished = run(&mut system, script).unwrap();
    let expected = "answered=mine\nchoice=two\nflag=\n10 10 p/none doesn't exist\ninput 30\ntrue\none\n\
                    false\ntrue\nd me\n[]\ntwo\n10\n10\ntwo\n";
    let errors = String::from_utf8_lossy(&finished.errors);
    assert_eq!(String::from_utf8(finished.output).unwrap(), expected, "{errors}");
}

#[test]
fn scripts_of_the_tree_are_evaluated_and_other_programs_are_not() {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, &[("/bin", "-> usr/bin")]);
    for (path, mode, text) in [
        ("/usr/bin/tool", 0o755, "#!/bin/sh -e\necho tool $0 $#; false; echo no\n"),
        ("/usr/bin/perl-tool", 0o755, "#!/usr/bin/perl -w\n"),
        ("/usr/bin/binary", 0o755, "\x7fELF"),
        ("/usr/bin/bash-tool", 0o755, "#!/bin/bash\necho {a,b}\n"),
        ("/usr/bin/secret", 0o755, "#!/bin/dash\necho s >/etc/secret; stat -c %a /etc/secret\n"),
        ("/usr/bin/data", 0o644, "#!/bin/sh\n"),
        ("/opt/grep", 0o755, "#!/usr/bin/env sh\necho my own\n"),
        ("/opt/loop", 0o755, "#!/bin/sh\n/opt/loop\n"),
    ] {
        assembly.write(path, mode, text).unwrap();
    }
    let mut system = System::new(&mut assembly, &[], "amd64");
    for (script, expected) in [
        ("tool a b; echo $?", "tool /usr/bin/tool 2\n1\n"),
        ("bash-tool", "a b\n"),
        ("/bin/tool; echo $?", "tool /bin/tool 0\n1\n"),
        ("/opt/grep; echo $?", "my own\n0\n"),
        ("umask 077; secret; sh -c umask", "600\n0077\n"),
        ("none 2>&1; echo $?", "script: 1: none: not found\n127\n"),
        ("/opt/none 2>&1; echo $?", "script: 1: /opt/none: not found\n127\n"),
        ("/usr/bin/data 2>&1; echo $?", "script: 1: /usr/bin/data: Permission denied\n126\n"),
        ("command -v tool data none; echo $?", "/usr/bin/tool\n127\n"),
        ("sh -c 'echo $0 $1; exit 3' name one; echo $?", "name one\n3\n"),
        ("echo 'echo $1' | sh; sh -e /usr/bin/tool x; echo $?", "\ntool /usr/bin/tool 1\n1\n"),
    ] {
        let finished = run(&mut system, script).unwrap_or_else(|stop| panic!("{script}: {stop}"));
        assert_eq!(String::from_utf8(finished.output).unwrap(), expected, "{script}");
    }
    for (script, words) in [
        ("perl-tool", "the perl script `/usr/bin/perl-tool` can't be evaluated"),
        ("binary", "the program `/usr/bin/binary` can't be evaluated"),
        ("perl -e 'print 1'", "`perl`"),
        ("/opt/loop", "more than 8 scripts that run one another"),
    ] {
        let stop = run(&mut system, script).unwrap_err().to_string();
        assert!(stop.contains(words), "{stop}");
    }
}

#[test]
fn the_machine_is_that_of_the_image() {
    for (script, expected) in [
        ("uname; uname -r; uname -m; uname -o", "Linux\n6.1-x\nx86_64\nGNU/Linux\n"),
        ("pidof systemd; echo $?", "1\n"),
        (
            "LANG=de_DE.UTF-8 LC_TIME=C locale | grep -E '^LANG=|TIME|CTYPE|ALL'",
            "LANG=de_DE.UTF-8\nLC_CTYPE=\"de_DE.UTF-8\"\nLC_TIME=C\nLC_ALL=\n",
        ),
        ("LC_ALL=C locale | grep -E 'CTYPE|ALL'", "LC_CTYPE=\"C\"\nLC_ALL=C\n"),
    ] {
        assert_eq!(output(&[], script), expected, "{script}");
    }
    assert!(stop(&[], "uname -r").contains("an image without exactly one kernel"));
    assert!(stop(&[], "uname -v").contains("this option"));
}

/// run-parts(8): names of letters, digits, `_` and `-`, in order.
#[test]
fn parts_run_in_the_order_of_their_names() {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, &[]);
    for (name, mode, text) in [
        ("20-b", 0o755, "#!/bin/sh\necho b $1; exit 4\n"),
        ("10_a", 0o755, "#!/bin/sh\necho a $1\n"),
        ("30-c.sh", 0o755, "#!/bin/sh\necho no\n"),
        ("40-d", 0o644, "#!/bin/sh\necho no\n"),
        ("50-e", 0o755, "#!/bin/sh\necho e\n"),
    ] {
        assembly.write(&format!("/etc/parts/{name}"), mode, text).unwrap();
    }
    let mut system = System::new(&mut assembly, &[], "amd64");
    for (script, expected) in [
        ("run-parts --arg=x /etc/parts 2>/dev/null; echo $?", "a x\nb x\ne\n1\n"),
        ("run-parts -a y --exit-on-error /etc/parts 2>/dev/null; echo $?", "a y\nb y\n1\n"),
        (
            "run-parts --list /etc/parts",
            "/etc/parts/10_a\n/etc/parts/20-b\n/etc/parts/40-d\n/etc/parts/50-e\n",
        ),
        ("run-parts /etc/none 2>/dev/null; echo $?", "1\n"),
    ] {
        let finished = run(&mut system, script).unwrap();
        assert_eq!(String::from_utf8(finished.output).unwrap(), expected, "{script}");
    }
}

#[test]
fn capabilities_are_set_as_setcap_sets_them() {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, &[("/opt/x", "")]);
    let mut system = System::new(&mut assembly, &[], "amd64");
    let script = "getcap /opt/x; setcap cap_net_raw+ep /opt/x; echo $?; setcap -r /opt/gone 2>/dev/null; echo $?";
    let finished = run(&mut system, script).unwrap();
    assert_eq!(String::from_utf8(finished.output).unwrap(), "0\n1\n");
    assert!(
        run(&mut system, "getcap /opt/x").is_err() && run(&mut system, "setcap x /opt/x").is_err()
    );
    let id = system.assembly.tree.resolve(b"opt/x").unwrap();
    let name = rootfs::capability::ATTRIBUTE.as_bytes();
    let expected = rootfs::capability::attribute("cap_net_raw+ep").unwrap();
    assert_eq!(system.assembly.tree.inode(id).meta.xattrs[name], expected);
    let finished =
        run(&mut system, "setcap -r /opt/x; echo $?; setcap -r /opt/x 2>/dev/null; echo $?")
            .unwrap();
    assert_eq!(String::from_utf8(finished.output).unwrap(), "0\n1\n");
}

/// What a build leaves out is told with the reason, and a key is never of an image.
#[test]
fn what_is_not_done_is_told() {
    let request = rootfs::Request::default();
    let mut assembly = machine(&request, &[]);
    let mut system = System::new(&mut assembly, &[], "amd64");
    let script =
        "ldconfig; depmod -a 6.1; dpkg-trigger --no-await a-trigger; ssh-keygen -A; ssh-keygen -A";
    run(&mut system, script).unwrap();
    let asked = &system.asked;
    let names: Vec<&str> = asked.declined.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ldconfig"]);
    assert_eq!(asked.kernels, ["6.1"]);
    assert_eq!(asked.triggers.iter().map(String::as_str).collect::<Vec<_>>(), ["a-trigger"]);
    assert_eq!(asked.secrets, [LeftOut { package: "p".into(), call: "ssh-keygen -A".into() }]);
    assert!(stop(&[], "dpkg-trigger --bad x").contains("the option --bad"));
}
