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
        // Of four words, `!` is about the other three, whatever they are, and of three about two, unless
        // they compare (XCU `test`, three and four arguments). Two such are one for dash.
        let (mut negated, mut arguments) = (false, arguments);
        while let [first, others @ ..] = arguments
            && first == b"!"
            && (others.len() == 3 || (others.len() == 2 && !is_binary(&others[0])))
        {
            (negated, arguments) = (true, others);
        }
        match self.expression(arguments) {
            Ok(value) => Ok(u8::from(value == negated)),
            Err(message) => {
                self.complain(&format!("{name}: {message}"))?;
                Ok(2)
            }
        }
    }

    /// An expression of any number of words.
    pub(super) fn expression(&self, words: &[Vec<u8>]) -> Result<bool, String> {
        let mut words = Words { words, at: 0 };
        self.either(&mut words).and_then(|value| match words.peek(0) {
            None => Ok(value),
            Some(word) => Err(format!("{}: unexpected operator", String::from_utf8_lossy(word))),
        })
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

    /// What is at a path; nothing is at an empty one (XBD 4.16).
    fn status(&self, path: &[u8], follow: bool) -> Option<Status> {
        let path = (!path.is_empty()).then(|| self.state.absolute(path))?;
        self.world.status(&path, follow).ok()
    }

    pub(super) fn unary(&self, letter: u8, operand: &[u8]) -> Result<bool, String> {
        let status = |follow| self.status(operand, follow);
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

    pub(super) fn compare(
        &self,
        left: &[u8],
        operator: &[u8],
        right: &[u8],
    ) -> Result<bool, String> {
        let status = |path: &[u8]| self.status(path, true);
        let newer = |one: Option<Status>, other: Option<Status>| match (one, other) {
            (Some(one), Some(other)) => one.mtime > other.mtime,
            // POSIX.1-2024 has one that is there newer than none; dash has not.
            _ => false,
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

#[cfg(test)]
mod tests {
    use crate::tests::{check, check_in_world};

    /// XCU `test`.
    #[test]
    fn strings_compare() {
        check(
            r#"
$ [ a = a ]; echo $?; [ a = b ]; echo $?; [ a != b ]; echo $?; [ a != a ]; echo $?; [ "" = "" ]
> echo $?; test a \< b; echo $?; test b \< a; echo $?; test a \< a; echo $?; test b \> a
> echo $?; test a \> b; echo $?; test a \> a; echo $?
0
1
0
1
0
0
1
1
0
1
1
$ [ -n a ]; echo $?; [ -n "" ]; echo $?; [ -z a ]; echo $?; [ -z "" ]; echo $?; [ a ]; echo $?
> [ "" ]; echo $?; [ ]; echo $?; test; echo $?; [ -n ]; echo $?; [ = ]; echo $?; [ ! ]; echo $?
> [ -a ]; echo $?
0
1
1
0
0
1
1
1
0
0
0
0
"#,
        );
    }

    /// XCU `test`.
    #[test]
    fn numbers_compare() {
        check(
            r#"
$ for o in eq ne gt ge lt le; do for p in '1 2' '2 2' '3 2'; do set -- $p; [ $1 -$o $2 ]
> printf %s $?; done; echo " $o"; done
101 eq
010 ne
110 gt
100 ge
011 lt
001 le
$ [ 010 -eq 10 ]; echo $?; [ ' 5 ' -eq 5 ]; echo $?; [ -3 -lt 2 ]; echo $?; [ +3 -eq 3 ]
> echo $?; [ 9223372036854775807 -gt 1 ]; echo $?
0
0
0
0
0
$ [ a -eq 1 ]; echo $?; [ 1 -lt 2x ]; echo $?; [ 0x1 -eq 1 ]; echo $?; [ 1.5 -eq 1 ]; echo $?
2
2
2
2
stderr: script: 1: [: Illegal number: a
stderr: script: 1: [: Illegal number: 2x
stderr: script: 1: [: Illegal number: 0x1
stderr: script: 1: [: Illegal number: 1.5
"#,
        );
    }

    /// XCU `test`, by the number of arguments.
    #[test]
    fn operators_combine() {
        check(
            r#"
$ [ ! a ]; echo $?; [ ! "" ]; echo $?; [ ! a = b ]; echo $?; [ ! a = a ]; echo $?; [ ! ! a ]
> echo $?; [ ! -z a ]; echo $?
1
0
0
1
0
0
$ [ a -a b ]; echo $?; [ a -a "" ]; echo $?; [ "" -a b ]; echo $?; [ a -o "" ]; echo $?
> [ "" -o b ]; echo $?; [ "" -o "" ]; echo $?
0
1
1
0
0
1
$ [ a -o "" -a "" ]; echo $?; [ "" -a "" -o a ]; echo $?; [ a = a -a b = c -o d = d ]; echo $?
> [ ! a -o b ]; echo $?; [ ! "" -a "" ]; echo $?; [ ! "" -a x ]; echo $?; [ ! "" -o "" -o "" ]
> echo $?; [ \( ! a \) ]; echo $?
0
0
0
1
0
0
0
1
$ [ \( a \) ]; echo $?; [ \( "" \) ]; echo $?; [ \( a -o b \) -a "" ]; echo $?
> [ ! \( a = b \) ]; echo $?; [ \( \( a \) \) ]; echo $?; [ a = a -a \( "" -o b \) ]; echo $?
0
1
1
0
0
0
$ [ ! = ! ]; echo $?; [ \( = \( ]; echo $?; [ -n = -n ]; echo $?; [ -z = -n ]; echo $?
> [ ! = a ]; echo $?; [ -f = -f ]; echo $?; [ a = = ]; echo $?
0
0
0
1
1
0
1
$ [ a b ]; echo $?; [ a b c ]; echo $?; [ \( a ]; echo $?; [ a = ]; echo $?; [ a = b c ]; echo $?; [ -x ]; echo $?
2
2
2
2
2
0
stderr: script: 1: [: b: unexpected operator
stderr: script: 1: [: b: unexpected operator
stderr: script: 1: [: closing paren expected
stderr: script: 1: [: =: unexpected operator
stderr: script: 1: [: c: unexpected operator
$ [ a = a; echo $?; [; echo $?; test a = a ]; echo $?
2
2
2
stderr: script: 1: [: missing ]
stderr: script: 1: [: missing ]
stderr: script: 1: test: ]: unexpected operator
$ test -t 1; echo $?; [ -t 0 ]; echo $?; [ -t x ]; echo $?
1
1
2
stderr: script: 1: [: Illegal number: x
"#,
        );
    }

    /// XCU `test`.
    #[test]
    fn files_have_types_and_modes() {
        check_in_world(
            r#"
$ for x in a.txt b.txt dir link broken exec missing hard fifo socket block character
> do for o in e f d s h L p x r w b c S; do [ -$o $x ] && printf " $o"; done; echo " $x"; done
 e f s r w a.txt
 e f r w b.txt
 e d s x r w dir
 e f s h L r w link
 h L broken
 e f x r w exec
 missing
 e f s r w hard
 e p r w fifo
 e r w S socket
 e r w b block
 e r w c character
$ for x in setuid setgid sticky a.txt; do for o in u g k O G; do [ -$o $x ] && printf " $o"
> done; echo " $x"; done; [ -c /dev/null ]; echo $?; [ -b /dev/null ]; echo $?; [ -d / ]
> echo $?; [ -e '' ]; echo $?
 u O G setuid
 g O setgid
 k G sticky
 O G a.txt
0
1
0
1
$ [ new -nt old ]; echo $?; [ old -nt new ]; echo $?; [ old -ot new ]; echo $?; [ new -ot old ]
> echo $?; [ old -nt old ]; echo $?; [ old -nt missing ]; echo $?; [ missing -nt old ]; echo $?
> [ missing -ot old ]; echo $?; [ old -ot missing ]; echo $?; [ missing -nt missing ]; echo $?
0
1
0
1
1
1
1
1
1
1
$ [ a.txt -ef hard ]; echo $?; [ a.txt -ef b.txt ]; echo $?; [ a.txt -ef missing ]; echo $?
> [ missing -ef a.txt ]; echo $?; [ missing -ef missing ]; echo $?; [ link -ef a.txt ]; echo $?
0
1
1
1
1
0
"#,
        );
    }
}
