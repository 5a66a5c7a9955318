//! The `config` and `postinst` of slbackup 0.0.12-14: the one client whose backups the answers describe.
//!
//! Perl gives the keys of a hash in an order of its own in each run; here they are in that of their names.

use std::fmt::Write as _;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileError, Files as _};

use super::questions::{ask, get};
use crate::packages::debian::commands::System;

const CONFIGURATION: &str = "/etc/slbackup/slbackup.conf";
const BEFORE: &str = "/etc/slbackup/slbackup.conf.dpkg";
const CRON: &str = "/etc/cron.d/slbackup";

/// The mode of the folder of backups: the script gives `make_path` the text `0700`, a decimal number to Perl, of
/// which the umask leaves this.
const FOLDER_MODE: u16 = 0o1254;

/// The questions about a client and the server, in the order in which they are asked.
const QUESTIONS: [&str; 10] = [
    "client_name",
    "client_type",
    "client_address",
    "client_user",
    "client_location",
    "client_keep",
    "server_type",
    "server_address",
    "server_user",
    "server_destdir",
];

/// `config`: asks for a client where backups are enabled, and leaves out what only a machine elsewhere needs.
pub(super) fn config(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    ask(system, call, "CAPB backup")?;
    ask(system, call, "INPUT medium slbackup/enable")?;
    if get(system, call, "slbackup/enable")? != "true" {
        return Ok(0);
    }
    let mut is_local = false;
    for question in QUESTIONS {
        if is_local && (question.ends_with("_address") || question.ends_with("_user")) {
            continue;
        }
        ask(system, call, &format!("INPUT medium slbackup/{question}"))?;
        if question.ends_with("_type") {
            is_local = get(system, call, &format!("slbackup/{question}"))? == "local";
        }
    }
    Ok(0)
}

/// `postinst configure`: writes the configuration, the folder of backups and the job of cron.
pub(super) fn postinst(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    if call.arguments().first().is_none_or(|action| action != b"configure") {
        return Err(call.unsupported("another call than that of a first installation"));
    }
    let text = configuration(system, call)?;
    let folder = value(system, call, "server_destdir")?;
    match system.rename(CONFIGURATION.as_bytes(), BEFORE.as_bytes()) {
        Ok(()) | Err(FileError::NotFound) => {}
        Err(error) => return Ok(call.fail("can't move", CONFIGURATION.as_bytes(), error)),
    }
    if let Err(error) = make_path(system, &folder) {
        return Ok(call.fail("mkdir", folder.as_bytes(), error));
    }
    if let Err(error) = system.write(CONFIGURATION.as_bytes(), text.as_bytes(), 0o644) {
        return Ok(call.fail("Could not open", CONFIGURATION.as_bytes(), error));
    }
    let is_enabled = get(system, call, "slbackup/enable")? == "true";
    if is_enabled && system.status(CRON.as_bytes(), true).is_err() {
        let time = value(system, call, "backuptime")?;
        let (hour, minute) = time.split_once(':').unwrap_or((&time, ""));
        let program = "/usr/share/slbackup/slbackup-cron";
        let line = format!(
            "# cron job for Skolelinux Backup (once a day)\n{minute} {hour} * * * root if [ -x \
             {program} -a -f {CONFIGURATION} ]; then {program} ; fi\n"
        );
        if let Err(error) = system.write(CRON.as_bytes(), line.as_bytes(), 0o644) {
            return Ok(call.fail("Could not open", CRON.as_bytes(), error));
        }
    }
    Ok(0)
}

/// An answer, in characters that `Config::General` writes as they are.
fn value(system: &mut System<'_, '_>, call: &Call<'_>, question: &str) -> Result<String, Stop> {
    let value = get(system, call, &format!("slbackup/{question}"))?;
    match is_plain(&value) {
        true => Ok(value),
        false => Err(call.unsupported(format!("`{value}` as slbackup/{question}"))),
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "._/@:+-".contains(c))
}

/// The text of the configuration (`Config::General` 2.65, whose block the script takes apart).
fn configuration(system: &mut System<'_, '_>, call: &Call<'_>) -> Result<String, Stop> {
    let name = value(system, call, "client_name")?;
    let mut text = format!("<client>\n  <{name}>\n");
    for key in ["address", "keep", "location", "type", "user"] {
        let values = match key {
            "location" => get(system, call, "slbackup/client_location")?,
            key => value(system, call, &format!("client_{key}"))?,
        };
        let values: Vec<&str> = values.split(' ').collect();
        if let Some(other) = values.iter().find(|value| !is_plain(value)) {
            return Err(call.unsupported(format!("`{other}` in slbackup/client_location")));
        }
        for value in values {
            let _ = writeln!(text, "    {key}   {value}");
        }
    }
    let examples = examples(system).ok_or_else(|| call.unsupported("no text of examples"))?;
    let _ = write!(text, "  </{name}>\n{examples}</client>\n");
    for key in ["server_address", "server_destdir", "server_type", "server_user"] {
        let _ = writeln!(text, "{key}   {}", value(system, call, key)?);
    }
    Ok(text)
}

