//! What a CoRIM says of machines, byte by byte, and whether it is that of an image.

mod image;
mod signature;

use std::collections::BTreeMap;

use cvmkit_host::timestamp::Timestamp;
use cvmkit_measure::event::Bank;
use serde_json::{Value, json};

use super::super::request::Validity;
use super::super::tests::fixture::{Values, machine};
use super::spec::{INTEL_PROFILE, SNP_CLASSES};
use super::*;
use crate::tests::image::value;

fn digest(algorithm: Algorithm, byte: u8) -> Digest {
    let (_, len) = algorithm.number_and_len();
    Digest::new(algorithm, &vec![byte; len])
}

/// The arcs of an OID in BER (X.690, section 8.19).
fn arcs(bytes: &[u8]) -> String {
    let mut numbers = vec![];
    let mut number = 0_u32;
    for byte in bytes {
        number = number << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    let first = (numbers[0] / 40).min(2);
    let arcs = [first, numbers[0] - 40 * first].into_iter().chain(numbers[1..].iter().copied());
    arcs.map(|arc| arc.to_string()).collect::<Vec<_>>().join(".")
}

/// draft-deeglaze-amd-sev-snp-corim-profile-02, section 3.1.1; draft-cds-rats-intel-corim-profile-06, section
/// 4.1.
#[test]
fn the_oids_are_those_of_the_profiles() {
    assert_eq!(arcs(&INTEL_PROFILE), "2.16.840.1.113741.1.16.1");
    for (class, expected) in
        SNP_CLASSES.iter().zip(["1.3.6.1.4.1.3704.3.1", "1.3.6.1.4.1.3704.3.2"])
    {
        let [6, len, contents @ ..] = class else { panic!("{class:02x?}") };
        assert_eq!((usize::from(*len), arcs(contents).as_str()), (contents.len(), expected));
    }
}

/// CBOR by hand (RFC 8949, section 3): the head of a text or byte string, and the string.
fn string(major: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).unwrap();
    let head = if len < 24 { vec![major | len] } else { vec![major | 24, len] };
    [&head[..], bytes].concat()
}

fn text(text: &str) -> Vec<u8> {
    string(0x60, text.as_bytes())
}

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    string(0x40, bytes)
}

/// A CoMID (section 5.1) with one triple: its class, and its measurements as a list.
fn comid(id: &str, class: &[u8], measurements: &[u8]) -> Vec<u8> {
    let identity = [&[0x01, 0xa1, 0x00][..], &text(id)].concat();
    let environment = [&[0xa1, 0x00][..], class].concat();
    let triple = [&[0x82][..], &environment, measurements].concat();
    let triples = [&[0x04, 0xa1, 0x00, 0x81][..], &triple].concat();
    [&[0xa2][..], &identity, &triples].concat()
}

/// The document of one machine of one class, against bytes that are put together by the draft alone.
#[test]
fn the_bytes_are_those_of_the_draft() {
    let launch = Triple {
        class: Class::SnpByProvider,
        measurements: vec![Measurement::LaunchDigest(digest(Algorithm::Sha384, 0x5a))],
    };
    let corim = Corim {
        id: "x".to_owned(),
        tags: vec![Comid { id: "x/a".to_owned(), triples: vec![launch] }],
        profile: Some(ProfileId::Snp),
        validity: Some(Validity { not_before: Some(Timestamp(-1)), not_after: Timestamp(1) }),
    };
    // {0: 111(h'06 09 ...')}
    let class = [&[0xa1, 0x00, 0xd8, 0x6f][..], &byte_string(&SNP_CLASSES[1])].concat();
    // [{0: 641, 1: {2: [[7, h'5a...']]}}]
    let digests = [&[0x81, 0x82, 0x07][..], &byte_string(&[0x5a; 48])].concat();
    let measurement =
        [&[0x81, 0xa2, 0x00, 0x19, 0x02, 0x81, 0x01, 0xa1, 0x02][..], &digests].concat();
    let comid = comid("x/a", &class, &measurement);
    let expected = [
        // 501({0: "x",
        &[0xd9, 0x01, 0xf5, 0xa4, 0x00][..],
        &text("x"),
        // 1: [506(h'...')],
        &[0x01, 0x81, 0xd9, 0x01, 0xfa],
        &byte_string(&comid),
        // 3: 32("tag:..."),
        &[0x03, 0xd8, 0x20],
        &text("tag:amd.com,2025:snp-corim-profile"),
        // 4: {0: 1(-1), 1: 1(1)}})
        &[0x04, 0xa2, 0x00, 0xc1, 0x20, 0x01, 0xc1, 0x01],
    ]
    .concat();
    assert_eq!(hex::encode(corim.write().unwrap()), hex::encode(expected));
}

