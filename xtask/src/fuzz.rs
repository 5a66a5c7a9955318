//! Runs the fuzz targets, one after the other, from the committed seeds and what earlier runs found.
//!
//! The contract: a target that crashes, hangs for ten seconds or takes 2 GiB fails the task, after
//! all others had their turn; its input stays in `fuzz/artifacts/TARGET/`. Without a nightly
//! compiler, which the sanitizers need, the task says so and fails: it never passes untried.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{Workspace, step};

/// Seconds per target when none are given.
const SECONDS: u64 = 30;

/// How libFuzzer judges: megabytes of memory, seconds for one input, and a count at the end.
const LIMITS: [&str; 3] = ["-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"];

/// libFuzzer's count of inputs tried.
const EXECUTED: &str = "stat::number_of_executed_units:";

/// `[SECONDS] [TARGET..]`: no target means all of them.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let (seconds, targets) = match arguments.split_first() {
        Some((first, rest)) if first.bytes().all(|byte| byte.is_ascii_digit()) => {
            (first.parse().context("the number of seconds")?, rest)
        }
        _ => (SECONDS, arguments),
    };
    ensure_tools()?;
    let known = step::output(&mut cargo_fuzz(workspace, "list"))?;
    let known: Vec<&str> = known.lines().collect();
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        bail!("no fuzz target `{unknown}`, expected one of: {}", known.join(", "));
    }
    let targets = if targets.is_empty() { &known } else { targets };
    step::announce("the fuzz targets, with the address sanitizer");
    step::run(&mut cargo_fuzz(workspace, "build"))?;
    let verdicts: Vec<Verdict> =
        targets.iter().map(|target| fuzz(workspace, target, seconds)).collect::<Result<_>>()?;
    report(targets, &verdicts)
}

/// A nightly compiler is the developer's to install; cargo-fuzz is built when it is missing.
fn ensure_tools() -> Result<()> {
    step::announce("tools to fuzz with");
    let version = step::output(&mut nightly(&["--version"])).context(
        "fuzzing needs a nightly compiler for its sanitizers, and there is none: \
         `rustup toolchain install nightly`",
    )?;
    println!("  {version}");
    if let Ok(version) = step::output(&mut nightly(&["fuzz", "--version"])) {
        println!("  {version}");
        return Ok(());
    }
    step::run(&mut nightly(&["install", "--locked", "cargo-fuzz"]))
}

/// Cargo of the nightly toolchain, whichever one runs this task.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = step::command("rustup", ["run", "nightly", "cargo"]);
    command.args(arguments);
    command
}

fn cargo_fuzz(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = nightly(&["fuzz", subcommand]);
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    command
}

/// What became of one target.
struct Verdict {
    passed: bool,
    /// Inputs tried, as libFuzzer counts them.
    executed: String,
}

fn fuzz(workspace: &Workspace, target: &str, seconds: u64) -> Result<Verdict> {
    step::announce(target);
    let corpus = format!("fuzz/corpus/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    // New inputs go to the first folder: the seeds stay as they are.
    std::fs::create_dir_all(workspace.root.join(&corpus)).context(corpus.clone())?;
    let mut command = cargo_fuzz(workspace, "run");
    command.args([target, &corpus, &seeds, "--", &format!("-max_total_time={seconds}")]);
    let ended = step::attempt(command.args(LIMITS))?;
    let executed = ended.stderr.lines().find_map(|line| line.strip_prefix(EXECUTED));
    // A run that tried nothing has not passed.
    let passed = ended.code == Some(0) && executed.is_some();
    Ok(Verdict { passed, executed: executed.unwrap_or("?").trim().to_owned() })
}

fn report(targets: &[&str], verdicts: &[Verdict]) -> Result<()> {
    println!();
    for (target, verdict) in targets.iter().zip(verdicts) {
        let word = if verdict.passed { "ok" } else { "FAILED" };
        println!("{target:<16} {:>12} inputs  {word}", verdict.executed);
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.passed).count();
    if failed > 0 {
        bail!(
            "{failed} of {} targets failed; what failed them is in fuzz/artifacts",
            targets.len()
        );
    }
    Ok(())
}
