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

/// The files of an image, and the folder of the files of its machines. Each is read when it is first
/// needed, and once for all profiles.
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
    /// The image that a manifest lists, in its folder. Nothing is opened yet.
    #[must_use]
    pub fn of_folder(manifest: &Manifest, folder: &Path) -> Self {
        let files = |role| manifest.file(role).map(str::to_owned);
        Self::of_files(folder, manifest.image.debug, files)
    }

    /// An image in a folder, for debugging or not, whose files `file` names by role; none for a role that
    /// the image lacks.
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

#[cfg(test)]
mod tests {
    use cvmkit_host::fault::Diagnosis as _;

    use super::*;
    use crate::tests::bzimage::efi_kernel;
    use crate::tests::{COMMAND_LINE, Folder, INITRD};

    fn profile(name: &str) -> Profile {
        Profile::built_in(name).unwrap()
    }

    fn of_folder(folder: &Folder) -> ImageFiles {
        ImageFiles::of_folder(&Manifest::read(folder.root()).unwrap(), folder.root())
    }

    /// The image without the file of one role.
    fn without(folder: &Folder, missing: Role) -> ImageFiles {
        let manifest = Manifest::read(folder.root()).unwrap();
        let file = |role| manifest.file(role).filter(|_| role != missing).map(str::to_owned);
        ImageFiles::of_files(folder.root(), false, file)
    }

    #[test]
    fn kernel_hashes_are_those_of_the_files() {
        let folder = Folder::image();
        let files = of_folder(&folder);
        let line = COMMAND_LINE.as_bytes();
        let expected = KernelHashes::from_bytes(&efi_kernel(), Some(INITRD), line).unwrap();
        assert_eq!(files.hashes(&profile("qemu-snp")).unwrap(), expected);
        // Read once, for all profiles.
        folder.put("a.vmlinuz", b"another kernel");
        assert_eq!(files.hashes(&profile("ec2-snp")).unwrap(), expected);
        assert_ne!(of_folder(&folder).hashes(&profile("qemu-snp")).unwrap(), expected);
    }

    /// QEMU ends a command line at the first NUL.
    #[test]
    fn a_command_line_with_a_nul_has_no_hash() {
        let folder = Folder::image();
        folder.put("a.cmdline", b"quiet\0hidden");
        let error = of_folder(&folder).hashes(&profile("qemu-snp")).unwrap_err();
        assert!(matches!(&error, ReferenceError::CommandLine(nul) if nul.at == 5), "{error}");
    }

    #[test]
    fn boots_are_read_once() {
        let folder = Folder::image();
        let files = of_folder(&folder);
        let (tpm, td) = (profile("qemu-vtpm"), profile("qemu-tdx-uki"));
        let direct = files.direct(&tpm).unwrap();
        let disk = files.uki_disk(&tpm).unwrap();
        assert_eq!((direct.kind(), disk.kind()), ("direct", "uki-disk"));
        assert!(std::ptr::eq(direct, files.direct(&tpm).unwrap()));
        assert!(std::ptr::eq(disk, files.uki_disk(&tpm).unwrap()));
        let (direct, disk) = (files.td_direct(&td).unwrap(), files.td_disk(&td).unwrap());
        assert_eq!((direct.kind(), disk.kind()), ("direct", "uki-disk"));
        assert!(std::ptr::eq(direct, files.td_direct(&td).unwrap()));
        assert!(std::ptr::eq(disk, files.td_disk(&td).unwrap()));
    }

    /// The error names the profile that needs the file.
    #[test]
    fn an_image_that_lacks_a_file_is_refused() {
        let folder = Folder::image();
        let own = profile("qemu-vtpm");
        for (missing, fails) in [
            (Role::Kernel, [true, true, true, false, false]),
            (Role::Initrd, [true, true, true, false, false]),
            (Role::CommandLine, [true, true, true, false, false]),
            (Role::Uki, [false, false, false, true, true]),
            // An image that is no disk yet has no partition table.
            (Role::Disk, [false; 5]),
            (Role::RootHash, [false; 5]),
        ] {
            let files = without(&folder, missing);
            let found = [
                files.hashes(&own).err(),
                files.direct(&own).err(),
                files.td_direct(&own).err(),
                files.uki_disk(&own).err(),
                files.td_disk(&own).err(),
            ];
            for (error, fails) in found.into_iter().zip(fails) {
                match error {
                    Some(ReferenceError::NoFile { profile, role }) => {
                        assert!(fails, "{missing}");
                        assert_eq!((profile.as_str(), role), ("qemu-vtpm", missing));
                    }
                    Some(error) => panic!("{missing}: {error}"),
                    None => assert!(!fails, "{missing}"),
                }
            }
        }
    }

    #[test]
    fn what_a_disk_says_counts_where_there_is_one() {
        let folder = Folder::image();
        let table = |files: &ImageFiles| match files.uki_disk(&profile("qemu-vtpm")).unwrap() {
            TpmBoot::Disk(disk) => disk.partition_table.is_some(),
            TpmBoot::Direct(_) => panic!("a boot from the disk"),
        };
        assert!(table(&of_folder(&folder)));
        assert!(!table(&without(&folder, Role::Disk)));
    }

    #[test]
    fn files_of_machines_lie_in_the_same_folder() {
        let folder = Folder::new();
        folder.put("OVMF.fd", b"firmware");
        let files = ImageFiles::of_files(folder.root(), true, |_| None);
        assert!(files.debug);
        assert_eq!(files.machine_file("OVMF.fd").unwrap(), b"firmware");
        assert_eq!(files.machine_path("OVMF.fd"), folder.path("OVMF.fd"));
        match files.machine_file("none").unwrap_err() {
            ReferenceError::File(error) => assert_eq!(error.path, folder.path("none")),
            error => panic!("{error}"),
        }
        assert!(!of_folder(&Folder::image()).debug);
    }

    #[test]
    fn an_error_of_a_prediction_names_the_profile() {
        let folder = Folder::image();
        folder.put("a.efi", b"not an image");
        folder.put("a.vmlinuz", b"not a kernel");
        let files = of_folder(&folder);
        let own = profile("qemu-vtpm");
        for error in [files.uki_disk(&own).unwrap_err(), files.direct(&own).unwrap_err()] {
            let ReferenceError::Tpm { profile, .. } = error else { panic!("{error}") };
            assert_eq!(profile, "qemu-vtpm");
        }
        let error = files.td_disk(&profile("gce-tdx")).unwrap_err();
        let ReferenceError::Td { profile, .. } = &error else { panic!("{error}") };
        assert_eq!(profile, "gce-tdx");
        assert_eq!(error.hint(), None);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let folder = Folder::image();
        let line = files::read(&folder.path("a.cmdline")).unwrap();
        files::remove(&folder.path("a.cmdline")).unwrap();
        let files = of_folder(&folder);
        let own = profile("qemu-snp");
        assert!(matches!(files.hashes(&own), Err(ReferenceError::File(_))));
        folder.put("a.cmdline", &line);
        assert!(files.hashes(&own).is_ok());
    }
}
