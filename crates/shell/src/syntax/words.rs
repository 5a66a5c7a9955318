//! Words: quoting (XCU 2.2) and the forms of expansions (XCU 2.6).

use super::SyntaxError;
use super::ast::{Assignment, Operation, Parameter, ParameterName, Piece, Word};
use super::lexer::{Parser, ends_word, is_of_name};

/// What a piece stands in, which decides what ends it and what quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// A word of a command.
    Word,
    /// The value of an assignment: a tilde may stand behind a colon.
    Value,
    /// The word of `${...}`, which `}` ends.
    Braces,
    /// The word of `${...}` in `"..."`.
    QuotedBraces,
    /// `"..."`.
    Quotes,
    /// The text of a here-document.
    Document,
    /// `$((...))`.
    Arithmetic,
}

impl Within {
    /// Whether blanks and single quotes are ordinary bytes.
    fn is_quoted(self) -> bool {
        matches!(self, Self::QuotedBraces | Self::Quotes | Self::Document | Self::Arithmetic)
    }

    /// What a backslash quotes; behind it every other byte stays, and so does the backslash (XCU 2.2.3).
    fn escapes(self, byte: u8) -> bool {
        match self {
            Self::Word | Self::Value | Self::Braces => true,
            Self::Document => matches!(byte, b'$' | b'`' | b'\\'),
            Self::QuotedBraces => matches!(byte, b'$' | b'`' | b'"' | b'\\' | b'}'),
            Self::Quotes | Self::Arithmetic => matches!(byte, b'$' | b'`' | b'"' | b'\\'),
        }
    }
}

/// Pieces in their making: literal bytes that follow one another are one piece.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn literal(&mut self, byte: u8) {
        match self.0.last_mut() {
            Some(Piece::Literal(bytes)) => bytes.push(byte),
            _ => self.0.push(Piece::Literal(vec![byte])),
        }
    }

    fn quoted(&mut self, byte: u8) {
        match self.0.last_mut() {
            Some(Piece::Quoted(bytes)) => bytes.push(byte),
            _ => self.0.push(Piece::Quoted(vec![byte])),
        }
    }
}

