//! The effects against the tools they stand in for, on packages made here.
#![expect(clippy::disallowed_types, reason = "oracle tools are started")]
#![expect(clippy::disallowed_methods, reason = "oracle tools need real folders, and CI a switch")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use cvmkit_debian::deb822::Paragraph;
use cvmkit_debian::scripts::{Alternative, AlternativeLink};
use cvmkit_formats::archive::EntryKind;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::Node;

mod asked;
mod attributes;
mod database;
mod enabled;
mod overlays;
mod terminals;

use cvmkit_host::fault::Diagnosis;

use super::*;

/// Runs a tool and answers its standard output; nothing, loudly, if it is not installed.
fn oracle(tool: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(tool).args(arguments).env("LC_ALL", "C").output() {
        Ok(output) => output,
        Err(_) => {
            assert!(
                std::env::var_os("CVMKIT_ORACLES").is_none_or(|value| value != "require"),
                "{tool} is not installed"
            );
            eprintln!("SKIPPED: {tool} is not installed");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    // `is-enabled` says no with its exit code and yes or no in words too.
    assert!(output.status.success() || !text.is_empty(), "{tool} {arguments:?}: {complaint}");
    Some(text)
}

fn package(name: &str, control: &str, entries: &[(&str, &str)]) -> Package {
    let mut data = tempfile::tempfile().unwrap();
    let mut offset = 0;
    let entries = entries.iter().map(|&(path, what)| {
        let kind = match (what.strip_prefix("-> "), what.strip_prefix("= ")) {
            (Some(target), _) => EntryKind::Symlink(target.into()),
            (_, Some(target)) => EntryKind::HardLink(target.into()),
            _ if path.ends_with('/') || path.is_empty() => EntryKind::Directory,
            _ => {
                data.write_all(what.as_bytes()).unwrap();
                let len = what.len() as u64;
                offset += len;
                EntryKind::File { offset: offset - len, len }
            }
        };
        let mode = if matches!(kind, EntryKind::Directory) { 0o755 } else { 0o644 };
        Entry {
            path: path.trim_end_matches('/').into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 1000,
            xattrs: BTreeMap::new(),
        }
    });
    let entries = entries.collect();
    let text = format!("Package: {name}\nVersion: 1.0\nArchitecture: amd64\n{control}");
    Package {
        name: name.into(),
        version: "1.0".into(),
        architecture: "amd64".into(),
        control: Control { fields: Paragraph::parse(&text).unwrap(), files: BTreeMap::new() },
        entries,
        data: Arc::new(data),
    }
}

fn with_script(mut package: Package, kind: &str, text: &str) -> Package {
    package.control.files.insert(kind.into(), text.into());
    package
}

fn request(packages: &[Package]) -> Request<'_> {
    Request { packages, architecture: "amd64", mtime: 500, ..Request::default() }
}

/// Path, mode, owner and contents or target of everything.
fn listing(tree: &Tree<Content>) -> Vec<(String, u16, u32, u32, i64, Vec<u8>)> {
    let body = |node: &Node<Content>| match node {
        Node::File(content) => read_all(content, 1 << 20).unwrap(),
        Node::Symlink(target) => target.clone(),
        _ => Vec::new(),
    };
    let row = |(path, id): (Vec<u8>, _)| {
        let inode = tree.inode(id);
        let meta = &inode.meta;
        let path = String::from_utf8(path).unwrap();
        (path, meta.mode, meta.uid, meta.gid, meta.mtime, body(&inode.node))
    };
    tree.walk().into_iter().map(row).collect()
}

fn text(rootfs: &Rootfs, path: &str) -> String {
    let id = rootfs.tree.resolve(path.as_bytes()).unwrap();
    let Node::File(content) = &rootfs.tree.inode(id).node else { panic!("{path}") };
    String::from_utf8(read_all(content, 1 << 20).unwrap()).unwrap()
}

/// Writes a tree to a folder, as far as that needs no privilege.
fn materialise(tree: &Tree<Content>, folder: &Path) {
    for (path, mode, _, _, _, body) in listing(tree) {
        let at = folder.join(&path);
        let id = tree.lookup(path.as_bytes()).unwrap();
        match &tree.inode(id).node {
            Node::Directory(_) => fs::create_dir_all(&at).unwrap(),
            Node::Symlink(target) => {
                symlink(String::from_utf8_lossy(target).as_ref(), &at).unwrap()
            }
            _ => {
                fs::write(&at, body).unwrap();
                fs::set_permissions(&at, fs::Permissions::from_mode(u32::from(mode))).unwrap();
            }
        }
    }
}

/// The links below a folder of the tree, by path.
fn links(tree: &Tree<Content>, below: &str) -> BTreeMap<String, String> {
    let row = |(path, id): (Vec<u8>, _)| match &tree.inode(id).node {
        Node::Symlink(target) => {
            let path = String::from_utf8(path).unwrap();
            let rest = path.strip_prefix(below).filter(|rest| rest.starts_with('/'))?.to_owned();
            Some((rest, String::from_utf8(target.clone()).unwrap()))
        }
        _ => None,
    };
    tree.walk().into_iter().filter_map(row).collect()
}

/// The same of a real folder.
fn links_on_disk(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                let target = fs::read_link(&path).unwrap().to_str().unwrap().to_owned();
                found.insert(format!("/{name}"), target);
            }
        }
    }
    found
}

