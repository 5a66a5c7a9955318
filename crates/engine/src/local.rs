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
    /// Its last part names nothing, so that a link before it would be followed.
    #[error(
        "the local file `{path}` ends in `/`, `.` or `..`, expected the name of a file or folder"
    )]
    NoName {
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
            Self::NoName { path } => {
                Some(format!("name what is meant, without what stands behind: not `{path}`"))
            }
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
    /// It is absolute, ends in no name, or leads out of the folders it may be in.
    pub fn locate(&self, path: &str) -> Result<PathBuf, LocalError> {
        let own = path.to_owned();
        if Path::new(path).is_absolute() {
            return Err(LocalError::Absolute { path: own });
        }
        // `Path` passes over a final `/` and `/.`, and the system follows a link before them.
        if ["", ".", ".."].contains(&path.rsplit('/').next().unwrap_or_default()) {
            return Err(LocalError::NoName { path: own });
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

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the test makes real folders and links")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::definition::Project;

    /// `base/own` is the definition's folder; `base/shared` and `base/more` may be allowed beside it.
    struct Place {
        _base: tempfile::TempDir,
        own: PathBuf,
    }

    impl Place {
        fn new() -> Self {
            let base = tempfile::tempdir().unwrap();
            for folder in ["own/sub", "shared/deep", "more", "owner"] {
                fs::create_dir_all(base.path().join(folder)).unwrap();
            }
            for file in ["own/file", "own/sub/file", "shared/file", "shared/deep/file", "more/file"]
            {
                fs::write(base.path().join(file), file).unwrap();
            }
            let own = base.path().join("own");
            symlink("file", own.join("link")).unwrap();
            symlink("sub", own.join("inner")).unwrap();
            symlink("../shared", own.join("out")).unwrap();
            symlink("../shared/file", own.join("leads-out")).unwrap();
            Self { _base: base, own }
        }

        fn allowing(&self, outside: &[&str]) -> Result<LocalFolder, LocalError> {
            let text = format!(
                "id = \"x\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\
                 seed = \"545dd802-c436-485d-9020-bca0403a1c61\"\noutside-folders = {outside:?}\n\
                 [[sources]]\nsuites = [\"trixie\"]\n"
            );
            fs::write(self.own.join("image.toml"), text).unwrap();
            let definition = Project::open(&self.own).unwrap().definition(None).unwrap();
            LocalFolder::of(&definition, &self.own)
        }
    }

    #[test]
    fn a_path_stays_below_the_folders_that_the_definition_names() {
        let place = Place::new();
        let strict = place.allowing(&[]).unwrap();
        let open = place.allowing(&["../shared"]).unwrap();
        for (path, strictly, openly) in [
            ("file", true, true),
            ("sub/file", true, true),
            ("sub/../file", true, true),
            ("./file", true, true),
            ("not-there", true, true),
            ("sub/not-there", true, true),
            ("inner/file", true, true),
            // The last name is not followed: whether it may be a link is up to the caller.
            ("leads-out", true, true),
            ("../shared/file", false, true),
            ("../shared/deep/file", false, true),
            ("out/file", false, true),
            ("../more/file", false, false),
            ("../owner/file", false, false),
            ("../owner", false, false),
            ("../../x", false, false),
            ("out/../more/file", false, false),
        ] {
            for (local, allowed) in [(&strict, strictly), (&open, openly)] {
                match local.locate(path) {
                    Ok(found) => {
                        assert!(allowed, "{path}");
                        assert_eq!(found, place.own.join(path));
                    }
                    Err(LocalError::Outside { path: named, folder, found }) => {
                        assert!(!allowed, "{path}");
                        let real = place.own.canonicalize().unwrap();
                        assert_eq!((named.as_str(), &folder), (path, &real));
                        assert!(!found.starts_with(&real), "{}", found.display());
                    }
                    Err(error) => panic!("{path}: {error}"),
                }
            }
        }
    }

    /// `out/` and `out/.` are what the link leads to, and were taken for the link.
    #[test]
    fn a_path_ends_in_a_name() {
        let place = Place::new();
        for local in [place.allowing(&[]).unwrap(), place.allowing(&["../shared"]).unwrap()] {
            for path in [
                "",
                ".",
                "..",
                "out/",
                "out//",
                "out/.",
                "out/./",
                "out/..",
                "sub/",
                "sub/.",
                "sub/..",
                "../shared/",
                "link/",
                "file/",
            ] {
                let error = local.locate(path).unwrap_err();
                assert!(matches!(&error, LocalError::NoName { path: named } if named == path));
                assert_eq!(error.fault(), Fault::Definition);
                assert!(error.hint().unwrap().contains(&format!("not `{path}`")));
                let read = local.read(path, 100).unwrap_err();
                assert!(matches!(read, LocalError::NoName { .. }), "{read}");
            }
        }
    }

    #[test]
    fn an_absolute_path_is_refused_wherever_it_leads() {
        let place = Place::new();
        let local = place.allowing(&["../shared"]).unwrap();
        let own = place.own.join("file").to_str().unwrap().to_owned();
        for path in [own.as_str(), "/", "//x"] {
            let error = local.locate(path).unwrap_err();
            assert!(matches!(&error, LocalError::Absolute { path: named } if named == path));
            assert_eq!((error.fault(), error.hint()), (Fault::Definition, None));
        }
    }

    #[test]
    fn the_hint_for_a_path_outside_names_its_folder() {
        let place = Place::new();
        let local = place.allowing(&[]).unwrap();
        for (path, folder) in [
            ("../shared/file", "../shared"),
            ("../shared/deep/file", "../shared/deep"),
            ("../x", ".."),
        ] {
            let error = local.locate(path).unwrap_err();
            let hint = error.hint().unwrap();
            assert!(hint.contains(&format!("`outside-folders = [\"{folder}\"]`")), "{hint}");
            assert_eq!(error.fault(), Fault::Definition);
        }
    }

    #[test]
    fn folders_outside_are_counted_in_the_order_of_the_definition() {
        let place = Place::new();
        let local = place.allowing(&["../shared/deep", "../more", "../shared"]).unwrap();
        for (path, at) in [
            ("file", None),
            ("sub/file", None),
            ("../shared/deep/file", Some(0)),
            ("../more/file", Some(1)),
            ("../shared/file", Some(2)),
            ("out/file", Some(2)),
            ("../owner/x", None),
        ] {
            assert_eq!(local.outside_folder_of(path).unwrap(), at, "{path}");
        }
        assert!(matches!(local.outside_folder_of("gone/x"), Err(LocalError::File(_))));
    }

    #[test]
    fn a_folder_that_is_not_there_is_the_fault_of_the_host() {
        let place = Place::new();
        let error = place.allowing(&["../gone"]).unwrap_err();
        let LocalError::File(inner) = &error else { panic!("{error}") };
        assert!(inner.is_not_found(), "{inner}");
        assert!(error.to_string().contains("own/../gone"), "{error}");
        assert_eq!((error.fault(), error.hint()), (inner.fault(), inner.hint()));
        let missing = place.allowing(&[]).unwrap().locate("gone/file").unwrap_err();
        assert!(matches!(missing, LocalError::File(_)), "{missing}");
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_no_further() {
        let place = Place::new();
        let local = place.allowing(&["../shared"]).unwrap();
        assert_eq!(local.read("file", 8).unwrap(), b"own/file");
        assert_eq!(local.read("file", u64::MAX).unwrap(), b"own/file");
        assert_eq!(local.read("out/file", 100).unwrap(), b"shared/file");
        for limit in [0, 7] {
            let error = local.read("file", limit).unwrap_err();
            let LocalError::TooLong { path, limit: most, len } = &error else { panic!("{error}") };
            assert_eq!((path.as_str(), *most, *len), ("file", limit, 8));
        }
        for path in ["link", "leads-out", "sub", "inner"] {
            let error = local.read(path, 100).unwrap_err();
            assert!(matches!(&error, LocalError::NotRegular { path: named } if named == path));
        }
        assert!(matches!(local.read("not-there", 9), Err(LocalError::File(_))));
        assert!(matches!(local.read("../more/file", 9), Err(LocalError::Outside { .. })));
        assert!(matches!(local.read("/etc/hostname", 9), Err(LocalError::Absolute { .. })));
    }
}
