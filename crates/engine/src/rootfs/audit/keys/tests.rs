//! Each form of a key, whatever stands around it, and what only has the words of one.

use super::*;
use crate::rootfs::tests::oracle;

fn holds(bytes: &[u8]) -> bool {
    holds_key(&bytes).unwrap()
}

/// Two lines of a body, and a last one.
fn body() -> String {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    format!("{line}\n{line}\nw5Jw==")
}

fn key(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn a_key_has_a_body_between_its_first_and_its_last_line() {
    let (body, pem) = (body(), key("PRIVATE KEY", &body()));
    let encrypted = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\n{body}");
    let words = "invalid argument to function of another kind than it wants";
    for (text, is_key) in [
        (pem.clone(), true),
        (key("RSA PRIVATE KEY", &encrypted), true),
        (key("EC PRIVATE KEY", &body), true),
        (key("DSA PRIVATE KEY", &body), true),
        (key("OPENSSH PRIVATE KEY", &body), true),
        (key("ENCRYPTED PRIVATE KEY", &body), true),
        (key("PGP PRIVATE KEY BLOCK", &format!("Version: 1\n\n{body}\n=aB3d")), true),
        (key("SSH2 ENCRYPTED PRIVATE KEY", &format!("Comment: \"x\"\n{body}")), true),
        (key("X", &body).replace("-----BEGIN X-----", "---- BEGIN SSH2 PRIVATE KEY ----"), false),
        (format!("---- BEGIN SSH2 PRIVATE KEY ----\n{body}\n---- END SSH2 PRIVATE KEY ----"), true),
        (format!("a certificate\n{pem}"), true),
        (key("PUBLIC KEY", &body), false),
        (key("CERTIFICATE", &body), false),
        (key("PRIVATE KEY", ""), false),
        (key("PRIVATE KEY", "MIIEvQ"), false),
        (key("PRIVATE KEY", "... your key ..."), false),
        (key("PRIVATE KEY", &format!("{body}...")), false),
        (key("PRIVATE KEY", words), false),
        (key("PRIVATE KEY", &words.replace(' ', "\n")), false),
        (format!("-----BEGIN PRIVATE KEY-----\n{body}\n"), false),
        (format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END CERTIFICATE-----"), false),
        (format!("BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"), false),
        ("grep -e '-----BEGIN PRIVATE KEY-----' file\n".to_owned(), false),
        ("'-----BEGIN PRIVATE KEY-----' and '-----END PRIVATE KEY-----'".to_owned(), false),
        ("\0-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0".to_owned(), false),
        ("-----BEGIN RSA PRIVATE KEY----------END RSA PRIVATE KEY-----".to_owned(), false),
        ("-----BEGIN PRIVATE KEY-----\n<base64>\n-----END PRIVATE KEY-----".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(holds(text.as_bytes()), is_key, "{text}");
    }
}

#[test]
fn a_key_is_found_whatever_stands_around_it() {
    let pem = key("PRIVATE KEY", &body());
    let each = |before: &str, behind: &str| {
        pem.lines().map(|line| format!("{before}{line}{behind}")).collect::<String>()
    };
    for text in [
        pem.replace('\n', "\r\n"),
        pem.replace('\n', "\r"),
        each("    ", "\n"),
        each("\t", " \r\n"),
        each("# ", "\n"),
        each(" * ", "\n"),
        each("\"", "\\n\"\n"),
        each("\"", "\\n\" +\n"),
        each("'", "',\n"),
        each("", "\\\n"),
        format!("{{\"key\": \"{}\"}}", pem.replace('\n', "\\n")),
        format!("{{\"key\":\"{}\"}}", pem.replace('\n', "\\r\\n")),
        format!("{{\"key\":\"{}\"}}", pem.replace('\n', "\\u000a").replace('=', "\\u003d")),
        format!("{{\\\"key\\\":\\\"{}\\\"}}", pem.replace('\n', "\\\\n")),
        format!("key={}", pem.replace('\n', " ")),
        pem.replace('\n', ""),
        pem.replace('\n', "").replace("MII", "\\/II"),
        format!("\u{feff}{pem}"),
        format!("\0\u{1}{pem}\0"),
    ] {
        assert!(holds(text.as_bytes()), "{text}");
    }
}

/// Wherever the pieces of a file begin and end.
#[test]
fn a_long_file_is_searched_to_its_end() {
    let pem = key("OPENSSH PRIVATE KEY", &body());
    let step = PIECE - (MARK - 1);
    let places = (0..60).map(|back| 2 * step - back).chain([128 << 10, 3 << 20]);
    for at in places {
        let mut file = vec![b'x'; at];
        file.extend(pem.as_bytes());
        file.extend([b'x'; 100]);
        assert!(holds(&file), "{at}");
        file[at + 5] = b'_';
        assert!(!holds(&file), "{at}");
    }
}

#[test]
fn keys_in_base64_and_keys_of_one_line_are_found() {
    let encoded = |tail: &str| format!("client-key-data: {tail}{}", "QUFB".repeat(40));
    let wireguard = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
    let age = "AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE";
    for (text, is_key) in [
        (encoded("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN"), true),
        (encoded("LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1J"), true),
        (encoded("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1J"), false),
        ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN".to_owned(), false),
        (format!("[Interface]\nPrivateKey = {wireguard}\n"), true),
        (format!("PrivateKey={wireguard}"), true),
        (format!("PublicKey = {wireguard}\n"), false),
        (format!("PrivateKey = {}\n", wireguard.replace('=', "")), false),
        (format!("PrivateKey = {wireguard}x\n"), false),
        (format!("PrivateKey = {}=\n", "A".repeat(43)), false),
        ("PrivateKey = <your private key>\n".to_owned(), false),
        (format!("x\n{age}\n"), true),
        (format!("{age}Q\n"), false),
        (age.to_lowercase(), false),
        (age.replace("7L", "7B"), false),
    ] {
        assert_eq!(holds(text.as_bytes()), is_key, "{text}");
    }
}

fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &len, &body].concat()
}

#[test]
fn keys_in_der_are_told_by_their_structure() {
    let integer = |len: usize| der(2, &[vec![0x5a; len]]);
    let version = |number: u8| vec![2, 1, number];
    let octets = |len: usize| der(4, &[vec![7; len]]);
    let rsa = der(6, &[vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]]);
    let pbes2 = der(6, &[vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d]]);
    let sha256 = der(6, &[vec![0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]]);
    let bag = |last: u8| {
        let oid = vec![6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 0x0c, 0x0a, 1, last];
        der(0x30, &[version(3), der(0x30, &[octets(9), oid]), der(0x30, &[])])
    };
    let rsa_key = |count: usize| {
        der(0x30, &[version(0), integer(128), integer(3), vec![integer(64); count].concat()])
    };
    for (what, bytes, is_key) in [
        ("RSA", rsa_key(6), true),
        ("DSA", rsa_key(3), true),
        ("too few numbers", rsa_key(2), false),
        ("an RSA public key", der(0x30, &[integer(128), integer(3)]), false),
        (
            "PKCS #8",
            der(0x30, &[version(0), der(0x30, std::slice::from_ref(&rsa)), octets(48)]),
            true,
        ),
        ("a public key", der(0x30, &[der(0x30, &[rsa]), der(3, &[vec![0; 99]])]), false),
        ("encrypted", der(0x30, &[der(0x30, &[pbes2]), octets(48)]), true),
        ("a digest", der(0x30, &[der(0x30, &[sha256]), octets(32)]), false),
        ("EC", der(0x30, &[version(1), octets(32), der(0xa0, &[])]), true),
        ("another", der(0x30, &[version(1), octets(32), der(0x31, &[])]), false),
        ("PKCS #12", bag(2), true),
        ("PKCS #12 of certificates", bag(3), false),
    ] {
        assert_eq!(holds(&bytes), is_key, "{what}");
        assert!(!holds(&[&bytes[..], b"x"].concat()), "{what}: not the whole file");
        assert!((0..bytes.len()).all(|len| !holds(&bytes[..len])), "{what}: not all of it");
    }
}

