//! `COSE_Sign1` around a CoRIM.
//!
//! Standards: RFC 9052, section 4.2 (COSE_Sign1) and 4.4 (what is signed); RFC 9053, section 2.1
//! (ECDSA); draft-ietf-rats-corim-10, section 4.2 (signed CoRIM: content type and `corim-meta`).

use ciborium::Value;
use cvmkit_formats::digest::Sha256;
use cvmkit_measure::snp::id_block::{COSE_SIGNATURE_LEN, PublicKey};
use thiserror::Error;

use super::super::cbor::{CborError, Reader, bytes, embedded, encode, list, map, tag};
use super::super::error::ExportError;
use super::super::request::{Signer, Validity};
use super::spec::MEDIA_TYPE;
use super::validity;

/// The tag of a `COSE_Sign1` (RFC 9052, section 2).
const TAG_SIGN1: u64 = 18;
/// Header parameters `alg`, `content type` and `kid` (RFC 9052, section 3.1).
const ALG: u64 = 1;
const CONTENT_TYPE: u64 = 3;
const KID: u64 = 4;
/// Header parameter `corim-meta` (draft-ietf-rats-corim-10, sections 4.2.1 and 4.2.3).
const CORIM_META: u64 = 8;
/// `corim-meta-map`: its signer, whose name is 0, and the validity of the signature.
const META_SIGNER: u64 = 0;
const SIGNER_NAME: u64 = 0;
const META_VALIDITY: u64 = 1;
/// ECDSA with SHA-384 (RFC 9053, section 2.1); the curve is that of the key.
const ES384: i64 = -35;

/// A signed message: `COSE_Sign1` of RFC 9052, section 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign1 {
    /// What is said of the signature, and signed with the payload.
    pub header: Header,
    /// The unsigned CoRIM.
    payload: Vec<u8>,
    signature: [u8; COSE_SIGNATURE_LEN],
}

/// The header that is signed with the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name of the signer, in the signer's own words.
    pub signer: String,
    /// SHA-256 of the public key's `SubjectPublicKeyInfo`.
    pub key: Sha256,
    /// From when to when the signature is to be used; without limit if there is none.
    pub validity: Option<Validity>,
}

/// Why a signature is not that of a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{found}, expected a signature by the key whose SHA-256 is {expected}")]
pub struct SignatureError {
    /// SHA-256 of the `SubjectPublicKeyInfo` of the key that should have signed.
    pub expected: Sha256,
    /// What there is instead, in words.
    pub found: String,
}

/// A signed CoRIM: `payload` is the unsigned one with its tag.
pub(super) fn sign1(
    payload: Vec<u8>,
    signer: &Signer,
    validity: Option<Validity>,
) -> Result<Sign1, ExportError> {
    let key = key_id(&signer.key.public_key());
    let name = signer.name.clone().unwrap_or_else(|| format!("sha256:{key}"));
    let header = Header { signer: name, key, validity };
    let signature = signer.key.sign_for_cose(&signed(&header, &payload)?);
    Ok(Sign1 { header, payload, signature })
}

/// What names a key.
fn key_id(key: &PublicKey) -> Sha256 {
    Sha256::of(&key.subject_public_key_info())
}

/// `Sig_structure`; there is no external data.
fn signed(header: &Header, payload: &[u8]) -> Result<Vec<u8>, ExportError> {
    let header = encode(&header.value()?)?;
    encode(&list(["Signature1".into(), bytes(&header), bytes(&[]), bytes(payload)]))
}

impl Sign1 {
    /// The bytes of the message.
    pub(super) fn write(&self) -> Result<Vec<u8>, ExportError> {
        let unprotected = Value::Map(Vec::new());
        let protected = embedded(&self.header.value()?)?;
        let message = list([protected, unprotected, bytes(&self.payload), bytes(&self.signature)]);
        encode(&tag(TAG_SIGN1, message))
    }

    /// Whether `key` made the signature.
    ///
    /// # Errors
    /// The header names a key that differs, or the signature does not verify.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        let expected = key_id(key);
        let wrong = |found: String| SignatureError { expected, found };
        if self.header.key != expected {
            return Err(wrong(format!("the signature names the key {}", self.header.key)));
        }
        let does_not = || wrong("the signature does not verify".to_owned());
        // Plain data is always written.
        let signed = signed(&self.header, &self.payload).map_err(|_| does_not())?;
        key.verify_for_cose(&signed, &self.signature).map_err(|_| does_not())
    }
}

