//! A folder of its own for the short-lived files of one boot, and the sockets in it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use cvmkit_host::files::{self, FileError, cannot};

use super::error::BootError;

/// Bytes of `sockaddr_un.sun_path` (`linux/un.h`), less the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// A folder of its own for one boot, removed with all it holds.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
}

impl Scratch {
    /// Makes one below `parent`.
    pub(super) fn new(parent: &Path) -> Result<Self, FileError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = std::path::absolute(parent).map_err(cannot("name", parent))?;
        files::make_folder(&parent)?;
        loop {
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = parent.join(format!("cvmkit-boot-{process}-{count}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by a killed boot, or of a process of the same id in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot("create the folder", &path)(error)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let state = self.path.join("tpm");
        for folder in [&state, &self.path] {
            // A file that stays behind is no reason to lose the verdict.
            drop(clear(folder));
            drop(std::fs::remove_dir(folder));
        }
    }
}

/// The path of a socket in the folder.
pub(super) fn socket(folder: &Path, name: &str) -> Result<PathBuf, BootError> {
    let path = folder.join(name);
    match path.as_os_str().as_bytes().len() {
        0..=SOCKET_PATH_MAX => Ok(path),
        _ => Err(BootError::SocketPath { path, max: SOCKET_PATH_MAX }),
    }
}

/// Removes the files in a folder, if it is there.
pub(super) fn clear(folder: &Path) -> Result<(), FileError> {
    if !folder.is_dir() {
        return Ok(());
    }
    for (name, _) in files::list(folder)? {
        files::remove(&folder.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_ones_own_is_gone_with_all_it_holds() {
        let parent = tempfile::tempdir().unwrap();
        let (one, two) =
            (Scratch::new(parent.path()).unwrap(), Scratch::new(parent.path()).unwrap());
        assert_ne!(one.path, two.path);
        files::make_folder(&one.path.join("tpm")).unwrap();
        files::replace(&one.path.join("tpm/state"), b"x").unwrap();
        files::replace(&one.path.join("memory"), b"x").unwrap();
        let path = one.path.clone();
        drop(one);
        assert!(!path.exists() && two.path.exists());
    }

    /// unix(7): a path of `sun_path` ends in a NUL.
    #[test]
    fn a_socket_s_path_has_a_limit() {
        let folder =
            |len: usize| PathBuf::from(format!("/{}", "x".repeat(len - "/".len() - "/s".len())));
        assert!(socket(&folder(SOCKET_PATH_MAX), "s").is_ok());
        let error = socket(&folder(SOCKET_PATH_MAX + 1), "s").unwrap_err();
        assert!(matches!(error, BootError::SocketPath { max: 107, .. }), "{error}");
    }
}
