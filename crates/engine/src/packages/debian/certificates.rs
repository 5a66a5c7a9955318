//! Trusted certificates as `update-ca-certificates(8)` and `openssl rehash` leave them: one bundle,
//! a link for each certificate, and a link by the hash of its subject, which is how OpenSSL finds
//! an issuer in a folder.
//!
//! Every certificate of `/usr/share/ca-certificates` is trusted, and so is every `*.crt` in
//! `/usr/local/share/ca-certificates`: a certificate of the definition goes there. Oracle: both
//! tools.

use std::collections::{BTreeMap, BTreeSet};

use sha1::{Digest, Sha1};

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

const PACKAGED: &str = "/usr/share/ca-certificates";
const LOCAL: &str = "/usr/local/share/ca-certificates";
const FOLDER: &str = "/etc/ssl/certs";
const BUNDLE: &str = "ca-certificates.crt";
const CHOICES: &str = "/etc/ca-certificates.conf";

pub(super) fn write(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    let packaged = files_below(assembly, PACKAGED)?;
    let local = files_below(assembly, LOCAL)?;
    let mut bundle = Vec::new();
    let mut named = BTreeMap::new();
    for path in packaged.iter().chain(&local) {
        let bytes = assembly.read(path)?.unwrap_or_default();
        named.insert(link_name(path), (path.clone(), bytes.clone()));
        bundle.extend_from_slice(&bytes);
        if !bytes.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    let choices: Vec<&str> =
        packaged.iter().map(|path| bare(path.strip_prefix(PACKAGED).unwrap_or(path))).collect();
    let text = format!("# Certificates of {PACKAGED} that are trusted.\n{}\n", choices.join("\n"));
    assembly.write(CHOICES, 0o644, text.as_str())?;
    let mut seen = BTreeSet::new();
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    for (name, (path, bytes)) in &named {
        assembly.link(&format!("{FOLDER}/{name}"), path)?;
        let syntax = |why: &str| RootfsError::Syntax {
            path: bare(path).to_owned(),
            line: 1,
            why: why.to_owned(),
        };
        let certificates = pem(bytes).map_err(syntax)?;
        // As `openssl rehash`: a file with more or fewer than one is in the bundle only.
        let [der] = certificates.as_slice() else { continue };
        if seen.insert(der.clone()) {
            let hash = subject_hash(der).ok_or_else(|| syntax("is not an X.509 certificate"))?;
            let number = numbers.entry(hash).or_default();
            assembly.link(&format!("{FOLDER}/{hash:08x}.{number}"), name)?;
            *number += 1;
        }
    }
    assembly.note(format!("{} certificates are trusted", named.len()));
    assembly.write(&format!("{FOLDER}/{BUNDLE}"), 0o644, bundle)
}

/// Paths of the `*.crt` files below a folder, in byte order.
fn files_below(assembly: &Assembly<'_>, folder: &str) -> Result<Vec<String>, RootfsError> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for name in assembly.names(&folder)? {
            let path = format!("{folder}/{name}");
            if name.ends_with(".crt") && assembly.is_file(&path) {
                found.push(path);
            } else if assembly.target(&path).is_none() {
                pending.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `update-ca-certificates` takes blanks, commas and parentheses out of names.
fn link_name(path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or_default();
    let stem = base.strip_suffix(".crt").unwrap_or(base);
    format!("{}.pem", stem.replace([' ', ','], "_").replace(['(', ')'], "="))
}

/// The DER of every certificate in a PEM file (RFC 7468).
fn pem(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not text")?;
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let (body, after) =
            after.split_once("-----END CERTIFICATE-----").ok_or("a certificate has no end")?;
        found.push(base64(body).ok_or("a certificate is not valid Base64")?);
        rest = after;
    }
    Ok(found)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    let symbols = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    for byte in symbols.take_while(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [_, _, _, low] = (bits >> count).to_be_bytes();
            bytes.push(low);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// One DER element: its tag, contents, and what follows (X.690, 8.1).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let len = digits.iter().try_fold(0_usize, |len, &digit| {
            len.checked_mul(256)?.checked_add(usize::from(digit))
        })?;
        (len, rest)
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    Some((tag, contents, rest))
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;

/// `X509_NAME_hash` of OpenSSL since 1.0.0 (`-subject_hash` of openssl-x509(1)): the first four
/// bytes, least significant first, of the SHA-1 of the canonical subject.
fn subject_hash(certificate: &[u8]) -> Option<u32> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, mut rest, _) = element(certificate)? else { return None };
    // RFC 5280, 4.1: version [0] if it is not 1, serial number, algorithm, issuer, validity.
    if let (0xa0, _, after) = element(rest)? {
        rest = after;
    }
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, subject, _) = element(rest)? else { return None };
    let digest = Sha1::digest(canonical_name(subject)?);
    digest.first_chunk().map(|first| u32::from_le_bytes(*first))
}