impl Parser<'_> {
    /// A word of a command.
    pub(super) fn word(&mut self) -> Result<Word, SyntaxError> {
        let pieces = self.nested(|parser| parser.pieces(Within::Word))?;
        Ok(Word { pieces })
    }

    /// The name of a variable and `=`, if they start a word here.
    pub(super) fn assignment_name(&mut self) -> Option<String> {
        self.attempt(|parser| {
            let name = parser.name();
            (!name.is_empty() && parser.eat("=")).then_some(name)
        })
    }

    /// What is assigned to a variable.
    pub(super) fn assigned(&mut self, name: String) -> Result<Assignment, SyntaxError> {
        let pieces = self.nested(|parser| parser.pieces(Within::Value))?;
        Ok(Assignment { name, value: Word { pieces } })
    }

    /// The whole of a here-document's text.
    pub(super) fn document_word(&mut self) -> Result<Word, SyntaxError> {
        let pieces = self.nested(|parser| parser.pieces(Within::Document))?;
        Ok(Word { pieces })
    }

    fn pieces(&mut self, within: Within) -> Result<Vec<Piece>, SyntaxError> {
        let mut pieces = Pieces::default();
        let (start, mut open) = (self.line, 0_u32);
        loop {
            let unquoted = matches!(within, Within::Word | Within::Value);
            let Some(byte) = self.peek() else {
                let what = match within {
                    Within::Word | Within::Value | Within::Document => return Ok(pieces.0),
                    Within::Braces | Within::QuotedBraces => "`${`",
                    Within::Quotes => "`\"`",
                    Within::Arithmetic => "`$((`",
                };
                return Err(SyntaxError::Unterminated { line: start, what });
            };
            match (byte, within) {
                _ if unquoted && ends_word(byte) => return Ok(pieces.0),
                (b'}', Within::Braces | Within::QuotedBraces) | (b'"', Within::Quotes) => {
                    self.take();
                    return Ok(pieces.0);
                }
                (b')', Within::Arithmetic) if open == 0 => {
                    return match self.eat("))") {
                        true => Ok(pieces.0),
                        false => self.unexpected("`))`"),
                    };
                }
                (b'\\', _) => self.escape(within, &mut pieces),
                (b'\'', _) if !within.is_quoted() => {
                    let text = self.single_quotes()?;
                    pieces.0.push(Piece::Quoted(text));
                }
                (b'"', Within::Word | Within::Value | Within::Braces | Within::QuotedBraces) => {
                    self.take();
                    let inner = self.nested(|parser| parser.pieces(Within::Quotes))?;
                    pieces.0.push(Piece::Double(inner));
                }
                (b'$', _) => self.dollar(within, &mut pieces)?,
                (b'`', _) => {
                    let piece = self.backquotes(within)?;
                    pieces.0.push(piece);
                }
                (b'~', _) if self.may_be_tilde(within, &pieces.0) => {
                    self.tilde(within, &mut pieces)
                }
                _ => {
                    match byte {
                        b'(' => open += 1,
                        b')' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    self.take();
                    pieces.literal(byte);
                }
            }
        }
    }

    fn escape(&mut self, within: Within, pieces: &mut Pieces) {
        self.take();
        // A line break behind a backslash is gone already.
        match self.raw() {
            Some(byte) if within.escapes(byte) => {
                self.take_raw();
                pieces.quoted(byte);
            }
            // At the end of the script it stands for itself.
            _ => pieces.quoted(b'\\'),
        }
    }

    fn single_quotes(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let line = self.line;
        self.take_raw();
        let mut text = Vec::new();
        loop {
            match self.take_raw() {
                Some(b'\'') => return Ok(text),
                Some(byte) => text.push(byte),
                None => return Err(SyntaxError::Unterminated { line, what: "`'`" }),
            }
        }
    }

    /// A tilde is one at the start of a word, and behind `:` of a value (XCU 2.6.1).
    fn may_be_tilde(&self, within: Within, before: &[Piece]) -> bool {
        match (within, before.last()) {
            (Within::Word | Within::Value | Within::Braces, None) => true,
            (Within::Value, Some(Piece::Literal(bytes))) => bytes.ends_with(b":"),
            _ => false,
        }
    }

    fn tilde(&mut self, within: Within, pieces: &mut Pieces) {
        let found = self.attempt(|parser| {
            parser.take();
            let login = parser
                .take_while(|byte| is_of_name(byte, false) || matches!(byte, b'-' | b'.' | b'+'));
            let ends = match parser.peek() {
                None | Some(b'/') => true,
                Some(b':') => within == Within::Value,
                Some(b'}') => within == Within::Braces,
                Some(byte) => ends_word(byte),
            };
            ends.then(|| String::from_utf8(login).ok()).flatten()
        });
        match found {
            Some(login) => pieces.0.push(Piece::Tilde(login)),
            None => {
                self.take();
                pieces.literal(b'~');
            }
        }
    }

    fn dollar(&mut self, within: Within, pieces: &mut Pieces) -> Result<(), SyntaxError> {
        let line = self.line;
        let piece = match () {
            () if self.eat("$((") => {
                Piece::Arithmetic(self.nested(|parser| parser.pieces(Within::Arithmetic))?)
            }
            () if self.eat("$(") => {
                let list = self.list()?;
                self.skip_blanks();
                if !self.eat(")") {
                    return match self.peek() {
                        None => Err(SyntaxError::Unterminated { line, what: "`$(`" }),
                        Some(_) => self.unexpected("`)`"),
                    };
                }
                Piece::Command(list)
            }
            () if self.eat("${") => Piece::Parameter(self.braces(line, within)?),
            () => {
                self.take();
                match self.parameter_name(false) {
                    Some(name) => {
                        Piece::Parameter(Parameter { line, name, operation: Operation::Value })
                    }
                    None => {
                        pieces.literal(b'$');
                        return Ok(());
                    }
                }
            }
        };
        pieces.0.push(piece);
        Ok(())
    }

    /// The name of a parameter; in braces a number may have several digits (XCU 2.5.1).
    fn parameter_name(&mut self, in_braces: bool) -> Option<ParameterName> {
        let byte = self.peek()?;
        if is_of_name(byte, true) {
            return Some(ParameterName::Variable(self.name()));
        }
        if byte.is_ascii_digit() {
            let digits = match in_braces {
                true => self.take_while(|byte| byte.is_ascii_digit()),
                false => self.take().into_iter().collect(),
            };
            let number: usize = String::from_utf8(digits).ok()?.parse().ok()?;
            let position = ParameterName::Positional(number);
            return Some(if number == 0 { ParameterName::Script } else { position });
        }
        let name = match byte {
            b'@' => ParameterName::All,
            b'*' => ParameterName::Joined,
            b'#' => ParameterName::Count,
            b'?' => ParameterName::Status,
            b'-' => ParameterName::Options,
            b'$' => ParameterName::Process,
            b'!' => ParameterName::Background,
            _ => return None,
        };
        self.take();
        Some(name)
    }

    /// `${...}`, behind its brace.
    fn braces(&mut self, line: u32, within: Within) -> Result<Parameter, SyntaxError> {
        let parameter = |name, operation| Parameter { line, name, operation };
        // `${#}` is the count, and so is `${#-word}` and its like; `${#name}` is a length.
        let length = self.attempt(|parser| {
            parser.eat("#").then_some(())?;
            let name = parser.parameter_name(true)?;
            parser.eat("}").then_some(name)
        });
        if let Some(name) = length {
            return Ok(parameter(name, Operation::Length));
        }
        let Some(name) = self.parameter_name(true) else { return self.bad_substitution() };
        if self.eat("}") {
            return Ok(parameter(name, Operation::Value));
        }
        let operators = [":-", "-", ":=", "=", ":?", "?", ":+", "+", "##", "#", "%%", "%"];
        let Some(operator) = operators.into_iter().find(|operator| self.eat(operator)) else {
            return self.bad_substitution();
        };
        // Quotes in a pattern are its own, whatever the expansion stands in.
        let is_pattern = operator.starts_with(['#', '%']);
        let context = match within.is_quoted() && !is_pattern {
            true => Within::QuotedBraces,
            false => Within::Braces,
        };
        let pieces = self.nested(|parser| parser.pieces(context))?;
        let word = Word { pieces };
        let null = operator.starts_with(':');
        let longest = operator.len() == 2;
        let operation = match operator.trim_start_matches(':') {
            "-" => Operation::Default { null, word },
            "=" => Operation::Assign { null, word },
            "?" => Operation::Require { null, word },
            "+" => Operation::Alternative { null, word },
            "#" | "##" => Operation::WithoutStart { longest, pattern: word },
            _ => Operation::WithoutEnd { longest, pattern: word },
        };
        Ok(parameter(name, operation))
    }

    fn bad_substitution<T>(&mut self) -> Result<T, SyntaxError> {
        let line = self.line;
        let rest = self.take_while(|byte| !matches!(byte, b'}' | b'\n'));
        let found = format!("${{{}}}", rest.escape_ascii());
        Err(SyntaxError::BadSubstitution { line, found })
    }

    /// `` `...` ``: a script of its own, with backslashes taken off (XCU 2.6.3).
    fn backquotes(&mut self, within: Within) -> Result<Piece, SyntaxError> {
        let line = self.line;
        self.take();
        let mut script = Vec::new();
        loop {
            match self.take_raw() {
                None => return Err(SyntaxError::Unterminated { line, what: "`` ` ``" }),
                Some(b'`') => break,
                Some(b'\\') => match self.raw() {
                    Some(byte)
                        if matches!(byte, b'$' | b'`' | b'\\')
                            || (byte == b'"' && within.is_quoted()) =>
                    {
                        self.take_raw();
                        script.push(byte);
                    }
                    _ => script.push(b'\\'),
                },
                Some(byte) => script.push(byte),
            }
        }
        let mut parser = Parser::new(&script, line, self.depth, self.limits);
        Ok(Piece::Command(parser.whole()?))
    }
}
