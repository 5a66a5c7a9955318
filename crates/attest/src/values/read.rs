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

/// Why a file can't be read as reference values.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can't be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// More than [`DESCRIPTION_MAX`] bytes, which no build writes.
    #[error("`{}` is longer than {DESCRIPTION_MAX} bytes, expected reference values", path.display())]
    TooLong {
        /// Path of the file.
        path: PathBuf,
    },
    /// Not JSON of this schema, or another version of it.
    #[error(transparent)]
    Versioned(#[from] VersionedError),
    /// A value that is not a digest of what its key says, or a key that names no bank or register.
    #[error("`{}`, {machine}: expected {} for {}, found `{}`", path.display(), fault.expected, fault.what, fault.found)]
    Value {
        /// Path of the file.
        path: PathBuf,
        /// The machine in words, with its profile.
        machine: String,
        /// The value, and what was expected in its place.
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

/// A text of a value that can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFault {
    /// The key of the value, such as `pcr4`, or what it should name, such as `a bank`.
    pub what: String,
    /// The form of such a value, in words.
    pub expected: &'static str,
    /// The text in its place.
    pub found: String,
}

/// The digests of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// MEASUREMENT of an SEV-SNP report; none for another technology.
    pub launch_digest: Option<LaunchDigest>,
    /// PCRs of a TPM by bank; MRTD and RTMRs of a TD in the SHA-384 bank. Those without a value are not here.
    pub registers: BTreeMap<Bank, BTreeMap<Register, BankDigest>>,
    /// Tag and digests of a Secure Execution image by their names in the header, `tag`, `pld`, `ald` and
    /// `tld`; empty for another technology.
    pub secure_execution: Vec<(&'static str, Vec<u8>)>,
}

impl ReferenceValues {
    /// Reads a file of at most [`DESCRIPTION_MAX`] bytes, a pipe too.
    ///
    /// # Errors
    /// Any of [`ReadError`].
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        let limited = files::open_stream(path)?.take(DESCRIPTION_MAX + 1).read_to_end(&mut bytes);
        limited.map_err(files::cannot("read", path))?;
        if bytes.len() as u64 > DESCRIPTION_MAX {
            return Err(ReadError::TooLong { path: path.to_owned() });
        }
        Self::parse(&bytes, path)
    }

    /// Reads the bytes of a file, and decodes every digest; errors name it by the path, which is not opened.
    ///
    /// # Errors
    /// [`ReadError::Versioned`] and [`ReadError::Value`].
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
    /// The value's digests, decoded.
    ///
    /// # Errors
    /// The first text that can't be decoded.
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
                ("tag", "tag", &header.tag),
                ("pld", "page-digest", &header.page_digest),
                ("ald", "address-digest", &header.address_digest),
                ("tld", "tweak-digest", &header.tweak_digest),
            ];
            for (name, key, text) in fields {
                let what = format!("secure-execution.{key}");
                let bytes = hex::decode(text).map_err(|_| fault(&what, "hex digits", text))?;
                digests.secure_execution.push((name, bytes));
            }
        }
        Ok(digests)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// One machine with a TPM, and these registers.
    fn values(registers: Value) -> Value {
        json!({
            "schema": SCHEMA, "debug": false, "profiles": [],
            "values": [{
                "profile": "mine", "profile-version": 1, "platform": "tpm", "vmm": "qemu",
                "boot": "uki-disk", "registers": registers,
            }],
        })
    }

    fn parse(value: &Value) -> Result<ReferenceValues, ReadError> {
        ReferenceValues::parse(value.to_string().as_bytes(), Path::new("values.json"))
    }

    #[test]
    fn digests_are_decoded_by_bank_and_register() {
        let (short, long) = ("0a".repeat(32), "0b".repeat(48));
        let all = values(
            json!({ "sha256": { "pcr4": short }, "sha384": { "pcr4": long, "pcr11": long } }),
        );
        let values = parse(&all).unwrap();
        let digests = values.values[0].digests().unwrap();
        let of = |bank, name: &str| digests.registers[&bank].get(&name.parse().unwrap()).copied();
        assert_eq!(of(Bank::Sha256, "pcr4"), Some(short.parse().unwrap()));
        assert_eq!(of(Bank::Sha384, "pcr11"), Some(long.parse().unwrap()));
        assert_eq!(of(Bank::Sha256, "pcr11"), None);
        assert_eq!(digests.launch_digest, None);
        assert_eq!(serde_json::to_value(&values).unwrap(), all);
    }

    /// A digest that is malformed must not pass for a register without a value.
    #[test]
    fn what_is_no_digest_is_an_error_that_names_it() {
        let digest = "0a".repeat(32);
        for (registers, words) in [
            (
                json!({ "sha1": { "pcr4": digest } }),
                "expected `sha256` or `sha384` for a bank, found `sha1`",
            ),
            (json!({ "sha256": { "pcr24": digest } }), "for a register, found `pcr24`"),
            (json!({ "sha256": { "pcr": digest } }), "for a register, found `pcr`"),
            (json!({ "sha384": { "pcr4": digest } }), "expected a digest of the bank for pcr4"),
            (
                json!({ "sha256": { "pcr4": "" } }),
                "expected a digest of the bank for pcr4, found ``",
            ),
            (
                json!({ "sha256": { "pcr4": "0g".repeat(32) } }),
                "expected a digest of the bank for pcr4",
            ),
        ] {
            let error = parse(&values(registers)).unwrap_err();
            assert!(matches!(error, ReadError::Value { .. }), "{error:?}");
            let error = error.to_string();
            assert!(error.starts_with("`values.json`, mine (qemu, uki-disk boot): "), "{error}");
            assert!(error.contains(words), "{error}");
        }
        // Under the names that they have in the document, not those of the header.
        for key in ["tag", "page-digest", "address-digest", "tweak-digest"] {
            let mut image = values(json!({}));
            let header = &mut image["values"][0]["secure-execution"];
            *header = json!({
                "tag": "00", "page-digest": "01", "address-digest": "02", "tweak-digest": "03",
                "host-keys": [],
            });
            header[key] = "0g".into();
            let error = parse(&image).unwrap_err().to_string();
            let words = format!("expected hex digits for secure-execution.{key}, found `0g`");
            assert!(error.ends_with(&words), "{error}");
        }
        let mut launch = values(json!({}));
        launch["values"][0]["launch-digest"] = "00".into();
        let error = parse(&launch).unwrap_err().to_string();
        assert!(error.contains("expected 96 hex digits for launch-digest, found `00`"), "{error}");
    }

    #[test]
    fn another_version_and_an_unknown_key_are_told_apart() {
        let mut later = values(json!({}));
        later["schema"] = (SCHEMA + 1).into();
        later["values"][0]["new"] = 1.into();
        let later = parse(&later).unwrap_err();
        assert!(later.to_string().contains("schema 4, expected 3"), "{later}");
        let mut unknown = values(json!({}));
        unknown["values"][0]["new"] = 1.into();
        let unknown = parse(&unknown).unwrap_err();
        let why = std::error::Error::source(&unknown).unwrap().to_string();
        assert!(why.contains("unknown field `new`"), "{why}");
    }

    /// As long as nothing that is written: refused before it takes 40 times its length of memory.
    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.json");
        let len = usize::try_from(DESCRIPTION_MAX).unwrap() + 1;
        files::replace(&path, &vec![b' '; len]).unwrap();
        assert!(matches!(ReferenceValues::read(&path), Err(ReadError::TooLong { .. })));
        let missing = ReferenceValues::read(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.fault(), Fault::Definition);
    }

    /// A value as the file has it, with more or other keys.
    fn value_with(key: &str, with: Value) -> Result<Digests, ValueFault> {
        let mut all = values(json!({}));
        all["values"][0][key] = with;
        let value: ReferenceValue = serde_json::from_value(all["values"][0].clone()).unwrap();
        value.digests()
    }

    #[test]
    fn launch_digests_and_headers_are_decoded() {
        let digest = "0c".repeat(48);
        let digests = value_with("launch-digest", digest.clone().into()).unwrap();
        assert_eq!(digests.launch_digest.map(|digest| digest.to_string()), Some(digest));
        assert!(digests.registers.is_empty() && digests.secure_execution.is_empty());
        let header = |tag: &str| {
            json!({
                "tag": tag, "page-digest": "01", "address-digest": "0203", "tweak-digest": "AB",
                "host-keys": ["not looked at"],
            })
        };
        let digests = value_with("secure-execution", header("ff00")).unwrap();
        let expected =
            [("tag", vec![0xff, 0]), ("pld", vec![1]), ("ald", vec![2, 3]), ("tld", vec![0xab])];
        assert_eq!(digests.secure_execution, expected);
        let fault = value_with("secure-execution", header("f")).unwrap_err();
        let what = "secure-execution.tag".into();
        let expected = ValueFault { what, expected: "hex digits", found: "f".into() };
        assert_eq!(fault, expected);
    }

    /// Each field of a Secure Execution header is looked at.
    #[test]
    fn a_header_that_is_not_hex_names_its_field() {
        for key in ["tag", "page-digest", "address-digest", "tweak-digest"] {
            let mut header = json!({
                "tag": "00", "page-digest": "00", "address-digest": "00", "tweak-digest": "00",
                "host-keys": [],
            });
            header[key] = "no".into();
            let fault = value_with("secure-execution", header).unwrap_err();
            let name = format!("secure-execution.{key}");
            assert_eq!((fault.what, fault.found.as_str()), (name, "no"));
        }
    }

    /// A bank is known by its one name, and a register by any spelling of it.
    #[test]
    fn names_of_banks_are_exact() {
        let digest = "0a".repeat(32);
        for bank in ["SHA256", "sha512", "", "sha256 "] {
            let fault = value_with("registers", json!({ bank: { "pcr4": digest } })).unwrap_err();
            let expected = ValueFault {
                what: "a bank".into(),
                expected: "`sha256` or `sha384`",
                found: bank.into(),
            };
            assert_eq!(fault, expected);
        }
        let digests = value_with("registers", json!({ "sha256": {} })).unwrap();
        assert!(digests.registers[&Bank::Sha256].is_empty());
    }

    #[test]
    fn a_file_of_the_greatest_length_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.json");
        let mut bytes = values(json!({})).to_string().into_bytes();
        bytes.resize(usize::try_from(DESCRIPTION_MAX).unwrap(), b' ');
        files::replace(&path, &bytes).unwrap();
        assert_eq!(ReferenceValues::read(&path).unwrap().values.len(), 1);
        bytes.push(b' ');
        files::replace(&path, &bytes).unwrap();
        match ReferenceValues::read(&path).unwrap_err() {
            ReadError::TooLong { path: named } => assert_eq!(named, path),
            error => panic!("{error}"),
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let file = |kind: std::io::ErrorKind| FileError {
            action: "open",
            path: "folder/values.json".into(),
            source: kind.into(),
        };
        let denied = ReadError::from(file(std::io::ErrorKind::PermissionDenied));
        assert_eq!(denied.fault(), Fault::Environment);
        assert_eq!(denied.hint().unwrap(), "see who may write to `folder`");
        let missing = ReadError::from(file(std::io::ErrorKind::NotFound));
        assert_eq!((missing.fault(), missing.hint()), (Fault::Definition, None));
        let older = parse(&json!({ "schema": SCHEMA - 1 })).unwrap_err();
        assert_eq!(older.fault(), Fault::Definition);
        let hint = older.hint().unwrap();
        assert!(
            hint.starts_with("an older cvmkit wrote it: name the folder of an image"),
            "{hint}"
        );
        let malformed = parse(&values(json!({ "sha256": { "pcr4": "" } }))).unwrap_err();
        assert_eq!((malformed.fault(), malformed.hint()), (Fault::Definition, None));
        let long = ReadError::TooLong { path: "x".into() };
        assert_eq!((long.fault(), long.hint()), (Fault::Definition, None));
    }
}
