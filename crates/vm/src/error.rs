//! Why a boot could not be tried or judged.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use thiserror::Error;

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
    #[error("swtpm did not start: {stderr}")]
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
    /// QEMU's monitor does not do what it is told.
    #[error("QEMU's monitor: {problem}")]
    Monitor {
        /// What went wrong.
        problem: String,
    },
    /// The guest's memory has no event log.
    #[error("the guest's memory holds no TPM event log: {why}")]
    NoEventLog {
        /// What was looked for and not found.
        why: String,
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
            Self::Invalid { .. } | Self::NoEventLog { .. } => Fault::Definition,
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
            Self::NoEventLog { .. } => Some(
                "boot with UEFI firmware that has TPM support, and a kernel whose EFI stub keeps the \
                 log; the serial log shows how far the guest came"
                    .into(),
            ),
            Self::SocketPath { .. } => Some("choose a scratch folder with a shorter name".into()),
            Self::File(error) => error.hint(),
            _ => None,
        }
    }
}
