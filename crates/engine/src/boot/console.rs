//! What the guest said: lines without terminal codes, the texts waited for, and the panic.
//!
//! Texts are looked for in what the guest reports, not in the command line that the kernel echoes.
//! A text is seen as soon as it is complete, also on a line that has not ended (a prompt).

use std::collections::VecDeque;
use std::time::Duration;

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

/// A line longer than this is cut here, so that a guest cannot exhaust memory.
const LINE_MAX: usize = 16 * 1024;

/// How many of the last lines are kept.
const TAIL: usize = 40;

/// A text that was waited for and came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The text.
    pub text: String,
    /// The line it was on, as far as it had been printed.
    pub line: String,
    /// Since the machine was started.
    pub after: Duration,
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
}

impl Console {
    /// Waits for every one of the texts, in any order.
    pub(super) fn new(texts: &[String]) -> Self {
        Self { missing: texts.to_vec(), ..Self::default() }
    }

    /// Takes output of the guest.
    pub(super) fn feed(&mut self, bytes: &[u8], after: Duration) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= LINE_MAX {
                self.end_line(after);
            }
        }
        if !self.partial.is_empty() {
            let line = plain(&self.partial);
            self.look(&line, after);
        }
    }

    /// The guest will say no more: what it left unfinished is a line too.
    pub(super) fn end(&mut self, after: Duration) {
        if !self.partial.is_empty() {
            self.end_line(after);
        }
    }

    /// The texts that have not come.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
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

    fn end_line(&mut self, after: Duration) {
        let line = plain(&self.partial);
        self.partial.clear();
        self.look(&line, after);
        if !is_echo(&line) {
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

    fn look(&mut self, line: &str, after: Duration) {
        if is_echo(line) {
            return;
        }
        let (came, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut self.missing)
            .into_iter()
            .partition(|text| line.contains(text.as_str()));
        self.missing = missing;
        let line = line.to_owned();
        self.sightings.extend(came.into_iter().map(|text| Sighting {
            text,
            line: line.clone(),
            after,
        }));
    }
}

fn is_echo(line: &str) -> bool {
    ECHOES.iter().any(|echo| line.contains(echo))
}

/// Text without line ends, control characters and terminal sequences (ECMA-48, sections 5.3 to
/// 5.6), so that it is safe to print and colours do not split words.
fn plain(bytes: &[u8]) -> String {
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
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    fn console(texts: &[&str]) -> Console {
        Console::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_text_is_seen_across_reads_colours_and_without_a_line_end() {
        let mut console = console(&["Reached target Multi-User", "login: "]);
        console.feed(b"[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mMul", ZERO);
        assert_eq!(console.missing().len(), 2);
        console.feed(b"ti-User System\x1b[0m.\r\nhost lo", ZERO);
        assert_eq!(console.missing(), ["login: "]);
        console.feed(b"gin: ", Duration::from_secs(1));
        assert!(console.missing().is_empty());
        let (sightings, tail) = console.into_parts();
        assert_eq!(sightings[1].after, Duration::from_secs(1));
        assert_eq!(tail, ["[  OK  ] Reached target Multi-User System."]);
    }

    #[test]
    fn the_echoed_command_line_is_no_evidence() {
        let mut console = console(&["ready"]);
        console.feed(b"[    0.000000] Command line: note=ready Kernel panic - not syncing\n", ZERO);
        console.feed(b"[    0.1] Kernel command line: note=ready", ZERO);
        console.feed(b" Kernel panic - not syncing\n", ZERO);
        console.feed(b"Unknown kernel command line parameters \"note=ready\", will be\n", ZERO);
        assert_eq!(console.missing(), ["ready"]);
        assert_eq!(console.panic(), None);
        console.feed(b"ready\n", ZERO);
        assert!(console.missing().is_empty());
    }

    #[test]
    fn the_panic_line_is_whole() {
        let mut console = console(&[]);
        console.feed(b"[ 1.2] Kernel panic - not syncing: dm-ver", ZERO);
        assert_eq!(console.panic(), None);
        console.feed(b"ity device corrupted", ZERO);
        console.end(Duration::from_secs(2));
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
            parts.iter().for_each(|part| console.feed(part, ZERO));
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
            console.feed(&[b'a'; 4096], ZERO);
        }
        console.feed(b"\x1b]0;title\x07\x1b[2J\x1b(B\x1bP1$r\x1b\\\xff\x00\x08done\n\x1b[", ZERO);
        console.end(ZERO);
        let (_, tail) = console.into_parts();
        assert!(tail.iter().all(|line| line.len() <= LINE_MAX));
        assert_eq!(tail[tail.len() - 2], "\u{fffd}done");
        assert!(tail.len() <= TAIL);
    }
}
