//! Keys, and which signatures of theirs count.

use pgp::composed::PublicOrSecret;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag};

use super::error::{OpenPgpError, Refusal};
use super::fingerprint::Fingerprint;
use super::policy::{FUTURE_TOLERANCE, GoodSignature, Policy};

/// The least size of an RSA modulus in bits (NIST SP 800-131A Rev. 2, section 3).
const RSA_BITS_MIN: u16 = 2048;

/// Debian's archive keys; the folder's README says where they come from.
const DEBIAN: &[u8] = include_bytes!("../../keys/debian-archive-keyring.pgp");

/// A set of public keys.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A key that may have made a signature.
enum Signer<'k> {
    Primary,
    Subkey(&'k SignedPublicSubKey),
}

impl Keyring {
    /// The archive keys of Debian 11 to 13.
    ///
    /// # Errors
    /// None but in a broken build: the keys are part of the program.
    pub fn debian() -> Result<Self, OpenPgpError> {
        let mut keyring = Self::default();
        keyring.add(DEBIAN)?;
        Ok(keyring)
    }

    /// Adds the keys of a keyring, binary or in armour. Answers the primary keys' fingerprints.
    ///
    /// # Errors
    /// [`OpenPgpError::Keyring`] or [`OpenPgpError::KeyVersion`]; nothing is added then.
    pub fn add(&mut self, keyring: &[u8]) -> Result<Vec<Fingerprint>, OpenPgpError> {
        let refused = |error: pgp::errors::Error| OpenPgpError::Keyring(error.to_string());
        let (found, _) = PublicOrSecret::from_reader_many_buf(keyring).map_err(refused)?;
        let (mut keys, mut fingerprints) = (Vec::new(), Vec::new());
        for key in found {
            let PublicOrSecret::Public(key) = key.map_err(refused)? else {
                return Err(OpenPgpError::Keyring("it holds a secret key".to_owned()));
            };
            let fingerprint = fingerprint(&key.primary_key);
            let version = || OpenPgpError::KeyVersion(key.primary_key.fingerprint().to_string());
            fingerprints.push(fingerprint.ok_or_else(version)?);
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(OpenPgpError::Keyring("it holds no key".to_owned()));
        }
        self.keys.append(&mut keys);
        Ok(fingerprints)
    }

    /// The primary keys' fingerprints, in the order they were added.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.keys.iter().filter_map(|key| fingerprint(&key.primary_key)).collect()
    }

    /// Whether a signature of `text` counts.
    pub(super) fn check(
        &self,
        signature: &Signature,
        text: &[u8],
        policy: &Policy<'_>,
    ) -> Result<GoodSignature, Refusal> {
        let signed = check_document_signature(signature, policy.now)?;
        let mut refused = Refusal::UnknownKey;
        for key in &self.keys {
            for signer in signers(key, signature) {
                let checked = self.check_signer(key, &signer, signature, text, signed);
                match checked.and_then(|good| check_not_expired(good, policy)) {
                    Ok(good) if policy.configured.contains(&good.fingerprint) => return Ok(good),
                    Ok(good) => refused = Refusal::NotConfigured(good.fingerprint),
                    Err(why) => refused = why,
                }
            }
        }
        Err(refused)
    }

    fn check_signer(
        &self,
        key: &SignedPublicKey,
        signer: &Signer<'_>,
        signature: &Signature,
        text: &[u8],
        signed: i64,
    ) -> Result<GoodSignature, Refusal> {
        let primary = &key.primary_key;
        let own = fingerprint(primary).ok_or(Refusal::UnknownKey)?;
        // A key may be there twice, and only one copy carry the revocation.
        let copies = self.keys.iter().filter(|copy| fingerprint(&copy.primary_key) == Some(own));
        if copies.into_iter().any(is_revoked) {
            return Err(Refusal::Revoked);
        }
        let self_signature = self_signature(key).ok_or(Refusal::NoSelfSignature)?;
        check_strength(primary)?;
        let mut end = check_lifetime(primary, self_signature, signed)?;
        let signing_key = match signer {
            Signer::Primary => {
                if has_key_flags(self_signature) && !self_signature.key_flags().sign() {
                    return Err(Refusal::NotForSigning);
                }
                signature.verify(primary, text).map_err(|_| Refusal::Wrong)?;
                own
            }
            Signer::Subkey(subkey) => {
                check_strength(&subkey.key)?;
                let own_end = check_lifetime(&subkey.key, binding(primary, subkey)?, signed)?;
                end = [end, own_end].into_iter().flatten().min();
                signature.verify(&subkey.key, text).map_err(|_| Refusal::Wrong)?;
                fingerprint(&subkey.key).ok_or(Refusal::UnknownKey)?
            }
        };
        Ok(GoodSignature { fingerprint: own, signing_key, made: signed, expired: end })
    }
}

