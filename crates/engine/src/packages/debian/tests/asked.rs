//! A request of the definition that changes nothing is an error.

use super::*;

fn documented() -> Vec<Package> {
    vec![package(
        "a",
        "",
        &[
            ("./".trim_start_matches("./"), ""),
            ("usr/", ""),
            ("usr/lib/", ""),
            ("usr/lib/modules/", ""),
            ("usr/lib/modules/net.ko", "m"),
            ("lib/modules/disk.ko", "m"),
            ("usr/share/", ""),
            ("usr/share/doc/", ""),
            ("usr/share/doc/a/", ""),
            ("usr/share/doc/a/copyright", "c"),
            ("usr/share/doc/a/news.gz", "n"),
            ("usr/share/doc/a/examples/", ""),
            ("usr/share/doc/a/examples/x", "x"),
            ("usr/share/doc/b", "-> a"),
            ("usr/share/doc-base/", ""),
            ("usr/share/doc-base/a", "b"),
            ("usr/share/man/", ""),
            ("usr/share/man/man1/", ""),
            ("usr/share/man/man1/a.1", "m"),
            ("usr/share/man/man1/b.1", "-> a.1"),
            ("usr/bin/", ""),
            ("usr/bin/a", "a"),
        ],
    )]
}

fn with_patterns(patterns: &[&str]) -> Result<Rootfs, AssembleError> {
    let packages = documented();
    let exclude: Vec<String> = patterns.iter().map(|one| (*one).to_owned()).collect();
    assemble(&Request { exclude: &exclude, ..request(&packages) })
}

#[test]
fn a_pattern_that_changes_nothing_is_named() {
    for (patterns, named) in [
        (&["/usr/share/nothing-like-this/*"][..], "/usr/share/nothing-like-this/*"),
        (&["/usr/share/man/*", "!/usr/share/doc/*"], "packages.include-paths: `/usr/share/doc/*`"),
        (&["/usr/share/man/*", "/usr/share/man/man1/*"], "/usr/share/man/man1/*"),
        (&["!/usr/share/doc/*"], "packages.include-paths"),
    ] {
        let error = with_patterns(patterns).unwrap_err();
        assert!(matches!(error, AssembleError::Rootfs(RootfsError::NoEffect(_))), "{error}");
        assert!(error.to_string().contains(named), "{named} in {error}");
    }
}

#[test]
fn patterns_of_merged_folders_mean_usr() {
    for pattern in ["/lib/modules/*", "/usr/lib/modules/*", "/lib/mod[a-u]les/*.ko"] {
        let rootfs = with_patterns(&[pattern]).unwrap();
        for gone in ["usr/lib/modules/net.ko", "usr/lib/modules/disk.ko"] {
            assert!(rootfs.tree.lookup(gone.as_bytes()).is_none(), "{pattern} {gone}");
        }
        assert!(rootfs.tree.lookup(b"usr/bin/a").is_some());
    }
}

/// Of our own: dpkg fails to unpack a package whose folder is excluded and whose file is not.
#[test]
fn what_a_kept_file_needs_stays_as_its_package_has_it() {
    let mut packages = documented();
    let folder = b"usr/share/doc/a";
    packages[0].entries.iter_mut().find(|entry| entry.path == folder).unwrap().mode = 0o750;
    let exclude = ["/usr/share/*", "!/usr/share/doc/a/copyright"].map(str::to_owned);
    let rootfs = assemble(&Request { exclude: &exclude, ..request(&packages) }).unwrap();
    let id = rootfs.tree.lookup(folder).unwrap();
    assert_eq!(rootfs.tree.inode(id).meta.mode, 0o750);
    assert!(rootfs.tree.lookup(b"usr/share/doc/a/copyright").is_some());
    assert!(rootfs.tree.lookup(b"usr/share/man").is_none());
}

