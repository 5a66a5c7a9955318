//! Units that the definition enables and masks, against systemctl(1).

use super::*;

fn unit_packages() -> Vec<Package> {
    vec![package(
        "units",
        "",
        &[
            (
                "usr/lib/systemd/system/a.service",
                "[Install]\nWantedBy=multi-user.target x.target\nAlso=a.socket\n\
                 Alias=alias.service\n",
            ),
            (
                "usr/lib/systemd/system/a.socket",
                "[Install]\nWantedBy=sockets.target\nRequiredBy=y.service\n",
            ),
            (
                "usr/lib/systemd/system/t@.service",
                "[Install]\nWantedBy=%i.target\nDefaultInstance=one\n",
            ),
            ("usr/lib/systemd/system/static.service", "[Service]\nExecStart=/x\n"),
            ("usr/lib/systemd/system/getty@.service", "[Install]\nWantedBy=getty.target\n"),
            ("usr/lib/systemd/system/link.service", "-> a.service"),
            (
                "usr/lib/systemd/system/reset.service",
                "[Install]\nWantedBy=multi-user.target x.target\nAlias=other.service\nWantedBy=\n\
                 Alias=\nWantedBy=y.target\n",
            ),
        ],
    )]
}

#[test]
fn enabled_units_have_the_links_of_systemctl() {
    let packages = unit_packages();
    let enable: Vec<String> =
        ["a.service", "t@.service", "t@two.service", "reset.service"].map(str::to_owned).into();
    let units = Units { enable: enable.clone(), ..Units::default() };
    let before = assemble(&Request {
        root: rootfs::Request { debug: true, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    let ours = assemble(&Request {
        root: rootfs::Request { debug: true, units, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    materialise(&before.tree, folder.path());
    let root = format!("--root={}", folder.path().display());
    fs::create_dir_all(folder.path().join("etc/systemd/system")).unwrap();
    for unit in &enable {
        // `enable` prints to standard error only; `list` afterwards shows that systemctl is there.
        let mut command = Command::new("systemctl");
        match command.args([root.as_str(), "enable", unit]).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => return drop(oracle("systemctl", &[])),
        }
    }
    // A systemctl that was built for a split /usr leaves `/usr` out: the same file.
    let merged = |links: BTreeMap<String, String>| -> BTreeMap<String, String> {
        let target = |target: String| target.replacen("/usr/lib/", "/lib/", 1);
        links.into_iter().map(|(path, to)| (path, target(to))).collect()
    };
    let theirs = links_on_disk(&folder.path().join("etc/systemd/system"));
    assert_eq!(merged(links(&ours.tree, "etc/systemd/system")), merged(theirs));
}

#[test]
fn what_is_masked_or_gone_is_so_for_systemctl() {
    let packages = unit_packages();
    let units = Units { mask: vec!["a.socket".into()], ..Units::default() };
    let rootfs = assemble(&Request {
        root: rootfs::Request { units, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    materialise(&rootfs.tree, folder.path());
    let root = format!("--root={}", folder.path().display());
    for (unit, state) in
        [("a.socket", "masked"), ("a.service", "disabled"), ("static.service", "static")]
    {
        let Some(found) = oracle("systemctl", &[&root, "is-enabled", unit]) else { return };
        assert_eq!(found.trim(), state, "{unit}");
    }
    // Of a unit that is gone it says so on standard error alone.
    let gone = Command::new("systemctl").args([&root, "is-enabled", "getty@tty1.service"]).output();
    let gone = gone.unwrap();
    assert_eq!((gone.status.code(), gone.stdout.as_slice()), (Some(1), &b""[..]));
}

#[test]
fn units_that_do_not_do_what_is_asked_are_errors() {
    let packages = unit_packages();
    for (enable, mask) in [
        (Some("nowhere.service"), None),
        (Some("static.service"), None),
        (Some("getty@tty1.service"), None),
        (Some("a"), None),
        (Some("../a.service"), None),
        (None, Some("a.sokcet")),
    ] {
        let list = |unit: Option<&str>| unit.map(str::to_owned).into_iter().collect();
        let units = Units { enable: list(enable), mask: list(mask), ..Units::default() };
        let result = assemble(&Request {
            root: rootfs::Request { units, ..request(&packages).root },
            ..request(&packages)
        });
        assert!(
            matches!(result, Err(AssembleError::Rootfs(RootfsError::Unit { .. }))),
            "{enable:?} {mask:?}"
        );
    }
}
