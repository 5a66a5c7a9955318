//! `SHA256SUMS`.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Every line counts; what parses is
//! written as what parses to the same; names stay in their folder.

#![no_main]

use cvmkit_attest::output::Sums;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(sums) = Sums::parse(text) else { return };
    assert_eq!(sums.names().count(), text.lines().count(), "a line was dropped");
    assert!(sums.names().all(|name| !name.contains('/') && ![".", ".."].contains(&name)));
    assert_eq!(Sums::parse(&sums.to_string()), Ok(sums));
});
