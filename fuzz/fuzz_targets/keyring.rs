//! Keyrings, binary and in armour.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A refused keyring adds nothing; no
//! foreign key makes the fixture's message good unless it has the fixture's fingerprint.
//!
//! Input: a keyring.

#![no_main]

use std::sync::LazyLock;

use cvmkit_debian::openpgp::{Fingerprint, Keyring, Policy, verify};
use libfuzzer_sys::fuzz_target;

/// Made by the fixtures' `make.sh`.
const KEY: &[u8] = include_bytes!("../../crates/debian/tests/fixtures/openpgp/good.pgp");
const MESSAGE: &[u8] = include_bytes!("../../crates/debian/tests/fixtures/openpgp/good.asc");

/// 2025-01-01T12:00:00Z, the day of the signatures.
const NOW: i64 = 1_735_732_800;

static GOOD: LazyLock<Vec<Fingerprint>> =
    LazyLock::new(|| Keyring::default().add(KEY).expect("the fixture is a keyring"));

fuzz_target!(|bytes: &[u8]| {
    let mut keyring = Keyring::default();
    let Ok(added) = keyring.add(bytes) else {
        assert!(keyring.fingerprints().is_empty(), "a refused keyring was added");
        return;
    };
    assert_eq!(keyring.fingerprints(), added);
    if let Ok(signed) = verify(MESSAGE, &keyring, &Policy::new(&added, NOW)) {
        assert_eq!(signed.fingerprints(), *GOOD, "another key passes for the signer");
    }
});
