//! What is written is read, and nothing else is: each rule of draft-ietf-rats-corim-10 with what breaks it.

use ciborium::Value;
use cvmkit_host::timestamp::Timestamp;

use super::super::super::cbor::{bytes, encode, list, map, tag};
use super::super::super::request::Validity;
use super::super::spec::MKEY_MEASUREMENT as MEASUREMENT;
use super::*;

fn digest(algorithm: Algorithm) -> Digest {
    let (_, len) = algorithm.number_and_len();
    Digest::new(algorithm, &vec![0x5a; len])
}

/// A CoRIM with every kind of value.
fn file() -> CorimFile {
    let registers = [
        (0, vec![digest(Algorithm::Sha256), digest(Algorithm::Sha384)]),
        (LAST_REGISTER, vec![digest(Algorithm::Sha256)]),
    ];
    let named = Class::Named { vendor: "QEMU".into(), model: "mine".into() };
    let header = |field| Measurement::Header(field, digest(Algorithm::Sha512));
    let mut measured = vec![
        Measurement::Registers(registers.into()),
        Measurement::LaunchDigest(digest(Algorithm::Sha384)),
        Measurement::Mrtd(digest(Algorithm::Sha384)),
        Measurement::Tag(vec![1, 2]),
    ];
    measured.extend(HeaderField::ALL.map(header));
    let triple = |class| Triple { class, measurements: measured.clone() };
    let triples = [Class::SnpByChip, Class::SnpByProvider, named].map(triple).to_vec();
    let validity = Validity { not_before: Some(Timestamp(0)), not_after: Timestamp(1) };
    let corim = Corim {
        id: "cvmkit:x".into(),
        tags: vec![
            Comid { id: "cvmkit:x/a".into(), triples: triples.clone() },
            Comid { id: "cvmkit:x/b".into(), triples },
        ],
        profile: Some(ProfileId::Intel),
        validity: Some(validity),
    };
    CorimFile { corim, signed: None }
}

#[test]
fn every_kind_of_value_is_read_as_it_is_written() {
    for profile in [None, Some(ProfileId::Snp), Some(ProfileId::Intel)] {
        for validity in [None, file().corim.validity] {
            let mut file = file();
            (file.corim.profile, file.corim.validity) = (profile, validity);
            let bytes = file.write().unwrap();
            assert!(CorimFile::is_start(&bytes));
            assert_eq!(CorimFile::read(&bytes).unwrap(), file);
        }
    }
}

