//! Builds the fuzz targets and runs them, two at a time, from the committed seeds and what earlier
//! runs found.
//!
//! The contract: a target that crashes, hangs for ten seconds or takes 2 GiB fails the task, after
//! all others had their turn, and its input stays in `fuzz/artifacts/TARGET/`. Nothing passes
//! untried: a target that has no coverage counters or runs no input fails, and so does the task
//! when a planted bug is not found. The compiler of the project does it: the address sanitizer is
//! the only part that a stable compiler must be told to allow.

mod verdict;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::{Workspace, apt, demo, step};
use verdict::Verdict;

/// Seconds per target when none are given.
const SECONDS: u64 = 30;

/// Targets that run side by side: as many as the smallest machine for CI has processors.
const AT_ONCE: usize = 2;

/// What a verifier reads that its host or a network gave it. A run of all checks has these; they
/// build without the crates that build images.
const VERIFIER: [&str; 9] = [
    "event_log",
    "firmware",
    "gpt_event",
    "pe",
    "quote",
    "report",
    "se_header",
    "uki_measurements",
    "variable_store",
];

/// A target with a bug that only feedback from coverage leads to.
const PLANTED: &str = "planted";

/// What the planted bug may take.
const PLANTED_SECONDS: u64 = 60;

/// How libFuzzer judges: megabytes of memory, seconds for one input, and a count at the end.
const LIMITS: [&str; 3] = ["-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"];

/// What feeds libFuzzer: counters of edges and what comparisons compare (Clang's
/// SanitizerCoverage), the address sanitizer, and the names that dependencies know fuzzing by.
const FLAGS: [&str; 9] = [
    "-Zsanitizer=address",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    // A branch that is folded into a select has no edge to count.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];

/// `[SECONDS] [TARGET..]`: no target means all of them.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let (seconds, targets) = match arguments.split_first() {
        Some((first, rest)) if first.bytes().all(|byte| byte.is_ascii_digit()) => {
            (first.parse().context("the number of seconds")?, rest)
        }
        _ => (SECONDS, arguments),
    };
    let known = known(workspace)?;
    if let Some(unknown) = targets.iter().find(|target| !known.iter().any(|one| one == *target)) {
        bail!("no fuzz target `{unknown}`, expected one of: {}", known.join(", "));
    }
    let all: Vec<&str> = known.iter().map(String::as_str).collect();
    fuzz(workspace, if targets.is_empty() { &all } else { targets }, seconds)
}

/// The part of a run of all checks: every decoder of a verifier.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    fuzz(workspace, &VERIFIER, SECONDS)
}

/// Builds what [`check`] runs.
pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
    step::announce("the fuzz targets, with the address sanitizer");
    build(workspace, &VERIFIER).map(|_| ())
}

/// Refuses a lock of the fuzz targets that does not fit the crates.
pub(crate) fn check_lock(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root.join("fuzz/Cargo.toml");
    let mut cargo = step::command("cargo", ["metadata", "--format-version", "1", "--locked"]);
    let listed = step::output(cargo.arg("--manifest-path").arg(&manifest));
    listed.map(|_| ()).with_context(|| {
        let manifest = manifest.display();
        format!("fuzz/Cargo.lock is stale: `cargo update -w --manifest-path {manifest}`")
    })
}

/// The names of all targets but the planted one.
fn known(workspace: &Workspace) -> Result<Vec<String>> {
    let files = demo::list(&workspace.root.join("fuzz/fuzz_targets"))?;
    let names = files.iter().filter_map(|file| file.strip_suffix(".rs"));
    Ok(names.filter(|name| *name != PLANTED).map(str::to_owned).collect())
}

fn fuzz(workspace: &Workspace, targets: &[&str], seconds: u64) -> Result<()> {
    step::announce("the fuzz targets, with the address sanitizer");
    let programs = build(workspace, targets)?;
    let runner = Runner { workspace, programs };
    runner.find_the_planted_bug()?;
    step::announce(&format!("{} fuzz targets, {seconds} s each", targets.len()));
    let verdicts = runner.run_all(targets, seconds)?;
    report(&verdicts)
}

/// Builds targets; answers the folder of their programs.
fn build(workspace: &Workspace, targets: &[&str]) -> Result<PathBuf> {
    ensure_compiler()?;
    let rustc = step::output(&mut step::command("rustc", ["-vV"]))?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not name its host")?;
    let folder = workspace.target.join("fuzz");
    // With a named target, build scripts and macros are built without these flags.
    let mut cargo = step::command("cargo", ["build", "--release", "--locked", "--target", host]);
    cargo.arg("--manifest-path").arg(workspace.root.join("fuzz/Cargo.toml"));
    cargo.arg("--target-dir").arg(&folder);
    if targets.iter().all(|target| VERIFIER.contains(target)) {
        cargo.arg("--no-default-features");
    }
    cargo.args(targets.iter().chain([&PLANTED]).flat_map(|target| ["--bin", target]));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    // Allows the first of the flags; a nightly compiler ignores it.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    step::run(&mut cargo)?;
    Ok(folder.join(host).join("release"))
}

