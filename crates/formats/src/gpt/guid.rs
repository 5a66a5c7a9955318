//! The GUID: 16 bytes whose first three fields are little-endian on disk and big-endian in text.
//!
//! Standard: UEFI 2.10 appendix A (`EFI_GUID`), RFC 9562 section 4 (text). Oracle: `sfdisk --json`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A GUID as it lies on disk.
///
/// Displayed in lower case with hyphens: `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct Guid([u8; 16]);

/// A text that is not of the form 8-4-4-4-12 (RFC 9562, section 4); holds the text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a GUID: expected 8-4-4-4-12 hexadecimal digits")]
pub struct ParseGuidError(String);

impl Guid {
    /// The GUID of an unused partition entry.
    pub const NIL: Self = Self([0; 16]);

    /// From the 16 bytes in the order of the text form (RFC 9562): the first three fields are
    /// swapped to reach the order on disk.
    #[must_use]
    pub const fn from_text_order(b: [u8; 16]) -> Self {
        Self([
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
            b[14], b[15],
        ])
    }

    /// From the number whose 32 hexadecimal digits are the text form without its hyphens.
    #[must_use]
    pub const fn from_u128(digits: u128) -> Self {
        Self::from_text_order(digits.to_be_bytes())
    }

    /// From the 16 bytes as they lie on disk.
    #[must_use]
    pub const fn from_disk_order(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes as they lie on disk.
    #[must_use]
    pub const fn to_disk_order(self) -> [u8; 16] {
        self.0
    }

    /// The 16 bytes in the order of the text form.
    #[must_use]
    pub const fn to_text_order(self) -> [u8; 16] {
        // The swap is its own inverse.
        Self::from_text_order(self.0).0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.to_text_order().iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

impl FromStr for Guid {
    type Err = ParseGuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseGuidError(text.to_owned());
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let digits = groups.concat();
        if lengths != [8, 4, 4, 4, 12] || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused());
        }
        u128::from_str_radix(&digits, 16).map(Self::from_u128).map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_disk_order_differ_in_the_first_three_fields() {
        // UEFI 2.10 table 5-7 prints EFI_SYSTEM_PARTITION as text; the bytes are those of any ESP.
        let guid: Guid = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B".parse().unwrap();
        let disk = *b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
        assert_eq!(guid.to_disk_order(), disk);
        assert_eq!(guid.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(Guid::from_text_order(guid.to_text_order()), guid);
    }

    #[test]
    fn only_the_full_form_is_taken() {
        for text in [
            "",
            "c12a7328f81f11d2ba4b00a0c93ec93b",
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
            "+12a7328-f81f-11d2-ba4b-00a0c93ec93b",
            "{c12a7328-f81f-11d2-ba4b-00a0c93ec93b}",
        ] {
            assert!(text.parse::<Guid>().is_err(), "{text}");
        }
    }
}
