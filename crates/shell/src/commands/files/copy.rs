//! cp(1).

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::backup::{self, Backup, note};
use super::directories::trimmed;
use super::paths::{Destinations, below, is_directory, is_there};
use crate::stop::Stop;
use crate::world::{FileError, FileType, Status, World};

/// What a copy takes over, and how.
struct Copying {
    recursive: bool,
    /// Links are copied as links.
    links: bool,
    mode: bool,
    owner: bool,
    time: bool,
    /// What is in the way is removed first.
    remove: bool,
    /// A copy is another name of the same file.
    hard: bool,
    /// Where each inode was copied to, of which other names become names of the copy.
    copied: Option<RefCell<BTreeMap<u64, Vec<u8>>>>,
}

const LONG: [(&str, u8); 20] = [
    ("archive", b'a'),
    ("force", b'f'),
    ("recursive", b'r'),
    ("dereference", b'L'),
    ("no-dereference", b'P'),
    ("no-clobber", b'n'),
    ("no-target-directory", b'T'),
    ("target-directory", b't'),
    ("preserve", b'='),
    ("no-preserve", b'!'),
    ("remove-destination", b','),
    ("link", b'l'),
    ("symbolic-link", b's'),
    ("update", b'^'),
    ("verbose", b'v'),
    ("reflink", b'@'),
    ("sparse", b'%'),
    ("one-file-system", b'x'),
    backup::LONG[0],
    backup::LONG[1],
];

/// cp(1).
pub(in super::super) fn cp<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "abdfHlLnpPrRsS:t:TuvxZ=::!:,^::@::%:~::", &LONG)?;
    let copying = Copying::of(call, &options)?;
    let backup = Backup::of(call, &options)?;
    let (directory, plain) = (options.last(b't'), options.has(b'T'));
    let found = Destinations::of(world, call, &options.operands, directory, plain);
    let destinations = match found {
        Ok(destinations) => destinations,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for (source, to) in destinations.pairs {
        let (from, path) = (call.path(source), call.path(&to));
        let path = trimmed(&path);
        if is_there(world, path) && (options.has(b'n') || is_older(world, &options, &from, path)) {
            continue;
        }
        let is_directory = is_directory(world, &from);
        if options.has(b'v') && is_directory {
            // It goes down in the order that the file system has.
            return Err(call.unsupported("the option -v of a directory"));
        }
        // `-H` follows what is named, and no link below it.
        let from = match options.has(b'H') {
            true => world.real_path(&from).unwrap_or(from),
            false => from,
        };
        let saved = match &backup {
            Some(backup) if from == b"/dev/null" || is_there(world, &from) => {
                backup.make(world, path)
            }
            _ => Ok(None),
        };
        let copied = match saved {
            Err(error) => Err(Refused::File(error)),
            Ok(_) if options.has(b's') && !is_directory => {
                symbolic(world, call, source, path)?.map_err(Into::into)
            }
            Ok(_) => copying.copy(world, call, &from, path)?,
        };
        match (copied, saved) {
            (Ok(()), Ok(saved)) if options.has(b'v') => {
                let note = note(call, &to, saved.as_deref())?;
                let line = format!("{} -> {}{note}\n", call.quoted(source)?, call.quoted(&to)?);
                call.print(line.as_bytes());
            }
            (Ok(()), _) => {}
            (Err(Refused::Omitted), _) => {
                let word = shown(source);
                let message = format!("-r not specified; omitting directory '{word}'");
                status = call.usage(&message, 1);
            }
            (Err(Refused::File(error)), _) => status = call.fail("cannot copy", source, error),
        }
    }
    Ok(status)
}

/// Whether `-u` keeps what is at the destination: the source is not newer.
pub(super) fn is_older<W: World>(world: &W, options: &Options<'_>, from: &[u8], to: &[u8]) -> bool {
    let time = |path: &[u8]| world.status(path, true).map(|at| at.mtime).ok();
    let is_update = options.has(b'u') || matches!(options.last(b'^'), Some(b"" | b"older"));
    is_update && time(from) <= time(to)
}

