//! The environment and the clock of the process: the one place that reads them (I3).

#![expect(
    clippy::disallowed_methods,
    reason = "this module is the one home of the environment and the clock"
)]

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cvmkit_engine::mirrors::{self, Mirrors};
use cvmkit_engine::store::SealKey;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::{self, FileError, cannot};
use cvmkit_host::timestamp::Timestamp;
use thiserror::Error;

/// No folder for the store follows from the environment.
#[derive(Debug, Error)]
#[error("no folder for the store: CVMKIT_STORE, XDG_CACHE_HOME and HOME are unset")]
pub(crate) struct NoStore;

impl Diagnosis for NoStore {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        Some("set CVMKIT_STORE to a folder".into())
    }
}

/// A variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// True when colours are unwanted (no-color.org).
pub(crate) fn no_color() -> bool {
    variable("NO_COLOR").is_some()
}

/// Where the store is: `CVMKIT_STORE`, or `cvmkit` in the user's cache folder.
pub(crate) fn store() -> Result<PathBuf, NoStore> {
    variable("CVMKIT_STORE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("cvmkit")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/cvmkit")))
        .ok_or(NoStore)
}

/// The key that seals what the store keeps: `cvmkit/seal.key` in the user's state folder
/// (`XDG_STATE_HOME`, or `.local/state` at home), created when missing. A user who cannot write
/// there has no key; decoded data is then not kept.
pub(crate) fn seal_key() -> Result<Option<SealKey>, FileError> {
    let folder = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    let Some(folder) = folder.map(|folder| folder.join("cvmkit")) else { return Ok(None) };
    let mut fresh = [0; 32];
    for half in fresh.chunks_exact_mut(16) {
        half.copy_from_slice(&random()?);
    }
    let key = files::make_folder(&folder)
        .and_then(|()| SealKey::of_file(&folder.join("seal.key"), fresh));
    match key {
        Err(error) if error.is_denied() => Ok(None),
        key => key.map(Some),
    }
}

/// The mirrors in the order they are tried: `CVMKIT_MIRROR` (addresses separated by spaces), the
/// definition's, `mirrors` in the user's `cvmkit/config.toml`, and those of the host's apt, unless
/// `host-mirrors = false` there.
pub(crate) fn mirrors(of_definition: &[String]) -> Result<Mirrors, FileError> {
    let named = variable("CVMKIT_MIRROR").map(|value| value.to_string_lossy().into_owned());
    let named = named.unwrap_or_default();
    let config = variable("XDG_CONFIG_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("cvmkit/config.toml"));
    let user = config.map(|path| mirrors::configured_by_user(&path)).transpose()?;
    let user = user.unwrap_or_default();
    let apt = match user.host_mirrors {
        Some(false) => Vec::new(),
        None | Some(true) => mirrors::configured_in_apt(Path::new("/etc/apt"))?,
    };
    Ok(Mirrors::new(named.split_whitespace().map(str::to_owned))
        .then(of_definition.iter().cloned())
        .then(user.mirrors)
        .then(apt))
}

/// The folder for short-lived files: `TMPDIR`, or `/tmp`.
pub(crate) fn scratch() -> PathBuf {
    env::temp_dir()
}

/// The file of this program; none without `/proc`.
pub(crate) fn program() -> Option<PathBuf> {
    env::current_exe().ok()
}

/// The folders of `PATH`, in order.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// 16 random bytes of the kernel: for the seed of a new definition or a seal key, never for an output (I1).
pub(crate) fn random() -> Result<[u8; 16], FileError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    files::open_stream(path)?.read_exact(&mut bytes).map_err(cannot("read", path))?;
    Ok(bytes)
}

/// The time of the system clock, in whole seconds.
pub(crate) fn now() -> Timestamp {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp(seconds(since)),
        // A clock before 1970 is taken as it is: every signature then lies in its future.
        Err(before) => Timestamp(-seconds(before.duration())),
    }
}
