//! QEMU's monitor, of which two commands are used: `stop`, and `pmemsave`, which copies the memory
//! of the guest into a file. Nothing in the guest takes part, or notices.
//!
//! Source: "QEMU QMP Reference Manual"; the protocol is lines of JSON (`docs/interop/qmp-spec.rst`).

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cvmkit_host::files;
use serde_json::{Value, json};

use super::error::BootError;
use super::process::Guarded;
use super::qemu::option;
use super::scratch;

/// How long a command may take: the longest copies 32 MiB.
const PATIENCE: Duration = Duration::from_secs(120);

/// No answer to the commands used here is longer.
const LINE_MAX: u64 = 1 << 20;

/// Where the monitor of a machine will be.
#[derive(Debug)]
pub(super) struct Monitor {
    socket: PathBuf,
    /// Where memory is copied to. JSON has no other file names.
    copy: String,
}

/// A monitor that takes commands.
pub(super) struct Connection<'a> {
    stream: BufReader<UnixStream>,
    copy: &'a str,
}

impl Monitor {
    /// Chooses the place.
    pub(super) fn prepare(scratch: &Path) -> Result<Self, BootError> {
        let socket = scratch::socket(scratch, "qmp.sock")?;
        files::remove(&socket)?;
        let copy = scratch.join("memory").into_os_string().into_string();
        let copy = copy.map_err(|path| problem(format!("{path:?} is not UTF-8")))?;
        Ok(Self { socket, copy })
    }

    /// Arguments for QEMU.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        vec![
            "-chardev".into(),
            option("socket,id=monitor,path=", &self.socket, ",server=on,wait=off"),
            "-mon".into(),
            "chardev=monitor,mode=control".into(),
        ]
    }

    /// Connects, and stops the guest.
    pub(super) fn connect(&self, qemu: &mut Guarded) -> Result<Connection<'_>, BootError> {
        let refused = |error: std::io::Error| match qemu.ended() {
            Some(status) => problem(format!("QEMU has ended ({status})")),
            None => problem(error.to_string()),
        };
        let stream = UnixStream::connect(&self.socket).map_err(refused)?;
        let limits = stream.set_read_timeout(Some(PATIENCE));
        limits.and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(broken)?;
        let mut connection = Connection { stream: BufReader::new(stream), copy: &self.copy };
        connection.line()?; // its greeting
        connection.ask(&json!({ "execute": "qmp_capabilities" }))?;
        connection.ask(&json!({ "execute": "stop" }))?;
        Ok(connection)
    }
}

impl Connection<'_> {
    /// Reads physical memory of the guest.
    pub(super) fn memory(&mut self, address: u64, len: usize) -> Result<Vec<u8>, BootError> {
        let arguments = json!({ "val": address, "size": len, "filename": self.copy });
        self.ask(&json!({ "execute": "pmemsave", "arguments": arguments }))?;
        let bytes = files::read(Path::new(self.copy))?;
        files::remove(Path::new(self.copy))?;
        match bytes.len() {
            found if found == len => Ok(bytes),
            found => Err(problem(format!("`pmemsave` copied {found} of {len} bytes"))),
        }
    }

    /// One command, to its answer; what is told unasked is passed over.
    fn ask(&mut self, command: &Value) -> Result<(), BootError> {
        let line = format!("{command}\n");
        self.stream.get_mut().write_all(line.as_bytes()).map_err(broken)?;
        loop {
            let answer = self.line()?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                return Err(problem(format!("{command}: {error}")));
            }
        }
    }

    fn line(&mut self) -> Result<Value, BootError> {
        use std::io::Read as _;
        let mut line = String::new();
        self.stream.by_ref().take(LINE_MAX).read_line(&mut line).map_err(broken)?;
        serde_json::from_str(&line).map_err(|error| problem(format!("{error} in {line:?}")))
    }
}

fn problem(problem: String) -> BootError {
    BootError::Monitor { problem }
}

fn broken(error: std::io::Error) -> BootError {
    problem(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection to a QEMU that says these lines, and what it was told.
    fn told(
        answers: &str,
        asked: impl Fn(&mut Connection<'_>) -> Result<(), BootError>,
    ) -> (Result<(), BootError>, String) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let answers = answers.to_owned();
        // More than the socket holds is written while it is read.
        let qemu = std::thread::spawn(move || {
            drop(theirs.write_all(answers.as_bytes()));
            drop(theirs.shutdown(std::net::Shutdown::Write));
            let mut text = String::new();
            drop(std::io::Read::read_to_string(&mut theirs, &mut text));
            text
        });
        let mut connection = Connection { stream: BufReader::new(ours), copy: "" };
        let result = asked(&mut connection);
        drop(connection);
        let text = qemu.join().unwrap();
        (result, text)
    }

    /// QMP tells events between a command and its answer (qmp-spec.rst, "Asynchronous events").
    #[test]
    fn an_answer_is_found_behind_events() {
        let answers = "{\"event\": \"STOP\"}\n{\"return\": {}}\n";
        let (result, said) = told(answers, |it| it.ask(&json!({ "execute": "stop" })));
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(said, "{\"execute\":\"stop\"}\n");
    }

    #[test]
    fn a_refusal_and_what_is_no_answer_are_errors() {
        let long = "x".repeat(2 * usize::try_from(LINE_MAX).unwrap());
        for (answers, words) in [
            ("{\"error\": {\"desc\": \"no\"}}\n", "\"desc\":\"no\""),
            ("", "EOF"),
            ("{\"return\"", "EOF"),
            ("not JSON\n", "not JSON"),
            (long.as_str(), "expected value"),
        ] {
            let (result, _) = told(answers, |it| it.ask(&json!({})));
            let error = result.unwrap_err().to_string();
            assert!(error.contains(words), "{error:.200}");
        }
    }
}
