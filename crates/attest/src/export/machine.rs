//! The machines of a file of reference values, their digests decoded.

use std::collections::BTreeMap;
use std::fmt;

use cvmkit_measure::claim::{Condition, Reason};
use cvmkit_measure::event::{Bank, BankDigest};
use cvmkit_measure::snp::LaunchDigest;

use super::error::ExportError;
use super::note::{DEBUG_MARK, Note};
use super::request::{Selection, Shape};
use crate::profile::{Technology, word};
use crate::values::{Digests, ReferenceValue, ValueFault};

/// What to expect of one machine.
#[derive(Clone, Debug)]
pub(super) struct ExpectedMachine {
    /// As it is in the file.
    pub(super) value: ReferenceValue,
    /// Whether it boots a debug image.
    debug: bool,
    /// Which it is of those that are worded alike, from 1.
    number: usize,
    pub(super) launch_digest: Option<LaunchDigest>,
    /// By name, such as `pcr4`; a TPM has several banks.
    pub(super) registers: BTreeMap<String, BTreeMap<Bank, BankDigest>>,
    /// Tag and digests of a Secure Execution image by their names in the header.
    pub(super) secure_execution: Vec<(&'static str, Vec<u8>)>,
}

impl fmt::Display for ExpectedMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mark().iter().try_for_each(|mark| write!(f, "{mark} "))?;
        self.value.fmt(f)?;
        if self.number > 1 { write!(f, " #{}", self.number) } else { Ok(()) }
    }
}

impl ExpectedMachine {
    /// What its document says if it boots a debug image.
    pub(super) fn mark(&self) -> Option<&'static str> {
        self.debug.then_some(DEBUG_MARK)
    }

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
            why: why.map_or("the reference values do not have it".to_owned(), Reason::to_string),
        }
    }

    /// What there is to know of the registers that `wanted` names: why one has no value, and what
    /// a value rests on.
    pub(super) fn words(&self, wanted: impl Fn(&str) -> bool) -> Vec<Note> {
        let open = self.value.not_predicted.iter();
        let open = open.map(|(name, why)| (name, format!("no {name}: {why}")));
        let conditions = self.value.conditions.iter();
        let conditions =
            conditions.map(|(name, conditions)| (name, format!("{name}: {}", listed(conditions))));
        open.chain(conditions)
            .filter(|(name, _)| wanted(name))
            .map(|(_, words)| Note::of(self, words))
            .collect()
    }
}

/// Conditions in words.
fn listed(conditions: &[Condition]) -> String {
    conditions.iter().map(Condition::to_string).collect::<Vec<_>>().join("; ")
}

/// The platforms of machines as they are in definitions, each once.
pub(super) fn platforms(machines: &[&ExpectedMachine]) -> Vec<String> {
    let mut platforms: Vec<Technology> =
        machines.iter().map(|machine| machine.platform()).collect();
    platforms.sort();
    platforms.dedup();
    platforms.iter().map(word).collect()
}

/// The machines of reference values, of a debug image or not, decoded. Those that are worded alike
/// are numbered.
pub(super) fn machines(
    debug: bool,
    values: Vec<ReferenceValue>,
) -> Result<Vec<ExpectedMachine>, ValueFault> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let machines = values.into_iter().map(|value| {
        let number = seen.entry(value.to_string()).or_default();
        *number += 1;
        machine(debug, *number, value)
    });
    machines.collect()
}

fn machine(
    debug: bool,
    number: usize,
    value: ReferenceValue,
) -> Result<ExpectedMachine, ValueFault> {
    let digests = value.digests()?;
    let mut registers: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (bank, values) in digests.registers {
        for (register, digest) in values {
            registers.entry(register.key()).or_default().insert(bank, digest);
        }
    }
    let Digests { launch_digest, secure_execution, .. } = digests;
    Ok(ExpectedMachine { value, debug, number, launch_digest, registers, secure_execution })
}
