//! What archives of different makers may have: one dialect for those of packages, one for all others.

/// How an archive may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As dpkg's tools write the contents of a package: each path once.
    #[default]
    Package,
    /// As GNU tar, bsdtar and builders of containers write a part of a file system. The last member of a
    /// path wins; the type of a file may stand in its mode too; `git archive` may have put a comment in
    /// front of all; libarchive writes attributes twice, and what it alone reads.
    Layer,
}

impl Dialect {
    pub(super) fn is_layer(self) -> bool {
        self == Self::Layer
    }
}

/// The type bits of a mode (`S_IFMT`, `linux/stat.h`), which containers/storage and Moby keep in headers
/// although POSIX.1-2017 pax(1) knows none.
const TYPES: u64 = 0o170_000;

/// A mode without the type bits that are those of the type flag; with any others it stays as it is, and is
/// out of range.
pub(super) fn without_type(mode: u64, kind: u8) -> u64 {
    let own: &[u64] = match kind {
        b'0' => &[0o100_000],
        b'2' => &[0o120_000],
        b'3' => &[0o020_000],
        b'4' => &[0o060_000],
        b'5' => &[0o040_000],
        b'6' => &[0o010_000],
        // A hard link is another name of any of these but a directory.
        b'1' => &[0o100_000, 0o120_000, 0o020_000, 0o060_000, 0o010_000],
        _ => &[],
    };
    if own.contains(&(mode & TYPES)) { mode & !TYPES } else { mode }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_type_of_the_flag_may_stand_in_a_mode() {
        for (mode, kind, expected) in [
            (0o100_644, b'0', 0o644),
            (0o40755, b'5', 0o755),
            (0o120_777, b'2', 0o777),
            (0o20600, b'3', 0o600),
            (0o60600, b'4', 0o600),
            (0o10600, b'6', 0o600),
            (0o104_755, b'1', 0o4755),
            (0o4755, b'0', 0o4755),
            (0o40755, b'0', 0o40755),
            (0o100_755, b'5', 0o100_755),
            (0o40755, b'1', 0o40755),
            (0o140_755, b'0', 0o140_755),
            (0o100_644, b'x', 0o100_644),
            (0o1_100_644, b'0', 0o1_000_644),
        ] {
            assert_eq!(without_type(mode, kind), expected, "{mode:o} {}", char::from(kind));
        }
    }
}
