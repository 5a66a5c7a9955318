//! JSON Schemas, generated from the types that parse.

use cvmkit_attest::output::Manifest;
use cvmkit_attest::values::ReferenceValues;
use schemars::{Schema, schema_for};

use crate::definition::raw::RawDefinition;

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Every key of an object at any depth of a schema.
    fn keys(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                let properties = fields.get("properties").and_then(Value::as_object);
                found.extend(properties.into_iter().flat_map(|of| of.keys().cloned()));
                fields.values().for_each(|value| keys(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }

    /// A key that nobody can read about is found by nobody.
    #[test]
    fn the_page_of_definitions_has_every_key() {
        let page = include_str!("../../../docs/format/definition.md");
        let schema: Value = serde_json::from_str(&json(Kind::Definition)).unwrap();
        let mut found = BTreeSet::new();
        keys(&schema, &mut found);
        assert!(found.len() > 50, "{found:?}");
        let is_missing = |key: &&String| !page.contains(&format!("`{key}`"));
        let missing: Vec<_> = found.iter().filter(is_missing).collect();
        assert!(missing.is_empty(), "docs/format/definition.md has no row for {missing:?}");
    }
}
