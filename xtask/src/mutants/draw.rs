//! What can be changed, and which changes a seed draws.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::step;

/// Mutants when no number is given.
const COUNT: usize = 300;

/// The seed when none is given.
const SEED: &str = "cvmkit";

/// A position in a file: line and column, both from 1.
type Position = (u64, u64);

/// One change of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mutant {
    /// File and change, without the line: what stands elsewhere in the file does not rename it. The
    /// second of two equal changes of one file ends in ` (2)`.
    pub(super) identity: String,
    /// The crate.
    pub(super) of: String,
    /// The file below the root.
    pub(super) file: String,
    replacement: String,
    start: Position,
    end: Position,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity)
    }
}

impl Mutant {
    /// From an entry of cargo-mutants' list; the identity counts no equals yet.
    fn of(entry: &Value) -> Result<Self> {
        let text = |at: &str| entry.pointer(at).and_then(Value::as_str).context(at.to_owned());
        let number = |at: &str| entry.pointer(at).and_then(Value::as_u64).context(at.to_owned());
        let position = |at: &str| -> Result<Position> {
            Ok((number(&format!("/span/{at}/line"))?, number(&format!("/span/{at}/column"))?))
        };
        let (file, name) = (text("/file")?, text("/name")?);
        let (start, end) = (position("start")?, position("end")?);
        let place = format!("{file}:{}:{}: ", start.0, start.1);
        let change =
            name.strip_prefix(&place).with_context(|| format!("{name} is not at {place}"))?;
        Ok(Self {
            identity: format!("{file}: {change}"),
            of: text("/package")?.trim_start_matches("cvmkit-").to_owned(),
            file: file.to_owned(),
            replacement: text("/replacement")?.to_owned(),
            start,
            end,
        })
    }

    /// The text of the file with the change.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        let offset = |(line, column): Position| {
            let (mut at, mut left) = (0, line);
            for one in text.split_inclusive('\n') {
                left -= 1;
                if left == 0 {
                    let (inside, _) = one.char_indices().nth(usize::try_from(column).ok()? - 1)?;
                    return Some(at + inside);
                }
                at += one.len();
            }
            None
        };
        let range = offset(self.start).zip(offset(self.end));
        let (start, end) = range.with_context(|| format!("{self}: the file is shorter"))?;
        let (before, after) = (text.get(..start), text.get(end..));
        let (before, after) =
            before.zip(after).with_context(|| format!("{self}: no such place"))?;
        Ok([before, &self.replacement, after].concat())
    }

    /// The module at the top of the crate that the file is of.
    pub(super) fn module(&self) -> &str {
        let inside = self.file.split_once("/src/").map_or("", |(_, inside)| inside);
        let module = inside.split('/').next().unwrap_or_default();
        module.trim_end_matches(".rs")
    }

    #[cfg(test)]
    pub(super) fn named(identity: &str) -> Self {
        let file = identity.split(": ").next().unwrap_or_default().to_owned();
        let (start, end) = ((1, 1), (1, 1));
        Self {
            identity: identity.to_owned(),
            of: String::new(),
            file,
            replacement: String::new(),
            start,
            end,
        }
    }
}

/// Every mutant of some crates, in the order of the files.
pub(super) fn list(cargo_mutants: &Path, tree: &Path, crates: &[&str]) -> Result<Vec<Mutant>> {
    let mut list =
        step::command(cargo_mutants, ["mutants", "--list", "--json", "--no-config", "--dir"]);
    list.arg(tree).args(crates.iter().map(|name| format!("--package=cvmkit-{name}")));
    let listed: Vec<Value> =
        serde_json::from_str(&step::output(&mut list)?).context("the list of mutants")?;
    let mut mutants = listed.iter().map(Mutant::of).collect::<Result<Vec<_>>>()?;
    tell_equals_apart(&mut mutants);
    Ok(mutants)
}

