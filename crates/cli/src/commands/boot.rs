//! `cvmkit boot`: start an image in QEMU and check what it prints and answers.

mod report;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cvmkit_attest::compare::{self, Options};
use cvmkit_attest::output::{Manifest, Role};
use cvmkit_attest::predict::TpmMachine;
use cvmkit_attest::profile::{Boot, Memory};
use cvmkit_host::files;
use cvmkit_host::progress::Progress;
use cvmkit_measure::firmware::behaviour::FirmwareBuild;
use cvmkit_measure::tpm::Platform;
use cvmkit_measure::uefi::variables::SecureBoot;
use cvmkit_vm::{HttpGet, Kvm, LinuxBoot, Outcome, Request};

use self::report::{Report, Typed};
use self::watch::Watcher;
use super::input;
use crate::console::{Answer, CommandError, Console};
use crate::environment;

/// What to boot, in which machine, and what to expect.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of an image.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Let QEMU load kernel and initrd, instead of booting the disk with UEFI firmware.
    #[arg(long)]
    direct: bool,
    /// Text that must appear on the console; may be given several times.
    #[arg(long, value_name = "TEXT")]
    until: Vec<String>,
    /// How the boot must end.
    #[arg(long, value_enum, value_name = "WHAT")]
    expect: Option<Expectation>,
    /// A server in the guest that must answer with status 200, such as `8080/health`.
    #[arg(long, value_name = "PORT/PATH")]
    http_get: Option<HttpAddress>,
    /// Accept a boot in which units failed.
    #[arg(long)]
    allow_failed: bool,
    /// Give the guest a software TPM 2.0.
    #[arg(long)]
    tpm: bool,
    /// The file for the TPM's event log, read from the guest's memory once the boot is as expected. UEFI
    /// firmware must have started Linux.
    #[arg(long, value_name = "FILE", requires = "tpm", conflicts_with = "direct")]
    event_log: Option<PathBuf>,
    /// Compare the TPM's event log with what this image should measure, as `cvmkit compare` does. The
    /// log is written to `OUT.event-log` unless `--event-log` names a file.
    #[arg(long, requires = "tpm", conflicts_with = "direct")]
    compare: bool,
    /// Seconds after which the boot counts as failed.
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
    /// The file for the console's log. Default: `OUT.serial.log`.
    #[arg(long, value_name = "FILE")]
    serial_log: Option<PathBuf>,
    /// Do not use KVM.
    #[arg(long)]
    no_kvm: bool,
    /// Show the console while the guest runs, on standard error.
    #[arg(long)]
    console: bool,
    /// Only print the command that starts this machine.
    #[arg(long)]
    print_command: bool,
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
        if self.print_command {
            console.answer(&Typed::of(&cvmkit_vm::command(&request)?));
            return Ok(ExitCode::SUCCESS);
        }
        let watcher = Watcher::new(console, self.console, &request);
        let outcome = cvmkit_vm::boot(&request, &watcher);
        watcher.end();
        let outcome = outcome?;
        let event_log = self.keep_event_log(&outcome)?;
        let comparison = match &event_log {
            Some(log) if self.compare => {
                Some(compare::compare(log, &self.out, &options(&outcome)?)?)
            }
            _ => None,
        };
        let report = Report::of(&request, &outcome, event_log, comparison);
        for note in report.notes() {
            console.note(note);
        }
        console.result(&report);
        if report.met {
            return Ok(ExitCode::SUCCESS);
        }
        console.failure(&report.failure());
        Ok(ExitCode::from(1))
    }

    fn request(&self, manifest: &Manifest) -> Result<Request, CommandError> {
        let serial_log = self.serial_log.clone().unwrap_or_else(|| beside(&self.out, "serial.log"));
        let file = |role| manifest.file(role).map(|name| self.out.join(name));
        let scratch = environment::scratch();
        let mut request = Request::new(environment::program_folders(), scratch, serial_log);
        request.disk = file(Role::Disk);
        if self.direct || manifest.file(Role::Uki).is_none() {
            let command_line = file(Role::CommandLine).map(|path| files::read_text(&path));
            request.direct = file(Role::Kernel).map(|kernel| LinuxBoot {
                kernel,
                initrd: file(Role::Initrd),
                cmdline: String::new(),
            });
            if let (Some(direct), Some(text)) = (&mut request.direct, command_line) {
                direct.cmdline = text?;
            }
        }
        request.firmware.clone_from(&self.firmware);
        request.until.clone_from(&self.until);
        request.expect_panic = self.expect == Some(Expectation::Panic);
        request.http_get = self.http_get.clone().map(|HttpAddress(get)| get);
        request.allow_failed = self.allow_failed;
        request.tpm = self.tpm;
        request.event_log = self.event_log.is_some() || self.compare;
        request.timeout = Duration::from_secs(self.timeout);
        request.memory_mib = self.memory;
        request.vcpus = self.vcpus;
        if self.no_kvm {
            request.kvm = Kvm::Never;
        }
        Ok(request)
    }

    /// Writes the event log, if there is one; answers its path.
    fn keep_event_log(&self, outcome: &Outcome) -> Result<Option<PathBuf>, CommandError> {
        let Some(bytes) = &outcome.event_log else { return Ok(None) };
        let path = self.event_log.clone().unwrap_or_else(|| beside(&self.out, "event-log"));
        files::replace(&path, bytes)?;
        Ok(Some(path))
    }
}

/// The machine that was booted, as far as it is known: QEMU's TPM, and firmware whose behaviour is known. Every
/// possibility of the rest is tried.
fn options(outcome: &Outcome) -> Result<Options, CommandError> {
    let image = |path: &Path| input::read(path, input::FIRMWARE_MAX);
    let image = outcome.firmware.as_deref().map(image).transpose()?;
    Ok(Options {
        platform: Some(Platform::QemuOvmf),
        machine: TpmMachine {
            firmware: image.and_then(|image| FirmwareBuild::of_file(&image).ok()),
            secure_boot: SecureBoot::default(),
            medium: cvmkit_vm::MEDIUM,
            kernel_header: None,
            pinned: None,
        },
        knows_secure_boot: false,
        boot: Some(Boot::UkiDisk),
        phases: None,
        td: Default::default(),
        profile: None,
        required: None,
        // This machine was described, so the image's own profiles do not apply.
        described: vec!["--compare"],
    })
}

/// `OUT.ENDING`, beside the folder: inside, it would be a file without a checksum.
fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_else(|| "image".as_ref()).to_owned();
    name.push(format!(".{ending}"));
    out.with_file_name(name)
}
