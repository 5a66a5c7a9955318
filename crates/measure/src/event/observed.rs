//! What a machine says it extended: one bank of a log, ready to be replayed and compared.
//!
//! Nothing here is believed. A log is data the guest's operating system hands out; it is true only
//! where its replay gives the value that a quote or report signs, and even then an event's *data*
//! is bound by its digest only where [`ObservedEvent::binds_data`] says so.

use std::borrow::Cow;
use std::collections::BTreeMap;

use thiserror::Error;

use super::data;
use super::register::{Bank, BankDigest, Register, RegisterSet};
use super::{EventType, data::EventData};

/// One extension of one register, as reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedEvent<'a> {
    /// The register that was extended.
    pub register: Register,
    /// What the log calls it.
    pub event_type: EventType,
    /// What was extended, in the bank of the list.
    pub digest: BankDigest,
    /// What the log says about it; often not what was hashed. Empty where a log has none.
    pub data: Cow<'a, [u8]>,
}

impl ObservedEvent<'_> {
    /// The data in words, as [`data::describe`].
    #[must_use]
    pub fn describe(&self) -> String {
        data::describe(self.event_type, &self.data)
    }

    /// Whether the digest is that of the data, so that a value that was replayed vouches for what
    /// the data says: the hash of the data, or of a variable's contents alone, as firmware measures
    /// boot options. Never so for images and initrds, whose bytes a log does not have.
    #[must_use]
    pub fn binds_data(&self) -> bool {
        let bank = self.digest.bank();
        if bank.hash(&self.data) == self.digest {
            return true;
        }
        match EventData::parse(self.event_type, &self.data) {
            Some(EventData::Variable(variable)) => bank.hash(variable.data) == self.digest,
            _ => false,
        }
    }
}

/// Why events can't belong to one log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObservedError {
    /// A register of another kind of machine.
    #[error("event {event} is of {found}, expected a register of a {expected}")]
    Register {
        /// Place of the event in the list, from 0.
        event: usize,
        /// The register that the event names.
        found: Register,
        /// Whose registers the events should be of.
        expected: RegisterSet,
    },
    /// A digest of another length.
    #[error("event {event} has a digest of {found}, expected {expected}")]
    Bank {
        /// Place of the event in the list, from 0.
        event: usize,
        /// The bank of its digest.
        found: Bank,
        /// The bank of the log.
        expected: Bank,
    },
}

/// The extensions of one bank, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<'a> {
    registers: RegisterSet,
    bank: Bank,
    startup_locality: u8,
    events: Vec<ObservedEvent<'a>>,
}

impl<'a> Observed<'a> {
    /// Events from wherever they come; of a binary log, [`super::log::Log::observed`] makes them.
    ///
    /// # Errors
    /// A register that is not one of `registers`, or a digest that is not of `bank`.
    pub fn new(
        registers: RegisterSet,
        bank: Bank,
        events: Vec<ObservedEvent<'a>>,
    ) -> Result<Self, ObservedError> {
        for (at, event) in events.iter().enumerate() {
            if !registers.contains(event.register) {
                let (found, expected) = (event.register, registers);
                return Err(ObservedError::Register { event: at, found, expected });
            }
            if event.digest.bank() != bank {
                let (found, expected) = (event.digest.bank(), bank);
                return Err(ObservedError::Bank { event: at, found, expected });
            }
        }
        Ok(Self { registers, bank, startup_locality: 0, events })
    }

    /// Events of a parsed log, whose entries are all of its registers and of the bank asked for.
    pub(super) const fn from_log(
        registers: RegisterSet,
        bank: Bank,
        events: Vec<ObservedEvent<'a>>,
    ) -> Self {
        Self { registers, bank, startup_locality: 0, events }
    }

    /// The same, of a TPM that was started at another locality than 0.
    #[must_use]
    pub fn with_startup_locality(self, startup_locality: u8) -> Self {
        Self { startup_locality, ..self }
    }

    /// Whose registers they are.
    #[must_use]
    pub const fn registers(&self) -> RegisterSet {
        self.registers
    }

    /// The hash function of every digest in the list.
    #[must_use]
    pub const fn bank(&self) -> Bank {
        self.bank
    }

    /// The locality the TPM was started at: the initial value of PCR 0.
    #[must_use]
    pub const fn startup_locality(&self) -> u8 {
        self.startup_locality
    }

    /// The events in the order in which they were extended.
    #[must_use]
    pub fn events(&self) -> &[ObservedEvent<'a>] {
        &self.events
    }

    /// The registers after all events; those nothing is extended into are left out, and so is the
    /// MRTD, which is not made of events.
    #[must_use]
    pub fn replay(&self) -> BTreeMap<Register, BankDigest> {
        let mut values = BTreeMap::new();
        let extended = self.events.iter().filter(|event| event.register != Register::Mrtd);
        for ObservedEvent { register, digest, .. } in extended {
            let initial = || self.bank.initial(*register, self.startup_locality);
            let value = values.entry(*register).or_insert_with(initial);
            // `new` has seen to it that all are of one bank.
            *value = value.extend(*digest).unwrap_or(*value);
        }
        values
    }
}
