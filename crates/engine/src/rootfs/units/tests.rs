//! Units of a small tree: what is enabled, masked, reached and impossible.

use super::file::{Loaded, load};
use super::*;
use crate::rootfs::tests::{assembly, at, refused};
use crate::rootfs::{Request, Units};

const SERVICE: &str = "[Service]\nExecStart=/x\n";

/// A debug image: nothing is taken out of it for being a login.
fn request(units: Units) -> Request<'static> {
    Request { units, debug: true, ..Request::default() }
}

fn enabling(names: &[&str]) -> Request<'static> {
    let enable = names.iter().map(|name| (*name).to_owned()).collect();
    request(Units { enable, ..Units::default() })
}

fn masking(name: &str) -> Request<'static> {
    request(Units { mask: vec![name.to_owned()], ..Units::default() })
}

/// Units below `/usr/lib/systemd/system` by name; an absolute path stays.
fn placed<'a>(files: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
    let path = |name: &str| match name.starts_with('/') {
        true => name.to_owned(),
        false => format!("/usr/lib/systemd/system/{name}"),
    };
    files.iter().map(|(name, text)| (path(name), *text)).collect()
}

fn tree<'a>(request: &'a Request<'a>, files: &[(&str, &str)]) -> Assembly<'a> {
    let files = placed(files);
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    assembly(request, &files)
}

fn applied<'a>(
    request: &'a Request<'a>,
    files: &[(&str, &str)],
) -> Result<Assembly<'a>, RootfsError> {
    let mut assembly = tree(request, files);
    apply(&mut assembly, &Effects::default())?;
    Ok(assembly)
}

/// systemd.unit(5), "[Install] Section Options".
#[test]
fn enabling_makes_the_links_of_the_install_section() {
    let vendor = |name: &str| format!("-> /usr/lib/systemd/system/{name}");
    for (unit, install, link, target) in [
        ("a.service", "WantedBy=b.target", "b.target.wants/a.service", "a.service"),
        ("a.service", "RequiredBy=b.target", "b.target.requires/a.service", "a.service"),
        ("a.service", "UpheldBy=b.target", "b.target.upholds/a.service", "a.service"),
        ("a.service", "WantedBy=b.target c.target", "c.target.wants/a.service", "a.service"),
        ("a.service", "WantedBy=%p.target", "a.target.wants/a.service", "a.service"),
        ("a.service", "Alias=z.service", "z.service", "a.service"),
        ("a@1.service", "WantedBy=b.target", "b.target.wants/a@1.service", "a@.service"),
        ("a@1.service", "WantedBy=%i.target", "1.target.wants/a@1.service", "a@.service"),
        (
            "a@.service",
            "DefaultInstance=7\nWantedBy=b.target",
            "b.target.wants/a@7.service",
            "a@.service",
        ),
    ] {
        let request = enabling(&[unit]);
        let file = if unit.contains('@') { "a@.service" } else { "a.service" };
        let text = format!("{SERVICE}[Install]\n{install}\n");
        let assembly = applied(&request, &[(file, &text)]).unwrap();
        let found = at(&assembly, &format!("{CONFIGURATION}/{link}"));
        assert_eq!(found, Some(vendor(target)), "{unit}: {install}");
    }
}

#[test]
fn also_enables_another_unit_that_may_have_nothing_to_install() {
    let request = enabling(&["a.service"]);
    let files = [
        ("a.service", "[Install]\nAlso=a.socket plain.service a.service\n"),
        ("a.socket", "[Install]\nWantedBy=sockets.target\nAlso=a.service\n"),
        ("plain.service", SERVICE),
    ];
    let assembly = applied(&request, &files).unwrap();
    assert!(at(&assembly, "/etc/systemd/system/sockets.target.wants/a.socket").is_some());
    let request = enabling(&["plain.service"]);
    refused(applied(&request, &files), "unit `plain.service`: has no [Install] section");
}

