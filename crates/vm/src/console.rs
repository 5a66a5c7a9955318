//! What the guest said: lines without terminal codes, the texts waited for, the units that failed,
//! and the panic.
//!
//! Texts are looked for in what the guest reports, not in the command line that the kernel echoes.
//! A text is seen as soon as it is complete, also on a line that has not ended (a prompt).

use std::collections::VecDeque;
use std::time::Duration;

use super::spectator::{Phase, Spectator};

/// The words of `panic()`, `kernel/panic.c` of Linux.
const PANIC: &str = "Kernel panic - not syncing";

/// What the x86 double fault handler prints (`exc_double_fault`, `arch/x86/kernel/traps.c`).
const DOUBLE_FAULT: &str = "PANIC: double fault";

/// What every complaint of the kernel's dm-verity target has (`drivers/md/dm-verity-target.c`): its
/// prefix, and one of these words.
const VERITY: (&str, [&str; 2]) = ("verity", ["corrupt", "error"]);

/// How the kernel announces its command line: early and late boot (`arch/x86/kernel/setup.c`,
/// `init/main.c`), and the list of parameters it left to user space.
const ECHOES: [&str; 3] =
    ["Command line:", "Kernel command line:", "Unknown kernel command line parameters"];

/// What the kernel's first line has (`init/main.c`, `linux_banner`), and what its lines start with.
const KERNEL: [&str; 2] = ["Linux version ", "[    0."];

/// What says that PID 1 of the root file system runs: systemd's messages, its status lines, and the
/// kernel's last word in a boot without an initramfs.
const USERSPACE: [&str; 4] = ["systemd[1]: ", "[  OK  ] ", "Welcome to ", "cvmkit: ready"];

/// A line longer than this is cut here, so that a guest cannot exhaust memory.
const LINE_MAX: usize = 16 * 1024;

/// How many of the last lines are kept.
const TAIL: usize = 40;

/// A text that was waited for and came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The text, as it was asked for.
    pub text: String,
    /// The line it was on, as far as it had been printed.
    pub line: String,
    /// Since the machine was started.
    pub after: Duration,
    /// The line has ended.
    is_whole: bool,
}

/// The console of one attempt.
#[derive(Debug, Default)]
pub(super) struct Console {
    missing: Vec<String>,
    sightings: Vec<Sighting>,
    partial: Vec<u8>,
    tail: VecDeque<String>,
    panic: Option<(String, Duration)>,
    double_fault: Option<String>,
    verity: bool,
    phase: Phase,
    failed_units: Vec<String>,
}

impl Console {
    /// Waits for every one of the texts, in any order.
    pub(super) fn new(texts: &[String]) -> Self {
        Self { missing: texts.to_vec(), ..Self::default() }
    }

