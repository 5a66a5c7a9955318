//! The registers of a TPM after a boot of built files: one prediction for each way the machine can
//! be as far as the caller leaves it open.
//!
//! What is measured is read from the files as they are, not from the manifest, which only says
//! which file is what. Nothing about the machine is guessed: what the caller does not say becomes
//! several predictions, each with its assumptions.

use std::fmt;
use std::path::{Path, PathBuf};

use cvmkit_formats::gpt::spec::ESP;
use cvmkit_formats::source::Window;
use cvmkit_formats::{fat, gpt as table};
use cvmkit_measure::digest::Digests;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Event, Events, PcrIndex, RegisterSet};
use cvmkit_measure::linux::{self, SetupHeader};
use cvmkit_measure::tpm::{self, Direct, Disk, Firmware, Platform, Uki};
use cvmkit_measure::uefi::variable_store::{self, Variables};
use cvmkit_measure::uefi::variables::SecureBoot;
use cvmkit_measure::uefi::{gpt, image};
use serde::Serialize;
use thiserror::Error;

use super::FirmwareBuild;
use crate::fault::{Diagnosis, Fault};
use crate::files::{self, FileError, FileSource};
use crate::manifest::{MachineRole, Manifest, ManifestError};

/// Why there is no prediction.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PredictionError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder's manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The folder has no file that the boot needs.
    #[error("the image in `{}` has no {role}", folder.display())]
    NoFile {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        role: &'static str,
    },
    /// An image of which it is not known what is measured.
    #[error("cannot predict a boot of `{}`", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// Why.
        source: Box<tpm::Error>,
    },
    /// A kernel that can't be booted directly.
    #[error("cannot predict a direct boot of `{}`", path.display())]
    Kernel {
        /// The kernel.
        path: PathBuf,
        /// Why.
        source: Box<linux::Error>,
    },
    /// A disk with a broken partition table.
    #[error("cannot read the partition table of `{}`", path.display())]
    PartitionTable {
        /// The disk.
        path: PathBuf,
        /// Why.
        source: gpt::Error,
    },
    /// A log that pins no register.
    #[error("cannot pin PCR 0 and 1 by `{}`", path.display())]
    Pinned {
        /// The file.
        path: PathBuf,
        /// Why.
        source: tpm::PinnedError,
    },
    /// Variables that can't be read.
    #[error("cannot read the firmware variables in `{}`", path.display())]
    Variables {
        /// The file.
        path: PathBuf,
        /// Why.
        source: variable_store::Error,
    },
}

impl Diagnosis for PredictionError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) if !error.is_not_found() => error.fault(),
            Self::Manifest(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Manifest(error) => return error.hint(),
            Self::NoFile { role: UKI, .. } => {
                "this image boots directly only: predict it with `--direct`"
            }
            Self::Image { source, .. } => match **source {
                tpm::Error::BootSecret { .. } => {
                    "say `--read-only-disk` if the machine can't write to the disk"
                }
                tpm::Error::NotAuthorized { .. } => {
                    "sign the image with a key of `db`, or name the variables the machine has"
                }
                _ => return None,
            },
            Self::Pinned { .. } => {
                "name a TPM event log with SHA-256 and SHA-384, of a boot of the same firmware in \
                 the same machine, such as /sys/kernel/security/tpm0/binary_bios_measurements"
            }
            Self::Variables { .. } => {
                "name an `OVMF_VARS.fd`, or a flash image that starts with it"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

const UKI: &str = "unified kernel image";

/// The kernel that the firmware gets when QEMU boots it directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelHeader {
    /// The file: QEMU 10 and later with OVMF 2025.02 and later.
    InFile,
    /// What QEMU makes of it in a `q35` machine of that many bytes.
    Patched {
        /// `-m`.
        memory: u64,
    },
}

impl fmt::Display for KernelHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFile => f.write_str("the kernel as in its file"),
            Self::Patched { memory } => {
                write!(f, "the kernel patched by QEMU for {} MiB", memory >> 20)
            }
        }
    }
}

/// QEMU patches a kernel in as many ways, up to the 2.75 GiB from where on the place of the initrd
/// is always the same.
pub(crate) const PATCHED_FOR: [u64; 4] = [512 << 20, 1 << 30, 2 << 30, 4 << 30];

