//! Forms of `${...}` that bash(1) has beside those of POSIX ("Parameter Expansion").

use super::SyntaxError;
use super::ast::{Matches, Operation, ParameterName, Word};
use super::lexer::{Parser, is_of_name};
use super::words::Within;

impl Parser<'_> {
    /// Takes the `!` of `${!NAME}`; behind `${`. `${!}` and `${!-WORD}` are of `$!`.
    pub(super) fn eat_indirection(&mut self) -> bool {
        let is_bash = self.is_bash();
        let found = self.attempt(|parser| {
            (is_bash && parser.eat("!")).then_some(())?;
            let byte = parser.peek()?;
            let is_named = is_of_name(byte, true) || byte.is_ascii_digit() || parser.sees("#}");
            is_named.then_some(())
        });
        found.is_some()
    }

    /// What only bash makes of a parameter's value, if it stands here; with the brace that ends it.
    pub(super) fn operation_of_bash(
        &mut self,
        name: &ParameterName,
        is_indirect: bool,
    ) -> Result<Option<Operation>, SyntaxError> {
        if !self.is_bash() {
            return Ok(None);
        }
        let line = self.line;
        match self.peek() {
            Some(b'*' | b'@') if is_indirect => {
                self.unsupported(line, format!("`${{!{name}*}}` of bash"))
            }
            Some(byte @ (b'[' | b'@')) => {
                self.unsupported(line, format!("`${{{name}{}`", char::from(byte)))
            }
            Some(b':') if !["-", "=", "?", "+"].iter().any(|it| self.sees(&format!(":{it}"))) => {
                self.take();
                self.part(name).map(Some)
            }
            Some(b'/') => {
                self.take();
                self.replacement(name).map(Some)
            }
            Some(b'^' | b',') => self.in_case(name).map(Some),
            _ => Ok(None),
        }
    }

    /// `OFFSET` and `OFFSET:LENGTH`, behind the first colon.
    fn part(&mut self, name: &ParameterName) -> Result<Operation, SyntaxError> {
        let line = self.line;
        let offset = self.nested(|parser| parser.pieces(Within::Offset))?;
        let length = match self.eat(":") {
            true => Some(self.nested(|parser| parser.pieces(Within::Offset))?),
            false => None,
        };
        if offset.is_empty() && length.is_none() {
            return self.unsupported(line, format!("`${{{name}:` without an offset"));
        }
        // Its colon would be no end.
        let has_question = |piece: &super::Piece| matches!(piece, super::Piece::Literal(bytes) if bytes.contains(&b'?'));
        if offset.iter().chain(length.iter().flatten()).any(has_question) {
            return self.unsupported(line, format!("`?` in the offset of `${{{name}:`"));
        }
        match self.eat("}") {
            true => Ok(Operation::Part { offset, length }),
            false => self.bad_substitution(),
        }
    }

    /// `PATTERN` and `PATTERN/WORD`, behind the first slash.
    fn replacement(&mut self, name: &ParameterName) -> Result<Operation, SyntaxError> {
        let line = self.line;
        let which = match () {
            () if self.eat("/") => Matches::All,
            () if self.eat("#") => Matches::Start,
            () if self.eat("%") => Matches::End,
            () => Matches::First,
        };
        let mut pattern = Word::default();
        if which == Matches::All && self.sees("/") {
            // `${NAME////WORD}` replaces slashes.
            if !self.sees("//") {
                let what = format!("`/` at the start of the pattern of `${{{name}//`");
                return self.unsupported(line, what);
            }
            self.take();
            pattern = Word::quoted(b"/".to_vec());
        }
        self.check_no_tilde(name, "/")?;
        pattern.pieces.extend(self.nested(|parser| parser.pieces(Within::Replaced))?);
        let with = match self.eat("/") {
            true => {
                self.check_no_tilde(name, "/")?;
                // Quotes are its own, whatever the expansion stands in.
                Word { pieces: self.nested(|parser| parser.pieces(Within::Braces))? }
            }
            false if self.eat("}") => Word::default(),
            false => return self.bad_substitution(),
        };
        Ok(Operation::Replace { which, pattern, with })
    }

    /// `^`, `^^`, `,` and `,,`, with a pattern or without.
    fn in_case(&mut self, name: &ParameterName) -> Result<Operation, SyntaxError> {
        let upper = self.sees("^");
        let operator = if upper { "^" } else { "," };
        self.eat(operator);
        let all = self.eat(operator);
        if self.eat("}") {
            return Ok(Operation::Case { upper, all, pattern: None });
        }
        self.check_no_tilde(name, operator)?;
        let pieces = self.nested(|parser| parser.pieces(Within::Braces))?;
        Ok(Operation::Case { upper, all, pattern: Some(Word { pieces }) })
    }

    fn check_no_tilde(&mut self, name: &ParameterName, operator: &str) -> Result<(), SyntaxError> {
        match self.sees("~") {
            true => self.unsupported(self.line, format!("a tilde in `${{{name}{operator}`")),
            false => Ok(()),
        }
    }
}
