//! getopt(1) of util-linux: options of a script, one to a word, quoted for its shell.

use super::call::{Call, shown};
use super::options::Options;
use crate::stop::Stop;
use crate::world::World;

/// Whether an option has an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Argument,
    /// Only one in the same word.
    Optional,
}

impl Takes {
    /// By the colons behind its name.
    fn of(behind: &[u8]) -> Self {
        match behind {
            [b':', b':', ..] => Self::Optional,
            [b':', ..] => Self::Argument,
            _ => Self::Nothing,
        }
    }
}

/// Where operands stand in what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Behind all options.
    Behind,
    /// The first ends the options (`+`).
    Ends,
    /// Where they are (`-`).
    InPlace,
}

/// getopt(1).
pub(super) fn getopt<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    // Words that do not start with an option are a list of letters and what is to be parsed, unquoted.
    if let Some((letters, words)) = call.arguments().split_first()
        && !letters.starts_with(b"-")
    {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let words = words.strip_prefix(&[&b"--"[..]]).unwrap_or(&words).to_vec();
        let name = call.name();
        return Parser::new(call, letters, Vec::new(), name)?.print(call, &words, false, false);
    }
    let long = [
        ("alternative", b'a'),
        ("options", b'o'),
        ("longoptions", b'l'),
        // A prefix that scripts like.
        ("long", b'l'),
        ("name", b'n'),
        ("quiet", b'q'),
        ("quiet-output", b'Q'),
        ("shell", b's'),
        ("test", b'T'),
        ("unquoted", b'u'),
    ];
    let options = Options::of(call, "+ao:l:n:qQs:Tu", &long)?;
    if options.has(b'T') {
        // "The enhanced version" (getopt(1), "Exit status").
        return Ok(4);
    }
    if options.all(b's').any(|shell| !matches!(shell, b"sh" | b"bash")) {
        return Err(call.unsupported("another shell"));
    }
    let mut words = options.operands.as_slice();
    let letters = match (options.last(b'o'), words) {
        (Some(letters), _) => letters,
        (None, [letters, rest @ ..]) => {
            words = rest;
            letters
        }
        (None, []) => return Ok(call.usage("missing optstring argument", 2)),
    };
    let names = options.all(b'l').flat_map(|list| list.split(|byte| b", \t\n".contains(byte)));
    let names = names.filter(|name| !name.is_empty()).map(|name| {
        let end = name.iter().position(|byte| *byte == b':').unwrap_or(name.len());
        (name[..end].to_vec(), Takes::of(&name[end..]))
    });
    let name = options.last(b'n').map_or_else(|| call.name(), shown);
    let mut parser = Parser::new(call, letters, names.collect(), name)?;
    parser.is_quiet |= options.has(b'q');
    parser.is_alternative = options.has(b'a');
    parser.print(call, words, !options.has(b'u'), options.has(b'Q'))
}

/// What options there are, and those that were found.
struct Parser<'l> {
    letters: &'l [u8],
    names: Vec<(Vec<u8>, Takes)>,
    order: Order,
    /// The script's name in messages.
    name: String,
    is_quiet: bool,
    /// Long options may have one dash (getopt_long_only(3)).
    is_alternative: bool,
    /// Options, each with its argument or without; an operand in its place has no name.
    found: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    operands: Vec<Vec<u8>>,
    status: u8,
}

impl<'l> Parser<'l> {
    fn new(
        call: &Call<'_>,
        letters: &'l [u8],
        names: Vec<(Vec<u8>, Takes)>,
        name: String,
    ) -> Result<Self, Stop> {
        let (order, letters) = match letters {
            [b'+', letters @ ..] => (Order::Ends, letters),
            [b'-', letters @ ..] => (Order::InPlace, letters),
            letters if call.invocation.environment.contains_key("POSIXLY_CORRECT") => {
                (Order::Ends, letters)
            }
            letters => (Order::Behind, letters),
        };
        if letters.windows(2).any(|pair| pair == b"W;") {
            return Err(call.unsupported("`W;`"));
        }
        Ok(Self {
            // A colon first keeps getopt(3) silent.
            is_quiet: letters.starts_with(b":"),
            is_alternative: false,
            letters,
            names,
            order,
            name,
            found: Vec::new(),
            operands: Vec::new(),
            status: 0,
        })
    }

