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
