//! Values of registers beside predicted ones, when there is no log to say which event differs.

use serde::Serialize;
use thiserror::Error;

use super::cause::{Cause, UKI_PCR, register_is};
use crate::event::{Bank, BankDigest, Register};

/// A register of which only the value is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ValueComparison {
    /// Which.
    pub register: Register,
    /// The value after all predicted events.
    pub expected: BankDigest,
    /// The value that was given; none when it was not.
    pub observed: Option<BankDigest>,
    /// What could make it differ, when it does: all that decides the register.
    pub causes: Vec<Cause>,
}

impl ValueComparison {
    /// Whether the value was given and is the predicted one.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.observed == Some(self.expected)
    }
}

/// A value that can't be compared.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the value of {register} is a digest of {found}, expected {expected}")]
pub struct WrongBank {
    /// Whose value.
    pub register: Register,
    /// The bank it is of.
    pub found: Bank,
    /// The bank asked for.
    pub expected: Bank,
}

/// Judges the causes of all registers together, however their values were compared: what one register
/// shows to be as expected is no cause of another one, and what several registers that differ have in
/// common comes first.
pub fn judge_jointly(values: &mut [ValueComparison]) {
    let judged = |pcr: u8, rtmr: u8| {
        let state = |value: &&ValueComparison| match value.register {
            Register::Pcr(index) => index.number() == pcr,
            Register::Rtmr(index) => index.number() == rtmr,
            Register::Mrtd => false,
        };
        let found = values.iter().find(|value| state(value) && value.observed.is_some());
        found.map(ValueComparison::is_equal)
    };
    // Of no register.
    const NONE: u8 = u8::MAX;
    let (image, handed, uki) = (judged(4, NONE), judged(9, NONE), judged(UKI_PCR, NONE));
    let (td_image, td_handed) = (judged(NONE, 1), judged(NONE, 2));
    let mut excluded = Vec::new();
    if image == Some(true) || td_image == Some(true) {
        excluded.extend([Cause::Kernel, Cause::KernelPatched, Cause::Uki, Cause::StubVersion]);
    }
    if handed == Some(true) || td_handed == Some(true) {
        excluded.extend([Cause::CommandLine, Cause::CommandLineLayout, Cause::Initrd]);
    }
    if judged(7, NONE) == Some(true) {
        excluded.push(Cause::SecureBootVariables);
    }
    let inside_uki = image == Some(false) && handed == Some(false) && uki != Some(true);
    let shared = [Cause::CommandLine, Cause::Initrd];
    for value in values.iter_mut().filter(|value| value.observed.is_some() && !value.is_equal()) {
        let is_boot = [4, 9, UKI_PCR].iter().any(|pcr| register_is(value.register, *pcr));
        let has_uki = value.causes.contains(&Cause::Uki) || register_is(value.register, 9);
        if inside_uki && is_boot && uki == Some(false) && has_uki {
            // All three differ only if what the kernel is handed differs, which the UKI holds.
            value.causes.retain(|cause| !shared.contains(cause) && *cause != Cause::Kernel);
            value.causes.splice(0..0, shared);
        }
        let all = value.causes.clone();
        value.causes.retain(|cause| !excluded.contains(cause));
        if value.causes.is_empty() {
            // An exclusion that leaves nothing says more of this table than of the machine.
            value.causes = all;
        }
    }
}
