//! `[[ ... ]]` (bash(1), "Compound Commands"): its operators are read before anything is expanded.

use super::SyntaxError;
use super::ast::{CommandKind, Condition, Piece, Word};
use super::lexer::{Parser, ends_word};

/// Operators of two operands that are implemented.
const BINARY: [&str; 12] =
    ["==", "=", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"];

/// Letters of operators of one operand that are implemented: those of `test` but `-t`.
const UNARY: &[u8] = b"abcdefghknprsuwxzGLOS";

impl Parser<'_> {
    pub(super) fn condition(&mut self) -> Result<CommandKind, SyntaxError> {
        self.eat("[[");
        let found = self.nested(Self::either)?;
        self.line_breaks()?;
        match self.upcoming() == b"]]" {
            true => {
                self.eat("]]");
                Ok(CommandKind::Condition(found))
            }
            false => self.unexpected("`]]`"),
        }
    }

    fn either(&mut self) -> Result<Condition, SyntaxError> {
        let mut found = self.both()?;
        loop {
            self.line_breaks()?;
            if !self.eat("||") {
                return Ok(found);
            }
            found = Condition::Or(Box::new(found), Box::new(self.both()?));
        }
    }

    fn both(&mut self) -> Result<Condition, SyntaxError> {
        let mut found = self.term()?;
        loop {
            self.line_breaks()?;
            if !self.eat("&&") {
                return Ok(found);
            }
            found = Condition::And(Box::new(found), Box::new(self.term()?));
        }
    }

    fn term(&mut self) -> Result<Condition, SyntaxError> {
        self.line_breaks()?;
        if self.eat("(") {
            let found = self.nested(Self::either)?;
            self.line_breaks()?;
            return if self.eat(")") { Ok(found) } else { self.unexpected("`)`") };
        }
        if self.upcoming() == b"!" {
            self.eat("!");
            let inner = self.nested(Self::term)?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Condition, SyntaxError> {
        let left = self.operand()?;
        if let [Piece::Literal(bytes)] = left.pieces.as_slice()
            && let [b'-', letter] = bytes.as_slice()
        {
            let letter = *letter;
            if !UNARY.contains(&letter) {
                let shown = char::from(letter).escape_default();
                return self.unsupported(self.line, format!("`-{shown}` in `[[`"));
            }
            self.skip_blanks();
            return Ok(Condition::Unary { letter, operand: self.operand()? });
        }
        self.skip_blanks();
        if let Some(byte @ (b'<' | b'>')) = self.peek() {
            return self.unsupported(self.line, format!("`{}` in `[[`", char::from(byte)));
        }
        let word = self.upcoming();
        if word == b"=~" {
            return self.unsupported(self.line, "`=~`");
        }
        let Some(operator) = BINARY.into_iter().find(|known| known.as_bytes() == word) else {
            return Ok(Condition::Word(left));
        };
        self.eat(operator);
        self.skip_blanks();
        Ok(Condition::Binary { left, operator, right: self.operand()? })
    }

    /// A word, which braces do not expand; `]]` is none.
    fn operand(&mut self) -> Result<Word, SyntaxError> {
        let ends = self.peek().is_none_or(ends_word) || self.upcoming() == b"]]";
        if ends { self.unexpected("a word") } else { self.word() }
    }
}
