//! An output folder whose manifest was read.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest::{Manifest, ManifestError};
use super::role::Role;

/// A role of which the image has no file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the image in `{}` has no {}", folder.display(), role.words())]
pub struct MissingFile {
    /// The folder.
    pub folder: PathBuf,
    /// What is missing.
    pub role: Role,
}

/// An output folder: its manifest says which file is what.
#[derive(Clone, Debug)]
pub struct OutputFolder {
    path: PathBuf,
    manifest: Manifest,
}

impl OutputFolder {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        Ok(Self { path: path.to_owned(), manifest: Manifest::read(path)? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the file of a role.
    ///
    /// # Errors
    /// The image has none.
    pub fn name(&self, role: Role) -> Result<&str, MissingFile> {
        let missing = || MissingFile { folder: self.path.clone(), role };
        self.manifest.file(role).ok_or_else(missing)
    }

    /// The file of a role.
    ///
    /// # Errors
    /// As [`Self::name`].
    pub fn file(&self, role: Role) -> Result<PathBuf, MissingFile> {
        Ok(self.path.join(self.name(role)?))
    }

    /// All files of a role, in the order of the manifest: machines have one firmware or several.
    pub fn files(&self, role: Role) -> impl Iterator<Item = PathBuf> {
        self.manifest.files(role).map(|name| self.path.join(name))
    }
}