/// What is said of the machine; what is not said is open.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// How its firmware behaves.
    pub firmware: Option<FirmwareBuild>,
    /// What is in the firmware's variables; none for firmware without Secure Boot.
    pub secure_boot: SecureBoot,
    /// Whether it can't write to the disk.
    pub read_only_disk: Option<bool>,
    /// Which kernel the firmware gets.
    pub kernel_header: Option<KernelHeader>,
    /// All events of PCR 0 and 1, if a boot of the same firmware in the same machine recorded them.
    pub pinned: Events,
}

/// What was assumed of the machine for a prediction, where it is of any importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Assumptions {
    /// How the firmware behaves.
    pub firmware: FirmwareBuild,
    /// Whether Secure Boot is on; none for firmware without it.
    pub secure_boot: Option<bool>,
    /// Whether the disk can't be written to; of a boot from a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_disk: Option<bool>,
    /// Which kernel the firmware gets; of a direct boot.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    pub kernel: Option<KernelHeader>,
}

fn in_words<S: serde::Serializer>(
    header: &Option<KernelHeader>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(&header.map(|header| header.to_string()))
}

impl fmt::Display for Assumptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "firmware as {}", self.firmware)?;
        f.write_str(match self.secure_boot {
            Some(true) => ", Secure Boot on",
            Some(false) => ", Secure Boot off",
            None => " without Secure Boot",
        })?;
        match self.read_only_disk {
            Some(true) => f.write_str(", a read-only disk")?,
            Some(false) => f.write_str(", a writable disk")?,
            None => {}
        }
        self.kernel.map_or(Ok(()), |kernel| write!(f, ", {kernel}"))
    }
}

/// A prediction with what it takes for granted.
#[derive(Clone, Debug)]
pub struct Assumed {
    /// What was assumed.
    pub assumptions: Assumptions,
    /// What follows.
    pub prediction: tpm::Prediction,
}

/// What boots.
#[derive(Debug)]
pub enum Bootable {
    /// A unified kernel image from a disk.
    Disk(Box<DiskBoot>),
    /// A kernel that QEMU hands to the firmware.
    Direct(Box<DirectBoot>),
}

/// A unified kernel image on a disk.
#[derive(Debug)]
pub struct DiskBoot {
    path: PathBuf,
    /// The image.
    pub uki: Uki,
    /// The bytes measured of the partition table, if the disk has one.
    pub partition_table: Option<Vec<u8>>,
    loader_is_file: bool,
}

/// Kernel, initrd and command line.
#[derive(Debug)]
pub struct DirectBoot {
    path: PathBuf,
    kernel: FileSource,
    signatures: Vec<u8>,
    command_line: String,
    initrd: Digests,
    initrd_len: u64,
}

/// The Secure Boot state in a file of variables.
///
/// # Errors
/// A file that holds no variable store.
pub fn secure_boot(path: &Path) -> Result<SecureBoot, PredictionError> {
    let flash = files::read(path)?;
    let refused = |source| PredictionError::Variables { path: path.to_owned(), source };
    Ok(SecureBoot::of(&Variables::read(&flash).map_err(refused)?))
}

/// The events of PCR 0 and 1 in the event log of an earlier boot.
///
/// # Errors
/// A file that is no such log, or one without these registers in both banks.
pub fn pinned(path: &Path) -> Result<Events, PredictionError> {
    let bytes = files::read(path)?;
    let refused = |source| PredictionError::Pinned { path: path.to_owned(), source };
    let log = Log::parse(&bytes, RegisterSet::Tpm).map_err(|error| refused(error.into()))?;
    tpm::pinned(&log).map_err(refused)
}

impl Bootable {
    /// The image that `cvmkit build` wrote to a folder.
    ///
    /// # Errors
    /// No image, or one of which it is not known what is measured.
    pub fn of_image(folder: &Path, direct: bool) -> Result<Self, PredictionError> {
        if !direct {
            return Ok(Self::Disk(Box::new(DiskBoot::of_image(folder)?)));
        }
        let files = ImageFiles::read(folder)?;
        let (kernel, initrd) = (files.path("kernel", "kernel")?, files.path("initrd", "initrd")?);
        Self::direct(kernel, &initrd, &files.path("command-line", "command line")?)
    }

    /// A unified kernel image on a disk; without a file of the disk it is one without a partition
    /// table.
    ///
    /// # Errors
    /// An image of which it is not known what is measured, or a broken partition table.
    pub fn disk(uki: PathBuf, disk: Option<&Path>) -> Result<Self, PredictionError> {
        Ok(Self::Disk(Box::new(DiskBoot::open(uki, disk)?)))
    }

