//! Regular expressions of POSIX (XBD 9) with GNU's additions, on bytes.
//!
//! They are translated for the crate `regex`, which takes the first alternative that matches where POSIX
//! takes the longest match. Wherever that could differ, a longer match is looked for, and one that is
//! found is a [`Stop`]. Back-references are not implemented.

use std::ops::Range;

use regex::bytes;

use super::super::call::{Call, shown};
use crate::pattern::is_of_class;
use crate::stop::Stop;

/// The longest text that longer matches are looked for in: each costs a pass over it.
const AMBIGUOUS_MAX: usize = 64 << 10;

/// The two forms of regular expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `\(a\|b\)*` (XBD 9.3).
    Basic,
    /// `(a|b)*` (XBD 9.4).
    Extended,
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Regex {
    regex: bytes::Regex,
    /// The same for all of a text, where the first match need not be the longest.
    whole: Option<bytes::Regex>,
    groups: usize,
}

/// A match: where all of it is, and each group that takes part.
#[derive(Clone, Debug)]
pub(super) struct Found {
    whole: Range<usize>,
    groups: Vec<Option<Range<usize>>>,
}

impl Found {
    pub(super) fn whole(&self) -> Range<usize> {
        self.whole.clone()
    }

    /// A group, from 1; 0 is the whole.
    pub(super) fn group(&self, number: usize) -> Option<Range<usize>> {
        match number {
            0 => Some(self.whole()),
            _ => self.groups.get(number - 1).cloned().flatten(),
        }
    }
}

impl Regex {
    pub(super) fn new(
        call: &Call<'_>,
        pattern: &[u8],
        dialect: Dialect,
        ignore_case: bool,
    ) -> Result<Self, Stop> {
        let translated = Translation::of(pattern, dialect)
            .map_err(|why| call.unsupported(format!("`{}`: {why}", shown(pattern))))?;
        Self::compile(call, pattern, &translated, ignore_case)
    }

    /// One that matches a text as it stands.
    pub(super) fn literal(call: &Call<'_>, text: &[u8], ignore_case: bool) -> Result<Self, Stop> {
        let mut translated = Translation::default();
        text.iter().for_each(|byte| translated.text.push_str(&literal(*byte)));
        Self::compile(call, text, &translated, ignore_case)
    }

    fn compile(
        call: &Call<'_>,
        pattern: &[u8],
        translated: &Translation,
        ignore_case: bool,
    ) -> Result<Self, Stop> {
        let flags = if ignore_case { "(?si-u)" } else { "(?s-u)" };
        let build = |text: String| {
            bytes::RegexBuilder::new(&text).size_limit(1 << 20).build().map_err(|error| {
                call.unsupported(format!("the expression `{}` ({error})", shown(pattern)))
            })
        };
        let regex = build(format!("{flags}{}", translated.text))?;
        let whole = match translated.is_ambiguous {
            true => Some(build(format!("{flags}\\A(?:{})\\z", translated.text))?),
            false => None,
        };
        Ok(Self { regex, whole, groups: translated.groups })
    }

    /// The same, of whole lines or of whole words alone.
    pub(super) fn only(self, call: &Call<'_>, lines: bool, words: bool) -> Result<Self, Stop> {
        let inner = self.regex.as_str();
        let text = match (lines, words) {
            (true, _) => format!("\\A(?:{inner})\\z"),
            (false, true) => format!("(?-u:\\b{{start-half}})(?:{inner})(?-u:\\b{{end-half}})"),
            (false, false) => return Ok(self),
        };
        let regex = bytes::Regex::new(&text);
        let regex = regex.map_err(|error| call.unsupported(format!("-w or -x ({error})")))?;
        Ok(Self { regex, whole: None, groups: self.groups })
    }