#[test]
fn a_unit_that_can_not_be_enabled_is_refused() {
    let wanted = "[Install]\nWantedBy=b.target\n";
    for (unit, files, words) in [
        ("sshd.service", &[("ssh.service", wanted)][..], "did you mean `ssh.service`?"),
        (
            "a.service",
            &[("/etc/systemd/system/a.service", "-> /dev/null"), ("a.service", wanted)],
            "is masked",
        ),
        ("a.service", &[("/etc/systemd/system/a.service", "")], "is masked"),
        ("a@.service", &[("a@.service", wanted)], "is a template: name an instance"),
        (
            "a.service",
            &[("a.service", "[Install]\nAlias=b.socket\n")],
            "alias `b.socket` of another type",
        ),
        (
            "a.service",
            &[("a.service", "[Install]\nWantedBy=%b.target\n")],
            "specifier of `%b.target`",
        ),
        ("a.service", &[("a.service", "[Install]\nWantedBy=b\n")], "unit `b`: not a unit name"),
        (
            "a.service",
            &[("a.service", "[Install]\nAlso=gone.service\n")],
            "unit `gone.service`: is not in the image",
        ),
        (
            "a.service",
            &[
                ("a.service", "[Install]\nAlias=z.service\n"),
                ("/etc/systemd/system/z.service", "-> /x"),
            ],
            "wants the alias `z.service`",
        ),
        ("a", &[], "unit `a`: not a unit name"),
        ("../a.service", &[], "not a unit name"),
    ] {
        refused(applied(&enabling(&[unit]), files), words);
    }
}

#[test]
fn a_mask_is_a_link_to_null_and_covers_no_file_of_its_own() {
    let own = "/etc/systemd/system/a.service";
    for (files, words) in [
        (&[("a.service", SERVICE)][..], None),
        (&[("a.service", SERVICE), (own, "-> /dev/null")], None),
        (&[("a.service", SERVICE), (own, "-> /usr/lib/systemd/system/b.service")], None),
        (
            &[("a.service", SERVICE), (own, SERVICE)],
            Some("`/etc/systemd/system/a.service` is a file"),
        ),
        (&[], Some("is not in the image")),
        (&[("aa.service", SERVICE)], Some("did you mean `aa.service`?")),
    ] {
        let request = masking("a.service");
        match (applied(&request, files), words) {
            (Ok(assembly), None) => assert_eq!(at(&assembly, own).unwrap(), "-> /dev/null"),
            (result, words) => refused(result, words.unwrap()),
        }
    }
    let request = masking("a@1.service");
    let assembly = applied(&request, &[("a@.service", SERVICE)]).unwrap();
    assert_eq!(at(&assembly, "/etc/systemd/system/a@1.service").unwrap(), "-> /dev/null");
}

#[test]
fn every_image_masks_what_trusts_the_disk_of_the_host() {
    let generator = "/etc/systemd/system-generators/systemd-gpt-auto-generator";
    let request = request(Units::default());
    let mut assembly = applied(&request, &[("ldconfig.service", SERVICE)]).unwrap();
    assert_eq!(at(&assembly, generator).unwrap(), "-> /dev/null");
    assert_eq!(at(&assembly, "/etc/systemd/system/ldconfig.service").unwrap(), "-> /dev/null");
    check_masks(&assembly).unwrap();
    for instead in ["-> /usr/lib/x", "#!/bin/sh\n"] {
        match instead.strip_prefix("-> ") {
            Some(target) => assembly.link(generator, target).unwrap(),
            None => assembly.write(generator, 0o755, instead).unwrap(),
        }
        refused(check_masks(&assembly), "must stay masked");
    }
}

#[test]
fn the_default_target_is_a_unit_of_the_image() {
    let target =
        |name: &str| request(Units { default_target: Some(name.into()), ..Units::default() });
    let files = [("multi-user.target", "[Unit]\n")];
    let request = target("multi-user.target");
    let assembly = applied(&request, &files).unwrap();
    let link = at(&assembly, "/etc/systemd/system/default.target").unwrap();
    assert_eq!(link, "-> /usr/lib/systemd/system/multi-user.target");
    refused(applied(&target("multiuser.target"), &files), "did you mean `multi-user.target`?");
}

