//! The programs of postgresql-common 278: there is no cluster before the image runs.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The head of the table (pg_lsclusters(1)).
const HEAD: &str = "Ver Cluster Port Status Owner Data directory Log file\n";

/// Folders of dictionaries that would be converted, and the one of those that were (pg_updatedicts(8)).
const DICTIONARIES: [&[u8]; 2] = [b"/usr/share/hunspell", b"/usr/share/myspell/dicts"];
const CONVERTED: &str = "/var/cache/postgresql/dicts";

/// Whether a cluster is there, which nothing here could have made.
fn has_cluster(system: &System<'_, '_>) -> bool {
    system.list(b"/etc/postgresql").unwrap_or_default().iter().any(|version| {
        let folder = [&b"/etc/postgresql/"[..], version].concat();
        system.list(&folder).is_ok_and(|clusters| !clusters.is_empty())
    })
}

/// `pg_lsclusters [-h]`.
pub(super) fn pg_lsclusters(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    if has_cluster(system) {
        return Err(call.unsupported("a cluster that is there already"));
    }
    if !call.arguments().iter().any(|word| word == b"-h" || word == b"--no-header") {
        call.print(HEAD.as_bytes());
    }
    Ok(0)
}

/// `pg_checksystem`: looks at the disks of clusters.
pub(super) fn pg_checksystem(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match has_cluster(system) {
        true => Err(call.unsupported("a cluster that is there already")),
        false => Ok(0),
    }
}

/// `pg_updatedicts`, where no dictionary is installed.
pub(super) fn pg_updatedicts(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    if !call.arguments().is_empty() {
        return Err(call.unsupported("operands"));
    }
    for folder in DICTIONARIES {
        let names = system.list(folder).unwrap_or_default();
        if let Some(name) = names.iter().find(|name| name.ends_with(b".aff")) {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(call.unsupported(format!("the dictionary {name}")));
        }
    }
    if let Err(error) = system.make_folders(CONVERTED) {
        return Ok(call.fail("cannot create directory", CONVERTED.as_bytes(), error));
    }
    if system.list(CONVERTED.as_bytes()).is_ok_and(|names| !names.is_empty()) {
        return Err(call.unsupported("dictionaries that are there already"));
    }
    call.print(
        b"Building PostgreSQL dictionaries from installed myspell/hunspell packages...\n\
          Removing obsolete dictionary files:\n",
    );
    Ok(0)
}

/// `pg_conftool [-b] [-s] FILE show KEY`.
pub(super) fn pg_conftool(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut is_boolean, mut is_short, mut words) = (false, false, Vec::new());
    for word in call.arguments() {
        match word.as_slice() {
            b"-b" | b"--boolean" => is_boolean = true,
            b"-s" | b"--short" => is_short = true,
            b"-bs" | b"-sb" => (is_boolean, is_short) = (true, true),
            word => words.push(String::from_utf8_lossy(word).into_owned()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (file, key) = match words.as_slice() {
        [file, "show" | "get", key] if file.starts_with('/') && is_short && *key != "all" => {
            (*file, *key)
        }
        words => return Err(call.unsupported(words.join(" "))),
    };
    let mut values = BTreeMap::new();
    read(system, call, file, &mut values)?;
    let Some(value) = values.get(key) else { return Ok(1) };
    let is_true = ["on", "true", "yes", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
    let line = match is_boolean {
        true => format!("{}\n", if is_true { "on" } else { "off" }),
        false => format!("{value}\n"),
    };
    call.print(line.as_bytes());
    Ok(0)
}

/// The settings of a file and of the folders that it names (`PgCommon::read_conf_file`).
fn read(
    system: &System<'_, '_>,
    call: &Call<'_>,
    path: &str,
    values: &mut BTreeMap<String, String>,
) -> Result<(), Stop> {
    let Ok(text) = system.read(path.as_bytes()) else {
        return Err(call.unsupported(format!("{path}, which can't be read")));
    };
    for line in String::from_utf8_lossy(&text).lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = || call.unsupported(format!("`{line}` in {path}"));
        let at = line.find(|c: char| c == '=' || c.is_whitespace()).ok_or_else(refused)?;
        let (key, rest) = line.split_at(at);
        let rest = rest.trim_start();
        let value = rest.strip_prefix('=').unwrap_or(rest).trim();
        let value = setting(value).ok_or_else(refused)?;
        match key.to_ascii_lowercase().as_str() {
            "include" | "include_if_exists" => return Err(refused()),
            "include_dir" => {
                let folder = match value.starts_with('/') {
                    true => value,
                    false => return Err(refused()),
                };
                for name in system.list(folder.as_bytes()).unwrap_or_default() {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    if name.ends_with(".conf") && !name.starts_with('.') {
                        read(system, call, &format!("{folder}/{name}"), values)?;
                    }
                }
            }
            key => drop(values.insert(key.to_owned(), value)),
        }
    }
    Ok(())
}

/// A value, plain or between quotes that need no thought, and nothing but a comment behind it.
fn setting(text: &str) -> Option<String> {
    let (value, rest) = match text.strip_prefix('\'') {
        Some(text) => text.split_once('\'').filter(|(value, _)| !value.contains('\\'))?,
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._:/+-".contains(c);
            let end = text.find(|c| !plain(c)).unwrap_or(text.len());
            Some(text.split_at(end)).filter(|(value, _)| !value.is_empty())?
        }
    };
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const PROGRAMS: [(&str, &str); 2] =
        [("/usr/bin/pg_conftool", "+x"), ("/usr/sbin/pg_updatedicts", "+x")];
    const ASK: &str = "pg_conftool /c.conf show -bs create_main_cluster; echo $?";

    /// pg_conftool(1): a boolean is `on` or `off`, and what is not set is the status 1.
    #[test]
    fn settings_are_those_of_the_files() {
        for (text, more, expected) in [
            ("#create_main_cluster = true\nssl = on\n", "", "1\n"),
            ("create_main_cluster = False # no\n", "", "off\n0\n"),
            ("Create_Main_Cluster yes\n", "", "on\n0\n"),
            (
                "create_main_cluster = on\ninclude_dir '/c.d'\n",
                "create_main_cluster = 'off'\n",
                "off\n0\n",
            ),
            ("log_line_prefix = '%%m [%%p] %%q%%u@%%d '\n", "", "1\n"),
        ] {
            let files = [
                ("/c.conf", text),
                ("/c.d/1.conf", more),
                ("/c.d/2.txt", "no setting"),
                PROGRAMS[0],
            ];
            assert_eq!(output(&files, ASK), expected, "{text}");
        }
        for text in ["x = 'it''s'\n", "x = $\n", "word\n", "include 'other'\n", "include_dir 'd'\n"]
        {
            assert!(stop(&[("/c.conf", text), PROGRAMS[0]], ASK).contains("/c.conf"), "{text}");
        }
        assert!(stop(&PROGRAMS, "pg_conftool set a b").contains("set a b"));
    }

    #[test]
    fn dictionaries_are_not_converted() {
        let script = "pg_updatedicts >/dev/null; echo $?; ls /var/cache/postgresql";
        assert_eq!(output(&PROGRAMS, script), "0\ndicts\n");
        let files = [PROGRAMS[1], ("/usr/share/hunspell/en.aff", "")];
        assert!(stop(&files, "pg_updatedicts").contains("en.aff"));
    }
}
