//! A boot of a unified kernel image from a disk: what of both is measured.

use std::path::{Path, PathBuf};

use cvmkit_host::files::FileSource;
use cvmkit_measure::tpm::{self, Disk, Firmware, Uki};
use cvmkit_measure::uefi::gpt;
use cvmkit_measure::uefi::medium::Medium;

use super::error::PredictionError;
use super::esp::Esp;
use crate::output::{OutputFolder, Role};

/// A unified kernel image, and what of the disk that it is on is measured beside it.
#[derive(Debug)]
pub struct DiskBoot {
    path: PathBuf,
    /// The digests of the image and its parts, of the profile that boots.
    pub uki: Uki,
    /// The bytes measured of the partition table (UEFI_GPT_DATA; TCG PC Client Platform Firmware Profile
    /// 1.06, section 10.2.5); none for a disk without a GPT.
    pub partition_table: Option<Vec<u8>>,
    loader_is_file: bool,
    /// Whether firmware starts the image without a boot option that names it: it is the file of the
    /// architecture's fixed name, and no other file system to boot from has another one.
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

#[cfg(test)]
mod tests {
    use cvmkit_measure::firmware::behaviour::Behaviour;
    use cvmkit_measure::uefi::medium::DiskBus;
    use cvmkit_measure::uefi::variables::SecureBoot;

    use super::*;
    use crate::tests::Folder;
    use crate::tests::bzimage::efi_kernel;
    use crate::tests::small_disk::{DEFAULT_PATH, file_system, partitioned};
    use crate::tests::small_uki::SmallUki;

    fn open(folder: &Folder, uki: &[u8], disk: Option<&[u8]>) -> Result<DiskBoot, PredictionError> {
        let uki = folder.put("a.efi", uki);
        let disk = disk.map(|disk| folder.put("a.raw", disk));
        DiskBoot::open(uki, 0, disk.as_deref())
    }

    #[test]
    fn an_image_without_a_disk_is_the_default_of_one_without_a_table() {
        let folder = Folder::new();
        let image = SmallUki::new(257).image();
        let boot = open(&folder, &image, None).unwrap();
        assert_eq!(boot.partition_table, None);
        assert!(boot.is_default && !boot.loader_is_file);
        let volume = file_system(&[(DEFAULT_PATH, &image)]);
        let boot = open(&folder, &image, Some(&volume)).unwrap();
        assert_eq!(boot.partition_table, None);
    }

    /// UEFI_GPT_DATA: the header, the number of partitions, and the entries in use.
    #[test]
    fn the_disk_says_what_is_measured_beside_the_image() {
        let folder = Folder::new();
        let image = SmallUki::new(257).image();
        let disk = partitioned(&[("EFI/Linux/a.efi", &image), ("loader", b"")]);
        let boot = open(&folder, &image, Some(&disk)).unwrap();
        let table = [&disk[512..604], &1_u64.to_le_bytes(), &disk[1024..1152]].concat();
        assert_eq!(boot.partition_table.as_deref(), Some(&table[..]));
        assert!(!boot.is_default && boot.loader_is_file);
        let bus = Some(DiskBus::Usb);
        let medium = Medium { bus, is_writable: Some(true), firmware_by: None };
        let in_machine = boot.in_machine(medium);
        assert_eq!(in_machine.partition_table, Some(&table[..]));
        assert_eq!((in_machine.medium, in_machine.loader_is_file), (medium, true));
    }

    /// systemd-stub(7), "PE Sections": each `.profile` starts another command line.
    #[test]
    fn the_profile_that_boots_is_the_one_that_was_named() {
        let folder = Folder::new();
        let kernel = efi_kernel();
        let sections: [(&str, &[u8]); 7] = [
            (".linux", &kernel),
            (".initrd", b"initrd"),
            (".cmdline", b"quiet"),
            (".profile", b"ID=main"),
            (".profile", b"ID=debug"),
            (".cmdline", b"debug"),
            (".osrel", b"ID=test"),
        ];
        let uki = folder.put("a.efi", &SmallUki::in_order(257, &sections));
        for (profile, line) in [(0, "quiet"), (1, "debug")] {
            let boot = DiskBoot::open(uki.clone(), profile, None).unwrap();
            assert_eq!(boot.uki.command_line, line);
        }
        match DiskBoot::open(uki.clone(), 2, None).unwrap_err() {
            PredictionError::Image { path, source } => {
                assert_eq!(path, uki);
                assert!(
                    matches!(*source, tpm::Error::NoProfile { found: 2, count: 2 }),
                    "{source}"
                );
            }
            error => panic!("{error}"),
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_or_is_something_else_is_named() {
        let folder = Folder::new();
        let image = SmallUki::new(257).image();
        let missing = folder.path("none");
        for (uki, disk) in [(&missing, None), (&folder.put("uki", &image), Some(&missing))] {
            match DiskBoot::open(uki.clone(), 0, disk.map(PathBuf::as_path)).unwrap_err() {
                PredictionError::File(error) => {
                    assert!(error.is_not_found() && error.path == missing, "{error}");
                }
                error => panic!("{error}"),
            }
        }
        let error = open(&folder, b"MZ is not enough", None).unwrap_err();
        let uki = folder.path("a.efi");
        assert!(
            matches!(&error, PredictionError::Image { path, source }
                if *path == uki && matches!(**source, tpm::Error::Image(_))),
            "{error}"
        );
        let error = open(&folder, &image, Some(b"not a disk")).unwrap_err();
        let disk = folder.path("a.raw");
        assert!(
            matches!(&error, PredictionError::PartitionTable { path, source }
                if *path == disk && matches!(source, gpt::Error::NoDisk { found: [0, 0] })),
            "{error}"
        );
        let other = partitioned(&[(DEFAULT_PATH, b"another image")]);
        match open(&folder, &image, Some(&other)).unwrap_err() {
            PredictionError::OtherImage { path, uki: named } => {
                assert_eq!((path, named), (disk, uki));
            }
            error => panic!("{error}"),
        }
    }

    #[test]
    fn a_boot_that_cannot_be_predicted_names_the_image() {
        let folder = Folder::new();
        let mut uki = SmallUki::new(262);
        uki.set(".cmdline", Some(b"quiet"));
        let boot = open(&folder, &uki.image(), None).unwrap();
        let firmware = Firmware {
            behaviour: Behaviour::OVMF_2025_02,
            secure_boot: SecureBoot::default(),
            pinned: None,
        };
        match boot.predict(&firmware, Medium::default()).unwrap_err() {
            PredictionError::Image { path, source } => {
                assert_eq!(path, folder.path("a.efi"));
                assert!(matches!(*source, tpm::Error::NoConsole { .. }), "{source}");
            }
            error => panic!("{error}"),
        }
    }
}
