//! What names a blob.

use std::fmt;

use cvmkit_formats::digest::Sha256;
use serde::{Deserialize, Deserializer};

/// A digest of a descriptor. SHA-256 is the only algorithm that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub Sha256);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl Digest {
    /// Where its blob lies in a layout.
    #[must_use]
    pub fn path(&self) -> String {
        format!("blobs/sha256/{}", self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_lower = !hex.bytes().any(|byte| byte.is_ascii_uppercase());
        hex.parse().ok().filter(|_| is_lower).map(Self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let shown = text.escape_debug();
            serde::de::Error::custom(format!(
                "expected `sha256:` and 64 hex digits, found `{shown}`"
            ))
        })
    }
}
