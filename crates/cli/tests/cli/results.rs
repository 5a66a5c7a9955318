//! What every command answers, as text and as JSON, so that wording and fields are reviewed together.
//!
//! The runs are those of [`COMMANDS`]. `lock`, `vendor`, `plan` and `build` have results where there is an
//! archive: in the transcripts of the test `refusals`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::json::{COMMANDS, inputs, line_of};
use crate::program::Folder;
use crate::snapshots;

/// A text of clap's: a script for a shell.
const NOT_OURS: [&str; 1] = ["completions"];

/// Longer lines are bytes in another form.
const LINE_MAX: usize = 1000;

/// What is printed, and the exit code where it is not 0.
fn printed(folder: &Folder, line: &str) -> String {
    let said = folder.cvmkit(line);
    let mut text = said.stderr + &said.stdout;
    if said.code != Some(0) {
        writeln!(text, "exit {:?}", said.code.unwrap_or(-1)).unwrap();
    }
    let shown = text.lines().map(|line| match line.len() {
        len if len > LINE_MAX => format!("[{len} characters that start with {:?}]\n", &line[..20]),
        _ => format!("{line}\n"),
    });
    shown.collect()
}

#[test]
fn results_are_reviewed() {
    snapshots::no_transcript();
    let mut texts = BTreeMap::<String, String>::new();
    // Some commands write: what they wrote as text is not there when they are asked for JSON.
    let (for_text, for_json) = (inputs(), inputs());
    for (name, line) in COMMANDS.iter().filter(|(name, _)| !NOT_OURS.contains(name)) {
        let line = line_of(name, line);
        let json_line = format!("{line} --format json");
        let (text, json) = (printed(&for_text, &line), printed(&for_json, &json_line));
        // It makes a seed.
        let json = if *name == "new" { snapshots::redacted(&json) } else { json };
        let json = if json == text { "the same\n".to_owned() } else { json };
        let of_command = texts.entry(name.replace(' ', "-")).or_default();
        write!(of_command, "$ cvmkit {line}\n{text}\n$ cvmkit {json_line}\n{json}\n").unwrap();
    }
    for (name, text) in &texts {
        snapshots::review("results", name, text);
    }
    let names: BTreeSet<String> = texts.into_keys().collect();
    assert_eq!(snapshots::names("results"), names, "snapshots of commands that are gone");
}