/// libFuzzer is C++, which comes with libfuzzer-sys as source.
fn ensure_compiler() -> Result<()> {
    if step::output(&mut step::command("c++", ["--version"])).is_ok() {
        return Ok(());
    }
    apt::update()?;
    apt::install(&["g++"], None)
}

/// Where things of one target are.
struct Places {
    corpus: PathBuf,
    seeds: PathBuf,
    artifacts: PathBuf,
    log: PathBuf,
}

struct Runner<'a> {
    workspace: &'a Workspace,
    programs: PathBuf,
}

impl Runner<'_> {
    fn places(&self, target: &str) -> Places {
        let at = |folder: &str| self.workspace.root.join("fuzz").join(folder).join(target);
        let log = self.workspace.target.join("fuzz").join(format!("{target}.log"));
        Places { corpus: at("corpus"), seeds: at("seeds"), artifacts: at("artifacts"), log }
    }

    /// A bug that is there and not found would make every other result worthless.
    fn find_the_planted_bug(&self) -> Result<()> {
        let places = self.places(PLANTED);
        // What an earlier run found must not help.
        for folder in [&places.corpus, &places.artifacts] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        fs::create_dir_all(&places.corpus)?;
        let verdict = self.run(PLANTED, &[&places.corpus], &places, PLANTED_SECONDS)?;
        let Some(input) = &verdict.input else {
            bail!("the planted bug was not found in {PLANTED_SECONDS} s: see {}", show(&places.log))
        };
        println!("  the planted bug was found: {}", show(Path::new(input)));
        Ok(())
    }

    /// Runs targets, [`AT_ONCE`] side by side; the verdicts are in the order of the targets.
    fn run_all(&self, targets: &[&str], seconds: u64) -> Result<Vec<Verdict>> {
        let queue = Mutex::new(targets.iter().copied());
        let next = || queue.lock().ok().and_then(|mut queue| queue.next());
        let work = || -> Result<Vec<Verdict>> {
            let mut verdicts = Vec::new();
            while let Some(target) = next() {
                let verdict = self.run_target(target, seconds)?;
                println!("  {verdict}");
                verdicts.push(verdict);
            }
            Ok(verdicts)
        };
        let mut verdicts = Vec::new();
        thread::scope(|scope| -> Result<()> {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                verdicts.extend(worker.join().map_err(|_| anyhow::anyhow!("a worker died"))??);
            }
            Ok(())
        })?;
        verdicts.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(verdicts)
    }

    fn run_target(&self, target: &str, seconds: u64) -> Result<Verdict> {
        let places = self.places(target);
        fs::create_dir_all(&places.corpus).with_context(|| show(&places.corpus))?;
        // New inputs go to the first folder: the seeds stay as they are.
        self.run(target, &[&places.corpus, &places.seeds], &places, seconds)
    }

    fn run(
        &self,
        target: &str,
        inputs: &[&Path],
        places: &Places,
        seconds: u64,
    ) -> Result<Verdict> {
        fs::create_dir_all(&places.artifacts).with_context(|| show(&places.artifacts))?;
        let log = File::create(&places.log).with_context(|| show(&places.log))?;
        let mut command = Command::new(self.programs.join(target));
        command.args(inputs).arg(format!("-max_total_time={seconds}")).args(LIMITS);
        // A folder for libFuzzer, if it ends like one.
        command.arg(format!("-artifact_prefix={}/", show(&places.artifacts)));
        // Looking for leaks takes ptrace, which containers lack; memory has its limit anyway.
        command.env("ASAN_OPTIONS", "detect_leaks=0");
        command.env("RUST_BACKTRACE", "1");
        command.stdout(log.try_clone()?).stderr(log);
        let status = command.status().with_context(|| step::shown(&command))?;
        let text = fs::read(&places.log).with_context(|| show(&places.log))?;
        Ok(Verdict::new(target, status.code(), &String::from_utf8_lossy(&text)))
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// All verdicts, and for each finding its input and the end of what was said.
fn report(verdicts: &[Verdict]) -> Result<()> {
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed()).collect();
    for verdict in &failed {
        println!("\n---- {} ----\n{}", verdict.target, verdict.last_words);
    }
    if !failed.is_empty() {
        let named: Vec<String> = failed.iter().map(|verdict| verdict.named()).collect();
        bail!("{} of {} fuzz targets failed: {}", failed.len(), verdicts.len(), named.join(", "));
    }
    Ok(())
}
