//! Why nothing was measured: always the fault of the options or of a file they name (exit 2).

use std::path::PathBuf;

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_measure::stage0::{AcpiError, KernelError, MemoryError};
use thiserror::Error;

/// Options or files that stage0 could not be started with.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("cannot use `{}` as a kernel", path.display())]
    Kernel { path: PathBuf, source: KernelError },
    #[error("cannot make a memory map from --memory")]
    Memory(#[source] MemoryError),
    #[error("cannot use `{}` and the files beside it as ACPI tables", path.display())]
    Acpi { path: PathBuf, source: AcpiError },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let Self::Kernel { .. } = self else { return None };
        Some("name a bzImage (arch/x86/boot/bzImage), as for QEMU's -kernel".to_owned())
    }
}
