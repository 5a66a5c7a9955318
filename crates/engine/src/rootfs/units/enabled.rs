//! Whether what the definition enables can do its work on this image: it may start, its programs
//! and their interpreters are there, and so are the units that help it.

use std::collections::BTreeSet;

use cvmkit_attest::output::Notice;

use super::file::{FOLDERS, Loaded, Unit, load};
use super::name::{Name, refuse};
use super::{conditions, walk};
use crate::rootfs::assembly::Assembly;
use crate::rootfs::effects::Effects;
use crate::rootfs::error::MissingProgram;
use crate::rootfs::{RootfsError, programs, terminals};

/// Checks every enabled unit, and answers which of their helpers never start.
pub(crate) fn check(
    assembly: &Assembly<'_>,
    effects: &Effects,
) -> Result<Vec<Notice>, RootfsError> {
    let mut notices = Vec::new();
    let mut missing: Vec<MissingProgram> = Vec::new();
    for name in &assembly.request.units.enable {
        let Loaded::Unit(unit) = load(assembly, FOLDERS, name)? else { continue };
        if let Some(condition) = conditions::impossible(assembly, &unit)? {
            let why = format!("is enabled, but never starts on this image: {condition} can't hold");
            return refuse(name, why);
        }
        for command in terminals::commands(&unit, "Service") {
            for words in command.words.iter().filter(|_| !command.may_fail) {
                let found = programs::check_command(assembly, &unit.name, &command.at.file, words)?;
                missing.extend(found.filter(|one| !missing.contains(one)));
            }
        }
        notices.extend(helpers(assembly, effects, &unit)?);
    }
    match missing.is_empty() {
        true => Ok(notices),
        false => Err(RootfsError::NoProgram(missing)),
    }
}

/// Units that the enabled one pulls in itself, and those that Debian has it pull in.
fn helpers(
    assembly: &Assembly<'_>,
    effects: &Effects,
    unit: &Unit,
) -> Result<Vec<Notice>, RootfsError> {
    let pulled_in: BTreeSet<String> = walk::pulled_in(assembly, &unit.name)?.into_iter().collect();
    let mut helpers: Vec<(String, bool)> =
        pulled_in.iter().map(|name| (name.clone(), true)).collect();
    for (_, debian) in effects.units.iter().filter(|(_, debian)| !debian.user) {
        if let Loaded::Unit(other) = load(assembly, FOLDERS, &debian.name)?
            && ["WantedBy", "RequiredBy"]
                .iter()
                .flat_map(|key| other.words("Install", key))
                .any(|by| unit.names.iter().any(|name| name == by))
            && !pulled_in.contains(&debian.name)
        {
            helpers.push((debian.name.clone(), false));
        }
    }
    let mut notices = Vec::new();
    for (helper, is_pulled_in) in helpers {
        let is_own = unit.names.contains(&helper);
        let is_target = Name::parse(&helper).is_ok_and(|name| name.suffix == "target");
        // One that is masked, or not there, is so by somebody's decision.
        let Loaded::Unit(loaded) = load(assembly, FOLDERS, &helper)? else { continue };
        if is_own || is_target {
            continue;
        }
        let condition = conditions::impossible(assembly, &loaded)?;
        if condition.is_some() || !is_pulled_in {
            notices.push(Notice::HelperNeverStarts {
                unit: unit.name.clone(),
                helper,
                condition: condition.unwrap_or_default(),
            });
        }
    }
    Ok(notices)
}
