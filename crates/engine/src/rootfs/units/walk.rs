//! What a boot pulls in: every unit that the first one leads to, and the chain of units to it.
//!
//! Followed are dependencies that start something, links in `.wants`, `.requires` and `.upholds`
//! folders, and what sockets, timers and paths activate. What starts a unit from a program of its
//! own can't be seen here.

use std::collections::{BTreeMap, VecDeque};

use super::file::{FOLDERS, Loaded, Unit, load};
use super::name::Name;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;

/// Dependencies that start a unit (systemd.unit(5), "[Unit] Section Options").
const STARTING: [&str; 6] = ["Wants", "Requires", "BindsTo", "Upholds", "OnFailure", "OnSuccess"];

/// Folders of links that do.
const FOLDER_SUFFIXES: [&str; 3] = ["wants", "requires", "upholds"];

/// The units a boot reaches.
#[derive(Debug, Default)]
pub(in crate::rootfs) struct Reached {
    /// The unit that first led to each; none to the start.
    parents: BTreeMap<String, Option<String>>,
}

impl Reached {
    pub(in crate::rootfs) fn has(&self, unit: &str) -> bool {
        self.parents.contains_key(unit)
    }

    pub(in crate::rootfs) fn names(&self) -> impl Iterator<Item = &str> {
        self.parents.keys().map(String::as_str)
    }

    /// The names from the start to `unit`; empty if it is not reached.
    pub(in crate::rootfs) fn path_to(&self, unit: &str) -> Vec<&str> {
        let mut path = Vec::new();
        let mut at = self.parents.get_key_value(unit);
        while let Some((name, parent)) = at {
            path.push(name.as_str());
            at = parent.as_deref().and_then(|parent| self.parents.get_key_value(parent));
        }
        path.reverse();
        path
    }
}

/// Walks from `start`.
pub(in crate::rootfs) fn walk(
    assembly: &Assembly<'_>,
    start: &[&str],
) -> Result<Reached, RootfsError> {
    let mut reached = Reached::default();
    let mut pending: VecDeque<String> = VecDeque::new();
    for name in start {
        reached.parents.insert((*name).to_owned(), None);
        pending.push_back((*name).to_owned());
    }
    while let Some(name) = pending.pop_front() {
        for next in pulled_in(assembly, &name)? {
            if !reached.has(&next) {
                reached.parents.insert(next.clone(), Some(name.clone()));
                pending.push_back(next);
            }
        }
    }
    Ok(reached)
}

/// What `name` pulls in at once; names that no unit has too.
pub(in crate::rootfs) fn pulled_in(
    assembly: &Assembly<'_>,
    name: &str,
) -> Result<Vec<String>, RootfsError> {
    let Loaded::Unit(unit) = load(assembly, FOLDERS, name)? else { return Ok(Vec::new()) };
    let mut found = named(&unit);
    for name in &unit.names {
        let template = Name::parse(name).ok().and_then(|name| name.template());
        for name in std::iter::once(name).chain(&template) {
            for (folder, suffix) in
                FOLDERS.iter().flat_map(|folder| FOLDER_SUFFIXES.map(|suffix| (folder, suffix)))
            {
                found.extend(assembly.names(&format!("{folder}/{name}.{suffix}"))?);
            }
        }
        // An alias is another name of the same unit: what wants the one starts the other.
        found.push(name.clone());
    }
    found.retain(|name| Name::parse(name).is_ok());
    Ok(found)
}

fn named(unit: &Unit) -> Vec<String> {
    let Ok(name) = Name::parse(&unit.name) else { return Vec::new() };
    let mut words: Vec<&str> = Vec::new();
    for key in STARTING {
        words.extend(unit.words("Unit", key));
    }
    words.extend(unit.words("Service", "Sockets"));
    let mut found: Vec<String> = words.iter().filter_map(|word| name.expand(word)).collect();
    let activated = match name.suffix {
        "socket" => ("Socket", "Service"),
        "timer" => ("Timer", "Unit"),
        "path" => ("Path", "Unit"),
        _ => return found,
    };
    match unit.last(activated.0, activated.1) {
        Some(named) => found.extend(name.expand(&named.value)),
        None if unit.last("Socket", "Accept").is_some_and(|accept| is_true(&accept.value)) => {
            found.push(format!("{}@.service", name.prefix));
        }
        None => found.push(format!("{}.service", name.stem())),
    }
    found
}

/// A boolean of systemd's (systemd.syntax(7)).
pub(in crate::rootfs) fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
}
