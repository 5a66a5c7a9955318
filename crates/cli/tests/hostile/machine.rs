//! A machine whose owner is the enemy: QEMU with whatever devices, keys and strings a test gives it.
//!
//! `cvmkit boot` has a console that is one-way and a machine that is honest, so it is not used here.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// After which a boot hangs; one takes 10 to 40 seconds under emulation.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a panic may go on talking.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// `kernel/panic.c` of Linux.
pub(crate) const PANIC: &str = "Kernel panic - not syncing";

/// How Linux panics when an emulator on a busy host lets it wait for its timer
/// (`arch/x86/kernel/apic/io_apic.c`): that says nothing of the image, so the machine starts anew.
const BUSY_HOST: &str = "IO-APIC + timer doesn't work";

/// How QEMU itself ends when its emulation meets what it holds for impossible (`abort(3)`), such as
/// `msix_table_mmio_write: Assertion` of 10.0: nothing of the guest either.
const ABORTED: i32 = 6;

/// How often.
const ATTEMPTS: usize = 5;

/// How the kernel repeats what it was told (`arch/x86/kernel/setup.c`, `init/main.c`).
const ECHOES: [&str; 3] =
    ["Command line:", "Kernel command line:", "Unknown kernel command line parameters"];

/// A machine that runs, and dies with the test.
pub(crate) struct Machine {
    arguments: Vec<OsString>,
    folder: tempfile::TempDir,
    running: Running,
    console: String,
    attempts: usize,
}

/// One attempt.
struct Running {
    child: Child,
    output: Receiver<Vec<u8>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(arguments: &[OsString], folder: &Path) -> Self {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"]);
        command.args(["-m", "1024M", "-smp", "1"]);
        // Control-A and a letter are orders to the multiplexer: `b` sends a BREAK.
        command.args(["-chardev", "stdio,id=console,signal=off,mux=on"]);
        command.args(["-serial", "chardev:console", "-qmp"]);
        let mut socket = option("unix:", &folder.join("qmp"));
        socket.push(",server=on,wait=off");
        command.arg(socket).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (send, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut buf) {
                if send.send(buf[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, output }
    }
}

impl Machine {
    /// Starts a machine with these arguments besides those that all have.
    pub(crate) fn start(arguments: Vec<OsString>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(&arguments, folder.path());
        Self { arguments, folder, running, console: String::new(), attempts: 1 }
    }

    /// Waits for a text of the guest, and for no panic before it.
    #[track_caller]
    pub(crate) fn wait(&mut self, text: &str) {
        let (started, mut search, mut panic) =
            (Instant::now(), Search::of(text), Search::of(PANIC));
        while !search.finds(&self.console) {
            let runs = self.read(PATIENCE.saturating_sub(started.elapsed()));
            let ended = !runs || panic.finds(&self.console);
            assert!(
                !ended || search.finds(&self.console),
                "`{text}` never came:\n{}",
                self.console
            );
        }
    }

    /// Reads on for a while.
    pub(crate) fn listen(&mut self, time: Duration) {
        let started = Instant::now();
        while let Some(left) = time.checked_sub(started.elapsed()) {
            if !self.read(left) {
                return;
            }
        }
    }

    /// Waits for the panic, and answers all that was said before and a little after.
    #[track_caller]
    pub(crate) fn panic(mut self) -> String {
        let (started, mut search) = (Instant::now(), Search::of(PANIC));
        while !search.finds(&self.console) {
            let runs = self.read(PATIENCE.saturating_sub(started.elapsed()));
            assert!(runs || search.finds(&self.console), "no panic:\n{}", self.console);
        }
        self.listen(LAST_WORDS);
        std::mem::take(&mut self.console)
    }

    /// Everything on the console so far.
    pub(crate) fn console(&self) -> &str {
        &self.console
    }

    /// What the guest said itself: without the lines in which the kernel repeats what it was told.
    pub(crate) fn said(&self) -> String {
        said(&self.console)
    }

    /// Types on the console.
    pub(crate) fn type_in(&mut self, bytes: &[u8]) {
        let stdin = self.running.child.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a BREAK and a key, the order for the kernel on a serial console (`sysrq.rst`).
    pub(crate) fn sysrq(&mut self, key: u8) {
        self.type_in(b"\x01b");
        // The multiplexer is done with one order before the line has the next byte.
        std::thread::sleep(Duration::from_millis(300));
        self.type_in(&[key]);
    }

    /// Presses keys of the keyboard that the machine has beside the console, together, so many times.
    pub(crate) fn press(&self, keys: &[&str], times: usize) {
        let keys: Vec<String> =
            keys.iter().map(|key| format!(r#"{{"type":"qcode","data":"{key}"}}"#)).collect();
        let order = format!(
            r#"{{"execute":"send-key","arguments":{{"keys":[{}],"hold-time":40}}}}"#,
            keys.join(",")
        );
        let mut socket = UnixStream::connect(self.folder.path().join("qmp")).unwrap();
        let mut answers = BufReader::new(socket.try_clone().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let orders = std::iter::repeat_n(order.as_str(), times);
        for order in [r#"{"execute":"qmp_capabilities"}"#].into_iter().chain(orders) {
            writeln!(socket, "{order}").unwrap();
            line.clear();
            answers.read_line(&mut line).unwrap();
            assert!(line.contains("return"), "{order}: {line}");
        }
    }

    /// True while the machine may say more.
    fn read(&mut self, time: Duration) -> bool {
        match self.running.output.recv_timeout(time) {
            Ok(bytes) => self.console.push_str(&String::from_utf8_lossy(&bytes)),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => {
                let ended = self.running.child.wait().unwrap();
                return ended.signal() == Some(ABORTED) && self.starts_anew("QEMU aborted");
            }
        }
        if self.console.contains(BUSY_HOST) {
            self.starts_anew("the host is too busy for the guest's timer");
        }
        true
    }

    /// Starts the machine once more, if it may.
    fn starts_anew(&mut self, why: &str) -> bool {
        if self.attempts == ATTEMPTS {
            return false;
        }
        eprintln!("NOTE: {why}; once more");
        self.attempts += 1;
        self.console.clear();
        self.running = Running::start(&self.arguments, self.folder.path());
        true
    }
}

/// Looks for a text in what a guest says itself, at every whole line once: a guest says a byte at a
/// time.
struct Search<'a> {
    text: &'a str,
    from: usize,
}

impl<'a> Search<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, from: 0 }
    }

    fn finds(&mut self, console: &str) -> bool {
        // A machine that started anew has said less.
        let rest = console.get(self.from..).unwrap_or_else(|| {
            self.from = 0;
            console
        });
        let found = said(rest).contains(self.text);
        if !found {
            self.from += rest.rfind('\n').map_or(0, |end| end + 1);
        }
        found
    }
}

/// Whether the kernel was told these words.
pub(crate) fn told(console: &str, words: &str) -> bool {
    console.lines().any(|line| is_echo(line) && line.contains(words))
}

fn is_echo(line: &str) -> bool {
    ECHOES.iter().any(|echo| line.contains(echo))
}

/// The lines that are the guest's own.
pub(crate) fn said(console: &str) -> String {
    console.lines().filter(|line| !is_echo(line)).map(|line| format!("{line}\n")).collect()
}

/// An option with a path in it; QEMU reads `,,` as a comma.
pub(crate) fn option(before: &str, path: &Path) -> OsString {
    format!("{before}{}", path.to_str().unwrap().replace(',', ",,")).into()
}
