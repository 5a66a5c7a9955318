//! Maintainer scripts.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A command that nobody knows is
//! never taken for known, whatever stands before it.
//!
//! Input: a package's name, a line break, the script.

#![no_main]

use cvmkit_debian::scripts::{ScriptKind, check_triggers, classify, generated};
use libfuzzer_sys::fuzz_target;

/// No recipe and no generated block has it.
const UNKNOWN: &[u8] = b"\nunknown-command --to-everyone\n";

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (package, text) = bytes.split_at(split);
    let package = String::from_utf8_lossy(package);
    let _ = check_triggers(&package, text);
    let _ = generated(&package, text);
    let longer = [text, UNKNOWN].concat();
    for script in [ScriptKind::Preinst, ScriptKind::Postinst] {
        if let Err(unknown) = classify(&package, script, text) {
            assert!(!unknown.text.is_empty(), "nothing is left, and it is unknown");
        }
        assert!(classify(&package, script, &longer).is_err(), "an unknown command is known");
    }
});
