//! Transcripts: scripts, and what dash makes of each.
//!
//! A line of a script starts with `$ ` if it is the first and with `> ` if it is not. Its output follows, then
//! the lines of its errors behind `stderr: `, then `exit: ` with its status where that is not 0.

#![expect(clippy::disallowed_types, reason = "runs dash")]

use std::io::Write;
use std::process::{Command, Stdio};

use crate::evaluation::{Finished, Limits, Start, evaluate};
use crate::world::{FileType, Status};

#[path = "../tests/memory/mod.rs"]
pub(crate) mod memory;

use memory::Memory;

/// `$0` and the positional parameters of every script.
const PARAMETERS: [&str; 5] = ["script", "one", "t wo", "", "four"];

/// A script, and what it comes to.
struct Case {
    script: String,
    finished: Finished,
}

fn cases(transcript: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in transcript.lines().skip_while(|line| line.is_empty()) {
        if let Some(script) = line.strip_prefix("$ ") {
            cases.push(Case { script: script.into(), finished: Finished::default() });
            continue;
        }
        let Case { script, finished } = cases.last_mut().expect("a script comes first");
        if let Some(more) = line.strip_prefix("> ") {
            script.push('\n');
            script.push_str(more);
        } else if let Some(error) = line.strip_prefix("stderr: ") {
            finished.errors.extend(format!("{error}\n").bytes());
        } else if let Some(status) = line.strip_prefix("exit: ") {
            finished.status = status.parse().expect("a status");
        } else {
            finished.output.extend(format!("{line}\n").bytes());
        }
    }
    cases
}

fn start(directory: &str, search: &str) -> Start {
    Start {
        name: PARAMETERS[0].into(),
        arguments: PARAMETERS[1..].iter().map(|one| one.as_bytes().to_vec()).collect(),
        environment: [("PATH".to_owned(), search.into())].into(),
        directory: directory.into(),
        ..Start::default()
    }
}

fn ours(script: &str, start: Start, mut world: Memory) -> Finished {
    let found = evaluate(script.as_bytes(), start, &mut world, Limits::default());
    found.unwrap_or_else(|stop| panic!("{script}: {stop}"))
}

/// What a script comes to in dash: where its words are not ours, that it says something.
fn dash(script: &str) -> Finished {
    // Of its own: what a script writes would be what another one's patterns match.
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("/bin/dash")
        .arg("-c")
        .arg(script)
        .args(PARAMETERS)
        .env_clear()
        .env("PATH", "/nowhere")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("dash is installed");
    let status = output.status.code().and_then(|code| u8::try_from(code).ok());
    // Ours is the root directory.
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match text.contains(folder.path().to_str().expect("UTF-8")) {
            true => text.replace(folder.path().to_str().expect("UTF-8"), "/").into_bytes(),
            false => bytes,
        }
    };
    let (output, errors) = (text(output.stdout), text(output.stderr));
    Finished { status: status.expect("a status"), output, errors }
}

/// Whether dash takes a script, which it does not run.
pub(crate) fn dash_takes(script: &[u8]) -> bool {
    takes("/bin/dash", script)
}

/// Whether bash takes a script, which it does not run.
pub(crate) fn bash_takes(script: &[u8]) -> bool {
    takes("/bin/bash", script)
}

/// The words that bash makes of a word.
pub(crate) fn bash_words(word: &str) -> Vec<String> {
    let output = Command::new("/bin/bash")
        .args(["--norc", "-f", "-c", &format!("for word in {word}; do echo \"$word\"; done")])
        .output()
        .expect("bash is installed");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn takes(shell: &str, script: &[u8]) -> bool {
    let mut child = Command::new(shell)
        .arg("-n")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the shell is installed");
    // It may end before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(script);
    child.wait().expect("it ends").success()
}

fn shown(finished: &Finished) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (output, errors) = (text(&finished.output), text(&finished.errors));
    format!("{output}stderr: {errors}exit: {}", finished.status)
}

/// Scripts of a world without files and commands come to what their transcript says, here and in dash.
pub(crate) fn check(transcript: &str) {
    let cases = cases(transcript);
    assert!(!cases.is_empty());
    for Case { script, finished } in cases {
        let ours = ours(&script, start("/", "/nowhere"), Memory::default());
        assert!(ours == finished, "{script}\n{}\nexpected\n{}", shown(&ours), shown(&finished));
        let theirs = dash(&script);
        let is_same = (theirs.status, &theirs.output, theirs.errors.is_empty())
            == (ours.status, &ours.output, ours.errors.is_empty());
        assert!(is_same, "dash: {script}\n{}\nours\n{}", shown(&theirs), shown(&ours));
    }
}

/// As [`check`], in a fresh [`world`] for each script. The transcripts were taken of dash in a folder `/w` with
/// the same files; the test does not make that folder.
pub(crate) fn check_in_world(transcript: &str) {
    let cases = cases(transcript);
    assert!(!cases.is_empty());
    for Case { script, finished } in cases {
        let ours = ours(&script, start("/w", "/w/bin"), world());
        assert!(ours == finished, "{script}\n{}\nexpected\n{}", shown(&ours), shown(&finished));
    }
}

/// A folder `/w` with files of every type.
pub(crate) fn world() -> Memory {
    let mut world = Memory::default();
    for (path, contents) in [
        ("/w/a.txt", "one\ntwo\n"),
        ("/w/b.txt", ""),
        ("/w/.hidden", ""),
        ("/w/dir/x.sh", "echo sourced $1; v=1; return 3; echo no\n"),
        ("/w/dir/y", ""),
        ("/w/dir/sub/z", ""),
        ("/w/bin/cat", ""),
    ] {
        world.files.insert(path.into(), contents.into());
    }
    world.links.insert("/w/link".into(), "/w/a.txt".into());
    world.links.insert("/w/broken".into(), "/w/nowhere".into());
    let file = memory::plain(FileType::Regular, 0);
    for (path, status) in [
        ("/w/a.txt", Status { inode: 7, ..memory::plain(FileType::Regular, 8) }),
        ("/w/hard", Status { inode: 7, ..memory::plain(FileType::Regular, 8) }),
        ("/w/exec", Status { mode: 0o755, inode: 8, ..file }),
        ("/w/setuid", Status { mode: 0o4644, ..file }),
        ("/w/setgid", Status { mode: 0o2644, gid: 5, ..file }),
        ("/w/sticky", Status { mode: 0o1755, uid: 5, file_type: FileType::Directory, ..file }),
        ("/w/fifo", Status { file_type: FileType::Fifo, ..file }),
        ("/w/socket", Status { file_type: FileType::Socket, ..file }),
        ("/w/block", Status { file_type: FileType::BlockDevice, ..file }),
        ("/w/character", Status { file_type: FileType::CharDevice, ..file }),
        ("/dev/null", Status { file_type: FileType::CharDevice, ..file }),
        ("/w/old", Status { mtime: 1, inode: 9, ..file }),
        ("/w/new", Status { mtime: 2, inode: 10, ..file }),
    ] {
        world.nodes.insert(path.into(), status);
    }
    world
}

#[test]
fn a_transcript_is_taken_apart() {
    let [one, other] =
        cases("\n$ a\n> b\nout\n$x\nstderr: e\nexit: 3\n$ c\n").try_into().ok().unwrap();
    assert_eq!(one.script, "a\nb");
    assert_eq!(
        one.finished,
        Finished { status: 3, output: b"out\n$x\n".into(), errors: b"e\n".into() }
    );
    assert_eq!((other.script.as_str(), other.finished), ("c", Finished::default()));
}
