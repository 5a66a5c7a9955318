//! Ids, conflicts and the four files.

use std::collections::BTreeMap;

use super::account::NOLOGIN;
use super::*;
use crate::rootfs::Request;
use crate::rootfs::tests::{MASTERS, access, assembly, at, oracle, refused};

const PASSWD_MASTER: &str = MASTERS.passwd;
const GROUP_MASTER: &str = MASTERS.group;

/// The accounts of a tree with these files.
fn collected(request: &Request<'_>, files: &[(&str, &str)]) -> Result<Accounts, RootfsError> {
    let accounts = collect(&mut assembly(request, files), MASTERS)?;
    accounts.check_lock(&request.ids, &Accounts::default())?;
    Ok(accounts)
}

fn user(name: &str) -> UserRequest {
    UserRequest { name: name.into(), ..UserRequest::default() }
}

fn group(name: &str, gid: Option<u32>) -> GroupRequest {
    GroupRequest { name: name.into(), gid }
}

fn ids(ids: &[(&str, u32)]) -> BTreeMap<String, u32> {
    ids.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect()
}

/// systemd-sysusers(8) gives ids out from the top of the system's range down (`add_user`, `src/sysusers/sysusers.c`);
/// the range is that of adduser.conf(5) and login.defs(5).
#[test]
fn new_ids_go_down_from_999_past_every_id_that_somebody_has() {
    for (what, sysusers, known, expected) in [
        ("one that stays", "u a -\nu b -\n", &[("b", 999)][..], &[("a", 998), ("b", 999)][..]),
        ("nothing else", "u c -\nu a -\ng b -\n", &[], &[("a", 999), ("b", 998), ("c", 997)]),
        ("a user's", "u a -\nu fixed 999\n", &[], &[("a", 998)]),
        ("a group's", "u a -\ng fixed 999\n", &[], &[("a", 998)]),
        ("a group's, for a group", "g a -\nu fixed 999:root\n", &[], &[("a", 998)]),
        (
            "one in the middle",
            "u a -\nu b -\nu c -\n",
            &[("c", 998)],
            &[("a", 999), ("b", 997), ("c", 998)],
        ),
        ("one of another variant", "u a -\n", &[("gone", 999)], &[("a", 998)]),
        ("not an ordinary user's", "u a -\nu x 1000\n", &[], &[("a", 999)]),
    ] {
        let request = Request { ids: Ids::GivenOut(ids(known)), ..Request::default() };
        let files = [("/usr/lib/sysusers.d/x.conf", sysusers)];
        let accounts = collected(&request, &files).unwrap();
        assert_eq!(*accounts.unfixed(), ids(expected), "{what}");
        for user in
            accounts.users().iter().filter(|user| accounts.unfixed().contains_key(&user.name))
        {
            assert_eq!(user.gid, user.uid, "{what}: {} has a group with the same id", user.name);
        }
    }
}

#[test]
fn ids_of_the_system_end_at_100() {
    let all: Vec<GroupRequest> =
        (SYSTEM_ID_MIN..=SYSTEM_ID_MAX).map(|gid| group(&format!("g{gid}"), Some(gid))).collect();
    let one = [user("late")];
    let (last, rest) = all.split_first().unwrap();
    let request = Request { groups: rest, users: &one, ..Request::default() };
    assert_eq!(*collected(&request, &[]).unwrap().unfixed(), ids(&[("late", last.gid.unwrap())]));
    let request = Request { groups: &all, ..request };
    refused(collected(&request, &[]), "account `late`: no id is free from 999 down to 100");
}

