//! A mutation campaign over every reader of foreign bytes, through the program as it is passed on:
//! changed files, with the sums around them made right, end in an answer or a refusal. Never in a panic,
//! five seconds of work or half a gigabyte of memory.
//!
//! `cargo xtask campaign readers` runs it; a run is the same every time. What was found is kept in
//! `target/campaign/`: the input, the command and what the program said.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "runs processes, found by the environment, on files it makes from random numbers"
)]

#[path = "../refusals/archive.rs"]
#[expect(dead_code, reason = "the campaign needs no faults of mirrors")]
mod archive;
mod fixtures;
mod mutate;
#[path = "../../../measure/tests/ovmf_image/mod.rs"]
mod ovmf_image;
mod readers;
mod resum;
#[path = "../rig/mod.rs"]
mod rig;
mod runner;
#[path = "../cli/small_disk.rs"]
mod small_disk;
mod sparse;
#[path = "../../../measure/tests/tdvf_image/mod.rs"]
mod tdvf_image;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cvmkit_formats::digest::Sha256;

use fixtures::{Fixtures, Place};
use mutate::Dice;
use readers::Reader;
use runner::{End, Run, run};

/// At least as many, over all readers.
const MUTATIONS: usize = 20_000;

/// Readers side by side.
const WORKERS: usize = 2;

/// What became of the mutations of a reader.
#[derive(Default)]
struct Tally {
    mutations: usize,
    accepted: usize,
    refused: usize,
    slowest: Duration,
    peak: u64,
    findings: BTreeMap<String, Vec<usize>>,
}

impl Tally {
    fn add(&mut self, number: usize, runs: &[Run]) {
        self.mutations += 1;
        // Accepted is what every reader of it takes.
        match runs.iter().all(|run| run.end == End::Accepted) {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
        for run in runs {
            self.slowest = self.slowest.max(run.took);
            self.peak = self.peak.max(run.peak);
            if let End::Finding(what) = &run.end {
                let place = run.said.lines().find(|line| line.contains("panicked at"));
                let what = format!("{what} {}", place.unwrap_or_default().trim());
                self.findings.entry(what).or_default().push(number);
            }
        }
    }
}

/// The changed input of a reader with this number: a function of these two alone.
fn input(reader: &Reader, number: usize) -> Vec<u8> {
    let digest = Sha256::of(format!("{} {number}", reader.name).as_bytes());
    let mut dice = Dice::new(u64::from_le_bytes(*digest.0.first_chunk().unwrap()));
    let seed = &reader.seeds[number % reader.seeds.len()];
    let other = &reader.seeds[dice.below(reader.seeds.len())];
    let mut bytes = mutate::mutated(seed, other, reader.nature, &mut dice);
    if let Some(sparse) = &reader.sparse {
        bytes = sparse.unpack(&bytes);
    }
    if dice.below(8) > 0 {
        (reader.repair)(&mut bytes);
    }
    bytes
}

fn attack(reader: &Reader, number: usize, place: &Place<'_>, kept: &Path) -> Vec<Run> {
    let bytes = input(reader, number);
    let commands = (reader.place)(place, &bytes);
    let mut runs = Vec::new();
    for command in commands {
        let ended = run(&command, place.folder.path());
        if let End::Finding(what) = &ended.end {
            keep(kept, &format!("{}-{number}", reader.name), &bytes, &command, what, &ended.said);
        }
        runs.push(ended);
    }
    runs
}

fn keep(folder: &Path, name: &str, bytes: &[u8], command: &Command, what: &str, said: &str) {
    let folder = folder.join(name.replace(' ', "-"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("input"), bytes).unwrap();
    fs::write(folder.join("what"), format!("{what}\n{command:?}\n{said}\n")).unwrap();
}

/// The folder of what is found, empty.
fn kept() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("campaign");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[ignore = "takes minutes: `cargo xtask campaign readers`"]
fn readers() {
    let Some(fixtures) = Fixtures::new() else { return };
    let only = env::var("CVMKIT_CAMPAIGN").unwrap_or_default();
    let (only, number) = only.split_once('=').unwrap_or((&only, ""));
    let readers: Vec<Reader> = readers::all(&fixtures)
        .into_iter()
        .filter(|reader| only.split(',').any(|part| reader.name.contains(part)))
        .collect();
    let total: usize = readers.iter().map(|reader| reader.count).sum();
    assert!(!only.is_empty() || total >= MUTATIONS, "{total} mutations");
    unchanged(&fixtures, &readers);
    let kept = kept();
    let tallies: Vec<Mutex<Tally>> = readers.iter().map(|_| Mutex::default()).collect();
    let jobs: Vec<(usize, usize)> = readers
        .iter()
        .enumerate()
        .flat_map(|(at, reader)| (0..reader.count).map(move |number| (at, number)))
        .filter(|(_, wanted)| number.is_empty() || number == wanted.to_string())
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, jobs, readers, tallies) = (&next, &jobs, &readers, &tallies);
            let (fixtures, kept) = (&fixtures, &kept);
            scope.spawn(move || {
                let place = Place::new(fixtures, worker);
                while let Some(&(at, number)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let runs = attack(&readers[at], number, &place, kept);
                    tallies[at].lock().unwrap().add(number, &runs);
                }
            });
        }
    });
    report(&readers, tallies, &kept);
}

