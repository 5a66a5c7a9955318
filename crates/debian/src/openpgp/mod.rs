//! Verifies a clearsigned `InRelease` against archive keys (RFC 9580; apt-secure(8)).
//!
//! The contract: [`verify`] answers the signed text and nothing else of the input, together with
//! the fingerprints of the configured keys that signed it; there is at least one. rPGP computes;
//! the policy is here: SHA-2 or SHA-3 of 256 bits and more, RSA of 2048 bits and more, keys with a
//! valid self signature, not revoked, not expired when they signed nor now, signing subkeys bound
//! in both directions, no critical subpacket that is not understood. When a signature was made is
//! what the holder of the key says: whoever gets hold of a key after its end may say anything, so
//! an expired key counts only where the caller [accepts](Policy::accept_expired) it by name, as
//! gpgv's `EXPKEYSIG` is no good signature to apt. Deliberately absent: detached signatures, the web of trust, v3, v5 and v6 keys, designated revokers (whose mere presence
//! beside a revocation counts as revoked). The oracle is gpgv.

mod clearsign;
mod keyring;

use std::fmt;
use std::str::FromStr;

use pgp::packet::{Packet, PacketParser, Signature};
use thiserror::Error;

use clearsign::Clearsigned;
use cvmkit_formats::date::Date;
pub use keyring::Keyring;

/// How far in the future a signature may be made: one day, for clocks that disagree.
const FUTURE_TOLERANCE: i64 = 86_400;

/// The most signatures one message may carry; Debian's carry three.
const SIGNATURES_MAX: usize = 32;

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
    type Err = OpenPgpError;

    /// 40 hexadecimal digits, in groups or not, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| OpenPgpError::Fingerprint(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

/// Why one signature does not count.
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
    #[error("the subkey is not bound to its primary key in both directions")]
    NotBound,
    /// The key's flags do not allow signing.
    #[error("the key is not for signing")]
    NotForSigning,
    /// MD5, SHA-1, RIPEMD-160, SHA-224 or unknown.
    #[error("the hash algorithm {0} is too weak")]
    WeakHash(String),
    /// RSA below 2048 bits, DSA, Elgamal or unknown.
    #[error("the key's algorithm or size is too weak: {0}")]
    WeakKey(String),
    /// A critical subpacket or notation that is not understood.
    #[error("a critical subpacket is not understood")]
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
    /// The signature does not verify.
    #[error("the signature is wrong")]
    Wrong,
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The key id it names, hexadecimal; empty if it names none.
    pub key_id: String,
    /// Why.
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
    /// Something at a place where it does not belong.
    #[error("signed message, line {line}: expected {expected}")]
    Framing {
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The armour does not decode.
    #[error("the armour of the signature does not decode: {0}")]
    Armor(String),
    /// The signature packets do not parse.
    #[error("the signature does not parse: {0}")]
    Packets(String),
    /// No signature that counts.
    #[error("no valid signature: {}", list(.0))]
    NoValidSignature(Vec<Refused>),
    /// A keyring that does not parse.
    #[error("the keyring does not parse: {0}")]
    Keyring(String),
    /// A key that is not of version 4.
    #[error("the keyring holds a key that is not of version 4: {0}")]
    KeyVersion(String),
    /// No fingerprint.
    #[error("expected a fingerprint of 40 hexadecimal digits, found `{0}`")]
    Fingerprint(String),
}

fn list(refused: &[Refused]) -> String {
    if refused.is_empty() {
        return "there is none".to_owned();
    }
    refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodSignature {
    /// The primary key.
    pub fingerprint: Fingerprint,
    /// The key that made it: the primary key or a subkey.
    pub signing_key: Fingerprint,
    /// When, Unix seconds, as the signature says.
    pub made: i64,
    /// When the key ended, Unix seconds, if it has: it counts because it was accepted.
    pub expired: Option<i64>,
}

/// Which signatures count.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The primary keys that may sign.
    pub configured: &'a [Fingerprint],
    /// The time, Unix seconds.
    pub now: i64,
    /// Primary keys that count although they have expired; not what they signed after their end.
    pub accept_expired: &'a [Fingerprint],
}

impl<'a> Policy<'a> {
    /// Signatures of these primary keys, none of them expired.
    #[must_use]
    pub fn new(configured: &'a [Fingerprint], now: i64) -> Self {
        Self { configured, now, accept_expired: &[] }
    }
}

/// What was signed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The signed text: unescaped, line breaks as LF, no white space at the ends of lines.
    pub text: String,
    /// The signatures that count; at least one.
    pub good: Vec<GoodSignature>,
    /// Those that do not.
    pub refused: Vec<Refused>,
}

impl Signed {
    /// The primary keys that signed, sorted, each once.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let mut found: Vec<_> = self.good.iter().map(|good| good.fingerprint).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Verifies a clearsigned message. It is good if one of the configured primary keys signed it.
///
/// # Errors
/// [`OpenPgpError::NoValidSignature`] says of every signature why it does not count; the others say
/// that the message is no clearsigned message.
pub fn verify(
    message: &[u8],
    keyring: &Keyring,
    policy: &Policy<'_>,
) -> Result<Signed, OpenPgpError> {
    let message = Clearsigned::parse(message)?;
    let hashed = message.hashed();
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for signature in signatures(&message.packets)? {
        match keyring.check(&signature, &hashed, policy) {
            Ok(signature) => good.push(signature),
            Err(why) => refused.push(Refused { key_id: key_id(&signature), why }),
        }
    }
    if good.is_empty() {
        return Err(OpenPgpError::NoValidSignature(refused));
    }
    Ok(Signed { text: message.text, good, refused })
}

fn signatures(packets: &[u8]) -> Result<Vec<Signature>, OpenPgpError> {
    let mut found = Vec::new();
    for packet in PacketParser::new(packets) {
        match packet {
            Ok(Packet::Signature(signature)) if found.len() < SIGNATURES_MAX => {
                found.push(signature);
            }
            Ok(Packet::Signature(_)) => {
                return Err(OpenPgpError::Packets(format!("more than {SIGNATURES_MAX}")));
            }
            Ok(_) => {
                return Err(OpenPgpError::Packets("a packet that is no signature".to_owned()));
            }
            Err(error) => return Err(OpenPgpError::Packets(error.to_string())),
        }
    }
    Ok(found)
}

fn key_id(signature: &Signature) -> String {
    let fingerprint =
        signature.issuer_fingerprint().first().map(|issuer| issuer.as_bytes().to_vec());
    let id = signature.issuer_key_id().first().map(|id| id.as_ref().to_vec());
    hex::encode_upper(fingerprint.or(id).unwrap_or_default())
}
