//! Exported documents, as programs that others wrote read them, and the values that consumers
//! publish.
//!
//! `fixtures/export/README.md` says where the reference values come from. Golden files are beside
//! the test; `crates/cli/tests` has the oracles that are programs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use corim::types::comid::ComidTag;
use corim::types::common::{ClassIdChoice, MeasuredElement};
use corim::types::corim::{CorimMap, ProfileChoice};
use corim::types::environment::{ClassMap, EnvironmentMap};
use corim::types::measurement::{
    Digest, DigestAlg, IntegrityRegisterId, IntegrityRegisters, MeasurementMap,
    MeasurementValuesMap, RawValueChoice,
};
use corim::types::signed::decode_and_validate_signed_corim_at;
use corim::validate::{EvidenceClaim, decode_and_validate_at, match_reference_values};
use cvmkit_attest::export::corim::CorimFile;
use cvmkit_attest::export::{
    Document, ExportError, ExportSource, Note, Options, Selection, Shape, Signer, Validity, export,
};
use cvmkit_attest::values::ReadError;
use cvmkit_host::files;
use cvmkit_host::versioned::VersionedError;
use cvmkit_measure::snp::id_block::PrivateKey;
use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use p384::pkcs8::DecodePublicKey as _;
use serde_json::{Value, json};
use sha2::Digest as _;

/// A second at which no fixture has expired.
const NOW: i64 = 1_800_000_000;

/// A key of sev-snp-measure's tests; `measure/tests/fixtures`.
const KEY: &str = include_str!("../../measure/tests/fixtures/id_key_test.pem");

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/export/reference-values.json")
}

fn subject() -> ExportSource {
    ExportSource::open(&fixture()).unwrap()
}

fn values() -> Value {
    serde_json::from_slice(&files::read(&fixture()).unwrap()).unwrap()
}

/// A value of the fixture, by a JSON pointer below `values`.
fn hex_of(pointer: &str) -> Vec<u8> {
    hex::decode(values()["values"].pointer(pointer).unwrap().as_str().unwrap()).unwrap()
}

/// Notes as a person reads them, one a line.
fn words(notes: &[Note]) -> String {
    notes.iter().map(Note::to_string).collect::<Vec<_>>().join("\n")
}

fn profile(name: &str) -> Selection {
    Selection { profile: Some(name.to_owned()), ..Selection::default() }
}

fn of(shape: Shape, selection: &Selection) -> Result<Document, ExportError> {
    export(&subject(), shape, selection, &Options::default())
}

fn signer() -> Signer {
    Signer { key: PrivateKey::from_pem("key", KEY).unwrap(), name: Some("ACME".to_owned()) }
}

fn corim(selection: &Selection) -> (CorimMap, Vec<ComidTag>) {
    decode_and_validate_at(&of(Shape::Corim, selection).unwrap().bytes, NOW).unwrap()
}

/// What a verifier makes of evidence: the CoMIDs that corroborate it.
fn corroborating(comids: &[ComidTag], evidence: &EvidenceClaim) -> Vec<usize> {
    let matches = |comid: &ComidTag| {
        let triples = comid.triples.reference_triples.clone().unwrap_or_default();
        !match_reference_values(&triples, std::slice::from_ref(evidence)).is_empty()
    };
    (0..comids.len()).filter(|&at| matches(&comids[at])).collect()
}

fn digests(alg: i64, value: &[u8]) -> Vec<Digest> {
    vec![Digest(DigestAlg::Int(alg), value.to_vec())]
}

fn digests_only(digests: Vec<Digest>) -> MeasurementValuesMap {
    let mut values = MeasurementValuesMap::default();
    values.digests = Some(digests);
    values
}

/// The evidence of an SEV-SNP report, as the profile translates it.
fn snp_evidence(class: u8, measurement: &[u8]) -> EvidenceClaim {
    let oid = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x03, class];
    let class =
        ClassMap { class_id: Some(ClassIdChoice::Oid(oid.to_vec())), ..ClassMap::default() };
    let element = |mkey, digests| MeasurementMap {
        mkey: Some(MeasuredElement::Uint(mkey)),
        mval: digests_only(digests),
        authorized_by: None,
    };
    EvidenceClaim {
        environment: EnvironmentMap { class: Some(class), instance: None, group: None },
        // HOST_DATA is in every report, and no reference value speaks of it.
        measurements: vec![
            element(642, digests(7, &[0; 48])),
            element(641, digests(7, measurement)),
        ],
    }
}