#[test]
fn usr_is_merged_and_the_order_of_packages_does_not_matter() {
    let make = || {
        vec![
            package("b", "", &[("bin/", ""), ("bin/b", "b"), ("usr/", ""), ("usr/share/", "")]),
            package("a", "", &[("lib/", ""), ("lib/a", "a"), ("lib/b", "= lib/a")]),
        ]
    };
    let packages = make();
    let forth = assemble(&request(&packages)).unwrap();
    let mut packages = make();
    packages.reverse();
    let back = assemble(&request(&packages)).unwrap();
    assert_eq!(listing(&forth.tree), listing(&back.tree));
    assert_eq!(forth.log, back.log);
    assert_eq!(forth.owners.get(&b"usr/bin/b"[..]).map(String::as_str), Some("b"));
    let one = forth.tree.lookup(b"usr/lib/a").unwrap();
    assert_eq!(forth.tree.lookup(b"usr/lib/b"), Some(one));
    // Packaged times are clamped to the time of the image.
    assert_eq!(forth.tree.inode(one).meta.mtime, 500);
}

#[test]
fn two_packages_with_one_path_are_an_error_unless_one_replaces_the_other() {
    let files: &[(&str, &str)] = &[("usr/", ""), ("usr/x", "x")];
    let packages = [package("a", "", files), package("b", "", files)];
    let error = assemble(&request(&packages)).unwrap_err();
    let RootfsError::PackageConflict { path, first, second } = &error else { panic!("{error}") };
    assert_eq!((path.as_str(), first.as_str(), second.as_str()), ("usr/x", "a", "b"));
    for (relation, replaces) in [("b", true), ("b (<< 2)", true), ("b (<< 1.0)", false)] {
        let control = format!("Replaces: c, {relation}\n");
        let winner = package("a", &control, &[("usr/", ""), ("usr/x", "won")]);
        let packages = [winner, package("b", "", files)];
        match assemble(&request(&packages)) {
            Ok(rootfs) => assert!(replaces && text(&rootfs, "usr/x") == "won", "{relation}"),
            Err(error) => assert!(!replaces, "{relation}: {error}"),
        }
    }
}

#[test]
fn excluded_files_are_left_out_but_keep_their_hard_links() {
    let packages = [package(
        "a",
        "",
        &[
            ("usr/", ""),
            ("usr/doc/", ""),
            ("usr/doc/a/", ""),
            ("usr/doc/a/copyright", "c"),
            ("usr/doc/a/news", "n"),
            ("usr/news", "= usr/doc/a/news"),
            ("usr/man/", ""),
            ("usr/man/1", "m"),
        ],
    )];
    let exclude = ["/usr/doc/*", "!/usr/doc/*/copyright", "/usr/man/*"].map(str::to_owned);
    let rootfs = assemble(&Request { exclude: &exclude, ..request(&packages) }).unwrap();
    assert_eq!(text(&rootfs, "usr/news"), "n");
    assert_eq!(text(&rootfs, "usr/doc/a/copyright"), "c");
    assert!(rootfs.tree.lookup(b"usr/doc/a/news").is_none());
    assert!(rootfs.tree.lookup(b"usr/man/1").is_none());
}

