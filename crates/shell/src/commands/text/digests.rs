//! md5sum(1), sha1sum(1), sha256sum(1) and sha512sum(1): digests of files, and files held against digests.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::lines::{each_file, lines, readable};
use crate::stop::Stop;
use crate::world::World;

/// A digest by its name in messages.
#[derive(Clone, Copy)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// The hexadecimal digits of a digest.
    fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn digest(self, text: &[u8]) -> String {
        let bytes = match self {
            Self::Md5 => <Md5 as md5::Digest>::digest(text).to_vec(),
            Self::Sha1 => Sha1::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
            Self::Sha512 => Sha512::digest(text).to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// md5sum(1).
pub(in super::super) fn md5sum<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    sum(world, call, Algorithm::Md5)
}

/// sha1sum(1).
pub(in super::super) fn sha1sum<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    sum(world, call, Algorithm::Sha1)
}

/// sha256sum(1).
pub(in super::super) fn sha256sum<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    sum(world, call, Algorithm::Sha256)
}

/// sha512sum(1).
pub(in super::super) fn sha512sum<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    sum(world, call, Algorithm::Sha512)
}

/// The options, each with its letter; those of capitals have no short form.
const LONG: [(&str, u8); 6] = [
    ("binary", b'b'),
    ("check", b'c'),
    ("text", b't'),
    ("warn", b'w'),
    ("quiet", b'Q'),
    ("status", b'S'),
];

fn sum<W: World>(world: &mut W, call: &mut Call<'_>, algorithm: Algorithm) -> Result<u8, Stop> {
    let options = Options::of(call, "bctw", &LONG)?;
    if options.has(b'c') {
        return check(world, call, &options, algorithm);
    }
    for (name, letter) in LONG.iter().filter(|(_, letter)| b"wQS".contains(letter)) {
        if options.has(*letter) {
            let why = format!("the --{name} option is meaningful only when verifying checksums");
            return Ok(call.usage(&why, 1));
        }
    }
    let mark = if options.last_of(b"bt") == Some(b'b') { b'*' } else { b' ' };
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, word, text| {
        let name = escaped(word);
        // A backslash first says that the name is escaped.
        let first = if name == word { "" } else { "\\" };
        call.print(format!("{first}{} ", algorithm.digest(&text)).as_bytes());
        call.print(&[&[mark], name.as_slice(), b"\n"].concat());
        Ok(())
    })?;
    Ok(status)
}

/// Bytes of a name that would end its line, and the backslash, with their letters.
const ESCAPES: [(u8, u8); 3] = [(b'\\', b'\\'), (b'\n', b'n'), (b'\r', b'r')];

fn escaped(name: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| match ESCAPES.iter().find(|(plain, _)| plain == byte) {
        Some((_, letter)) => vec![b'\\', *letter],
        None => vec![*byte],
    };
    name.iter().flat_map(escaped).collect()
}

fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, mut bytes) = (Vec::new(), name.iter());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => {
                let letter = bytes.next()?;
                ESCAPES.iter().find(|(_, known)| known == letter)?.0
            }
            byte => *byte,
        });
    }
    Some(plain)
}

/// How many lines of a list are not as they should be.
#[derive(Default)]
struct Faults {
    misformatted: usize,
    unreadable: usize,
    mismatched: usize,
}

/// `-c`: each operand is a list of digests and files.
fn check<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    options: &Options<'_>,
    algorithm: Algorithm,
) -> Result<u8, Stop> {
    let is_silent = options.has(b'S');
    let mut status = 0;
    let input: &[&[u8]] = &[b"-"];
    for list in if options.operands.is_empty() { input } else { &options.operands } {
        let text = match readable(world, call, list) {
            Ok(text) => text,
            Err(error) => {
                status = call.fail("", list, error);
                continue;
            }
        };
        let (mut faults, mut is_any) = (Faults::default(), false);
        for (number, line) in (1..).zip(lines(&text)) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if line.starts_with(format!("{} (", algorithm.name()).as_bytes()) {
                return Err(call.unsupported("a list of the form that BSD has"));
            }
            match entry(line, algorithm) {
                Some((digest, name)) => {
                    is_any = true;
                    verify(world, call, options, algorithm, (digest, &name), &mut faults);
                }
                None => {
                    faults.misformatted += 1;
                    if options.has(b'w') {
                        let (list, kind) = (titled(list), algorithm.name());
                        let why = format!("improperly formatted {kind} checksum line");
                        call.complain(&format!("{list}: {number}: {why}"));
                    }
                }
            }
        }
        if !is_any {
            let list = titled(list);
            call.complain(&format!("{list}: no properly formatted checksum lines found"));
            status = 1;
            continue;
        }
        if !is_silent {
            warn(call, &faults);
        }
        if faults.unreadable + faults.mismatched > 0 {
            status = 1;
        }
    }
    Ok(status)
}

/// A list, as messages have it.
fn titled(list: &[u8]) -> String {
    if list == b"-" { "'standard input'".to_owned() } else { shown(list) }
}

/// A line of a list: the digest, and the name of the file.
fn entry(line: &[u8], algorithm: Algorithm) -> Option<(&[u8], Vec<u8>)> {
    let line = line.trim_ascii_start();
    let (is_escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, rest) = line.split_at_checked(algorithm.digits())?;
    let (b' ' | b'\t', rest) = rest.split_first()? else { return None };
    // BSD's reversed lists have one blank.
    let name = match rest {
        [b' ' | b'*', name @ ..] if !name.is_empty() => name,
        name => name,
    };
    if name.is_empty() || !digest.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let name = if is_escaped { unescaped(name)? } else { name.to_vec() };
    Some((digest, name))
}

/// Holds a file against its digest, and says how it went.
fn verify<W: World>(
    world: &W,
    call: &mut Call<'_>,
    options: &Options<'_>,
    algorithm: Algorithm,
    (digest, name): (&[u8], &[u8]),
    faults: &mut Faults,
) {
    let found = match readable(world, call, name) {
        Ok(text) => algorithm.digest(&text).as_bytes().eq_ignore_ascii_case(digest).then_some("OK"),
        Err(error) => {
            call.fail("", name, error);
            faults.unreadable += 1;
            Some("FAILED open or read")
        }
    };
    let verdict = found.unwrap_or_else(|| {
        faults.mismatched += 1;
        "FAILED"
    });
    if !options.has(b'S') && (verdict != "OK" || !options.has(b'Q')) {
        let escaped = escaped(name);
        let first: &[u8] = if escaped == name || !name.contains(&b'\n') { b"" } else { b"\\" };
        let name = if first.is_empty() { name } else { &escaped };
        call.print(&[first, name, b": ", verdict.as_bytes(), b"\n"].concat());
    }
}

fn warn(call: &mut Call<'_>, faults: &Faults) {
    for (count, one, many) in [
        (faults.misformatted, "line is improperly formatted", "lines are improperly formatted"),
        (faults.unreadable, "listed file could not be read", "listed files could not be read"),
        (faults.mismatched, "computed checksum did NOT match", "computed checksums did NOT match"),
    ] {
        match count {
            0 => {}
            1 => call.complain(&format!("WARNING: 1 {one}")),
            count => call.complain(&format!("WARNING: {count} {many}")),
        }
    }
}