/// Evidence with registers by number. The crate compares them as a whole, where the draft takes
/// evidence with more registers too (draft-ietf-rats-corim-10, section 9.3.6.1.6).
fn register_evidence(
    environment: EnvironmentMap,
    registers: &[(u64, Vec<Digest>)],
) -> EvidenceClaim {
    let registers = registers.iter().cloned();
    let registers = registers.map(|(id, digests)| (IntegrityRegisterId::Uint(id), digests));
    let mut mval = MeasurementValuesMap::default();
    mval.integrity_registers = Some(IntegrityRegisters(registers.collect()));
    EvidenceClaim {
        environment,
        measurements: vec![MeasurementMap { mkey: None, mval, authorized_by: None }],
    }
}

/// A verifier accepts a report of each machine, by either key, and no other.
#[test]
fn a_report_is_corroborated_by_its_machine_alone() {
    let (corim, comids) = corim(&profile("qemu-snp"));
    assert_eq!(
        corim.profile,
        Some(ProfileChoice::Uri("tag:amd.com,2025:snp-corim-profile".to_owned()))
    );
    for class in [1, 2] {
        for machine in [0, 1] {
            let digest = hex_of(&format!("/{machine}/launch-digest"));
            let evidence = snp_evidence(class, &digest);
            assert_eq!(corroborating(&comids, &evidence), [machine], "class {class}");
        }
    }
    let mut other = hex_of("/0/launch-digest");
    other[0] ^= 1;
    assert!(corroborating(&comids, &snp_evidence(1, &other)).is_empty());
    assert!(corroborating(&comids, &snp_evidence(3, &hex_of("/0/launch-digest"))).is_empty());
}

#[test]
fn a_quote_is_corroborated_by_mrtd_and_all_registers_that_are_predicted() {
    let (corim, comids) = corim(&profile("qemu-tdx-direct"));
    // 2.16.840.1.113741.1.16.1
    let oid = [0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x4d, 0x01, 0x10, 0x01];
    assert_eq!(corim.profile, Some(ProfileChoice::Oid(oid.to_vec())));
    let sha384 = |name: &str| hex_of(&format!("/2/registers/sha384/{name}"));
    let evidence = |rtmr2: Vec<u8>| {
        let registers = [(0, sha384("rtmr0")), (1, sha384("rtmr1")), (2, rtmr2)];
        let registers = registers.map(|(index, value)| (index, digests(7, &value)));
        let environment = EnvironmentMap::for_class("Intel Corporation", "TDX");
        let mut evidence = register_evidence(environment, &registers);
        let mval = digests_only(digests(7, &sha384("mrtd")));
        let mkey = Some(MeasuredElement::Uint(83));
        evidence.measurements.push(MeasurementMap { mkey, mval, authorized_by: None });
        evidence
    };
    assert_eq!(corroborating(&comids, &evidence(sha384("rtmr2"))), [0]);
    assert!(corroborating(&comids, &evidence(vec![0; 48])).is_empty());
    let mut without_mrtd = evidence(sha384("rtmr2"));
    without_mrtd.measurements.pop();
    assert!(corroborating(&comids, &without_mrtd).is_empty());
}

#[test]
fn a_tpm_is_corroborated_by_its_registers_in_every_bank() {
    let (corim, comids) = corim(&profile("qemu-vtpm"));
    assert_eq!(corim.profile, None);
    let evidence = |pcr11: Vec<u8>| {
        let pcr4 = ["sha256", "sha384"].map(|bank| hex_of(&format!("/4/registers/{bank}/pcr4")));
        let pcr4 = [digests(1, &pcr4[0]), digests(7, &pcr4[1])].concat();
        let environment = EnvironmentMap::for_class("QEMU", "qemu-vtpm");
        register_evidence(environment, &[(4, pcr4), (11, digests(1, &pcr11))])
    };
    let pcr11 = hex_of("/4/registers/sha256/pcr11");
    assert_eq!(corroborating(&comids, &evidence(pcr11)), [0]);
    assert!(corroborating(&comids, &evidence(vec![0; 32])).is_empty());
}

