//! The registers of a TD after a boot: MRTD and RTMR 0 to 3.
//!
//! What is measured is read from the files as they are. What is not said of the machine is never
//! guessed: a register it decides has no value but a reason ([`Prediction::open`]), while the others
//! are predicted all the same.

mod error;
mod firmware;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::claim::{Condition, ConditionCode};
use cvmkit_measure::event::{Event, RtmrIndex};
use cvmkit_measure::firmware::behaviour::SecureBootBuild;
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::linux::{self, SetupHeader};
use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::tdx::disk;
use cvmkit_measure::tdx::hob::TdHob;
use cvmkit_measure::tdx::mrtd::{Mrtd, Rule};
use cvmkit_measure::tdx::prediction::{Prediction, Unknown};
use cvmkit_measure::tdx::rtmr::{AcpiTables, ConfigurationItem, DirectBoot, Platform};
use cvmkit_measure::uefi::image;
use cvmkit_measure::uefi::medium::Medium;
use cvmkit_measure::uefi::variables::SecureBoot;

pub use error::{FirmwareCause, TdError, layouts};
pub use firmware::TdFirmware;

use cvmkit_host::files::{self, FileSource};

use super::disk::DiskBoot;
use super::error::PredictionError;
use super::initrd::initrd_of;
use crate::output::{OutputFolder, Role};

/// A machine that starts a TD, as far as it is known. The number of its vCPUs is in its ACPI tables, and
/// nowhere else.
#[derive(Clone, Debug)]
pub struct TdMachine {
    /// QEMU's release: decides whether the firmware gets a patched kernel
    /// ([`Layout::measures_patched_kernel`]).
    pub qemu: QemuVersion,
    /// The order in which its VMM builds a TD: [`Rule::of_qemu`].
    pub rule: Rule<'static>,
    /// Bytes of memory, `-m`.
    pub memory: u64,
    /// Digests of the ACPI tables that QEMU makes of its vCPUs and devices; none leaves RTMR 0 open.
    pub acpi: Option<AcpiTables>,
    /// Digests of the SMBIOS tables as the firmware measures them; without them RTMR 0 is open for layouts
    /// that do ([`Layout::measures_smbios`]).
    pub smbios: Option<Digests>,
    /// The layout of the firmware's events; none takes that of the known file.
    pub layout: Option<Layout>,
    /// Whether the firmware was built with Secure Boot; none takes what is known of the file.
    pub secure_boot: Option<SecureBootBuild>,
    /// Whether it has a virtual TPM, into which Linux measures rather than into the TD, and whose log
    /// is among the ACPI tables.
    pub tpm: bool,
    /// Whether it can write to its disk, and on which bus that is; its firmware is given by `-bios`.
    pub medium: Medium,
}

impl TdMachine {
    /// A machine without a TPM, of which only QEMU's release and the bytes of memory are known.
    #[must_use]
    pub const fn of_qemu(qemu: QemuVersion, memory: u64) -> Self {
        Self {
            qemu,
            rule: Rule::of_qemu(qemu.major),
            memory,
            acpi: None,
            smbios: None,
            layout: None,
            secure_boot: None,
            tpm: false,
            medium: Medium { is_writable: None, bus: None, firmware_by: None },
        }
    }
}

/// What a TD's quote will say, as far as it is known before the boot.
#[derive(Clone, Debug)]
pub struct TdPrediction {
    /// The MRTD: the firmware as the VMM builds the TD.
    pub mrtd: Mrtd,
    /// The layout of events that was given, or is that of the known file.
    pub layout: Layout,
    /// RTMR 0 to 3: the registers that firmware and kernel extend.
    pub registers: Prediction,
}

/// An image, as a TD boots it.
#[derive(Debug)]
pub enum TdBoot {
    /// A kernel that QEMU hands to the firmware.
    Direct(Box<TdDirectBoot>),
    /// A unified kernel image from a disk.
    Disk(Box<DiskBoot>),
}

/// Kernel, initrd and command line as QEMU hands them to the firmware.
#[derive(Debug)]
pub struct TdDirectBoot {
    path: PathBuf,
    kernel: FileSource,
    initrd: Option<(Digests, u64)>,
    command_line: Vec<u8>,
    /// By the memory that it was patched for; none for the file.
    digests: Mutex<BTreeMap<Option<u64>, Digests>>,
}

