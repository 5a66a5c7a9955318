//! date(1): the time of the image, or one that is given. The zone is UTC.

mod calendar;
mod format;
mod string;

use super::call::{Call, shown};
use super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, World};

pub(super) use calendar::Time;
pub(super) use format::formatted;
pub(super) use string::seconds;

/// Refuses to say the time of a zone that is not UTC: `TZ` names it, or `/etc/localtime` leads to it.
pub(super) fn check_zone<W: World>(world: &W, call: &Call<'_>) -> Result<(), Stop> {
    let is_utc = |name: &[u8]| {
        matches!(name, b"" | b"UTC" | b"UTC0" | b"Etc/UTC" | b"Etc/UCT" | b"UCT" | b"Zulu")
            || matches!(name, b"Etc/Zulu" | b"Etc/Universal" | b"Universal")
    };
    if let Some(zone) = call.variable("TZ") {
        return match is_utc(zone.strip_prefix(b":").unwrap_or(zone)) {
            true => Ok(()),
            false => Err(call.unsupported(format!("the time of the zone `{}`", shown(zone)))),
        };
    }
    match world.target(b"/etc/localtime") {
        Ok(target) => {
            let at = target.windows(9).position(|part| part == b"zoneinfo/");
            match at.is_some_and(|at| is_utc(&target[at + 9..])) {
                true => Ok(()),
                false => Err(call.unsupported(format!("the time of `{}`", shown(&target)))),
            }
        }
        Err(FileError::NotFound | FileError::NotADirectory) => Ok(()),
        Err(_) => Err(call.unsupported("the time of `/etc/localtime`, which is no link")),
    }
}

/// date(1).
pub(super) fn date<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("utc", b'u'),
        ("universal", b'u'),
        ("date", b'd'),
        ("reference", b'r'),
        ("rfc-email", b'R'),
        ("iso-8601", b'I'),
        ("rfc-3339", b'='),
    ];
    let options = Options::of(call, "ud:r:RI::=:", &long)?;
    if options.all(b'd').count() + options.all(b'r').count() > 1 {
        return Err(call.unsupported("more than one time"));
    }
    let seconds = match (options.last(b'd'), options.last(b'r')) {
        (Some(text), _) => seconds(text, world.now())
            .ok_or_else(|| call.unsupported(format!("the time `{}`", shown(text))))?,
        (None, Some(word)) => match world.status(&call.path(word), true) {
            Ok(at) => at.mtime,
            Err(error) => return Ok(call.fail("", word, error)),
        },
        (None, None) => world.now(),
    };
    let Some(format) = format_of(&options) else {
        return Err(call.unsupported("these operands"));
    };
    if !options.has(b'u') {
        check_zone(world, call)?;
    }
    let Some(time) = Time::of(seconds) else {
        return Err(call.unsupported("a year of more than four digits"));
    };
    let text = formatted(call, format, &time)?;
    call.print(&text);
    call.print(b"\n");
    Ok(0)
}

/// The format that is asked for, by an option or an operand.
fn format_of<'w>(options: &Options<'w>) -> Option<&'w [u8]> {
    Some(match (options.operands.as_slice(), options.last_of(b"RI=")) {
        ([], None) => b"%a %b %e %T %Z %Y",
        ([], Some(b'R')) => b"%a, %d %b %Y %T %z",
        ([], Some(letter)) => match (letter, options.last(letter)?) {
            (b'I', b"" | b"date") | (b'=', b"date") => b"%F",
            (b'I', b"hours") => b"%FT%H%:z",
            (b'I', b"minutes") => b"%FT%R%:z",
            (b'I', b"seconds") => b"%FT%T%:z",
            (b'I', b"ns") => b"%FT%T,%N%:z",
            (b'=', b"seconds") => b"%F %T%:z",
            (b'=', b"ns") => b"%F %T.%N%:z",
            _ => return None,
        },
        ([format], None) => format.strip_prefix(b"+")?,
        _ => return None,
    })
}