/// The relative names one after the other, without the outer sequence, strings canonical.
fn canonical_name(mut names: &[u8]) -> Option<Vec<u8>> {
    let mut canonical = Vec::new();
    while !names.is_empty() {
        let (SET, mut pairs, rest) = element(names)? else { return None };
        names = rest;
        let mut set = Vec::new();
        while !pairs.is_empty() {
            let (SEQUENCE, pair, rest) = element(pairs)? else { return None };
            pairs = rest;
            let kind_len = pair.len() - element(pair)?.2.len();
            let (kind, value) = pair.split_at_checked(kind_len)?;
            let (tag, text, _) = element(value)?;
            let value = match utf8(tag, text) {
                Some(text) => encode(UTF8_STRING, canonical_text(&text).as_bytes()),
                None => value.to_vec(),
            };
            set.push(encode(SEQUENCE, &[kind, &value].concat()));
        }
        set.sort();
        canonical.extend(encode(SET, &set.concat()));
    }
    Some(canonical)
}

/// The text of the string types that are made canonical; other types are taken as they are.
fn utf8(tag: u8, bytes: &[u8]) -> Option<String> {
    let units = |size: usize| {
        bytes
            .chunks(size)
            .map(|unit| unit.iter().fold(0_u32, |code, &byte| code << 8 | u32::from(byte)))
    };
    match tag {
        // UTF8String, PrintableString, IA5String, VisibleString.
        UTF8_STRING | 0x13 | 0x16 | 0x1a => String::from_utf8(bytes.to_vec()).ok(),
        // T61String, which everyone takes for Latin-1.
        0x14 => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
        // UniversalString, BMPString.
        0x1c => units(4).map(char::from_u32).collect(),
        0x1e => units(2).map(char::from_u32).collect(),
        _ => None,
    }
}

/// Lower case in ASCII, no blanks at the ends, one between words.
fn canonical_text(text: &str) -> String {
    let blank = |letter: char| letter.is_ascii_whitespace() || letter == '\x0b';
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    words.join(" ").to_ascii_lowercase()
}

