//! ln(1), readlink(1) and realpath(1).

use super::super::call::Call;
use super::super::options::Options;
use super::directories::trimmed;
use super::paths::{Destinations, below, is_directory, last};
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files, World};

/// ln(1).
pub(in super::super) fn ln<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("symbolic", b's'),
        ("force", b'f'),
        ("no-dereference", b'n'),
        ("no-target-directory", b'T'),
        ("target-directory", b't'),
        ("relative", b'r'),
    ];
    let options = Options::of(call, "sfnTt:r", &long)?;
    let directory = options.last(b't');
    let mut plain = options.has(b'T');
    // `-n` takes a link to a directory for the link that it is.
    if let (true, [_, to]) = (options.has(b'n'), options.operands.as_slice()) {
        let path = call.path(to);
        let at = world.status(trimmed(&path), false);
        plain |= at.is_ok_and(|at| at.file_type == FileType::Symlink);
    }
    let mut operands = options.operands.clone();
    if operands.len() == 1 && directory.is_none() {
        operands.push(b".");
    }
    let destinations = match Destinations::of(world, call, &operands, directory, plain) {
        Ok(destinations) => destinations,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for (target, to) in destinations.pairs {
        let path = call.path(&to);
        let path = trimmed(&path);
        let freed = match world.status(path, false) {
            Ok(_) if !options.has(b'f') => Err(FileError::Exists),
            Ok(at) if at.file_type == FileType::Directory => Err(FileError::IsADirectory),
            Ok(_) => world.remove(path),
            Err(_) => Ok(()),
        };
        let made = freed.and_then(|()| match (options.has(b's'), options.has(b'r')) {
            (true, false) => world.make_symlink(path, target),
            (true, true) => relative(world, path, &call.path(target))
                .and_then(|target| world.make_symlink(path, &target)),
            (false, _) => world.make_link(&call.path(target), path),
        });
        if let Err(error) = made {
            status = call.fail("failed to create link", &to, error);
        }
    }
    Ok(status)
}

/// What a link at `path` holds to lead to `target`.
fn relative(files: &impl Files, path: &[u8], target: &[u8]) -> Result<Vec<u8>, FileError> {
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&b"/"[..], |at| &path[..at]);
    let from = files.real_path(if parent.is_empty() { b"/" } else { parent })?;
    let to = missing_too(files, target)?;
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        parts.map(<[u8]>::to_vec).collect()
    };
    let (from, to) = (parts(&from), parts(&to));
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n(b"..".to_vec(), from.len() - common);
    let whole: Vec<Vec<u8>> = up.chain(to[common..].iter().cloned()).collect();
    Ok(if whole.is_empty() { b".".to_vec() } else { whole.join(&b'/') })
}

/// The real path, of which all may be missing (`readlink -m`).
fn missing_too(files: &impl Files, path: &[u8]) -> Result<Vec<u8>, FileError> {
    let path = trimmed(path);
    match files.real_path(path) {
        Err(FileError::NotFound | FileError::NotADirectory) => {
            if let Ok(target) = files.target(path) {
                return missing_too(files, &crate::world::absolute(parent(path), &target));
            }
            let real = missing_too(files, parent(path))?;
            match last(path) {
                b".." => Ok(parent(&real).to_vec()),
                b"." => Ok(real),
                name => Ok(below(&real, name)),
            }
        }
        real => real,
    }
}

/// The real path, of which the last component may be missing (`readlink -f`).
fn last_missing_too(files: &impl Files, path: &[u8]) -> Result<Vec<u8>, FileError> {
    if path.len() > 1 && path.ends_with(b"/") && !is_directory(files, path) {
        files.status(trimmed(path), true)?;
        return Err(FileError::NotADirectory);
    }
    let path = trimmed(path);
    match files.real_path(path) {
        Err(FileError::NotFound) => {
            if let Ok(target) = files.target(path) {
                return last_missing_too(files, &crate::world::absolute(parent(path), &target));
            }
            let real = files.real_path(parent(path))?;
            if !is_directory(files, &real) {
                return Err(FileError::NotADirectory);
            }
            Ok(below(&real, last(path)))
        }
        real => real,
    }
}

fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(at) => &path[..at],
    }
}

/// readlink(1).
pub(in super::super) fn readlink<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("canonicalize", b'f'),
        ("canonicalize-existing", b'e'),
        ("canonicalize-missing", b'm'),
        ("no-newline", b'n'),
        ("quiet", b'q'),
        ("silent", b's'),
        ("verbose", b'v'),
        ("zero", b'z'),
    ];
    let options = Options::of(call, "femnqsvz", &long)?;
    let kind = options.last_of(b"fem");
    paths(world, call, &options, kind, options.has(b'v'))
}

/// realpath(1).
pub(in super::super) fn realpath<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("canonicalize-existing", b'e'),
        ("canonicalize-missing", b'm'),
        ("quiet", b'q'),
        ("zero", b'z'),
    ];
    let options = Options::of(call, "emqz", &long)?;
    let kind = options.last_of(b"em").or(Some(b'f'));
    paths(world, call, &options, kind, !options.has(b'q'))
}

fn paths<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    options: &Options<'_>,
    kind: Option<u8>,
    verbose: bool,
) -> Result<u8, Stop> {
    if options.operands.is_empty() {
        return Ok(call.usage("missing operand", 1));
    }
    let mut status = 0;
    for word in &options.operands {
        let path = call.path(word);
        let found = match kind {
            Some(b'f') => last_missing_too(world, &path),
            Some(b'e') => world.real_path(&path),
            Some(_) => missing_too(world, &path),
            None => world.target(trimmed(&path)),
        };
        match found {
            Ok(found) => {
                call.print(&found);
                let end: &[u8] = match options.has(b'z') {
                    true => b"\0",
                    false if options.has(b'n') && options.operands.len() == 1 => b"",
                    false => b"\n",
                };
                call.print(end);
            }
            Err(error) if verbose => status = call.fail("", word, error),
            Err(_) => status = 1,
        }
    }
    Ok(status)
}
