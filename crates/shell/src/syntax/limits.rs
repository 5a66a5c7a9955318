//! Bounds of what is parsed.

/// Bounds of a script, far beyond any real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes.
    pub len: usize,
    /// How deep commands and substitutions may lie in one another.
    pub depth: u32,
}

impl Default for Limits {
    /// 4 MiB, 100 levels.
    fn default() -> Self {
        Self { len: 4 << 20, depth: 100 }
    }
}
