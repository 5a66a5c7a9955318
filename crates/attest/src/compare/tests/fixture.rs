//! Reference values as they are compared, registers, and what machines report.

use cvmkit_host::files;
use cvmkit_measure::event::registers::Registers;
use cvmkit_measure::event::{BankDigest, PcrIndex, Register, RtmrIndex};
use serde_json::Value;

use super::super::known::{self, KnownValue};
use crate::tests::image::reference_values;

/// These values as they are read.
pub(in super::super) fn known(values: &[Value]) -> Vec<KnownValue> {
    known_of(&[], values)
}

/// The same with profiles.
pub(in super::super) fn known_of(profiles: &[Value], values: &[Value]) -> Vec<KnownValue> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    files::replace(&path, reference_values(false, profiles, values).as_bytes()).unwrap();
    known::read(&path).unwrap()
}

pub(in super::super) fn pcr(number: u8) -> Register {
    Register::Pcr(PcrIndex::new(number).unwrap())
}

pub(in super::super) fn rtmr(number: u8) -> Register {
    Register::Rtmr(RtmrIndex::new(number).unwrap())
}

/// A SHA-384 of one byte.
pub(in super::super) fn sha384(byte: u8) -> BankDigest {
    BankDigest::Sha384(cvmkit_formats::digest::Sha384([byte; 48]))
}

/// A SHA-256 of one byte.
pub(in super::super) fn sha256(byte: u8) -> BankDigest {
    BankDigest::Sha256(cvmkit_formats::digest::Sha256([byte; 32]))
}

pub(in super::super) fn registers(values: &[(Register, BankDigest)]) -> Registers {
    let mut registers = Registers::default();
    for (register, value) in values {
        registers.insert(*register, *value).unwrap();
    }
    registers
}
