//! Hash values: what names a blob, a locked file, an artifact, and what measurements are made of.
//!
//! All print as lower-case hexadecimal digits, and are read from digits of either case; a document of
//! this project has the one form that is printed.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use sha2::Digest as _;
use thiserror::Error;

/// A text of another length than the digest's, or with a character that is not a hexadecimal digit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected {expected} hexadecimal digits, found {found:?}")]
pub struct ParseDigestError {
    /// Number of digits of this kind of digest.
    pub expected: usize,
    /// The text, whole.
    pub found: String,
}

macro_rules! hash {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $function:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Bytes of a value, half of its hexadecimal digits.
            pub const LEN: usize = $bytes;

            /// All zero: where a fold starts, and what stands for contents that are not hashed.
            pub const ZERO: Self = Self([0; $bytes]);

            /// The hash of `bytes`.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(<$function>::digest(bytes).into())
            }

            /// The register that held `self`, after `digest` was extended into it: the hash of
            /// both (TPM 2.0 Library, part 1, section 11.4.7 "PCR"; TDX module, TDG.MR.RTMR.EXTEND).
            #[must_use]
            pub fn extend(self, digest: Self) -> Self {
                let mut state = <$function>::new();
                state.update(self.0);
                state.update(digest.0);
                Self(state.finalize().into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, ParseDigestError> {
                let mut bytes = [0; $bytes];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) => Ok(Self(bytes)),
                    Err(_) => {
                        Err(ParseDigestError { expected: 2 * $bytes, found: text.to_owned() })
                    }
                }
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

hash! {
    /// A SHA-256 value (FIPS 180-4, section 6.2).
    Sha256, 32, sha2::Sha256
}

hash! {
    /// A SHA-384 value (FIPS 180-4, section 6.5).
    Sha384, 48, sha2::Sha384
}

hash! {
    /// A SHA-512 value (FIPS 180-4, section 6.4).
    Sha512, 64, sha2::Sha512
}

impl Sha256 {
    /// The digest and the length of everything `reader` has.
    ///
    /// # Errors
    /// What the reader says.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = Hasher::default();
        let mut buf = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buf)? {
                0 => return Ok(hasher.finish()),
                n => hasher.update(&buf[..n]),
            }
        }
    }

    /// Reads the one form that documents of this project have: 64 lower-case digits.
    ///
    /// # Errors
    /// Repeats the text.
    pub fn of_document(text: &str) -> Result<Self, String> {
        let lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let digest = text.parse().ok().filter(|_| lower_case);
        digest.ok_or_else(|| {
            format!("expected a SHA-256 of 64 lower-case hex digits, found `{text}`")
        })
    }
}

/// SHA-256 and length of a message that comes in pieces.
#[derive(Clone, Default)]
pub struct Hasher {
    state: sha2::Sha256,
    len: u64,
}

impl Hasher {
    /// Appends `bytes` to the message, and counts them.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// The digest and the length of the message so far.
    #[must_use]
    pub fn finish(self) -> (Sha256, u64) {
        (Sha256(self.state.finalize().into()), self.len)
    }
}

/// In the form of documents: 64 lower-case digits ([`Sha256::of_document`]).
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_document(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Sha256 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// The digests of one measured thing, one for each hash function that registers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Digests {
    /// For the SHA-256 bank of a TPM.
    pub sha256: Sha256,
    /// For the SHA-384 bank of a TPM, and for RTMRs.
    pub sha384: Sha384,
}

