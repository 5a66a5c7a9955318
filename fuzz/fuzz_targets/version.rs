//! Debian version numbers: parsing and order.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What parses prints as it was
//! read, and the order is total: antisymmetric, and equal exactly where both say so.
//!
//! Input: two versions, a line each.

#![no_main]

use cvmkit_debian::version::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (left, right) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(left) = Version::parse(left) else { return };
    assert_eq!(Version::parse(left.as_str()).as_ref(), Ok(&left));
    let _ = (left.epoch(), left.upstream(), left.revision());
    let Ok(right) = Version::parse(right) else { return };
    assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    assert_eq!(left == right, left.cmp(&right).is_eq());
});
