//! The unified kernel image, and the command line it carries.

use cvmkit_formats::digest::Sha256;
use cvmkit_formats::pe::uki::{Options, Plan, stub_within};
use cvmkit_formats::source::Source;
use cvmkit_formats::verity::RootHash;

use super::error::ImageError;
use super::parts::Parts;
use crate::definition::Definition;

/// Longest stub that is taken out of a UKI: a guard, real ones have some 100 kB.
pub(crate) const STUB_MAX: u64 = 64 << 20;

/// The sections that are put behind the stub.
const APPENDED: [&str; 5] = [".linux", ".osrel", ".cmdline", ".initrd", ".uname"];

/// The digest of the stub as it lies in a UKI that was written.
///
/// # Errors
/// What is wrong with the UKI.
pub(crate) fn stub_digest<S: Source + ?Sized>(image: &S) -> Result<Sha256, ImageError> {
    Ok(Sha256::of(&stub_within(image, &APPENDED, STUB_MAX)?))
}

/// Length of a root hash in hex: the algorithm is SHA-256.
const ROOT_HASH_DIGITS: usize = 64;

/// How the word starts that names the root hash; it is the first.
const ROOT_HASH: &str = "roothash=";

/// What follows is init's, not the kernel's (`parse_args`, `kernel/params.c`). So words that somebody
/// appends can't have the kernel mount a root of its own before stage 1 runs and refuses them
/// (`rdinit=`, `noinitrd` and `root=`).
const END_OF_PARAMETERS: &str = "--";

/// The kernel command line: `roothash=`, the definition's parameters, and the end of parameters. It
/// is measured byte by byte, so it has no newline and no NUL.
pub(super) fn command_line(definition: &Definition, root_hash: &RootHash) -> String {
    with_root_hash(definition, &root_hash.to_string())
}

/// The command line of an image with its root hash left out, for stage 1 to compare with: the initramfs
/// is in the same UKI as the root hash, and does not depend on it.
#[must_use]
pub fn built_for(definition: &Definition) -> String {
    with_root_hash(definition, "")
}

/// The command line without its root hash; none if that is not how it starts.
#[must_use]
pub fn without_root_hash(command_line: &str, root_hash: &str) -> Option<String> {
    let rest = command_line.strip_prefix(ROOT_HASH)?.strip_prefix(root_hash)?;
    Some(format!("{}{rest}", ROOT_HASH))
}

fn with_root_hash(definition: &Definition, digits: &str) -> String {
    let mut parameters = vec![format!("{ROOT_HASH}{digits}")];
    parameters.extend_from_slice(&definition.command_line);
    parameters.push(END_OF_PARAMETERS.to_owned());
    parameters.join(" ")
}

/// Length of the UKI, which does not depend on the root hash.
pub(super) fn len(parts: &Parts<'_>) -> Result<u64, ImageError> {
    let placeholder = with_root_hash(parts.definition, &"0".repeat(ROOT_HASH_DIGITS));
    Ok(plan(parts, &sections(parts, &placeholder))?.len())
}

/// The UKI with this command line.
pub(super) fn build(parts: &Parts<'_>, command_line: &str) -> Result<Vec<u8>, ImageError> {
    let sections = sections(parts, command_line);
    let plan = plan(parts, &sections)?;
    let sources: Vec<(&str, &dyn Source)> =
        sections.iter().map(|(name, bytes)| (*name, bytes as &dyn Source)).collect();
    let mut image = Vec::new();
    plan.write(&sources, &mut image)?;
    Ok(image)
}

fn sections<'a>(parts: &'a Parts<'_>, command_line: &'a str) -> Vec<(&'static str, &'a [u8])> {
    vec![
        (".linux", parts.kernel),
        (".osrel", parts.os_release),
        (".cmdline", command_line.as_bytes()),
        (".initrd", parts.initrd),
        (".uname", parts.kernel_release.as_bytes()),
    ]
}

fn plan(parts: &Parts<'_>, sections: &[(&str, &[u8])]) -> Result<Plan, ImageError> {
    let lengths: Vec<_> = sections.iter().map(|(name, bytes)| (*name, bytes.len())).collect();
    Ok(Plan::new(parts.stub, &lengths, &Options::for_kernel(parts.kernel)?)?)
}