/// The other measurements, environments and profiles, each by its part of the document.
#[test]
fn each_value_is_written_as_its_profile_has_it() {
    let written = |class: Class, measurement: Measurement| {
        let triples = vec![Triple { class, measurements: vec![measurement] }];
        let corim = Corim {
            id: String::new(),
            tags: vec![Comid { id: "a".to_owned(), triples }],
            profile: None,
            validity: None,
        };
        corim.write().unwrap()
    };
    let named = || Class::Named { vendor: "V".to_owned(), model: "M".to_owned() };
    // {1: "V", 2: "M"}
    let class = [&[0xa2, 0x01][..], &text("V"), &[0x02], &text("M")].concat();
    let of = |function: u8, len: usize| {
        let value = byte_string(&vec![0x5a; len]);
        [&[0x82, function][..], &value].concat()
    };
    // [{0: KEY, 1: {2: [[FUNCTION, h'...']]}}]
    let keyed = |key: &[u8], digest: Vec<u8>| {
        [&[0x81, 0xa2, 0x00][..], key, &[0x01, 0xa1, 0x02, 0x81], &digest].concat()
    };
    let [sha256, sha384, sha512] = [(1, 32), (7, 48), (8, 64)].map(|(of_id, len)| of(of_id, len));
    let header = |field, name: &str| {
        let digest = digest(Algorithm::Sha512, 0x5a);
        (Measurement::Header(field, digest), keyed(&text(name), sha512.clone()))
    };
    let registers = [
        (1, vec![digest(Algorithm::Sha256, 0x5a), digest(Algorithm::Sha384, 0x5a)]),
        (23, vec![digest(Algorithm::Sha384, 0x5a)]),
    ];
    // [{1: {14: {1: [[1, h'...'], [7, h'...']], 23: [[7, h'...']]}}}]
    let integrity = [
        &[0x81, 0xa1, 0x01, 0xa1, 0x0e, 0xa2, 0x01, 0x82][..],
        &sha256,
        &sha384,
        &[0x17, 0x81],
        &sha384,
    ]
    .concat();
    // [{0: "tag", 1: {4: 560(h'0102')}}]
    let raw = [
        &[0x81, 0xa2, 0x00][..],
        &text("tag"),
        &[0x01, 0xa1, 0x04, 0xd9, 0x02, 0x30],
        &byte_string(&[1, 2]),
    ]
    .concat();
    let mrtd = Measurement::Mrtd(digest(Algorithm::Sha384, 0x5a));
    for (measurement, expected) in [
        (mrtd, keyed(&[0x18, 83], sha384.clone())),
        header(HeaderField::Pld, "pld"),
        header(HeaderField::Ald, "ald"),
        header(HeaderField::Tld, "tld"),
        (Measurement::Tag(vec![1, 2]), raw),
        (Measurement::Registers(registers.into()), integrity),
    ] {
        let comid = comid("a", &class, &expected);
        let head = [0xd9, 0x01, 0xf5, 0xa2, 0x00, 0x60, 0x01, 0x81, 0xd9, 0x01, 0xfa];
        let document = [&head[..], &byte_string(&comid)].concat();
        assert_eq!(hex::encode(written(named(), measurement)), hex::encode(document));
    }
    let profile = |profile| {
        let corim = Corim { id: String::new(), tags: Vec::new(), profile, validity: None };
        corim.write().unwrap()
    };
    let intel = [
        &[0xd9, 0x01, 0xf5, 0xa3, 0x00, 0x60, 0x01, 0x80, 0x03, 0xd8, 0x6f][..],
        &byte_string(&INTEL_PROFILE),
    ];
    assert_eq!(profile(Some(ProfileId::Intel)), intel.concat());
    assert_eq!(profile(None), [0xd9, 0x01, 0xf5, 0xa2, 0x00, 0x60, 0x01, 0x80]);
}

