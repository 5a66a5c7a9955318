//! The key of an account's seals, and what is sealed with it.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, FileError, Folder, cannot};
use hmac::{Hmac, KeyInit, Mac};

/// The key of an account.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    /// The key with these bytes, which nobody else has.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key in the file `path`; where there is none yet, `fresh` becomes it. Of two processes
    /// that begin at once, both end up with one key.
    ///
    /// # Errors
    /// Names the file: it can't be made or read, others may read it, or it does not hold a key.
    pub fn of_file(path: &Path, fresh: [u8; 32]) -> Result<Self, FileError> {
        if !path.exists() {
            Self::create(path, fresh)?;
        }
        let mut file = files::open(path)?;
        let mode = file.metadata().map_err(cannot("read", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            let why = format!("mode {:o}, expected 600: only its owner may read it", mode & 0o777);
            return Err(cannot("trust", path)(io::Error::other(why)));
        }
        let mut bytes = [0; 32];
        file.read_exact(&mut bytes).map_err(cannot("read", path))?;
        Ok(Self(bytes))
    }

    fn create(path: &Path, bytes: [u8; 32]) -> Result<(), FileError> {
        let folder = Folder::make(files::parent(path))?;
        let name = path.file_name().unwrap_or_default();
        let fresh = files::partial_name(name);
        let mut file = folder.create_with(&fresh, 0o600)?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        written.map_err(cannot("write", &folder.path(&fresh)))?;
        files::place_new(&folder.path(&fresh), path)
    }

    /// Begins a seal over something of that kind and name.
    pub(super) fn begin(&self, kind: Kind, name: Sha256) -> Hmac<sha2::Sha256> {
        // RFC 2104, section 2: a key shorter than a block of the hash is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<sha2::Sha256>::new(&block.into());
        mac.update(kind.label().as_bytes());
        mac.update(&name.0);
        mac
    }
}

/// What is sealed. A kind's seals are no seals of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The decompressed `data.tar` of a package with that digest.
    Decoded,
    /// The `SHA256SUMS` of a build of those inputs.
    Build,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::Decoded => "cvmkit decoded data.tar 1\0",
            Self::Build => "cvmkit build record 1\0",
        }
    }

    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Build => "builds",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_stays_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/seal.key");
        let first = SealKey::of_file(&path, [1; 32]).unwrap();
        assert_eq!(SealKey::of_file(&path, [2; 32]).unwrap().0, first.0);
        assert_eq!(files::list(files::parent(&path)).unwrap().len(), 1);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = SealKey::of_file(&path, [3; 32]).unwrap_err();
        assert!(error.to_string().contains("seal.key"), "{error}");
    }
}
