//! `cvmkit boot`: start an image in QEMU and judge it by what it says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cvmkit_engine::boot::{self, Accelerator, Direct, HttpGet, Kvm, Outcome, Request, Verdict};
use cvmkit_engine::files;
use cvmkit_engine::manifest::Manifest;
use cvmkit_engine::profile::Memory;
use serde::Serialize;

use crate::console::{Answer, CommandError, Console};
use crate::environment;

/// What to boot, how, and what must happen.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of an image.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Let QEMU load kernel and initrd, instead of UEFI firmware the disk.
    #[arg(long)]
    direct: bool,
    /// Text that must appear on the console; may be given several times.
    #[arg(long, value_name = "TEXT")]
    until: Vec<String>,
    /// What the boot must end in.
    #[arg(long, value_enum, value_name = "WHAT")]
    expect: Option<Expectation>,
    /// A server in the guest that must answer 200, such as `8080/health`.
    #[arg(long, value_name = "PORT/PATH")]
    http_get: Option<HttpAddress>,
    /// Give the guest a software TPM 2.0.
    #[arg(long)]
    tpm: bool,
    /// Seconds until the boot has failed.
    #[arg(long, value_name = "S", default_value_t = 300)]
    timeout: u64,
    /// Memory of the guest, such as 2G or 2816M.
    #[arg(long, value_name = "SIZE", value_parser = Memory::mebibytes, default_value = "1G")]
    memory: u32,
    /// Processors of the guest.
    #[arg(long, value_name = "N", default_value_t = 2)]
    vcpus: u32,
    /// UEFI firmware to boot the disk with. Default: that of the host's package `ovmf`.
    #[arg(long, value_name = "FILE", conflicts_with = "direct")]
    firmware: Option<PathBuf>,
    /// Where the console is logged. Default: `OUT.serial.log`.
    #[arg(long, value_name = "FILE")]
    serial_log: Option<PathBuf>,
    /// Never try KVM.
    #[arg(long)]
    no_kvm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Expectation {
    /// A kernel panic.
    Panic,
}

/// `PORT/PATH` of `--http-get`.
#[derive(Clone, Debug)]
struct HttpAddress(HttpGet);

impl std::str::FromStr for HttpAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (port, path) = text.split_once('/').unwrap_or((text, ""));
        let port = port.parse().map_err(|_| format!("expected PORT/PATH, found `{text}`"))?;
        Ok(Self(HttpGet { port, path: format!("/{path}") }))
    }
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let manifest = Manifest::read(&self.out)?;
        let request = self.request(&manifest)?;
        let outcome = boot::boot(&request)?;
        let report = Report::of(&outcome);
        console.result(&report);
        if outcome.met {
            return Ok(ExitCode::SUCCESS);
        }
        console.failure(&report.failure());
        Ok(ExitCode::from(1))
    }

    fn request(self, manifest: &Manifest) -> Result<Request, CommandError> {
        let serial_log = self.serial_log.unwrap_or_else(|| beside(&self.out));
        let file = |role: &str| manifest.file(role).map(|name| self.out.join(name));
        let scratch = environment::scratch();
        let mut request = Request::new(environment::program_folders(), scratch, serial_log);
        request.disk = file("disk");
        if self.direct || manifest.file("uki").is_none() {
            let command_line = file("command-line").map(|path| files::read_text(&path));
            request.direct = file("kernel").map(|kernel| Direct {
                kernel,
                initrd: file("initrd"),
                cmdline: String::new(),
            });
            if let (Some(direct), Some(text)) = (&mut request.direct, command_line) {
                direct.cmdline = text?;
            }
        }
        request.firmware = self.firmware;
        request.until = self.until;
        request.expect_panic = self.expect == Some(Expectation::Panic);
        request.http_get = self.http_get.map(|HttpAddress(get)| get);
        request.tpm = self.tpm;
        request.timeout = Duration::from_secs(self.timeout);
        request.memory_mib = self.memory;
        request.vcpus = self.vcpus;
        if self.no_kvm {
            request.kvm = Kvm::Never;
        }
        Ok(request)
    }
}

/// `OUT.serial.log`: not inside, where it would be a file that no sum covers.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_else(|| "image".as_ref()).to_owned();
    name.push(".serial.log");
    out.with_file_name(name)
}

#[derive(Serialize)]
struct Report {
    met: bool,
    verdict: String,
    seconds: f64,
    accelerator: String,
    qemu: String,
    firmware: Option<String>,
    sightings: Vec<String>,
    missing: Vec<String>,
    http_status: Option<u16>,
    /// Why this was the second attempt, if it was.
    retried: Option<String>,
    serial_log: String,
    tail: Vec<String>,
}

impl Report {
    fn of(outcome: &Outcome) -> Self {
        Self {
            met: outcome.met,
            verdict: match &outcome.verdict {
                Verdict::Reached => "reached".into(),
                Verdict::Panicked { line } => format!("kernel panic: {line}"),
                Verdict::EmulatorFault { line } => format!("emulator fault: {line}"),
                Verdict::GuestExited => "the guest ended".into(),
                Verdict::TimedOut => "timed out".into(),
            },
            seconds: outcome.elapsed.as_secs_f64(),
            accelerator: match &outcome.accelerator {
                Accelerator::Kvm => "KVM".into(),
                Accelerator::Tcg { reason } => format!("TCG ({reason})"),
            },
            qemu: outcome.qemu_version.clone(),
            firmware: outcome.firmware.as_ref().map(|path| path.display().to_string()),
            sightings: outcome.sightings.iter().map(|sighting| sighting.line.clone()).collect(),
            missing: outcome.missing.clone(),
            http_status: outcome.http_status,
            retried: outcome.retried.clone(),
            serial_log: outcome.serial_log.display().to_string(),
            tail: outcome.tail.clone(),
        }
    }

    /// What to say on standard error when the expectation was not met.
    fn failure(&self) -> String {
        let mut text = format!("the boot did not end as expected: {}", self.verdict);
        for missing in &self.missing {
            text.push_str(&format!("\n  never on the console: {missing}"));
        }
        for line in &self.tail {
            text.push_str(&format!("\n  | {line}"));
        }
        text.push_str(&format!("\nhint: the whole console is in `{}`", self.serial_log));
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.retried {
            writeln!(f, "second attempt: the emulator failed in the first one: {line}")?;
        }
        for line in &self.sightings {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{} after {:.1} s", self.verdict, self.seconds)?;
        write!(f, "QEMU {}, {}", self.qemu, self.accelerator)?;
        if let Some(firmware) = &self.firmware {
            write!(f, ", firmware {firmware}")?;
        }
        write!(f, "\nconsole: {}", self.serial_log)
    }
}
