//! A tree becomes an image: initramfs, disk, UKI, and the files beside them.
//!
//! [`initrd()`] and [`write`] decide nothing that is not in the definition: identities come from the
//! root hash or the seed, times from the lock.

pub(crate) mod disk;
mod error;
pub(crate) mod initrd;
mod output;
mod parts;
mod root;
#[cfg(test)]
mod tests;
pub(crate) mod uki;

use std::path::Path;

use cvmkit_attest::output::Role;
use cvmkit_attest::values::ImageFiles;
use cvmkit_formats::sink::Sink;
use cvmkit_formats::verity::RootHash;
use cvmkit_host::files::{FileError, Staging};

pub use disk::{Partition, RootExtent};
pub use error::ImageError;
pub(crate) use initrd::{BUILT_FOR, MODULE_LIST};
pub use initrd::{InitrdParts, initrd, initrd_for};
pub use parts::Parts;
pub(crate) use root::OpenRoot;
pub use root::{RootError, RootFormat};
pub use uki::{built_for, without_root_hash};

/// An image as it was written.
#[derive(Debug)]
pub struct Image {
    /// What the command line promises.
    pub root_hash: RootHash,
    /// The kernel command line.
    pub command_line: String,
    /// In the order of the disk.
    pub partitions: Vec<Partition>,
    /// The files that were staged, in the order they were written.
    pub files: Vec<ImageFile>,
}

impl Image {
    /// What is measured of it, in the folder where it was written.
    pub(crate) fn measured_files(&self, debug: bool, folder: &Path) -> ImageFiles {
        ImageFiles::of_files(folder, debug, |role| {
            self.files.iter().find(|file| file.role == role).map(|file| file.name.clone())
        })
    }

    /// Makes the disk durable; the other files are already.
    ///
    /// # Errors
    /// Names the file.
    pub fn sync(&self, staging: &Staging) -> Result<(), FileError> {
        let mut disks = self.files.iter().filter(|file| file.role == Role::Disk);
        disks.try_for_each(|disk| staging.sync(&disk.name))
    }
}

/// A file that the output folder gets: a disk, a part of one, or what describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Its name in the output folder.
    pub name: String,
    /// What it is.
    pub role: Role,
}

/// Writes the files of an image. The disk is durable after [`Image::sync`] only.
///
/// # Errors
/// What a format can't hold, or what the disk of the host says.
pub fn write(parts: &Parts<'_>, staging: &Staging) -> Result<Image, ImageError> {
    let written = disk::write(parts, staging, &name(parts, Role::Disk))?;
    write_split(parts, written, staging)
}

/// Writes the files of an image as [`write`] would, but for the root file system and its hash tree:
/// everything that is measured is there.
///
/// # Errors
/// As for [`write`].
pub fn write_outline(
    parts: &Parts<'_>,
    root: RootExtent,
    staging: &Staging,
) -> Result<Image, ImageError> {
    let written = disk::write_outline(parts, root, staging, &name(parts, Role::Disk))?;
    write_split(parts, written, staging)
}

/// The name of a file of the image: all of those have a suffix.
fn name(parts: &Parts<'_>, role: Role) -> String {
    format!("{}.{}", parts.definition.stem(), role.suffix().unwrap_or(role.name()))
}

/// The files beside the disk.
fn write_split(
    parts: &Parts<'_>,
    written: disk::Written,
    staging: &Staging,
) -> Result<Image, ImageError> {
    let name = |role| name(parts, role);
    let made = output::Made {
        parts,
        command_line: &written.command_line,
        root_hash: &written.root_hash,
        uki: written.uki.as_deref(),
    };
    let mut files = vec![ImageFile { name: name(Role::Disk), role: Role::Disk }];
    for (role, contents) in output::BESIDE_THE_DISK {
        if let Some(bytes) = contents(&made) {
            stage(staging, &name(role), &bytes)?;
            files.push(ImageFile { name: name(role), role });
        }
    }
    let disk::Written { root_hash, command_line, partitions, .. } = written;
    Ok(Image { root_hash, command_line, partitions, files })
}

/// Writes a staged file whole.
///
/// # Errors
/// Names the file.
pub fn stage(staging: &Staging, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let mut file = staging.create(name)?;
    file.write_at(0, bytes).map_err(|error| file.error(error))?;
    Ok(file.sync()?)
}
