//! TD quotes of versions 4 and 5.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Parts of a quote that is read are
//! where its lengths say, and together the whole input but zeros behind it.
//!
//! Input: a quote.

#![no_main]

use cvmkit_measure::tdx::quote::Quote;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(quote) = Quote::parse(bytes) else { return };
    let end = quote.signed_bytes.len() + 4 + quote.signature_data.len();
    assert!(bytes.starts_with(quote.signed_bytes), "the signed bytes are not the first");
    assert_eq!(bytes.get(end - quote.signature_data.len()..end), Some(quote.signature_data));
    assert_eq!(Quote::parse(&bytes[..end]), Ok(quote.clone()), "zeros behind a quote count");
    let _ = quote.check();
    serde_json::to_string(&quote).expect("a quote is told as JSON");
});
