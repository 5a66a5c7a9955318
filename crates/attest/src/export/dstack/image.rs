//! What the documents have in common: the image's files, and how they are written.

use std::collections::BTreeSet;

use ciborium::Value;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, cannot};

use super::super::cbor::encode;
use super::super::document::Document;
use super::super::error::ExportError;
use super::super::machine::ExpectedMachine;
use super::super::request::Shape;
use super::super::source::ExportSource;
use crate::output::{OutputFolder, Role};
use crate::profile::Boot;

/// Media type of the CBOR documents.
const CBOR: &str = "application/cbor";
/// The parameter without which dstack refuses a command line.
const ROOTFS_HASH: &str = "dstack.rootfs_hash=";

/// The one firmware of machines that boot a kernel.
pub(super) fn firmware_of<'a>(machines: &[&'a ExpectedMachine]) -> Result<&'a str, ExportError> {
    let boots_kernel = |machine: &&ExpectedMachine| machine.value.boot == Boot::Direct;
    let names: BTreeSet<Option<&str>> =
        machines.iter().map(|machine| machine.value.firmware.as_deref()).collect();
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(name)] if machines.iter().all(boots_kernel) => Ok(name),
        _ => Err(ExportError::SeveralMachines {
            shape: Shape::Dstack,
            machines: machines.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// The image's files, of which the document needs some, `what`.
pub(super) fn output_of(
    subject: &ExportSource,
    what: &'static str,
) -> Result<OutputFolder, ExportError> {
    Ok(OutputFolder::read(subject.folder(Shape::Dstack, what)?)?)
}

/// The digest of the image's file of a role.
pub(super) fn sha256(output: &OutputFolder, role: Role) -> Result<Sha256, ExportError> {
    let path = output.file(role)?;
    let digest = Sha256::of_reader(files::open(&path)?);
    Ok(digest.map_err(cannot("read", &path))?.0)
}

/// The command line, if dstack's verifier would take it.
pub(super) fn command_line(output: &OutputFolder) -> Result<String, ExportError> {
    let line = files::read_text(&output.file(Role::CommandLine)?)?;
    let is_hash = |digits: &str| hex::decode(digits).is_ok_and(|hash| hash.len() == 32);
    let mut parameters = line.split_whitespace();
    let hash = parameters.find_map(|parameter| parameter.strip_prefix(ROOTFS_HASH));
    if hash.is_some_and(is_hash) { Ok(line) } else { Err(ExportError::NoRootfsHash) }
}

/// A map with its keys in the order given.
pub(super) fn in_order<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A document, which says of a debug image that it is one: dstack skips keys that it does not know.
pub(super) fn cbor(
    mut value: Value,
    machines: &[&ExpectedMachine],
) -> Result<Document, ExportError> {
    if let (Value::Map(entries), Some(mark)) =
        (&mut value, machines.iter().find_map(|machine| machine.mark()))
    {
        entries.push(("debug".into(), mark.into()));
    }
    let machines = machines.iter().map(ToString::to_string).collect();
    Ok(Document {
        bytes: encode(&value)?,
        media_type: CBOR,
        debug: false,
        machines,
        notes: Vec::new(),
    })
}
