//! The initrd of a direct boot.

use std::path::Path;

use cvmkit_formats::digest::Digests;
use cvmkit_host::files::{self, FileError};

/// Digests and length of an initrd, which is read piece by piece: those of GPU images have hundreds of MB.
pub(crate) fn initrd_of(path: &Path) -> Result<(Digests, u64), FileError> {
    Digests::of_reader(files::open(path)?).map_err(files::cannot("read", path))
}