    /// How many groups it has.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first match that starts at `from` or behind it.
    pub(super) fn find(
        &self,
        call: &Call<'_>,
        text: &[u8],
        from: usize,
    ) -> Result<Option<Found>, Stop> {
        let Some(captures) = self.regex.captures_at(text, from) else { return Ok(None) };
        let range = |at: usize| captures.get(at).map(|found| found.range());
        let Some(whole) = range(0) else { return Ok(None) };
        if let Some(longer) = &self.whole {
            if text.len() > AMBIGUOUS_MAX {
                return Err(call.unsupported("alternatives in a line of more than 64 KiB"));
            }
            let mut ends = whole.end + 1..=text.len();
            if ends.any(|end| longer.is_match(&text[whole.start..end])) {
                let pattern = self.regex.as_str();
                return Err(call.unsupported(format!("`{pattern}` where alternatives overlap")));
            }
        }
        let groups = (1..=self.groups).map(range).collect();
        Ok(Some(Found { whole, groups }))
    }
}

/// A byte that stands for itself.
fn literal(byte: u8) -> String {
    match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    }
}

/// The expression as the crate has it.
#[derive(Debug, Default)]
struct Translation {
    text: String,
    groups: usize,
    /// The first match need not be the longest.
    is_ambiguous: bool,
    has_context: bool,
}

/// What follows in an expression.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// Something that matches a byte, or nothing, as the crate writes it.
    Atom(String),
    /// A place: an anchor, a boundary of words.
    Place(&'static str),
    Open,
    Close,
    Or,
    /// `*` and its like, as the crate writes them.
    Repeat(String),
}

impl Translation {
    fn of(pattern: &[u8], dialect: Dialect) -> Result<Self, String> {
        let mut reader = Reader { rest: pattern, dialect, at_start: true, depth: 0 };
        let mut translation = Self::default();
        // The pieces of each group that is open; the last may be repeated.
        let mut open: Vec<Vec<String>> = vec![Vec::new()];
        while let Some(token) = reader.next()? {
            let Some(pieces) = open.last_mut() else { break };
            match token {
                Token::Atom(text) => pieces.push(text),
                Token::Place(text) => {
                    translation.has_context = true;
                    pieces.push(text.to_owned());
                }
                Token::Or => {
                    translation.is_ambiguous = true;
                    pieces.push("|".to_owned());
                }
                Token::Open => {
                    translation.groups += 1;
                    open.push(Vec::new());
                }
                Token::Close => {
                    let inner = open.pop().unwrap_or_default().concat();
                    let outer = open.last_mut().ok_or("an unmatched `)`")?;
                    outer.push(format!("({inner})"));
                }
                Token::Repeat(how) => {
                    let last =
                        pieces.pop().filter(|last| last != "|").ok_or("nothing to repeat")?;
                    translation.is_ambiguous |= last.starts_with('(');
                    pieces.push(format!("(?:{last}){how}"));
                }
            }
        }
        let (Some(pieces), true) = (open.pop(), open.is_empty()) else {
            return Err("a group without its end".to_owned());
        };
        translation.text = pieces.concat();
        if translation.is_ambiguous && translation.has_context {
            // Where a part of the text is looked at, a place in it may be another.
            let only_outer = translation.text.strip_prefix('^').unwrap_or(&translation.text);
            let only_outer = only_outer.strip_suffix('$').unwrap_or(only_outer);
            if ["^", "$", "\\b"].iter().any(|place| only_outer.contains(place)) {
                return Err("places within alternatives".to_owned());
            }
        }
        Ok(translation)
    }
}