    /// Takes output of the guest.
    pub(super) fn feed(&mut self, bytes: &[u8], after: Duration, spectator: &dyn Spectator) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= LINE_MAX {
                self.end_line(after, spectator);
            }
        }
        if !self.partial.is_empty() {
            let line = plain(&self.partial);
            self.look(&line, after);
        }
    }

    /// The guest will say no more: what it left unfinished is a line too.
    pub(super) fn end(&mut self, after: Duration, spectator: &dyn Spectator) {
        if !self.partial.is_empty() {
            self.end_line(after, spectator);
        }
    }

    /// The texts that have not come.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// When the last of the texts came.
    pub(super) fn last_sighting(&self) -> Duration {
        self.sightings.last().map_or(Duration::ZERO, |sighting| sighting.after)
    }

    /// True unless a line has begun.
    pub(super) fn is_at_line_start(&self) -> bool {
        self.partial.is_empty()
    }

    /// How far the guest has come.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The units that failed, as far as the guest says so.
    pub(super) fn failed_units(&self) -> &[String] {
        &self.failed_units
    }

    /// The panic line and when it came.
    pub(super) fn panic(&self) -> Option<(&str, Duration)> {
        self.panic.as_ref().map(|(line, after)| (line.as_str(), *after))
    }

    /// The double fault that led to the panic, unless dm-verity complained.
    pub(super) fn emulator_fault(&self) -> Option<&str> {
        self.double_fault.as_deref().filter(|_| self.panic.is_some() && !self.verity)
    }

    /// What came, and the last lines.
    pub(super) fn into_parts(self) -> (Vec<Sighting>, Vec<String>) {
        (self.sightings, self.tail.into())
    }

    fn end_line(&mut self, after: Duration, spectator: &dyn Spectator) {
        let line = plain(&self.partial);
        self.partial.clear();
        self.look(&line, after);
        self.sightings.iter_mut().for_each(|sighting| sighting.is_whole = true);
        spectator.line(&line);
        self.advance(&line, spectator);
        if !is_echo(&line) {
            self.note_units(&line);
            self.verity |=
                line.contains(VERITY.0) && VERITY.1.iter().any(|word| line.contains(word));
            if self.double_fault.is_none() && line.contains(DOUBLE_FAULT) {
                self.double_fault = Some(line.clone());
            }
            if self.panic.is_none() && line.contains(PANIC) {
                self.panic = Some((line.clone(), after));
            }
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// A guest never goes back to an earlier phase: a reset ends the machine.
    fn advance(&mut self, line: &str, spectator: &dyn Spectator) {
        let has = |marks: &[&str]| marks.iter().any(|mark| line.contains(mark));
        let phase = match () {
            () if has(&USERSPACE) => Phase::Userspace,
            () if has(&KERNEL) || is_echo(line) => Phase::Kernel,
            () => Phase::Firmware,
        };
        if phase > self.phase {
            self.phase = phase;
            spectator.phase(phase);
        }
    }

    /// The marker of a recipe sums up what came before it; without one, systemd's own words count.
    fn note_units(&mut self, line: &str) {
        if let Some(units) = summary(line) {
            self.failed_units = units;
        } else if let Some(unit) = failure(line)
            && !self.failed_units.contains(&unit)
            && self.failed_units.len() < UNITS_MAX
        {
            self.failed_units.push(unit);
        }
    }

    fn look(&mut self, line: &str, after: Duration) {
        if is_echo(line) {
            return;
        }
        let (came, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut self.missing)
            .into_iter()
            .partition(|text| line.contains(text.as_str()));
        self.missing = missing;
        let line = line.to_owned();
        // A line that goes on is shown as far as it came in the end.
        for sighting in self.sightings.iter_mut().rev() {
            if !line.starts_with(&sighting.line) || sighting.is_whole {
                break;
            }
            sighting.line.clone_from(&line);
        }
        self.sightings.extend(came.into_iter().map(|text| Sighting {
            text,
            line: line.clone(),
            after,
            is_whole: false,
        }));
    }
}

/// What a recipe's `ready` prints around the number of failed units: `(failed units: 0)`, or
/// `(failed units: 1: ssh.service [restarting, 21 restarts])`.
const SUMMARY: &str = "(failed units: ";

/// No guest makes us remember more units.
const UNITS_MAX: usize = 100;

/// The failed units that a marker sums up.
fn summary(line: &str) -> Option<Vec<String>> {
    let (_, rest) = line.split_once(SUMMARY)?;
    let rest = rest.trim_end().strip_suffix(')')?;
    let (number, names) = rest.split_once(": ").unwrap_or((rest, ""));
    let number: usize = number.parse().ok()?;
    // The names are separated by commas, and what is said of one is in brackets.
    let mut units: Vec<String> = Vec::new();
    for part in names.split(", ").filter(|part| !part.is_empty()) {
        match units.last_mut().filter(|last| last.contains('[') && !last.ends_with(']')) {
            Some(last) => *last = format!("{last}, {part}"),
            None => units.push(part.to_owned()),
        }
    }
    match (number, units.is_empty()) {
        (0, _) => Some(Vec::new()),
        (number, true) => Some(vec![format!("{number} that the guest does not name")]),
        _ => Some(units),
    }
}

/// The unit that systemd says it could not start, in its status output or on the console:
/// `[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.`
fn failure(line: &str) -> Option<String> {
    const SUFFIXES: [&str; 7] =
        [".service", ".socket", ".mount", ".target", ".timer", ".path", ".swap"];
    let said = ["[FAILED] ", "[DEPEND] ", "systemd[1]: "].iter().find_map(|by| {
        let (_, said) = line.split_once(by)?;
        ["Failed to ", "Dependency failed for "].iter().find_map(|start| said.strip_prefix(start))
    })?;
    let mut words = said.split_ascii_whitespace().map(|word| word.trim_end_matches(['.', ':']));
    let unit = words.find(|word| SUFFIXES.iter().any(|suffix| word.ends_with(suffix)))?;
    Some(unit.to_owned())
}

fn is_echo(line: &str) -> bool {
    ECHOES.iter().any(|echo| line.contains(echo))
}

/// Text without line ends, control characters and terminal sequences (ECMA-48, sections 5.3 to
/// 5.6), so that it is safe to print and colours do not split words.
pub(super) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\t' => out.push(c),
            c if !c.is_control() => out.push(c),
            _ => {}
        }
    }
    out
}

