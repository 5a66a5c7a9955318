//! PCR 0 and 1 as a boot recorded them: what [`super::Firmware::pinned`] takes.
//!
//! Firmware build and machine decide these registers, and nothing computes them from files. A boot
//! of the same firmware in the same machine has the same events, whatever it boots, so a log of one
//! predicts the next. The contract: the events of both registers in both banks, or a refusal. That
//! the log is true is the caller's matter: only a quote over the registers it comes to says so.
//! Oracle: two boots with different command lines.

use thiserror::Error;

use crate::digest::Digests;
use crate::event::log::{self, Log};
use crate::event::{
    Bank, BankDigest, Event, Events, ObservedEvent, PcrIndex, Register, RegisterSet, Source,
};

/// The registers, with what decides them.
const REGISTERS: [(PcrIndex, Source); 2] =
    [(PcrIndex::new(0).unwrap(), Source::Firmware), (PcrIndex::new(1).unwrap(), Source::Machine)];

/// Why a log pins nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinnedError {
    /// A bank that the log does not have, or another flaw of it.
    #[error("the log lacks what both banks need")]
    Log(#[from] log::Error),
    /// A log of another kind of machine.
    #[error("the log is of a {found}, expected one of a {}", RegisterSet::Tpm)]
    Registers {
        /// Whose registers the log has.
        found: RegisterSet,
    },
    /// A TPM whose PCR 0 did not start at zero.
    #[error("the TPM of the log was started at locality {found}, expected 0")]
    Locality {
        /// The locality.
        found: u8,
    },
    /// Nothing was extended into a register.
    #[error("the log has no event of {0:?}, which every firmware extends")]
    NoEvents(PcrIndex),
}

/// The events of PCR 0 and 1 in a log.
///
/// # Errors
/// Any of [`PinnedError`].
pub fn pinned(log: &Log<'_>) -> Result<Events, PinnedError> {
    if log.registers != RegisterSet::Tpm {
        return Err(PinnedError::Registers { found: log.registers });
    }
    let found = log.startup_locality()?;
    if found != 0 {
        return Err(PinnedError::Locality { found });
    }
    let (sha256, sha384) = (log.observed(Bank::Sha256)?, log.observed(Bank::Sha384)?);
    // Both banks have the same entries.
    let both = || sha256.events().iter().zip(sha384.events());
    let mut events = Events::default();
    for (pcr, source) in REGISTERS {
        let before = events.0.len();
        events.extend(both().filter_map(|banks| event(banks, pcr, source)));
        if events.0.len() == before {
            return Err(PinnedError::NoEvents(pcr));
        }
    }
    Ok(events)
}

/// The event of an entry in both banks, if it is of the register.
fn event(
    (first, second): (&ObservedEvent<'_>, &ObservedEvent<'_>),
    pcr: PcrIndex,
    source: Source,
) -> Option<Event> {
    let (BankDigest::Sha256(sha256), BankDigest::Sha384(sha384)) = (first.digest, second.digest)
    else {
        return None;
    };
    (first.register == Register::Pcr(pcr)).then(|| Event {
        pcr,
        event_type: first.event_type,
        meaning: format!("as recorded: {}", first.describe()).into(),
        source,
        digests: Digests { sha256, sha384 },
    })
}
