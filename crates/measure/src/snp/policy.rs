//! What a guest owner fixes at launch beside memory: the policy, and the identifiers that a report
//! repeats.
//!
//! None of it is in the launch digest. The policy and [`HostData`] are given to SNP_LAUNCH_START
//! and SNP_LAUNCH_FINISH by the host; an ID block ([`super::id_block`], feature `id-block`) makes
//! the policy one the guest owner signed. [`GuestPolicy`] holds any 64 bits, so that a report of
//! newer firmware can be read; [`GuestPolicy::check`] says whether they are a policy.
//!
//! Standard: SEV Secure Nested Paging Firmware ABI Specification, publication 56860, revision 1.58.

use std::fmt;
use std::str::FromStr;

use cvmkit_formats::digest::Sha384;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::digest::role;

role! {
    /// SHA-384 of the public key that signed the ID block: ID_KEY_DIGEST of a report.
    IdKeyDigest(Sha384)
}

role! {
    /// SHA-384 of the public key that signed the ID key: AUTHOR_KEY_DIGEST of a report.
    AuthorKeyDigest(Sha384)
}

/// A text that is no identifier.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected {expected} hexadecimal digits, found {found:?}")]
pub struct ParseIdentifierError {
    /// Number of digits.
    pub expected: usize,
    /// The text that was given.
    pub found: String,
}

/// Declares bytes that only their owner gives a meaning; they print as hexadecimal digits.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident($bytes:literal)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl Default for $name {
            /// All zero, as where nothing is given.
            fn default() -> Self {
                Self([0; $bytes])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdentifierError;

            fn from_str(text: &str) -> Result<Self, ParseIdentifierError> {
                let mut bytes = [0; $bytes];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) => Ok(Self(bytes)),
                    Err(_) => {
                        let found = text.to_owned();
                        Err(ParseIdentifierError { expected: 2 * $bytes, found })
                    }
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

identifier! {
    /// FAMILY_ID of the ID block: which family of images this one belongs to.
    FamilyId(16)
}

identifier! {
    /// IMAGE_ID of the ID block: which image this is.
    ImageId(16)
}

identifier! {
    /// HOST_DATA of SNP_LAUNCH_FINISH: what the host says about the guest, fixed at launch.
    HostData(32)
}

identifier! {
    /// REPORT_DATA: what the guest gave when it asked for the report.
    ReportData(64)
}

identifier! {
    /// REPORT_ID or REPORT_ID_MA: one running guest, or its migration agent.
    ReportId(32)
}

identifier! {
    /// CHIP_ID: one processor; zero where the host masks it.
    ChipId(64)
}

/// Why 64 bits are no guest policy.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// Bit 17 must be one.
    #[error("guest policy {found} lacks bit 17, expected it set, as in {}", GuestPolicy::default())]
    ReservedClear {
        /// The policy that was refused.
        found: GuestPolicy,
    },
    /// Bits without a meaning must be zero.
    #[error("guest policy {found} has the unknown bits {bits:#x}, expected none above bit 25")]
    UnknownBits {
        /// The policy that was refused.
        found: GuestPolicy,
        /// The bits above bit 25 that are set.
        bits: u64,
    },
    /// The host could read and write the guest.
    #[error(
        "guest policy {found} allows debugging (bit 19), expected a policy under which the host \
         can't read the guest"
    )]
    Debug {
        /// The policy that was refused.
        found: GuestPolicy,
    },
}

/// POLICY, the rules a guest owner sets for the host (section 4.3 "Guest Policy", table 9).
///
/// Prints as `0x` and hexadecimal digits; parses that and decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPolicy(pub u64);

