//! What bash(1) reads in another way than dash: operators, quotes, assignments, functions.
//!
//! The forms that are implemented are read as bash does. Of the others, those that dash would take for
//! something else are refused by name ([`SyntaxError::Unsupported`]); the rest are errors of the grammar.

use std::sync::Arc;

use super::SyntaxError;
use super::ast::{
    Assignment, Command, CommandKind, List, Operation, Parameter, ParameterName, Piece,
    Redirection, RedirectionKind, Word,
};
use super::braces;
use super::dialect::Dialect;
use super::lexer::{Parser, ends_word};
use crate::escape::control;

/// Operators of redirections that only bash has, the longest first (bash(1), "REDIRECTION").
pub(super) const REDIRECTIONS: [&str; 3] = ["<<<", "&>>", "&>"];

/// What bash reads behind a dollar sign, where dash reads none of its expansions.
pub(super) enum Dollar {
    /// What dash reads as well.
    Other,
    /// `$"..."`: the dollar sign means nothing where nothing is translated.
    Nothing,
    /// `$'...'`.
    Text(Vec<u8>),
}

/// `|&`: what a command says goes where its output goes, behind its own redirections.
pub(super) fn with_errors(command: &mut Command) {
    let kind = RedirectionKind::Duplicate(Word::quoted(b"1".to_vec()));
    command.redirections.push(Redirection { line: command.line, descriptor: 2, kind });
}

