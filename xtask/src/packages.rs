//! Which packages can be put into an image: every package set and a thousand server packages are locked, which
//! chooses packages, fetches them and evaluates their maintainer scripts.
//!
//! The contract: each name is an image of its own, most of them as variants of one definition (`crate::sets`),
//! and has one verdict: its scripts evaluate, a
//! problem as the program words it, or a file that the mirror lists and lacks, which says nothing about the
//! program. Verdicts are recorded with the program they are of: an interrupted run goes on where it stopped, and
//! another program starts over. A lock that is there is kept, so a later run fetches and chooses nothing.
//! `docs/packages.md` is the result, and says how many have no verdict yet.
//!
//! Deliberately absent: building the images. `cargo xtask campaign trees` compares what comes of some.

mod batch;
mod list;
mod page;
mod record;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::sets::{self, Program, Set};
use crate::{Workspace, inputs, step};
use batch::Batch;
use record::{Kind, Outcome, Record, Verdict};

/// Package sets that people build images of, where the checkout has a neighbour with them.
const SETS: &str = "../shared/data/package-sets.tsv";

/// The sets that are always there.
const OWN_SETS: &str = "xtask/data/tree-sets.tsv";

/// The server packages.
const LIST: &str = "xtask/data/server-packages.txt";

/// The result.
const PAGE: &str = "docs/packages.md";

/// Runs of the program side by side.
const AT_ONCE: usize = 2;

/// Seconds that one may take.
const SECONDS_MAX: &str = "1800";

/// No run starts with less room on the disk, in MB.
const ROOM_MIN: u64 = 10_000;

/// What the program says when a mirror does not have what its own index lists.
const OF_MIRROR: [&str; 4] =
    ["is gone from the mirrors", "can't be fetched", "no mirror has", "mirror incomplete"];

/// What to try.
#[derive(Debug, Default)]
struct Options {
    /// The file of package sets.
    sets: Option<PathBuf>,
    /// Where definitions, locks and the record are.
    folder: Option<PathBuf>,
    /// Only what failed the last time, whatever program it was.
    failed: bool,
    /// Forget all verdicts.
    again: bool,
    /// Only these names; none means all.
    names: Vec<String>,
    /// Only write the page.
    page: bool,
}

/// `--list`, or `[--sets FILE] [--folder DIR] [--failed] [--again] [--page] [NAME..]`.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    if options == ["--list"] {
        let index = inputs::package_index(workspace, "trixie")?;
        return Ok(fs::write(workspace.root.join(LIST), list::make(&index))?);
    }
    let options = Options::parse(options)?;
    let program = Program::find(workspace)?;
    let folder = options.folder.clone().unwrap_or(workspace.target.join("campaign/packages"));
    fs::create_dir_all(&folder)?;
    let record = Record::open(&folder.join("outcomes"), options.again)?;
    let all = wanted(workspace, &options)?;
    let is_wanted = |(kind, set): &&(Kind, Set)| match options.names.is_empty() {
        true if options.failed => {
            record.of(*kind, &set.name).is_some_and(|last| last.verdict != Verdict::Ok)
        }
        true => !options.page && !record.is_settled(*kind, &set.name, &program.version),
        false => options.names.contains(&set.name),
    };
    let left: BTreeSet<&(Kind, Set)> = all.iter().filter(is_wanted).collect();
    step::announce(&format!("{} of {} sets and packages", left.len(), all.len()));
    let trials =
        Trials { workspace, program: &program, folder: &folder, accepted: Mutex::default() };
    let mut batches = batch::of(&all, &program.recipe)?;
    match options.names.is_empty() {
        true => batches.retain(|batch| batch.items.iter().any(|item| left.contains(item))),
        false => batches = left.iter().map(|item| batch::alone(item)).collect(),
    }
    let record = trials.run(batches.into(), record)?;
    // A part that was asked for by name says nothing about the whole.
    if options.names.is_empty() && !options.failed {
        let outcome = |(kind, set): &(Kind, Set)| {
            let of = record.of(*kind, &set.name);
            (*kind, of.filter(|one| one.version == program.version))
        };
        let page = page::write(&all.iter().map(outcome).collect::<Vec<_>>());
        page.lines()
            .filter(|line| line.starts_with("| "))
            .take(3)
            .for_each(|row| println!("{row}"));
        fs::write(workspace.root.join(PAGE), page)?;
    }
    Ok(())
}