/// There is one encoding of each CoRIM: whatever another byte makes of it is either refused or says
/// something else, and is written back as it was read.
#[test]
fn another_byte_is_refused_or_says_something_else() {
    let (file, mut refused) = (file(), 0);
    let bytes = file.write().unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            match CorimFile::read(&changed) {
                Err(_) => refused += 1,
                Ok(read) => {
                    assert_ne!(read, file, "byte {at}");
                    assert_eq!(read.write().unwrap(), changed, "byte {at}");
                }
            }
        }
        assert!(CorimFile::read(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(refused > bytes.len() / 4, "{refused} of {}", bytes.len());
}

/// RFC 9052, section 2: 18 is a `COSE_Sign1`, an array of four; 501 is a CoRIM.
#[test]
fn a_file_is_told_by_its_first_bytes() {
    for (head, is_start) in [
        (&[0xd2, 0x84][..], true),
        (&[0xd2, 0x84, 0x00], true),
        (&[0xd9, 0x01, 0xf5], true),
        (&[0xd2], false),
        (&[0xd2, 0x83], false),
        (&[0xd9, 0x01], false),
        (&[0xd9, 0x01, 0xf6], false),
        (&[], false),
    ] {
        assert_eq!(CorimFile::is_start(head), is_start, "{head:02x?}");
    }
}

#[test]
fn tags_of_one_id_are_refused() {
    let mut file = file();
    file.corim.tags[1].id = file.corim.tags[0].id.clone();
    let error = CorimFile::read(&file.write().unwrap()).unwrap_err();
    assert_eq!(error, CborError::new(0, "tags with distinct ids", "two of the same id"));
}

/// What reading a document is refused with: what is expected, and what is found.
fn refused(document: &Value) -> (String, String) {
    let error = CorimFile::read(&encode(document).unwrap()).unwrap_err();
    (error.expected, error.found)
}

fn assert_refused(document: &Value, (expected, found): (&str, &str)) {
    assert_eq!(refused(document), (expected.to_owned(), found.to_owned()));
}

/// A map with keys that are numbers.
fn numbered<const N: usize>(entries: [(u64, Value); N]) -> Value {
    map(entries.map(|(key, value)| (key, Some(value))))
}

/// A document whose tags are these.
fn of_tags(tags: Value) -> Value {
    tag(TAG_CORIM, numbered([(CORIM_ID, "x".into()), (CORIM_TAGS, tags)]))
}

/// The tags of a document with one CoMID, which holds these bytes.
fn tags_of(comid: &[u8]) -> Value {
    list([tag(TAG_COMID, bytes(comid))])
}

fn of_comid(comid: &[u8]) -> Value {
    of_tags(tags_of(comid))
}

fn identity() -> Value {
    numbered([(TAG_ID, "x/a".into())])
}

/// A CoMID with one reference triple.
fn comid_of(triple: Value) -> Vec<u8> {
    let triples = numbered([(REFERENCE_TRIPLES, list([triple]))]);
    let comid = numbered([(COMID_IDENTITY, identity()), (COMID_TRIPLES, triples)]);
    encode(&comid).unwrap()
}

fn of_triple(triple: Value) -> Value {
    of_comid(&comid_of(triple))
}

fn environment(class: Value) -> Value {
    numbered([(ENVIRONMENT_CLASS, class)])
}

fn named_class() -> Value {
    numbered([(CLASS_VENDOR, "v".into()), (CLASS_MODEL, "m".into())])
}

/// A document with one measurement, or several.
fn of_measurements(measurements: Value) -> Value {
    of_triple(list([environment(named_class()), measurements]))
}

fn of_measurement(measurement: Value) -> Value {
    of_measurements(list([measurement]))
}

/// One entry of `digests`: the number of a hash function, and as many bytes.
fn entry(function: u64, len: usize) -> Value {
    list([function.into(), bytes(&vec![0; len])])
}

/// A measurement of this key with `digests`.
fn keyed(key: Value, digests: Vec<Value>) -> Value {
    numbered([(MKEY, key), (MVAL, numbered([(DIGESTS, list(digests))]))])
}

/// A measurement of these registers.
fn registers<const N: usize>(entries: [(u64, Value); N]) -> Value {
    numbered([(MVAL, numbered([(INTEGRITY_REGISTERS, numbered(entries))]))])
}

/// The parts that the refusals below are made of: each is read where nothing is changed.
#[test]
fn the_parts_of_a_document_are_read() {
    let read = |document: &Value| CorimFile::read(&encode(document).unwrap()).unwrap();
    let measurement =
        |document: &Value| read(document).corim.tags[0].triples[0].measurements[0].clone();
    let zeros = |algorithm, len| Digest::new(algorithm, &vec![0; len]);
    let launch = of_measurement(keyed(MEASUREMENT.into(), vec![entry(7, 48)]));
    assert_eq!(measurement(&launch), Measurement::LaunchDigest(zeros(Algorithm::Sha384, 48)));
    let mrtd = of_measurement(keyed(83.into(), vec![entry(7, 48)]));
    assert_eq!(measurement(&mrtd), Measurement::Mrtd(zeros(Algorithm::Sha384, 48)));
    for (name, field) in
        [("pld", HeaderField::Pld), ("ald", HeaderField::Ald), ("tld", HeaderField::Tld)]
    {
        let header = of_measurement(keyed(name.into(), vec![entry(8, 64)]));
        let expected = Measurement::Header(field, zeros(Algorithm::Sha512, 64));
        assert_eq!(measurement(&header), expected);
    }
    let raw = numbered([(RAW_VALUE, tag(TAG_BYTES, bytes(&[1, 2])))]);
    let raw = of_measurement(numbered([(MKEY, "tag".into()), (MVAL, raw)]));
    assert_eq!(measurement(&raw), Measurement::Tag(vec![1, 2]));
    let both = list([entry(1, 32), entry(7, 48)]);
    let pcrs = of_measurement(registers([(0, both), (23, list([entry(1, 32)]))]));
    let (short, long) = (zeros(Algorithm::Sha256, 32), zeros(Algorithm::Sha384, 48));
    let expected = [(0, vec![short.clone(), long]), (23, vec![short])];
    assert_eq!(measurement(&pcrs), Measurement::Registers(expected.into()));
    let class = read(&launch).corim.tags[0].triples[0].class.clone();
    assert_eq!(class, Class::Named { vendor: "v".into(), model: "m".into() });
}

/// Section 5.1.4.5, and the keys of the profiles.
#[test]
fn a_measurement_of_another_form_is_refused() {
    let digests = || numbered([(DIGESTS, list([entry(7, 48)]))]);
    let mkeys = "mkey 641, 83, `tag`, `pld`, `ald` or `tld`";
    let launch = |digests| keyed(MEASUREMENT.into(), digests);
    let order = ("one digest of each hash function, in their order", "others");
    let number = "the number of a register, 0 to 23";
    let pcr = |entries| registers([(4, list(entries))]);
    for (measurement, expected) in [
        (keyed(642.into(), vec![entry(7, 48)]), (mkeys, "642")),
        (keyed("PLD".into(), vec![entry(8, 64)]), (mkeys, "\"PLD\"")),
        (keyed(bytes(b"tag"), vec![]), ("a number or a text", "3 bytes")),
        (
            numbered([(MKEY, 641.into())]),
            ("a value (key 1) of measurement-map", "a map without it"),
        ),
        (numbered([(2, 0.into())]), ("a key of measurement-map: 0 or 1", "2")),
        (numbered([]), ("a value (key 1) of measurement-map", "a map without it")),
        (numbered([(MVAL, digests())]), ("key 14 of mval", "2")),
        (numbered([(MKEY, "tag".into()), (MVAL, digests())]), ("key 4 of mval", "2")),
        (
            numbered([(MKEY, 83.into()), (MVAL, numbered([(RAW_VALUE, 0.into())]))]),
            ("key 2 of mval", "4"),
        ),
        (launch(vec![entry(7, 48), entry(8, 64)]), ("one digest of sha384", "others")),
        (launch(vec![entry(1, 32)]), ("one digest of sha384", "others")),
        (keyed(83.into(), vec![entry(1, 32)]), ("one digest of sha384", "others")),
        (keyed("pld".into(), vec![entry(7, 48)]), ("one digest of sha512", "others")),
        (launch(vec![]), ("digests as a list", "none")),
        (launch(vec![entry(7, 47)]), ("48 bytes of sha384", "47 bytes")),
        (launch(vec![entry(7, 49)]), ("48 bytes of sha384", "49 bytes")),
        (pcr(vec![entry(1, 48)]), ("32 bytes of sha256", "48 bytes")),
        (keyed("ald".into(), vec![entry(8, 48)]), ("64 bytes of sha512", "48 bytes")),
        (
            launch(vec![entry(2, 15)]),
            ("a hash function: 1 (SHA-256), 7 (SHA-384) or 8 (SHA-512)", "2"),
        ),
        (launch(vec![list([7.into()])]), ("a digest as a list of 2", "a list of 1")),
        (pcr(vec![entry(7, 48), entry(1, 32)]), order),
        (pcr(vec![entry(1, 32), entry(1, 32)]), order),
        (registers([(24, list([entry(1, 32)]))]), (number, "24")),
        (registers([(256, list([entry(1, 32)]))]), (number, "256")),
        (registers([]), ("at least one register", "none")),
        (
            numbered([(MKEY, "tag".into()), (MVAL, numbered([(RAW_VALUE, bytes(&[1]))]))]),
            ("bytes (tag 560)", "1 bytes"),
        ),
    ] {
        assert_refused(&of_measurement(measurement), expected);
    }
    let by_name = map([("0", Some(list([entry(1, 32)])))]);
    let by_name = numbered([(MVAL, numbered([(INTEGRITY_REGISTERS, by_name)]))]);
    assert_refused(&of_measurement(by_name), (number, "\"0\""));
    assert_refused(&of_measurements(list([])), ("measurements as a list", "none"));
}

/// Sections 5.1.4.1 and 5.1.4.2: an environment is a class; its instance or group would narrow it.
#[test]
fn an_environment_of_another_form_is_refused() {
    let oid = |of: &[u8]| tag(TAG_OID, bytes(of));
    let [by_chip, _] = &SNP_CLASSES;
    let neither = ("a class-id, or a vendor and a model", "others");
    for (class, expected) in [
        (numbered([(CLASS_VENDOR, "v".into())]), neither),
        (numbered([(CLASS_MODEL, "m".into())]), neither),
        (numbered([(CLASS_ID, oid(by_chip)), (CLASS_MODEL, "m".into())]), neither),
        (numbered([(CLASS_ID, oid(by_chip)), (CLASS_VENDOR, "v".into())]), neither),
        (numbered([]), neither),
        (numbered([(3, 0.into())]), ("a key of class-map: 0, 1 or 2", "3")),
        (
            // Without the DER header, as RFC 9090 has OIDs.
            numbered([(CLASS_ID, oid(&by_chip[2..]))]),
            ("the OID of a class of SEV-SNP", "2b060104019c780301"),
        ),
        (numbered([(CLASS_ID, bytes(by_chip))]), ("an OID (tag 111)", "11 bytes")),
        (numbered([(CLASS_VENDOR, 0.into())]), ("the vendor as a text", "the number 0")),
    ] {
        let measurements = list([keyed(83.into(), vec![entry(7, 48)])]);
        assert_refused(&of_triple(list([environment(class), measurements])), expected);
    }
    let instance = numbered([(ENVIRONMENT_CLASS, named_class()), (1, 0.into())]);
    let measurements = list([keyed(83.into(), vec![entry(7, 48)])]);
    let triple = list([instance, measurements.clone()]);
    assert_refused(&of_triple(triple), ("key 0 of environment-map", "1"));
    let more = list([environment(named_class()), measurements, 0.into()]);
    assert_refused(&of_triple(more), ("a reference triple as a list of 2", "a list of 3"));
}

/// A reference triple that is read.
fn whole_triple() -> Value {
    list([environment(named_class()), list([keyed(83.into(), vec![entry(7, 48)])])])
}

/// Section 5.1: of the other triples, such as endorsements, none is passed over.
#[test]
fn a_comid_of_another_form_is_refused() {
    let triples = numbered([(REFERENCE_TRIPLES, list([whole_triple()]))]);
    let endorsed = numbered([(1, list([]))]);
    let without_id = "the tag-identity (key 1) of concise-mid-tag";
    let without_triples = "the triples (key 4) of concise-mid-tag";
    for (comid, expected) in [
        (numbered([(COMID_TRIPLES, triples)]), (without_id, "a map without it")),
        (numbered([(COMID_IDENTITY, identity())]), (without_triples, "a map without it")),
        (numbered([(0, "en".into())]), ("a key of concise-mid-tag: 1 or 4", "0")),
        (
            numbered([(COMID_IDENTITY, numbered([(TAG_ID, "x".into()), (1, 0.into())]))]),
            ("key 0 of tag-identity", "1"),
        ),
        (
            numbered([(COMID_IDENTITY, numbered([(TAG_ID, bytes(&[0; 16]))]))]),
            ("the tag-id as a text", "16 bytes"),
        ),
        (
            numbered([(COMID_IDENTITY, identity()), (COMID_TRIPLES, endorsed)]),
            ("key 0 of triples", "1"),
        ),
    ] {
        assert_refused(&of_comid(&encode(&comid).unwrap()), expected);
    }
    let whole = comid_of(whole_triple());
    CorimFile::read(&encode(&of_comid(&whole)).unwrap()).unwrap();
    let longer = [&whole[..], &[0]].concat();
    assert_refused(&of_comid(&longer), ("the end", "1 more bytes"));
    // 505 is a CoSWID, which a CoRIM can hold too.
    let software = of_tags(list([tag(505, bytes(&whole))]));
    assert_refused(&software, ("a CoMID (tag 506)", "the tag 505"));
    assert_refused(&of_tags(list([])), ("the tags as a list", "none"));
}

/// Section 4.1.
#[test]
fn a_corim_of_another_form_is_refused() {
    let of = |entries: Vec<(u64, Value)>| {
        tag(TAG_CORIM, map(entries.into_iter().map(|(key, value)| (key, Some(value)))))
    };
    let id = || (CORIM_ID, Value::from("x"));
    let tags = || (CORIM_TAGS, tags_of(&comid_of(whole_triple())));
    let profile = |value| of(vec![id(), tags(), (CORIM_PROFILE, value)]);
    for (document, expected) in [
        (of(vec![tags()]), ("the id (key 0) of corim-map", "a map without it")),
        (of(vec![id()]), ("the tags (key 1) of corim-map", "a map without it")),
        (of(vec![(2, list([]))]), ("a key of corim-map: 0, 1, 3 or 4", "2")),
        (
            profile(tag(TAG_URI, "tag:example.com,2026:p".into())),
            ("the profile tag:amd.com,2025:snp-corim-profile", "\"tag:example.com,2026:p\""),
        ),
        (profile(tag(TAG_OID, bytes(&[0x2a, 3]))), ("the OID of Intel's profile", "2a03")),
        (profile("x".into()), ("an OID (tag 111)", "a text of 1 bytes")),
        (tag(500, 0.into()), ("a CoRIM (tag 501)", "the tag 500")),
        (0.into(), ("a CoRIM (tag 501)", "the number 0")),
    ] {
        assert_refused(&document, expected);
    }
    let mut longer = encode(&of(vec![id(), tags()])).unwrap();
    CorimFile::read(&longer).unwrap();
    longer.push(0);
    let error = CorimFile::read(&longer).unwrap_err();
    assert_eq!(error, CborError::new(longer.len() - 1, "the end", "1 more bytes"));
}
