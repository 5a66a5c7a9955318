//! The measured kernel command line: `roothash=`, `cvmkit.root_wait=`, `init=`.
//!
//! Words are split as the kernel splits them (`next_arg`, `lib/cmdline.c`): at white space outside
//! of double quotes; what follows a lone `--` belongs to init. Everything else is left to the kernel
//! and systemd, which read the same line; that it is the image's own is checked in `built_for`.

use std::fmt;
use std::time::Duration;

use crate::{Fatal, built_for};

/// How long to wait for the disk when `cvmkit.root_wait=` does not say.
const ROOT_WAIT: Duration = Duration::from_secs(30);

/// No boot is worth a longer wait than an hour; also keeps the arithmetic small.
const ROOT_WAIT_MAX: u64 = 3600;

/// What the kernel runs when nothing else is asked for, and what distributions provide.
const INIT: &str = "/sbin/init";

/// The SHA-256 root of the dm-verity tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RootHash(pub(crate) [u8; 32]);

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// `roothash=`: 64 hexadecimal digits.
    pub(crate) root_hash: RootHash,
    /// `cvmkit.root_wait=`: whole seconds.
    pub(crate) root_wait: Duration,
    /// `init=`: an absolute path in the new root.
    pub(crate) init: String,
}

/// Reads `/proc/cmdline`, which must be the line that the image was built for.
pub(crate) fn read() -> Result<Options, Fatal> {
    let bytes = std::fs::read("/proc/cmdline").map_err(|e| format!("/proc/cmdline: {e}"))?;
    built_for::require(&bytes)?;
    let line = str::from_utf8(&bytes).map_err(|e| format!("kernel command line: {e}"))?;
    parse(line)
}

/// Takes the three options from the line; each may be given once.
pub(crate) fn parse(line: &str) -> Result<Options, Fatal> {
    let words = words(line)?;
    let root_hash = value(&words, "roothash")?
        .ok_or("kernel command line: expected roothash=<64 hexadecimal digits>, found none")?;
    Ok(Options {
        root_hash: parse_root_hash(root_hash)?,
        root_wait: value(&words, "cvmkit.root_wait")?.map_or(Ok(ROOT_WAIT), parse_wait)?,
        init: value(&words, "init")?.map_or_else(|| Ok(INIT.to_owned()), parse_init)?,
    })
}

/// The words of the line, quotes removed, up to a lone `--`.
fn words(line: &str) -> Result<Vec<String>, Fatal> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_ascii_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    if quoted {
        return Err("kernel command line: a double quote is not closed".to_owned());
    }
    words.push(word);
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.truncate(end);
    Ok(words)
}

/// The value of `name=value`; two of them leave open which one counts, so that is refused.
fn value<'a>(words: &'a [String], name: &str) -> Result<Option<&'a str>, Fatal> {
    let mut values =
        words.iter().filter_map(|word| word.strip_prefix(name)).filter_map(|rest| match rest {
            "" => Some(""),
            rest => rest.strip_prefix('='),
        });
    let first = values.next();
    match values.count() {
        0 => Ok(first),
        more => Err(format!(
            "kernel command line: expected {name}= at most once, found it {} times",
            more + 1
        )),
    }
}

fn parse_root_hash(text: &str) -> Result<RootHash, Fatal> {
    let wrong =
        || format!("kernel command line: roothash: expected 64 hexadecimal digits, found `{text}`");
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |n, d| n << 4 | d)).collect();
    if digits.len() != 64 {
        return Err(wrong());
    }
    bytes.try_into().map(RootHash).map_err(|_| wrong())
}

fn parse_wait(text: &str) -> Result<Duration, Fatal> {
    text.parse()
        .ok()
        .filter(|&seconds| seconds <= ROOT_WAIT_MAX && text.bytes().all(|b| b.is_ascii_digit()))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            format!(
                "kernel command line: cvmkit.root_wait: expected whole seconds up to \
                 {ROOT_WAIT_MAX}, found `{text}`"
            )
        })
}

fn parse_init(text: &str) -> Result<String, Fatal> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(format!("kernel command line: init: expected an absolute path, found `{text}`"))
}

/// Lower-case digits, without an allocation.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    fn refusal(line: &str) -> String {
        parse(line).unwrap_err()
    }

    #[test]
    fn the_defaults() {
        let options = parse(&format!("console=ttyS0 ro roothash={HASH} quiet\n")).unwrap();
        assert_eq!(options.root_hash.to_string(), HASH);
        assert_eq!(options.root_hash.0[..3], [0x00, 0x11, 0x22]);
        assert_eq!(options.root_wait, Duration::from_secs(30));
        assert_eq!(options.init, "/sbin/init");
    }

    #[test]
    fn all_options() {
        let line = format!("roothash={HASH} cvmkit.root_wait=0 init=/usr/lib/systemd/systemd");
        let options = parse(&line).unwrap();
        assert_eq!(options.root_wait, Duration::ZERO);
        assert_eq!(options.init, "/usr/lib/systemd/systemd");
    }

    #[test]
    fn quotes_and_the_double_dash_hide_words_as_in_the_kernel() {
        let line = format!("dyndbg=\"file a roothash=x +p\" \"roothash={HASH}\" -- roothash=y");
        assert_eq!(parse(&line).unwrap().root_hash.to_string(), HASH);
        assert!(refusal(&format!("a=\"b roothash={HASH}")).contains("not closed"));
        assert!(refusal(&format!("-- roothash={HASH}")).contains("found none"));
    }

    #[test]
    fn the_root_hash_is_needed_once_and_well_formed() {
        assert!(refusal("").contains("found none"));
        assert!(refusal("xroothash=00 roothashes=00 usr.roothash=00").contains("found none"));
        let twice = format!("roothash={HASH} roothash={HASH}");
        assert!(refusal(&twice).contains("at most once, found it 2 times"));
        assert!(refusal(&format!("roothash roothash={HASH}")).contains("2 times"));
        for bad in ["", "00", &HASH[1..], &format!("{HASH}0"), &format!("{}é", &HASH[2..])] {
            assert!(refusal(&format!("roothash={bad}")).contains("64 hexadecimal"), "{bad}");
        }
        assert!(refusal("roothash").contains("found ``"));
        assert!(refusal(&format!("roothash=+{}", &HASH[1..])).contains("64 hexadecimal"));
    }

    #[test]
    fn waits_and_inits_are_checked() {
        for bad in ["", "-1", "+1", "1.5", "3601", "99999999999999999999"] {
            let line = format!("roothash={HASH} cvmkit.root_wait={bad}");
            assert!(refusal(&line).contains("whole seconds"), "{bad}");
        }
        assert!(refusal(&format!("roothash={HASH} init=sbin/init")).contains("absolute"));
    }
}
