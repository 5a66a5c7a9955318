//! What boot components extend into registers: one list for TPMs and TDX alike.
//!
//! UEFI firmware, systemd-stub and Linux measure the same things whether the platform gives them a
//! TPM or a TD: each [`Event`] names the PCR, and a TD extends it into the RTMR that stands for
//! that PCR ([`RtmrIndex::of_pcr`]). [`Events`] is what the rest of this crate predicts; its folds
//! ([`Events::pcrs_sha256`], [`Events::rtmrs`]) are the only way from events to register values, so what
//! is explained is what is measured.
//!
//! What a machine reports is read by [`log`] and explained by [`data`]; [`crate::compare`] holds
//! it against the prediction.
//!
//! Standards: TCG PC Client Platform Firmware Profile 1.06, section 3.3.4 (PCR usage); UEFI 2.11,
//! section 38.4.1 (PCRs to measurement registers of Intel TDX).

mod algorithm;
mod cursor;
pub mod data;
mod kind;
pub mod log;
pub mod observed;
pub mod register;
pub mod registers;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use serde::{Serialize, Serializer};

use crate::digest::role;

pub use kind::EventType;
pub use observed::{Observed, ObservedEvent};
pub use register::{Bank, BankDigest, Register, RegisterSet};

role! {
    /// The value of a PCR in the SHA-256 bank of a TPM.
    PcrSha256(Sha256)
}

role! {
    /// The value of a PCR in the SHA-384 bank of a TPM.
    PcrSha384(Sha384)
}

role! {
    /// The value of a run-time measurement register of a TD.
    Rtmr(Sha384)
}

/// Declares the number of a register: a small integer below `COUNT` that prints as a decimal, and
/// as `NAME n` for debugging.
macro_rules! register_index {
    (
        $(#[$doc:meta])* $name:ident = $label:literal,
        $(#[$count_doc:meta])* COUNT = $count:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(u8);

        impl $name {
            $(#[$count_doc])*
            pub const COUNT: u8 = $count;

            /// The register of that number; none from `COUNT` on.
            #[must_use]
            pub const fn new(index: u8) -> Option<Self> {
                if index < Self::COUNT { Some(Self(index)) } else { None }
            }

            /// Every register, from 0 up.
            pub fn all() -> impl Iterator<Item = Self> {
                (0..Self::COUNT).map(Self)
            }

            /// The number, below `COUNT`.
            #[must_use]
            pub const fn number(self) -> u8 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($label, " {}"), self.0)
            }
        }
    };
}

register_index! {
    /// Number of a platform configuration register, 0 to 23.
    PcrIndex = "PCR",
    /// Registers of a PC client TPM (TCG PC Client Platform TPM Profile, section 4.6).
    COUNT = 24
}

impl PcrIndex {
    /// What the register holds before anything is extended: all ones in those only a dynamic
    /// launch resets (TCG PC Client Platform TPM Profile, section 4.6.3), otherwise zero.
    const fn initial_byte(self) -> u8 {
        if matches!(self.0, 17..=22) { 0xff } else { 0 }
    }
}

register_index! {
    /// Number of a run-time measurement register, 0 to 3.
    RtmrIndex = "RTMR",
    /// Registers of a TD (Intel TDX module, TDINFO_STRUCT).
    COUNT = 4
}

impl RtmrIndex {
    /// Where a TD extends what a TPM would get in `pcr` (UEFI 2.11, section 38.4.1): PCR 1 and 7 in
    /// RTMR 0, 2 to 6 in RTMR 1, 8 to 15 in RTMR 2. PCR 0 is the MRTD's matter, and what is above
    /// 15 has no register.
    #[must_use]
    pub const fn of_pcr(pcr: PcrIndex) -> Option<Self> {
        match pcr.0 {
            1 | 7 => Some(Self(0)),
            2..=6 => Some(Self(1)),
            8..=15 => Some(Self(2)),
            _ => None,
        }
    }
}

/// The input that decides an event's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
    /// Nothing but the code that measures: the same bytes on every machine it runs on.
    Code,
    /// The firmware image: code, and volumes that come with it.
    Firmware,
    /// Variables of the firmware: Secure Boot keys, boot options.
    FirmwareVariables,
    /// The virtual machine monitor and what it was told: processors, memory, devices.
    Machine,
    /// The partition table of the disk.
    PartitionTable,
    /// The unified kernel image as a whole.
    Uki,
    /// The kernel, in a UKI or handed over by the VMM.
    Kernel,
    /// The initrd as the kernel gets it.
    Initrd,
    /// The kernel command line as the kernel gets it.
    CommandLine,
    /// A section of the unified kernel image that is none of the above.
    UkiSection,
}

/// One extension of one register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// The register of a TPM; [`RtmrIndex::of_pcr`] says which one of a TD.
    pub pcr: PcrIndex,
    /// What the event log calls it.
    pub event_type: EventType,
    /// What is measured, in words.
    pub meaning: Cow<'static, str>,
    /// The input that decides the digest.
    pub source: Source,
    /// What is extended into the register of each bank.
    pub digests: Digests,
}

/// Events in the order in which a machine extends them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Events(pub Vec<Event>);

