//! One start of the machine: what it prints and answers, until there is a verdict.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use cvmkit_host::files::{self, FileError, cannot};

use super::console::Console;
use super::error::BootError;
use super::event_log;
use super::firmware::Firmware;
use super::http::{self, Asker, HttpAnswer};
use super::monitor::Monitor;
use super::outcome::{Accelerator, Outcome, Verdict};
use super::process::Guarded;
use super::qemu::{self, Qemu};
use super::request::{Kvm, Request};
use super::scratch::Scratch;
use super::spectator::Spectator;
use super::tpm::Tpm;

/// How long after its first line a panic may go on talking.
const PANIC_GRACE: Duration = Duration::from_secs(1);

/// How long a line that a text was seen on may go on: its rest says what failed, and a prompt has
/// no end.
const LINE_GRACE: Duration = Duration::from_secs(2);

/// A request with everything found that it needs.
pub(super) struct Machine<'a> {
    pub(super) request: &'a Request,
    pub(super) qemu: Qemu,
    pub(super) firmware: Option<Firmware>,
    pub(super) accelerator: Accelerator,
    pub(super) scratch: &'a Path,
}

impl<'a> Machine<'a> {
    /// Finds everything that the machine needs.
    pub(super) fn find(request: &'a Request, scratch: &'a Scratch) -> Result<Self, BootError> {
        for input in inputs(request) {
            files::open(input)?;
        }
        let qemu = Qemu::find(request)?;
        let firmware = match (&request.firmware, &request.direct) {
            (None, Some(_)) => None,
            (requested, _) => Some(Firmware::find(requested.as_deref())?),
        };
        let accelerator = match request.kvm {
            Kvm::Auto => qemu.accelerator(&scratch.path)?,
            Kvm::Never => Accelerator::Tcg { reason: "KVM was not wanted".into() },
        };
        Ok(Self { request, qemu, firmware, accelerator, scratch: &scratch.path })
    }
}

/// The files the guest is made of.
fn inputs(request: &Request) -> impl Iterator<Item = &PathBuf> {
    let direct = request.direct.iter();
    let kernel = direct.flat_map(|direct| std::iter::once(&direct.kernel).chain(&direct.initrd));
    request.disk.iter().chain(kernel)
}

/// One start of the machine.
pub(super) struct Attempt {
    end: End,
    elapsed: Duration,
    console: Console,
    pub(super) emulator_fault: Option<String>,
    http_answer: Option<HttpAnswer>,
    event_log: Option<Vec<u8>>,
    qemu_stderr: String,
}

/// Why an attempt was over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Reached,
    Panicked,
    Exited,
    TimedOut,
}

/// What the threads beside an attempt report.
enum Event {
    Printed(Vec<u8>),
    Closed,
    Answered(HttpAnswer),
}