    /// A kernel with what QEMU hands over beside it.
    ///
    /// # Errors
    /// A file that can't be read, or a kernel that is none.
    pub fn direct(kernel: PathBuf, initrd: &Path, line: &Path) -> Result<Self, PredictionError> {
        let source = FileSource::open(&kernel)?;
        let signatures = image::signatures(&source).map_err(|source| PredictionError::Kernel {
            path: kernel.clone(),
            source: Box::new(source.into()),
        })?;
        let initrd = files::read(initrd)?;
        Ok(Self::Direct(Box::new(DirectBoot {
            path: kernel,
            kernel: source,
            signatures,
            command_line: files::read_text(line)?,
            initrd: Digests::of(&initrd),
            initrd_len: initrd.len() as u64,
        })))
    }

    /// How it boots, as reference values have it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Disk(_) => "uki-disk",
            Self::Direct(_) => "direct",
        }
    }

    /// One prediction for each way the machine can be. Ways of which nothing can be predicted are
    /// left out as long as there are others.
    ///
    /// # Errors
    /// Nothing can be predicted of any.
    pub fn predictions(&self, machine: &Machine) -> Result<Vec<Assumed>, PredictionError> {
        self.predictions_but(machine).map(|(predictions, _)| predictions)
    }

    /// The same, with the reason why a way was left out.
    pub(crate) fn predictions_but(
        &self,
        machine: &Machine,
    ) -> Result<(Vec<Assumed>, Option<PredictionError>), PredictionError> {
        let mut predictions = Vec::new();
        let mut refusal = None;
        for assumptions in self.ways(machine) {
            match self.predict(machine, assumptions) {
                Ok(prediction) => predictions.push(Assumed { assumptions, prediction }),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(error) if predictions.is_empty() => Err(error),
            refusal => Ok((predictions, refusal)),
        }
    }

    /// All ways the machine can be, the likeliest first.
    fn ways(&self, machine: &Machine) -> Vec<Assumptions> {
        let builds = machine.firmware.map_or(FirmwareBuild::ALL.to_vec(), |build| vec![build]);
        let secure_boot = machine.secure_boot.enabled;
        let of_build = |firmware| -> Vec<Assumptions> {
            match self {
                Self::Disk(_) => {
                    let known = machine.read_only_disk;
                    let ways = known.map_or(vec![false, true], |read_only| vec![read_only]);
                    let way = |read_only| Assumptions {
                        firmware,
                        secure_boot,
                        read_only_disk: Some(read_only),
                        kernel: None,
                    };
                    ways.into_iter().map(way).collect()
                }
                Self::Direct(_) => {
                    let patched = PATCHED_FOR.map(|memory| KernelHeader::Patched { memory });
                    let all = [KernelHeader::InFile].into_iter().chain(patched).collect();
                    let ways = machine.kernel_header.map_or(all, |header| vec![header]);
                    let way = |header| Assumptions {
                        firmware,
                        secure_boot,
                        read_only_disk: None,
                        kernel: Some(header),
                    };
                    ways.into_iter().map(way).collect()
                }
            }
        };
        builds.into_iter().flat_map(of_build).collect()
    }

    fn predict(
        &self,
        machine: &Machine,
        assumptions: Assumptions,
    ) -> Result<tpm::Prediction, PredictionError> {
        let firmware = Firmware {
            behaviour: assumptions.firmware.behaviour(),
            secure_boot: machine.secure_boot.clone(),
            pinned: machine.pinned.clone(),
        };
        match self {
            Self::Disk(boot) => boot.predict(&firmware, assumptions),
            Self::Direct(boot) => boot.predict(&firmware, assumptions),
        }
    }
}

/// The folder of an image: its manifest says which file is what.
pub(crate) struct ImageFiles<'a> {
    folder: &'a Path,
    manifest: Manifest,
}

impl<'a> ImageFiles<'a> {
    pub(crate) fn read(folder: &'a Path) -> Result<Self, PredictionError> {
        Ok(Self { folder, manifest: Manifest::read(folder)? })
    }

    /// The firmware that the reference values are for: of one machine, or of several.
    pub(crate) fn firmware(&self) -> Vec<PathBuf> {
        let role = MachineRole::Firmware.name();
        let files = self.manifest.artifacts.iter().filter(|file| file.role == role);
        files.map(|file| self.folder.join(&file.name)).collect()
    }

    pub(crate) fn path(&self, role: &str, what: &'static str) -> Result<PathBuf, PredictionError> {
        let name = self.manifest.file(role).map(|name| self.folder.join(name));
        name.ok_or_else(|| PredictionError::NoFile { folder: self.folder.to_owned(), role: what })
    }
}

