//! Shells that answer what a script comes to, and scripts that are changed.

#![allow(dead_code, reason = "each test uses what it needs")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]
#![expect(clippy::disallowed_types, reason = "runs shells")]

use std::io::Write;
use std::process::{Command, Stdio};

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Finished, Limits, Start, evaluate};
use cvmkit_shell::syntax::Dialect;

use crate::memory::Memory;

/// A shell of the machine, and the dialect that is compared with it.
pub(crate) struct Shell {
    path: &'static str,
    options: &'static [&'static str],
    dialect: Dialect,
}

pub(crate) const DASH: Shell = Shell { path: "/bin/dash", options: &[], dialect: Dialect::Posix };
pub(crate) const BASH: Shell =
    Shell { path: "/bin/bash", options: &["--norc", "--noprofile"], dialect: Dialect::Bash };

const PARAMETERS: [&str; 4] = ["one", "t wo", "", "four"];

/// What each script starts with.
pub(crate) fn start() -> Start {
    Start {
        name: "script".into(),
        arguments: PARAMETERS.map(Into::into).into(),
        environment: [("PATH".to_owned(), b"/nowhere".to_vec())].into(),
        directory: b"/".to_vec(),
        ..Start::default()
    }
}

/// Bounds for scripts that may not end.
pub(crate) fn limits() -> Limits {
    Limits { steps: 20_000, output: 1 << 18, words: 1 << 22, ..Limits::default() }
}

/// The scripts of a file of cases.
pub(crate) fn scripts(cases: &str) -> impl Iterator<Item = &str> {
    cases.split("\n----\n").map(str::trim)
}

fn ours(shell: &Shell, script: &str) -> Result<Finished, Stop> {
    let mut world = Memory::default();
    let start = Start { dialect: shell.dialect, ..start() };
    evaluate(script.as_bytes(), start, &mut world, Limits::default())
}

fn theirs(shell: &Shell, script: &str) -> (u8, String, String) {
    // Of its own: what a script writes would be what another one's patterns match.
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(shell.path)
        .args(shell.options)
        .args(["-c", script, "script"])
        .args(PARAMETERS)
        .env_clear()
        .env("PATH", "/nowhere")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Ours is the root directory.
    let here = folder.path().to_str().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).replace(here, "/");
    let status = u8::try_from(output.status.code().unwrap()).unwrap();
    (status, text(&output.stdout), text(&output.stderr))
}

/// Each script has the output and the status that the shell gives it, and says something where that does.
pub(crate) fn compare(shell: &Shell, cases: &str) {
    let (mut different, name) = (Vec::new(), shell.path);
    for script in scripts(cases) {
        let (status, output, errors) = theirs(shell, script);
        match ours(shell, script) {
            Ok(found) => {
                let text = String::from_utf8_lossy(&found.output).into_owned();
                let said = String::from_utf8_lossy(&found.errors).into_owned();
                if (found.status, text.as_str()) != (status, output.as_str())
                    || said.is_empty() != errors.is_empty()
                {
                    different.push(format!(
                        "{script}\n  {name}: {status} {output:?} {errors:?}\n  ours: {} {text:?} {said:?}",
                        found.status
                    ));
                }
            }
            Err(stop) => different
                .push(format!("{script}\n  {name}: {status} {output:?} {errors:?}\n  {stop:?}")),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

/// Whether a shell takes a script, which it does not run.
pub(crate) fn takes(shell: &str, script: &[u8]) -> bool {
    let mut child = Command::new(shell)
        .arg("-n")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(script);
    child.wait().unwrap().success()
}

/// A number below a bound, always the same ones.
pub(crate) fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap_or_default() % bound.max(1)
}

/// A text with a few bytes less, more, or of the special ones.
pub(crate) fn changed(text: &[u8], special: &[u8], state: &mut u64) -> Vec<u8> {
    let mut changed = text.to_vec();
    for _ in 0..=random(state, 4) {
        let at = random(state, changed.len());
        match random(state, 3) {
            0 => drop(changed.remove(at)),
            1 => changed[at] = special[random(state, special.len())],
            _ => changed.insert(at, changed[random(state, changed.len())]),
        }
    }
    changed
}
