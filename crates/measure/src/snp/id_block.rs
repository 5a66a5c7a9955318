//! The identity a guest owner signs: ID block and ID authentication information.
//!
//! The secure processor starts a guest with an [`IdBlock`] only if it measured the block's launch
//! digest, was given the block's policy, and the block carries a signature by the ID key; a report
//! then names that key by its digest. An author key may vouch for the ID key, so that ID keys can
//! change and the author stays. [`sign`] makes what `-object sev-snp-guest,id-block=,id-auth=`
//! takes; [`IdAuthentication::verify`] is the secure processor's check. Signatures are
//! deterministic (RFC 6979), so that the same inputs give the same bytes.
//!
//! A block that would protect nothing can't be made or read: a policy that allows debugging, or a
//! launch digest of zeros. Deliberately absent: key generation, hardware tokens. Oracles:
//! snp-create-id-block of sev-snp-measure, python's `cryptography`.
//!
//! Standard: SEV Secure Nested Paging Firmware ABI Specification, publication 56860, section 8.18
//! (SNP_LAUNCH_FINISH) and chapter 10 (keys and signatures).

use std::fmt;

use cvmkit_formats::digest::Sha384;
use p384::ecdsa::signature::{Signer as _, Verifier as _};
use p384::ecdsa::{Signature, SigningKey, VerifyingKey};
use p384::pkcs8::DecodePublicKey as _;
use thiserror::Error;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::LaunchDigest;
use super::policy::{AuthorKeyDigest, FamilyId, GuestPolicy, IdKeyDigest, ImageId, PolicyError};

/// Bytes of an ID block.
pub const ID_BLOCK_LEN: usize = 96;

/// Bytes of the ID authentication information.
pub const ID_AUTH_LEN: usize = 4096;

/// Bytes of a public key as its digest covers it (chapter 10, ECDSA P-384 public key).
pub const PUBLIC_KEY_LEN: usize = 1028;

/// Bytes of a signature (chapter 10, table 141).
pub const SIGNATURE_LEN: usize = 512;

/// Bytes of a signature as COSE and JOSE carry it.
pub const COSE_SIGNATURE_LEN: usize = 2 * FIELD_LEN;

/// VERSION of an ID block.
const VERSION: u32 = 1;
/// ECDSA P-384 with SHA-384 (chapter 10, table 139).
const ECDSA_P384_SHA384: u32 = 1;
/// No algorithm: there is no key.
const NO_ALGORITHM: u32 = 0;
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

/// Why there is no identity.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Too few or too many bytes.
    #[error("the {what} has {found} bytes, expected {expected}")]
    Length {
        /// The structure, in words.
        what: &'static str,
        /// Bytes that the structure has.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A field that has one value, with another.
    #[error("{what} of the {structure} is {found:#x}, expected {expected:#x}")]
    Field {
        /// The structure, in words.
        structure: &'static str,
        /// The field by its name in the specification.
        what: &'static str,
        /// The only value that the field may have.
        expected: u32,
        /// The value that was given.
        found: u32,
    },
    /// Bytes that must be zero.
    #[error("{what} of the {structure} is not zero, expected reserved bytes")]
    Reserved {
        /// The structure, in words.
        structure: &'static str,
        /// The bytes by their place in the structure.
        what: &'static str,
    },
    /// A policy that the secure processor or a guest owner refuses.
    #[error("the ID block can't bind this policy")]
    Policy(#[from] PolicyError),
    /// A block for no guest.
    #[error("the launch digest of the ID block is all zero, expected that of a guest")]
    ZeroLaunchDigest,
    /// Coordinates that are not a point of P-384.
    #[error("the {what} is not a public key: its coordinates are not a point of P-384")]
    NoPoint {
        /// The key, in words: ID key or author key.
        what: &'static str,
    },
    /// Numbers outside the range of a signature.
    #[error(
        "the {what} is not a signature: R and S must be at least 1 and below the order of P-384"
    )]
    NoSignature {
        /// The signature, in words.
        what: &'static str,
    },
    /// Text that is not a private key of P-384.
    #[error(
        "the {what} can't be used, expected an unencrypted P-384 private key in PEM (SEC 1 or \
         PKCS #8): {reason}"
    )]
    PrivateKey {
        /// The key, in words: ID key or author key.
        what: &'static str,
        /// What the decoder of the key said.
        reason: String,
    },
    /// Text that is not a public key of P-384.
    #[error("the {what} can't be used, expected a P-384 public key in PEM: {reason}")]
    PublicKey {
        /// The key, in words: ID key or author key.
        what: &'static str,
        /// What the decoder of the key said.
        reason: String,
    },
    /// A signature by another key, or of something else.
    #[error("the {what} does not verify: the {key} did not sign this {signed}")]
    Signature {
        /// The signature, in words.
        what: &'static str,
        /// The key that should have signed.
        key: &'static str,
        /// What the signature should cover.
        signed: &'static str,
    },
}

/// ID_BLOCK as it lies in memory.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBlock {
    launch_digest: [u8; 48],
    family_id: [u8; 16],
    image_id: [u8; 16],
    version: U32,
    guest_svn: U32,
    policy: U64,
}
const _: () = assert!(size_of::<RawBlock>() == ID_BLOCK_LEN);

