//! Programs that make keys. A key of an image is everybody's: it is made where the image runs, and who
//! builds the image is told.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::asked::LeftOut;
use crate::packages::debian::commands::system::Program;

/// The programs.
const NAMES: [&str; 6] =
    ["dropbearkey", "make-ssl-cert", "mkcert", "rndc-confgen", "ssh-keygen", "sshd"];

/// A program that makes no key.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    NAMES.iter().any(|known| known.as_bytes() == name).then_some(no_key as Program)
}

fn no_key(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    // `sshd -G` only says which keys there would be.
    let secret = LeftOut::of(call);
    if !system.asked.secrets.contains(&secret) {
        system.asked.secrets.push(secret);
    }
    Ok(0)
}