impl Options {
    fn parse(options: &[&str]) -> Result<Self> {
        let mut parsed = Self::default();
        let mut left = options;
        while let Some((option, rest)) = left.split_first() {
            left = match (*option, rest) {
                ("--failed", rest) => {
                    parsed.failed = true;
                    rest
                }
                ("--again", rest) => {
                    parsed.again = true;
                    rest
                }
                ("--page", rest) => {
                    parsed.page = true;
                    rest
                }
                ("--sets", [file, rest @ ..]) => {
                    parsed.sets = Some(file.into());
                    rest
                }
                ("--folder", [folder, rest @ ..]) => {
                    parsed.folder = Some(std::path::absolute(folder)?);
                    rest
                }
                (name, rest) if !name.starts_with('-') => {
                    parsed.names.push(name.to_owned());
                    rest
                }
                _ => bail!("{}", crate::USAGE),
            };
        }
        Ok(parsed)
    }
}

/// Every set and every server package, in the order of their files.
fn wanted(workspace: &Workspace, options: &Options) -> Result<Vec<(Kind, Set)>> {
    let sets = match &options.sets {
        Some(path) => path.clone(),
        None => [SETS, OWN_SETS]
            .map(|path| workspace.root.join(path))
            .into_iter()
            .find(|path| path.is_file())
            .with_context(|| format!("no `{OWN_SETS}`"))?,
    };
    let mut all: Vec<(Kind, Set)> =
        sets::read(&sets)?.into_iter().map(|set| (Kind::Set, set)).collect();
    let text = fs::read_to_string(workspace.root.join(LIST)).context(LIST)?;
    all.extend(list::read(&text).into_iter().map(|name| (Kind::Package, Set::of_package(name))));
    let unknown = options.names.iter().find(|name| all.iter().all(|(_, set)| set.name != **name));
    ensure!(
        unknown.is_none(),
        "neither a set nor a listed package: {}",
        unknown.map_or("", |name| name)
    );
    Ok(all)
}

/// Runs of one program.
struct Trials<'a> {
    workspace: &'a Workspace,
    program: &'a Program,
    folder: &'a Path,
    /// Suites that expired and were taken all the same.
    accepted: Mutex<Vec<String>>,
}