#[test]
fn a_build_takes_ids_of_the_lock_and_of_nothing_else() {
    let sysusers = "u a -\nu fixed 900\n";
    for (locked, words) in [
        (&[("a", 500)][..], None),
        (&[], Some("no id for the account `a`")),
        (&[("a", 500), ("gone", 501)], Some("gives the account `gone` the id 501")),
        (&[("a", 500), ("fixed", 900)], Some("gives the account `fixed` the id 900")),
        (&[("a", 900)], Some("which `fixed` has")),
        (&[("a", 0)], Some("which `root` has")),
    ] {
        let request = Request { ids: Ids::Locked(ids(locked)), ..Request::default() };
        let found = collected(&request, &[("/usr/lib/sysusers.d/x.conf", sysusers)]);
        match words {
            None => assert_eq!(*found.unwrap().unfixed(), ids(locked)),
            Some(words) => refused(found, words),
        }
    }
}

#[test]
fn accounts_that_contradict_each_other_are_refused() {
    let files = |text| [("/usr/lib/sysusers.d/x.conf", text)];
    for (sysusers, words) in [
        ("u a 500\nu b 500\n", "`a` and `b` both have the user id 500"),
        ("g a 500\ng b 500\n", "`a` and `b` both have the group id 500"),
        ("u a 0\n", "both have the user id 0"),
        ("g a 500\ng a 501\n", "account `a`: is asked for with the ids 500 and 501"),
        ("u a -:nogroup\n", "nogroup"),
        ("u a -:4711\n", "4711"),
        ("m nobody-there root\n", "needs the user `nobody-there`"),
    ] {
        refused(collected(&Request::default(), &files(sysusers)), words);
    }
    // One id for a user and the group of another name is allowed: those are two tables.
    let accounts = collected(&Request::default(), &files("u a 500:root\ng b 500\n")).unwrap();
    assert_eq!((accounts.uid("a", "x").unwrap(), accounts.gid("b", "x").unwrap()), (500, 500));
}

/// sysusers.d(5): files are read in the order of their names.
#[test]
fn the_definition_decides_before_files_and_the_first_file_before_later_ones() {
    let files = [
        ("/usr/lib/sysusers.d/a.conf", "u x 950 First\n"),
        ("/usr/lib/sysusers.d/b.conf", "u x 951 Second\n"),
    ];
    let of_x = |accounts: &Accounts| {
        let user = accounts.users().iter().find(|user| user.name == "x").unwrap();
        (user.uid, user.comment.clone())
    };
    assert_eq!(of_x(&collected(&Request::default(), &files).unwrap()), (950, "First".into()));
    let own = [UserRequest { uid: Some(2000), comment: "Own".into(), ..user("x") }];
    let request = Request { users: &own, ..Request::default() };
    assert_eq!(of_x(&collected(&request, &files).unwrap()), (2000, "Own".into()));
}

#[test]
fn a_user_of_the_definition_is_refused_when_it_could_log_in_or_break_a_file() {
    let hash = |text: &str| Some(text.to_owned());
    for (one, debug, words) in [
        (user("root"), true, "account `root`"),
        (UserRequest { shell: hash("/bin/sh"), ..user("x") }, false, "the shell `/bin/sh`"),
        (UserRequest { password_hash: hash("$6$a$b"), ..user("x") }, false, "password"),
        (UserRequest { password_hash: hash("secret"), ..user("x") }, true, "crypt(5)"),
        (UserRequest { password_hash: hash("$6$a:0:0"), ..user("x") }, true, "crypt(5)"),
        (UserRequest { password_hash: hash("$6$a\nroot::0"), ..user("x") }, true, "crypt(5)"),
        (UserRequest { comment: "a:b".into(), ..user("x") }, true, "the comment `a:b`"),
        (UserRequest { home: hash("/a\n/b"), ..user("x") }, true, "the home"),
        (UserRequest { shell: hash("/bin/sh:"), ..user("x") }, true, "the shell"),
        (UserRequest { group: hash("nogroup"), ..user("x") }, true, "nogroup"),
        (UserRequest { groups: vec!["kvm".into()], ..user("x") }, true, "`kvm`"),
        (user("Upper"), true, "account `Upper`"),
        (user("x:0:0"), true, "account `x:0:0`"),
        (user(""), true, "account ``"),
    ] {
        let users = [one];
        let request = Request { users: &users, debug, ..Request::default() };
        refused(collected(&request, &[]), words);
    }
}

