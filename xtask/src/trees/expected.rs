//! Which differences are meant: `xtask/data/trees.toml`.
//!
//! The contract: each entry names paths by a pattern, an attribute, perhaps both values, and a reason. `*` stands
//! for any part of a name, `**` for any names. A pattern that could hide a missing effect is refused: one with
//! `**` names at least three folders before it, or says what comes behind it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use super::compare::Difference;

/// The file.
pub(super) const FILE: &str = "xtask/data/trees.toml";

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) path: String,
    pub(super) attribute: String,
    /// A pattern of our value; none for any.
    ours: Option<String>,
    /// A pattern of the value of the scripts that ran; none for any.
    theirs: Option<String>,
    pub(super) reason: String,
}

impl Expected {
    pub(super) fn explains(&self, difference: &Difference) -> bool {
        let fits = |pattern: &Option<String>, value: &str| {
            pattern.as_ref().is_none_or(|pattern| is_match(pattern, value))
        };
        self.attribute == difference.attribute
            && fits(&self.ours, &difference.ours)
            && fits(&self.theirs, &difference.theirs)
            && is_match(&self.path, &difference.path)
    }
}

/// Reads the decisions of a checkout.
pub(super) fn read(root: &Path) -> Result<Vec<Expected>> {
    let text = std::fs::read_to_string(root.join(FILE)).context(FILE)?;
    parse(&text).context(FILE)
}

fn parse(text: &str) -> Result<Vec<Expected>> {
    let table: Table = toml::from_str(text)?;
    ensure!(
        table.keys().all(|key| key == "difference"),
        "expected `[[difference]]` and no other key"
    );
    let list = table.get("difference").and_then(Value::as_array).context("no `[[difference]]`")?;
    let mut all = Vec::new();
    for entry in list {
        let entry = entry.as_table().context("a difference is a table")?;
        let known = ["path", "paths", "attribute", "attributes", "ours", "theirs", "reason"];
        let unknown = entry.keys().find(|key| !known.contains(&key.as_str()));
        ensure!(unknown.is_none(), "unknown key `{}`", unknown.map_or("", |key| key));
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let reason = text("reason").context("a difference without a reason")?;
        ensure!(reason.len() > 20, "`{reason}` is too short to be a reason");
        for path in one_or_many(entry, "path", "paths")? {
            ensure!(!is_too_broad(&path), "`{path}` could hide a missing effect");
            for attribute in one_or_many(entry, "attribute", "attributes")? {
                let (path, reason) = (path.clone(), reason.clone());
                all.push(Expected {
                    path,
                    attribute,
                    ours: text("ours"),
                    theirs: text("theirs"),
                    reason,
                });
            }
        }
    }
    Ok(all)
}

/// The value of `one`, or those of `many`.
fn one_or_many(entry: &Table, one: &str, many: &str) -> Result<Vec<String>> {
    let named = entry
        .get(one)
        .into_iter()
        .chain(entry.get(many).and_then(Value::as_array).into_iter().flatten());
    let values: Vec<String> = named.filter_map(Value::as_str).map(str::to_owned).collect();
    ensure!(!values.is_empty(), "a difference without `{one}`");
    Ok(values)
}

fn is_too_broad(pattern: &str) -> bool {
    let Some((before, behind)) = pattern.split_once("**") else {
        // The names of a whole folder of settings or state.
        return ["/*", "/etc/*", "/var/*", "/var/lib/*", "/usr/*"].contains(&pattern);
    };
    // A record of a file that is named.
    if before.contains('#') {
        return false;
    }
    let folders = before.split('/').filter(|name| !name.is_empty() && !name.contains('*')).count();
    let said = behind.chars().filter(|letter| letter.is_alphanumeric()).count();
    folders < 3 && said < 3
}

/// Whether a pattern fits all of a text.
fn is_match(pattern: &str, text: &str) -> bool {
    let Some(at) = pattern.find('*') else { return pattern == text };
    let (fixed, rest) = pattern.split_at(at);
    let Some(text) = text.strip_prefix(fixed) else { return false };
    let (rest, crosses) = match rest.strip_prefix("**") {
        Some(rest) => (rest, true),
        None => (&rest[1..], false),
    };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let ends = ends.take_while(|&end| crosses || !text[..end].contains('/'));
    ends.into_iter().any(|end| is_match(rest, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_and_folders() {
        for (pattern, text, fits) in [
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**/x*", "/a/b/c/xy", true),
            ("/a", "/a/b", false),
            ("*é*", "aéb", true),
        ] {
            assert_eq!(is_match(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn an_entry_says_what_it_explains() {
        let text = "[[difference]]\npaths = [\"/etc/passwd#*\"]\nattribute = \"shell\"\n\
                    ours = \"/usr/sbin/nologin\"\nreason = \"a production image has no login path\"\n";
        let all = parse(text).unwrap();
        let mut difference = Difference {
            path: "/etc/passwd#root".into(),
            attribute: "shell".into(),
            ours: "/usr/sbin/nologin".into(),
            theirs: "/bin/bash".into(),
        };
        assert!(all[0].explains(&difference));
        difference.ours = "/bin/sh".into();
        assert!(!all[0].explains(&difference));
        for wrong in ["/etc/**", "/var/lib/**", "/**", "/etc/*"] {
            assert!(parse(&text.replace("/etc/passwd#*", wrong)).is_err(), "{wrong}");
        }
        for right in ["/var/lib/apt/**", "/usr/**/__pycache__/**", "/etc/a##**"] {
            assert!(parse(&text.replace("/etc/passwd#*", right)).is_ok(), "{right}");
        }
        assert!(parse(&text.replace("a production image has no login path", "so")).is_err());
    }
}
