//! One command at a time: announced, timed, and an error that repeats it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// How a command ended that was allowed to fail.
pub(crate) struct Ended {
    /// The exit code; `None` for a signal.
    pub(crate) code: Option<i32>,
    /// Its standard error, which was shown too.
    pub(crate) stderr: String,
}

/// When the first step was announced.
static STARTED: OnceLock<Instant> = OnceLock::new();

/// Says what is about to happen, and how long all before it took.
pub(crate) fn announce(what: &str) {
    let seconds = STARTED.get_or_init(Instant::now).elapsed().as_secs();
    println!("\n==> {what} ({}:{:02})", seconds / 60, seconds % 60);
}

/// A command with its arguments.
pub(crate) fn command<I>(program: impl AsRef<OsStr>, arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs a command that has to succeed, in full view.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("  $ {}", shown(command));
    let started = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    println!("  ({:.1} s)", started.elapsed().as_secs_f64());
    if !status.success() {
        bail!("{status} from: {}", shown(command));
    }
    Ok(())
}

/// Runs a command that may fail; its standard error is shown and returned.
pub(crate) fn attempt(command: &mut Command) -> Result<Ended> {
    println!("  $ {}", shown(command));
    let started = Instant::now();
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| shown(command))?;
    let mut stderr = String::new();
    if let Some(pipe) = child.stderr.take() {
        for line in BufReader::new(pipe).lines() {
            let line = line?;
            eprintln!("{line}");
            stderr.push_str(&line);
            stderr.push('\n');
        }
    }
    let status = child.wait()?;
    println!("  ({:.1} s)", started.elapsed().as_secs_f64());
    Ok(Ended { code: status.code(), stderr })
}

/// The standard output of a command that has to succeed, without the line end.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| shown(command))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{} from: {}\n{}", output.status, shown(command), stderr.trim());
    }
    let text = String::from_utf8(output.stdout).with_context(|| shown(command))?;
    Ok(text.trim_end().to_owned())
}

/// Runs a command and hands every line of its standard output to `line`; true if it succeeded.
pub(crate) fn lines(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    println!("  $ {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| shown(command))?;
    if let Some(pipe) = child.stdout.take() {
        let mut bytes = Vec::new();
        let mut pipe = BufReader::new(pipe);
        while pipe.by_ref().read_until(b'\n', &mut bytes)? > 0 {
            line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
            bytes.clear();
        }
    }
    Ok(child.wait()?.success())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_commands_can_be_typed() {
        let words = ["a b", "", "it's", "--x=1"];
        let text = shown(&command("echo", words));
        assert_eq!(text, r"echo 'a b' '' 'it'\''s' --x=1");
        let back = output(&mut command("sh", ["-c", &format!("printf '%s|' {}", &text[5..])]));
        assert_eq!(back.unwrap(), "a b||it's|--x=1|");
    }
}
