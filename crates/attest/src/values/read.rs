//! Reads reference values: the one reader of `compare`, `export`, `plan`, `verify` and `measure`.
//!
//! What is read is a value of this schema with every digest decoded; a digest that is malformed is an
//! error, and never a value that is missing.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError};
use cvmkit_host::versioned::{self, Versioned, VersionedError};
use cvmkit_measure::event::{Bank, BankDigest, Register};
use cvmkit_measure::snp::LaunchDigest;
use thiserror::Error;

use super::schema::{LAUNCH_DIGEST, ReferenceValue, ReferenceValues, SCHEMA};
use crate::output::DESCRIPTION_MAX;

impl Versioned for ReferenceValues {
    const NAME: &'static str = "reference values";
    const KEY: &'static str = "schema";
    const VERSION: u32 = SCHEMA;
    const REMAKE: &'static str = "name the folder of an image that this version of cvmkit built, or \
                                  its `reference-values.json`";
}

/// Why reference values can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// More than is ever written.
    #[error("`{}` is longer than {DESCRIPTION_MAX} bytes, expected reference values", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Something else, or another version.
    #[error(transparent)]
    Versioned(#[from] VersionedError),
    /// A value that is none.
    #[error("`{}`, {machine}: expected {} for {}, found `{}`", path.display(), fault.expected, fault.what, fault.found)]
    Value {
        /// The file.
        path: PathBuf,
        /// Whose.
        machine: String,
        /// What is wrong.
        fault: ValueFault,
    },
}

impl Diagnosis for ReadError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) if !error.is_not_found() => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Versioned(error) => error.hint(),
            Self::TooLong { .. } | Self::Value { .. } => None,
        }
    }
}

/// A value that is no digest of what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFault {
    /// Which value.
    pub what: String,
    /// What there should be.
    pub expected: &'static str,
    /// What there is.
    pub found: String,
}

/// The digests of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Of SEV-SNP.
    pub launch_digest: Option<LaunchDigest>,
    /// By bank.
    pub registers: BTreeMap<Bank, BTreeMap<Register, BankDigest>>,
    /// Tag and digests of a Secure Execution image by their names in the header.
    pub secure_execution: Vec<(&'static str, Vec<u8>)>,
}

impl ReferenceValues {
    /// Reads a file.
    ///
    /// # Errors
    /// None of this schema, or a value that is no digest.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        let limited = files::open_stream(path)?.take(DESCRIPTION_MAX + 1).read_to_end(&mut bytes);
        limited.map_err(files::cannot("read", path))?;
        if bytes.len() as u64 > DESCRIPTION_MAX {
            return Err(ReadError::TooLong { path: path.to_owned() });
        }
        Self::parse(&bytes, path)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// None of this schema, or a value that is no digest.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, ReadError> {
        let values: Self = versioned::json(bytes, path.display())?;
        for value in &values.values {
            value.digests().map_err(|fault| ReadError::Value {
                path: path.to_owned(),
                machine: value.to_string(),
                fault,
            })?;
        }
        Ok(values)
    }
}

impl ReferenceValue {
    /// Its digests decoded.
    ///
    /// # Errors
    /// A value that is no digest.
    pub fn digests(&self) -> Result<Digests, ValueFault> {
        let fault = |what: &str, expected: &'static str, found: &str| ValueFault {
            what: what.to_owned(),
            expected,
            found: found.to_owned(),
        };
        let mut digests = Digests::default();
        if let Some(text) = &self.launch_digest {
            let digest = text.parse().map_err(|_| fault(LAUNCH_DIGEST, "96 hex digits", text))?;
            digests.launch_digest = Some(digest);
        }
        for (name, values) in &self.registers {
            let bank = Bank::ALL.into_iter().find(|bank| bank.to_string() == *name);
            let bank = bank.ok_or_else(|| fault("a bank", "`sha256` or `sha384`", name))?;
            let of_bank = digests.registers.entry(bank).or_default();
            for (name, text) in values {
                let register = name.parse::<Register>();
                let register = register
                    .map_err(|_| fault("a register", "a name such as `pcr4` or `rtmr1`", name))?;
                let digest = text.parse().ok().filter(|digest: &BankDigest| digest.bank() == bank);
                let digest = digest.ok_or_else(|| fault(name, "a digest of the bank", text))?;
                of_bank.insert(register, digest);
            }
        }
        if let Some(header) = &self.secure_execution {
            let fields = [
                ("tag", &header.tag),
                ("pld", &header.page_digest),
                ("ald", &header.address_digest),
                ("tld", &header.tweak_digest),
            ];
            for (name, text) in fields {
                let bytes = hex::decode(text).map_err(|_| fault(name, "hex digits", text))?;
                digests.secure_execution.push((name, bytes));
            }
        }
        Ok(digests)
    }
}
