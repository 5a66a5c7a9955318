//! The EFI system partition: the UKI and nothing else.

use cvmkit_attest::output::Role;
use cvmkit_formats::fat;
use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::tree::Node;

use super::disk::{Disk, NO_SEED, NO_TABLE, Part};
use super::examination::Examination;
use super::folder::{difference, not_zero};
use super::rederive::{self, Against};
use super::subject::{ARCHITECTURE, Subject};
use super::{Check, VerifyError};
use crate::image::disk;

/// What the partition holds, alone.
const BOOT_FILE: &str = ARCHITECTURE.boot_file();

/// Checks the partition, if the image boots from its disk.
pub(super) fn examine(
    subject: Subject<'_>,
    disk: Option<&Disk<'_>>,
) -> Result<Option<Examination>, VerifyError> {
    if subject.manifest.file(Role::Uki).is_none() {
        return Ok(None);
    }
    let mut examination = Examination::new(Check::Esp);
    let Some((name, part)) = disk.and_then(|disk| Some((disk.name, disk.esp?))) else {
        examination.skip("all of it", NO_TABLE);
        return Ok(Some(examination));
    };
    let volume = match fat::read(&part) {
        Ok(volume) => volume,
        Err(error) => {
            examination.refused(subject.folder, name, "its EFI system partition", error)?;
            return Ok(Some(examination));
        }
    };
    tail(&mut examination, subject, name, part, volume.len)?;
    for (path, id) in volume.tree.walk() {
        let path = String::from_utf8_lossy(&path).into_owned();
        match &volume.tree.inode(id).node {
            Node::Directory(_) => {}
            Node::File(file) if path == BOOT_FILE => {
                boot_file(&mut examination, subject, name, file)?;
            }
            // The stub takes addons from its partition, which can extend the command line.
            _ => {
                let what = "files of the EFI system partition";
                let expected = format!("`{BOOT_FILE}` alone");
                examination.find(name, what, expected, format!("`{path}`"));
            }
        }
    }
    if volume.tree.lookup(BOOT_FILE.as_bytes()).is_none() {
        let what = "files of the EFI system partition";
        examination.find(name, what, format!("`{BOOT_FILE}`"), "no such file");
    }
    examination.detail = format!("{:?} of {} bytes", volume.width, volume.len);
    if examination.is_clean() {
        written_again(&mut examination, subject, name, part)?;
    }
    Ok(Some(examination))
}

/// What firmware boots is the UKI beside the disk.
fn boot_file<S: Source>(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    file: &S,
) -> Result<(), VerifyError> {
    let Some((uki, source)) = subject.file(Role::Uki) else {
        examination.skip(BOOT_FILE, "there is no UKI to compare it with");
        return Ok(());
    };
    let what = format!("{BOOT_FILE} in the EFI system partition");
    match difference(source, file) {
        Ok(None) => {}
        Ok(Some(at)) => {
            let found = format!("another byte at {at:#x}, {} bytes", file.len());
            let expected = format!("the bytes of `{uki}`, {} bytes", source.len());
            examination.find(name, what, expected, found);
        }
        Err(error) => examination.refused(subject.folder, name, &what, error)?,
    }
    Ok(())
}

/// The volume written again, with all that no file owns.
fn written_again(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    part: Part<'_>,
) -> Result<(), VerifyError> {
    let what = "its EFI system partition";
    let Some(seed) = subject.seed() else {
        examination.skip("the volume written again", NO_SEED);
        return Ok(());
    };
    // Without a UKI there is nothing to write it of, and that is a finding.
    let Some((_, uki)) = subject.file(Role::Uki) else { return Ok(()) };
    let timestamp = subject.manifest.image.timestamp;
    let tree = match disk::esp_tree(ARCHITECTURE, timestamp, uki) {
        Ok(tree) => tree,
        Err(error) => return examination.refused(subject.folder, name, what, error),
    };
    let mut sink = Against::new(&part);
    let plan = match fat::Plan::new(&tree, &disk::esp_options(&seed, timestamp)) {
        Ok(plan) => plan,
        Err(error) => return examination.refused(subject.folder, name, what, error),
    };
    if let Err(error) = plan.write(&mut sink) {
        return examination.refused(subject.folder, name, what, error);
    }
    match sink.finish() {
        Ok(difference) => {
            let place = |at| format!("{} of the EFI system partition", plan.place_of(at));
            rederive::report(examination, name, part.start(), difference, place);
            Ok(())
        }
        Err(error) => examination.refused(subject.folder, name, what, error),
    }
}

/// Nothing lies behind the volume.
fn tail(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    part: Part<'_>,
    used: u64,
) -> Result<(), VerifyError> {
    let rest = Window::new(part, used, part.len().saturating_sub(used));
    let what = "the EFI system partition behind its volume";
    match rest.and_then(|rest| not_zero(&rest)) {
        Ok(None) => {}
        Ok(Some(at)) => {
            examination.find(name, what, "zeros", format!("something {at} bytes behind it"));
        }
        Err(error) => examination.refused(subject.folder, name, what, error)?,
    }
    Ok(())
}
