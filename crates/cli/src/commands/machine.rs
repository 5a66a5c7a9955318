//! The options that describe a machine that boots with a TPM.

use std::path::PathBuf;
use std::str::FromStr;

use cvmkit_attest::predict::{self, KernelHeader, TpmMachine};
use cvmkit_attest::profile::Memory;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_measure::firmware::behaviour::{FirmwareFileError, KnownFirmware};
use cvmkit_measure::tpm::Platform;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy, Medium};
use cvmkit_measure::uefi::variables::SecureBoot;
use thiserror::Error;

use super::input;
use crate::console::CommandError;

/// The machine, as far as the options describe it.
#[derive(Debug, clap::Args)]
pub(super) struct MachineArguments {
    /// The provider of the machine's TPM: qemu-vtpm, azure-vtpm, gce-vtpm or nitro-tpm. Default:
    /// qemu-vtpm.
    #[arg(long, value_name = "NAME")]
    pub(super) platform: Option<Platform>,
    /// The firmware release whose behaviour to assume: ovmf-2022.11, ovmf-2025.02 or ovmf-2026.08; or
    /// the SHA-256 of Debian's firmware file of such a release.
    #[arg(long, value_name = "NAME|SHA256")]
    firmware_behaviour: Option<KnownFirmware>,
    /// The firmware file, instead of its SHA-256.
    #[arg(long, value_name = "FD", conflicts_with = "firmware_behaviour")]
    firmware: Option<PathBuf>,
    /// The firmware's variables with the keys of Secure Boot, such as `OVMF_VARS.fd`. Default: no keys,
    /// and firmware without Secure Boot unless it is known to have it.
    #[arg(long, value_name = "FD")]
    vars: Option<PathBuf>,
    /// The firmware has Secure Boot but no keys, so it is off.
    #[arg(long, conflicts_with = "vars")]
    no_keys: bool,
    /// Take PCR 0 and 1 from the event log of an earlier boot, of whatever image, with the same firmware
    /// in the same machine.
    #[arg(long, value_name = "LOG")]
    pinned: Option<PathBuf>,
    /// The machine cannot write to its disk.
    #[arg(long)]
    pub(super) read_only_disk: bool,
    /// The bus of its disk: virtio-blk, virtio-scsi, nvme, usb or ahci. It decides whether OVMF 2026.08
    /// leaves boot services once or twice (PCR 5, RTMR 1).
    #[arg(long, value_name = "BUS")]
    disk_bus: Option<DiskBus>,
    /// The QEMU option that gives the machine its firmware: pflash or bios. It decides whether OVMF
    /// 2026.08 leaves boot services once or twice in a direct boot.
    #[arg(long, value_name = "OPTION")]
    firmware_by: Option<FirmwareBy>,
    /// The kernel that firmware gets in a direct boot: as in its file (QEMU 10 and OVMF 2025.02, or
    /// later), or patched by QEMU.
    #[arg(long, value_enum, value_name = "FORM")]
    kernel_header: Option<Header>,
    /// The machine's memory, as for QEMU's `-m`: QEMU patches it into the kernel of a direct boot, and a
    /// TD's HOB list describes it.
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = Memory::bytes,
        required_if_eq("kernel_header", "patched")
    )]
    pub(super) memory: Option<u64>,
}

/// Which kernel firmware gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Header {
    /// As in its file.
    InFile,
    /// As patched by QEMU.
    Patched,
}

/// Boot phases of userspace (systemd-pcrphase), separated by colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phases(pub(super) Vec<String>);

impl FromStr for Phases {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `:` is the moment before the first, as systemd-measure has it.
        let phases: Vec<&str> = text.split(':').collect();
        let is_empty = text.is_empty() || text == ":";
        if !is_empty && phases.iter().any(|phase| phase.is_empty()) {
            return Err(format!(
                "expected phases such as enter-initrd:leave-initrd, found `{text}`"
            ));
        }
        let named = phases.into_iter().filter(|phase| !phase.is_empty());
        Ok(Self(named.map(str::to_owned).collect()))
    }
}

/// Firmware whose behaviour is not known.
#[derive(Debug, Error)]
#[error("cannot tell how `{}` measures", path.display())]
struct Refusal {
    path: PathBuf,
    source: FirmwareFileError,
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        if let FirmwareFileError::NotWhole(error) = &self.source {
            return error.next_step().map(str::to_owned);
        }
        Some(
            "name a similar release with `--firmware-behaviour`, or leave out `--firmware`"
                .to_owned(),
        )
    }
}

impl MachineArguments {
    /// The machine that the options describe.
    pub(super) fn machine(&self) -> Result<TpmMachine, CommandError> {
        let kernel_header = match (self.kernel_header, self.memory) {
            (Some(Header::InFile), _) => Some(KernelHeader::InFile),
            (Some(Header::Patched), Some(memory)) => Some(KernelHeader::Patched { memory }),
            _ => None,
        };
        let firmware = self.firmware()?;
        Ok(TpmMachine {
            firmware: firmware.map(|known| known.build),
            secure_boot: match &self.vars {
                Some(path) => predict::secure_boot(path)?,
                None if self.no_keys => SecureBoot { enabled: Some(false), ..Default::default() },
                None => firmware.map(KnownFirmware::without_keys).unwrap_or_default(),
            },
            medium: self.medium(None),
            kernel_header,
            pinned: self.pinned.as_deref().map(predict::pinned).transpose()?,
        })
    }

    /// The provider of the machine's TPM, QEMU by default.
    pub(super) fn platform(&self) -> Platform {
        self.platform.unwrap_or(Platform::QemuOvmf)
    }

    /// The options given that a prediction depends on, by name.
    pub(super) fn described(&self) -> Vec<&'static str> {
        let options = [
            ("--firmware-behaviour", self.firmware_behaviour.is_some()),
            ("--firmware", self.firmware.is_some()),
            ("--vars", self.vars.is_some()),
            ("--no-keys", self.no_keys),
            ("--pinned", self.pinned.is_some()),
            ("--read-only-disk", self.read_only_disk),
            ("--disk-bus", self.disk_bus.is_some()),
            ("--firmware-by", self.firmware_by.is_some()),
            ("--kernel-header", self.kernel_header.is_some()),
            ("--memory", self.memory.is_some()),
        ];
        options.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// How the machine gets its disk and its firmware. Without `--read-only-disk`, `otherwise` says whether it can
    /// write to the disk.
    pub(super) fn medium(&self, otherwise: Option<bool>) -> Medium {
        Medium {
            is_writable: if self.read_only_disk { Some(false) } else { otherwise },
            bus: self.disk_bus,
            firmware_by: self.firmware_by,
        }
    }

    /// Whether the options describe the state of Secure Boot.
    pub(super) fn knows_secure_boot(&self) -> bool {
        self.vars.is_some() || self.no_keys
    }

    fn firmware(&self) -> Result<Option<KnownFirmware>, CommandError> {
        let Some(path) = &self.firmware else { return Ok(self.firmware_behaviour) };
        let build = KnownFirmware::of_file(&input::read(path, input::FIRMWARE_MAX)?);
        Ok(Some(build.map_err(|source| Refusal { path: path.clone(), source })?))
    }
}
