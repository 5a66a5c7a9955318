//! mv(1).

use super::super::call::Call;
use super::super::options::Options;
use super::directories::trimmed;
use super::paths::{Destinations, is_there};
use crate::stop::Stop;
use crate::world::World;

/// mv(1).
pub(in super::super) fn mv<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("force", b'f'),
        ("no-clobber", b'n'),
        ("no-target-directory", b'T'),
        ("target-directory", b't'),
    ];
    let options = Options::of(call, "fnTt:", &long)?;
    let directory = options.last(b't');
    let plain = options.has(b'T');
    let found = Destinations::of(world, call, &options.operands, directory, plain);
    let destinations = match found {
        Ok(destinations) => destinations,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for (source, to) in destinations.pairs {
        let (from, to) = (call.path(source), call.path(&to));
        if options.has(b'n') && is_there(world, &to) {
            continue;
        }
        if let Err(error) = world.rename(trimmed(&from), trimmed(&to)) {
            status = call.fail("cannot move", source, error);
        }
    }
    Ok(status)
}
