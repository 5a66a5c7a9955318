//! fold(1).

use super::super::call::{Call, number};
use super::super::options::Options;
use super::lines::each_file;
use crate::stop::Stop;
use crate::world::World;

/// The width of a line where no option says it.
const WIDTH: u64 = 80;

/// fold(1): lines of at most so many columns; `-b` counts bytes, `-s` breaks behind a blank where there is one.
pub(in super::super) fn fold<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("bytes", b'b'), ("spaces", b's'), ("width", b'w')];
    let options = Options::of(call, "bsw:", &long)?;
    let width = options.last(b'w').map_or(Some(WIDTH), number).filter(|width| *width > 0);
    let Some(width) = width else { return Err(call.unsupported("this width")) };
    let (counts_bytes, at_blanks) = (options.has(b'b'), options.has(b's'));
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            call.print(&folded(line, width, counts_bytes, at_blanks));
        }
        Ok(())
    })?;
    Ok(status)
}

/// The column behind a byte.
fn behind(column: u64, byte: u8, counts_bytes: bool) -> u64 {
    match byte {
        _ if counts_bytes => column + 1,
        b'\x08' => column.saturating_sub(1),
        b'\r' => 0,
        b'\t' => column + 8 - column % 8,
        _ => column + 1,
    }
}

fn folded(line: &[u8], width: u64, counts_bytes: bool, at_blanks: bool) -> Vec<u8> {
    let (mut output, mut pending, mut column) = (Vec::new(), Vec::new(), 0);
    for &byte in line {
        if byte == b'\n' {
            pending.push(byte);
            break;
        }
        while behind(column, byte, counts_bytes) > width && !pending.is_empty() {
            let is_blank = |byte: &u8| [b' ', b'\t'].contains(byte);
            let blank = pending.iter().rposition(is_blank).filter(|_| at_blanks);
            let rest = pending.split_off(blank.map_or(pending.len(), |at| at + 1));
            output.append(&mut pending);
            output.push(b'\n');
            pending = rest;
            column = pending.iter().fold(0, |column, byte| behind(column, *byte, counts_bytes));
        }
        column = behind(column, byte, counts_bytes);
        pending.push(byte);
    }
    output.append(&mut pending);
    output
}
