//! Where mutants are tried: a copy of the checkout, with a target folder that stays.
//!
//! A mutant meets the unit tests of its crate first, then the integration tests that are named after
//! its module (`tdx_kernel` for `tdx`), then all others. Each stands in the way of the next, so most
//! mutants cost one compilation of the library.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::draw::Mutant;
use crate::{Workspace, demo, step};

/// What is made in a checkout, and what git keeps for itself.
const NOT_COPIED: [&str; 3] = [".git", "out", "target"];

/// Seconds that tests may take beside three times what they take without a mutant.
const PATIENCE: u64 = 30;

/// Bytes of memory that a test may address: a loop that allocates must not take the machine with it.
const MEMORY: u64 = 8 << 30;

/// How a mutant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Caught,
    Missed,
    /// A test did not end.
    Timeout,
    /// It does not compile.
    Unviable,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Caught, Self::Missed, Self::Timeout, Self::Unviable];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Missed => "missed",
            Self::Timeout => "timeout",
            Self::Unviable => "unviable",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

/// The copy and its target folder.
pub(super) struct Arena {
    tree: PathBuf,
    target: PathBuf,
}

impl Arena {
    /// Brings the copy to the state of the checkout. What is equal stays, so that it is not compiled
    /// again.
    pub(super) fn prepare(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let tree = folder.join("tree");
        mirror(&workspace.root, &tree).context("the copy of the checkout")?;
        Ok(Self { tree, target: folder.join("target") })
    }

    pub(super) fn tree(&self) -> &Path {
        &self.tree
    }

    /// The test programs of a crate.
    pub(super) fn suite<'a>(&'a self, name: &'a str, features: &'a str) -> Result<Suite<'a>> {
        let files = demo::list(&self.tree.join("crates").join(name).join("tests"))?;
        let tests = files.iter().filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned()));
        let programs = std::iter::once("lib".to_owned()).chain(tests).collect();
        Ok(Suite { arena: self, name, features, programs, seconds: BTreeMap::new() })
    }
}

/// The tests of one crate.
pub(super) struct Suite<'a> {
    arena: &'a Arena,
    name: &'a str,
    features: &'a str,
    /// `lib` for the unit tests, and the names of the integration tests.
    programs: Vec<String>,
    /// What each takes without a mutant, once it was needed.
    seconds: BTreeMap<String, u64>,
}

impl Suite<'_> {
    /// Writes a mutant, lets the tests at it and takes it away.
    pub(super) fn try_mutant(&mut self, mutant: &Mutant) -> Result<Verdict> {
        let path = self.arena.tree.join(&mutant.file);
        let original = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mutated = mutant.apply(&original)?;
        let mut verdict = Verdict::Missed;
        for programs in rounds(mutant.module(), &self.programs) {
            if !programs.iter().all(|program| self.seconds.contains_key(program)) {
                write_if_other(&path, &original)?;
                self.learn(&programs)?;
            }
            write_if_other(&path, &mutated)?;
            verdict = self.meet(&programs)?;
            if verdict != Verdict::Missed {
                break;
            }
        }
        write_if_other(&path, &original)?;
        Ok(verdict)
    }

    /// Makes sure that programs pass without a mutant, and learns what they take.
    fn learn(&mut self, programs: &[String]) -> Result<()> {
        step::run(self.cargo(programs).arg("--no-run"))?;
        for program in programs {
            let started = Instant::now();
            let mut test = self.cargo(std::slice::from_ref(program));
            let output = test.output().with_context(|| step::shown(&test))?;
            if !output.status.success() {
                bail!("without a mutant: {}", String::from_utf8_lossy(&output.stdout));
            }
            self.seconds.insert(program.clone(), started.elapsed().as_secs());
        }
        Ok(())
    }

    /// What programs say of the mutant that is written.
    fn meet(&self, programs: &[String]) -> Result<Verdict> {
        let mut build = self.cargo(programs);
        let built = build.arg("--no-run").output().with_context(|| step::shown(&build))?;
        if !built.status.success() {
            return Ok(Verdict::Unviable);
        }
        let usual: u64 = programs.iter().filter_map(|program| self.seconds.get(program)).sum();
        let mut test = self.bounded(&self.cargo(programs), PATIENCE + 3 * usual);
        Ok(match test.output().with_context(|| step::shown(&test))?.status.code() {
            Some(0) => Verdict::Missed,
            // What `timeout` says: 124, or 137 when the first signal was not enough.
            Some(124 | 137) => Verdict::Timeout,
            _ => Verdict::Caught,
        })
    }

    /// `cargo test` of some programs of the crate, without an oracle: what a mutant breaks is seen by
    /// the project's own tests.
    fn cargo(&self, programs: &[String]) -> Command {
        // The cargo that started this task, and no other of the same name.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = step::command(cargo, ["test", "--quiet", "--package"]);
        command.arg(format!("cvmkit-{}", self.name)).args(["--features", self.features]);
        for program in programs {
            match program.as_str() {
                "lib" => command.arg("--lib"),
                test => command.args(["--test", test]),
            };
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CVMKIT_") {
                command.env_remove(name);
            }
        }
        command.env("CARGO_TARGET_DIR", &self.arena.target);
        // What is changed is compiled each time, and its parts that are not changed need not be.
        command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "false");
        command.env("INSTA_UPDATE", "no").current_dir(&self.arena.tree).stdin(Stdio::null());
        command
    }

    /// The same command with an end, and with an end of memory.
    fn bounded(&self, command: &Command, seconds: u64) -> Command {
        let memory = format!("--as={MEMORY}");
        let mut bounded = step::command("prlimit", [&memory, "timeout", "--kill-after=5"]);
        bounded.arg(seconds.to_string()).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => bounded.env(name, value),
                None => bounded.env_remove(name),
            };
        }
        bounded.current_dir(&self.arena.tree).stdin(Stdio::null());
        bounded
    }
}