impl Parser<'_> {
    pub(super) fn is_bash(&self) -> bool {
        self.dialect == Dialect::Bash
    }

    pub(super) fn unsupported<T>(
        &self,
        line: u32,
        what: impl Into<String>,
    ) -> Result<T, SyntaxError> {
        Err(SyntaxError::Unsupported { line, what: what.into() })
    }

    /// A compound command that only bash has, if one starts here.
    pub(super) fn command_of_bash(&mut self) -> Result<Option<CommandKind>, SyntaxError> {
        if !self.is_bash() {
            return Ok(None);
        }
        if self.sees("((") {
            return self.unsupported(self.line, "`((`");
        }
        match self.upcoming().as_slice() {
            b"function" => self.function_of_bash().map(Some),
            b"[[" => self.condition().map(Some),
            word @ (b"coproc" | b"select" | b"time") => {
                self.unsupported(self.line, format!("`{}`", word.escape_ascii()))
            }
            _ => Ok(None),
        }
    }

    /// `function NAME` and a compound command, with `()` between them or without.
    fn function_of_bash(&mut self) -> Result<CommandKind, SyntaxError> {
        self.eat("function");
        self.skip_blanks();
        let name = self.name();
        if name.is_empty() || self.peek().is_some_and(|byte| !ends_word(byte)) {
            return self.unexpected("the name of a function");
        }
        self.skip_blanks();
        if self.eat("(") {
            self.skip_blanks();
            if !self.eat(")") {
                return self.unexpected("`)`");
            }
        }
        self.line_breaks()?;
        self.function_body(name)
    }

    /// What calling a function runs: in bash a compound command.
    pub(super) fn function_body(&mut self, name: String) -> Result<CommandKind, SyntaxError> {
        let line = self.line;
        let body = Arc::new(self.nested(Self::command)?);
        let is_compound =
            !matches!(body.kind, CommandKind::Simple { .. } | CommandKind::Function { .. });
        match self.is_bash() && !is_compound {
            true => self.unsupported(line, format!("a simple command as the function `{name}`")),
            false => Ok(CommandKind::Function { name, body }),
        }
    }

    /// The words that a word of a command is: more than one if bash expands its braces. `is_first` where an
    /// assignment could stand.
    pub(super) fn words(&mut self, is_first: bool) -> Result<Vec<Word>, SyntaxError> {
        let line = self.line;
        let word = self.word()?;
        if !self.is_bash() {
            return Ok(vec![word]);
        }
        let literals = || {
            word.pieces.iter().filter_map(|piece| match piece {
                Piece::Literal(bytes) => Some(bytes.as_slice()),
                _ => None,
            })
        };
        let has = |text: &[u8]| literals().any(|bytes| holds(bytes, text));
        // Of what looks like an assignment bash expands tildes, wherever it stands.
        if word.is_assignment() && (has(b"=~") || has(b":~")) {
            return self.unsupported(line, "a tilde in an argument that reads as an assignment");
        }
        // In the place of an assignment bash reads on to the bracket's end, whatever stands in between.
        if starts_subscript(&word) && (is_first || has(b"]=") || has(b"]+=")) {
            return self.unsupported(line, "an element of an array");
        }
        if let [Piece::Literal(bytes)] = word.pieces.as_slice()
            && bytes.starts_with(b"{")
            && bytes.ends_with(b"}")
            && self.peek().is_some_and(|byte| matches!(byte, b'<' | b'>'))
        {
            return self.unsupported(line, "a descriptor that a variable holds");
        }
        let words = braces::expand(word).or_else(|what| self.unsupported(line, what))?;
        if words.len() > 1 {
            match self.braces.get().checked_sub(words.len()) {
                Some(left) => self.braces.set(left),
                None => {
                    return self.unsupported(line, "more words of braces than any real script has");
                }
            }
        }
        Ok(words)
    }

    /// Refuses a target of a redirection that bash would expand to words.
    pub(super) fn check_target(
        &self,
        line: u32,
        operator: &str,
        word: &Word,
    ) -> Result<(), SyntaxError> {
        // Neither a here-string's word nor a delimiter is expanded that way.
        if !self.is_bash() || operator.starts_with("<<") {
            return Ok(());
        }
        match braces::expand(word.clone()) {
            Ok(words) if words.len() == 1 => Ok(()),
            _ => self.unsupported(line, "braces in the name of a file"),
        }
    }

    /// `$(<FILE)`, which bash reads as the file's contents, and dash as nothing.
    pub(super) fn check_substitution(&self, line: u32, list: &List) -> Result<(), SyntaxError> {
        let [item] = list.items.as_slice() else { return Ok(()) };
        let [command] = item.first.commands.as_slice() else { return Ok(()) };
        let is_empty = matches!(&command.kind,
            CommandKind::Simple { assignments, words } if assignments.is_empty() && words.is_empty());
        match self.is_bash() && is_empty && item.rest.is_empty() {
            true => self.unsupported(line, "`$(<`"),
            false => Ok(()),
        }
    }

    /// The name of a variable and `+=`, if bash finds them here.
    pub(super) fn appended_name(&mut self) -> Option<String> {
        if !self.is_bash() {
            return None;
        }
        self.attempt(|parser| {
            let name = parser.name();
            (!name.is_empty() && parser.eat("+=")).then_some(name)
        })
    }

    /// What `+=` makes of a variable: its value, if it has one, and the word.
    pub(super) fn appended(&mut self, name: String) -> Result<Assignment, SyntaxError> {
        let operation = Operation::Default { null: false, word: Word::default() };
        let variable = ParameterName::Variable(name.clone());
        let (line, is_indirect) = (self.line, false);
        let before = Parameter { line, name: variable, is_indirect, operation };
        let mut appended = self.assigned(name)?;
        appended.value.pieces.insert(0, Piece::Double(vec![Piece::Parameter(before)]));
        Ok(appended)
    }

    /// Takes what only bash reads behind a dollar sign; `quoted` where quotes are ordinary bytes.
    pub(super) fn dollar_of_bash(&mut self, quoted: bool) -> Result<Dollar, SyntaxError> {
        let line = self.line;
        match () {
            () if self.sees("$[") => self.unsupported(line, "`$[`"),
            () if quoted => Ok(Dollar::Other),
            () if self.eat("$'") => self.ansi_text(line).map(Dollar::Text),
            () if self.sees("$\"") => {
                self.take();
                Ok(Dollar::Nothing)
            }
            () => Ok(Dollar::Other),
        }
    }

    /// `$'...'`, behind its quote (bash(1), "QUOTING").
    fn ansi_text(&mut self, line: u32) -> Result<Vec<u8>, SyntaxError> {
        let mut text = Vec::new();
        loop {
            match self.take_raw() {
                Some(b'\'') => return Ok(text),
                Some(b'\\') => {
                    let byte = self.ansi_escape()?;
                    text.push(byte);
                }
                Some(byte) => text.push(byte),
                None => return Err(SyntaxError::Unterminated { line, what: "`'`" }),
            }
        }
    }

    fn ansi_escape(&mut self) -> Result<u8, SyntaxError> {
        let line = self.line;
        let letter = self.take_raw();
        let value = match letter {
            Some(letter) if let Some(byte) = control(letter) => byte.into(),
            Some(b'e' | b'E') => 0x1b,
            Some(quote @ (b'\\' | b'\'' | b'"' | b'?')) => quote.into(),
            Some(b'x') => self.digits(16, 2).unwrap_or_default(),
            Some(first @ b'0'..=b'7') => {
                let first = u32::from(first - b'0');
                let rest = (0..2).fold(first, |value, _| match self.digits(8, 1) {
                    Some(digit) => value * 8 + digit,
                    None => value,
                });
                rest & 0xff
            }
            _ => 0,
        };
        // A byte of 0 would end the text; what else comes to none is not implemented.
        match u8::try_from(value) {
            Ok(byte) if byte != 0 => Ok(byte),
            _ => {
                let shown = letter.map(|byte| byte.escape_ascii().to_string());
                self.unsupported(line, format!("`\\{}` in `$'...'`", shown.unwrap_or_default()))
            }
        }
    }

    /// The value of up to so many digits here.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let mut value = None;
        for _ in 0..most {
            let Some(digit) = self.raw().and_then(|byte| char::from(byte).to_digit(radix)) else {
                break;
            };
            self.take_raw();
            value = Some(value.unwrap_or(0) * radix + digit);
        }
        value
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Whether a word starts as `NAME[` does.
fn starts_subscript(word: &Word) -> bool {
    let Some(Piece::Literal(bytes)) = word.pieces.first() else { return false };
    let end = bytes.iter().position(|byte| *byte == b'[').unwrap_or(0);
    let name = Word { pieces: vec![Piece::Literal(bytes[..end].to_vec())] };
    end > 0 && name.as_name().is_some()
}

