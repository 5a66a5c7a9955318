//! QEMU's test protocol: lines over a socket by which a stopped machine's ports and memory are read
//! and written.
//!
//! Every answer has to come before the deadline of the whole conversation; QEMU is gone when its
//! end of it is. Source: `system/qtest.c` of QEMU, comment "QTest Protocol".

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use super::super::process::{self, Guarded};
use super::error::AcpiError;

/// No file of tables is longer, in bytes.
pub(super) const FILE_MAX: usize = 8 << 20;

/// No answer is longer: the largest file twice, as it comes in hexadecimal digits, and some words.
const LINE_MAX: usize = 2 * FILE_MAX + 64;

/// A stopped machine.
#[derive(Debug)]
pub(super) struct Qtest {
    stream: UnixStream,
    /// What was read behind the last line.
    rest: Vec<u8>,
    qemu: Guarded,
    deadline: Instant,
}

impl Qtest {
    /// Starts QEMU with these arguments, which must not take its standard input and output.
    pub(super) fn start(
        qemu: &Path,
        folders: &[PathBuf],
        arguments: &[std::ffi::OsString],
        deadline: Instant,
    ) -> Result<Self, AcpiError> {
        let (stream, theirs) = UnixStream::pair().map_err(AcpiError::Socket)?;
        let output = theirs.try_clone().map_err(AcpiError::Socket)?;
        let mut command = process::bound(qemu, folders);
        command.args(arguments).args(["-qtest", "stdio", "-qtest-log", "none"]);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::from(OwnedFd::from(output)));
        // The command goes here, and with it this process's copies of QEMU's end: should QEMU end,
        // reading says so.
        let qemu = Guarded::spawn(command, qemu)?;
        Ok(Self { stream, rest: Vec::new(), qemu, deadline })
    }

    /// Reads a 32-bit port.
    pub(super) fn inl(&mut self, port: u16) -> Result<u32, AcpiError> {
        let command = format!("inl {port:#x}");
        let answer = self.ask(&command)?;
        let digits = answer.strip_prefix("0x").unwrap_or(&answer);
        u32::from_str_radix(digits, 16).map_err(|_| unexpected(&command, &answer))
    }

    /// Writes a 32-bit port.
    pub(super) fn outl(&mut self, port: u16, value: u32) -> Result<(), AcpiError> {
        self.ask(&format!("outl {port:#x} {value:#x}")).map(drop)
    }

    /// Reads guest memory.
    pub(super) fn read(&mut self, gpa: u64, len: usize) -> Result<Vec<u8>, AcpiError> {
        let command = format!("read {gpa:#x} {len:#x}");
        let answer = self.ask(&command)?;
        let bytes = answer.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
        let bytes = bytes.filter(|bytes| bytes.len() == len);
        bytes.ok_or_else(|| unexpected(&command, &answer))
    }

    /// Writes guest memory.
    pub(super) fn write(&mut self, gpa: u64, bytes: &[u8]) -> Result<(), AcpiError> {
        let (len, digits) = (bytes.len(), hex::encode(bytes));
        self.ask(&format!("write {gpa:#x} {len:#x} 0x{digits}")).map(drop)
    }

    /// Ends QEMU; what it complained about.
    pub(super) fn end(self) -> String {
        self.qemu.end()
    }

    /// One command, and what is behind `OK`.
    fn ask(&mut self, command: &str) -> Result<String, AcpiError> {
        let line = format!("{command}\n");
        self.stream.write_all(line.as_bytes()).map_err(|_| AcpiError::Gone)?;
        loop {
            let line = self.line()?;
            // Interrupts are told unasked.
            if line.starts_with("IRQ ") {
                continue;
            }
            let answer = line.strip_prefix("OK").ok_or_else(|| unexpected(command, &line))?;
            return Ok(answer.trim().to_owned());
        }
    }

    fn line(&mut self) -> Result<String, AcpiError> {
        let mut searched = 0;
        loop {
            let behind = self.rest.get(searched..).unwrap_or_default();
            if let Some(at) = behind.iter().position(|&byte| byte == b'\n') {
                let behind = self.rest.split_off(searched + at + 1);
                let line = std::mem::replace(&mut self.rest, behind);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            searched = self.rest.len();
            if searched > LINE_MAX {
                return Err(unexpected("an answer", "more bytes than asked for"));
            }
            self.fill()?;
        }
    }

    /// Reads some more bytes, in time.
    fn fill(&mut self) -> Result<(), AcpiError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(AcpiError::TimedOut);
        }
        self.stream.set_read_timeout(Some(left)).map_err(AcpiError::Socket)?;
        let mut buf = [0; 1 << 16];
        match self.stream.read(&mut buf) {
            Ok(0) => Err(AcpiError::Gone),
            Ok(n) => {
                self.rest.extend_from_slice(buf.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(AcpiError::TimedOut)
            }
            Err(_) => Err(AcpiError::Gone),
        }
    }
}