/// An ECDSA P-384 public key: coordinates in little-endian, extended to 72 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawKey {
    curve: U32,
    qx: [u8; 72],
    qy: [u8; 72],
    reserved: [u8; 0x370],
}
const _: () = assert!(size_of::<RawKey>() == PUBLIC_KEY_LEN);

/// An ECDSA signature: numbers in little-endian, extended to 72 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSignature {
    r: [u8; 72],
    s: [u8; 72],
    reserved: [u8; 368],
}
const _: () = assert!(size_of::<RawSignature>() == SIGNATURE_LEN);

/// ID_AUTH_INFO as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawAuth {
    id_key_algo: U32,
    auth_key_algo: U32,
    reserved_8: [u8; 56],
    id_block_sig: RawSignature,
    id_key: RawKey,
    reserved_644: [u8; 60],
    id_key_sig: RawSignature,
    author_key: RawKey,
    reserved_c84: [u8; 892],
}
const _: () = assert!(size_of::<RawAuth>() == ID_AUTH_LEN);

/// What the guest owner says about a guest, 96 bytes when encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdBlock {
    launch_digest: LaunchDigest,
    family_id: FamilyId,
    image_id: ImageId,
    guest_svn: u32,
    policy: GuestPolicy,
}

impl IdBlock {
    /// A block of no family, no image and security version 0; [`IdBlock::named`] says otherwise.
    ///
    /// # Errors
    /// [`Error::Policy`] or [`Error::ZeroLaunchDigest`].
    pub fn new(launch_digest: LaunchDigest, policy: GuestPolicy) -> Result<Self, Error> {
        if launch_digest == LaunchDigest(Sha384::ZERO) {
            return Err(Error::ZeroLaunchDigest);
        }
        let (family_id, image_id) = (FamilyId::default(), ImageId::default());
        Ok(Self { launch_digest, family_id, image_id, guest_svn: 0, policy: policy.check()? })
    }

    /// The same block with the names that a report repeats.
    #[must_use]
    pub fn named(self, family_id: FamilyId, image_id: ImageId, guest_svn: u32) -> Self {
        Self { family_id, image_id, guest_svn, ..self }
    }

    /// LD: the only measurement the guest starts with.
    #[must_use]
    pub fn launch_digest(&self) -> LaunchDigest {
        self.launch_digest
    }

    /// FAMILY_ID, which a report repeats.
    #[must_use]
    pub fn family_id(&self) -> FamilyId {
        self.family_id
    }

    /// IMAGE_ID, which a report repeats.
    #[must_use]
    pub fn image_id(&self) -> ImageId {
        self.image_id
    }

    /// GUEST_SVN, the security version of the image.
    #[must_use]
    pub fn guest_svn(&self) -> u32 {
        self.guest_svn
    }

    /// POLICY: the only policy the guest starts with.
    #[must_use]
    pub fn policy(&self) -> GuestPolicy {
        self.policy
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> [u8; ID_BLOCK_LEN] {
        let raw = RawBlock {
            launch_digest: self.launch_digest.0.0,
            family_id: self.family_id.0,
            image_id: self.image_id.0,
            version: U32::new(VERSION),
            guest_svn: U32::new(self.guest_svn),
            policy: U64::new(self.policy.0),
        };
        zerocopy::transmute!(raw)
    }

    /// Reads an ID block.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Field`], [`Error::Policy`] or [`Error::ZeroLaunchDigest`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let raw: &RawBlock = structure("ID block", bytes)?;
        field("ID block", "VERSION", raw.version, VERSION)?;
        let launch_digest = LaunchDigest(Sha384(raw.launch_digest));
        let block = Self::new(launch_digest, GuestPolicy(raw.policy.get()))?;
        let (family_id, image_id) = (FamilyId(raw.family_id), ImageId(raw.image_id));
        Ok(block.named(family_id, image_id, raw.guest_svn.get()))
    }
}

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

    /// The key as `SubjectPublicKeyInfo` in DER, what `openssl pkey -pubout -outform DER` writes.
    #[must_use]
    pub fn subject_public_key_info(&self) -> Vec<u8> {
        [&SPKI_P384[..], self.0.to_sec1_point(false).as_bytes()].concat()
    }

    fn raw(&self) -> RawKey {
        let point = self.0.to_sec1_point(false);
        let mut raw = RawKey::new_zeroed();
        raw.curve = U32::new(CURVE_P384);
        // An uncompressed point has both coordinates: the curve's neutral element is no key.
        raw.qx = little_endian(point.x().map(|x| x.as_slice()).unwrap_or_default());
        raw.qy = little_endian(point.y().map(|y| y.as_slice()).unwrap_or_default());
        raw
    }

    fn of(raw: &RawKey, what: &'static str) -> Result<Self, Error> {
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

    fn sign(&self, bytes: &[u8]) -> Signature {
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

/// Who vouches for the ID key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    key: PublicKey,
    signature: Signature,
}

impl Author {
    /// The author key, whose digest a report names.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// AUTHOR_KEY_DIGEST of the guest's reports.
    #[must_use]
    pub fn digest(&self) -> AuthorKeyDigest {
        AuthorKeyDigest(self.key.digest())
    }
}

/// Keys and signatures that go with an ID block, 4096 bytes when encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdAuthentication {
    id_key: PublicKey,
    block_signature: Signature,
    author: Option<Author>,
}