#[test]
fn a_secure_execution_image_is_corroborated_by_its_header() {
    let (_, comids) = corim(&profile("se"));
    let header = |name: &str| hex_of(&format!("/7/secure-execution/{name}"));
    let element = |mkey: &str, mval| {
        let mkey = Some(MeasuredElement::Text(mkey.to_owned()));
        MeasurementMap { mkey, mval, authorized_by: None }
    };
    let evidence = |tag: Vec<u8>| {
        let mut tag_only = MeasurementValuesMap::default();
        tag_only.raw_value = Some(RawValueChoice::Bytes(tag));
        let sha512 = |name: &str| digests_only(digests(8, &header(name)));
        let measurements = vec![
            element("tag", tag_only),
            element("pld", sha512("page-digest")),
            element("ald", sha512("address-digest")),
            element("tld", sha512("tweak-digest")),
        ];
        let environment = EnvironmentMap::for_class("IBM", "Secure Execution");
        EvidenceClaim { environment, measurements }
    };
    assert_eq!(corroborating(&comids, &evidence(header("tag"))), [0]);
    assert!(corroborating(&comids, &evidence(vec![0; 16])).is_empty());
}

#[test]
fn what_is_signed_is_what_the_key_signed() {
    let validity = Validity {
        not_before: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        not_after: "2027-12-31T23:59:59Z".parse().unwrap(),
    };
    let options =
        Options { signer: Some(signer()), validity: Some(validity), ..Options::default() };
    let document = export(&subject(), Shape::Corim, &Selection::default(), &options).unwrap();
    let (envelope, payload) =
        decode_and_validate_signed_corim_at(&document.bytes, None, NOW).unwrap();
    assert_eq!(payload.comids.len(), 8);
    let signed = envelope.to_be_signed(&[]).unwrap();
    let spki = signer().key.public_key().subject_public_key_info();
    let key = VerifyingKey::from_public_key_der(&spki).unwrap();
    let signature = Signature::from_slice(&envelope.signature).unwrap();
    key.verify(&signed, &signature).unwrap();
    let protected = envelope.protected();
    assert_eq!(protected.kid.as_deref(), Some(&sha2::Sha256::digest(&spki)[..]));
    let meta = protected.corim_meta.as_ref().unwrap();
    assert_eq!(meta.signer.signer_name, "ACME");
    assert_eq!(meta.signature_validity.as_ref().unwrap().not_after.epoch_secs(), 1_830_297_599);
    // The payload is the document without a key; one second later it has expired.
    let unsigned = Options { validity: Some(validity), ..Options::default() };
    let unsigned = export(&subject(), Shape::Corim, &Selection::default(), &unsigned).unwrap();
    assert_eq!(envelope.payload.as_deref(), Some(&unsigned.bytes[..]));
    assert!(decode_and_validate_signed_corim_at(&document.bytes, None, 1_830_297_600).is_err());
    assert_eq!(
        export(&subject(), Shape::Corim, &Selection::default(), &options).unwrap(),
        document
    );
}

#[test]
fn a_corim_of_several_platforms_names_no_profile_and_says_so() {
    let document = of(Shape::Corim, &Selection::default()).unwrap();
    let (corim, comids) = decode_and_validate_at(&document.bytes, NOW).unwrap();
    assert_eq!((corim.profile, comids.len()), (None, 8));
    insta::assert_snapshot!("corim_notes", words(&document.notes));
    insta::assert_snapshot!("corim", hex::encode(&document.bytes));
    let ids: std::collections::BTreeSet<_> =
        comids.iter().map(|comid| format!("{:?}", comid.tag_identity.tag_id)).collect();
    assert_eq!(ids.len(), comids.len(), "a CoMID of its own for each machine");
}

/// Every document of the encoder, signed or not, of one platform or of all.
fn corims() -> Vec<Vec<u8>> {
    let validity = Validity {
        not_before: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        not_after: "2027-12-31T23:59:59Z".parse().unwrap(),
    };
    let names = ["qemu-snp", "qemu-tdx-direct", "qemu-vtpm", "azure-vtpm", "nitro-tpm", "se"];
    let mut selections: Vec<Selection> = names.into_iter().map(profile).collect();
    selections.push(Selection::default());
    let mut documents = Vec::new();
    for selection in selections {
        for signer in [None, Some(signer())] {
            let options = Options { signer, validity: Some(validity), ..Options::default() };
            let document = export(&subject(), Shape::Corim, &selection, &options).unwrap();
            documents.push(document.bytes);
        }
        documents.push(of(Shape::Corim, &selection).unwrap().bytes);
    }
    documents
}

