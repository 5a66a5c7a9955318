//! mkdir(1) and rmdir(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::paths::is_directory;
use crate::mode;
use crate::stop::Stop;
use crate::world::{FileError, Files, World};

const LONG: [(&str, u8); 3] = [("parents", b'p'), ("mode", b'm'), ("verbose", b'v')];

/// What parents have that are made on the way, but for the umask.
const PARENTS: u16 = 0o777;

/// mkdir(1).
pub(in super::super) fn mkdir<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "pm:Zv", &LONG)?;
    let umask = call.invocation.umask;
    let permissions = match options.last(b'm') {
        // Symbols change what a new directory would have without a umask.
        Some(mode) => match mode::apply(mode, 0o777, true, umask) {
            Some(permissions) => permissions,
            None => return Ok(call.usage(&format!("invalid mode '{}'", shown(mode)), 1)),
        },
        None => 0o777 & !umask,
    };
    if options.operands.is_empty() {
        return Ok(call.usage("missing operand", 1));
    }
    let mut status = 0;
    for word in &options.operands {
        let path = call.path(word);
        let is_told = options.has(b'v');
        let is_new = !is_directory(world, trimmed(&path));
        let made = match options.has(b'p') {
            true if is_told => make_parents_told(world, call, word, umask)?
                .and_then(|()| make_all(world, &path, permissions, umask)),
            true => make_all(world, &path, permissions, umask),
            false => make(world, trimmed(&path), permissions),
        };
        match made {
            Err(error) => status = call.fail("cannot create directory", word, error),
            Ok(()) if is_told && is_new => tell(call, word)?,
            Ok(()) => {}
        }
    }
    Ok(status)
}

/// Makes the parents of a word, and tells each that was not there.
fn make_parents_told<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    word: &[u8],
    umask: u16,
) -> Result<Result<(), FileError>, Stop> {
    let word = trimmed(word);
    let is_end = |at: &usize| word[*at] == b'/' && word[*at - 1] != b'/';
    for parent in (1..word.len()).filter(is_end).map(|at| &word[..at]) {
        let path = call.path(parent);
        if is_directory(world, trimmed(&path)) {
            continue;
        }
        match make_all(world, &path, PARENTS & !umask | 0o300, umask) {
            Ok(()) => tell(call, parent)?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

fn tell(call: &mut Call<'_>, word: &[u8]) -> Result<(), Stop> {
    let line = format!("mkdir: created directory {}\n", call.quoted(word)?);
    call.print(line.as_bytes());
    Ok(())
}

/// Makes one directory, with all bits of the mode.
fn make(files: &mut impl Files, path: &[u8], mode: u16) -> Result<(), FileError> {
    files.make_directory(path, mode & 0o1777)?;
    if mode & 0o6000 == 0 { Ok(()) } else { files.set_mode(path, mode) }
}

/// Makes a directory and its parents, as far as they are not there; parents are root's alone to write.
pub(super) fn make_all(
    files: &mut impl Files,
    path: &[u8],
    mode: u16,
    umask: u16,
) -> Result<(), FileError> {
    let path = trimmed(path);
    let ends = path.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/');
    for (at, _) in ends {
        if !is_directory(files, &path[..at]) {
            files.make_directory(&path[..at], (PARENTS & !umask) | 0o300)?;
        }
    }
    match make(files, path, mode) {
        Err(FileError::Exists) if is_directory(files, path) => Ok(()),
        made => made,
    }
}

/// Without slashes at its end.
pub(super) fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(1, |at| at + 1);
    path.get(..end).unwrap_or(path)
}

/// rmdir(1).
pub(in super::super) fn rmdir<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("parents", b'p'), ("ignore-fail-on-non-empty", b'i'), ("verbose", b'v')];
    let options = Options::of(call, "pv", &long)?;
    let mut status = 0;
    for word in &options.operands {
        let mut word = trimmed(word);
        loop {
            let path = call.path(word);
            let removed = match is_directory(world, &path) && !is_link(world, trimmed(&path)) {
                true => world.remove(trimmed(&path)),
                false => match world.status(trimmed(&path), false) {
                    Ok(_) => Err(FileError::NotADirectory),
                    Err(error) => Err(error),
                },
            };
            if options.has(b'v') {
                let line = format!("rmdir: removing directory, {}\n", call.quoted(word)?);
                call.print(line.as_bytes());
            }
            match removed {
                Ok(()) => {}
                Err(FileError::NotEmpty) if options.has(b'i') => break,
                Err(error) => {
                    status = call.fail("failed to remove", word, error);
                    break;
                }
            }
            let parent = word.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            if !options.has(b'p') || parent == 0 {
                break;
            }
            word = trimmed(&word[..parent]);
        }
    }
    Ok(status)
}

fn is_link(files: &impl Files, path: &[u8]) -> bool {
    files
        .status(path, false)
        .is_ok_and(|status| status.file_type == crate::world::FileType::Symlink)
}
