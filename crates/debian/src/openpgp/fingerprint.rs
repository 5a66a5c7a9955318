//! Fingerprints: the names of keys that nobody can forge.

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

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0";

    /// As `gpg --fingerprint`, `gpg --with-colons` and key servers write them.
    #[test]
    fn spellings() {
        let grouped = "05AB 9034 0C0C 5E79 7F44  A8C8 254C F3B5 AEC0 A8F0";
        let cases = [
            DIGITS.to_owned(),
            DIGITS.to_lowercase(),
            format!("0x{DIGITS}"),
            format!(" {DIGITS}\n"),
            grouped.to_owned(),
        ];
        for text in cases {
            let fingerprint: Fingerprint = text.parse().unwrap();
            assert_eq!(fingerprint.to_string(), DIGITS, "{text:?}");
            assert_eq!(format!("{fingerprint:?}"), DIGITS);
        }
    }

    /// A key id is the end of a fingerprint, and anybody can make a key with a given one.
    #[test]
    fn refused() {
        let long = format!("{DIGITS}00");
        let cases =
            ["", "0x", &DIGITS[24..], &DIGITS[..39], &long, &DIGITS.replace('F', "G"), "0x0x"];
        for text in cases {
            let error = text.parse::<Fingerprint>().unwrap_err();
            assert_eq!(error, FingerprintError(text.to_owned()));
        }
        let error = "x".parse::<Fingerprint>().unwrap_err().to_string();
        assert_eq!(error, "expected a fingerprint of 40 hexadecimal digits, found `x`");
    }
}
