//! Signed PCR policies: section `.pcrsig`, by which a TPM opens a secret to every image whose
//! builder holds a key.
//!
//! For each phase and bank the file has the digest of a policy that asks for one value of PCR 11,
//! and a signature over that digest. Keys stay with the caller, who signs. Deliberately absent:
//! reading the file, and other registers than PCR 11.
//!
//! Standard: TPM 2.0 Library 1.59, part 3, section 23.7 (TPM2_PolicyPCR); systemd-measure(1).
//! Oracle: `systemd-measure sign`, which asks a TPM.

use cvmkit_formats::digest::{Sha256, Sha384};
use serde::Serialize;

use super::{PCR_UKI, Uki, phase_event};
use crate::digest::role;
use crate::event::{Bank, Events, PcrIndex};

role! {
    /// The digest of a policy in a session that hashes with SHA-256.
    PolicyDigest(Sha256)
}

/// `TPM_CC_PolicyPCR` (TPM 2.0 Library 1.59, part 2, section 6.5.2).
const POLICY_PCR: u32 = 0x0000_017f;

/// `TPM_ALG_SHA256` and `TPM_ALG_SHA384` (the same, section 6.3).
const ALGORITHM_SHA256: u16 = 0x000b;
const ALGORITHM_SHA384: u16 = 0x000c;

/// The policy that one register of a bank has a value.
fn policy_pcr(algorithm: u16, pcr: PcrIndex, value: &[u8]) -> PolicyDigest {
    let mut select = [0; 3];
    if let Some(byte) = select.get_mut(usize::from(pcr.number() / 8)) {
        *byte = 1 << (pcr.number() % 8);
    }
    let selected = Sha256::of(value);
    let mut bytes = Sha256::ZERO.0.to_vec();
    bytes.extend(POLICY_PCR.to_be_bytes());
    // TPML_PCR_SELECTION of one TPMS_PCR_SELECTION (part 2, sections 10.9.7 and 10.6.2).
    bytes.extend(1u32.to_be_bytes());
    bytes.extend(algorithm.to_be_bytes());
    bytes.push(3);
    bytes.extend(select);
    bytes.extend(selected.0);
    PolicyDigest(Sha256::of(&bytes))
}

/// The policy that PCR 11 of the SHA-256 bank has a value.
#[must_use]
pub fn policy_sha256(value: Sha256) -> PolicyDigest {
    policy_pcr(ALGORITHM_SHA256, PCR_UKI, &value.0)
}

/// The policy that PCR 11 of the SHA-384 bank has a value.
#[must_use]
pub fn policy_sha384(value: Sha384) -> PolicyDigest {
    policy_pcr(ALGORITHM_SHA384, PCR_UKI, &value.0)
}

/// A policy for one phase and bank, with a signature over its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignedPolicy {
    /// The registers: 11 alone.
    pub pcrs: [u8; 1],
    /// SHA-256 of the public key: of the DER `RSAPublicKey` (PKCS #1) for RSA.
    #[serde(rename = "pkfp")]
    pub key_fingerprint: Sha256,
    /// The digest that is signed.
    #[serde(rename = "pol")]
    pub policy: PolicyDigest,
    /// The signature in base64.
    #[serde(rename = "sig")]
    pub signature: String,
}

/// The file, which serializes as systemd reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SignedPolicies {
    /// For the SHA-256 bank.
    pub sha256: Vec<SignedPolicy>,
    /// For the SHA-384 bank.
    pub sha384: Vec<SignedPolicy>,
}

/// Signs policies for an image at these moments, each a list of the phases until then, such as
/// `["enter-initrd"]`. `sign` gets the 32 bytes of a policy digest and gives an RSA signature
/// (PKCS #1 1.5) over their hash: by the bank's function, as systemd-measure does.
///
/// # Errors
/// What `sign` says.
pub fn sign<E>(
    uki: &Uki,
    moments: &[&[&str]],
    key_fingerprint: Sha256,
    mut sign: impl FnMut(Bank, &[u8]) -> Result<Vec<u8>, E>,
) -> Result<SignedPolicies, E> {
    let mut signed = |bank, policy: PolicyDigest| {
        let signature = base64(&sign(bank, &policy.0.0)?);
        Ok(SignedPolicy { pcrs: [PCR_UKI.number()], key_fingerprint, policy, signature })
    };
    let mut policies = SignedPolicies::default();
    for phases in moments {
        let mut events = Events(uki.section_events());
        events.extend(phases.iter().map(|phase| phase_event(phase)));
        if let Some(value) = events.pcrs_sha256().get(&PCR_UKI) {
            policies.sha256.push(signed(Bank::Sha256, policy_sha256(value.0))?);
        }
        if let Some(value) = events.pcrs_sha384().get(&PCR_UKI) {
            policies.sha384.push(signed(Bank::Sha384, policy_sha384(value.0))?);
        }
    }
    Ok(policies)
}

/// RFC 4648, section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).ok();
            let known = index.filter(|_| digit <= group.len()).and_then(|at| DIGITS.get(at));
            text.push(known.map_or('=', |&digit| char::from(digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    /// Values of `tests/folds.py`, from TPM 2.0 Library 1.59, part 3, section 23.7: PCR 11 is bit 3 of
    /// the second byte of a selection.
    #[test]
    fn policies_are_those_of_the_standard() {
        assert_eq!(
            policy_sha256(Sha256::of(b"a")).to_string(),
            "be117cefd97bbd4fc5b6c0c9ea810afc796562f0c300eb428b89388f69eb269b"
        );
        assert_eq!(
            policy_sha384(Sha384::of(b"a")).to_string(),
            "59f64740c6750b428a8d9a5e7876423ab3659bc86872d40a04991d852ee9bdac"
        );
    }
}
