//! SEV-SNP attestation reports, ID blocks and ID authentication information.
//!
//! Errors are fine; panics are bugs. What is decoded encodes to the same bytes.
//!
//! Input: one of the three, told apart by their lengths.

#![no_main]

use cvmkit_measure::snp::id_block::{IdAuthentication, IdBlock};
use cvmkit_measure::snp::report::Report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = Report::parse(bytes) {
        let _ = (report.check(), serde_json::to_string(&report));
        assert!(Report::signature(bytes).is_ok() && Report::signed_bytes(bytes).is_ok());
    }
    let block = IdBlock::decode(bytes);
    if let Ok(block) = &block {
        assert_eq!(block.encode(), bytes);
    }
    if let Ok(authentication) = IdAuthentication::decode(bytes) {
        assert_eq!(authentication.encode(), bytes);
        let _ = authentication.id_key_digest();
    }
});
