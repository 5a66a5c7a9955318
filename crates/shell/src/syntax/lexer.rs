//! Bytes of a script, with the place in them: blanks, comments, operators and reserved words.

use std::sync::{Arc, OnceLock};

use super::SyntaxError;
use super::ast::Word;
use super::limits::Limits;

/// What a list may end with, and what starts a compound command (XCU 2.4).
const RESERVED: [&str; 16] = [
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then",
    "until", "while",
];

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
    pub(super) announced: Vec<Announced>,
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
        Self { bytes, at: 0, line, depth, limits, announced: Vec::new() }
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

    /// The reserved word here, if one stands where a command could.
    pub(super) fn reserved(&mut self) -> Option<&'static str> {
        let (at, line) = (self.at, self.line);
        let word = self.take_while(|byte| !ends_word(byte));
        (self.at, self.line) = (at, line);
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
