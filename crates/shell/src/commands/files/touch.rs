//! touch(1).

use super::super::call::{Call, shown};
use super::super::date::{check_zone, seconds};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};

/// touch(1): a file that is missing is made; times are those of the world, or of another file.
pub(in super::super) fn touch<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("no-create", b'c'), ("reference", b'r'), ("no-dereference", b'h'), ("date", b'd')];
    let options = Options::of(call, "acfhmr:d:t:", &long)?;
    let of_links = options.has(b'h');
    if b"rdt".iter().filter(|letter| options.has(**letter)).count() > 1 {
        return Err(call.unsupported("more than one time"));
    }
    let given = match (options.last(b'd'), options.last(b't')) {
        (Some(text), _) => Some((text, seconds(text, world.now()))),
        (None, Some(stamp)) => Some((stamp, of_stamp(stamp))),
        (None, None) => None,
    };
    if given.is_some() {
        check_zone(world, call)?;
    }
    let time = match options.last(b'r') {
        None if let Some((word, time)) = given => {
            let unknown = || call.unsupported(format!("the time `{}`", shown(word)));
            Some(time.ok_or_else(unknown)?)
        }
        Some(word) => match world.status(&call.path(word), !of_links) {
            Ok(like) => Some(like.mtime),
            Err(error) => return Ok(call.fail("failed to get attributes of", word, error)),
        },
        None => None,
    };
    if options.operands.is_empty() {
        return Ok(call.usage("missing file operand", 1));
    }
    // Only the time of the last change is known here.
    let is_change = options.has(b'm') || !options.has(b'a');
    let mut status = 0;
    for word in &options.operands {
        let path = call.path(word);
        let touched = match world.status(&path, !of_links) {
            Ok(at) if of_links && at.file_type == FileType::Symlink => {
                return Err(call.unsupported("the time of a link"));
            }
            Ok(_) if is_change => world.set_time(&path, time),
            Ok(_) => Ok(()),
            Err(FileError::NotFound) if options.has(b'c') => Ok(()),
            Err(error @ FileError::NotFound) if of_links => Err(error),
            Err(FileError::NotFound) => world
                .write(&path, b"", 0o666 & !call.invocation.umask)
                .and_then(|()| world.set_time(&path, time)),
            Err(error) => Err(error),
        };
        if let Err(error) = touched {
            status = call.fail("cannot touch", word, error);
        }
    }
    Ok(status)
}

/// `CCYYMMDDhhmm` with `.ss` or without (XCU `touch`, `-t`).
fn of_stamp(stamp: &[u8]) -> Option<i64> {
    let stamp = str::from_utf8(stamp).ok()?;
    let (minutes, second) = stamp.split_once('.').unwrap_or((stamp, "00"));
    let is_stamp = minutes.len() == 12
        && second.len() == 2
        && minutes.bytes().all(|byte| byte.is_ascii_digit());
    let (date, time) = is_stamp.then(|| minutes.split_at(8))?;
    seconds(format!("{date} {}:{}:{second}", &time[..2], &time[2..]).as_bytes(), 0)
}
