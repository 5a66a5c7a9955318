//! What a person sees while a boot runs: its phase on a terminal, and with `--console` the guest's console.

use cvmkit_host::progress::Progress;
use cvmkit_vm::{Phase, Request, Spectator};

use crate::console::Console;

pub(super) struct Watcher<'a> {
    console: &'a Console,
    shows_console: bool,
    /// What the boot waits for, joined for a message.
    awaited: String,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(console: &'a Console, shows_console: bool, request: &Request) -> Self {
        let texts = request.until.iter().map(|text| format!("`{text}`"));
        let http = request.http_get.iter().map(ToString::to_string);
        let panic = request.expect_panic.then(|| "a kernel panic".to_owned());
        let awaited: Vec<String> = texts.chain(http).chain(panic).collect();
        Self { console, shows_console, awaited: awaited.join(", ") }
    }

    /// Takes the phase off the terminal: the boot is over.
    pub(super) fn end(&self) {
        self.console.end();
    }
}

impl Spectator for Watcher<'_> {
    fn phase(&self, phase: Phase) {
        let name = match phase {
            Phase::Firmware => "firmware",
            Phase::Kernel => "kernel",
            Phase::Userspace => "userspace",
        };
        self.console.waiting(&format!("booting: {name}; waiting for {}", self.awaited));
    }

    fn line(&self, line: &str) {
        if self.shows_console {
            self.console.aside(line);
        }
    }
}
