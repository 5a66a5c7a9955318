//! ls(1), names alone.

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::paths::is_directory;
use crate::stop::Stop;
use crate::world::World;

/// ls(1): names, one to a line, as it does where its output is no terminal.
pub(in super::super) fn ls<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("all", b'a'), ("almost-all", b'A'), ("directory", b'd')];
    let options = Options::of(call, "1aAdU", &long)?;
    let mut operands = options.operands.clone();
    if operands.is_empty() {
        operands.push(b".");
    }
    operands.sort_unstable();
    let (mut status, mut files, mut folders) = (0, Vec::new(), Vec::new());
    for word in operands {
        let path = call.path(word);
        match world.status(&path, false) {
            Err(error) => {
                call.fail("cannot access", word, error);
                status = 2;
            }
            Ok(_) if !options.has(b'd') && is_directory(world, &path) => folders.push((word, path)),
            Ok(_) => files.push(word),
        }
    }
    for word in &files {
        call.print(word);
        call.print(b"\n");
    }
    let is_titled = options.operands.len() > 1;
    for (at, (word, path)) in folders.iter().enumerate() {
        if is_titled {
            let gap = if at > 0 || !files.is_empty() { "\n" } else { "" };
            call.print(format!("{gap}{}:\n", shown(word)).as_bytes());
        }
        let names = match world.list(path) {
            Ok(names) => names,
            Err(error) => {
                call.fail("cannot open directory", word, error);
                status = 2;
                continue;
            }
        };
        let own: &[&[u8]] = if options.has(b'a') { &[b".", b".."] } else { &[] };
        let shows =
            |name: &&[u8]| !name.starts_with(b".") || options.has(b'a') || options.has(b'A');
        let names = own.iter().copied().chain(names.iter().map(Vec::as_slice).filter(shows));
        for name in names {
            call.print(name);
            call.print(b"\n");
        }
    }
    Ok(status)
}
