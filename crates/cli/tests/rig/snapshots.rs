//! Snapshots of what the program prints, below `snapshots` of the test binary that takes them.
//!
//! Two kinds of text get here: one that a test makes and names ([`review`]), and the transcript of a test
//! ([`Transcript`]), which the harness writes while the test runs, so that no test has to ask for it.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests' own files, environment and list of tests"
)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the snapshots of this kind.
fn folder(kind: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join(env!("CARGO_CRATE_NAME")).join("snapshots").join(kind)
}

/// Compares a text with the reviewed one of this kind and name.
#[track_caller]
pub(crate) fn review(kind: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(kind));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The names of the reviewed texts of this kind.
pub(crate) fn names(kind: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(kind)).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_suffix(".snap")?.to_owned())).collect()
}

/// What the program printed in the test of this thread.
#[derive(Default)]
struct Printed {
    runs: Vec<String>,
    /// How many transcripts are open: the last one to close reviews what all have.
    open: usize,
    /// How many of this test were reviewed.
    reviewed: usize,
    /// See [`no_transcript`].
    is_left_out: bool,
}

thread_local! {
    static PRINTED: RefCell<Printed> = RefCell::default();
}

/// While it lives, runs are recorded; when the last of a test goes, they are reviewed under the test's name.
#[derive(Debug)]
pub(crate) struct Transcript(());

impl Transcript {
    pub(crate) fn open() -> Self {
        PRINTED.with_borrow_mut(|printed| printed.open += 1);
        Self(())
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        let closed = PRINTED.with_borrow_mut(|printed| {
            printed.open -= 1;
            if printed.open > 0 {
                return None;
            }
            let runs = std::mem::take(&mut printed.runs);
            printed.reviewed += usize::from(!runs.is_empty());
            let is_wanted = !printed.is_left_out && !runs.is_empty();
            is_wanted.then_some((runs, printed.reviewed))
        });
        let test = std::thread::current().name().map(|name| name.replace("::", "-"));
        // libtest runs tests in threads of their names, but for one test at a time, in the main thread.
        let test = test.filter(|name| name != "main" && !std::thread::panicking());
        if let (Some((runs, number)), Some(test)) = (closed, test) {
            let name = if number == 1 { test } else { format!("{test}-{number}") };
            review("transcripts", &name, &runs.join("\n"));
        }
    }
}

/// Adds the errors, warnings and notes of a run to the open transcript, if it has any and they are not those
/// of an earlier run. Results are snapshots of their own.
pub(crate) fn record(arguments: &[&str], code: Option<i32>, stderr: &str) {
    if stderr.is_empty() {
        return;
    }
    let code = code.map_or("killed".to_owned(), |code| format!("exit {code}"));
    let run = redacted(&format!("$ cvmkit {}\n{stderr}{code}\n", arguments.join(" ")));
    PRINTED.with_borrow_mut(|printed| {
        if printed.open > 0 && !printed.runs.contains(&run) {
            printed.runs.push(run);
        }
    });
}

/// Leaves the test without a transcript: a part of it is skipped, or it reviews its runs itself.
pub(crate) fn no_transcript() {
    PRINTED.with_borrow_mut(|printed| printed.is_left_out = true);
}

/// Finds at the start of a text what differs from run to run: its length, and what stands for it.
type Varying = fn(&str) -> Option<(usize, String)>;

const VARYING: [Varying; 8] = [temporary_folder, port, time, age, digest, guid, version, package];

/// The text without what differs from run to run.
pub(crate) fn redacted(text: &str) -> String {
    let (mut redacted, mut rest) = (String::new(), text);
    while let Some(letter) = rest.chars().next() {
        let in_word =
            redacted.ends_with(|before: char| before.is_ascii_alphanumeric() || before == '.');
        let varying = VARYING.iter().filter(|_| !in_word).find_map(|varying| varying(rest));
        let (len, mark) = varying.unwrap_or((letter.len_utf8(), letter.to_string()));
        redacted += &mark;
        rest = &rest[len..];
    }
    redacted
}

