//! The file of a lock: read in the current format, and asked whether it fits a definition.

use std::path::{Path, PathBuf};

use cvmkit_host::files;
use cvmkit_host::versioned::VersionedError;

use super::accounted::problems;
use super::error::LockError;
use super::records::{
    FORMAT, FORMAT_WITHOUT_DIGEST, FORMAT_WITHOUT_IDS, FORMAT_WITHOUT_SCRIPTS, Lock,
};
use super::role::root_role;
use super::text::Unreadable;
use crate::definition::{Definition, Project};
use crate::packages::{LockedPackage, Wanted};

/// No lock is longer: 100 000 local files have 20 MB.
pub(super) const LOCK_MAX: u64 = 48 << 20;

/// A lock and the file it was read from.
#[derive(Clone, Debug)]
pub struct LockFile {
    /// The file.
    pub path: PathBuf,
    /// Its text, to find lines for messages.
    pub(super) text: String,
    /// What it says.
    pub lock: Lock,
}

impl LockFile {
    /// Reads a lock, without asking whether it fits the definition.
    ///
    /// # Errors
    /// It is missing, or no lock of this format as `cvmkit lock` wrote it.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        Self::read_format(path, FORMAT)
    }

    /// Reads a lock of this format or one before, to make the next of it.
    pub(super) fn read_earlier(path: &Path) -> Result<Self, LockError> {
        let read = Self::read(path);
        let Err(LockError::Versioned(VersionedError::Version { found, .. })) = &read else {
            return read;
        };
        let before = [FORMAT_WITHOUT_DIGEST, FORMAT_WITHOUT_IDS, FORMAT_WITHOUT_SCRIPTS];
        match before.into_iter().find(|format| *found == u64::from(*format)) {
            Some(format) => Self::read_format(path, format),
            None => read,
        }
    }

    fn read_format(path: &Path, format: u32) -> Result<Self, LockError> {
        let bytes = files::read_up_to(path, LOCK_MAX + 1).map_err(|error| {
            if error.is_not_found() {
                LockError::Missing { path: path.to_owned() }
            } else {
                LockError::File(error)
            }
        })?;
        if bytes.len() as u64 > LOCK_MAX {
            return Err(LockError::TooLong { path: path.to_owned(), limit: LOCK_MAX });
        }
        let (text, lock) = String::from_utf8(bytes)
            .map_err(|error| Unreadable::encoding(&error))
            .and_then(|text| Lock::read(&text, format).map(|lock| (text, lock)))
            .map_err(|error| error.in_file(path))?;
        Ok(Self { path: path.to_owned(), text, lock })
    }

    /// Reads the lock of a definition.
    ///
    /// # Errors
    /// As for [`LockFile::read`], and a lock of another definition.
    pub fn open(project: &Project) -> Result<Self, LockError> {
        let file = Self::read(&project.lock_path())?;
        let computed = project.checksum();
        if file.lock.definition != computed {
            return Err(LockError::Stale {
                path: file.path,
                definition: project.path.clone(),
                locked: file.lock.definition,
                computed,
            });
        }
        Ok(file)
    }

    /// Asks whether the lock has the packages that a definition names, and does without those that it drops and
    /// no others.
    ///
    /// # Errors
    /// Names one that it does not have; or all that it drops otherwise.
    pub fn holds(&self, definition: &Definition) -> Result<(), LockError> {
        let path = self.path.clone();
        let role = root_role(definition.variant.as_deref());
        if let Some(package) = self.lock.missing(definition) {
            return Err(LockError::NotHeld { path, package, role });
        }
        let problems = problems(&self.lock, definition);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(LockError::OtherDrops { path, role, problems }),
        }
    }

    /// Reads the lock of a definition that may have changed since in what does not decide about
    /// packages.
    ///
    /// # Errors
    /// As for [`LockFile::open`], if it changed in what does.
    pub fn for_packages(project: &Project) -> Result<Self, LockError> {
        let file = Self::read(&project.lock_path())?;
        if file.lock.package_request == project.package_checksum() {
            return Ok(file);
        }
        Self::open(project)
    }

    /// `image.lock:LINE` of the first line that holds `words`.
    #[must_use]
    pub fn place_of(&self, words: &str) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        match self.text.lines().position(|line| line.contains(words)) {
            Some(at) => format!("{name}:{}", at + 1),
            None => name.into_owned(),
        }
    }

    /// What to fetch for one role, sorted.
    #[must_use]
    pub fn wanted(&self, role: &str) -> Vec<Wanted> {
        self.lock.packages_of(role).map(|package| self.wanted_package(package)).collect()
    }

    /// What to fetch for one package of the lock.
    #[must_use]
    pub fn wanted_package(&self, package: &LockedPackage) -> Wanted {
        Wanted {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            archive: package.archive.clone(),
            path: package.path.clone(),
            size: package.size,
            sha256: package.sha256,
            locked_at: self.place_of(&package.sha256.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
