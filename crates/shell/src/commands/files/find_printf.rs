//! `-printf` of find(1).

use super::super::accounts;
use super::super::call::{Call, shown};
use super::paths::last;
use crate::stop::Stop;
use crate::world::{FileType, Files, Status};

/// A format, taken apart.
#[derive(Debug)]
pub(super) struct Format(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(u8),
    /// A directive, by its letter.
    Directive(u8),
}

/// The directives that are implemented (find(1), "-printf format").
const DIRECTIVES: &[u8] = b"pfhPmugsyl";

impl Format {
    /// # Errors
    /// A directive, or an escape, that is not implemented.
    pub(super) fn of(call: &Call<'_>, word: &[u8]) -> Result<Self, Stop> {
        let mut parts = Vec::new();
        let mut bytes = word.iter();
        while let Some(byte) = bytes.next() {
            parts.push(match (byte, byte == &b'%' || byte == &b'\\') {
                (byte, false) => Part::Text(*byte),
                (b'%', _) => match bytes.next() {
                    Some(b'%') => Part::Text(b'%'),
                    Some(letter) if DIRECTIVES.contains(letter) => Part::Directive(*letter),
                    _ => return Err(call.unsupported(format!("-printf {}", shown(word)))),
                },
                _ => match bytes.next() {
                    Some(b'n') => Part::Text(b'\n'),
                    Some(b't') => Part::Text(b'\t'),
                    Some(b'\\') => Part::Text(b'\\'),
                    // A digit behind it would be of the same octal number.
                    Some(b'0') if !bytes.as_slice().first().is_some_and(u8::is_ascii_digit) => {
                        Part::Text(0)
                    }
                    _ => return Err(call.unsupported(format!("-printf {}", shown(word)))),
                },
            });
        }
        Ok(Self(parts))
    }

    /// What is printed of a file below `start`.
    ///
    /// # Errors
    /// The size of what has none here, or the folder of a path that ends with a slash.
    pub(super) fn text(
        &self,
        files: &impl Files,
        call: &Call<'_>,
        (word, at): (&[u8], &Status),
        start: &[u8],
    ) -> Result<Vec<u8>, Stop> {
        let mut text = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(byte) => text.push(*byte),
                Part::Directive(letter) => {
                    text.extend(directive(files, call, (word, at), start, *letter)?);
                }
            }
        }
        Ok(text)
    }
}

fn directive(
    files: &impl Files,
    call: &Call<'_>,
    (word, at): (&[u8], &Status),
    start: &[u8],
    letter: u8,
) -> Result<Vec<u8>, Stop> {
    let number = |id: u32| id.to_string().into_bytes();
    let unknown =
        || call.unsupported(format!("-printf %{} of {}", char::from(letter), shown(word)));
    Ok(match letter {
        b'p' => word.to_vec(),
        b'f' | b'h' if word.ends_with(b"/") => return Err(unknown()),
        b'f' => last(word).to_vec(),
        b'h' => match word.iter().rposition(|byte| *byte == b'/') {
            Some(0) => Vec::new(),
            Some(at) => word[..at].to_vec(),
            None => b".".to_vec(),
        },
        b'P' => {
            let below = word.strip_prefix(start).unwrap_or_default();
            below.strip_prefix(b"/").unwrap_or(below).to_vec()
        }
        b'm' => format!("{:o}", at.mode).into_bytes(),
        b'u' => accounts::user_name(files, at.uid).unwrap_or_else(|| number(at.uid)),
        b'g' => accounts::group_name(files, at.gid).unwrap_or_else(|| number(at.gid)),
        // That of a directory is the file system's.
        b's' => match at.file_type {
            FileType::Regular | FileType::Symlink => at.size.to_string().into_bytes(),
            _ => return Err(unknown()),
        },
        b'l' => match at.file_type {
            FileType::Symlink => files.target(&call.path(word)).map_err(|_| unknown())?,
            _ => Vec::new(),
        },
        _ => vec![match at.file_type {
            FileType::Regular => b'f',
            FileType::Directory => b'd',
            FileType::Symlink => b'l',
            FileType::CharDevice => b'c',
            FileType::BlockDevice => b'b',
            FileType::Fifo => b'p',
            FileType::Socket => b's',
        }],
    })
}
