//! What a kernel module says about itself.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs.
//!
//! Input: an uncompressed `.ko`.

#![no_main]

use cvmkit_engine::kernel::ModuleInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(info) = ModuleInfo::parse(bytes) else { return };
    let _ = info.depends().count();
    assert!(info.values("license").count() <= info.fields.len());
});
