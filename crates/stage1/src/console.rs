//! What PID 1 says: one `write` per line, because `/dev/kmsg` makes every write a record of its
//! own.

use std::fs::OpenOptions;
use std::io::Write;
use std::process;

/// Severities of `/dev/kmsg` (`linux/kern_levels.h`).
const EMERGENCY: u8 = 0;
const INFORMATION: u8 = 6;

/// Longer lines are cut: the kernel refuses a record above about 1000 bytes (`PRINTKRB_RECORD_MAX`
/// in `kernel/printk/printk.c`).
const LINE_MAX: usize = 900;

/// Notes progress; `quiet` on the kernel command line hides it.
pub(crate) fn info(line: &str) {
    say(INFORMATION, line);
}

/// Says why the boot ends here, then ends it.
///
/// The exit of PID 1 makes the kernel panic, whatever `panic=` says: that parameter only chooses
/// between halting and rebooting afterwards.
pub(crate) fn fatal(why: &str) -> ! {
    say(EMERGENCY, &format!("fatal: {why}"));
    process::exit(1)
}

fn say(severity: u8, line: &str) {
    let record = record(severity, line);
    // A fresh handle each time: the kernel limits the rate of each open handle to 10 in 5 s.
    let logged = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut kmsg| kmsg.write_all(record.as_bytes()));
    if logged.is_err() {
        // Before /dev is mounted there is only what the kernel gave PID 1; nothing is left to do
        // when that fails too.
        let plain = record.get(3..).unwrap_or_default();
        let _ = std::io::stderr().write_all(plain.as_bytes());
    }
}

/// One record: `<severity>`, the name, the text on a single line.
fn record(severity: u8, line: &str) -> String {
    let text: String =
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE_MAX).collect();
    format!("<{severity}>cvmkit-stage1: {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_short_line() {
        assert_eq!(record(0, "fatal: a\nb\u{1b}[2J"), "<0>cvmkit-stage1: fatal: a b [2J\n");
        assert!(record(6, &"x".repeat(5000)).len() < 950);
    }
}
