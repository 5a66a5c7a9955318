//! sed(1).

mod script;
mod stream;

use super::super::call::{Call, shown};
use super::lines::readable;
use super::regex::Dialect;
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};
use script::Script;
use stream::{Ended, Input, Stream};

/// What the words of a call ask for.
#[derive(Debug)]
struct Request<'w> {
    quiet: bool,
    dialect: Dialect,
    /// The parts of the script, joined by line breaks.
    script: Vec<u8>,
    /// The suffix of the copies that stay; without one, none stays.
    in_place: Option<&'w [u8]>,
    /// Each file has its own lines.
    separate: bool,
    /// What ends a line.
    end: u8,
    files: Vec<&'w [u8]>,
}

/// sed(1).
pub(in super::super) fn sed<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let request = Request::of(world, call)?;
    let script = Script::parse(call, &request.script, request.dialect)?;
    let mut status = 0;
    let input: &[&[u8]] = &[b"-"];
    let files = if request.files.is_empty() { input } else { &request.files };
    let mut texts = Vec::new();
    for word in files {
        match readable(world, call, word) {
            Ok(text) => texts.push((*word, text)),
            Err(FileError::IsADirectory) if request.in_place.is_some() => {
                call.fail("couldn't edit", word, FileError::IsADirectory);
                status = 4;
            }
            Err(error) => {
                call.fail("can't read", word, error);
                status = 2;
            }
        }
    }
    if let Some(suffix) = request.in_place {
        for (word, text) in texts {
            let mut stream = Stream::new(&script, request.quiet, request.end, &*world);
            let ended = stream.run(call, Input::of([text.as_slice()], request.end))?;
            world.work(stream.work());
            let output = stream.output();
            if let Some(error) = replace(world, call, word, suffix, &output) {
                call.fail("couldn't edit", word, error);
                return Ok(4);
            }
            if let Ended::Quit(code) = ended {
                return Ok(code);
            }
        }
        return Ok(status);
    }
    let all: Vec<&[u8]> = texts.iter().map(|(_, text)| text.as_slice()).collect();
    let inputs = match request.separate {
        true => all.into_iter().map(|text| Input::of([text], request.end)).collect(),
        false => vec![Input::of(all, request.end)],
    };
    let mut stream = Stream::new(&script, request.quiet, request.end, &*world);
    let mut ended = Ended::AtEnd;
    for input in inputs {
        ended = stream.run(call, input)?;
        if matches!(ended, Ended::Quit(_)) {
            break;
        }
    }
    world.work(stream.work());
    let output = stream.output();
    call.print(&output);
    Ok(match ended {
        Ended::Quit(code) => code,
        Ended::AtEnd => status,
    })
}

/// Puts a new file with the old one's owner and permissions in its place, as `-i` does: another name of the
/// old one keeps the old contents, and a link becomes a file.
pub(super) fn replace<W: World>(
    world: &mut W,
    call: &Call<'_>,
    word: &[u8],
    suffix: &[u8],
    output: &[u8],
) -> Option<FileError> {
    let path = call.path(word);
    let edited = (|| {
        let at = world.status(&path, true)?;
        if at.file_type != FileType::Regular {
            return Err(FileError::Invalid);
        }
        match suffix {
            b"" => world.remove(&path)?,
            suffix => world.rename(&path, &[&path, suffix].concat())?,
        }
        world.write(&path, output, 0o600)?;
        world.set_owner(&path, Some(at.uid), Some(at.gid), false)?;
        world.set_mode(&path, at.mode)
    })();
    edited.err()
}

impl<'w> Request<'w> {
    /// `-i` has a suffix or none, so this is no getopt(3) of plain options.
    fn of<W: World>(world: &W, call: &mut Call<'w>) -> Result<Self, Stop> {
        let mut request = Self {
            quiet: false,
            dialect: Dialect::Basic,
            script: Vec::new(),
            in_place: None,
            separate: false,
            end: b'\n',
            files: Vec::new(),
        };
        let mut scripts: Vec<Vec<u8>> = Vec::new();
        let mut words = call.arguments().iter().map(Vec::as_slice);
        while let Some(word) = words.next() {
            match word {
                b"--" => request.files.extend(words.by_ref()),
                word if word.starts_with(b"--") => request.long(call, word, &mut scripts)?,
                word if word.starts_with(b"-") && word.len() > 1 => {
                    request.letters(world, call, &word[1..], &mut words, &mut scripts)?;
                }
                word => request.files.push(word),
            }
        }
        if scripts.is_empty() {
            if request.files.is_empty() {
                return Err(call.unsupported("no script"));
            }
            scripts.push(request.files.remove(0).to_vec());
        }
        request.script = scripts.join(&b'\n');
        if request.in_place.is_some_and(|suffix| suffix.contains(&b'*') || suffix.contains(&b'/')) {
            return Err(call.unsupported("`*` or `/` in a suffix"));
        }
        Ok(request)
    }

    /// An option with a long name.
    fn long(
        &mut self,
        call: &Call<'w>,
        word: &'w [u8],
        scripts: &mut Vec<Vec<u8>>,
    ) -> Result<(), Stop> {
        match word {
            b"--quiet" | b"--silent" => self.quiet = true,
            b"--regexp-extended" => self.dialect = Dialect::Extended,
            b"--separate" => self.separate = true,
            b"--null-data" | b"--zero-terminated" => self.end = 0,
            b"--in-place" => self.in_place = Some(b""),
            word => {
                match (word.strip_prefix(b"--in-place="), word.strip_prefix(b"--expression=")) {
                    (Some(suffix), _) => self.in_place = Some(suffix),
                    (None, Some(script)) => scripts.push(script.to_vec()),
                    (None, None) => {
                        return Err(call.unsupported(format!("the option {}", shown(word))));
                    }
                }
            }
        }
        Ok(())
    }

    /// Options of one letter, of which the last may have the rest of the word, or the next one.
    fn letters<W: World>(
        &mut self,
        world: &W,
        call: &mut Call<'w>,
        mut letters: &'w [u8],
        words: &mut impl Iterator<Item = &'w [u8]>,
        scripts: &mut Vec<Vec<u8>>,
    ) -> Result<(), Stop> {
        while let [letter, rest @ ..] = letters {
            letters = rest;
            match letter {
                b'n' => self.quiet = true,
                b'E' | b'r' => self.dialect = Dialect::Extended,
                b's' => self.separate = true,
                b'z' => self.end = 0,
                b'u' => {}
                b'i' => {
                    self.in_place = Some(rest);
                    return Ok(());
                }
                b'e' | b'f' => {
                    let value = if rest.is_empty() { words.next() } else { Some(rest) };
                    let missing = || call.unsupported("an option without its argument");
                    let value = value.ok_or_else(missing)?;
                    scripts.push(match letter {
                        b'e' => value.to_vec(),
                        _ => script_file(world, call, value)?,
                    });
                    return Ok(());
                }
                other => {
                    let letter = char::from(*other);
                    return Err(call.unsupported(format!("the option -{letter}")));
                }
            }
        }
        Ok(())
    }
}

fn script_file<W: World>(world: &W, call: &mut Call<'_>, word: &[u8]) -> Result<Vec<u8>, Stop> {
    match call.contents(world, word) {
        Ok(text) => Ok(text.strip_suffix(b"\n").unwrap_or(&text).to_vec()),
        Err(_) => Err(call.unsupported(format!("no script `{}`", shown(word)))),
    }
}
