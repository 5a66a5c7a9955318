//! Event logs of TPMs and of TDs: parser, descriptions, replay, comparison.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Entries written again are the
//! bytes that were read, a log is equal to what was predicted of it, and no description is long or
//! tells a terminal what to do.
//!
//! Input: a log.

#![no_main]

use std::borrow::Cow;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::compare::compare;
use cvmkit_measure::event::log::{Entry, Log};
use cvmkit_measure::event::{
    Bank, BankDigest, Event, Events, Observed, PcrIndex, Register, RegisterSet, Source,
};
use libfuzzer_sys::fuzz_target;

/// More than any line of a listing should have.
const DESCRIPTION_MAX: usize = 4 * 2048 + 3;

fn write(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let length = |len: usize| u32::try_from(len).expect("it was read from 32 bits").to_le_bytes();
    out.extend(entry.index.to_le_bytes());
    out.extend(entry.event_type.0.to_le_bytes());
    out.extend(length(entry.digests.len()));
    for (algorithm, digest) in &entry.digests {
        out.extend(algorithm.0.to_le_bytes());
        out.extend(*digest);
    }
    out.extend(length(entry.data.len()));
    out.extend(entry.data);
}

fn check_entries(log: &Log<'_>, bytes: &[u8]) {
    let Some(first) = log.entries.first() else { return };
    let mut written = Vec::new();
    for entry in &log.entries {
        assert_eq!(entry.offset, first.offset + written.len());
        write(entry, &mut written);
        let text = entry.describe();
        assert!(text.len() <= DESCRIPTION_MAX, "{} bytes", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert_eq!(bytes.get(first.offset..log.len), Some(&written[..]));
}

/// The events as a prediction: of a TD, with a PCR that stands for its register.
fn predicted(observed: &Observed<'_>) -> Events {
    let pcr = |register| match register {
        Register::Pcr(index) => index,
        Register::Mrtd => PcrIndex::new(0).expect("there is PCR 0"),
        // There is no PCR whose events go to RTMR 3.
        Register::Rtmr(index) => {
            PcrIndex::new([7, 4, 9, 23][usize::from(index.number())]).expect("all are PCRs")
        }
    };
    let digests = |digest| match digest {
        BankDigest::Sha256(sha256) => Digests { sha256, sha384: Sha384::ZERO },
        BankDigest::Sha384(sha384) => Digests { sha256: Sha256::ZERO, sha384 },
    };
    let event = |event: &cvmkit_measure::event::ObservedEvent<'_>| Event {
        pcr: pcr(event.register),
        event_type: event.event_type,
        meaning: Cow::Borrowed("event"),
        source: Source::Code,
        digests: digests(event.digest),
    };
    observed.events().iter().map(event).collect()
}

fn check_comparison(observed: &Observed<'_>) {
    let mut events = predicted(observed);
    let found = compare((&events).into(), observed);
    // PCR 0 of a TPM that was started at another locality is all that may differ.
    let locality = observed.startup_locality() != 0;
    assert!(found.first().is_none() || locality, "{:?}", found.first());
    let replayed = observed.replay();
    for register in &found.registers {
        assert_eq!(replayed.get(&register.register), Some(&register.observed));
    }
    if let Some(last) = events.0.pop() {
        let shorter = compare((&events).into(), observed);
        let register = observed.registers().of_pcr(last.pcr);
        let is_judged = shorter.registers.iter().any(|judged| Some(judged.register) == register);
        assert!(!is_judged || shorter.first().is_some(), "an event more went unnoticed");
        let _ = shorter.first().map(ToString::to_string);
    }
}

fuzz_target!(|bytes: &[u8]| {
    for set in [RegisterSet::Tpm, RegisterSet::Td] {
        let Ok(log) = Log::parse(bytes, set) else { continue };
        assert!(log.len <= bytes.len(), "the log leaves its bytes");
        check_entries(&log, bytes);
        for bank in Bank::ALL {
            if let Ok(observed) = log.observed(bank) {
                check_comparison(&observed);
            }
        }
    }
});