#[test]
fn a_corim_is_read_as_it_was_written_and_is_of_its_image() {
    for bytes in corims() {
        let file = CorimFile::read(&bytes).unwrap();
        assert!(CorimFile::is_start(&bytes));
        assert_eq!(file.write().unwrap(), bytes);
        let of_image = file.corim.of_image(&subject());
        assert_eq!(of_image.differences, []);
        assert_eq!(of_image.machines + of_image.silent.len(), 8);
    }
    let all = of(Shape::Corim, &Selection::default()).unwrap().bytes;
    insta::assert_snapshot!("corim_dump", CorimFile::read(&all).unwrap().dump());
}

/// No byte of a CoRIM has a place to hide: with another one it is no CoRIM, is not of the image, or says
/// other things of its use, which the signature covers.
#[test]
fn every_other_byte_of_a_corim_is_noticed() {
    let (key, image) = (signer().key.public_key(), subject());
    let mut read = 0;
    // Of each platform one that is not signed, and a signed one: signatures take their time.
    let corims = corims();
    let one = corims.iter().skip(1).step_by(3).take(1);
    for bytes in corims.iter().step_by(3).chain(one) {
        let original = CorimFile::read(bytes).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            let Ok(file) = CorimFile::read(&other) else { continue };
            read += 1;
            assert_ne!(file, original, "byte {at}");
            assert_eq!(file.write().unwrap(), other, "byte {at}");
            let is_of_image = file.corim.of_image(&image).differences.is_empty();
            let is_valid_otherwise = file.corim.validity != original.corim.validity;
            match &file.signed {
                Some(signed) => assert!(signed.verify(&key).is_err(), "byte {at}"),
                None => assert!(!is_of_image || is_valid_otherwise, "byte {at}"),
            }
        }
        for len in 0..bytes.len() {
            CorimFile::read(&bytes[..len]).unwrap_err();
        }
        CorimFile::read(&[&bytes[..], &[0]].concat()).unwrap_err();
    }
    assert!(read > 1000, "{read} were read: the values behind the structure were not reached");
}

/// What the draft allows and cvmkit does not write: nothing of it becomes a value.
#[test]
fn what_is_not_written_here_is_refused_with_its_place() {
    let bytes = of(Shape::Corim, &profile("qemu-snp")).unwrap().bytes;
    let map = bytes.iter().position(|byte| *byte == 0xa3).unwrap();
    let refused = |at: usize, with: &[u8], instead_of: usize| {
        let other = [&bytes[..at], with, &bytes[at + instead_of..]].concat();
        CorimFile::read(&other).unwrap_err().to_string()
    };
    // One more entry, of a key that the draft has (5, entities), and of one that it has not.
    let end = bytes.len();
    let entity = |key: u8| {
        let other = [&bytes[..map], &[0xa4], &bytes[map + 1..end], &[key, 0x80]].concat();
        CorimFile::read(&other).unwrap_err().to_string()
    };
    let place = format!("byte {end}: expected ");
    let expected = format!("{place}a key of corim-map: 0, 1, 3 or 4, found 5");
    assert_eq!(entity(5), expected);
    assert_eq!(entity(3), format!("{place}keys in their order, each once, found 3"));
    // The id: a number of its length in two bytes, a length that is left open, bytes.
    let id = map + 2;
    assert_eq!(bytes[id], 0x78);
    let form = format!("byte {id}: expected the id as a text");
    let longer = refused(id, &[0x79, 0, bytes[id + 1]], 2);
    assert_eq!(longer, format!("{form}, in the shortest form, found 78 in 2 bytes"));
    assert_eq!(refused(id, &[0x7f], 2), format!("{form}, found a value without a length"));
    assert_eq!(refused(id, &[0x58], 1), format!("{form}, found 78 bytes"));
    // A length beyond the end takes no memory.
    let huge = refused(id, &[0x7b, 0xff, 0, 0, 0, 0, 0, 0, 0], 2);
    assert!(huge.contains("the id of 18374686479671623680 bytes, found"), "{huge}");
    // Another `mkey`, such as HOST_DATA; another function, SM3 (IANA: 24... is none of ours).
    let digest = bytes.windows(2).position(|pair| pair == [0x58, 48]).unwrap();
    let refusal = refused(digest - 1, &[0x02], 1);
    assert!(refusal.contains("a hash function: 1 (SHA-256), 7 (SHA-384)"), "{refusal}");
    let mkey = bytes.windows(3).position(|part| part == [0x19, 0x02, 0x81]).unwrap();
    let refusal = refused(mkey, &[0x19, 0x02, 0x82], 3);
    assert!(refusal.ends_with("`ald` or `tld`, found 642"), "{refusal}");
}