/// IANA, "Named Information Hash Algorithm Registry".
#[test]
fn a_bank_has_the_function_of_its_digests() {
    for (bank, function, len) in [(Bank::Sha256, 1, 32), (Bank::Sha384, 7, 48)] {
        assert_eq!(Algorithm::of_bank(bank).number_and_len(), (function, len));
        assert_eq!(bank.hash(b"").as_bytes().len(), len);
    }
    assert_eq!(Algorithm::Sha512.number_and_len(), (8, 64));
}

const ID: Sha256 = Sha256([0xab; 32]);

fn corim_of(machines: &[&ExpectedMachine]) -> Corim {
    Corim::of(ID, machines, None)
}

/// By the kind of key that signs a report; a vendor and a model where no profile names a class.
#[test]
fn a_machine_has_the_environments_of_its_platform() {
    let named = |vendor: &str, model: &str| {
        vec![Class::Named { vendor: vendor.to_owned(), model: model.to_owned() }]
    };
    for (platform, vmm, boot, expected) in [
        ("sev-snp", "ec2", "uki-disk", vec![Class::SnpByChip, Class::SnpByProvider]),
        ("tdx", "qemu", "direct", named("Intel Corporation", "TDX")),
        ("tdx", "gce", "uki-disk", named("Intel Corporation", "TDX")),
        ("tpm", "qemu", "uki-disk", named("QEMU", "mine")),
        ("tpm", "azure", "uki-disk", named("Microsoft", "mine")),
        ("tpm", "gce", "uki-disk", named("Google", "mine")),
        ("tpm", "ec2", "uki-disk", named("Amazon", "mine")),
        ("se", "qemu", "direct", named("IBM", "Secure Execution")),
    ] {
        let machine = machine(value("mine", [platform, vmm, boot], json!({})));
        let corim = corim_of(&[&machine]);
        let id = format!("cvmkit:sha256:{ID}");
        assert_eq!((&corim.id, &corim.tags[0].id), (&id, &format!("{id}/{machine}")));
        let classes: Vec<Class> =
            corim.tags[0].triples.iter().map(|triple| triple.class.clone()).collect();
        assert_eq!(classes, expected, "{platform} of {vmm}");
    }
}

/// There is place for one profile, so several platforms have none.
#[test]
fn a_profile_is_that_of_all_machines() {
    let of = |platform: &str| {
        let boot = if platform == "tpm" { "uki-disk" } else { "direct" };
        machine(value("p", [platform, "qemu", boot], json!({})))
    };
    let [snp, td, tpm, se] = ["sev-snp", "tdx", "tpm", "se"].map(of);
    let profile = |machines: &[&ExpectedMachine]| corim_of(machines).profile;
    for (machines, expected) in [
        (&[&snp][..], Some(ProfileId::Snp)),
        (&[&snp, &snp], Some(ProfileId::Snp)),
        (&[&td], Some(ProfileId::Intel)),
        (&[&tpm], None),
        (&[&se], None),
        (&[&snp, &td], None),
        (&[&snp, &snp, &td], None),
        (&[&td, &snp, &td], None),
        (&[], None),
    ] {
        assert_eq!(profile(machines), expected, "{machines:?}");
    }
    assert!(are_of_one_platform(&[&td, &td, &td]) && are_of_one_platform(&[]));
    assert!(!are_of_one_platform(&[&td, &td, &tpm]));
}