impl Trials<'_> {
    /// Tries batches, several at once, and notes each verdict.
    fn run(&self, batches: VecDeque<Batch>, record: Record) -> Result<Record> {
        let count = batches.len();
        let (left, record) = (Mutex::new(batches), Mutex::new(record));
        let work = || -> Result<()> {
            loop {
                let (batch, at) = {
                    let mut left = held(&left);
                    let Some(batch) = left.pop_front() else { return Ok(()) };
                    (batch, count - left.len())
                };
                let started = Instant::now();
                let outcomes = self.outcomes(&batch)?;
                println!("  {at}/{count} {} ({} s)", batch.name, started.elapsed().as_secs());
                let mut record = held(&record);
                for outcome in outcomes {
                    println!("    {}", outcome.line());
                    record.note(outcome)?;
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(_) => bail!("a worker panicked"),
            })
        })?;
        record.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))
    }

    /// The verdicts on all of a batch. One that stops the whole lock is found by halving.
    fn outcomes(&self, batch: &Batch) -> Result<Vec<Outcome>> {
        self.has_room()?;
        let folder = self.folder.join(&batch.name);
        fs::create_dir_all(&folder)?;
        let definition = batch.definition(&self.program.recipe, &self.program.version)?;
        fs::write(folder.join("image.toml"), definition)?;
        let mut said = self.lock(&folder)?;
        let lock = folder.join("image.lock");
        // A lock that this program can't use is no verdict on its packages.
        if !said.ended_well && lock.is_file() {
            fs::remove_file(&lock)?;
            said = self.lock(&folder)?;
        }
        match batch.halves() {
            Some([first, second]) if !said.ended_well => {
                let mut outcomes = self.outcomes(&first)?;
                outcomes.extend(self.outcomes(&second)?);
                Ok(outcomes)
            }
            _ => Ok(self.judged(batch, &said)),
        }
    }

    fn judged(&self, batch: &Batch, said: &Said) -> Vec<Outcome> {
        let one = |(at, (kind, set)): (usize, &(Kind, Set))| {
            let problems = said.problems_of(batch.variant(at).as_deref());
            let verdict = match problems.as_slice() {
                [] => Verdict::Ok,
                problems if problems.iter().any(|one| is_of_mirror(one)) => Verdict::Mirror,
                _ => Verdict::Fails,
            };
            let (name, version) = (set.name.clone(), self.program.version.clone());
            Outcome { kind: *kind, name, version, verdict, problems }
        };
        batch.items.iter().enumerate().map(one).collect()
    }

    /// Locks a definition; a suite that its archive has let expire is taken all the same.
    fn lock(&self, folder: &Path) -> Result<Said> {
        loop {
            let mut command = step::command("timeout", [SECONDS_MAX]);
            command.arg(&self.program.path).args(["lock", "--format", "json"]).arg(folder);
            let accepted = held(&self.accepted).clone();
            command.args(accepted.iter().flat_map(|suite| ["--accept-expired", suite]));
            self.program.equip(self.workspace, &mut command);
            let output =
                command.stdin(Stdio::null()).output().context("cannot start the program")?;
            let said = Said::of(&output)?;
            match &said.expired {
                Some(suite) if !accepted.contains(suite) => {
                    println!("!! the mirror's suite `{suite}` has expired; accepted all the same");
                    held(&self.accepted).push(suite.clone());
                }
                _ => return Ok(said),
            }
        }
    }

    fn has_room(&self) -> Result<()> {
        let mut df = step::command("df", ["--output=avail", "--block-size=1MB"]);
        let text = step::output(df.arg(self.folder))?;
        let room = text.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
        ensure!(room.is_some_and(|room| room >= ROOM_MIN), "less than {ROOM_MIN} MB are free");
        Ok(())
    }
}

/// What the program said about one definition.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    ended_well: bool,
    /// Of the whole definition, if it did not end well.
    error: Vec<String>,
    /// Roles of root file systems without ids.
    unknown: Vec<String>,
    notes: Vec<String>,
    /// A suite that it does not take because of its age.
    expired: Option<String>,
}

