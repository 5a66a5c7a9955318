//! The registers that events are extended into, and values of either hash function.
//!
//! A TPM has PCRs in several banks; a TD has RTMRs, SHA-384 each. Comparing and replaying is the
//! same for both, so this module has one name for all of them: [`Register`] and [`BankDigest`].
//! Where the hash function is known when compiling, the roles of the parent module say more.

use std::fmt;
use std::str::FromStr;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use serde::{Serialize, Serializer};
use thiserror::Error;

use super::algorithm::AlgorithmId;
use super::{PcrIndex, RtmrIndex};

/// A register of a TPM or of a TD.
///
/// Prints as `PCR 4`, `RTMR 1` or `MRTD`; serializes and parses as `pcr4`, `rtmr1` or `mrtd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// A platform configuration register of a TPM.
    Pcr(PcrIndex),
    /// The measurement of the TD's initial memory. Logs name it; nothing is extended into it when
    /// the TD runs.
    Mrtd,
    /// A run-time measurement register of a TD.
    Rtmr(RtmrIndex),
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Pcr(index) => format!("PCR {index}"),
            Self::Mrtd => "MRTD".to_owned(),
            Self::Rtmr(index) => format!("RTMR {index}"),
        };
        f.pad(&text)
    }
}

impl Register {
    /// As a key of JSON, which parses too: `pcr4`, `rtmr1`, `mrtd`.
    #[must_use]
    pub fn key(self) -> String {
        match self {
            Self::Pcr(index) => format!("pcr{index}"),
            Self::Mrtd => "mrtd".to_owned(),
            Self::Rtmr(index) => format!("rtmr{index}"),
        }
    }
}

impl Serialize for Register {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pcr(index) => serializer.collect_str(&format_args!("pcr{index}")),
            Self::Mrtd => serializer.serialize_str("mrtd"),
            Self::Rtmr(index) => serializer.collect_str(&format_args!("rtmr{index}")),
        }
    }
}

/// A text that names no register.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown register {found:?}, expected pcr0 to pcr23, rtmr0 to rtmr3 or mrtd")]
pub struct UnknownRegister {
    /// The text that names no register, or is no digest.
    pub found: String,
}

impl FromStr for Register {
    type Err = UnknownRegister;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_lowercase();
        let number = |name: &str| lower.strip_prefix(name)?.trim_start().parse::<u8>().ok();
        let pcr = || number("pcr").and_then(PcrIndex::new).map(Self::Pcr);
        let rtmr = || number("rtmr").and_then(RtmrIndex::new).map(Self::Rtmr);
        let mrtd = || (lower == "mrtd").then_some(Self::Mrtd);
        let unknown = || UnknownRegister { found: text.to_owned() };
        pcr().or_else(rtmr).or_else(mrtd).ok_or_else(unknown)
    }
}

/// Whose registers a log speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterSet {
    /// PCR 0 to 23 of a TPM.
    Tpm,
    /// MRTD and RTMRs of a TD.
    Td,
}

impl RegisterSet {
    /// The register a log means with `index`: the number of a PCR, or of a TD's measurement
    /// register, 0 for MRTD and from 1 on the RTMRs (UEFI 2.11, section 38.4.1; Guest-Host
    /// Communication Interface for Intel TDX, "TDX Event Log").
    #[must_use]
    pub fn of_log_index(self, index: u32) -> Option<Register> {
        let index = u8::try_from(index).ok()?;
        match (self, index.checked_sub(1)) {
            (Self::Tpm, _) => PcrIndex::new(index).map(Register::Pcr),
            (Self::Td, None) => Some(Register::Mrtd),
            (Self::Td, Some(rtmr)) => RtmrIndex::new(rtmr).map(Register::Rtmr),
        }
    }

    /// Where an event for `pcr` ends up; nowhere in a TD for PCR 0 and those above 15.
    #[must_use]
    pub fn of_pcr(self, pcr: PcrIndex) -> Option<Register> {
        match self {
            Self::Tpm => Some(Register::Pcr(pcr)),
            Self::Td => RtmrIndex::of_pcr(pcr).map(Register::Rtmr),
        }
    }

    /// Whether the register is one of this set.
    #[must_use]
    pub const fn contains(self, register: Register) -> bool {
        matches!(
            (self, register),
            (Self::Tpm, Register::Pcr(_)) | (Self::Td, Register::Mrtd | Register::Rtmr(_))
        )
    }

    /// The numbers a log may use.
    pub(super) const fn log_indices(self) -> &'static str {
        match self {
            Self::Tpm => "0 to 23",
            Self::Td => "0 to 4",
        }
    }
}

