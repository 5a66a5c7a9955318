//! The registers of a TPM after a boot of built files: one prediction for each configuration of the
//! machine that the caller leaves open.
//!
//! What is measured is read from the files as they are, not from the manifest, which only says
//! which file is what. Nothing about the machine is guessed: what the caller does not say becomes
//! several predictions, each with its assumptions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cvmkit_formats::digest::Digests;
use cvmkit_host::files::{self, FileSource};
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Event, PcrIndex, RegisterSet};
use cvmkit_measure::firmware::behaviour::FirmwareBuild;
use cvmkit_measure::linux::{self, KernelVersion, SetupHeader};
use cvmkit_measure::tpm::{self, DirectKernel, Firmware, Pinned, Platform};
use cvmkit_measure::uefi::image;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy, Loaded, Medium};
use cvmkit_measure::uefi::variable_store::Variables;
use cvmkit_measure::uefi::variables::SecureBoot;

use super::assumptions::{Assumptions, KernelHeader};
use super::disk::DiskBoot;
use super::error::PredictionError;
use super::evidence::Start;
use super::initrd::initrd_of;
use crate::output::{OutputFolder, Role};

/// The sizes of memory, in bytes, that are tried where none is said. QEMU patches the address of the initrd
/// into a kernel: the end of the memory below 4 GiB, which is 2 GiB in every `q35` machine of 2.75 GiB or
/// more ([`linux::q35_below_4g`]).
pub(crate) const PATCHED_FOR: [u64; 4] = [512 << 20, 1 << 30, 2 << 30, 4 << 30];

/// What is said of a machine with a TPM; what is not said is open. [`TpmMachine::default`] is one without
/// Secure Boot, of which nothing else is said.
#[derive(Clone, Debug, Default)]
pub struct TpmMachine {
    /// The release of OVMF as which its firmware measures; none leaves each behaviour open.
    pub firmware: Option<FirmwareBuild>,
    /// What is in the firmware's variables; none for firmware without Secure Boot.
    pub secure_boot: SecureBoot,
    /// How it has its disk and its firmware; every combination that measures differently is predicted
    /// if it is not said whether the machine can write to the disk.
    pub medium: Medium,
    /// Which kernel the firmware gets of a direct boot; none leaves the file and every patched one open.
    pub kernel_header: Option<KernelHeader>,
    /// PCR 0 and 1, if a boot of the same firmware in the same machine recorded them.
    pub pinned: Option<Pinned>,
}

/// A prediction for one configuration of the machine.
#[derive(Clone, Debug)]
pub struct Assumed {
    /// The configuration, as far as it is of any importance to the boot.
    pub assumptions: Assumptions,
    /// The events and registers of a boot with it.
    pub prediction: tpm::Prediction,
}

/// An image, as a machine with a TPM boots it.
#[derive(Debug)]
pub enum TpmBoot {
    /// A unified kernel image from a disk.
    Disk(Box<DiskBoot>),
    /// A kernel that QEMU hands to the firmware.
    Direct(Box<TpmDirectBoot>),
}

/// Kernel, initrd and command line as QEMU hands them to the firmware.
#[derive(Debug)]
pub struct TpmDirectBoot {
    path: PathBuf,
    kernel: FileSource,
    signatures: Vec<u8>,
    kernel_version: Option<KernelVersion>,
    command_line: Vec<u8>,
    initrd: Digests,
    initrd_len: u64,
    /// The kernel's, by the memory that it was patched for; none for the file.
    digests: Mutex<BTreeMap<Option<u64>, Digests>>,
}

/// The Secure Boot state in a file of variables, such as `OVMF_VARS.fd`.
///
/// # Errors
/// [`PredictionError::File`], and [`PredictionError::Variables`] for a file without a variable store.
pub fn secure_boot(path: &Path) -> Result<SecureBoot, PredictionError> {
    let flash = files::read(path)?;
    let refused = |source| PredictionError::Variables { path: path.to_owned(), source };
    Ok(SecureBoot::of(&Variables::read(&flash).map_err(refused)?))
}

/// The events of PCR 0 and 1 in the event log of an earlier boot.
///
/// # Errors
/// [`PredictionError::File`], and [`PredictionError::Pinned`] for a file that is not the log of a TPM or has
/// no events of these registers.
pub fn pinned(path: &Path) -> Result<Pinned, PredictionError> {
    let bytes = files::read(path)?;
    let refused = |source| PredictionError::Pinned { path: path.to_owned(), source };
    let log = Log::parse(&bytes, RegisterSet::Tpm).map_err(|error| refused(error.into()))?;
    tpm::pinned(&log).map_err(refused)
}