macro_rules! policy_bits {
    ($($(#[$doc:meta])* $constant:ident $method:ident $bit:literal,)*) => {
        impl GuestPolicy {
            $($(#[$doc])* pub const $constant: Self = Self(1 << $bit);)*

            $($(#[$doc])* #[must_use]
            pub const fn $method(self) -> bool {
                self.0 & Self::$constant.0 != 0
            })*

            /// The names of the set bits, in the order of the bits.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                let bits = [$((stringify!($constant), Self::$constant.0)),*];
                bits.into_iter().filter(move |(_, bit)| self.0 & bit != 0).map(|(name, _)| name)
            }
        }
    };
}

policy_bits! {
    /// SMT: the host may use simultaneous multi-threading.
    SMT allows_smt 16,
    /// MIGRATE_MA: a migration agent may be associated with the guest.
    MIGRATE_MA allows_migration_agent 18,
    /// DEBUG: the host may read and write the guest's memory in the clear.
    DEBUG allows_debug 19,
    /// SINGLE_SOCKET: the guest may run on one socket only.
    SINGLE_SOCKET requires_single_socket 20,
    /// CXL_ALLOW: CXL devices and memory may be there.
    CXL_ALLOW allows_cxl 21,
    /// MEM_AES_256_XTS: memory must be encrypted by AES-256-XTS.
    MEM_AES_256_XTS requires_aes_256_xts 22,
    /// RAPL_DIS: the running average power limit must be disabled.
    RAPL_DIS requires_rapl_disabled 23,
    /// CIPHERTEXT_HIDING_DRAM: ciphertext must be hidden from the host.
    CIPHERTEXT_HIDING_DRAM requires_ciphertext_hiding 24,
    /// PAGE_SWAP_DISABLE: the host may not move and swap the guest's pages.
    PAGE_SWAP_DISABLE requires_page_swap_disabled 25,
}

impl GuestPolicy {
    /// Bit 17, reserved, must be one.
    const RESERVED_ONE: u64 = 1 << 17;

    /// Bits that have a meaning.
    const KNOWN: u64 = (1 << 26) - 1;

    /// ABI_MINOR: the least minor version of the firmware's ABI.
    #[must_use]
    pub const fn abi_minor(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    /// ABI_MAJOR: the least major version of the firmware's ABI.
    #[must_use]
    pub const fn abi_major(self) -> u8 {
        self.0.to_le_bytes()[1]
    }

    /// Both policies' bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This policy, if firmware takes it and it keeps the host out.
    ///
    /// # Errors
    /// Any of [`PolicyError`].
    pub const fn check(self) -> Result<Self, PolicyError> {
        if self.0 & Self::RESERVED_ONE == 0 {
            return Err(PolicyError::ReservedClear { found: self });
        }
        let bits = self.0 & !Self::KNOWN;
        if bits != 0 {
            return Err(PolicyError::UnknownBits { found: self, bits });
        }
        if self.allows_debug() {
            return Err(PolicyError::Debug { found: self });
        }
        Ok(self)
    }
}

impl Default for GuestPolicy {
    /// 0x30000: any ABI, SMT allowed, nothing else; what sev-snp-measure and QEMU start from.
    fn default() -> Self {
        Self(Self::SMT.0 | Self::RESERVED_ONE)
    }
}

impl fmt::Display for GuestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#x}", self.0))
    }
}

impl fmt::Debug for GuestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuestPolicy({self})")
    }
}

impl Serialize for GuestPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no number of 64 bits.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected a number of 64 bits, decimal or 0x and hexadecimal digits, found {found:?}")]
pub struct ParsePolicyError {
    /// The text that was given.
    pub found: String,
}

impl FromStr for GuestPolicy {
    type Err = ParsePolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePolicyError> {
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let number = u64::from_str_radix(digits, radix).ok().filter(|_| plain);
        number.map(Self).ok_or_else(|| ParsePolicyError { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_table() {
        let policy = GuestPolicy(0x3ff_0000 | 0x0137);
        assert_eq!([policy.abi_major(), policy.abi_minor()], [1, 0x37]);
        let names: Vec<_> = policy.names().collect();
        assert_eq!(
            names,
            [
                "SMT",
                "MIGRATE_MA",
                "DEBUG",
                "SINGLE_SOCKET",
                "CXL_ALLOW",
                "MEM_AES_256_XTS",
                "RAPL_DIS",
                "CIPHERTEXT_HIDING_DRAM",
                "PAGE_SWAP_DISABLE"
            ]
        );
        assert_eq!(GuestPolicy::default().names().collect::<Vec<_>>(), ["SMT"]);
    }

    #[test]
    fn what_firmware_or_a_guest_owner_refuses_is_refused() {
        let policy = GuestPolicy::default();
        assert_eq!(policy.check(), Ok(policy));
        let strict = policy.with(GuestPolicy::CIPHERTEXT_HIDING_DRAM);
        assert_eq!(strict.check(), Ok(strict));
        let debug = policy.with(GuestPolicy::DEBUG);
        assert_eq!(debug.check(), Err(PolicyError::Debug { found: debug }));
        let unknown = GuestPolicy(policy.0 | 1 << 63 | 1 << 26);
        let bits = 1 << 63 | 1 << 26;
        assert_eq!(unknown.check(), Err(PolicyError::UnknownBits { found: unknown, bits }));
        let clear = GuestPolicy::SMT;
        assert_eq!(clear.check(), Err(PolicyError::ReservedClear { found: clear }));
    }

    #[test]
    fn text_round_trips_and_other_text_is_refused() {
        for text in ["0x30000", "196608"] {
            assert_eq!(text.parse(), Ok(GuestPolicy(0x3_0000)), "{text}");
        }
        assert_eq!(GuestPolicy(0x3_0000).to_string(), "0x30000");
        for text in ["", "0x", "+1", "0x+1", "30000h", "0x10000000000000000"] {
            assert!(text.parse::<GuestPolicy>().is_err(), "{text}");
        }
        assert_eq!("00".repeat(16).parse(), Ok(FamilyId::default()));
        assert!("00".repeat(15).parse::<ImageId>().is_err());
    }
}
