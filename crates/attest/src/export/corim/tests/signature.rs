//! `COSE_Sign1` by RFC 9052: what is signed, what is written, and what is refused.

use ciborium::Value;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::timestamp::Timestamp;
use cvmkit_measure::snp::id_block::{COSE_SIGNATURE_LEN, PrivateKey, PublicKey};
use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use p384::pkcs8::DecodePublicKey as _;

use super::super::super::cbor::{bytes, encode, list, map, tag};
use super::super::super::request::{Signer, Validity};
use super::super::super::tests::fixture::{KEY, OTHER_KEY};
use super::super::cose;
use super::super::{Corim, CorimFile, Header};
use super::{byte_string, text};

fn key(pem: &str) -> PrivateKey {
    PrivateKey::from_pem("key", pem).unwrap()
}

fn public(pem: &str) -> PublicKey {
    key(pem).public_key()
}

fn key_id(key: &PublicKey) -> Sha256 {
    Sha256::of(&key.subject_public_key_info())
}

fn signer(name: Option<&str>) -> Signer {
    Signer { key: key(KEY), name: name.map(str::to_owned) }
}

/// An unsigned CoRIM that is read.
fn payload() -> Vec<u8> {
    let machine = super::machine(crate::tests::image::value(
        "p",
        ["sev-snp", "qemu", "direct"],
        serde_json::json!({ "launch-digest": "01".repeat(48) }),
    ));
    Corim::of(super::ID, &[&machine], None).write().unwrap()
}

fn until(not_after: i64) -> Option<Validity> {
    Some(Validity { not_before: None, not_after: Timestamp(not_after) })
}

/// A byte string of up to 65535 bytes, by hand.
fn long_string(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    if len < 256 {
        return byte_string(bytes);
    }
    [&[0x59][..], &len.to_be_bytes(), bytes].concat()
}

/// The header of draft-ietf-rats-corim-10, section 4.2: algorithm, content type, key id and `corim-meta`.
fn protected(name: &str, key: Sha256, validity: &[u8]) -> Vec<u8> {
    let entries = if validity.is_empty() { 0xa1 } else { 0xa2 };
    let meta = [&[entries, 0x00, 0xa1, 0x00][..], &text(name), validity].concat();
    [
        // {1: -35, 3: "application/rim+cbor", 4: h'...', 8: h'...'}
        &[0xa4, 0x01, 0x38, 0x22, 0x03][..],
        &text("application/rim+cbor"),
        &[0x04],
        &byte_string(&key.0),
        &[0x08],
        &byte_string(&meta),
    ]
    .concat()
}

/// RFC 9052, section 4.4: `Sig_structure` is a context, the header, no external data, and the payload.
#[test]
fn the_signature_is_over_the_structure_of_the_standard() {
    let (id, spki) = (key_id(&public(KEY)), public(KEY).subject_public_key_info());
    let verifier = VerifyingKey::from_public_key_der(&spki).unwrap();
    for (validity, written) in [
        (None, &[][..]),
        // 1: {1: 1(5)}
        (until(5), &[0x01, 0xa1, 0x01, 0xc1, 0x05]),
    ] {
        let signed = cose::sign1(payload(), &signer(Some("ACME")), validity).unwrap();
        let header = protected("ACME", id, written);
        let structure = [
            &[0x84][..],
            &text("Signature1"),
            &byte_string(&header),
            &[0x40],
            &long_string(&payload()),
        ]
        .concat();
        let message = signed.write().unwrap();
        let (head, signature) = message.split_at(message.len() - COSE_SIGNATURE_LEN);
        verifier.verify(&structure, &Signature::from_slice(signature).unwrap()).unwrap();
        // 18([h'header', {}, h'payload', h'signature'])
        let expected = [
            &[0xd2, 0x84][..],
            &byte_string(&header),
            &[0xa0],
            &long_string(&payload()),
            &[0x58, 0x60],
        ]
        .concat();
        assert_eq!(hex::encode(head), hex::encode(expected));
        let file = CorimFile::read(&message).unwrap();
        assert_eq!(file.signed.as_ref(), Some(&signed));
        assert_eq!(file.corim, CorimFile::read(&payload()).unwrap().corim);
        assert_eq!(file.write().unwrap(), message);
        let expected = Header { signer: "ACME".to_owned(), key: id, validity };
        assert_eq!(file.signed.unwrap().header, expected);
    }
}

