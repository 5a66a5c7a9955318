//! `cvmkit measure stage0`: what Oak's stage0 measures of a kernel that QEMU loads, in the fields of HATs'
//! appraisal policies.
//!
//! The contract: every field of a policy has a value or a reason; nothing is guessed. The digest of stage0
//! itself is the launch digest of `cvmkit measure snp`. Deliberately absent: having QEMU make ACPI tables for
//! stage0, which gives PCI devices other addresses than OVMF.
//! Oracles: HATs' published policies, Oak's attestations of real machines, and QEMU.
//!
//! Source of the names: `PolicyMeasurement` in private-compute-infra-toolkit/hats at 7d618400ce0c.

mod acpi;
mod refusal;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_attest::profile::Memory;
use cvmkit_measure::stage0::{
    self, AcpiArea, InitrdDigest, MachineType, MemoryMap, SetupDataVariant, cmdline_pattern,
};

use super::super::input::{self, InputError};
use crate::console::{Answer, Console};
use acpi::AcpiArguments;
use refusal::Refusal;
use report::{Inputs, Report, Values};

/// Longest kernel, bytes: more than a machine could load below 4 GiB.
const FILE_MAX: u64 = input::IMAGE_MAX;

/// What QEMU hands to stage0, and in which machine.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Kernel file (a bzImage).
    #[arg(long, value_name = "PATH")]
    kernel: PathBuf,
    /// Initrd file.
    #[arg(long, value_name = "PATH")]
    initrd: Option<PathBuf>,
    /// Kernel command line, as given to QEMU; a leading space counts.
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true, default_value = "")]
    append: String,
    /// Allow any text after --append, such as the port of a launcher.
    #[arg(long)]
    any_tail: bool,
    /// Memory of the guest, with its unit, such as 8000000K or 8G.
    #[arg(long, value_name = "SIZE", value_parser = Memory::bytes)]
    memory: u64,
    /// QEMU's machine.
    #[arg(long, value_enum)]
    machine: MachineName,
    /// The kind of guest: QEMU leaves a kernel's header unchanged only for encrypted guests of AMD.
    #[arg(long, value_enum, default_value_t)]
    guest: GuestKind,
    /// Where stage0 puts ACPI tables; `low` for Oak before commit 7886a73d17 of 2025-05-19.
    #[arg(long, value_enum, value_name = "AREA", default_value_t)]
    acpi_area: AreaName,
    #[command(flatten)]
    acpi: AcpiArguments,
    /// The system image that stage1 loads (HATs: system.tar.xz).
    #[arg(long, value_name = "PATH")]
    system_image: Option<PathBuf>,
    /// Print every measurement, and the memory map.
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum MachineName {
    /// `-machine q35`, with an AMD processor.
    Q35,
    /// `-machine microvm,acpi=on,pcie=on`.
    Microvm,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum GuestKind {
    /// AMD SEV-SNP, SEV-ES or SEV.
    #[default]
    Snp,
    /// Intel TDX.
    Tdx,
    /// Not encrypted (HATs: insecure).
    Plain,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum AreaName {
    /// In 128 KiB of low memory.
    Low,
    /// Also in the last 1 MiB below 1 GiB.
    #[default]
    LowAndHigh,
}

impl From<MachineName> for MachineType {
    fn from(name: MachineName) -> Self {
        match name {
            MachineName::Q35 => Self::Q35,
            MachineName::Microvm => Self::Microvm,
        }
    }
}

impl From<GuestKind> for SetupDataVariant {
    fn from(guest: GuestKind) -> Self {
        match guest {
            GuestKind::Snp => Self::Unmodified,
            GuestKind::Tdx | GuestKind::Plain => Self::ByQemu,
        }
    }
}

impl From<AreaName> for AcpiArea {
    fn from(name: AreaName) -> Self {
        match name {
            AreaName::Low => Self::Low,
            AreaName::LowAndHigh => Self::LowAndHigh,
        }
    }
}

impl Arguments {
    pub(super) fn run(&self, console: &Console) -> Answer {
        let kernel = input::read(&self.kernel, FILE_MAX)?;
        let refused = |source| Refusal::Kernel { path: self.kernel.clone(), source };
        let kernel = stage0::split(&kernel).map_err(refused)?;
        let (machine, area) = (self.machine.into(), self.acpi_area.into());
        let memory_map = MemoryMap::of_qemu(machine, self.memory, area).map_err(Refusal::Memory)?;
        let values = Values {
            kernel: kernel.image_digest(),
            setup_data: kernel.setup_data_digest(self.guest.into()),
            initrd: self.initrd.as_deref().map(initrd).transpose()?,
            acpi: self.acpi.digest()?,
            system_image: self.system_image.as_deref().map(input::sha256).transpose()?,
            cmdline: self.append.clone(),
            pattern: self.pattern(),
            memory_map,
        };
        let inputs = Inputs { machine, memory: self.memory, acpi_area: area };
        console.answer(&Report::new(inputs, values, self.any_tail, self.explain));
        Ok(ExitCode::SUCCESS)
    }

    /// The regular expression of a policy for the command line; with `--any-tail`, for its start.
    fn pattern(&self) -> String {
        let whole = cmdline_pattern(&self.append);
        match whole.strip_suffix('$') {
            Some(start) if self.any_tail => format!("{start}.*$"),
            _ => whole,
        }
    }
}

fn initrd(path: &Path) -> Result<InitrdDigest, InputError> {
    Ok(InitrdDigest(input::sha256(path)?))
}
