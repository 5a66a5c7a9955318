//! Package versions and their order (Debian Policy 5.6.12, deb-version(7)).
//!
//! The contract: `[epoch:]upstream[-revision]`, ordered as dpkg orders them; `~` sorts before the
//! end of a part, letters before other characters, digits by value. Equal means equal in that order
//! (`1.0` and `1.0-0`, `1` and `0:1`), the text is kept as it was written. Deliberately absent:
//! what dpkg warns about but accepts, such as an upstream version that starts with a letter. The
//! oracle is `dpkg --compare-versions`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not a version.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionError {
    /// No upstream version at all.
    #[error("version `{0}` has no upstream part")]
    Empty(String),
    /// What stands before the colon is not a number below 2^31.
    #[error("version `{0}`: the epoch is not a number from 0 to 2147483647")]
    Epoch(String),
    /// The upstream version must start with a digit.
    #[error("version `{0}`: the upstream part does not start with a digit")]
    Start(String),
    /// A dash with nothing behind it.
    #[error("version `{0}`: the revision is empty")]
    EmptyRevision(String),
    /// A character outside Debian Policy 5.6.12.
    #[error("version `{text}` contains {found:?}")]
    Character {
        /// The whole version.
        text: String,
        /// What it must not contain there.
        found: char,
    },
}

/// A package version.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    epoch: u32,
    upstream: usize,
    /// Where the upstream part ends; the revision, if any, is behind the dash there.
    upstream_end: usize,
}

impl Version {
    /// Reads a version; nothing around it is trimmed.
    ///
    /// # Errors
    /// [`VersionError`], with the text.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let own = || text.to_owned();
        let (epoch, upstream) = match text.split_once(':') {
            None => (0, 0),
            Some((digits, _)) => {
                // dpkg, `lib/dpkg/parsehelp.c`, `parseversion`: an epoch is an `int`, and not negative.
                let number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let epoch = digits.parse::<i32>().ok().filter(|_| number);
                let epoch = epoch.and_then(|epoch| u32::try_from(epoch).ok());
                (epoch.ok_or_else(|| VersionError::Epoch(own()))?, digits.len() + 1)
            }
        };
        let upstream_end = text[upstream..].rfind('-').map_or(text.len(), |at| upstream + at);
        let version = Self { text: own(), epoch, upstream, upstream_end };
        match version.upstream().bytes().next() {
            None => return Err(VersionError::Empty(own())),
            Some(first) if !first.is_ascii_digit() => return Err(VersionError::Start(own())),
            Some(_) => {}
        }
        if version.revision() == Some("") {
            return Err(VersionError::EmptyRevision(own()));
        }
        let common = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~');
        let mut upstream = version.upstream().chars();
        let mut revision = version.revision().unwrap_or_default().chars();
        let wrong = upstream
            .find(|&c| !common(c) && !matches!(c, '-' | ':'))
            .or_else(|| revision.find(|&c| !common(c)));
        match wrong {
            Some(found) => Err(VersionError::Character { text: own(), found }),
            None => Ok(version),
        }
    }

    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The epoch; 0 when none is written.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream version.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.text[self.upstream..self.upstream_end]
    }

    /// The Debian revision, if one is written.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.text.get(self.upstream_end + 1..)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream(), other.upstream()))
            .then_with(|| {
                compare_part(
                    self.revision().unwrap_or_default(),
                    other.revision().unwrap_or_default(),
                )
            })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Compares an upstream version or a revision: runs of non-digits and of digits in turn, from the
/// left (dpkg, `lib/dpkg/version.c`, `verrevcmp`).
fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let order = compare_text(&mut left, &mut right).then_with(|| {
            let (a, b) = (digits(&mut left), digits(&mut right));
            // Without leading zeros the longer number is the larger one, whatever its length.
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        });
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_text(left: &mut &[u8], right: &mut &[u8]) -> Ordering {
    loop {
        let (a, b) = (weight(left.first()), weight(right.first()));
        if a != b {
            return a.cmp(&b);
        }
        if a == END {
            return Ordering::Equal;
        }
        *left = left.get(1..).unwrap_or_default();
        *right = right.get(1..).unwrap_or_default();
    }
}

/// The weight of the end of a run of non-digits.
const END: u16 = 1;

/// Policy 5.6.12: tilde, then the end of the run, then letters, then everything else. A digit ends a
/// run as the end of the text does (dpkg, `lib/dpkg/version.c`, `order`).
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => END,
        Some(byte) if byte.is_ascii_digit() => END,
        Some(&byte) if byte.is_ascii_alphabetic() => 0x100 + u16::from(byte),
        Some(&byte) => 0x200 + u16::from(byte),
    }
}