/// RFC 6979: the same key and message, the same signature.
#[test]
fn a_document_is_signed_in_one_form() {
    let signed = || cose::sign1(payload(), &signer(None), None).unwrap();
    assert_eq!(signed(), signed());
    // A signer without a name is called by its key.
    assert_eq!(signed().header.signer, format!("sha256:{}", key_id(&public(KEY))));
}

#[test]
fn a_signature_is_that_of_its_key_over_its_bytes() {
    let signed = cose::sign1(payload(), &signer(Some("ACME")), until(5)).unwrap();
    let (own, other) = (public(KEY), public(OTHER_KEY));
    signed.verify(&own).unwrap();
    let error = signed.verify(&other).unwrap_err();
    assert_eq!(error.expected, key_id(&other));
    assert_eq!(error.found, format!("the signature names the key {}", key_id(&own)));
    // The header and the payload are both signed.
    let mut renamed = signed.clone();
    renamed.header.signer = "ACMF".to_owned();
    let mut prolonged = signed.clone();
    prolonged.header.validity = until(6);
    let mut named = signed.clone();
    named.header.key = key_id(&other);
    for (changed, key) in [(&renamed, &own), (&prolonged, &own), (&named, &other)] {
        let error = changed.verify(key).unwrap_err();
        assert_eq!(error.expected, key_id(key));
        assert_eq!(error.found, "the signature does not verify");
    }
    let message = signed.write().unwrap();
    let digest = message.windows(48).position(|bytes| bytes == [1; 48]).unwrap();
    for at in [digest, message.len() - 1] {
        let mut changed = message.clone();
        changed[at] ^= 1;
        let file = CorimFile::read(&changed).unwrap();
        let error = file.signed.unwrap().verify(&own).unwrap_err();
        assert_eq!(error.found, "the signature does not verify", "byte {at}");
    }
}

/// A part of a message, or the message, and the words of its refusal.
type Refusal = (Value, (&'static str, &'static str));

/// What reading these bytes is refused with.
fn assert_refused(message: &Value, (expected, found): (&str, &str)) {
    let error = CorimFile::read(&encode(message).unwrap()).unwrap_err();
    assert_eq!((error.expected.as_str(), error.found.as_str()), (expected, found));
}

fn message(parts: [Value; 4]) -> Value {
    tag(18, list(parts))
}

/// A message with this protected header, and a signature of the right length.
fn with_header(header: &[u8]) -> Value {
    let nothing = Value::Map(Vec::new());
    let signature = bytes(&[0; COSE_SIGNATURE_LEN]);
    message([bytes(header), nothing, bytes(&payload()), signature])
}

/// A map with keys that are numbers.
fn numbered<const N: usize>(entries: [(u64, Value); N]) -> Value {
    map(entries.map(|(key, value)| (key, Some(value))))
}

/// The entries of the protected header, of which one can be left out or replaced.
fn entries() -> Vec<(u64, Value)> {
    let meta = numbered([(0, numbered([(0, "ACME".into())]))]);
    vec![
        (1, (-35).into()),
        (3, "application/rim+cbor".into()),
        (4, bytes(&[0xab; 32])),
        (8, bytes(&encode(&meta).unwrap())),
    ]
}

fn header_of(entries: Vec<(u64, Value)>) -> Vec<u8> {
    encode(&map(entries.into_iter().map(|(key, value)| (key, Some(value))))).unwrap()
}

