//! What a build leaves.

use std::path::PathBuf;

use cvmkit_attest::output::Manifest;
use cvmkit_formats::digest::Sha256;

/// A finished build.
#[derive(Debug)]
pub struct Built {
    /// The output folder, as it was named.
    pub folder: PathBuf,
    /// What its `manifest.json` says.
    pub manifest: Manifest,
    /// SHA-256 of `SHA256SUMS`: the identity of the image.
    pub identity: Sha256,
    /// True if everything was there already.
    pub unchanged: bool,
    /// What was done to the root file system that no package file shows; empty if unchanged.
    pub log: Vec<String>,
    /// What to know about the reference values, by profile, and about the root file system.
    pub notes: Vec<String>,
}
