//! What a boot reports while it runs.

/// How far a guest has come, as its console shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing of Linux has been seen.
    #[default]
    Firmware,
    /// The kernel runs.
    Kernel,
    /// systemd runs, or whatever is PID 1.
    Userspace,
}

/// Receives the events of a boot while it runs.
pub trait Spectator {
    /// The guest reached this phase; each is reported once.
    fn phase(&self, phase: Phase);

    /// A line of the console is complete; it is safe to print.
    fn line(&self, line: &str);
}

/// A spectator for boots that nobody watches: every event is ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Spectator for Unwatched {
    fn phase(&self, _: Phase) {}
    fn line(&self, _: &str) {}
}
