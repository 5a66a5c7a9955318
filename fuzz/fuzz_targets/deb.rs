//! Binary packages: the ar layer, the control archive and the data archive.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs.
//!
//! Input: a `.deb`.

#![no_main]

use cvmkit_debian::deb::Deb;
use cvmkit_formats::archive::tar::{Limits, entries_within};
use libfuzzer_sys::fuzz_target;

/// Bytes of `data.tar` to read at most.
const LIMIT: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Ok(deb) = Deb::parse(bytes) else { return };
    if let Ok(control) = deb.control() {
        assert!(control.fields.get("Package").is_some(), "a control file without a name");
    }
    if let Ok(data) = deb.data_within(LIMIT) {
        let _ = entries_within(data, &Limits { entries: 10_000, ..Limits::default() });
    }
});
