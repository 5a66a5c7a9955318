//! Releases of QEMU, by which what it does to a guest is keyed.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A release of QEMU: a later patch release of the same two numbers does the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QemuVersion {
    /// Of 10.2.0, the 10.
    pub major: u32,
    /// Of 10.2.0, the 2.
    pub minor: u32,
}

impl QemuVersion {
    /// The release with these numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether it is this release or a later one.
    #[must_use]
    pub const fn is_at_least(self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }
}

impl fmt::Display for QemuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for QemuVersion {
    type Err = String;

    /// `10.2`, or with more numbers behind it as `--version` has them, which change nothing.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a version such as 10.1, found `{text}`");
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([major, minor, ..]) if *major > 0 => Ok(Self::new(*major, *minor)),
            _ => Err(expected()),
        }
    }
}

impl Serialize for QemuVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minors_count_and_what_follows_does_not() {
        for (text, major, minor) in [("10.1", 10, 1), ("10.0.2", 10, 0), ("8.2.1.4", 8, 2)] {
            assert_eq!(text.parse(), Ok(QemuVersion::new(major, minor)));
        }
        for text in ["", "10", "10.", "10.x", "0.1", "-1.0", "10.1 (Debian)"] {
            let error = text.parse::<QemuVersion>().unwrap_err();
            assert!(error.contains("such as 10.1"), "{text}: {error}");
        }
        let version = QemuVersion::new(10, 1);
        assert!(version.is_at_least(10, 1) && version.is_at_least(9, 9));
        assert!(!version.is_at_least(10, 2) && !version.is_at_least(11, 0));
    }
}
