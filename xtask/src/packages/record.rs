//! Verdicts so far, one a line, in a file that outlives a run.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Set,
    Package,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every script evaluates.
    Ok,
    /// The program has a problem.
    Fails,
    /// The mirror lacks a file that its index lists.
    Mirror,
}

const KINDS: [(Kind, &str); 2] = [(Kind::Set, "set"), (Kind::Package, "package")];

const VERDICTS: [(Verdict, &str); 3] =
    [(Verdict::Ok, "ok"), (Verdict::Fails, "fails"), (Verdict::Mirror, "mirror")];

impl Kind {
    fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        VERDICTS.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, word)| word)
    }
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The program that it is of.
    pub(super) version: String,
    pub(super) verdict: Verdict,
    pub(super) problems: Vec<String>,
}

impl Outcome {
    /// For whoever watches.
    pub(super) fn line(&self) -> String {
        let problem = self.problems.first().map_or(String::new(), |problem| format!(": {problem}"));
        let line = format!("{} {}{problem}", self.verdict.word(), self.name);
        line.lines().next().unwrap_or_default().to_owned()
    }

    fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.word(),
            "name": self.name,
            "version": self.version,
            "verdict": self.verdict.word(),
            "problems": self.problems,
        })
    }

    fn of_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str();
        let problems = value["problems"].as_array()?.iter();
        Some(Self {
            kind: KINDS.iter().find(|(_, word)| Some(*word) == text("kind"))?.0,
            name: text("name")?.to_owned(),
            version: text("version")?.to_owned(),
            verdict: VERDICTS.iter().find(|(_, word)| Some(*word) == text("verdict"))?.0,
            problems: problems.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

/// The last verdict on each name.
pub(super) struct Record {
    path: PathBuf,
    outcomes: BTreeMap<(Kind, String), Outcome>,
}

impl Record {
    pub(super) fn open(path: &Path, again: bool) -> Result<Self> {
        if again && path.exists() {
            fs::remove_file(path)?;
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        // A line that a killed run left unfinished is none.
        let outcomes = lines.filter_map(|line| Outcome::of_json(&line));
        let outcomes =
            outcomes.map(|outcome| ((outcome.kind, outcome.name.clone()), outcome)).collect();
        Ok(Self { path: path.to_owned(), outcomes })
    }

    pub(super) fn of(&self, kind: Kind, name: &str) -> Option<&Outcome> {
        self.outcomes.get(&(kind, name.to_owned()))
    }

    /// Whether this program has a verdict.
    pub(super) fn is_settled(&self, kind: Kind, name: &str, version: &str) -> bool {
        self.of(kind, name).is_some_and(|outcome| outcome.version == version)
    }

    pub(super) fn note(&mut self, outcome: Outcome) -> Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        writeln!(file?, "{}", outcome.to_json()).context("the record of outcomes")?;
        self.outcomes.insert((outcome.kind, outcome.name.clone()), outcome);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_outlive_a_run() {
        let path = std::env::temp_dir().join(format!("cvmkit-record-{}", std::process::id()));
        let outcome = |verdict, version: &str| Outcome {
            kind: Kind::Set,
            name: "nginx".into(),
            version: version.into(),
            verdict,
            problems: vec!["a\nb".into()],
        };
        let mut record = Record::open(&path, true).unwrap();
        record.note(outcome(Verdict::Fails, "1")).unwrap();
        record.note(outcome(Verdict::Ok, "2")).unwrap();
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"kind\":\"se").unwrap();
        let record = Record::open(&path, false).unwrap();
        assert_eq!(record.of(Kind::Set, "nginx"), Some(&outcome(Verdict::Ok, "2")));
        assert!(record.is_settled(Kind::Set, "nginx", "2"));
        assert!(!record.is_settled(Kind::Set, "nginx", "1"));
        assert!(!record.is_settled(Kind::Package, "nginx", "2"));
        fs::remove_file(path).unwrap();
    }
}
