//! How the build says what it is doing, without knowing who listens.

/// Told of long work. Many threads may report at the same time.
pub trait Progress: Sync {
    /// A phase begins: `total` bytes of `what` lie ahead.
    fn begin(&self, what: &str, total: u64);

    /// Some more bytes of the current phase are done.
    fn advance(&self, bytes: u64);

    /// The current phase is over.
    fn end(&self);

    /// Something that the user should know although it is no error.
    fn note(&self, text: &str);
}

/// A listener for work that nobody watches: every report is ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}
