//! CoRIMs, signed or not.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is read is written as the same
//! bytes, so that nothing in them was passed over.
//!
//! Input: a file that `cvmkit export --as corim` could have written.

#![no_main]

use cvmkit_attest::export::corim::CorimFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = CorimFile::read(bytes) else { return };
    assert!(CorimFile::is_start(bytes));
    assert_eq!(file.write().expect("what was read is written"), bytes);
    let _ = file.dump();
});
