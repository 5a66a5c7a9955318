//! ln(1), readlink(1) and realpath(1).

use super::super::call::Call;
use super::super::options::Options;
use super::backup::{self, Backup};
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
        ("verbose", b'v'),
        ("physical", b'P'),
        backup::LONG[0],
        backup::LONG[1],
    ];
    let options = Options::of(call, "bsfnS:Tt:rvP~::", &long)?;
    let backup = Backup::of(call, &options)?;
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
        let freed = match &backup {
            Some(backup) => backup.make(world, path).map(drop),
            None => Ok(()),
        };
        let made = freed
            .and_then(|()| free(world, path, options.has(b'f')))
            .and_then(|()| make(world, call, &options, target, path));
        match made {
            Err(error) => status = call.fail("failed to create link", &to, error),
            Ok(_) if options.has(b'v') && backup.is_some() => {
                return Err(call.unsupported("the option -v of a backup"));
            }
            Ok(held) if options.has(b'v') => {
                let arrow = if options.has(b's') { "->" } else { "=>" };
                let (to, held) = (call.quoted(&to)?, call.quoted(&held)?);
                call.print(format!("{to} {arrow} {held}\n").as_bytes());
            }
            Ok(_) => {}
        }
    }
    Ok(status)
}

/// Makes room for a link.
fn free(files: &mut impl Files, path: &[u8], is_forced: bool) -> Result<(), FileError> {
    match files.status(path, false) {
        Ok(_) if !is_forced => Err(FileError::Exists),
        Ok(at) if at.file_type == FileType::Directory => Err(FileError::IsADirectory),
        Ok(_) => files.remove(path),
        Err(_) => Ok(()),
    }
}

/// Makes a link; answers what it leads to.
fn make(
    files: &mut impl Files,
    call: &Call<'_>,
    options: &Options<'_>,
    target: &[u8],
    path: &[u8],
) -> Result<Vec<u8>, FileError> {
    let held = match options.has(b's') && options.has(b'r') {
        true => relative(files, path, &call.path(target))?,
        false => target.to_vec(),
    };
    match options.has(b's') {
        true => files.make_symlink(path, &held)?,
        false => files.make_link(&call.path(target), path)?,
    }
    Ok(held)
}

/// What a link at `path` holds to lead to `target`.
fn relative(files: &impl Files, path: &[u8], target: &[u8]) -> Result<Vec<u8>, FileError> {
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&b"/"[..], |at| &path[..at]);
    let from = files.real_path(if parent.is_empty() { b"/" } else { parent })?;
    let to = canonicalize_missing(files, target)?;
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

/// The real path, of which all may be missing (`readlink -m`, realpath(1)).
///
/// # Errors
/// What keeps a part of it from being followed.
pub fn canonicalize_missing(files: &impl Files, path: &[u8]) -> Result<Vec<u8>, FileError> {
    let path = trimmed(path);
    match files.real_path(path) {
        Err(FileError::NotFound | FileError::NotADirectory) => {
            if let Ok(target) = files.target(path) {
                return canonicalize_missing(files, &crate::world::absolute(parent(path), &target));
            }
            let real = canonicalize_missing(files, parent(path))?;
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
            Some(_) => canonicalize_missing(world, &path),
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