/// The keys of a certificate that a signature names as its issuer.
fn signers<'k>(
    key: &'k SignedPublicKey,
    signature: &Signature,
) -> impl Iterator<Item = Signer<'k>> {
    let names = |candidate: &dyn KeyDetails| {
        signature.issuer_fingerprint().contains(&&candidate.fingerprint())
            || signature.issuer_key_id().contains(&&candidate.legacy_key_id())
    };
    let primary = names(&key.primary_key).then_some(Signer::Primary);
    let subkeys: Vec<_> =
        key.public_subkeys.iter().filter(|subkey| names(&subkey.key)).map(Signer::Subkey).collect();
    primary.into_iter().chain(subkeys)
}

fn fingerprint(key: &impl KeyDetails) -> Option<Fingerprint> {
    match key.fingerprint() {
        pgp::types::Fingerprint::V4(bytes) => Some(Fingerprint(bytes)),
        _ => None,
    }
}

/// What holds for a document signature whoever made it. Answers when that was.
fn check_document_signature(signature: &Signature, now: i64) -> Result<i64, Refusal> {
    let document = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
    if signature.version() != SignatureVersion::V4 || !document {
        return Err(Refusal::Kind);
    }
    let made = check_signature(signature)?;
    if made.saturating_sub(now) > FUTURE_TOLERANCE {
        return Err(Refusal::FromTheFuture(made));
    }
    match signature.signature_expiration_time().map(|after| i64::from(after.as_secs())) {
        None | Some(0) => Ok(made),
        Some(after) if made + after > now => Ok(made),
        Some(after) => Err(Refusal::Expired(made + after)),
    }
}

/// What holds for every signature: its hash, its critical subpackets, its time. Answers the time.
fn check_signature(signature: &Signature) -> Result<i64, Refusal> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        Some(weak) => return Err(Refusal::WeakHash(weak.to_string())),
        None => return Err(Refusal::Kind),
    }
    let config = signature.config().ok_or(Refusal::Kind)?;
    let unknown = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Other(..)
                | SubpacketData::Experimental(..)
                // No notation is understood here.
                | SubpacketData::Notation(_)
        )
    };
    if config.hashed_subpackets().any(|subpacket| subpacket.is_critical && unknown(&subpacket.data))
    {
        return Err(Refusal::CriticalSubpacket);
    }
    config.created().map(|made| i64::from(made.as_secs())).ok_or(Refusal::NoCreationTime)
}

/// RSA of enough bits, EdDSA or ECDSA. apt has the same floor for RSA since 2.8 (its option
/// `APT::Key::Assert-Pubkey-Algo`).
fn check_strength(key: &impl KeyDetails) -> Result<(), Refusal> {
    let weak = |what: String| Err(Refusal::WeakKey(what));
    match key.public_params() {
        PublicParams::RSA(params) => {
            // The modulus comes first, led by its length in bits (RFC 9580, section 3.2).
            let bits = params.to_bytes().ok().and_then(|bytes| bytes.first_chunk().copied());
            match bits.map(u16::from_be_bytes) {
                Some(bits) if bits >= RSA_BITS_MIN => Ok(()),
                bits => weak(format!("RSA of {} bits", bits.unwrap_or_default())),
            }
        }
        PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::ECDSA(_) => Ok(()),
        _ => weak(format!("{:?}", key.algorithm())),
    }
}

