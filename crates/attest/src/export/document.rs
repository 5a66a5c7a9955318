//! A document as it is exported.

use super::error::ExportError;
use super::machine::ExpectedMachine;
use super::note::{DEBUG_MARK, Note};
use super::request::Shape;

/// Media type of the shapes that are JSON.
const JSON: &str = "application/json";

/// An exported document: its bytes, and what they do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What to write to a file: the same for the same reference values and options.
    pub bytes: Vec<u8>,
    /// Media type (IANA): `application/json`, or of a binary shape such as `application/rim+cbor`.
    pub media_type: &'static str,
    /// Whether its values are those of a debug image, never to be trusted in production.
    pub debug: bool,
    /// The machines it speaks of, in words, in the order of the reference values; none for a shape that is
    /// made of the image's files alone.
    pub machines: Vec<String>,
    /// What it does not say, and why; [`Note::Debug`] comes first.
    pub notes: Vec<Note>,
}

impl Document {
    /// Whether its bytes are for programs only: anything but JSON.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.media_type != JSON
    }

    /// Whether its bytes say that the image is a debug image.
    pub(super) fn has_debug_mark(&self) -> bool {
        let mark = DEBUG_MARK.as_bytes();
        self.bytes.windows(mark.len()).any(|window| window == mark)
    }
}

/// The one machine of a shape that has place for no more.
pub(super) fn single<'a>(
    shape: Shape,
    machines: &[&'a ExpectedMachine],
) -> Result<&'a ExpectedMachine, ExportError> {
    match machines {
        [machine] => Ok(machine),
        several => Err(ExportError::SeveralMachines {
            shape,
            machines: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// A JSON document.
pub(super) fn json(
    value: &impl serde::Serialize,
    machines: &[&ExpectedMachine],
    notes: Vec<Note>,
) -> Result<Document, ExportError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(ExportError::Json)?;
    bytes.push(b'\n');
    let machines = machines.iter().map(ToString::to_string).collect();
    Ok(Document { bytes, media_type: JSON, debug: false, machines, notes })
}