/// Takes the digits off the front; the answer is without leading zeros.
fn digits<'a>(part: &mut &'a [u8]) -> &'a [u8] {
    let len = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = part.split_at(len);
    *part = rest;
    let zeros = number.iter().take_while(|&&byte| byte == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let version = Version::parse("2:1.0-rc1:x-3+b1").unwrap();
        assert_eq!(version.epoch(), 2);
        assert_eq!(version.upstream(), "1.0-rc1:x");
        assert_eq!(version.revision(), Some("3+b1"));
        assert_eq!(version.to_string(), "2:1.0-rc1:x-3+b1");
        assert_eq!(Version::parse("1").unwrap().revision(), None);
    }

    #[test]
    fn policy_examples_are_in_order() {
        // Debian Policy 5.6.12 gives the first five as an example of the order.
        let sorted = ["~~", "~~a", "~", "", "a"].map(|tail| format!("1{tail}"));
        let versions = sorted.map(|text| Version::parse(&text).unwrap());
        assert!(versions.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// Debian Policy 5.6.12 and deb-version(7), each pair a rule: the whole list is in order.
    #[test]
    fn versions_in_order() {
        let sorted = [
            "0~~",
            "0~",
            "0",
            "0.0.9",
            // A tilde sorts before the end, whatever follows it.
            "1~~-1",
            "1~beta1-1",
            "1~rc1-1",
            "1~rc1-1+b1",
            "1-1",
            "1-1.1",
            "1-2~bpo1",
            "1-2",
            "1-10",
            // Letters before other characters; capitals before small letters, as in ASCII.
            "1A-1",
            "1Z-1",
            "1a-1",
            "1aa-1",
            "1a+-1",
            "1+-1",
            "1+b-1",
            "1-1-1",
            "1.0-1",
            "1.0.1-1",
            "1.1-1",
            "1.9-1",
            "1.10-1",
            "1.10a-1",
            "1.100-1",
            "2-1",
            "10-1",
            // An epoch decides before everything else.
            "1:0",
            "1:1",
            "2:0~",
            "10:0",
            "2147483647:0",
        ];
        let versions = sorted.map(|text| Version::parse(text).unwrap());
        for (at, left) in versions.iter().enumerate() {
            for (other, right) in versions.iter().enumerate() {
                assert_eq!(left.cmp(right), at.cmp(&other), "{left} and {right}");
                assert_eq!(left == right, at == other, "{left} and {right}");
            }
        }
    }

    /// An absent epoch is 0, an absent revision is equal to `0`, leading zeros count for nothing.
    #[test]
    fn equal_versions_keep_their_text() {
        for (left, right) in [
            ("1", "0:1"),
            ("1", "00:1"),
            ("1", "1-0"),
            ("1", "1-00"),
            ("1", "01"),
            ("1.0", "1.00"),
            ("1.0", "1."),
            ("1a", "1a0"),
            ("1-1", "1-01"),
        ] {
            let (one, two) = (Version::parse(left).unwrap(), Version::parse(right).unwrap());
            assert_eq!(one, two, "{left} and {right}");
            assert_eq!((one.as_str(), two.as_str()), (left, right));
        }
    }

    /// The last colon and the last dash do not part: the first one and the last one do.
    #[test]
    fn parts_of_odd_versions() {
        for (text, epoch, upstream, revision) in [
            ("1:2:3-4", 1, "2:3", Some("4")),
            ("1-2-3", 0, "1-2", Some("3")),
            ("0:0-0", 0, "0", Some("0")),
            ("7:1.0~rc+a-~", 7, "1.0~rc+a", Some("~")),
            ("1", 0, "1", None),
        ] {
            let version: Version = text.parse().unwrap();
            assert_eq!(
                (version.epoch(), version.upstream(), version.revision()),
                (epoch, upstream, revision),
                "{text}"
            );
        }
    }

    #[test]
    fn every_refusal_has_its_error() {
        type Refusal = fn(String) -> VersionError;
        let cases: [(&str, Refusal); 11] = [
            ("", VersionError::Empty),
            ("1:", VersionError::Empty),
            ("1:-1", VersionError::Empty),
            ("x1", VersionError::Start),
            ("1:~1", VersionError::Start),
            ("1-", VersionError::EmptyRevision),
            ("1-1-", VersionError::EmptyRevision),
            (":1", VersionError::Epoch),
            ("a:1", VersionError::Epoch),
            ("-1:1", VersionError::Epoch),
            ("2147483648:1", VersionError::Epoch),
        ];
        for (text, error) in cases {
            assert_eq!(Version::parse(text).unwrap_err(), error(text.to_owned()), "{text:?}");
        }
        for (text, found) in [
            ("1_2", '_'),
            ("1 ", ' '),
            ("1/2", '/'),
            ("1é", 'é'),
            ("1-2:3", ':'),
            ("1-2_", '_'),
            ("1\n", '\n'),
        ] {
            // A colon makes what precedes it an epoch.
            let expected = match found {
                ':' => VersionError::Epoch(text.to_owned()),
                _ => VersionError::Character { text: text.to_owned(), found },
            };
            assert_eq!(Version::parse(text).unwrap_err(), expected);
        }
        assert_eq!(
            Version::parse("0:1-2:3").unwrap_err(),
            VersionError::Character { text: "0:1-2:3".to_owned(), found: ':' }
        );
    }

    #[test]
    fn refused() {
        for text in
            ["", "1:", "-1", "x1", ":1", "a:1", "+1:1", "2147483648:1", "1-", "1_2", "1-2:3 "]
        {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
        let wide = Version::parse("99999999999999999999999999999999999999999.1-1").unwrap();
        assert!(wide > Version::parse("9999999999999999999999999999999999999999.9-1").unwrap());
    }
}
