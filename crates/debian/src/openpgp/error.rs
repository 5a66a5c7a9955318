//! Why a message, a signature or a keyring was refused.

use std::fmt;

use cvmkit_formats::date::Date;
use thiserror::Error;

use super::fingerprint::{Fingerprint, FingerprintError};

/// Why one signature does not count. Times are Unix seconds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No key of the keyring has this id.
    #[error("no such key in the keyring")]
    UnknownKey,
    /// The key is there, but not among the configured fingerprints.
    #[error("the key {0} is not among the configured fingerprints")]
    NotConfigured(Fingerprint),
    /// The key is revoked.
    #[error("the key is revoked")]
    Revoked,
    /// The key was expired when it signed.
    #[error("the key expired at {}, the signature is of {}", Date(*.expired), Date(*.signed))]
    KeyExpired {
        /// Unix seconds.
        expired: i64,
        /// Unix seconds.
        signed: i64,
    },
    /// The key has expired since it signed, if it did: when it signed is its own claim.
    #[error("the key {fingerprint} expired at {}, now it is {}", Date(*.expired), Date(*.now))]
    KeyExpiredSince {
        /// The primary key.
        fingerprint: Fingerprint,
        /// Unix seconds.
        expired: i64,
        /// Unix seconds.
        now: i64,
    },
    /// The key is younger than the signature.
    #[error("the key was made at {}, the signature is of {}", Date(*.made), Date(*.signed))]
    KeyTooYoung {
        /// Unix seconds.
        made: i64,
        /// Unix seconds.
        signed: i64,
    },
    /// The primary key has no valid self signature.
    #[error("the primary key has no valid self signature")]
    NoSelfSignature,
    /// The subkey is not bound to its primary key, or not back.
    #[error("the subkey and its primary key do not sign each other")]
    NotBound,
    /// The key's flags do not allow signing.
    #[error("the key is not allowed to sign")]
    NotForSigning,
    /// MD5, SHA-1, RIPEMD-160, SHA-224 or unknown.
    #[error("the hash algorithm {0} is too weak")]
    WeakHash(String),
    /// RSA below 2048 bits, DSA, Elgamal or unknown.
    #[error("the key's algorithm or size is too weak: {0}")]
    WeakKey(String),
    /// An unknown critical subpacket, or a critical notation (RFC 9580, section 5.2.3.7).
    #[error("a critical subpacket is unknown")]
    CriticalSubpacket,
    /// No creation time among the hashed subpackets.
    #[error("the signature has no creation time")]
    NoCreationTime,
    /// The signature itself expired.
    #[error("the signature expired at {}", Date(*.0))]
    Expired(i64),
    /// The signature is made in the future.
    #[error("the signature is of {}, which is in the future", Date(*.0))]
    FromTheFuture(i64),
    /// Not of version 4, or not of a document.
    #[error("the signature is not a version 4 signature of a document")]
    Kind,
    /// The key did not make this signature of this text.
    #[error("the signature does not verify")]
    Wrong,
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The key id it names, hexadecimal; empty if it names none.
    pub key_id: String,
    /// What speaks against it.
    pub why: Refusal,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.key_id, self.why)
    }
}

/// Why a message was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// Not UTF-8.
    #[error("the signed message is not UTF-8 at byte {0}")]
    Encoding(usize),
    /// A line that does not belong there.
    #[error("signed message, line {line}: expected {expected}")]
    Framing {
        /// Counted from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The armour does not decode.
    #[error("the armour of the signature does not decode: {0}")]
    Armor(String),
    /// The signature packets do not parse.
    #[error("the signature does not parse: {0}")]
    Packets(String),
    /// No signature counts: every one, with why.
    #[error("no valid signature: {}", list(.0))]
    NoValidSignature(Vec<Refused>),
    /// A keyring that does not parse.
    #[error("the keyring does not parse: {0}")]
    Keyring(String),
    /// A key that is not of version 4.
    #[error("the keyring holds a key that is not of version 4: {0}")]
    KeyVersion(String),
    /// Not a fingerprint.
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
}

fn list(refused: &[Refused]) -> String {
    if refused.is_empty() {
        return "the message has no signature".to_owned();
    }
    refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
