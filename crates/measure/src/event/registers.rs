//! Values of registers in the forms in which tools print them.
//!
//! Taken are lines `pcr4=HEX` (or `rtmr1: HEX`, `mrtd HEX`), the YAML of tpm2_pcrread, and JSON:
//! systemd-measure's, `systemd-analyze pcrs`', this program's own, or any object with registers for
//! keys. Values of SHA-1 banks say nothing and are left out.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;

use super::{Bank, BankDigest, PcrIndex, Register, RegisterSet};

/// Why a list of registers can't be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistersError {
    /// A line that names no register.
    #[error("line {line}: expected a register and its value, such as `pcr4=HEX`; found {found:?}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// The line, cut after 80 characters.
        found: String,
    },
    /// A value that is no digest.
    #[error("the value of {register}: expected 64 or 96 hexadecimal digits, found {found:?}")]
    Value {
        /// The register that the value is given for.
        register: Register,
        /// The text in place of a digest.
        found: String,
    },
    /// A register with several values.
    #[error(
        "{register} has two values in one bank, {first} and {second}: give one, such as the one \
         after the phase the machine has reached"
    )]
    Ambiguous {
        /// The register with two values.
        register: Register,
        /// The value that was given first.
        first: BankDigest,
        /// A later value that differs.
        second: BankDigest,
    },
}

/// Values by bank and register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registers(BTreeMap<Bank, BTreeMap<Register, BankDigest>>);

impl Serialize for Registers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // By the numbers of the registers, as the map has them.
        self.0.serialize(serializer)
    }
}

/// The bank of a heading or key; `Some(None)` for one that is left out.
fn bank_named(word: &str) -> Option<Option<Bank>> {
    match word.to_lowercase().as_str() {
        "sha256" => Some(Some(Bank::Sha256)),
        "sha384" => Some(Some(Bank::Sha384)),
        "sha1" | "sha512" | "sm3_256" | "sha3_256" | "sha3_384" | "sha3_512" => Some(None),
        _ => None,
    }
}

fn pcr_numbered(word: &str) -> Option<Register> {
    word.parse().ok().and_then(PcrIndex::new).map(Register::Pcr)
}

fn digest(register: Register, text: &str) -> Result<BankDigest, RegistersError> {
    let digits = text.trim().to_lowercase();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    let found = || RegistersError::Value { register, found: text.to_owned() };
    digits.parse().map_err(|_| found())
}

impl Registers {
    /// Adds a value.
    ///
    /// # Errors
    /// The register has another value already.
    pub fn insert(&mut self, register: Register, value: BankDigest) -> Result<(), RegistersError> {
        let bank = self.0.entry(value.bank()).or_default();
        match bank.insert(register, value) {
            Some(first) if first != value => {
                Err(RegistersError::Ambiguous { register, first, second: value })
            }
            _ => Ok(()),
        }
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The banks, each with its values.
    pub fn banks(&self) -> impl Iterator<Item = (Bank, &BTreeMap<Register, BankDigest>)> {
        self.0.iter().map(|(bank, values)| (*bank, values))
    }

    /// Whether they are all a TPM's.
    pub fn is_of_tpm(&self) -> bool {
        let mut names = self.0.values().flat_map(BTreeMap::keys);
        names.all(|register| RegisterSet::Tpm.contains(*register))
    }

    /// The value of a register in a bank.
    #[must_use]
    pub fn get(&self, bank: Bank, register: Register) -> Option<BankDigest> {
        self.0.get(&bank)?.get(&register).copied()
    }

    /// Reads lines.
    ///
    /// # Errors
    /// Any of [`RegistersError`].
    pub fn of_text(text: &str) -> Result<Self, RegistersError> {
        let mut registers = Self::default();
        let mut heading = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let head = line.strip_suffix(':').map(str::trim_end);
            if let Some(bank) = head.and_then(bank_named) {
                heading = Some(bank);
                continue;
            }
            // The name of a whole list, as `pcrs:` is.
            if line.is_empty() || head.is_some_and(|word| word == "pcrs") {
                continue;
            }
            let unknown = || RegistersError::Line {
                line: number + 1,
                found: line.chars().take(80).collect(),
            };
            let parts = line.split_once(['=', ':']).or_else(|| line.rsplit_once(' '));
            let (name, value) = parts.ok_or_else(unknown)?;
            let name = name.trim();
            let register = match heading {
                Some(_) => pcr_numbered(name).or_else(|| name.parse().ok()),
                None => name.parse().ok(),
            };
            let register = register.ok_or_else(unknown)?;
            if heading != Some(None) {
                registers.insert(register, digest(register, value)?)?;
            }
        }
        Ok(registers)
    }

