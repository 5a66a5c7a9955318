//! Configuration in folders of `*.conf` files, and the words of their lines, as systemd reads both
//! (sysusers.d(5), tmpfiles.d(5), sysctl.d(5): "Configuration Directories and Precedence").

use std::collections::{BTreeMap, BTreeSet};

use super::RootfsError;
use super::assembly::Assembly;

/// The `*.conf` files of some folders by name, where an earlier folder hides later ones.
pub(super) fn files(assembly: &Assembly<'_>, folders: &[&str]) -> Result<Vec<String>, RootfsError> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for folder in folders {
        names.extend(assembly.names(folder)?);
    }
    let chosen: BTreeMap<String, String> = names
        .into_iter()
        .filter(|name| name.ends_with(".conf"))
        .filter_map(|name| {
            let mut paths = folders.iter().map(|folder| format!("{folder}/{name}"));
            let path = paths.find(|path| assembly.occupied(path))?;
            Some((name, path))
        })
        .collect();
    Ok(chosen.into_values().collect())
}

/// Words of a line; quotes keep spaces together, and specifiers are not supported.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(next) = chars.next() {
        match (quote, next) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(next);
                word.get_or_insert_default();
            }
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            (_, '\\') => {
                let escaped = chars.next().ok_or("ends with a backslash")?;
                word.get_or_insert_default().push(escaped);
            }
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_space_outside_of_quotes() {
        for (line, expected) in [
            ("a  b\tc", Some(&["a", "b", "c"][..])),
            ("a \"b c\" d", Some(&["a", "b c", "d"])),
            ("a 'b \"c\"'", Some(&["a", "b \"c\""])),
            ("a \"\" b", Some(&["a", "", "b"])),
            ("a\"b c\"d", Some(&["ab cd"])),
            ("a\\ b", Some(&["a b"])),
            ("\"a\\\"b\"", Some(&["a\"b"])),
            ("", Some(&[])),
            ("a \"b", None),
            ("a 'b\"", None),
            ("a \\", None),
        ] {
            let found = words(line).ok();
            let expected: Option<Vec<String>> =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(found, expected, "{line}");
        }
    }
}
