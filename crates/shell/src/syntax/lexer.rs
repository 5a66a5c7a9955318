//! Bytes of a script, with the place in them: blanks, comments, operators and reserved words.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use super::SyntaxError;
use super::aliases::Aliases;
use super::ast::Word;
use super::dialect::Dialect;
use super::limits::Limits;

/// What a list may end with, and what starts a compound command (XCU 2.4).
const RESERVED: [&str; 16] = [
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then",
    "until", "while",
];

/// Whether a word is reserved where a command could stand (XCU 2.4).
#[must_use]
pub fn is_reserved(word: &[u8]) -> bool {
    RESERVED.iter().any(|reserved| reserved.as_bytes() == word)
}

/// The most words that the braces of a script come to, far beyond any real one.
const MOST_BRACES: usize = 1 << 16;

/// A here-document that is announced, and whose text begins on the next line.
pub(super) struct Announced {
    pub(super) line: u32,
    pub(super) delimiter: Vec<u8>,
    /// The delimiter was quoted: nothing in the text is expanded.
    pub(super) literal: bool,
    /// `<<-`: tabs at the start of a line go.
    pub(super) strip_tabs: bool,
    pub(super) text: Arc<OnceLock<Word>>,
}

/// A script while it is parsed.
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) line: u32,
    pub(super) depth: u32,
    pub(super) limits: Limits,
    pub(super) dialect: Dialect,
    /// How many words braces may still come to in the whole script.
    pub(super) braces: Rc<Cell<usize>>,
    pub(super) announced: Vec<Announced>,
    /// What stands for the names of commands.
    pub(super) aliases: Rc<Aliases>,
}

/// Whether a byte ends a word that nothing quotes (XCU 2.3).
pub(super) fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