#[test]
fn an_unknown_script_or_trigger_is_an_error_unless_it_is_skipped() {
    let files: &[(&str, &str)] = &[("usr/", "")];
    let script = with_script(package("a", "", files), "postinst", "#!/bin/sh\nfrobnicate\n");
    let trigger = with_script(package("b", "", files), "triggers", "interest frob\n");
    for one in [script, trigger] {
        let name = one.name.clone();
        let packages = [one];
        let error = assemble(&request(&packages)).unwrap_err();
        assert!(error.to_string().contains("frob"), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains(&format!("scripts.{name} = {{ skip = [\"")), "{hint}");
        let digest = hint.split('"').nth(1).unwrap().parse().unwrap();
        let skip = BTreeMap::from([(name, BTreeSet::from([digest]))]);
        assemble(&Request { skip, ..request(&packages) }).unwrap();
    }
}

const SYSUSERS: &str = "g kvm -\nu mail-bot - \"Mail Bot\" /var/lib/bot /bin/false\nu! zed - - /\n\
    u fixed 950 - /\nm mail-bot kvm\n";

fn accounts_packages() -> Vec<Package> {
    let passwd =
        "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/:/usr/sbin/nologin\n";
    let group = "root:*:0:\nshadow:*:42:\nnogroup:*:65534:\n";
    vec![package(
        "base",
        "",
        &[
            ("usr/share/base-passwd/passwd.master", passwd),
            ("usr/share/base-passwd/group.master", group),
            ("usr/lib/sysusers.d/x.conf", SYSUSERS),
        ],
    )]
}

#[test]
fn accounts_have_the_same_ids_every_time_and_are_those_of_sysusers() {
    let packages = accounts_packages();
    let rootfs = assemble(&request(&packages)).unwrap();
    let users = rootfs.accounts.users();
    let ids: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.uid, user.gid)).collect();
    assert_eq!(
        ids,
        [
            ("root", 0, 0),
            ("nobody", 65534, 65534),
            ("fixed", 950, 950),
            ("mail-bot", 998, 998),
            ("zed", 997, 997)
        ]
    );
    assert!(text(&rootfs, "etc/group").contains("kvm:x:999:mail-bot\n"));
    assert!(text(&rootfs, "etc/shadow").contains("zed:!*:1:::::1:\n"));
    assert!(text(&rootfs, "etc/passwd").starts_with("root:x:0:0:root:/root:/usr/sbin/nologin\n"));
    // Ids of the lock stay when an account comes before the others in the alphabet.
    let known = rootfs.accounts.unfixed().clone();
    assert_eq!(known, ids_of(&[("kvm", 999), ("mail-bot", 998), ("zed", 997)]));
    let more = [GroupRequest { name: "aaa".into(), gid: None }];
    let ids = Ids::GivenOut(known);
    let grown = assemble(&Request { ids, groups: &more, ..request(&packages) }).unwrap();
    assert_eq!(grown.accounts.users(), users);
    assert_eq!(grown.accounts.unfixed().get("aaa"), Some(&996));
    let afresh = assemble(&Request { groups: &more, ..request(&packages) }).unwrap();
    assert_ne!(afresh.accounts.users(), users, "the lock is what keeps them");

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("etc")).unwrap();
    fs::create_dir_all(folder.path().join("usr/lib/sysusers.d")).unwrap();
    fs::write(folder.path().join("usr/lib/sysusers.d/x.conf"), SYSUSERS.replace("u!", "u"))
        .unwrap();
    let root = format!("--root={}", folder.path().display());
    if !is_root() || oracle("systemd-sysusers", &[&root]).is_none() {
        return;
    }
    let theirs = fs::read_to_string(folder.path().join("etc/passwd")).unwrap();
    let without_ids = |text: &str| -> BTreeMap<String, Vec<String>> {
        let fields =
            text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
        fields.map(|fields| (fields[0].clone(), fields[4..].to_vec())).collect()
    };
    let ours = without_ids(&text(&rootfs, "etc/passwd"));
    for (name, fields) in without_ids(&theirs).iter().filter(|(name, _)| *name != "root") {
        assert_eq!(ours.get(name), Some(fields), "{name}");
    }
}

