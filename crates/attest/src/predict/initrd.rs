//! The initrd of a direct boot.

use std::path::Path;

use cvmkit_formats::digest::Digests;
use cvmkit_host::files::{self, FileError};

/// Digests and length of an initrd, which is read piece by piece: those of GPU images have hundreds of MB.
pub(crate) fn initrd_of(path: &Path) -> Result<(Digests, u64), FileError> {
    Digests::of_reader(files::open(path)?).map_err(files::cannot("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;

    #[test]
    fn an_initrd_of_several_pieces_has_the_digests_of_the_whole() {
        let folder = Folder::new();
        for len in [0, 1, 1 << 16, (1 << 17) + 1] {
            let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let found = initrd_of(&folder.put("initrd", &bytes)).unwrap();
            assert_eq!(found, (Digests::of(&bytes), len));
        }
    }

    #[test]
    fn an_initrd_that_cannot_be_read_is_named() {
        let folder = Folder::new();
        let missing = initrd_of(&folder.path("none")).unwrap_err();
        assert!(missing.is_not_found() && missing.path == folder.path("none"), "{missing}");
        let error = initrd_of(folder.root()).unwrap_err();
        assert!(error.is_unsuitable() && error.path == folder.root(), "{error}");
    }
}
