//! A software TPM 2.0 for one boot: `swtpm` with fresh state, at QEMU's other end of a socket.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::BootError;
use super::process::{self, Guarded};
use super::qemu::option;
use crate::files::{self, FileError};

/// Bytes of `sockaddr_un.sun_path` (`linux/un.h`), less the final NUL.
const SOCKET_PATH_MAX: usize = 107;

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A running `swtpm`. It ends with its connection, and is killed when dropped: it would outlive a
/// machine that never connected.
#[derive(Debug)]
pub(super) struct Tpm {
    socket: PathBuf,
    _child: Guarded,
}

impl Tpm {
    /// Starts `swtpm` from the folders, with its state in `scratch`.
    pub(super) fn start(scratch: &Path, folders: &[PathBuf]) -> Result<Self, BootError> {
        let program = process::find("swtpm", folders)
            .ok_or(BootError::MissingTool { what: "swtpm".into(), package: "swtpm" })?;
        let (state, socket) = (scratch.join("tpm"), scratch.join("tpm.sock"));
        if socket.as_os_str().as_bytes().len() > SOCKET_PATH_MAX {
            return Err(BootError::SocketPath { path: socket, max: SOCKET_PATH_MAX });
        }
        clear(&state)?;
        files::remove(&socket)?;
        files::make_folder(&state)?;
        let mut command = process::bound(&program, folders);
        command
            .args(["socket", "--tpm2", "--terminate", "--tpmstate"])
            .arg(option("dir=", &state, ""))
            .arg("--ctrl")
            .arg(option("type=unixio,path=", &socket, ""));
        let mut child = Guarded::start(&mut command, &program)?;
        let started = Instant::now();
        while !socket.exists() {
            if child.ended().is_some() || started.elapsed() > PATIENCE {
                return Err(BootError::Tpm { stderr: child.end() });
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Self { socket, _child: child })
    }

    /// Arguments for QEMU.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        vec![
            "-chardev".into(),
            option("socket,id=tpm,path=", &self.socket, ""),
            "-tpmdev".into(),
            "emulator,id=tpm0,chardev=tpm".into(),
            "-device".into(),
            "tpm-crb,tpmdev=tpm0".into(),
        ]
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
