//! How a boot ended, and what was seen of it.

use std::path::PathBuf;
use std::time::Duration;

use super::console::Sighting;
use super::http::HttpAnswer;

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
    /// All that was waited for came, and the guest says that units failed.
    UnitsFailed {
        /// Their names, each with what systemd says of it.
        units: Vec<String>,
    },
    /// The machine ended (power-off, reset) before all had come.
    GuestExited,
    /// The time was up before all had come.
    TimedOut,
}

/// What happened, and what it was seen with.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the attempt ended, whether or not that was asked for.
    pub verdict: Verdict,
    /// True if that is what the request asked for.
    pub met: bool,
    /// From the start of the machine to the verdict.
    pub elapsed: Duration,
    /// The texts that came, in the order they came.
    pub sightings: Vec<Sighting>,
    /// The texts that did not come.
    pub missing: Vec<String>,
    /// The last answer of the server in the guest.
    pub http_answer: Option<HttpAnswer>,
    /// The units that the guest says failed: its last word on them, whatever the verdict is.
    pub failed_units: Vec<String>,
    /// The TPM's event log, if it was asked for and the guest came so far.
    pub event_log: Option<Vec<u8>>,
    /// What ran the guest.
    pub accelerator: Accelerator,
    /// The version of QEMU, as printed.
    pub qemu_version: String,
    /// The file of the firmware's code; none where QEMU loaded a kernel without firmware of ours.
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