/// `cp -s`: a link that holds the word, which leads to the file if it is absolute or of this directory.
fn symbolic<W: World>(
    world: &mut W,
    call: &Call<'_>,
    source: &[u8],
    to: &[u8],
) -> Result<Result<(), FileError>, Stop> {
    let parent = to.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |at| &to[..at]);
    let is_here = parent == call.directory().strip_suffix(b"/").unwrap_or(call.directory());
    if !source.starts_with(b"/") && !is_here {
        return Ok(Err(FileError::Invalid));
    }
    Ok(world.status(&call.path(source), false).and_then(|_| world.make_symlink(to, source)))
}

impl Copying {
    fn of(call: &Call<'_>, options: &Options<'_>) -> Result<Self, Stop> {
        let has = |letter| options.has(letter);
        let all = has(b'a');
        let words = [(b'@', "reflink"), (b'%', "sparse")];
        for (letter, name) in words {
            let word = options.last(letter).unwrap_or(b"auto");
            if !matches!(word, b"auto" | b"never") {
                return Err(call.unsupported(format!("--{name}={}", shown(word))));
            }
        }
        if let Some(word) = options.last(b'^').filter(|word| !matches!(*word, b"" | b"older")) {
            return Err(call.unsupported(format!("--update={}", shown(word))));
        }
        let keeps = all || has(b'p');
        let mut copying = Self {
            recursive: all || has(b'r') || has(b'R'),
            links: false,
            mode: keeps,
            owner: keeps,
            time: keeps,
            remove: has(b','),
            hard: has(b'l'),
            copied: None,
        };
        copying.links = match options.last_of(b"adHPL") {
            Some(b'L') => false,
            Some(_) => true,
            None => copying.recursive && !copying.hard,
        };
        let mut shares = all || has(b'd');
        for (letter, is_kept) in [(b'=', true), (b'!', false)] {
            for word in options.all(letter).flat_map(|list| list.split(|byte| *byte == b',')) {
                let word = if word.is_empty() { b"mode,ownership,timestamps" } else { word };
                for word in word.split(|byte| *byte == b',') {
                    match word {
                        b"mode" => copying.mode = is_kept,
                        b"ownership" => copying.owner = is_kept,
                        b"timestamps" => copying.time = is_kept,
                        b"links" => shares = is_kept,
                        b"context" | b"xattr" => {}
                        b"all" if is_kept => {
                            (copying.mode, copying.owner, copying.time) = (true, true, true);
                            shares = true;
                        }
                        _ => return Err(call.unsupported(format!("--preserve={}", shown(word)))),
                    }
                }
            }
        }
        copying.copied = shares.then(RefCell::default);
        Ok(copying)
    }
}

/// Why something was not copied.
enum Refused {
    /// It is a directory.
    Omitted,
    File(FileError),
}

impl From<FileError> for Refused {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl Copying {
    fn copy<W: World>(
        &self,
        world: &mut W,
        call: &Call<'_>,
        from: &[u8],
        to: &[u8],
    ) -> Result<Result<(), Refused>, Stop> {
        if from == b"/dev/null" {
            return self.nothing(world, call, to);
        }
        let at = match world.status(from, !self.links) {
            Ok(at) => at,
            Err(error) => return Ok(Err(error.into())),
        };
        let umask = call.invocation.umask;
        match at.file_type {
            FileType::Regular => Ok(self.file(world, from, to, &at, umask).map_err(Into::into)),
            FileType::Symlink => Ok(self.link(world, from, to, &at).map_err(Into::into)),
            FileType::Directory if !self.recursive => Ok(Err(Refused::Omitted)),
            FileType::Directory => self.directory(world, call, from, to, &at),
            _ => Err(call.unsupported(format!("a copy of the device `{}`", shown(from)))),
        }
    }