struct Reader<'p> {
    rest: &'p [u8],
    dialect: Dialect,
    /// At the start of the expression, of a group or of an alternative.
    at_start: bool,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Option<Token>, String> {
        let Some((byte, behind)) = self.rest.split_first() else { return Ok(None) };
        let before = self.rest;
        self.rest = behind;
        let at_start = std::mem::replace(&mut self.at_start, false);
        let is_basic = self.dialect == Dialect::Basic;
        Ok(Some(match byte {
            b'\\' => return self.escaped(at_start).map(Some),
            b'[' => {
                let (text, rest) = bracket(before)?;
                self.rest = rest;
                Token::Atom(text)
            }
            b'.' => Token::Atom(".".to_owned()),
            b'^' if at_start || !is_basic => {
                self.at_start = true;
                Token::Place("^")
            }
            b'$' if !is_basic || self.ends_here() => Token::Place("$"),
            b'*' if at_start && is_basic => Token::Atom(literal(b'*')),
            b'*' => Token::Repeat("*".to_owned()),
            b'(' if !is_basic => self.open(),
            b')' if !is_basic && self.depth > 0 => self.close(),
            b'|' if !is_basic => self.or(),
            b'+' | b'?' if !is_basic => Token::Repeat(char::from(*byte).to_string()),
            b'{' if !is_basic => self.interval(b"}")?,
            byte => Token::Atom(literal(*byte)),
        }))
    }

    /// Whether a basic expression, a group or an alternative ends here.
    fn ends_here(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(b"\\)") || self.rest.starts_with(b"\\|")
    }

    fn open(&mut self) -> Token {
        self.depth += 1;
        self.at_start = true;
        Token::Open
    }

    fn close(&mut self) -> Token {
        self.depth -= 1;
        Token::Close
    }

    fn or(&mut self) -> Token {
        self.at_start = true;
        Token::Or
    }

    fn escaped(&mut self, at_start: bool) -> Result<Token, String> {
        let Some((byte, behind)) = self.rest.split_first() else {
            return Err("a backslash at its end".to_owned());
        };
        self.rest = behind;
        let is_basic = self.dialect == Dialect::Basic;
        Ok(match byte {
            b'(' if is_basic => self.open(),
            b')' if is_basic && self.depth > 0 => self.close(),
            b')' if is_basic => return Err("an unmatched `\\)`".to_owned()),
            b'|' if is_basic => self.or(),
            b'{' if is_basic && at_start => return Err("nothing to repeat".to_owned()),
            b'{' if is_basic => self.interval(b"\\}")?,
            b'+' | b'?' if is_basic => Token::Repeat(char::from(*byte).to_string()),
            b'1'..=b'9' => return Err("a back-reference".to_owned()),
            b'n' => Token::Atom(literal(b'\n')),
            b't' => Token::Atom(literal(b'\t')),
            b'w' => Token::Atom("[0-9A-Za-z_]".to_owned()),
            b'W' => Token::Atom("[^0-9A-Za-z_]".to_owned()),
            b's' => Token::Atom("[ \\t\\n\\r\\x0b\\x0c]".to_owned()),
            b'S' => Token::Atom("[^ \\t\\n\\r\\x0b\\x0c]".to_owned()),
            b'<' => Token::Place("\\b{start}"),
            b'>' => Token::Place("\\b{end}"),
            b'b' => Token::Place("\\b"),
            byte if !byte.is_ascii_alphanumeric() => Token::Atom(literal(*byte)),
            byte => return Err(format!("`\\{}`", char::from(*byte))),
        })
    }

    /// `{2}`, `{2,}`, `{2,5}`, `{,5}`, behind the brace.
    fn interval(&mut self, end: &[u8]) -> Result<Token, String> {
        let unknown = || "a `{` that is no interval".to_owned();
        let at = self.rest.windows(end.len()).position(|part| part == end).ok_or_else(unknown)?;
        let inner = str::from_utf8(&self.rest[..at]).map_err(|_| unknown())?;
        let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
        let number = |text: &str| -> Result<Option<u16>, String> {
            if text.is_empty() {
                return Ok(None);
            }
            let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
            number.flatten().map(Some).ok_or_else(unknown)
        };
        let (least, most) = (number(least)?, number(most)?);
        self.rest = &self.rest[at + end.len()..];
        match (inner.contains(','), least, most) {
            (false, None, _) => Err(unknown()),
            (_, least, Some(most)) if least.unwrap_or(0) <= most => {
                Ok(Token::Repeat(format!("{{{},{most}}}", least.unwrap_or(0))))
            }
            (true, least, None) => Ok(Token::Repeat(format!("{{{},}}", least.unwrap_or(0)))),
            _ => Err(unknown()),
        }
    }
}