#[test]
fn files_of_programs_that_are_keys_are_told_by_their_start() {
    let putty = |lines: u8| {
        format!(
            "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nPublic-Lines: 1\r\n\
             AAAAC3NzaC1lZDI1NTE5\r\nPrivate-Lines: {lines}\r\nAAAAIL2sZ3Rl5mXkqL0d\r\n"
        )
    };
    for (text, is_key) in [
        (putty(1), true),
        (putty(0), false),
        ("PuTTY-User-Key-File- is how such a file starts".to_owned(), false),
        ("(21:protected-private-key(3:rsa".to_owned(), true),
        ("(10:public-key(3:rsa".to_owned(), false),
        ("Key: (private-key (ecc".to_owned(), true),
        ("== ed25519v1-secret: type0 ==\0\0\0".to_owned(), true),
        ("== ed25519v1-public: type0 ==\0\0\0".to_owned(), false),
    ] {
        assert_eq!(holds(text.as_bytes()), is_key, "{text}");
    }
}

/// Oracle: keys that OpenSSL makes, and the public halves of them.
#[test]
fn keys_of_openssl_are_found() {
    for algorithm in ["RSA", "ED25519", "X25519", "X448"] {
        let Some(key) = oracle("openssl", &["genpkey", "-algorithm", algorithm]) else { return };
        assert!(holds(key.as_bytes()), "{key}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("der").to_string_lossy().into_owned();
        let arguments = ["genpkey", "-algorithm", algorithm, "-outform", "DER", "-out", &path];
        oracle("openssl", &arguments).unwrap();
        let file = cvmkit_host::files::open(std::path::Path::new(&path)).unwrap();
        let len = file.metadata().unwrap().len();
        let content = crate::content::Content::Stored { object: file.into(), offset: 0, len };
        assert!(holds_key(&content).unwrap(), "{algorithm}");
        let public = oracle("openssl", &["pkey", "-in", &path, "-pubout"]).unwrap();
        assert!(!holds(public.as_bytes()), "{public}");
    }
    let Some(key) = oracle("openssl", &["genpkey", "-genparam", "-algorithm", "DSA"]) else {
        return;
    };
    assert!(!holds(key.as_bytes()), "{key}");
}