#[cfg(test)]
mod tests {
    use super::super::shown::list;
    use super::super::{Dialect, Limits, SyntaxError, parse, parse_as};
    use crate::tests::bash_takes;

    /// Each script is what is shown of it, and bash takes it.
    #[test]
    fn forms_of_bash_are_read() {
        for (script, expected) in [
            ("echo ${a:1} ${a: -1:2}", "echo ${a : 1} ${a :  -1 : 2}"),
            ("echo \"${@:2:$((1+1))}\" ${a:(1+2)}", "echo \"${@ : 2 : $((1+1))}\" ${a : (1+2)}"),
            ("echo ${a/b/c} \"${a//'b'}\"", "echo ${a / b / c} \"${a // 'b' / }\""),
            (
                "echo ${a/#b/} ${a/%b/\\/} ${a////-}",
                "echo ${a /# b / } ${a /% b / '/'} ${a // '/' / -}",
            ),
            ("echo ${a^} ${a^^} ${a,} ${a,,[b]}", "echo ${a ^ } ${a ^^ } ${a , } ${a ,, [b]}"),
            ("echo ${!a} ${!#} ${!} ${!1:-b}", "echo ${!a} ${!#} ${!} ${!1 :- b}"),
            ("echo $'a\\tb\\x41\\101\\'\\\\'", "echo 'a\tbAA'\\'"),
            ("echo $'\\e\\E\\?\\\"'", "echo '\u{1b}\u{1b}?\"'"),
            ("echo $\"a $b\" \"$'c'\" \"$\"", "echo \"a ${b}\" \"$'c'\" \"$\""),
            ("a &>b; c &>>d", "a [1&> b]; c [1&>> d]"),
            ("a & >b; c && d &", "a &; [1> b]; c && d &"),
            ("{ a; } &>b; if c; then d; fi &>>e", "{ a } [1&> b]; if c then d fi [1&>> e]"),
            ("a |& b | c", "a [2>& '1'] | b | c"),
            ("a >b 2>c |& d", "a [1> b] [2> c] [2>& '1'] | d"),
            ("a <<<b 3<<< \"$c d\" <<E\ne\nE\n", "a [0<<< b] [3<<< \"${c} d\"] [0<< e\n]"),
            ("a+=b c+=$d", "a:=\"${a - }\"b c:=\"${c - }\"${d}"),
            ("a +=b", "a +=b"),
            ("function f { a; }", "f() { a }"),
            ("function f ( ) {\na; }; function g\n(b)", "f() { a }; g() ( b )"),
            ("echo {a,b}$c/{d,e}", "echo a${c}/d a${c}/e b${c}/d b${c}/e"),
            ("echo $a{,/b,\"c\"} d[1]", "echo ${a} ${a}/b ${a}\"c\" d[1]"),
            ("for a in {1..3} b; do c; done", "for a in [1 2 3 b] do c done"),
            ("a={b,c} d >e", "a:={b,c} d [1> e]"),
            ("case {a,b} in {a,b}) c;; esac", "case {a,b} in ({a,b}) c;; esac"),
            ("a <<{b,c}\n{b,c}\n", "a [0<< ]"),
            ("echo ${#@} ${#*} ${#a}", "echo ${#} ${#} ${length of a}"),
            ("[[ -f a && ! $b == c* ]] || d", "[[ (-f a && ! ${b} == c*) ]] || d"),
            ("[[ ( a || b ) && $c\n]]", "[[ ((a || b) && ${c}) ]]"),
            ("[[ a != 'b' || $c -eq 1 ]]", "[[ (a != 'b' || ${c} -eq 1) ]]"),
            ("echo [[ a ]] function time", "echo [[ a ]] function time"),
        ] {
            let found = parse_as(Dialect::Bash, script.as_bytes(), Limits::default());
            let found = found.unwrap_or_else(|error| panic!("{script}: {error}"));
            assert_eq!(list(&found), expected, "{script}");
            assert!(bash_takes(script.as_bytes()), "{script}");
        }
    }

