//! Regular expressions of awk, and what separates fields (XCU `awk`, "Regular Expressions").

use std::rc::Rc;

use super::super::super::call::Call;
use super::super::regex::{Dialect, Regex};
use super::lexer::unescaped;
use crate::stop::Stop;

/// The byte that an escape stands for, behind its backslash, and how long it is.
fn escaped(rest: &[u8]) -> Result<(u8, usize), String> {
    let letter = *rest.first().ok_or("a backslash at the end of an expression")?;
    let len = match letter {
        b'0'..=b'7' => rest.iter().take(3).take_while(|it| matches!(it, b'0'..=b'7')).count(),
        _ => 1,
    };
    let plain = match letter {
        b'0'..=b'7' | b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' => {
            unescaped(&[b"\\", &rest[..len]].concat())?[0]
        }
        // mawk knows neither `\s` nor `\w`: a letter is itself there.
        letter => letter,
    };
    Ok((plain, len))
}

/// An expression of awk as one of XBD 9.4, without the escapes that only awk has.
fn extended(pattern: &[u8]) -> Result<Vec<u8>, String> {
    let (mut text, mut at, mut in_brackets) = (Vec::new(), 0, false);
    while let Some(&byte) = pattern.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let (plain, len) = escaped(&pattern[at..])?;
                at += len;
                match in_brackets {
                    // These would have to stand elsewhere.
                    true if b"]^-".contains(&plain) => {
                        return Err(format!("`\\{}` in brackets", char::from(plain)));
                    }
                    // A backslash is plain in brackets.
                    true => {}
                    false if plain.is_ascii_punctuation() => text.push(b'\\'),
                    false => {}
                }
                text.push(plain);
            }
            b'[' if !in_brackets => {
                in_brackets = true;
                text.push(byte);
                // A bracket is no end where it comes first.
                for first in [b'^', b']'] {
                    if pattern.get(at) == Some(&first) {
                        text.push(first);
                        at += 1;
                    }
                }
            }
            b'[' if pattern.get(at) == Some(&b':') => {
                let end = pattern[at..].windows(2).position(|pair| pair == b":]");
                let end = at + end.ok_or("a class without its end")? + 2;
                text.extend_from_slice(&pattern[at - 1..end]);
                at = end;
            }
            b']' if in_brackets => {
                in_brackets = false;
                text.push(byte);
            }
            b'{' if !in_brackets => {
                // Debian 12 reads an interval as it stands.
                if pattern.get(at).is_some_and(|next| next.is_ascii_digit() || *next == b',') {
                    return Err("an interval".to_owned());
                }
                text.extend_from_slice(b"\\{");
            }
            b'|' if !in_brackets && (text.is_empty() || text.ends_with(b"|")) => {
                return Err("an empty alternative".to_owned());
            }
            byte => text.push(byte),
        }
    }
    Ok(text)
}

/// An expression.
pub(super) fn regex(call: &Call<'_>, pattern: &[u8]) -> Result<Regex, Stop> {
    let text = extended(pattern).map_err(|why| call.unsupported(why))?;
    Regex::new(call, &text, Dialect::Extended, false)
}

/// What is between fields.
#[derive(Clone, Debug)]
pub(super) enum Separator {
    /// Blanks and line breaks, of which those at the ends separate nothing.
    Blanks,
    /// One byte, whatever it means elsewhere.
    Byte(u8),
    /// Nothing: each byte is a field.
    Nothing,
    Regex(Rc<Regex>),
}

impl Separator {
    /// That of a string, if it is no regular expression.
    pub(super) fn plain(text: &[u8]) -> Option<Self> {
        match text {
            b"" => Some(Self::Nothing),
            b" " => Some(Self::Blanks),
            [byte] => Some(Self::Byte(*byte)),
            _ => None,
        }
    }

    /// The fields of a text; an empty one has none.
    pub(super) fn split<'t>(&self, text: &'t [u8]) -> Vec<&'t [u8]> {
        if text.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Blanks => {
                let parts = text.split(|byte| b" \t\n".contains(byte));
                parts.filter(|part| !part.is_empty()).collect()
            }
            Self::Byte(separator) => text.split(|byte| byte == separator).collect(),
            Self::Nothing => text.chunks(1).collect(),
            Self::Regex(regex) => {
                let (mut fields, mut start, mut from) = (Vec::new(), 0, 0);
                while from <= text.len()
                    && let Some(range) = regex.find(text, from)
                {
                    from = range.end.max(range.start + 1);
                    // Nothing separates nothing.
                    if !range.is_empty() {
                        fields.push(&text[start..range.start]);
                        start = range.end;
                    }
                }
                fields.push(&text[start..]);
                fields
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn the_escapes_of_awk_become_those_of_posix() {
        for (pattern, expected) in [
            (r"a\/b", r"a\/b"),
            (r#"\""#, r#"\""#),
            (r"\.", r"\."),
            (r"\t", "\t"),
            (r"\056", r"\."),
            (r"[\/\\]", r"[/\]"),
            (r"[]\/]", r"[]/]"),
            (r"[^]a]\]", r"[^]a]\]"),
            ("[[:space:]{]", "[[:space:]{]"),
            ("x{", r"x\{"),
            ("{}", r"\{}"),
            (r"\s\W\8[\s]", "sW8[s]"),
        ] {
            let found = extended(pattern.as_bytes());
            assert_eq!(found.as_deref(), Ok(expected.as_bytes()), "{pattern}");
        }
        for pattern in ["a||b", "|a", r"[\]]", r"[a\-z]", "a{2}", "a{,2}", "a\\", "[[:x"] {
            assert!(extended(pattern.as_bytes()).is_err(), "{pattern}");
        }
    }
}
