//! mv(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::backup::{self, Backup, note};
use super::copy::is_older;
use super::directories::trimmed;
use super::paths::{Destinations, is_there};
use crate::stop::Stop;
use crate::world::{Files, World};

/// mv(1).
pub(in super::super) fn mv<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("force", b'f'),
        ("no-clobber", b'n'),
        ("no-target-directory", b'T'),
        ("target-directory", b't'),
        ("verbose", b'v'),
        // The context of SELinux, without an argument: mv(1) passes it over on a kernel without it, and no
        // file of the world has one.
        ("context", b'Z'),
        ("update", b'^'),
        backup::LONG[0],
        backup::LONG[1],
    ];
    let options = Options::of(call, "bfnS:Tt:uvZ^::~::", &long)?;
    if let Some(word) = options.last(b'^').filter(|word| !matches!(*word, b"" | b"older")) {
        return Err(call.unsupported(format!("--update={}", shown(word))));
    }
    let backup = Backup::of(call, &options)?;
    let directory = options.last(b't');
    let plain = options.has(b'T');
    let found = Destinations::of(world, call, &options.operands, directory, plain);
    let destinations = match found {
        Ok(destinations) => destinations,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for (source, target) in destinations.pairs {
        let (from, to) = (call.path(source), call.path(&target));
        let is_kept = options.has(b'n') || is_older(world, &options, &from, &to);
        if is_kept && is_there(world, &to) {
            continue;
        }
        if is_there(world, &from) && place(world, trimmed(&from)) == place(world, trimmed(&to)) {
            let (from, to) = (call.quoted(source)?, call.quoted(&target)?);
            status = call.usage(&format!("{from} and {to} are the same file"), 1);
            continue;
        }
        let saved = match &backup {
            Some(backup) if is_there(world, &from) => backup.make(world, trimmed(&to)),
            _ => Ok(None),
        };
        let saved = match saved {
            Ok(saved) => saved,
            Err(error) => {
                status = call.fail("cannot backup", &target, error);
                continue;
            }
        };
        if let Err(error) = world.rename(trimmed(&from), trimmed(&to)) {
            status = call.fail("cannot move", source, error);
        } else if options.has(b'v') {
            let (from, to) = (call.quoted(source)?, call.quoted(&target)?);
            let note = note(call, &target, saved.as_deref())?;
            call.print(format!("renamed {from} -> {to}{note}\n").as_bytes());
        }
    }
    Ok(status)
}

/// The directory of a path, links followed, and the name in it: what tells one name from another.
fn place<'p>(files: &impl Files, path: &'p [u8]) -> (Option<Vec<u8>>, &'p [u8]) {
    let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let directory = if at == 0 { b"/" } else { &path[..at] };
    (files.real_path(directory).ok(), path.get(at + 1..).unwrap_or_default())
}
