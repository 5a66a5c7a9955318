//! head(1) and tail(1).

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::lines::each_file;
use crate::stop::Stop;
use crate::world::World;

/// How much: lines or bytes, counted from which end.
#[derive(Clone, Copy)]
struct Amount {
    is_bytes: bool,
    /// `-` of head, `+` of tail: all but so many.
    is_rest: bool,
    count: usize,
}

/// head(1).
pub(in super::super) fn head<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    ends(world, call, b'-', |text, amount| {
        let end = if amount.is_rest {
            from_end(text, amount.is_bytes, amount.count)
        } else {
            from_start(text, amount.is_bytes, amount.count)
        };
        &text[..end]
    })
}

/// tail(1).
pub(in super::super) fn tail<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    ends(world, call, b'+', |text, amount| {
        let start = if amount.is_rest {
            // `+1` is all of it.
            from_start(text, amount.is_bytes, amount.count.saturating_sub(1))
        } else {
            from_end(text, amount.is_bytes, amount.count)
        };
        &text[start..]
    })
}

fn ends<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    rest_sign: u8,
    take: impl Fn(&[u8], Amount) -> &[u8],
) -> Result<u8, Stop> {
    // `-5` is `-n 5`, as the first word alone.
    let arguments = call.arguments();
    let old = arguments.first().and_then(|word| word.strip_prefix(b"-")).and_then(number);
    let (mut amount, operands, quiet) = match old {
        Some(count) => {
            let operands: Vec<&[u8]> = arguments[1..].iter().map(Vec::as_slice).collect();
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            (Amount { is_bytes: false, is_rest: false, count }, operands, false)
        }
        None => {
            let long = [("lines", b'n'), ("bytes", b'c'), ("quiet", b'q')];
            let options = Options::of(call, "n:c:q", &long)?;
            let is_bytes = options.last_of(b"nc") == Some(b'c');
            let word = options.last(if is_bytes { b'c' } else { b'n' }).unwrap_or(b"10");
            let (is_rest, digits) = match word.split_first() {
                Some((sign, digits)) if *sign == rest_sign => (true, digits),
                Some((b'-', digits)) if rest_sign == b'+' => (false, digits),
                _ => (false, word),
            };
            let Some(count) = number(digits).and_then(|count| usize::try_from(count).ok()) else {
                return Err(call.unsupported(format!("the number `{}`", shown(word))));
            };
            (Amount { is_bytes, is_rest, count }, options.operands.clone(), options.has(b'q'))
        }
    };
    amount.count = amount.count.min(usize::MAX - 1);
    let is_titled = operands.len() > 1 && !quiet;
    let (mut status, mut is_first) = (0, true);
    each_file(world, call, &operands, &mut status, |call, word, text| {
        if is_titled {
            let gap = if is_first { "" } else { "\n" };
            let name = if word == b"-" { "standard input".to_owned() } else { shown(word) };
            call.print(format!("{gap}==> {name} <==\n").as_bytes());
            is_first = false;
        }
        call.print(take(&text, amount));
        Ok(())
    })?;
    Ok(status)
}

/// Where the first lines or bytes end.
fn from_start(text: &[u8], is_bytes: bool, count: usize) -> usize {
    if is_bytes || count == 0 {
        return count.min(text.len());
    }
    let mut ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(count - 1).map_or(text.len(), |(at, _)| at + 1)
}

/// Where the last lines or bytes start.
fn from_end(text: &[u8], is_bytes: bool, count: usize) -> usize {
    if is_bytes || count == 0 {
        return text.len().saturating_sub(count);
    }
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let mut ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.nth(count - 1).map_or(0, |(at, _)| at + 1)
}