impl TpmBoot {
    /// The image that `cvmkit build` wrote to a folder: its kernel, or its unified kernel image on its disk.
    ///
    /// # Errors
    /// [`PredictionError::Manifest`] and [`PredictionError::NoFile`]; those of [`Self::direct`] and
    /// [`Self::disk`].
    pub fn of_image(folder: &Path, direct: bool) -> Result<Self, PredictionError> {
        if !direct {
            return Ok(Self::Disk(Box::new(DiskBoot::of_image(folder)?)));
        }
        let output = OutputFolder::read(folder)?;
        let (kernel, initrd) = (output.file(Role::Kernel)?, output.file(Role::Initrd)?);
        Self::direct(kernel, &initrd, &output.file(Role::CommandLine)?)
    }

    /// A unified kernel image, of which the profile with this number boots (0 unless a boot option names
    /// another), on a disk; without a file of the disk it is one without a partition table.
    ///
    /// # Errors
    /// [`PredictionError::Image`] for an image whose measurements are not known, and what is wrong with the
    /// disk: another image on it, companions of the image, a broken partition table.
    pub fn disk(uki: PathBuf, profile: u32, disk: Option<&Path>) -> Result<Self, PredictionError> {
        Ok(Self::Disk(Box::new(DiskBoot::open(uki, profile, disk)?)))
    }

    /// A kernel with what QEMU hands over beside it.
    ///
    /// # Errors
    /// [`PredictionError::File`], and [`PredictionError::Kernel`] for a kernel that is not a PE image.
    pub fn direct(kernel: PathBuf, initrd: &Path, line: &Path) -> Result<Self, PredictionError> {
        let source = FileSource::open(&kernel)?;
        let signatures = image::signatures(&source).map_err(|source| PredictionError::Kernel {
            path: kernel.clone(),
            source: Box::new(source.into()),
        })?;
        let (initrd, initrd_len) = initrd_of(initrd)?;
        Ok(Self::Direct(Box::new(TpmDirectBoot {
            path: kernel,
            kernel_version: linux::version(&source),
            kernel: source,
            signatures,
            command_line: files::read(line)?,
            initrd,
            initrd_len,
            digests: Mutex::default(),
        })))
    }

    /// How it boots, as reference values have it: `uki-disk` or `direct`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Disk(_) => "uki-disk",
            Self::Direct(_) => "direct",
        }
    }

    /// One prediction for each configuration that the machine leaves open, the likeliest first. A
    /// configuration that can't be predicted is left out as long as there are others.
    ///
    /// # Errors
    /// No configuration can be predicted: the reason of the likeliest.
    pub fn predictions(&self, machine: &TpmMachine) -> Result<Vec<Assumed>, PredictionError> {
        self.predictions_but(machine).map(|(predictions, _)| predictions)
    }

    /// The same, with the reason why the first of those that were left out can't be predicted.
    pub(crate) fn predictions_but(
        &self,
        machine: &TpmMachine,
    ) -> Result<(Vec<Assumed>, Option<PredictionError>), PredictionError> {
        let mut predictions = Vec::new();
        let mut refusal = None;
        for (assumptions, medium) in self.configurations(machine) {
            match self.predict(machine, assumptions, medium) {
                Ok(prediction) => predictions.push(Assumed { assumptions, prediction }),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(error) if predictions.is_empty() => Err(error),
            refusal => Ok((predictions, refusal)),
        }
    }

    /// Every configuration that what is said of the machine leaves open, the likeliest first.
    fn configurations(&self, machine: &TpmMachine) -> Vec<(Assumptions, Medium)> {
        let builds =
            machine.firmware.map_or(FirmwareBuild::OF_EACH_BEHAVIOUR.to_vec(), |build| vec![build]);
        let secure_boot = machine.secure_boot.enabled;
        let of_build = |firmware: FirmwareBuild| -> Vec<(Assumptions, Medium)> {
            let may_fail = firmware.behaviour().first_exit_may_fail;
            let media = media(machine.medium, self.loaded(), may_fail);
            let headers = match self {
                Self::Disk(_) => vec![None],
                Self::Direct(_) => {
                    let patched = PATCHED_FOR.map(|memory| KernelHeader::Patched { memory });
                    let all = [KernelHeader::InFile].into_iter().chain(patched).collect();
                    let headers = machine.kernel_header.map_or(all, |header| vec![header]);
                    headers.into_iter().map(Some).collect()
                }
            };
            let is_disk = matches!(self, Self::Disk(_));
            let assumed = |kernel, medium: Medium| Assumptions {
                firmware,
                secure_boot,
                read_only_disk: medium.is_writable.filter(|_| is_disk).map(|writable| !writable),
                disk_bus: medium.bus,
                firmware_by: medium.firmware_by,
                kernel,
            };
            let of_header = |kernel: Option<KernelHeader>| {
                media
                    .iter()
                    .map(move |medium| (assumed(kernel, *medium), *medium))
                    .collect::<Vec<_>>()
            };
            headers.into_iter().flat_map(of_header).collect()
        };
        builds.into_iter().flat_map(of_build).collect()
    }

    fn predict(
        &self,
        machine: &TpmMachine,
        assumptions: Assumptions,
        medium: Medium,
    ) -> Result<tpm::Prediction, PredictionError> {
        let firmware = Firmware {
            behaviour: assumptions.firmware.behaviour(),
            secure_boot: machine.secure_boot.clone(),
            pinned: machine.pinned.clone(),
        };
        match self {
            Self::Disk(boot) => boot.predict(&firmware, medium),
            Self::Direct(boot) => boot.predict(&firmware, assumptions.kernel, medium),
        }
    }

    /// What of it decides how it is measured.
    pub(crate) fn start(&self) -> Start {
        match self {
            Self::Disk(boot) => {
                let uki = &boot.uki;
                Start { stub: Some(uki.stub.version), kernel: uki.kernel_version }
            }
            Self::Direct(boot) => Start { stub: None, kernel: boot.kernel_version },
        }
    }

    /// From where the firmware loads what it starts: decides how often boot services are left.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        match self {
            Self::Disk(_) => Loaded::FromDisk,
            Self::Direct(_) => Loaded::FromVmm,
        }
    }
}

