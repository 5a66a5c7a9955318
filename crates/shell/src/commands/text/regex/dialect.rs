//! Which form of regular expressions a program reads (POSIX.1-2024, XBD 9).

/// The two forms of regular expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super::super) enum Dialect {
    /// `\(a\|b\)*` (XBD 9.3).
    Basic,
    /// `(a|b)*` (XBD 9.4).
    Extended,
}
