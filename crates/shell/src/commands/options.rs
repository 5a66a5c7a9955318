//! Options, as getopt_long(3) reads them.

use super::abbreviations::candidates;
use super::call::{Call, shown};
use crate::stop::Stop;

/// The options and operands of a call, told apart.
#[derive(Debug)]
pub struct Options<'w> {
    given: Vec<(u8, &'w [u8])>,
    /// What is no option, in order.
    pub operands: Vec<&'w [u8]>,
}

/// Whether an option has an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    None,
    One,
    /// None, or the rest of its word.
    InTheSameWord,
}

impl<'w> Options<'w> {
    /// Reads the words of a call. `short` is what getopt(3) takes: a letter for each option, `:` behind
    /// one with an argument, `::` behind one that may have one in the same word, `+` first if options end
    /// where operands start. `long` has a letter for each long name.
    ///
    /// # Errors
    /// [`Stop`]: an option that is not implemented.
    pub fn of(call: &Call<'w>, short: &str, long: &[(&str, u8)]) -> Result<Self, Stop> {
        Self::of_words(call, call.arguments(), short, long)
    }

    /// The same, of some of the words of a call.
    ///
    /// # Errors
    /// As for [`Options::of`].
    pub fn of_words(
        call: &Call<'_>,
        words: &'w [Vec<u8>],
        short: &str,
        long: &[(&str, u8)],
    ) -> Result<Self, Stop> {
        let mut options = Self { given: Vec::new(), operands: Vec::new() };
        let ordered = short.starts_with('+');
        let takes = |letter: u8| {
            let at = short.bytes().position(|byte| byte == letter && !b"+:".contains(&byte))?;
            Some(match &short.as_bytes()[at + 1..] {
                [b':', b':', ..] => Takes::InTheSameWord,
                [b':', ..] => Takes::One,
                _ => Takes::None,
            })
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == b"--" {
                options.operands.extend(words.by_ref().map(Vec::as_slice));
            } else if let Some(name) = word.strip_prefix(b"--") {
                let (name, value) = match name.iter().position(|byte| *byte == b'=') {
                    Some(at) => (&name[..at], name.get(at + 1..)),
                    None => (name, None),
                };
                let unknown = || call.unsupported(format!("the option --{}", shown(name)));
                let letter = letter_of(call, long, name)?;
                let value = match (takes(letter).unwrap_or(Takes::None), value) {
                    (Takes::One, None) => words.next().map(Vec::as_slice).ok_or_else(unknown)?,
                    (Takes::None, Some(_)) => return Err(unknown()),
                    (_, value) => value.unwrap_or_default(),
                };
                options.given.push((letter, value));
            } else if let Some(letters) = word.strip_prefix(b"-").filter(|rest| !rest.is_empty()) {
                for (at, &letter) in letters.iter().enumerate() {
                    let unknown =
                        || call.unsupported(format!("the option -{}", char::from(letter)));
                    let takes = takes(letter).ok_or_else(unknown)?;
                    if takes == Takes::None {
                        options.given.push((letter, b""));
                        continue;
                    }
                    let rest = &letters[at + 1..];
                    let value = match rest {
                        rest if takes == Takes::InTheSameWord => rest,
                        [] => words.next().map(Vec::as_slice).ok_or_else(unknown)?,
                        rest => rest,
                    };
                    options.given.push((letter, value));
                    break;
                }
            } else if ordered {
                options.operands.push(word);
                options.operands.extend(words.by_ref().map(Vec::as_slice));
            } else {
                options.operands.push(word);
            }
        }
        Ok(options)
    }

    /// Whether the option of a letter is given.
    #[must_use]
    pub fn has(&self, letter: u8) -> bool {
        self.given.iter().any(|(given, _)| *given == letter)
    }

    /// The argument of an option, where it is given last.
    #[must_use]
    pub fn last(&self, letter: u8) -> Option<&'w [u8]> {
        self.given.iter().rev().find(|(given, _)| *given == letter).map(|(_, value)| *value)
    }

    /// The arguments of an option, each time it is given.
    pub fn all(&self, letter: u8) -> impl Iterator<Item = &'w [u8]> {
        self.given.iter().filter(move |(given, _)| *given == letter).map(|(_, value)| *value)
    }

    /// Which of some options is given last.
    #[must_use]
    pub fn last_of(&self, letters: &[u8]) -> Option<u8> {
        self.given.iter().rev().map(|(given, _)| *given).find(|given| letters.contains(given))
    }
}

/// The letter of a long option: its name, or a start that no other option of the program has. The program
/// refuses one that several have, and those are not told apart here from one that is not implemented.
fn letter_of(call: &Call<'_>, long: &[(&str, u8)], name: &[u8]) -> Result<u8, Stop> {
    let exact = |name: &[u8]| long.iter().find(|(known, _)| known.as_bytes() == name);
    if let Some((_, letter)) = exact(name) {
        return Ok(*letter);
    }
    let candidates = candidates(&call.name(), name);
    match candidates.as_slice() {
        [only] if let Some((_, letter)) = exact(only.as_bytes()) => Ok(*letter),
        [_, _, ..] if !candidates.iter().any(|known| known.as_bytes() == name) => {
            let all = candidates.join(" --");
            Err(call.unsupported(format!("the option --{}: it may be --{all}", shown(name))))
        }
        _ => Err(call.unsupported(format!("the option --{}", shown(name)))),
    }
}