    /// What dash would take for words or for two commands.
    #[test]
    fn forms_that_are_not_implemented_are_named() {
        for (script, line, what) in [
            ("\n((a=1))", 2, "`((`"),
            ("select a in b; do c; done", 1, "`select`"),
            ("time a", 1, "`time`"),
            ("a | coproc b", 1, "`coproc`"),
            ("f() a", 1, "a simple command as the function `f`"),
            ("f() g() { a; }", 1, "a simple command as the function `f`"),
            ("function f\na", 2, "a simple command as the function `f`"),
            ("echo a=~/b", 1, "a tilde in an argument that reads as an assignment"),
            ("export a=b:~", 1, "a tilde in an argument that reads as an assignment"),
            ("a[1]=b", 1, "an element of an array"),
            ("a[$i]+=b", 1, "an element of an array"),
            ("a[ b", 1, "an element of an array"),
            ("a b[1]=c", 1, "an element of an array"),
            ("a=(b c)", 1, "the array `a=(`"),
            ("a+=(b c)", 1, "the array `a=(`"),
            ("exec {a}>b", 1, "a descriptor that a variable holds"),
            ("a >{b,c}", 1, "braces in the name of a file"),
            ("a=$(<b)", 1, "`$(<`"),
            ("a=`<b`", 1, "`$(<`"),
            ("echo $[1]", 1, "`$[`"),
            ("echo \"$[1]\"", 1, "`$[`"),
            ("echo \"${a-$'b'}\"", 1, "`$'` or `$\"` in the word of `\"${...}\"`"),
            ("echo $'\\u41'", 1, "`\\u` in `$'...'`"),
            ("echo $'\\0'", 1, "`\\0` in `$'...'`"),
            ("echo $'\\x'", 1, "`\\x` in `$'...'`"),
            ("echo $'\\z'", 1, "`\\z` in `$'...'`"),
            ("echo $a{b,c}", 1, "braces that bring a byte behind the name of a variable"),
            ("echo {$a,b}c", 1, "braces that bring a byte behind the name of a variable"),
            ("echo {a,b}$(c)", 1, "braces beside a long text or an expansion that holds commands"),
            ("echo {a,b", 1, "braces that do not close"),
            ("echo {01..3}", 1, "the sequence `{01..3}`"),
            ("echo x={a,b}", 1, "braces in an argument that reads as an assignment"),
            ("[[ a =~ b ]]", 1, "`=~`"),
            ("[[ a < b ]]", 1, "`<` in `[[`"),
            ("[[ -v a ]]", 1, "`-v` in `[[`"),
            ("echo ${a[1]}", 1, "`${a[`"),
            ("echo ${!a[@]}", 1, "`${a[`"),
            ("echo ${a@Q}", 1, "`${a@`"),
            ("echo ${!a*} ${!a@}", 1, "`${!a*}` of bash"),
            ("echo ${a:b?1:2}", 1, "`?` in the offset of `${a:`"),
            ("echo ${a:}", 1, "`${a:` without an offset"),
            ("echo ${a///b}", 1, "`/` at the start of the pattern of `${a//`"),
            ("echo ${a/~/b}", 1, "a tilde in `${a/`"),
            ("echo ${a/b/~}", 1, "a tilde in `${a/`"),
            ("echo ${a^~}", 1, "a tilde in `${a^`"),
        ] {
            let found = parse_as(Dialect::Bash, script.as_bytes(), Limits::default());
            let expected = SyntaxError::Unsupported { line, what: what.to_owned() };
            assert_eq!(found, Err(expected), "{script}");
        }
    }

