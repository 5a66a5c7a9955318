//! Rules of CONTRIBUTING.md that no lint knows: what no file may say, and how long one may be.

#![expect(clippy::disallowed_methods, reason = "the test reads the project's own files")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

#[path = "../src/shape/functions.rs"]
mod functions;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is two files.
const LINES_MAX: usize = 700;

/// A function that is longer, tests aside, is two functions.
const FUNCTION_MAX: usize = 60;

/// Functions that are longer, each with the reason. The list only shrinks.
const LONG_FUNCTIONS: [(&str, &str); 3] = [
    (
        "crates/engine/src/build/mod.rs: build",
        "the table of contents of a build, one line too long",
    ),
    ("crates/measure/src/compare/cause.rs: text", "a table: one sentence for each cause"),
    ("fuzz/examples/make_seeds.rs: is_read", "a table: one arm for each fuzz target"),
];

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
fn offences(mut of: impl FnMut(&str, &str) -> bool) -> Vec<String> {
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
fn no_function_is_too_long() {
    let mut long = Vec::new();
    for (name, text) in files() {
        let is_code = name.ends_with(".rs") && !name.split('/').any(is_of_tests);
        let lines: Vec<&str> = text.lines().collect();
        let source = lines.split_at(functions::source(&lines)).0;
        for (function, lines) in functions::functions(source).filter(|_| is_code) {
            if lines > FUNCTION_MAX {
                long.push(format!("{name}: {function}"));
            }
        }
    }
    let is_listed = |name: &String| LONG_FUNCTIONS.iter().any(|(listed, _)| listed == name);
    let new: Vec<_> = long.iter().filter(|name| !is_listed(name)).collect();
    assert!(new.is_empty(), "more than {FUNCTION_MAX} lines: {new:#?}");
    for (listed, _) in LONG_FUNCTIONS {
        assert!(
            long.iter().any(|name| name == listed),
            "take `{listed}` off the list: it is short"
        );
    }
}

/// Where a build reads what Debian made. Another source of packages is a folder beside it.
const DEBIAN: &str = "crates/engine/src/packages/debian";

/// The crate of Debian's archives has one user in `engine`, so that a build knows packages and no format
/// of an archive.
#[test]
fn the_engine_knows_debian_in_one_place() {
    let mut users = 0;
    let found = offences(|name, line| {
        // Put together here so that this file is not its own offence.
        let names = line.contains(&["cvmkit", "debian"].join("_"));
        let is_user = names && name.starts_with(DEBIAN);
        users += usize::from(is_user);
        names && !is_user && name.starts_with("crates/engine/src/")
    });
    assert!(found.is_empty(), "outside of {DEBIAN}: {found:#?}");
    assert!(users > 0, "{DEBIAN} is somewhere else");
}

fn is_of_tests(part: &str) -> bool {
    matches!(part, "tests" | "tests.rs" | "fuzz_targets")
}

/// Shapes that others defined, with their names of fields.
const NAMES_OF_OTHERS: [&str; 2] =
    ["crates/attest/src/export/", "crates/cli/src/commands/measure/stage0/report.rs"];

/// Keys of JSON are in kebab-case: what is serialized and has a field of several words says so.
#[test]
fn fields_are_serialized_in_kebab_case() {
    let mut found = Vec::new();
    for (name, text) in files() {
        let is_code =
            name.starts_with("crates/") && name.contains("/src/") && name.ends_with(".rs");
        if is_code && !NAMES_OF_OTHERS.iter().any(|others| name.starts_with(others)) {
            found.extend(
                snake_case_fields(&text).into_iter().map(|field| format!("{name}: {field}")),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The fields of structures that derive `Serialize` that would be written with an underscore.
fn snake_case_fields(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut attributes, mut is_open) = (String::new(), false);
    for line in text.lines() {
        let (line, is_top) = (line.trim_end(), !line.starts_with([' ', '}', ')']));
        if is_top && line.starts_with("#[") || !is_open && line.starts_with([' ', ')']) {
            attributes.push_str(line);
        } else if is_top {
            let is_written = attributes.contains("derive(") && attributes.contains("Serialize");
            let is_named = ["kebab-case", "transparent", "untagged"];
            is_open = line.contains("struct ")
                && line.ends_with('{')
                && is_written
                && !is_named.iter().any(|word| attributes.contains(word));
            attributes.clear();
        } else if line == "}" {
            (is_open, attributes) = (false, String::new());
        } else if is_open {
            let line = line.trim_start();
            let field = line.split_once(": ").map(|(field, _)| field.rsplit(' ').next());
            let is_other = ["rename", "skip)", "skip,", "flatten"];
            match field.flatten() {
                _ if line.starts_with("//") => {}
                _ if line.starts_with("#[") => attributes.push_str(line),
                Some(field) => {
                    let is_other = is_other.iter().any(|word| attributes.contains(word));
                    if field.contains('_') && !is_other {
                        found.push(field.to_owned());
                    }
                    attributes.clear();
                }
                None => {}
            }
        }
    }
    found
}

#[test]
fn fields_that_break_the_rule_are_found() {
    let text = "#[derive(Debug, Serialize)]\nstruct A {\n    /// a_b: c\n    pub(crate) page_type: u8,\n    \
                #[serde(skip)]\n    not_this: u8,\n}\n#[derive(Serialize)]\n\
                #[serde(rename_all = \"kebab-case\")]\nstruct B {\n    page_type: u8,\n}\n\
                #[derive(\n    Serialize,\n)]\nstruct C {\n    of_c: u8,\n}\nstruct D {\n    of_d: u8,\n}\n";
    assert_eq!(snake_case_fields(text), ["page_type", "of_c"]);
}

/// Crates that others link: no user of theirs has the options or the commands of cvmkit.
const LIBRARIES: [&str; 7] = ["attest", "debian", "formats", "host", "measure", "shell", "vm"];

/// A hint with an option belongs to `crates/cli/src/refusal.rs`, which finds the error that it is for.
#[test]
fn libraries_name_no_option_of_the_command_line() {
    let found = offences(|name, line| {
        let is_library = |of: &&str| name.starts_with(&format!("crates/{of}/src/"));
        LIBRARIES.iter().any(is_library) && names_option(line)
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// Whether a line of code has prose with an option or a command: behind a backtick or a space. `{} --version` is
/// a program that was called.
fn names_option(line: &str) -> bool {
    let is_option = |rest: &str| rest.starts_with(|first: char| first.is_ascii_lowercase());
    let follows = |begin: &str| line.split(begin).skip(1).any(is_option);
    let after_space = || follows(" --") && !line.contains("} --");
    let is_comment = line.trim_start().starts_with("//");
    !is_comment && (follows("`--") || follows("`cvmkit ") || after_space())
}

#[test]
fn options_in_the_prose_of_a_library_are_found() {
    for (line, expected) in [
        ("\"name with --layout the latest\"", true),
        ("\"sign it with `--key`\"", true),
        ("\"name a folder that `cvmkit build` wrote\"", true),
        ("/// As `--layout` of `cvmkit measure`.", false),
        ("#[error(\"`{} --version` names no version\")]", false),
        ("[\"socket\", \"--tpm2\"]", false),
        ("\"a -- b\"", false),
    ] {
        assert_eq!(names_option(line), expected, "{line}");
    }
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

/// Words that say nothing by themselves.
const FILLERS: [&str; 14] =
    ["a", "an", "and", "as", "by", "for", "from", "in", "is", "it", "its", "of", "the", "to"];

/// Words of a text in lower case and in the singular. The spelling of a standard, such as `SizeOfImage`, is one.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    let words = words.filter(|word| !word.is_empty() && !FILLERS.contains(&word.as_str()));
    words.map(|word| word.trim_end_matches('s').to_owned()).collect()
}

/// The words of a name: `RootHash` and `root_hash` are the same.
fn words_of_name(name: &str) -> BTreeSet<String> {
    let mut spaced = String::new();
    let mut last = '_';
    for letter in name.chars() {
        if last.is_lowercase() && letter.is_uppercase() {
            spaced.push(' ');
        }
        spaced.push(letter);
        last = letter;
    }
    words(&spaced)
}

/// The name of the public item, or field, that a line declares. A module says what it is in its own file.
fn public_name(line: &str) -> Option<&str> {
    const KEYWORDS: [&str; 9] =
        ["const ", "async ", "unsafe ", "fn ", "struct ", "enum ", "trait ", "type ", "static "];
    let mut rest = line.trim_start().strip_prefix("pub ")?;
    let mut is_item = false;
    while let Some(behind) = KEYWORDS.iter().find_map(|keyword| rest.strip_prefix(keyword)) {
        (rest, is_item) = (behind, true);
    }
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (name, behind) = rest.split_at(end);
    (!name.is_empty() && (is_item || behind.starts_with(':'))).then_some(name)
}

/// The doc comment that ends above a line, attributes passed over.
fn doc_above(lines: &[&str]) -> String {
    let (mut doc, mut is_in_attribute) = (Vec::new(), false);
    for line in lines.iter().rev().map(|line| line.trim()) {
        match line.strip_prefix("///") {
            _ if is_in_attribute => is_in_attribute = !line.starts_with("#["),
            Some(text) => doc.push(text),
            // Who calls the macro says it.
            None if line.starts_with("$(#[$") => doc.push("documentation of each"),
            None if line.starts_with("#[") => {}
            None if line.ends_with(")]") => is_in_attribute = true,
            None => break,
        }
    }
    doc.reverse();
    doc.join(" ")
}

/// What has a doc line that only repeats its name, as `name:line: name`.
fn repeated_names(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let source = &lines[..functions::source(&lines)];
    let mut found = Vec::new();
    for (at, line) in source.iter().enumerate() {
        let Some(item) = public_name(line) else { continue };
        if words(&doc_above(&source[..at])).is_subset(&words_of_name(item)) {
            found.push(format!("{name}:{}: {item}", at + 1));
        }
    }
    found
}

/// The command line is no library, and its `pub` goes no further than the program.
#[test]
fn every_public_item_says_more_than_its_name() {
    let is_library = |name: &str| {
        let mut parts = name.split('/');
        parts.next() == Some("crates")
            && !matches!(parts.next(), Some("cli" | "stage1"))
            && parts.next() == Some("src")
            && name.ends_with(".rs")
            && !name.split('/').any(is_of_tests)
    };
    let found: Vec<String> = files()
        .iter()
        .filter(|(name, _)| is_library(name))
        .flat_map(|(name, text)| repeated_names(name, text))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_doc_line_that_repeats_a_name_is_found() {
    let text = "/// Its root hash.\npub struct RootHash {\n    /// The size, in bytes.\n    pub size: u64,\n\
                /// `Sizes`\n#[serde(\n    skip,\n)]\npub size: u8,\npub fn bare() {}\n/// One of two.\n\
                #[must_use]\npub const fn one() {}\npub use a::b;\npub mod c;\n";
    assert_eq!(repeated_names("f", text), ["f:2: RootHash", "f:9: size", "f:10: bare"]);
}