impl Said {
    fn of(output: &Output) -> Result<Self> {
        if output.status.success() {
            let value: Value = serde_json::from_slice(&output.stdout).context("no JSON")?;
            return Ok(Self::of_lock(&value));
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let Ok(value) = serde_json::from_str::<Value>(&stderr) else {
            let last = stderr.lines().last().unwrap_or_default();
            let problem = format!("{}: {last}", output.status);
            return Ok(Self { error: vec![problem], ..Self::default() });
        };
        Ok(Self::of_error(&value))
    }

    fn of_lock(value: &Value) -> Self {
        let texts = |key: &str| {
            let list = value[key].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let (unknown, notes) = (texts("unknown-ids-of"), texts("notes"));
        Self { ended_well: true, unknown, notes, ..Self::default() }
    }

    /// A root file system whose accounts are not known is one whose scripts do not evaluate.
    fn problems_of(&self, variant: Option<&str>) -> Vec<String> {
        if !self.ended_well {
            return self.error.clone();
        }
        let role = variant.map_or("root".to_owned(), |variant| format!("root:{variant}"));
        if !self.unknown.contains(&role) {
            return Vec::new();
        }
        let is_of = |title: &str| match variant {
            Some(variant) => title.ends_with(&format!(" ({variant})")),
            None => !title.ends_with(')'),
        };
        let of_ids = self.notes.iter().filter_map(|note| note.split_once(NO_IDS));
        let of_ids = of_ids.filter(|(title, _)| is_of(title));
        let mut problems: Vec<String> = of_ids.flat_map(|(_, text)| each_problem(text)).collect();
        if problems.is_empty() {
            problems.push("accounts without an id, and no reason".to_owned());
        }
        problems
    }

    fn of_error(value: &Value) -> Self {
        let causes = value["causes"].as_array().into_iter().flatten();
        let mut parts: Vec<&str> = Vec::new();
        for part in value["error"].as_str().into_iter().chain(causes.filter_map(Value::as_str)) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        let hint = value["hint"].as_str().unwrap_or_default();
        let expired =
            hint.split_once("`--accept-expired ").and_then(|(_, rest)| rest.split_once('`'));
        Self {
            error: each_problem(&parts.join(": ")),
            expired: expired.map(|(suite, _)| suite.to_owned()),
            ..Self::default()
        }
    }
}

/// How the program says that it could not put an image together.
const NO_IDS: &str = ": its maintainer scripts are not evaluated, so the lock has neither their effects nor all ids of accounts: ";

/// The problems of an error about scripts, which has one on each indented line; or the error, without what
/// it advises.
fn each_problem(text: &str) -> Vec<String> {
    let text = text.split_once("\nhint:").map_or(text, |(text, _)| text);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let each: Option<Vec<String>> =
        lines.map(|line| line.strip_prefix("    ").map(str::to_owned)).collect();
    each.filter(|each| !each.is_empty() && head.ends_with(SCRIPTS))
        .unwrap_or_else(|| vec![text.to_owned()])
}

/// How the first line of an error about scripts ends.
const SCRIPTS: &str = "can't be evaluated";

fn is_of_mirror(problem: &str) -> bool {
    OF_MIRROR.iter().any(|words| problem.contains(words))
}

/// What a worker that panicked held is whole: each change is one call.
fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another wording of the program would turn every reason into none.
    #[test]
    fn the_program_says_so_in_these_words() {
        let messages = include_str!("../tests/snapshots/messages__engine.snap");
        assert!(messages.contains(&format!("{{}}{NO_IDS}{{}}")));
    }

    #[test]
    fn a_lock_without_ids_is_a_problem_in_the_program_s_words() {
        let scripts =
            "2 maintainer scripts can't be evaluated\n    postinst of a: b\n    preinst of c: d";
        let note = format!("batch 0.1 (v1){NO_IDS}{scripts}\nhint: read\n    more");
        let value =
            serde_json::json!({ "unknown-ids-of": ["root:v1", "root:v3"], "notes": ["x", note] });
        let said = Said::of_lock(&value);
        assert_eq!(said.problems_of(Some("v1")), ["postinst of a: b", "preinst of c: d"]);
        assert_eq!(said.problems_of(Some("v11")), [""; 0]);
        assert_eq!(said.problems_of(Some("v3")), ["accounts without an id, and no reason"]);
        assert_eq!(said.problems_of(None), [""; 0]);
        assert_eq!(each_problem("`a` and `b`\n    both"), ["`a` and `b`\n    both"]);
    }

    #[test]
    fn an_error_is_its_causes_and_an_expired_suite_is_taken_from_the_hint() {
        let value = serde_json::json!({
            "error": "a", "causes": ["b", "a"], "hint": "accept it with `--accept-expired forky`",
        });
        let said = Said::of_error(&value);
        assert_eq!(said.problems_of(Some("v0")), ["a: b"]);
        assert_eq!(said.expired.as_deref(), Some("forky"));
        assert!(is_of_mirror("`x` is gone from the mirrors") && !is_of_mirror("a: b"));
    }

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["--failed", "--folder", "/x", "nginx"]).unwrap();
        assert!(options.failed && !options.again);
        assert_eq!(options.folder.as_deref(), Some(Path::new("/x")));
        assert_eq!(options.names, ["nginx"]);
        assert!(Options::parse(&["--sets"]).is_err() && Options::parse(&["--x"]).is_err());
    }
}
