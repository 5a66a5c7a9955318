//! One reader for the files of ours that have a version: the lock, the manifest and the reference
//! values.
//!
//! The version is looked at first and the rest is parsed strictly after that, so that a file of
//! another version is said to be one, and not that it has an unknown key.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use thiserror::Error;

use crate::document::{self, Misfit};
use crate::fault::{Diagnosis, Fault};

/// Characters of a version that is none, as a message shows them.
const SHOWN_MAX: usize = 40;

/// A file that has a version.
pub trait Versioned {
    /// What it is, such as `manifest`.
    const NAME: &'static str;
    /// The key of its version.
    const KEY: &'static str;
    /// The version that is read and written.
    const VERSION: u32;
    /// How to make it anew.
    const REMAKE: &'static str;
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Flaw(String);

/// Why a file of ours can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VersionedError {
    /// Not the format at all, or no version in it.
    #[error("`{place}` holds no {name} of {key} {expected}")]
    Malformed {
        /// The file.
        place: String,
        /// What it should be.
        name: &'static str,
        /// The key of its version.
        key: &'static str,
        /// The version that is read.
        expected: u32,
        /// What is wrong, and where.
        source: Flaw,
        /// How to make it anew.
        remake: &'static str,
    },
    /// Another version.
    #[error("`{place}` has {name} {key} {found}, expected {expected}")]
    Version {
        /// The file.
        place: String,
        /// What it is.
        name: &'static str,
        /// The key of its version.
        key: &'static str,
        /// Its version.
        found: u64,
        /// The version that is read.
        expected: u32,
        /// How to make it anew.
        remake: &'static str,
    },
}

impl Diagnosis for VersionedError {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Malformed { remake, .. } => (*remake).to_owned(),
            Self::Version { found, expected, remake, .. } if *found > u64::from(*expected) => {
                format!("a newer cvmkit wrote it: use that one, or {remake}")
            }
            Self::Version { remake, .. } => format!("an older cvmkit wrote it: {remake}"),
        })
    }
}

/// Reads a file that is JSON; `place` is what to call it in messages.
///
/// # Errors
/// No JSON, another version, an unknown or a missing key.
pub fn json<T: Versioned + DeserializeOwned>(
    bytes: &[u8],
    place: impl ToString,
) -> Result<T, VersionedError> {
    let malformed = |message: String| malformed::<T>(place.to_string(), message);
    let refused = |misfit: Misfit| malformed(misfit.to_string());
    let VersionOf::<T>(version, _) = document::json(bytes).map_err(refused)?;
    let number = match version {
        VersionFound::Number(number) => number,
        VersionFound::Other(found) => return Err(malformed(no_version::<T>(&found))),
    };
    expect::<T>(number, &place)?;
    document::json(bytes).map_err(refused)
}

/// The version of a file, and nothing of the rest of it.
struct VersionOf<T>(VersionFound, PhantomData<T>);

impl<'de, T: Versioned> Deserialize<'de> for VersionOf<T> {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Self, D::Error> {
        VersionAt(T::KEY).deserialize(parser).map(|found| Self(found, PhantomData))
    }
}

