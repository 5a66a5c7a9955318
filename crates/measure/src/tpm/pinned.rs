//! PCR 0 and 1 as a boot recorded them: what [`super::Firmware::pinned`] takes.
//!
//! Firmware build and machine decide these registers, and nothing computes them from files. A boot
//! of the same firmware in the same machine has the same events, with two exceptions in PCR 1: the
//! firmware measures boot options, which name what the disk is, and some versions of systemd-stub
//! measure SMBIOS tables. So a log predicts the next boot of the same kind, whatever the image.
//!
//! The contract: the events of both registers in the banks that the log has, or a refusal. That the
//! log is true is the caller's matter: only a quote over the registers it comes to says so.
//! Oracle: boots with other command lines, images and stubs.

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use thiserror::Error;

use super::pcr::PCR_UKI;
use super::stub::Stub;
use super::unknown::Unknown;
use crate::event::log::{self, Log};
use crate::event::{
    Bank, BankDigest, Event, EventType, Events, ObservedEvent, PcrIndex, Register, RegisterSet,
    Source,
};
use crate::uefi::PCR_MACHINE;

/// The registers, with what decides them.
const REGISTERS: [(PcrIndex, Source); 2] =
    [(PcrIndex::new(0).unwrap(), Source::Firmware), (PCR_MACHINE, Source::Machine)];

/// Why a log pins nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinnedError {
    /// The log has neither bank, or another flaw.
    #[error("the log can't be replayed")]
    Log(#[from] log::Error),
    /// A log of another kind of machine.
    #[error("the log is of a {found}, expected one of a {}", RegisterSet::Tpm)]
    Registers {
        /// Whose registers the log has.
        found: RegisterSet,
    },
    /// Nothing was extended into a register.
    #[error("the log has no event of {0:?}, which every firmware extends")]
    NoEvents(PcrIndex),
}

/// What a machine booted, as far as its firmware measures something else for it into PCR 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booted {
    /// An image from a disk with a GPT.
    FromTable,
    /// An image from a disk that is a file system.
    FromFileSystem,
    /// A kernel that the VMM handed over.
    FromVmm,
}

/// The events of PCR 0 and 1 in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    of_firmware: Events,
    /// In PCR 1, behind the firmware's.
    of_stub: Events,
    booted: Booted,
    banks: Vec<Bank>,
    startup_locality: u8,
}

impl Pinned {
    /// The banks that the log has.
    #[must_use]
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }

    /// The locality that its TPM was started at, which PCR 0 begins with.
    #[must_use]
    pub const fn startup_locality(&self) -> u8 {
        self.startup_locality
    }

    /// The events of another boot, and why PCR 1 is not known, if it isn't.
    pub(super) fn of_boot(&self, booted: Booted, stub: Option<&Stub>) -> (Events, Option<Unknown>) {
        let mut events = self.of_firmware.clone();
        let measures_smbios = stub.is_some_and(|stub| stub.measures_smbios);
        let unknown = match (booted == self.booted, measures_smbios, self.of_stub.0.is_empty()) {
            (false, ..) => Some(Unknown::PinnedDisk),
            (true, true, true) => Some(Unknown::PinnedStub),
            (true, true, false) => {
                events.extend(self.of_stub.0.iter().cloned());
                None
            }
            (true, false, _) => None,
        };
        if unknown.is_some() {
            events.0.retain(|event| event.pcr != PCR_MACHINE);
        }
        (events, unknown)
    }
}

/// The events of PCR 0 and 1 in a log.
///
/// # Errors
/// Any of [`PinnedError`].
pub fn pinned(log: &Log<'_>) -> Result<Pinned, PinnedError> {
    if log.registers != RegisterSet::Tpm {
        return Err(PinnedError::Registers { found: log.registers });
    }
    let startup_locality = log.startup_locality()?;
    let (sha256, sha384) = (log.observed(Bank::Sha256), log.observed(Bank::Sha384));
    let banks: Vec<_> = [(Bank::Sha256, sha256.is_ok()), (Bank::Sha384, sha384.is_ok())]
        .into_iter()
        .filter_map(|(bank, is_there)| is_there.then_some(bank))
        .collect();
    let first = match (&sha256, &sha384) {
        (Ok(first), _) | (Err(_), Ok(first)) => first,
        (Err(error), Err(_)) => return Err(error.clone().into()),
    };
    let digest = |bank: &Result<crate::event::Observed<'_>, log::Error>, at: usize| {
        let events = bank.as_ref().ok().map(crate::event::Observed::events);
        events.and_then(|events| events.get(at)).map(|event| event.digest)
    };
    let (mut of_firmware, mut of_stub) = (Events::default(), Events::default());
    for (pcr, source) in REGISTERS {
        let own = first.events().iter().enumerate();
        let own: Vec<_> = own.filter(|(_, event)| event.register == Register::Pcr(pcr)).collect();
        if own.is_empty() {
            return Err(PinnedError::NoEvents(pcr));
        }
        for (at, event) in own {
            let digests = digests([digest(&sha256, at), digest(&sha384, at)]);
            let list = if is_of_stub(event) { &mut of_stub } else { &mut of_firmware };
            list.extend([recorded(event, pcr, source, digests)]);
        }
    }
    let booted = booted(first.events());
    Ok(Pinned { of_firmware, of_stub, booted, banks, startup_locality })
}

/// Both digests; zeros for a bank that the log does not have.
fn digests(banks: [Option<BankDigest>; 2]) -> Digests {
    let mut digests = Digests { sha256: Sha256::ZERO, sha384: Sha384::ZERO };
    for digest in banks.into_iter().flatten() {
        match digest {
            BankDigest::Sha256(sha256) => digests.sha256 = sha256,
            BankDigest::Sha384(sha384) => digests.sha384 = sha384,
        }
    }
    digests
}

fn recorded(event: &ObservedEvent<'_>, pcr: PcrIndex, source: Source, digests: Digests) -> Event {
    Event {
        pcr,
        event_type: event.event_type,
        meaning: format!("as recorded: {}", event.describe()).into(),
        source,
        digests,
    }
}

/// Whether systemd-stub measured it: SMBIOS tables, as tagged events, which no firmware of this
/// project's oracles has in PCR 1.
fn is_of_stub(event: &ObservedEvent<'_>) -> bool {
    event.register == Register::Pcr(PCR_MACHINE) && event.event_type == EventType::EV_EVENT_TAG
}

/// What the machine of a log booted: a stub measures its sections into PCR 11, and only firmware that
/// boots from a disk with a table measures that.
fn booted(events: &[ObservedEvent<'_>]) -> Booted {
    let has_table = events.iter().any(|event| event.event_type == EventType::EV_EFI_GPT_EVENT);
    let has_stub = events.iter().any(|event| event.register == Register::Pcr(PCR_UKI));
    match (has_table, has_stub) {
        (true, _) => Booted::FromTable,
        (false, true) => Booted::FromFileSystem,
        (false, false) => Booted::FromVmm,
    }
}
