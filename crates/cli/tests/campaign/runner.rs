//! Runs the program on one changed input, and judges how it ended.
//!
//! The kernel keeps the limits: 512 MiB of private memory (`RLIMIT_DATA`; an allocation beyond it
//! ends the program with words) and 5 seconds of processor time of all threads together (`RLIMIT_CPU`). What sleeps
//! as long without any work waits for ever. Time that it spends in a queue for a processor or a disk is
//! the machine's, which may be busy with other things, and has a limit of its own.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// KiB of private memory.
pub(crate) const MEMORY: u64 = 512 << 10;
/// Seconds of processor time.
pub(crate) const SECONDS: u64 = 5;
/// Longest sleep without any work.
const SLEEP: Duration = Duration::from_secs(SECONDS);
/// Longest time on the wall, whatever the machine does.
const WALL: Duration = Duration::from_secs(120);

/// Sets the limits, then becomes the program. No core is dumped.
const LIMITED: &str = "ulimit -c 0; ulimit -d \"$1\"; ulimit -t \"$2\"; shift 2; exec \"$@\"";

/// What is said where an allocation is refused: by Rust, by the program's own allocator, by a caller that
/// takes it for an error, by the system and by zstd.
const OUT_OF_MEMORY: [&str; 5] = [
    "memory allocation of",
    "out of memory: cannot allocate",
    "memory allocation failed",
    "out of memory",
    "Allocation error",
];

/// Exit codes that are an answer (`cvmkit --help`, "exit codes").
const ANSWERS: [i32; 4] = [0, 1, 2, 3];

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Accepted,
    Refused,
    /// It broke a limit, or the program broke.
    Finding(String),
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) end: End,
    /// On the wall.
    pub(crate) took: Duration,
    /// The most resident memory that was seen of it, in KiB.
    pub(crate) peak: u64,
    pub(crate) said: String,
}

/// Runs a command within the limits; what it says goes to a file in `folder`.
pub(crate) fn run(command: &Command, folder: &Path) -> Run {
    let said = folder.join("said");
    let mut limited = Command::new("sh");
    limited.args(["-c", LIMITED, "sh", &MEMORY.to_string(), &SECONDS.to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.current_dir(command.get_current_dir().unwrap_or(folder));
    limited.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said).unwrap());
    let started = Instant::now();
    let mut child = limited.spawn().unwrap();
    let process = Process(format!("/proc/{}", child.id()));
    let mut peak = 0;
    let (mut worked, mut since) = (String::new(), started);
    let ended = loop {
        peak = process.resident().max(peak);
        let work = process.work();
        if work != worked {
            (worked, since) = (work, Instant::now());
        }
        match child.try_wait().unwrap() {
            Some(ended) => break Some(ended),
            None if since.elapsed() > SLEEP || started.elapsed() > WALL => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let took = started.elapsed();
    let said = fs::read(&said).unwrap();
    let said: String = String::from_utf8_lossy(&said).chars().take(4000).collect();
    Run { end: judge(ended, &said), took, peak, said }
}

/// A process, by its folder in `/proc` (`proc_pid_stat(5)`, `proc_pid_status(5)`).
struct Process(String);

impl Process {
    /// The highest resident memory so far, in KiB; 0 of one that has ended.
    fn resident(&self) -> u64 {
        let text = fs::read_to_string(format!("{}/status", self.0)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// What changes while it works or is in a queue to: the processor time of all threads, and the
    /// clock for as long as a thread is runnable or waits for a disk.
    fn work(&self) -> String {
        let tasks = fs::read_dir(format!("{}/task", self.0)).into_iter().flatten().flatten();
        let states: Vec<String> = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("stat")).ok())
            .filter_map(|stat| {
                let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
                Some(format!("{} {} {}", fields.first()?, fields.get(11)?, fields.get(12)?))
            })
            .collect();
        let is_queued = states.iter().any(|state| state.starts_with(['R', 'D']));
        let clock = is_queued.then(Instant::now);
        format!("{states:?} {clock:?}")
    }
}

fn judge(ended: Option<ExitStatus>, said: &str) -> End {
    let finding = |what: String| End::Finding(what);
    let Some(ended) = ended else { return finding(format!("waited for over {SECONDS} s")) };
    if OUT_OF_MEMORY.iter().any(|words| said.contains(words)) {
        return finding(format!("over {} MiB", MEMORY >> 10));
    }
    if said.contains("panicked at") || said.contains("overflowed its stack") {
        return finding("panic".into());
    }
    match (ended.code(), ended.signal()) {
        (Some(0), _) => End::Accepted,
        (Some(code), _) if ANSWERS.contains(&code) => End::Refused,
        // SIGXCPU, or SIGKILL as soft and hard limit are the same.
        (_, Some(9 | 24)) => finding(format!("over {SECONDS} s")),
        (code, signal) => finding(format!("exit code {code:?}, signal {signal:?}")),
    }
}
