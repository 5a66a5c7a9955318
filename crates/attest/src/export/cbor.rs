//! CBOR as documents are written in it, and read.
//!
//! Deterministic (RFC 8949, section 4.2.1): shortest lengths, definite lengths, the keys of maps in
//! the order of their bytes. The writer sees to the first two, [`Key`] to the third; [`Reader`] takes
//! nothing else.

use ciborium::Value;
use thiserror::Error;

use super::error::ExportError;

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

/// Bytes that are not as documents are written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("byte {at}: expected {expected}, found {found}")]
pub struct CborError {
    /// Byte offset of the value from the start of the file, also within embedded CBOR.
    pub at: usize,
    /// What cvmkit writes there, in words.
    pub expected: String,
    /// What is there instead: the kind of the value with its number, length or count.
    pub found: String,
}

impl CborError {
    pub(super) fn new(at: usize, expected: impl ToString, found: impl ToString) -> Self {
        Self { at, expected: expected.to_string(), found: found.to_string() }
    }
}

/// The kinds of values (RFC 8949, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Major {
    Unsigned,
    Negative,
    Bytes,
    Text,
    Array,
    Map,
    Tag,
    Simple,
}

impl Major {
    fn of(initial: u8) -> Self {
        match initial >> 5 {
            0 => Self::Unsigned,
            1 => Self::Negative,
            2 => Self::Bytes,
            3 => Self::Text,
            4 => Self::Array,
            5 => Self::Map,
            6 => Self::Tag,
            _ => Self::Simple,
        }
    }

    fn words(self, number: u64) -> String {
        match self {
            Self::Unsigned => format!("the number {number}"),
            Self::Negative => format!("the number -{}", u128::from(number) + 1),
            Self::Bytes => format!("{number} bytes"),
            Self::Text => format!("a text of {number} bytes"),
            Self::Array => format!("a list of {number}"),
            Self::Map => format!("a map of {number}"),
            Self::Tag => format!("the tag {number}"),
            Self::Simple => format!("the simple value {number}"),
        }
    }
}

/// The key of a map, and where it is.
#[derive(Debug)]
pub(super) struct FoundKey {
    at: usize,
    key: Key,
}

impl FoundKey {
    /// The key, if it is a number.
    pub(super) fn number(&self) -> Option<u64> {
        match self.key {
            Key::Number(number) => Some(number),
            Key::Text(..) => None,
        }
    }

    /// The key, if it is a text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.key {
            Key::Number(_) => None,
            Key::Text(_, text) => Some(text),
        }
    }

    /// That it is none of those which are expected.
    pub(super) fn unknown(&self, expected: impl ToString) -> CborError {
        let found = match &self.key {
            Key::Number(number) => number.to_string(),
            Key::Text(_, text) => format!("{text:?}"),
        };
        CborError::new(self.at, expected, found)
    }
}

