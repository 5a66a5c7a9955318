//! install(1).

use super::super::accounts;
use super::super::call::{Call, shown};
use super::super::options::Options;
use super::backup::{self, Backup, note};
use super::directories::{make_all, trimmed};
use super::paths::{Destinations, is_there};
use crate::mode;
use crate::stop::Stop;
use crate::world::{FileError, Files, World};

/// install(1): copies files, or makes directories, with mode and owner.
pub(in super::super) fn install<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("directory", b'd'),
        ("mode", b'm'),
        ("owner", b'o'),
        ("group", b'g'),
        ("target-directory", b't'),
        ("no-target-directory", b'T'),
        ("preserve-timestamps", b'p'),
        ("verbose", b'v'),
        backup::LONG[0],
        backup::LONG[1],
    ];
    let options = Options::of(call, "bcdDm:o:g:S:t:TpvZ~::", &long)?;
    let backup = Backup::of(call, &options)?;
    if options.has(b'v') && (options.has(b'd') || options.has(b'D')) {
        return Err(call.unsupported("the option -v of directories"));
    }
    let attributes = match Attributes::of(world, call, &options)? {
        Ok(attributes) => attributes,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    if options.has(b'd') {
        for word in &options.operands {
            let path = call.path(word);
            let made = make_all(world, &path, 0o755, 0o022)
                .and_then(|()| attributes.give(world, trimmed(&path)));
            if let Err(error) = made {
                status = call.fail("cannot create directory", word, error);
            }
        }
        return Ok(status);
    }
    if options.has(b'D')
        && let Some(parent) = parent_to_make(&options)
    {
        let parent = call.path(parent);
        if let Err(error) = make_all(world, &parent, 0o755, 0o022) {
            return Ok(call.fail("cannot create directory", &parent, error));
        }
    }
    let (directory, plain) = (options.last(b't'), options.has(b'T'));
    let found = Destinations::of(world, call, &options.operands, directory, plain);
    let destinations = match found {
        Ok(destinations) => destinations,
        Err(status) => return Ok(status),
    };
    for (source, to) in destinations.pairs {
        let (from, path) = (call.path(source), call.path(&to));
        let is_source = from == b"/dev/null" || is_there(world, &from);
        let saved = match &backup {
            Some(backup) if is_source && from != path => backup.make(world, &path),
            _ => Ok(None),
        };
        let installed = saved.and_then(|suffix| {
            place(world, &from, &path, options.has(b'p'))?;
            attributes.give(world, &path)?;
            Ok(suffix)
        });
        match installed {
            Err(error) => status = call.fail("cannot install", source, error),
            Ok(suffix) if options.has(b'v') => {
                let note = note(call, &to, suffix.as_deref())?;
                let (from, to) = (call.quoted(source)?, call.quoted(&to)?);
                call.print(format!("{from} -> {to}{note}\n").as_bytes());
            }
            Ok(_) => {}
        }
    }
    Ok(status)
}

/// Mode and owner of what is installed.
struct Attributes<'w> {
    mode: &'w [u8],
    uid: Option<u32>,
    gid: Option<u32>,
    is_directory: bool,
}

impl<'w> Attributes<'w> {
    /// Those of the options; without them a status: the program refuses the words.
    fn of<W: World>(
        world: &W,
        call: &mut Call<'_>,
        options: &Options<'w>,
    ) -> Result<Result<Self, u8>, Stop> {
        let is_directory = options.has(b'd');
        let mode = options.last(b'm').unwrap_or(b"755");
        if mode::apply(mode, 0, is_directory, 0).is_none() {
            return Ok(Err(call.usage(&format!("invalid mode '{}'", shown(mode)), 1)));
        }
        if is_directory && !mode.iter().all(u8::is_ascii_digit) {
            // Of a directory that is there they change some bits and leave others.
            return Err(call.unsupported("-d with a mode of symbols"));
        }
        let uid = options.last(b'o').map(|word| (word, accounts::uid(world, word)));
        let gid = options.last(b'g').map(|word| (word, accounts::gid(world, word)));
        for (what, id) in [("user", uid), ("group", gid)] {
            if let Some((word, None)) = id
                && !accounts::is_no_change(word)
            {
                let message = format!("invalid {what}: '{}'", shown(word));
                return Ok(Err(call.usage(&message, 1)));
            }
        }
        let (uid, gid) = (uid.and_then(|(_, id)| id), gid.and_then(|(_, id)| id));
        Ok(Ok(Self { mode, uid, gid, is_directory }))
    }

    fn give(&self, files: &mut impl Files, path: &[u8]) -> Result<(), FileError> {
        files.set_owner(path, self.uid, self.gid, true)?;
        // Whatever it had is gone, but set-ID bits of a directory.
        let set_ids = if self.is_directory { files.status(path, true)?.mode & 0o6000 } else { 0 };
        let permissions = mode::apply(self.mode, set_ids, self.is_directory, 0);
        files.set_mode(path, permissions.ok_or(FileError::Invalid)?)
    }
}

/// The directory that `-D` makes: that of `-t`, or the parent of the destination.
fn parent_to_make<'w>(options: &Options<'w>) -> Option<&'w [u8]> {
    if let Some(directory) = options.last(b't') {
        return Some(directory);
    }
    let to = options.operands.last()?;
    to.iter().rposition(|byte| *byte == b'/').map(|at| &to[..at])
}

/// Puts a new file in the place of what is there. `/dev/null` is a source too.
fn place<W: World>(world: &mut W, from: &[u8], to: &[u8], time: bool) -> Result<(), FileError> {
    if from == b"/dev/null" {
        if is_there(world, to) {
            world.remove(to)?;
        }
        return world.write(to, b"", 0o600);
    }
    let at = world.status(from, true)?;
    if from == to {
        // "are the same file".
        return Err(FileError::Invalid);
    }
    if is_there(world, to) {
        world.remove(to)?;
    }
    world.copy(from, to, 0o600)?;
    if time { world.set_time(to, Some(at.mtime)) } else { Ok(()) }
}
