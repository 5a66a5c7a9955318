//! Evaluates `[Install]` sections as `systemctl --root enable` does (systemd.unit(5), "[Install]
//! Section Options").

use std::collections::BTreeSet;

use super::file::{CONFIGURATION, FOLDERS, Loaded, Unit, load, missing};
use super::name::{Name, refuse};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;

/// The keys that make links in a folder of another unit, and the suffix of that folder.
const LINK_KEYS: [(&str, &str); 3] =
    [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")];

/// Enables `unit`; one that is asked for must have something to install, one that another unit
/// lists in `Also=` need not.
pub(super) fn enable(
    assembly: &mut Assembly<'_>,
    unit: &str,
    done: &mut BTreeSet<String>,
    asked_for: bool,
) -> Result<(), RootfsError> {
    if !done.insert(unit.to_owned()) {
        return Ok(());
    }
    let name = Name::parse(unit)?;
    let loaded = match load(assembly, FOLDERS, unit)? {
        Loaded::Unit(loaded) => loaded,
        Loaded::Masked => return refuse(unit, "is masked, but should be enabled".to_owned()),
        Loaded::Absent => return Err(missing(assembly, unit)?),
    };
    let instance = match (name.is_template(), loaded.last("Install", "DefaultInstance")) {
        (true, Some(instance)) => Some(instance.value.clone()),
        (true, None) if has_links(&loaded) => {
            return refuse(
                unit,
                "is a template: name an instance, such as `x@1.service`".to_owned(),
            );
        }
        _ => None,
    };
    let instantiated =
        instance.map(|instance| format!("{}@{instance}.{}", name.prefix, name.suffix));
    let name = Name::parse(instantiated.as_deref().unwrap_or(unit))?;
    let also: Vec<String> =
        loaded.words("Install", "Also").into_iter().map(str::to_owned).collect();
    if asked_for && !has_links(&loaded) && also.is_empty() {
        return refuse(
            unit,
            "has no [Install] section: it can't be enabled, other units want it".to_owned(),
        );
    }
    links(assembly, &name, &loaded)?;
    for other in also {
        let other = expand(&other, &name)?;
        enable(assembly, &other, done, false)?;
    }
    Ok(())
}

fn has_links(unit: &Unit) -> bool {
    let keys = LINK_KEYS.iter().map(|(key, _)| *key).chain(["Alias"]);
    keys.into_iter().any(|key| !unit.words("Install", key).is_empty())
}

fn links(assembly: &mut Assembly<'_>, name: &Name<'_>, unit: &Unit) -> Result<(), RootfsError> {
    let path = &unit.path;
    for (key, folder) in LINK_KEYS {
        for by in unit.words("Install", key) {
            let by = expand(by, name)?;
            Name::parse(&by)?;
            assembly.link(&format!("{CONFIGURATION}/{by}.{folder}/{}", name.full), path)?;
        }
    }
    for alias in unit.words("Install", "Alias") {
        let alias = expand(alias, name)?;
        let parsed = Name::parse(&alias)?;
        if parsed.suffix != name.suffix {
            return refuse(name.full, format!("can't have the alias `{alias}` of another type"));
        }
        let link = format!("{CONFIGURATION}/{alias}");
        if assembly.target(&link).is_some_and(|target| target != *path) {
            return refuse(name.full, format!("wants the alias `{alias}`, which another unit has"));
        }
        assembly.link(&link, path)?;
    }
    Ok(())
}

fn expand(text: &str, name: &Name<'_>) -> Result<String, RootfsError> {
    match name.expand(text) {
        Some(expanded) => Ok(expanded),
        None => refuse(name.full, format!("has the specifier of `{text}`: not supported")),
    }
}
