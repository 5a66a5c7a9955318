//! `cvmkit measure tdx`: MRTD and RTMR 0 to 3 in the quote of an Intel TD that QEMU starts with firmware and a
//! kernel, or that boots a unified kernel image from a disk.
//!
//! The contract: each register has a value or a reason, and no input of a value is guessed. `--mrtd-only` asks
//! for the register that firmware and QEMU decide alone. RTMR 0 covers the ACPI tables, which QEMU makes:
//! `--acpi-from-qemu` has QEMU make them, and prints digests that replace it the next time. Without
//! `--firmware`, the firmware is a cloud's, whose file nobody has.
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
    /// Firmware file, whole, such as OVMF.fd. Without it: a cloud's firmware with Secure Boot off, for
    /// RTMR 1 and 2 of --uki.
    #[arg(long, value_name = "PATH", required_unless_present = "uki")]
    firmware: Option<PathBuf>,
    /// Kernel file of a direct boot.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["mrtd_only", "uki"])]
    kernel: Option<PathBuf>,
    /// Unified kernel image (UKI) that boots from a disk, instead of --kernel.
    #[arg(long, value_name = "EFI", conflicts_with_all = ["kernel", "initrd", "append", "mrtd_only"])]
    uki: Option<PathBuf>,
    /// The disk that holds --uki. Default: a disk without a partition table.
    #[arg(long, value_name = "RAW", requires = "uki")]
    disk: Option<PathBuf>,
    /// The TD cannot write to its disk, or has none.
    #[arg(long)]
    read_only_disk: bool,
    /// The bus of its disk: virtio-blk, virtio-scsi, nvme, usb or ahci. It decides whether edk2 2025.08
    /// and later leave boot services once or twice (RTMR 1).
    #[arg(long, value_name = "BUS")]
    disk_bus: Option<DiskBus>,
    /// The TD has a virtual TPM too, as on Google Cloud: Linux then measures command line and initrd
    /// there and not into RTMR 2, and the area for the TPM's log is in RTMR 0.
    #[arg(long)]
    tpm: bool,
    /// Initrd file.
    #[arg(long, value_name = "PATH")]
    initrd: Option<PathBuf>,
    /// Kernel command line, as given to QEMU.
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true, default_value = "")]
    append: String,
    /// Number of vCPUs, for the ACPI tables of --acpi-from-qemu.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    vcpus: Option<u32>,
    /// Memory of the TD, with its unit, such as 2G or 2816M.
    #[arg(long, value_name = "SIZE", value_parser = Memory::bytes)]
    memory: Option<u64>,
    /// Version of QEMU, such as 10.1. Default: that of --acpi-from-qemu.
    #[arg(long, value_name = "VERSION")]
    qemu_version: Option<QemuVersion>,
    /// The order of the firmware's measurements, named by the edk2 release that introduced it. Default:
    /// that of the Debian firmware with the same SHA-256.
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
    /// Whether the firmware was built with Secure Boot: absent or built-in. Needed for unknown firmware.
    #[arg(long, value_name = "BUILD")]
    secure_boot: Option<SecureBootBuild>,
    /// Digest (SHA-384) of the SMBIOS tables, from the event log of such a machine, or the file. For
    /// firmware that measures them (edk2-stable202505 and later).
    #[arg(long, value_name = "DIGEST|PATH")]
    smbios: Option<Measured>,
    #[command(flatten)]
    acpi: AcpiArguments,
    /// Print only the MRTD.
    #[arg(long)]
    mrtd_only: bool,
    /// Print every event with the register's value after it.
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

    /// Refuses options that are incomplete, before any file is read.
    fn check(&self) -> Result<(), Refusal> {
        if self.mrtd_only {
            let given = self.acpi.is_given();
            return if given { Err(Refusal::AcpiForMrtd) } else { Ok(()) };
        }
        if self.firmware.is_none() {
            // RTMR 1 and 2 cover nothing of the machine.
            return if self.acpi.is_given() { Err(Refusal::AcpiForForeign) } else { Ok(()) };
        }
        if self.memory.is_none() {
            return Err(Refusal::NoMemory);
        }
        // Without tables RTMR 0 is not predicted; the others are.
        if self.acpi.is_given() { self.acpi.check(self.vcpus) } else { Ok(()) }
    }

    /// The registers under a cloud's firmware, whose file nobody has.
    fn foreign(&self, console: &Console) -> Answer {
        let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
        let Some(boot) = self.boot()? else { return Err(TdError::NoFirmware.into()) };
        let prediction = boot.predict_foreign(off, &self.machine(None, ANY_QEMU)?)?;
        let registers = Registers { prediction, boot, is_foreign: true };
        let inputs = Inputs { layout: self.layout, memory: self.memory, ..Inputs::default() };
        console.answer(&Report::new(inputs, None, Some(&registers), self.explain));
        Ok(ExitCode::SUCCESS)
    }

    /// The version of the option, or of the QEMU that made the tables; both must agree.
    fn qemu(&self, acpi: Option<&Acpi>) -> Result<QemuVersion, Refusal> {
        let made = acpi.and_then(|acpi| acpi.qemu_version.as_ref());
        match (&self.qemu_version, made) {
            (Some(given), Some(found)) if !given.covers(found) => {
                Err(Refusal::OtherQemu { given: given.clone(), found: found.clone() })
            }
            // The version of the QEMU that made the tables has more numbers.
            (_, Some(version)) | (Some(version), None) => Ok(version.clone()),
            (None, None) => Err(Refusal::NoQemuVersion),
        }
    }

    /// What boots; none for `--mrtd-only`.
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

    /// The RTMRs, as far as they are predicted.
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

/// A stand-in for a cloud, where nothing that QEMU decides is predicted.
const ANY_QEMU: QemuRelease = QemuRelease::new(10, 0);
