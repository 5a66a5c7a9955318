//! The parser against `dash -n`: what one takes, the other takes.

#![expect(clippy::disallowed_methods, reason = "reads the scripts of installed packages")]

mod memory;
mod oracle;

use cvmkit_shell::syntax::{Limits, parse};
use oracle::takes;

fn dash_takes(script: &[u8]) -> bool {
    takes("/bin/dash", script)
}

#[test]
fn scripts_of_installed_packages() {
    let mut different = Vec::new();
    let mut count = 0;
    for folder in ["/var/lib/dpkg/info", "/etc/init.d", "/usr/bin", "/usr/sbin"] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let Ok(script) = std::fs::read(&path) else { continue };
            let first = script.split(|byte| *byte == b'\n').next().unwrap();
            if first != b"#!/bin/sh" && !first.starts_with(b"#!/bin/sh ") {
                continue;
            }
            count += 1;
            let found = parse(&script, Limits::default());
            if found.is_ok() != dash_takes(&script) {
                different.push(format!("{}: {found:?}", path.display()));
            }
        }
    }
    eprintln!("{count} scripts");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(count > 20);
}

/// Scripts with a byte less: what becomes of them is the same.
#[test]
fn scripts_that_lack_a_byte() {
    let mut different = Vec::new();
    let (mut count, mut state) = (0, 7_u64);
    for entry in std::fs::read_dir("/var/lib/dpkg/info").unwrap() {
        let path = entry.unwrap().path();
        if !["postinst", "preinst", "prerm", "postrm"]
            .iter()
            .any(|end| path.extension().is_some_and(|it| it == *end))
        {
            continue;
        }
        let script = std::fs::read(&path).unwrap();
        if !script.starts_with(b"#!/bin/sh") {
            continue;
        }
        for _ in 0..4 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % script.len();
            let mut changed = script.clone();
            changed.remove(at);
            count += 1;
            let found = parse(&changed, Limits::default());
            if found.is_ok() != dash_takes(&changed) {
                let line = script[..at].iter().filter(|b| **b == b'\n').count() + 1;
                different.push(format!(
                    "{}:{line} -{:?}: {:?}",
                    path.display(),
                    char::from(script[at]),
                    found.map(drop)
                ));
            }
        }
    }
    eprintln!("{count} scripts");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(count >= 40, "{count}");
}
