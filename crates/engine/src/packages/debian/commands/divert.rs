//! dpkg-divert: files of other packages that get another name (dpkg-divert(1)).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use super::System;
use super::asked::Diversion;

/// What a call asks for.
struct Wanted {
    action: &'static str,
    to: Option<String>,
    package: Option<String>,
    renames: bool,
    is_quiet: bool,
    path: Option<String>,
}

/// `dpkg-divert [--package P|--local] [--rename|--no-rename] [--divert TO] [--add|--remove] PATH`, and
/// `--list`, `--truename`, `--listpackage`.
pub(super) fn dpkg_divert(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let wanted = wanted(call)?;
    let path = wanted.path.clone();
    match (wanted.action, path) {
        ("add", Some(path)) => add(system, call, wanted, path),
        ("remove", Some(path)) => remove(system, call, &wanted, &path),
        ("truename", Some(path)) => {
            let name = system.diverted(&path).map_or(path.clone(), |one| one.to.clone());
            call.print(format!("{name}\n").as_bytes());
            Ok(0)
        }
        ("listpackage", Some(path)) => {
            if let Some(one) = system.diverted(&path) {
                let owner = one.package.as_deref().unwrap_or("LOCAL");
                call.print(format!("{owner}\n").as_bytes());
            }
            Ok(0)
        }
        ("list", pattern) => {
            if let Some(pattern) = pattern.as_ref().filter(|one| one.contains(['?', '[', '*'])) {
                return Err(call.unsupported(format!("the pattern {pattern}")));
            }
            for one in &system.asked.diversions {
                let matches = |pattern: &String| *pattern == one.from || *pattern == one.to;
                if pattern.as_ref().is_none_or(matches) {
                    call.print(format!("{one}\n").as_bytes());
                }
            }
            Ok(0)
        }
        _ => Err(call.unsupported("these operands")),
    }
}

fn wanted(call: &mut Call<'_>) -> Result<Wanted, Stop> {
    let mut wanted = Wanted {
        action: "add",
        to: None,
        package: call
            .variable("DPKG_MAINTSCRIPT_PACKAGE")
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        // It was to become the default with dpkg 1.20 and has not (dpkg 1.22, `usage`).
        renames: false,
        is_quiet: false,
        path: None,
    };
    let mut words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    while let Some(word) = words.next() {
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) if word.starts_with("--") => {
                (option.to_owned(), Some(value.to_owned()))
            }
            _ => (word.clone(), None),
        };
        let mut value = || inline.clone().or_else(|| words.next());
        match option.as_str() {
            "--add" => wanted.action = "add",
            "--remove" => wanted.action = "remove",
            "--list" => wanted.action = "list",
            "--truename" => wanted.action = "truename",
            "--listpackage" => wanted.action = "listpackage",
            "--quiet" => wanted.is_quiet = true,
            "--rename" => wanted.renames = true,
            "--no-rename" => wanted.renames = false,
            "--local" => wanted.package = None,
            "--package" => wanted.package = value(),
            "--divert" => wanted.to = value(),
            option if option.starts_with("--") => {
                return Err(call.unsupported(format!("the option {option}")));
            }
            _ => wanted.path = Some(word),
        }
    }
    Ok(wanted)
}

impl System<'_, '_> {
    /// The diversion of a path.
    fn diverted(&self, path: &str) -> Option<&Diversion> {
        self.asked.diversions.iter().find(|one| one.from == path)
    }
}

fn add(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    wanted: Wanted,
    path: String,
) -> Result<u8, Stop> {
    let to = wanted.to.unwrap_or_else(|| format!("{path}.distrib"));
    let one = Diversion { from: path, to, package: wanted.package };
    if let Some(known) = system.diverted(&one.from) {
        if *known == one {
            if !wanted.is_quiet {
                call.print(format!("Leaving '{one}'\n").as_bytes());
            }
            return Ok(0);
        }
        let message = format!("error: '{one}' clashes with '{known}'");
        return Ok(call.usage(&message, 2));
    }
    let status = system.status(one.from.as_bytes(), false);
    if status.is_ok_and(|at| at.file_type == cvmkit_shell::world::FileType::Directory) {
        return Ok(call.usage("error: cannot divert directories", 2));
    }
    if !wanted.is_quiet {
        call.print(format!("Adding '{one}'\n").as_bytes());
    }
    // The package's own file stays where it is: only another one's moves.
    let owner = system.owner(&one.from);
    let moves = wanted.renames && (owner.is_none() || owner != one.package);
    if moves && status.is_ok() {
        if system.status(one.to.as_bytes(), false).is_ok() {
            let Diversion { from, to, .. } = &one;
            let message =
                format!("error: rename involves overwriting '{to}' with different file '{from}'");
            return Ok(call.usage(&message, 2));
        }
        if let Err(error) = system.rename(one.from.as_bytes(), one.to.as_bytes()) {
            return Ok(call.fail("error: cannot rename", one.from.as_bytes(), error).max(2));
        }
        system.move_owner(&one.from, &one.to);
    }
    system.asked.diversions.push(one);
    Ok(0)
}

fn remove(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    wanted: &Wanted,
    path: &str,
) -> Result<u8, Stop> {
    let Some(at) = system.asked.diversions.iter().position(|one| one.from == path) else {
        if !wanted.is_quiet {
            let by = wanted.package.as_ref().map(|package| format!(" by {package}"));
            let by = by.unwrap_or_default();
            let line = format!("No diversion 'diversion of {path}{by}', none removed.\n");
            call.print(line.as_bytes());
        }
        return Ok(0);
    };
    let one = system.asked.diversions[at].clone();
    let is_another = wanted.to.as_ref().is_some_and(|to| *to != one.to)
        || wanted.package.is_some() && wanted.package != one.package;
    if is_another {
        return Ok(call.usage(&format!("error: mismatch on the diversion of '{path}'"), 2));
    }
    if !wanted.is_quiet {
        call.print(format!("Removing '{one}'\n").as_bytes());
    }
    if wanted.renames && system.status(one.to.as_bytes(), false).is_ok() {
        if system.status(path.as_bytes(), false).is_ok() {
            let message = format!("error: rename would overwrite '{path}'");
            return Ok(call.usage(&message, 2));
        }
        if let Err(error) = system.rename(one.to.as_bytes(), path.as_bytes()) {
            return Ok(call.fail("error: cannot rename", one.to.as_bytes(), error).max(2));
        }
        system.move_owner(&one.to, path);
    }
    system.asked.diversions.remove(at);
    Ok(0)
}