impl fmt::Display for RegisterSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tpm => "TPM",
            Self::Td => "TD",
        })
    }
}

/// The hash function of a set of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bank {
    /// The SHA-256 bank of a TPM.
    Sha256,
    /// SHA-384; RTMRs have no other.
    Sha384,
}

impl Bank {
    /// Both banks, SHA-256 first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha384];

    /// The number of the hash function in logs.
    #[must_use]
    pub const fn algorithm(self) -> AlgorithmId {
        match self {
            Self::Sha256 => AlgorithmId::SHA256,
            Self::Sha384 => AlgorithmId::SHA384,
        }
    }

    /// The one of `digests` that belongs to this bank.
    #[must_use]
    pub const fn pick(self, digests: &Digests) -> BankDigest {
        match self {
            Self::Sha256 => BankDigest::Sha256(digests.sha256),
            Self::Sha384 => BankDigest::Sha384(digests.sha384),
        }
    }

    /// The value made of these bytes; none when their number is wrong.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Option<BankDigest> {
        match self {
            Self::Sha256 => bytes.try_into().ok().map(|bytes| BankDigest::Sha256(Sha256(bytes))),
            Self::Sha384 => bytes.try_into().ok().map(|bytes| BankDigest::Sha384(Sha384(bytes))),
        }
    }

    /// The hash of `bytes` by the bank's function.
    #[must_use]
    pub fn hash(self, bytes: &[u8]) -> BankDigest {
        match self {
            Self::Sha256 => BankDigest::Sha256(Sha256::of(bytes)),
            Self::Sha384 => BankDigest::Sha384(Sha384::of(bytes)),
        }
    }

    /// What `register` holds before anything is extended into it. Firmware started at
    /// `startup_locality` leaves that number in the last byte of PCR 0 (TCG PC Client Platform
    /// Firmware Profile 1.06, section 10.4.5.3).
    #[must_use]
    pub fn initial(self, register: Register, startup_locality: u8) -> BankDigest {
        let (fill, last) = match register {
            Register::Pcr(PcrIndex(0)) => (0, startup_locality),
            Register::Pcr(index) => (index.initial_byte(), index.initial_byte()),
            Register::Mrtd | Register::Rtmr(_) => (0, 0),
        };
        match self {
            Self::Sha256 => BankDigest::Sha256(Sha256(filled(fill, last))),
            Self::Sha384 => BankDigest::Sha384(Sha384(filled(fill, last))),
        }
    }
}

fn filled<const N: usize>(fill: u8, last: u8) -> [u8; N] {
    let mut bytes = [fill; N];
    if let Some(byte) = bytes.last_mut() {
        *byte = last;
    }
    bytes
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
        })
    }
}

/// A digest or a register's value, of the hash function its bank has.
///
/// Prints, parses and serializes as hexadecimal digits; their number says which function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BankDigest {
    /// A value of the SHA-256 bank.
    Sha256(Sha256),
    /// A value of the SHA-384 bank, or of an RTMR.
    Sha384(Sha384),
}

impl BankDigest {
    /// The bank it belongs to.
    #[must_use]
    pub const fn bank(self) -> Bank {
        match self {
            Self::Sha256(_) => Bank::Sha256,
            Self::Sha384(_) => Bank::Sha384,
        }
    }

    /// The digest: 32 or 48 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(Sha256(bytes)) => bytes,
            Self::Sha384(Sha384(bytes)) => bytes,
        }
    }

    /// The register that held `self` after `digest` was extended into it; none across banks.
    #[must_use]
    pub fn extend(self, digest: Self) -> Option<Self> {
        match (self, digest) {
            (Self::Sha256(value), Self::Sha256(digest)) => Some(Self::Sha256(value.extend(digest))),
            (Self::Sha384(value), Self::Sha384(digest)) => Some(Self::Sha384(value.extend(digest))),
            _ => None,
        }
    }
}

impl fmt::Display for BankDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha384(digest) => digest.fmt(f),
        }
    }
}

impl Serialize for BankDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no digest of either bank.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected 64 (SHA-256) or 96 (SHA-384) hexadecimal digits, found {found:?}")]
pub struct ParseBankDigestError {
    /// The text that names no register, or is no digest.
    pub found: String,
}