#[test]
fn a_protected_header_has_its_four_parameters() {
    CorimFile::read(&encode(&with_header(&header_of(entries()))).unwrap()).unwrap();
    for (at, expected) in [
        (0, "the algorithm (key 1)"),
        (1, "the content type (key 3)"),
        (2, "the key id (key 4)"),
        (3, "corim-meta (key 8)"),
    ] {
        let mut left = entries();
        left.remove(at);
        assert_refused(&with_header(&header_of(left)), (expected, "a map without it"));
    }
    let meta = |entries: Vec<(u64, Value)>| bytes(&header_of(entries));
    let signer = || numbered([(0, "ACME".into())]);
    let replaced: [(usize, Refusal); 9] = [
        // ES256, and ES384 as a name.
        (0, ((-7).into(), ("ES384 (-35)", "-7"))),
        (0, ("ES384".into(), ("ES384 (-35)", "a text of 5 bytes"))),
        (1, ("text/plain".into(), ("application/rim+cbor", "\"text/plain\""))),
        (2, (bytes(&[0; 31]), ("a key id of 32 bytes", "31 bytes"))),
        (3, (meta(vec![]), ("the signer (key 0) of corim-meta-map", "a map without it"))),
        (3, (meta(vec![(2, 0.into())]), ("a key of corim-meta-map: 0 or 1", "2"))),
        (
            3,
            (
                meta(vec![(0, numbered([(0, "A".into()), (1, "uri".into())]))]),
                ("key 0 of the signer", "1"),
            ),
        ),
        (
            3,
            (
                meta(vec![(0, signer()), (1, numbered([(0, tag(1, 0.into()))]))]),
                ("not-after (key 1)", "a map without it"),
            ),
        ),
        (
            3,
            (
                bytes(&[&encode(&numbered([(0, signer())])).unwrap()[..], &[0]].concat()),
                ("the end", "1 more bytes"),
            ),
        ),
    ];
    for (at, (value, expected)) in replaced {
        let mut entries = entries();
        entries[at].1 = value;
        assert_refused(&with_header(&header_of(entries)), expected);
    }
    let mut more = entries();
    more.push((9, 0.into()));
    let expected = ("a key of the protected header: 1, 3, 4 or 8", "9");
    assert_refused(&with_header(&header_of(more)), expected);
    let longer = [&header_of(entries())[..], &[0]].concat();
    assert_refused(&with_header(&longer), ("the end", "1 more bytes"));
}

/// RFC 9052, section 4.2: four parts; what is not protected has no place here.
#[test]
fn a_message_of_another_form_is_refused() {
    let header = || bytes(&header_of(entries()));
    let nothing = || Value::Map(Vec::new());
    let signature = |len: usize| bytes(&vec![0; len]);
    let unprotected = numbered([(4, bytes(&[0; 32]))]);
    let refusals: [Refusal; 6] = [
        (
            message([header(), unprotected, bytes(&payload()), signature(96)]),
            ("no unprotected header", "4"),
        ),
        (
            message([header(), nothing(), bytes(&payload()), signature(95)]),
            ("a signature of 96 bytes", "95 bytes"),
        ),
        (
            message([header(), nothing(), bytes(&payload()), signature(97)]),
            ("a signature of 96 bytes", "97 bytes"),
        ),
        // Detached (section 4.1): the payload is somewhere else.
        (
            message([header(), nothing(), Value::Null, signature(96)]),
            ("the payload as bytes", "the simple value 22"),
        ),
        (
            message([header(), nothing(), bytes(&[]), signature(96)]),
            ("a CoRIM (tag 501)", "the end"),
        ),
        (
            message([nothing(), nothing(), bytes(&payload()), signature(96)]),
            ("the protected header as bytes", "a map of 0"),
        ),
    ];
    for (message, expected) in &refusals {
        assert_refused(message, *expected);
    }
    let mut longer = encode(&with_header(&header_of(entries()))).unwrap();
    longer.push(0);
    let error = CorimFile::read(&longer).unwrap_err();
    assert_eq!((error.at, error.found.as_str()), (longer.len() - 1, "1 more bytes"));
    // Without its tag it is no file of either form.
    let untagged = list([header(), nothing(), bytes(&payload()), signature(96)]);
    assert_refused(&untagged, ("a CoRIM (tag 501)", "a list of 4"));
}

/// What a person sees of a signature: whose it is, and until when.
#[test]
fn a_listing_names_the_signer() {
    let id = key_id(&public(KEY));
    let listing = |validity| {
        let signed = cose::sign1(payload(), &signer(Some("ACME")), validity).unwrap();
        CorimFile::read(&signed.write().unwrap()).unwrap().dump()
    };
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let plain = lines(listing(None));
    assert_eq!(plain[1], "  signature  ES384 by `ACME`, not verified here");
    assert_eq!(plain[2], format!("  key        sha256 {id}"));
    assert_eq!(plain[3], "  profile    tag:amd.com,2025:snp-corim-profile (SEV-SNP)");
    assert_eq!(plain[4], "  valid      without limit");
    let from = Validity { not_before: Some(Timestamp(0)), not_after: Timestamp(1) };
    for (validity, line) in [
        (until(0).unwrap(), "until 1970-01-01T00:00:00Z"),
        (from, "from 1970-01-01T00:00:00Z until 1970-01-01T00:00:01Z"),
    ] {
        let dated = lines(listing(Some(validity)));
        assert_eq!(dated[3].trim_start(), line);
        assert_eq!([&dated[..3], &dated[4..]].concat(), plain);
    }
}