    /// What both refuse, or only this parser, is an error; nothing of it is a command.
    #[test]
    fn other_forms_do_not_parse() {
        for script in [
            "case a in b) c;& d) e;; esac",
            "case a in b) c;;& d) e;; esac",
            "for ((a=1;a<2;a++)); do b; done",
            "a <(b)",
            "a >(b)",
            "${a:1:2:3}",
            "${a/b",
            "${a:1",
            "${a~}",
            "${!a",
            "[[ a",
            "[[ ]]",
            "[[ a b ]]",
            "[[ a == @(b|c) ]]",
            "[[ (a ]]",
            "echo $'a",
            "function",
            "function f",
            "function a-b { c; }",
        ] {
            assert!(parse_as(Dialect::Bash, script.as_bytes(), Limits::default()).is_err());
        }
    }

    /// dash's own dialect knows none of this.
    #[test]
    fn the_dialect_of_dash_stays() {
        for (script, expected) in [
            ("a &>b", "a &; [1> b]"),
            ("echo $'a\\tb' $\"c\"", "echo $'a\\tb' $\"c\""),
            ("echo {a,b} x=~ a[1]=b", "echo {a,b} x=~ a[1]=b"),
            ("a+=b", "a+=b"),
            ("((a))", "( ( a ) )"),
            ("time a; [[ b ]]; function c", "time a; [[ b ]]; function c"),
            ("f() a", "f() a"),
            ("$(<b) $[1] ${#@}", "$([0< b]) $[1] ${length of @}"),
        ] {
            let found = parse(script.as_bytes(), Limits::default()).map(|found| list(&found));
            assert_eq!(found.as_deref(), Ok(expected), "{script}");
        }
    }
}
