//! sort(1) and uniq(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::lines::{each_file, lines};
use crate::stop::Stop;
use crate::world::World;

/// sort(1), of whole lines, by bytes or by number.
pub(in super::super) fn sort<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("unique", b'u'), ("reverse", b'r'), ("output", b'o'), ("numeric-sort", b'n')];
    let options = Options::of(call, "urno:", &long)?;
    let (mut status, mut all): (_, Vec<Vec<u8>>) = (0, Vec::new());
    each_file(world, call, &options.operands, &mut status, |_, _, text| {
        all.extend(lines(&text).map(<[u8]>::to_vec));
        Ok(())
    })?;
    if status != 0 {
        return Ok(2);
    }
    if options.has(b'n') {
        let keyed: Result<Vec<_>, Stop> = all
            .into_iter()
            .map(|line| match leading(&line) {
                Some(number) => Ok((number, line)),
                None => Err(call.unsupported(format!("the number of `{}`", shown(&line)))),
            })
            .collect();
        let mut keyed = keyed?;
        if options.has(b'u') {
            // The first of equal numbers stays.
            keyed.sort_by_key(|(number, _)| *number);
            keyed.dedup_by_key(|(number, _)| *number);
        } else {
            keyed.sort();
        }
        all = keyed.into_iter().map(|(_, line)| line).collect();
    } else {
        all.sort();
        if options.has(b'u') {
            all.dedup();
        }
    }
    if options.has(b'r') {
        all.reverse();
    }
    let text: Vec<u8> = all
        .into_iter()
        .flat_map(|mut line| {
            line.push(b'\n');
            line
        })
        .collect();
    match options.last(b'o') {
        Some(word) => {
            let path = call.path(word);
            let mode = 0o666 & !call.invocation.umask;
            if let Err(error) = world.write(&path, &text, mode) {
                call.fail("open failed", word, error);
                return Ok(2);
            }
        }
        None => call.print(&text),
    }
    Ok(0)
}

/// The whole number that a line starts with; 0 if it starts with none.
fn leading(line: &[u8]) -> Option<i128> {
    let line = line.trim_ascii_start();
    let (sign, digits) = match line.strip_prefix(b"-") {
        Some(rest) => (-1, rest),
        None => (1, line),
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    if digits.get(end) == Some(&b'.') {
        return None;
    }
    match &digits[..end] {
        b"" => Some(0),
        digits => Some(sign * str::from_utf8(digits).ok()?.parse::<i128>().ok()?),
    }
}

/// uniq(1).
pub(in super::super) fn uniq<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("count", b'c'), ("repeated", b'd'), ("unique", b'u')];
    let options = Options::of(call, "cdu", &long)?;
    if options.operands.len() > 1 {
        return Err(call.unsupported("an output file"));
    }
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        let mut groups: Vec<(&[u8], usize)> = Vec::new();
        for line in lines(&text) {
            match groups.last_mut() {
                Some((known, count)) if *known == line => *count += 1,
                _ => groups.push((line, 1)),
            }
        }
        for (line, count) in groups {
            if (options.has(b'd') && count == 1) || (options.has(b'u') && count > 1) {
                continue;
            }
            if options.has(b'c') {
                call.print(format!("{count:7} ").as_bytes());
            }
            call.print(line);
            call.print(b"\n");
        }
        Ok(())
    })?;
    Ok(status)
}
