//! Names and lines in the order of the version numbers within them.

use std::cmp::Ordering;

/// The order of gnulib's `filevercmp` (coreutils 9.1 and later), by version numbers within names.
/// Hidden names come first, `.` and `..` before them; suffixes such as `.tar.gz` decide last.
pub(super) fn by_version(one: &[u8], other: &[u8]) -> Ordering {
    let rank = |name: &[u8]| match name {
        b"" => 0,
        b"." => 1,
        b".." => 2,
        [b'.', ..] => 3,
        _ => 4,
    };
    let (start, other_start) = (without_suffix(one), without_suffix(other));
    rank(one)
        .cmp(&rank(other))
        .then_with(|| versions(start, other_start))
        .then_with(|| versions(one, other))
}

/// A name without what looks like suffixes: a dot and a letter, then letters and digits; `~` is a letter.
fn without_suffix(name: &[u8]) -> &[u8] {
    let is_of_suffix = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'~';
    let (mut at, mut end) = (0, 0);
    while at < name.len() {
        at += 1;
        end = at;
        while let [b'.', first, ..] = &name[at..]
            && (first.is_ascii_alphabetic() || *first == b'~')
        {
            at += 2;
            at += name[at..].iter().take_while(|byte| is_of_suffix(byte)).count();
        }
    }
    &name[..end]
}

/// The order of Debian's version numbers: letters before other bytes, `~` before the end, numbers by value.
fn versions(one: &[u8], other: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        None => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(b'~') => -2,
        Some(byte) => i32::from(*byte) + 256,
    };
    let (mut one, mut other) = (one, other);
    while !one.is_empty() || !other.is_empty() {
        let is_text = |rest: &[u8]| rest.first().is_some_and(|byte| !byte.is_ascii_digit());
        while is_text(one) || is_text(other) {
            let order = weight(one.first()).cmp(&weight(other.first()));
            if order.is_ne() {
                return order;
            }
            (one, other) = (one.get(1..).unwrap_or_default(), other.get(1..).unwrap_or_default());
        }
        let number = |rest: &mut &[u8]| {
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, behind) = rest.split_at(len);
            *rest = behind;
            let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
            digits[zeros..].to_vec()
        };
        let (left, right) = (number(&mut one), number(&mut other));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(&right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
