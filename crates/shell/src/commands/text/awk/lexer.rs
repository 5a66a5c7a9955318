//! The tokens of an awk program (XCU `awk`, "Lexical Conventions").

use crate::escape::control;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(Vec<u8>),
    /// `/.../`, between the slashes.
    Regex(Vec<u8>),
    Name(String),
    /// A name with `(` right behind it: a function's.
    Call(String),
    Builtin(Builtin),
    Keyword(Keyword),
    Symbol(&'static str),
    Newline,
}

/// The functions of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Gsub,
    Index,
    Int,
    Length,
    Match,
    Split,
    Sprintf,
    Sub,
    Substr,
    Tolower,
    Toupper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Begin,
    Break,
    Continue,
    Delete,
    Do,
    Else,
    End,
    Exit,
    For,
    Function,
    If,
    In,
    Next,
    Print,
    Printf,
    Return,
    While,
}

const BUILTINS: [(&str, Builtin); 11] = [
    ("gsub", Builtin::Gsub),
    ("index", Builtin::Index),
    ("int", Builtin::Int),
    ("length", Builtin::Length),
    ("match", Builtin::Match),
    ("split", Builtin::Split),
    ("sprintf", Builtin::Sprintf),
    ("sub", Builtin::Sub),
    ("substr", Builtin::Substr),
    ("tolower", Builtin::Tolower),
    ("toupper", Builtin::Toupper),
];

const KEYWORDS: [(&str, Keyword); 17] = [
    ("BEGIN", Keyword::Begin),
    ("END", Keyword::End),
    ("break", Keyword::Break),
    ("continue", Keyword::Continue),
    ("delete", Keyword::Delete),
    ("do", Keyword::Do),
    ("else", Keyword::Else),
    ("exit", Keyword::Exit),
    ("for", Keyword::For),
    ("function", Keyword::Function),
    ("if", Keyword::If),
    ("in", Keyword::In),
    ("next", Keyword::Next),
    ("print", Keyword::Print),
    ("printf", Keyword::Printf),
    ("return", Keyword::Return),
    ("while", Keyword::While),
];

/// Words of awk or of one of its implementations, which are not implemented.
const OTHERS: [&str; 23] = [
    "atan2", "close", "cos", "exp", "fflush", "func", "gensub", "getline", "log", "mktime",
    "nextfile", "rand", "sin", "sqrt", "srand", "strftime", "strtonum", "switch", "system",
    "systime", "asort", "asorti", "toascii",
];

/// Those of more characters come first.
const SYMBOLS: [&str; 39] = [
    "&&", "||", "==", "<=", ">=", "!=", "!~", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", ">>",
    "**", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|",
    "?", ":", "~", "$",
];

/// The tokens of a program, each with its line, from 1.
pub(super) fn tokens(program: &[u8]) -> Result<Vec<(Token, u32)>, String> {
    let mut lexer = Lexer { rest: program, line: 1, tokens: Vec::new() };
    while let Some(byte) = lexer.rest.first() {
        let line = lexer.line;
        let token = match byte {
            b' ' | b'\t' | b'\r' => {
                lexer.rest = &lexer.rest[1..];
                continue;
            }
            b'#' => {
                let end = lexer.rest.iter().position(|byte| *byte == b'\n');
                lexer.rest = &lexer.rest[end.unwrap_or(lexer.rest.len())..];
                continue;
            }
            b'\\' if lexer.rest.starts_with(b"\\\n") => {
                lexer.rest = &lexer.rest[2..];
                lexer.line += 1;
                continue;
            }
            b'\n' => {
                lexer.rest = &lexer.rest[1..];
                lexer.line += 1;
                Token::Newline
            }
            b'"' => Token::Text(lexer.text()?),
            b'/' if !lexer.is_behind_operand() => Token::Regex(lexer.regex()?),
            b'0'..=b'9' => lexer.number()?,
            b'.' if lexer.rest.get(1).is_some_and(u8::is_ascii_digit) => lexer.number()?,
            byte if byte.is_ascii_alphabetic() || *byte == b'_' => lexer.word()?,
            _ => lexer.symbol()?,
        };
        lexer.tokens.push((token, line));
    }
    Ok(lexer.tokens)
}

