//! IBM Secure Execution headers, alone and in an image.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A header is no longer than its
//! image.
//!
//! Input: a header, or an image with one at the start of a page.

#![no_main]

use cvmkit_measure::se::{self, Component, Header, ImageDigests, Parameters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let header = Header::parse(bytes);
    if let Ok(header) = &header {
        assert!(header.size <= bytes.len(), "the header leaves the image");
        let _ = (header.to_string(), serde_json::to_string(header));
    }
    if let Ok((at, found)) = se::find(bytes) {
        assert!(at + found.size <= bytes.len(), "the header leaves the image");
        // The header's own numbers, as places of a component.
        let tweak = found.tag.0;
        let component = Component::of_image(bytes, found.flags.0, found.pages, tweak);
        if let Ok(digests) = component.map_or_else(Err, |component| ImageDigests::of(&[component]))
        {
            let _ = found.check(&digests);
        }
        if let Ok(parameters) = Parameters::find(bytes, at, &found) {
            assert!(parameters.components.len() * 24 < bytes.len(), "more places than bytes");
            if let Ok(digests) = parameters.digests(bytes) {
                assert!(digests.pages <= bytes.len() as u64 / 4096, "pages outside the image");
                let _ = found.check(&digests);
            }
        }
    }
});