fn ids_of(ids: &[(&str, u32)]) -> BTreeMap<String, u32> {
    ids.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect()
}

#[test]
fn a_locked_id_is_of_an_account_that_needs_it_and_of_nobody_else() {
    let packages = accounts_packages();
    let all = [("kvm", 996), ("mail-bot", 500), ("zed", 100)];
    let with = |ids: Ids| assemble(&Request { ids, ..request(&packages) });
    let rootfs = with(Ids::Locked(ids_of(&all))).unwrap();
    assert_eq!(*rootfs.accounts.unfixed(), ids_of(&all));
    assert!(text(&rootfs, "etc/passwd").contains("mail-bot:x:500:500:"));
    let locked = |ids: &[(&str, u32)]| with(Ids::Locked(ids_of(ids))).unwrap_err();
    let missing = locked(&all[..1]);
    assert!(missing.to_string().contains("no id for the accounts `mail-bot`, `zed`"), "{missing}");
    assert!(missing.hint().unwrap().contains("cvmkit lock"), "{missing:?}");
    // `fixed` has its id from the package, `nobody` from the master files.
    for (name, id) in [("fixed", 800), ("nobody", 801), ("gone", 802)] {
        let idle = locked(&[&all[..], &[(name, id)]].concat());
        assert!(idle.to_string().contains(&format!("`{name}` the id {id}")), "{idle}");
        with(Ids::GivenOut(ids_of(&[(name, id)]))).unwrap();
    }
    for ids in [Ids::Locked(ids_of(&[("zed", 950)])), Ids::GivenOut(ids_of(&[("zed", 950)]))] {
        let taken = with(ids).unwrap_err();
        assert!(matches!(taken, RootfsError::LockedIdTaken { .. }), "{taken:?}");
        assert!(taken.to_string().contains("950, which is fixed as that of `fixed`"), "{taken}");
    }
    // What another variant has is not given to a new account.
    let other = with(Ids::GivenOut(ids_of(&[("elsewhere", 999), ("zed", 998)]))).unwrap();
    assert_eq!(*other.accounts.unfixed(), ids_of(&[("kvm", 997), ("mail-bot", 996), ("zed", 998)]));
}

/// systemd-sysusers gives its files to root.
fn is_root() -> bool {
    let mine = tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0;
    if !mine {
        eprintln!("SKIPPED: systemd-sysusers --root needs root");
    }
    mine
}

#[test]
fn production_has_no_logins() {
    let packages = accounts_packages();
    let user = |change: fn(&mut UserRequest)| {
        let mut user = UserRequest { name: "op".into(), ..UserRequest::default() };
        change(&mut user);
        [user]
    };
    let shell = user(|user| user.shell = Some("/bin/bash".into()));
    let password = user(|user| user.password_hash = Some("$y$j9T$x$y".into()));
    for users in [&shell, &password] {
        assert!(assemble(&Request { users, ..request(&packages) }).is_err(), "{users:?}");
        assemble(&Request { users, debug: true, ..request(&packages) }).unwrap();
    }
    let users = user(|user| user.home = Some("/home/op".into()));
    let rootfs = assemble(&Request { users: &users, ..request(&packages) }).unwrap();
    let home = rootfs.tree.lookup(b"home/op").unwrap();
    assert_eq!(rootfs.tree.inode(home).meta.mode, 0o700);
    assert_ne!(rootfs.tree.inode(home).meta.uid, 0);
}

#[test]
fn accounts_that_contradict_each_other_are_errors() {
    let packages = accounts_packages();
    let user = |name: &str, uid| UserRequest { name: name.into(), uid, ..UserRequest::default() };
    for users in [
        [user("a", Some(950))].as_slice(),
        &[user("root", None)],
        &[user("Bad:Name", None)],
        &[UserRequest { groups: vec!["nowhere".into()], ..user("a", None) }],
    ] {
        assert!(assemble(&Request { users, ..request(&packages) }).is_err(), "{users:?}");
    }
}

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
    let before = assemble(&Request { debug: true, ..request(&packages) }).unwrap();
    let ours = assemble(&Request { debug: true, units, ..request(&packages) }).unwrap();
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
    let rootfs = assemble(&Request { units, ..request(&packages) }).unwrap();
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
        let result = assemble(&Request { units, ..request(&packages) });
        assert!(matches!(result, Err(RootfsError::Unit { .. })), "{enable:?} {mask:?}");
    }
}

