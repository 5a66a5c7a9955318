//! The shape of the project in numbers: one row for each crate, as `docs/shape.md` has them.
//!
//! Code is formatted by rustfmt, so a function ends at the brace that is as far in as its first line.
//! Tests are `tests/`, modules and files of that name, and nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{Workspace, step};

/// Crates from the top of the house to the ground.
const CRATES: [&str; 9] =
    ["cli", "engine", "attest", "vm", "measure", "debian", "host", "formats", "stage1"];

/// The page that has the table.
const PAGE: &str = "docs/shape.md";

/// What stands before the table in the page.
const HEAD: &str = "\
# The shape of the project

Written by `cargo xtask shape`. Lines are those of files, comments and blank ones among them; \"95 %\" of files
or functions have at most so many. A crate links those of others that are in its program, macros and build
scripts among them.

";

/// Counts, prints the table and writes the page.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut table = String::from(
        "| crate | files | lines | of tests | tests : source | longest file | 95 % | longest function | 95 % | links of ours | links |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut all = Shape::default();
    for name in CRATES {
        let shape = Shape::of(&workspace.root.join("crates").join(name))?;
        let links = links(workspace, name)?;
        let ours = links.iter().filter(|of| of.starts_with("cvmkit-")).count();
        writeln!(table, "{}", shape.row(name, &ours.to_string(), &links.len().to_string()))?;
        all.add(shape);
    }
    writeln!(table, "{}", all.row("all", "", ""))?;
    print!("{table}");
    fs::write(workspace.root.join(PAGE), format!("{HEAD}{table}")).context(PAGE)
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
    tests: usize,
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
        let code = lines.get(..of_source).unwrap_or_default();
        self.functions.extend(functions(code));
    }

    fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.functions.extend(other.functions);
        self.tests += other.tests;
    }

    fn row(&self, name: &str, ours: &str, links: &str) -> String {
        let lines: usize = self.files.iter().sum();
        let source = (lines - self.tests).max(1);
        // Two digits are enough to see whether tests keep up.
        let ratio = self.tests * 100 / source;
        let (file, file_95) = longest(&self.files);
        let (function, function_95) = longest(&self.functions);
        format!(
            "| {name} | {} | {lines} | {} | {}.{:02} | {file} | {file_95} | {function} | {function_95} | {ours} | {links} |",
            self.files.len(),
            self.tests,
            ratio / 100,
            ratio % 100,
        )
    }
}

/// How many lines stand before the module of tests, which is a file's last.
fn source(lines: &[&str]) -> usize {
    let is_head = |at: &usize| {
        lines.get(*at) == Some(&"#[cfg(test)]")
            && lines.get(at + 1).is_some_and(|next| *next == "mod tests {")
    };
    (0..lines.len()).find(is_head).unwrap_or(lines.len())
}

/// The lines of each function.
fn functions(lines: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "unsafe ", "extern \"C\" "];
        let mut rest = code;
        while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = next;
        }
        if !rest.starts_with("fn ") {
            continue;
        }
        let mut body = lines.iter().skip(at);
        // The head ends where the body begins, or at once: a declaration has none.
        let head = body.clone().find(|line| line.ends_with(['{', '}', ';']));
        let end = format!("{}}}", " ".repeat(line.len() - code.len()));
        match head {
            Some(head) if head.ends_with('{') => {
                found.extend(body.position(|line| *line == end).map(|len| len + 1));
            }
            Some(head) if head.ends_with('}') => found.push(1),
            _ => {}
        }
    }
    found
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

    const FILE: &str = "\
fn one() {}

impl A {
    /// Words.
    pub(crate) fn two(
        self,
    ) -> B {
        if a {
        }
    }
}

trait T {
    fn declared(&self);

    fn three(&self) {
        self.declared();
    }
}

#[cfg(test)]
mod tests {
    fn four() {
    }
}
";

    #[test]
    fn functions_end_where_they_began() {
        let mut shape = Shape::default();
        shape.read(FILE, false);
        assert_eq!(shape.functions, [1, 6, 3]);
        assert_eq!((shape.files.as_slice(), shape.tests), ([25].as_slice(), 5));
        shape.read(FILE, true);
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
