//! Locks.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What parses is written as a text
//! that parses to the same.
//!
//! Input: an `image.lock`.

#![no_main]

use cvmkit_engine::lock::Lock;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(lock) = Lock::parse(text) else { return };
    let _ = lock.timestamp(None);
    let _ = lock.part(Some("debug"), &lock.files);
    for package in &lock.packages {
        let _ = lock.explain(&package.name);
    }
    let text = lock.to_text().expect("a lock is written");
    assert_eq!(Lock::parse(&text).ok(), Some(lock));
});