/// Signs `block` with the ID key, and the ID key with the author key where there is one.
#[must_use]
pub fn sign(
    block: &IdBlock,
    id_key: &PrivateKey,
    author_key: Option<&PrivateKey>,
) -> IdAuthentication {
    let id_public = id_key.public_key();
    let author = author_key.map(|author_key| Author {
        key: author_key.public_key(),
        signature: author_key.sign(&id_public.encode()),
    });
    let block_signature = id_key.sign(&block.encode());
    IdAuthentication { id_key: id_public, block_signature, author }
}

impl IdAuthentication {
    /// The ID key, whose digest a report names.
    #[must_use]
    pub fn id_key(&self) -> &PublicKey {
        &self.id_key
    }

    /// ID_KEY_DIGEST of the guest's reports.
    #[must_use]
    pub fn id_key_digest(&self) -> IdKeyDigest {
        IdKeyDigest(self.id_key.digest())
    }

    /// The author; none where the host must give AUTHOR_KEY_EN as 0.
    #[must_use]
    pub fn author(&self) -> Option<&Author> {
        self.author.as_ref()
    }

    /// What the secure processor checks: the ID key signed `block`, the author the ID key.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, block: &IdBlock) -> Result<(), Error> {
        let wrong = |what, key, signed| move |_| Error::Signature { what, key, signed };
        let by_id_key = wrong("signature of the ID block", "ID key", "ID block");
        self.id_key.0.verify(&block.encode(), &self.block_signature).map_err(by_id_key)?;
        let Some(author) = &self.author else { return Ok(()) };
        let by_author = wrong("signature of the ID key", "author key", "ID key");
        author.key.0.verify(&self.id_key.encode(), &author.signature).map_err(by_author)
    }

    /// The bytes SNP_LAUNCH_FINISH takes.
    #[must_use]
    pub fn encode(&self) -> [u8; ID_AUTH_LEN] {
        let mut raw = RawAuth::new_zeroed();
        raw.id_key_algo = U32::new(ECDSA_P384_SHA384);
        raw.id_block_sig = raw_signature(&self.block_signature);
        raw.id_key = self.id_key.raw();
        if let Some(author) = &self.author {
            raw.auth_key_algo = U32::new(ECDSA_P384_SHA384);
            raw.id_key_sig = raw_signature(&author.signature);
            raw.author_key = author.key.raw();
        }
        zerocopy::transmute!(raw)
    }

    /// Reads the bytes SNP_LAUNCH_FINISH takes. It checks no signature.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Field`], [`Error::Reserved`], [`Error::NoPoint`] or
    /// [`Error::NoSignature`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "ID authentication information";
        let raw: &RawAuth = structure(WHAT, bytes)?;
        field(WHAT, "ID_KEY_ALGO", raw.id_key_algo, ECDSA_P384_SHA384)?;
        reserved(WHAT, "what follows AUTH_KEY_ALGO", &raw.reserved_8)?;
        reserved(WHAT, "what follows ID_KEY", &raw.reserved_644)?;
        reserved(WHAT, "what follows AUTHOR_KEY", &raw.reserved_c84)?;
        let author = match raw.auth_key_algo.get() {
            NO_ALGORITHM => {
                reserved(WHAT, "ID_KEY_SIG without an author", raw.id_key_sig.as_bytes())?;
                reserved(WHAT, "AUTHOR_KEY without an author", raw.author_key.as_bytes())?;
                None
            }
            _ => {
                field(WHAT, "AUTH_KEY_ALGO", raw.auth_key_algo, ECDSA_P384_SHA384)?;
                Some(Author {
                    key: PublicKey::of(&raw.author_key, "author key")?,
                    signature: read_signature(&raw.id_key_sig, "signature of the ID key")?,
                })
            }
        };
        Ok(Self {
            id_key: PublicKey::of(&raw.id_key, "ID key")?,
            block_signature: read_signature(&raw.id_block_sig, "signature of the ID block")?,
            author,
        })
    }
}

fn structure<'a, T>(what: &'static str, bytes: &'a [u8]) -> Result<&'a T, Error>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let (expected, found) = (size_of::<T>(), bytes.len());
    T::ref_from_bytes(bytes).map_err(|_| Error::Length { what, expected, found })
}

fn field(
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

fn reserved(structure: &'static str, what: &'static str, bytes: &[u8]) -> Result<(), Error> {
    match bytes.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(Error::Reserved { structure, what }),
    }
}

fn raw_signature(signature: &Signature) -> RawSignature {
    let (r, s) = signature.split_bytes();
    RawSignature { r: little_endian(&r), s: little_endian(&s), reserved: [0; 368] }
}

fn read_signature(raw: &RawSignature, what: &'static str) -> Result<Signature, Error> {
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
