#![forbid(unsafe_code)]
//! Boots an image in QEMU and judges it by what the guest says.
//!
//! The contract: a boot met its expectation only when every text waited for was on the console (or,
//! when a panic is expected, the kernel panicked) and the guest named no failed unit, never because
//! QEMU ended with success: panic, power-off and reset all end it with status 0. The image is never
//! changed, and nothing started here outlives the call.
//!
//! Deliberately absent: hardware TEEs (the guest boots the same bytes without memory encryption),
//! any network beyond one forwarded port, and keyboard input: the console is one-way.
//!
//! Oracles: QEMU itself, with UEFI firmware and with a Multiboot guest of 256 bytes (`canary.s`);
//! a stand-in for QEMU for what cannot be provoked (double faults).

mod acpi;
mod attempt;
mod command;
mod console;
mod error;
mod event_log;
mod firmware;
mod http;
mod monitor;
mod outcome;
mod process;
mod qemu;
mod request;
mod scratch;
mod tpm;

use std::io::Write;
use std::path::PathBuf;

pub use self::acpi::{AcpiError, AcpiFiles, AcpiRequest, TD_MACHINE, acpi_files};
use self::attempt::Machine;
pub use self::command::{StartCommand, command};
pub use self::console::{Phase, Sighting};
pub use self::error::BootError;
use self::firmware::Firmware;
pub use self::http::HttpAnswer;
pub use self::outcome::{Accelerator, Outcome, Verdict};
pub use self::qemu::MEDIUM;
use self::qemu::Qemu;
pub use self::request::{HttpGet, Kvm, LinuxBoot, Request};
use cvmkit_host::files::{self, cannot};

use self::scratch::Scratch;

/// Told of a boot while it runs.
pub trait Spectator {
    /// The guest came to another phase.
    fn phase(&self, phase: Phase);

    /// A line of the console is complete; it is safe to print.
    fn line(&self, line: &str);
}

/// Looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Spectator for Unwatched {
    fn phase(&self, _: Phase) {}
    fn line(&self, _: &str) {}
}

/// Boots what the request describes and waits for what it expects.
///
/// A double fault of the guest's kernel under emulation is tried once more and reported in
/// [`Outcome::retried`]; no other failure is.
///
/// # Errors
/// [`BootError`] when the boot could not be tried: whatever the guest itself does is an
/// [`Outcome`].
pub fn boot(request: &Request, spectator: &dyn Spectator) -> Result<Outcome, BootError> {
    request.check()?;
    let scratch = Scratch::new(&request.scratch)?;
    let machine = machine(request, &scratch)?;
    let mut log = files::create(&request.serial_log)?;
    let first = machine.attempt(&mut log, spectator)?;
    let emulated = matches!(machine.accelerator, Accelerator::Tcg { .. });
    match first.emulator_fault.clone().filter(|_| emulated) {
        None => Ok(machine.outcome(first, None)),
        Some(line) => {
            let note = format!("\n--- cvmkit: second attempt, after: {line} ---\n");
            log.write_all(note.as_bytes()).map_err(cannot("write", &request.serial_log))?;
            let second = machine.attempt(&mut log, spectator)?;
            Ok(machine.outcome(second, Some(line)))
        }
    }
}

/// Finds everything that the machine needs.
fn machine<'a>(request: &'a Request, scratch: &'a Scratch) -> Result<Machine<'a>, BootError> {
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
    Ok(Machine { request, qemu, firmware, accelerator, scratch: &scratch.path })
}

/// The files the guest is made of.
fn inputs(request: &Request) -> impl Iterator<Item = &PathBuf> {
    let direct = request.direct.iter();
    let kernel = direct.flat_map(|direct| std::iter::once(&direct.kernel).chain(&direct.initrd));
    request.disk.iter().chain(kernel)
}
