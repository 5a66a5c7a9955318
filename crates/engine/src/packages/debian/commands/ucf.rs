//! ucf: configuration files that packages keep with whoever changes them. On a fresh system a
//! file is the package's, unless one is there already: then it stays, as with `--force-confold`.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options};
use cvmkit_shell::world::{FileType, Files as _};

use super::System;

/// `ucf [OPTION..] NEW-FILE DESTINATION` (ucf(1)).
pub(super) fn ucf(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const LONG: [(&str, u8); 12] = [
        ("debug", b'D'),
        ("no-action", b'n'),
        ("purge", b'p'),
        ("verbose", b'v'),
        ("three-way", b't'),
        ("debconf-ok", b't'),
        ("debconf-template", b'T'),
        ("src-dir", b's'),
        ("sum-file", b'S'),
        ("state-dir", b'Z'),
        ("die-if-lost", b't'),
        ("help", b'h'),
    ];
    let options = Options::of(call, "DnpvtT:s:S:Z:h", &LONG)?;
    if options.has(b'h') || options.has(b'n') {
        return Err(call.unsupported("--help and --no-action"));
    }
    if options.has(b'p') {
        return Ok(0);
    }
    let [new, destination] = options.operands.as_slice() else {
        return Ok(call.usage("Need exactly two arguments", 2));
    };
    let (new, destination) = (call.path(new), call.path(destination));
    let Ok(status) = system.status(&new, true) else {
        return Ok(call.usage("The new file does not exist", 2));
    };
    // ucf follows links of either.
    let destination = system.real_path(&destination).unwrap_or(destination);
    if system.status(&destination, true).is_ok_and(|at| at.file_type == FileType::Regular) {
        return Ok(0);
    }
    let made = system
        .copy(&new, &destination, status.mode)
        .and_then(|()| system.set_mode(&destination, status.mode))
        .and_then(|()| system.set_owner(&destination, Some(status.uid), Some(status.gid), true));
    match made {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("cannot make", &destination, error)),
    }
}
