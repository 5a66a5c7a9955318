//! Two listings, path by path and attribute by attribute.

use super::listing::{Attributes, Listing};

/// The attribute of a path that one tree has and the other lacks.
pub(super) const PRESENCE: &str = "presence";

/// What an attribute that is not there is.
const NONE: &str = "none";

/// One attribute of one path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) attribute: String,
    pub(super) ours: String,
    pub(super) theirs: String,
}

/// How often a comparison found what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Paths and records of both trees together.
    pub(super) paths: usize,
    /// Those that are equal in every attribute.
    pub(super) equal: usize,
    pub(super) differences: Vec<Difference>,
}

/// Compares our tree with that of the scripts.
pub(super) fn compare(ours: &Listing, theirs: &Listing) -> Comparison {
    let mut comparison = Comparison::default();
    let mut paths: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let found = match (ours.get(path), theirs.get(path)) {
            (Some(ours), Some(theirs)) => attributes(path, ours, theirs),
            (ours, theirs) => vec![Difference {
                path: path.clone(),
                attribute: PRESENCE.to_owned(),
                ours: presence(ours),
                theirs: presence(theirs),
            }],
        };
        comparison.paths += 1;
        comparison.equal += usize::from(found.is_empty());
        comparison.differences.extend(found);
    }
    comparison
}

/// What is there: `file`, `folder`, `link to TARGET`, or nothing.
fn presence(there: Option<&Attributes>) -> String {
    let Some(there) = there else { return NONE.to_owned() };
    let kind = there.get("type").map_or("", String::as_str);
    match there.get("target") {
        Some(target) => format!("{kind} to {target}"),
        None => kind.to_owned(),
    }
}

fn attributes(path: &str, ours: &Attributes, theirs: &Attributes) -> Vec<Difference> {
    let mut names: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    names.sort();
    names.dedup();
    // Of another type, nothing else is comparable.
    let differs = |name: &&String| ours.get(*name) != theirs.get(*name);
    let is_type = |name: &&String| *name == "type";
    let all: Vec<&String> = names.into_iter().filter(differs).collect();
    let all = match all.iter().copied().find(|name| is_type(name)) {
        Some(kind) => vec![kind],
        None => all,
    };
    let value =
        |of: &Attributes, name: &String| of.get(name).cloned().unwrap_or_else(|| NONE.into());
    all.into_iter()
        .map(|name| {
            let (ours, theirs) = match name.as_str() {
                "type" => (presence(Some(ours)), presence(Some(theirs))),
                _ => (value(ours, name), value(theirs, name)),
            };
            Difference { path: path.to_owned(), attribute: name.clone(), ours, theirs }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(entries: &[(&str, &[(&str, &str)])]) -> Listing {
        let attributes = |list: &[(&str, &str)]| {
            list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        entries.iter().map(|(path, list)| ((*path).to_owned(), attributes(list))).collect()
    }

    #[test]
    fn every_attribute_counts() {
        let ours = listing(&[
            ("/a", &[("type", "file"), ("mode", "0644"), ("content", "x")]),
            ("/b", &[("type", "link"), ("target", "a")]),
            ("/c", &[("type", "folder"), ("mode", "0755")]),
            ("/d", &[("type", "file"), ("mode", "0644")]),
        ]);
        let theirs = listing(&[
            (
                "/a",
                &[
                    ("type", "file"),
                    ("mode", "0600"),
                    ("content", "y"),
                    ("security.capability", "0x1"),
                ],
            ),
            ("/c", &[("type", "folder"), ("mode", "0755")]),
            ("/d", &[("type", "link"), ("target", "a")]),
        ]);
        let found = compare(&ours, &theirs);
        assert_eq!((found.paths, found.equal), (4, 1));
        let said: Vec<String> = found
            .differences
            .iter()
            .map(|one| format!("{} {} {} {}", one.path, one.attribute, one.ours, one.theirs))
            .collect();
        assert_eq!(
            said,
            [
                "/a content x y",
                "/a mode 0644 0600",
                "/a security.capability none 0x1",
                "/b presence link to a none",
                "/d type file link to a",
            ]
        );
    }
}
