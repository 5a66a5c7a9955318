//! Scripts of packages, changed at random: each evaluation ends, within bounds, with effects or with an error that
//! has a place and words.
//!
//! That none touches the host is no test's matter: what evaluates scripts names nothing that could (`house`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use cvmkit_formats::source::Source as _;
use cvmkit_shell::evaluation::Limits;

use super::*;
use crate::packages::debian::installation::install;
use crate::rootfs::assembly::Assembly;

/// How many changed scripts are evaluated of the samples, and as many of the packages of this machine.
const COUNT: usize = 200;

/// Bounds that a debug build reaches in a moment.
const LIMITS: Limits = Limits {
    steps: 100_000,
    output: 1 << 20,
    words: 4 << 20,
    depth: 60,
    syntax: cvmkit_shell::syntax::Limits { len: 1 << 20, depth: 60 },
};

/// What one evaluation may take, on a machine that does other things.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What a script may leave in the tree.
const BYTES_MAX: u64 = 64 << 20;

const SAMPLES: [&str; 6] = [
    include_str!("../../../../tests/scripts/accounts.sh"),
    include_str!("../../../../tests/scripts/alternatives.sh"),
    include_str!("../../../../tests/scripts/bash.sh"),
    include_str!("../../../../tests/scripts/configuration.sh"),
    include_str!("../../../../tests/scripts/debconf.sh"),
    include_str!("../../../../tests/scripts/helper.sh"),
];

const TEMPLATES: &str = "Template: beacon/port\nType: string\nDefault: 7070\nDescription: Port:\n\n\
    Template: beacon/public\nType: boolean\nDefault: false\nDescription: Public?\n";

/// What scripts call, by folder.
const PROGRAMS: [(&str, &str); 2] = [
    (
        "usr/bin/",
        "awk basename bash cat chgrp chmod chown cmp cp cut date dd deb-systemd-helper \
         deb-systemd-invoke diff dirname dpkg dpkg-divert dpkg-maintscript-helper dpkg-query \
         dpkg-statoverride dpkg-trigger echo egrep env expr find getcap getent getopt grep gpasswd head id \
         install run-parts ls ln locale md5sum mkdir mkfifo mknod mktemp mv perl printf readlink realpath rm rmdir \
         sed seq sh sha256sum sort stat su tac tail tee test touch tr truncate ucf ucfr uname uniq \
         update-alternatives wc which xargs",
    ),
    (
        "usr/sbin/",
        "addgroup adduser groupadd invoke-rc.d ldconfig runuser setcap sysctl update-rc.d useradd usermod",
    ),
];

/// A system's own files: the programs, and the little that scripts look at.
pub(super) fn base() -> Package {
    let mut entries: Vec<(String, &str)> = [
        ("etc/", ""),
        ("etc/beacon/", ""),
        ("tmp/", ""),
        ("usr/", ""),
        ("usr/bin/", ""),
        ("usr/sbin/", ""),
        ("usr/share/", ""),
        ("usr/share/debconf/", ""),
        ("usr/share/debconf/confmodule", ""),
        ("var/", ""),
        ("var/lib/", ""),
        ("var/lib/dpkg/", ""),
        ("var/log/", ""),
    ]
    .map(|(path, what)| (path.to_owned(), what))
    .into();
    for (folder, names) in PROGRAMS {
        entries.extend(names.split_whitespace().map(|name| (format!("{folder}{name}"), "")));
    }
    let entries: Vec<(&str, &str)> =
        entries.iter().map(|(path, what)| (path.as_str(), *what)).collect();
    let mut base = package("base", "Essential: yes\n", &entries);
    for entry in base.entries.iter_mut().filter(|entry| entry.path.windows(4).any(|w| w == b"bin/"))
    {
        entry.mode = 0o755;
    }
    base
}

/// The package that a script is of.
pub(super) fn with(script: &[u8], kind: &str) -> Package {
    let files = [
        ("usr/", ""),
        ("usr/bin/", ""),
        ("usr/bin/beacon", "x"),
        ("usr/bin/beacon-hail", "x"),
        ("usr/bin/hail", "x"),
        ("usr/share/", ""),
        ("usr/share/beacon", "x"),
    ];
    let mut package = with_script(package("beacon", "", &files), "templates", TEMPLATES);
    package.control.files.insert(kind.into(), script.into());
    let waits = "interest-noawait beacon-ready\n";
    if kind == "postinst" { with_script(package, "triggers", waits) } else { package }
}

/// A number below a bound, always the same ones.
fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap_or_default() % bound.max(1)
}

/// What stands in a script for one thing, and in its place for another.
const OPERATORS: [&str; 26] = [
    "&&", "||", ";", "|", "&", "<", ">", ">>", "<<", "2>&1", "$(", ")", "(", "`", "{", "}", "if",
    "then", "fi", "while", "until", "for", "case", "esac", "\"", "'",
];

/// A script with one to four changes.
fn mutated(script: &[u8], state: &mut u64) -> Vec<u8> {
    let mut text = script.to_vec();
    for _ in 0..=random(state, 4) {
        let len = text.len();
        // The first line says who reads the rest.
        let start = text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let at = (start + random(state, len.saturating_sub(start))).min(len);
        let end = (at + random(state, 60)).min(len);
        match random(state, 7) {
            0 if at < len => text[at] ^= 1 << random(state, 8),
            1 => drop(text.drain(at..end)),
            2 => {
                let copy = text[at..end].to_vec();
                let to = (start + random(state, len.saturating_sub(start))).min(len);
                text.splice(to..to, copy).for_each(drop);
            }
            3 => swap_words(&mut text, start, state),
            4 => replace_operator(&mut text, start, state),
            5 if random(state, 4) == 0 => text.truncate(at),
            _ => {
                let operator = OPERATORS[random(state, OPERATORS.len())];
                text.splice(at..at, operator.bytes()).for_each(drop);
            }
        }
    }
    text
}