    /// Reads every register that a JSON value has at any depth.
    ///
    /// # Errors
    /// A value that is no digest, or a register with several.
    pub fn of_json(value: &Value) -> Result<Self, RegistersError> {
        let mut registers = Self::default();
        registers.walk(value, false)?;
        Ok(registers)
    }

    fn walk(&mut self, value: &Value, in_bank: bool) -> Result<(), RegistersError> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.walk(item, in_bank)),
            Value::Object(fields) => {
                let named = ["register", "pcr", "nr"].iter().find_map(|key| fields.get(*key));
                if let Some(register) = named.and_then(named_register) {
                    let keys = ["value", "hash", "digest", "sha256", "sha384"];
                    let values = keys.iter().filter_map(|key| fields.get(*key)?.as_str());
                    return values
                        .into_iter()
                        .try_for_each(|text| self.insert(register, digest(register, text)?));
                }
                fields.iter().try_for_each(|(key, value)| self.field(key, value, in_bank))
            }
            _ => Ok(()),
        }
    }

    fn field(&mut self, key: &str, value: &Value, in_bank: bool) -> Result<(), RegistersError> {
        let register = key.parse().ok().or_else(|| pcr_numbered(key).filter(|_| in_bank));
        match (register, value, bank_named(key)) {
            (Some(register), Value::String(text), _) => {
                self.insert(register, digest(register, text)?)
            }
            (_, _, Some(None)) => Ok(()),
            // What explains the values, in this program's own JSON.
            _ if WORDS.contains(&key) => Ok(()),
            (_, value, bank) => self.walk(value, in_bank || bank.is_some()),
        }
    }
}

/// Keys of this program's own JSON under which registers have words and not values.
const WORDS: [&str; 3] = ["conditions", "events", "not-predicted"];

/// A register as a number or a name.
fn named_register(value: &Value) -> Option<Register> {
    match value {
        Value::Number(number) => pcr_numbered(&number.to_string()),
        Value::String(name) => name.parse().ok().or_else(|| pcr_numbered(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_the_same_values() {
        let (four, eleven) = ("ab".repeat(32), "0C".repeat(32));
        let forms = [
            format!("pcr4={four}\nPCR 11: 0x{eleven} # of the image\n"),
            format!("  sha1:\n    4 : 0x00\n  sha256:\n    4 : 0x{four}\n    11: 0x{eleven}\n"),
            format!("pcr4 {four}\npcr11 {eleven}"),
        ];
        let json = [
            format!(r#"{{"sha256":[{{"pcr":4,"hash":"{four}"}},{{"pcr":11,"hash":"{eleven}"}}]}}"#),
            format!(r#"[{{"nr":4,"name":"a","sha256":"{four}"}},{{"nr":11,"sha256":"{eleven}"}}]"#),
            format!(r#"{{"sha256":{{"4":"{four}","11":"{eleven}"}},"sha1":{{"4":"00"}}}}"#),
            format!(r#"{{"pcr4":"{four}","pcr11":"{eleven}"}}"#),
        ];
        let read = forms.iter().map(|text| Registers::of_text(text).unwrap());
        let json = json
            .iter()
            .map(|text| Registers::of_json(&serde_json::from_str(text).unwrap()).unwrap());
        for registers in read.chain(json) {
            let [(Bank::Sha256, values)] = registers.banks().collect::<Vec<_>>()[..] else {
                panic!("{registers:?}")
            };
            let values: Vec<_> =
                values.iter().map(|(r, v)| (r.to_string(), v.to_string())).collect();
            let expected = [("PCR 4", four.clone()), ("PCR 11", eleven.to_lowercase())];
            assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value)));
        }
    }

    #[test]
    fn faults_are_named() {
        let error = |text| Registers::of_text(text).unwrap_err().to_string();
        assert!(error("pcr4=00\n").contains("PCR 4: expected 64 or 96"), "{}", error("pcr4=00\n"));
        assert!(error("\nhello world").starts_with("line 2: "));
        let twice = format!("pcr4={}\npcr4={}", "00".repeat(32), "11".repeat(32));
        assert!(error(&twice).starts_with("PCR 4 has two values"));
    }
}
