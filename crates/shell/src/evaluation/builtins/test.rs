//! `test` and `[` (XCU `test`), with dash's `-ef`, `-nt`, `-ot`, `-a`, `-o` and parentheses.

use std::cmp::Ordering;

use super::super::{Fault, Shell};
use crate::world::{FileType, Status, World};

const UNARY: &[u8] = b"bcdefghkLnOGprsStuwxz";

const BINARY: [&[u8]; 13] = [
    b"=", b"!=", b"<", b">", b"-eq", b"-ne", b"-gt", b"-ge", b"-lt", b"-le", b"-nt", b"-ot", b"-ef",
];

fn is_unary(word: &[u8]) -> bool {
    matches!(word, [b'-', letter] if UNARY.contains(letter))
}

fn is_binary(word: &[u8]) -> bool {
    BINARY.contains(&word)
}

/// An expression on its way.
struct Words<'a> {
    words: &'a [Vec<u8>],
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self, ahead: usize) -> Option<&'a [u8]> {
        self.words.get(self.at + ahead).map(Vec::as_slice)
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let word = self.peek(0)?;
        self.at += 1;
        Some(word)
    }
}

impl<W: World> Shell<'_, W> {
    pub(super) fn test(&mut self, name: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if arguments.is_empty() {
            return Ok(1);
        }
        let mut words = Words { words: arguments, at: 0 };
        let found = self.either(&mut words).and_then(|value| match words.peek(0) {
            None => Ok(value),
            Some(word) => Err(format!("{}: unexpected operator", String::from_utf8_lossy(word))),
        });
        match found {
            Ok(value) => Ok(u8::from(!value)),
            Err(message) => {
                self.complain(&format!("{name}: {message}"))?;
                Ok(2)
            }
        }
    }

    fn either(&self, words: &mut Words<'_>) -> Result<bool, String> {
        let mut value = self.both(words)?;
        while words.peek(0) == Some(b"-o") && words.peek(1).is_some() {
            words.take();
            value |= self.both(words)?;
        }
        Ok(value)
    }

    fn both(&self, words: &mut Words<'_>) -> Result<bool, String> {
        let mut value = self.negation(words)?;
        while words.peek(0) == Some(b"-a") && words.peek(1).is_some() {
            words.take();
            value &= self.negation(words)?;
        }
        Ok(value)
    }

    fn negation(&self, words: &mut Words<'_>) -> Result<bool, String> {
        // With two operands, whatever stands between them decides (XCU `test`, three arguments).
        let compares = words.peek(1).is_some_and(is_binary) && words.peek(2).is_some();
        if words.peek(0) == Some(b"!") && words.peek(1).is_some() && !compares {
            words.take();
            return self.negation(words).map(|value| !value);
        }
        self.primary(words)
    }

    fn primary(&self, words: &mut Words<'_>) -> Result<bool, String> {
        if let (Some(operator), Some(right)) =
            (words.peek(1).filter(|it| is_binary(it)), words.peek(2))
        {
            let left = words.take().unwrap_or_default();
            words.at += 2;
            return self.compare(left, operator, right);
        }
        let Some(word) = words.take() else { return Err("argument expected".into()) };
        if word == b"(" && words.peek(0).is_some() {
            let value = self.either(words)?;
            return match words.take() {
                Some(b")") => Ok(value),
                _ => Err("closing paren expected".into()),
            };
        }
        match words.peek(0) {
            Some(operand) if is_unary(word) => {
                words.take();
                self.unary(word[1], operand)
            }
            _ => Ok(!word.is_empty()),
        }
    }

    fn unary(&self, letter: u8, operand: &[u8]) -> Result<bool, String> {
        let status = |follow| self.world.status(&self.state.absolute(operand), follow).ok();
        let is = |wanted: FileType| status(true).is_some_and(|it| it.file_type == wanted);
        let has = |bits: u16| status(true).is_some_and(|it| it.mode & bits != 0);
        Ok(match letter {
            b'n' => !operand.is_empty(),
            b'z' => operand.is_empty(),
            b'b' => is(FileType::BlockDevice),
            b'c' => is(FileType::CharDevice),
            b'd' => is(FileType::Directory),
            b'f' => is(FileType::Regular),
            b'p' => is(FileType::Fifo),
            b'S' => is(FileType::Socket),
            b'h' | b'L' => status(false).is_some_and(|it| it.file_type == FileType::Symlink),
            b'e' => status(true).is_some(),
            b's' => status(true).is_some_and(|it| it.size > 0),
            b'u' => has(0o4000),
            b'g' => has(0o2000),
            b'k' => has(0o1000),
            // Scripts of packages run as root, whom only the execute bits hold back.
            b'r' | b'w' => status(true).is_some(),
            b'x' => has(0o111) || is(FileType::Directory),
            b'O' => status(true).is_some_and(|it| it.uid == 0),
            b'G' => status(true).is_some_and(|it| it.gid == 0),
            // No descriptor is a terminal.
            _ => {
                integer(operand)?;
                false
            }
        })
    }

    fn compare(&self, left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, String> {
        let status = |path: &[u8]| -> Option<Status> {
            self.world.status(&self.state.absolute(path), true).ok()
        };
        let newer = |one: Option<Status>, other: Option<Status>| match (one, other) {
            (Some(one), Some(other)) => one.mtime > other.mtime,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let order =
            |left, right| -> Result<Ordering, String> { Ok(integer(left)?.cmp(&integer(right)?)) };
        Ok(match operator {
            b"=" => left == right,
            b"!=" => left != right,
            b"<" => left < right,
            b">" => left > right,
            b"-nt" => newer(status(left), status(right)),
            b"-ot" => newer(status(right), status(left)),
            b"-ef" => match (status(left), status(right)) {
                (Some(one), Some(other)) => one.inode == other.inode,
                _ => false,
            },
            b"-eq" => order(left, right)?.is_eq(),
            b"-ne" => order(left, right)?.is_ne(),
            b"-gt" => order(left, right)?.is_gt(),
            b"-ge" => order(left, right)?.is_ge(),
            b"-lt" => order(left, right)?.is_lt(),
            _ => order(left, right)?.is_le(),
        })
    }
}

/// A decimal number.
fn integer(text: &[u8]) -> Result<i64, String> {
    let trimmed = str::from_utf8(text).ok().map(str::trim);
    let number = trimmed.filter(|text| !text.starts_with("0x")).and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("Illegal number: {}", String::from_utf8_lossy(text)))
}
