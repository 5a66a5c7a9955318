//! Manifests and reference values.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What parses is written as what
//! parses to the same.
//!
//! Input: a `manifest.json` or a `reference-values.json`.

#![no_main]

use cvmkit_attest::output::{Manifest, Role};
use cvmkit_attest::values::ReferenceValues;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let text = serde_json::to_vec(&manifest).expect("a manifest is written");
        let back: Manifest = serde_json::from_slice(&text).expect("our own manifest is read");
        assert_eq!(serde_json::to_vec(&back).expect("a manifest is written"), text);
        let _ = manifest.file(Role::Disk);
    }
    if let Ok(values) = serde_json::from_slice::<ReferenceValues>(bytes) {
        let text = serde_json::to_vec(&values).expect("reference values are written");
        let back: ReferenceValues = serde_json::from_slice(&text).expect("our own are read");
        assert_eq!(serde_json::to_vec(&back).expect("reference values are written"), text);
    }
});
