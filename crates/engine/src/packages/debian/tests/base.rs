//! Packages over a base that has some of them already.

use cvmkit_formats::archive::tar;
use cvmkit_formats::digest::Sha256;

use super::*;
use crate::oci::{Digest, Stack};
use crate::rootfs::Base;
use crate::rootfs::layer::sample::{Row, archive};

fn base(rows: &[Row<'_>]) -> Base {
    let bytes = archive(rows);
    let members = tar::members(&bytes[..], &tar::Limits::default()).unwrap();
    let mut stack = Stack::new(9);
    stack.apply(Digest(Sha256::of(&bytes)), &members, &bytes.into()).unwrap();
    Base { name: "oci".into(), digest: "sha256:x".into(), layers: 1, tree: stack.finish().0 }
}

fn over(rows: &[Row<'_>]) -> Result<Rootfs, AssembleError> {
    let packages =
        [package("a", "", &[("etc/", ""), ("usr/lib/x", "new"), ("etc/x.conf", "of a")])];
    let base = base(rows);
    let root = rootfs::Request { base: Some(&base), ..request(&packages).root };
    assemble(&Request { root, ..request(&packages) })
}

const STATUS: &str = "Package: a\nStatus: install ok installed\nVersion: 0.9\nConffiles:\n \
                      /etc/x.conf d41d8cd98f00b204e9800998ecf8427e\n\nPackage: gone\n\
                      Status: deinstall ok config-files\nVersion: 1\n";

/// What a package of the base had goes, as that of an old version would; all else stays.
#[test]
fn packages_of_the_lock_take_the_place_of_those_of_the_base() {
    let rootfs = over(&[
        ("opt/app", 0o755, "app"),
        ("usr/lib/x", 0o644, "old"),
        ("usr/lib/old", 0o644, "old"),
        ("etc/x.conf", 0o644, "changed"),
        ("var/lib/dpkg/status", 0o644, STATUS),
        (
            "var/lib/dpkg/info/a.list",
            0o644,
            "/.\n/usr/lib\n/usr/lib/x\n/usr/lib/old\n/etc/x.conf\n",
        ),
    ])
    .unwrap();
    assert_eq!(text(&rootfs, "opt/app"), "app");
    assert_eq!(text(&rootfs, "usr/lib/x"), "new");
    assert_eq!(text(&rootfs, "etc/x.conf"), "of a");
    assert!(rootfs.tree.lookup(b"usr/lib/old").is_none());
    assert!(!text(&rootfs, "var/lib/dpkg/status").contains("0.9"));
    let layout = || "oci".to_owned();
    let lost = Notice::BaseChangesLost { layout: layout(), count: 1, first: "/etc/x.conf".into() };
    let based = Notice::Base { layout: layout(), digest: "sha256:x".into(), layers: 1 };
    assert!(
        rootfs.notices.contains(&lost) && rootfs.notices.contains(&based),
        "{:?}",
        rootfs.notices
    );
}

/// Nobody vouches for these, or files of the base would be nobody's.
#[test]
fn packages_and_accounts_of_the_base_alone_are_refused() {
    let distroless = ("var/lib/dpkg/status.d/tzdata", 0o644, "Package: tzdata\nVersion: 1\n");
    let status = "Package: ghost\nStatus: install ok installed\n\nPackage: a\nStatus: install ok installed\n";
    let error = over(&[("var/lib/dpkg/status", 0o644, status), distroless]).unwrap_err();
    let AssembleError::BasePackages { missing, .. } = &error else { panic!("{error:?}") };
    assert_eq!(missing[..], ["ghost", "tzdata"]);
    assert!(error.hint().unwrap().contains("`packages.install = [\"ghost\", \"tzdata\"]`"));
    let passwd =
        "root:x:0:0:root:/root:/bin/bash\nweb:x:900:901::/:/bin/false\ndaemon:x:7:1::/:/bin/sh\n";
    let error = over(&[("etc/passwd", 0o644, passwd), ("etc/group", 0o644, "web:x:901:\n")]);
    let error = error.unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "user `web` (900) is nobody in the image",
            "user `daemon` (7) is nobody in the image",
            "group `web` (901) is nobody in the image",
        ]
    );
    assert!(over(&[("etc/passwd", 0o644, "root\n")]).unwrap_err().to_string().contains("line 1"));
}
