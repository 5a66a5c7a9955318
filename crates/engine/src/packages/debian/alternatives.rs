//! Links of `update-alternatives(1)` in automatic mode, with the database that tool reads.
//!
//! The candidate with the highest priority whose file exists wins; among equals the first by path.
//! Oracle: `update-alternatives --admindir`.

use std::collections::BTreeMap;

use cvmkit_debian::scripts::{Alternative, AlternativeLink};
use cvmkit_formats::tree::Node;

use super::request::PackageDatabase;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, at, refused};

    /// `/usr/bin/NAME`, a candidate for `/usr/bin/tool` with one manual page.
    fn candidate(name: &str, priority: i32) -> Alternative {
        let one = |link: &str, name: &str, path: String| AlternativeLink {
            link: link.into(),
            name: name.into(),
            path,
        };
        Alternative {
            master: one("/usr/bin/tool", "tool", format!("/usr/bin/{name}")),
            priority,
            slaves: vec![one("/usr/share/tool.1", "tool.1", format!("/usr/share/{name}.1"))],
        }
    }

    fn after<'a>(
        request: &'a Request<'a>,
        candidates: &[Alternative],
        files: &[(&str, &str)],
        kept: PackageDatabase,
    ) -> Result<Assembly<'a>, RootfsError> {
        let own = |one: &Alternative| ("pkg".to_owned(), one.clone());
        let effects =
            Effects { alternatives: candidates.iter().map(own).collect(), ..Effects::default() };
        let mut tree = assembly(request, files);
        apply(&mut tree, &effects, kept)?;
        Ok(tree)
    }

    /// update-alternatives(1), "Automatic mode": the highest priority wins.
    #[test]
    fn the_highest_priority_wins_and_among_equals_the_first_path() {
        let files = [("/usr/bin/a", ""), ("/usr/bin/b", ""), ("/usr/bin/c", "")];
        for (priorities, best) in [
            (&[("a", 1), ("b", 2)][..], "b"),
            (&[("b", 2), ("a", 1)], "b"),
            (&[("a", 2), ("b", 2)], "a"),
            (&[("b", 2), ("a", 2)], "a"),
            (&[("a", -5), ("b", -6)], "a"),
            (&[("gone", 99), ("c", 1)], "c"),
        ] {
            let candidates: Vec<Alternative> =
                priorities.iter().map(|(name, priority)| candidate(name, *priority)).collect();
            let request = Request::default();
            let tree = after(&request, &candidates, &files, PackageDatabase::Minimal).unwrap();
            let link = at(&tree, "/etc/alternatives/tool");
            assert_eq!(link, Some(format!("-> /usr/bin/{best}")), "{priorities:?}");
            assert_eq!(at(&tree, "/usr/bin/tool").as_deref(), Some("-> /etc/alternatives/tool"));
            let is_noted = tree.log == ["no alternative tool of pkg: /usr/bin/gone was left out"];
            assert_eq!(is_noted, priorities[0].0 == "gone", "{:?}", tree.log);
        }
    }

    #[test]
    fn a_slave_is_linked_where_it_is_there() {
        for (manual, is_linked) in [("/usr/share/a.1", true), ("/usr/share/b.1", false)] {
            let request = Request::default();
            let files = [("/usr/bin/a", ""), ("/usr/bin/b", ""), (manual, "")];
            let candidates = [candidate("a", 2), candidate("b", 1)];
            let tree = after(&request, &candidates, &files, PackageDatabase::Minimal).unwrap();
            assert_eq!(at(&tree, "/usr/share/tool.1").is_some(), is_linked, "{manual}");
            assert_eq!(at(&tree, "/etc/alternatives/tool.1").is_some(), is_linked, "{manual}");
        }
    }

    /// The format of update-alternatives(1), "Query format" of the administrative file.
    #[test]
    fn the_database_lists_every_candidate_with_its_slaves() {
        let files = [("/usr/bin/a", ""), ("/usr/bin/b", ""), ("/usr/share/b.1", "")];
        let candidates = [candidate("b", 20), candidate("a", 10)];
        for (kept, text) in [
            (
                PackageDatabase::Full,
                Some(
                    "auto\n/usr/bin/tool\ntool.1\n/usr/share/tool.1\n\n/usr/bin/a\n10\n\n\
                     /usr/bin/b\n20\n/usr/share/b.1\n\n",
                ),
            ),
            (PackageDatabase::Absent, None),
        ] {
            let request = Request::default();
            let tree = after(&request, &candidates, &files, kept).unwrap();
            assert_eq!(at(&tree, "/var/lib/dpkg/alternatives/tool").as_deref(), text, "{kept:?}");
            assert!(at(&tree, "/usr/bin/tool").is_some());
        }
    }

    #[test]
    fn the_choice_of_the_definition_stays() {
        let request = Request::default();
        let files = [("/usr/bin/a", ""), ("/etc/alternatives/tool", "-> /opt/mine")];
        let tree = after(&request, &[candidate("a", 1)], &files, PackageDatabase::Minimal).unwrap();
        assert_eq!(at(&tree, "/etc/alternatives/tool").as_deref(), Some("-> /opt/mine"));
        assert_eq!(at(&tree, "/usr/bin/tool").as_deref(), Some("-> /etc/alternatives/tool"));
    }

    #[test]
    fn a_group_that_contradicts_itself_or_the_tree_is_refused() {
        let request = Request::default();
        let mut other = candidate("b", 1);
        other.master.link = "/usr/bin/other".into();
        let files = [("/usr/bin/a", ""), ("/usr/bin/b", "")];
        let result = after(&request, &[candidate("a", 1), other], &files, PackageDatabase::Minimal);
        refused(
            result,
            "`/usr/bin/tool` holds the generic name of two links, this and `/usr/bin/other`",
        );
        let files = [("/usr/bin/a", ""), ("/usr/bin/tool", "a file")];
        let result = after(&request, &[candidate("a", 1)], &files, PackageDatabase::Minimal);
        refused(result, "`/usr/bin/tool` holds a file in the place of the alternative `tool`");
        // A link in its place is replaced.
        let files = [("/usr/bin/a", ""), ("/usr/bin/tool", "-> a")];
        let result = after(&request, &[candidate("a", 1)], &files, PackageDatabase::Minimal);
        assert_eq!(
            at(&result.unwrap(), "/usr/bin/tool").as_deref(),
            Some("-> /etc/alternatives/tool")
        );
    }
}
