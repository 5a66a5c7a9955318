//! Every check of the project, in one profile so that dependencies compile once: that of `Cargo.toml`
//! which compiles fast.
//!
//! A skipped check is loud: libtest hides what a passing test prints, so its output is asked for
//! and the `SKIPPED:` lines in it are repeated at the end. With `CVMKIT_ORACLES=require` such tests
//! fail instead. The `COMPARED:` lines are repeated too: how many values an oracle has answered.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow, bail};

use crate::inputs::Inputs;
use crate::{Workspace, deny, fuzz, oracles, step};

/// How much to check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything, with all oracles.
    Whole,
    /// What needs no oracle and no binary.
    Quick,
}

/// The profile that all checks compile in. Cargo names its folder so.
pub(crate) const PROFILE: &str = "checks";

/// Tests against another implementation of SNP launch digests, of which the dependencies are many.
pub(crate) const CROSS_CHECK: [&str; 2] = ["--features", "cvmkit-measure/cross-check"];

/// Runs the checks; the last line has the totals.
pub(crate) fn run(workspace: &Workspace, extent: Extent) -> Result<()> {
    if extent == Extent::Whole {
        oracles::ensure(workspace, oracles::Need::Tests)?;
    }
    style(workspace)?;
    let inputs = match extent {
        Extent::Quick => {
            lints(workspace)?;
            None
        }
        Extent::Whole => Some(compile(workspace)?),
    };
    // A finding is told at once, and fails the run after the tests had their turn.
    let fuzzed = match extent {
        Extent::Quick => Ok(()),
        Extent::Whole => fuzz::check(workspace),
    };
    fuzzed.as_ref().inspect_err(|error| eprintln!("error: {error:#}")).ok();
    step::announce("tests");
    let mut test = tests(workspace, extent);
    test.args(["--", "--show-output"]);
    test.env("CVMKIT_SNP_MEASURE", oracles::snp_measure(workspace));
    if let Some(inputs) = &inputs {
        inputs.tell(&mut test)?;
    }
    let mut report = Report::default();
    let ok = step::lines(&mut test, |line| {
        if report.take(line) {
            println!("{line}");
        }
    })?;
    let totals = report.print(ok && fuzzed.is_ok());
    fuzzed.and(totals)
}

/// Format and locks.
fn style(workspace: &Workspace) -> Result<()> {
    step::announce("format");
    step::run(&mut cargo(workspace, &["fmt", "--all", "--check"]))?;
    // A workspace of its own has a lock of its own, which a new dependency makes stale.
    fuzz::check_lock(workspace)
}

/// Everything that compiles: where one crate of the tests waits for another, a processor is free for
/// the tool that judges licences and for the fuzz targets.
fn compile(workspace: &Workspace) -> Result<Inputs> {
    thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let checked = licences(workspace).and_then(|()| fuzz::prepare(workspace));
            checked.inspect_err(|error| eprintln!("error: {error:#}"))
        });
        let inputs = lints(workspace).and_then(|()| tests_and_product(workspace));
        let beside = beside.join().map_err(|_| anyhow!("a check panicked"))?;
        let inputs = inputs?;
        beside.map(|()| inputs)
    })
}

fn licences(workspace: &Workspace) -> Result<()> {
    step::announce("licences, sources and the decisions about advisories");
    deny::check(workspace)
}

fn lints(workspace: &Workspace) -> Result<()> {
    step::announce("lints");
    let arguments = ["clippy", "--profile", PROFILE, "--workspace", "--all-targets"];
    let mut lints = cargo(workspace, &arguments);
    step::run(lints.args(CROSS_CHECK).args(["--", "-D", "warnings"]))
}

/// With the tests comes the product that they run, and that makes their inputs.
fn tests_and_product(workspace: &Workspace) -> Result<Inputs> {
    // The tests bring features of dependencies that the product alone has to do without.
    step::announce("the product alone");
    step::run(&mut cargo(workspace, &["check", "--profile", PROFILE, "--package", "cvmkit"]))?;
    step::announce("the tests and the product");
    step::run(tests(workspace, Extent::Whole).arg("--no-run"))?;
    Inputs::ensure(workspace, &workspace.checked_cvmkit())
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = step::command("cargo", arguments);
    command.current_dir(&workspace.root);
    command
}

/// The tests of an extent.
fn tests(workspace: &Workspace, extent: Extent) -> Command {
    let targets: &[&str] = match extent {
        Extent::Whole => &[],
        Extent::Quick => &["--lib", "--bins"],
    };
    let mut test =
        cargo(workspace, &["test", "--profile", PROFILE, "--workspace", "--no-fail-fast"]);
    test.args(CROSS_CHECK).args(targets);
    test
}

/// What the test binaries said, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    passed: u64,
    failed: u64,
    ignored: u64,
    skipped: BTreeSet<String>,
    compared: BTreeSet<String>,
    /// Inside the list of what passing tests printed.
    successes: bool,
}

impl Report {
    /// Takes a line of libtest's output; true if it is worth showing.
    fn take(&mut self, line: &str) -> bool {
        for (word, found) in [("SKIPPED: ", &mut self.skipped), ("COMPARED: ", &mut self.compared)]
        {
            if let Some(at) = line.find(word) {
                found.insert(line.get(at..).unwrap_or_default().to_owned());
                return true;
            }
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, " passed");
            self.failed += count(result, " failed");
            self.ignored += count(result, " ignored");
        }
        let heading = ["successes:", "failures:"].contains(&line);
        if heading || line.starts_with("test result: ") {
            self.successes = line == "successes:";
        }
        !self.successes
    }

    /// The totals, as libtest words them.
    fn print(&self, ok: bool) -> Result<()> {
        println!();
        self.compared.iter().chain(&self.skipped).for_each(|line| println!("{line}"));
        let verdict = if ok { "ok" } else { "FAILED" };
        println!(
            "test result: {verdict}. {} passed; {} failed; {} ignored; {} oracles skipped",
            self.passed,
            self.failed,
            self.ignored,
            self.skipped.len()
        );
        if !ok {
            bail!("the tests failed");
        }
        if self.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }
}

/// The number before a word, as in `ok. 12 passed; 0 failed`.
fn count(result: &str, word: &str) -> u64 {
    let before = result.split_once(word).map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_skips_are_taken_from_libtest() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n\
                    ---- a stdout ----\nSKIPPED: qemu is not installed\nnoise\n\
                    COMPARED: SNP: 7 equal\n\n\n\
                    successes:\n    a\n\n\
                    test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\n\
                    failures:\n    c\n\n\
                    test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured";
        let mut report = Report::default();
        let shown: Vec<&str> = text.lines().filter(|line| report.take(line)).collect();
        assert_eq!((report.passed, report.failed, report.ignored), (5, 1, 1));
        assert_eq!(report.skipped.first().unwrap(), "SKIPPED: qemu is not installed");
        assert_eq!(report.compared.first().unwrap(), "COMPARED: SNP: 7 equal");
        assert!(!shown.contains(&"noise") && shown.contains(&"    c"), "{shown:?}");
    }
}
