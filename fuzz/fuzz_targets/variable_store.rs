//! Variable stores of firmware, and the Secure Boot policy they hold.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A variable that is listed is found
//! by its name, and its data was in the store.
//!
//! Input: eight bytes of a signature, then a `VARS.fd`.

#![no_main]

use cvmkit_measure::uefi::variable_store::Variables;
use cvmkit_measure::uefi::variables::{SecureBoot, signature_entries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((signature, flash)) = bytes.split_first_chunk::<8>() else { return };
    let Ok(variables) = Variables::read(flash) else { return };
    let mut total = 0;
    for (vendor, name, data) in variables.iter() {
        assert_eq!(variables.get(vendor, name), Some(data));
        total += data.len();
    }
    assert!(total <= flash.len(), "more data than the store has");
    let policy = SecureBoot::of(&variables);
    assert_eq!(policy.variable_events().len(), 5);
    assert!(policy.enabled != Some(true) || !policy.pk.is_empty(), "enabled without a key");
    let entries: usize = signature_entries(&policy.db).map(|entry| entry.data.len()).sum();
    assert!(entries <= policy.db.len(), "more entries than db has");
    let authority = policy.authority(signature);
    assert!(authority.is_none() || policy.enabled == Some(true), "verified while it is off");
});
