//! A boot of a unified kernel image from a disk: what of both is measured.

use std::path::{Path, PathBuf};

use cvmkit_host::files::FileSource;
use cvmkit_measure::tpm::{self, Disk, Firmware, Uki};
use cvmkit_measure::uefi::gpt;
use cvmkit_measure::uefi::medium::Medium;

use super::error::PredictionError;
use super::esp::Esp;
use crate::output::{OutputFolder, Role};

/// A unified kernel image on a disk.
#[derive(Debug)]
pub struct DiskBoot {
    path: PathBuf,
    /// The image.
    pub uki: Uki,
    /// The bytes measured of the partition table, if the disk has one.
    pub partition_table: Option<Vec<u8>>,
    loader_is_file: bool,
    /// Whether firmware starts the image without a boot option that names it.
    pub is_default: bool,
}

impl DiskBoot {
    /// As [`super::TpmBoot::of_image`].
    pub(super) fn of_image(folder: &Path) -> Result<Self, PredictionError> {
        let output = OutputFolder::read(folder)?;
        let (uki, disk) = (output.file(Role::Uki)?, output.file(Role::Disk)?);
        Self::open(uki, 0, Some(&disk))
    }

    /// As [`super::TpmBoot::disk`].
    pub(super) fn open(
        uki: PathBuf,
        profile: u32,
        disk: Option<&Path>,
    ) -> Result<Self, PredictionError> {
        let source = FileSource::open(&uki)?;
        let refused =
            |source| PredictionError::Image { path: uki.clone(), source: Box::new(source) };
        let image = Uki::of_profile(&source, profile).map_err(refused)?;
        let (mut partition_table, mut loader_is_file, mut is_default) = (None, false, true);
        if let Some(path) = disk {
            let disk = FileSource::open(path)?;
            let broken = |source| PredictionError::PartitionTable { path: path.to_owned(), source };
            partition_table = gpt::data(&disk).map_err(broken)?;
            let esp = Esp::read(path, &disk, &uki, &source)?;
            (loader_is_file, is_default) = (esp.loader_is_file, esp.is_default);
        }
        Ok(Self { path: uki, uki: image, partition_table, loader_is_file, is_default })
    }

    /// The disk, as a machine has it.
    pub(super) fn in_machine(&self, medium: Medium) -> Disk<'_> {
        Disk {
            partition_table: self.partition_table.as_deref(),
            medium,
            loader_is_file: self.loader_is_file,
        }
    }

    pub(super) fn refused(&self, source: tpm::Error) -> PredictionError {
        PredictionError::Image { path: self.path.clone(), source: Box::new(source) }
    }

    pub(super) fn predict(
        &self,
        firmware: &Firmware,
        medium: Medium,
    ) -> Result<tpm::Prediction, PredictionError> {
        let disk = self.in_machine(medium);
        tpm::disk_boot(firmware, &self.uki, &disk).map_err(|source| self.refused(source))
    }
}
