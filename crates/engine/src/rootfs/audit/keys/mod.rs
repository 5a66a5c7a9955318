//! Private keys in text form.

/// How lines of PEM (RFC 7468) and of armored OpenPGP (RFC 9580) begin and end.
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const LABELS: [&[u8]; 2] = [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"];

/// No file of text with a key is longer: a key has some kB, a chain of certificates before it some more.
pub(super) const LEN_MAX: u64 = 128 << 10;

/// Whether a text holds a private key: lines that begin and end one, with lines of text between them. A
/// program that knows the words holds none.
pub(super) fn holds_key(bytes: &[u8]) -> bool {
    let mut begun = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let is_of_key = LABELS.iter().any(|label| line.ends_with(label));
        match begun {
            _ if is_of_key && line.starts_with(BEGIN) => begun = Some(0),
            Some(lines) if is_of_key && line.starts_with(END) => {
                if lines > 0 {
                    return true;
                }
                begun = None;
            }
            Some(lines) if is_text(line) => begun = Some(lines + 1),
            _ => begun = None,
        }
    }
    false
}

/// A line within a key: base64, a header, or nothing.
fn is_text(line: &[u8]) -> bool {
    let is_header =
        || line.split(|byte| *byte == b' ').next().is_some_and(|word| word.ends_with(b":"));
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    line.iter().all(is_base64) || is_header()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_lines_between_its_first_and_its_last() {
        let key = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        for (text, holds) in [
            (key("PRIVATE KEY", "MIIB\nxyz="), true),
            (key("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nMIIB"), true),
            (key("OPENSSH PRIVATE KEY", "b3Bl"), true),
            (key("ENCRYPTED PRIVATE KEY", "b3Bl"), true),
            (key("PGP PRIVATE KEY BLOCK", "Version: 1\n\nlQ=="), true),
            (format!("a certificate\n{}", key("EC PRIVATE KEY", "MIIB")), true),
            (key("PRIVATE KEY", "MIIB").replace('\n', "\r\n"), true),
            (key("PRIVATE KEY", "  MIIB"), true),
            (key("PUBLIC KEY", "MIIB"), false),
            (key("CERTIFICATE", "MIIB"), false),
            (key("PRIVATE KEY", "... your key ..."), false),
            ("-----BEGIN PRIVATE KEY-----\n".to_owned(), false),
            ("-----BEGIN PRIVATE KEY-----\nMIIB\n".to_owned(), false),
            ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_owned(), false),
            ("grep -e '-----BEGIN PRIVATE KEY-----' file\n".to_owned(), false),
            ("\0-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(holds_key(text.as_bytes()), holds, "{text}");
        }
    }
}