#[test]
fn a_production_image_has_no_login_shell_and_a_debug_image_keeps_them() {
    let files = [
        (GROUP_MASTER, "root:*:0:\n"),
        (PASSWD_MASTER, "root::0:0:root:/root:/bin/bash\nsync::4:0:sync:/bin:/bin/sync\n"),
    ];
    for (debug, of_root) in [(false, NOLOGIN), (true, "/bin/bash")] {
        let request = Request { debug, ..Request::default() };
        let mut assembly = assembly(&request, &files);
        let mut accounts = collect(&mut assembly, MASTERS).unwrap();
        close(&mut assembly, &mut accounts).unwrap();
        let shells: Vec<&str> = accounts.users().iter().map(|user| user.shell.as_str()).collect();
        assert_eq!(shells, [of_root, "/bin/sync"]);
        assert_eq!(assembly.log.len(), usize::from(!debug), "{:?}", assembly.log);
    }
}

/// passwd(5) and group(5): seven fields and four.
#[test]
fn a_master_file_with_a_bad_line_is_refused_with_its_number() {
    for (path, text, words) in [
        (PASSWD_MASTER, "root::0:0:root:/root\n", "passwd.master`, line 1: expected 7 fields"),
        (PASSWD_MASTER, "\nroot::0:0:r:/:/x:\n", "line 2: expected 7 fields"),
        (PASSWD_MASTER, "root::-1:0:r:/:/x\n", "line 1: expected a user id"),
        (PASSWD_MASTER, "root::0:x:r:/:/x\n", "line 1: expected a group id"),
        (PASSWD_MASTER, "root::+0:0:r:/:/x\n", "line 1: expected a user id"),
        (PASSWD_MASTER, "root::0:+0:r:/:/x\n", "line 1: expected a group id"),
        (PASSWD_MASTER, "a::4294967296:0:r:/:/x\n", "expected a user id"),
        (PASSWD_MASTER, "a::0:0:r:/:/x\nb::0:0:r:/:/x\n", "`a` and `b` both have the user id 0"),
        (GROUP_MASTER, "root:*:0\n", "group.master`, line 1: expected 4 fields"),
        (GROUP_MASTER, "root:*::\n", "line 1: expected a group id"),
        (GROUP_MASTER, "root:*:+0:\n", "line 1: expected a group id"),
    ] {
        refused(collected(&Request::default(), &[(path, text)]), words);
    }
    let accounts = collected(&Request::default(), &[(GROUP_MASTER, "adm:*:4:a,,b\n")]).unwrap();
    let members: Vec<&str> = accounts.groups()[0].members.iter().map(String::as_str).collect();
    assert_eq!(members, ["a", "b"]);
}

#[test]
fn a_name_is_looked_up_before_a_number() {
    let accounts = collected(&Request::default(), &[]).unwrap();
    for (name, expected) in [
        ("root", Some(0)),
        ("0", Some(0)),
        ("4711", Some(4711)),
        ("4294967294", Some(u32::MAX - 1)),
        ("4294967295", None),
        ("4294967296", None),
        ("+5", None),
        ("-1", None),
        ("", None),
        ("nobody-there", None),
    ] {
        assert_eq!(accounts.uid(name, "x").ok(), expected, "user `{name}`");
        assert_eq!(accounts.gid(name, "x").ok(), expected, "group `{name}`");
    }
}