/// Reads what [`encode`] writes, and nothing else: what has another encoding is an error. Nothing is
/// kept of a value but what is asked for, so that no length in the bytes makes memory grow.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the bytes begin in the file.
    base: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// Where the next value is in the file.
    pub(super) fn at(&self) -> usize {
        self.base + self.at
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next bytes.
    fn take(&mut self, len: u64, expected: &str) -> Result<&'a [u8], CborError> {
        let rest = self.rest();
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or_else(|| {
            let expected = format!("{expected} of {len} bytes");
            CborError::new(self.at(), expected, format!("{} bytes to the end", rest.len()))
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// The start of a value: its kind, and its number, length or count (RFC 8949, section 3). Only the
    /// shortest form is taken (section 4.2.1), and no length that is left open.
    fn head(&mut self, expected: &str) -> Result<(Major, u64), CborError> {
        let at = self.at();
        let Some((&initial, _)) = self.rest().split_first() else {
            return Err(CborError::new(at, expected, "the end"));
        };
        self.at += 1;
        let wide = match initial & 0x1f {
            small @ 0..=23 => return Ok((Major::of(initial), small.into())),
            wide @ 24..=27 => 1_u64 << (wide - 24),
            _ => return Err(CborError::new(at, expected, "a value without a length")),
        };
        let bytes = self.take(wide, "a number")?;
        let number = bytes.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
        let least = if wide == 1 { 24 } else { 1 << (wide * 4) };
        if number < least {
            let expected = format!("{expected}, in the shortest form");
            return Err(CborError::new(at, expected, format!("{number} in {wide} bytes")));
        }
        Ok((Major::of(initial), number))
    }

    fn of(&mut self, major: Major, expected: &str) -> Result<u64, CborError> {
        let at = self.at();
        match self.head(expected)? {
            (found, number) if found == major => Ok(number),
            (found, number) => Err(CborError::new(at, expected, found.words(number))),
        }
    }

    /// An integer.
    pub(super) fn integer(&mut self, expected: &'static str) -> Result<i64, CborError> {
        let at = self.at();
        let (major, number) = self.head(expected)?;
        let value = i64::try_from(number).ok();
        let value = match major {
            Major::Unsigned => value,
            Major::Negative => value.map(|value| -1 - value),
            _ => None,
        };
        value.ok_or_else(|| CborError::new(at, expected, major.words(number)))
    }

    /// A byte string.
    pub(super) fn bytes(&mut self, expected: &'static str) -> Result<&'a [u8], CborError> {
        let len = self.of(Major::Bytes, &format!("{expected} as bytes"))?;
        self.take(len, expected)
    }

    /// A text.
    pub(super) fn text(&mut self, expected: &'static str) -> Result<&'a str, CborError> {
        let at = self.at();
        let len = self.of(Major::Text, &format!("{expected} as a text"))?;
        let bytes = self.take(len, expected)?;
        str::from_utf8(bytes).map_err(|_| CborError::new(at, expected, "invalid UTF-8"))
    }

    /// A list of `count`, whose items are to be read next.
    pub(super) fn array(&mut self, count: u64, expected: &str) -> Result<(), CborError> {
        let at = self.at();
        let expected = format!("{expected} as a list of {count}");
        match self.of(Major::Array, &expected)? {
            found if found == count => Ok(()),
            found => Err(CborError::new(at, expected, Major::Array.words(found))),
        }
    }

    /// A list with at least one item.
    pub(super) fn list<T>(
        &mut self,
        expected: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, CborError>,
    ) -> Result<Vec<T>, CborError> {
        let at = self.at();
        let expected = format!("{expected} as a list");
        let count = self.of(Major::Array, &expected)?;
        if count == 0 {
            return Err(CborError::new(at, expected, "none"));
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// The tag in front of a value.
    pub(super) fn tag(&mut self, number: u64, expected: &str) -> Result<(), CborError> {
        let at = self.at();
        let expected = format!("{expected} (tag {number})");
        match self.of(Major::Tag, &expected)? {
            found if found == number => Ok(()),
            found => Err(CborError::new(at, expected, Major::Tag.words(found))),
        }
    }

    /// The tag of the next value, if it has one.
    pub(super) fn tagged(&self) -> Option<u64> {
        self.clone().of(Major::Tag, "a tag").ok()
    }

    /// A number or a text, such as the key of a map.
    pub(super) fn key(&mut self) -> Result<FoundKey, CborError> {
        let at = self.at();
        let text = Major::of(self.rest().first().copied().unwrap_or_default()) == Major::Text;
        let key = match text {
            true => Key::from(self.text("a key")?),
            false => Key::from(self.of(Major::Unsigned, "a number or a text")?),
        };
        Ok(FoundKey { at, key })
    }

    /// A map, whose entries are in the order of their keys; `entry` reads the value of each.
    pub(super) fn map(
        &mut self,
        expected: &str,
        mut entry: impl FnMut(&FoundKey, &mut Self) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        let count = self.of(Major::Map, &format!("{expected} as a map"))?;
        let mut last: Option<Key> = None;
        for _ in 0..count {
            let key = self.key()?;
            if last.is_some_and(|last| last >= key.key) {
                return Err(key.unknown("keys in their order, each once"));
            }
            entry(&key, self)?;
            last = Some(key.key);
        }
        Ok(())
    }

    /// A map of one entry.
    pub(super) fn only<T>(
        &mut self,
        of: &str,
        key: u64,
        mut value: impl FnMut(&mut Self) -> Result<T, CborError>,
    ) -> Result<T, CborError> {
        let mut found = None;
        self.map(of, |name, reader| {
            if name.number() != Some(key) {
                return Err(name.unknown(format!("key {key} of {of}")));
            }
            found = Some(value(reader)?);
            Ok(())
        })?;
        self.needed(found, &format!("key {key} of {of}"))
    }

    /// What a map must have had an entry for.
    pub(super) fn needed<T>(&self, found: Option<T>, expected: &str) -> Result<T, CborError> {
        found.ok_or_else(|| CborError::new(self.at(), expected, "a map without it"))
    }

    /// A byte string that holds the bytes of a value.
    pub(super) fn embedded(&mut self, expected: &'static str) -> Result<Self, CborError> {
        let bytes = self.bytes(expected)?;
        Ok(Self { bytes, at: 0, base: self.at() - bytes.len() })
    }

    /// The end of the bytes.
    pub(super) fn end(&self) -> Result<(), CborError> {
        match self.rest().len() {
            0 => Ok(()),
            more => Err(CborError::new(self.at(), "the end", format!("{more} more bytes"))),
        }
    }
}

#[cfg(test)]
mod tests;
