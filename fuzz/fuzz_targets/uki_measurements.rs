//! What of a unified kernel image is measured.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. The image's digest is that of its
//! Authenticode ranges, and no section is measured twice.
//!
//! Input: a unified kernel image.

#![no_main]

use cvmkit_formats::pe::authenticode;
use cvmkit_measure::tpm::Uki;
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

fuzz_target!(|bytes: &[u8]| {
    let Ok(uki) = Uki::read(bytes) else { return };
    let digest = authenticode::digest::<Sha256, _>(bytes).expect("it was digested before");
    assert_eq!(uki.image.sha256.0[..], digest[..]);
    for (at, section) in uki.sections.iter().enumerate() {
        let rest = &uki.sections[at + 1..];
        assert!(rest.iter().all(|other| other.name != section.name), "{} twice", section.name);
    }
    assert_eq!(uki.section_events().len(), 2 * uki.sections.len());
    assert!(uki.signatures.len() <= bytes.len(), "more signatures than the image has bytes");
    serde_json::to_string(&uki).expect("an image is told as JSON");
});
