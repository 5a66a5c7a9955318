//! The version of systemd-stub, which decides what it measures.

use std::fmt;

use serde::Serialize;

/// The first number of systemd's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StubVersion(pub u32);

impl fmt::Display for StubVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
