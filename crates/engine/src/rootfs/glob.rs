//! fnmatch(3) without flags, over bytes: `*` and `?` match slashes too, `[...]` is a set, `\` takes
//! the next byte as it is (glob(7)). Classes are those of the C locale, in which dpkg runs.
//!
//! Oracle: the C library's, which dpkg's `--path-exclude` calls.

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
        // A backslash that quotes nothing matches nothing.
        [b'\\', quoted @ ..] => (*quoted.first()? == byte).then_some(2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Bracket::Ends { has, len } => has.then_some(1 + len),
            // Without an end it is a bracket like any other byte.
            Bracket::Endless => (byte == b'[').then_some(1),
            Bracket::Malformed => None,
        },
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// What follows an opening bracket.
enum Bracket {
    /// A set, whether it has the byte, and its length with its end.
    Ends { has: bool, len: usize },
    /// Bytes without a closing bracket.
    Endless,
    /// What no byte matches.
    Malformed,
}

fn bracket(set: &[u8], byte: u8) -> Bracket {
    let is_negated = matches!(set.first(), Some(b'!' | b'^'));
    let start = usize::from(is_negated);
    let (mut at, mut has) = (start, false);
    loop {
        let rest = set.get(at..).unwrap_or_default();
        match rest {
            [] => return Bracket::Endless,
            [b']', ..] if at > start => {
                return Bracket::Ends { has: has != is_negated, len: at + 1 };
            }
            _ => {}
        }
        let Some((members, len)) = members(rest) else { return Bracket::Malformed };
        has |= members.has(byte);
        at += len;
    }
}

/// A part of a set.
enum Members {
    /// From one byte to another.
    Range(u8, u8),
    /// Those of a class by its name.
    Class(fn(&u8) -> bool),
}

impl Members {
    fn has(&self, byte: u8) -> bool {
        match self {
            Self::Range(low, high) => (*low..=*high).contains(&byte),
            Self::Class(has) => has(&byte),
        }
    }
}

/// The part that `set` starts with, and its length; nothing for one that is malformed.
fn members(set: &[u8]) -> Option<(Members, usize)> {
    match named(set, b':').filter(|name| name.iter().all(u8::is_ascii_lowercase)) {
        Some(name) => Some((Members::Class(class(name)?), name.len() + 4)),
        // An equivalence class starts no range.
        None => match named(set, b'=') {
            Some(&[byte]) => Some((Members::Range(byte, byte), 5)),
            _ => range(set),
        },
    }
}

fn range(set: &[u8]) -> Option<(Members, usize)> {
    let (low, len) = member(set)?;
    match set.get(len..) {
        Some([b'-']) => None,
        Some([b'-', high @ ..]) if high.first() != Some(&b']') => {
            let (high, more) = member(high)?;
            Some((Members::Range(low, high), len + 1 + more))
        }
        _ => Some((Members::Range(low, low), len)),
    }
}

/// One byte, quoted or not, or the collating symbol of one: the C locale has no others.
fn member(set: &[u8]) -> Option<(u8, usize)> {
    match set {
        [b'\\', quoted @ ..] => Some((*quoted.first()?, 2)),
        [b'[', b'.', ..] => match named(set, b'.')? {
            &[byte] => Some((byte, 5)),
            _ => None,
        },
        _ => Some((*set.first()?, 1)),
    }
}

/// What is between `[:` and `:]` at the start of `set`, for a colon or another sign.
fn named(set: &[u8], sign: u8) -> Option<&[u8]> {
    let name = set.strip_prefix(&[b'[', sign])?;
    let end = name.windows(2).position(|two| two == [sign, b']'])?;
    name.get(..end)
}