/// How a machine can have its disk and its firmware: one of each group that measures alike. A machine
/// of which it is said whether it can write to the disk is taken as it is, though that may leave
/// registers open.
fn media(said: Medium, loaded: Loaded, may_fail: bool) -> Vec<Medium> {
    if said.is_writable.is_some() {
        return vec![said];
    }
    let read_only = Medium { is_writable: Some(false), ..said };
    let writable = Medium { is_writable: Some(true), ..said };
    if !may_fail {
        return match loaded {
            Loaded::FromDisk => vec![writable, read_only],
            Loaded::FromVmm => vec![said],
        };
    }
    let fails = Medium {
        is_writable: Some(true),
        bus: said.bus.or(Some(DiskBus::VirtioBlk)),
        firmware_by: said.firmware_by.or(Some(FirmwareBy::Bios)),
    };
    // A disk that can be written to matters to the stub too.
    let other = Medium { bus: said.bus.or(Some(DiskBus::VirtioScsi)), ..writable };
    let mut media = vec![fails];
    media.extend((other != fails).then_some(other));
    media.push(read_only);
    media
}

impl TpmDirectBoot {
    fn predict(
        &self,
        firmware: &Firmware,
        header: Option<KernelHeader>,
        medium: Medium,
    ) -> Result<tpm::Prediction, PredictionError> {
        let direct = DirectKernel {
            kernel: self.digests(header)?,
            signatures: &self.signatures,
            kernel_version: self.kernel_version,
            command_line: &self.command_line,
            initrd: self.initrd,
            medium,
        };
        tpm::direct_boot(firmware, &direct).map_err(|source| PredictionError::Image {
            path: self.path.clone(),
            source: Box::new(source),
        })
    }

    /// The kernel's digests, once for each header.
    fn digests(&self, header: Option<KernelHeader>) -> Result<Digests, PredictionError> {
        let (key, header) = match header {
            Some(KernelHeader::Patched { memory }) => {
                let initrd = Some(self.initrd_len);
                let boot = linux::Boot { memory, initrd, command_line: &self.command_line };
                (Some(memory), SetupHeader::Patched(boot))
            }
            _ => (None, SetupHeader::AsInFile),
        };
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digests) = known.get(&key) {
            return Ok(*digests);
        }
        let refused =
            |source| PredictionError::Kernel { path: self.path.clone(), source: Box::new(source) };
        let digests = linux::digests(&self.kernel, &header).map_err(refused)?;
        known.insert(key, digests);
        Ok(digests)
    }
}

/// The part of a prediction that holds on a platform: events and untouched registers of those that it
/// leaves to the image, and of PCR 0 and 1, which are there only if a log has pinned them.
#[must_use]
pub fn on_platform(prediction: &tpm::Prediction, platform: Platform) -> tpm::Prediction {
    // Nothing is predicted of PCR 0 and 1 that was not pinned.
    let is_predicted = |pcr: PcrIndex| pcr.number() < 2 || platform.prospect(pcr).is_predicted();
    let events = prediction.events.0.iter().filter(|event: &&Event| is_predicted(event.pcr));
    let untouched = prediction.untouched.iter().copied().filter(|pcr| is_predicted(*pcr));
    tpm::Prediction {
        events: events.cloned().collect(),
        untouched: untouched.collect(),
        ..prediction.clone()
    }
}

#[cfg(test)]
mod tests;