impl TdBoot {
    /// Kernel, initrd and command line of the image that `cvmkit build` wrote to a folder.
    ///
    /// # Errors
    /// [`TdError::Image`] for a folder without these files, [`TdError::File`].
    pub fn of_image(folder: &Path) -> Result<Self, TdError> {
        let output = OutputFolder::read(folder).map_err(PredictionError::from)?;
        let file = |role| output.file(role).map_err(PredictionError::from);
        let (kernel, initrd) = (file(Role::Kernel)?, file(Role::Initrd)?);
        let line = files::read(&file(Role::CommandLine)?)?;
        let source = FileSource::open(&kernel)?;
        Ok(Self::direct(kernel, source, Some(initrd_of(&initrd)?), line))
    }

    /// A kernel, which errors name by the path, with what it is given: digests and bytes of the initrd, if
    /// there is one, and the command line without a NUL.
    #[must_use]
    pub fn direct(
        path: PathBuf,
        kernel: FileSource,
        initrd: Option<(Digests, u64)>,
        command_line: Vec<u8>,
    ) -> Self {
        let digests = Mutex::default();
        Self::Direct(Box::new(TdDirectBoot { path, kernel, initrd, command_line, digests }))
    }

    /// The unified kernel image that `cvmkit build` wrote to a folder, from its disk.
    ///
    /// # Errors
    /// [`TdError::Image`]: a folder without these files, or as [`TdBoot::disk`].
    pub fn disk_of_image(folder: &Path) -> Result<Self, TdError> {
        Ok(Self::Disk(Box::new(DiskBoot::of_image(folder)?)))
    }

    /// A unified kernel image on a disk; without a file of the disk it is one without a partition
    /// table.
    ///
    /// # Errors
    /// [`TdError::Image`] for an image whose measurements are not known, and what is wrong with the disk:
    /// another image on it, companions of the image, a broken partition table.
    pub fn disk(uki: PathBuf, disk: Option<&Path>) -> Result<Self, TdError> {
        Ok(Self::Disk(Box::new(DiskBoot::open(uki, 0, disk)?)))
    }

    /// How it boots: `uki-disk` or `direct`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct",
            Self::Disk(_) => "uki-disk",
        }
    }

    /// What a predicted register rests on beside what is said of the machine, as PCR 2, 4 and 9 of one with
    /// a TPM do. `is_foreign` stands for firmware without a file, whose Secure Boot state is only given.
    #[must_use]
    pub fn conditions(&self, register: RtmrIndex, is_foreign: bool) -> Vec<Condition> {
        let disk = match self {
            Self::Direct(_) => None,
            Self::Disk(disk) => Some(disk),
        };
        let is_named = disk.is_some_and(|disk| !disk.is_default);
        let codes: &[(ConditionCode, bool)] = match register.number() {
            1 => &[
                (ConditionCode::SecureBootOff, is_foreign),
                (ConditionCode::NoOptionRom, true),
                (ConditionCode::NoForeignDisk, disk.is_some()),
                (ConditionCode::NamedByBootOption, is_named),
            ],
            2 => &[
                (ConditionCode::NoAddedCommandLine, disk.is_some()),
                (ConditionCode::NamedByBootOption, is_named),
            ],
            3 => &[(ConditionCode::UntilSoftwareExtends, true)],
            _ => &[],
        };
        codes.iter().filter(|(_, holds)| *holds).map(|(code, _)| (*code).into()).collect()
    }

    /// MRTD and RTMRs of a boot with this firmware on this machine.
    ///
    /// # Errors
    /// Those of [`TdFirmware::behaviour`]; [`TdError::Firmware`], [`TdError::Kernel`], [`TdError::Boot`] and
    /// [`TdError::Image`] for parts that don't go together. Missing tables of the machine are not an error:
    /// they leave RTMR 0 open.
    pub fn predict(
        &self,
        firmware: &TdFirmware,
        machine: &TdMachine,
    ) -> Result<TdPrediction, TdError> {
        let (layout, _) = firmware.behaviour(machine.layout, machine.secure_boot)?;
        let registers = self.registers(firmware, machine)?;
        Ok(TdPrediction { mrtd: firmware.mrtd(&machine.rule)?, layout, registers })
    }

    /// The same without the MRTD, which takes longest.
    pub(crate) fn registers(
        &self,
        firmware: &TdFirmware,
        machine: &TdMachine,
    ) -> Result<Prediction, TdError> {
        let (layout, build) = firmware.behaviour(machine.layout, machine.secure_boot)?;
        let td_hob = TdHob::q35(&firmware.parsed()?, machine.memory);
        let platform = Platform {
            layout,
            td_hob: td_hob.map_err(|error| firmware.refused(error))?.digests(),
            cfv: firmware.cfv()?,
            secure_boot: firmware.secure_boot(build)?,
            configuration: ConfigurationItem::of_direct_boot(),
            acpi: machine.acpi,
            has_tpm: machine.tpm,
        };
        match self {
            Self::Direct(boot) => boot.predict(platform, machine),
            Self::Disk(boot) => of_disk(boot, disk::Firmware::Known(Box::new(platform)), machine),
        }
    }

    /// RTMR 1 to 3 of a boot with firmware without a file, such as a cloud's, of which the layout
    /// ([`TdMachine::layout`]) and the Secure Boot state are given. RTMR 0 is open.
    ///
    /// # Errors
    /// [`TdError::NoFirmware`] without a layout; [`TdError::Kernel`], [`TdError::Boot`] and
    /// [`TdError::Image`] for an image that such firmware would not start.
    pub fn predict_foreign(
        &self,
        secure_boot: SecureBoot,
        machine: &TdMachine,
    ) -> Result<Prediction, TdError> {
        let layout = machine.layout.ok_or(TdError::NoFirmware)?;
        match self {
            Self::Disk(boot) => {
                of_disk(boot, disk::Firmware::Foreign { layout, secure_boot }, machine)
            }
            Self::Direct(boot) => {
                // What is unknown is in RTMR 0 alone, and RTMR 0 is dropped.
                let nothing = Digests { sha256: Sha256::ZERO, sha384: Sha384::ZERO };
                let configuration = Vec::new();
                let (td_hob, cfv, acpi) = (nothing, nothing, None);
                let has_tpm = machine.tpm;
                let platform =
                    Platform { layout, td_hob, cfv, secure_boot, configuration, acpi, has_tpm };
                Ok(boot.predict(platform, machine)?.without(RTMR_0, Unknown::Firmware))
            }
        }
    }
}

