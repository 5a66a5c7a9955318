//! paste(1) and comm(1): files side by side.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::lines::{each_file, lines, readable};
use crate::stop::Stop;
use crate::world::World;

/// paste(1).
pub(in super::super) fn paste<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "d:s", &[("delimiters", b'd'), ("serial", b's')])?;
    let delimiters = match delimiters(options.last(b'd').unwrap_or(b"\t")) {
        Some(delimiters) => delimiters,
        None => return Ok(call.usage("delimiter list ends with an unescaped backslash", 1)),
    };
    if !options.has(b's') {
        return beside(world, call, &options.operands, &delimiters);
    }
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        let all: Vec<&[u8]> = lines(&text).collect();
        row(call, &all, &delimiters);
        Ok(())
    })?;
    Ok(status)
}

/// Prints parts of a line with delimiters between them, one after the other.
fn row(call: &mut Call<'_>, parts: &[&[u8]], delimiters: &[Vec<u8>]) {
    for (part, delimiter) in
        parts.iter().zip(std::iter::once(&Vec::new()).chain(delimiters.iter().cycle()))
    {
        call.print(delimiter);
        call.print(part);
    }
    call.print(b"\n");
}

/// A line of each file, while one of them has any.
fn beside<W: World>(
    world: &W,
    call: &mut Call<'_>,
    operands: &[&[u8]],
    delimiters: &[Vec<u8>],
) -> Result<u8, Stop> {
    let input: &[&[u8]] = &[b"-"];
    let operands = if operands.is_empty() { input } else { operands };
    let mut texts: Vec<VecDeque<Vec<u8>>> = Vec::new();
    // Where each operand reads: every `-` reads what those before it have left.
    let mut places = Vec::new();
    let mut of_input = None;
    for word in operands {
        if let (b"-", Some(place)) = (*word, of_input) {
            places.push(place);
            continue;
        }
        match readable(world, call, word) {
            Ok(text) => texts.push(lines(&text).map(<[u8]>::to_vec).collect()),
            Err(error) => return Ok(call.fail("", word, error)),
        }
        places.push(texts.len() - 1);
        if *word == b"-" {
            of_input = Some(texts.len() - 1);
        }
    }
    loop {
        let parts: Vec<Option<Vec<u8>>> =
            places.iter().map(|place| texts[*place].pop_front()).collect();
        if parts.iter().all(Option::is_none) {
            return Ok(0);
        }
        let parts: Vec<&[u8]> =
            parts.iter().map(|part| part.as_deref().unwrap_or_default()).collect();
        row(call, &parts, delimiters);
    }
}

/// The list of `-d`: bytes, or nothing (`\0`); there is always one.
fn delimiters(list: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut delimiters, mut bytes) = (Vec::new(), list.iter());
    while let Some(byte) = bytes.next() {
        delimiters.push(match byte {
            b'\\' => match bytes.next()? {
                b'0' => Vec::new(),
                b'n' => b"\n".to_vec(),
                b't' => b"\t".to_vec(),
                b'b' => b"\x08".to_vec(),
                b'f' => b"\x0c".to_vec(),
                b'r' => b"\r".to_vec(),
                b'v' => b"\x0b".to_vec(),
                other => vec![*other],
            },
            byte => vec![*byte],
        });
    }
    if delimiters.is_empty() {
        delimiters.push(Vec::new());
    }
    Some(delimiters)
}

/// comm(1), of sorted files.
pub(in super::super) fn comm<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "123", &[])?;
    let [one, other] = options.operands.as_slice() else {
        return Ok(call.usage("missing or extra operand", 1));
    };
    let mut texts = Vec::new();
    for word in [one, other] {
        let text = match readable(world, call, word) {
            Ok(text) => text,
            Err(error) => return Ok(call.fail("", word, error)),
        };
        let all: Vec<Vec<u8>> = lines(&text).map(<[u8]>::to_vec).collect();
        if !all.is_sorted() {
            return Err(call.unsupported(format!("`{}`, which is not sorted", shown(word))));
        }
        texts.push(VecDeque::from(all));
    }
    let [first, second] = texts.as_mut_slice() else { return Ok(1) };
    let indent = |columns: &[u8]| {
        let shown = columns.iter().filter(|column| !options.has(**column));
        vec![b'\t'; shown.count()]
    };
    loop {
        let order = match (first.front(), second.front()) {
            (None, None) => return Ok(0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.cmp(other),
        };
        let (column, before): (u8, &[u8]) = match order {
            Ordering::Less => (b'1', b""),
            Ordering::Greater => (b'2', b"1"),
            Ordering::Equal => (b'3', b"12"),
        };
        let from_second = if order.is_ge() { second.pop_front() } else { None };
        let from_first = if order.is_le() { first.pop_front() } else { None };
        if let (Some(line), false) = (from_first.or(from_second), options.has(column)) {
            call.print(&[indent(before).as_slice(), &line, b"\n"].concat());
        }
    }
}
