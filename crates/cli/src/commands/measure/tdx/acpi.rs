//! The ACPI tables: made by QEMU now, or as digests or files of an earlier QEMU.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cvmkit_measure::tdx::rtmr::AcpiTables;
use cvmkit_vm::{AcpiError, AcpiRequest, TD_MACHINE, acpi_files};

use super::super::super::td::{Measured, QemuVersion};
use super::refusal::Refusal;
use crate::console::CommandError;
use crate::environment;

/// The program that is looked up in `PATH`.
const QEMU: &str = "qemu-system-x86_64";

/// The origin of the tables: QEMU, or digests and files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "ACPI tables")]
pub(super) struct AcpiArguments {
    /// Have QEMU make the ACPI tables: the QEMU of that path, or `qemu-system-x86_64`. It must have the
    /// version that starts the TD. No guest runs.
    #[arg(
        long,
        value_name = "PATH",
        num_args = 0..=1,
        default_missing_value = QEMU,
        conflicts_with_all = ["acpi_loader", "acpi_rsdp", "acpi_tables"]
    )]
    acpi_from_qemu: Option<PathBuf>,
    /// The value of QEMU's `-machine`, without confidential-guest-support and kernel-irqchip.
    #[arg(long, value_name = "PROPERTIES", default_value = TD_MACHINE, requires = "acpi_from_qemu")]
    machine: String,
    /// An argument of QEMU, for the devices of the TD; may be given several times.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true, requires = "acpi_from_qemu")]
    qemu_argument: Vec<OsString>,
    /// The address that the firmware assigns to the first 64-bit BAR of a PCI device.
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = "acpi_from_qemu")]
    pci_window: Option<u64>,
    /// Digest (SHA-384) of etc/table-loader of QEMU's fw_cfg, or the file.
    #[arg(long, value_name = "DIGEST|PATH")]
    acpi_loader: Option<Measured>,
    /// Digest (SHA-384) of etc/acpi/rsdp, or the file.
    #[arg(long, value_name = "DIGEST|PATH")]
    acpi_rsdp: Option<Measured>,
    /// Digest (SHA-384) of etc/acpi/tables, or the file.
    #[arg(long, value_name = "DIGEST|PATH")]
    acpi_tables: Option<Measured>,
}

/// The digests of the tables, and the version of the QEMU that made them, if one just did.
#[derive(Debug)]
pub(super) struct Acpi {
    pub(super) tables: AcpiTables,
    pub(super) qemu_version: Option<QemuVersion>,
}

impl AcpiArguments {
    pub(super) fn is_given(&self) -> bool {
        let recorded = [&self.acpi_loader, &self.acpi_rsdp, &self.acpi_tables];
        self.acpi_from_qemu.is_some() || recorded.iter().any(|measured| measured.is_some())
    }

    /// Refuses options that are incomplete.
    pub(super) fn check(&self, vcpus: Option<u32>) -> Result<(), Refusal> {
        if self.acpi_from_qemu.is_some() {
            return if vcpus.is_some() { Ok(()) } else { Err(Refusal::NoVcpus) };
        }
        let recorded = [
            ("--acpi-loader", &self.acpi_loader),
            ("--acpi-rsdp", &self.acpi_rsdp),
            ("--acpi-tables", &self.acpi_tables),
        ];
        match recorded.iter().find(|(_, measured)| measured.is_none()) {
            Some((option, _)) => Err(Refusal::PartOfAcpi { option }),
            None => Ok(()),
        }
    }

    /// The tables, if the options name them.
    pub(super) fn tables(
        &self,
        vcpus: Option<u32>,
        memory: Option<u64>,
    ) -> Result<Option<Acpi>, CommandError> {
        if let (Some(path), Some(vcpus), Some(memory)) = (&self.acpi_from_qemu, vcpus, memory) {
            return Ok(Some(self.made(path, vcpus, memory)?));
        }
        match (&self.acpi_loader, &self.acpi_rsdp, &self.acpi_tables) {
            (Some(loader), Some(rsdp), Some(tables)) => {
                let (loader, rsdp) = (loader.digests()?, rsdp.digests()?);
                let tables = AcpiTables { loader, rsdp, tables: tables.digests()? };
                Ok(Some(Acpi { tables, qemu_version: None }))
            }
            _ => Ok(None),
        }
    }

    fn made(&self, path: &Path, vcpus: u32, memory: u64) -> Result<Acpi, AcpiError> {
        let request = AcpiRequest {
            qemu: Some(path.to_owned()).filter(|path| path != Path::new(QEMU)),
            machine: self.machine.clone(),
            arguments: self.qemu_argument.clone(),
            pci_window: self.pci_window,
            ..AcpiRequest::new(environment::program_folders(), vcpus, memory)
        };
        let files = acpi_files(&request)?;
        Ok(Acpi { tables: files.digests(), qemu_version: files.qemu_version.parse().ok() })
    }
}

fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|_| "expected a hexadecimal number after 0x".to_owned())
}
