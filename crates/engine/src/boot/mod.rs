//! Boots an image in QEMU and judges it by what the guest says.
//!
//! The contract: a boot met its expectation only when every text waited for was on the console (or,
//! when a panic is expected, the kernel panicked), never because QEMU ended with success: panic,
//! power-off and reset all end it with status 0. The image is never changed, and nothing started
//! here outlives the call.
//!
//! Deliberately absent: hardware TEEs (the guest boots the same bytes without memory encryption),
//! any network beyond one forwarded port, and keyboard input: the console is one-way.
//!
//! Oracles: QEMU itself, with UEFI firmware and with a Multiboot guest of 256 bytes (`canary.s`);
//! a stand-in for QEMU for what cannot be provoked (double faults).

mod acpi;
mod console;
mod firmware;
mod http;
mod process;
mod qemu;
mod tpm;

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use thiserror::Error;

pub use self::acpi::{AcpiError, AcpiFiles, AcpiRequest, TD_MACHINE, acpi_files};
use self::console::Console;
pub use self::console::Sighting;
use self::firmware::Firmware;
use self::http::Asker;
use self::process::Guarded;
use self::qemu::Qemu;
use self::tpm::Tpm;
use crate::fault::{Diagnosis, Fault};
use crate::files::{self, FileError, cannot};

/// How long after its first line a panic may go on talking.
const PANIC_GRACE: Duration = Duration::from_secs(1);

/// What to boot, how, and what must happen.
#[derive(Clone, Debug)]
pub struct Request {
    /// A raw disk image. The guest may write to it; what it writes is dropped with the machine.
    pub disk: Option<PathBuf>,
    /// A kernel for QEMU to load itself, instead of firmware that boots the disk.
    pub direct: Option<Direct>,
    /// UEFI firmware: a code image with its variable store beside it, or one whole image. `None`
    /// takes the distribution's for a disk, and none for a direct kernel.
    pub firmware: Option<PathBuf>,
    /// The emulator. `None` takes `qemu-system-x86_64` from [`Request::search_path`].
    pub qemu: Option<PathBuf>,
    /// Where programs are looked for, in order.
    pub search_path: Vec<PathBuf>,
    /// A folder for the short-lived files of this boot; they are gone afterwards.
    pub scratch: PathBuf,
    /// Memory of the guest in MiB.
    pub memory_mib: u32,
    /// Processors of the guest.
    pub vcpus: u32,
    /// Texts that must all appear on the console, in any order. The kernel's echo of its own
    /// command line does not count.
    pub until: Vec<String>,
    /// The boot must end in a kernel panic; then the texts must be there by its end.
    pub expect_panic: bool,
    /// A server in the guest that must answer 200.
    pub http_get: Option<HttpGet>,
    /// Give the guest a software TPM 2.0 with fresh state.
    pub tpm: bool,
    /// When to give up, counted from the start of each attempt.
    pub timeout: Duration,
    /// Everything the guest printed, written while it runs; replaced if it is there.
    pub serial_log: PathBuf,
    /// May KVM be tried?
    pub kvm: Kvm,
}

impl Request {
    /// Nothing to boot yet: 1024 MiB, 2 processors, 5 minutes, no expectation.
    #[must_use]
    pub fn new(search_path: Vec<PathBuf>, scratch: PathBuf, serial_log: PathBuf) -> Self {
        Self {
            disk: None,
            direct: None,
            firmware: None,
            qemu: None,
            search_path,
            scratch,
            memory_mib: 1024,
            vcpus: 2,
            until: Vec::new(),
            expect_panic: false,
            http_get: None,
            tpm: false,
            timeout: Duration::from_secs(300),
            serial_log,
            kvm: Kvm::Auto,
        }
    }

