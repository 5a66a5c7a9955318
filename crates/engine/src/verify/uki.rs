//! The unified kernel image: the files beside it, as sections.

use cvmkit_attest::output::Role;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::pe::uki::{self, SECTION_ORDER};
use cvmkit_formats::pe::{self, Headers};
use cvmkit_formats::source::{Source, read_all};
use cvmkit_host::files::FileSource;
use cvmkit_measure::linux;

use super::examination::Examination;
use super::folder::difference;
use super::rederive::{self, Against};
use super::root::Root;
use super::subject::Subject;
use super::{Check, VerifyError};
use crate::image::uki::STUB_MAX;

/// The sections that an image's UKI has, and the role of the file with the same bytes. Others of
/// UAPI.5, such as `.ucode` or `.profile`, would be measured, but nothing says what is in them.
const SECTIONS: [(&str, Option<Role>); 5] = [
    (".linux", Some(Role::Kernel)),
    (".osrel", None),
    (".cmdline", Some(Role::CommandLine)),
    (".initrd", Some(Role::Initrd)),
    (".uname", None),
];

/// What every stub brings itself, and is not compared.
const OF_THE_STUB: &str = ".sbat";

/// Longest section of text that is taken.
const TEXT_MAX: u64 = 1 << 20;

/// Checks the UKI, if the image has one.
pub(super) fn examine(
    subject: Subject<'_>,
    root: Option<&Root>,
) -> Result<Option<Examination>, VerifyError> {
    if subject.manifest.file(Role::Uki).is_none() {
        return Ok(None);
    }
    let mut examination = Examination::new(Check::Uki);
    let Some((name, source)) = subject.file(Role::Uki) else {
        examination.skip("all of it", "there is no UKI");
        return Ok(Some(examination));
    };
    let headers = match Headers::read(source) {
        Ok(headers) => headers,
        Err(error) => {
            examination.refused(subject.folder, name, "the UKI", error)?;
            return Ok(Some(examination));
        }
    };
    names(&mut examination, name, &headers);
    for (section, role) in SECTIONS {
        let Some(found) = headers.section(section) else { continue };
        let contents = match found.contents(source) {
            Ok(contents) => contents,
            Err(error) => {
                examination.refused(subject.folder, name, section, error)?;
                continue;
            }
        };
        match role {
            Some(role) => same(&mut examination, subject, name, (section, &contents), role)?,
            None if section == ".osrel" => {
                os_release(&mut examination, subject, name, &contents, root)?;
            }
            None => uname(&mut examination, subject, name, &contents)?,
        }
    }
    examination.detail = format!("{} sections", headers.sections.len());
    if examination.is_clean() {
        written_again(&mut examination, subject, name, source)?;
    }
    Ok(Some(examination))
}

/// The image written again: the stub in it, and its sections around that.
fn written_again(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    source: &FileSource,
) -> Result<(), VerifyError> {
    let what = "the UKI";
    let appended = SECTIONS.map(|(section, _)| section);
    let again = uki::stub_within(source, &appended, STUB_MAX).and_then(|stub| {
        let mut sink = Against::new(source);
        write(&stub, source, &appended, &mut sink)?;
        Ok((Sha256::of(&stub), sink))
    });
    let (stub, sink) = match again {
        Ok(again) => again,
        Err(error) => return examination.refused(subject.folder, name, what, error),
    };
    match sink.finish() {
        Ok(difference) => {
            let place = |_| "the headers of the UKI or between its sections".to_owned();
            rederive::report(examination, name, 0, difference, place);
        }
        Err(error) => return examination.refused(subject.folder, name, what, error),
    }
    let shown = |digest: Option<Sha256>| digest.map_or("none".to_owned(), |it| it.to_string());
    let (expected, found) = (shown(subject.manifest.inputs.uki_stub), shown(Some(stub)));
    examination.expect(name, "SHA-256 of the stub in the UKI, by the manifest", expected, found);
    nx(examination, subject, name, source)
}