#[test]
fn every_value_of_a_machine_becomes_a_measurement() {
    let (short, long) = ("04".repeat(32), "0b".repeat(48));
    let registers = |of: Value| measurements(&machine(value("p", ["tpm", "qemu", "uki-disk"], of)));
    let both = json!({ "registers": {
        "sha256": { "pcr4": short, "pcr11": short }, "sha384": { "pcr4": long },
    } });
    let (short_digest, long_digest) =
        (digest(Algorithm::Sha256, 4), digest(Algorithm::Sha384, 0x0b));
    let of_4 = vec![short_digest.clone(), long_digest.clone()];
    let expected = BTreeMap::from([(4, of_4), (11, vec![short_digest])]);
    assert_eq!(registers(both), [Measurement::Registers(expected)]);
    assert_eq!(registers(json!({})), []);
    let td = json!({ "registers": { "sha384": { "mrtd": long, "rtmr2": long } } });
    let td = measurements(&machine(value("p", ["tdx", "qemu", "direct"], td)));
    let rtmrs = BTreeMap::from([(2, vec![long_digest.clone()])]);
    assert_eq!(td, [Measurement::Mrtd(long_digest.clone()), Measurement::Registers(rtmrs)]);
    let snp = json!({ "launch-digest": long });
    let snp = measurements(&machine(value("p", ["sev-snp", "qemu", "direct"], snp)));
    assert_eq!(snp, [Measurement::LaunchDigest(long_digest)]);
    let of = |byte: &str| byte.repeat(64);
    let header = json!({ "secure-execution": {
        "tag": "01".repeat(16), "page-digest": of("02"), "address-digest": of("03"),
        "tweak-digest": of("04"), "host-keys": [],
    } });
    let header = measurements(&machine(value("p", ["se", "qemu", "direct"], header)));
    let field = |field, byte| Measurement::Header(field, digest(Algorithm::Sha512, byte));
    let expected = [
        Measurement::Tag(vec![1; 16]),
        field(HeaderField::Pld, 2),
        field(HeaderField::Ald, 3),
        field(HeaderField::Tld, 4),
    ];
    assert_eq!(header, expected);
}

