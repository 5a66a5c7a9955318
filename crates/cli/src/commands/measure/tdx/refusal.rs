//! Why there are no registers: always the fault of the options or of a file they name (exit 2).

use std::path::PathBuf;

use cvmkit_engine::fault::{Diagnosis, Fault};
use cvmkit_measure::digest::Sha256;
use cvmkit_measure::firmware::TdvfError;
use cvmkit_measure::tdx::layout::{LAYOUTS, Layout};
use cvmkit_measure::tdx::rtmr;
use cvmkit_measure::uefi::variable_store;
use cvmkit_measure::{firmware, linux, tdx};
use thiserror::Error;

use super::QemuVersion;

/// What is wrong with the firmware.
#[derive(Debug, Error)]
pub(super) enum Cause {
    #[error(transparent)]
    Tdx(#[from] tdx::Error),
    #[error(transparent)]
    Variables(#[from] variable_store::Error),
}

impl From<TdvfError> for Cause {
    fn from(error: TdvfError) -> Self {
        Self::Tdx(error.into())
    }
}

impl From<firmware::Error> for Cause {
    fn from(error: firmware::Error) -> Self {
        TdvfError::from(error).into()
    }
}

/// Options or files of which there is nothing to measure.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("RTMR 0 holds the ACPI tables that QEMU makes, and none are given")]
    NoAcpi,
    #[error("the MRTD does not depend on ACPI tables, found options for them with --mrtd-only")]
    AcpiForMrtd,
    #[error("missing {option}: firmware measures table loader, RSDP and tables")]
    PartOfAcpi { option: &'static str },
    #[error("missing --vcpus N, which is in the ACPI tables that QEMU makes")]
    NoVcpus,
    #[error("missing --qemu-version VERSION: MRTD and RTMR 1 depend on it")]
    NoQemuVersion,
    #[error("--qemu-version says {given}, but the QEMU of --acpi-from-qemu is {found}")]
    OtherQemu { given: QemuVersion, found: QemuVersion },
    #[error("how `{}` measures is not known (SHA-256 {digest})", path.display())]
    NoLayout { path: PathBuf, digest: Sha256 },
    #[error("--layout says {given}, but `{}` is known to measure as {known}", path.display())]
    OtherLayout { path: PathBuf, given: Layout, known: Layout },
    #[error("whether `{}` was built with Secure Boot is not known", path.display())]
    NoSecureBoot { path: PathBuf },
    #[error("--secure-boot says something else than is known of `{}`", path.display())]
    OtherSecureBoot { path: PathBuf },
    #[error("cannot measure `{}`", path.display())]
    Firmware { path: PathBuf, source: Cause },
    #[error("cannot measure the kernel `{}`", path.display())]
    Kernel { path: PathBuf, source: linux::Error },
    #[error("cannot predict the boot")]
    Boot(#[source] rtmr::Error),
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoAcpi => {
                "use --acpi-from-qemu with the QEMU that starts the TD, or give --acpi-loader, \
                 --acpi-rsdp and --acpi-tables; --mrtd-only prints the MRTD, which does without"
            }
            Self::NoLayout { .. } => {
                let names: Vec<_> = LAYOUTS.iter().map(|layout| layout.name).collect();
                return Some(format!(
                    "name with --layout the latest that is not younger than its edk2: {}",
                    names.join(", ")
                ));
            }
            Self::NoSecureBoot { .. } => {
                "use --secure-boot built-in if its event log has data for the variable \
                 SecureBoot, otherwise --secure-boot absent"
            }
            Self::OtherLayout { .. } | Self::OtherSecureBoot { .. } => "leave the option out",
            Self::Firmware {
                source: Cause::Tdx(tdx::Error::Tdvf(TdvfError::NoMetadata | TdvfError::Firmware(_))),
                ..
            } => {
                "use a whole firmware image built for TDX, such as Debian's OVMF.fd, not its \
                 variables and not an image split from them"
            }
            Self::Boot(rtmr::Error::NoSmbios { .. }) => {
                "give --smbios the digest of the event EV_EFI_HANDOFF_TABLES in the event log of \
                 such a TD"
            }
            Self::Boot(rtmr::Error::NoAuthority) => {
                "sign the kernel with a key that the firmware's db has, or use firmware without \
                 Secure Boot"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
