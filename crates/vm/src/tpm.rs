//! A software TPM 2.0 for one boot: `swtpm` with fresh state, at QEMU's other end of a socket.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cvmkit_host::files;

use super::error::BootError;
use super::process::{self, Guarded};
use super::qemu::option;
use super::scratch;

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
        let (state, socket) = (scratch.join("tpm"), scratch::socket(scratch, "tpm.sock")?);
        scratch::clear(&state)?;
        files::remove(&socket)?;
        files::make_folder(&state)?;
        let mut command = process::bound(&program, folders);
        command.args(swtpm_arguments(&state, &socket));
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
        qemu_arguments(&self.socket)
    }
}

/// Arguments for `swtpm`, with its state in a folder.
pub(super) fn swtpm_arguments(state: &Path, socket: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["socket", "--tpm2", "--terminate", "--tpmstate"].map(OsString::from).into();
    arguments.extend([option("dir=", state, ""), "--ctrl".into()]);
    arguments.push(option("type=unixio,path=", socket, ""));
    arguments
}

/// Arguments for QEMU, for the TPM at that socket.
pub(super) fn qemu_arguments(socket: &Path) -> Vec<OsString> {
    vec![
        "-chardev".into(),
        option("socket,id=tpm,path=", socket, ""),
        "-tpmdev".into(),
        "emulator,id=tpm0,chardev=tpm".into(),
        "-device".into(),
        "tpm-crb,tpmdev=tpm0".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both take a comma for the end of a value; swtpm ends with its connection.
    #[test]
    fn both_ends_name_the_same_socket() {
        let socket = Path::new("/a,b/tpm.sock");
        let swtpm = swtpm_arguments(Path::new("/a,b/tpm"), socket);
        assert_eq!(swtpm[..3], ["socket", "--tpm2", "--terminate"]);
        assert_eq!(swtpm[3..5], ["--tpmstate", "dir=/a,,b/tpm"]);
        assert_eq!(swtpm[5..], ["--ctrl", "type=unixio,path=/a,,b/tpm.sock"]);
        let qemu = qemu_arguments(socket);
        assert_eq!(qemu[..2], ["-chardev", "socket,id=tpm,path=/a,,b/tpm.sock"]);
        assert_eq!(qemu[2..4], ["-tpmdev", "emulator,id=tpm0,chardev=tpm"]);
        assert_eq!(qemu[4..], ["-device", "tpm-crb,tpmdev=tpm0"]);
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = Tpm::start(Path::new("/none"), &[]).unwrap_err();
        assert!(matches!(error, BootError::MissingTool { package: "swtpm", .. }), "{error}");
    }
}
