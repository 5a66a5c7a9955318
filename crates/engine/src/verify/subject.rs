//! What is examined: an image whose manifest can be read.

use cvmkit_attest::output::{Manifest, Role};
use cvmkit_formats::architecture::Architecture;
use cvmkit_host::files::FileSource;

use super::folder::Folder;
use crate::definition::Seed;

/// The one architecture of images there is so far.
pub(super) const ARCHITECTURE: Architecture = Architecture::X86_64;

/// A readable manifest and the files that it describes.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) folder: &'a Folder,
    pub(super) manifest: &'a Manifest,
}

impl<'a> Subject<'a> {
    /// What identities of the image are derived from; none if the manifest has no such text.
    pub(super) fn seed(&self) -> Option<Seed> {
        let seed = self.manifest.image.seed.as_str();
        seed.parse().ok().filter(|parsed: &Seed| parsed.to_string() == seed)
    }

    /// The name and the bytes of the file of a role, if it is there.
    pub(super) fn file(&self, role: Role) -> Option<(&'a str, &'a FileSource)> {
        let name = self.manifest.file(role)?;
        Some((name, self.folder.source(name)?))
    }
}
