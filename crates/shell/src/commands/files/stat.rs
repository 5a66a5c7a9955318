//! stat(1), with a format.

use super::super::accounts;
use super::super::call::{Call, shown};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::{FileType, Status, World};

/// stat(1), with `-c` alone.
pub(in super::super) fn stat<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("format", b'c'), ("dereference", b'L'), ("printf", b'P')];
    let options = Options::of(call, "c:LP:", &long)?;
    let (format, end): (_, &[u8]) = match (options.last(b'c'), options.last(b'P')) {
        (Some(format), None) => (format, b"\n"),
        (None, Some(format)) if !format.contains(&b'\\') => (format, b""),
        _ => return Err(call.unsupported("without one format")),
    };
    let mut status = 0;
    for word in &options.operands {
        match world.status(&call.path(word), options.has(b'L')) {
            Ok(at) => {
                let line = line(world, call, format, word, &at)?;
                call.print(&line);
                call.print(end);
            }
            Err(error) => status = call.fail("cannot statx", word, error),
        }
    }
    Ok(status)
}

fn line<W: World>(
    world: &W,
    call: &Call<'_>,
    format: &[u8],
    word: &[u8],
    at: &Status,
) -> Result<Vec<u8>, Stop> {
    let mut line = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            line.push(*byte);
            continue;
        }
        let text = match bytes.next() {
            Some(b'a') => format!("{:o}", at.mode).into(),
            Some(b'u') => at.uid.to_string().into(),
            Some(b'g') => at.gid.to_string().into(),
            Some(b'U') => accounts::user_name(world, at.uid).unwrap_or_else(|| b"UNKNOWN".to_vec()),
            Some(b'G') => {
                accounts::group_name(world, at.gid).unwrap_or_else(|| b"UNKNOWN".to_vec())
            }
            Some(b's') => at.size.to_string().into(),
            Some(b'n') => word.to_vec(),
            Some(b'Y') => at.mtime.to_string().into(),
            Some(b'F') => kind(at).into(),
            Some(b'%') => b"%".to_vec(),
            _ => return Err(call.unsupported(format!("the format `{}`", shown(format)))),
        };
        line.extend(text);
    }
    Ok(line)
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
