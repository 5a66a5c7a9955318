//! Who says that a file is as it is: what an audit makes of packages of the author's, and of what the
//! definition gives.

use super::*;
use crate::rootfs::{Finding, Verdict};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIPIR8kHc1tmCBnGG0DD5bWZc3bZSGfFW8oIVgGHoQqzt\n\
                   -----END PRIVATE KEY-----\n";

/// A package with a key and a setuid program.
fn with_findings(name: &str) -> Package {
    let key = format!("usr/share/{name}.pem");
    let program = format!("usr/bin/{name}");
    let mut package = package(name, "", &[(&key, KEY), (&program, "x")]);
    for entry in package.entries.iter_mut().filter(|entry| entry.path == program.as_bytes()) {
        entry.mode = 0o4755;
    }
    package
}

/// What is found of keys and rights, each with what comes of it.
fn found(request: &Request<'_>) -> Vec<String> {
    let rootfs = assemble(request).unwrap();
    let row = |found: &Finding| {
        let package = found.package.as_deref().unwrap_or("nobody");
        format!("{} {} of {package}", found.verdict.name(), found.path)
    };
    assert!(rootfs.findings.iter().all(|found| found.verdict != Verdict::Allowed));
    rootfs.findings.iter().map(row).collect()
}

#[test]
fn what_a_package_of_the_author_s_brings_is_refused() {
    let packages = [with_findings("debian"), with_findings("mine")];
    let own_packages = BTreeSet::from(["mine".to_owned()]);
    let root = rootfs::Request { own_packages, ..request(&packages).root };
    assert_eq!(
        found(&Request { root, ..request(&packages) }),
        [
            "listed /usr/share/debian.pem of debian",
            "refused /usr/share/mine.pem of mine",
            "listed /usr/bin/debian of debian",
            "refused /usr/bin/mine of mine",
        ]
    );
}

#[test]
fn what_a_script_of_the_author_s_changes_is_refused_whosever_file_it_is() {
    let mut tool = package("tool", "", &[("usr/bin/tool", "x"), ("usr/bin/chmod", "x")]);
    tool.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
    let script = "#!/bin/sh\nset -e\nchmod 4755 /usr/bin/tool\n";
    let of = |own: &[&str]| {
        let mine = with_script(package("zmine", "Depends: tool\n", &[]), "postinst", script);
        let packages = [tool.clone(), mine];
        let own_packages = own.iter().map(|name| (*name).to_owned()).collect();
        let root = rootfs::Request { own_packages, ..request(&packages).root };
        found(&Request { root, ..request(&packages) })
    };
    assert_eq!(of(&[]), ["listed /usr/bin/tool of tool"]);
    assert_eq!(of(&["zmine"]), ["refused /usr/bin/tool of zmine"]);
}

/// A key that the definition puts into a file of a package is the definition's, and so is a mode.
#[test]
fn what_the_definition_gives_instead_of_a_script_is_the_definition_s() {
    let script = "#!/bin/sh\nmake-something\n";
    let files = [("etc/a/key.pem", "x"), ("usr/bin/a", "x")];
    let packages = [with_script(package("a", "", &files), "postinst", script)];
    let mode = Changes { mode: Some(0o4755), ..Changes::default() };
    let given = Given {
        files: vec![
            overlays::placed("/etc/a/key.pem", "root", PlacedNode::File(KEY.into())),
            overlays::placed("/bin/a", "root", PlacedNode::Existing(mode)),
        ],
        ..Given::default()
    };
    let sha256 = cvmkit_formats::digest::Sha256::of(script.as_bytes());
    let give = BTreeMap::from([("a".to_owned(), BTreeMap::from([(sha256, given)]))]);
    for own in [None, Some("a".to_owned())] {
        let own_packages = own.into_iter().collect();
        let root = rootfs::Request { own_packages, ..request(&packages).root };
        assert_eq!(
            found(&Request { root, give: give.clone(), ..request(&packages) }),
            ["refused /etc/a/key.pem of a", "listed /usr/bin/a of a"]
        );
    }
}

/// `dpkg-statoverride` before the file is there, and a line of tmpfiles.d, say something of somebody else's file.
#[test]
fn a_right_is_of_who_gives_it_whosever_file_it_is() {
    let names = ["usr/bin/tool", "usr/bin/dpkg-statoverride"];
    let mut base = package("base", "Essential: yes\n", &names.map(|name| (name, "x"))[1..]);
    base.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
    let tool = package("tool", "", &[(names[0], "x")]);
    let script = "#!/bin/sh\ndpkg-statoverride --add root root 4755 /usr/bin/tool\n";
    let overrides = with_script(package("mine", "", &[]), "preinst", script);
    let later = package("tool", "Depends: mine\n", &[(names[0], "x")]);
    let line = package("mine", "", &[("usr/lib/tmpfiles.d/mine.conf", "z /usr/bin/tool 4755\n")]);
    for packages in [[base.clone(), overrides, later], [base, line, tool]] {
        let of = |own: &[&str]| {
            let own_packages = own.iter().map(|name| (*name).to_owned()).collect();
            let root = rootfs::Request { own_packages, ..request(&packages).root };
            found(&Request { root, ..request(&packages) })
        };
        assert_eq!(of(&[]), ["listed /usr/bin/tool of tool"]);
        assert_eq!(of(&["mine"]), ["refused /usr/bin/tool of mine"]);
    }
}

/// A line of a file that the definition places does not name the file to whoever reads the definition.
#[test]
fn a_line_of_the_definition_s_own_file_is_no_entry_that_states_a_mode() {
    let packages = [package("tool", "", &[("usr/bin/tool", "x")])];
    let line = PlacedNode::File("z /usr/bin/tool 4755\n".into());
    let files = [overlays::placed("/etc/tmpfiles.d/x.conf", "root", line)];
    let root = rootfs::Request { files: &files, ..request(&packages).root };
    assert_eq!(found(&Request { root, ..request(&packages) }), ["refused /usr/bin/tool of tool"]);
}