/// Whether a byte may be in a name, at its start or behind it (XBD 3.216).
pub(super) fn is_of_name(byte: u8, first: bool) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic() || (!first && byte.is_ascii_digit())
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8], line: u32, depth: u32, limits: Limits) -> Self {
        let (dialect, braces) = (Dialect::Posix, Rc::new(Cell::new(MOST_BRACES)));
        let (announced, aliases) = (Vec::new(), Rc::default());
        Self { bytes, at: 0, line, depth, limits, dialect, braces, announced, aliases }
    }

    /// A parser of a text within this one.
    pub(super) fn within<'b>(&self, text: &'b [u8], line: u32) -> Parser<'b> {
        let (dialect, braces) = (self.dialect, self.braces.clone());
        let aliases = self.aliases.clone();
        Parser { dialect, braces, aliases, ..Parser::new(text, line, self.depth, self.limits) }
    }

    /// The byte here as it stands, in quotes for instance.
    pub(super) fn raw(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes the byte here as it stands.
    pub(super) fn take_raw(&mut self) -> Option<u8> {
        let byte = self.raw()?;
        self.at += 1;
        self.line += u32::from(byte == b'\n');
        Some(byte)
    }

    /// The byte here, behind any backslash with a line break, which is nothing (XCU 2.2.1).
    pub(super) fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\\n")) {
            self.at += 2;
            self.line += 1;
        }
        self.raw()
    }

    /// Takes the byte that [`Self::peek`] shows.
    pub(super) fn take(&mut self) -> Option<u8> {
        self.peek()?;
        self.take_raw()
    }

    /// Takes `text` if it stands here.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let (at, line) = (self.at, self.line);
        for wanted in text.bytes() {
            if self.peek() != Some(wanted) {
                (self.at, self.line) = (at, line);
                return false;
            }
            self.at += 1;
        }
        true
    }

    /// Whether `text` stands here.
    pub(super) fn sees(&mut self, text: &str) -> bool {
        let (at, line) = (self.at, self.line);
        let found = self.eat(text);
        (self.at, self.line) = (at, line);
        found
    }

    /// Takes bytes as long as `wanted` says yes of each.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some(byte) = self.peek().filter(|byte| wanted(*byte)) {
            self.at += 1;
            self.line += u32::from(byte == b'\n');
            taken.push(byte);
        }
        taken
    }

    /// Takes a name; nothing, and an empty one, where none stands.
    pub(super) fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(byte) = self.peek().filter(|byte| is_of_name(*byte, name.is_empty())) {
            self.at += 1;
            name.push(char::from(byte));
        }
        name
    }

    /// Goes on behind blanks and a comment.
    pub(super) fn skip_blanks(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
        if self.peek() == Some(b'#') {
            while self.raw().is_some_and(|byte| byte != b'\n') {
                self.at += 1;
            }
        }
    }

    /// Runs `read`, and goes back to here if it answers nothing.
    pub(super) fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let (at, line) = (self.at, self.line);
        let found = read(self);
        if found.is_none() {
            (self.at, self.line) = (at, line);
        }
        found
    }

    /// The bytes here up to what ends a word, quotes and all.
    pub(super) fn upcoming(&mut self) -> Vec<u8> {
        let (at, line) = (self.at, self.line);
        let word = self.take_while(|byte| !ends_word(byte));
        (self.at, self.line) = (at, line);
        word
    }

    /// The reserved word here, if one stands where a command could.
    pub(super) fn reserved(&mut self) -> Option<&'static str> {
        let word = self.upcoming();
        RESERVED.into_iter().find(|reserved| reserved.as_bytes() == word)
    }

    /// Takes a reserved word if it stands here.
    pub(super) fn eat_reserved(&mut self, word: &str) -> bool {
        self.skip_blanks();
        self.reserved() == Some(word) && self.eat(word)
    }

    /// An error about what stands here.
    pub(super) fn unexpected<T>(&mut self, expected: &'static str) -> Result<T, SyntaxError> {
        let line = self.line;
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(b'\n') => "the end of the line".to_owned(),
            Some(byte) if ends_word(byte) => format!("`{}`", byte.escape_ascii()),
            Some(_) => {
                let word = self.take_while(|byte| !ends_word(byte));
                format!("`{}`", word.escape_ascii())
            }
        };
        Err(SyntaxError::Unexpected { line, expected, found })
    }

    /// Goes one level down.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth >= self.limits.depth {
            return Err(SyntaxError::TooDeep { line: self.line, limit: self.limits.depth });
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::dash_takes;

    fn parser(text: &str) -> Parser<'_> {
        Parser::new(text.as_bytes(), 1, 0, Limits::default())
    }

    /// XCU 2.2.1: a backslash and a line break are nothing, but in the text as it stands.
    #[test]
    fn a_line_goes_on_behind_a_backslash() {
        let mut at = parser("a\\\n\\\nb\\c");
        assert_eq!((at.take(), at.peek(), at.line), (Some(b'a'), Some(b'b'), 3));
        assert!(at.sees("b\\c") && !at.sees("bc") && at.eat("b"));
        assert_eq!((at.take_raw(), at.take_raw(), at.take_raw()), (Some(b'\\'), Some(b'c'), None));
        assert_eq!(at.peek(), None);
        let mut raw = parser("\\\nb");
        assert_eq!((raw.take_raw(), raw.take_raw(), raw.line), (Some(b'\\'), Some(b'\n'), 2));
    }

    #[test]
    fn text_is_taken_whole_or_not_at_all() {
        let mut at = parser("<\\\n<-x");
        assert!(!at.eat("<<<") && at.raw() == Some(b'<') && at.line == 1, "it goes back");
        assert!(at.sees("<<-") && at.line == 1);
        assert!(at.eat("<<-") && at.raw() == Some(b'x') && at.line == 2);
        assert!(at.eat("x") && !at.eat("x") && at.eat(""));
    }

    #[test]
    fn names_are_those_of_variables() {
        for (text, name, rest) in [
            ("a1_B-c", "a1_B", Some(b'-')),
            ("_", "_", None),
            ("1a", "", Some(b'1')),
            ("\u{e4}", "", Some(0xc3)),
            ("a\\\nb=", "ab", Some(b'=')),
        ] {
            let mut at = parser(text);
            assert_eq!((at.name().as_str(), at.raw()), (name, rest), "{text}");
        }
        for byte in 0..=255 {
            assert_eq!(ends_word(byte), b" \t\n;&|<>()".contains(&byte), "{byte}");
        }
    }

    #[test]
    fn blanks_and_comments_are_passed_over() {
        for (text, rest) in [
            (" \t a", Some(b'a')),
            ("#a b\nc", Some(b'\n')),
            (" # a", None),
            ("\\\n \\\na", Some(b'a')),
            // A comment ends with its line, backslash or not (2.3).
            ("# a \\\nb", Some(b'\n')),
            ("\n", Some(b'\n')),
        ] {
            let mut at = parser(text);
            at.skip_blanks();
            assert_eq!(at.raw(), rest, "{text:?}");
        }
    }

    #[test]
    fn an_attempt_that_fails_goes_back() {
        let mut at = parser("a\nb");
        let nothing: Option<()> = at.attempt(|at| {
            at.take_while(|_| true);
            None
        });
        assert_eq!((nothing, at.raw(), at.line), (None, Some(b'a'), 1));
        assert_eq!(at.attempt(Parser::take), Some(b'a'));
        assert_eq!(at.take_while(|byte| byte == b'\n'), b"\n");
        assert_eq!((at.raw(), at.line), (Some(b'b'), 2));
    }

    /// XCU 2.4: a word is reserved as a whole, and only unquoted.
    #[test]
    fn reserved_words_are_whole_words() {
        for word in RESERVED {
            assert!(is_reserved(word.as_bytes()));
            assert_eq!(parser(word).reserved(), Some(word));
            assert_eq!(parser(&format!("{word};")).reserved(), Some(word));
            assert_eq!(parser(&format!("{word}x")).reserved(), None);
            assert!(parser(&format!(" {word} x")).eat_reserved(word));
            assert!(!dash_takes(format!("{word}\n").as_bytes()), "{word}");
        }
        for word in ["", "i", "iff", "'if'", "\\if", "If", "function", "select", "[[", "time"] {
            assert!(!is_reserved(word.as_bytes()) && parser(word).reserved().is_none(), "{word}");
        }
        let mut at = parser("i\\\nf x");
        assert!(!at.eat_reserved("fi") && at.eat_reserved("if") && at.raw() == Some(b' '));
    }

    #[test]
    fn what_stands_here_is_named() {
        for (text, found) in [
            ("", "the end"),
            ("\nx", "the end of the line"),
            (";;", "`;`"),
            (")", "`)`"),
            ("fi; x", "`fi`"),
            ("a\x01\u{e4} b", "`a\\x01\\xc3\\xa4`"),
        ] {
            let error = parser(text).unexpected::<()>("a word").unwrap_err();
            let found = found.to_owned();
            assert_eq!(error, SyntaxError::Unexpected { line: 1, expected: "a word", found });
        }
    }

    #[test]
    fn levels_are_counted_and_given_back() {
        let limits = Limits { depth: 2, ..Limits::default() };
        let mut at = Parser::new(b"", 7, 0, limits);
        for _ in 0..3 {
            assert_eq!(at.nested(|at| at.nested(|at| Ok(at.depth))), Ok(2));
        }
        let deeper = at.nested(|at| at.nested(|at| at.nested(|_| Ok(()))));
        assert_eq!(deeper, Err(SyntaxError::TooDeep { line: 7, limit: 2 }));
        assert_eq!(at.depth, 0);
    }
}
