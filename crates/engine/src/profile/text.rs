//! Values that a profile has as text: in TOML, in JSON and in messages the same.

use std::fmt;
use std::str::FromStr;

use cvmkit_measure::digest::Sha384;

use crate::predict::SecureBootBuild;

/// Derives serde and schema of a type from its `Display` and `FromStr`.
macro_rules! as_text {
    ($name:ty, $title:literal, $description:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description })
            }
        }
    };
}

/// Bytes of memory: `2G`, `2816M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u64);

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A bare number is mebibytes to QEMU and bytes to others, so here it is none.
        let has_unit = text.ends_with(['G', 'M']);
        let bytes = if has_unit { crate::predict::memory(text) } else { Err(String::new()) };
        // What x86 can address.
        let bytes = bytes.ok().filter(|bytes| *bytes < 1 << 52);
        bytes
            .map(Self)
            .ok_or_else(|| format!("expected a size such as `2G` or `512M`, found `{text}`"))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0 >> 20;
        if mebibytes.is_multiple_of(1024) {
            write!(f, "{}G", mebibytes >> 10)
        } else {
            write!(f, "{mebibytes}M")
        }
    }
}

as_text!(Memory, "Memory", "Bytes of memory, such as `2G` or `2816M`.");

/// SEV features of a VMSA: `0x1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Features(pub u64);

impl FromStr for Features {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number
            .map(Self)
            .ok_or_else(|| format!("expected a number in hex such as `0x1`, found `{text}`"))
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

as_text!(Features, "Features", "A number in hex, such as `0x1`.");

/// A SHA-384 that was recorded of a machine: 96 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded(pub Sha384);

impl FromStr for Recorded {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digest = text.parse().map(Self);
        digest.map_err(|_| format!("expected a SHA-384 of 96 hex digits, found `{text}`"))
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Recorded, "Recorded", "A SHA-384 as 96 hex digits.");

as_text!(SecureBootBuild, "SecureBootBuild", "`absent`, or `built-in`.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_spelling_and_a_unit() {
        for (text, bytes, shown) in
            [("2G", 2 << 30, "2G"), ("2048M", 2 << 30, "2G"), ("2816M", 2816 << 20, "2816M")]
        {
            let memory: Memory = text.parse().unwrap();
            assert_eq!((memory.0, memory.to_string().as_str()), (bytes, shown));
        }
        for text in ["", "2", "2048", "0G", "G", "-1G", "2T", "4194304G"] {
            assert!(text.parse::<Memory>().unwrap_err().contains("such as `2G`"), "{text}");
        }
    }

    #[test]
    fn features_are_hex() {
        assert_eq!("0x21".parse::<Features>().unwrap().to_string(), "0x21");
        assert!("21".parse::<Features>().is_err() && "0x".parse::<Features>().is_err());
    }
}
