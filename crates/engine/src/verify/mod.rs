//! Whether a folder holds the image that it says it holds: every digest is derived again, from the
//! files alone.
//!
//! The contract: [`verify`] uses decoders only (I8), no lock, no store and no network; it collects
//! all findings instead of stopping at the first, and what can't be checked because something else
//! is broken is named as skipped, so that an empty list of findings means that everything was
//! checked. Every [`Finding`] names the file, what was expected and what was found.
//!
//! Deliberately absent: whether the image is the *right* one. That is decided by who compares
//! [`Report::identity`] or the reference values with what they trust.
//!
//! Oracle: `sha256sum -c`, `sgdisk -v`, `veritysetup verify`, `unsquashfs`.

mod corim;
mod described;
mod disk;
mod error;
mod esp;
mod examination;
mod folder;
mod initrd;
mod packages;
mod rederive;
mod reference;
mod root;
mod subject;
mod uki;

use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::Source;
use cvmkit_host::progress::Progress;
use schemars::JsonSchema;
use serde::Serialize;

pub use corim::Endorsement;
use described::Described;
pub use error::VerifyError;
use examination::Examination;
pub use examination::{Check, Checked, Finding, State};
use folder::{Digests, Folder};
use subject::Subject;

/// What [`verify`] answers: every check, and every finding with what was expected and what was
/// found.
#[derive(Clone, Debug, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The folder, as it was named.
    pub folder: String,
    /// True if everything was checked and nothing was found.
    pub verified: bool,
    /// SHA-256 of `SHA256SUMS`: the identity of the image.
    pub identity: Option<Sha256>,
    /// dm-verity root hash, as the manifest has it.
    pub root_hash: Option<String>,
    /// True for an image that may have shells and logins, as the manifest has it.
    pub debug: Option<bool>,
    /// What was checked, in the order of [`Check`].
    pub checks: Vec<Checked>,
    /// The files that the manifest or the sums name and that are there, in byte order.
    pub files: Vec<VerifiedFile>,
    /// What is wrong, in the order of the checks.
    pub findings: Vec<Finding>,
    /// What is not wrong, but worth a look.
    pub notes: Vec<String>,
}

/// A file as it is in the folder.
#[derive(Clone, Debug, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct VerifiedFile {
    /// Its name in the folder.
    pub name: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// Checks the image in `folder`.
///
/// # Errors
/// [`VerifyError::NoImage`] if there is nothing to check, [`VerifyError::File`] or
/// [`VerifyError::Unreadable`] if the host can't read it. An image that is wrong is no error but a
/// [`Report`] that says so.
pub fn verify(folder: &Path, progress: &dyn Progress) -> Result<Report, VerifyError> {
    verify_all(folder, None, progress)
}

/// Checks the image in `folder`, and that a CoRIM says of it what its reference values say.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_endorsed(
    folder: &Path,
    endorsement: &Endorsement,
    progress: &dyn Progress,
) -> Result<Report, VerifyError> {
    verify_all(folder, Some(endorsement), progress)
}

fn verify_all(
    folder: &Path,
    endorsement: Option<&Endorsement>,
    progress: &dyn Progress,
) -> Result<Report, VerifyError> {
    let mut folder = Folder::list(folder)?;
    let described = Described::read(&mut folder)?;
    progress.begin("verifying", folder.total());
    let subject = described.manifest.as_ref();
    let subject = subject.map(|manifest| Subject { folder: &folder, manifest });
    let (digests, image) =
        rayon::join(|| folder.digests(progress), || subject.map(image).transpose());
    progress.end();
    let (digests, image) = (digests?, image?);
    let mut examinations = vec![described::sums(&described, &folder, &digests)];
    examinations.push(described::manifest(&described, &folder, &digests));
    examinations.extend(image.unwrap_or_else(undescribed));
    examinations.push(match subject {
        Some(subject) => reference::examine(subject)?,
        None => unmanifested(Check::ReferenceValues),
    });
    let mut notes = described.notes(&folder);
    if let Some(endorsement) = endorsement {
        examinations.push(endorsement.examine(&folder, &mut notes)?);
    }
    Ok(report(&folder, described, &digests, examinations, notes))
}

/// All checks of the image's own structure.
fn image(subject: Subject<'_>) -> Result<Vec<Examination>, VerifyError> {
    let (table, disk) = disk::partitions(subject)?;
    let root_hash = root::root_hash(subject)?;
    let disk = disk.as_ref();
    let (verity, rest) = rayon::join(
        || disk::verity(subject, disk),
        || -> Result<_, VerifyError> {
            let (file_system, root) = root::file_system(subject, disk)?;
            let root = root.as_ref();
            let packages = packages::examine(subject, root);
            let mut rest = vec![file_system, root::os_release(subject, root), packages];
            rest.extend(esp::examine(subject, disk)?);
            rest.extend(uki::examine(subject, root)?);
            rest.push(initrd::examine(subject)?);
            Ok(rest)
        },
    );
    let mut all = vec![table, root_hash, verity?];
    all.extend(rest?);
    Ok(all)
}

/// What is left of an image whose manifest can't be read.
fn undescribed() -> Vec<Examination> {
    let checks = [
        Check::PartitionTable,
        Check::RootHash,
        Check::Verity,
        Check::RootFileSystem,
        Check::OsRelease,
        Check::Packages,
        Check::Esp,
        Check::Uki,
        Check::Initrd,
    ];
    checks.map(unmanifested).into()
}

fn unmanifested(check: Check) -> Examination {
    let mut examination = Examination::new(check);
    examination.skip("all of it", "the manifest can't be read");
    examination
}

fn report(
    folder: &Folder,
    described: Described,
    digests: &Digests,
    examinations: Vec<Examination>,
    notes: Vec<String>,
) -> Report {
    let Described { sums_bytes, manifest, .. } = described;
    let (checks, findings): (Vec<_>, Vec<_>) =
        examinations.into_iter().map(Examination::finish).unzip();
    let files = folder.sources().filter_map(|(name, source)| {
        let sha256 = *digests.get(name)?;
        Some(VerifiedFile { name: name.to_owned(), size: source.len(), sha256 })
    });
    Report {
        folder: folder.path().display().to_string(),
        verified: checks.iter().all(|checked| checked.state == State::Passed),
        identity: sums_bytes.map(|bytes| Sha256::of(&bytes)),
        root_hash: manifest.as_ref().map(|manifest| manifest.root.root_hash.clone()),
        debug: manifest.as_ref().map(|manifest| manifest.image.debug),
        checks,
        files: files.collect(),
        findings: findings.into_iter().flatten().collect(),
        notes,
    }
}
