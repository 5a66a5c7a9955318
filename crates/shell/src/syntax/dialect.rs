//! Which shell reads a script.

/// The shell that reads a script, of the two that the `#!` lines of maintainer scripts name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `/bin/sh`: POSIX.1-2024 as dash(1) reads it.
    #[default]
    Posix,
    /// bash(1) 5.2, outside of its POSIX mode.
    Bash,
}
