//! Why an image can't be written.

use std::io;

use cvmkit_formats::{cpio, fat, gpt, pe, tree, verity};
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{FileError, file_error};
use thiserror::Error;

use super::root::RootError;

/// Why an image can't be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The host's disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// The compressor of the initramfs.
    #[error("the initramfs can't be compressed")]
    Compress(#[source] io::Error),
    /// A path of a small tree.
    #[error("a tree can't be laid out")]
    Tree(#[from] tree::TreeError),
    /// The initramfs.
    #[error("the initramfs can't be written")]
    Initrd(#[from] cpio::Error),
    /// The ESP.
    #[error("the EFI system partition can't be written")]
    Esp(#[from] fat::Error),
    /// The partition table.
    #[error("the partition table can't be written")]
    Table(#[from] gpt::Error),
    /// The UKI.
    #[error("the unified kernel image can't be made")]
    Uki(#[from] pe::Error),
    /// The root file system.
    #[error("the root file system can't be written")]
    Root(#[source] RootError),
    /// A time that the root file system has no room for.
    #[error(transparent)]
    Time(RootError),
    /// The hash tree.
    #[error("the hash tree can't be written")]
    Verity(#[from] verity::Error),
}

impl From<RootError> for ImageError {
    fn from(error: RootError) -> Self {
        match error {
            RootError::Time(_) => Self::Time(error),
            error => Self::Root(error),
        }
    }
}

impl Diagnosis for ImageError {
    fn fault(&self) -> Fault {
        // A full disk shows deep inside a writer.
        match (self.file(), self) {
            (Some(error), _) => error.fault(),
            // Whatever is compressed can be, with the memory for it.
            (None, Self::Compress(_)) => Fault::Environment,
            (None, _) => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        self.file().and_then(FileError::hint)
    }
}

impl ImageError {
    /// What the host's files said: itself, or below what it wraps.
    fn file(&self) -> Option<&FileError> {
        match self {
            Self::File(error) => Some(error),
            _ => file_error(self),
        }
    }
}
