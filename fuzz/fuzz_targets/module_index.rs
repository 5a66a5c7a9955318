//! The module indices of depmod.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is decoded and can be encoded
//! decodes to the same.
//!
//! Input: a `modules.alias.bin` or the like.

#![no_main]

use cvmkit_engine::kernel::index::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(index) = Index::decode(bytes) else { return };
    let Ok(own) = index.encode() else { return };
    assert_eq!(Index::decode(&own), Ok(index));
});
