//! Aliases (XCU 2.3.1) where scripts define and use them, as far as they do: plain words in the place of a
//! command's name.

use super::SyntaxError;
use super::aliases::{Alias, Aliases};
use super::ast::{Piece, Word};
use super::lexer::{Parser, ends_word, is_reserved};
use super::limits::Limits;

impl Aliases {
    /// Adds `NAME=VALUE`, which is defined at a line; false where it is more than plain words for a plain name,
    /// or where one alias would lead to another.
    pub fn define(&mut self, definition: &[u8], line: u32, limits: Limits) -> bool {
        let Some(at) = definition.iter().position(|byte| *byte == b'=') else { return false };
        let (name, value) = (&definition[..at], &definition[at + 1..]);
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
        if name.is_empty() || !name.iter().all(is_plain) || is_reserved(name) {
            return false;
        }
        let Some(words) = words_of(value, limits) else { return false };
        let first = words.first().and_then(literal).unwrap_or_default();
        let leads = |alias: &Alias| alias.words.first().and_then(literal) == Some(name);
        let is_chain = self.iter().any(|(known, alias)| known != name && leads(alias))
            || (first != name && self.has(first));
        if !is_chain {
            self.insert(name.to_vec(), Alias { words, line });
        }
        !is_chain
    }
}

/// A word that is nothing but bytes without quotes.
fn literal(word: &Word) -> Option<&[u8]> {
    match word.pieces.as_slice() {
        [Piece::Literal(bytes)] => Some(bytes),
        _ => None,
    }
}

/// The words of a value, if it is nothing but words, the first of which names a command.
fn words_of(value: &[u8], limits: Limits) -> Option<Vec<Word>> {
    if value.iter().any(|byte| b"\n#".contains(byte))
        || value.ends_with(b" ")
        || value.ends_with(b"\t")
    {
        return None;
    }
    let mut parser = Parser::new(value, 1, 0, limits);
    let mut words = Vec::new();
    loop {
        parser.skip_blanks();
        match parser.peek() {
            None => break,
            Some(byte) if ends_word(byte) => return None,
            Some(_) => words.extend(parser.words(words.is_empty()).ok()?),
        }
    }
    let first = words.first().and_then(literal)?;
    (!is_reserved(first) && !first.contains(&b'=')).then_some(words)
}

impl Parser<'_> {
    /// The first word of a command, or the words that its alias stands for.
    pub(super) fn first_words(&mut self) -> Result<Vec<Word>, SyntaxError> {
        let line = self.line;
        let words = self.words(true)?;
        let alias = match words.as_slice() {
            [word] => literal(word).and_then(|name| self.aliases.get(name, line)),
            _ => None,
        };
        let Some(alias) = alias else { return Ok(words) };
        let words = alias.words.clone();
        self.skip_blanks();
        if self.peek() == Some(b'(') {
            let what = "a function with the name of an alias".to_owned();
            return Err(SyntaxError::Unsupported { line, what });
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_plain_words() {
        for (definition, is_taken) in [
            ("a=b", true),
            ("a-b.c_1=sed -e 's/^ *//' \"$x\"", true),
            ("ls=ls -l", true),
            ("a=", false),
            ("a", false),
            ("=b", false),
            ("a/b=c", false),
            ("if=b", false),
            ("a=b ", false),
            ("a=b; c", false),
            ("a=b | c", false),
            ("a=b >c", false),
            ("a=if", false),
            ("a=X=1 b", false),
            ("a='b", false),
            ("a=b # c", false),
            ("a='b' c", false),
        ] {
            let taken = Aliases::default().define(definition.as_bytes(), 1, Limits::default());
            assert_eq!(taken, is_taken, "{definition}");
        }
    }

    #[test]
    fn an_alias_leads_to_no_other() {
        let mut aliases = Aliases::default();
        let mut define = |text: &str| aliases.define(text.as_bytes(), 1, Limits::default());
        assert!(define("a=b") && define("a=c") && !define("d=a") && !define("c=x"));
        assert!(aliases.has(b"a") && !aliases.has(b"c"));
    }
}
