//! fnmatch(3) without flags, over bytes: `*` and `?` match slashes too, `[...]` is a set, `\` takes
//! the next byte as it is. Oracle: dpkg's `--path-exclude`, which calls it.

/// True if `pattern` matches all of `text`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut on) = (0, 0);
    let mut star = None;
    while on < text.len() {
        let rest = pattern.get(at..).unwrap_or_default();
        if rest.first() == Some(&b'*') {
            at += 1;
            star = Some((at, on));
            continue;
        }
        match text.get(on).and_then(|&byte| one(rest, byte)) {
            Some(len) => {
                at += len;
                on += 1;
            }
            None => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (at, on) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|&byte| byte == b'*')
}

/// The length of the first element of `pattern` if it matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((is_in, len)) => is_in.then_some(1 + len),
            // Without an end it is a bracket like any other byte.
            None => (byte == b'[').then_some(1),
        },
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// Whether a set has `byte`, and how long it is with its end.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let is_negated = matches!(set.first(), Some(b'!' | b'^'));
    let mut at = usize::from(is_negated);
    let start = at;
    let mut is_in = false;
    loop {
        let first = *set.get(at)?;
        if first == b']' && at > start {
            return Some((is_in != is_negated, at + 1));
        }
        let (low, next) = member(set, at)?;
        let ends = set.get(next) == Some(&b'-') && !matches!(set.get(next + 1), None | Some(b']'));
        let (high, next) = if ends { member(set, next + 1)? } else { (low, next) };
        is_in |= (low..=high).contains(&byte);
        at = next;
    }
}

fn member(set: &[u8], at: usize) -> Option<(u8, usize)> {
    match (set.get(at)?, set.get(at + 1)) {
        (b'\\', Some(&escaped)) => Some((escaped, at + 2)),
        (&plain, _) => Some((plain, at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_fnmatch_without_flags() {
        for (pattern, text, expected) in [
            ("usr/share/doc/*", "usr/share/doc/a/b", true),
            ("usr/share/doc/*", "usr/share/docs", false),
            ("usr/share/doc/*/copyright", "usr/share/doc/x/copyright", true),
            ("usr/share/doc/*/copyright", "usr/share/doc/x/copyright.gz", false),
            ("*.?o", "a/b.mo", true),
            ("", "", true),
            ("**", "x", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[", "[", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*[0-9].gz", "x/y/1.gz", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    /// POSIX.2, 2.13.1 "Patterns Matching a Single Character": `]` that comes first and `-` at either end are
    /// members, `\` quotes, and a set without an end is a plain `[`. Without `FNM_PATHNAME` and `FNM_PERIOD` a
    /// slash and a leading dot are bytes like others.
    #[test]
    fn sets_and_quotes_have_their_edge_cases() {
        for (pattern, text, expected) in [
            ("[]a]", "a", true),
            ("[]a]", "b", false),
            ("[!]a]", "]", false),
            ("[!]a]", "b", true),
            ("[^a]", "b", true),
            ("[^a]", "a", false),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a-c-e]", "-", true),
            ("[c-a]", "b", false),
            ("[\\]]", "]", true),
            ("[\\!a]", "!", true),
            ("[a", "[a", true),
            ("[a", "a", false),
            ("[a-", "[a-", true),
            ("[", "x", false),
            ("\\?", "?", true),
            ("\\?", "x", false),
            ("\\[a]", "[a]", true),
            ("?", "/", true),
            ("*", ".hidden", true),
            ("[/]", "/", true),
            ("?", "", false),
            ("a", "", false),
            ("*", "", true),
            ("", "a", false),
            ("a*", "a", true),
            ("*a", "aa", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(matches(b"?", &[0xff]), "a byte, not a character");
    }

    /// A matcher that tries every star against every place would not end within an age.
    #[test]
    fn many_stars_end() {
        let text = vec![b'a'; 20_000];
        assert!(!matches(&[b"*a".repeat(200), b"b".to_vec()].concat(), &text));
        assert!(matches(&b"*a".repeat(200), &text));
    }
}
