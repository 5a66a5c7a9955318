//! JSON Schemas, generated from the types that parse.

use schemars::{Schema, schema_for};

use crate::definition::raw::RawDefinition;
use crate::manifest::Manifest;
use crate::reference::ReferenceValues;

/// A format that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `image.toml`
    Definition,
    /// `manifest.json`
    Manifest,
    /// `reference-values.json`
    ReferenceValues,
}

/// The schema of a format, as JSON text.
#[must_use]
pub fn json(kind: Kind) -> String {
    let schema: Schema = match kind {
        Kind::Definition => schema_for!(RawDefinition),
        Kind::Manifest => schema_for!(Manifest),
        Kind::ReferenceValues => schema_for!(ReferenceValues),
    };
    format!("{:#}", schema.as_value())
}
