//! Keys and signatures of P-384 as the secure processor takes them: numbers in little-endian.
//!
//! Standard: SEV Secure Nested Paging Firmware ABI Specification, publication 56860, chapter 10.
//! Oracle: python's `cryptography`.

use std::fmt;

use cvmkit_formats::digest::Sha384;
use p384::ecdsa::signature::{Signer as _, Verifier as _};
use p384::ecdsa::{Signature, SigningKey, VerifyingKey};
use p384::pkcs8::DecodePublicKey as _;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::error::Error;

/// Bytes of a public key as its digest covers it (chapter 10, ECDSA P-384 public key).
pub const PUBLIC_KEY_LEN: usize = 1028;

/// Bytes of a signature (chapter 10, table 141).
pub const SIGNATURE_LEN: usize = 512;

/// Bytes of a signature as COSE and JOSE carry it.
pub const COSE_SIGNATURE_LEN: usize = 2 * FIELD_LEN;

/// CURVE of a P-384 key (chapter 10).
const CURVE_P384: u32 = 2;
/// Bytes of a number of P-384.
const FIELD_LEN: usize = 48;
/// What precedes an uncompressed point in a `SubjectPublicKeyInfo` (RFC 5480, sections 2.1.1 and 2.2):
/// `id-ecPublicKey`, `secp384r1`, and a bit string of 97 bytes.
const SPKI_P384: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
/// First byte of an uncompressed point (SEC 1, section 2.3.3).
const SEC1_UNCOMPRESSED: u8 = 4;

/// An ECDSA P-384 public key: coordinates in little-endian, extended to 72 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawKey {
    curve: U32,
    qx: [u8; 72],
    qy: [u8; 72],
    reserved: [u8; 0x370],
}
const _: () = assert!(size_of::<RawKey>() == PUBLIC_KEY_LEN);

/// An ECDSA signature: numbers in little-endian, extended to 72 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawSignature {
    r: [u8; 72],
    s: [u8; 72],
    reserved: [u8; 368],
}
const _: () = assert!(size_of::<RawSignature>() == SIGNATURE_LEN);

/// A public key of P-384.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey(SHA-384 {})", self.digest())
    }
}

impl PublicKey {
    /// The key of a point: the byte 4 and both coordinates, big-endian (SEC 1, section 2.3.3), as
    /// certificates carry it.
    ///
    /// # Errors
    /// [`Error::NoPoint`].
    pub fn from_sec1(point: &[u8]) -> Result<Self, Error> {
        Self::named("public key", point)
    }

    /// Reads a key in PEM: `PUBLIC KEY`, what `openssl pkey -pubout` writes (RFC 5480). `what` names the
    /// key in errors.
    ///
    /// # Errors
    /// [`Error::PublicKey`].
    pub fn from_pem(what: &'static str, pem: &str) -> Result<Self, Error> {
        let key = VerifyingKey::from_public_key_pem(&key_section(pem));
        key.map(Self).map_err(|error| Error::PublicKey { what, reason: error.to_string() })
    }

    fn named(what: &'static str, point: &[u8]) -> Result<Self, Error> {
        VerifyingKey::from_sec1_bytes(point).map(Self).map_err(|_| Error::NoPoint { what })
    }

    /// SHA-384 of [`PublicKey::encode`]: what a report says of the key. It is an [`IdKeyDigest`] or
    /// an [`AuthorKeyDigest`] by what the key signed.
    #[must_use]
    pub fn digest(&self) -> Sha384 {
        Sha384::of(&self.encode())
    }

    /// The key as the secure processor takes it.
    #[must_use]
    pub fn encode(&self) -> [u8; PUBLIC_KEY_LEN] {
        zerocopy::transmute!(self.raw())
    }

