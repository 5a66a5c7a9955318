//! Mutants: the code is changed in one place at a time, and the tests of its crate have to fail.
//!
//! The contract: cargo-mutants lists every change, a seed draws from the list, and this module tries
//! what is drawn in a copy of the checkout, without any oracle. A mutant that no test catches fails
//! the task unless `docs/mutants.md` judges it. What was caught is recorded and not tried again, so a
//! run that was interrupted goes on where it stopped. Deliberately not used: cargo-mutants' own
//! runner, which builds every test of a crate for each mutant; most are caught by unit tests, which
//! are built and run in seconds.

mod arena;
mod draw;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{Workspace, step, tool};
use arena::{Arena, Verdict};
use draw::{Draw, Mutant};

/// The version of cargo-mutants: another one lists other mutants.
const VERSION: &str = "27.1.0";

/// The crates that a wrong digest comes from, with the features that their tests need.
const CRATES: [(&str, &str); 4] =
    [("formats", ""), ("debian", ""), ("measure", "id-block,cross-check"), ("attest", "export")];

/// Of 100 mutants that compile, so many are caught at least.
const CAUGHT_MIN: usize = 95;

/// The page that judges survivors.
const PAGE: &str = "docs/mutants.md";

/// `[--count N] [--seed S] [--again]`.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let draw = Draw::parse(options)?;
    let page = fs::read_to_string(workspace.root.join(PAGE)).context(PAGE)?;
    let judged = judged(&page)?;
    let cargo_mutants =
        tool::install(workspace, "cargo-mutants", VERSION, &["mutants", "--version"])?;
    let folder = workspace.target.join("campaign/mutants");
    let arena = Arena::prepare(workspace, &folder)?;
    step::announce("the mutants");
    let drawn = draw.of(draw::list(&cargo_mutants, arena.tree(), &CRATES.map(|(name, _)| name))?);
    let mut record = Record::open(&folder.join("outcomes"), draw.again)?;
    let mut seconds = BTreeMap::new();
    for (name, features) in CRATES {
        let of_crate: Vec<&Mutant> = drawn.iter().filter(|mutant| mutant.of == name).collect();
        let left: Vec<&Mutant> =
            of_crate.iter().copied().filter(|mutant| !record.is_settled(mutant, &judged)).collect();
        if left.is_empty() {
            continue;
        }
        step::announce(&format!("{name}: {} mutants of {}", left.len(), of_crate.len()));
        let mut suite = arena.suite(name, features)?;
        let started = Instant::now();
        for (at, mutant) in left.iter().enumerate() {
            let began = Instant::now();
            let verdict = suite.try_mutant(mutant)?;
            let took = began.elapsed().as_secs_f64();
            println!("  {}/{} {} ({took:.1} s): {mutant}", at + 1, left.len(), verdict.word());
            record.note(mutant, verdict)?;
        }
        seconds.insert(name, started.elapsed().as_secs_f64() / left.len() as f64);
    }
    report(&drawn, &record, &judged, &seconds)
}

/// Prints the table and judges it.
fn report(
    drawn: &[Mutant],
    record: &Record,
    judged: &BTreeSet<String>,
    seconds: &BTreeMap<&str, f64>,
) -> Result<()> {
    println!(
        "\n| crate | mutants | caught | missed | timeout | unviable | caught of viable | seconds each |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, _) in CRATES {
        let count = Count::of(record, drawn.iter().filter(|mutant| mutant.of == name));
        let each = seconds.get(name).map_or(String::new(), |seconds| format!("{seconds:.0}"));
        println!("{}", count.row(name, &each));
    }
    let all = Count::of(record, drawn.iter());
    println!("{}", all.row("all", ""));
    let survivors: BTreeSet<&str> = drawn
        .iter()
        .filter(|mutant| record.verdict(mutant) == Some(Verdict::Missed))
        .map(|mutant| mutant.identity.as_str())
        .collect();
    for mutant in drawn {
        if judged.contains(&mutant.identity) && !survivors.contains(mutant.identity.as_str()) {
            println!("{PAGE}: caught now, take the line out: {mutant}");
        }
    }
    let open: Vec<&str> =
        survivors.into_iter().filter(|survivor| !judged.contains(*survivor)).collect();
    ensure!(
        open.is_empty(),
        "no test catches these, and {PAGE} has no reason:\n  {}",
        open.join("\n  ")
    );
    ensure!(
        all.caught() * 100 >= CAUGHT_MIN * all.viable(),
        "{} of {} mutants that compile are caught, less than {CAUGHT_MIN} %",
        all.caught(),
        all.viable()
    );
    Ok(())
}

/// How many mutants ended how.
#[derive(Debug, Default)]
struct Count(BTreeMap<Verdict, usize>);

impl Count {
    fn of<'m>(record: &Record, mutants: impl Iterator<Item = &'m Mutant>) -> Self {
        let mut count = Self::default();
        for verdict in mutants.filter_map(|mutant| record.verdict(mutant)) {
            *count.0.entry(verdict).or_default() += 1;
        }
        count
    }

    fn number(&self, verdict: Verdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or(0)
    }

    /// A test that never ends fails a run of all tests: a timeout is caught.
    fn caught(&self) -> usize {
        self.number(Verdict::Caught) + self.number(Verdict::Timeout)
    }

    fn viable(&self) -> usize {
        self.caught() + self.number(Verdict::Missed)
    }

    fn row(&self, name: &str, seconds: &str) -> String {
        let [caught, missed, timeout, unviable] =
            [Verdict::Caught, Verdict::Missed, Verdict::Timeout, Verdict::Unviable]
                .map(|verdict| self.number(verdict));
        let percent = (self.caught() * 1000).checked_div(self.viable());
        let percent = percent.map_or(String::new(), |tenths| format!("{} %", tenths as f64 / 10.0));
        let all = self.viable() + unviable;
        format!(
            "| {name} | {all} | {caught} | {missed} | {timeout} | {unviable} | {percent} | {seconds} |"
        )
    }
}

