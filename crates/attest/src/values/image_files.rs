//! The files that are measured, each read and hashed once for all profiles.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_measure::kernel_hashes::KernelHashes;

use super::error::ReferenceError;
use crate::output::{Manifest, Role};
use crate::predict::{PredictionError, TdBoot, TdError, TpmBoot, initrd_of};
use crate::profile::Profile;

/// The files of an image, and those of its machines.
#[derive(Debug, Default)]
pub struct ImageFiles {
    /// Where the files of the machines are.
    folder: PathBuf,
    /// Whether the image may have shells and logins.
    pub(super) debug: bool,
    disk: Option<PathBuf>,
    uki: Option<PathBuf>,
    kernel: Option<PathBuf>,
    initrd: Option<PathBuf>,
    command_line: Option<PathBuf>,
    hashes: OnceLock<KernelHashes>,
    direct: OnceLock<TpmBoot>,
    uki_disk: OnceLock<TpmBoot>,
    td_direct: OnceLock<TdBoot>,
    td_disk: OnceLock<TdBoot>,
}

impl ImageFiles {
    /// The image that a manifest lists, in its folder.
    #[must_use]
    pub fn of_folder(manifest: &Manifest, folder: &Path) -> Self {
        let files = |role| manifest.file(role).map(str::to_owned);
        Self::of_files(folder, manifest.image.debug, files)
    }

    /// An image in a folder, for debugging or not, of files whose names `file` knows by role.
    pub fn of_files(folder: &Path, debug: bool, file: impl Fn(Role) -> Option<String>) -> Self {
        let path = |role| file(role).map(|name| folder.join(name));
        Self {
            folder: folder.to_owned(),
            debug,
            disk: path(Role::Disk),
            uki: path(Role::Uki),
            kernel: path(Role::Kernel),
            initrd: path(Role::Initrd),
            command_line: path(Role::CommandLine),
            ..Self::default()
        }
    }

    /// The bytes of a machine's file.
    pub(super) fn machine_file(&self, name: &str) -> Result<Vec<u8>, ReferenceError> {
        Ok(files::read(&self.folder.join(name))?)
    }

    /// Where a machine's file is.
    pub(super) fn machine_path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The hashes that firmware checks kernel, initrd and command line with.
    pub(super) fn hashes(&self, profile: &Profile) -> Result<KernelHashes, ReferenceError> {
        once(&self.hashes, || {
            let (kernel, initrd, command_line) = self.direct_files(profile)?;
            kernel_hashes(kernel, initrd, command_line)
        })
        .copied()
    }

    /// Kernel, initrd and command line as a machine with a TPM gets them.
    pub(super) fn direct(&self, profile: &Profile) -> Result<&TpmBoot, ReferenceError> {
        once(&self.direct, || {
            let (kernel, initrd, command_line) = self.direct_files(profile)?;
            TpmBoot::direct(kernel.to_owned(), initrd, command_line).map_err(of_tpm(profile))
        })
    }

    /// The unified kernel image on its disk.
    pub(super) fn uki_disk(&self, profile: &Profile) -> Result<&TpmBoot, ReferenceError> {
        once(&self.uki_disk, || {
            let uki = need(profile, self.uki.as_ref(), Role::Uki)?;
            TpmBoot::disk(uki.clone(), 0, self.disk.as_deref()).map_err(of_tpm(profile))
        })
    }

    /// Kernel, initrd and command line as a TD gets them.
    pub(super) fn td_direct(&self, profile: &Profile) -> Result<&TdBoot, ReferenceError> {
        once(&self.td_direct, || {
            let (kernel, initrd, command_line) = self.direct_files(profile)?;
            let source = files::FileSource::open(kernel)?;
            let initrd = initrd_of(initrd)?;
            let line = files::read(command_line)?;
            Ok(TdBoot::direct(kernel.to_owned(), source, Some(initrd), line))
        })
    }

    /// The unified kernel image on its disk, as a TD boots it.
    pub(super) fn td_disk(&self, profile: &Profile) -> Result<&TdBoot, ReferenceError> {
        once(&self.td_disk, || {
            let uki = need(profile, self.uki.as_ref(), Role::Uki)?;
            TdBoot::disk(uki.clone(), self.disk.as_deref()).map_err(of_td(profile))
        })
    }

    fn direct_files(&self, profile: &Profile) -> Result<(&Path, &Path, &Path), ReferenceError> {
        Ok((
            need(profile, self.kernel.as_ref(), Role::Kernel)?,
            need(profile, self.initrd.as_ref(), Role::Initrd)?,
            need(profile, self.command_line.as_ref(), Role::CommandLine)?,
        ))
    }
}

/// The hashes that the firmware checks, of files.
pub(crate) fn kernel_hashes(
    kernel: &Path,
    initrd: &Path,
    command_line: &Path,
) -> Result<KernelHashes, ReferenceError> {
    let digest = |path: &Path| -> Result<_, ReferenceError> {
        Ok(Sha256::of_reader(files::open(path)?).map_err(files::cannot("read", path))?.0)
    };
    let (kernel, initrd) = rayon::join(|| digest(kernel), || digest(initrd));
    let command_line = files::read(command_line)?;
    Ok(KernelHashes::from_digests(kernel?, Some(initrd?), &command_line)?)
}

/// What `make` makes, made once. Two that ask at the same time may both make it.
fn once<T>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, ReferenceError>,
) -> Result<&T, ReferenceError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    // Another one may have been quicker, with the same.
    Ok(cell.get_or_init(|| value))
}

fn need<'a>(
    profile: &Profile,
    path: Option<&'a PathBuf>,
    role: Role,
) -> Result<&'a PathBuf, ReferenceError> {
    path.ok_or_else(|| ReferenceError::NoFile { profile: profile.name.clone(), role })
}

pub(super) fn of_td(profile: &Profile) -> impl FnOnce(TdError) -> ReferenceError {
    let profile = profile.name.clone();
    |source| ReferenceError::Td { profile, source: Box::new(source) }
}

pub(super) fn of_tpm(profile: &Profile) -> impl FnOnce(PredictionError) -> ReferenceError {
    let profile = profile.name.clone();
    |source| ReferenceError::Tpm { profile, source: Box::new(source) }
}