struct Lexer<'p> {
    rest: &'p [u8],
    line: u32,
    tokens: Vec<(Token, u32)>,
}

impl Lexer<'_> {
    /// Whether a slash divides: what is before it has a value.
    fn is_behind_operand(&self) -> bool {
        matches!(
            self.tokens.last(),
            Some((
                Token::Number(_)
                    | Token::Text(_)
                    | Token::Name(_)
                    | Token::Builtin(Builtin::Length)
                    | Token::Symbol(")" | "]" | "$" | "++" | "--"),
                _
            ))
        )
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }

    fn text(&mut self) -> Result<Vec<u8>, String> {
        let mut at = 1;
        loop {
            match self.rest.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(b'\n') | None => return Err(self.wrong("a string without its end")),
                Some(_) => at += 1,
            }
        }
        let inner = &self.rest[1..at];
        self.line +=
            u32::try_from(inner.iter().filter(|byte| **byte == b'\n').count()).unwrap_or_default();
        let text = unescaped(inner).map_err(|why| self.wrong(&why))?;
        self.rest = &self.rest[at + 1..];
        Ok(text)
    }

    fn regex(&mut self) -> Result<Vec<u8>, String> {
        let mut at = 1;
        loop {
            match self.rest.get(at) {
                Some(b'/') => break,
                Some(b'\\') => at += 2,
                // Some read a slash in brackets as their own, some do not.
                Some(b'[') if self.has_slash_in_brackets(at) => {
                    return Err(self.wrong("a slash in brackets"));
                }
                Some(b'\n') | None => {
                    return Err(self.wrong("a regular expression without its end"));
                }
                Some(_) => at += 1,
            }
        }
        let regex = self.rest[1..at].to_vec();
        self.rest = &self.rest[at + 1..];
        Ok(regex)
    }

    fn has_slash_in_brackets(&self, at: usize) -> bool {
        let inner = &self.rest[at + 1..];
        let skipped = inner.iter().take_while(|byte| matches!(byte, b'^' | b']')).count();
        let end = inner[skipped..].iter().position(|byte| matches!(byte, b']' | b'\n'));
        let inner = &inner[..end.map_or(inner.len(), |end| end + skipped)];
        let slash = inner.iter().position(|byte| *byte == b'/');
        slash.is_some_and(|at| at == 0 || inner[at - 1] != b'\\')
    }

    fn number(&mut self) -> Result<Token, String> {
        let len = super::value::number_len(self.rest);
        let text = str::from_utf8(&self.rest[..len]).unwrap_or_default();
        let number = text.parse().map_err(|_| self.wrong(&format!("the number `{text}`")))?;
        self.rest = &self.rest[len..];
        if self.rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.') {
            return Err(self.wrong(&format!("what is behind the number `{text}`")));
        }
        Ok(Token::Number(number))
    }

    fn word(&mut self) -> Result<Token, String> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let len = self.rest.iter().take_while(|byte| is_part(byte)).count();
        let name = String::from_utf8_lossy(&self.rest[..len]).into_owned();
        self.rest = &self.rest[len..];
        if OTHERS.contains(&name.as_str()) {
            return Err(self.wrong(&format!("`{name}`")));
        }
        let keyword = KEYWORDS.iter().find(|(known, _)| *known == name);
        let builtin = BUILTINS.iter().find(|(known, _)| *known == name);
        Ok(match (keyword, builtin) {
            (Some((_, keyword)), _) => Token::Keyword(*keyword),
            (None, Some((_, builtin))) => Token::Builtin(*builtin),
            (None, None) if self.rest.starts_with(b"(") => Token::Call(name),
            (None, None) => Token::Name(name),
        })
    }

    fn symbol(&mut self) -> Result<Token, String> {
        let equal = ["="];
        let mut all = SYMBOLS.iter().chain(&equal);
        let symbol = all.find(|symbol| self.rest.starts_with(symbol.as_bytes()));
        match symbol {
            Some(symbol) => {
                self.rest = &self.rest[symbol.len()..];
                Ok(Token::Symbol(symbol))
            }
            None => {
                let shown = String::from_utf8_lossy(&self.rest[..1]).into_owned();
                Err(self.wrong(&format!("`{shown}`")))
            }
        }
    }
}