/// The register of the machine and the firmware's variables.
pub(crate) const RTMR_0: RtmrIndex = RtmrIndex::new(0).unwrap();

fn of_disk(
    boot: &DiskBoot,
    firmware: disk::Firmware,
    machine: &TdMachine,
) -> Result<Prediction, TdError> {
    let of_td = disk::DiskBoot {
        firmware,
        smbios: machine.smbios,
        uki: &boot.uki,
        disk: boot.in_machine(machine.medium),
        tpm: Some(machine.tpm),
    };
    of_td.prediction().map_err(|source| boot.refused(source).into())
}

impl TdDirectBoot {
    fn predict(&self, platform: Platform, machine: &TdMachine) -> Result<Prediction, TdError> {
        let boot = linux::Boot {
            memory: machine.memory,
            initrd: self.initrd.map(|(_, len)| len),
            command_line: &self.command_line,
        };
        let header = match platform.layout.measures_patched_kernel(machine.qemu) {
            true => SetupHeader::Patched(boot),
            false => SetupHeader::AsInFile,
        };
        let refused = |source| TdError::Kernel { path: self.path.clone(), source };
        let direct = DirectBoot {
            authority: self.authority(&platform.secure_boot).map_err(refused)?,
            kernel: self.digests(&header).map_err(refused)?,
            platform,
            smbios: machine.smbios,
            kernel_version: linux::version(&self.kernel),
            tpm: Some(machine.tpm),
            medium: machine.medium,
            initrd: self.initrd.map(|(digests, _)| digests),
            command_line: &self.command_line,
        };
        Ok(direct.prediction()?)
    }

    /// The kernel's digests, once for each header.
    fn digests(&self, header: &SetupHeader<'_>) -> Result<Digests, linux::Error> {
        let key = match header {
            SetupHeader::AsInFile => None,
            SetupHeader::Patched(boot) => Some(boot.memory),
        };
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digests) = known.get(&key) {
            return Ok(*digests);
        }
        let digests = linux::digests(&self.kernel, header)?;
        known.insert(key, digests);
        Ok(digests)
    }

    /// What verifies the kernel, if anything does.
    fn authority(&self, secure_boot: &SecureBoot) -> Result<Option<Event>, linux::Error> {
        match secure_boot.enabled {
            Some(true) => Ok(secure_boot.authority(&image::signatures(&self.kernel)?)),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