fn candidate(path: &str, priority: i32, manual: &str) -> Alternative {
    let link = |link: &str, name: &str, path: &str| AlternativeLink {
        link: link.into(),
        name: name.into(),
        path: path.into(),
    };
    Alternative {
        master: link("/usr/bin/tool", "tool", path),
        priority,
        slaves: vec![link("/usr/share/tool.1", "tool.1", manual)],
    }
}

#[test]
fn alternatives_are_those_of_update_alternatives() {
    let packages = [package(
        "a",
        "",
        &[("usr/bin/x", "x"), ("usr/bin/y", "y"), ("usr/bin/z", "z"), ("usr/share/y.1", "y")],
    )];
    let request = request(&packages);
    let mut assembly = Assembly::new(&request);
    unpack::packages(&mut assembly).unwrap();
    let candidates = [
        candidate("/usr/bin/x", 10, "/usr/share/x.1"),
        candidate("/usr/bin/y", 30, "/usr/share/y.1"),
        candidate("/usr/bin/z", 20, "/usr/share/z.1"),
        candidate("/usr/bin/gone", 99, "/usr/share/gone.1"),
    ];
    let effects = native::Effects {
        alternatives: candidates.into_iter().map(|one| ("a".to_owned(), one)).collect(),
        ..native::Effects::default()
    };
    alternatives::apply(&mut assembly, &effects).unwrap();
    assert_eq!(assembly.tree.resolve(b"usr/bin/tool").ok(), assembly.tree.lookup(b"usr/bin/y"));
    assert_eq!(
        assembly.tree.resolve(b"usr/share/tool.1").ok(),
        assembly.tree.lookup(b"usr/share/y.1")
    );
    let folder = tempfile::tempdir().unwrap();
    materialise(&assembly.tree, folder.path());
    let root = folder.path().to_str().unwrap();
    let arguments = ["--root", root, "--query", "tool"];
    let Some(found) = oracle("update-alternatives", &arguments) else { return };
    for line in [
        "Status: auto",
        "Best: /usr/bin/y",
        "Alternative: /usr/bin/z",
        "Priority: 20",
        " tool.1 /usr/share/y.1",
    ] {
        assert!(found.lines().any(|found| found == line), "{line} in\n{found}");
    }
}

#[test]
fn certificates_are_linked_as_openssl_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, subject) in [
        ("plain", "/C=DE/O=Example/CN=Root"),
        ("blanks", "/C=de/O=  Example  /CN=ROOT"),
        ("wide", "/O=Ünïcode Ärger/CN=Größe  zwei"),
        ("multi", "/O=Example/CN=a+OU=b"),
        ("mail (x), y", "/emailAddress=A@Example.ORG/DC=org/serialNumber=7"),
    ] {
        let path = folder.path().join(format!("{name}.crt"));
        let file = path.to_str().unwrap();
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-utf8",
            "-multivalue-rdn",
            "-subj",
            subject,
            "-keyout",
            "/dev/null",
            "-out",
            file,
        ];
        let Ok(output) = Command::new("openssl").args(arguments).output() else {
            return drop(oracle("openssl", &[]));
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        files.push(Placed {
            path: format!("/usr/local/share/ca-certificates/{name}.crt"),
            mode: 0o644,
            user: "root".into(),
            group: "root".into(),
            xattrs: BTreeMap::new(),
            node: PlacedNode::File(fs::read(&path).unwrap().into()),
        });
    }
    let packages = [];
    let request = Request { files: &files, ..request(&packages) };
    let mut assembly = Assembly::new(&request);
    overlay::place(&mut assembly).unwrap();
    certificates::write(&mut assembly).unwrap();
    let ours = links(&assembly.tree, "etc/ssl/certs");
    // Two subjects differ only in case and blanks: one hash, two numbers.
    assert!(ours.keys().any(|name| name.ends_with(".1")), "{ours:?}");
    let theirs = folder.path().join("certs");
    fs::create_dir(&theirs).unwrap();
    for (name, target) in ours.iter().filter(|(name, _)| name.ends_with(".pem")) {
        let base = target.rsplit('/').next().unwrap();
        fs::copy(folder.path().join(base), theirs.join(name.trim_start_matches('/'))).unwrap();
    }
    oracle("openssl", &["rehash", "-v", theirs.to_str().unwrap()]).unwrap();
    let hashed = |name: &String| !name.ends_with(".pem");
    let ours: BTreeMap<_, _> = ours.into_iter().filter(|(name, _)| hashed(name)).collect();
    assert_eq!(ours, links_on_disk(&theirs));
    assert_eq!(ours.len(), 5);
}

