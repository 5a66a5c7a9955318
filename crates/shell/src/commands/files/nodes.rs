//! mkfifo(1) and mknod(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use crate::mode;
use crate::stop::Stop;
use crate::world::World;

/// mkfifo(1).
pub(in super::super) fn mkfifo<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "m:", &[("mode", b'm')])?;
    if options.operands.is_empty() {
        return Ok(call.usage("missing operand", 1));
    }
    let Some(mode) = permissions(call, &options) else { return Ok(call.usage("invalid mode", 1)) };
    let mut status = 0;
    for word in &options.operands {
        if let Err(error) = world.make_fifo(&call.path(word), mode) {
            status = call.fail("cannot create fifo", word, error);
        }
    }
    Ok(status)
}

/// mknod(1), of a FIFO: an image gets its devices from the kernel.
pub(in super::super) fn mknod<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "m:", &[("mode", b'm')])?;
    let Some(mode) = permissions(call, &options) else { return Ok(call.usage("invalid mode", 1)) };
    match options.operands.as_slice() {
        [word, b"p"] => match world.make_fifo(&call.path(word), mode) {
            Ok(()) => Ok(0),
            Err(error) => Ok(call.fail("", word, error)),
        },
        [_, b"p", extra, ..] => Ok(call.usage(&format!("extra operand '{}'", shown(extra)), 1)),
        [_, _, ..] => Err(call.unsupported("a device")),
        _ => Ok(call.usage("missing operand", 1)),
    }
}

/// The permissions of a new file; nothing if `-m` says none.
fn permissions(call: &Call<'_>, options: &Options<'_>) -> Option<u16> {
    let umask = call.invocation.umask;
    match options.last(b'm') {
        Some(word) => mode::apply(word, 0o666, false, umask),
        None => Some(0o666 & !umask),
    }
}
