//! Paths of words: where things are put, and what is below them.

use super::super::call::{Call, base, shown};
use crate::world::{FileError, FileType, Files};

/// Whether a path leads to a directory, links followed.
pub(super) fn is_directory(files: &impl Files, path: &[u8]) -> bool {
    files.status(path, true).is_ok_and(|status| status.file_type == FileType::Directory)
}

/// Whether something is at a path, be it a link to nowhere.
pub(super) fn is_there(files: &impl Files, path: &[u8]) -> bool {
    files.status(path, false).is_ok()
}

/// A name in a directory.
pub(super) fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let end = if directory.ends_with(b"/") { &b""[..] } else { b"/" };
    [directory, end, name].concat()
}

/// The last component of a path, without slashes behind it.
pub(super) fn last(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    base(&path[..end])
}

/// Where sources go: pairs of words, as cp, mv, ln and install find them.
pub(super) struct Destinations<'w> {
    /// Each source with its destination.
    pub(super) pairs: Vec<(&'w [u8], Vec<u8>)>,
}

impl<'w> Destinations<'w> {
    /// `directory` is that of `-t`; `plain` is `-T`: the last operand is never a directory to put things
    /// into. An answer without pairs is a status: the program refuses the words.
    pub(super) fn of(
        files: &impl Files,
        call: &mut Call<'_>,
        operands: &[&'w [u8]],
        directory: Option<&'w [u8]>,
        plain: bool,
    ) -> Result<Self, u8> {
        let (sources, last_operand) = match (directory, operands) {
            (Some(directory), [_, ..]) => (operands, directory),
            (None, [sources @ .., last]) if !sources.is_empty() => (sources, *last),
            (_, []) => return Err(call.usage("missing file operand", 1)),
            (None, [one]) => {
                let message = format!("missing destination file operand after '{}'", shown(one));
                return Err(call.usage(&message, 1));
            }
            (None, _) => return Err(call.usage("missing destination file operand", 1)),
        };
        let into = !plain && is_directory(files, &call.path(last_operand));
        if !into && (directory.is_some() || sources.len() > 1) {
            let message = format!("target '{}' is not a directory", shown(last_operand));
            return Err(call.usage(&message, 1));
        }
        let place = |source: &'w [u8]| {
            let to = if into { below(last_operand, last(source)) } else { last_operand.to_vec() };
            (source, to)
        };
        Ok(Self { pairs: sources.iter().map(|source| place(source)).collect() })
    }
}

/// Removes a file, or a directory with all that is below it.
pub(super) fn remove_all(files: &mut impl Files, path: &[u8]) -> Result<(), FileError> {
    if files.status(path, false)?.file_type == FileType::Directory {
        for name in files.list(path)? {
            remove_all(files, &below(path, &name))?;
        }
    }
    files.remove(path)
}

/// Every path at and below one, parents first; links are not followed.
pub(super) fn walk(files: &impl Files, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
    let mut paths = vec![path.to_vec()];
    if files.status(path, false)?.file_type == FileType::Directory {
        for name in files.list(path)? {
            paths.extend(walk(files, &below(path, &name))?);
        }
    }
    Ok(paths)
}
