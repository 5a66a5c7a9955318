//! `cvmkit measure tdx`: what a quote says of an Intel TD that QEMU starts with firmware and a
//! kernel, or that boots a unified kernel image from a disk: MRTD and RTMR 0 to 3.
//!
//! The contract: of a kernel that QEMU starts all five registers or a refusal (exit 2); of a disk,
//! whose devices decide RTMR 0, a value or a reason for each. Never a register of which an input was
//! guessed. `--mrtd-only` asks for the one that firmware and QEMU decide alone. The ACPI tables,
//! which RTMR 0 holds, are QEMU's: `--acpi-from-qemu` has it make them, and prints digests that do
//! without it the next time. Without `--firmware` it is a cloud's, of which there is no file.
//! Oracles: td-shim's `td_shim_tee_info_hash.py`, event logs of real TDs and of OVMF under QEMU.

mod acpi;
mod refusal;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_attest::predict::{TdBoot, TdError, TdFirmware, TdMachine};
use cvmkit_attest::profile::Memory;
use cvmkit_measure::firmware::behaviour::SecureBootBuild;
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::qemu::QemuVersion as QemuRelease;
use cvmkit_measure::tdx::mrtd::Rule;
use cvmkit_measure::tdx::prediction::Prediction;
use cvmkit_measure::tdx::rtmr::AcpiTables;
use cvmkit_measure::uefi::medium::{DiskBus, Medium};
use cvmkit_measure::uefi::variables::SecureBoot;

use super::super::input::{self, FIRMWARE_MAX, InputError};
use super::super::td::{Measured, QemuVersion};
use crate::console::{Answer, CommandError, Console};
use acpi::{Acpi, AcpiArguments};
use refusal::Refusal;
use report::{Inputs, Registers, Report};

/// Firmware, machine and kernel of the TD.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Firmware file, whole, such as OVMF.fd. Without it that of a cloud, with Secure Boot off: RTMR 1
    /// and 2 of --uki, by --layout.
    #[arg(long, value_name = "PATH", required_unless_present = "uki")]
    firmware: Option<PathBuf>,
    /// Kernel file of a direct boot.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["mrtd_only", "uki"])]
    kernel: Option<PathBuf>,
    /// Unified kernel image that boots from a disk, instead of --kernel.
    #[arg(long, value_name = "EFI", conflicts_with_all = ["kernel", "initrd", "append", "mrtd_only"])]
    uki: Option<PathBuf>,
    /// The disk that holds --uki; without it one that has no partition table.
    #[arg(long, value_name = "RAW", requires = "uki")]
    disk: Option<PathBuf>,
    /// The TD can't write to its disk, or has none.
    #[arg(long)]
    read_only_disk: bool,
    /// The bus of its disk: virtio-blk, virtio-scsi, nvme, usb or ahci. Firmware of edk2 2025.08 and
    /// later leaves boot services twice or once by it (RTMR 1).
    #[arg(long, value_name = "BUS")]
    disk_bus: Option<DiskBus>,
    /// The TD has a virtual TPM too, as Google's have: then Linux measures command line and initrd
    /// there, and not into RTMR 2, and the room for its log is in RTMR 0.
    #[arg(long)]
    tpm: bool,
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
    #[arg(long, value_name = "SIZE", value_parser = Memory::bytes)]
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