impl Events {
    /// The SHA-256 bank after all events; registers nothing is extended into are left out.
    #[must_use]
    pub fn pcrs_sha256(&self) -> BTreeMap<PcrIndex, PcrSha256> {
        let mut bank = BTreeMap::new();
        for event in &self.0 {
            let initial = PcrSha256(Sha256([event.pcr.initial_byte(); 32]));
            let PcrSha256(value) = bank.entry(event.pcr).or_insert(initial);
            *value = value.extend(event.digests.sha256);
        }
        bank
    }

    /// The SHA-384 bank after all events; registers nothing is extended into are left out.
    #[must_use]
    pub fn pcrs_sha384(&self) -> BTreeMap<PcrIndex, PcrSha384> {
        let mut bank = BTreeMap::new();
        for event in &self.0 {
            let initial = PcrSha384(Sha384([event.pcr.initial_byte(); 48]));
            let PcrSha384(value) = bank.entry(event.pcr).or_insert(initial);
            *value = value.extend(event.digests.sha384);
        }
        bank
    }

    /// The four registers of a TD after all events.
    #[must_use]
    pub fn rtmrs(&self) -> [Rtmr; RtmrIndex::COUNT as usize] {
        let mut registers = [Rtmr(Sha384::ZERO); RtmrIndex::COUNT as usize];
        for event in &self.0 {
            let index = RtmrIndex::of_pcr(event.pcr).map(|index| usize::from(index.number()));
            if let Some(Rtmr(value)) = index.and_then(|index| registers.get_mut(index)) {
                *value = value.extend(event.digests.sha384);
            }
        }
        registers
    }
}

impl Extend<Event> for Events {
    fn extend<T: IntoIterator<Item = Event>>(&mut self, events: T) {
        self.0.extend(events);
    }
}

impl FromIterator<Event> for Events {
    fn from_iter<T: IntoIterator<Item = Event>>(events: T) -> Self {
        Self(events.into_iter().collect())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(pcr: u8, bytes: &[u8]) -> Event {
        Event {
            pcr: PcrIndex::new(pcr).unwrap(),
            event_type: EventType::EV_IPL,
            meaning: "a test".into(),
            source: Source::Code,
            digests: Digests::of(bytes),
        }
    }

    /// UEFI 2.11, section 38.4.1, the table of PCRs and measurement registers.
    #[test]
    fn registers_of_a_td_stand_for_pcrs() {
        let rtmr = |pcr: PcrIndex| RtmrIndex::of_pcr(pcr).map(RtmrIndex::number);
        let found: Vec<_> = PcrIndex::all().map(rtmr).collect();
        let [none, zero, one, two] = [None, Some(0), Some(1), Some(2)];
        let expected =
            [vec![none, zero, one, one, one, one, one, zero], vec![two; 8], vec![none; 8]];
        assert_eq!(found, expected.concat());
    }

    #[test]
    fn registers_have_numbers_below_their_count() {
        assert_eq!((PcrIndex::new(23).map(PcrIndex::number), PcrIndex::new(24)), (Some(23), None));
        assert_eq!((RtmrIndex::new(3).map(RtmrIndex::number), RtmrIndex::new(4)), (Some(3), None));
        assert_eq!((PcrIndex::all().count(), RtmrIndex::all().count()), (24, 4));
        let pcr = PcrIndex::new(7).unwrap();
        assert_eq!((format!("{pcr:>3}"), format!("{pcr:?}")), ("  7".into(), "PCR 7".into()));
        assert_eq!(format!("{:?}", RtmrIndex::new(2).unwrap()), "RTMR 2");
    }

    /// Values of `tests/folds.py`.
    #[test]
    fn registers_are_folds_over_their_own_events() {
        let events: Events =
            [event(4, b"a"), event(17, b"a"), event(2, b"x"), event(4, b"b")].into_iter().collect();
        let bank = events.pcrs_sha256();
        let value = |pcr: u8| bank[&PcrIndex::new(pcr).unwrap()].to_string();
        assert_eq!(bank.keys().map(|pcr| pcr.number()).collect::<Vec<_>>(), [2, 4, 17]);
        assert_eq!(value(4), "153d5381929b50792d3b22ae9596544af3b0e4805be1555a595e6d2a2734933f");
        // A register of dynamic launches starts with ones.
        assert_eq!(value(17), "31b81cd8e337e88b93a6b9c3ddbc7f5b651bcf4797a71b8dc53dd1e2e8670020");
        let in_td: Events =
            [event(0, b"y"), event(2, b"a"), event(16, b"y"), event(6, b"b")].into_iter().collect();
        let [zero, one, two, three] = in_td.rtmrs();
        let untouched = Rtmr(Sha384::ZERO);
        assert_eq!([zero, two, three], [untouched; 3]);
        assert_eq!(
            one.to_string(),
            "941baacd1efc683b7bb6335428caa38156c9ebaf035df192fe8c89056f247fba20f0576d54c94ef52bdfd156ccbd67a3"
        );
        // The same two digests, of one register of a TPM.
        let in_tpm: Events = [event(2, b"a"), event(2, b"b")].into_iter().collect();
        assert_eq!(in_tpm.pcrs_sha384()[&PcrIndex::new(2).unwrap()].0, one.0);
    }

    #[test]
    fn the_registers_of_dynamic_launches_are_17_to_22() {
        let ones = |pcr: &PcrIndex| pcr.initial_byte() == 0xff;
        let found: Vec<u8> = PcrIndex::all().filter(ones).map(PcrIndex::number).collect();
        assert_eq!(found, [17, 18, 19, 20, 21, 22]);
    }
}