    /// A request that can succeed, and can fail.
    fn check(&self) -> Result<(), BootError> {
        let nothing = self.disk.is_none() && self.direct.is_none();
        let pointless = self.until.is_empty() && !self.expect_panic && self.http_get.is_none();
        let problem = if nothing {
            "there is neither a disk nor a kernel to boot"
        } else if pointless {
            "nothing is expected of the boot: name a text, an HTTP answer or a panic"
        } else if self.expect_panic && self.http_get.is_some() {
            "a guest that must panic cannot be asked for an HTTP answer"
        } else if self.until.iter().any(|text| text.is_empty() || text.contains('\n')) {
            "a text to wait for must be part of one line, and not empty"
        } else if self.http_get.as_ref().is_some_and(|get| !get.is_valid()) {
            "the path of an HTTP request starts with `/` and has no spaces or control characters"
        } else if self.memory_mib == 0 || self.vcpus == 0 {
            "a machine needs memory and a processor"
        } else {
            return Ok(());
        };
        Err(BootError::Invalid { problem })
    }
}

/// A kernel that QEMU loads without firmware.
#[derive(Clone, Debug)]
pub struct Direct {
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial RAM file system.
    pub initrd: Option<PathBuf>,
    /// The kernel command line.
    pub cmdline: String,
}

/// A question to a server in the guest.
#[derive(Clone, Debug)]
pub struct HttpGet {
    /// The TCP port the guest listens on.
    pub port: u16,
    /// The path to ask for, such as `/health`.
    pub path: String,
}

impl HttpGet {
    fn is_valid(&self) -> bool {
        self.path.starts_with('/') && self.path.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// May hardware virtualisation be tried?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kvm {
    /// Yes; a trial guest decides.
    Auto,
    /// No: emulate.
    Never,
}

/// What ran the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// Hardware virtualisation; a trial guest ran on it.
    Kvm,
    /// Emulation.
    Tcg {
        /// Why not KVM.
        reason: String,
    },
}

/// How a boot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All that was waited for came; the machine was then stopped.
    Reached,
    /// The kernel panicked.
    Panicked {
        /// The line that says so.
        line: String,
    },
    /// The emulator, not the image, is the likely cause of a panic: a double fault, twice.
    EmulatorFault {
        /// The line that says so.
        line: String,
    },
    /// The machine ended (power-off, reset) before all had come.
    GuestExited,
    /// The time was up before all had come.
    TimedOut,
}

/// What happened, and what it was seen with.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// True if that is what the request asked for.
    pub met: bool,
    /// From the start of the machine to the verdict.
    pub elapsed: Duration,
    /// The texts that came, in the order they came.
    pub sightings: Vec<Sighting>,
    /// The texts that did not come.
    pub missing: Vec<String>,
    /// The last HTTP status the guest answered.
    pub http_status: Option<u16>,
    /// What ran the guest.
    pub accelerator: Accelerator,
    /// The version of QEMU, as printed.
    pub qemu_version: String,
    /// The firmware's code.
    pub firmware: Option<PathBuf>,
    /// The line of a double fault under emulation that made this the second attempt; the serial log
    /// has both.
    pub retried: Option<String>,
    /// What QEMU itself complained about, such as a failure of KVM.
    pub qemu_stderr: String,
    /// The last lines of the console, safe to print.
    pub tail: Vec<String>,
    /// Where the whole console is.
    pub serial_log: PathBuf,
}