/// The examples that the script has in its first here-document, where a backslash escapes what follows.
fn examples(system: &System<'_, '_>) -> Option<String> {
    let script = system.packages.get("slbackup")?.control.files.get("postinst")?;
    let script = String::from_utf8_lossy(script);
    let (_, text) = script.split_once("<<EOF;\n")?;
    let (text, _) = text.split_once("\nEOF\n")?;
    Some(text.replace('\\', "") + "\n")
}

/// Makes a folder and those above it, all with the mode that the script asks for.
fn make_path(system: &mut System<'_, '_>, path: &str) -> Result<(), FileError> {
    for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
        let folder = &path.as_bytes()[..end];
        if system.status(folder, true).is_err() {
            system.make_directory(folder, FOLDER_MODE)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cvmkit_shell::evaluation::Start;

    use super::*;
    use crate::packages::debian::commands::perl;
    use crate::packages::debian::commands::tests::machine;
    use crate::packages::debian::tests::{package, with_script};
    use crate::rootfs;

    const DEFAULTS: [(&str, &str); 12] = [
        ("enable", "false"),
        ("backuptime", "01:00"),
        ("client_name", "localhost"),
        ("client_type", "local"),
        ("client_address", "localhost"),
        ("client_user", "root"),
        ("client_location", "/etc /home"),
        ("client_keep", "185"),
        ("server_type", "local"),
        ("server_address", "localhost"),
        ("server_destdir", "/srv/a/b"),
        ("server_user", "root"),
    ];

    /// What both scripts leave, as the scripts themselves leave it, but for the order of keys.
    #[test]
    fn the_answers_make_a_client() {
        let templates: String = DEFAULTS.iter().fold(String::new(), |text, (name, value)| {
            let kind = if *name == "enable" { "boolean" } else { "string" };
            text + &format!(
                "Template: slbackup/{name}\nType: {kind}\nDefault: {value}\nDescription: d\n\n"
            )
        });
        let own = "#!/usr/bin/perl -w\n$x = <<EOF;\n#  a\\.b\\$\nEOF\n";
        let packages = [
            with_script(package("slbackup", "", &[]), "postinst", own),
            package("debconf", "", &[]),
        ];
        for (enable, cron) in [
            ("false", None),
            (
                "true",
                Some(
                    "# cron job for Skolelinux Backup (once a day)\n00 01 * * * root if [ -x \
                     /usr/share/slbackup/slbackup-cron -a -f /etc/slbackup/slbackup.conf ]; then \
                     /usr/share/slbackup/slbackup-cron ; fi\n",
                ),
            ),
        ] {
            let request = rootfs::Request::default();
            let files =
                [("/etc/slbackup/slbackup.conf", "old\n"), ("/etc/cron.d/", ""), ("/srv/", "")];
            let mut assembly = machine(&request, &files);
            let mut system = System::new(&mut assembly, &packages, "amd64");
            system.answer(BTreeMap::from([("slbackup/enable".to_owned(), enable.to_owned())]));
            system.debconf.load(templates.as_bytes()).unwrap();
            for (file, program) in [("config", config as perl::Program), ("postinst", postinst)] {
                let arguments = vec![b"configure".to_vec(), Vec::new()];
                let start = Start { arguments, ..Start::default() };
                assert_eq!(perl::run(&mut system, program, file, &start).unwrap().status, 0);
            }
            let read = |path: &str| String::from_utf8(system.read(path.as_bytes()).ok()?).ok();
            let expected = "<client>\n  <localhost>\n    address   localhost\n    keep   185\n    \
                            location   /etc\n    location   /home\n    type   local\n    user   \
                            root\n  </localhost>\n#  a.b$\n</client>\nserver_address   \
                            localhost\nserver_destdir   /srv/a/b\nserver_type   \
                            local\nserver_user   root\n";
            assert_eq!(read(CONFIGURATION).as_deref(), Some(expected));
            assert_eq!(read(BEFORE).as_deref(), Some("old\n"));
            assert_eq!(read(CRON).as_deref(), cron);
            for folder in [&b"/srv/a"[..], b"/srv/a/b"] {
                assert_eq!(system.status(folder, true).unwrap().mode, FOLDER_MODE);
            }
        }
    }
}
