//! dpkg's database, as dpkg's own tools read it.

use super::*;

#[test]
fn dpkg_lists_the_packages_and_their_files() {
    let control =
        "Multi-Arch: same\nMaintainer: X <x@example.org>\nDescription: one\n more\n .\n end\n";
    let packages = [
        package("liba", control, &[("", ""), ("lib/", ""), ("lib/a", "a")]),
        package(
            "b",
            "Maintainer: X <x@example.org>\nDescription: two\n",
            &[("usr/", ""), ("usr/b", "b")],
        ),
    ];
    let rootfs = assemble(&request(&packages)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    materialise(&rootfs.tree, folder.path());
    let admin = format!("--admindir={}/var/lib/dpkg", folder.path().display());
    let format = "-f=${Package} ${Version} ${db:Status-Status}\\n";
    let Some(found) = oracle("dpkg-query", &[&admin, format, "-W"]) else { return };
    assert_eq!(found, "b 1.0 installed\nliba 1.0 installed\n");
    let found = oracle("dpkg-query", &[&admin, "-L", "liba:amd64"]).unwrap();
    assert_eq!(found, "/.\n/lib\n/lib/a\n");
    let absent = PackageDatabase::Absent;
    let rootfs = assemble(&Request { package_database: absent, ..request(&packages) }).unwrap();
    assert!(rootfs.tree.lookup(b"var/lib/dpkg").is_none());
}

#[test]
fn a_full_database_has_conffiles_diversions_and_triggers() {
    let control = "Maintainer: X <x@example.org>\nDescription: one\n";
    let mut one = package(
        "a",
        control,
        &[("etc/", ""), ("etc/a.conf", "configured\n"), ("etc/b.conf", ""), ("usr/", "")],
    );
    for (name, text) in [
        ("conffiles", "/etc/a.conf\n/etc/b.conf\nremove-on-upgrade /etc/old.conf\n"),
        ("triggers", "interest-noawait /usr/lib/udev/hwdb.d\ninterest ldconfig\n"),
    ] {
        one.control.files.insert(name.into(), text.into());
    }
    let packages = [one];
    let full = PackageDatabase::Full;
    let asked = Request { package_database: full, ..request(&packages) };
    let rootfs = assemble(&asked).unwrap();
    assert_eq!(text(&rootfs, "var/lib/dpkg/triggers/File"), "/usr/lib/udev/hwdb.d a/noawait\n");
    assert_eq!(text(&rootfs, "var/lib/dpkg/triggers/ldconfig"), "a\n");
    let folder = tempfile::tempdir().unwrap();
    materialise(&rootfs.tree, folder.path());
    let admin = format!("--admindir={}/var/lib/dpkg", folder.path().display());
    let Some(found) = oracle("dpkg-query", &[&admin, "-f=${Conffiles}\\n", "-W", "a"]) else {
        return;
    };
    let sums = oracle(
        "md5sum",
        &[
            folder.path().join("etc/a.conf").to_str().unwrap(),
            folder.path().join("etc/b.conf").to_str().unwrap(),
        ],
    )
    .unwrap();
    let sums: Vec<&str> = sums.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let gone = " /etc/old.conf newconffile remove-on-upgrade\n";
    assert_eq!(found, format!(" /etc/a.conf {}\n /etc/b.conf {}\n{gone}", sums[0], sums[1]));
    // Diversions come of scripts.
    let diversion = commands::Diversion {
        from: "/lib32".into(),
        to: "/.lib32.usr-is-merged".into(),
        package: Some("base-files".into()),
    };
    let told = Asked { diversions: vec![diversion], ..Asked::default() };
    let mut assembly = Assembly::new(&asked.root);
    super::super::database::write(&mut assembly, &told, &asked).unwrap();
    let folder = tempfile::tempdir().unwrap();
    materialise(&assembly.tree, folder.path());
    let admin = format!("--admindir={}/var/lib/dpkg", folder.path().display());
    let found = oracle("dpkg-divert", &[&admin, "--list"]).unwrap();
    assert_eq!(found, "diversion of /lib32 to /.lib32.usr-is-merged by base-files\n");
}

/// The preinst of trixie's util-linux-extra 2.41.5-0+deb13u1.
const DIVERTS: &str = "#!/bin/sh\n\nset -e\n\n\
    if test \"$1\" = upgrade || test \"$1\" = install; then\n  \
    for f in ctrlaltdel fsck.cramfs fsck.minix mkfs.bfs mkfs.cramfs mkfs.minix; do\n    \
    dpkg-divert --no-rename --package util-linux-extra --divert \"/sbin/$f.usr-is-merged\" --add \
    \"/sbin/$f\"\n  done\nfi\n\n\n";

/// A package with the program that its `preinst` calls.
fn diverting(files: &[(&str, &str)]) -> Package {
    let control = "Maintainer: X <x@example.org>\nDescription: one\n";
    with_script(package("util-linux-extra", control, files), "preinst", DIVERTS)
}

/// As dpkg has it: the package's own file stays, and another one's is unpacked elsewhere, whichever comes first.
#[test]
fn a_package_that_diverts_moves_the_files_of_others() {
    let control = "Essential: yes\nMaintainer: X <x@example.org>\nDescription: one\n";
    let mut dpkg = package("dpkg", control, &[("usr/bin/dpkg-divert", "")]);
    dpkg.entries[0].mode = 0o755;
    let files: &[(&str, &str)] = &[("usr/", ""), ("usr/sbin/", ""), ("usr/sbin/ctrlaltdel", "c")];
    let other = package("zother", "", &[("sbin/", ""), ("sbin/mkfs.bfs", "m")]);
    let packages = [dpkg, diverting(files), other];
    let full = PackageDatabase::Full;
    let rootfs = assemble(&Request { package_database: full, ..request(&packages) }).unwrap();
    let listed = text(&rootfs, "var/lib/dpkg/diversions");
    assert_eq!(listed.matches("\nutil-linux-extra\n").count(), 6, "{listed}");
    assert!(listed.starts_with("/sbin/ctrlaltdel\n/sbin/ctrlaltdel.usr-is-merged\n"), "{listed}");
    assert_eq!(text(&rootfs, "usr/sbin/ctrlaltdel"), "c", "the package's own file stays");
    assert_eq!(text(&rootfs, "usr/sbin/mkfs.bfs.usr-is-merged"), "m");
    assert!(rootfs.tree.lookup(b"usr/sbin/mkfs.bfs").is_none());
    assert_eq!(rootfs.owners[&b"usr/sbin/mkfs.bfs.usr-is-merged"[..]], "zother");
}

#[test]
fn a_volatile_var_is_made_again_by_systemd_tmpfiles() {
    let packages = [package(
        "a",
        "Maintainer: X <x@example.org>\nDescription: one\n",
        &[
            ("var/", ""),
            ("var/lib/", ""),
            ("var/lib/a/", ""),
            ("var/lib/a/x", "x"),
            ("var/l", "-> lib"),
        ],
    )];
    let rootfs = assemble(&Request {
        root: rootfs::Request { volatile_var: true, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    materialise(&rootfs.tree, folder.path());
    fs::remove_dir_all(folder.path().join("var")).unwrap();
    let root = format!("--root={}", folder.path().display());
    if !is_root() || oracle("systemd-tmpfiles", &[&root, "--create", "--prefix=/var"]).is_none() {
        return;
    }
    assert_eq!(fs::read_to_string(folder.path().join("var/lib/a/x")).unwrap(), "x");
    assert_eq!(fs::read_link(folder.path().join("var/l")).unwrap(), Path::new("lib"));
    // dpkg's database is a link to where a boot has it from.
    let dpkg = folder.path().join("var/lib/dpkg");
    assert_eq!(fs::read_link(&dpkg).unwrap(), Path::new("/usr/share/factory/var/lib/dpkg"));
    let factory = folder.path().join("usr/share/factory/var/lib/dpkg");
    let admin = format!("--admindir={}", factory.display());
    let found =
        oracle("dpkg-query", &[&admin, "-f=${Package} ${db:Status-Status}\\n", "-W"]).unwrap();
    assert_eq!(found, "a installed\n");
}