/// Whether a key lived when it signed, and when it ends if it does. `binding` is the signature that
/// says for how long.
fn check_lifetime(
    key: &impl KeyDetails,
    binding: &Signature,
    signed: i64,
) -> Result<Option<i64>, Refusal> {
    let made = i64::from(key.created_at().as_secs());
    if signed < made {
        return Err(Refusal::KeyTooYoung { made, signed });
    }
    match binding.key_expiration_time().map(|after| i64::from(after.as_secs())) {
        None | Some(0) => Ok(None),
        Some(after) if made + after > signed => Ok(Some(made + after)),
        Some(after) => Err(Refusal::KeyExpired { expired: made + after, signed }),
    }
}

/// Whether the key of a signature that is good otherwise still lives, or is accepted without. What
/// comes in says when the key ends, what goes out when it has ended.
fn check_not_expired(
    mut good: GoodSignature,
    policy: &Policy<'_>,
) -> Result<GoodSignature, Refusal> {
    good.expired = good.expired.filter(|end| *end <= policy.now);
    match good.expired {
        Some(expired) if !policy.accept_expired.contains(&good.fingerprint) => {
            let (fingerprint, now) = (good.fingerprint, policy.now);
            Err(Refusal::KeyExpiredSince { fingerprint, expired, now })
        }
        _ => Ok(good),
    }
}

/// Whether the key itself was revoked, with whatever hash. One that a designated revoker may have
/// made can't be verified here, and counts.
fn is_revoked(key: &SignedPublicKey) -> bool {
    let primary = &key.primary_key;
    let own = |revocation: &Signature| revocation.verify_key(primary).is_ok();
    let mut direct = key.details.direct_signatures.iter();
    let delegated = direct.any(|signature| signature.revocation_key().is_some());
    key.details.revocation_signatures.iter().any(|revocation| delegated || own(revocation))
}

/// The latest valid self signature: direct, or of a user id that is not revoked (RFC 9580, section
/// 5.2.3.10).
fn self_signature(key: &SignedPublicKey) -> Option<&Signature> {
    let primary = &key.primary_key;
    let direct = key.details.direct_signatures.iter().filter(|signature| {
        signature.typ() == Some(SignatureType::Key) && signature.verify_key(primary).is_ok()
    });
    let users = key.details.users.iter().flat_map(|user| {
        let valid: Vec<_> = user
            .signatures
            .iter()
            .filter(|signature| is_issued_by(signature, primary))
            .filter(|signature| {
                signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            })
            .collect();
        let revoked = valid.iter().any(|signature| !signature.is_certification());
        if revoked { Vec::new() } else { valid }
    });
    latest(direct.chain(users))
}

/// The latest of the signatures that the policy accepts.
fn latest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    let dated =
        signatures.filter_map(|signature| Some((check_signature(signature).ok()?, signature)));
    dated.max_by_key(|(made, _)| *made).map(|(_, signature)| signature)
}

fn is_issued_by(signature: &Signature, key: &PublicKey) -> bool {
    signature.issuer_fingerprint().contains(&&key.fingerprint())
        || signature.issuer_key_id().contains(&&key.legacy_key_id())
}

/// The latest signature that binds a signing subkey: valid, for signing, and answered by the subkey
/// (RFC 9580, section 5.2.1.8: "Primary Key Binding Signature").
fn binding<'k>(
    primary: &PublicKey,
    subkey: &'k SignedPublicSubKey,
) -> Result<&'k Signature, Refusal> {
    let valid: Vec<_> = subkey
        .signatures
        .iter()
        .filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok())
        .collect();
    if valid.iter().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err(Refusal::Revoked);
    }
    let binding = latest(valid.into_iter()).ok_or(Refusal::NotBound)?;
    if !binding.key_flags().sign() {
        return Err(Refusal::NotForSigning);
    }
    let back = binding.embedded_signature().ok_or(Refusal::NotBound)?;
    check_signature(back)?;
    let answered = back.verify_primary_key_binding(&subkey.key, primary).is_ok();
    if answered { Ok(binding) } else { Err(Refusal::NotBound) }
}

fn has_key_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        let mut hashed = config.hashed_subpackets();
        hashed.any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
    })
}

#[cfg(test)]
mod tests;