fn swap_words(text: &mut Vec<u8>, start: usize, state: &mut u64) {
    let body = text.split_off(start);
    let mut words: Vec<&[u8]> = body.split(|byte| *byte == b' ').collect();
    let (one, other) = (random(state, words.len()), random(state, words.len()));
    words.swap(one, other);
    text.extend(words.join(&b' '));
}

/// Another operator in the place of the first one behind some place.
fn replace_operator(text: &mut Vec<u8>, start: usize, state: &mut u64) {
    let from = (start + random(state, text.len().saturating_sub(start))).min(text.len());
    let old = OPERATORS[random(state, OPERATORS.len())].as_bytes();
    let new = OPERATORS[random(state, OPERATORS.len())].as_bytes();
    if let Some(at) = text[from..].windows(old.len()).position(|part| part == old) {
        text.splice(from + at..from + at + old.len(), new.iter().copied()).for_each(drop);
    }
}

/// Evaluates a script; panics with its text where it does what none may.
fn check(base: &Package, script: &[u8], kind: &str, tally: &mut [usize; 2]) {
    let packages = [base.clone(), with(script, kind)];
    let request = Request { limits: LIMITS, ..request(&packages) };
    let started = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut assembly = Assembly::new(&request.root);
        let told = install(&mut assembly, &request).map(drop).map_err(|error| error.to_string());
        let bytes: u64 = assembly.tree.walk().iter().map(|(_, id)| size(&assembly.tree, *id)).sum();
        (told, bytes)
    }));
    let text = String::from_utf8_lossy(script);
    let Ok((told, bytes)) = ended else { panic!("a panic of {kind}:\n{text}") };
    let taken = started.elapsed();
    assert!(taken < TIME_MAX, "{taken:?} for {kind}:\n{text}");
    assert!(bytes < BYTES_MAX, "{bytes} bytes of {kind}:\n{text}");
    match told {
        Ok(()) => tally[0] += 1,
        Err(words) => {
            tally[1] += 1;
            let place = words.lines().nth(1).or_else(|| words.lines().next()).unwrap_or_default();
            let named = place.trim_start();
            let words = named.split_once(": ").map_or("", |(_, words)| words);
            let has_place =
                named.contains(" of beacon") || named.contains('/') || named.contains('`');
            assert!(
                has_place && !words.trim().is_empty() || named.contains('`'),
                "{named}\n{text}"
            );
        }
    }
}

fn size(tree: &Tree<Content>, id: cvmkit_formats::tree::InodeId) -> u64 {
    match &tree.inode(id).node {
        Node::File(content) => content.len(),
        _ => 0,
    }
}

#[test]
fn samples_are_evaluated_as_they_are() {
    let base = base();
    for script in SAMPLES {
        for kind in ["preinst", "config", "postinst"] {
            let packages = [base.clone(), with(script.as_bytes(), kind)];
            let request = Request { limits: LIMITS, ..request(&packages) };
            let mut assembly = Assembly::new(&request.root);
            let told = install(&mut assembly, &request).map(drop);
            // Settings are of what is installed, and questions of what may ask them.
            if kind == "postinst" {
                told.unwrap_or_else(|error| panic!("{error}\n{script}"));
                assert!(!assembly.log.is_empty(), "{script}");
            }
        }
    }
}

#[test]
fn changed_samples_end_in_effects_or_in_an_error_with_a_place() {
    let (base, mut state, mut tally) = (base(), 11, [0, 0]);
    for number in 0..COUNT {
        let script = SAMPLES[number % SAMPLES.len()].as_bytes();
        let kind = ["postinst", "postinst", "preinst", "config"][random(&mut state, 4)];
        check(&base, &mutated(script, &mut state), kind, &mut tally);
    }
    let [effects, errors] = tally;
    assert!(effects >= COUNT / 10 && errors >= COUNT / 10, "{tally:?}");
}

/// The scripts of the packages of this machine, which were written by others.
#[test]
fn changed_scripts_of_packages_end_in_effects_or_in_an_error_with_a_place() {
    let mut scripts = Vec::new();
    for entry in fs::read_dir("/var/lib/dpkg/info").into_iter().flatten() {
        let path = entry.unwrap().path();
        let kind = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
        if ["preinst", "config", "postinst"].contains(&kind.as_str()) {
            scripts.push((path.clone(), kind, fs::read(&path).unwrap()));
        }
    }
    scripts.sort();
    if scripts.is_empty() {
        let is_required = std::env::var_os("CVMKIT_ORACLES").is_some_and(|it| it == "require");
        assert!(!is_required, "no scripts of packages on this machine");
        eprintln!("SKIPPED: no scripts of packages on this machine");
        return;
    }
    let (base, mut state, mut tally) = (base(), 12, [0, 0]);
    for _ in 0..COUNT {
        let (_, kind, script) = &scripts[random(&mut state, scripts.len())];
        check(&base, &mutated(script, &mut state), kind, &mut tally);
    }
    assert_eq!(tally.iter().sum::<usize>(), COUNT);
}
