//! A real quote is read as other tools read it, and hostile ones are refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cvmkit_formats::digest::Sha384;
use cvmkit_measure::tdx::quote::{Error, KeyType, Quote, Refusal, TdAttributes};
use proptest::prelude::*;

/// The quote of `fixtures/tdx/quote.json`: version 4, in a buffer of 5006 bytes.
fn real() -> Vec<u8> {
    let json: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/tdx/quote.json")).unwrap();
    hex::decode(json["quote"].as_str().unwrap()).unwrap()
}

/// The same report in version 5, whose fields have other places: of TDX 1.5 if `extra` is given.
fn version_5(extra: Option<[u8; 64]>) -> Vec<u8> {
    let old = real();
    let mut new = [&[5, 0], &old[2..48]].concat();
    let (kind, size) = if extra.is_some() { (3_u16, 648_u32) } else { (2, 584) };
    new.extend(kind.to_le_bytes());
    new.extend(size.to_le_bytes());
    new.extend(&old[48..632]);
    new.extend(extra.into_iter().flatten());
    new.extend(4_u32.to_le_bytes());
    new.extend(b"sign");
    new
}

/// Values that the project the quote is from prints for it, and fields at the offsets of the
/// format's description.
#[test]
fn a_real_quote_is_read() {
    let bytes = real();
    let quote = Quote::parse(&bytes).unwrap();
    assert_eq!((quote.version, quote.key_type), (4, KeyType::EcdsaP256));
    assert_eq!(quote.qe_vendor_id.to_string(), "939a7233f79c4ca9940a0db3957f0607");
    assert_eq!(quote.tee_tcb_svn.to_string(), "0c010400000000000000000000000000");
    assert!(quote.mr_seam.to_string().starts_with("d0d80c085166ba78"));
    assert_eq!(quote.mr_signer_seam.0, Sha384::ZERO);
    assert_eq!(quote.td_attributes, TdAttributes(TdAttributes::SEPT_VE_DISABLE));
    assert_eq!(quote.td_attributes.to_string(), "0x0000000010000000");
    assert_eq!(quote.xfam.to_string(), "0x00000000000602e7");
    assert!(quote.mr_td.to_string().starts_with("fd685522ce791dfef67414614eb07d03"));
    let rtmrs = quote.rtmrs.map(|rtmr| rtmr.to_string()[..12].to_owned());
    assert_eq!(rtmrs[..3], ["f8438db36b96", "2023546e7f3b", "4c1b739ed451"]);
    let json: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/tdx/quote.json")).unwrap();
    assert_eq!(quote.report_data.to_string(), json["report_data"].as_str().unwrap());
    assert_eq!(quote.signed_bytes, &bytes[..632]);
    assert_eq!(quote.signature_data, &bytes[636..4936]);
    assert_eq!(quote.body_15, None);
    assert_eq!(quote.check(), Ok(()));
    assert!(
        serde_json::to_string(&quote).unwrap().contains("\"td-attributes\":\"0x0000000010000000\"")
    );
}

#[test]
fn version_5_has_the_same_report() {
    let bytes = real();
    let old = Quote::parse(&bytes).unwrap();
    let bytes = version_5(None);
    let new = Quote::parse(&bytes).unwrap();
    assert_eq!((new.version, new.body_15), (5, None));
    assert_eq!((new.mr_td, new.rtmrs, new.report_data), (old.mr_td, old.rtmrs, old.report_data));
    assert_eq!(new.signature_data, b"sign");

    let mut extra = [0x22; 64];
    extra[16..].fill(0x33);
    let bytes = version_5(Some(extra));
    let newer = Quote::parse(&bytes).unwrap();
    assert_eq!((newer.mr_td, newer.rtmrs), (old.mr_td, old.rtmrs));
    let body = newer.body_15.unwrap();
    assert_eq!(body.tee_tcb_svn_2.0, [0x22; 16]);
    assert_eq!(body.mr_service_td.0, Sha384([0x33; 48]));
    assert_eq!(newer.signed_bytes.len(), 48 + 6 + 648);
}

#[test]
fn a_td_that_is_not_protected_is_refused() {
    let mut bytes = real();
    bytes[48 + 120] |= 1;
    let error = Quote::parse(&bytes).unwrap().check().unwrap_err();
    assert_eq!(error, Refusal::Untrusted(TdAttributes(0x1000_0001)));
    assert!(error.to_string().contains("not protected"), "{error}");
    let mut bytes = real();
    bytes[48 + 136..][..48].fill(0);
    assert_eq!(Quote::parse(&bytes).unwrap().check(), Err(Refusal::ZeroMrtd));
}

#[test]
fn other_formats_are_told_by_field() {
    for (at, byte, word) in [
        (0, 3, "version at 0x0 is 0x3, expected 4 or 5"),
        (2, 4, "attestation key type at 0x2 is 0x4"),
        (4, 0, "TEE type at 0x4 is 0x0, expected 0x81"),
    ] {
        let mut bytes = real();
        bytes[at] = byte;
        let error = Quote::parse(&bytes).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    for (at, byte, word) in
        [(48, 1, "body type at 0x30 is 0x1"), (50, 0x47, "body size at 0x32 is 0x247")]
    {
        let mut bytes = version_5(None);
        bytes[at] = byte;
        let error = Quote::parse(&bytes).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mut bytes = real();
    *bytes.last_mut().unwrap() = 1;
    assert_eq!(Quote::parse(&bytes), Err(Error::Trailing { at: 4936, found: 70 }));
    let mut bytes = real();
    bytes[632..636].fill(0xff);
    let error = Quote::parse(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "the TD quote ends after 5006 bytes, expected 4294967931 for its signature data"
    );
}

#[test]
fn every_truncation_is_noticed() {
    let whole = real();
    for quote in [&whole[..4936], &version_5(None), &version_5(Some([1; 64]))] {
        assert!(Quote::parse(quote).is_ok());
        for len in 0..quote.len() {
            let error = Quote::parse(&quote[..len]).unwrap_err();
            assert!(matches!(error, Error::Truncated { found, .. } if found == len), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..800), five: bool) {
        let _ = Quote::parse(&bytes);
        let mut head = real()[..8].to_vec();
        head[0] = if five { 5 } else { 4 };
        head.extend(bytes);
        let _ = Quote::parse(&head);
    }
}