#[test]
fn files_of_the_definition_win_and_have_their_owners() {
    let packages = accounts_packages();
    let placed = |path: &str, user: &str, node: PlacedNode| Placed {
        path: path.into(),
        mode: 0o600,
        user: user.into(),
        group: "0".into(),
        xattrs: BTreeMap::new(),
        node,
    };
    let files = [
        placed("/etc/hosts", "mail-bot", PlacedNode::File("mine\n".into())),
        placed("/etc/resolv.conf", "root", PlacedNode::Symlink("/dev/null".into())),
        placed("/usr/lib/sysusers.d/x.conf", "root", PlacedNode::File(SYSUSERS.into())),
        placed("/srv/data", "998", PlacedNode::Directory),
    ];
    let rootfs = assemble(&Request { files: &files, ..request(&packages) }).unwrap();
    assert_eq!(text(&rootfs, "etc/hosts"), "mine\n");
    let id = rootfs.tree.lookup(b"etc/hosts").unwrap();
    assert_eq!((rootfs.tree.inode(id).meta.uid, rootfs.tree.inode(id).meta.mode), (998, 0o600));
    assert!(
        rootfs.log.iter().any(|line| line.contains("replaces that of base")),
        "{:?}",
        rootfs.log
    );
    let files = [placed("/etc/x", "nobody-knows", PlacedNode::Directory)];
    assert!(assemble(&Request { files: &files, ..request(&packages) }).is_err());
}

#[test]
fn the_image_knows_its_name_and_a_debug_image_says_so() {
    let packages = [package("a", "", &[("usr/lib/os-release", "ID=debian\nIMAGE_ID=old\n")])];
    let named = Request {
        image_id: "node",
        image_version: "1.2~rc1",
        hostname: Some("cvm-1"),
        ..request(&packages)
    };
    let rootfs = assemble(&named).unwrap();
    let release = "ID=debian\nIMAGE_ID=\"node\"\nIMAGE_VERSION=\"1.2~rc1\"\n";
    assert_eq!(text(&rootfs, "etc/os-release"), release);
    assert_eq!(
        (text(&rootfs, "etc/hostname"), text(&rootfs, "etc/machine-id")),
        ("cvm-1\n".into(), String::new())
    );
    let rootfs = assemble(&Request { debug: true, ..named.clone() }).unwrap();
    assert!(text(&rootfs, "etc/os-release").ends_with("VARIANT_ID=\"debug\"\n"));
    for bad in [
        Request { image_id: "a\"b", ..named.clone() },
        Request { hostname: Some("-x"), ..named.clone() },
        Request { hostname: Some("a\nb"), ..named },
    ] {
        assert!(matches!(assemble(&bad), Err(RootfsError::Value { .. })));
    }
}

#[test]
fn a_library_that_needs_a_loader_cache_is_an_error() {
    let configuration = ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
    let own = ("etc/ld.so.conf.d/x.conf", "# x\n/opt/x/lib\n/usr/lib/x86_64-linux-gnu\n");
    let native = ("usr/lib/x86_64-linux-gnu/libx.so.1", "");
    let packages = [package("a", "", &[configuration, own, native])];
    assemble(&request(&packages)).unwrap();
    let packages = [package("a", "", &[configuration, own, ("opt/x/lib/libx.so.1", "")])];
    let error = assemble(&request(&packages)).unwrap_err();
    assert!(error.to_string().contains("opt/x/lib/libx.so.1"), "{error}");
}
