//! Programs that one package brings for the scripts of its own family.

mod apache;
mod chrony;
mod postgresql;
mod secrets;

use super::system::Program;

/// The program of a name, if it is one of these.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    Some(match name {
        b"a2enconf" | b"a2enmod" | b"a2ensite" => apache::enable,
        b"chronyd" => chrony::chronyd,
        b"pg_lsclusters" => postgresql::pg_lsclusters,
        name => return secrets::program(name),
    })
}
