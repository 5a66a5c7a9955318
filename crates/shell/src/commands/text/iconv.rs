//! iconv(1) of glibc, between the sets of characters that scripts name: UTF-8, ASCII and ISO 8859-1.

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::lines::each_file;
use crate::stop::Stop;
use crate::world::World;

/// A set of characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Ascii,
    Latin,
    Utf8,
}

impl Set {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_slice() {
            b"ANSI_X3.4-1968" | b"ASCII" | b"US-ASCII" | b"646" => Self::Ascii,
            b"ISO-8859-1" | b"ISO8859-1" | b"ISO_8859-1" | b"LATIN1" | b"L1" => Self::Latin,
            b"UTF-8" | b"UTF8" => Self::Utf8,
            _ => return None,
        })
    }

    /// The text of some bytes, if they are of the set.
    fn decoded(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Latin => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Ascii if !bytes.is_ascii() => None,
            _ => String::from_utf8(bytes.to_vec()).ok(),
        }
    }

    fn has(self, character: char) -> bool {
        match self {
            Self::Ascii => character.is_ascii(),
            Self::Latin => u32::from(character) < 0x100,
            Self::Utf8 => true,
        }
    }
}

/// What `//TRANSLIT` makes of characters in the locale `C`, by glibc's own table (`locale/C-translit.h`): those of
/// punctuation, and of Latin letters that are not `?`.
const REPLACED: [(&str, &str); 16] = [
    ("\u{a0}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2008}\u{2009}\u{200a}\u{202f}", " "),
    ("\u{ad}\u{2010}\u{2011}\u{2012}\u{2013}\u{2015}", "-"),
    ("\u{2018}\u{2019}\u{201b}", "'"),
    ("\u{201c}\u{201d}\u{201f}", "\""),
    ("\u{ab}", "<<"),
    ("\u{bb}", ">>"),
    ("\u{a9}", "(C)"),
    ("\u{ae}", "(R)"),
    ("\u{c6}", "AE"),
    ("\u{d7}", "x"),
    ("\u{df}", "ss"),
    ("\u{e6}", "ae"),
    ("\u{152}", "OE"),
    ("\u{153}", "oe"),
    ("\u{2014}", "--"),
    ("\u{2026}", "..."),
];

/// Letters of Latin-1 and Latin Extended-A, which that table lacks but for those above and below.
fn is_letter(character: char) -> bool {
    matches!(character, '\u{c0}'..='\u{17f}')
        && !matches!(character, '\u{132}' | '\u{133}' | '\u{149}' | '\u{17f}')
}

/// iconv(1).
pub(in super::super) fn iconv<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("from-code", b'f'), ("to-code", b't')];
    let options = Options::of(call, "f:t:c", &long)?;
    let (Some(from), Some(to)) = (options.last(b'f'), options.last(b't')) else {
        return Err(call.unsupported("the set of characters of a locale"));
    };
    let (to, way) = match to.windows(2).position(|two| two == b"//") {
        Some(at) => (&to[..at], &to[at + 2..]),
        None => (to, &b""[..]),
    };
    let unknown = |name: &[u8]| call.unsupported(format!("the set of characters {}", shown(name)));
    let from = Set::of(from).ok_or_else(|| unknown(from))?;
    let to = Set::of(to).ok_or_else(|| unknown(to))?;
    // UTF-8 has every character, and nothing to replace.
    let is_replaced = way.eq_ignore_ascii_case(b"TRANSLIT") && to != Set::Latin;
    if !(way.is_empty() || is_replaced) || options.has(b'c') {
        return Err(call.unsupported("characters that are left out"));
    }
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, bytes| {
        let Some(text) = from.decoded(&bytes) else {
            return Err(call.unsupported("bytes that are not of the set of characters"));
        };
        let mut output = Vec::new();
        for character in text.chars() {
            let replaced = REPLACED.iter().find(|(those, _)| those.contains(character));
            match replaced {
                _ if to == Set::Latin && to.has(character) => {
                    output.extend(u8::try_from(u32::from(character)));
                }
                _ if to.has(character) => {
                    output.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some((_, by)) if is_replaced => output.extend_from_slice(by.as_bytes()),
                None if is_replaced && is_letter(character) => output.push(b'?'),
                _ => return Err(call.unsupported(format!("the character `{character}`"))),
            }
        }
        call.print(&output);
        Ok(())
    })?;
    Ok(status)
}