fn unexpected(command: &str, answer: &str) -> AcpiError {
    const SHOWN: usize = 80;
    let answer = answer.chars().take(SHOWN).collect();
    AcpiError::Protocol { command: command.to_owned(), answer }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::time::Duration;

    use super::*;

    impl Qtest {
        /// A machine that answers each command so.
        pub(in super::super) fn of(
            mut answer: impl FnMut(&str) -> String + Send + 'static,
        ) -> Self {
            let (stream, theirs) = UnixStream::pair().unwrap();
            std::thread::spawn(move || {
                let mut commands = BufReader::new(theirs.try_clone().unwrap());
                let (mut theirs, mut line) = (theirs, String::new());
                while commands.read_line(&mut line).is_ok_and(|len| len > 0) {
                    let said = answer(line.trim_end());
                    if said.is_empty() || writeln!(theirs, "{said}").is_err() {
                        return;
                    }
                    line.clear();
                }
            });
            let deadline = Instant::now() + Duration::from_secs(10);
            Self { stream, rest: Vec::new(), qemu: Guarded::idle(), deadline }
        }
    }

    /// A machine that says this whatever it is asked; nothing ends it.
    fn saying(answer: &str) -> Qtest {
        let answer = answer.to_owned();
        Qtest::of(move |_| answer.clone())
    }

    /// `system/qtest.c`, "QTest Protocol".
    #[test]
    fn commands_are_lines_and_answers_are_numbers() {
        let (send, said) = std::sync::mpsc::channel();
        let mut answers = ["OK 0x1f", "OK", "OK", "OK 0x00ff10"].into_iter();
        let mut machine = Qtest::of(move |command| {
            send.send(command.to_owned()).unwrap();
            answers.next().unwrap_or_default().to_owned()
        });
        assert_eq!(machine.inl(0xcfc).unwrap(), 0x1f);
        machine.outl(0xcf8, 0x8000_0000).unwrap();
        machine.write(0x1_0000, &[0, 1, 0xfe]).unwrap();
        assert_eq!(machine.read(0x10_0000, 3).unwrap(), [0, 0xff, 0x10]);
        assert!(matches!(machine.inl(1), Err(AcpiError::Gone)), "it has ended");
        let expected = [
            "inl 0xcfc",
            "outl 0xcf8 0x80000000",
            "write 0x10000 0x3 0x0001fe",
            "read 0x100000 0x3",
            "inl 0x1",
        ];
        assert_eq!(said.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn interrupts_are_told_unasked() {
        assert_eq!(saying("IRQ raise 4\nIRQ lower 4\nOK 0x7").inl(1).unwrap(), 7);
        // What comes in one piece is more than one answer.
        let mut both = saying("OK 0x1\nOK 0x2");
        assert_eq!((both.inl(1).unwrap(), both.inl(1).unwrap()), (1, 2));
        assert_eq!(saying("OK ff\r").inl(1).unwrap(), 0xff);
    }

    #[test]
    fn an_answer_of_another_kind_is_shown() {
        let long = "x".repeat(100);
        for (answer, command, shown) in [
            ("FAIL Unknown command", "inl 0x1", "FAIL Unknown command"),
            ("OK", "inl 0x1", ""),
            ("OK 0x", "inl 0x1", "0x"),
            ("OK 0x100000000", "inl 0x1", "0x100000000"),
            ("OK 12zz", "inl 0x1", "12zz"),
            (long.as_str(), "inl 0x1", &long[..80]),
            ("OK 0x00", "read 0x5 0x2", "0x00"),
            ("OK 0x000000", "read 0x5 0x2", "0x000000"),
            ("OK 0000", "read 0x5 0x2", "0000"),
            ("OK 0x00zz", "read 0x5 0x2", "0x00zz"),
            ("FAIL", "write 0x5 0x1 0x07", "FAIL"),
        ] {
            let mut machine = saying(answer);
            let found = match command.split(' ').next() {
                Some("inl") => machine.inl(1).map(drop),
                Some("read") => machine.read(5, 2).map(drop),
                _ => machine.write(5, &[7]),
            };
            let Err(AcpiError::Protocol { command: asked, answer: told }) = &found else {
                panic!("{answer}: {found:?}")
            };
            assert_eq!((asked.as_str(), told.as_str()), (command, shown));
        }
    }

    #[test]
    fn an_answer_comes_in_time_or_not_at_all() {
        let mut silent = Qtest::of(|_| {
            std::thread::sleep(Duration::from_secs(5));
            "OK 0x1".into()
        });
        silent.deadline = Instant::now() + Duration::from_millis(50);
        assert!(matches!(silent.inl(1), Err(AcpiError::TimedOut)));
        let mut late = saying("OK 0x1");
        late.deadline = Instant::now();
        assert!(matches!(late.inl(1), Err(AcpiError::TimedOut)));
        assert!(matches!(saying("").inl(1), Err(AcpiError::Gone)));
    }
}
