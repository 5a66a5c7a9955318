//! Runs an oracle: a tool that somebody else wrote.

#![expect(clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_types, reason = "an oracle is a process")]
#![expect(
    clippy::disallowed_methods,
    reason = "CVMKIT_ORACLES decides what a missing oracle means"
)]

use std::process::Command;

/// What the tool said, or nothing if it is not installed (which is a failure if
/// `CVMKIT_ORACLES=require`).
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

/// Runs `tool` with the C locale in UTC; answers its standard output and error together.
pub(crate) fn run(tool: &str, args: &[&str]) -> Option<Said> {
    let mut command = Command::new(tool);
    command.args(args).env("LC_ALL", "C").env("TZ", "UTC").env("MTOOLS_SKIP_CHECK", "0");
    match command.output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            Some(Said { ok: output.status.success(), text })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            missing(tool);
            None
        }
        Err(error) => panic!("{tool}: {error}"),
    }
}

/// Runs `tool` and insists that it succeeds.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) fn accepts(tool: &str, args: &[&str]) -> Option<String> {
    let said = run(tool, args)?;
    assert!(said.ok, "{tool} {args:?}:\n{}", said.text);
    Some(said.text)
}

/// Says loudly that `what` is missing; fails if `CVMKIT_ORACLES=require`.
pub(crate) fn missing(what: &str) {
    let required = std::env::var_os("CVMKIT_ORACLES").is_some_and(|mode| mode == "require");
    assert!(!required, "{what} is not installed, and CVMKIT_ORACLES=require");
    eprintln!("SKIPPED: {what} is not installed");
}
