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
