//! PE images: headers, sections and Authenticode digests.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Sections that are found can be
//! read; the digest covers no byte behind the file.
//!
//! Input: an image.

#![no_main]

use cvmkit_formats::pe::{Headers, authenticode, dump};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

fuzz_target!(|bytes: &[u8]| {
    let Ok(headers) = Headers::read(bytes) else { return };
    let _ = dump(&headers);
    let _ = headers.is_nx_compatible();
    for section in &headers.sections {
        let _ = section.contents(bytes);
    }
    if let Ok(ranges) = authenticode::digested_ranges(&headers) {
        for range in ranges {
            assert!(range.start <= range.end, "{range:x?} is backwards");
            assert!(range.end <= bytes.len() as u64, "{range:x?} leaves the file");
        }
        authenticode::digest::<Sha256, _>(bytes).expect("the ranges are in the file");
    }
});
