//! Why nothing was measured: always the fault of the options (exit 2). Faults of the files that they name are
//! [`cvmkit_attest::predict::TdError`]s.

use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::super::super::td::QemuVersion;

/// Options that contradict each other, or leave something open.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("the MRTD does not cover ACPI tables: --mrtd-only excludes options for them")]
    AcpiForMrtd,
    #[error("RTMR 0 is not predicted without --firmware, found options for its ACPI tables")]
    AcpiForForeign,
    #[error("missing --memory SIZE, which the HOB list in RTMR 0 describes")]
    NoMemory,
    #[error("missing {option}: firmware measures the table loader, the RSDP and the tables")]
    PartOfAcpi { option: &'static str },
    #[error("missing --vcpus N, which the ACPI tables of QEMU describe")]
    NoVcpus,
    #[error("missing --qemu-version VERSION, which MRTD and RTMR 1 depend on")]
    NoQemuVersion,
    #[error("--qemu-version is {given}, but the QEMU of --acpi-from-qemu is {found}")]
    OtherQemu { given: QemuVersion, found: QemuVersion },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::AcpiForForeign => "name the firmware with --firmware, or leave the options out",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