/// Character classes (POSIX.1-2024, XBD 7.3.1, for the C locale).
fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| b" \t".contains(byte),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| byte.is_ascii_graphic() || *byte == b' ',
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tests::oracle;

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
            ("[a-", "[a-", false),
            ("[a-", "a", false),
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

    /// glob(7), "Character classes and internationalization": each class is written within a set.
    #[test]
    fn a_class_has_the_bytes_of_the_c_locale() {
        let all = || 0..=255_u8;
        for (name, bytes) in [
            ("alnum", all().filter(u8::is_ascii_alphanumeric).collect::<Vec<u8>>()),
            ("alpha", [(b'A'..=b'Z').collect::<Vec<_>>(), (b'a'..=b'z').collect()].concat()),
            ("blank", vec![b'\t', b' ']),
            ("cntrl", [(0..=31).collect(), vec![127]].concat()),
            ("digit", (b'0'..=b'9').collect()),
            ("graph", (33..=126).collect()),
            ("lower", (b'a'..=b'z').collect()),
            ("print", (32..=126).collect()),
            ("punct", b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_vec()),
            ("space", b"\t\n\x0b\x0c\r ".to_vec()),
            ("upper", (b'A'..=b'Z').collect()),
            ("xdigit", b"0123456789ABCDEFabcdef".to_vec()),
        ] {
            let has = |pattern: &str, byte: u8| matches(pattern.as_bytes(), &[byte]);
            let found: Vec<u8> =
                all().filter(|&byte| has(&format!("[[:{name}:]]"), byte)).collect();
            assert_eq!(found, bytes, "{name}");
            let rest = all().filter(|&byte| has(&format!("[![:{name}:]]"), byte)).count();
            assert_eq!(rest, 256 - bytes.len(), "{name}");
        }
    }

    #[test]
    fn classes_stand_beside_other_members_and_malformed_ones_match_nothing() {
        for (pattern, text, expected) in [
            ("*[[:digit:]].gz", "news.1.gz", true),
            ("*[[:digit:]].gz", "news.gz", false),
            ("[[:upper:]a_]", "Q", true),
            ("[[:upper:]a_]", "_", true),
            ("[[:upper:]a_]", "b", false),
            ("[a[:digit:][:upper:]]", "7", true),
            ("[[:digit:]-z]", "-", true),
            ("[[:digit:]-z]", "z", true),
            ("[[:digit:]-z]", "a", false),
            ("[:digit:]", ":", true),
            ("[:digit:]", "d", true),
            ("[:digit:]", "5", false),
            ("[[:DIGIT:]", "D", true),
            ("[[:foo:]]", "f", false),
            ("[[:foo:]]", "f]", false),
            ("[![:foo:]]", "x", false),
            ("[[:a]", ":", true),
            ("[[=a=]b]", "a", true),
            ("[[=a=]b]", "b", true),
            ("[[=a=]b]", "=", false),
            ("[[=ab=]]", "a", false),
            ("[[.a.]]", "a", true),
            ("[[.-.]]", "-", true),
            ("[[.a.]-c]", "b", true),
            ("[a-[.c.]]", "b", true),
            ("[a-[.c.]]", "d", false),
            ("[[.ab.]]", "a", false),
            ("[[.hyphen.]]", "-", false),
            ("[[.a", "[[.a", false),
            ("\\", "\\", false),
            ("a\\", "a\\", false),
            ("a\\", "a", false),
            ("[\\", "[\\", false),
            ("[\\", "[", false),
            ("[a\\]", "[a]", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    /// Pseudo-random patterns of every sign that means something, against the C library. Sets without an end and
    /// unknown classes are left out: what those match depends there on whether a byte before them matched.
    #[test]
    fn the_c_library_answers_the_same() {
        const TOKENS: [&str; 22] = [
            "a",
            "b",
            "5",
            "-",
            "!",
            "^",
            "*",
            "?",
            "/",
            "[",
            "]",
            "[a]",
            "[!a]",
            "[a-c]",
            "[[:digit:]]",
            "[[:alpha:]-]",
            "[[:alnum:]_]",
            "[[=a=]]",
            "[[.b.]-d]",
            "\\a",
            "\\",
            ".",
        ];
        const LETTERS: [&str; 9] = ["a", "b", "5", "-", "/", "[", "]", ".", "\\"];
        let mut state = 1_u64;
        let mut pick = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % most
        };
        let mut cases = Vec::new();
        while cases.len() < 4000 {
            let pattern: String = (0..=pick(3)).map(|_| TOKENS[pick(TOKENS.len())]).collect();
            let text: String = (0..pick(4)).map(|_| LETTERS[pick(LETTERS.len())]).collect();
            if pattern.rsplit_once('[').is_none_or(|(_, last)| last.contains(']')) {
                cases.push((pattern, text));
            }
        }
        let program = "import ctypes, sys\n\
            fnmatch = ctypes.CDLL(None).fnmatch\n\
            pairs = [line.split('\\t') for line in sys.argv[1].split('\\n')]\n\
            print(''.join(str(int(fnmatch(p.encode(), t.encode(), 0) == 0)) for p, t in pairs))\n";
        let lines: Vec<String> =
            cases.iter().map(|(pattern, text)| format!("{pattern}\t{text}")).collect();
        let Some(answers) = oracle("python3", &["-c", program, &lines.join("\n")]) else { return };
        let answers = answers.trim().as_bytes();
        assert_eq!(answers.len(), cases.len());
        assert!(answers.iter().filter(|&&answer| answer == b'1').count() > 100);
        for ((pattern, text), answer) in cases.iter().zip(answers) {
            let ours = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(ours, *answer == b'1', "`{pattern}` `{text}`");
        }
    }

    /// A matcher that tries every star against every place would not end within an age.
    #[test]
    fn many_stars_end() {
        let text = vec![b'a'; 20_000];
        assert!(!matches(&[b"*a".repeat(200), b"b".to_vec()].concat(), &text));
        assert!(matches(&b"*a".repeat(200), &text));
    }
}
