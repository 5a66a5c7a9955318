//! tr(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use crate::escape::control;
use crate::pattern::is_of_class;
use crate::stop::Stop;
use crate::world::World;

/// tr(1).
pub(in super::super) fn tr<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("delete", b'd'),
        ("squeeze-repeats", b's'),
        ("complement", b'c'),
        ("truncate-set1", b't'),
    ];
    let options = Options::of(call, "+dscC", &long)?;
    let (delete, squeeze) = (options.has(b'd'), options.has(b's'));
    let is_complement = options.has(b'c') || options.has(b'C');
    let mut sets = Vec::new();
    for word in &options.operands {
        let unknown = || call.unsupported(format!("the set `{}`", shown(word)));
        sets.push(set(word).ok_or_else(unknown)?);
    }
    let needed = match (delete, squeeze) {
        (true, false) => 1..=1,
        (false, true) => 1..=2,
        (true, true) | (false, false) => 2..=2,
    };
    if !needed.contains(&sets.len()) {
        return Ok(call.usage("missing or extra operand", 1));
    }
    let mut first = sets.remove(0);
    if is_complement {
        first = (0..=255).filter(|byte| !first.contains(byte)).collect();
    }
    let second = sets.pop();
    let translated = second.as_ref().filter(|_| !delete);
    let mut text = call.input();
    if delete {
        text.retain(|byte| !first.contains(byte));
    }
    if let Some(second) = translated {
        let Some(last) = second.last() else {
            return Ok(call.usage("when not truncating set1, string2 must be non-empty", 1));
        };
        let mut table: Vec<u8> = (0..=255).collect();
        for (at, byte) in first.iter().enumerate() {
            table[usize::from(*byte)] = *second.get(at).unwrap_or(last);
        }
        text.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
    }
    if squeeze {
        let repeats = second.as_ref().unwrap_or(&first);
        text.dedup_by(|next, kept| next == kept && repeats.contains(next));
    }
    call.print(&text);
    Ok(0)
}

/// The bytes of a set, in order: ranges, classes and escapes; nothing if it has something else.
fn set(word: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix(b"[:") {
            let end = inner.windows(2).position(|pair| pair == b":]")?;
            bytes.extend(class(&inner[..end])?);
            rest = &inner[end + 2..];
            continue;
        }
        if rest.starts_with(b"[=") || (rest.starts_with(b"[") && rest.get(2) == Some(&b'*')) {
            return None;
        }
        let (first, behind) = one(rest)?;
        match behind {
            [b'-', range @ ..] if !range.is_empty() => {
                let (last, behind) = one(range)?;
                if first > last {
                    return None;
                }
                bytes.extend(first..=last);
                rest = behind;
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    Some(bytes)
}

/// A byte, which may be escaped, and what is behind it.
fn one(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (byte, behind) = rest.split_first()?;
    if *byte != b'\\' {
        return Some((*byte, behind));
    }
    let Some((letter, behind_letter)) = behind.split_first() else { return Some((b'\\', behind)) };
    let byte = match letter {
        b'\\' => b'\\',
        letter if let Some(byte) = control(*letter) => byte,
        b'0'..=b'7' => {
            let digits = behind.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
            let digits = digits.count();
            let value = u8::from_str_radix(str::from_utf8(&behind[..digits]).ok()?, 8).ok()?;
            return Some((value, &behind[digits..]));
        }
        other => *other,
    };
    Some((byte, behind_letter))
}

fn class(name: &[u8]) -> Option<Vec<u8>> {
    is_of_class(name, 0)?;
    Some((0..=255u8).filter(|byte| is_of_class(name, *byte) == Some(true)).collect())
}
