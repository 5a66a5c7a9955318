//! touch(1).

use super::super::call::Call;
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};

/// touch(1): a file that is missing is made; times are those of the world, or of another file.
pub(in super::super) fn touch<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("no-create", b'c'), ("reference", b'r'), ("no-dereference", b'h')];
    let options = Options::of(call, "acfhmr:", &long)?;
    let of_links = options.has(b'h');
    let time = match options.last(b'r') {
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