/// Why a boot could not be tried or judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BootError {
    /// The request contradicts itself.
    #[error("{problem}")]
    Invalid {
        /// What is wrong.
        problem: &'static str,
    },
    /// A program or firmware that is not there.
    #[error("{what} is missing")]
    MissingTool {
        /// What was looked for.
        what: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A QEMU that crashes the guests.
    #[error("`{}` is QEMU {found}, expected {oldest} or newer", path.display())]
    OldQemu {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The oldest major version that will do.
        oldest: u32,
    },
    /// A program that is no QEMU.
    #[error("`{} --version` does not name a QEMU version, found {printed:?}", path.display())]
    NotQemu {
        /// The program.
        path: PathBuf,
        /// What it printed.
        printed: String,
    },
    /// A program that does not start.
    #[error("cannot start `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU failed itself; this says nothing about the guest.
    #[error("QEMU failed ({status}): {stderr}")]
    QemuFailed {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// The software TPM did not come up.
    #[error("swtpm did not come up: {stderr}")]
    Tpm {
        /// What it said.
        stderr: String,
    },
    /// A socket's path that the system cannot hold.
    #[error("`{}` is too long for a socket, expected at most {max} bytes", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// The longest that works.
        max: usize,
    },
    /// No loopback port to forward.
    #[error("no loopback port is free")]
    Port(#[source] io::Error),
    /// A file of the host.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnosis for BootError {
    fn fault(&self) -> Fault {
        match self {
            Self::Invalid { .. } => Fault::Definition,
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::MissingTool { package, .. } => {
                Some(format!("install the Debian package `{package}`, or name the file"))
            }
            Self::OldQemu { .. } => Some(
                "install `qemu-system-x86` from the backports of your Debian release; older ones \
                 crash Linux 6.12 guests at random"
                    .into(),
            ),
            Self::SocketPath { .. } => Some("choose a scratch folder with a shorter name".into()),
            Self::File(error) => error.hint(),
            _ => None,
        }
    }
}

/// Boots what the request describes and waits for what it expects.
///
/// A double fault of the guest's kernel under emulation is tried once more and reported in
/// [`Outcome::retried`]; no other failure is.
///
/// # Errors
/// [`BootError`] when the boot could not be tried: whatever the guest itself does is an
/// [`Outcome`].
pub fn boot(request: &Request) -> Result<Outcome, BootError> {
    request.check()?;
    for input in inputs(request) {
        files::open(input)?;
    }
    let qemu = Qemu::find(request)?;
    let firmware = match (&request.firmware, &request.direct) {
        (None, Some(_)) => None,
        (requested, _) => Some(Firmware::find(requested.as_deref())?),
    };
    let scratch = Scratch::new(&request.scratch)?;
    let accelerator = match request.kvm {
        Kvm::Auto => qemu.accelerator(&scratch.path)?,
        Kvm::Never => Accelerator::Tcg { reason: "KVM was not wanted".into() },
    };
    let machine = Machine { request, qemu, firmware, accelerator, scratch: &scratch.path };
    let mut log = files::create(&request.serial_log)?;
    let first = machine.attempt(&mut log)?;
    let emulated = matches!(machine.accelerator, Accelerator::Tcg { .. });
    match first.emulator_fault.clone().filter(|_| emulated) {
        None => Ok(machine.outcome(first, None)),
        Some(line) => {
            let note = format!("\n--- cvmkit: second attempt, after: {line} ---\n");
            log.write_all(note.as_bytes()).map_err(cannot("write", &request.serial_log))?;
            let second = machine.attempt(&mut log)?;
            Ok(machine.outcome(second, Some(line)))
        }
    }
}

/// The files the guest is made of.
fn inputs(request: &Request) -> impl Iterator<Item = &PathBuf> {
    let direct = request.direct.iter();
    let kernel = direct.flat_map(|direct| std::iter::once(&direct.kernel).chain(&direct.initrd));
    request.disk.iter().chain(kernel)
}

/// A request with everything found that it needs.
struct Machine<'a> {
    request: &'a Request,
    qemu: Qemu,
    firmware: Option<Firmware>,
    accelerator: Accelerator,
    scratch: &'a Path,
}

/// One start of the machine.
struct Attempt {
    end: End,
    elapsed: Duration,
    console: Console,
    emulator_fault: Option<String>,
    http_status: Option<u16>,
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
    Answered(u16),
}

