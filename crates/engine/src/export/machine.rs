//! The machines of a file of reference values, their digests decoded.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use cvmkit_measure::event::{Bank, BankDigest};
use cvmkit_measure::snp::LaunchDigest;
use serde::Deserialize;

use super::{ExportError, Selection, Shape};
use crate::profile::{Profile, Technology, word};
use crate::reference::{ReferenceValue, ReferenceValues, SCHEMA};

/// The schema alone, which is looked at before anything that depends on it.
#[derive(Deserialize)]
struct RawSchema {
    schema: u32,
}

/// What to expect of one machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// As it is in the file.
    pub(super) value: ReferenceValue,
    pub(super) launch_digest: Option<LaunchDigest>,
    /// By name, such as `pcr4`; a TPM has several banks.
    pub(super) registers: BTreeMap<String, BTreeMap<Bank, BankDigest>>,
    /// Tag and digests of a Secure Execution image by their names in the header.
    pub(super) secure_execution: Vec<(&'static str, Vec<u8>)>,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = &self.value;
        write!(f, "{} ({}, {} boot", value.profile, word(&value.vmm), word(&value.boot))?;
        match value.vcpus {
            Some(1) => f.write_str(", 1 vCPU")?,
            Some(count) => write!(f, ", {count} vCPUs")?,
            None => {}
        }
        value.vcpu_type.iter().try_for_each(|name| write!(f, " {name}"))?;
        value.memory.iter().try_for_each(|memory| write!(f, ", {memory}"))?;
        value.guest_features.iter().try_for_each(|bits| write!(f, ", features {bits}"))?;
        value.firmware.iter().try_for_each(|name| write!(f, ", {name}"))?;
        f.write_str(")")
    }
}

impl Machine {
    /// What measures it.
    pub(super) fn platform(&self) -> Technology {
        self.value.platform
    }

    /// Whether it is one of those that were asked for.
    pub(super) fn fits(&self, selection: &Selection) -> bool {
        fn holds<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let value = &self.value;
        selection.profile.as_ref().is_none_or(|profile| *profile == value.profile)
            && holds(&selection.vcpus, &value.vcpus)
            && holds(&selection.vcpu_type, &value.vcpu_type)
            && holds(&selection.memory, &value.memory.map(|memory| memory.0))
    }

    /// The value of a register.
    pub(super) fn register(&self, bank: Bank, name: &str) -> Option<&[u8]> {
        self.registers.get(name)?.get(&bank).map(BankDigest::as_bytes)
    }

    /// The value of a register that `shape` can't do without.
    pub(super) fn needed(
        &self,
        shape: Shape,
        bank: Bank,
        name: &str,
    ) -> Result<&[u8], ExportError> {
        self.register(bank, name).ok_or_else(|| self.missing(shape, name))
    }

    /// The launch digest, which `shape` can't do without.
    pub(super) fn needed_launch_digest(&self, shape: Shape) -> Result<LaunchDigest, ExportError> {
        self.launch_digest.ok_or_else(|| self.missing(shape, "launch-digest"))
    }

    /// That `shape` needs a value that is not there.
    pub(super) fn missing(&self, shape: Shape, name: &str) -> ExportError {
        let why = self.value.not_predicted.get(name);
        ExportError::Missing {
            shape,
            machine: self.to_string(),
            what: name.to_owned(),
            why: why.map_or("the reference values do not have it", String::as_str).to_owned(),
        }
    }

    /// What there is to know of the registers that `wanted` names: why one has no value, and what
    /// a value takes for granted.
    pub(super) fn words(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let open = self.value.not_predicted.iter();
        let open = open.map(|(name, why)| (name, format!("{self}: no {name}: {why}")));
        let reserved = self.value.reservations.iter();
        let reserved = reserved.map(|(name, words)| (name, format!("{self}: {name}: {words}")));
        open.chain(reserved).filter(|(name, _)| wanted(name)).map(|(_, words)| words).collect()
    }
}

/// The platforms of machines as they are in definitions, each once.
pub(super) fn platforms(machines: &[&Machine]) -> Vec<String> {
    let mut platforms: Vec<Technology> =
        machines.iter().map(|machine| machine.platform()).collect();
    platforms.sort();
    platforms.dedup();
    platforms.iter().map(word).collect()
}

/// Reads a file of reference values: what is taken for granted of the machines, and the machines.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<(Vec<Profile>, Vec<Machine>), ExportError> {
    let malformed =
        |source| ExportError::Malformed { path: path.to_owned(), expected: SCHEMA, source };
    let RawSchema { schema } = serde_json::from_slice(bytes).map_err(malformed)?;
    if schema != SCHEMA {
        let (path, expected, found) = (path.to_owned(), SCHEMA, schema);
        return Err(ExportError::Schema { path, expected, found });
    }
    let values: ReferenceValues = serde_json::from_slice(bytes).map_err(malformed)?;
    let machines = values.values.into_iter().map(|value| machine(path, value));
    Ok((values.profiles, machines.collect::<Result<_, _>>()?))
}

fn machine(path: &Path, value: ReferenceValue) -> Result<Machine, ExportError> {
    let mut machine = Machine {
        value,
        launch_digest: None,
        registers: BTreeMap::new(),
        secure_execution: Vec::new(),
    };
    let name = machine.to_string();
    let refused = |what: &str, expected: &'static str, found: &str| ExportError::Value {
        path: path.to_owned(),
        machine: name.clone(),
        what: what.to_owned(),
        expected,
        found: found.to_owned(),
    };
    if let Some(text) = &machine.value.launch_digest {
        let digest = text.parse().map_err(|_| refused("launch-digest", "96 hex digits", text))?;
        machine.launch_digest = Some(digest);
    }
    for (name, values) in &machine.value.registers {
        let bank = Bank::ALL.into_iter().find(|bank| bank.to_string() == *name);
        let bank = bank.ok_or_else(|| refused("a bank", "`sha256` or `sha384`", name))?;
        for (register, text) in values {
            let digest: Option<BankDigest> = text.parse().ok();
            let digest = digest.filter(|digest| digest.bank() == bank);
            let digest = digest.ok_or_else(|| refused(register, "a digest of the bank", text))?;
            machine.registers.entry(register.clone()).or_default().insert(bank, digest);
        }
    }
    if let Some(header) = &machine.value.secure_execution {
        let fields = [
            ("tag", &header.tag),
            ("pld", &header.page_digest),
            ("ald", &header.address_digest),
            ("tld", &header.tweak_digest),
        ];
        let decoded = |(name, text): (&'static str, &String)| -> Result<_, ExportError> {
            let bytes = hex::decode(text).map_err(|_| refused(name, "hex digits", text))?;
            Ok((name, bytes))
        };
        machine.secure_execution = fields.into_iter().map(decoded).collect::<Result<_, _>>()?;
    }
    Ok(machine)
}