impl Digests {
    /// The hashes of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// The hashes of `parts`, concatenated.
    #[must_use]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut sha256, mut sha384) = (sha2::Sha256::new(), sha2::Sha384::new());
        for part in parts {
            sha256.update(part);
            sha384.update(part);
        }
        Self { sha256: Sha256(sha256.finalize().into()), sha384: Sha384(sha384.finalize().into()) }
    }

    /// The hashes and the length of everything `reader` has, one piece in memory at a time.
    ///
    /// # Errors
    /// What the reader says.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let (mut sha256, mut sha384) = (sha2::Sha256::new(), sha2::Sha384::new());
        let mut piece = vec![0; 1 << 16];
        let mut len = 0;
        loop {
            let count = reader.read(&mut piece)?;
            let Some(read @ [_, ..]) = piece.get(..count) else { break };
            sha256.update(read);
            sha384.update(read);
            len += count as u64;
        }
        let (sha256, sha384) = (sha256.finalize().into(), sha384.finalize().into());
        Ok((Self { sha256: Sha256(sha256), sha384: Sha384(sha384) }, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 example computations, one-block message "abc".
    #[test]
    fn hashes_match_the_standard() {
        assert_eq!(
            Sha256::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            Sha384::of(b"abc").to_string(),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7"
        );
    }

    #[test]
    fn parts_hash_like_the_whole_and_order_counts() {
        assert_eq!(Digests::of(b"abc"), Digests::of_parts([&b"a"[..], b"", b"bc"]));
        assert_eq!(Digests::of(b"abc").sha384, Sha384::of(b"abc"));
        let (one, two) = (Sha256::of(b"1"), Sha256::of(b"2"));
        assert_eq!(one.extend(two), Sha256::of(&[one.0, two.0].concat()));
        assert_ne!(one.extend(two), two.extend(one));
    }

    #[test]
    fn text_round_trips_and_other_text_is_refused() {
        let digest = Sha256::of(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
        let hash_of_the_other_length = Sha384::ZERO.to_string();
        for text in ["", "ba", &"g".repeat(64), &hash_of_the_other_length] {
            let error = text.parse::<Sha256>().unwrap_err();
            assert_eq!(error.expected, 64, "{text}");
        }
        let error = "ba".parse::<Sha256>().unwrap_err();
        assert_eq!(error.to_string(), "expected 64 hexadecimal digits, found \"ba\"");
    }

    /// FIPS 180-4 example computations, SHA-512 of the one-block message "abc".
    #[test]
    fn the_longest_hash_matches_the_standard() {
        assert_eq!(
            Sha512::of(b"abc").to_string(),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert_eq!((Sha256::LEN, Sha384::LEN, Sha512::LEN), (32, 48, 64));
    }

    #[test]
    fn messages_in_pieces_hash_like_the_whole() {
        struct Dripping(usize);
        impl Read for Dripping {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let len = self.0.min(7).min(buf.len());
                buf[..len].fill(b'x');
                self.0 -= len;
                Ok(len)
            }
        }
        for len in [0usize, 1, 100] {
            let whole = vec![b'x'; len];
            let expected = (Sha256::of(&whole), len as u64);
            assert_eq!(Sha256::of_reader(Dripping(len)).unwrap(), expected);
            assert_eq!(
                Digests::of_reader(Dripping(len)).unwrap(),
                (Digests::of(&whole), len as u64)
            );
            let mut hasher = Hasher::default();
            whole.chunks(3).for_each(|chunk| hasher.update(chunk));
            assert_eq!(hasher.finish(), expected);
        }
    }

    /// Documents have one form, so that equal values are equal text.
    #[test]
    fn documents_have_lower_case_digits() {
        let text = Sha256::of(b"abc").to_string();
        assert_eq!(Sha256::of_document(&text), Ok(Sha256::of(b"abc")));
        for wrong in [
            text.to_uppercase(),
            format!("{text}00"),
            text[1..].to_owned(),
            format!(" {}", &text[1..]),
        ] {
            let expected =
                format!("expected a SHA-256 of 64 lower-case hex digits, found `{wrong}`");
            assert_eq!(Sha256::of_document(&wrong), Err(expected));
        }
        assert_eq!(
            format!("{:?} {:.8}", Sha256::ZERO, Sha256::ZERO),
            format!("Sha256({}) 00000000", "0".repeat(64))
        );
    }
}
