//! What identities of an image are derived from.

use std::fmt;
use std::str::FromStr;

use cvmkit_formats::digest::Sha256;
use cvmkit_formats::gpt::{Guid, ParseGuidError};

/// What UUIDs and salts are derived from by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

impl Seed {
    /// 32 bytes for one purpose: SHA-256 of `cvmkit`, the purpose and the seed, NUL-separated.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut input = format!("cvmkit\0{purpose}\0").into_bytes();
        input.extend_from_slice(&self.0);
        Sha256::of(&input).0
    }

    /// A version 8 UUID (RFC 9562, section 5.8) for one purpose, in text order.
    #[must_use]
    pub fn uuid(&self, purpose: &str) -> [u8; 16] {
        let digest = self.derive(purpose);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&digest[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    }
}

impl fmt::Display for Seed {
    /// As a UUID in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Guid::from_text_order(self.0).fmt(f)
    }
}

impl FromStr for Seed {
    type Err = ParseGuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|uuid: Guid| Self(uuid.to_text_order()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `cvmkit`, the purpose and the seed, computed here by hand; RFC 9562, section 5.8.
    #[test]
    fn identities_are_derived_from_the_seed() {
        let seed: Seed = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        assert_eq!(seed.0[..4], [0x00, 0x11, 0x22, 0x33], "in the order of its text");
        let mut input = b"cvmkit\0disk\0".to_vec();
        input.extend_from_slice(&hex::decode("00112233445566778899aabbccddeeff").unwrap());
        let digest = Sha256::of(&input).0;
        assert_eq!(seed.derive("disk"), digest);
        let uuid = seed.uuid("disk");
        let mut expected = digest[..16].to_vec();
        expected[6] = 0x80 | (digest[6] & 0x0f);
        expected[8] = 0x80 | (digest[8] & 0x3f);
        assert_eq!(uuid.to_vec(), expected);
        // Whatever the digest has in these bits, the UUID has the version and the variant.
        for purpose in (0..64).map(|number| number.to_string()) {
            let uuid = seed.uuid(&purpose);
            assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (8, 2), "{purpose}");
        }
        assert_ne!(seed.derive("disk"), Seed([0; 16]).derive("disk"));
        assert_ne!(seed.derive("a"), seed.derive("b"));
        // A purpose that runs into the seed is another one.
        assert_ne!(seed.derive("disk\0"), seed.derive("disk"));
    }

    #[test]
    fn a_seed_is_written_as_it_is_read() {
        for text in ["00112233-4455-6677-8899-aabbccddeeff", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
        {
            assert_eq!(text.parse::<Seed>().unwrap().to_string(), text);
            assert_eq!(text.to_uppercase().parse::<Seed>().unwrap().to_string(), text);
        }
        assert!("x".parse::<Seed>().is_err());
    }
}
