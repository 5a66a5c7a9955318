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

mod error;
mod key;

use cvmkit_formats::digest::Sha384;
use p384::ecdsa::Signature;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::LaunchDigest;
use super::policy::{AuthorKeyDigest, FamilyId, GuestPolicy, IdKeyDigest, ImageId};
use key::{RawKey, RawSignature, field, raw_signature, read_signature, reserved, structure};

pub use error::Error;
pub use key::{COSE_SIGNATURE_LEN, PUBLIC_KEY_LEN, PrivateKey, PublicKey, SIGNATURE_LEN};

/// Bytes of an ID block.
pub const ID_BLOCK_LEN: usize = 96;

/// Bytes of the ID authentication information.
pub const ID_AUTH_LEN: usize = 4096;

/// VERSION of an ID block.
const VERSION: u32 = 1;
/// ECDSA P-384 with SHA-384 (chapter 10, table 139).
const ECDSA_P384_SHA384: u32 = 1;
/// No algorithm: there is no key.
const NO_ALGORITHM: u32 = 0;

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
        let (what, key, signed) = ("signature of the ID block", "ID key", "ID block");
        if !self.id_key.accepts(&block.encode(), &self.block_signature) {
            return Err(Error::Signature { what, key, signed });
        }
        let Some(author) = &self.author else { return Ok(()) };
        let (what, key, signed) = ("signature of the ID key", "author key", "ID key");
        if !author.key.accepts(&self.id_key.encode(), &author.signature) {
            return Err(Error::Signature { what, key, signed });
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    const ID_KEY: &str = include_str!("../../tests/fixtures/id_key_test.pem");
    const AUTHOR_KEY: &str = include_str!("../../tests/fixtures/author_key_test.pem");

    fn block() -> IdBlock {
        IdBlock::new(LaunchDigest(Sha384::of(b"guest")), GuestPolicy::default()).unwrap()
    }

    /// SEV-SNP ABI, publication 56860, section 8.18, table "ID_BLOCK": LD, FAMILY_ID, IMAGE_ID, VERSION,
    /// GUEST_SVN, POLICY.
    #[test]
    fn a_block_lies_in_memory_as_the_specification_says() {
        let block = block().named(FamilyId([1; 16]), ImageId([2; 16]), 0x0403_0201);
        let bytes = block.encode();
        assert_eq!(bytes[..48], Sha384::of(b"guest").0);
        assert_eq!((&bytes[48..64], &bytes[64..80]), (&[1; 16][..], &[2; 16][..]));
        assert_eq!(bytes[80..], [1, 0, 0, 0, 1, 2, 3, 4, 0, 0, 3, 0, 0, 0, 0, 0]);
        assert_eq!(IdBlock::decode(&bytes), Ok(block));
        for (at, value, expected) in [
            (80, 2, "VERSION of the ID block is 0x2, expected 0x1"),
            (90, 0x0b, "the ID block can't bind this policy"),
            (90, 0, "the ID block can't bind this policy"),
            (95, 1, "the ID block can't bind this policy"),
        ] {
            let mut broken = bytes;
            broken[at] = value;
            assert_eq!(IdBlock::decode(&broken).unwrap_err().to_string(), expected, "byte {at}");
        }
        let mut zero = bytes;
        zero[..48].fill(0);
        assert_eq!(IdBlock::decode(&zero), Err(Error::ZeroLaunchDigest));
        let (what, expected) = ("ID block", 96);
        assert_eq!(IdBlock::decode(&bytes[..95]), Err(Error::Length { what, expected, found: 95 }));
    }

    fn signed(with_author: bool) -> IdAuthentication {
        let key = |pem| PrivateKey::from_pem("key", pem).unwrap();
        let author = with_author.then(|| key(AUTHOR_KEY));
        sign(&block(), &key(ID_KEY), author.as_ref())
    }

    /// Section 8.18, table "ID_AUTH_INFO": what is reserved is zero, and so is the author's part without
    /// an author.
    #[test]
    fn authentication_information_is_told_by_field() {
        for with_author in [false, true] {
            let signed = signed(with_author);
            assert_eq!(IdAuthentication::decode(&signed.encode()), Ok(signed.clone()));
            assert_eq!(signed.verify(&block()), Ok(()));
            assert_eq!(signed.author().is_some(), with_author);
        }
        let what = "ID authentication information";
        let reserved = |part| format!("{part} of the {what} is not zero, expected reserved bytes");
        let algorithm = |name, value| format!("{name} of the {what} is {value}, expected 0x1");
        for (with_author, at, value, expected) in [
            (true, 0, 0, algorithm("ID_KEY_ALGO", "0x0")),
            (true, 0, 2, algorithm("ID_KEY_ALGO", "0x2")),
            (true, 4, 2, algorithm("AUTH_KEY_ALGO", "0x2")),
            (true, 8, 1, reserved("what follows AUTH_KEY_ALGO")),
            (true, 63, 1, reserved("what follows AUTH_KEY_ALGO")),
            (true, 0x644, 1, reserved("what follows ID_KEY")),
            (true, 0x67f, 1, reserved("what follows ID_KEY")),
            (true, 0xc84, 1, reserved("what follows AUTHOR_KEY")),
            (true, 0xfff, 1, reserved("what follows AUTHOR_KEY")),
            (false, 0x680, 1, reserved("ID_KEY_SIG without an author")),
            (false, 0x880, 1, reserved("AUTHOR_KEY without an author")),
            (true, 0x240, 1, "CURVE of the ID key is 0x1, expected 0x2".into()),
            (true, 0x880, 1, "CURVE of the author key is 0x1, expected 0x2".into()),
        ] {
            let mut bytes = signed(with_author).encode();
            bytes[at] = value;
            assert_eq!(
                IdAuthentication::decode(&bytes).unwrap_err().to_string(),
                expected,
                "{at:#x}"
            );
        }
    }

    #[test]
    fn each_signature_is_checked() {
        let signed = signed(true);
        let other = block().named(FamilyId([1; 16]), ImageId::default(), 0);
        assert_eq!(
            signed.verify(&other).unwrap_err().to_string(),
            "the signature of the ID block does not verify: the ID key did not sign this ID block"
        );
        // Another signature by the author: of the block, and not of the ID key.
        let mut swapped = signed.clone();
        swapped.author.as_mut().unwrap().signature = signed.block_signature;
        assert_eq!(
            swapped.verify(&block()).unwrap_err().to_string(),
            "the signature of the ID key does not verify: the author key did not sign this ID key"
        );
        assert_ne!(signed.id_key_digest().0, signed.author().unwrap().digest().0);
    }
}
