//! IBM Secure Execution: the header of a boot image, and what it says about the image's pages.
//!
//! The ultravisor of an s390 machine measures no launch. It starts an image only if the image's
//! encrypted pages have the digests in the header, and the header's tag is right under a key that
//! only the machine can unwrap. So the header *is* the reference value: a verifier pins its tag
//! ([`HeaderTag`]) and the three digests. [`Header::parse`] reads it, [`Parameters::find`] says where
//! a whole image has its components, [`ImageDigests::of`] computes their digests, and
//! [`Header::check`] compares them.
//!
//! The contract: bytes in, values out; any bytes are read or refused. Deliberately absent: the tag
//! is printed, not checked, and nothing is decrypted, since both take the header protection key.
//! Oracle: header and digests in the tests of s390-tools.
//!
//! Layout: s390-tools 2.40, `rust/pvimg/src/pv_utils/se_hdr` (header version 1); numbers are
//! big-endian.

mod header;
mod image;
mod parameters;

use cvmkit_formats::digest::Sha512;

use crate::digest::role;

pub use header::{Error, Header, HeaderTag, KeySlot, PlaintextFlags, find};
pub use image::{Component, ComponentError, ImageDigests, Mismatch};
pub use parameters::{Parameters, ParametersError, Place};

role! {
    /// PLD, page list digest: SHA-512 of the encrypted pages.
    PageDigest(Sha512)
}

role! {
    /// ALD, address list digest: SHA-512 of the pages' addresses, 8 bytes each.
    AddressDigest(Sha512)
}

role! {
    /// TLD, tweak list digest: SHA-512 of the pages' tweaks, 16 bytes each.
    TweakDigest(Sha512)
}
