//! Values that a profile has as text: in TOML, in JSON and in messages the same.

use std::fmt;
use std::str::FromStr;

use cvmkit_formats::digest::Sha384;

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
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        // A bare number is mebibytes to QEMU and bytes to others, so here it is none.
        let shift = match text.get(digits.len()..) {
            Some("K" | "KiB") => Some(10),
            Some("M" | "MiB") => Some(20),
            Some("G" | "GiB") => Some(30),
            Some("T" | "TiB") => Some(40),
            _ => None,
        };
        let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
        let bytes = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
        // What x86 can address.
        let bytes = bytes.filter(|bytes| *bytes < 1 << 52);
        bytes.map(Self).ok_or_else(|| {
            format!(
                "expected a size with its unit, a number of K, M, G or T such as 2G or 2816M; found \
                 `{text}`"
            )
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "G"), (20, "M"), (10, "K")];
        let fits = |(shift, _): &&(u32, &str)| self.0.is_multiple_of(1 << shift);
        match units.iter().find(fits) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            // Which nothing parses to.
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl Memory {
    /// The number of bytes of a text, for options that keep no more.
    ///
    /// # Errors
    /// No size with its unit.
    pub fn bytes(text: &str) -> Result<u64, String> {
        text.parse().map(|Self(bytes)| bytes)
    }

    /// The number of mebibytes of a text, for a VMM that takes no less.
    ///
    /// # Errors
    /// No size with its unit, or a part of a mebibyte.
    pub fn mebibytes(text: &str) -> Result<u32, String> {
        let bytes = Self::bytes(text)?;
        let whole = Some(bytes >> 20).filter(|_| bytes.is_multiple_of(1 << 20));
        let mebibytes = whole.and_then(|count| u32::try_from(count).ok());
        mebibytes.ok_or_else(|| format!("expected whole mebibytes, found `{text}`"))
    }
}

as_text!(
    Memory,
    "Memory",
    "Bytes of memory with their unit (K, M, G or T), such as `2G` or `2816M`."
);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_spelling_and_a_unit() {
        for (text, bytes, shown) in [
            ("2G", 2 << 30, "2G"),
            ("2048M", 2 << 30, "2G"),
            ("2816MiB", 2816 << 20, "2816M"),
            ("8000001K", 8_000_001 << 10, "8000001K"),
            ("2T", 2 << 40, "2048G"),
        ] {
            let memory: Memory = text.parse().unwrap();
            assert_eq!((memory.0, memory.to_string().as_str()), (bytes, shown));
        }
        for text in ["", "2", "2048", "0G", "G", "-1G", "2g", "2 G", "4194304G", "4096T"] {
            assert!(text.parse::<Memory>().unwrap_err().contains("such as 2G"), "{text}");
        }
    }

    #[test]
    fn features_are_hex() {
        assert_eq!("0x21".parse::<Features>().unwrap().to_string(), "0x21");
        assert!("21".parse::<Features>().is_err() && "0x".parse::<Features>().is_err());
    }
}