impl Header {
    fn value(&self) -> Result<Value, ExportError> {
        let signer = map([(SIGNER_NAME, Some(self.signer.as_str().into()))]);
        let validity = self.validity.map(validity::value);
        let meta = map([(META_SIGNER, Some(signer)), (META_VALIDITY, validity)]);
        Ok(map([
            (ALG, Some(ES384.into())),
            (CONTENT_TYPE, Some(MEDIA_TYPE.into())),
            (KID, Some(bytes(&self.key.0))),
            (CORIM_META, Some(embedded(&meta)?)),
        ]))
    }
}

/// Reads a message to its end; its payload comes as what reads it, too.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<(Sign1, Reader<'a>), CborError> {
    reader.tag(TAG_SIGN1, "a COSE_Sign1")?;
    reader.array(4, "a COSE_Sign1")?;
    let header = header(reader.embedded("the protected header")?)?;
    reader.map("the unprotected header", |key, _| Err(key.unknown("no unprotected header")))?;
    let inner = reader.embedded("the payload")?;
    let at = reader.at();
    let signature = reader.bytes("the signature")?;
    let wrong = || {
        let expected = format!("a signature of {COSE_SIGNATURE_LEN} bytes");
        CborError::new(at, expected, format!("{} bytes", signature.len()))
    };
    let signature = signature.try_into().map_err(|_| wrong())?;
    reader.end()?;
    Ok((Sign1 { header, payload: inner.rest().to_vec(), signature }, inner))
}

fn header(mut reader: Reader<'_>) -> Result<Header, CborError> {
    let (mut algorithm, mut content_type, mut kid, mut meta) = (None, None, None, None);
    reader.map("the protected header", |key, value| {
        match key.number() {
            Some(ALG) => algorithm = Some(expect(value, ES384, Reader::integer, "ES384 (-35)")?),
            Some(CONTENT_TYPE) => {
                let expected = MEDIA_TYPE;
                content_type = Some(expect(value, expected, Reader::text, expected)?);
            }
            Some(KID) => kid = Some(key_name(value)?),
            Some(CORIM_META) => meta = Some(corim_meta(value.embedded("corim-meta")?)?),
            _ => return Err(key.unknown("a key of the protected header: 1, 3, 4 or 8")),
        }
        Ok(())
    })?;
    reader.needed(algorithm, "the algorithm (key 1)")?;
    reader.needed(content_type, "the content type (key 3)")?;
    let key = reader.needed(kid, "the key id (key 4)")?;
    let (signer, validity) = reader.needed(meta, "corim-meta (key 8)")?;
    reader.end()?;
    Ok(Header { signer, key, validity })
}

/// A value that can be only one.
fn expect<'a, T: PartialEq + std::fmt::Debug>(
    reader: &mut Reader<'a>,
    expected: T,
    read: impl Fn(&mut Reader<'a>, &'static str) -> Result<T, CborError>,
    words: &'static str,
) -> Result<(), CborError> {
    let at = reader.at();
    let found = read(reader, words)?;
    if found == expected { Ok(()) } else { Err(CborError::new(at, words, format!("{found:?}"))) }
}

fn key_name(reader: &mut Reader<'_>) -> Result<Sha256, CborError> {
    let at = reader.at();
    let id = reader.bytes("a key id")?;
    let wrong = || CborError::new(at, "a key id of 32 bytes", format!("{} bytes", id.len()));
    Ok(Sha256(id.try_into().map_err(|_| wrong())?))
}

fn corim_meta(mut reader: Reader<'_>) -> Result<(String, Option<Validity>), CborError> {
    let (mut signer, mut validity) = (None, None);
    reader.map("corim-meta-map", |key, value| {
        match key.number() {
            Some(META_SIGNER) => {
                signer = Some(value.only("the signer", SIGNER_NAME, |it| {
                    Ok(it.text("the signer's name")?.to_owned())
                })?);
            }
            Some(META_VALIDITY) => validity = Some(validity::read(value)?),
            _ => return Err(key.unknown("a key of corim-meta-map: 0 or 1")),
        }
        Ok(())
    })?;
    let signer = reader.needed(signer, "the signer (key 0) of corim-meta-map")?;
    reader.end()?;
    Ok((signer, validity))
}
