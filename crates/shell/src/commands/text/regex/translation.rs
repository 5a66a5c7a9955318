//! The syntax of expressions, and what the crate `regex` reads in their place.

use super::dialect::Dialect;
use crate::pattern::is_of_class;

/// A byte that stands for itself.
pub(super) fn literal(byte: u8) -> String {
    match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    }
}

/// A part of an expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Something that matches one byte, as the crate writes it.
    Atom(String),
    /// A place: an anchor, a boundary of words.
    Place(&'static str),
    /// A group of this number, from 1.
    Group(usize, Box<Node>),
    /// Alternatives, each of parts that follow one another.
    Or(Vec<Vec<Node>>),
    /// What repeats, how the crate writes that, and the least and the most times.
    Repeat(Box<Node>, String, u16, Option<u16>),
}

impl Node {
    /// The expression as the crate has it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Atom(text) => text.clone(),
            Self::Place(text) => (*text).to_owned(),
            Self::Group(_, inner) => format!("({})", inner.text()),
            Self::Or(all) => {
                let text = |parts: &Vec<Self>| parts.iter().map(Self::text).collect::<String>();
                all.iter().map(text).collect::<Vec<_>>().join("|")
            }
            Self::Repeat(inner, how, ..) => format!("(?:{}){how}", inner.text()),
        }
    }
}

/// An expression that is read.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) node: Node,
    pub(super) groups: usize,
    /// The first match need not be the longest.
    pub(super) is_ambiguous: bool,
}

impl Translation {
    pub(super) fn of(pattern: &[u8], dialect: Dialect) -> Result<Self, String> {
        let mut reader = Reader { rest: pattern, dialect, at_start: true, depth: 0 };
        let (mut groups, mut is_ambiguous) = (0, false);
        // The alternatives of each group that is open, with its number.
        let mut open: Vec<(usize, Vec<Vec<Node>>)> = vec![(0, vec![Vec::new()])];
        while let Some(token) = reader.next()? {
            let Some(parts) = open.last_mut().and_then(|(_, all)| all.last_mut()) else { break };
            match token {
                Token::Atom(text) => parts.push(Node::Atom(text)),
                Token::Place(text) => parts.push(Node::Place(text)),
                Token::Or => {
                    is_ambiguous = true;
                    open.last_mut().ok_or("no group")?.1.push(Vec::new());
                }
                Token::Open => {
                    groups += 1;
                    open.push((groups, vec![Vec::new()]));
                }
                Token::Close => {
                    let (number, all) = open.pop().unwrap_or_default();
                    let outer = open.last_mut().and_then(|(_, all)| all.last_mut());
                    let group = Node::Group(number, Box::new(Node::Or(all)));
                    outer.ok_or("an unmatched `)`")?.push(group);
                }
                Token::Repeat(how, least, most) => {
                    let last = parts.pop().ok_or("nothing to repeat")?;
                    if matches!(last, Node::Place(_)) {
                        return Err("a place that repeats".to_owned());
                    }
                    is_ambiguous |= !matches!(last, Node::Atom(_));
                    parts.push(Node::Repeat(Box::new(last), how, least, most));
                }
            }
        }
        let (Some((_, all)), true) = (open.pop(), open.is_empty()) else {
            return Err("a group without its end".to_owned());
        };
        Ok(Self { node: Node::Or(all), groups, is_ambiguous })
    }
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
    /// `*` and its like, as the crate writes them, with the least and the most times.
    Repeat(String, u16, Option<u16>),
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
            b'*' => Token::Repeat("*".to_owned(), 0, None),
            b'(' if !is_basic => self.open(),
            b')' if !is_basic && self.depth > 0 => self.close(),
            b'|' if !is_basic => self.or(),
            b'+' if !is_basic => Token::Repeat("+".to_owned(), 1, None),
            b'?' if !is_basic => Token::Repeat("?".to_owned(), 0, Some(1)),
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
            // As `*`, they repeat what is before them, or stand for themselves.
            b'+' | b'?' if is_basic && at_start => Token::Atom(literal(*byte)),
            b'+' if is_basic => Token::Repeat("+".to_owned(), 1, None),
            b'?' if is_basic => Token::Repeat("?".to_owned(), 0, Some(1)),
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
            b'B' => Token::Place("\\B"),
            b'`' => Token::Place("\\A"),
            b'\'' => Token::Place("\\z"),
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
                let least = least.unwrap_or(0);
                Ok(Token::Repeat(format!("{{{least},{most}}}"), least, Some(most)))
            }
            (true, least, None) => {
                let least = least.unwrap_or(0);
                Ok(Token::Repeat(format!("{{{least},}}"), least, None))
            }
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
        Translation::of(pattern.as_bytes(), dialect).map(|translation| translation.node.text())
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
            ("^*a", Dialect::Extended),
            (r"\<*a", Dialect::Basic),
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
            (r"^\+b", Dialect::Basic, r"^\x2bb"),
            (r"\(\?b\)", Dialect::Basic, r"(\x3fb)"),
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
            ("(^a|b)c", Dialect::Extended, "(^a|b)c"),
            (r"\(^a\|b$\)*", Dialect::Basic, "(?:(^a|b$))*"),
            (r"\Ba\`b\'", Dialect::Basic, r"\Ba\Ab\z"),
        ] {
            assert_eq!(translated(pattern, dialect).as_deref(), Ok(expected), "{pattern}");
        }
    }
}
