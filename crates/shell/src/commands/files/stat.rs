//! stat(1), with a format.

use super::super::accounts;
use super::super::call::{Call, shown};
use super::super::date::{Time, check_zone, formatted};
use super::super::options::Options;
use super::occupied::{Names, kibibytes, permissions};
use crate::escape::control;
use crate::stop::Stop;
use crate::world::{FileType, Status, World};

/// stat(1), with `-c` alone.
pub(in super::super) fn stat<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("format", b'c'), ("dereference", b'L'), ("printf", b'P')];
    let options = Options::of(call, "c:LP:", &long)?;
    let (format, end): (_, &[u8]) = match (options.last(b'c'), options.last(b'P')) {
        (Some(format), None) => (format.to_vec(), b"\n"),
        (None, Some(format)) => {
            let read = unescaped(format);
            let unknown = || call.unsupported(format!("the format `{}`", shown(format)));
            (read.ok_or_else(unknown)?, b"")
        }
        _ => return Err(call.unsupported("without one format")),
    };
    // Counting names is a walk through all files: one is enough.
    let names = has_count(&format).then(|| Names::of(world));
    let mut status = 0;
    for word in &options.operands {
        match world.status(&call.path(word), options.has(b'L')) {
            Ok(at) => {
                let line = line(world, call, &format, word, (&at, names.as_ref()))?;
                call.print(&line);
                call.print(end);
            }
            Err(error) => status = call.fail("cannot statx", word, error),
        }
    }
    Ok(status)
}

/// The escapes of `--printf`; nothing for one that is not implemented.
fn unescaped(format: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        text.push(match (byte, byte) {
            (b'\\', _) => match bytes.next()? {
                b'\\' => b'\\',
                letter => control(*letter)?,
            },
            _ => *byte,
        });
    }
    Some(text)
}

/// Whether a format asks how many names a file has.
fn has_count(format: &[u8]) -> bool {
    let mut bytes = format.iter();
    std::iter::from_fn(|| bytes.find(|byte| **byte == b'%').and_then(|_| bytes.next()))
        .any(|letter| *letter == b'h')
}

fn line<W: World>(
    world: &W,
    call: &Call<'_>,
    format: &[u8],
    word: &[u8],
    at: (&Status, Option<&Names>),
) -> Result<Vec<u8>, Stop> {
    let mut line = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            line.push(*byte);
            continue;
        }
        let field = bytes.next().map(|letter| field(world, call, *letter, word, at));
        match field.transpose()?.flatten() {
            Some(text) => line.extend(text),
            None => return Err(call.unsupported(format!("the format `{}`", shown(format)))),
        }
    }
    Ok(line)
}

/// What a letter of a format stands for. Everything is on one device; when a file was read, or its inode
/// changed, is not known.
fn field<W: World>(
    world: &W,
    call: &Call<'_>,
    letter: u8,
    word: &[u8],
    (at, names): (&Status, Option<&Names>),
) -> Result<Option<Vec<u8>>, Stop> {
    let is_device = matches!(at.file_type, FileType::CharDevice | FileType::BlockDevice);
    Ok(Some(match letter {
        b'a' => format!("{:o}", at.mode).into(),
        b'A' => permissions(at).into(),
        b'b' => (kibibytes(at) * 2).to_string().into(),
        b'B' => b"512".to_vec(),
        b'd' => b"1".to_vec(),
        b'f' => format!("{:x}", raw_mode(at)).into(),
        b'F' => kind(at).to_vec(),
        b'g' => at.gid.to_string().into(),
        b'G' => accounts::group_name(world, at.gid).unwrap_or_else(|| b"UNKNOWN".to_vec()),
        b'h' => names.map_or(1, |names| names.count(at)).to_string().into(),
        b'i' => at.inode.to_string().into(),
        b'm' => b"/".to_vec(),
        b'n' => word.to_vec(),
        b'N' => match world.target(&call.path(word)) {
            Ok(target) if at.file_type == FileType::Symlink => {
                format!("{} -> {}", call.quoted(word)?, call.quoted(&target)?).into()
            }
            _ => call.quoted(word)?.into(),
        },
        b'o' => b"4096".to_vec(),
        b's' => at.size.to_string().into(),
        b't' | b'T' if !is_device => b"0".to_vec(),
        b'u' => at.uid.to_string().into(),
        b'U' => accounts::user_name(world, at.uid).unwrap_or_else(|| b"UNKNOWN".to_vec()),
        b'y' => {
            check_zone(world, call)?;
            let Some(time) = Time::of(at.mtime) else { return Ok(None) };
            formatted(call, b"%F %T.%N %z", &time)?
        }
        b'Y' => at.mtime.to_string().into(),
        b'%' => b"%".to_vec(),
        _ => return Ok(None),
    }))
}

/// The permissions with the bits of the type (`<linux/stat.h>`).
fn raw_mode(at: &Status) -> u32 {
    let kind = match at.file_type {
        FileType::Fifo => 0o010_000,
        FileType::CharDevice => 0o020_000,
        FileType::Directory => 0o040_000,
        FileType::BlockDevice => 0o060_000,
        FileType::Regular => 0o100_000,
        FileType::Symlink => 0o120_000,
        FileType::Socket => 0o140_000,
    };
    kind | u32::from(at.mode)
}

/// The words of `%F`.
fn kind(at: &Status) -> &'static [u8] {
    match at.file_type {
        FileType::Regular if at.size == 0 => b"regular empty file",
        FileType::Regular => b"regular file",
        FileType::Directory => b"directory",
        FileType::Symlink => b"symbolic link",
        FileType::CharDevice => b"character special file",
        FileType::BlockDevice => b"block special file",
        FileType::Fifo => b"fifo",
        FileType::Socket => b"socket",
    }
}
