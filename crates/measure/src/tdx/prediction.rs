//! What is known of the registers of a TD before it boots, and what is not.
//!
//! Some events depend on what only the machine can say: the tables that its VMM makes, the devices
//! that become boot options. A register with such an event is *open*: it has no value, only a
//! reason, and the events that come before the first unknown one, which a log can still be held
//! against. All other registers are predicted whole. Nothing is put in place of what is not known.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::claim::{Reason, ReasonCode, Word};
use crate::event::{Event, Events, PcrIndex, Rtmr, RtmrIndex};
use crate::linux::KernelVersion;

/// Why an event is not known, though it is known that it comes, or may.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{}", Reason::from(*self))]
#[non_exhaustive]
pub enum Unknown {
    /// The tables that QEMU makes are not given.
    AcpiTables,
    /// The layout measures SMBIOS tables, and their digest is not given.
    SmbiosTables {
        /// Name of the layout, such as `edk2-stable202505`.
        layout: &'static str,
    },
    /// Boot options follow the devices.
    BootOptions,
    /// The kernel measures into a TPM rather than into the TD, if there is one.
    Tpm,
    /// A kernel that may not measure what it is given.
    OldKernel {
        /// The version that the kernel says it has.
        found: KernelVersion,
    },
    /// A kernel that does not say which it is.
    KernelVersion,
    /// Firmware that may have to leave boot services twice.
    ExitBootServices,
    /// The size of the memory is not given.
    Memory,
    /// Firmware of which nothing is known, as a cloud's.
    Firmware,
}

impl Unknown {
    /// As it is published; [`Reason`] has its values too.
    #[must_use]
    pub const fn code(self) -> ReasonCode {
        match self {
            Self::AcpiTables => ReasonCode::AcpiTables,
            Self::SmbiosTables { .. } => ReasonCode::SmbiosTables,
            Self::BootOptions => ReasonCode::BootOptions,
            Self::Tpm => ReasonCode::VirtualTpm,
            Self::OldKernel { .. } => ReasonCode::OldKernel,
            Self::KernelVersion => ReasonCode::KernelVersion,
            Self::ExitBootServices => ReasonCode::ExitBootServices,
            Self::Memory => ReasonCode::MemorySize,
            Self::Firmware => ReasonCode::UnknownFirmware,
        }
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that a boot does to a register.
pub(super) enum Step {
    /// It extends this.
    Known(Event),
    /// It extends something, or may.
    Unknown {
        /// Into the register that stands for this one.
        pcr: PcrIndex,
        /// Why it is not known what.
        reason: Unknown,
    },
}

impl Step {
    pub(super) fn unknown(pcr: PcrIndex, reason: Unknown) -> Self {
        Self::Unknown { pcr, reason }
    }
}

impl From<Event> for Step {
    fn from(event: Event) -> Self {
        Self::Known(event)
    }
}

/// A register that is not predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Open {
    /// Why: the first thing that is not known.
    pub reason: Unknown,
    /// What is extended before it.
    pub before: Events,
}

/// The registers of a TD after a boot, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// Every event of the registers that are known, in order. Those that no event is for, RTMR 3
    /// among them, are 0.
    pub events: Events,
    /// The registers that are not.
    pub open: BTreeMap<RtmrIndex, Open>,
    /// All of both, in order: what a log can be held against.
    pub listed: Events,
}

impl Prediction {
    pub(super) fn of_steps(steps: Vec<Step>) -> Self {
        let mut reasons: BTreeMap<RtmrIndex, Unknown> = BTreeMap::new();
        let mut listed = Vec::new();
        for step in steps {
            match step {
                Step::Known(event) => {
                    let register = RtmrIndex::of_pcr(event.pcr);
                    if register.is_none_or(|register| !reasons.contains_key(&register)) {
                        listed.push(event);
                    }
                }
                Step::Unknown { pcr, reason } => {
                    let register = RtmrIndex::of_pcr(pcr);
                    register.map(|register| reasons.entry(register).or_insert(reason));
                }
            }
        }
        Self::new(Events(listed), reasons)
    }

