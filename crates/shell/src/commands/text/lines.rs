//! Files of the operands, and their lines.

use super::super::call::Call;
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files, World};

/// The lines of a text, without their ends; the last need not have one.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(text, b'\n')
}

/// What a byte ends; the last need not have one.
pub(super) fn parts(text: &[u8], end: u8) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(&[end])
        .or_else(|| (!text.is_empty()).then_some(text))
        .into_iter()
        .flat_map(move |text| text.split(move |byte| *byte == end))
}

/// Reads each file of the operands, or the input; says of one that it can't read, and goes on.
pub(super) fn each_file<W: World>(
    world: &W,
    call: &mut Call<'_>,
    operands: &[&[u8]],
    status: &mut u8,
    mut take: impl FnMut(&mut Call<'_>, &[u8], Vec<u8>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let input: &[&[u8]] = &[b"-"];
    for word in if operands.is_empty() { input } else { operands } {
        match readable(world, call, word) {
            Ok(text) => take(call, word, text)?,
            Err(error) => *status = call.fail("", word, error),
        }
    }
    Ok(())
}

pub(super) fn readable(
    files: &impl Files,
    call: &mut Call<'_>,
    word: &[u8],
) -> Result<Vec<u8>, FileError> {
    let is_directory = files
        .status(&call.path(word), true)
        .is_ok_and(|status| status.file_type == FileType::Directory);
    if *word != *b"-" && is_directory {
        return Err(FileError::IsADirectory);
    }
    call.contents(files, word)
}