    /// Reads a key as the secure processor takes it.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Field`], [`Error::Reserved`] or [`Error::NoPoint`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::of(structure("public key", bytes)?, "public key")
    }

    /// Checks that `signature`, 512 bytes as the secure processor writes them, is of `signed`.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Reserved`] or [`Error::NoSignature`] for bytes that are none,
    /// and [`Error::Signature`] for one of another key or of other bytes.
    pub fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Error> {
        let signature = read_signature(structure("signature", signature)?, "signature")?;
        let wrong = |_| Error::Signature { what: "signature", key: "key", signed: "message" };
        self.0.verify(signed, &signature).map_err(wrong)
    }

    /// Checks that `signature`, as [`PrivateKey::sign_for_cose`] makes it, is of `signed`.
    ///
    /// # Errors
    /// [`Error::NoSignature`] for numbers that are none, and [`Error::Signature`] for one of another
    /// key or of other bytes.
    pub fn verify_for_cose(
        &self,
        signed: &[u8],
        signature: &[u8; COSE_SIGNATURE_LEN],
    ) -> Result<(), Error> {
        let none = |_| Error::NoSignature { what: "signature" };
        let signature = Signature::from_slice(signature).map_err(none)?;
        let wrong = |_| Error::Signature { what: "signature", key: "key", signed: "message" };
        self.0.verify(signed, &signature).map_err(wrong)
    }

    /// Whether `signature` is of `signed`.
    pub(super) fn accepts(&self, signed: &[u8], signature: &Signature) -> bool {
        self.0.verify(signed, signature).is_ok()
    }

    /// The key as `SubjectPublicKeyInfo` in DER, what `openssl pkey -pubout -outform DER` writes.
    #[must_use]
    pub fn subject_public_key_info(&self) -> Vec<u8> {
        [&SPKI_P384[..], self.0.to_sec1_point(false).as_bytes()].concat()
    }

    /// The key as it lies in memory.
    pub(super) fn raw(&self) -> RawKey {
        let point = self.0.to_sec1_point(false);
        let mut raw = RawKey::new_zeroed();
        raw.curve = U32::new(CURVE_P384);
        // An uncompressed point has both coordinates: the curve's neutral element is no key.
        raw.qx = little_endian(point.x().map(|x| x.as_slice()).unwrap_or_default());
        raw.qy = little_endian(point.y().map(|y| y.as_slice()).unwrap_or_default());
        raw
    }

    /// Reads a key as it lies in memory; `what` names it in errors.
    pub(super) fn of(raw: &RawKey, what: &'static str) -> Result<Self, Error> {
        field(what, "CURVE", raw.curve, CURVE_P384)?;
        reserved(what, "what follows QY", &raw.reserved)?;
        let no_point = || Error::NoPoint { what };
        let qx = big_endian(&raw.qx).ok_or_else(no_point)?;
        let qy = big_endian(&raw.qy).ok_or_else(no_point)?;
        Self::named(what, &[&[SEC1_UNCOMPRESSED][..], &qx, &qy].concat())
    }
}

/// A private key of P-384. Prints nothing of itself.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public_key())
    }
}

impl PrivateKey {
    /// Reads an unencrypted key in PEM: `EC PRIVATE KEY` (RFC 5915) or `PRIVATE KEY` (RFC 5958).
    /// `what` names the key in errors.
    ///
    /// # Errors
    /// [`Error::PrivateKey`].
    pub fn from_pem(what: &'static str, pem: &str) -> Result<Self, Error> {
        let unusable = |error: p384::elliptic_curve::DecodeError| Error::PrivateKey {
            what,
            reason: error.to_string(),
        };
        let key = p384::SecretKey::from_pem(&key_section(pem)).map_err(unusable)?;
        Ok(Self(SigningKey::from(key)))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// A signature of `bytes` as COSE and JOSE carry it: R and S, big-endian (RFC 9053, section
    /// 2.1).
    #[must_use]
    pub fn sign_for_cose(&self, bytes: &[u8]) -> [u8; COSE_SIGNATURE_LEN] {
        let mut both = [0; COSE_SIGNATURE_LEN];
        both.copy_from_slice(&self.sign(bytes).to_bytes());
        both
    }

    /// A deterministic signature of `bytes` (RFC 6979).
    pub(super) fn sign(&self, bytes: &[u8]) -> Signature {
        self.0.sign(bytes)
    }
}

/// The part of a PEM text with the key: openssl writes `EC PARAMETERS` before it.
fn key_section(pem: &str) -> String {
    let lines = pem.lines().map(str::trim_end);
    let from_key =
        lines.skip_while(|line| !(line.starts_with("-----BEGIN ") && line.ends_with("KEY-----")));
    let mut section = String::new();
    for line in from_key {
        section.push_str(line);
        section.push('\n');
        if line.starts_with("-----END ") {
            break;
        }
    }
    section
}

/// `bytes` as the structure `T`, of which they have the length.
pub(super) fn structure<'a, T>(what: &'static str, bytes: &'a [u8]) -> Result<&'a T, Error>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let (expected, found) = (size_of::<T>(), bytes.len());
    T::ref_from_bytes(bytes).map_err(|_| Error::Length { what, expected, found })
}