/// shadow(5): nine fields; day 0 of the last change asks for a new password, day 1 of the expiry is past.
#[test]
fn the_four_files_hold_what_shadow_and_gshadow_say() {
    let files = [
        (GROUP_MASTER, "root:*:0:\nshadow:*:42:\n"),
        (PASSWD_MASTER, "root::0:0:root:/root:/bin/bash\n"),
        ("/usr/lib/sysusers.d/x.conf", "u! dead 400\nu bot 401 Bot /var/bot\nm bot shadow\n"),
    ];
    for (mtime, day) in [(0, 1), (-86_400, 1), (3 * 86_400, 3)] {
        let request = Request { mtime, ..Request::default() };
        let mut assembly = assembly(&request, &files);
        let accounts = collect(&mut assembly, MASTERS).unwrap();
        write(&mut assembly, &accounts).unwrap();
        let read = |path| at(&assembly, path).unwrap();
        assert_eq!(
            read("/etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\nbot:x:401:401:Bot:/var/bot:/usr/sbin/nologin\n\
             dead:x:400:400::/:/usr/sbin/nologin\n"
        );
        assert_eq!(
            read("/etc/shadow"),
            format!("root:*:{day}:0:99999:7:::\nbot:!*:{day}::::::\ndead:!*:{day}:::::1:\n")
        );
        assert!(read("/etc/shadow").lines().all(|line| line.split(':').count() == 9));
        assert_eq!(read("/etc/group"), "root:x:0:\nshadow:x:42:bot\nbot:x:401:\ndead:x:400:\n");
        assert_eq!(read("/etc/gshadow"), "root:*::\nshadow:*::bot\nbot:*::\ndead:*::\n");
        assert_eq!(access(&assembly, "/etc/shadow"), (0o640, 0, 42));
        assert_eq!(access(&assembly, "/etc/gshadow"), (0o640, 0, 42));
        assert_eq!(access(&assembly, "/etc/passwd"), (0o644, 0, 0));
    }
}

#[test]
fn homes_are_made_for_users_of_the_definition_alone_and_closed_to_others() {
    let home = |path: &str| Some(path.to_owned());
    let users = [
        UserRequest { uid: Some(2000), home: home("/srv/new"), ..user("new") },
        UserRequest { uid: Some(2001), home: home("/srv/there"), ..user("there") },
        UserRequest { uid: Some(2002), home: home("/nonexistent"), ..user("none") },
        UserRequest { uid: Some(2003), ..user("default") },
    ];
    let request = Request { users: &users, ..Request::default() };
    let files = [("/srv/there/", ""), ("/usr/lib/sysusers.d/x.conf", "u bot 400 Bot /srv/bot\n")];
    let mut assembly = assembly(&request, &files);
    let accounts = collect(&mut assembly, MASTERS).unwrap();
    write(&mut assembly, &accounts).unwrap();
    make_homes(&mut assembly, &accounts).unwrap();
    assert_eq!(access(&assembly, "/srv/new"), (0o700, 2000, 2000));
    assert_eq!(access(&assembly, "/srv/there"), (0o755, 0, 0));
    assert_eq!((at(&assembly, "/nonexistent"), at(&assembly, "/srv/bot")), (None, None));
}

/// sysusers.d(5): the ids of a user and of the group of its name are one where only one is given.
#[test]
fn one_id_serves_a_user_and_the_group_of_its_name() {
    for (sysusers, uid, gid) in [
        ("u a 500\n", 500, 500),
        ("u a 500\ng a 501\n", 500, 501),
        ("g a 501\nu a -\n", 501, 501),
        ("u a -\ng a 501\n", 501, 501),
        ("g a 501\ng a -\nu a -\n", 501, 501),
        ("u a 500:root\n", 500, 0),
        ("g b 44\nu a 500:b\n", 500, 44),
        ("g b 44\nu a 500:44\n", 500, 44),
        ("g b 44\nu a -:b\n", 999, 44),
    ] {
        let accounts =
            collected(&Request::default(), &[("/usr/lib/sysusers.d/x.conf", sysusers)]).unwrap();
        let user = accounts.users().iter().find(|user| user.name == "a").unwrap();
        assert_eq!((user.uid, user.gid), (uid, gid), "{sysusers}");
    }
}

#[test]
fn members_are_listed_once_and_must_be_users() {
    let files = |text| [("/usr/lib/sysusers.d/x.conf", text)];
    let text = "u b 400\nu a 401\nm b kvm\nm a kvm\nm b kvm\nm a root\n";
    let accounts = collected(&Request::default(), &files(text)).unwrap();
    let members = |name: &str| {
        let group = accounts.groups().iter().find(|group| group.name == name).unwrap();
        group.members.iter().map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!((members("kvm"), members("root")), (vec!["a", "b"], vec!["a"]));
    let words = "membership of `x` in `kvm` needs the user `x`, which does not exist";
    refused(collected(&Request::default(), &files("m x kvm\n")), words);
    let own = [UserRequest { groups: vec!["gone".into()], ..user("x") }];
    let request = Request { users: &own, ..Request::default() };
    refused(collected(&request, &[]), "user `x` needs the group `gone`, which does not exist");
}

#[test]
fn a_debug_image_keeps_the_password_of_the_definition() {
    let own = [UserRequest {
        uid: Some(1000),
        shell: Some("/bin/sh".into()),
        password_hash: Some("$y$j9T$salt$hash".into()),
        comment: "Operator".into(),
        home: Some("/home/op".into()),
        ..user("op")
    }];
    let request = Request { users: &own, debug: true, mtime: 86_400, ..Request::default() };
    let mut tree = assembly(&request, &[]);
    let accounts = collect(&mut tree, MASTERS).unwrap();
    write(&mut tree, &accounts).unwrap();
    make_homes(&mut tree, &accounts).unwrap();
    let last = |path: &str| at(&tree, path).unwrap().lines().last().unwrap().to_owned();
    assert_eq!(last("/etc/passwd"), "op:x:1000:1000:Operator:/home/op:/bin/sh");
    assert_eq!(last("/etc/shadow"), "op:$y$j9T$salt$hash:1::::::");
    assert_eq!(last("/etc/group"), "op:x:1000:");
    assert_eq!(access(&tree, "/home/op"), (0o700, 1000, 1000));
}

/// Without the group `shadow` nobody but root reads the hashes.
#[test]
fn hashes_are_readable_by_the_group_shadow_alone() {
    for (masters, gid) in [("root:*:0:\n", 0), ("root:*:0:\nshadow:*:42:\n", 42)] {
        let request = Request::default();
        let mut tree = assembly(&request, &[(GROUP_MASTER, masters)]);
        let accounts = collect(&mut tree, MASTERS).unwrap();
        write(&mut tree, &accounts).unwrap();
        for path in ["/etc/shadow", "/etc/gshadow"] {
            assert_eq!(access(&tree, path), (0o640, 0, gid), "{path}");
        }
        assert_eq!(access(&tree, "/etc/group"), (0o644, 0, 0));
        let groups = at(&tree, "/etc/group").unwrap();
        assert_eq!(groups.lines().filter(|line| line.starts_with("root:")).count(), 1, "{groups}");
    }
}

/// Only the number of fields and ids count for pwck(8) without the host's own files; grpck(8) compares both lists.
#[test]
fn the_tools_of_the_passwd_package_accept_the_files() {
    let files = [
        (GROUP_MASTER, "root:*:0:\nshadow:*:42:\n"),
        (PASSWD_MASTER, "root::0:0:root:/root:/bin/bash\n"),
        ("/usr/lib/sysusers.d/x.conf", "u! dead 400\nu bot 401 Bot /var/bot\nm root shadow\n"),
    ];
    let request = Request { mtime: 5 * 86_400, ..Request::default() };
    let mut tree = assembly(&request, &files);
    let accounts = collect(&mut tree, MASTERS).unwrap();
    write(&mut tree, &accounts).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let real = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["passwd", "shadow", "group", "gshadow"] {
        let bytes = tree.read(&format!("/etc/{name}")).unwrap().unwrap();
        cvmkit_host::files::replace(&folder.path().join(name), &bytes).unwrap();
    }
    for (tool, one, other) in [("pwck", "passwd", "shadow"), ("grpck", "group", "gshadow")] {
        let Some(said) = oracle(tool, &["-q", "-r", &real(one), &real(other)]) else { return };
        assert_eq!(said, "", "{tool}");
    }
}
