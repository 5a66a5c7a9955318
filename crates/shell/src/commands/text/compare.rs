//! cmp(1) and diff(1).

use super::super::call::{Call, base, shown};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};

/// The status of a comparison that could not be made.
const TROUBLE: u8 = 2;

/// cmp(1), of two whole files.
pub(in super::super) fn cmp<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "s", &[("silent", b's'), ("quiet", b's')])?;
    let (one, other) = match options.operands.as_slice() {
        [one] => (*one, &b"-"[..]),
        [one, other] => (*one, *other),
        _ => return Err(call.unsupported("more or less than two files")),
    };
    let mut texts = Vec::new();
    for word in [one, other] {
        match super::lines::readable(world, call, word) {
            Ok(text) => texts.push(text),
            Err(error) => {
                if !options.has(b's') {
                    call.fail("", word, error);
                }
                return Ok(TROUBLE);
            }
        }
    }
    let [first, second] = texts.as_slice() else { return Ok(TROUBLE) };
    if first == second {
        return Ok(0);
    }
    if !options.has(b's') {
        let at = first.iter().zip(second).position(|(one, other)| one != other);
        match at {
            Some(at) => {
                let line = first[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                let (one, other, byte) = (shown(one), shown(other), at + 1);
                call.print(format!("{one} {other} differ: char {byte}, line {line}\n").as_bytes());
            }
            None => {
                let shorter = if first.len() < second.len() { one } else { other };
                call.complain(&format!("EOF on {}", shown(shorter)));
            }
        }
    }
    Ok(1)
}

/// diff(1): whether files differ, not in what.
pub(in super::super) fn diff<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("brief", b'q'),
        ("recursive", b'r'),
        ("new-file", b'N'),
        ("report-identical-files", b's'),
        ("ignore-all-space", b'w'),
        ("ignore-blank-lines", b'B'),
    ];
    let options = Options::of(call, "qrNswB", &long)?;
    let [one, other] = options.operands.as_slice() else {
        return Ok(call.usage("missing or extra operand", TROUBLE));
    };
    let is_directory = |word: &[u8]| {
        let at = (word != b"-").then(|| world.status(&call.path(word), true).ok()).flatten();
        at.is_some_and(|at| at.file_type == FileType::Directory)
    };
    // A file is held against the one of its name in a directory.
    let below = |directory: &[u8], word: &[u8]| [directory, b"/", base(word)].concat();
    let (one, other) = match (is_directory(one), is_directory(other)) {
        (true, true) => return Err(call.unsupported("two directories")),
        (true, false) => (below(one, other), other.to_vec()),
        (false, true) => (one.to_vec(), below(other, one)),
        (false, false) => (one.to_vec(), other.to_vec()),
    };
    let (mut texts, mut missing) = (Vec::new(), 0);
    for word in [&one, &other] {
        match super::lines::readable(world, call, word) {
            Ok(text) => texts.push(text),
            Err(FileError::NotFound) if options.has(b'N') => {
                missing += 1;
                texts.push(Vec::new());
            }
            Err(error) => {
                call.fail("", word, error);
                missing = 2;
            }
        }
    }
    let ([first, second], 0 | 1) = (texts.as_slice(), missing) else { return Ok(TROUBLE) };
    let (one, other) = (shown(&one), shown(&other));
    let compared = |text: &[u8]| compared(text, options.has(b'w'), options.has(b'B'));
    let is_same = first == second || compared(first) == compared(second);
    match (is_same, options.has(b's'), options.has(b'q')) {
        (true, true, _) => {
            call.print(format!("Files {one} and {other} are identical\n").as_bytes())
        }
        (true, false, _) => {}
        (false, _, true) => call.print(format!("Files {one} and {other} differ\n").as_bytes()),
        (false, _, false) => return Err(call.unsupported("what files differ in")),
    }
    Ok(u8::from(!is_same))
}

/// The lines of a text as they are compared: without white space, and without those that have nothing else.
fn compared(text: &[u8], no_space: bool, no_blank: bool) -> Vec<Vec<u8>> {
    let ends: &[u8] = if no_space { b"" } else { b"\n" };
    let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| match no_space {
        true => line.iter().copied().filter(|byte| !b" \t\n\x0b\x0c\r".contains(byte)).collect(),
        false => line.to_vec(),
    });
    lines.filter(|line: &Vec<u8>| !no_blank || line.as_slice() != ends).collect()
}