impl Machine<'_> {
    /// Starts the machine, watches it to its end, and ends it.
    pub(super) fn attempt(
        &self,
        log: &mut File,
        spectator: &dyn Spectator,
    ) -> Result<Attempt, BootError> {
        let tpm = match self.request.tpm {
            true => Some(Tpm::start(self.scratch, &self.request.search_path)?),
            false => None,
        };
        let port = match &self.request.http_get {
            Some(_) => Some(http::free_port().map_err(BootError::Port)?),
            None => None,
        };
        let mut arguments = self.arguments(port)?;
        arguments.extend(tpm.iter().flat_map(Tpm::arguments));
        let monitor = match self.request.event_log {
            true => Some(Monitor::prepare(self.scratch)?),
            false => None,
        };
        arguments.extend(monitor.iter().flat_map(Monitor::arguments));
        let started = Instant::now();
        let mut child = self.qemu.start(&arguments, self.scratch)?;
        let (send, events) = mpsc::channel();
        if let Some(stdout) = child.stdout() {
            let send = send.clone();
            std::thread::spawn(move || forward(stdout, &send));
        }
        let asker = self.request.http_get.as_ref().zip(port).map(|(get, port)| {
            Asker::start(port, get.path.clone(), move |answer| {
                // Nobody listens after the verdict.
                drop(send.send(Event::Answered(answer)));
            })
        });
        let watched = self.watch(started, &events, log, spectator);
        let logged = match (&watched, &monitor) {
            (Ok(attempt), Some(monitor)) if attempt.end == End::Reached => {
                monitor.connect(&mut child).and_then(|mut connection| {
                    event_log::read(&mut connection, self.request.memory_mib).map(Some)
                })
            }
            _ => Ok(None),
        };
        let attempt = conclude(watched, child);
        drop(asker);
        Ok(Attempt { event_log: logged?, ..attempt? })
    }

    /// Arguments for QEMU, except those of its helpers.
    fn arguments(&self, port: Option<u16>) -> Result<Vec<OsString>, BootError> {
        let mut arguments = qemu::arguments(self.request, &self.accelerator, port)?;
        if let Some(firmware) = &self.firmware {
            arguments.extend(firmware.arguments(self.scratch)?);
        }
        Ok(arguments)
    }

    /// Reads the console until the end of the attempt.
    fn watch(
        &self,
        started: Instant,
        events: &mpsc::Receiver<Event>,
        log: &mut File,
        spectator: &dyn Spectator,
    ) -> Result<Attempt, FileError> {
        let mut console = Console::new(&self.request.until);
        let mut http_answer = None;
        let mut open = true;
        spectator.phase(console.phase());
        let end = loop {
            let deadline = self.deadline(&console, http_answer.as_ref());
            let left = deadline.saturating_sub(started.elapsed());
            if let Some(end) = self.end(&console, http_answer.as_ref(), open, left.is_zero()) {
                break end;
            }
            match events.recv_timeout(left) {
                Ok(Event::Printed(bytes)) => {
                    log.write_all(&bytes).map_err(cannot("write", &self.request.serial_log))?;
                    console.feed(&bytes, started.elapsed(), spectator);
                }
                Ok(Event::Answered(answer)) => http_answer = Some(answer),
                Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => {
                    console.end(started.elapsed(), spectator);
                    open = false;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let emulator_fault = console.emulator_fault().map(str::to_owned);
        let (elapsed, qemu_stderr, event_log) = (started.elapsed(), String::new(), None);
        Ok(Attempt { end, elapsed, console, emulator_fault, http_answer, event_log, qemu_stderr })
    }

    /// True if all came that was waited for, be it in the middle of a line.
    fn is_reached(&self, console: &Console, http: Option<&HttpAnswer>) -> bool {
        let answered = http.is_some_and(|answer| answer.status == http::OK);
        console.missing().is_empty() && (self.request.http_get.is_none() || answered)
    }

    /// When to look again, if nothing happens.
    fn deadline(&self, console: &Console, http: Option<&HttpAnswer>) -> Duration {
        let last = console.last_sighting();
        match console.panic() {
            Some((_, since)) => since + PANIC_GRACE,
            None if self.is_reached(console, http) && !self.request.expect_panic => {
                self.request.timeout.min(last + LINE_GRACE)
            }
            None => self.request.timeout,
        }
    }

    /// The verdict, once there is one. A panic outweighs a text that came before it.
    fn end(
        &self,
        console: &Console,
        http: Option<&HttpAnswer>,
        open: bool,
        late: bool,
    ) -> Option<End> {
        let reached = self.is_reached(console, http);
        let settled = console.is_at_line_start() || late || !open;
        match (console.panic().is_some(), open) {
            (true, true) if !late => None,
            (true, _) => Some(End::Panicked),
            (false, _) if reached && settled && !self.request.expect_panic => Some(End::Reached),
            (false, false) => Some(End::Exited),
            (false, true) if late => Some(End::TimedOut),
            (false, true) => None,
        }
    }

    /// Judges the last attempt.
    pub(super) fn outcome(&self, attempt: Attempt, retried: Option<String>) -> Outcome {
        let line = attempt.console.panic().map(|(line, _)| line.to_owned()).unwrap_or_default();
        let failed_units = attempt.console.failed_units().to_vec();
        let units_count = !failed_units.is_empty() && !self.request.allow_failed;
        let verdict = match (attempt.end, attempt.emulator_fault) {
            (End::Panicked, Some(line)) if retried.is_some() => Verdict::EmulatorFault { line },
            (End::Panicked, _) => Verdict::Panicked { line },
            (End::Reached, _) if units_count => {
                Verdict::UnitsFailed { units: failed_units.clone() }
            }
            (End::Reached, _) => Verdict::Reached,
            (End::Exited, _) => Verdict::GuestExited,
            (End::TimedOut, _) => Verdict::TimedOut,
        };
        let missing = attempt.console.missing().to_vec();
        let met = match &verdict {
            Verdict::Reached => true,
            Verdict::Panicked { .. } => self.request.expect_panic && missing.is_empty(),
            _ => false,
        };
        let (sightings, tail) = attempt.console.into_parts();
        Outcome {
            verdict,
            met,
            elapsed: attempt.elapsed,
            sightings,
            missing,
            http_answer: attempt.http_answer,
            failed_units,
            event_log: attempt.event_log,
            accelerator: self.accelerator.clone(),
            qemu_version: self.qemu.version.clone(),
            firmware: self.firmware.as_ref().map(|firmware| firmware.code().to_owned()),
            retried,
            qemu_stderr: attempt.qemu_stderr,
            tail,
            serial_log: self.request.serial_log.clone(),
        }
    }
}

/// Ends the machine. One that ended itself with an error, before the guest had said anything that
/// counts, is no verdict about the guest.
fn conclude(watched: Result<Attempt, FileError>, mut child: Guarded) -> Result<Attempt, BootError> {
    let status = match &watched {
        Ok(attempt) if attempt.end == End::Exited => child.wait().ok(),
        _ => None,
    };
    let stderr = child.end();
    match status {
        Some(status) if !status.success() => Err(BootError::QemuFailed { status, stderr }),
        _ => Ok(Attempt { qemu_stderr: stderr, ..watched? }),
    }
}

fn forward(mut stdout: impl Read, send: &Sender<Event>) {
    let mut buf = [0; 4096];
    while let Ok(n @ 1..) = stdout.read(&mut buf) {
        let bytes = buf.get(..n).unwrap_or_default().to_vec();
        if send.send(Event::Printed(bytes)).is_err() {
            return;
        }
    }
    // Nobody listens after the verdict.
    drop(send.send(Event::Closed));
}

#[cfg(test)]
mod tests {
    use super::super::request::{HttpGet, LinuxBoot};
    use super::super::spectator::Unwatched;
    use super::*;

    const PANIC: &str = "Kernel panic - not syncing: x";
    const FAULT: &str = "traps: PANIC: double fault, error_code: 0x0";

    fn request(edit: impl Fn(&mut Request)) -> Request {
        let mut request = Request::new(Vec::new(), "scratch".into(), "/dev/null".into());
        request.until = vec!["ready".into()];
        request.timeout = Duration::from_secs(60);
        edit(&mut request);
        request
    }

    fn machine(request: &Request) -> Machine<'_> {
        let qemu = Qemu::of("/usr/bin/qemu".into(), "10.0.2");
        let accelerator = Accelerator::Tcg { reason: "it is a test".into() };
        Machine { request, qemu, firmware: None, accelerator, scratch: Path::new("scratch") }
    }

    /// A console of these lines, the last one without its end, at so many seconds.
    fn console(request: &Request, text: &str, seconds: u64) -> Console {
        let mut console = Console::new(&request.until);
        console.feed(text.as_bytes(), Duration::from_secs(seconds), &Unwatched);
        console
    }

    fn answer(status: u16) -> HttpAnswer {
        HttpAnswer { status, body: String::new() }
    }

    fn get() -> Option<HttpGet> {
        Some(HttpGet { port: 80, path: "/".into() })
    }

    fn shown(end: Option<End>) -> &'static str {
        match end {
            Some(End::Reached) => "reached",
            Some(End::Panicked) => "panicked",
            Some(End::Exited) => "exited",
            Some(End::TimedOut) => "timed out",
            None => "goes on",
        }
    }

    /// What the console shows, whether the machine runs, and whether the time is up.
    #[test]
    fn a_boot_ends_with_what_it_was_asked_for() {
        let plain = request(|_| ());
        let panics = request(|it| it.expect_panic = true);
        for (request, text, open, late, expected) in [
            (&plain, "starting\n", true, false, "goes on"),
            (&plain, "starting\n", true, true, "timed out"),
            (&plain, "starting\n", false, false, "exited"),
            (&plain, "starting\n", false, true, "exited"),
            (&plain, "ready\n", true, false, "reached"),
            (&plain, "ready\n", false, false, "reached"),
            // A line that goes on may say what failed.
            (&plain, "ready (failed", true, false, "goes on"),
            (&plain, "ready (failed", true, true, "reached"),
            (&plain, "ready (failed", false, false, "reached"),
            // A panic outweighs a text that came before it, and goes on talking for a while.
            (&plain, &*format!("ready\n{PANIC}\n"), true, false, "goes on"),
            (&plain, &*format!("ready\n{PANIC}\n"), true, true, "panicked"),
            (&plain, &*format!("ready\n{PANIC}\n"), false, false, "panicked"),
            // One that must panic is not done before.
            (&panics, "ready\n", true, false, "goes on"),
            (&panics, "ready\n", true, true, "timed out"),
            (&panics, "ready\n", false, false, "exited"),
            (&panics, &*format!("{PANIC}\n"), false, false, "panicked"),
        ] {
            let end = machine(request).end(&console(request, text, 1), None, open, late);
            assert_eq!(shown(end), expected, "{text:?} open: {open} late: {late}");
        }
    }

    #[test]
    fn a_server_must_answer_200() {
        let asks = request(|it| (it.http_get, it.until) = (get(), Vec::new()));
        let both = request(|it| it.http_get = get());
        for (request, text, status, expected) in [
            (&asks, "", None, "goes on"),
            (&asks, "", Some(503), "goes on"),
            (&asks, "", Some(201), "goes on"),
            (&asks, "", Some(200), "reached"),
            (&both, "", Some(200), "goes on"),
            (&both, "ready\n", Some(500), "goes on"),
            (&both, "ready\n", Some(200), "reached"),
        ] {
            let answer = status.map(answer);
            let end =
                machine(request).end(&console(request, text, 1), answer.as_ref(), true, false);
            assert_eq!(shown(end), expected, "{text:?} {status:?}");
        }
    }

    #[test]
    fn the_next_look_is_no_later_than_what_decides() {
        let seconds = Duration::from_secs;
        let plain = request(|_| ());
        let panics = request(|it| it.expect_panic = true);
        for (request, text, at, expected) in [
            (&plain, "starting\n", 5, seconds(60)),
            (&plain, "ready", 5, seconds(7)),
            (&plain, "ready", 59, seconds(60)),
            (&plain, &*format!("{PANIC}\n"), 5, seconds(6)),
            (&plain, &*format!("{PANIC}\n"), 60, seconds(61)),
            (&panics, "ready", 5, seconds(60)),
            (&panics, &*format!("ready\n{PANIC}\n"), 5, seconds(6)),
        ] {
            let deadline = machine(request).deadline(&console(request, text, at), None);
            assert_eq!(deadline, expected, "{text:?} at {at}");
        }
        // Until the server has answered, the text alone ends nothing.
        let both = request(|it| it.http_get = get());
        let console = console(&both, "ready\n", 5);
        assert_eq!(machine(&both).deadline(&console, Some(&answer(404))), seconds(60));
        assert_eq!(machine(&both).deadline(&console, Some(&answer(200))), seconds(7));
    }

    fn attempt(request: &Request, text: &str, end: End) -> Attempt {
        let console = console(request, text, 3);
        let emulator_fault = console.emulator_fault().map(str::to_owned);
        Attempt {
            end,
            elapsed: Duration::from_secs(4),
            console,
            emulator_fault,
            http_answer: Some(answer(200)),
            event_log: Some(b"log".to_vec()),
            qemu_stderr: "complaint".into(),
        }
    }

    #[test]
    fn an_attempt_is_judged_by_what_was_asked() {
        let plain = request(|_| ());
        let panics = request(|it| it.expect_panic = true);
        let lenient = request(|it| it.allow_failed = true);
        let units = || Verdict::UnitsFailed { units: vec!["a.service".into()] };
        let panicked = |line: &str| Verdict::Panicked { line: line.into() };
        let failed = "ready (failed units: 1: a.service)\n";
        let fault = format!("{FAULT}\n{PANIC}\n");
        let again = || Some("the first".to_owned());
        for (request, text, end, retried, verdict, met) in [
            (&plain, "ready\n", End::Reached, None, Verdict::Reached, true),
            (&plain, failed, End::Reached, None, units(), false),
            (&lenient, failed, End::Reached, None, Verdict::Reached, true),
            (&plain, "", End::Exited, None, Verdict::GuestExited, false),
            (&plain, failed, End::Exited, None, Verdict::GuestExited, false),
            (&plain, "", End::TimedOut, None, Verdict::TimedOut, false),
            (&plain, &*format!("ready\n{PANIC}\n"), End::Panicked, None, panicked(PANIC), false),
            (&panics, &*format!("ready\n{PANIC}\n"), End::Panicked, None, panicked(PANIC), true),
            (&panics, &*format!("{PANIC}\n"), End::Panicked, None, panicked(PANIC), false),
            // A double fault counts as the emulator's when it comes twice.
            (&plain, fault.as_str(), End::Panicked, None, panicked(PANIC), false),
            (
                &plain,
                fault.as_str(),
                End::Panicked,
                again(),
                Verdict::EmulatorFault { line: FAULT.into() },
                false,
            ),
            (&plain, &*format!("{PANIC}\n"), End::Panicked, again(), panicked(PANIC), false),
        ] {
            let outcome = machine(request).outcome(attempt(request, text, end), retried.clone());
            assert_eq!((&outcome.verdict, outcome.met), (&verdict, met), "{text:?}");
            assert_eq!(outcome.retried, retried);
        }
    }

    #[test]
    fn an_outcome_has_what_was_seen() {
        let request = request(|it| it.until.push("never".into()));
        let machine = machine(&request);
        let outcome = machine.outcome(attempt(&request, "one\nready\n", End::TimedOut), None);
        assert_eq!(
            (outcome.elapsed, outcome.missing),
            (Duration::from_secs(4), vec!["never".into()])
        );
        let [sighting] = outcome.sightings.as_slice() else { panic!("{:?}", outcome.sightings) };
        assert_eq!((sighting.text.as_str(), sighting.after), ("ready", Duration::from_secs(3)));
        assert_eq!(
            (outcome.tail, outcome.http_answer),
            (vec!["one".into(), "ready".into()], Some(answer(200)))
        );
        assert_eq!(
            (outcome.event_log, outcome.qemu_stderr.as_str()),
            (Some(b"log".to_vec()), "complaint")
        );
        assert_eq!((outcome.qemu_version.as_str(), outcome.firmware), ("10.0.2", None));
        assert_eq!(outcome.accelerator, machine.accelerator);
        assert_eq!(outcome.serial_log, Path::new("/dev/null"));
    }

    #[test]
    fn output_is_handed_on_until_it_ends() {
        let (send, events) = mpsc::channel();
        let text: Vec<u8> = (0..10_000_u32).flat_map(|n| u8::try_from(n % 251)).collect();
        forward(text.as_slice(), &send);
        drop(send);
        let mut printed = Vec::new();
        let mut closed = 0;
        for event in events {
            match event {
                Event::Printed(bytes) if closed == 0 => printed.extend(bytes),
                Event::Closed => closed += 1,
                _ => panic!("what comes behind the end"),
            }
        }
        assert_eq!((printed, closed), (text, 1));
        // Nobody listens after the verdict.
        let (send, events) = mpsc::channel();
        drop(events);
        forward([b'x'; 10].as_slice(), &send);
    }

    #[test]
    fn the_console_is_logged_and_watched_to_the_verdict() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serial.log");
        let watched = |request: &Request, events: Vec<Event>| {
            let (send, receive) = mpsc::channel();
            events.into_iter().for_each(|event| send.send(event).unwrap());
            drop(send);
            let mut log = files::create(&path).unwrap();
            let attempt = machine(request).watch(Instant::now(), &receive, &mut log, &Unwatched);
            let attempt = attempt.unwrap();
            (shown(Some(attempt.end)), files::read(&path).unwrap(), attempt.http_answer)
        };
        let printed = |text: &str| Event::Printed(text.as_bytes().to_vec());
        let plain = request(|_| ());
        let seen = watched(&plain, vec![printed("a\nrea"), printed("dy\n"), printed("more\n")]);
        assert_eq!(seen, ("reached", b"a\nready\n".to_vec(), None), "no further than the verdict");
        let seen = watched(&plain, vec![printed("a\n"), Event::Closed]);
        assert_eq!(seen, ("exited", b"a\n".to_vec(), None));
        // A line without its end is one when the guest says no more.
        let seen = watched(&plain, vec![printed(PANIC), Event::Closed]);
        assert_eq!(seen.0, "panicked");
        let asks = request(|it| (it.http_get, it.until) = (get(), Vec::new()));
        let answers = vec![Event::Answered(answer(503)), Event::Answered(answer(200))];
        assert_eq!(watched(&asks, answers), ("reached", Vec::new(), Some(answer(200))));
        let hasty = request(|it| it.timeout = Duration::ZERO);
        assert_eq!(watched(&hasty, vec![printed("ready\n")]).0, "timed out");
    }

    #[test]
    fn a_machine_is_made_of_files() {
        let kernel = |initrd: Option<&str>| LinuxBoot {
            kernel: "k".into(),
            initrd: initrd.map(Into::into),
            cmdline: String::new(),
        };
        for (disk, direct, expected) in [
            (Some("d"), None, vec!["d"]),
            (None, Some(kernel(None)), vec!["k"]),
            (Some("d"), Some(kernel(Some("i"))), vec!["d", "k", "i"]),
            (None, None, vec![]),
        ] {
            let request = request(|it| {
                (it.disk, it.direct) = (disk.map(Into::into), direct.clone());
            });
            let found: Vec<_> = inputs(&request).map(|path| path.to_string_lossy()).collect();
            assert_eq!(found, expected);
        }
        let missing = request(|it| it.disk = Some("/no/such.raw".into()));
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path()).unwrap();
        let error = Machine::find(&missing, &scratch).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "cannot open `/no/such.raw`");
    }
}
