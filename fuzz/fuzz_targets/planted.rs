//! A planted bug: `cargo xtask fuzz` trusts no result before this one was found.
//!
//! Chance does not lead to it in the time it is given; counters of branches do, one byte after the
//! other.
//!
//! Input: the word.

#![no_main]

use libfuzzer_sys::fuzz_target;

const WORD: [u8; 5] = *b"plant";

fuzz_target!(|bytes: &[u8]| {
    for (at, byte) in WORD.iter().enumerate() {
        if bytes.get(at) != Some(byte) {
            return;
        }
    }
    panic!("the planted bug");
});
