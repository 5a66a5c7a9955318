//! The ACPI tables: their digest, or the files of QEMU's fw_cfg that they are made from.

use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use cvmkit_measure::stage0::{AcpiDigest, PciWindows, acpi_digest};

use super::super::super::input;
use super::refusal::Refusal;
use crate::console::CommandError;

/// Longest file of tables, bytes: more than any QEMU makes.
const FILE_MAX: u64 = 64 << 20;

/// The digest, or the files that it covers.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "ACPI tables")]
pub(super) struct AcpiArguments {
    /// Digest (SHA-256) of the ACPI table generation, as stage0 logs it.
    #[arg(
        long,
        value_name = "DIGEST",
        conflicts_with_all = ["acpi_loader", "acpi_rsdp", "acpi_tables", "pci_windows"]
    )]
    acpi: Option<AcpiDigest>,
    /// File etc/table-loader of QEMU's fw_cfg.
    #[arg(long, value_name = "PATH", requires_all = ["acpi_rsdp", "acpi_tables"])]
    acpi_loader: Option<PathBuf>,
    /// File etc/acpi/rsdp of QEMU's fw_cfg.
    #[arg(long, value_name = "PATH", requires = "acpi_loader")]
    acpi_rsdp: Option<PathBuf>,
    /// File etc/acpi/tables of QEMU's fw_cfg.
    #[arg(long, value_name = "PATH", requires = "acpi_loader")]
    acpi_tables: Option<PathBuf>,
    /// Addresses of PCI devices, which stage0 measures since Oak's commit ba19d887bc of 2026-08-14:
    /// ports, memory below and memory above 4 GiB, such as
    /// 0x6000-0xffff,0xc0000000-0xfc000000,0x10000000000-0x20000000000.
    #[arg(long, value_name = "RANGES", requires = "acpi_loader")]
    pci_windows: Option<Windows>,
}

#[derive(Clone, Debug)]
struct Windows(PciWindows);

impl FromStr for Windows {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || "expected three ranges such as 0x6000-0xffff, separated by commas".to_owned();
        let [ports, low, high] =
            <[&str; 3]>::try_from(text.split(',').collect::<Vec<_>>()).map_err(|_| expected())?;
        let windows = || {
            Some(PciWindows { ports: range(ports)?, memory32: range(low)?, memory64: range(high)? })
        };
        windows().map(Self).ok_or_else(expected)
    }
}

/// `0xSTART-0xEND`, each of which fits the number.
fn range<N: TryFrom<u64>>(text: &str) -> Option<Range<N>> {
    let number = |text: &str| {
        let number = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
        N::try_from(number).ok()
    };
    let (start, end) = text.split_once('-')?;
    Some(number(start)?..number(end)?)
}

impl AcpiArguments {
    /// The digest, as given or computed from the files; none without either.
    pub(super) fn digest(&self) -> Result<Option<AcpiDigest>, CommandError> {
        let (Some(loader), Some(rsdp), Some(tables)) =
            (&self.acpi_loader, &self.acpi_rsdp, &self.acpi_tables)
        else {
            return Ok(self.acpi);
        };
        let commands = input::read(loader, FILE_MAX)?;
        let (rsdp, tables) = (input::read(rsdp, FILE_MAX)?, input::read(tables, FILE_MAX)?);
        let file = |name: &str| match name {
            "etc/acpi/rsdp" => Some(rsdp.as_slice()),
            "etc/acpi/tables" => Some(tables.as_slice()),
            _ => None,
        };
        let windows = self.pci_windows.as_ref().map(|Windows(windows)| windows);
        let refused = |source| Refusal::Acpi { path: loader.clone(), source };
        Ok(Some(acpi_digest(&commands, windows, file).map_err(refused)?))
    }
}
