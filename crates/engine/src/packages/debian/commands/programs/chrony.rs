//! `chronyd -p` of chrony 4.6: the configuration as the daemon reads it.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The configuration file that Debian compiles in.
const CONFIGURATION: &str = "/etc/chrony/chrony.conf";

/// How deep files may read one another (`MAX_INCLUDE_LEVEL`, `conf.c`).
const LEVELS_MAX: u32 = 10;

/// `chronyd -p`: the directives, without comments, those of other files in the place of what reads them
/// (chrony.conf(5): `confdir`, `include`).
pub(super) fn chronyd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let [option] = call.arguments() else { return Err(call.unsupported("starting the daemon")) };
    if option != b"-p" {
        return Err(call.unsupported("starting the daemon"));
    }
    if system.status(CONFIGURATION.as_bytes(), true).is_err() {
        return Ok(call.usage(&format!("Could not open {CONFIGURATION}"), 1));
    }
    print(system, call, CONFIGURATION, 1)?;
    Ok(0)
}

fn print(system: &System<'_, '_>, call: &mut Call<'_>, path: &str, level: u32) -> Result<(), Stop> {
    if level > LEVELS_MAX {
        return Err(call.unsupported("files that read one another without an end"));
    }
    let Ok(text) = system.read(path.as_bytes()) else {
        return Err(call.unsupported(format!("{path}, which can't be read")));
    };
    for line in String::from_utf8_lossy(&text).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with(['#', '!', ';', '%']) => {}
            [first, folders @ ..] if first.eq_ignore_ascii_case("confdir") => {
                for file in files_of(system, folders) {
                    print(system, call, &file, level + 1)?;
                }
            }
            [first, file] if first.eq_ignore_ascii_case("include") => {
                if !file.starts_with('/') || file.contains(['*', '?', '[', '\\']) {
                    return Err(call.unsupported(format!("include {file}")));
                }
                if system.status(file.as_bytes(), true).is_ok() {
                    print(system, call, file, level + 1)?;
                }
            }
            [first, ..] if first.eq_ignore_ascii_case("include") => {
                return Err(call.unsupported(words.join(" ")));
            }
            words => call.print(format!("{}\n", words.join(" ")).as_bytes()),
        }
    }
    Ok(())
}

/// The `*.conf` of folders in the order of their names; of two with one name the first folder's counts.
fn files_of(system: &System<'_, '_>, folders: &[&str]) -> Vec<String> {
    let mut files = BTreeMap::new();
    for folder in folders {
        for name in system.list(folder.as_bytes()).unwrap_or_default() {
            let name = String::from_utf8_lossy(&name).into_owned();
            if name.ends_with(".conf") && !name.starts_with('.') {
                let path = format!("{folder}/{name}");
                files.entry(name).or_insert(path);
            }
        }
    }
    files.into_values().collect()
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// chrony.conf(5): the order of files, and the line without what means nothing.
    #[test]
    fn the_directives_are_those_of_all_files() {
        let files = [
            (
                "/etc/chrony/chrony.conf",
                "# x\nconfdir /a /b\n  pool   x  iburst\n! no\ninclude /gone\ninclude /c\n",
            ),
            ("/a/2.conf", "two\n"),
            ("/a/README", "Text\n"),
            ("/b/1.conf", "user one\n"),
            ("/b/2.conf", "other\n"),
            ("/c", "three\n"),
        ];
        assert_eq!(output(&files, "chronyd -p"), "user one\ntwo\npool x iburst\nthree\n");
        let of = |text| [("/etc/chrony/chrony.conf", text)];
        assert!(stop(&of("include /d/*.conf\n"), "chronyd -p").contains("include"));
        let endless = "include /etc/chrony/chrony.conf\n";
        assert!(stop(&of(endless), "chronyd -p").contains("without an end"));
        assert!(stop(&[], "chronyd -q").contains("starting the daemon"));
    }
}