/// Writes the sections of `image` behind `stub`.
fn write(
    stub: &[u8],
    image: &FileSource,
    appended: &[&str],
    sink: &mut Against<'_, FileSource>,
) -> Result<(), pe::Error> {
    let headers = Headers::read(image)?;
    let mut contents = Vec::new();
    for section in headers.sections.iter().filter(|it| appended.contains(&it.name.as_str())) {
        contents.push((section.name.as_str(), section.contents(image)?));
    }
    let lengths: Vec<_> = contents.iter().map(|(name, bytes)| (*name, bytes.len())).collect();
    let options = uki::Options { keep_nx_compat: headers.is_nx_compatible() };
    let sources: Vec<(&str, &dyn Source)> =
        contents.iter().map(|(name, bytes)| (*name, bytes as &dyn Source)).collect();
    uki::Plan::new(stub, &lengths, &options)?.write(&sources, sink)
}

/// An image promises to run with data pages not executable only if its kernel does.
fn nx(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    source: &FileSource,
) -> Result<(), VerifyError> {
    let Some((file, kernel)) = subject.file(Role::Kernel) else { return Ok(()) };
    match (Headers::read(source), Headers::read(kernel)) {
        (Ok(image), Ok(kernel)) => {
            if image.is_nx_compatible() && !kernel.is_nx_compatible() {
                let expected = "no promise that the kernel does not give";
                examination.find(name, "NX_COMPAT of the UKI", expected, "the promise");
            }
            Ok(())
        }
        (Err(error), _) => examination.refused(subject.folder, name, "the UKI", error),
        (_, Err(error)) => examination.refused(subject.folder, file, "the kernel", error),
    }
}

/// Each section once, and no other.
fn names(examination: &mut Examination, name: &str, headers: &Headers) {
    for (section, _) in SECTIONS {
        let count = headers.sections.iter().filter(|found| found.name == section).count();
        examination.expect(name, &format!("sections `{section}`"), 1, count);
    }
    let known =
        |found: &str| found == OF_THE_STUB || SECTIONS.iter().any(|(section, _)| *section == found);
    for found in &headers.sections {
        if SECTION_ORDER.contains(&found.name.as_str()) && !known(&found.name) {
            let expected = "kernel, initramfs, command line, os-release and release";
            examination.find(name, "sections", expected, format!("also `{}`", found.name));
        }
    }
}

/// A section has the bytes of the file of a role.
fn same<S: Source>(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    (section, contents): (&str, &S),
    role: Role,
) -> Result<(), VerifyError> {
    let what = format!("section `{section}`");
    let Some((file, source)) = subject.file(role) else {
        examination.skip(&what, "the file to compare it with is not there");
        return Ok(());
    };
    match difference(source, contents) {
        Ok(None) => {}
        Ok(Some(at)) => {
            let expected = format!("the bytes of `{file}`, {} bytes", source.len());
            let found = format!("another byte at {at:#x}, {} bytes", contents.len());
            examination.find(name, what, expected, found);
        }
        Err(error) => examination.refused(subject.folder, name, &what, error)?,
    }
    Ok(())
}

/// What boot loaders show is the root file system's own os-release.
fn os_release<S: Source>(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    contents: &S,
    root: Option<&Root>,
) -> Result<(), VerifyError> {
    let what = "section `.osrel`";
    let Some(expected) = root.and_then(|root| root.os_release.as_ref()) else {
        examination.skip(what, "the root file system has no os-release to compare it with");
        return Ok(());
    };
    match difference(expected, contents) {
        Ok(None) => {}
        Ok(Some(at)) => {
            let expected = "/etc/os-release of the root file system";
            examination.find(name, what, expected, format!("another byte at {at:#x}"));
        }
        Err(error) => examination.refused(subject.folder, name, what, error)?,
    }
    Ok(())
}

/// The release is what the kernel itself says.
fn uname<S: Source>(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    contents: &S,
) -> Result<(), VerifyError> {
    let what = "section `.uname`";
    let Some((file, source)) = subject.file(Role::Kernel) else {
        examination.skip(what, "there is no kernel to compare it with");
        return Ok(());
    };
    let found = match read_all(contents, TEXT_MAX) {
        Ok(found) => String::from_utf8_lossy(&found).into_owned(),
        Err(error) => return examination.refused(subject.folder, name, what, error),
    };
    match linux::release(source) {
        Ok(expected) => examination.expect(name, what, expected, found),
        Err(why) => examination.find(file, "the kernel", "a bzImage with its version", why),
    }
    Ok(())
}