fn tell_equals_apart(mutants: &mut [Mutant]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for mutant in mutants {
        let number = seen.entry(mutant.identity.clone()).or_default();
        *number += 1;
        if *number > 1 {
            mutant.identity += &format!(" ({number})");
        }
    }
}

/// Which mutants to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Draw {
    count: usize,
    seed: String,
    /// Whether earlier verdicts are forgotten.
    pub(super) again: bool,
}

impl Draw {
    /// `[--count N] [--seed S] [--again]`.
    pub(super) fn parse(options: &[&str]) -> Result<Self> {
        let mut draw = Self { count: COUNT, seed: SEED.to_owned(), again: false };
        let mut left = options;
        while let Some((option, rest)) = left.split_first() {
            left = match (*option, rest) {
                ("--again", rest) => {
                    draw.again = true;
                    rest
                }
                ("--count", [count, rest @ ..]) => {
                    draw.count = count.parse().context("the number of mutants")?;
                    rest
                }
                ("--seed", [seed, rest @ ..]) => {
                    draw.seed = (*seed).to_owned();
                    rest
                }
                _ => bail!("{}", crate::USAGE),
            };
        }
        Ok(draw)
    }

    /// The first of all mutants by SHA-256 of seed and identity: a smaller draw is part of a larger one.
    pub(super) fn of(&self, mut mutants: Vec<Mutant>) -> Vec<Mutant> {
        mutants.sort_by_cached_key(|mutant| {
            let hash = Sha256::new_with_prefix(&self.seed).chain_update(&mutant.identity);
            <[u8; 32]>::from(hash.finalize())
        });
        mutants.truncate(self.count);
        mutants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Value {
        serde_json::json!({
            "file": "crates/measure/src/tdx/mrtd.rs",
            "name": name,
            "package": "cvmkit-measure",
            "replacement": "Ok(())",
            "span": { "start": { "line": 2, "column": 5 }, "end": { "line": 3, "column": 2 } },
        })
    }

    #[test]
    fn a_mutant_is_read_and_applied() {
        let mutant = Mutant::of(&entry("crates/measure/src/tdx/mrtd.rs:2:5: replace f")).unwrap();
        assert_eq!(mutant.identity, "crates/measure/src/tdx/mrtd.rs: replace f");
        assert_eq!((mutant.of.as_str(), mutant.module()), ("measure", "tdx"));
        // Columns count letters, as rustc's do.
        let text = "fn f() {\n/*é*/let a = 1;\n} }\n";
        let at_letters = mutant.apply(text).unwrap();
        assert_eq!(at_letters, "fn f() {\n/*é*Ok(()) }\n");
        assert!(mutant.apply("fn f() {\n").is_err());
        assert!(Mutant::of(&entry("crates/measure/src/tdx/mrtd.rs:9:9: replace f")).is_err());
    }

    #[test]
    fn a_draw_is_its_seed_s_and_a_smaller_one_its_beginning() {
        let mut all: Vec<Mutant> = ["a: +", "b: +", "a: +", "c: +"].map(Mutant::named).into();
        tell_equals_apart(&mut all);
        assert_eq!(all[2].identity, "a: + (2)");
        let drawn = |count: &str, seed: &str| {
            let draw = Draw::parse(&["--count", count, "--seed", seed]).unwrap();
            draw.of(all.clone()).into_iter().map(|mutant| mutant.identity).collect::<Vec<_>>()
        };
        let whole = drawn("9", "1");
        assert_eq!(whole.len(), 4);
        assert_eq!(drawn("2", "1"), whole[..2]);
        assert!((0..9).any(|seed| drawn("9", &seed.to_string()) != whole));
    }

    #[test]
    fn options_are_read() {
        let default = Draw { count: 300, seed: "cvmkit".to_owned(), again: false };
        assert_eq!(Draw::parse(&[]).unwrap(), default);
        assert!(Draw::parse(&["--again"]).unwrap().again);
        for wrong in [&["--count"][..], &["--count", "many"], &["100"]] {
            assert!(Draw::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
