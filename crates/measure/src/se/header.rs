//! The header as it lies in an image.

use std::fmt;

use cvmkit_formats::digest::{Sha256, Sha512};
use serde::{Serialize, Serializer};
use thiserror::Error;
use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{AddressDigest, ImageDigests, Mismatch, PageDigest, TweakDigest};
use crate::gpa::PAGE_SIZE;

/// What a header starts with.
const MAGIC: [u8; 8] = *b"IBMSecEx";
/// The version that is known, which is version 1 (`se.version` of Confidential Containers).
const VERSION_1: u32 = 0x100;
/// Bytes before the key slots.
const HEAD_LEN: usize = 0x1a0;
/// Bytes of a key slot.
const SLOT_LEN: usize = 80;
/// Bytes of the AES-256-GCM tag.
const TAG_LEN: usize = 16;
/// The ultravisor takes two pages at most.
const MAX_LEN: usize = 2 * PAGE_SIZE;
/// Bytes of the encrypted part without optional items: customer communication key 32, page key 64,
/// initial PSW 16, secret flags 8, item count and reserved 8.
const MIN_ENCRYPTED_LEN: usize = 128;

/// Why bytes are no header.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than the header has.
    #[error("the Secure Execution header is truncated: {found} bytes, expected {expected}")]
    Truncated {
        /// Bytes that the header has by its own sizes.
        expected: usize,
        /// Bytes up to the end of the input.
        found: usize,
    },
    /// Something else.
    #[error(
        "no Secure Execution header: expected the 8 bytes `IBMSecEx`, found {}",
        hex::encode(found)
    )]
    Magic {
        /// What is in the place.
        found: [u8; 8],
    },
    /// A layout that is not known.
    #[error("the Secure Execution header has version {found:#x}, expected {VERSION_1:#x}")]
    Version {
        /// The version field, big-endian.
        found: u32,
    },
    /// Sizes that contradict each other.
    #[error(
        "corrupt Secure Execution header: size (SEHS) is {size}, expected {HEAD_LEN} + {SLOT_LEN} \
         x {slots} key slots + {encrypted} encrypted bytes (from {MIN_ENCRYPTED_LEN}) + \
         {TAG_LEN}, and no more than {MAX_LEN}"
    )]
    Sizes {
        /// SEHS: bytes of the header, by its own word.
        size: u32,
        /// NKS: number of key slots.
        slots: u64,
        /// SEA: bytes of the encrypted part.
        encrypted: u64,
    },
    /// No page of the image starts with a header.
    #[error("the image has no Secure Execution header at the start of any of its pages")]
    NotFound,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHead {
    magic: [u8; 8],
    version: U32,
    size: U32,
    iv: [u8; 12],
    reserved: U32,
    slots: U64,
    encrypted: U64,
    pages: U64,
    flags: U64,
    customer_key: [u8; 160],
    pld: [u8; 64],
    ald: [u8; 64],
    tld: [u8; 64],
}
const _: () = assert!(size_of::<RawHead>() == HEAD_LEN);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSlot {
    host_key_hash: [u8; 32],
    wrapped_key: [u8; 32],
    tag: [u8; 16],
}
const _: () = assert!(size_of::<RawSlot>() == SLOT_LEN);

/// The AES-256-GCM tag over the header, which is different for every image ever made: what an
/// attestation names an image by (`se.tag` of Confidential Containers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderTag(pub [u8; TAG_LEN]);

impl fmt::Display for HeaderTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for HeaderTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderTag({self})")
    }
}

impl Serialize for HeaderTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// PCF, the plaintext control flags; bit 0 is the most significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlaintextFlags(pub u64);

impl PlaintextFlags {
    /// The guest may be dumped.
    pub const ALLOW_DUMPING: Self = Self::bit(34);
    /// The pages are not encrypted.
    pub const NO_COMPONENT_ENCRYPTION: Self = Self::bit(35);

    const NAMES: [(&'static str, Self); 7] = [
        ("allow-dumping", Self::ALLOW_DUMPING),
        ("no-component-encryption", Self::NO_COMPONENT_ENCRYPTION),
        ("pckmo-dea-tdea", Self::bit(56)),
        ("pckmo-aes", Self::bit(57)),
        ("pckmo-ecc", Self::bit(58)),
        ("pckmo-hmac", Self::bit(59)),
        ("backup-target-keys", Self::bit(62)),
    ];

    const fn bit(number: u32) -> Self {
        Self(1 << (63 - number))
    }

    /// True if every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the set bits that have one.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(_, bit)| self.contains(*bit)).map(|(name, _)| name)
    }
}

/// The header protection key, wrapped for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeySlot {
    /// PHKH: SHA-256 of the host's public key, as its coordinates in 80 bytes each.
    pub host_key_hash: Sha256,
    /// The header protection key, encrypted for the host by AES-256-GCM.
    #[serde(serialize_with = "digits")]
    pub wrapped_key: [u8; 32],
    /// The tag of that encryption.
    #[serde(serialize_with = "digits")]
    pub tag: [u8; 16],
}

/// A header of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// As it is written: 0x100 for version 1.
    pub version: u32,
    /// SEHS: bytes of the header, tag included.
    pub size: usize,
    /// Initialisation vector of the encrypted part.
    #[serde(serialize_with = "digits")]
    pub iv: [u8; 12],
    /// PCF, the plaintext control flags.
    pub flags: PlaintextFlags,
    /// The image owner's public key on P-521: both coordinates in 80 bytes.
    #[serde(serialize_with = "digits")]
    pub customer_key: Vec<u8>,
    /// NEP: number of encrypted pages.
    pub pages: u64,
    /// PLD: over the contents of the encrypted pages.
    pub page_digest: PageDigest,
    /// ALD: over the addresses of the pages.
    pub address_digest: AddressDigest,
    /// TLD: over the tweaks of the pages.
    pub tweak_digest: TweakDigest,
    /// One for each host the image may run on.
    pub key_slots: Vec<KeySlot>,
    /// Keys, initial PSW and secret flags, encrypted.
    #[serde(serialize_with = "digits")]
    pub encrypted: Vec<u8>,
    /// The tag over all the rest.
    pub tag: HeaderTag,
}

