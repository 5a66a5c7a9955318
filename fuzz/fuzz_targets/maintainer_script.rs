//! Maintainer scripts, evaluated over a tree with the programs of a Debian system.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs.
//!
//! Input: a `postinst`; behind a byte of 1, a `preinst`, behind 2 debconf's `config`. One without a first line of its
//! own is dash's.

#![no_main]

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, LazyLock};

use cvmkit_debian::deb::Control;
use cvmkit_debian::deb822::Paragraph;
use cvmkit_engine::packages::debian::{Package, Request, assemble};
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_shell::evaluation::Limits;
use cvmkit_shell::syntax;
use libfuzzer_sys::fuzz_target;

/// Far below those of a build: an input is to take milliseconds.
const LIMITS: Limits = Limits {
    steps: 50_000,
    output: 1 << 18,
    words: 1 << 20,
    depth: 40,
    syntax: syntax::Limits { len: 1 << 16, depth: 40 },
};

const BIN: &str = "awk basename bash cat chgrp chmod chown chsh cmp cp cut date dd deb-systemd-helper \
    deb-systemd-invoke diff dirname dpkg dpkg-divert dpkg-maintscript-helper dpkg-query dpkg-realpath \
    dpkg-statoverride dpkg-trigger echo env expr find getcap getent getopt gpasswd grep head id install ln locale \
    localedef ls md5sum mkdir mkfifo mktemp mv openssl perl pg_conftool printf python3 readlink realpath rm rmdir sed \
    seq setpriv sh sha256sum sort ssh-keygen stat su systemctl tac tail tee test touch tr truncate ucf ucfr uname \
    uniq update-alternatives wc which xargs";

const SBIN: &str = "a2enconf a2enmod a2ensite addgroup adduser chronyd groupadd invoke-rc.d ldconfig locale-gen \
    pam-auth-update runuser setcap sysctl update-ca-certificates update-locale update-rc.d useradd usermod";

const FOLDERS: &str = "etc etc/beacon tmp usr usr/bin usr/lib usr/lib/systemd usr/lib/systemd/system usr/sbin \
    usr/share usr/share/debconf var var/lib var/lib/dpkg var/log";

const FILES: [(&str, &str); 4] = [
    ("etc/beacon/beacon.conf", "# a\nport = 80\nname=b c\n"),
    ("usr/bin/beacon", "#!/bin/sh\necho \"$@\"\n"),
    (
        "usr/lib/systemd/system/beacon.service",
        "[Service]\nExecStart=/usr/bin/beacon\n[Install]\nWantedBy=multi-user.target\n",
    ),
    ("usr/share/debconf/confmodule", ""),
];

const TEMPLATES: &str = "Template: beacon/port\nType: string\nDefault: 7070\nDescription: Port:\n\n\
    Template: beacon/public\nType: boolean\nDefault: false\nDescription: Public?\n";

static SYSTEM: LazyLock<Package> = LazyLock::new(system);

fn entry(path: &str, kind: EntryKind) -> Entry {
    let runs = matches!(kind, EntryKind::Directory) || path.contains("bin/");
    let mode = if runs { 0o755 } else { 0o644 };
    Entry { path: path.into(), kind, mode, uid: 0, gid: 0, mtime: 0, xattrs: BTreeMap::new() }
}

fn package(name: &str, control: &str, entries: Vec<Entry>, data: Arc<File>) -> Package {
    let text = format!("Package: {name}\nVersion: 1.0\nArchitecture: amd64\n{control}");
    let fields = Paragraph::parse(&text).expect("a control file");
    Package {
        name: name.into(),
        version: "1.0".into(),
        architecture: "amd64".into(),
        control: Control { fields, files: BTreeMap::new() },
        entries,
        data,
    }
}

/// What scripts find: the programs, which are files without contents, and a few files.
/// The data archive has the texts of those, one behind the other.
fn system() -> Package {
    let path = std::env::temp_dir().join(format!("cvmkit-fuzz-{}", std::process::id()));
    let text: String = FILES.iter().map(|(_, text)| *text).collect();
    std::fs::write(&path, text).expect("write the data archive");
    let data = Arc::new(File::open(&path).expect("open the data archive"));
    std::fs::remove_file(&path).expect("remove the data archive");
    let folders = FOLDERS.split_whitespace().map(|path| entry(path, EntryKind::Directory));
    let empty = |folder: &'static str| {
        move |name: &str| entry(&format!("{folder}/{name}"), EntryKind::File { offset: 0, len: 0 })
    };
    let mut entries: Vec<Entry> = folders
        .chain(BIN.split_whitespace().map(empty("usr/bin")))
        .chain(SBIN.split_whitespace().map(empty("usr/sbin")))
        .collect();
    let mut offset = 0;
    for (path, text) in FILES {
        let len = text.len() as u64;
        entries.push(entry(path, EntryKind::File { offset, len }));
        offset += len;
    }
    package("debconf", "Essential: yes\n", entries, data)
}

fuzz_target!(|input: &[u8]| {
    let (kind, text) = match input {
        [1, text @ ..] => ("preinst", text),
        [2, text @ ..] => ("config", text),
        text => ("postinst", text),
    };
    let script = match text.starts_with(b"#!") {
        true => text.to_vec(),
        false => [b"#!/bin/sh\n", text].concat(),
    };
    let mut one = package("beacon", "", Vec::new(), SYSTEM.data.clone());
    let files = &mut one.control.files;
    files.insert(kind.into(), script);
    files.insert("templates".into(), TEMPLATES.into());
    files.insert("triggers".into(), b"interest-noawait beacon-ready\n".to_vec());
    let packages = [SYSTEM.clone(), one];
    let request = Request {
        packages: &packages,
        architecture: "amd64",
        limits: LIMITS,
        ..Request::default()
    };
    match assemble(&request) {
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty(), "an error without words"),
    }
});