impl FromStr for BankDigest {
    type Err = ParseBankDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sha256 = || text.parse().map(Self::Sha256).ok();
        let sha384 = || text.parse().map(Self::Sha384).ok();
        sha256().or_else(sha384).ok_or_else(|| ParseBankDigestError { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcr(number: u8) -> Register {
        Register::Pcr(PcrIndex::new(number).unwrap())
    }

    fn rtmr(number: u8) -> Register {
        Register::Rtmr(RtmrIndex::new(number).unwrap())
    }

    #[test]
    fn registers_are_read_as_they_are_written() {
        for (register, shown, key) in [
            (pcr(0), "PCR 0", "pcr0"),
            (pcr(23), "PCR 23", "pcr23"),
            (rtmr(3), "RTMR 3", "rtmr3"),
            (Register::Mrtd, "MRTD", "mrtd"),
        ] {
            assert_eq!((register.to_string(), register.key()), (shown.into(), key.into()));
            assert_eq!(serde_json::to_string(&register).unwrap(), format!("\"{key}\""));
            for text in [shown.to_owned(), key.to_owned(), format!(" {} ", key.to_uppercase())] {
                assert_eq!(text.parse(), Ok(register), "{text}");
            }
        }
        for text in ["", "pcr", "pcr24", "pcr-1", "rtmr4", "mrtd0", "4", "pcr4x", "pcr256"] {
            let error = text.parse::<Register>().unwrap_err().to_string();
            let expected = "expected pcr0 to pcr23, rtmr0 to rtmr3 or mrtd";
            assert_eq!(error, format!("unknown register {text:?}, {expected}"));
        }
    }

    /// UEFI 2.11, section 38.4.1: a TD's log counts MRTD as 0 and the RTMRs from 1.
    #[test]
    fn logs_count_the_registers_of_their_machine() {
        for (set, index, expected) in [
            (RegisterSet::Tpm, 0, Some(pcr(0))),
            (RegisterSet::Tpm, 23, Some(pcr(23))),
            (RegisterSet::Tpm, 24, None),
            (RegisterSet::Tpm, u32::MAX, None),
            (RegisterSet::Tpm, 256, None),
            (RegisterSet::Td, 0, Some(Register::Mrtd)),
            (RegisterSet::Td, 1, Some(rtmr(0))),
            (RegisterSet::Td, 4, Some(rtmr(3))),
            (RegisterSet::Td, 5, None),
            (RegisterSet::Td, 257, None),
        ] {
            assert_eq!(set.of_log_index(index), expected, "{set} {index}");
        }
        let four = PcrIndex::new(4).unwrap();
        assert_eq!(RegisterSet::Tpm.of_pcr(four), Some(pcr(4)));
        assert_eq!(RegisterSet::Td.of_pcr(four), Some(rtmr(1)));
        assert_eq!(RegisterSet::Td.of_pcr(PcrIndex::new(0).unwrap()), None);
        for (register, in_tpm) in [(pcr(1), true), (rtmr(1), false), (Register::Mrtd, false)] {
            assert_eq!(RegisterSet::Tpm.contains(register), in_tpm);
            assert_eq!(RegisterSet::Td.contains(register), !in_tpm);
        }
    }

    /// TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.3; the value is of
    /// `tests/folds.py`.
    #[test]
    fn only_pcr_0_starts_with_the_locality() {
        let last = |register, locality| {
            let initial = Bank::Sha256.initial(register, locality);
            let (last, before) = initial.as_bytes().split_last().unwrap();
            assert!(before.iter().all(|byte| byte == before.first().unwrap()));
            [before[0], *last]
        };
        assert_eq!(last(pcr(0), 3), [0, 3]);
        assert_eq!(last(pcr(1), 3), [0, 0]);
        assert_eq!(last(pcr(17), 3), [0xff, 0xff]);
        assert_eq!(last(rtmr(0), 3), [0, 0]);
        let started = Bank::Sha256.initial(pcr(0), 3);
        assert_eq!(
            started.extend(Bank::Sha256.hash(b"a")).unwrap().to_string(),
            "ee267a2749991983e1ecf867d48996dcaf80163cc57ad81fce4216741f419bfb"
        );
    }

    #[test]
    fn a_digest_belongs_to_the_bank_of_its_length() {
        for (bank, len) in [(Bank::Sha256, 32), (Bank::Sha384, 48)] {
            let digest = bank.hash(b"x");
            assert_eq!((digest.bank(), digest.as_bytes().len()), (bank, len));
            assert_eq!(bank.digest(digest.as_bytes()), Some(digest));
            assert_eq!(bank.digest(&[0; 33]), None);
            assert_eq!(bank.pick(&Digests::of(b"x")), digest);
            assert_eq!(digest.to_string().parse(), Ok(digest));
            assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
        }
        let [one, other] = Bank::ALL.map(|bank| bank.hash(b"x"));
        assert_eq!((one.extend(other), other.extend(one)), (None, None));
        for text in ["", "00", &"0".repeat(95), &"g".repeat(64)] {
            assert!(text.parse::<BankDigest>().is_err(), "{text}");
        }
    }
}
