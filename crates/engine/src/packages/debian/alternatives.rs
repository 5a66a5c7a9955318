//! The database that `update-alternatives(1)` reads: what scripts have told it, in the order of the paths.
//!
//! The links are made by the calls of the scripts ([`super::commands`]). Oracle: `update-alternatives --admindir`.

use std::collections::BTreeMap;
use std::fmt;

use super::request::PackageDatabase;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;

const ADMIN_DIRECTORY: &str = "/var/lib/dpkg/alternatives";

/// A name, the generic link and what one candidate offers for it (update-alternatives(1)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlternativeLink {
    /// The generic name's absolute path, such as `/usr/bin/awk`.
    pub link: String,
    /// The name in `/etc/alternatives`.
    pub name: String,
    /// The candidate's absolute path.
    pub path: String,
}

/// One candidate of one link group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The master link.
    pub master: AlternativeLink,
    /// In automatic mode the highest one wins.
    pub priority: i32,
    /// Links that follow the choice of the master.
    pub slaves: Vec<AlternativeLink>,
}

impl fmt::Display for Alternative {
    /// `alternative /usr/bin/awk (awk): /usr/bin/mawk, priority 5`, then the links that follow it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AlternativeLink { link, name, path } = &self.master;
        write!(f, "alternative {link} ({name}): {path}, priority {}", self.priority)?;
        self.slaves.iter().try_for_each(|AlternativeLink { link, name, path }| {
            write!(f, "; {link} ({name}): {path}")
        })
    }
}

/// Writes a file for each group.
pub(super) fn write(
    assembly: &mut Assembly<'_>,
    alternatives: &[(String, Alternative)],
    kept: PackageDatabase,
) -> Result<(), RootfsError> {
    if kept == PackageDatabase::Absent {
        return Ok(());
    }
    let mut groups: BTreeMap<&str, Vec<&Alternative>> = BTreeMap::new();
    for (_, candidate) in alternatives {
        groups.entry(&candidate.master.name).or_default().push(candidate);
    }
    for (name, mut candidates) in groups {
        candidates.sort_by(|a, b| a.master.path.cmp(&b.master.path));
        let text = database(&candidates);
        assembly.write(&format!("{ADMIN_DIRECTORY}/{name}"), 0o644, text.as_str())?;
    }
    Ok(())
}

/// The administrative file (`update-alternatives`, "FILES"): status, master link, slaves as name
/// and link, an empty line, then each candidate with its priority and slave paths, and a last
/// empty line.
fn database(candidates: &[&Alternative]) -> String {
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
            text += &format!("{}\n", slave.map_or("", |slave| slave.path.as_str()));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, at};

    /// `/usr/bin/NAME`, a candidate for `/usr/bin/tool` with one manual page.
    fn candidate(name: &str, priority: i32) -> (String, Alternative) {
        let one = |link: &str, name: &str, path: String| AlternativeLink {
            link: link.into(),
            name: name.into(),
            path,
        };
        let alternative = Alternative {
            master: one("/usr/bin/tool", "tool", format!("/usr/bin/{name}")),
            priority,
            slaves: vec![one("/usr/share/tool.1", "tool.1", format!("/usr/share/{name}.1"))],
        };
        ("pkg".to_owned(), alternative)
    }

    /// The format of update-alternatives(1), "Query format" of the administrative file: a follower's path stands
    /// there, whether its file does or not.
    #[test]
    fn the_database_lists_every_candidate_with_its_slaves() {
        let files = [("/usr/bin/a", ""), ("/usr/bin/b", ""), ("/usr/share/b.1", "")];
        let candidates = [candidate("b", 20), candidate("a", 10)];
        for (kept, text) in [
            (
                PackageDatabase::Full,
                Some(
                    "auto\n/usr/bin/tool\ntool.1\n/usr/share/tool.1\n\n/usr/bin/a\n10\n/usr/share/a.1\n\
                     /usr/bin/b\n20\n/usr/share/b.1\n\n",
                ),
            ),
            (PackageDatabase::Absent, None),
        ] {
            let request = Request::default();
            let mut tree = assembly(&request, &files);
            write(&mut tree, &candidates, kept).unwrap();
            assert_eq!(at(&tree, "/var/lib/dpkg/alternatives/tool").as_deref(), text, "{kept:?}");
        }
    }
}