/// systemd.unit(5), "Unit File Load Path" and drop-ins: `/etc` before `/usr`, all drop-ins by file name.
#[test]
fn a_unit_has_its_first_file_and_all_drop_ins_by_name() {
    let request = enabling(&[]);
    let files = [
        ("a-b.service", "[Unit]\nDocumentation=vendor\n"),
        ("/etc/systemd/system/a-b.service", "[Unit]\nDocumentation=own\n"),
        ("a-b.service.d/20.conf", "[Unit]\nDocumentation=20\n"),
        ("a-.service.d/10.conf", "[Unit]\nDocumentation=10\n"),
        ("service.d/20.conf", "[Unit]\nDocumentation=hidden by the special one\n"),
        ("service.d/30.conf", "[Unit]\nDocumentation=30 vendor\n"),
        ("/etc/systemd/system/service.d/30.conf", "[Unit]\nDocumentation=30\n"),
        ("service.d/40.conf", "[Unit]\nDocumentation=disabled\n"),
        ("/etc/systemd/system/service.d/40.conf", "-> /dev/null"),
        ("service.d/50.txt", "[Unit]\nDocumentation=not a drop-in\n"),
    ];
    let assembly = tree(&request, &files);
    let Loaded::Unit(unit) = load(&assembly, FOLDERS, "a-b.service").unwrap() else { panic!() };
    let values: Vec<&str> =
        unit.list("Unit", "Documentation").into_iter().map(|one| one.value.as_str()).collect();
    assert_eq!(values, ["own", "10", "20", "30"]);
}

#[test]
fn names_that_lead_in_a_circle_or_nowhere_end() {
    let request = enabling(&[]);
    let files = [
        ("a.service", "-> b.service"),
        ("b.service", "-> a.service"),
        ("self.service", "-> self.service"),
        ("gone.service", "-> /opt/gone.service"),
        ("null.service", "-> ../../../../dev/null"),
    ];
    let assembly = tree(&request, &files);
    for (unit, is_masked) in [
        ("a.service", false),
        ("self.service", false),
        ("gone.service", false),
        ("absent.service", false),
        ("null.service", true),
    ] {
        match load(&assembly, FOLDERS, unit).unwrap() {
            Loaded::Masked => assert!(is_masked, "{unit}"),
            Loaded::Absent => assert!(!is_masked, "{unit}"),
            Loaded::Unit(unit) => panic!("{}", unit.name),
        }
    }
}

/// systemd.unit(5), systemd.socket(5) "Accept=", systemd.timer(5) and systemd.path(5) "Unit=".
#[test]
fn a_boot_reaches_what_starts_and_what_is_activated() {
    for (files, reached) in [
        (&[("t.target", "[Unit]\nWants=x.service\n")][..], true),
        (&[("t.target", "[Unit]\nRequires=x.service\n")], true),
        (&[("t.target", "[Unit]\nBindsTo=x.service\n")], true),
        (&[("t.target", "[Unit]\nUpholds=x.service\n")], true),
        (&[("t.target", "[Unit]\nOnFailure=x.service\n")], true),
        (&[("t.target", "[Unit]\nOnSuccess=x.service\n")], true),
        (
            &[("t.target", "[Unit]\nAfter=x.service\nConflicts=x.service\nPartOf=x.service\n")],
            false,
        ),
        (&[("t.target", "[Unit]\nWants=x.service\nWants=\n")], false),
        (&[("t.target", "[Service]\nWants=x.service\n")], false),
        (&[("t.target", "[Unit]\n"), ("t.target.wants/x.service", "-> ../x.service")], true),
        (
            &[
                ("t.target", "[Unit]\n"),
                ("/etc/systemd/system/t.target.requires/x.service", "-> /x"),
            ],
            true,
        ),
        (&[("t.target", "[Unit]\n"), ("t.target.d/x.conf", "[Unit]\nWants=x.service\n")], true),
        (
            &[
                ("t.target", "-> u.target"),
                ("u.target", "[Unit]\n"),
                ("u.target.wants/x.service", "-> /x"),
            ],
            true,
        ),
        (&[("t.target", "[Unit]\nWants=x.socket\n"), ("x.socket", "[Socket]\n")], true),
        (
            &[
                ("t.target", "[Unit]\nWants=y.socket\n"),
                ("y.socket", "[Socket]\nService=x.service\n"),
            ],
            true,
        ),
        (
            &[("t.target", "[Unit]\nWants=x.socket\n"), ("x.socket", "[Socket]\nAccept=yes\n")],
            false,
        ),
        (&[("t.target", "[Unit]\nWants=x.timer\n"), ("x.timer", "[Timer]\n")], true),
        (
            &[("t.target", "[Unit]\nWants=y.timer\n"), ("y.timer", "[Timer]\nUnit=x.service\n")],
            true,
        ),
        (
            &[("t.target", "[Unit]\nWants=x.timer\n"), ("x.timer", "[Timer]\nUnit=y.service\n")],
            false,
        ),
        (&[("t.target", "[Unit]\nWants=y.path\n"), ("y.path", "[Path]\nUnit=x.service\n")], true),
        (
            &[
                ("t.target", "[Unit]\nWants=u.target\n"),
                ("u.target", "[Unit]\nWants=x.service t.target\n"),
            ],
            true,
        ),
        (
            &[
                ("/etc/systemd/system/t.target", "-> /dev/null"),
                ("t.target", "[Unit]\nWants=x.service\n"),
            ],
            false,
        ),
    ] {
        let request = enabling(&[]);
        let assembly = tree(&request, files);
        let found = walk::walk(&assembly, &["t.target"]).unwrap();
        assert_eq!(found.has("x.service"), reached, "{files:?}");
    }
}

