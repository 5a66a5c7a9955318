//! chmod(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::occupied::permissions;
use super::paths::walk;
use crate::mode::apply;
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files, Status, World};

/// What chmod does to each file.
struct Change {
    /// In octal or symbols.
    mode: Vec<u8>,
    /// The mode starts with `-`: what the umask keeps of it is an error.
    is_option: bool,
    recursive: bool,
    umask: u16,
}

/// chmod(1).
pub(in super::super) fn chmod<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("recursive", b'R'),
        ("silent", b'f'),
        ("quiet", b'f'),
        ("changes", b'c'),
        ("verbose", b'v'),
        ("reference", b'='),
    ];
    let (modes, words) = apart(call.arguments());
    let options = Options::of_words(call, &words, "Rfcv=:", &long)?;
    let mut paths = options.operands.as_slice();
    let mode = match options.last(b'=') {
        Some(like) => match world.status(&call.path(like), true) {
            // All bits of it, of a directory too.
            Ok(at) => format!("{:05o}", at.mode).into_bytes(),
            Err(error) => return Ok(call.fail("failed to get attributes of", like, error)),
        },
        None if !modes.is_empty() => modes.join(&b','),
        None => {
            let [mode, rest @ ..] = paths else { return Ok(call.usage("missing operand", 1)) };
            paths = rest;
            mode.to_vec()
        }
    };
    if paths.is_empty() {
        return Ok(call.usage("missing operand", 1));
    }
    if apply(&mode, 0, false, 0).is_none() {
        return Ok(call.usage(&format!("invalid mode: '{}'", shown(&mode)), 1));
    }
    let (recursive, umask) = (options.has(b'R'), call.invocation.umask);
    let change = Change { mode, is_option: !modes.is_empty(), recursive, umask };
    let mut status = 0;
    for word in paths {
        let path = call.path(word);
        let before = world.status(&path, true);
        let changed = change.of(world, &path);
        match changed {
            Ok(true) => {}
            Ok(false) => status = call.usage("the umask keeps some of the permissions", 1),
            Err(_) if options.has(b'f') => status = 1,
            Err(error) => status = call.fail("cannot access", word, error),
        }
        if let (Ok(before), Some(how)) = (before, options.last_of(b"cv")) {
            let after = world.status(&path, true).unwrap_or(before);
            if recursive && before.file_type == FileType::Directory {
                // It goes down in the order that the file system has.
                return Err(call.unsupported("the option -v or -c of a directory"));
            }
            say(call, word, &before, &after, how == b'c')?;
        }
    }
    Ok(status)
}

/// Modes such as `-w`, which are no options, and the other words.
fn apart(words: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let is_mode = |word: &Vec<u8>| {
        let is_of_mode = |byte: &u8| b"rwxXstugo,+=-".contains(byte);
        word.len() > 1
            && word[0] == b'-'
            && b"rwxXstugo".contains(&word[1])
            && word[1..].iter().all(is_of_mode)
    };
    let end = words.iter().position(|word| word == b"--").unwrap_or(words.len());
    let (modes, mut others): (Vec<_>, Vec<_>) = words[..end].iter().cloned().partition(is_mode);
    others.extend_from_slice(&words[end..]);
    (modes, others)
}

/// What `-v` and `-c` say.
fn say(
    call: &mut Call<'_>,
    word: &[u8],
    before: &Status,
    after: &Status,
    only_changes: bool,
) -> Result<(), Stop> {
    let shown = |at: &Status| format!("{:04o} ({})", at.mode, &permissions(at)[1..]);
    let line = match before.mode == after.mode {
        true if only_changes => return Ok(()),
        true => format!("mode of {} retained as {}\n", call.quoted(word)?, shown(after)),
        false => {
            let (old, new) = (shown(before), shown(after));
            format!("mode of {} changed from {old} to {new}\n", call.quoted(word)?)
        }
    };
    call.print(line.as_bytes());
    Ok(())
}

impl Change {
    /// Changes a file, or with `-R` all below it: a link below a directory is passed over; one that is named
    /// is followed. False if the umask has kept something that the mode takes.
    fn of(&self, files: &mut impl Files, path: &[u8]) -> Result<bool, FileError> {
        if !self.recursive {
            return self.one(files, path);
        }
        let mut is_whole = true;
        for path in walk(files, path)? {
            if files.status(&path, false)?.file_type != FileType::Symlink {
                is_whole &= self.one(files, &path)?;
            }
        }
        Ok(is_whole)
    }

    fn one(&self, files: &mut impl Files, path: &[u8]) -> Result<bool, FileError> {
        let at = files.status(path, true)?;
        let is_directory = at.file_type == FileType::Directory;
        let Some(mode) = apply(&self.mode, at.mode, is_directory, self.umask) else {
            return Ok(true);
        };
        files.set_mode(path, mode)?;
        let expected = apply(&self.mode, at.mode, is_directory, 0).unwrap_or(mode);
        Ok(!self.is_option || mode & !expected == 0)
    }
}
