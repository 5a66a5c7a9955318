//! What a key is called by.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The fingerprint of a version 4 primary key (RFC 9580, section 5.5.4.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 20]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// 40 hexadecimal digits, in groups or not, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| FingerprintError(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

/// A text that is not 40 hexadecimal digits.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected a fingerprint of 40 hexadecimal digits, found `{0}`")]
pub struct FingerprintError(pub String);
