//! The shape of the project in numbers: one row for each crate, as `docs/shape.md` has them.
//!
//! Tests are `tests/`, modules and files of that name, and nothing else.

mod arrows;
mod functions;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{Workspace, step};
use functions::{functions, source};

/// The floors of the house from the top, each with its crates; `ARCHITECTURE.md` draws them.
const FLOORS: [(&str, &[&str]); 3] = [
    ("the human", &["cli"]),
    ("build, claim, boot", &["engine", "attest", "vm"]),
    ("ground", &["measure", "debian", "host", "formats", "shell", "stage1"]),
];

/// The page that has the table.
const PAGE: &str = "docs/shape.md";

/// What stands before the tables in the page.
const HEAD: &str = "\
# The shape of the project

Written by `cargo xtask shape`. Lines are those of files, comments and blank ones among them; \"95 %\" of files
or functions have at most so many. Tests are what stands in `tests/`, in a module `tests` at the end of a file, or in a
file or folder of that name; fixtures and snapshots are not counted. Tests : source is counted twice: in lines of files on
both sides, and in lines of code on both sides, without comments, documentation and blank lines. The first is lower because
documentation stands in the source; the goal of 0.7 is of the first. A crate links those of others that are in its program,
macros and build scripts among them.

";

/// What stands before the table of arrows.
const HEAD_OF_ARROWS: &str = "
An arrow is a file whose code, tests aside, names another crate of the house. None points up: a test forbids it
(`xtask/tests/house.rs`).

";

/// Counts, prints the tables and writes the page.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let crates = workspace.root.join("crates");
    let mut table = String::from(
        "| crate | files | lines | of tests | tests : source | in code | longest file | 95 % | longest function | 95 % | links of ours | links |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut all = Shape::default();
    for name in FLOORS.iter().flat_map(|(_, names)| *names) {
        let shape = Shape::of(&crates.join(name))?;
        let links = links(workspace, name)?;
        let ours = links.iter().filter(|of| of.starts_with("cvmkit-")).count();
        writeln!(table, "{}", shape.row(name, &ours.to_string(), &links.len().to_string()))?;
        all.add(shape);
    }
    writeln!(table, "{}", all.row("all", "", ""))?;
    let arrows = arrows::table(&crates)?;
    print!("{table}\n{arrows}");
    fs::write(workspace.root.join(PAGE), format!("{HEAD}{table}{HEAD_OF_ARROWS}{arrows}"))
        .context(PAGE)
}

/// The crates that a crate links, itself left out.
fn links(workspace: &Workspace, name: &str) -> Result<Vec<String>> {
    let package = if name == "cli" { "cvmkit".to_owned() } else { format!("cvmkit-{name}") };
    let mut cargo = step::command("cargo", ["tree", "--edges", "normal", "--prefix", "none"]);
    cargo.args(["--format", "{p}", "--package", &package]).current_dir(&workspace.root);
    let listed = step::output(&mut cargo)?;
    let mut names: Vec<String> = listed
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned() + line.split(' ').nth(1)?))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// What is counted.
#[derive(Debug, Default)]
struct Shape {
    /// Lines of each file.
    files: Vec<usize>,
    /// Lines of each function that is no test's.
    functions: Vec<usize>,
    /// Lines of tests.
    tests: usize,
    /// Lines of code of the source, and of tests: no comment, no documentation, no blank line.
    code: Sides,
}

/// What is counted on both sides.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sides {
    source: usize,
    tests: usize,
}

impl Sides {
    /// Tests : source, with the two digits that show whether tests keep up.
    fn ratio(self) -> String {
        let ratio = self.tests * 100 / self.source.max(1);
        format!("{}.{:02}", ratio / 100, ratio % 100)
    }
}

impl Shape {
    fn of(folder: &Path) -> Result<Self> {
        let mut shape = Self::default();
        for part in ["src", "tests", "examples", "build.rs"] {
            let path = folder.join(part);
            if path.exists() {
                shape.take(&path, part == "tests")?;
            }
        }
        ensure!(!shape.files.is_empty(), "{} has no code", folder.display());
        Ok(shape)
    }

    fn take(&mut self, path: &Path, is_test: bool) -> Result<()> {
        let name = path.file_stem().unwrap_or_default();
        let is_test = is_test || name == "tests";
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.take(&entry?.path(), is_test)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            self.read(&text, is_test);
        }
        Ok(())
    }

    /// Counts a file.
    fn read(&mut self, text: &str, is_test: bool) {
        let lines: Vec<&str> = text.lines().collect();
        self.files.push(lines.len());
        let of_source = if is_test { 0 } else { source(&lines) };
        self.tests += lines.len() - of_source;
        let (source, tests) = lines.split_at(of_source);
        self.code.source += code(source);
        self.code.tests += code(tests);
        self.functions.extend(functions(source).map(|(_, lines)| lines));
    }

    fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.functions.extend(other.functions);
        self.tests += other.tests;
        self.code.source += other.code.source;
        self.code.tests += other.code.tests;
    }

    fn row(&self, name: &str, ours: &str, links: &str) -> String {
        let lines: usize = self.files.iter().sum();
        let sides = Sides { source: lines - self.tests, tests: self.tests };
        let (file, file_95) = longest(&self.files);
        let (function, function_95) = longest(&self.functions);
        format!(
            "| {name} | {} | {lines} | {} | {} | {} | {file} | {file_95} | {function} | {function_95} | {ours} | {links} |",
            self.files.len(),
            self.tests,
            sides.ratio(),
            self.code.ratio(),
        )
    }
}

/// How many lines are code. Comments of a file are line comments.
fn code(lines: &[&str]) -> usize {
    let is_code = |line: &&&str| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//")
    };
    lines.iter().filter(is_code).count()
}

/// The longest, and what 95 of 100 do not exceed.
fn longest(lengths: &[usize]) -> (usize, usize) {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
    (sorted.last().copied().unwrap_or(0), sorted.get(at).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_and_tests_are_counted_apart() {
        let mut shape = Shape::default();
        shape.read(functions::FILE, false);
        assert_eq!(shape.functions, [1, 6, 3]);
        assert_eq!((shape.files.as_slice(), shape.tests), ([25].as_slice(), 5));
        assert_eq!(shape.code, Sides { source: 15, tests: 5 });
        assert!(
            shape
                .row("a", "1", "2")
                .starts_with("| a | 1 | 25 | 5 | 0.25 | 0.33 | 25 | 25 | 6 | 6 |")
        );
        shape.read(functions::FILE, true);
        assert_eq!((shape.functions.len(), shape.tests), (3, 30));
    }

    #[test]
    fn one_in_twenty_may_be_longer() {
        let lengths: Vec<usize> = (1..=100).collect();
        assert_eq!(longest(&lengths), (100, 95));
        assert_eq!(longest(&[7]), (7, 7));
        assert_eq!(longest(&[]), (0, 0));
    }
}