/// Builds the package and has dpkg unpack it into a scratch root.
#[test]
fn paths_stay_as_dpkg_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let (source, root) = (folder.path().join("source"), folder.path().join("root"));
    let packages = documented();
    for entry in &packages[0].entries {
        let path = String::from_utf8(entry.path.clone()).unwrap();
        // The host's dpkg needs no merged /usr: one spelling is enough here.
        let at = source
            .join(path.strip_prefix("lib/").map_or(path.clone(), |rest| format!("usr/lib/{rest}")));
        match &entry.kind {
            EntryKind::Directory => fs::create_dir_all(&at).unwrap(),
            EntryKind::Symlink(target) => {
                symlink(std::str::from_utf8(target).unwrap(), &at).unwrap()
            }
            _ => fs::write(&at, "x").unwrap(),
        }
    }
    fs::create_dir_all(source.join("DEBIAN")).unwrap();
    let control =
        "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n";
    fs::write(source.join("DEBIAN/control"), control).unwrap();
    let deb = folder.path().join("a.deb");
    let (source, deb) = (source.to_str().unwrap(), deb.to_str().unwrap());
    if oracle("dpkg-deb", &["--root-owner-group", "-Zgzip", "--build", source, deb]).is_none() {
        return;
    }
    for patterns in [
        &["/usr/share/doc/*", "!/usr/share/doc/*/copyright"][..],
        &["/usr/share/doc/*", "/usr/share/man/*", "!/usr/share/doc/a/*/x"],
        &["/usr/share/doc/a/*", "!/usr/share/doc/a/[cn]*"],
        &["/usr/share/man/*"],
        &["/usr/share/doc/*", "!/usr/share/doc/*", "/usr/share/doc/a/[a-m]*"],
    ] {
        let ours = with_patterns(patterns);
        // Where a pattern has no effect there is no tree of ours to compare.
        let ours = ours.unwrap_or_else(|error| panic!("{patterns:?}: {error}"));
        for name in ["info", "updates", "triggers"] {
            fs::create_dir_all(root.join("var/lib/dpkg").join(name)).unwrap();
        }
        for name in ["status", "available"] {
            fs::write(root.join("var/lib/dpkg").join(name), "").unwrap();
        }
        let root_option = format!("--root={}", root.display());
        let options: Vec<String> = patterns
            .iter()
            .map(|pattern| match pattern.strip_prefix('!') {
                Some(included) => format!("--path-include={included}"),
                None => format!("--path-exclude={pattern}"),
            })
            .collect();
        let mut arguments = vec![root_option.as_str(), "--force-not-root", "--log=/dev/null"];
        arguments.extend(options.iter().map(String::as_str));
        arguments.extend(["--unpack", deb]);
        oracle("dpkg", &arguments).unwrap();
        assert!(root.join("usr/share/doc-base/a").exists(), "dpkg gave up: {patterns:?}");
        for entry in packages[0].entries.iter().filter(|entry| entry.path.starts_with(b"usr/")) {
            let path = String::from_utf8(entry.path.clone()).unwrap();
            let theirs = fs::symlink_metadata(root.join(&path)).is_ok();
            let is_ours = ours.tree.lookup(path.as_bytes()).is_some();
            assert_eq!(is_ours, theirs, "{patterns:?} {path}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
}

#[test]
fn one_package_with_one_file_at_two_paths_is_an_error_that_names_both() {
    for (first, second) in [("bin/x", "usr/bin/x"), ("usr/lib/x.so", "lib/x.so")] {
        let packages = [package("a", "", &[("usr/", ""), (first, "one"), (second, "two")])];
        let error = assemble(&request(&packages)).unwrap_err();
        let said = error.to_string();
        for word in [format!("`/{first}`"), format!("`/{second}`"), "`a`".to_owned()] {
            assert!(said.contains(&word), "{word} in {said}");
        }
    }
}

#[test]
fn a_skip_is_of_a_text_and_a_package_that_are_there() {
    let script = "#!/bin/sh\nsetcap cap_net_raw+ep /usr/bin/x || exit 1\nfrobnicate\n";
    let packages = [
        with_script(package("lib.x+1", "", &[("usr/", "")]), "postinst", script),
        package("plain", "", &[("usr/", "")]),
    ];
    let error = assemble(&request(&packages)).unwrap_err();
    let hint = error.hint().unwrap();
    // What the hint shows can be put into a definition as it is.
    let key = hint.lines().last().unwrap();
    let table: toml::Table = toml::from_str(key).unwrap();
    let digest = table["scripts"]["lib.x+1"]["skip"][0].as_str().unwrap().to_owned();
    let skip = |package: &str, digest: &str| {
        BTreeMap::from([(package.to_owned(), BTreeSet::from([digest.parse().unwrap()]))])
    };
    let rootfs =
        assemble(&Request { skip: skip("lib.x+1", &digest), ..request(&packages) }).unwrap();
    let [notice] = rootfs.notices.as_slice() else { panic!("{:?}", rootfs.notices) };
    let said = notice.to_string();
    for word in ["postinst of lib.x+1", digest.as_str(), "setcap cap_net_raw+ep /usr/bin/x"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let json = serde_json::to_string(notice).unwrap();
    assert!(json.starts_with("{\"code\":\"script-skipped\",\"package\":\"lib.x+1\""), "{json}");
    let other = "0".repeat(64);
    // The script that nothing is said of, and the digest of none: both are told.
    let error =
        assemble(&Request { skip: skip("lib.x+1", &other), ..request(&packages) }).unwrap_err();
    let AssembleError::Several(errors) = &error else { panic!("{error}") };
    assert!(matches!(errors[0], AssembleError::Scripts(_)), "{error}");
    assert!(error.to_string().contains("matches none of its scripts"), "{error}");
    for (package, word) in
        [("plain", "matches none of its scripts"), ("absent", "not in the image")]
    {
        let mut both = skip("lib.x+1", &digest);
        both.extend(skip(package, &other));
        let error = assemble(&Request { skip: both, ..request(&packages) }).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn an_account_that_is_missing_has_a_hint() {
    let packages = [package(
        "a",
        "",
        &[("usr/lib/tmpfiles.d/a.conf", "d /var/lib/a 0750 nobody-yet root -\n")],
    )];
    let error = assemble(&request(&packages)).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("a.conf") && said.contains("nobody-yet"), "{said}");
    assert!(error.hint().unwrap().contains("name = \"nobody-yet\""));
}

#[test]
fn a_file_that_no_boot_shows_is_refused() {
    let packages = [package("a", "", &[("usr/", "")])];
    for path in ["/run/x", "/proc/x", "/dev/x"] {
        let files = [overlays::placed(path, "root", PlacedNode::File("x".into()))];
        let error = assemble(&Request {
            root: rootfs::Request { files: &files, ..request(&packages).root },
            ..request(&packages)
        })
        .unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
}

/// Programs of these tests: debconf's functions, and what the scripts call.
const PROGRAMS: [(&str, &str); 3] =
    [("usr/", ""), ("usr/share/debconf/confmodule", ""), ("usr/bin/cat", "")];

const TEMPLATES: &str = "Template: p/area\nType: select\nChoices: Etc, Europe\nDefault: Etc\n\
                         Description: d\n\nTemplate: p/secret\nType: password\nDescription: d\n\n\
                         Template: p/on\nType: boolean\nDefault: false\nDescription: d\n";

fn asking() -> Vec<Package> {
    let script = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get p/area\narea=$RET\n\
                  db_fget p/area seen\necho \"$area $RET\" > /etc/area\n\
                  db_get p/secret\ndb_register p/on p/made\ndb_get p/made\necho \"$RET\" > /etc/made\n";
    let asks = with_script(package("p", "", &[("etc/", "")]), "templates", TEMPLATES);
    vec![package("debconf", "", &PROGRAMS), with_script(asks, "postinst", script)]
}

/// A preseed's answer, of a template or of a question that a script makes of one.
#[test]
fn an_answer_comes_before_the_default() {
    let packages = asking();
    let answered = |answers: &[(&str, &str)], debug: bool| {
        let debconf = answers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let root = rootfs::Request { debug, ..request(&packages).root };
        assemble(&Request { debconf: debconf.collect(), root, ..request(&packages) })
    };
    let plain = answered(&[], false).unwrap();
    assert_eq!(
        (text(&plain, "etc/area"), text(&plain, "etc/made")),
        ("Etc false\n".into(), "false\n".into())
    );
    let ours = answered(&[("p/area", "Europe"), ("p/made", "true")], false).unwrap();
    assert_eq!(
        (text(&ours, "etc/area"), text(&ours, "etc/made")),
        ("Europe true\n".into(), "true\n".into())
    );
    assert!(ours.tree.lookup(b"var/cache/debconf").is_none());
    assert!(answered(&[("p/secret", "x")], true).is_ok());
    let bad = [("p/area", "Europ"), ("p/on", "yes"), ("p/secret", "hidden"), ("p/are", "x")];
    let error = answered(&bad, false).unwrap_err();
    let said = format!("{error}\n{}", error.hint().unwrap());
    for words in [
        "4 answers of [packages.debconf] can't be used",
        "`p/are` is a question of no package of the image",
        "`p/are`: did you mean `p/area`?",
        "`p/area` has no choice `Europ`, only `Etc`, `Europe`",
        "`p/area`: did you mean `Europe`?",
        "`p/on` is `true` or `false`, not `yes`",
        "`p/secret` asks for a password",
        "set the password at boot",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(!said.contains("hidden"), "{said}");
}

/// Without debconf nobody asks, and an answer is for nothing.
#[test]
fn an_answer_needs_who_asks_for_it() {
    let packages = [with_script(package("p", "", &[("etc/", "")]), "templates", TEMPLATES)];
    let debconf = BTreeMap::from([("p/on".to_owned(), "true".to_owned())]);
    let error = assemble(&Request { debconf, ..request(&packages) }).unwrap_err();
    assert!(error.to_string().contains("debconf is not in the image"), "{error}");
}

/// What the definition gives instead of a script is there for the scripts behind it.
#[test]
fn a_given_effect_stands_for_a_script() {
    let script = "#!/bin/sh\nset -e\nfrobnicate\n# Automatically added by dh_x/1\ncat /etc/a.conf > /etc/seen\n\
                  # End automatically added section\n";
    let next = "#!/bin/sh\nset -e\ncat /etc/a.conf > /etc/next\n";
    let mut packages = [
        package("base", "", &PROGRAMS),
        with_script(package("a", "Depends: base\n", &[("etc/", "")]), "postinst", script),
        with_script(package("b", "Depends: a\n", &[("etc/", "")]), "postinst", next),
    ];
    packages[0].entries[2].mode = 0o755;
    let sha256 = cvmkit_formats::digest::Sha256::of(script.as_bytes());
    let give = |package: &str, user: &str| {
        let mut file = overlays::placed("/etc/a.conf", user, PlacedNode::File("given".into()));
        (file.mode, file.group) = (0o640, "web".into());
        let users = vec![UserRequest { name: "web".into(), ..UserRequest::default() }];
        let given = Given { users, files: vec![file], groups: Vec::new() };
        BTreeMap::from([(package.to_owned(), BTreeMap::from([(sha256, given)]))])
    };
    let ids = Ids::Locked(BTreeMap::from([("web".to_owned(), 321)]));
    let root = rootfs::Request { ids, ..request(&packages).root };
    let rootfs = assemble(&Request { give: give("a", "web"), root, ..request(&packages) }).unwrap();
    for path in ["etc/a.conf", "etc/seen", "etc/next"] {
        assert_eq!(text(&rootfs, path), "given", "{path}");
    }
    let meta = &rootfs.tree.inode(rootfs.tree.resolve(b"etc/a.conf").unwrap()).meta;
    assert_eq!((meta.mode, meta.uid, meta.gid), (0o640, 321, 321));
    let log = "postinst of a: /etc/a.conf 0640 web:web".to_owned();
    assert!(rootfs.log.contains(&log), "{:?}", rootfs.log);
    let [first, second] = rootfs.scripts.as_slice() else { panic!("{:?}", rootfs.scripts) };
    assert_eq!((first.decision, second.decision), (Some(rootfs::ScriptDecision::Give), None));
    assert!(first.lines.contains(&"/etc/a.conf 0640 web:web".to_owned()), "{:?}", first.lines);
    let [notice @ Notice::ScriptGiven { .. }] = rootfs.notices.as_slice() else {
        panic!("{:?}", rootfs.notices)
    };
    assert!(notice.to_string().ends_with(&format!("(SHA-256 {sha256}): user web, /etc/a.conf")));
    let unused = Request { give: give("b", "web"), ..request(&packages) };
    let error = assemble(&unused).unwrap_err();
    let said = error.to_string();
    // Both at once: the script that can't be evaluated, and what is given for nothing.
    for words in
        ["postinst of a, line 3: frobnicate", "packages.scripts.\"b\".give: ", "matches none"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
    let error =
        assemble(&Request { give: give("a", "nobodys"), ..request(&packages) }).unwrap_err();
    assert!(error.to_string().contains("`/etc/a.conf` needs the user `nobodys`"), "{error}");
    assert!(error.hint().unwrap().contains("[[users]]"));
}
