//! Enables and masks units as `systemctl --root` would.
//!
//! Nothing is enabled but what the definition names; what Debian's scripts would have enabled is
//! recorded. Units that packages want statically (`/usr/lib/systemd/system/*.wants`) start
//! nevertheless: that set boots to multi-user with no failed unit. [`super::terminals`] sees to it
//! that none of it opens a terminal in a production image.
//!
//! Oracle: `systemctl --root is-enabled`, and the links of `systemctl --root enable`.

mod conditions;
pub(crate) mod enabled;
pub(super) mod file;
mod install;
pub(super) mod name;
#[cfg(test)]
mod tests;
pub(super) mod walk;

use std::collections::BTreeSet;

use super::assembly::Assembly;
use super::effects::Effects;
use super::{RootfsError, terminals};
use file::{CONFIGURATION, FOLDERS, find, missing};
use install::enable;
use name::refuse;

/// Where masks of generators are.
const GENERATORS: &str = "/etc/systemd/system-generators";

/// Units that every image masks, with the reason.
const NEEDLESS_UNITS: &[(&str, &str)] =
    &[("ldconfig.service", "it fails on a read-only root, and the loader cache is not needed")];

/// Generators that every image masks, with the reason. A systemd without one does not mind.
const HOST_TRUSTING_GENERATORS: &[(&str, &str)] = &[(
    "systemd-gpt-auto-generator",
    "it mounts whatever partitions the disk says are /home, /var, /efi or swap, and the disk is \
     the host's",
)];

/// Masks and enables.
pub(crate) fn apply(assembly: &mut Assembly<'_>, effects: &Effects) -> Result<(), RootfsError> {
    let request = assembly.request;
    for (generator, why) in HOST_TRUSTING_GENERATORS {
        mask_generator(assembly, generator)?;
        assembly.note(format!("masked {generator}: {why}"));
    }
    if !request.debug {
        terminals::remove(assembly)?;
    }
    for (unit, why) in NEEDLESS_UNITS {
        if find(assembly, FOLDERS, unit).is_some() {
            mask(assembly, unit)?;
            assembly.note(format!("masked {unit}: {why}"));
        }
    }
    for unit in &request.units.mask {
        // What was removed has nothing left to mask, but the same definition may have a debug variant.
        if find(assembly, FOLDERS, unit).is_none() && !is_removed(assembly, unit) {
            return Err(missing(assembly, unit)?);
        }
        mask(assembly, unit)?;
    }
    if let Some(target) = &request.units.default_target {
        let Some(path) = find(assembly, FOLDERS, target) else {
            return Err(missing(assembly, target)?);
        };
        assembly.link(&format!("{CONFIGURATION}/default.target"), &path)?;
    }
    let mut enabled = BTreeSet::new();
    for unit in &request.units.enable {
        if is_removed(assembly, unit) {
            let why = "opens a terminal: production images do not have it; enable it in a variant \
                       with `debug = true`";
            return refuse(unit, why.to_owned());
        }
        enable(assembly, unit, &mut enabled, true)?;
    }
    for (package, unit) in &effects.units {
        if !enabled.contains(&unit.name) {
            let manager = if unit.user { "user unit " } else { "" };
            assembly.note(format!(
                "{manager}{} of {package} is not enabled: Debian does, the definition does not",
                unit.name
            ));
        }
    }
    Ok(())
}

/// True for a unit that the image lacks because it is one of production.
fn is_removed(assembly: &Assembly<'_>, unit: &str) -> bool {
    let is_there = find(assembly, FOLDERS, unit).is_some();
    !assembly.request.debug && !is_there && terminals::is_login_unit(unit)
}

/// Files of the definition are placed last: none of them may undo a mask that every image has.
pub(crate) fn check_masks(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    for (generator, _) in HOST_TRUSTING_GENERATORS {
        let path = format!("{GENERATORS}/{generator}");
        if assembly.target(&path).as_deref() != Some("/dev/null") {
            return refuse(generator, format!("must stay masked, but `{path}` is something else"));
        }
    }
    Ok(())
}

fn mask_generator(assembly: &mut Assembly<'_>, generator: &str) -> Result<(), RootfsError> {
    let path = format!("{GENERATORS}/{generator}");
    if assembly.occupied(&path) { Ok(()) } else { assembly.link(&path, "/dev/null") }
}

fn mask(assembly: &mut Assembly<'_>, unit: &str) -> Result<(), RootfsError> {
    let path = format!("{CONFIGURATION}/{unit}");
    match assembly.target(&path).as_deref() {
        Some("/dev/null") => Ok(()),
        None if assembly.occupied(&path) => {
            refuse(unit, format!("can't be masked: `{path}` is a file"))
        }
        _ => assembly.link(&path, "/dev/null"),
    }
}