/// Insists that a field has the only value that it may have.
pub(super) fn field(
    structure: &'static str,
    what: &'static str,
    found: U32,
    expected: u32,
) -> Result<(), Error> {
    match found.get() {
        found if found == expected => Ok(()),
        found => Err(Error::Field { structure, what, expected, found }),
    }
}

/// Insists that bytes are zero.
pub(super) fn reserved(
    structure: &'static str,
    what: &'static str,
    bytes: &[u8],
) -> Result<(), Error> {
    match bytes.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(Error::Reserved { structure, what }),
    }
}

/// A signature as the secure processor takes it.
pub(super) fn raw_signature(signature: &Signature) -> RawSignature {
    let (r, s) = signature.split_bytes();
    RawSignature { r: little_endian(&r), s: little_endian(&s), reserved: [0; 368] }
}

/// Reads a signature as the secure processor writes it.
pub(super) fn read_signature(raw: &RawSignature, what: &'static str) -> Result<Signature, Error> {
    reserved(what, "what follows S", &raw.reserved)?;
    let numbers = big_endian(&raw.r).zip(big_endian(&raw.s));
    let signature = numbers.and_then(|(r, s)| Signature::from_scalars(r, s).ok());
    signature.ok_or(Error::NoSignature { what })
}

/// A big-endian number of P-384 as the secure processor takes it.
fn little_endian(number: &[u8]) -> [u8; 72] {
    let mut bytes = [0; 72];
    for (to, from) in bytes.iter_mut().zip(number.iter().rev()) {
        *to = *from;
    }
    bytes
}

