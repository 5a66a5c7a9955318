//! CBOR as documents are written in it.
//!
//! Deterministic (RFC 8949, section 4.2.1): shortest lengths, definite lengths, the keys of maps in
//! the order of their bytes. The writer sees to the first two, [`Key`] to the third.

use ciborium::Value;

use super::ExportError;

/// The key of a map; in the order of their bytes, numbers before texts, short before long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A number.
    Number(u64),
    /// The length of a text, and the text.
    Text(usize, String),
}

impl From<u64> for Key {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.len(), text.to_owned())
    }
}

/// A map of the entries that have a value.
pub(super) fn map<K: Into<Key>>(entries: impl IntoIterator<Item = (K, Option<Value>)>) -> Value {
    let there = entries.into_iter().filter_map(|(key, value)| Some((key.into(), value?)));
    let mut entries: Vec<(Key, Value)> = there.collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    let key = |key| match key {
        Key::Number(number) => Value::from(number),
        Key::Text(_, text) => Value::from(text),
    };
    Value::Map(entries.into_iter().map(|(name, value)| (key(name), value)).collect())
}

/// A list.
pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(items.into_iter().collect())
}

/// A byte string.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

/// A tagged value.
pub(super) fn tag(number: u64, value: Value) -> Value {
    Value::Tag(number, Box::new(value))
}

/// A byte string that holds the bytes of a value.
pub(super) fn embedded(value: &Value) -> Result<Value, ExportError> {
    Ok(Value::Bytes(encode(value)?))
}

/// The bytes of a value.
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes)
        .map_err(|error| ExportError::Cbor { reason: error.to_string() })?;
    Ok(bytes)
}