/// Every command has to take a seed as it is, or what is made of the seeds does not reach it.
fn unchanged(fixtures: &Fixtures, readers: &[Reader<'_>]) {
    let place = Place::new(fixtures, 0);
    let mut unreached = String::new();
    for reader in readers.iter().filter(|reader| !reader.takes_nothing) {
        let mut refusals: BTreeMap<usize, Option<String>> = BTreeMap::new();
        for seed in &reader.seeds {
            let whole = reader.sparse.as_ref().map(|sparse| sparse.unpack(seed));
            let commands = (reader.place)(&place, whole.as_ref().unwrap_or(seed));
            for (at, command) in commands.iter().enumerate() {
                let run = run(command, place.folder.path());
                let refusal = format!("{}: {command:?}\n{}", reader.name, run.said);
                let refusal = (run.end != End::Accepted).then_some(refusal);
                let so_far = refusals.entry(at).or_insert_with(|| refusal.clone());
                *so_far = so_far.take().and(refusal);
            }
        }
        unreached.extend(refusals.into_values().flatten());
    }
    assert!(unreached.is_empty(), "seeds that are not taken:\n{unreached}");
}

fn report(readers: &[Reader], tallies: Vec<Mutex<Tally>>, kept: &Path) {
    let mut table = format!(
        "{:<24} {:>9} {:>8} {:>8} {:>8} {:>9} {:>8}\n",
        "reader", "mutations", "refused", "accepted", "slowest", "peak", "findings"
    );
    let (mut total, mut found, mut details) = (0, 0, String::new());
    for (reader, tally) in readers.iter().zip(tallies) {
        let tally = tally.into_inner().unwrap();
        let findings: usize = tally.findings.values().map(Vec::len).sum();
        let (slowest, peak) = (tally.slowest.as_secs_f64(), tally.peak >> 10);
        writeln!(
            table,
            "{:<24} {:>9} {:>8} {:>8} {slowest:>6.2} s {peak:>5} MiB {findings:>8}",
            reader.name, tally.mutations, tally.refused, tally.accepted
        )
        .unwrap();
        for (what, numbers) in &tally.findings {
            let some: Vec<_> = numbers.iter().take(5).collect();
            writeln!(details, "{}: {what}: {} times, such as {some:?}", reader.name, numbers.len())
                .unwrap();
        }
        total += tally.mutations;
        found += findings;
        // What takes everything reads nothing.
        if tally.mutations >= 50 && tally.refused == 0 {
            writeln!(details, "{}: nothing was refused", reader.name).unwrap();
            found += 1;
        }
    }
    println!("{table}{total} mutations\n{details}");
    assert_eq!(found, 0, "findings, kept in {}", kept.display());
}

/// Misbehaves as it is told: what [`faults_are_found`] starts.
#[test]
#[ignore = "a fault"]
fn planted() {
    match env::var("CVMKIT_CAMPAIGN_PLANT").as_deref() {
        Ok("panic") => panic!("planted"),
        Ok("hang") => loop {
            std::hint::spin_loop();
        },
        Ok("sleep") => std::thread::sleep(Duration::from_secs(600)),
        Ok("allocation") => {
            let bytes = vec![1_u8; 600 << 20];
            std::hint::black_box(&bytes);
        }
        _ => {}
    }
}

#[test]
fn faults_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let planted = |fault: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "planted", "--ignored", "--nocapture", "--test-threads=1"]);
        run(command.env("CVMKIT_CAMPAIGN_PLANT", fault), folder.path())
    };
    assert_eq!(planted("nothing").end, End::Accepted);
    let faults = [
        ("panic", "panic"),
        ("hang", "over 5 s"),
        ("sleep", "waited for over 5 s"),
        ("allocation", "over 512 MiB"),
    ];
    for (fault, words) in faults {
        let found = planted(fault);
        assert_eq!(found.end, End::Finding(words.into()), "{fault}: {}", found.said);
    }
    let mut aborted = Command::new("sh");
    aborted.args(["-c", "kill -SEGV $$"]);
    assert!(matches!(run(&aborted, folder.path()).end, End::Finding(_)));
    // The program ends in order when it is refused memory (`memory.rs`).
    let mut told = Command::new("sh");
    told.args(["-c", "echo 'error: out of memory: cannot allocate 7 more bytes' >&2; exit 3"]);
    assert_eq!(run(&told, folder.path()).end, End::Finding("over 512 MiB".into()));
    let mut bug = Command::new("sh");
    assert!(matches!(run(bug.args(["-c", "exit 70"]), folder.path()).end, End::Finding(_)));
}

#[test]
fn an_input_is_a_function_of_its_number() {
    let reader = Reader {
        name: "test",
        nature: mutate::Nature::Binary,
        seeds: vec![vec![7; 100], vec![9; 50]],
        count: 2,
        repair: |_| {},
        place: Box::new(|_, _| Vec::new()),
        takes_nothing: false,
        sparse: None,
    };
    let inputs: Vec<_> = (0..50).map(|number| input(&reader, number)).collect();
    assert_eq!(inputs, (0..50).map(|number| input(&reader, number)).collect::<Vec<_>>());
    let unchanged = inputs.iter().filter(|input| reader.seeds.contains(input)).count();
    assert!(unchanged < 10, "{unchanged} of 50 are as they were");
}
