//! What a file takes of the file system that it is on: names and blocks.

use std::collections::BTreeMap;

use super::paths::below;
use crate::world::{FileType, Files, Status};

/// How many names each inode has.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<u64, u64>);

impl Names {
    /// Counts all names of a file system. That of a directory are its own, `.`, and the `..` of each
    /// directory in it.
    pub(super) fn of(files: &impl Files) -> Self {
        let mut names = Self::default();
        let mut pending = vec![b"/".to_vec()];
        while let Some(directory) = pending.pop() {
            let Ok(at) = files.status(&directory, false) else { continue };
            *names.0.entry(at.inode).or_default() += 2;
            for name in files.list(&directory).unwrap_or_default() {
                let path = below(&directory, &name);
                match files.status(&path, false) {
                    Ok(inner) if inner.file_type == FileType::Directory => {
                        *names.0.entry(at.inode).or_default() += 1;
                        pending.push(path);
                    }
                    Ok(inner) => *names.0.entry(inner.inode).or_default() += 1,
                    Err(_) => {}
                }
            }
        }
        names
    }

    pub(super) fn count(&self, at: &Status) -> u64 {
        self.0.get(&at.inode).copied().unwrap_or(1)
    }
}

/// The longest link that an inode of ext4 holds without a block of its own.
const SHORT_LINK: u64 = 59;

/// The KiB that a file takes in blocks of 4 KiB, as on ext4.
pub(super) fn kibibytes(at: &Status) -> u64 {
    match at.file_type {
        FileType::Regular | FileType::Directory => at.size.div_ceil(4096) * 4,
        FileType::Symlink if at.size > SHORT_LINK => 4,
        _ => 0,
    }
}

/// A number of bytes as people read it: at most three digits, or one behind the point, rounded up.
pub(in super::super) fn human(bytes: u64) -> String {
    let (mut unit, mut divisor) = (0, 1_u64);
    while bytes.div_ceil(divisor) >= 1024 && unit < 6 {
        unit += 1;
        divisor <<= 10;
    }
    let letter = ["", "K", "M", "G", "T", "P", "E"][unit];
    let tenths = u128::from(bytes) * 10;
    let tenths = tenths.div_ceil(u128::from(divisor));
    match unit > 0 && tenths < 100 {
        true => format!("{}.{}{letter}", tenths / 10, tenths % 10),
        false => format!("{}{letter}", bytes.div_ceil(divisor)),
    }
}

/// The letter of a type and the permissions, as ls(1) and stat(1) show them.
pub(super) fn permissions(at: &Status) -> String {
    let first = match at.file_type {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
    };
    let mut shown = String::from(first);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = at.mode >> shift;
        shown.push(if bits & 4 == 0 { '-' } else { 'r' });
        shown.push(if bits & 2 == 0 { '-' } else { 'w' });
        shown.push(match (at.mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::human;

    /// As `numfmt --to=iec --round=up` and `ls -h` write them.
    #[test]
    fn sizes_are_rounded_up() {
        for (bytes, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10_188, "10K"),
            (10_240, "10K"),
            (10_241, "11K"),
            (1_047_552, "1023K"),
            (1_047_553, "1.0M"),
            (1 << 40, "1.0T"),
        ] {
            assert_eq!(human(bytes), expected, "{bytes}");
        }
    }
}