impl Arguments {
    pub(super) fn run(self, console: &Console) -> Answer {
        self.check()?;
        let Some(path) = &self.firmware else { return self.foreign(console) };
        let firmware = TdFirmware::new(path, input::read(path, FIRMWARE_MAX)?)?;
        let behaviour = match self.mrtd_only {
            true => None,
            false => Some(firmware.behaviour(self.layout, self.secure_boot)?),
        };
        let acpi = self.acpi.tables(self.vcpus, self.memory)?;
        let qemu = self.qemu(acpi.as_ref())?;
        let launch = firmware.launch(&Rule::of_qemu(qemu.release.major))?;
        let registers = match self.boot()? {
            Some(boot) => {
                let prediction = self.registers(&boot, &firmware, acpi.as_ref(), &qemu)?;
                Some(Registers { prediction, boot, is_foreign: false })
            }
            None => None,
        };
        let inputs = Inputs {
            firmware: Some(firmware.digest()),
            layout: behaviour.map(|(layout, _)| layout),
            qemu_version: Some(qemu.to_string()),
            vcpus: self.vcpus,
            memory: self.memory,
            acpi: acpi.map(|acpi| acpi.tables.into()),
        };
        console.answer(&Report::new(inputs, Some(&launch), registers.as_ref(), self.explain));
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses options that leave something open, before any file is read.
    fn check(&self) -> Result<(), Refusal> {
        if self.mrtd_only {
            let given = self.acpi.is_given();
            return if given { Err(Refusal::AcpiForMrtd) } else { Ok(()) };
        }
        if self.firmware.is_none() {
            // Nothing of the machine is in RTMR 1 and 2.
            return if self.acpi.is_given() { Err(Refusal::AcpiForForeign) } else { Ok(()) };
        }
        if self.memory.is_none() {
            return Err(Refusal::NoMemory);
        }
        // Without tables RTMR 0 is not predicted, and the others are.
        if self.acpi.is_given() { self.acpi.check(self.vcpus) } else { Ok(()) }
    }

    /// The registers under firmware that is not at hand.
    fn foreign(&self, console: &Console) -> Answer {
        let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
        let Some(boot) = self.boot()? else { return Err(TdError::NoFirmware.into()) };
        let prediction = boot.predict_foreign(off, &self.machine(None, ANY_QEMU)?)?;
        let registers = Registers { prediction, boot, is_foreign: true };
        let inputs = Inputs { layout: self.layout, memory: self.memory, ..Inputs::default() };
        console.answer(&Report::new(inputs, None, Some(&registers), self.explain));
        Ok(ExitCode::SUCCESS)
    }

    /// That of the option, or of the QEMU that made the tables; where both are known they agree.
    fn qemu(&self, acpi: Option<&Acpi>) -> Result<QemuVersion, Refusal> {
        let made = acpi.and_then(|acpi| acpi.qemu_version.as_ref());
        match (&self.qemu_version, made) {
            (Some(given), Some(found)) if !given.covers(found) => {
                Err(Refusal::OtherQemu { given: given.clone(), found: found.clone() })
            }
            // The QEMU that made the tables says more.
            (_, Some(version)) | (Some(version), None) => Ok(version.clone()),
            (None, None) => Err(Refusal::NoQemuVersion),
        }
    }

    /// What boots; nothing if the MRTD alone is asked for.
    fn boot(&self) -> Result<Option<TdBoot>, CommandError> {
        if let Some(uki) = &self.uki {
            return Ok(Some(TdBoot::disk(uki.clone(), self.disk.as_deref())?));
        }
        let kernel_path = match &self.kernel {
            Some(path) if !self.mrtd_only => path.clone(),
            _ => return Ok(None),
        };
        let kernel = input::source(&kernel_path)?;
        let initrd = self.initrd.as_deref().map(input::digests).transpose()?;
        let command_line = self.append.clone().into_bytes();
        Ok(Some(TdBoot::direct(kernel_path, kernel, initrd, command_line)))
    }

    fn machine(
        &self,
        acpi: Option<AcpiTables>,
        qemu: QemuRelease,
    ) -> Result<TdMachine, InputError> {
        Ok(TdMachine {
            acpi,
            smbios: self.smbios.as_ref().map(Measured::digests).transpose()?,
            layout: self.layout,
            secure_boot: self.secure_boot,
            tpm: self.tpm,
            medium: Medium {
                is_writable: Some(!self.read_only_disk),
                bus: self.disk_bus,
                firmware_by: None,
            },
            ..TdMachine::of_qemu(qemu, self.memory.unwrap_or_default())
        })
    }

    /// What firmware and kernel extend, as far as it is known.
    fn registers(
        &self,
        boot: &TdBoot,
        firmware: &TdFirmware,
        acpi: Option<&Acpi>,
        qemu: &QemuVersion,
    ) -> Result<Prediction, CommandError> {
        let machine = self.machine(acpi.map(|acpi| acpi.tables), qemu.release)?;
        Ok(boot.predict(firmware, &machine)?.registers)
    }
}

/// Of a cloud, where nothing that QEMU decides is predicted.
const ANY_QEMU: QemuRelease = QemuRelease::new(10, 0);
