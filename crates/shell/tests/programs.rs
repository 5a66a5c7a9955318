//! The programs against those of the machine: output, status, and the files that they leave.

#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]
#![expect(clippy::disallowed_types, reason = "runs dash")]
#![expect(clippy::disallowed_methods, reason = "looks at a scratch directory")]

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use cvmkit_shell::evaluation::{Limits, Start, evaluate};
use cvmkit_shell::memory::{Memory, Node};

/// What a script leaves: its output, its status, and a line for each path.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    status: u8,
    output: String,
    says_something: bool,
    files: Vec<String>,
}

fn theirs(script: &str) -> (Result, Vec<u8>) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let output = Command::new("/bin/dash")
        .args(["-c", script, "script"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (mut files, mut first) = (Vec::new(), BTreeMap::new());
    walk(&folder, &folder, &mut first, &mut files);
    let result = Result {
        status: u8::try_from(output.status.code().unwrap()).unwrap(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        says_something: !output.stderr.is_empty(),
        files,
    };
    (result, folder.as_os_str().as_bytes().to_vec())
}

fn walk(root: &Path, folder: &Path, first: &mut BTreeMap<u64, String>, files: &mut Vec<String>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let at = std::fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let mode = at.permissions().mode() & 0o7777;
        if at.is_dir() {
            files.push(format!("{name}/ {mode:o}"));
            walk(root, &path, first, files);
        } else if at.is_symlink() {
            files.push(format!("{name} -> {}", std::fs::read_link(&path).unwrap().display()));
        } else if at.file_type().is_fifo() {
            files.push(format!("{name}| {mode:o}"));
        } else {
            let known = first.entry(at.ino()).or_insert_with(|| name.clone()).clone();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            files.push(format!("{name} {mode:o} {known} {text:?}"));
        }
    }
}

fn ours(script: &str, folder: &[u8]) -> std::result::Result<Result, String> {
    let mut memory = Memory::with_programs(folder);
    let start = Start {
        name: "script".into(),
        environment: [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .into(),
        directory: folder.to_vec(),
        ..Start::default()
    };
    let finished = evaluate(script.as_bytes(), start, &mut memory, Limits::default())
        .map_err(|stop| stop.to_string())?;
    let mut first = BTreeMap::new();
    let files = memory
        .walk(folder)
        .into_iter()
        .map(|(path, number)| {
            let name = String::from_utf8_lossy(&path[folder.len() + 1..]).into_owned();
            let inode = memory.inode(number);
            match &inode.node {
                Node::Directory(_) => format!("{name}/ {:o}", inode.mode),
                Node::Fifo => format!("{name}| {:o}", inode.mode),
                Node::Symlink(target) => format!("{name} -> {}", String::from_utf8_lossy(target)),
                Node::File(contents) => {
                    let known = first.entry(number).or_insert_with(|| name.clone());
                    let text = String::from_utf8_lossy(contents);
                    format!("{name} {:o} {known} {text:?}", inode.mode)
                }
            }
        })
        .collect();
    Ok(Result {
        status: finished.status,
        output: String::from_utf8_lossy(&finished.output).into_owned(),
        says_something: !finished.errors.is_empty(),
        files,
    })
}

fn compare(scripts: &str) {
    let mut different = Vec::new();
    for script in scripts.split("\n----\n").map(str::trim) {
        let (expected, folder) = theirs(script);
        match ours(script, &folder) {
            Ok(found) if found == expected => {}
            Ok(found) => {
                different.push(format!("{script}\n  theirs: {expected:?}\n  ours:   {found:?}"));
            }
            Err(stop) => different.push(format!("{script}\n  theirs: {expected:?}\n  {stop}")),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn programs_of_files() {
    compare(include_str!("cases/files.sh"));
}

#[test]
fn programs_of_text() {
    compare(include_str!("cases/text.sh"));
}

#[test]
fn grep() {
    compare(include_str!("cases/grep.sh"));
}

#[test]
fn sed() {
    compare(include_str!("cases/sed.sh"));
}

#[test]
fn programs_about_the_system() {
    compare(include_str!("cases/system.sh"));
}

#[test]
fn awk() {
    compare(include_str!("cases/awk.sh"));
}

#[test]
fn digests() {
    compare(include_str!("cases/digests.sh"));
}