/// A string with its backslashes read (XCU `awk`, table "Escape Sequences"); of what is none of these, both
/// bytes stay, as mawk has it.
pub(super) fn unescaped(text: &[u8]) -> Result<Vec<u8>, String> {
    let (mut plain, mut at) = (Vec::new(), 0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        let Some(&letter) = text.get(at) else {
            plain.push(b'\\');
            break;
        };
        at += 1;
        let byte = match letter {
            b'"' | b'\\' => letter,
            letter if let Some(byte) = control(letter) => byte,
            // A string goes on in the next line.
            b'\n' => continue,
            b'0'..=b'7' => {
                let digits = text[at - 1..].iter().take(3);
                let digits: Vec<u8> =
                    digits.take_while(|it| matches!(it, b'0'..=b'7')).copied().collect();
                at += digits.len() - 1;
                let value = digits.iter().fold(0_u32, |sum, it| sum * 8 + u32::from(it - b'0'));
                u8::try_from(value).ok().filter(|value| *value > 0).ok_or("such a byte")?
            }
            b'x' => {
                // One digit, or two; behind none it is two bytes.
                let digits = text[at..].iter().take(2).map_while(|it| char::from(*it).to_digit(16));
                let digits: Vec<u32> = digits.collect();
                if digits.is_empty() {
                    plain.extend_from_slice(b"\\x");
                    continue;
                }
                at += digits.len();
                let value = digits.iter().fold(0, |sum, digit| sum * 16 + digit);
                u8::try_from(value).ok().filter(|value| *value > 0).ok_or("`\\x`")?
            }
            b'u' => return Err("`\\u`".to_owned()),
            letter => {
                plain.push(b'\\');
                letter
            }
        };
        plain.push(byte);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens, unescaped};

    #[test]
    fn a_slash_divides_behind_a_value_alone() {
        let kinds = |program: &str| -> Vec<bool> {
            let all = tokens(program.as_bytes()).unwrap();
            all.iter().map(|(token, _)| matches!(token, Token::Regex(_))).collect()
        };
        assert_eq!(kinds("/a/"), [true]);
        assert_eq!(kinds("a/b/c"), [false; 5]);
        assert_eq!(kinds("1/2/3"), [false; 5]);
        assert_eq!(kinds("!/a/"), [false, true]);
        assert_eq!(kinds("(a)/b/c"), [false; 7]);
        assert_eq!(kinds("a~/b/"), [false, false, true]);
        assert_eq!(kinds("length/2"), [false; 3]);
        assert_eq!(kinds("print/2/"), [false, true]);
    }

    #[test]
    fn what_two_implementations_read_in_two_ways_is_refused() {
        for program in [
            "\"a",
            "\"a\nb\"",
            "/a",
            "/[/]/",
            "0x10",
            "1e",
            "1.2.3",
            "3x",
            "getline",
            "\"\\x0\"",
            "\"\\u41\"",
            "\"\\0\"",
            "@",
            "system(\"x\")",
            "'",
        ] {
            assert!(tokens(program.as_bytes()).is_err(), "{program}");
        }
    }

    #[test]
    fn backslashes_stand_for_bytes() {
        for (text, expected) in [
            (r#"\"\\\/"#, &b"\"\\\\/"[..]),
            (r"\a\b\f\n\r\t\v", b"\x07\x08\x0c\n\r\t\x0b"),
            (r"\101\1012\7", b"AA2\x07"),
            (r"\.\q\", b"\\.\\q\\"),
            ("a\\\nb", b"ab"),
        ] {
            assert_eq!(unescaped(text.as_bytes()).as_deref(), Ok(expected), "{text}");
        }
    }
}
