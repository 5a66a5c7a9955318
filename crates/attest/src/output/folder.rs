//! An output folder whose manifest was read.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest::{Manifest, ManifestError};
use super::role::Role;

/// A role that no file of the image has.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the image in `{}` has no {}", folder.display(), role.words())]
pub struct MissingFile {
    /// Path of the output folder.
    pub folder: PathBuf,
    /// The role that no artifact of the manifest has.
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

    /// The path that it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the first file of a role, without the folder.
    ///
    /// # Errors
    /// [`MissingFile`] if the manifest lists none.
    pub fn name(&self, role: Role) -> Result<&str, MissingFile> {
        let missing = || MissingFile { folder: self.path.clone(), role };
        self.manifest.file(role).ok_or_else(missing)
    }

    /// The path of the first file of a role, which need not be there.
    ///
    /// # Errors
    /// As [`Self::name`].
    pub fn file(&self, role: Role) -> Result<PathBuf, MissingFile> {
        Ok(self.path.join(self.name(role)?))
    }

    /// The paths of all files of a role, in the order of the manifest: machines have one firmware or several.
    pub fn files(&self, role: Role) -> impl Iterator<Item = PathBuf> {
        self.manifest.files(role).map(|name| self.path.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;

    #[test]
    fn files_are_found_beside_the_manifest_by_their_role() {
        let folder = Folder::output(&[
            ("b.fd", "firmware", b"b"),
            ("a.raw", "disk", b"disk"),
            ("a.fd", "firmware", b"a"),
        ]);
        let output = OutputFolder::read(folder.root()).unwrap();
        assert_eq!(output.path(), folder.root());
        assert_eq!(output.name(Role::Disk), Ok("a.raw"));
        assert_eq!(output.file(Role::Disk), Ok(folder.path("a.raw")));
        // The first of several, and all in the order of the manifest.
        assert_eq!(output.name(Role::Firmware), Ok("b.fd"));
        let all: Vec<_> = output.files(Role::Firmware).collect();
        assert_eq!(all, [folder.path("b.fd"), folder.path("a.fd")]);
        assert_eq!(output.files(Role::EventLog).count(), 0);
        let missing = MissingFile { folder: folder.root().into(), role: Role::Uki };
        assert_eq!(output.name(Role::Uki), Err(missing.clone()));
        assert_eq!(output.file(Role::Uki), Err(missing.clone()));
        let folder = folder.root().display();
        assert_eq!(
            missing.to_string(),
            format!("the image in `{folder}` has no unified kernel image")
        );
    }

    #[test]
    fn a_folder_without_a_manifest_holds_no_image() {
        let folder = Folder::new();
        let error = OutputFolder::read(folder.root()).unwrap_err();
        let named = folder.root().display().to_string();
        assert!(matches!(&error, ManifestError::NoImage { folder } if *folder == named), "{error}");
    }
}
