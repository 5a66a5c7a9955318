//! Why there are no registers: always the fault of the options (exit 2). What is wrong with the files
//! they name is said by [`cvmkit_attest::predict::TdError`].

use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::super::super::td::QemuVersion;

/// Options of which there is nothing to measure.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("the MRTD does not depend on ACPI tables, found options for them with --mrtd-only")]
    AcpiForMrtd,
    #[error(
        "RTMR 0 of firmware that is not at hand is not predicted, found options for its tables"
    )]
    AcpiForForeign,
    #[error("missing --memory SIZE: the TD HOB describes it, and RTMR 0 holds that")]
    NoMemory,
    #[error("missing {option}: firmware measures table loader, RSDP and tables")]
    PartOfAcpi { option: &'static str },
    #[error("missing --vcpus N, which is in the ACPI tables that QEMU makes")]
    NoVcpus,
    #[error("missing --qemu-version VERSION: MRTD and RTMR 1 depend on it")]
    NoQemuVersion,
    #[error("--qemu-version says {given}, but the QEMU of --acpi-from-qemu is {found}")]
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
