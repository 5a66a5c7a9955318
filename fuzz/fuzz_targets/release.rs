//! Release files.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. No listed path leaves the suite.
//!
//! Input: the signed text of an `InRelease`.

#![no_main]

use cvmkit_debian::release::{Release, is_pool_path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(release) = Release::parse(text) else { return };
    let _ = release.name();
    for now in [i64::MIN, 0, i64::MAX] {
        let _ = release.check_freshness(now);
    }
    for path in release.files.keys() {
        assert!(is_pool_path(path), "{path}");
    }
});
