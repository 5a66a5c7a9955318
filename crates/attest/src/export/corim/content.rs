//! What a CoRIM says, as values; [`spec`](super::spec) has the numbers that they are written with.

use std::collections::BTreeMap;

use cvmkit_measure::event::Bank;

use super::super::request::Validity;

/// What a CoRIM says: `corim-map` of draft-ietf-rats-corim, section 4.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corim {
    /// Its name: `cvmkit:sha256:` and the SHA-256 of the reference values.
    pub id: String,
    /// One for each machine, at least one; no two have the same id.
    pub tags: Vec<Comid>,
    /// Whose rules the values follow; none where the machines are of several platforms, or of one that no
    /// profile describes.
    pub profile: Option<ProfileId>,
    /// From when to when it is to be used; without limit if there is none.
    pub validity: Option<Validity>,
}

/// A profile of CoRIMs, which gives keys and classes their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileId {
    /// Of SEV-SNP: `tag:amd.com,2025:snp-corim-profile`.
    Snp,
    /// Of Intel: 2.16.840.1.113741.1.16.1.
    Intel,
}

/// What to expect of one machine: `concise-mid-tag`, section 5.1, with reference triples alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comid {
    /// Its name: that of the CoRIM, a slash and the machine in words.
    pub id: String,
    /// At least one; evidence is accepted that one of them corroborates.
    pub triples: Vec<Triple>,
}

/// What to expect in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple {
    /// The environment, by its class alone.
    pub class: Class,
    /// The values that evidence of the environment must have, at least one.
    pub measurements: Vec<Measurement>,
}

/// An environment, by its class: `class-map`, section 5.1.4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// SEV-SNP whose reports the key of the chip signs.
    SnpByChip,
    /// SEV-SNP whose reports the key of a provider signs.
    SnpByProvider,
    /// Any other: no profile gives it an identifier.
    Named {
        /// Who makes or runs it, such as `Intel Corporation` or `Google`.
        vendor: String,
        /// What it is: a technology, or the profile of a machine with a TPM.
        model: String,
    },
}

/// A value, and of what: `measurement-map`, section 5.1.4.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// MEASUREMENT of an SEV-SNP report, a SHA-384.
    LaunchDigest(Digest),
    /// MRTD of a TD, a SHA-384.
    Mrtd(Digest),
    /// The tag of a Secure Execution header, as raw bytes.
    Tag(Vec<u8>),
    /// Another field of a Secure Execution header, a SHA-512.
    Header(HeaderField, Digest),
    /// PCRs or RTMRs by number, each with a digest for every bank.
    Registers(BTreeMap<u8, Vec<Digest>>),
}

/// A digest of a Secure Execution header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderField {
    /// PLD, of the encrypted pages.
    Pld,
    /// ALD, of their addresses.
    Ald,
    /// TLD, of their tweaks.
    Tld,
}

impl HeaderField {
    pub(super) const ALL: [Self; 3] = [Self::Pld, Self::Ald, Self::Tld];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pld => "pld",
            Self::Ald => "ald",
            Self::Tld => "tld",
        }
    }
}

/// A digest with its hash function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The function that made it.
    pub algorithm: Algorithm,
    /// 32, 48 or 64 bytes: as long as the function makes it.
    pub value: Vec<u8>,
}

/// A hash function that values of a CoRIM are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 32 bytes: 1 in the registry of IANA.
    Sha256,
    /// SHA-384, 48 bytes: 7.
    Sha384,
    /// SHA-512, 64 bytes: 8.
    Sha512,
}

impl Algorithm {
    pub(super) const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its number (IANA, "Named Information Hash Algorithm Registry"), and the bytes of a digest.
    pub(super) fn number_and_len(self) -> (u64, usize) {
        match self {
            Self::Sha256 => (1, 32),
            Self::Sha384 => (7, 48),
            Self::Sha512 => (8, 64),
        }
    }

    pub(super) fn of_bank(bank: Bank) -> Self {
        match bank {
            Bank::Sha256 => Self::Sha256,
            Bank::Sha384 => Self::Sha384,
        }
    }
}

impl Digest {
    pub(super) fn new(algorithm: Algorithm, value: &[u8]) -> Self {
        Self { algorithm, value: value.to_vec() }
    }
}
