//! pg_lsclusters: there is no cluster before the image runs.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The head of the table (pg_lsclusters(1)).
const HEAD: &str = "Ver Cluster Port Status Owner Data directory Log file\n";

/// `pg_lsclusters [-h]`.
pub(super) fn pg_lsclusters(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    for version in system.list(b"/etc/postgresql").unwrap_or_default() {
        let folder = [&b"/etc/postgresql/"[..], &version].concat();
        if system.list(&folder).is_ok_and(|clusters| !clusters.is_empty()) {
            return Err(call.unsupported("a cluster that is there already"));
        }
    }
    if !call.arguments().iter().any(|word| word == b"-h" || word == b"--no-header") {
        call.print(HEAD.as_bytes());
    }
    Ok(0)
}
