//! Clearsigned messages.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. The keyring's one key has signed
//! one text: whatever the message, nothing else is ever answered.
//!
//! Input: a clearsigned message.

#![no_main]

use std::sync::LazyLock;

use cvmkit_debian::openpgp::{Fingerprint, Keyring, Policy, verify};
use cvmkit_debian::release::Release;
use libfuzzer_sys::fuzz_target;

/// Made by the fixtures' `make.sh`; every message of the key `good` there has the same text.
const KEY: &[u8] = include_bytes!("../../crates/debian/tests/fixtures/openpgp/good.pgp");
const MESSAGE: &[u8] = include_bytes!("../../crates/debian/tests/fixtures/openpgp/good.asc");

/// 2025-01-01T12:00:00Z, the day of the signatures.
const NOW: i64 = 1_735_732_800;

static KEYRING: LazyLock<(Keyring, Vec<Fingerprint>)> = LazyLock::new(|| {
    let mut keyring = Keyring::default();
    let configured = keyring.add(KEY).expect("the fixture is a keyring");
    (keyring, configured)
});

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let (keyring, configured) = &*KEYRING;
    verify(MESSAGE, keyring, &Policy::new(configured, NOW)).expect("the fixture is signed").text
});

fuzz_target!(|message: &[u8]| {
    let (keyring, configured) = &*KEYRING;
    if let Ok(signed) = verify(message, keyring, &Policy::new(configured, NOW)) {
        assert_eq!(signed.text, *TEXT, "another text passes as signed");
        assert_eq!(signed.fingerprints(), *configured);
        let _ = Release::parse(&signed.text);
    }
});
