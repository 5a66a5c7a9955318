//! What a lock keeps of maintainer scripts.

use super::*;
use crate::rootfs::EvaluatedScript;

/// The programs that the scripts here call.
const PROGRAMS: [&str; 11] = [
    "adduser",
    "chmod",
    "chown",
    "dpkg-divert",
    "dpkg-statoverride",
    "ln",
    "mkdir",
    "mkfifo",
    "rm",
    "update-alternatives",
    "update-ca-certificates",
];

/// What the `postinst` of one package does, behind another's that makes an account.
fn evaluated(body: &str, ids: Ids) -> EvaluatedScript {
    let programs = PROGRAMS.map(|name| format!("usr/bin/{name}"));
    let programs = programs.iter().map(|path| (path.as_str(), ""));
    let files: Vec<(&str, &str)> = [("usr/bin/", ""), ("etc/", ""), ("etc/there", "there")]
        .into_iter()
        .chain(programs)
        .collect();
    let account = "#!/bin/sh\nadduser --system --group --home /srv web\n";
    let mut first = with_script(package("a", "", &files), "postinst", account);
    first.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
    let script = format!("#!/bin/sh\nset -e\n{body}\n");
    let second = with_script(package("b", "Depends: a\n", &[]), "postinst", &script);
    let packages = [first, second];
    let asked = request(&packages);
    let root = rootfs::Request { ids, ..asked.root.clone() };
    let evaluated = evaluate(&Request { root, ..asked }).unwrap();
    assert!(evaluated.ids.contains_key("web"));
    evaluated.scripts.into_iter().find(|script| script.package == "b").unwrap()
}

fn digest(body: &str) -> String {
    evaluated(body, Ids::default()).effects.to_string()
}

#[test]
fn a_script_is_told_with_all_that_it_changed() {
    let script = evaluated(
        "mkdir -m 750 /srv/b; chown web:web /srv/b; echo x > /etc/b; adduser --system --group c",
        Ids::default(),
    );
    assert_eq!((script.package.as_str(), script.script.as_str()), ("b", "postinst"));
    assert_eq!(
        script.lines,
        [
            "/etc/b 0644 root:root",
            "group c",
            "user c, home /nonexistent, shell /usr/sbin/nologin",
            "/srv/b/ 0750 web:web"
        ]
    );
}

/// Each of these is another effect than each other one.
#[test]
fn every_effect_moves_the_digest() {
    let bodies = [
        ":",
        "echo x > /etc/b",
        "echo y > /etc/b",
        "echo xx > /etc/b",
        "echo x > /etc/c",
        "echo x > /etc/b; chmod 600 /etc/b",
        "echo x > /etc/b; chown web /etc/b",
        "echo x > /etc/b; chown :web /etc/b",
        "mkdir /etc/b",
        "ln -s x /etc/b",
        "ln -s y /etc/b",
        "ln -s x /etc/b; chown -h web /etc/b",
        "ln -s x /etc/b; chown -h :web /etc/b",
        "ln /etc/there /etc/b; chmod 600 /etc/b; rm /etc/b; chown web /etc/there",
        "ln /etc/there /etc/b; chmod 640 /etc/b; rm /etc/b",
        "rm /etc/there",
        "echo other > /etc/there",
        "chmod 600 /etc/there",
        "mkfifo /etc/b",
        "adduser --system --group c",
        "adduser --system --group --uid 150 c",
        "adduser --system --group --uid 151 c",
        "adduser --system --group --home /c c",
        "adduser --system --group c; adduser web c",
        "dpkg-divert --no-rename --package b --add /etc/there",
        "dpkg-statoverride --add root root 0600 /etc/there",
        "update-alternatives --install /usr/bin/t t /etc/there 5",
        "update-alternatives --install /usr/bin/t t /etc/there 6",
        "update-ca-certificates",
    ];
    let mut seen = BTreeMap::new();
    for body in bodies {
        if let Some(other) = seen.insert(digest(body), body) {
            panic!("`{other}` and `{body}` have one digest");
        }
    }
}

/// How a script comes to its effect says nothing, nor does an id that the lock gives.
#[test]
fn the_digest_is_of_effects_alone() {
    assert_eq!(digest("echo x > /etc/b"), digest("y=x\nprintf '%s\\n' $y > /etc/b # by hand"));
    assert_eq!(digest("echo x > /etc/t; rm /etc/t"), digest(":"));
    let with = |id: u32| {
        let ids = Ids::GivenOut(BTreeMap::from([("c".to_owned(), id), ("web".to_owned(), id - 1)]));
        evaluated("adduser --system --group c; mkdir /srv/c; chown c:web /srv/c", ids).effects
    };
    assert_eq!(with(900), with(500));
}
