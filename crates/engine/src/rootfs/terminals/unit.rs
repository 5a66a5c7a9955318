//! Whether one unit can read a terminal (systemd.exec(5), systemd.service(5), systemd.socket(5)).

use super::opening::{Opening, is_terminal, opened};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::configuration::words;
use crate::rootfs::units::file::{Assignment, Unit};
use crate::rootfs::units::name::Name;

/// Sections of units that start processes.
const SECTIONS: [&str; 4] = ["Service", "Socket", "Mount", "Swap"];

/// Signs before a program (systemd.service(5), "Special executable prefixes").
const EXEC_PREFIXES: [char; 6] = ['@', '-', ':', '+', '!', '|'];

/// What `unit` opens, if it is a terminal.
pub(super) fn opening(
    assembly: &Assembly<'_>,
    unit: &Unit,
) -> Result<Option<Opening>, RootfsError> {
    let name = Name::parse(&unit.name)?;
    for section in SECTIONS {
        if let Some(input) = unit.last(section, "StandardInput")
            && let Some(why) = input_of(assembly, &name, input)
        {
            return Ok(Some(Opening { file: input.file.clone(), why }));
        }
        for listen in unit.list(section, "ListenSpecial") {
            let path = name.expand(&listen.value).unwrap_or_else(|| listen.value.clone());
            if is_terminal(assembly, &path) {
                let why = format!("listens on `{path}`");
                return Ok(Some(Opening { file: listen.file.clone(), why }));
            }
        }
        for command in commands(unit, section) {
            for words in command.words {
                if let Some(why) = opened(assembly, &words) {
                    return Ok(Some(Opening { file: command.at.file.clone(), why }));
                }
            }
        }
    }
    Ok(None)
}

fn input_of(assembly: &Assembly<'_>, name: &Name<'_>, input: &Assignment) -> Option<String> {
    let why = || format!("reads a terminal: StandardInput={}", input.value);
    let Some(value) = name.expand(&input.value) else {
        return Some(format!("may read a terminal: StandardInput={}", input.value));
    };
    // What an instance is called decides what a template reads: it is looked at as if by the worst.
    let undecided = name.is_template() && value != input.value && !value.starts_with("fd:");
    if value.starts_with("tty") || undecided {
        return Some(why());
    }
    let path = value.strip_prefix("file:")?;
    is_terminal(assembly, path).then(why)
}

/// The commands of one `Exec...=`, and where it is.
pub(in crate::rootfs) struct Commands<'a> {
    pub(in crate::rootfs) at: &'a Assignment,
    /// Each with its program first.
    pub(in crate::rootfs) words: Vec<Vec<String>>,
    /// A program that is missing does not matter (`-`).
    pub(in crate::rootfs) may_fail: bool,
}

/// What the unit executes, with specifiers replaced where they are known.
pub(in crate::rootfs) fn commands<'a>(unit: &'a Unit, section: &str) -> Vec<Commands<'a>> {
    let keys: std::collections::BTreeSet<&str> = unit
        .assignments()
        .iter()
        .filter(|one| one.section == section && is_exec(&one.key))
        .map(|one| one.key.as_str())
        .collect();
    let name = Name::parse(&unit.name).ok();
    let mut found = Vec::new();
    for at in keys.into_iter().flat_map(|key| unit.list(section, key)) {
        let text = name.as_ref().and_then(|name| name.expand(&at.value));
        let text = text.unwrap_or_else(|| at.value.clone());
        let signs: String = text.chars().take_while(|sign| EXEC_PREFIXES.contains(sign)).collect();
        // A quoting that can't be read keeps its words apart at spaces: nothing is passed over.
        let split =
            words(&text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect());
        let commands = split.split(|word| word == ";").filter(|words| !words.is_empty());
        let words = commands.map(|words| without_signs(words, signs.contains('@'))).collect();
        found.push(Commands { at, words, may_fail: signs.contains('-') });
    }
    found
}

fn is_exec(key: &str) -> bool {
    key.starts_with("Exec") && !key.starts_with("ExecSearch") && !key.starts_with("ExecPaths")
}

/// With `@` the second word is what the program is told to be called.
fn without_signs(words: &[String], is_named: bool) -> Vec<String> {
    let mut plain = words.to_vec();
    if let Some(first) = plain.first_mut() {
        *first = first.trim_start_matches(EXEC_PREFIXES).to_owned();
    }
    if is_named && plain.len() > 1 {
        plain.remove(1);
    }
    plain
}
