//! The root hash, as the kernel command line and `veritysetup` write it.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// The digest at the top of a tree: 32 bytes (SHA-256) or 64 (SHA-512). Text is lower-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootHash(Vec<u8>);

impl RootHash {
    /// The root hash of these bytes.
    #[must_use]
    pub fn new(digest: Vec<u8>) -> Self {
        Self(digest)
    }

    /// The digest: 32 or 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootHash({self})")
    }
}

impl FromStr for RootHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::RootHash(text.to_owned());
        if !matches!(text.len(), 64 | 128) {
            return Err(wrong());
        }
        let digit = |&byte: &u8| {
            let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            digit.ok_or_else(wrong)
        };
        let pair = |pair: &[u8]| match pair {
            [high, low] => Ok(digit(high)? << 4 | digit(low)?),
            _ => Err(wrong()),
        };
        text.as_bytes().chunks(2).map(pair).collect::<Result<_, _>>().map(Self)
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_is_checked() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(text.parse::<RootHash>().unwrap().to_string(), text);
        assert_eq!(text.repeat(2).parse::<RootHash>().unwrap().as_bytes().len(), 64);
        assert_eq!(text.to_uppercase().parse::<RootHash>().unwrap().to_string(), text);
        for wrong in [&text[2..], &text.replace('a', "g"), &"é".repeat(32), ""] {
            assert!(wrong.parse::<RootHash>().is_err(), "{wrong}");
        }
    }
}
