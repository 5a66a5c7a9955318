//! `cvmkit measure tdx`: what a quote says of an Intel TD that QEMU starts with firmware and a
//! kernel: MRTD and RTMR 0 to 3.
//!
//! The contract: all five registers or a refusal (exit 2); never a register of which an input was
//! guessed. `--mrtd-only` asks for the one that firmware and QEMU decide alone. The ACPI tables,
//! which RTMR 0 holds, are QEMU's: `--acpi-from-qemu` has it make them, and prints digests that do
//! without it the next time. Deliberately absent: boots from a disk, Google Compute Engine. Oracles:
//! td-shim's `td_shim_tee_info_hash.py`, event logs of a real TD and of OVMF under QEMU.

mod acpi;
mod refusal;
mod report;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use cvmkit_engine::predict::{SecureBootBuild, TdBoot, TdError, TdFirmware, TdMachine};
use cvmkit_measure::event::Events;
use cvmkit_measure::gpa::FOUR_GIB;
use cvmkit_measure::tdx::layout::Layout;
use cvmkit_measure::tdx::mrtd::Rule;
use cvmkit_measure::tdx::rtmr::AcpiTables;

use super::super::input;
use crate::console::{Answer, CommandError, Console};
use acpi::{Acpi, AcpiArguments, Measured};
use refusal::Refusal;
use report::{Inputs, Report};

/// Firmware, machine and kernel of the TD.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Firmware file, whole, such as OVMF.fd.
    #[arg(long, value_name = "PATH")]
    firmware: PathBuf,
    /// Kernel file of a direct boot.
    #[arg(long, value_name = "PATH", required_unless_present = "mrtd_only")]
    kernel: Option<PathBuf>,
    /// Initrd file.
    #[arg(long, value_name = "PATH")]
    initrd: Option<PathBuf>,
    /// Kernel command line, as QEMU is given it.
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true, default_value = "")]
    append: String,
    /// Number of vCPUs; they are in the ACPI tables.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    vcpus: Option<u32>,
    /// Memory of the TD, with its unit, such as 2G or 2816M.
    #[arg(long, value_name = "SIZE", value_parser = size, required_unless_present = "mrtd_only")]
    memory: Option<u64>,
    /// Version of QEMU, such as 10.1; without it that of --acpi-from-qemu.
    #[arg(long, value_name = "VERSION")]
    qemu_version: Option<QemuVersion>,
    /// How the firmware measures: the edk2 release from which on it does; without it that of the
    /// Debian firmware with the same SHA-256.
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
    /// Whether the firmware was built with Secure Boot, absent or built-in; for firmware that is not
    /// known.
    #[arg(long, value_name = "BUILD")]
    secure_boot: Option<SecureBootBuild>,
    /// Digest of the SMBIOS tables or file with their bytes, for firmware that measures them
    /// (edk2-stable202505 and later): from the event log of such a machine.
    #[arg(long, value_name = "DIGEST|PATH")]
    smbios: Option<Measured>,
    #[command(flatten)]
    acpi: AcpiArguments,
    /// Print the MRTD alone.
    #[arg(long)]
    mrtd_only: bool,
    /// Print every event with the value after it.
    #[arg(long)]
    explain: bool,
}

/// A version of QEMU, of which the first number counts.
#[derive(Clone, Debug)]
struct QemuVersion {
    major: u32,
    text: String,
}

impl FromStr for QemuVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let major = text.split('.').next().and_then(|number| number.parse().ok());
        let major = major.filter(|major| *major > 0);
        let expected = || "expected a version such as 10.1".to_owned();
        Ok(Self { major: major.ok_or_else(expected)?, text: text.to_owned() })
    }
}

impl fmt::Display for QemuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Arguments {
    pub(super) fn run(self, console: &Console) -> Answer {
        self.check()?;
        let bytes = input::read(&self.firmware, FOUR_GIB)?;
        let firmware = TdFirmware::new(&self.firmware, bytes)?;
        let behaviour = match self.mrtd_only {
            true => None,
            false => Some(firmware.behaviour(self.layout, self.secure_boot)?),
        };
        let acpi = self.acpi.tables(self.vcpus, self.memory)?;
        let qemu = self.qemu(acpi.as_ref())?;
        let launch = firmware.launch(&Rule::of_qemu(qemu.major))?;
        let events = match (behaviour, &acpi) {
            (Some(_), Some(acpi)) => Some(self.events(&firmware, acpi.tables, &qemu)?),
            _ => None,
        };
        let inputs = Inputs {
            firmware: firmware.digest(),
            layout: behaviour.map(|(layout, _)| layout),
            qemu_version: qemu.text,
            vcpus: self.vcpus,
            memory: self.memory,
            acpi: acpi.map(|acpi| acpi.tables.into()),
        };
        console.answer(&Report::new(inputs, &launch, events.as_ref(), self.explain));
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses options that leave something open, before any file is read.
    fn check(&self) -> Result<(), Refusal> {
        if self.mrtd_only {
            let given = self.acpi.is_given();
            return if given { Err(Refusal::AcpiForMrtd) } else { Ok(()) };
        }
        if !self.acpi.is_given() {
            return Err(Refusal::NoAcpi);
        }
        self.acpi.check(self.vcpus)
    }

    /// That of the option, or of the QEMU that made the tables; where both are known they agree.
    fn qemu(&self, acpi: Option<&Acpi>) -> Result<QemuVersion, Refusal> {
        let made = acpi.and_then(|acpi| acpi.qemu_version.as_ref());
        match (&self.qemu_version, made) {
            (Some(given), Some(found)) if given.major != found.major => {
                Err(Refusal::OtherQemu { given: given.clone(), found: found.clone() })
            }
            (Some(version), _) | (None, Some(version)) => Ok(version.clone()),
            (None, None) => Err(Refusal::NoQemuVersion),
        }
    }

    /// Everything the firmware and the kernel extend.
    fn events(
        &self,
        firmware: &TdFirmware,
        acpi: AcpiTables,
        qemu: &QemuVersion,
    ) -> Result<Events, CommandError> {
        let kernel_path = self.kernel.clone().unwrap_or_default();
        let kernel = input::source(&kernel_path)?;
        let initrd = self.initrd.as_deref().map(|path| input::read(path, FOUR_GIB)).transpose()?;
        let command_line = self.append.clone().into_bytes();
        let boot = TdBoot::direct(kernel_path, kernel, initrd.as_deref(), command_line);
        let machine = TdMachine {
            acpi: Some(acpi),
            smbios: self.smbios.as_ref().map(Measured::digests).transpose()?,
            layout: self.layout,
            secure_boot: self.secure_boot,
            ..TdMachine::of_qemu(qemu.major, self.memory.unwrap_or_default())
        };
        let registers = boot.predict(firmware, &machine)?.registers;
        Ok(registers.complete().map_err(TdError::from)?)
    }
}

/// A number of bytes with its unit: QEMU takes a bare number for mebibytes, others for bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text.get(digits.len()..) {
        Some("M" | "MiB") => 20,
        Some("G" | "GiB") => 30,
        Some("T" | "TiB") => 40,
        _ => return Err("expected a number of M, G or T, such as 2G or 2816M".to_owned()),
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    // What x86 can address.
    let bytes = bytes.filter(|bytes| *bytes < 1 << 52);
    bytes.ok_or_else(|| "expected more than 0 and less than 4096T".to_owned())
}