#[test]
fn an_instance_is_wanted_by_its_template_and_accepted_by_its_socket() {
    let request = enabling(&[]);
    let files = [
        ("t.target", "[Unit]\nWants=a@1.service b.socket\n"),
        ("a@.service", "[Unit]\nWants=%i-x.service\n"),
        ("a@.service.wants/x.service", "-> /x"),
        ("b.socket", "[Socket]\nAccept=true\n"),
        ("b@.service", SERVICE),
    ];
    let assembly = tree(&request, &files);
    let reached = walk::walk(&assembly, &["t.target"]).unwrap();
    for unit in ["a@1.service", "x.service", "1-x.service", "b@.service"] {
        assert!(reached.has(unit), "{unit}");
    }
    assert_eq!(reached.path_to("x.service"), ["t.target", "a@1.service", "x.service"]);
    assert_eq!(reached.path_to("absent.service"), [""; 0]);
}

/// systemd.unit(5), "Conditions and Asserts"; what only the machine can answer keeps no unit from starting.
#[test]
fn a_condition_is_impossible_when_the_image_decides_it() {
    let words = ["quiet".to_owned(), "mode=fast".to_owned()];
    let request = Request { command_line: &words, ..Request::default() };
    let files = [
        ("/etc/machine-id", ""),
        ("/etc/full", "x"),
        ("/etc/empty", ""),
        ("/etc/folder/", ""),
        ("/etc/link", "-> full"),
        ("/etc/out", "-> /run/x"),
        ("/etc/many/one", ""),
    ];
    for (conditions, is_impossible) in [
        ("ConditionPathExists=/etc/full", false),
        ("ConditionPathExists=/etc/gone", true),
        ("ConditionPathExists=!/etc/full", true),
        ("ConditionPathExists=! /etc/full", true),
        ("ConditionPathExists=!/etc/gone", false),
        ("AssertPathExists=/etc/gone", true),
        ("ConditionPathIsDirectory=/etc/folder", false),
        ("ConditionPathIsDirectory=/etc/full", true),
        ("ConditionPathIsSymbolicLink=/etc/link", false),
        ("ConditionPathIsSymbolicLink=/etc/full", true),
        ("ConditionDirectoryNotEmpty=/etc/many", false),
        ("ConditionDirectoryNotEmpty=/etc/folder", true),
        ("ConditionFileNotEmpty=/etc/full", false),
        ("ConditionFileNotEmpty=/etc/empty", true),
        ("ConditionFileIsExecutable=/etc/full", true),
        ("ConditionPathIsReadWrite=/etc", true),
        ("ConditionPathIsReadWrite=!/etc", false),
        ("ConditionNeedsUpdate=/etc", true),
        ("ConditionFirstBoot=yes", true),
        ("ConditionFirstBoot=no", false),
        ("ConditionFirstBoot=!yes", false),
        ("ConditionKernelCommandLine=quiet", false),
        ("ConditionKernelCommandLine=mode", false),
        ("ConditionKernelCommandLine=mode=fast", false),
        ("ConditionKernelCommandLine=mode=slow", true),
        ("ConditionKernelCommandLine=absent", true),
        // The boot has its own file systems there, and the rest is the machine's.
        ("ConditionPathExists=/run/x", false),
        ("ConditionPathExists=/var/lib/x", false),
        ("ConditionPathExists=/home/x", false),
        ("ConditionPathExists=/mnt/x", false),
        ("ConditionPathExists=/etc/out", false),
        ("ConditionPathExists=etc/gone", false),
        ("ConditionPathExists=/etc/%b", false),
        ("ConditionPathExistsGlob=/etc/gone*", false),
        ("ConditionVirtualization=vm", false),
        ("ConditionPathExists=/runner/x", true),
        ("ConditionPathExists=/variable", true),
        ("ConditionPathExists=/etc/%p", true),
        // One of those with `|` has to hold, and every other.
        ("ConditionPathExists=|/etc/gone\nConditionPathExists=|/etc/full", false),
        ("ConditionPathExists=|/etc/gone\nConditionPathExists=|!/etc/full", true),
        ("ConditionPathExists=|/etc/gone\nConditionVirtualization=|vm", false),
        ("ConditionPathExists=|/etc/full\nConditionPathExists=/etc/gone", true),
        // An empty one takes back its own list, of whatever kind.
        ("ConditionPathExists=/etc/gone\nConditionFirstBoot=", false),
        ("ConditionPathExists=/etc/gone\nAssertPathExists=", true),
        ("AssertPathExists=/etc/gone\nAssertPathExists=\nAssertPathExists=/etc/full", false),
    ] {
        let text = format!("[Unit]\n{conditions}\n");
        let all = [&files[..], &[("/usr/lib/systemd/system/x.service", &text)]].concat();
        let assembly = assembly(&request, &all);
        let Loaded::Unit(unit) = load(&assembly, FOLDERS, "x.service").unwrap() else { panic!() };
        let found = conditions::impossible(&assembly, &unit).unwrap();
        assert_eq!(found.is_some(), is_impossible, "{conditions}: {found:?}");
    }
}

