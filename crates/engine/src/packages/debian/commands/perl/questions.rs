//! What scripts in Perl ask of debconf, as `Debconf::Client::ConfModule` asks it, and of the image.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use crate::packages::debian::commands::{System, debconf};

/// The domain of the image's name, if it has one.
pub(super) fn domain<'n>(system: &'n System<'_, '_>) -> Option<&'n str> {
    system.assembly.request.hostname?.split_once('.').map(|(_, domain)| domain)
}

/// Gives debconf a command: its code and text, which is all that Perl has of it outside of a list.
pub(super) fn ask(
    system: &mut System<'_, '_>,
    call: &Call<'_>,
    line: &str,
) -> Result<(u8, String), Stop> {
    let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
    system.debconf.owner = String::from_utf8_lossy(package).into_owned();
    debconf::command(&mut system.debconf, line)
        .ok_or_else(|| call.unsupported(format!("the debconf command {line}")))
}

/// The value of a question.
pub(super) fn get(
    system: &mut System<'_, '_>,
    call: &Call<'_>,
    question: &str,
) -> Result<String, Stop> {
    ask(system, call, &format!("GET {question}")).map(|(_, value)| value)
}

/// What Perl takes for true.
pub(super) fn is_true(value: &str) -> bool {
    !value.is_empty() && value != "0"
}