/// The length of the run of such letters that a text starts with.
fn run_of(text: &str, is_of_it: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !is_of_it(letter)).unwrap_or(text.len())
}

/// As `tempfile` names it: `.tmp` and six letters.
fn temporary_folder(text: &str) -> Option<(usize, String)> {
    let start = std::env::temp_dir().join(".tmp");
    let name = text.strip_prefix(start.to_str()?)?;
    let len = text.len() - name.len() + run_of(name, |letter| letter.is_ascii_alphanumeric());
    Some((len, "[folder]".to_owned()))
}

/// Of a server of the test.
fn port(text: &str) -> Option<(usize, String)> {
    let start = "127.0.0.1:";
    let digits = run_of(text.strip_prefix(start)?, |letter| letter.is_ascii_digit());
    (digits > 0).then(|| (start.len() + digits, format!("{start}[port]")))
}

/// What has this form, in which `0` stands for a digit and `f` for a hexadecimal one.
fn of_form(text: &str, form: &str, mark: &str) -> Option<(usize, String)> {
    let fits = |(found, form): (char, char)| match form {
        '0' => found.is_ascii_digit(),
        'f' => found.is_ascii_hexdigit(),
        other => found == other,
    };
    let is_of_form = text.get(..form.len())?.chars().zip(form.chars()).all(fits);
    is_of_form.then(|| (form.len(), mark.to_owned()))
}

/// As release files have it, and as we print it.
fn time(text: &str) -> Option<(usize, String)> {
    of_form(text, "0000-00-00T00:00:00Z", "[time]")
}

/// A seed that is made for the test, or what follows from a digest.
fn guid(text: &str) -> Option<(usize, String)> {
    of_form(text, "ffffffff-ffff-ffff-ffff-ffffffffffff", "[GUID]")
}

/// Of the machine's QEMU.
fn version(text: &str) -> Option<(usize, String)> {
    let len = run_of(text, |letter| letter.is_ascii_digit() || letter == '.');
    let parts: Vec<&str> = text[..len].split('.').collect();
    let is_version = parts.len() == 3 && parts.iter().all(|part| !part.is_empty());
    is_version.then(|| (len, "[version]".to_owned()))
}

/// Of a suite.
fn age(text: &str) -> Option<(usize, String)> {
    let digits = run_of(text, |letter| letter.is_ascii_digit());
    let is_age = digits > 0 && text[digits..].starts_with(" days old");
    is_age.then(|| (digits, "[age]".to_owned()))
}

/// A digest or fingerprint: keys are made for the test, and packages by the dpkg-deb of the machine.
fn digest(text: &str) -> Option<(usize, String)> {
    let digits = run_of(text, |letter| letter.is_ascii_hexdigit());
    let ends = !text[digits..].starts_with(|letter: char| letter.is_ascii_alphanumeric());
    (digits >= 40 && ends).then(|| (digits, format!("[{digits} hex digits]")))
}

/// The length of a package of the test, about 150 000 bytes, which the dpkg-deb of the machine compresses.
fn package(text: &str) -> Option<(usize, String)> {
    let digits = run_of(text, |letter| letter.is_ascii_digit());
    let is_near = digits == 6 && (text.starts_with("14") || text.starts_with("15"));
    (is_near && text[digits..].starts_with(" bytes")).then(|| (digits, "[some]".to_owned()))
}

/// A test that is renamed leaves its transcript behind: remove it.
#[test]
fn transcripts_are_of_tests_that_exist() {
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let tests: BTreeSet<String> = tests.map(|name| name.replace("::", "-")).collect();
    let is_known = |name: &String| {
        let first = name.rsplit_once('-').map_or(name.as_str(), |(first, number)| {
            if number.parse::<usize>().is_ok() { first } else { name }
        });
        tests.contains(first)
    };
    let gone: Vec<_> = names("transcripts").into_iter().filter(|name| !is_known(name)).collect();
    assert!(gone.is_empty(), "{gone:#?}");
}
