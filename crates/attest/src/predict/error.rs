//! Why nothing can be predicted of a boot.

use std::path::PathBuf;

use cvmkit_formats::{fat, gpt as table};
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use cvmkit_measure::uefi::{gpt, variable_store};
use cvmkit_measure::{linux, tpm};
use thiserror::Error;

use crate::output::ManifestError;
use crate::output::{MissingFile, Role};

/// Why the registers of a TPM can't be predicted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PredictionError {
    /// A file that can't be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// No manifest of this schema in the output folder.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest lists no file of a role that the boot needs.
    #[error(transparent)]
    NoFile(#[from] MissingFile),
    /// A unified kernel image, or a kernel, whose measurements are not known.
    #[error("cannot predict a boot of `{}`", path.display())]
    Image {
        /// Path of the image or the kernel.
        path: PathBuf,
        /// What is not known, or is refused by the firmware.
        source: Box<tpm::Error>,
    },
    /// A kernel that QEMU, or the firmware that it is handed to, would refuse.
    #[error("cannot predict a direct boot of `{}`", path.display())]
    Kernel {
        /// Path of the kernel.
        path: PathBuf,
        /// What QEMU or the firmware would refuse.
        source: Box<linux::Error>,
    },
    /// A file that is not a raw disk, or one whose partition table can't be measured.
    #[error("cannot read the partition table of `{}`", path.display())]
    PartitionTable {
        /// Path of the disk.
        path: PathBuf,
        /// What was expected, and what was found.
        source: gpt::Error,
    },
    /// A partition table that contradicts itself: firmware would not boot from it.
    #[error("cannot find the EFI system partition of `{}`", path.display())]
    Partitions {
        /// Path of the disk.
        path: PathBuf,
        /// Structure and offset of the contradiction.
        source: table::Error,
    },
    /// An EFI system partition that is not a FAT volume, of a disk on which no other holds the image.
    #[error("cannot read the EFI system partition of `{}`", path.display())]
    Esp {
        /// Path of the disk.
        path: PathBuf,
        /// Structure and offset that the reader refuses.
        source: fat::Error,
    },
    /// A disk of which no EFI system partition holds the image byte for byte.
    #[error(
        "no EFI system partition of `{}` holds `{}`: the disk boots something else",
        path.display(),
        uki.display()
    )]
    OtherImage {
        /// Path of the disk.
        path: PathBuf,
        /// Path of the image that was looked for.
        uki: PathBuf,
    },
    /// Addons, credentials or extensions beside the image, which systemd-stub would load and measure
    /// (systemd-stub(7), "Companion Files").
    #[error(
        "the EFI system partition of `{}` holds what systemd-stub adds to the image and measures: {}",
        path.display(),
        companions.join(", ")
    )]
    Companions {
        /// Path of the disk.
        path: PathBuf,
        /// Paths of the files in the EFI system partition.
        companions: Vec<String>,
    },
    /// A file that is not the event log of a TPM, or one without events of PCR 0 and 1.
    #[error("cannot pin PCR 0 and 1 by `{}`", path.display())]
    Pinned {
        /// Path of the log.
        path: PathBuf,
        /// What the log lacks.
        source: tpm::PinnedError,
    },
    /// A file without a store of UEFI variables.
    #[error("cannot read the firmware variables in `{}`", path.display())]
    Variables {
        /// Path of the file.
        path: PathBuf,
        /// What was expected, and at which byte.
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
            Self::NoFile(MissingFile { role: Role::Uki, .. }) => {
                "the image boots directly only: predict a direct boot"
            }
            Self::Image { source, .. } => match **source {
                tpm::Error::BootSecret { .. } => {
                    "predict the boot from a read-only disk, if the machine can't write to it"
                }
                tpm::Error::NotAuthorized { .. } => {
                    "sign the image with a key of `db`, or name the variables the machine has"
                }
                _ => return None,
            },
            Self::PartitionTable { source: gpt::Error::Container { found }, .. } => found.hint(),
            Self::OtherImage { .. } => {
                "name the image that the disk boots, byte for byte, or leave out the disk"
            }
            Self::Companions { .. } => {
                "remove them from the disk, or put their contents into the image: what is added at \
                 boot is not predicted"
            }
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

#[cfg(test)]
mod tests {
    use std::io;

    use cvmkit_formats::container::Container;
    use cvmkit_measure::event::PcrIndex;
    use cvmkit_measure::tpm::{PinnedError, StubVersion};

    use super::*;
    use crate::tests::said;

    fn file(kind: io::ErrorKind) -> FileError {
        FileError { action: "read", path: "folder/a".into(), source: kind.into() }
    }

    fn image(source: tpm::Error) -> PredictionError {
        PredictionError::Image { path: "a.efi".into(), source: Box::new(source) }
    }

    fn table(source: gpt::Error) -> PredictionError {
        PredictionError::PartitionTable { path: "a.raw".into(), source }
    }

    fn missing(role: Role) -> PredictionError {
        MissingFile { folder: "out".into(), role }.into()
    }

    /// What is missing was named wrongly; what the system refuses is the machine's matter.
    #[test]
    fn only_a_file_that_is_there_and_cannot_be_read_is_the_environment_s_fault() {
        let denied = io::ErrorKind::PermissionDenied;
        let manifest = |kind| PredictionError::from(ManifestError::from(file(kind)));
        for (error, expected) in [
            (file(denied).into(), Fault::Environment),
            (file(io::ErrorKind::NotFound).into(), Fault::Definition),
            (manifest(denied), Fault::Environment),
            (ManifestError::NoImage { folder: "out".into() }.into(), Fault::Definition),
            (missing(Role::Uki), Fault::Definition),
            (image(tpm::Error::NoStub), Fault::Definition),
            (table(gpt::Error::SectorSize), Fault::Definition),
        ] {
            assert_eq!(error.fault(), expected, "{error}");
        }
    }

    #[test]
    fn what_can_be_done_has_a_hint() {
        let version = StubVersion(262);
        let path = || PathBuf::from("a.raw");
        let container = Container::of(&b"QFI\xfb\0\0\0\x03".to_vec()).unwrap().unwrap();
        let no_events = PinnedError::NoEvents(PcrIndex::new(1).unwrap());
        let store = variable_store::Error::NoStore { at: 16, what: "a GUID" };
        let no_image = ManifestError::NoImage { folder: "out".into() };
        for (error, hint) in [
            (missing(Role::Uki), "predict a direct boot"),
            (image(tpm::Error::BootSecret { version }), "from a read-only disk"),
            (
                image(tpm::Error::NotAuthorized { what: "image" }),
                "sign the image with a key of `db`",
            ),
            (table(gpt::Error::Container { found: container }), container.hint()),
            (
                PredictionError::OtherImage { path: path(), uki: "a.efi".into() },
                "leave out the disk",
            ),
            (
                PredictionError::Companions { path: path(), companions: vec!["a".into()] },
                "remove them from the disk",
            ),
            (PredictionError::Pinned { path: path(), source: no_events }, "name a TPM event log"),
            (PredictionError::Variables { path: path(), source: store }, "name an `OVMF_VARS.fd`"),
            (file(io::ErrorKind::PermissionDenied).into(), "see who may write to `folder`"),
            (no_image.into(), "name the folder of an image"),
        ] {
            let found = error.hint().unwrap_or_default();
            assert!(found.contains(hint), "{error}: {found}");
        }
        for error in [
            missing(Role::Kernel),
            image(tpm::Error::NoStub),
            table(gpt::Error::SectorSize),
            PredictionError::Partitions { path: path(), source: gpt_error() },
            PredictionError::Esp { path: path(), source: fat::Error::Unsupported("x".into()) },
            file(io::ErrorKind::NotFound).into(),
        ] {
            assert_eq!(error.hint(), None, "{error}");
        }
    }

    fn gpt_error() -> table::Error {
        table::Error::Unsupported { what: "header", why: "x".into() }
    }

    #[test]
    fn every_companion_is_listed() {
        let companions = ["loader/a.cred", "loader/b.raw"].map(str::to_owned).to_vec();
        let said = said(&PredictionError::Companions { path: "a.raw".into(), companions });
        assert!(said.contains("measures: loader/a.cred, loader/b.raw\n"), "{said}");
    }
}