/// machine-id(5), "First boot semantics": without the file, or with `uninitialized` in it, a boot is a first one.
#[test]
fn a_first_boot_is_possible_without_an_empty_machine_id() {
    let on_demand = ["systemd.condition_first_boot=yes".to_owned()];
    for (machine_id, command_line, is_impossible) in [
        (Some(""), &[][..], true),
        (Some("uninitialized\n"), &[], false),
        (None, &[], false),
        (Some(""), &on_demand, false),
    ] {
        let request = Request { command_line, ..Request::default() };
        let unit = ("/usr/lib/systemd/system/x.service", "[Unit]\nConditionFirstBoot=yes\n");
        let mut files = vec![unit];
        files.extend(machine_id.map(|text| ("/etc/machine-id", text)));
        let assembly = assembly(&request, &files);
        let Loaded::Unit(unit) = load(&assembly, FOLDERS, "x.service").unwrap() else { panic!() };
        let found = conditions::impossible(&assembly, &unit).unwrap();
        assert_eq!(found.is_some(), is_impossible, "{machine_id:?} {command_line:?}");
    }
}

/// systemd.unit(5), "[Install]": helpers are what the unit pulls in, and what Debian has it pull in.
#[test]
fn helpers_that_never_start_are_told_with_their_condition() {
    use cvmkit_attest::output::Notice;

    use crate::rootfs::effects::DefaultUnit;

    let never = "[Unit]\nConditionPathExists=/etc/gone\n[Install]\nWantedBy=a.service\n";
    let may = "[Unit]\nDescription=x\n[Install]\nWantedBy=a.service\n";
    for (helper, wants, debian, told) in [
        // Pulled in by the unit itself: only a condition is worth a word.
        (may, true, false, None),
        (never, true, false, Some("ConditionPathExists=/etc/gone")),
        (never, true, true, Some("ConditionPathExists=/etc/gone")),
        // Enabled by Debian for the unit, and not here.
        (may, false, true, Some("")),
        (never, false, true, Some("ConditionPathExists=/etc/gone")),
        (never, false, false, None),
        ("[Install]\nRequiredBy=a.service\n", false, true, Some("")),
        ("[Install]\nWantedBy=b.service\n", false, true, None),
    ] {
        let request = enabling(&["a.service"]);
        let unit = format!("[Unit]\n{}", if wants { "Wants=h.service\n" } else { "" });
        let assembly = tree(&request, &[("a.service", &unit), ("h.service", helper)]);
        let default = DefaultUnit { name: "h.service".into(), user: false };
        let units = debian.then(|| ("pkg".to_owned(), default)).into_iter().collect();
        let effects = Effects { units };
        let found = enabled::check(&assembly, &effects).unwrap();
        let expected: Vec<Notice> = told
            .map(|condition| Notice::HelperNeverStarts {
                unit: "a.service".into(),
                helper: "h.service".into(),
                condition: condition.into(),
            })
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{helper} {wants} {debian}");
    }
    // Units of a user's manager help nobody here, and a target does no work of its own.
    let request = enabling(&["a.service"]);
    let assembly = tree(
        &request,
        &[
            ("a.service", "[Unit]\nWants=t.target masked.service\n"),
            ("t.target", never),
            ("masked.service", ""),
            ("u.service", may),
        ],
    );
    let units = vec![("pkg".to_owned(), DefaultUnit { name: "u.service".into(), user: true })];
    let effects = Effects { units };
    assert!(enabled::check(&assembly, &effects).unwrap().is_empty());
}

