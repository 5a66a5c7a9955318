//! The `triggers` control file.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is read has names that dpkg takes, and
//! means the same when it is written again.

#![no_main]

use cvmkit_debian::triggers::{Directive, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(triggers) = parse(bytes) else { return };
    let lines = triggers.iter().map(|trigger| {
        assert!(
            !trigger.name.is_empty() && trigger.name.bytes().all(|byte| byte.is_ascii_graphic())
        );
        let verb = match trigger.directive {
            Directive::Interest => "interest",
            Directive::Activate => "activate",
        };
        let wait = if trigger.waits { "await" } else { "noawait" };
        format!("{verb}-{wait} {}\n", trigger.name)
    });
    let text: String = lines.collect();
    assert_eq!(parse(text.as_bytes()), Ok(triggers));
});
