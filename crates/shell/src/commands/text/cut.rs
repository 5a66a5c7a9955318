//! cut(1).

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::lines::{each_file, lines};
use crate::stop::Stop;
use crate::world::World;

/// A range of fields or bytes, from 1, the ends among them.
type Range = (u64, u64);

/// cut(1): fields, or bytes, which are the characters here.
pub(in super::super) fn cut<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("delimiter", b'd'),
        ("fields", b'f'),
        ("characters", b'c'),
        ("bytes", b'b'),
        ("only-delimited", b's'),
        ("output-delimiter", b'o'),
        ("complement", b'C'),
    ];
    let options = Options::of(call, "d:f:c:b:so:C", &long)?;
    let list = match (options.last(b'f'), options.last(b'c').or(options.last(b'b'))) {
        (Some(list), None) | (None, Some(list)) => list,
        _ => return Ok(call.usage("you must specify a list of bytes, characters, or fields", 1)),
    };
    let Some(ranges) = ranges(list) else {
        let list = shown(list);
        return Ok(call.usage(&format!("invalid field range: '{list}'"), 1));
    };
    let delimiter = match options.last(b'd') {
        Some([one]) => *one,
        None => b'\t',
        Some(_) => return Ok(call.usage("the delimiter must be a single character", 1)),
    };
    let is_chosen = |at: usize| {
        let at = at as u64 + 1;
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&at)) != options.has(b'C')
    };
    let between = options.last(b'o').map_or_else(|| vec![delimiter], <[u8]>::to_vec);
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        for line in lines(&text) {
            if options.has(b'f') {
                if !line.contains(&delimiter) {
                    if !options.has(b's') {
                        call.print(line);
                        call.print(b"\n");
                    }
                    continue;
                }
                let fields = line.split(|byte| *byte == delimiter).enumerate();
                let chosen: Vec<&[u8]> =
                    fields.filter(|(at, _)| is_chosen(*at)).map(|(_, field)| field).collect();
                call.print(&chosen.join(between.as_slice()));
            } else {
                let bytes = line.iter().enumerate().filter(|(at, _)| is_chosen(*at));
                let chosen: Vec<u8> = bytes.map(|(_, byte)| *byte).collect();
                call.print(&chosen);
            }
            call.print(b"\n");
        }
        Ok(())
    })?;
    Ok(status)
}

/// `1,3-5,7-,-2`.
fn ranges(list: &[u8]) -> Option<Vec<Range>> {
    let range = |part: &[u8]| {
        let range = match part.iter().position(|byte| *byte == b'-') {
            None => (number(part)?, number(part)?),
            Some(at) => match (&part[..at], &part[at + 1..]) {
                (b"", b"") => return None,
                (b"", last) => (1, number(last)?),
                (first, b"") => (number(first)?, u64::MAX),
                (first, last) => (number(first)?, number(last)?),
            },
        };
        (range.0 > 0 && range.0 <= range.1).then_some(range)
    };
    list.split(|byte| *byte == b',').map(range).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_list_has_ranges_from_1() {
        let all = super::ranges(b"1,3-5,7-,-2").unwrap();
        assert_eq!(all, [(1, 1), (3, 5), (7, u64::MAX), (1, 2)]);
        for wrong in ["", "0", "-", "5-3", "a", "1,,2", "1-2-3"] {
            assert!(super::ranges(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
