//! Programs and units that D-Bus and udev start (dbus-daemon(1), udev(7)).

use super::opening::opened;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::configuration::words;
use crate::rootfs::units::file::parse;

const BUS_FOLDERS: [&str; 3] = [
    "/etc/dbus-1/system-services",
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
];

const RULE_FOLDERS: [&str; 3] =
    ["/etc/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d"];

/// Keys of rules that run a program.
const RULE_COMMANDS: [&str; 4] = ["RUN", "PROGRAM", "RUN{program}", "IMPORT{program}"];

/// Names of units that the bus or udev starts.
pub(super) fn units(assembly: &Assembly<'_>) -> Result<Vec<String>, RootfsError> {
    let mut found = Vec::new();
    for (path, text) in files(assembly, &BUS_FOLDERS, ".service")? {
        let assignments = parse(&text, &path);
        let named = assignments.into_iter().filter(|one| one.key == "SystemdService");
        found.extend(named.map(|one| one.value));
    }
    for (_, text) in files(assembly, &RULE_FOLDERS, ".rules")? {
        for (key, value) in assigned(&text) {
            if key == "ENV{SYSTEMD_WANTS}" {
                // A substitution (`$kernel`, `%k`) names an instance: the template is looked at.
                let names = value.split_whitespace().map(|name| match name.split_once('@') {
                    Some((prefix, _)) if name.contains(['$', '%']) => format!("{prefix}@.service"),
                    _ => name.to_owned(),
                });
                found.extend(names);
            }
        }
    }
    Ok(found)
}

/// Refuses a bus service or rule that runs a login program.
pub(super) fn check(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    for (path, text) in files(assembly, &BUS_FOLDERS, ".service")? {
        for one in parse(&text, &path).into_iter().filter(|one| one.key == "Exec") {
            command(assembly, "bus service", &path, &one.value)?;
        }
    }
    for (path, text) in files(assembly, &RULE_FOLDERS, ".rules")? {
        for (_, value) in assigned(&text).filter(|(key, _)| RULE_COMMANDS.contains(key)) {
            command(assembly, "udev rule", &path, value)?;
        }
    }
    Ok(())
}

fn command(assembly: &Assembly<'_>, what: &str, path: &str, text: &str) -> Result<(), RootfsError> {
    let split =
        words(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect());
    match opened(assembly, &split) {
        None => Ok(()),
        Some(why) => {
            let (what, path, started_by) = (what.to_owned(), path.to_owned(), Vec::new());
            Err(RootfsError::Terminal { what, path, why, started_by })
        }
    }
}

fn files(
    assembly: &Assembly<'_>,
    folders: &[&str],
    suffix: &str,
) -> Result<Vec<(String, String)>, RootfsError> {
    let mut found = Vec::new();
    for folder in folders {
        for name in assembly.names(folder)?.into_iter().filter(|name| name.ends_with(suffix)) {
            let path = format!("{folder}/{name}");
            if let Some(text) = assembly.text(&path)? {
                found.push((path, text));
            }
        }
    }
    Ok(found)
}

/// `KEY="VALUE"` of udev rules, whatever the operator.
fn assigned(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| {
        let mut quoted = line.split('"');
        std::iter::from_fn(move || {
            let (key, value) = (quoted.next()?, quoted.next()?);
            Some((key.trim_matches(|sign: char| " ,\t+-:=!e".contains(sign)), value))
        })
    })
}