    /// Copies `/dev/null`, which every machine has.
    fn nothing<W: World>(
        &self,
        world: &mut W,
        call: &Call<'_>,
        to: &[u8],
    ) -> Result<Result<(), Refused>, Stop> {
        if self.recursive || self.mode || self.owner || self.time || self.hard || self.remove {
            return Err(call.unsupported("a copy of the device `/dev/null`"));
        }
        if is_there(world, to)
            && let Err(error) = world.status(to, true)
        {
            return Ok(Err(error.into()));
        }
        Ok(world.write(to, b"", 0o666 & !call.invocation.umask).map_err(Into::into))
    }

    fn file<W: World>(
        &self,
        world: &mut W,
        from: &[u8],
        to: &[u8],
        at: &Status,
        umask: u16,
    ) -> Result<(), FileError> {
        if world.status(to, true).is_ok_and(|there| there.inode == at.inode) {
            // "are the same file".
            return Err(FileError::Invalid);
        }
        if self.remove && is_there(world, to) {
            world.remove(to)?;
        } else if is_there(world, to) {
            // Nothing is written through a link to nowhere.
            world.status(to, true)?;
        }
        if self.hard {
            return world.make_link(&world.real_path(from)?, to);
        }
        let known = self.copied.as_ref().and_then(|it| it.borrow().get(&at.inode).cloned());
        if let Some(known) = known {
            if is_there(world, to) {
                world.remove(to)?;
            }
            return world.make_link(&known, to);
        }
        if let Some(copied) = &self.copied {
            copied.borrow_mut().insert(at.inode, to.to_vec());
        }
        let mode = if self.mode { 0o600 } else { at.mode & 0o777 & !umask };
        world.copy(from, to, mode)?;
        self.keep(world, to, at, true)
    }

    fn link<W: World>(
        &self,
        world: &mut W,
        from: &[u8],
        to: &[u8],
        at: &Status,
    ) -> Result<(), FileError> {
        let target = world.target(from)?;
        if self.hard {
            return world.make_link(from, to);
        }
        match world.status(to, false) {
            Ok(there) if there.file_type == FileType::Directory => {
                return Err(FileError::IsADirectory);
            }
            Ok(_) => world.remove(to)?,
            Err(_) => {}
        }
        world.make_symlink(to, &target)?;
        if self.owner {
            world.set_owner(to, Some(at.uid), Some(at.gid), false)?;
        }
        Ok(())
    }

    fn directory<W: World>(
        &self,
        world: &mut W,
        call: &Call<'_>,
        from: &[u8],
        to: &[u8],
        at: &Status,
    ) -> Result<Result<(), Refused>, Stop> {
        if to.strip_prefix(from).is_some_and(|rest| rest.first() == Some(&b'/')) {
            return Err(call.unsupported("a directory into itself"));
        }
        let made = match world.status(to, true) {
            Ok(there) if there.file_type == FileType::Directory => Ok(()),
            Ok(_) => Err(FileError::NotADirectory),
            Err(_) => world.make_directory(to, at.mode & 0o777 & !call.invocation.umask),
        };
        let names = match made.and_then(|()| world.list(from)) {
            Ok(names) => names,
            Err(error) => return Ok(Err(error.into())),
        };
        for name in names {
            let copied = self.copy(world, call, &below(from, &name), &below(to, &name))?;
            if let Err(refused) = copied {
                return Ok(Err(refused));
            }
        }
        Ok(self.keep(world, to, at, true).map_err(Into::into))
    }

    /// Takes over what belongs to the file. The owner comes first: it may cost the file set-user-ID.
    fn keep<W: World>(
        &self,
        world: &mut W,
        to: &[u8],
        at: &Status,
        follow: bool,
    ) -> Result<(), FileError> {
        if self.owner {
            world.set_owner(to, Some(at.uid), Some(at.gid), follow)?;
        }
        if self.mode {
            world.set_mode(to, at.mode)?;
        }
        if self.time {
            world.set_time(to, Some(at.mtime))?;
        }
        Ok(())
    }
}
