//! The hash functions of a TPM, by their numbers.

use std::fmt;

use serde::{Serialize, Serializer};

/// TPM_ALG_ID: the number of a hash function (TCG Algorithm Registry 1.34, table 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlgorithmId(pub u16);

impl AlgorithmId {
    /// SHA-1, 20 bytes; told apart, never replayed.
    pub const SHA1: Self = Self(0x0004);
    /// SHA-256, 32 bytes: a bank of its own.
    pub const SHA256: Self = Self(0x000b);
    /// SHA-384, 48 bytes: a bank of its own, and the only one of a TD.
    pub const SHA384: Self = Self(0x000c);
    /// SHA-512, 64 bytes; told apart, never replayed.
    pub const SHA512: Self = Self(0x000d);
    /// SM3 (GB/T 32905), 32 bytes; told apart, never replayed.
    pub const SM3_256: Self = Self(0x0012);

    /// Name, as the TPM tools have it, and bytes of a digest.
    pub(super) const fn known(self) -> Option<(&'static str, u16)> {
        match self {
            Self::SHA1 => Some(("sha1", 20)),
            Self::SHA256 => Some(("sha256", 32)),
            Self::SHA384 => Some(("sha384", 48)),
            Self::SHA512 => Some(("sha512", 64)),
            Self::SM3_256 => Some(("sm3_256", 32)),
            _ => None,
        }
    }
}

impl fmt::Display for AlgorithmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((name, _)) => f.pad(name),
            None => f.pad(&format!("{:#06x}", self.0)),
        }
    }
}

impl fmt::Debug for AlgorithmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AlgorithmId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