/// A machine without a value is left out, with its reasons; a CoRIM of nothing is none.
#[test]
fn a_machine_without_a_value_is_left_out() {
    let values = [
        value("known", ["sev-snp", "qemu", "direct"], json!({ "launch-digest": "01".repeat(48) })),
        value(
            "open",
            ["sev-snp", "ec2", "uki-disk"],
            json!({ "not-predicted": { "launch-digest": { "code": "no-firmware-file" } } }),
        ),
    ];
    let file = Values::of(&values);
    let source = file.source();
    let all: Vec<&ExpectedMachine> = source.machines.iter().collect();
    let document = document(source.sha256, &all, &Options::default()).unwrap();
    let [known, open] = [all[0].to_string(), all[1].to_string()];
    assert_eq!((document.machines, document.media_type), (vec![known], "application/rim+cbor"));
    let why = "decided by the firmware, and no firmware file is named";
    let notes = [
        Note::of(&open, format!("no launch-digest: {why}")),
        Note::Value(format!("{open} is left out: it has no value")),
        Note::Unsigned,
    ];
    assert_eq!(document.notes, notes);
    let error = super::document(source.sha256, &all[1..], &Options::default()).unwrap_err();
    let ExportError::NoPlace { shape: Shape::Corim, platforms, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(platforms, &["sev-snp"]);
}

#[test]
fn several_platforms_are_noted() {
    let digest = |len: usize| "01".repeat(len);
    let snp =
        machine(value("a", ["sev-snp", "qemu", "direct"], json!({ "launch-digest": digest(48) })));
    let registers = json!({ "registers": { "sha256": { "pcr4": digest(32) } } });
    let tpm = machine(value("b", ["tpm", "qemu", "uki-disk"], registers));
    let notes =
        |machines: &[&ExpectedMachine]| document(ID, machines, &Options::default()).unwrap().notes;
    assert_eq!(notes(&[&snp, &tpm]), [Note::SeveralPlatforms, Note::Unsigned]);
    assert_eq!(notes(&[&snp]), [Note::Unsigned]);
}

/// What a register is called follows from its environment: both are numbers in the document.
#[test]
fn values_have_the_names_that_their_environment_gives() {
    let registers = [(4, vec![digest(Algorithm::Sha256, 1), digest(Algorithm::Sha384, 2)])];
    let named = |vendor: &str, model: &str| Class::Named {
        vendor: vendor.to_owned(),
        model: model.to_owned(),
    };
    let names = |class: Class| -> Vec<(String, String)> {
        let measurements = vec![
            Measurement::Registers(registers.clone().into()),
            Measurement::Mrtd(digest(Algorithm::Sha384, 3)),
            Measurement::LaunchDigest(digest(Algorithm::Sha384, 4)),
            Measurement::Tag(vec![5, 6]),
            Measurement::Header(HeaderField::Pld, digest(Algorithm::Sha512, 7)),
            Measurement::Header(HeaderField::Ald, digest(Algorithm::Sha512, 8)),
            Measurement::Header(HeaderField::Tld, digest(Algorithm::Sha512, 9)),
        ];
        let values = Triple { class, measurements }.values();
        values.into_iter().map(|Named { name, value }| (name, value)).collect()
    };
    let row = |name: &str, byte: &str, len| (name.to_owned(), byte.repeat(len));
    let rest = [
        row("MRTD, sha384", "03", 48),
        row("launch digest, sha384", "04", 48),
        row("tag", "0506", 1),
        row("PLD, sha512", "07", 64),
        row("ALD, sha512", "08", 64),
        row("TLD, sha512", "09", 64),
    ];
    let of = |kind: &str| {
        let own = [
            row(&format!("{kind} 4, sha256"), "01", 32),
            row(&format!("{kind} 4, sha384"), "02", 48),
        ];
        own.into_iter().chain(rest.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(named("Intel Corporation", "TDX")), of("RTMR"));
    assert_eq!(names(named("TDX", "qemu-vtpm")), of("PCR"));
    assert_eq!(names(Class::SnpByChip), of("PCR"));
}

/// Sections 7.3 and, for the years that RFC 3339 names, RFC 3339, section 5.6.
#[test]
fn a_time_is_one_that_has_a_name() {
    use super::super::cbor::{Reader, encode, map, tag};
    let time = |seconds: i64| Some(tag(1, seconds.into()));
    let read = |entries: Vec<(u64, Option<ciborium::Value>)>| {
        validity::read(&mut Reader::new(&encode(&map(entries)).unwrap()))
    };
    let (first, last) = (-62_167_219_200, 253_402_300_799);
    for seconds in [first, -1, 0, last] {
        let expected = Validity { not_before: None, not_after: Timestamp(seconds) };
        assert_eq!(read(vec![(1, time(seconds))]).unwrap(), expected);
    }
    for seconds in [first - 1, last + 1, i64::MIN, i64::MAX] {
        let error = read(vec![(1, time(seconds))]).unwrap_err();
        assert_eq!(error.expected, "a time of the years 0 to 9999");
        assert_eq!(error.found, seconds.to_string());
    }
    for (entries, expected, found) in [
        (vec![(0, time(0))], "not-after (key 1)", "a map without it"),
        (vec![(1, time(0)), (2, time(0))], "a key of validity-map: 0 or 1", "2"),
        (vec![(1, Some(0.into()))], "a time (tag 1)", "the number 0"),
        (vec![(1, Some(tag(0, "2026".into())))], "a time (tag 1)", "the tag 0"),
        (vec![(1, Some(tag(1, "0".into())))], "seconds", "a text of 1 bytes"),
    ] {
        let error = read(entries).unwrap_err();
        assert_eq!((error.expected.as_str(), error.found.as_str()), (expected, found));
    }
}
