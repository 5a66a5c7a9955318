//! Words: quoting (XCU 2.2) and the forms of expansions (XCU 2.6).

use super::SyntaxError;
use super::ast::{Assignment, Operation, Parameter, ParameterName, Piece, Word};
use super::bash::Dollar;
use super::lexer::{Parser, ends_word, is_of_name};

/// What a piece stands in, which decides what ends it and what quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
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
    /// An expression of `${NAME:...}`, which `:` or `}` ends; it stays.
    Offset,
    /// The pattern of `${NAME/...}`, which `/` or `}` ends; it stays.
    Replaced,
}

impl Within {
    /// Whether blanks and single quotes are ordinary bytes.
    fn is_quoted(self) -> bool {
        matches!(
            self,
            Self::QuotedBraces | Self::Quotes | Self::Document | Self::Arithmetic | Self::Offset
        )
    }

    /// Whether it is an expression, which has no quotes.
    fn is_expression(self) -> bool {
        matches!(self, Self::Arithmetic | Self::Offset)
    }

    /// What has no end where the text ends; nothing where that is an end.
    fn unterminated(self) -> Option<&'static str> {
        match self {
            Self::Word | Self::Value | Self::Document => None,
            Self::Braces | Self::QuotedBraces | Self::Offset | Self::Replaced => Some("`${`"),
            Self::Quotes => Some("`\"`"),
            Self::Arithmetic => Some("`$((`"),
        }
    }

    /// What a backslash quotes; behind it every other byte stays, and so does the backslash (XCU 2.2.3).
    fn escapes(self, byte: u8) -> bool {
        match self {
            Self::Word | Self::Value | Self::Braces | Self::Replaced => true,
            Self::Document => matches!(byte, b'$' | b'`' | b'\\'),
            Self::QuotedBraces => matches!(byte, b'$' | b'`' | b'"' | b'\\' | b'}'),
            Self::Quotes | Self::Arithmetic | Self::Offset => {
                matches!(byte, b'$' | b'`' | b'"' | b'\\')
            }
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
        if self.is_bash() && self.sees("(") {
            return self.unsupported(self.line, format!("the array `{name}=(`"));
        }
        let pieces = self.nested(|parser| parser.pieces(Within::Value))?;
        Ok(Assignment { name, value: Word { pieces } })
    }

    /// The whole of a here-document's text.
    pub(super) fn document_word(&mut self) -> Result<Word, SyntaxError> {
        let pieces = self.nested(|parser| parser.pieces(Within::Document))?;
        Ok(Word { pieces })
    }

    pub(super) fn pieces(&mut self, within: Within) -> Result<Vec<Piece>, SyntaxError> {
        let mut pieces = Pieces::default();
        let (start, mut open) = (self.line, 0_u32);
        loop {
            let unquoted = matches!(within, Within::Word | Within::Value);
            let Some(byte) = self.peek() else {
                return match within.unterminated() {
                    None => Ok(pieces.0),
                    Some(what) => Err(SyntaxError::Unterminated { line: start, what }),
                };
            };
            match (byte, within) {
                _ if unquoted && ends_word(byte) => return Ok(pieces.0),
                (b'}', Within::Offset | Within::Replaced) | (b'/', Within::Replaced) => {
                    return Ok(pieces.0);
                }
                (b':', Within::Offset) if open == 0 => return Ok(pieces.0),
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
                (b'"', _) if !matches!(within, Within::Document) && !within.is_expression() => {
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
        if self.is_bash() {
            if within == Within::QuotedBraces && (self.sees("$'") || self.sees("$\"")) {
                return self.unsupported(line, "`$'` or `$\"` in the word of `\"${...}\"`");
            }
            match self.dollar_of_bash(within.is_quoted())? {
                Dollar::Other => {}
                Dollar::Nothing => return Ok(()),
                Dollar::Text(text) => {
                    pieces.0.push(Piece::Quoted(text));
                    return Ok(());
                }
            }
        }
        let piece = match () {
            () if self.eat("$((") => {
                Piece::Arithmetic(self.nested(|parser| parser.pieces(Within::Arithmetic))?)
            }
            () if self.eat("$(") => {
                let list = self.list()?;
                self.skip_blanks();
                self.check_substitution(line, &list)?;
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
                        let operation = Operation::Value;
                        Piece::Parameter(Parameter { line, name, is_indirect: false, operation })
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
        let is_indirect = self.eat_indirection();
        let parameter = |name, operation| Parameter { line, name, is_indirect, operation };
        // `${#}` is the count, and so is `${#-word}` and its like; `${#name}` is a length.
        let length = self.attempt(|parser| {
            (!is_indirect && parser.eat("#")).then_some(())?;
            let name = parser.parameter_name(true)?;
            parser.eat("}").then_some(name)
        });
        if let Some(ParameterName::All | ParameterName::Joined) = length
            && self.is_bash()
        {
            return Ok(parameter(ParameterName::Count, Operation::Value));
        }
        if let Some(name) = length {
            return Ok(parameter(name, Operation::Length));
        }
        let Some(name) = self.parameter_name(true) else { return self.bad_substitution() };
        if self.eat("}") {
            return Ok(parameter(name, Operation::Value));
        }
        if let Some(operation) = self.operation_of_bash(&name, is_indirect)? {
            return Ok(parameter(name, operation));
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

    pub(super) fn bad_substitution<T>(&mut self) -> Result<T, SyntaxError> {
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
                    // A line goes on here even between single quotes, and in a comment.
                    Some(b'\n') => {
                        self.take_raw();
                    }
                    _ => script.push(b'\\'),
                },
                Some(byte) => script.push(byte),
            }
        }
        let list = self.within(&script, line).whole()?;
        self.check_substitution(line, &list)?;
        Ok(Piece::Command(list))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shown::check;
    use super::super::{CommandKind, Limits, Word, parse};

    /// XCU 2.2.1 to 2.2.3.
    #[test]
    fn quotes_are_pieces_of_their_own() {
        check(&[
            (r"a\ b\'\\", r"a' 'b''\'"),
            (r#"'a \ $b `c` "'"#, r#"'a \ $b `c` "'"#),
            (r"''a''", r"''a''"),
            (r#""a $ \a \$ \` \" \\ 'b'""#, r#""a $ '\'a '$' '`' '"' '\' 'b'""#),
            (r#""""#, r#""""#),
            (r#"a"b"'c'd"#, r#"a"b"'c'd"#),
            ("a\\\nb \"c\\\nd\" 'e\\\nf'", "ab \"cd\" 'e\\\nf'"),
            ("ec\\\nho $\\\n{a\\\nb} $\\\n(\\\n(1))", "echo ${ab} $((1))"),
            (r"a\", r"a'\'"),
            ("a#b #c\nd", "a#b; d"),
            ("\"a#b\" '#' \\#", "\"a#b\" '#' '#'"),
        ]);
    }

    /// XCU 2.5.1, 2.5.2 and 2.6.2.
    #[test]
    fn parameters_have_names() {
        check(&[
            ("$a $_1b $a-b $a.b $aB", "${a} ${_1b} ${a}-b ${a}.b ${aB}"),
            ("$1 $12 ${12} ${1}2 $0 ${0} ${00}", "${1} ${1}2 ${12} ${1}2 ${0} ${0} ${0}"),
            ("$@ $* $# $? $- $$ $!", "${@} ${*} ${#} ${?} ${-} ${$} ${!}"),
            ("${@}${*}${#}${?}${-}${$}${!}", "${@}${*}${#}${?}${-}${$}${!}"),
            ("$ $% a$ $'b' \"$\"", "$ $% a$ $'b' \"$\""),
            (
                "${#a} ${#1} ${#@} ${#*}",
                "${length of a} ${length of 1} ${length of @} ${length of *}",
            ),
            ("${##} ${#?} ${#-}", "${length of #} ${length of ?} ${length of -}"),
        ]);
    }

    #[test]
    fn parameters_have_operations() {
        check(&[
            ("${a-b} ${a:-b} ${a=b} ${a:=b}", "${a - b} ${a :- b} ${a = b} ${a := b}"),
            ("${a?b} ${a:?b} ${a+b} ${a:+b}", "${a ? b} ${a :? b} ${a + b} ${a :+ b}"),
            ("${a#b} ${a##b} ${a%b} ${a%%b}", "${a # b} ${a ## b} ${a % b} ${a %% b}"),
            ("${a-} ${a#} ${a%%}", "${a - } ${a # } ${a %% }"),
            ("${#-b} ${#:-b} ${-:-b} ${?-b}", "${# - b} ${# :- b} ${- :- b} ${? - b}"),
            ("${a#\\#} ${a##'#'} ${a#\"#\"}", "${a # '#'} ${a ## '#'} ${a # \"#\"}"),
            ("${a-b c  d;e}", "${a - b c  d;e}"),
            ("${a-${b-${c}}}", "${a - ${b - ${c}}}"),
            ("${a-$(b })}", "${a - $(b })}"),
            ("${a-\\}} ${a-'}'} ${a-\"}\"}", "${a - '}'} ${a - '}'} ${a - \"}\"}"),
            ("\"${a-'b'}\" \"${a#'b'}\"", "\"${a - 'b'}\" \"${a # 'b'}\""),
            ("\"${a-\\}}\" \"${a-\"b c\"}\"", "\"${a - '}'}\" \"${a - \"b c\"}\""),
            ("\"${a-\\a}\" ${a-\\a}", "\"${a - '\\'a}\" ${a - 'a'}"),
        ]);
        // In double quotes a single quote is a byte, but for a pattern (2.6.2).
        let quotes = |script: &str| {
            let list = parse(script.as_bytes(), Limits::default()).unwrap();
            format!("{list:?}").contains("Quoted")
        };
        assert!(!quotes("\"${a-'b'}\"") && quotes("\"${a#'b'}\"") && quotes("${a-'b'}"));
    }

    /// XCU 2.6.3.
    #[test]
    fn commands_are_substituted() {
        check(&[
            ("$(a b; c) $() \"$(a \"b\")\"", "$(a b; c) $() \"$(a \"b\")\""),
            ("$(a\n\nb\n)", "$(a; b)"),
            ("$(case a in b) c;; esac)", "$(case a in (b) c;; esac)"),
            ("$(# )\n)", "$()"),
            ("$( (a); b)c", "$(( a ); b)c"),
            ("`a b` `` \"`a \"b\"`\"", "$(a b) $() \"$(a \"b\")\""),
            (r"`a \`b\` \$c \\d \e`", "$(a $(b) ${c} 'd' 'e')"),
            (r#""`a \"b\" \$c`""#, r#""$(a "b" ${c})""#),
            (r#"`a \"b\"`"#, r#"$(a '"'b'"')"#),
            ("`a\nb`", "$(a; b)"),
        ]);
    }

    /// XCU 2.6.4: what is within is expanded as in double quotes.
    #[test]
    fn arithmetic_is_text_with_expansions() {
        check(&[
            ("$((1 + (2) * a))", "$((1 + (2) * a))"),
            ("$(($a + ${b-1} + $(c) + `d`))", "$((${a} + ${b - 1} + $(c) + $(d)))"),
            ("$((1 + $((2))))", "$((1 + $((2))))"),
            ("\"$(( (1) ))\"x", "\"$(( (1) ))\"x"),
        ]);
    }

    /// XCU 2.6.1.
    #[test]
    fn tildes_stand_at_the_start_of_words() {
        check(&[
            ("~ ~/a ~b ~b/c ~b-c.d+e_1/f", "<~> <~>/a <~b> <~b>/c <~b-c.d+e_1>/f"),
            ("a~ a/~ ~b'c' '~' \\~ \"~\" ~$a ~:", "a~ a/~ ~b'c' '~' '~' \"~\" ~${a} ~:"),
            ("a=~ b=~/c:~d:e~:~/f g=a:~'h'", "a:=<~> b:=<~>/c:<~d>:e~:<~>/f g:=a:~'h'"),
            ("c a=~ ~:~", "c a=~ ~:~"),
            ("${a-~} ${a-~/b} ${a-b~}", "${a - <~>} ${a - <~>/b} ${a - b~}"),
            ("\"${a-~}\"", "\"${a - ~}\""),
            ("case ~ in ~b|~c) ;; esac", "case <~> in (<~b>|<~c>) ;; esac"),
            ("<~/a >~b", "[0< <~>/a] [1> <~b>]"),
        ]);
    }

    #[test]
    fn a_word_knows_what_it_is() {
        let word = |text: &str| -> Word {
            let list = parse(format!("c {text}").as_bytes(), Limits::default()).unwrap();
            let CommandKind::Simple { words, .. } = &list.items[0].first.commands[0].kind else {
                panic!("{text}")
            };
            words[1].clone()
        };
        for (text, name, assigns) in [
            ("a_1", Some("a_1"), false),
            ("_", Some("_"), false),
            ("1a", None, false),
            ("a-b", None, false),
            ("'a'", None, false),
            ("a$b", None, false),
            ("a=b", None, true),
            ("_1=$b", None, true),
            ("a=", None, true),
            ("=b", None, false),
            ("1a=b", None, false),
            ("a-b=c", None, false),
            ("'a'=b", None, false),
            ("$a=b", None, false),
        ] {
            assert_eq!(word(text).as_name(), name, "{text}");
            assert_eq!(word(text).is_assignment(), assigns, "{text}");
        }
        for (text, expected) in [
            ("ab", Some(("ab", false))),
            ("a'b'", Some(("ab", true))),
            ("\\ab", Some(("ab", true))),
            ("\"a b\"", Some(("a b", true))),
            ("''", Some(("", true))),
            ("$a", None),
            ("\"$a\"", None),
            ("`a`", None),
        ] {
            let expected = expected.map(|(bytes, quoted)| (bytes.as_bytes().to_vec(), quoted));
            assert_eq!(word(text).without_quotes(), expected, "{text}");
        }
    }
}
