//! dpkg-statoverride: modes and owners that packages' files get (dpkg-statoverride(1)).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, gid, uid};
use cvmkit_shell::world::Files as _;

use super::System;
use super::asked::Override;
use crate::rootfs::{accounts, glob};

/// `dpkg-statoverride [--update] [--force] [--quiet] --add|--remove|--list ...`.
pub(super) fn dpkg_statoverride(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let (mut updates, mut forced, mut action) = (false, false, "");
    let mut operands = Vec::new();
    for word in call.arguments() {
        let word = String::from_utf8_lossy(word).into_owned();
        match word.as_str() {
            "--update" => updates = true,
            "--force" | "--force-all" => forced = true,
            "--quiet" => {}
            "--add" => action = "add",
            "--remove" => action = "remove",
            "--list" => action = "list",
            option if option.starts_with("--") => {
                return Err(call.unsupported(format!("the option {option}")));
            }
            _ => operands.push(word),
        }
    }
    match (action, operands.as_slice()) {
        ("add", [user, group, mode, path]) => {
            let Some(mode) = octal(mode) else {
                return Ok(call.usage(&format!("error: invalid mode {mode}"), 2));
            };
            let user = named(system, "/etc/passwd", user);
            let group = named(system, "/etc/group", group);
            let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
            let package = String::from_utf8_lossy(package).into_owned();
            let row = Override { package, user, group, mode, path: plain(path) };
            add(system, call, row, updates, forced)
        }
        ("remove", [path]) => {
            let path = plain(path);
            let before = system.asked.overrides.len();
            system.asked.overrides.retain(|row| row.path != path);
            match system.asked.overrides.len() == before && !forced {
                true => Ok(call.usage("warning: no override present", 2)),
                false => Ok(0),
            }
        }
        ("list", patterns) => list(system, call, patterns),
        _ => Err(call.unsupported("these operands")),
    }
}

fn add(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    row: Override,
    updates: bool,
    forced: bool,
) -> Result<u8, Stop> {
    let owner = account(&row.user, |name| uid(system, name));
    let group = account(&row.group, |name| gid(system, name));
    let (Some(owner), Some(group)) = (owner, group) else {
        let message = format!("error: {}:{} does not exist", row.user, row.group);
        return Ok(call.usage(&message, 2));
    };
    if system.asked.overrides.iter().any(|known| known.path == row.path) {
        let message = format!("error: an override for '{}' already exists; aborting", row.path);
        match forced {
            true => system.asked.overrides.retain(|known| known.path != row.path),
            false => return Ok(call.usage(&message, 2)),
        }
    }
    let path = row.path.clone().into_bytes();
    if updates && system.status(&path, true).is_ok() {
        let changed = system
            .set_owner(&path, Some(owner), Some(group), true)
            .and_then(|()| system.set_mode(&path, row.mode));
        if let Err(error) = changed {
            return Ok(call.fail("error setting access of", &path, error).max(2));
        }
    } else if updates {
        call.complain(&format!("warning: --update given but {} does not exist", row.path));
    }
    system.asked.overrides.push(row);
    Ok(0)
}

/// One line for each override that a pattern matches; 1 if there is none.
fn list(system: &mut System<'_, '_>, call: &mut Call<'_>, patterns: &[String]) -> Result<u8, Stop> {
    // dpkg matches them with fnmatch(3), without a flag.
    let matches = |pattern: &String, path: &str| match pattern.contains(['*', '?', '[', '\\']) {
        true => glob::matches(plain(pattern).as_bytes(), path.as_bytes()),
        false => plain(pattern) == path,
    };
    let mut found = 1;
    for Override { user, group, mode, path, .. } in &system.asked.overrides {
        if patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, path)) {
            call.print(format!("{user} {group} {mode:o} {path}\n").as_bytes());
            found = 0;
        }
    }
    Ok(found)
}

/// An account's id: `#7` is 7, and 7 alone is a name.
fn account(text: &str, by_name: impl FnOnce(&[u8]) -> Option<u32>) -> Option<u32> {
    match text.strip_prefix('#') {
        Some(id) => accounts::id(id),
        None => by_name(text.as_bytes()),
    }
}

/// An account as it is listed: an id by its name, where it has one.
fn named(system: &System<'_, '_>, table: &str, account: &str) -> String {
    let Some(id) = account.strip_prefix('#').and_then(accounts::id) else {
        return account.to_owned();
    };
    match system.name_of(table, id) {
        name if name.bytes().all(|byte| byte.is_ascii_digit()) => account.to_owned(),
        name => name,
    }
}

fn octal(text: &str) -> Option<u16> {
    let is_octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    is_octal.then(|| u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777))?
}

/// A path without a slash at its end.
fn plain(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}