fn encode(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(len @ 0..=0x7f) => bytes.push(len),
        _ => {
            let len = contents.len().to_be_bytes();
            let digits: Vec<u8> = len.into_iter().skip_while(|digit| *digit == 0).collect();
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
            bytes.extend(digits);
        }
    }
    bytes.extend_from_slice(contents);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, at, refused};

    /// `openssl req -x509 -newkey ec -subj "/C=DE/O=  Example  Org/CN=Root"`, OpenSSL 3.0.
    const CERTIFICATE: &str = "\
        -----BEGIN CERTIFICATE-----\n\
        MIIBwDCCAWegAwIBAgIUeN1bvcty+cBMedqICSzv7ZkWv0gwCgYIKoZIzj0EAwIw\n\
        NTELMAkGA1UEBhMCREUxFzAVBgNVBAoMDiAgRXhhbXBsZSAgT3JnMQ0wCwYDVQQD\n\
        DARSb290MCAXDTI2MTEyODA5NTk1NloYDzIxMjYxMTA0MDk1OTU2WjA1MQswCQYD\n\
        VQQGEwJERTEXMBUGA1UECgwOICBFeGFtcGxlICBPcmcxDTALBgNVBAMMBFJvb3Qw\n\
        WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQK+b0itPOc7iS4O7Jae5Apj9Y1ObBC\n\
        zwYDnMf0CyKR8JOdcpmsoLnmALaovXbbXvXtePkNQoOTUAMY+giu19q6o1MwUTAd\n\
        BgNVHQ4EFgQU127GeZYtzzhbF71sQGe9DH3pYQswHwYDVR0jBBgwFoAU127GeZYt\n\
        zzhbF71sQGe9DH3pYQswDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBE\n\
        AiAEYcuxIpKIwlElWCjdsAcIv5VSIrf6uUtXa1OW9GHMLgIgNJn0rq6Et5Vk99cl\n\
        VYT6GlhMqJUxX3Vit+pom5Ex68g=\n\
        -----END CERTIFICATE-----\n\
        ";

    /// What `openssl x509 -subject_hash` says of it.
    const SUBJECT_HASH: u32 = 0x59f3_d6ea;

    fn der() -> Vec<u8> {
        pem(CERTIFICATE.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn the_hash_of_a_subject_is_that_of_openssl() {
        assert_eq!(subject_hash(&der()), Some(SUBJECT_HASH));
    }

    #[test]
    fn what_is_no_certificate_has_no_hash() {
        let der = der();
        // The subject ends within the first 300 bytes; without a whole outer element there is nothing to read.
        for len in [0, 1, 4, 30, 200, der.len() - 1] {
            assert_eq!(subject_hash(&der[..len]), None, "{len}");
        }
        for at in [0, 4] {
            let mut other = der.clone();
            other[at] = SET;
            assert_eq!(subject_hash(&other), None, "a set at {at}");
        }
    }

    /// RFC 5280, 4.1: a certificate of version 1 has no field for it.
    #[test]
    fn a_certificate_of_version_1_has_its_subject_one_field_earlier() {
        let name = encode(
            SET,
            &encode(SEQUENCE, &[&encode(6, &[0x55, 4, 3])[..], &encode(0x13, b"Root")].concat()),
        );
        let fields = [
            encode(2, &[1]),
            encode(SEQUENCE, b""),
            encode(SEQUENCE, b""),
            encode(SEQUENCE, b""),
            encode(SEQUENCE, &name),
        ]
        .concat();
        let of = |fields: &[u8]| subject_hash(&encode(SEQUENCE, &encode(SEQUENCE, fields)));
        // The canonical form: UTF8String, lower case.
        let canonical = encode(
            SET,
            &encode(SEQUENCE, &[&encode(6, &[0x55, 4, 3])[..], &encode(12, b"root")].concat()),
        );
        let digest = Sha1::digest(canonical);
        let expected = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
        assert_eq!(of(&fields), Some(expected));
        assert_eq!(of(&[encode(0xa0, &encode(2, &[0])), fields.clone()].concat()), Some(expected));
        assert_eq!(of(&fields[3..]), None, "a field is missing");
    }

    /// X.690, 8.1.3: one octet up to 127, then the number of octets and the length.
    #[test]
    fn lengths_are_read_as_they_are_written() {
        for (len, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 0x7f]),
            (128, &[4, 0x81, 0x80]),
            (255, &[4, 0x81, 0xff]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let contents = vec![7; len];
            let bytes = encode(4, &contents);
            assert_eq!(bytes[..head.len()], *head, "{len}");
            let more = [&bytes[..], b"rest"].concat();
            assert_eq!(element(&more), Some((4, &contents[..], &b"rest"[..])));
            assert_eq!(element(&bytes[..bytes.len() - 1]), None, "{len}");
        }
        for bytes in [
            &[][..],
            &[4],
            &[4, 1],
            &[4, 0x82, 1],
            &[4, 0x81],
            &[4, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert_eq!(element(bytes), None, "{bytes:?}");
        }
        let too_long = [&[4, 0x89][..], &[1; 9]].concat();
        assert_eq!(element(&too_long), None, "a length of more than 64 bits");
        assert_eq!(element(&[4, 0x80]), Some((4, &[][..], &[][..])), "no digits are none");
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_its_vectors() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("Zm9vYmE=", b"fooba"),
            ("Zm9vYmFy", b"foobar"),
            ("Zm 9v\nYm\r\n\tFy", b"foobar"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
            ("AAZZ", &[0, 6, 0x59]),
            ("aazz", &[0x69, 0xac, 0xf3]),
            ("0099", &[0xd3, 0x4f, 0x7d]),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["Zm9-", "Zm9_", "Zm:v", "é", "Zm\09"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn a_pem_file_has_any_number_of_certificates() {
        let two = format!("subject=x\n{CERTIFICATE}\nmore text\n{CERTIFICATE}");
        for (text, count) in [("", 0), ("no certificate\n", 0), (CERTIFICATE, 1), (two.as_str(), 2)]
        {
            assert_eq!(pem(text.as_bytes()).unwrap().len(), count);
        }
        let cut = CERTIFICATE.split("-----END").next().unwrap();
        let damaged = CERTIFICATE.replacen("MII", "M*I", 1);
        for (bytes, why) in [
            (cut.as_bytes(), "a certificate has no end"),
            (damaged.as_bytes(), "a certificate is not valid Base64"),
            (&[0xff, 0xfe], "is not text"),
        ] {
            assert_eq!(pem(bytes).unwrap_err(), why);
        }
    }

    /// The string types of RFC 5280, `DirectoryString`, and IA5String (X.680, 41).
    #[test]
    fn strings_of_each_type_become_text() {
        for (tag, bytes, text) in [
            (0x0c, "größe".as_bytes(), Some("größe")),
            (0x13, b"Root", Some("Root")),
            (0x16, b"a@b", Some("a@b")),
            (0x1a, b"x", Some("x")),
            (0x14, b"gr\xf6\xdfe", Some("größe")),
            (0x1e, &[0, b'g', 0, 0xf6, 0x20, 0xac], Some("gö€")),
            (0x1c, &[0, 0, 0, b'g', 0, 1, 0xf6, 0], Some("g😀")),
            (0x1e, &[0xd8, 0], None),
            (0x1c, &[0, 0x11, 0, 0], None),
            (0x0c, &[0xff], None),
            (0x02, b"1", None),
            (0x17, b"261128095956Z", None),
        ] {
            assert_eq!(utf8(tag, bytes).as_deref(), text, "{tag:#x} {bytes:?}");
        }
    }

    /// OpenSSL's `asn1_string_canon` (`crypto/x509/x_name.c`).
    #[test]
    fn text_is_compared_in_lower_case_with_single_blanks() {
        for (text, canonical) in [
            ("Example", "example"),
            ("  Two   Words  ", "two words"),
            ("a\t\n\x0b\x0c\rb", "a b"),
            // Only ASCII has another case.
            ("ÄRGER", "Ärger"),
            ("", ""),
            ("   ", ""),
        ] {
            assert_eq!(canonical_text(text), canonical, "{text}");
        }
    }

    #[test]
    fn relative_names_are_sorted_and_must_be_sets_of_sequences() {
        let pair = |value: &[u8]| encode(SEQUENCE, &[&encode(6, b"\x55")[..], value].concat());
        let (a, b) = (pair(&encode(12, b"a")), pair(&encode(12, b"b")));
        let sorted = encode(SET, &[&a[..], &b].concat());
        assert_eq!(canonical_name(&sorted).unwrap(), sorted);
        assert_eq!(canonical_name(&encode(SET, &[&b[..], &a].concat())).unwrap(), sorted);
        // Two sets stay in their order.
        let two = [encode(SET, &b), encode(SET, &a)].concat();
        assert_eq!(canonical_name(&two).unwrap(), two);
        // A value of another type stays as it is.
        let number = encode(SET, &pair(&encode(2, &[1])));
        assert_eq!(canonical_name(&number).unwrap(), number);
        assert!(canonical_name(&[]).unwrap().is_empty());
        for bad in [
            encode(SEQUENCE, &a),
            encode(SET, &encode(SET, b"")),
            encode(SET, &encode(SEQUENCE, b"")),
        ] {
            assert_eq!(canonical_name(&bad), None);
        }
    }

    /// update-ca-certificates(8), `add`.
    #[test]
    fn links_are_named_without_blanks_and_parentheses() {
        for (path, name) in [
            ("/usr/share/ca-certificates/mozilla/A_B.crt", "A_B.pem"),
            ("/x/a b,c(d).crt", "a_b_c=d=.pem"),
            ("/x/a.b.crt", "a.b.pem"),
            ("a", "a.pem"),
        ] {
            assert_eq!(link_name(path), name, "{path}");
        }
    }

    #[test]
    fn every_certificate_is_in_the_bundle_and_each_of_one_has_its_hash() {
        let request = Request::default();
        let unended = CERTIFICATE.trim_end();
        let two = format!("{CERTIFICATE}{CERTIFICATE}");
        let mut assembly = assembly(
            &request,
            &[
                ("/usr/share/ca-certificates/m/One.crt", CERTIFICATE),
                ("/usr/share/ca-certificates/m/deep/Two.crt", &two),
                ("/usr/share/ca-certificates/README", "no certificate"),
                ("/usr/local/share/ca-certificates/same.crt", unended),
            ],
        );
        write(&mut assembly).unwrap();
        let names = assembly.names(FOLDER).unwrap();
        assert_eq!(names, ["59f3d6ea.0", "One.pem", "Two.pem", "ca-certificates.crt", "same.pem"]);
        let link = |name: &str| at(&assembly, &format!("{FOLDER}/{name}")).unwrap();
        assert_eq!(link("One.pem"), "-> /usr/share/ca-certificates/m/One.crt");
        // The same certificate has one hash, by the first of its names.
        assert_eq!(link("59f3d6ea.0"), "-> One.pem");
        assert_eq!(link(BUNDLE), format!("{CERTIFICATE}{two}{unended}\n"));
        let choices = at(&assembly, CHOICES).unwrap();
        assert!(choices.ends_with("\nm/One.crt\nm/deep/Two.crt\n"), "{choices}");
        assert_eq!(assembly.log, ["3 certificates are trusted"]);
    }

    #[test]
    fn a_file_that_is_no_certificate_is_refused_with_its_path() {
        let request = Request::default();
        for (text, why) in [
            ("-----BEGIN CERTIFICATE-----\nMII\n", "a certificate has no end"),
            (
                "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n",
                "is not an X.509 certificate",
            ),
        ] {
            let mut assembly =
                assembly(&request, &[("/usr/local/share/ca-certificates/own.crt", text)]);
            let words = format!("`/usr/local/share/ca-certificates/own.crt`, line 1: {why}");
            refused(write(&mut assembly), &words);
        }
    }
}