#[test]
fn an_enabled_unit_may_start_and_has_its_programs() {
    let request = enabling(&["a.service"]);
    let never = [("a.service", "[Unit]\nConditionPathExists=/etc/gone\n")];
    let words = "unit `a.service`: is enabled, but never starts on this image: \
                 ConditionPathExists=/etc/gone can't hold";
    refused(enabled::check(&tree(&request, &never), &Effects::default()), words);
    for (command, is_refused) in [
        ("ExecStart=/gone", true),
        ("ExecStart=-/gone", false),
        ("ExecStartPre=/gone", true),
        ("ExecStart=/usr/bin/x", false),
        ("ExecStart=/usr/bin/x ; /gone", true),
    ] {
        let text = format!("[Service]\n{command}\n");
        let tree = tree(&request, &[("a.service", &text), ("/usr/bin/x", "x")]);
        let found = enabled::check(&tree, &Effects::default());
        assert_eq!(found.is_err(), is_refused, "{command}");
    }
}

#[test]
fn what_debian_enables_and_the_definition_does_not_is_in_the_log() {
    use crate::rootfs::effects::DefaultUnit;

    let request = enabling(&["a.service"]);
    let text = "[Install]\nWantedBy=t.target\n";
    let mut tree = tree(&request, &[("a.service", text), ("b.service", text)]);
    let unit = |name: &str, user| ("pkg".to_owned(), DefaultUnit { name: name.into(), user });
    let units = vec![unit("a.service", false), unit("b.service", false), unit("c.service", true)];
    apply(&mut tree, &Effects { units }).unwrap();
    let found: Vec<&String> = tree.log.iter().filter(|line| line.contains("of pkg")).collect();
    let line =
        |unit: &str| format!("{unit} of pkg is not enabled: Debian does, the definition does not");
    assert_eq!(found, [&line("b.service"), &line("user unit c.service")]);
}

/// A unit that a production image lacks can be masked, as a debug variant has it, and never enabled.
#[test]
fn a_login_of_a_debug_variant_is_masked_without_a_fault() {
    let units = |enable: &[&str], mask: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Units { enable: own(enable), mask: own(mask), default_target: None }
    };
    let production = |units| Request { units, ..Request::default() };
    let request = production(units(&[], &["getty@tty1.service"]));
    let tree = applied(&request, &[("getty@.service", SERVICE)]).unwrap();
    let mask = at(&tree, "/etc/systemd/system/getty@tty1.service");
    assert_eq!(mask.as_deref(), Some("-> /dev/null"));
    let request = production(units(&["getty@tty1.service"], &[]));
    refused(
        applied(&request, &[("getty@.service", SERVICE)]),
        "unit `getty@tty1.service`: opens a terminal: production images do not have it",
    );
    let request = production(units(&[], &["other@tty1.service"]));
    refused(applied(&request, &[("getty@.service", SERVICE)]), "is not in the image");
}
