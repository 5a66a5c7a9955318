//! `chronyd -p`: the configuration as the daemon reads it.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The configuration file that Debian compiles in.
const CONFIGURATION: &[u8] = b"/etc/chrony/chrony.conf";

/// `chronyd -p`: the directives, without comments; those that read other files end the evaluation if there
/// is such a file.
pub(super) fn chronyd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let [option] = call.arguments() else { return Err(call.unsupported("starting the daemon")) };
    if option != b"-p" {
        return Err(call.unsupported("starting the daemon"));
    }
    let Ok(text) = system.read(CONFIGURATION) else {
        return Ok(call.usage("Could not open /etc/chrony/chrony.conf", 1));
    };
    for line in String::from_utf8_lossy(&text).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with(['#', '!', ';', '%']) => {}
            ["confdir" | "include", rest @ ..] => {
                for folder in rest {
                    if system.list(folder.as_bytes()).is_ok_and(|names| !names.is_empty()) {
                        return Err(call.unsupported(format!("the files of {folder}")));
                    }
                }
            }
            words => call.print(format!("{}\n", words.join(" ")).as_bytes()),
        }
    }
    Ok(0)
}
