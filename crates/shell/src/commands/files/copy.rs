//! cp(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::directories::trimmed;
use super::paths::{Destinations, below, is_there};
use crate::stop::Stop;
use crate::world::{FileError, FileType, Status, World};

/// What a copy takes over, and how.
pub(super) struct Copying {
    pub(super) recursive: bool,
    /// Links are copied as links.
    pub(super) links: bool,
    pub(super) mode: bool,
    pub(super) owner: bool,
    pub(super) time: bool,
    /// What is in the way is removed first.
    pub(super) remove: bool,
}

/// cp(1).
pub(in super::super) fn cp<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("archive", b'a'),
        ("force", b'f'),
        ("recursive", b'r'),
        ("dereference", b'L'),
        ("no-dereference", b'P'),
        ("no-clobber", b'n'),
        ("no-target-directory", b'T'),
        ("target-directory", b't'),
        ("preserve", b'='),
        ("remove-destination", b'D'),
    ];
    let options = Options::of(call, "apfrRdPLnTZt:D=:", &long)?;
    let all = options.has(b'a');
    let mut copying = Copying {
        recursive: all || options.has(b'r') || options.has(b'R'),
        links: false,
        mode: all || options.has(b'p'),
        owner: all || options.has(b'p'),
        time: all || options.has(b'p'),
        remove: options.has(b'D'),
    };
    copying.links = match options.last_of(b"adPL") {
        Some(b'L') => false,
        Some(_) => true,
        None => copying.recursive,
    };
    for word in options.all(b'=').flat_map(|list| list.split(|byte| *byte == b',')) {
        match word {
            b"mode" => copying.mode = true,
            b"ownership" => copying.owner = true,
            b"timestamps" => copying.time = true,
            b"links" | b"context" | b"xattr" => {}
            b"all" => (copying.mode, copying.owner, copying.time) = (true, true, true),
            _ => return Err(call.unsupported(format!("--preserve={}", shown(word)))),
        }
    }
    let (directory, plain) = (options.last(b't'), options.has(b'T'));
    let found = Destinations::of(world, call, &options.operands, directory, plain);
    let destinations = match found {
        Ok(destinations) => destinations,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for (source, to) in destinations.pairs {
        let (from, to) = (call.path(source), call.path(&to));
        if options.has(b'n') && is_there(world, trimmed(&to)) {
            continue;
        }
        match copying.copy(world, call, &from, trimmed(&to))? {
            Ok(()) => {}
            Err(Refused::Omitted) => {
                let word = shown(source);
                let message = format!("-r not specified; omitting directory '{word}'");
                status = call.usage(&message, 1);
            }
            Err(Refused::File(error)) => status = call.fail("cannot copy", source, error),
        }
    }
    Ok(status)
}

/// Why something was not copied.
pub(super) enum Refused {
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
    pub(super) fn copy<W: World>(
        &self,
        world: &mut W,
        call: &Call<'_>,
        from: &[u8],
        to: &[u8],
    ) -> Result<Result<(), Refused>, Stop> {
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
