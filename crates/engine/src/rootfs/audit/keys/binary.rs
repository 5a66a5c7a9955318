//! Keys in binary form, by the structure of the whole file: DER (X.690) of PKCS #1, #8 and #12 and of SEC 1,
//! and what programs keep in forms of their own.

use std::io;

use cvmkit_formats::source::{Source, read_all};

/// No key in a file of its own is longer; a PKCS #12 file has certificates beside it.
const LEN_MAX: u64 = 1 << 20;

/// How files start that hold nothing but a private key: Libgcrypt (an S-expression, as in GnuPG's
/// `private-keys-v1.d`), Tor, PuTTY.
const STARTS: [&[u8]; 6] = [
    b"(11:private-key",
    b"(21:protected-private-key",
    b"Key: (private-key",
    b"Key: (protected-private-key",
    b"== ed25519v1-secret: type0 ==",
    PUTTY,
];
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";

/// Tags of DER.
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// 1.2.840.113549.1.5 (PKCS #5) and 1.2.840.113549.1.12.1 (PKCS #12): ways to encrypt with a password.
const ENCRYPTIONS: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01],
];

/// 1.2.840.113549.1.12.10.1.1 and .2: bags with a key (RFC 7292, section 4.2).
const BAGS: [&[u8]; 2] = [
    &[OID, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x01],
    &[OID, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02],
];

/// Whether a file is a private key.
pub(super) fn is_key(source: &impl Source) -> io::Result<bool> {
    let mut start = vec![0; usize::try_from(source.len().min(32)).unwrap_or_default()];
    source.read_at(0, &mut start)?;
    let is_own = STARTS.iter().any(|form| start.starts_with(form));
    if !(is_own || start.first() == Some(&SEQUENCE)) || source.len() > LEN_MAX {
        return Ok(false);
    }
    let bytes = read_all(source, LEN_MAX)?;
    if start.starts_with(PUTTY) {
        return Ok(is_putty(&bytes));
    }
    Ok(is_own || is_der(&bytes))
}

/// A file of PuTTY has a count of lines, and lines that are base64.
fn is_putty(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let count = lines.find_map(|line| line.strip_prefix(b"Private-Lines: "));
    let body = lines.next().unwrap_or_default();
    count.is_some_and(|count| count != b"0") && body.len() >= 16
}

/// Whether these bytes are one value of DER, which is a private key.
fn is_der(bytes: &[u8]) -> bool {
    let Some((SEQUENCE, body, [])) = value(bytes) else { return false };
    match values(body).as_deref() {
        // RSAPrivateKey (RFC 8017, appendix A.1.2); DSA has five numbers behind the version.
        Some([(INTEGER, [0 | 1]), numbers @ ..])
            if matches!(numbers.len(), 5 | 8 | 9)
                && numbers
                    .iter()
                    .take(5)
                    .all(|(tag, number)| *tag == INTEGER && !number.is_empty())
                && numbers.iter().any(|(_, number)| number.len() >= 32) =>
        {
            true
        }
        // PrivateKeyInfo (RFC 5208), OneAsymmetricKey (RFC 5958).
        Some([(INTEGER, [0 | 1]), (SEQUENCE, algorithm), (OCTET_STRING, key), ..]) => {
            key.len() >= 16 && is_algorithm(algorithm, |_| true)
        }
        // ECPrivateKey (RFC 5915).
        Some([(INTEGER, [1]), (OCTET_STRING, key), rest @ ..]) => {
            key.len() >= 14 && rest.iter().all(|(tag, _)| matches!(tag, 0xa0 | 0xa1))
        }
        // EncryptedPrivateKeyInfo (RFC 5208).
        Some([(SEQUENCE, algorithm), (OCTET_STRING, key)]) => {
            let encrypts = |oid: &[u8]| ENCRYPTIONS.iter().any(|known| oid.starts_with(known));
            key.len() >= 16 && is_algorithm(algorithm, encrypts)
        }
        // PFX (RFC 7292); one that holds certificates alone has no such bag in sight.
        Some([(INTEGER, [3]), (SEQUENCE, content), ..]) => {
            let has = |bag: &[u8]| content.windows(bag.len()).any(|window| window == bag);
            BAGS.iter().any(|bag| has(bag))
        }
        _ => false,
    }
}

/// Whether an AlgorithmIdentifier starts with such an object identifier.
fn is_algorithm(bytes: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
    matches!(value(bytes), Some((OID, oid, _)) if !oid.is_empty() && is(oid))
}

/// The values of a sequence, each with its tag.
fn values(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, body, rest) = value(bytes)?;
        found.push((tag, body));
        bytes = rest;
    }
    Some(found)
}

/// The tag and the body of the first value, and what follows it.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let &[tag, first, ref rest @ ..] = bytes else { return None };
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(len)?;
    Some((tag, body, rest))
}
