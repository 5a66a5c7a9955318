//! rm(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::directories::trimmed;
use super::paths::{last, remove_all};
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};

/// rm(1).
pub(in super::super) fn rm<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("force", b'f'),
        ("recursive", b'r'),
        ("dir", b'd'),
        ("verbose", b'v'),
        ("preserve-root", b'p'),
        ("one-file-system", b'p'),
    ];
    let options = Options::of(call, "frRdivI", &long)?;
    check_asks(call, &options)?;
    let (force, recursive) = (options.has(b'f'), options.has(b'r') || options.has(b'R'));
    if options.operands.is_empty() && !force {
        return Ok(call.usage("missing operand", 1));
    }
    let verbose = options.has(b'v');
    let mut status = 0;
    for word in &options.operands {
        if matches!(last(word), b"." | b"..") {
            let word = shown(word);
            status = call
                .usage(&format!("refusing to remove '.' or '..' directory: skipping '{word}'"), 1);
            continue;
        }
        let whole = call.path(word);
        let path = trimmed(&whole);
        if path == b"/" {
            return Err(call.unsupported("the whole file system"));
        }
        let at = world.status(path, false);
        let is_directory = at.is_ok_and(|at| at.file_type == FileType::Directory);
        // It goes down in the order that the file system has.
        if verbose && recursive && is_directory && !world.list(path).is_ok_and(|it| it.is_empty()) {
            return Err(call.unsupported("the option -v of a directory that holds files"));
        }
        let removed = match at {
            Err(error) => Err(error),
            Ok(at) if at.file_type != FileType::Directory => match word.ends_with(b"/") {
                true => Err(FileError::NotADirectory),
                false => world.remove(path),
            },
            Ok(_) if recursive => remove_all(world, path),
            Ok(_) if options.has(b'd') => world.remove(path),
            Ok(_) => Err(FileError::IsADirectory),
        };
        match removed {
            Ok(()) if verbose => {
                let kind = if is_directory { "directory " } else { "" };
                let line = format!("removed {kind}{}\n", call.quoted(word)?);
                call.print(line.as_bytes());
            }
            Ok(()) => {}
            Err(FileError::NotFound | FileError::NotADirectory) if force => {}
            Err(error) => status = call.fail("cannot remove", word, error),
        }
    }
    Ok(status)
}

/// Refuses to ask before a file is removed.
fn check_asks(call: &Call<'_>, options: &Options<'_>) -> Result<(), Stop> {
    if options.last_of(b"fi") == Some(b'i') {
        return Err(call.unsupported("the option -i"));
    }
    let is_asked = options.operands.len() > 3 || options.has(b'r') || options.has(b'R');
    match options.last_of(b"fI") == Some(b'I') && is_asked {
        true => Err(call.unsupported("the option -I of what it asks about")),
        false => Ok(()),
    }
}