/// The verdicts so far, one a line, in a file of the target folder.
struct Record {
    path: PathBuf,
    verdicts: BTreeMap<String, Verdict>,
}

impl Record {
    fn open(path: &Path, again: bool) -> Result<Self> {
        if again && path.exists() {
            fs::remove_file(path)?;
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        let verdicts = text
            .lines()
            .filter_map(|line| {
                let (word, identity) = line.split_once(' ')?;
                Some((identity.to_owned(), Verdict::of_word(word)?))
            })
            .collect();
        Ok(Self { path: path.to_owned(), verdicts })
    }

    fn verdict(&self, mutant: &Mutant) -> Option<Verdict> {
        self.verdicts.get(&mutant.identity).copied()
    }

    /// What was missed and is not judged is tried again: a test may have come.
    fn is_settled(&self, mutant: &Mutant, judged: &BTreeSet<String>) -> bool {
        match self.verdict(mutant) {
            Some(Verdict::Missed) => judged.contains(&mutant.identity),
            verdict => verdict.is_some(),
        }
    }

    fn note(&mut self, mutant: &Mutant, verdict: Verdict) -> Result<()> {
        self.verdicts.insert(mutant.identity.clone(), verdict);
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        writeln!(file?, "{} {mutant}", verdict.word()).context("the record of mutants")
    }
}

/// The survivors with a reason: ``- `MUTANT`: REASON``, a list item that ends at the next or at an
/// empty line.
fn judged(page: &str) -> Result<BTreeSet<String>> {
    let mut judged = BTreeSet::new();
    for item in items(page).iter().filter(|item| item.starts_with("`crates/")) {
        let entry = item.trim_start_matches('`').split_once("`: ");
        let Some((mutant, reason)) = entry else {
            bail!("{PAGE} gives no reason: {item}");
        };
        ensure!(judged.insert(mutant.to_owned()), "{PAGE} judges a mutant twice: {mutant}");
        ensure!(reason.len() > 20, "{PAGE}: `{reason}` is too short to be a reason");
    }
    Ok(judged)
}

/// The list items of a page, each in one line.
fn items(page: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut is_in_item = false;
    for line in page.lines() {
        if let Some(first) = line.strip_prefix("- ") {
            items.push(first.trim().to_owned());
        } else if let Some(item) = items.last_mut()
            && is_in_item
            && line.starts_with("  ")
        {
            *item = format!("{item} {}", line.trim());
        }
        is_in_item = line.starts_with("- ") || is_in_item && line.starts_with("  ");
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_is_judged_by_a_line_with_a_reason() {
        let page = "# Mutants\n- one\n  of two\n- `crates/a/src/b.rs: replace x`:\n  equal for every size there is\n\n  code\n";
        assert_eq!(
            items(page),
            ["one of two", "`crates/a/src/b.rs: replace x`: equal for every size there is"]
        );
        assert_eq!(
            judged(page).unwrap(),
            BTreeSet::from(["crates/a/src/b.rs: replace x".to_owned()])
        );
        for wrong in ["- `crates/a`: ", "- `crates/a`", "- `crates/a`: equivalent"] {
            assert!(judged(wrong).is_err(), "{wrong}");
        }
        assert!(judged(&page.repeat(2)).is_err());
    }

    #[test]
    fn the_page_of_the_project_is_read() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
        judged(&fs::read_to_string(page).unwrap()).unwrap();
    }

    #[test]
    fn a_timeout_is_caught_and_what_does_not_compile_is_no_mutant() {
        let verdicts = [
            (Verdict::Caught, 18),
            (Verdict::Timeout, 1),
            (Verdict::Missed, 1),
            (Verdict::Unviable, 5),
        ];
        let count = Count(verdicts.into());
        assert_eq!((count.caught(), count.viable()), (19, 20));
        assert_eq!(count.row("all", "7"), "| all | 25 | 18 | 1 | 1 | 5 | 95 % | 7 |");
    }

    #[test]
    fn only_what_was_missed_for_no_reason_is_tried_again() {
        let folder = std::env::temp_dir().join(format!("cvmkit-mutants-{}", std::process::id()));
        fs::write(&folder, "missed a: b\ncaught a: b\ncaught a: c\nmissed a: c\nodd line\n")
            .unwrap();
        let record = Record::open(&folder, false).unwrap();
        fs::remove_file(&folder).unwrap();
        let is_settled = |identity: &str, judged: &BTreeSet<String>| {
            record.is_settled(&Mutant::named(identity), judged)
        };
        let none = BTreeSet::new();
        assert!(is_settled("a: b", &none) && !is_settled("a: c", &none));
        let judged = BTreeSet::from(["a: c".to_owned(), "odd line".to_owned()]);
        assert!(is_settled("a: c", &judged) && !is_settled("odd line", &judged));
    }
}
