//! Links of `update-alternatives(1)` in automatic mode, with the database that tool reads.
//!
//! The candidate with the highest priority whose file exists wins; among equals the first by path.
//! Oracle: `update-alternatives --admindir`.

use std::collections::BTreeMap;

use cvmkit_debian::scripts::{Alternative, AlternativeLink};
use cvmkit_formats::tree::Node;

use super::database::PackageDatabase;
use super::scripts::Effects;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

const ADMIN_DIRECTORY: &str = "/var/lib/dpkg/alternatives";

/// Makes the links of all groups.
pub(super) fn apply(
    assembly: &mut Assembly<'_>,
    effects: &Effects,
    kept: PackageDatabase,
) -> Result<(), RootfsError> {
    let mut groups: BTreeMap<&str, Vec<&Alternative>> = BTreeMap::new();
    for (package, candidate) in &effects.alternatives {
        if assembly.find(&candidate.master.path).is_some() {
            groups.entry(&candidate.master.name).or_default().push(candidate);
        } else {
            let AlternativeLink { name, path, .. } = &candidate.master;
            assembly.note(format!("no alternative {name} of {package}: {path} was left out"));
        }
    }
    for (name, mut candidates) in groups {
        candidates.sort_by(|a, b| a.master.path.cmp(&b.master.path));
        let link = &candidates.first().map(|one| one.master.link.clone()).unwrap_or_default();
        if let Some(other) = candidates.iter().find(|one| one.master.link != *link) {
            let why = format!("the generic name of two links, this and `{}`", other.master.link);
            return Err(RootfsError::Unsupported { path: bare(link).to_owned(), what: why });
        }
        group(assembly, name, &candidates, kept)?;
    }
    Ok(())
}

fn group(
    assembly: &mut Assembly<'_>,
    name: &str,
    candidates: &[&Alternative],
    kept: PackageDatabase,
) -> Result<(), RootfsError> {
    let best = candidates.iter().rev().max_by_key(|one| one.priority);
    let Some(best) = best else { return Ok(()) };
    link(assembly, &best.master)?;
    for slave in &best.slaves {
        if assembly.find(&slave.path).is_some() {
            link(assembly, slave)?;
        }
    }
    if kept == PackageDatabase::Absent {
        return Ok(());
    }
    let text = database(assembly, candidates);
    assembly.write(&format!("{ADMIN_DIRECTORY}/{name}"), 0o644, text.as_str())
}

fn link(assembly: &mut Assembly<'_>, one: &AlternativeLink) -> Result<(), RootfsError> {
    let generic = format!("/etc/alternatives/{}", one.name);
    let existing = assembly.tree.canonical(bare(&one.link).as_bytes()).ok();
    let existing = existing.and_then(|path| assembly.tree.lookup(&path));
    if existing.is_some_and(|id| !matches!(assembly.tree.inode(id).node, Node::Symlink(_))) {
        let what = format!("a file in the place of the alternative `{}`", one.name);
        return Err(RootfsError::Unsupported { path: bare(&one.link).to_owned(), what });
    }
    if assembly.occupied(&generic) {
        // The definition has chosen.
        return assembly.link(&one.link, &generic);
    }
    assembly.link(&generic, &one.path)?;
    assembly.link(&one.link, &generic)
}

/// The administrative file (`update-alternatives`, "FILES"): status, master link, slaves as name
/// and link, an empty line, then each candidate with its priority and slave paths, and a last
/// empty line.
fn database(assembly: &Assembly<'_>, candidates: &[&Alternative]) -> String {
    let slaves: BTreeMap<&str, &str> = candidates
        .iter()
        .flat_map(|one| &one.slaves)
        .map(|slave| (slave.name.as_str(), slave.link.as_str()))
        .collect();
    let mut text = String::from("auto\n");
    if let Some(first) = candidates.first() {
        text += &format!("{}\n", first.master.link);
    }
    for (name, link) in &slaves {
        text += &format!("{name}\n{link}\n");
    }
    text.push('\n');
    for one in candidates {
        text += &format!("{}\n{}\n", one.master.path, one.priority);
        for name in slaves.keys() {
            let slave = one.slaves.iter().find(|slave| slave.name == *name);
            let path = slave.filter(|slave| assembly.find(&slave.path).is_some());
            text += &format!("{}\n", path.map_or("", |slave| slave.path.as_str()));
        }
    }
    text.push('\n');
    text
}
