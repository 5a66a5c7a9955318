//! The options that describe a TD.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cvmkit_attest::compare::TdOptions;
use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::qemu::QemuVersion as QemuRelease;
use cvmkit_measure::tdx::rtmr::AcpiTables;

use super::input::{self, InputError};
use super::machine::MachineArguments;
use crate::console::CommandError;

/// Longest file of tables, bytes: more than any QEMU makes.
const FILE_MAX: u64 = 64 << 20;

/// The TD, as far as the options describe it; every possibility of the rest is tried.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TDs")]
pub(super) struct TdArguments {
    /// The TD's firmware. Default: that of the image's folder, or a cloud's.
    #[arg(long, value_name = "FD")]
    td_firmware: Option<PathBuf>,
    /// The order of the firmware's measurements, named by the edk2 release that introduced it.
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
    /// Version of QEMU, such as 10.1.
    #[arg(long, value_name = "VERSION")]
    qemu_version: Option<QemuVersion>,
    /// Digest (SHA-384) of the ACPI table loader, as `measure tdx` prints it, or the file. Without these
    /// three options, RTMR 0 is judged only up to the ACPI tables.
    #[arg(long, value_name = "DIGEST|PATH", requires_all = ["acpi_rsdp", "acpi_tables"])]
    acpi_loader: Option<Measured>,
    /// Digest or file of the RSDP.
    #[arg(long, value_name = "DIGEST|PATH", requires = "acpi_loader")]
    acpi_rsdp: Option<Measured>,
    /// Digest or file of the tables.
    #[arg(long, value_name = "DIGEST|PATH", requires = "acpi_loader")]
    acpi_tables: Option<Measured>,
    /// Digest or file of the SMBIOS tables, for firmware that measures them.
    #[arg(long, value_name = "DIGEST|PATH")]
    smbios: Option<Measured>,
    /// Whether the TD has a virtual TPM.
    #[arg(long, value_name = "PRESENCE")]
    tpm: Option<Presence>,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Presence {
    /// The TD has one.
    Present,
    /// The TD has none.
    Absent,
}

impl TdArguments {
    /// The options given that a prediction depends on, by name.
    pub(super) fn described(&self) -> Vec<&'static str> {
        let options = [
            ("--td-firmware", self.td_firmware.is_some()),
            ("--layout", self.layout.is_some()),
            ("--qemu-version", self.qemu_version.is_some()),
            ("--acpi-loader", self.acpi_loader.is_some()),
            ("--smbios", self.smbios.is_some()),
            ("--tpm", self.tpm.is_some()),
        ];
        options.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    pub(super) fn options(&self, machine: &MachineArguments) -> Result<TdOptions, CommandError> {
        let digests = |measured: &Option<Measured>| -> Result<_, InputError> {
            measured.as_ref().map(Measured::digests).transpose()
        };
        let tables =
            (digests(&self.acpi_loader)?, digests(&self.acpi_rsdp)?, digests(&self.acpi_tables)?);
        let acpi = match tables {
            (Some(loader), Some(rsdp), Some(tables)) => Some(AcpiTables { loader, rsdp, tables }),
            _ => None,
        };
        Ok(TdOptions {
            firmware: self.td_firmware.clone(),
            layout: self.layout,
            qemu: self.qemu_version.as_ref().map(|version| version.release),
            memory: machine.memory,
            acpi,
            smbios: digests(&self.smbios)?,
            tpm: self.tpm.map(|presence| presence == Presence::Present),
            medium: machine.medium(None),
        })
    }
}

/// A version of QEMU, with as many numbers as were given.
#[derive(Clone, Debug)]
pub(super) struct QemuVersion {
    /// The key of what it measures.
    pub(super) release: QemuRelease,
    pub(super) text: String,
}

impl FromStr for QemuVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self { release: text.parse()?, text: text.to_owned() })
    }
}

impl QemuVersion {
    /// Whether `found` is this version: 10.1 covers 10.1.2, not 10.10.
    pub(super) fn covers(&self, found: &Self) -> bool {
        let mut found = found.text.split('.');
        self.text.split('.').all(|number| found.next() == Some(number))
    }
}

impl fmt::Display for QemuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Something that firmware measures: its digest, or the file with its bytes.
#[derive(Clone, Debug)]
pub(super) enum Measured {
    Digest(Sha384),
    File(PathBuf),
}

impl FromStr for Measured {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Digest))
    }
}

impl Measured {
    /// The digests. If only the SHA-384 was given, the SHA-256 is zeros: a TD does not need it.
    pub(super) fn digests(&self) -> Result<Digests, InputError> {
        match self {
            Self::Digest(sha384) => Ok(Digests { sha256: Sha256::ZERO, sha384: *sha384 }),
            Self::File(path) => Ok(Digests::of(&input::read(path, FILE_MAX)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of QEMU 10.0.2 are not those of 10.1: the whole version counts.
    #[test]
    fn a_version_covers_those_that_it_begins() {
        for (given, found, covers) in [
            ("10.1", "10.1.2", true),
            // Without the minor number it is none.
            ("10", "10.0.2", false),
            ("10.0.2", "10.0.2", true),
            ("10.1", "10.0.2", false),
            ("10.1", "10.10.0", false),
            ("10.0.2", "10.0", false),
        ] {
            let version = |text: &str| text.parse::<QemuVersion>();
            let found = version(found)
                .is_ok_and(|found| version(given).is_ok_and(|given| given.covers(&found)));
            assert_eq!(found, covers, "{given}");
        }
    }
}
