//! Rules of CONTRIBUTING.md that no lint knows: what no file may say, and how long one may be.

#![expect(clippy::disallowed_methods, reason = "the test reads the project's own files")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is two files.
const LINES_MAX: usize = 700;

/// What is made here, and what git keeps for itself.
const NOT_OURS: [&str; 3] = [".git", "out", "target"];

/// What people read and write.
const WRITTEN: [&str; 4] = [".rs", ".md", ".toml", "/run"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The project's text files by their path, with their contents.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    assert!(files.len() > 20, "only {} files", files.len());
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push((path, text));
        }
    }
}

fn is_written(name: &str) -> bool {
    WRITTEN.iter().any(|ending| name.ends_with(ending))
}

/// Every line that breaks a rule, as `file:line: text`.
fn offences(of: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files() {
        for (number, line) in text.lines().enumerate() {
            if of(&name, line) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_to_do() {
    // Put together here so that this file is not its own offence.
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X:"].concat()];
    let found = offences(|name, line| {
        name.ends_with(".rs") && words.iter().any(|word| line.contains(word.as_str()))
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = files()
        .into_iter()
        .filter(|(name, _)| name.ends_with(".rs"))
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "more than {LINES_MAX} lines: {long:#?}");
}

#[test]
fn the_path_of_the_checkout_is_not_named() {
    let here = root().to_string_lossy().into_owned() + "/";
    let found = offences(|name, line| is_written(name) && line.contains(&here));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_mirror_is_named() {
    let hosts = ["archive", "deb", "ftp", "security", "snapshot"].map(|host| {
        // Put together here so that this file is not its own offence.
        format!("{host}.{}", ["debian", "org"].join("."))
    });
    let found = offences(|name, line| {
        is_written(name) && hosts.iter().any(|host| line.contains(host.as_str()))
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// A task of the project is a program in Rust. In the tree of a recipe is what a guest runs, which has
/// nothing but a shell.
#[test]
fn shell_scripts_are_short() {
    for (name, text) in files() {
        let shell = text.starts_with("#!/bin/sh")
            || text
                .lines()
                .next()
                .is_some_and(|line| line.starts_with("#!") && line.contains("bash"));
        let in_guest = name.starts_with("recipes/") && name.contains("/tree/");
        let limit = if in_guest { 150 } else { 50 };
        assert!(!shell || text.lines().count() <= limit, "{name} has more than {limit} lines");
    }
}

#[test]
fn versions_are_pinned_in_the_workspace_table_only() {
    for (name, text) in files() {
        if !name.ends_with("/Cargo.toml") || name.starts_with("fuzz/") {
            continue;
        }
        let mut dependencies = false;
        for line in text.lines() {
            if line.starts_with('[') {
                dependencies = line.ends_with("dependencies]");
            } else if dependencies && line.contains('=') {
                assert!(line.contains("workspace = true"), "{name}: {line}");
            }
        }
    }
}
