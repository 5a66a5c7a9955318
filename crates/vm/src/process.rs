//! Children of this process: found on the caller's list of folders, ended by their own id, and gone
//! when this process goes.
//!
//! A child is killed and reaped when its guard is dropped. When this process itself is killed no
//! drop runs; `setpriv --pdeathsig` (util-linux) makes the kernel end the child then. Without
//! `setpriv` on the list that last protection is absent.

#![expect(clippy::disallowed_types, reason = "boot is the one place that starts a process (I3)")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use super::error::BootError;

/// How much of a child's standard error is kept, in bytes.
const STDERR_MAX: u64 = 64 * 1024;

/// The first file of this name in the folders, in their order.
pub(super) fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A command that the kernel kills when the calling thread ends.
pub(super) fn bound(program: &Path, folders: &[PathBuf]) -> Command {
    match find("setpriv", folders) {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// What a program prints for `--version`.
pub(super) fn version(program: &Path) -> Result<String, BootError> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BootError::Start { program: program.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A running child; dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Guarded {
    child: Child,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Guarded {
    /// Starts the command with no input, its standard output readable and its standard error kept.
    pub(super) fn start(command: &mut Command, program: &Path) -> Result<Self, BootError> {
        Self::with_standard_error(command.stdin(Stdio::null()).stdout(Stdio::piped()), program)
    }

    /// Starts the command with the input and output it has, and lets go of this process's side of
    /// them; its standard error is kept.
    pub(super) fn spawn(mut command: Command, program: &Path) -> Result<Self, BootError> {
        Self::with_standard_error(&mut command, program)
    }

    fn with_standard_error(command: &mut Command, program: &Path) -> Result<Self, BootError> {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| BootError::Start { program: program.to_owned(), source })?;
        let stderr = child.stderr.take().map(|pipe| std::thread::spawn(move || keep(pipe)));
        Ok(Self { child, stderr })
    }

    /// The child's standard output; the first call has it.
    pub(super) fn stdout(&mut self) -> Option<impl Read + Send + 'static> {
        self.child.stdout.take()
    }

    /// The exit status, if the child has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for a child that closed its output.
    pub(super) fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Ends the child and returns what it wrote to standard error.
    pub(super) fn end(mut self) -> String {
        self.kill();
        let bytes = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    fn kill(&mut self) {
        // Both fail only for a child that has been reaped, which is what they are for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first [`STDERR_MAX`] bytes of a pipe, which is read to its end so that its writer never
/// blocks.
fn keep(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A pipe that breaks has said all it will say.
    drop(pipe.by_ref().take(STDERR_MAX).read_to_end(&mut bytes));
    drop(std::io::copy(&mut pipe, &mut std::io::sink()));
    bytes
}

#[cfg(test)]
impl Guarded {
    /// A child that does nothing until it is ended.
    pub(super) fn idle() -> Self {
        let mut command = Command::new("/bin/sleep");
        Self::start(command.arg("600"), Path::new("/bin/sleep")).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Guarded {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Guarded::start(&mut command, Path::new("/bin/sh")).unwrap()
    }

    #[test]
    fn the_first_folder_that_has_a_program_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for (folder, name) in [(&one, "a"), (&two, "a"), (&two, "b")] {
            cvmkit_host::files::make_folder(folder).unwrap();
            cvmkit_host::files::replace(&folder.join(name), b"").unwrap();
        }
        cvmkit_host::files::make_folder(&one.join("b")).unwrap();
        let folders = [one.clone(), two.clone()];
        assert_eq!(find("a", &folders), Some(one.join("a")));
        // A folder of that name is no program.
        assert_eq!(find("b", &folders), Some(two.join("b")));
        assert_eq!(find("c", &folders), None);
    }

    #[test]
    fn the_end_of_a_child_says_what_it_complained_about() {
        let mut child = shell("echo out; echo complaint >&2");
        let mut out = String::new();
        child.stdout().unwrap().read_to_string(&mut out).unwrap();
        assert!(child.stdout().is_none());
        assert!(child.wait().unwrap().success());
        assert_eq!((out.as_str(), child.end().as_str()), ("out\n", "complaint"));
    }

    /// A child that complains without end must neither block nor fill the memory.
    #[test]
    fn of_standard_error_only_the_start_is_kept() {
        let mut child = shell("head -c 1000000 /dev/zero | tr '\\0' x >&2");
        assert!(child.wait().unwrap().success());
        assert_eq!(child.end().len() as u64, STDERR_MAX);
    }

    #[test]
    fn a_child_is_gone_with_its_guard() {
        let mut child = shell("exec sleep 600");
        assert!(child.ended().is_none());
        let id = child.child.id();
        drop(child);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_program_that_does_not_start_is_named() {
        let error = version(Path::new("/no/such/program")).unwrap_err().to_string();
        assert_eq!(error, "cannot start `/no/such/program`");
    }
}
