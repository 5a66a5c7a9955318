//! What a build takes beside its root file system.

use cvmkit_formats::digest::Sha256;

/// A build input that does not go into the root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file of a package.
    Package {
        /// Name of the package.
        package: String,
        /// Where it comes from; `None` for the definition's sources.
        suite: Option<String>,
        /// Archive of that suite, if the definition says; never without a suite.
        archive: Option<String>,
        /// Of the file in the package, without a leading slash.
        path: String,
    },
    /// A file beside the definition.
    Local {
        /// Relative to the definition.
        path: String,
        /// What it must hash to.
        sha256: Sha256,
    },
}
