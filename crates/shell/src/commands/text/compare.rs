//! cmp(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::World;

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
                return Ok(2);
            }
        }
    }
    let [first, second] = texts.as_slice() else { return Ok(2) };
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