impl DiskBoot {
    /// As [`Bootable::of_image`].
    pub(super) fn of_image(folder: &Path) -> Result<Self, PredictionError> {
        let files = ImageFiles::read(folder)?;
        let (uki, disk) = (files.path("uki", UKI)?, files.path("disk", "disk")?);
        Self::open(uki, Some(&disk))
    }

    /// As [`Bootable::disk`].
    pub(super) fn open(uki: PathBuf, disk: Option<&Path>) -> Result<Self, PredictionError> {
        let source = FileSource::open(&uki)?;
        let refused =
            |source| PredictionError::Image { path: uki.clone(), source: Box::new(source) };
        let image = Uki::read(&source).map_err(refused)?;
        let mut boot = Self { path: uki, uki: image, partition_table: None, loader_is_file: false };
        if let Some(path) = disk {
            let disk = FileSource::open(path)?;
            boot.partition_table = match gpt::data(&disk) {
                Ok(data) => Some(data),
                Err(gpt::Error::NoTable { .. }) => None,
                Err(source) => {
                    return Err(PredictionError::PartitionTable { path: path.to_owned(), source });
                }
            };
            boot.loader_is_file = has_loader_file(&disk);
        }
        Ok(boot)
    }

    /// The disk, in a machine that can write to it or not.
    pub(super) fn medium(&self, read_only: bool) -> Disk<'_> {
        Disk {
            partition_table: self.partition_table.as_deref(),
            read_only,
            loader_is_file: self.loader_is_file,
        }
    }

    pub(super) fn refused(&self, source: tpm::Error) -> PredictionError {
        PredictionError::Image { path: self.path.clone(), source: Box::new(source) }
    }

    fn predict(
        &self,
        firmware: &Firmware,
        assumptions: Assumptions,
    ) -> Result<tpm::Prediction, PredictionError> {
        let disk = self.medium(assumptions.read_only_disk == Some(true));
        tpm::disk_boot(firmware, &self.uki, &disk).map_err(|source| self.refused(source))
    }
}

impl DirectBoot {
    fn predict(
        &self,
        firmware: &Firmware,
        assumptions: Assumptions,
    ) -> Result<tpm::Prediction, PredictionError> {
        let header = match assumptions.kernel {
            Some(KernelHeader::Patched { memory }) => SetupHeader::Patched(linux::Boot {
                memory,
                initrd: Some(self.initrd_len),
                command_line: self.command_line.as_bytes(),
            }),
            _ => SetupHeader::AsInFile,
        };
        let kernel = linux::digests(&self.kernel, &header).map_err(|source| {
            PredictionError::Kernel { path: self.path.clone(), source: Box::new(source) }
        })?;
        let direct = Direct {
            kernel,
            signatures: &self.signatures,
            command_line: &self.command_line,
            initrd: self.initrd,
        };
        tpm::direct_boot(firmware, &direct).map_err(|source| PredictionError::Image {
            path: self.path.clone(),
            source: Box::new(source),
        })
    }
}

/// Whether the EFI system partition has a file named `loader`. A partition that can't be read has
/// none: then nothing is promised that depends on it.
fn has_loader_file(disk: &FileSource) -> bool {
    let esp = || {
        let partitions = table::read(disk).ok()?.partitions;
        let esp = partitions.into_iter().find(|entry| entry.type_guid == ESP)?;
        Window::new(disk, esp.offset(), esp.len()).ok()
    };
    esp().is_some_and(|part| {
        fat::read(&part).is_ok_and(|volume| {
            let is_file =
                |id| matches!(volume.tree.inode(id).node, cvmkit_formats::tree::Node::File(_));
            volume.tree.lookup(b"loader").is_some_and(is_file)
        })
    })
}

/// What is predicted on a platform: the events and untouched registers of those registers that it
/// leaves to the image, and what the caller has pinned.
#[must_use]
pub fn on_platform(prediction: &tpm::Prediction, platform: Platform) -> tpm::Prediction {
    // Nothing is predicted of PCR 0 and 1 that was not pinned.
    let is_predicted = |pcr: PcrIndex| pcr.number() < 2 || platform.prospect(pcr).is_predicted();
    let events = prediction.events.0.iter().filter(|event: &&Event| is_predicted(event.pcr));
    let untouched = prediction.untouched.iter().copied().filter(|pcr| is_predicted(*pcr));
    tpm::Prediction { events: events.cloned().collect(), untouched: untouched.collect() }
}