/// A profile has a machine for each number of vCPUs: what is said of all of them is said once.
#[test]
fn a_note_on_several_machines_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reference-values.json");
    let mut all = values();
    let mut td = all["values"][2].clone();
    td["registers"]["sha384"].as_object_mut().unwrap().remove("rtmr0");
    td["not-predicted"] = json!({ "rtmr0": { "code": "acpi-tables" } });
    td["conditions"] = json!({ "rtmr1": [{ "code": "no-option-rom" }] });
    let of = |vcpus: u32| {
        let mut td = td.clone();
        td["vcpus"] = vcpus.into();
        td
    };
    all["values"] = json!([of(1), of(2), of(4)]);
    files::replace(&path, all.to_string().as_bytes()).unwrap();
    let source = ExportSource::open(&path).unwrap();
    let notes = |shape| {
        let options = Options::default();
        words(&export(&source, shape, &Selection::default(), &options).unwrap().notes)
    };
    let first = "qemu-tdx-direct (qemu, direct boot, 1 vCPU, 2G, OVMF.inteltdx.fd) and 2 more";
    let rtmr0 = "no rtmr0: the digests of the ACPI tables, which the VMM makes, are not known";
    let rtmr1 = "rtmr1: if no device has an option ROM";
    assert_eq!(
        notes(Shape::Corim),
        format!("{first}: {rtmr0}\n{first}: {rtmr1}\nthe CoRIM is not signed")
    );
    assert!(notes(Shape::Rvps).starts_with(&format!("{first}: {rtmr1}\nmr_td = ")));
}

/// Decoded as the service does (`rvps/src/extractors/sample/mod.rs`), and asked for as the policy
/// does.
#[test]
fn rvps_takes_the_message_and_the_policy_finds_its_names() {
    let document = of(Shape::Rvps, &Selection::default()).unwrap();
    let message: Value = serde_json::from_slice(&document.bytes).unwrap();
    assert_eq!(message["version"], "0.1.0");
    assert_eq!(message["type"], "sample");
    let payload = openssl_free_base64(message["payload"].as_str().unwrap());
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    insta::assert_snapshot!("rvps", serde_json::to_string_pretty(&payload).unwrap());
    let accepted = |name: &str, value: Vec<u8>| {
        payload[name].as_array().unwrap().contains(&json!(hex::encode(value)))
    };
    assert!(accepted("snp_launch_measurement", hex_of("/0/launch-digest")));
    assert!(accepted("snp_launch_measurement", hex_of("/1/launch-digest")));
    for (name, register) in [("mr_td", "mrtd"), ("rtmr_1", "rtmr1"), ("rtmr_2", "rtmr2")] {
        assert!(accepted(name, hex_of(&format!("/2/registers/sha384/{register}"))), "{name}");
    }
    assert!(accepted("tpm_pcr11", hex_of("/4/registers/sha256/pcr11")));
    assert!(accepted("tdx_pcr11", hex_of("/5/registers/sha256/pcr11")));
    insta::assert_snapshot!("rvps_notes", words(&document.notes));
}

/// Base64 by its definition, one bit after the other.
fn openssl_free_base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes();
    let bits: Vec<usize> = digits
        .flat_map(|digit| {
            let value = alphabet.iter().position(|&known| known == digit).unwrap();
            (0..6).rev().map(move |bit| value >> bit & 1)
        })
        .collect();
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    bits.chunks_exact(8).map(|bits| u8::try_from(byte(bits)).unwrap()).collect()
}

