//! Programs that read text and write it (GNU coreutils 9.7, grep 3.11, sed 4.9).

pub(super) mod compare;
pub(super) mod cut;
pub(super) mod ends;
pub(super) mod expr;
pub(super) mod grep;
pub(super) mod names;
mod regex;
pub(super) mod sed;
pub(super) mod seq;
pub(super) mod sort;
pub(super) mod tr;
pub(super) mod wc;

use super::call::Call;
use super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files, World};

/// The lines of a text, without their ends; the last need not have one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b"\n")
        .or_else(|| (!text.is_empty()).then_some(text))
        .into_iter()
        .flat_map(|text| text.split(|byte| *byte == b'\n'))
}

/// Reads each file of the operands, or the input; says of one that it can't read, and goes on.
fn each_file<W: World>(
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

fn readable(files: &impl Files, call: &mut Call<'_>, word: &[u8]) -> Result<Vec<u8>, FileError> {
    let is_directory = files
        .status(&call.path(word), true)
        .is_ok_and(|status| status.file_type == FileType::Directory);
    if *word != *b"-" && is_directory {
        return Err(FileError::IsADirectory);
    }
    call.contents(files, word)
}

/// cat(1).
pub(super) fn cat<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "u", &[])?;
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        call.print(&text);
        Ok(())
    })?;
    Ok(status)
}

/// echo(1), which unlike that of the shell reads no escapes.
pub(super) fn echo<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let mut words = call.arguments();
    let mut end: &[u8] = b"\n";
    while let [word, rest @ ..] = words
        && word.len() > 1
        && word.starts_with(b"-")
        && word[1..].iter().all(|byte| b"neE".contains(byte))
    {
        if word.contains(&b'e') {
            return Err(call.unsupported("the option -e"));
        }
        if word.contains(&b'n') {
            end = b"";
        }
        words = rest;
    }
    call.print(&words.join(&b' '));
    call.print(end);
    Ok(0)
}

/// tee(1).
pub(super) fn tee<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "a", &[("append", b'a')])?;
    let text = call.input();
    let mode = 0o666 & !call.invocation.umask;
    let mut status = 0;
    for word in &options.operands {
        if *word == b"/dev/null" {
            continue;
        }
        let path = call.path(word);
        let before = match options.has(b'a') {
            true => world.read(&path).unwrap_or_default(),
            false => Vec::new(),
        };
        let contents = [before.as_slice(), &text].concat();
        if let Err(error) = world.write(&path, &contents, mode) {
            status = call.fail("", word, error);
        }
    }
    call.print(&text);
    Ok(status)
}
