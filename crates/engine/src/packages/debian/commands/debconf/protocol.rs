//! The commands of the protocol (debconf-devel(7), "The Debconf Protocol").

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use super::{Database, Frontend};
use crate::packages::debian::Package;
use crate::packages::debian::commands::System;
use crate::packages::debian::package::{ADMIN_DIRECTORY, info_name};

/// Codes of answers (`%codes`, `Debconf/ConfModule.pm`).
mod code {
    pub(super) const SUCCESS: u8 = 0;
    pub(super) const BAD_PARAMETERS: u8 = 10;
    pub(super) const SYNTAX: u8 = 20;
    pub(super) const INVISIBLE: u8 = 30;
    pub(super) const VERSION: u8 = 30;
}

/// The version of the protocol.
const VERSION: &str = "2.1";

/// What the confmodule calls when it is read and no frontend runs.
const BEGIN: &[u8] = b"x_begin";

/// A code with its text.
pub(in super::super) type Answer = (u8, String);

/// Answers one command, whose words are those of the call; the status is always 0.
pub(in super::super) fn frontend(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    if let Some((first, words)) = call.arguments().split_first()
        && first == BEGIN
    {
        return begin(system, call, words);
    }
    let line = String::from_utf8_lossy(&call.arguments().join(&b' ')).into_owned();
    let words = words(&system.debconf, &line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
    system.debconf.owner = String::from_utf8_lossy(package).into_owned();
    if let [command, path, owner @ ..] = words.as_slice()
        && command.eq_ignore_ascii_case("x_loadtemplatefile")
    {
        if let [owner] = owner {
            (*owner).clone_into(&mut system.debconf.owner);
        }
        return load(system, call, path);
    }
    let Some((code, text)) = answer(&mut system.debconf, &words) else {
        return Err(call.unsupported(format!("the debconf command {line}")));
    };
    call.print(format!("{code} {text}\n").as_bytes());
    Ok(0)
}

/// Answers a line of the protocol; nothing if it is not implemented.
pub(in super::super) fn command(database: &mut Database, line: &str) -> Option<Answer> {
    let words = words(database, line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    answer(database, &words)
}

/// The words of a line, as the script that runs writes them.
fn words(database: &Database, line: &str) -> Vec<String> {
    match database.escapes {
        true => unescaped(line),
        false => line.split_whitespace().map(str::to_owned).collect(),
    }
}

/// `debconf-show PACKAGE`, of the package whose `config` runs: it reads what is stored, and answers are stored when
/// the frontend ends. On a fresh system there are none before.
pub(in super::super) fn show(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
    let is_config = call.variable("DPKG_MAINTSCRIPT_NAME") == Some(b"config");
    match call.arguments() {
        [name] if is_config && name == package => Ok(0),
        _ => Err(call.unsupported("questions that may be stored")),
    }
}

/// What the confmodule does where no frontend runs: it becomes the frontend, which loads the templates of the
/// package, has its `config` ask and runs the script again (`/usr/share/debconf/frontend`). That matters to a
/// `preinst`: all others find both done.
fn begin(system: &mut System<'_, '_>, call: &mut Call<'_>, words: &[Vec<u8>]) -> Result<u8, Stop> {
    let Frontend::Waits(arguments) = &system.debconf.frontend else { return Ok(0) };
    let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
    let name = [b"preinst of ".as_slice(), package].concat();
    match words.split_first() {
        Some((script, given)) if *script == name && given == arguments.as_slice() => {
            system.debconf.frontend = Frontend::Wanted;
            Err(call.unsupported("the frontend of debconf"))
        }
        // Of another script, which it would run again: nothing of the package's.
        Some((script, _)) if *script != name => Ok(0),
        _ => Err(call.unsupported("debconf's frontend with other arguments than dpkg's")),
    }
}

/// Takes templates of a file, which may be a control file of dpkg's database.
fn load(system: &mut System<'_, '_>, call: &mut Call<'_>, path: &str) -> Result<u8, Stop> {
    let is_this = |package: &&&Package| {
        path == format!("{ADMIN_DIRECTORY}/info/{}.templates", info_name(package))
    };
    let control = system.packages.values().find(is_this);
    let templates = match control.and_then(|package| package.control.files.get("templates")) {
        Some(templates) => templates.clone(),
        None => system
            .read(path.as_bytes())
            .map_err(|error| call.unsupported(format!("{path}: {}", error.words())))?,
    };
    system.debconf.load(&templates).map_err(|why| call.unsupported(format!("{path}: {why}")))?;
    call.print(format!("{}\n", code::SUCCESS).as_bytes());
    Ok(0)
}

/// Words that are separated by blanks, in which a backslash stands before what is meant literally.
fn unescaped(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ' ' | '\t' => {
                words.push(String::new());
                continue;
            }
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(escaped) => escaped,
                None => break,
            },
            character => character,
        };
        words.last_mut().into_iter().for_each(|word| word.push(literal));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The answer to a command; nothing if it is not implemented.
fn answer(database: &mut Database, words: &[&str]) -> Option<Answer> {
    let (command, arguments) = words.split_first()?;
    let command = command.to_ascii_lowercase();
    // Commands about one question, which must be there.
    let name = match command.as_str() {
        "input" => arguments.get(1),
        "fget" | "fset" | "get" | "metaget" | "reset" | "set" | "settitle" | "subst"
        | "unregister" => arguments.first(),
        _ => return about_none(database, &command, arguments),
    };
    let Some(&name) = name else { return Some(wrong_count()) };
    if !database.has(name) {
        return Some((code::BAD_PARAMETERS, format!("{name} doesn't exist")));
    }
    Some(match (command.as_str(), &arguments[1..]) {
        ("input", [_]) => {
            database.ask(name);
            (code::INVISIBLE, "question skipped".into())
        }
        ("fget", [flag]) => (code::SUCCESS, database.flag(name, flag).to_owned()),
        ("fset", [flag, value @ ..]) if !value.is_empty() => {
            let value = value.join(" ");
            database.change(name, |question| question.set_flag(flag, &value));
            (code::SUCCESS, value)
        }
        ("get", []) => (code::SUCCESS, database.read(name)),
        ("metaget", [field]) => match field.to_ascii_lowercase().as_str() {
            "value" => (code::SUCCESS, database.read(name)),
            field => match database.field(name, field) {
                Some(text) => (code::SUCCESS, text),
                None => (code::BAD_PARAMETERS, format!("{field} does not exist")),
            },
        },
        ("reset", []) => {
            database.change(name, |question| {
                question.set(None);
                question.set_flag("seen", "false");
            });
            (code::SUCCESS, String::new())
        }
        ("set", value) => {
            let value = value.join(" ");
            database.change(name, |question| question.set(Some(value)));
            (code::SUCCESS, "value set".into())
        }
        ("subst", [variable, value @ ..]) => {
            let value = value.join(" ");
            database.change(name, |question| question.set_variable(variable, &value));
            (code::SUCCESS, String::new())
        }
        ("settitle", []) => (code::SUCCESS, String::new()),
        ("unregister", []) => {
            database.unregister(name);
            (code::SUCCESS, String::new())
        }
        _ => wrong_count(),
    })
}

/// Commands about no question that must be there already.
fn about_none(database: &mut Database, command: &str, arguments: &[&str]) -> Option<Answer> {
    let nothing = || (code::SUCCESS, String::new());
    Some(match (command, arguments) {
        ("version", []) => (code::SUCCESS, VERSION.into()),
        ("version", [wanted]) => match wanted.split('.').next() {
            Some("2") => (code::SUCCESS, VERSION.into()),
            _ => (code::VERSION, format!("Version too low ({wanted})")),
        },
        ("capb", capabilities) => {
            database.escapes = capabilities.contains(&"escape");
            (code::SUCCESS, "multiselect escape".into())
        }
        ("register", [template, name]) => match database.register(template, name) {
            true => nothing(),
            false => (code::BAD_PARAMETERS, format!("No such template, \"{template}\"")),
        },
        ("purge", []) => {
            database.purge();
            nothing()
        }
        ("go", []) => (code::SUCCESS, "ok".into()),
        ("progress", [_, ..]) => (code::SUCCESS, "OK".into()),
        ("beginblock" | "endblock" | "title" | "info", _) | ("clear" | "stop", []) => nothing(),
        ("version" | "register" | "purge" | "go" | "progress" | "clear" | "stop", _) => {
            wrong_count()
        }
        _ => return None,
    })
}

fn wrong_count() -> Answer {
    (code::SYNTAX, "Incorrect number of arguments".into())
}