/// The other way; none for a number too large for P-384.
fn big_endian(bytes: &[u8; 72]) -> Option<[u8; FIELD_LEN]> {
    let (number, above) = bytes.split_first_chunk::<FIELD_LEN>()?;
    let mut number = *number;
    number.reverse();
    above.iter().all(|byte| *byte == 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../../../tests/fixtures/id_key_test.pem");

    fn private() -> PrivateKey {
        PrivateKey::from_pem("ID key", PEM).unwrap()
    }

    #[test]
    fn a_key_lies_in_memory_as_chapter_10_says() {
        let key = private().public_key();
        let bytes = key.encode();
        // SEC 1, section 2.3.3: 4, X and Y, big-endian.
        let info = key.subject_public_key_info();
        let point = &info[SPKI_P384.len()..];
        assert_eq!((info.len(), point[0]), (120, 4));
        let reversed = |number: &[u8]| number.iter().rev().copied().collect::<Vec<_>>();
        assert_eq!(bytes[..4], [2, 0, 0, 0]);
        assert_eq!(bytes[4..52], reversed(&point[1..49]));
        assert_eq!(bytes[76..124], reversed(&point[49..]));
        assert!(bytes[52..76].iter().chain(&bytes[124..]).all(|&byte| byte == 0));
        assert_eq!(PublicKey::decode(&bytes), Ok(key));
        assert_eq!(PublicKey::from_sec1(point), Ok(key));
        assert_eq!(key.digest(), Sha384::of(&bytes));
        assert!(format!("{:?}", private()).starts_with("PrivateKey(of PublicKey(SHA-384 "));
    }

    #[test]
    fn bytes_that_are_not_a_key_are_told_by_field() {
        let whole = private().public_key().encode();
        let no_point =
            "the public key is not a public key: its coordinates are not a point of P-384";
        for (at, value, expected) in [
            (0, 3, "CURVE of the public key is 0x3, expected 0x2"),
            (52, 1, no_point),
            (75, 1, no_point),
            (124, 1, no_point),
            (4, whole[4] ^ 1, no_point),
            (76, whole[76] ^ 1, no_point),
            (148, 1, "what follows QY of the public key is not zero, expected reserved bytes"),
            (1027, 1, "what follows QY of the public key is not zero, expected reserved bytes"),
        ] {
            let mut bytes = whole;
            bytes[at] = value;
            assert_eq!(PublicKey::decode(&bytes).unwrap_err().to_string(), expected, "byte {at}");
        }
        for len in [0, 1027] {
            assert_eq!(
                PublicKey::decode(&whole[..len]).unwrap_err().to_string(),
                format!("the public key has {len} bytes, expected 1028")
            );
        }
        assert_eq!(PublicKey::from_sec1(&[]), Err(Error::NoPoint { what: "public key" }));
    }

    /// Chapter 10, table 141: R and S in 72 bytes each, then zeros.
    #[test]
    fn signatures_are_two_numbers_below_the_order() {
        let (private, message) = (private(), b"what is signed");
        let key = private.public_key();
        let signature = raw_signature(&private.sign(message));
        let whole = signature.as_bytes().to_vec();
        assert_eq!(key.verify(message, &whole), Ok(()));
        let changed = |range: std::ops::Range<usize>, value: u8| {
            let mut bytes = whole.clone();
            bytes[range].fill(value);
            key.verify(message, &bytes).unwrap_err().to_string()
        };
        let range = "the signature is not a signature: R and S must be at least 1 and below the order of P-384";
        for bytes in [0..48, 72..120] {
            assert_eq!(changed(bytes.clone(), 0), range);
            assert_eq!(changed(bytes, 0xff), range);
        }
        assert_eq!(changed(48..49, 1), range);
        assert_eq!(changed(143..144, 1), range);
        let reserved = "what follows S of the signature is not zero, expected reserved bytes";
        assert_eq!(changed(144..145, 1), reserved);
        assert_eq!(changed(511..512, 1), reserved);
        let other = key.verify(b"what was signed", &whole).unwrap_err().to_string();
        assert_eq!(other, "the signature does not verify: the key did not sign this message");
        assert!(key.verify(message, &whole[..511]).is_err());
    }

    #[test]
    fn signatures_for_cose_are_big_endian() {
        let (private, message) = (private(), b"what is signed");
        let key = private.public_key();
        let signature = private.sign_for_cose(message);
        assert_eq!(key.verify_for_cose(message, &signature), Ok(()));
        let raw = raw_signature(&private.sign(message));
        let reversed = |number: &[u8]| number[..48].iter().rev().copied().collect::<Vec<_>>();
        assert_eq!(signature[..], [reversed(&raw.r), reversed(&raw.s)].concat());
        let none = key.verify_for_cose(message, &[0; COSE_SIGNATURE_LEN]);
        assert_eq!(none, Err(Error::NoSignature { what: "signature" }));
        assert!(matches!(key.verify_for_cose(b"other", &signature), Err(Error::Signature { .. })));
    }

    /// `openssl ecparam -genkey` writes `EC PARAMETERS` before the key.
    #[test]
    fn the_key_is_found_in_its_text() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\n";
        let parameters = "-----BEGIN EC PARAMETERS-----\nBgU=\n-----END EC PARAMETERS-----\n";
        for text in [key.to_owned(), format!("{parameters}{key}"), format!("{key}{parameters}")] {
            assert_eq!(key_section(&text), key);
            assert_eq!(key_section(&text.replace('\n', "\r\n")), key);
        }
        assert_eq!(key_section(parameters), "");
        let error = PrivateKey::from_pem("author key", parameters).unwrap_err().to_string();
        assert!(
            error.starts_with("the author key can't be used, expected an unencrypted P-384"),
            "{error}"
        );
        let error = PublicKey::from_pem("ID key", PEM).unwrap_err().to_string();
        assert!(
            error.starts_with("the ID key can't be used, expected a P-384 public key"),
            "{error}"
        );
    }
}
