//! Packages: which one is wanted, whatever source it comes from. Each source of packages is a folder.

pub mod debian;
mod locked;

use cvmkit_formats::digest::Sha256;
/// What the rest of the engine asks of a package, whatever its source. Debian is the only one so far: with a
/// second, each of these functions chooses between them.
pub(crate) use debian::{AnotherPackage, Package, PackageError, identify, keep, open};
pub use locked::{LockedIndex, LockedPackage, LockedSuite};
use thiserror::Error;

/// A file that the lock names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// What to call it in messages: the package.
    pub name: String,
    /// The package's version, with its epoch and revision.
    pub version: String,
    /// The package's architecture, in Debian's spelling.
    pub architecture: String,
    /// The archive it is in, such as `debian`; empty for a local file.
    pub archive: String,
    /// Its path in the archive, or relative to the definition.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// What it must hash to.
    pub sha256: Sha256,
    /// Where the lock says so, for messages: `image.lock:214`.
    pub locked_at: String,
}

impl Wanted {
    /// True for a file beside the definition: it is in no archive, and nothing fetches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.archive.is_empty()
    }
}

/// Two digests that should be one.
#[derive(Debug, Error)]
#[error(
    "SHA-256 mismatch for {what}\n    expected: {expected}  ({expected_by})\n    computed: {computed}"
)]
pub struct DigestMismatch {
    /// The file, as messages name it.
    pub what: String,
    /// The digest that somebody vouches for.
    pub expected: Sha256,
    /// Who vouches for it: the lock with its line, or an index.
    pub expected_by: String,
    /// The digest of the bytes that came.
    pub computed: Sha256,
}
