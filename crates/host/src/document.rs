//! Reads TOML and JSON into types. What does not fit is told with its key, its place, what was expected
//! and what was found: one home for every file that people write or edit.

use std::fmt;

use serde::de::DeserializeOwned;
use thiserror::Error;

/// What does not fit, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct Misfit {
    /// The key with its tables, such as `platforms[0].vcpus`; none where the text is no document.
    pub key: Option<String>,
    /// The line in the text, from 1.
    pub line: usize,
    /// The column in that line, in characters, from 1.
    pub column: usize,
    /// What was expected and what was found, or what else is wrong.
    pub message: String,
}

impl Misfit {
    /// What is wrong with which key, without the place.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.key {
            Some(key) => format!("`{key}`: {}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at line {}, column {}", self.words(), self.line, self.column)
    }
}

/// Reads TOML.
///
/// # Errors
/// It is none, or not of this type.
pub fn toml<T: DeserializeOwned>(text: &str) -> Result<T, Misfit> {
    let misfit = |key: Option<String>, error: &toml::de::Error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        Misfit { key, line, column, message: worded(error.message()) }
    };
    let parsed = toml::Deserializer::parse(text).map_err(|error| misfit(None, &error))?;
    serde_path_to_error::deserialize(parsed)
        .map_err(|error| misfit(key(error.path()), error.inner()))
}

/// Reads JSON.
///
/// # Errors
/// It is none, or not of this type.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Misfit> {
    let misfit = |key: Option<String>, error: &serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        let said = error.to_string();
        let message = said.strip_suffix(&format!(" at line {line} column {column}"));
        let key = key.filter(|_| error.is_data());
        Misfit { key, line, column, message: worded(message.unwrap_or(&said)) }
    };
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut parser)
        .map_err(|error| misfit(key(error.path()), error.inner()))?;
    parser.end().map_err(|error| misfit(None, &error))?;
    Ok(value)
}

/// The line and the column of a byte, from 1.
#[must_use]
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A path as it is written in a definition; none for the document as a whole.
fn key(path: &serde_path_to_error::Path) -> Option<String> {
    let path = path.to_string();
    (path != ".").then_some(path)
}

/// serde's words in the terms of documents: what was expected first, and no names of our types.
fn worded(message: &str) -> String {
    let message = message.replace('\n', ": ");
    let parts = ["invalid type: ", "invalid value: "].iter().find_map(|start| {
        message.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected "))
    });
    match parts {
        Some((found, expected)) => format!("expected {}, found {}", kind(expected), value(found)),
        None => message,
    }
}

/// A type by the name that its documents have for it.
fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "an array",
        "a map" => "a table",
        "unit" => "nothing",
        _ if expected.starts_with("struct ") => "a table",
        _ if expected.starts_with("enum ") => "a string",
        other => other,
    }
}

/// A value without the name of its type, where what it is can be seen.
fn value(found: &str) -> &str {
    match found {
        "sequence" => "an array",
        "map" => "a table",
        "null" => "`null`",
        other => {
            let named = ["string ", "boolean ", "integer ", "floating point "];
            named.iter().find_map(|name| other.strip_prefix(name)).unwrap_or(other)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Sample {
        #[serde(default)]
        machines: Vec<Machine>,
        #[serde(default)]
        named: BTreeMap<String, Machine>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Machine {
        #[serde(default)]
        vcpus: u8,
        #[serde(default)]
        is_on: bool,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        boot: Option<Boot>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Boot {
        Direct,
    }

    /// The same faults in both formats have the same words; a key is never left out.
    #[test]
    fn a_value_of_another_type_has_its_key_and_its_place() {
        let rows = [
            (
                "vcpus = \"two\"",
                "\"vcpus\": \"two\"",
                "vcpus",
                "expected a whole number, found \"two\"",
            ),
            ("vcpus = 256", "\"vcpus\": 256", "vcpus", "expected a whole number, found `256`"),
            ("vcpus = [1]", "\"vcpus\": [1]", "vcpus", "expected a whole number, found an array"),
            ("is-on = 1", "\"is-on\": 1", "is-on", "expected `true` or `false`, found `1`"),
            ("names = \"a\"", "\"names\": \"a\"", "names", "expected an array, found \"a\""),
            (
                "names = [\"a\", 3]",
                "\"names\": [\"a\", 3]",
                "names[1]",
                "expected a string, found `3`",
            ),
            ("names = [{}]", "\"names\": [{}]", "names[0]", "expected a string, found a table"),
        ];
        for (toml, json, key, message) in rows {
            for (text, place, by_toml) in [
                (format!("[[machines]]\n\n[[machines]]\n{toml}\n"), "machines[1]", true),
                (format!("[named.x]\n\n\n{toml}\n"), "named.x", true),
                (format!("{{\"machines\": [{{}},\n\n\n{{{json}}}]}}"), "machines[1]", false),
                (format!("{{\"named\": {{\n\n\n\"x\": {{{json}}}}}}}"), "named.x", false),
            ] {
                let misfit = match by_toml {
                    true => super::toml::<Sample>(&text).unwrap_err(),
                    false => super::json::<Sample>(text.as_bytes()).unwrap_err(),
                };
                let expected = (Some(format!("{place}.{key}")), 4, message.to_owned());
                assert_eq!((misfit.key, misfit.line, misfit.message), expected, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_document_has_its_place_and_no_key() {
        let misfit = super::toml::<Sample>("\nmachines = [\n").unwrap_err();
        assert_eq!(misfit.key, None, "{misfit}");
        assert!(misfit.line >= 2, "{misfit}");
        for text in ["", "{\"machines\": [", "{} {}"] {
            let misfit = super::json::<Sample>(text.as_bytes()).unwrap_err();
            assert_eq!(misfit.key, None, "{text}: {misfit}");
            assert_eq!(misfit.line, 1, "{text}: {misfit}");
        }
        let misfit = super::json::<Sample>(b"{\"machines\": [{\"boot\": \"x\"}]}").unwrap_err();
        assert_eq!(misfit.words(), "`machines[0].boot`: unknown variant `x`, expected `direct`");
    }
}
