//! Bounds, so that a small archive can't cost much memory.

/// What one archive may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many entries there may be.
    pub entries: usize,
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of one path or link target (`PATH_MAX`, `linux/limits.h`).
    pub path: usize,
    /// Bytes of one entry's extended headers and long names.
    pub extended: u64,
}

impl Default for Limits {
    /// A million entries, files of 8 GiB, paths of 4096 bytes, 1 MiB of extended headers.
    fn default() -> Self {
        Self { entries: 1_000_000, file: 8 << 30, path: 4096, extended: 1 << 20 }
    }
}
