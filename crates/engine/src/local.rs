//! Where local files of a definition may be: below its folder, links followed, or below a folder that
//! it names outside.
//!
//! The contract: a path that leads elsewhere, in words or by a link on the way, is an error before
//! anything is read. A definition comes from others, and what it names goes into an image that is
//! published. The last name of a path is not followed; whether it may be a link is up to the caller.

use std::path::{Path, PathBuf};

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError, cannot};
use thiserror::Error;

use crate::definition::Definition;

/// Why a local file can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocalError {
    /// An absolute path.
    #[error("the local file `{path}` is absolute, expected a path relative to the definition")]
    Absolute {
        /// As the definition gives it.
        path: String,
    },
    /// It leads out of every folder that it may be in.
    #[error(
        "the local file `{path}` is outside of the definition's folder\n    expected: below {}\n    \
         found:    {}",
        .folder.display(),
        .found.display()
    )]
    Outside {
        /// As the definition gives it.
        path: String,
        /// The definition's folder.
        folder: PathBuf,
        /// Where it is.
        found: PathBuf,
    },
    /// It is not a regular file.
    #[error("the local file `{path}` is not a regular file; name the file itself")]
    NotRegular {
        /// As the definition gives it.
        path: String,
    },
    /// It is longer than any of its kind.
    #[error(
        "the local file `{path}` is too long\n    expected: at most {limit} bytes\n    found:    {len}"
    )]
    TooLong {
        /// As the definition gives it.
        path: String,
        /// The most there may be.
        limit: u64,
        /// How many there are.
        len: u64,
    },
    /// The host's files.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnosis for LocalError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Outside { path, .. } => {
                let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
                Some(format!(
                    "move it there, or allow its folder explicitly: `outside-folders = \
                     [\"{folder}\"]` at the top of the definition"
                ))
            }
            _ => None,
        }
    }
}

/// The folders that the local files of a definition may be in.
#[derive(Clone, Debug)]
pub struct LocalFolder {
    /// What paths are relative to.
    folder: PathBuf,
    /// The definition's folder first, without links on the way to each.
    allowed: Vec<PathBuf>,
}

impl LocalFolder {
    /// The folder of a definition, and those that it names outside.
    ///
    /// # Errors
    /// Names the folder that is not there.
    pub fn of(definition: &Definition, folder: &Path) -> Result<Self, LocalError> {
        let outside = definition.outside_folders.iter().map(|outside| folder.join(outside));
        let allowed = std::iter::once(folder.to_owned()).chain(outside).map(|path| real(&path));
        Ok(Self { folder: folder.to_owned(), allowed: allowed.collect::<Result<_, _>>()? })
    }

    /// Where a local file is. It need not be there.
    ///
    /// # Errors
    /// It is absolute, or leads out of the folders it may be in.
    pub fn locate(&self, path: &str) -> Result<PathBuf, LocalError> {
        let own = path.to_owned();
        if Path::new(path).is_absolute() {
            return Err(LocalError::Absolute { path: own });
        }
        let named = self.folder.join(path);
        let found = found(&named)?;
        if self.allowed.iter().any(|allowed| found.starts_with(allowed)) {
            return Ok(named);
        }
        let folder = self.allowed.first().cloned().unwrap_or_default();
        Err(LocalError::Outside { path: own, folder, found })
    }

    /// Which of the folders outside a local file is in, counted in the definition's order; none for
    /// one below the definition's own.
    ///
    /// # Errors
    /// Its folder is not there.
    pub(crate) fn outside_folder_of(&self, path: &str) -> Result<Option<usize>, LocalError> {
        let found = found(&self.folder.join(path))?;
        let within = self.allowed.iter().position(|allowed| found.starts_with(allowed));
        Ok(within.and_then(|at| at.checked_sub(1)))
    }

    /// The bytes of a local file, which is not a link.
    ///
    /// # Errors
    /// Where it is, what it is, or that it is longer than `limit`.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, LocalError> {
        let named = self.locate(path)?;
        let metadata = named.symlink_metadata().map_err(cannot("read", &named))?;
        if !metadata.is_file() {
            return Err(LocalError::NotRegular { path: path.to_owned() });
        }
        let bytes = files::read_up_to(&named, limit.saturating_add(1))?;
        if bytes.len() as u64 > limit {
            let (path, len) = (path.to_owned(), metadata.len());
            return Err(LocalError::TooLong { path, limit, len });
        }
        Ok(bytes)
    }
}

/// Where a path leads; its last name is not followed.
fn found(named: &Path) -> Result<PathBuf, FileError> {
    match named.file_name() {
        Some(name) => Ok(real(files::parent(named))?.join(name)),
        // It ends in `..`.
        None => real(named),
    }
}

fn real(path: &Path) -> Result<PathBuf, FileError> {
    path.canonicalize().map_err(cannot("find", path))
}
