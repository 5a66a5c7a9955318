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
        // `parse` takes a sign, too.
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<u64>().ok().filter(|number| is_number && *number > 0);
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
        // `from_str_radix` takes a sign, too.
        let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
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
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_have_one_spelling_and_a_unit() {
        for (text, bytes, shown) in [
            ("1K", 1 << 10, "1K"),
            ("1KiB", 1 << 10, "1K"),
            ("1M", 1 << 20, "1M"),
            ("1G", 1 << 30, "1G"),
            ("1T", 1 << 40, "1024G"),
            ("1TiB", 1 << 40, "1024G"),
            ("2G", 2 << 30, "2G"),
            ("2GiB", 2 << 30, "2G"),
            ("2048M", 2 << 30, "2G"),
            ("2816MiB", 2816 << 20, "2816M"),
            ("8000001K", 8_000_001 << 10, "8000001K"),
            ("007M", 7 << 20, "7M"),
            // The largest of each unit that x86 can address.
            ("4095T", 4095 << 40, "4193280G"),
            ("4194303G", 4_194_303 << 30, "4194303G"),
            ("4398046511103K", (1 << 52) - 1024, "4398046511103K"),
        ] {
            let memory: Memory = text.parse().unwrap();
            assert_eq!((memory.0, memory.to_string().as_str()), (bytes, shown));
            assert_eq!(Memory::bytes(text), Ok(bytes));
            // What is shown is read as the same.
            assert_eq!(shown.parse::<Memory>().unwrap(), memory);
        }
        for text in [
            "",
            "2",
            "2048",
            "0G",
            "0K",
            "G",
            "-1G",
            "+1G",
            "1.5G",
            "2g",
            "2 G",
            "2Gi",
            "2GB",
            " 2G",
            "2G ",
            "1G1",
            "0x1G",
            "\u{661}G",
            "4194304G",
            "4096T",
            "4398046511104K",
            "18446744073709551616K",
            "18014398509481984K",
        ] {
            let error = text.parse::<Memory>().unwrap_err();
            assert!(error.contains("such as 2G"), "{text}");
            assert!(error.ends_with(&format!("found `{text}`")), "{error}");
            assert_eq!(Memory::bytes(text), Err(error));
        }
        assert_eq!(Memory(1).to_string(), "1 bytes");
    }

    /// QEMU counts memory in mebibytes.
    #[test]
    fn mebibytes_are_whole() {
        for (text, mebibytes) in
            [("1M", 1), ("1024K", 1), ("2G", 2048), ("4095T", u32::MAX - (1 << 20) + 1)]
        {
            assert_eq!(Memory::mebibytes(text), Ok(mebibytes), "{text}");
        }
        for text in ["1K", "1023K", "1025K", "2049K"] {
            let expected = format!("expected whole mebibytes, found `{text}`");
            assert_eq!(Memory::mebibytes(text), Err(expected));
        }
        assert!(Memory::mebibytes("1").unwrap_err().contains("a size with its unit"));
    }

    #[test]
    fn features_are_hex() {
        for (text, bits) in [("0x0", 0), ("0x21", 0x21), ("0xffffffffffffffff", u64::MAX)] {
            let features: Features = text.parse().unwrap();
            assert_eq!((features, features.to_string().as_str()), (Features(bits), text));
        }
        for text in ["21", "0x", "", "0X1", "0xg", "0x+1", "0x10000000000000000", " 0x1", "x1"] {
            let expected = format!("expected a number in hex such as `0x1`, found `{text}`");
            assert_eq!(text.parse::<Features>(), Err(expected));
        }
    }

    /// A digest of another length is none.
    #[test]
    fn a_recorded_digest_is_a_sha_384() {
        let digits = "0a".repeat(48);
        let recorded: Recorded = digits.parse().unwrap();
        assert_eq!((recorded.0.0, recorded.to_string()), ([0x0a; 48], digits.clone()));
        for text in ["", "0a", &digits[2..], &"0a".repeat(49), &"0g".repeat(48), &"0a".repeat(32)] {
            let expected = format!("expected a SHA-384 of 96 hex digits, found `{text}`");
            assert_eq!(text.parse::<Recorded>(), Err(expected));
        }
    }

    /// In JSON they are the texts that a profile has, and nothing else.
    #[test]
    fn a_text_is_read_as_it_is_written() {
        let memory = Memory(2816 << 20);
        assert_eq!(serde_json::to_value(memory).unwrap(), json!("2816M"));
        assert_eq!(serde_json::from_value::<Memory>(json!("2816M")).unwrap(), memory);
        assert_eq!(serde_json::to_value(Features(0x21)).unwrap(), json!("0x21"));
        for value in [json!(2), json!("2"), json!(null), json!(["2G"])] {
            assert!(serde_json::from_value::<Memory>(value.clone()).is_err(), "{value}");
        }
        let error = serde_json::from_value::<Features>(json!("1")).unwrap_err();
        assert_eq!(error.to_string(), "expected a number in hex such as `0x1`, found `1`");
        let schema = serde_json::to_value(schemars::schema_for!(Memory)).unwrap();
        assert_eq!((&schema["title"], &schema["type"]), (&json!("Memory"), &json!("string")));
    }
}