/// Unit tests, the tests of a module, all others.
fn rounds(module: &str, programs: &[String]) -> Vec<Vec<String>> {
    let mut rounds = vec![Vec::new(), Vec::new(), Vec::new()];
    for program in programs {
        let round = match program.as_str() {
            "lib" => 0,
            test if test.starts_with(module) => 1,
            _ => 2,
        };
        rounds[round].push(program.clone());
    }
    rounds.retain(|round| !round.is_empty());
    rounds
}

/// A file that is written is compiled again, so one that is right stays.
fn write_if_other(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Makes a folder equal to another: files that differ are written, those too many are removed.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let names = demo::list(from)?;
    for name in demo::list(to)?.iter().filter(|name| !names.contains(name)) {
        let path = to.join(name);
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    for name in names.iter().filter(|name| !NOT_COPIED.contains(&name.as_str())) {
        let (from, to) = (from.join(name), to.join(name));
        let metadata = fs::symlink_metadata(&from)?;
        if metadata.is_dir() {
            mirror(&from, &to)?;
        } else if metadata.is_file() && fs::read(&to).ok() != Some(fs::read(&from)?) {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_a_module_come_before_all_others() {
        let of = |module: &str, programs: &str| {
            rounds(module, &programs.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(
            of("tdx", "lib compare tdx_disk tdx_kernel"),
            [vec!["lib"], vec!["tdx_disk", "tdx_kernel"], vec!["compare"]]
        );
        assert_eq!(of("date", "lib deb"), [["lib"], ["deb"]]);
    }

    #[test]
    fn a_copy_follows_its_original() {
        let folder = std::env::temp_dir().join(format!("cvmkit-mirror-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        let write = |path: &str, text: &str| {
            let path = from.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/kept", "1");
        write("a/changed", "1");
        write("target/huge", "1");
        mirror(&from, &to).unwrap();
        fs::write(to.join("a/changed"), "a mutant").unwrap();
        fs::write(to.join("a/gone"), "1").unwrap();
        let kept = fs::metadata(to.join("a/kept")).unwrap().modified().unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(demo::list(&to.join("a")).unwrap(), ["changed", "kept"]);
        assert_eq!(fs::read_to_string(to.join("a/changed")).unwrap(), "1");
        assert_eq!(fs::metadata(to.join("a/kept")).unwrap().modified().unwrap(), kept);
        assert!(!to.join("target").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