impl Machine<'_> {
    fn attempt(&self, log: &mut File) -> Result<Attempt, BootError> {
        let tpm = match self.request.tpm {
            true => Some(Tpm::start(self.scratch, &self.request.search_path)?),
            false => None,
        };
        let port = match &self.request.http_get {
            Some(_) => Some(http::free_port().map_err(BootError::Port)?),
            None => None,
        };
        let mut arguments = qemu::arguments(self.request, &self.accelerator, port)?;
        if let Some(firmware) = &self.firmware {
            arguments.extend(firmware.arguments(self.scratch)?);
        }
        if let Some(tpm) = &tpm {
            arguments.extend(tpm.arguments());
        }
        let started = Instant::now();
        let mut child = self.qemu.start(&arguments, self.scratch)?;
        let (send, events) = mpsc::channel();
        if let Some(stdout) = child.stdout() {
            let send = send.clone();
            std::thread::spawn(move || forward(stdout, &send));
        }
        let asker = self.request.http_get.as_ref().zip(port).map(|(get, port)| {
            Asker::start(port, get.path.clone(), move |status| {
                // Nobody listens after the verdict.
                drop(send.send(Event::Answered(status)));
            })
        });
        let watched = self.watch(started, &events, log);
        let attempt = conclude(watched, child);
        drop(asker);
        attempt
    }

    /// Reads the console until the end of the attempt.
    fn watch(
        &self,
        started: Instant,
        events: &mpsc::Receiver<Event>,
        log: &mut File,
    ) -> Result<Attempt, FileError> {
        let mut console = Console::new(&self.request.until);
        let mut http_status = None;
        let mut open = true;
        let end = loop {
            let deadline = match console.panic() {
                Some((_, since)) => since + PANIC_GRACE,
                None => self.request.timeout,
            };
            let left = deadline.saturating_sub(started.elapsed());
            if let Some(end) = self.end(&console, http_status, open, left.is_zero()) {
                break end;
            }
            match events.recv_timeout(left) {
                Ok(Event::Printed(bytes)) => {
                    log.write_all(&bytes).map_err(cannot("write", &self.request.serial_log))?;
                    console.feed(&bytes, started.elapsed());
                }
                Ok(Event::Answered(status)) => http_status = Some(status),
                Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => {
                    console.end(started.elapsed());
                    open = false;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let emulator_fault = console.emulator_fault().map(str::to_owned);
        let (elapsed, qemu_stderr) = (started.elapsed(), String::new());
        Ok(Attempt { end, elapsed, console, emulator_fault, http_status, qemu_stderr })
    }

    /// The verdict, once there is one. A panic outweighs a text that came before it.
    fn end(&self, console: &Console, http: Option<u16>, open: bool, late: bool) -> Option<End> {
        let answered = self.request.http_get.is_none() || http == Some(http::OK);
        let reached = console.missing().is_empty() && answered;
        match (console.panic().is_some(), open) {
            (true, true) if !late => None,
            (true, _) => Some(End::Panicked),
            (false, _) if reached && !self.request.expect_panic => Some(End::Reached),
            (false, false) => Some(End::Exited),
            (false, true) if late => Some(End::TimedOut),
            (false, true) => None,
        }
    }

    fn outcome(&self, attempt: Attempt, retried: Option<String>) -> Outcome {
        let line = attempt.console.panic().map(|(line, _)| line.to_owned()).unwrap_or_default();
        let verdict = match (attempt.end, attempt.emulator_fault) {
            (End::Panicked, Some(line)) if retried.is_some() => Verdict::EmulatorFault { line },
            (End::Panicked, _) => Verdict::Panicked { line },
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
            http_status: attempt.http_status,
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

/// A folder of its own for one boot, removed with all it holds.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(parent: &Path) -> Result<Self, FileError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = std::path::absolute(parent).map_err(cannot("name", parent))?;
        files::make_folder(&parent)?;
        loop {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = parent.join(format!("cvmkit-boot-{process}-{count}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by a killed boot, or of a process of the same id in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot("create the folder", &path)(error)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let state = self.path.join("tpm");
        for folder in [&state, &self.path] {
            // A file that stays behind is no reason to lose the verdict.
            drop(tpm::clear(folder));
            drop(std::fs::remove_dir(folder));
        }
    }
}