/// The quote of oasis-core f9f1fdc, `go/common/sgx/pcs/testdata/quote_v4_tdx_ecdsa_p256.bin`, of which
/// `quote_test.go` expects this identity.
#[test]
fn an_enclave_identity_is_the_one_that_oasis_core_expects() {
    let document = of(Shape::Oasis, &Selection::default()).unwrap();
    let policy: Value = serde_json::from_slice(&document.bytes).unwrap();
    let identity = openssl_free_base64(policy["enclaves"][0]["id"].as_str().unwrap());
    assert_eq!(
        hex::encode(identity),
        format!(
            "63d522d975f7de879a8f3368b4f32dd1e8db635f5a24b651ce8ff81705028813{}",
            "00".repeat(32)
        )
    );
    insta::assert_snapshot!("oasis", String::from_utf8(document.bytes).unwrap());
    insta::assert_snapshot!("oasis_notes", words(&document.notes));
}

#[test]
fn dstack_mr_has_the_registers_of_a_td() {
    let document = of(Shape::DstackMr, &profile("qemu-tdx-direct")).unwrap();
    insta::assert_snapshot!("dstack_mr", String::from_utf8(document.bytes).unwrap());
}

/// The formula of `AwsOsImageMeasurement::from_boot_pcrs`, over the fixture's registers.
#[test]
fn dstack_has_one_digest_of_the_registers_of_a_nitro_tpm() {
    let document = of(Shape::Dstack, &profile("nitro-tpm")).unwrap();
    let pcrs = ["pcr4", "pcr7", "pcr12"].map(|pcr| hex_of(&format!("/6/registers/sha384/{pcr}")));
    let digest = sha2::Sha256::digest(pcrs.concat());
    // A map of one entry, a text of 15 bytes, a byte string of 32.
    let expected = [&[0xa1, 0x6f][..], b"boot_pcr_digest", &[0x58, 0x20], &digest].concat();
    assert_eq!(document.bytes, expected);
}

#[test]
fn what_a_shape_has_no_place_for_is_an_error_that_says_what_to_add() {
    use cvmkit_host::fault::Diagnosis as _;
    let refusals = [
        (Shape::Oasis, profile("qemu-snp")),
        (Shape::Oasis, profile("gce-tdx")),
        (Shape::Rvps, profile("nitro-tpm")),
        (Shape::Katana, profile("qemu-vtpm")),
        (Shape::Katana, profile("qemu-snp")),
        (Shape::Dstack, Selection::default()),
        (Shape::Dstack, profile("qemu-vtpm")),
        (Shape::Dstack, profile("gce-tdx")),
        (Shape::Dstack, profile("qemu-tdx-direct")),
        (Shape::DstackMr, profile("qemu-snp")),
        (Shape::DstackMr, profile("gce-tdx")),
        (Shape::Dstack, profile("qemu-snp")),
        (Shape::Corim, profile("qemu-vtpm-bare")),
        (Shape::Corim, profile("qemu-sev")),
        (Shape::SystemdMeasure, Selection::default()),
    ];
    let folder = fixture().parent().unwrap().display().to_string();
    let said = refusals.map(|(shape, selection)| {
        let error = of(shape, &selection).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        format!("{error}\nhint: {hint}\n").replace(&folder, "FOLDER")
    });
    insta::assert_snapshot!("refusals", said.join("\n"));
    let options = Options { signer: Some(signer()), ..Options::default() };
    let error = export(&subject(), Shape::Rvps, &Selection::default(), &options).unwrap_err();
    assert!(matches!(error, ExportError::Unsigned { .. }), "{error}");
}

#[test]
fn values_of_another_schema_and_values_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reference-values.json");
    let opened = |change: &dyn Fn(&mut Value)| {
        let mut values = values();
        change(&mut values);
        files::replace(&path, values.to_string().as_bytes()).unwrap();
        ExportSource::open(&path).unwrap_err()
    };
    let error = opened(&|values| values["schema"] = 1.into());
    let ExportError::Values(ReadError::Versioned(VersionedError::Version { .. })) = error else {
        panic!("{error}")
    };
    let error = opened(&|values| values["values"][0]["launch-digest"] = "00".into());
    assert!(matches!(error, ExportError::Values(ReadError::Value { .. })), "{error}");
    let error = opened(&|values| {
        values["values"][2]["registers"]["sha384"]["mrtd"] = "00".repeat(32).into()
    });
    assert!(matches!(error, ExportError::Values(ReadError::Value { .. })), "{error}");
    let error = opened(&|values| values["values"][0]["platform"] = "sgx".into());
    let ExportError::Values(ReadError::Versioned(VersionedError::Malformed { .. })) = error else {
        panic!("{error}")
    };
}