/// Finds the version among the keys of an object, and keeps nothing of the rest: a tree of all values
/// would take up to a hundred times the bytes of the file.
struct VersionAt(&'static str);

/// What stands in the place of the version.
enum VersionFound {
    Number(u64),
    /// As it is written, or what it is.
    Other(String),
}

impl VersionFound {
    fn other(found: impl ToString) -> Self {
        Self::Other(found.to_string())
    }
}

impl<'de> DeserializeSeed<'de> for VersionAt {
    type Value = VersionFound;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<VersionFound, D::Error> {
        parser.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for VersionAt {
    type Value = VersionFound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VersionFound, A::Error> {
        let mut version = VersionFound::other("nothing");
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.0 {
                version = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(version)
    }
}

impl<'de> Deserialize<'de> for VersionFound {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Self, D::Error> {
        struct Found;
        impl<'de> Visitor<'de> for Found {
            type Value = VersionFound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version")
            }

            fn visit_u64<E>(self, found: u64) -> Result<VersionFound, E> {
                Ok(VersionFound::Number(found))
            }

            fn visit_i64<E>(self, found: i64) -> Result<VersionFound, E> {
                Ok(VersionFound::other(found))
            }

            fn visit_f64<E>(self, found: f64) -> Result<VersionFound, E> {
                Ok(VersionFound::other(found))
            }

            fn visit_bool<E>(self, found: bool) -> Result<VersionFound, E> {
                Ok(VersionFound::other(found))
            }

            fn visit_str<E>(self, found: &str) -> Result<VersionFound, E> {
                // More of it is shown nowhere.
                let found: String = found.chars().take(SHOWN_MAX).collect();
                Ok(VersionFound::Other(format!("{found:?}")))
            }

            fn visit_unit<E>(self) -> Result<VersionFound, E> {
                Ok(VersionFound::other("null"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<VersionFound, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(VersionFound::other("a list"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VersionFound, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(VersionFound::other("an object"))
            }
        }
        parser.deserialize_any(Found)
    }
}

/// Reads a file that is TOML; `place` is what to call it in messages.
///
/// # Errors
/// No TOML, another version, an unknown or a missing key.
pub fn toml<T: Versioned + DeserializeOwned>(
    text: &str,
    place: impl ToString,
) -> Result<T, VersionedError> {
    let malformed = |message: String| malformed::<T>(place.to_string(), message);
    let refused = |misfit: Misfit| malformed(misfit.to_string());
    let table: toml::Table = document::toml(text).map_err(refused)?;
    let version = table.get(T::KEY);
    let shown = || version.map_or("nothing".to_owned(), |found| found.to_string());
    let number = version.and_then(toml::Value::as_integer).and_then(|n| u64::try_from(n).ok());
    let number = number.ok_or_else(|| malformed(no_version::<T>(&shown())))?;
    expect::<T>(number, &place)?;
    document::toml(text).map_err(refused)
}

fn expect<T: Versioned>(found: u64, place: &impl ToString) -> Result<(), VersionedError> {
    if found == u64::from(T::VERSION) {
        Ok(())
    } else {
        Err(other_version::<T>(found, place.to_string()))
    }
}

/// A file of another version than the one that is read.
pub fn other_version<T: Versioned>(found: u64, place: impl ToString) -> VersionedError {
    VersionedError::Version {
        place: place.to_string(),
        name: T::NAME,
        key: T::KEY,
        found,
        expected: T::VERSION,
        remake: T::REMAKE,
    }
}

fn malformed<T: Versioned>(place: String, message: String) -> VersionedError {
    VersionedError::Malformed {
        place,
        name: T::NAME,
        key: T::KEY,
        expected: T::VERSION,
        source: Flaw(message),
        remake: T::REMAKE,
    }
}

fn no_version<T: Versioned>(found: &str) -> String {
    let found: String = found.chars().take(SHOWN_MAX).collect();
    format!("`{}`: expected the number {}, found {found}", T::KEY, T::VERSION)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        schema: u32,
        name: String,
    }

    impl Versioned for Sample {
        const NAME: &'static str = "sample";
        const KEY: &'static str = "schema";
        const VERSION: u32 = 2;
        const REMAKE: &'static str = "make it again";
    }

    /// Both formats, so that neither gets a policy of its own.
    fn both(version: &str, more: &str) -> [Result<Sample, VersionedError>; 2] {
        let json = format!("{{\"schema\": {version}, \"name\": \"x\"{}}}", {
            if more.is_empty() { String::new() } else { format!(", \"{more}\": 1") }
        });
        let toml = format!("schema = {version}\nname = \"x\"\n{}", {
            if more.is_empty() { String::new() } else { format!("{more} = 1\n") }
        });
        [super::json(json.as_bytes(), "a.json"), super::toml(&toml, "a.toml")]
    }

    #[test]
    fn the_version_is_told_before_what_it_brought_along() {
        for result in both("2", "") {
            assert_eq!(result.unwrap(), Sample { schema: 2, name: "x".into() });
        }
        for (version, more, words, hint) in [
            ("3", "new-key", "has sample schema 3, expected 2", "a newer cvmkit wrote it"),
            ("1", "old-key", "has sample schema 1, expected 2", "an older cvmkit wrote it"),
            ("2", "typo", "unknown field `typo`", "make it again"),
            ("\"2\"", "", "`schema`: expected the number 2, found \"2\"", "make it again"),
            ("-1", "", "`schema`: expected the number 2, found -1", "make it again"),
        ] {
            for result in both(version, more) {
                let error = result.unwrap_err();
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let said = format!("{error}: {}", source.unwrap_or_default());
                assert!(said.contains(words), "{said}");
                assert!(error.hint().unwrap().contains(hint), "{error:?}");
            }
        }
    }

    #[test]
    fn what_has_no_version_is_malformed() {
        for bytes in ["", "[]", "3", "{}", "{\"schema\": null}"] {
            let error = json::<Sample>(bytes.as_bytes(), "a.json").unwrap_err();
            assert!(matches!(error, VersionedError::Malformed { .. }), "{error:?}");
        }
        for text in ["x", "", "schema = {}"] {
            let error = toml::<Sample>(text, "a.toml").unwrap_err();
            assert!(matches!(error, VersionedError::Malformed { .. }), "{error:?}");
        }
    }

    /// What is wrong, behind the colon.
    fn flaw(error: &VersionedError) -> String {
        let VersionedError::Malformed { source, .. } = error else { panic!("{error:?}") };
        source.to_string()
    }

    #[test]
    fn what_stands_in_the_place_of_a_version_is_shown() {
        let long = format!("{:?}", "x".repeat(60));
        let cut = format!("\"{}", "x".repeat(39));
        for (version, shown) in [
            ("true", "true"),
            ("1.5", "1.5"),
            ("null", "null"),
            ("[2]", "a list"),
            ("{\"schema\": 2}", "an object"),
            ("-2", "-2"),
            (long.as_str(), cut.as_str()),
        ] {
            let text = format!("{{\"schema\": {version}, \"name\": \"x\"}}");
            let error = json::<Sample>(text.as_bytes(), "a.json").unwrap_err();
            let expected = format!("`schema`: expected the number 2, found {shown}");
            assert!(flaw(&error).starts_with(&expected), "{error:?}");
        }
        for (text, shown) in [
            ("", "nothing"),
            ("schema = true", "true"),
            ("schema = 2.0", "2.0"),
            ("schema = [2]", "[2]"),
            ("schema = 1979-05-27", "1979-05-27"),
        ] {
            let error = toml::<Sample>(text, "a.toml").unwrap_err();
            assert_eq!(flaw(&error), format!("`schema`: expected the number 2, found {shown}"));
        }
        let error = json::<Sample>(b"{}", "a.json").unwrap_err();
        assert_eq!(flaw(&error), "`schema`: expected the number 2, found nothing");
    }

    /// A version is 64 bits long in the file, and none of them is cut off.
    #[test]
    fn a_version_of_more_bits_is_another_one() {
        for found in [0_u64, 1, 3, (1 << 32) + 2] {
            for result in both(&found.to_string(), "") {
                let error = result.unwrap_err();
                let VersionedError::Version { name, key, expected, remake, .. } = &error else {
                    panic!("{error:?}")
                };
                assert_eq!(
                    (*name, *key, *expected, *remake),
                    ("sample", "schema", 2, "make it again")
                );
                let hint = match found > 2 {
                    true => "a newer cvmkit wrote it: use that one, or make it again",
                    false => "an older cvmkit wrote it: make it again",
                };
                assert_eq!(error.hint().as_deref(), Some(hint));
                assert_eq!(error.fault(), Fault::Definition);
                assert!(
                    error.to_string().ends_with(&format!("has sample schema {found}, expected 2"))
                );
            }
        }
        let error = other_version::<Sample>(9, "the lock");
        assert_eq!(error.to_string(), "`the lock` has sample schema 9, expected 2");
    }

    /// The version may stand anywhere, and what is before it is not read strictly yet.
    #[test]
    fn the_version_is_found_behind_other_keys() {
        for (text, is_version) in [
            ("{\"more\": {\"schema\": 2}, \"schema\": 7}", true),
            ("{\"name\": [1, {\"a\": null}], \"schema\": 1}", true),
            ("{\"more\": {\"schema\": 7}, \"schema\": 2, \"name\": \"x\"}", false),
        ] {
            let error = json::<Sample>(text.as_bytes(), "a.json").unwrap_err();
            assert_eq!(matches!(error, VersionedError::Version { .. }), is_version, "{error:?}");
        }
        let sample = json::<Sample>(b"{\"name\": \"x\", \"schema\": 2}", "a.json").unwrap();
        assert_eq!(sample.name, "x");
        let error = json::<Sample>(b"{\"schema\": 2}", "a.json").unwrap_err();
        assert!(flaw(&error).contains("missing field `name`"), "{error:?}");
        assert_eq!(error.hint().as_deref(), Some("make it again"));
        assert_eq!(error.to_string(), "`a.json` holds no sample of schema 2");
    }
}
