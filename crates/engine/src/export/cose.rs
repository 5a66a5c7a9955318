//! `COSE_Sign1` around a CoRIM.
//!
//! Standards: RFC 9052, section 4.2 (COSE_Sign1) and 4.4 (what is signed); RFC 9053, section 2.1
//! (ECDSA); draft-ietf-rats-corim-10, section 4.2 (signed CoRIM: content type and `corim-meta`).

use ciborium::Value;

use super::cbor::{bytes, embedded, encode, list, map, tag};
use super::{ExportError, Signer, Validity, corim};
use crate::digest::Sha256;

/// The tag of a `COSE_Sign1` (RFC 9052, section 2).
const TAG_SIGN1: u64 = 18;
/// Header parameters `alg`, `content type` and `kid` (RFC 9052, section 3.1).
const ALG: u64 = 1;
const CONTENT_TYPE: u64 = 3;
const KID: u64 = 4;
/// Header parameter `corim-meta` (draft-ietf-rats-corim-10, sections 4.2.1 and 4.2.3).
const CORIM_META: u64 = 8;
/// ECDSA with SHA-384 (RFC 9053, section 2.1); the curve is that of the key.
const ES384: i64 = -35;

/// A signed CoRIM: `payload` is the unsigned one with its tag.
pub(super) fn sign1(
    payload: &[u8],
    signer: &Signer,
    validity: Option<Validity>,
) -> Result<Vec<u8>, ExportError> {
    let protected = encode(&protected(signer, validity)?)?;
    // Sig_structure; there is no external data.
    let signed = list(["Signature1".into(), bytes(&protected), bytes(&[]), bytes(payload)]);
    let signature = signer.key.sign_for_cose(&encode(&signed)?);
    let unprotected = Value::Map(Vec::new());
    let message = list([bytes(&protected), unprotected, bytes(payload), bytes(&signature)]);
    encode(&tag(TAG_SIGN1, message))
}

/// The header that is signed.
fn protected(signer: &Signer, validity: Option<Validity>) -> Result<Value, ExportError> {
    let key_id = Sha256::of(&signer.key.public_key().subject_public_key_info());
    let name = signer.name.clone().unwrap_or_else(|| format!("sha256:{key_id}"));
    // corim-meta-map with its signer (0: signer-name) and the validity of the signature.
    let signer = map([(0, Some(name.into()))]);
    let meta = map([(0, Some(signer)), (1, validity.map(corim::validity))]);
    Ok(map([
        (ALG, Some(ES384.into())),
        (CONTENT_TYPE, Some(corim::MEDIA_TYPE.into())),
        (KID, Some(bytes(&key_id.0))),
        (CORIM_META, Some(embedded(&meta)?)),
    ]))
}
