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
mod spectator;
mod tpm;

use std::io::Write;

use cvmkit_host::files::{self, cannot};

pub use self::acpi::{AcpiError, AcpiFiles, AcpiRequest, TD_MACHINE, acpi_files};
use self::attempt::Machine;
pub use self::command::{StartCommand, command};
pub use self::console::Sighting;
pub use self::error::BootError;
pub use self::http::HttpAnswer;
pub use self::outcome::{Accelerator, Outcome, Verdict};
pub use self::qemu::MEDIUM;
pub use self::request::{HttpGet, Kvm, LinuxBoot, Request};
use self::scratch::Scratch;
pub use self::spectator::{Phase, Spectator, Unwatched};

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
    let machine = Machine::find(request, &scratch)?;
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
