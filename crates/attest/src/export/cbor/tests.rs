//! Against the examples of RFC 8949, appendix A, and against bytes that no writer of ours makes.

use super::*;

/// What reading these bytes is refused with.
fn refused<T: std::fmt::Debug>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, CborError>,
) -> CborError {
    read(&mut Reader::new(bytes)).unwrap_err()
}

fn said(error: CborError) -> String {
    error.to_string()
}

fn hex(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

/// RFC 8949, appendix A: examples, and the same numbers in longer forms (section 4.2.1).
#[test]
fn a_number_has_one_encoding() {
    for (bytes, number) in [
        ("00", 0),
        ("01", 1),
        ("0a", 10),
        ("17", 23),
        ("1818", 24),
        ("1819", 25),
        ("1864", 100),
        ("18ff", 255),
        ("190100", 256),
        ("1903e8", 1000),
        ("19ffff", 65535),
        ("1a00010000", 65536),
        ("1a000f4240", 1_000_000),
        ("1affffffff", 0xffff_ffff),
        ("1b0000000100000000", 1 << 32),
        ("1b000000e8d4a51000", 1_000_000_000_000),
        ("20", -1),
        ("29", -10),
        ("37", -24),
        ("3818", -25),
        ("3863", -100),
        ("3903e7", -1000),
        ("1b7fffffffffffffff", i64::MAX),
        ("3b7fffffffffffffff", i64::MIN),
    ] {
        let encoded = hex(bytes);
        let mut reader = Reader::new(&encoded);
        assert_eq!(reader.integer("a number").unwrap(), number, "{bytes}");
        reader.end().unwrap();
        assert_eq!(encode(&number.into()).unwrap(), encoded, "{number}");
    }
    for (bytes, found) in [
        ("1800", "0 in 1 bytes"),
        ("1817", "23 in 1 bytes"),
        ("1900ff", "255 in 2 bytes"),
        ("1a0000ffff", "65535 in 4 bytes"),
        ("1b00000000ffffffff", "4294967295 in 8 bytes"),
        ("3817", "23 in 1 bytes"),
    ] {
        let error = refused(&hex(bytes), |reader| reader.integer("a number"));
        let expected = "a number, in the shortest form";
        assert_eq!(error, CborError::new(0, expected, found), "{bytes}");
    }
}

#[test]
fn what_is_no_integer_of_64_bits_is_refused() {
    for (bytes, found) in [
        // RFC 8949, appendix A: no `i64`, and floating-point numbers, simple values and a text.
        ("1bffffffffffffffff", "the number 18446744073709551615"),
        ("1b8000000000000000", "the number 9223372036854775808"),
        ("3bffffffffffffffff", "the number -18446744073709551616"),
        ("3b8000000000000000", "the number -9223372036854775809"),
        ("fb3ff199999999999a", "the simple value 4607632778762754458"),
        ("f97e00", "the simple value 32256"),
        ("f4", "the simple value 20"),
        ("f5", "the simple value 21"),
        ("f6", "the simple value 22"),
        ("f8ff", "the simple value 255"),
        ("60", "a text of 0 bytes"),
        ("1c", "a value without a length"),
        ("1f", "a value without a length"),
        ("", "the end"),
    ] {
        let error = refused(&hex(bytes), |reader| reader.integer("a number"));
        assert_eq!(error, CborError::new(0, "a number", found), "{bytes}");
    }
    for (bytes, found) in [("18", 0), ("1901", 1), ("1a000102", 3), ("1b00010203040506", 7)] {
        let error = refused(&hex(bytes), |reader| reader.integer("a number"));
        let len = 1 << (hex(bytes)[0] - 0x18);
        let expected = format!("a number of {len} bytes");
        assert_eq!(error, CborError::new(1, expected, format!("{found} bytes to the end")));
    }
}

/// RFC 8949, appendix A: each of these strings, lists, maps and tags is read, and written as it was.
#[test]
fn the_examples_of_the_standard_are_read_as_they_are_written() {
    let one = |bytes: &str, expected: &[u8]| {
        let encoded = hex(bytes);
        let mut reader = Reader::new(&encoded);
        assert_eq!(reader.bytes("bytes").unwrap(), expected);
        reader.end().unwrap();
        assert_eq!(encode(&super::bytes(expected)).unwrap(), encoded);
    };
    one("40", b"");
    one("4401020304", &[1, 2, 3, 4]);
    for (bytes, text) in [
        ("60", ""),
        ("6161", "a"),
        ("6449455446", "IETF"),
        ("62225c", "\"\\"),
        ("62c3bc", "\u{fc}"),
        ("63e6b0b4", "\u{6c34}"),
        ("64f0908591", "\u{10151}"),
    ] {
        let encoded = hex(bytes);
        let mut reader = Reader::new(&encoded);
        assert_eq!(reader.text("a text").unwrap(), text);
        reader.end().unwrap();
        assert_eq!(encode(&text.into()).unwrap(), encoded);
    }
    let numbers: Vec<i64> = (1..=25).collect();
    for (bytes, numbers) in [
        ("83010203", &numbers[..3]),
        ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", &numbers[..]),
    ] {
        let encoded = hex(bytes);
        let read = Reader::new(&encoded).list("a list", |item| item.integer("a number"));
        assert_eq!(read.unwrap(), numbers);
        let written = list(numbers.iter().map(|number| (*number).into()));
        assert_eq!(encode(&written).unwrap(), encoded);
    }
    let encoded = hex("d82076687474703a2f2f7777772e6578616d706c652e636f6d");
    let mut reader = Reader::new(&encoded);
    assert_eq!(reader.tagged(), Some(32));
    reader.tag(32, "a URI").unwrap();
    assert_eq!(reader.text("a URI").unwrap(), "http://www.example.com");
    assert_eq!(encode(&tag(32, "http://www.example.com".into())).unwrap(), encoded);
    // 1(1363896240), and encoded CBOR as the contents of a byte string: 24(h'6449455446').
    assert_eq!(encode(&tag(1, 1_363_896_240.into())).unwrap(), hex("c11a514b67b0"));
    let encoded = hex("d818456449455446");
    let mut reader = Reader::new(&encoded);
    reader.tag(24, "encoded CBOR").unwrap();
    let mut inner = reader.embedded("encoded CBOR").unwrap();
    assert_eq!((inner.at(), inner.text("a text").unwrap()), (3, "IETF"));
    inner.end().unwrap();
    reader.end().unwrap();
    assert_eq!(encode(&tag(24, embedded(&"IETF".into()).unwrap())).unwrap(), encoded);
}

/// RFC 8949, appendix A: `{1: 2, 3: 4}` and maps of texts.
#[test]
fn a_map_is_read_as_it_is_written() {
    let read = |bytes: &str| {
        let (encoded, mut entries) = (hex(bytes), Vec::new());
        let mut reader = Reader::new(&encoded);
        reader
            .map("a map", |key, value| {
                let key = (key.number(), key.text().map(str::to_owned));
                entries.push((key, value.clone().integer("a number").ok()));
                match value.integer("a number") {
                    Ok(_) => Ok(()),
                    Err(_) => value.text("a text").map(drop),
                }
            })
            .unwrap_or_else(|error| panic!("{bytes}: {error}"));
        entries
    };
    assert_eq!(read("a0"), []);
    assert_eq!(read("a201020304"), [((Some(1), None), Some(2)), ((Some(3), None), Some(4))]);
    assert_eq!(
        encode(&map([(3, Some(4.into())), (1, Some(2.into()))])).unwrap(),
        hex("a201020304")
    );
    let letters = map(["e", "d", "c", "b", "a"].map(|key| (key, Some(key.to_uppercase().into()))));
    assert_eq!(encode(&letters).unwrap(), hex("a56161614161626142616361436164614461656145"));
}

/// A length is believed only as far as there are bytes: nothing is allocated by it.
#[test]
fn a_length_beyond_the_end_is_refused() {
    for (bytes, expected) in [
        (
            "5b7fffffffffffffff",
            CborError::new(9, "bytes of 9223372036854775807 bytes", "0 bytes to the end"),
        ),
        ("4200", CborError::new(1, "bytes of 2 bytes", "1 bytes to the end")),
        // Of indefinite length (section 3.2.3), which deterministic encoding does not have.
        ("5f42010243030405ff", CborError::new(0, "bytes as bytes", "a value without a length")),
        ("6161", CborError::new(0, "bytes as bytes", "a text of 1 bytes")),
    ] {
        assert_eq!(
            refused(&hex(bytes), |reader| reader.bytes("bytes").map(drop)),
            expected,
            "{bytes}"
        );
    }
    let text = |bytes: &str| refused(&hex(bytes), |reader| reader.text("a text").map(drop));
    assert_eq!(text("6361"), CborError::new(1, "a text of 3 bytes", "1 bytes to the end"));
    assert_eq!(text("62c328"), CborError::new(0, "a text", "invalid UTF-8"));
    assert_eq!(text("4161"), CborError::new(0, "a text as a text", "1 bytes"));
    let open = "7f657374726561646d696e67ff";
    assert_eq!(text(open), CborError::new(0, "a text as a text", "a value without a length"));
    let list = |bytes: &str| {
        refused(&hex(bytes), |reader| reader.list("a list", |item| item.integer("a number")))
    };
    for (bytes, expected) in [
        ("9b7fffffffffffffff", CborError::new(9, "a number", "the end")),
        ("820a", CborError::new(2, "a number", "the end")),
        ("80", CborError::new(0, "a list as a list", "none")),
        ("a0", CborError::new(0, "a list as a list", "a map of 0")),
        ("9fff", CborError::new(0, "a list as a list", "a value without a length")),
    ] {
        assert_eq!(list(bytes), expected, "{bytes}");
    }
    let map = |bytes: &str| {
        refused(&hex(bytes), |reader| {
            reader.map("a map", |_, value| value.integer("a number").map(drop))
        })
    };
    for (bytes, expected) in [
        ("bb7fffffffffffffff", CborError::new(9, "a number or a text", "the end")),
        ("a101", CborError::new(2, "a number", "the end")),
        ("a120", CborError::new(1, "a number or a text", "the number -1")),
        ("a14100", CborError::new(1, "a number or a text", "1 bytes")),
        ("a162c328", CborError::new(1, "a key", "invalid UTF-8")),
        ("80", CborError::new(0, "a map as a map", "a list of 0")),
        ("bf61610161629f0203ffff", CborError::new(0, "a map as a map", "a value without a length")),
    ] {
        assert_eq!(map(bytes), expected, "{bytes}");
    }
}

#[test]
fn a_list_has_as_many_items_as_are_expected() {
    let array = |bytes: &str| Reader::new(&hex(bytes)).array(2, "a pair");
    array("820102").unwrap();
    for (bytes, found) in [("80", "a list of 0"), ("83010203", "a list of 3"), ("c1", "the tag 1")]
    {
        let expected = CborError::new(0, "a pair as a list of 2", found);
        assert_eq!(array(bytes).unwrap_err(), expected);
    }
}

#[test]
fn a_value_has_the_tag_that_is_expected() {
    for (bytes, found) in
        [("c100", "the tag 1"), ("d90100", "the tag 256"), ("00", "the number 0"), ("", "the end")]
    {
        let error = refused(&hex(bytes), |reader| reader.tag(501, "a CoRIM"));
        assert_eq!(error, CborError::new(0, "a CoRIM (tag 501)", found), "{bytes}");
    }
    for (bytes, tag) in [("d901f500", Some(501)), ("c1", Some(1)), ("00", None), ("d9", None)] {
        assert_eq!(Reader::new(&hex(bytes)).tagged(), tag, "{bytes}");
    }
}

/// Section 4.2.1: keys in the order of their bytes; one that comes twice would hide a value.
#[test]
fn keys_stand_in_their_order_and_once() {
    let keys = |bytes: &[u8]| {
        let mut keys = Vec::new();
        let mut reader = Reader::new(bytes);
        reader.map("a map", |key, value| {
            keys.push(key.key.clone());
            value.integer("a number").map(drop)
        })?;
        reader.end()?;
        Ok::<_, CborError>(keys)
    };
    // {1: 0, 10: 0, "b": 0, "aa": 0}
    let written = map([
        (Key::from("aa"), Some(0.into())),
        (Key::from(10), Some(0.into())),
        (Key::from("b"), Some(0.into())),
        (Key::from(1), Some(0.into())),
        (Key::from(5), None),
    ]);
    let found = keys(&encode(&written).unwrap()).unwrap();
    assert_eq!(found, [Key::from(1), Key::from(10), Key::from("b"), Key::from("aa")]);
    for (bytes, found) in [
        ("a201000100", "1"),
        ("a202000100", "1"),
        ("a26162000100", "1"),
        ("a2626161006162 00", "\"b\""),
    ] {
        let bytes = hex(&bytes.replace(' ', ""));
        let error = keys(&bytes).unwrap_err();
        let expected = "keys in their order, each once";
        assert_eq!((error.expected.as_str(), error.found.as_str()), (expected, found));
    }
    // The same bytes, and one more.
    assert_eq!(keys(&[0xa0, 0x00]).unwrap_err(), CborError::new(1, "the end", "1 more bytes"));
}

#[test]
fn a_map_of_one_entry_has_that_entry_alone() {
    let only = |bytes: &str| {
        Reader::new(&hex(bytes)).only("a class", 2, |value| value.integer("a number"))
    };
    assert_eq!(only("a10205").unwrap(), 5);
    for (bytes, expected) in [
        ("a0", CborError::new(1, "key 2 of a class", "a map without it")),
        ("a10105", CborError::new(1, "key 2 of a class", "1")),
        ("a1616105", CborError::new(1, "key 2 of a class", "\"a\"")),
        ("a202050306", CborError::new(3, "key 2 of a class", "3")),
        ("a102f5", CborError::new(2, "a number", "the simple value 21")),
        ("05", CborError::new(0, "a class as a map", "the number 5")),
    ] {
        assert_eq!(only(bytes).unwrap_err(), expected, "{bytes}");
    }
}

#[test]
fn an_error_has_its_place_in_the_file() {
    let inner = encode(&list([1.into(), "x".into()])).unwrap();
    let outer = encode(&tag(501, bytes(&inner))).unwrap();
    let mut reader = Reader::new(&outer);
    reader.tag(501, "a CoRIM").unwrap();
    let mut embedded = reader.embedded("a list").unwrap();
    assert_eq!((embedded.at(), embedded.rest()), (4, &inner[..]));
    embedded.array(2, "a list").unwrap();
    embedded.integer("a number").unwrap();
    let error = embedded.clone().integer("a number").unwrap_err();
    assert_eq!(said(error), "byte 6: expected a number, found a text of 1 bytes");
    let error = embedded.end().unwrap_err();
    assert_eq!(said(error), "byte 6: expected the end, found 2 more bytes");
    assert_eq!(embedded.text("a text").unwrap(), "x");
    assert_eq!(embedded.at(), outer.len());
    embedded.end().unwrap();
}