impl Header {
    /// Reads the header at the start of `bytes`; more may follow.
    ///
    /// # Errors
    /// Any of [`enum@Error`] but [`Error::NotFound`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let truncated = |expected| move || Error::Truncated { expected, found: bytes.len() };
        let magic = *bytes.first_chunk::<8>().ok_or_else(truncated(HEAD_LEN))?;
        if magic != MAGIC {
            return Err(Error::Magic { found: magic });
        }
        let (head, _) = RawHead::ref_from_prefix(bytes).map_err(|_| truncated(HEAD_LEN)())?;
        if head.version.get() != VERSION_1 {
            return Err(Error::Version { found: head.version.get() });
        }
        let [slots_len, encrypted_len] = lengths(head)?;
        let size = HEAD_LEN + slots_len + encrypted_len + TAG_LEN;
        let whole = bytes.get(..size).ok_or_else(truncated(size))?;

        let rest = whole.get(HEAD_LEN..).unwrap_or_default();
        let (slots, rest) = rest.split_at_checked(slots_len).unwrap_or_default();
        let (encrypted, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(truncated(size))?;
        let slots =
            slots.chunks_exact(SLOT_LEN).filter_map(|slot| RawSlot::ref_from_bytes(slot).ok());
        Ok(Self {
            version: head.version.get(),
            size,
            iv: head.iv,
            flags: PlaintextFlags(head.flags.get()),
            customer_key: head.customer_key.to_vec(),
            pages: head.pages.get(),
            page_digest: PageDigest(Sha512(head.pld)),
            address_digest: AddressDigest(Sha512(head.ald)),
            tweak_digest: TweakDigest(Sha512(head.tld)),
            key_slots: slots.map(KeySlot::of).collect(),
            encrypted: encrypted.to_vec(),
            tag: HeaderTag(*tag),
        })
    }

    /// Compares the pages of an image with what the header says of them.
    ///
    /// # Errors
    /// [`Mismatch`], for the first of number, contents, addresses and tweaks that differs.
    pub fn check(&self, image: &ImageDigests) -> Result<(), Mismatch> {
        let compare = |what, expected: &dyn fmt::Display, found: &dyn fmt::Display| {
            let (expected, found) = (expected.to_string(), found.to_string());
            if expected == found { Ok(()) } else { Err(Mismatch { what, expected, found }) }
        };
        compare("number of pages (NEP)", &self.pages, &image.pages)?;
        compare("page list digest (PLD)", &self.page_digest, &image.page_digest)?;
        compare("address list digest (ALD)", &self.address_digest, &image.address_digest)?;
        compare("tweak list digest (TLD)", &self.tweak_digest, &image.tweak_digest)
    }
}

impl KeySlot {
    fn of(raw: &RawSlot) -> Self {
        let host_key_hash = Sha256(raw.host_key_hash);
        Self { host_key_hash, wrapped_key: raw.wrapped_key, tag: raw.tag }
    }
}

/// Bytes of the key slots and of the encrypted part, if both and the whole fit each other.
fn lengths(head: &RawHead) -> Result<[usize; 2], Error> {
    let (size, slots, encrypted) = (head.size.get(), head.slots.get(), head.encrypted.get());
    let lengths = || {
        let slots = usize::try_from(slots).ok()?.checked_mul(SLOT_LEN)?;
        let encrypted = usize::try_from(encrypted).ok().filter(|len| *len >= MIN_ENCRYPTED_LEN)?;
        let sum = slots.checked_add(encrypted)?.checked_add(HEAD_LEN + TAG_LEN)?;
        let fits = sum <= MAX_LEN && usize::try_from(size).is_ok_and(|size| size == sum);
        fits.then_some([slots, encrypted])
    };
    lengths().ok_or(Error::Sizes { size, slots, encrypted })
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Secure Execution header, version 1, {} bytes, not verified", self.size)?;
        writeln!(f, "flags          {:#018x}{}", self.flags.0, listed(self.flags))?;
        writeln!(f, "pages          {}", self.pages)?;
        writeln!(f, "page digest    {}", self.page_digest)?;
        writeln!(f, "address digest {}", self.address_digest)?;
        writeln!(f, "tweak digest   {}", self.tweak_digest)?;
        for slot in &self.key_slots {
            writeln!(f, "host key hash  {}", slot.host_key_hash)?;
        }
        write!(f, "tag            {}", self.tag)
    }
}

fn listed(flags: PlaintextFlags) -> String {
    flags.names().map(|name| format!(" {name}")).collect()
}

/// Finds the header of an image: the first page that starts with one, and its byte offset.
///
/// # Errors
/// Any of [`enum@Error`] but [`Error::Magic`].
pub fn find(image: &[u8]) -> Result<(usize, Header), Error> {
    let mut pages = (0..image.len()).step_by(PAGE_SIZE);
    let starts_here = |at: &usize| image.get(*at..).is_some_and(|rest| rest.starts_with(&MAGIC));
    let at = pages.find(starts_here).ok_or(Error::NotFound)?;
    Ok((at, Header::parse(image.get(at..).unwrap_or_default())?))
}

fn digits<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}
