//! The evaluation against dash: output, messages and status of scripts that use builtins alone.

#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]
#![expect(clippy::disallowed_types, reason = "runs dash")]

mod memory;

use std::process::{Command, Stdio};

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Finished, Limits, Start, evaluate};
use memory::Memory;

fn ours(script: &str) -> Result<Finished, Stop> {
    let start = Start {
        name: "script".into(),
        arguments: ["one", "t wo", "", "four"].map(Into::into).into(),
        environment: [("PATH".to_owned(), b"/nowhere".to_vec())].into(),
        directory: b"/".to_vec(),
        ..Start::default()
    };
    evaluate(script.as_bytes(), start, &mut Memory::default(), Limits::default())
}

fn dash(script: &str) -> (u8, String, String) {
    // Of its own: what a script writes would be what another one's patterns match.
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("/bin/dash")
        .args(["-c", script, "script", "one", "t wo", "", "four"])
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

fn compare(scripts: &str) {
    let mut different = Vec::new();
    for script in scripts.split("\n----\n").map(str::trim) {
        let (status, output, errors) = dash(script);
        match ours(script) {
            Ok(found) => {
                let text = String::from_utf8_lossy(&found.output).into_owned();
                let said = String::from_utf8_lossy(&found.errors).into_owned();
                if (found.status, text.as_str()) != (status, output.as_str())
                    || said.is_empty() != errors.is_empty()
                {
                    different.push(format!(
                        "{script}\n  dash: {status} {output:?} {errors:?}\n  ours: {} {text:?} {said:?}",
                        found.status
                    ));
                }
            }
            Err(stop) => different
                .push(format!("{script}\n  dash: {status} {output:?} {errors:?}\n  {stop:?}")),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn expansion() {
    compare(include_str!("cases/expansion.sh"));
}

#[test]
fn commands() {
    compare(include_str!("cases/commands.sh"));
}

#[test]
fn builtins() {
    compare(include_str!("cases/builtins.sh"));
}