    fn new(listed: Events, reasons: BTreeMap<RtmrIndex, Unknown>) -> Self {
        let before = |register| {
            let own =
                listed.0.iter().filter(|event| RtmrIndex::of_pcr(event.pcr) == Some(register));
            own.cloned().collect()
        };
        let open = reasons.iter().map(|(register, reason)| {
            (*register, Open { reason: *reason, before: before(*register) })
        });
        let is_known = |event: &&Event| {
            !RtmrIndex::of_pcr(event.pcr).is_some_and(|register| reasons.contains_key(&register))
        };
        let events = listed.0.iter().filter(is_known).cloned().collect();
        Self { events, open: open.collect(), listed }
    }

    /// The same boot, if nothing is known of a register for this reason.
    #[must_use]
    pub fn without(self, register: RtmrIndex, reason: Unknown) -> Self {
        let mut listed = self.listed;
        listed.0.retain(|event| RtmrIndex::of_pcr(event.pcr) != Some(register));
        let mut reasons: BTreeMap<_, _> =
            self.open.into_iter().map(|(register, open)| (register, open.reason)).collect();
        reasons.insert(register, reason);
        Self::new(listed, reasons)
    }

    /// Every event, if all registers are known.
    ///
    /// # Errors
    /// The first thing that is not known.
    pub fn complete(self) -> Result<Events, Unknown> {
        match self.open.into_values().next() {
            Some(open) => Err(open.reason),
            None => Ok(self.events),
        }
    }

    /// The values of the registers that are known.
    #[must_use]
    pub fn rtmrs(&self) -> BTreeMap<RtmrIndex, Rtmr> {
        let values = RtmrIndex::all().zip(self.events.rtmrs());
        values.filter(|(register, _)| !self.open.contains_key(register)).collect()
    }
}

impl From<Unknown> for Reason {
    fn from(unknown: Unknown) -> Self {
        let values = match unknown {
            Unknown::SmbiosTables { layout } => vec![Word::of(layout)],
            Unknown::OldKernel { found } => vec![Word::of(found)],
            _ => Vec::new(),
        };
        Self::with(unknown.code(), values)
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::digest::Digests;

    use super::*;
    use crate::event::{EventType, Source};

    fn event(pcr: u8, bytes: &[u8]) -> Event {
        Event {
            pcr: PcrIndex::new(pcr).unwrap(),
            event_type: EventType::EV_EFI_ACTION,
            meaning: "a test".into(),
            source: Source::Code,
            digests: Digests::of(bytes),
        }
    }

    #[test]
    fn a_register_with_an_unknown_event_has_no_value() {
        let steps = || {
            let unknown = Step::unknown(PcrIndex::new(1).unwrap(), Unknown::AcpiTables);
            let last = Step::unknown(PcrIndex::new(1).unwrap(), Unknown::Firmware);
            let [a, b, c, d] = [event(7, b"a"), event(4, b"b"), event(1, b"c"), event(9, b"d")];
            vec![a.into(), b.into(), unknown, c.into(), last, d.into()]
        };
        let prediction = Prediction::of_steps(steps());
        assert_eq!(prediction.events.0, [event(4, b"b"), event(9, b"d")]);
        let zero = RtmrIndex::new(0).unwrap();
        let open = &prediction.open[&zero];
        assert_eq!((open.reason, &open.before.0[..]), (Unknown::AcpiTables, &[event(7, b"a")][..]));
        let known: Vec<_> = prediction.rtmrs().into_keys().map(RtmrIndex::number).collect();
        assert_eq!(known, [1, 2, 3]);
        assert_eq!(prediction.rtmrs()[&RtmrIndex::new(1).unwrap()], prediction.events.rtmrs()[1]);
        assert_eq!(prediction.listed.0, [event(7, b"a"), event(4, b"b"), event(9, b"d")]);
        let less = prediction.clone().without(RtmrIndex::new(1).unwrap(), Unknown::Tpm);
        assert_eq!((less.events.0.len(), less.open.len(), less.listed.0.len()), (1, 2, 2));
        assert_eq!(prediction.complete(), Err(Unknown::AcpiTables));

        let known = steps().into_iter().filter(|step| matches!(step, Step::Known(_))).collect();
        assert_eq!(Prediction::of_steps(known).complete().unwrap().0.len(), 4);
    }
}