/// A bracket expression as the crate has it, and what is behind it.
fn bracket(text: &[u8]) -> Result<(String, &[u8]), String> {
    let unmatched = || "an unmatched `[`".to_owned();
    let mut rest = text.get(1..).ok_or_else(unmatched)?;
    let mut translated = String::from("[");
    if let Some(behind) = rest.strip_prefix(b"^") {
        translated.push('^');
        rest = behind;
    }
    let mut is_first = true;
    loop {
        let (byte, behind) = rest.split_first().ok_or_else(unmatched)?;
        if *byte == b']' && !is_first {
            translated.push(']');
            return Ok((translated, behind));
        }
        is_first = false;
        if let Some(inner) = rest.strip_prefix(b"[:") {
            let end = inner.windows(2).position(|pair| pair == b":]").ok_or_else(unmatched)?;
            let name = String::from_utf8_lossy(&inner[..end]);
            if is_of_class(&inner[..end], 0).is_none() {
                return Err(format!("the class `{name}`"));
            }
            translated.push_str(&format!("[:{name}:]"));
            rest = &inner[end + 2..];
            continue;
        }
        if rest.starts_with(b"[.") || rest.starts_with(b"[=") {
            return Err("a collating element".to_owned());
        }
        // GNU sed and grep read `\n` and its like here too.
        let (byte, behind) = match rest {
            [b'\\', b'n', behind @ ..] => (b'\n', behind),
            [b'\\', b't', behind @ ..] => (b'\t', behind),
            _ => (*byte, behind),
        };
        translated.push_str(&literal(byte));
        rest = behind;
        if let [b'-', last, behind @ ..] = rest
            && *last != b']'
        {
            if *last == b'[' && matches!(behind.first(), Some(b'.' | b'=' | b':')) {
                return Err("a range that ends in a class".to_owned());
            }
            if byte > *last {
                return Err("a range from high to low".to_owned());
            }
            translated.push('-');
            translated.push_str(&literal(*last));
            rest = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Translation};

    fn translated(pattern: &str, dialect: Dialect) -> Result<String, String> {
        Translation::of(pattern.as_bytes(), dialect).map(|translation| translation.text)
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for (pattern, dialect) in [
            (r"\(a\)\1", Dialect::Basic),
            (r"(a)\1", Dialect::Extended),
            ("[[.x.]]", Dialect::Basic),
            ("[[=x=]]", Dialect::Basic),
            ("[[:word:]]", Dialect::Basic),
            ("[z-a]", Dialect::Basic),
            ("[a", Dialect::Basic),
            (r"\(a", Dialect::Basic),
            (r"a\)", Dialect::Basic),
            ("(a", Dialect::Extended),
            ("a{x}", Dialect::Extended),
            ("a{3,2}", Dialect::Extended),
            ("*a", Dialect::Extended),
            ("a|*b", Dialect::Extended),
            ("(^a|b)c", Dialect::Extended),
            (r"a\", Dialect::Basic),
            (r"\q", Dialect::Basic),
        ] {
            assert!(translated(pattern, dialect).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_two_dialects_have_their_own_specials() {
        for (pattern, dialect, expected) in [
            ("a+b", Dialect::Basic, r"a\x2bb"),
            (r"a\+b", Dialect::Basic, "(?:a)+b"),
            ("a+b", Dialect::Extended, "(?:a)+b"),
            (r"a\+b", Dialect::Extended, r"a\x2bb"),
            ("*a", Dialect::Basic, r"\x2aa"),
            (r"\(*a\)", Dialect::Basic, r"(\x2aa)"),
            ("^*a", Dialect::Basic, r"^\x2aa"),
            ("a^b$c", Dialect::Basic, r"a\x5eb\x24c"),
            ("^a$", Dialect::Basic, "^a$"),
            (r"a\{2,3\}", Dialect::Basic, "(?:a){2,3}"),
            ("a{2}", Dialect::Extended, "(?:a){2,2}"),
            ("a{,2}", Dialect::Extended, "(?:a){0,2}"),
            ("a{2,}", Dialect::Extended, "(?:a){2,}"),
            ("[]a]", Dialect::Basic, r"[\x5da]"),
            ("[^]a-c-]", Dialect::Basic, r"[^\x5da-c\x2d]"),
            ("[[:space:]x]", Dialect::Basic, "[[:space:]x]"),
            (")", Dialect::Extended, r"\x29"),
        ] {
            assert_eq!(translated(pattern, dialect).as_deref(), Ok(expected), "{pattern}");
        }
    }
}
