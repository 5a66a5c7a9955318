//! The list of server packages: drawn from the archive's index, since nothing in the archive says how often a
//! package is installed.
//!
//! First come the packages that any system has (priorities `required`, `important`, `standard`), then what the
//! tasks of Debian's installer install on servers, then packages of the sections in which servers are, ranked by
//! how many other source packages name them. Names break ties. Left out are what needs a screen, input methods,
//! and packages that hold only data of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How many packages the list has.
const COUNT: usize = 1000;

/// Priorities that belong to any system (Debian Policy, section 2.5).
const PRIORITIES: [&str; 3] = ["required", "important", "standard"];

/// Tasks that a server has; what they depend on and recommend comes first of all.
const TASKS: [&str; 2] = ["task-ssh-server", "task-web-server"];

/// Sections with servers and what administers them.
const SECTIONS: [&str; 7] = ["admin", "net", "httpd", "database", "mail", "web", "utils"];

/// What only something with a screen depends on: how the names of such packages start.
const SCREEN: [&str; 22] = [
    "gir1.2-gtk",
    "libfltk",
    "libgdk",
    "libgl1",
    "libgtk",
    "libkf",
    "libmotif",
    "libqt",
    "libsdl",
    "libwayland",
    "libwx",
    "libx11",
    "libxaw",
    "libxm4",
    "libxt6",
    "python3-gi-cairo",
    "python3-pyqt",
    "python3-tk",
    "qml",
    "qt",
    "x11",
    "xserver",
];

/// Input methods, dictionaries and collections of data: how their names start.
const NO_SERVER: [&str; 19] = [
    "calamares",
    "fcitx",
    "forensics-samples",
    "goldendict",
    "ibus",
    "libreoffice",
    "linux-",
    "lomiri",
    "openvanilla",
    "puppet-module",
    "rime-",
    "roundcube-plugin",
    "scim",
    "skk",
    "stardict",
    "task-",
    "telepathy",
    "uim",
    "webext-",
];

/// Documentation, headers, data and symbols: how their names end.
const NO_PROGRAM: [&str; 5] = ["-data", "-dbg", "-dbgsym", "-dev", "-doc"];

/// The fields in which a package names others; only the first two are dependencies.
const RELATIONS: [&str; 4] = ["Pre-Depends", "Depends", "Recommends", "Suggests"];

/// One package of the index.
struct Entry<'a> {
    name: &'a str,
    source: &'a str,
    section: &'a str,
    priority: &'a str,
    /// What it depends on.
    depends: BTreeSet<&'a str>,
    /// What it names, as a dependency or not.
    names: BTreeSet<&'a str>,
}

/// The list, with words on where it is from; `index` is the text of a `Packages` file.
pub(super) fn make(index: &str) -> String {
    let entries = entries(index);
    let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries.values() {
        for named in &entry.names {
            let own = entries.get(named).is_some_and(|other| other.source == entry.source);
            if !own {
                sources.entry(named).or_default().insert(entry.source);
            }
        }
    }
    let rank = |name: &str| std::cmp::Reverse(sources.get(name).map_or(0, BTreeSet::len));
    let mut listed: Vec<(&str, &str)> = Vec::new();
    for priority in PRIORITIES {
        let such = entries.values().filter(|entry| entry.priority == priority);
        listed.extend(such.map(|entry| (entry.name, priority)));
    }
    for task in TASKS {
        let named = entries.get(task).into_iter().flat_map(|task| &task.names);
        listed.extend(named.map(|name| (*name, task)));
    }
    let mut ranked: Vec<&Entry<'_>> =
        entries.values().filter(|entry| is_of_server(entry)).collect();
    ranked.sort_by_key(|entry| (rank(entry.name), entry.name));
    listed.extend(ranked.into_iter().map(|entry| (entry.name, entry.section)));
    let mut text = format!(
        "# {COUNT} server packages of trixie/main: `cargo xtask campaign packages --list`.\n"
    );
    let mut seen = BTreeSet::new();
    let mut reason = "";
    for (name, why) in listed {
        let is_real = entries.get(name).is_some_and(|entry| is_program(entry));
        if seen.len() == COUNT || !is_real || !seen.insert(name) {
            continue;
        }
        let why = if SECTIONS.contains(&why) { "ranked" } else { why };
        if why != reason {
            let _ = writeln!(text, "# {why}");
            reason = why;
        }
        let _ = writeln!(text, "{name}");
    }
    text
}

/// The packages of a list.
pub(super) fn read(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn is_program(entry: &Entry<'_>) -> bool {
    !NO_PROGRAM.iter().any(|end| entry.name.ends_with(end))
        && !NO_SERVER.iter().any(|start| entry.name.starts_with(start))
}

fn is_of_server(entry: &Entry<'_>) -> bool {
    let needs_screen = |name: &&str| SCREEN.iter().any(|start| name.starts_with(start));
    SECTIONS.contains(&entry.section) && !entry.depends.iter().any(needs_screen)
}

fn entries(index: &str) -> BTreeMap<&str, Entry<'_>> {
    let entry = |stanza| {
        let entry = entry(stanza)?;
        Some((entry.name, entry))
    };
    index.split("\n\n").filter_map(entry).collect()
}

fn entry(stanza: &str) -> Option<Entry<'_>> {
    let field = |name: &str| {
        let mut lines = stanza.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let name = field("Package")?;
    let named =
        |fields: &[&str]| fields.iter().filter_map(|name| field(name)).flat_map(names).collect();
    Some(Entry {
        name,
        source: field("Source").and_then(|text| text.split(' ').next()).unwrap_or(name),
        section: field("Section").unwrap_or_default(),
        priority: field("Priority").unwrap_or_default(),
        depends: named(&RELATIONS[..2]),
        names: named(&RELATIONS),
    })
}

/// The packages that a relation names, whatever it says of their versions.
fn names(relation: &str) -> impl Iterator<Item = &str> {
    let alternatives = relation.split([',', '|']);
    alternatives
        .filter_map(|one| one.trim().split([' ', ':', '(']).next())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_by_most_sources_comes_first() {
        let index = "Package: a\nSection: net\n\nPackage: b\nSection: net\n\n\
            Package: c\nSource: s (1)\nDepends: b (>= 1), a:any | b\n\n\
            Package: d\nSource: s\nRecommends: b\n\n\
            Package: e\nSource: t\nSuggests: b\nSection: libs\n\n\
            Package: f\nSection: web\nDepends: libgtk-3-0\n\n\
            Package: base-files\nPriority: required\nSection: admin\n\n\
            Package: g-doc\nSection: web\n\nPackage: h\nPriority: optional\nSection: web\n";
        let text = make(index);
        assert_eq!(read(&text), ["base-files", "b", "a", "h"], "{text}");
        assert!(text.contains("# required\nbase-files\n# ranked\nb\n"), "{text}");
    }
}
