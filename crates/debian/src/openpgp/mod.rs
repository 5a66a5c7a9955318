//! Verifies a clearsigned `InRelease` against archive keys (RFC 9580; apt-secure(8)).
//!
//! The contract: [`verify`] answers the signed text and nothing else of the input, together with
//! the fingerprints of the configured keys that signed it; there is at least one. rPGP computes;
//! the policy is here: SHA-2 or SHA-3 of 256 bits and more, RSA of 2048 bits and more, keys with a
//! valid self signature, not revoked, not expired when they signed nor now, signing subkeys bound
//! in both directions, no unknown critical subpacket. When a signature was made is
//! what the holder of the key says: whoever gets hold of a key after its end may say anything, so
//! an expired key counts only where the caller [accepts](Policy::accept_expired) it by name, as
//! gpgv's `EXPKEYSIG` is no good signature to apt. Deliberately absent: detached signatures, the web of trust, v3, v5 and v6 keys, designated revokers (whose mere presence
//! beside a revocation counts as revoked). The oracle is gpgv.

mod clearsign;
mod error;
mod fingerprint;
mod keyring;
mod policy;

use pgp::packet::{Packet, PacketParser, Signature};

use clearsign::Clearsigned;
pub use error::{OpenPgpError, Refusal, Refused};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use keyring::Keyring;
pub use policy::{GoodSignature, Policy};

/// The most signatures one message may carry; Debian's carry three.
const SIGNATURES_MAX: usize = 32;

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
/// that the message is not a clearsigned message.
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
                return Err(OpenPgpError::Packets("a packet is not a signature".to_owned()));
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
