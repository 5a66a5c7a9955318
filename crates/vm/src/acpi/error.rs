//! Why there are no ACPI tables.

use std::io;

use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::super::error::BootError;

/// Why there are no tables.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcpiError {
    /// QEMU is missing, or does not start.
    #[error(transparent)]
    Qemu(#[from] BootError),
    /// No connection to QEMU.
    #[error("cannot talk to QEMU")]
    Socket(#[source] io::Error),
    /// QEMU ended before it was asked everything.
    #[error("QEMU ended")]
    Gone,
    /// QEMU would not have this machine.
    #[error("QEMU made no ACPI tables: {stderr}")]
    Refused {
        /// What it said.
        stderr: String,
    },
    /// It took too long.
    #[error("QEMU did not answer in time")]
    TimedOut,
    /// QEMU answered something else.
    #[error("QEMU answered {answer:?} to `{command}`")]
    Protocol {
        /// What it was asked.
        command: String,
        /// What it said, the start of it.
        answer: String,
    },
    /// Where 64-bit BARs go is not known.
    #[error(
        "PCI device {function} has a 64-bit BAR, and the address its firmware gives it is in the tables"
    )]
    NoWindow {
        /// The device.
        function: String,
    },
    /// Not where a window can be.
    #[error("no PCI window at {found:#x}, expected 4 GiB or more and a multiple of {alignment:#x}")]
    Window {
        /// What was given.
        found: u64,
        /// The largest BAR.
        alignment: u64,
    },
    /// A bridge.
    #[error("PCI function {function} is a bridge, whose windows are not predicted")]
    Bridge {
        /// The bridge.
        function: String,
    },
    /// A machine without such a file.
    #[error("QEMU has no `{name}` in fw_cfg, expected a machine with ACPI tables")]
    NoFile {
        /// The file.
        name: &'static str,
    },
    /// A file that can't be one.
    #[error("`{name}` of fw_cfg has {found} bytes, expected 1 to {expected}")]
    FileSize {
        /// The file.
        name: &'static str,
        /// The most.
        expected: usize,
        /// What the directory says.
        found: u32,
    },
}

impl Diagnosis for AcpiError {
    fn fault(&self) -> Fault {
        match self {
            Self::Qemu(error) => error.fault(),
            Self::NoWindow { .. }
            | Self::Window { .. }
            | Self::Bridge { .. }
            | Self::NoFile { .. }
            | Self::Refused { .. } => Fault::Definition,
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Qemu(error) => return error.hint(),
            Self::NoWindow { .. } => {
                "name the lowest address above 4 GiB that the guest's `/proc/iomem` has under \
                 `PCI Bus 0000:00`: 0x380000000000 with 46 or more physical address bits and \
                 edk2-stable202302 or later, and another one with fewer bits"
            }
            Self::Bridge { .. } => {
                "describe the machine without bridges, or take the tables from files of the guest"
            }
            Self::Refused { .. } => "check the arguments for QEMU",
            Self::TimedOut => "try again when the host is less busy",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a user can change is the definition's; what QEMU does on its own is the machine's.
    #[test]
    fn an_error_says_whose_fault_it_is() {
        let function = || "00:02.0".to_owned();
        let old = || BootError::OldQemu { path: "q".into(), found: "7".into(), oldest: 10 };
        for (error, fault, hint) in [
            (AcpiError::Socket(io::Error::other("x")), Fault::Environment, None),
            (AcpiError::Gone, Fault::Environment, None),
            (AcpiError::TimedOut, Fault::Environment, Some("when the host is less busy")),
            (
                AcpiError::Protocol { command: "a".into(), answer: "b".into() },
                Fault::Environment,
                None,
            ),
            (AcpiError::FileSize { name: "a", expected: 1, found: 0 }, Fault::Environment, None),
            (AcpiError::NoFile { name: "a" }, Fault::Definition, None),
            (AcpiError::Window { found: 0, alignment: 1 }, Fault::Definition, None),
            (
                AcpiError::NoWindow { function: function() },
                Fault::Definition,
                Some("name the lowest address above 4 GiB"),
            ),
            (
                AcpiError::Bridge { function: function() },
                Fault::Definition,
                Some("without bridges"),
            ),
            (
                AcpiError::Refused { stderr: "x".into() },
                Fault::Definition,
                Some("check the arguments for QEMU"),
            ),
            (AcpiError::Qemu(old()), Fault::Environment, Some("backports")),
            (AcpiError::Qemu(BootError::Invalid { problem: "x" }), Fault::Definition, None),
        ] {
            assert_eq!(error.fault(), fault, "{error}");
            let said = error.hint();
            assert_eq!(said.is_some(), hint.is_some(), "{error}: {said:?}");
            let words = hint.unwrap_or_default();
            assert!(said.unwrap_or_default().contains(words), "{error}");
        }
    }
}