/// Leaves the iterator behind one escape sequence whose ESC has been read.
fn skip_sequence(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        // CSI: parameters and intermediates, then one final byte.
        Some('[') => drop(chars.find(|c| ('@'..='~').contains(c))),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        // nF: intermediates, then one final byte, such as a character set.
        Some(' '..='/') => drop(chars.find(|c| ('0'..='~').contains(c))),
        _ => {}
    }
}

/// Leaves the iterator behind the string of an OSC, DCS, SOS, PM or APC, which BEL or ST ends.
fn skip_string(chars: &mut std::str::Chars<'_>) {
    if chars.find(|c| matches!(c, '\u{7}' | '\u{1b}')) == Some('\u{1b}') {
        chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::super::spectator::Unwatched;
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    fn console(texts: &[&str]) -> Console {
        Console::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_text_is_seen_across_reads_colours_and_without_a_line_end() {
        let mut console = console(&["Reached target Multi-User", "login: "]);
        console.feed(b"[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mMul", ZERO, &Unwatched);
        assert_eq!(console.missing().len(), 2);
        console.feed(b"ti-User System\x1b[0m.\r\nhost lo", ZERO, &Unwatched);
        assert_eq!(console.missing(), ["login: "]);
        console.feed(b"gin: ", Duration::from_secs(1), &Unwatched);
        assert!(console.missing().is_empty());
        let (sightings, tail) = console.into_parts();
        assert_eq!(sightings[1].after, Duration::from_secs(1));
        assert_eq!(tail, ["[  OK  ] Reached target Multi-User System."]);
    }

    #[test]
    fn the_echoed_command_line_is_no_evidence() {
        let mut console = console(&["ready"]);
        console.feed(
            b"[    0.000000] Command line: note=ready Kernel panic - not syncing\n",
            ZERO,
            &Unwatched,
        );
        console.feed(b"[    0.1] Kernel command line: note=ready", ZERO, &Unwatched);
        console.feed(b" Kernel panic - not syncing\n", ZERO, &Unwatched);
        console.feed(
            b"Unknown kernel command line parameters \"note=ready\", will be\n",
            ZERO,
            &Unwatched,
        );
        assert_eq!(console.missing(), ["ready"]);
        assert_eq!(console.panic(), None);
        console.feed(b"ready\n", ZERO, &Unwatched);
        assert!(console.missing().is_empty());
    }

    #[test]
    fn the_panic_line_is_whole() {
        let mut console = console(&[]);
        console.feed(b"[ 1.2] Kernel panic - not syncing: dm-ver", ZERO, &Unwatched);
        assert_eq!(console.panic(), None);
        console.feed(b"ity device corrupted", ZERO, &Unwatched);
        console.end(Duration::from_secs(2), &Unwatched);
        let line = "[ 1.2] Kernel panic - not syncing: dm-verity device corrupted";
        assert_eq!(console.panic(), Some((line, Duration::from_secs(2))));
        assert_eq!(console.emulator_fault(), None);
    }

    #[test]
    fn a_double_fault_is_told_from_a_verity_panic() {
        let fault = b"traps: PANIC: double fault, error_code: 0x0\n".as_slice();
        let panic = b"Kernel panic - not syncing: Fatal exception in interrupt\n".as_slice();
        let verity = b"device-mapper: verity: 254:0: data block 0 is corrupted\n".as_slice();
        let judge = |parts: &[&[u8]]| {
            let mut console = console(&[]);
            parts.iter().for_each(|part| console.feed(part, ZERO, &Unwatched));
            console.emulator_fault().is_some()
        };
        assert!(judge(&[fault, panic]));
        assert!(judge(&[b"device-mapper: verity: sha256 using implementation x\n", fault, panic]));
        assert!(!judge(&[fault]), "still running");
        assert!(!judge(&[panic]), "another panic");
        assert!(!judge(&[verity, fault, panic]));
    }

    #[test]
    fn hostile_output_is_bounded_and_printable() {
        let mut console = console(&["x"]);
        for _ in 0..100 {
            console.feed(&[b'a'; 4096], ZERO, &Unwatched);
        }
        console.feed(
            b"\x1b]0;title\x07\x1b[2J\x1b(B\x1bP1$r\x1b\\\xff\x00\x08done\n\x1b[",
            ZERO,
            &Unwatched,
        );
        console.end(ZERO, &Unwatched);
        let (_, tail) = console.into_parts();
        assert!(tail.iter().all(|line| line.len() <= LINE_MAX));
        assert_eq!(tail[tail.len() - 2], "\u{fffd}done");
        assert!(tail.len() <= TAIL);
    }

    fn units(lines: &str) -> Vec<String> {
        let mut console = console(&[]);
        console.feed(lines.as_bytes(), ZERO, &Unwatched);
        console.failed_units().to_vec()
    }

    #[test]
    fn failed_units_are_named_by_the_marker_or_by_systemd() {
        let none: [&str; 0] = [];
        assert_eq!(units("cvmkit: ready (failed units: 0)\n"), none);
        assert_eq!(
            units(
                "cvmkit: ready (failed units: 2: ssh.service [restarting, 21 restarts], a.mount [failed])\r\n"
            ),
            ["ssh.service [restarting, 21 restarts]", "a.mount [failed]"]
        );
        // The marker of images from before it named them.
        assert_eq!(units("cvmkit: ready (failed units: 1)\n"), ["1 that the guest does not name"]);
        let systemd = "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mssh.service\x1b[0m - OpenBSD.\n\
                       [DEPEND] Dependency failed for var-lib.mount - /var/lib.\n\
                       [   9.1] systemd[1]: Failed to listen on a.socket - A.\n\
                       [FAILED] Failed to start ssh.service - OpenBSD.\n\
                       x.service: Failed to start y.service\n";
        assert_eq!(units(systemd), ["ssh.service", "var-lib.mount", "a.socket"]);
        // The last word counts.
        assert_eq!(units(&format!("{systemd}cvmkit: ready (failed units: 0)\n")), none);
        let echo = "Kernel command line: x=[FAILED] Failed to start a.service\n";
        assert_eq!(units(echo), none);
    }

    #[test]
    fn a_sighting_has_the_whole_line() {
        let mut console = console(&["ready"]);
        console.feed(b"cvmkit: ready (failed un", ZERO, &Unwatched);
        assert!(console.missing().is_empty() && !console.is_at_line_start());
        console.feed(b"its: 1)\nready again", ZERO, &Unwatched);
        let (sightings, _) = console.into_parts();
        assert_eq!(sightings[0].line, "cvmkit: ready (failed units: 1)");
        assert_eq!(sightings.len(), 1);
        // Another line that begins as this one did is another line.
        let mut console = Console::new(&["ready".to_owned()]);
        console.feed(b"ready\nready again\n", ZERO, &Unwatched);
        assert_eq!(console.into_parts().0[0].line, "ready");
    }

    #[test]
    fn phases_only_go_on() {
        #[derive(Default)]
        struct Seen(std::cell::RefCell<Vec<Phase>>);
        impl Spectator for Seen {
            fn phase(&self, phase: Phase) {
                self.0.borrow_mut().push(phase);
            }
            fn line(&self, _: &str) {}
        }
        let (mut console, seen) = (console(&[]), Seen::default());
        let lines = b"BdsDxe: starting\n[    0.000000] Linux version 6.12\nsystemd[1]: Hello\n[    0.1] x\n";
        console.feed(lines, ZERO, &seen);
        assert_eq!(*seen.0.borrow(), [Phase::Kernel, Phase::Userspace]);
    }
}
