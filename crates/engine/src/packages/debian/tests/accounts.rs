//! Accounts of packages, scripts and the definition, against systemd-sysusers(8), pwck(8) and grpck(8).

use super::*;

pub(super) fn accounts_packages() -> Vec<Package> {
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
    let grown = assemble(&Request {
        root: rootfs::Request { ids, groups: &more, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    assert_eq!(grown.accounts.users(), users);
    assert_eq!(grown.accounts.unfixed().get("aaa"), Some(&996));
    let afresh = assemble(&Request {
        root: rootfs::Request { groups: &more, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
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
    let with = |ids: Ids| {
        assemble(&Request {
            root: rootfs::Request { ids, ..request(&packages).root },
            ..request(&packages)
        })
    };
    let rootfs = with(Ids::Locked(ids_of(&all))).unwrap();
    assert_eq!(*rootfs.accounts.unfixed(), ids_of(&all));
    assert!(text(&rootfs, "etc/passwd").contains("mail-bot:x:500:500:"));
    let locked = |ids: &[(&str, u32)]| with(Ids::Locked(ids_of(ids))).unwrap_err();
    let missing = locked(&all[..1]);
    assert!(missing.to_string().contains("no id for the accounts `mail-bot`, `zed`"), "{missing}");
    assert!(missing.hint().unwrap().contains("cvmkit lock"), "{missing:?}");
    // `fixed` has its id from the package, `nobody` from the master files.
    for (name, id) in [("fixed", 800), ("nobody", 801), ("gone", 802)] {
        let unused = locked(&[&all[..], &[(name, id)]].concat());
        assert!(unused.to_string().contains(&format!("`{name}` the id {id}")), "{unused}");
        with(Ids::GivenOut(ids_of(&[(name, id)]))).unwrap();
    }
    for ids in [Ids::Locked(ids_of(&[("zed", 950)])), Ids::GivenOut(ids_of(&[("zed", 950)]))] {
        let taken = with(ids).unwrap_err();
        assert!(
            matches!(taken, AssembleError::Rootfs(RootfsError::LockedIdTaken { .. })),
            "{taken:?}"
        );
        assert!(taken.to_string().contains("950, which `fixed` has"), "{taken}");
    }
    // What another variant has is not given to a new account.
    let other = with(Ids::GivenOut(ids_of(&[("elsewhere", 999), ("zed", 998)]))).unwrap();
    assert_eq!(*other.accounts.unfixed(), ids_of(&[("kvm", 997), ("mail-bot", 996), ("zed", 998)]));
}

/// An account of a script had another id in the image than in the lock, which was told as an effect alone.
#[test]
fn an_account_has_the_id_that_the_lock_gives_it() {
    let script = |line: &str| {
        let script = format!("#!/bin/sh\nset -e\n{line}\n");
        let files =
            ["usr/sbin/adduser", "usr/sbin/addgroup", "usr/sbin/usermod", "usr/sbin/groupmod"];
        let files: Vec<(&str, &str)> = files.iter().map(|path| (*path, "")).collect();
        let mut one = with_script(package("p", "Depends: base\n", &files), "postinst", &script);
        one.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
        accounts_packages().into_iter().chain([one]).collect::<Vec<_>>()
    };
    let with = |line: &str, ids: Ids| {
        let packages = script(line);
        let root = rootfs::Request { ids, ..request(&packages).root };
        assemble(&Request { root, ..request(&packages) }).map(|rootfs| rootfs.accounts)
    };
    let own = [("kvm", 999), ("mail-bot", 998), ("zed", 997)];
    let ids = |more: &[(&str, u32)]| ids_of(&[&own[..], more].concat());
    let make = "adduser --system --group web";
    let accounts = with(make, Ids::Locked(ids(&[("web", 500)]))).unwrap();
    assert_eq!((accounts.uid("web", "x").unwrap(), accounts.gid("web", "x").unwrap()), (500, 500));
    for (line, words) in [
        (
            "adduser --system --uid 321 web",
            "`web` the id 500, but the user `web` of the image has the id 321",
        ),
        (
            "addgroup --system --gid 321 web",
            "`web` the id 500, but the group `web` of the image has the id 321",
        ),
        (
            "addgroup --system --gid 321 web; adduser --system web",
            "`web` the id 500, but the group `web` of the image has the id 321",
        ),
    ] {
        let error = with(line, Ids::Locked(ids(&[("web", 500)]))).unwrap_err();
        assert!(error.to_string().ends_with(words), "{line}: {error}");
        assert!(error.hint().unwrap().contains("`uid = 321`"), "{error:?}");
        // Without an id in the lock, a script may fix one.
        with(line, Ids::Locked(ids(&[]))).unwrap();
        with(line, Ids::default()).unwrap();
    }
    // One of the packages' own files too.
    let error = with(make, Ids::Locked(ids(&[("web", 500), ("fixed", 501)]))).unwrap_err();
    let words = "`fixed` the id 501, but the user `fixed` of the image has the id 950";
    assert!(error.to_string().ends_with(words), "{error}");
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
        assert!(
            assemble(&Request {
                root: rootfs::Request { users, ..request(&packages).root },
                ..request(&packages)
            })
            .is_err(),
            "{users:?}"
        );
        assemble(&Request {
            root: rootfs::Request { users, debug: true, ..request(&packages).root },
            ..request(&packages)
        })
        .unwrap();
    }
    let users = user(|user| user.home = Some("/home/op".into()));
    let rootfs = assemble(&Request {
        root: rootfs::Request { users: &users, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
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
        assert!(
            assemble(&Request {
                root: rootfs::Request { users, ..request(&packages).root },
                ..request(&packages)
            })
            .is_err(),
            "{users:?}"
        );
    }
}
