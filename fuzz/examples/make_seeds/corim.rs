//! CoRIMs, by the product's own writer.

use std::path::Path;

use cvmkit_attest::export::{ExportSource, Options, Selection, Shape, Signer, Validity, export};
use cvmkit_measure::snp::id_block::PrivateKey;

/// A key of sev-snp-measure's tests.
const KEY: &str = include_str!("../../../crates/measure/tests/fixtures/id_key_test.pem");

/// All machines of the fixture, and a signed CoRIM of some.
pub(crate) fn seeds() -> [(&'static str, Vec<u8>); 2] {
    let fixture = "../crates/engine/tests/fixtures/export/reference-values.json";
    let subject = ExportSource::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture));
    let subject = subject.expect("the fixture is of this schema");
    let corim = |selection: &Selection, options: &Options| {
        export(&subject, Shape::Corim, selection, options).expect("the fixture has values").bytes
    };
    let key = PrivateKey::from_pem("key", KEY).expect("the fixture is a key");
    let not_after = "2027-12-31T23:59:59Z".parse().expect("that is a time");
    let signed = Options {
        signer: Some(Signer { key, name: None }),
        validity: Some(Validity { not_before: None, not_after }),
        allow_debug: false,
    };
    let snp = Selection { profile: Some("qemu-snp".to_owned()), ..Selection::default() };
    [("all", corim(&Selection::default(), &Options::default())), ("signed", corim(&snp, &signed))]
}