    /// Parses the words, and prints what they are.
    fn print(
        mut self,
        call: &mut Call<'_>,
        words: &[&[u8]],
        is_quoted: bool,
        is_silent: bool,
    ) -> Result<u8, Stop> {
        self.parse(call, words);
        if is_silent {
            return Ok(self.status);
        }
        let argument = |argument: &[u8]| match is_quoted {
            true => quoted(argument),
            false => argument.to_vec(),
        };
        for (name, value) in &self.found {
            if !name.is_empty() {
                call.print(&[b" ", name.as_slice()].concat());
            }
            if let Some(value) = value {
                call.print(&[b" ", argument(value).as_slice()].concat());
            }
        }
        call.print(b" --");
        for operand in &self.operands {
            call.print(&[b" ", argument(operand).as_slice()].concat());
        }
        call.print(b"\n");
        Ok(self.status)
    }

    fn parse(&mut self, call: &mut Call<'_>, words: &[&[u8]]) {
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            match word {
                b"--" => self.operands.extend(words.by_ref().map(<[u8]>::to_vec)),
                [b'-', b'-', name @ ..] => self.long(call, ("--", name), &mut words),
                [b'-', name @ ..] if self.is_long(name) => {
                    self.long(call, ("-", name), &mut words);
                }
                [b'-', letters @ ..] if !letters.is_empty() => {
                    self.short(call, letters, &mut words);
                }
                operand => match self.order {
                    Order::Behind => self.operands.push(operand.to_vec()),
                    Order::InPlace => self.found.push((Vec::new(), Some(operand.to_vec()))),
                    Order::Ends => {
                        self.operands.push(operand.to_vec());
                        self.operands.extend(words.by_ref().map(<[u8]>::to_vec));
                    }
                },
            }
        }
    }

    /// Whether a word behind one dash is a long option: never a single letter that is an option, and letters
    /// whose first is one only where they start a long option's name.
    fn is_long(&self, word: &[u8]) -> bool {
        let Some(first) = word.first().filter(|_| self.is_alternative) else { return false };
        let is_short = *first != b':' && self.letters.contains(first);
        let end = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        let starts = self.names.iter().any(|(name, _)| name.starts_with(&word[..end]));
        !is_short || (word.len() > 1 && starts)
    }

    fn short<'w>(
        &mut self,
        call: &mut Call<'_>,
        letters: &'w [u8],
        words: &mut impl Iterator<Item = &'w [u8]>,
    ) {
        for (at, letter) in letters.iter().enumerate() {
            let name = vec![b'-', *letter];
            let known = self.letters.iter().position(|known| known == letter && *letter != b':');
            let shown = char::from(*letter);
            let Some(known) = known else {
                self.refuse(call, &format!("invalid option -- '{shown}'"));
                continue;
            };
            let rest = &letters[at + 1..];
            match Takes::of(&self.letters[known + 1..]) {
                Takes::Nothing => {
                    self.found.push((name, None));
                    continue;
                }
                Takes::Argument if rest.is_empty() => match words.next() {
                    Some(word) => self.found.push((name, Some(word.to_vec()))),
                    None => {
                        self.refuse(call, &format!("option requires an argument -- '{shown}'"));
                    }
                },
                Takes::Argument | Takes::Optional => self.found.push((name, Some(rest.to_vec()))),
            }
            return;
        }
    }

    fn long<'w>(
        &mut self,
        call: &mut Call<'_>,
        (dash, word): (&str, &'w [u8]),
        words: &mut impl Iterator<Item = &'w [u8]>,
    ) {
        let (given, value) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        let option = format!("option '{dash}{}'", shown(given));
        let exact = self.names.iter().find(|(name, _)| name == given);
        let mut starting = self.names.iter().filter(|(name, _)| name.starts_with(given));
        let (name, takes) = match (exact, starting.next(), starting.next()) {
            (Some(known), ..) | (None, Some(known), None) => known.clone(),
            (None, Some(_), Some(_)) => {
                return self.refuse(call, &format!("{option} is ambiguous"));
            }
            (None, None, _) => return self.refuse(call, &format!("unrecognized {option}")),
        };
        let value = match (takes, value) {
            (Takes::Nothing, None) => None,
            (Takes::Nothing, Some(_)) => {
                return self.refuse(call, &format!("{option} doesn't allow an argument"));
            }
            (Takes::Optional, value) => Some(value.unwrap_or_default()),
            (Takes::Argument, Some(value)) => Some(value),
            (Takes::Argument, None) => match words.next() {
                Some(word) => Some(word),
                None => return self.refuse(call, &format!("{option} requires an argument")),
            },
        };
        self.found.push(([b"--", name.as_slice()].concat(), value.map(<[u8]>::to_vec)));
    }

    fn refuse(&mut self, call: &mut Call<'_>, message: &str) {
        self.status = 1;
        if !self.is_quiet {
            let line = format!("{}: {message}\n", self.name);
            call.invocation.errors.extend_from_slice(line.as_bytes());
        }
    }
}

/// In the quotes of sh(1).
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}
