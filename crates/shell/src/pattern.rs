//! Patterns (XCU 2.14).

/// A byte of a word, and whether quotes took its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Char {
    pub(crate) byte: u8,
    pub(crate) quoted: bool,
}

/// A word to match with.
pub(crate) type Pattern = [Char];

/// A pattern of a program's words, which has no quotes but backslashes.
pub(crate) fn unquoted(word: &[u8]) -> Vec<Char> {
    let mut pattern = Vec::new();
    let mut bytes = word.iter();
    while let Some(&byte) = bytes.next() {
        pattern.push(match (byte, bytes.as_slice()) {
            (b'\\', [next, ..]) => {
                bytes.next();
                Char { byte: *next, quoted: true }
            }
            _ => Char { byte, quoted: false },
        });
    }
    pattern
}

/// A pattern of the shell's: a backslash that an expansion brings quotes as one of the script's does (XCU
/// 2.14.1). At the end it stands for itself.
pub(crate) fn with_backslashes(word: Vec<Char>) -> Vec<Char> {
    let mut pattern = Vec::with_capacity(word.len());
    let mut chars = word.into_iter();
    while let Some(char) = chars.next() {
        pattern.push(match char {
            Char { byte: b'\\', quoted: false } => {
                Char { byte: chars.next().map_or(b'\\', |next| next.byte), quoted: true }
            }
            char => char,
        });
    }
    pattern
}

/// Whether a pattern has a byte that stands for others.
pub(crate) fn is_pattern(pattern: &Pattern) -> bool {
    pattern.iter().any(|char| !char.quoted && matches!(char.byte, b'*' | b'?' | b'['))
}

/// Whether a pattern matches all of a text: one that is no longer than a path, as names are.
pub(crate) fn matches(pattern: &Pattern, text: &[u8]) -> bool {
    let mut left = u64::MAX;
    matches_within(pattern, text, &mut left).unwrap_or(false)
}

/// Whether a pattern matches all of a text, unless that takes more comparisons than are left: each `*` may be
/// tried at each place.
pub(crate) fn matches_within(pattern: &Pattern, text: &[u8], left: &mut u64) -> Option<bool> {
    // Where the last `*` stands, and how much of the text it takes.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        let is_bracket = pattern.get(p).is_some_and(|char| char.byte == b'[' && !char.quoted);
        let cost = if is_bracket { pattern.len() - p } else { 1 };
        *left = left.checked_sub(cost as u64)?;
        let step = match pattern.get(p) {
            Some(Char { byte: b'*', quoted: false }) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(char) => text.get(t).and_then(|byte| one(pattern, p, *char, *byte)),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((at, taken))) if taken < text.len() => {
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
            (None, _) => return Some(false),
        }
    }
    Some(true)
}

/// Where the pattern goes on behind what matches this byte.
fn one(pattern: &Pattern, at: usize, char: Char, byte: u8) -> Option<usize> {
    match char {
        Char { byte: b'?', quoted: false } => Some(at + 1),
        Char { byte: b'[', quoted: false } => match bracket(pattern, at, byte) {
            Some((found, next)) => found.then_some(next),
            // Without its end it stands for itself.
            None => (byte == b'[').then_some(at + 1),
        },
        Char { byte: own, .. } => (own == byte).then_some(at + 1),
    }
}

/// Whether a bracket expression has this byte, and where it ends; nothing if it does not end.
fn bracket(pattern: &Pattern, at: usize, byte: u8) -> Option<(bool, usize)> {
    let mut next = at + 1;
    let negated =
        pattern.get(next).is_some_and(|char| !char.quoted && matches!(char.byte, b'!' | b'^'));
    next += usize::from(negated);
    let first = next;
    let mut found = false;
    loop {
        let char = *pattern.get(next)?;
        if char.byte == b']' && !char.quoted && next > first {
            return Some((found != negated, next + 1));
        }
        if let Some((class, end)) = class(pattern, next) {
            found |= is_of_class(class.as_slice(), byte)?;
            next = end;
            continue;
        }
        let range = pattern.get(next + 1).is_some_and(|dash| dash.byte == b'-' && !dash.quoted);
        match pattern.get(next + 2).filter(|last| range && (last.byte != b']' || last.quoted)) {
            Some(last) => {
                found |= (char.byte..=last.byte).contains(&byte);
                next += 3;
            }
            None => {
                found |= char.byte == byte;
                next += 1;
            }
        }
    }
}

/// The name of a class such as `[:alpha:]`, and where it ends.
fn class(pattern: &Pattern, at: usize) -> Option<(Vec<u8>, usize)> {
    let rest = pattern.get(at..)?;
    if rest.first()?.byte != b'[' || rest.get(1)?.byte != b':' || rest[0].quoted {
        return None;
    }
    let len = rest[2..].windows(2).position(|pair| pair[0].byte == b':' && pair[1].byte == b']')?;
    let name = rest[2..2 + len].iter().map(|char| char.byte).collect();
    Some((name, at + 2 + len + 2))
}

/// Classes of the POSIX locale (XBD 7.3.1); nothing for a name that is none.
pub(crate) fn is_of_class(class: &[u8], byte: u8) -> Option<bool> {
    Some(match class {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<Char> {
        // A backslash quotes.
        let mut chars = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let quoted = byte == b'\\';
            let byte = if quoted { bytes.next().unwrap() } else { byte };
            chars.push(Char { byte, quoted });
        }
        chars
    }

    /// XCU 2.14.1 and 2.14.2, and dash's own answers.
    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*b*c", "a12b3c", true),
            ("a*b*c", "a12b3", false),
            ("*.service", "ssh.service", true),
            ("?", "", false),
            ("?", "ab", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]_]", "7", true),
            ("[[:digit:]_]", "_", true),
            ("[[:digit:]_]", "a", false),
            ("[ab", "[ab", true),
            ("[ab", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("[a\\-c]", "b", false),
        ] {
            assert_eq!(matches(&chars(pattern), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
