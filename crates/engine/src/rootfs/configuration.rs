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
///
/// # Errors
/// A quote that is not closed, or a backslash without what it quotes.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    first_words(line, usize::MAX).map(|(words, _)| words)
}

/// The first words of a line, `count` at most, and the text that follows them as it is.
///
/// # Errors
/// As for [`words`], as far as those are read.
pub(super) fn first_words(line: &str, count: usize) -> Result<(Vec<String>, &str), String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while words.len() < count && !rest.is_empty() {
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind.trim_start();
    }
    Ok((words, rest))
}

/// The word that a text starts with, and what follows it.
fn word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        match (quote, next) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => quote = Some(next),
            (None, space) if space.is_whitespace() => return Ok((word, chars.as_str())),
            (_, '\\') => word.push(chars.next().ok_or("ends with a backslash")?),
            (_, other) => word.push(other),
        }
    }
    match quote {
        Some(_) => Err("a quote is not closed".to_owned()),
        None => Ok((word, "")),
    }
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

    /// Quotes and backslashes in the rest are not read: they may well be unbalanced.
    #[test]
    fn the_rest_of_a_line_stays_as_it_is() {
        for (line, count, words, rest) in [
            ("a b  c  d", 2, &["a", "b"][..], "c  d"),
            ("a b", 2, &["a", "b"], ""),
            ("a b ", 2, &["a", "b"], ""),
            ("a", 2, &["a"], ""),
            ("", 2, &[], ""),
            ("  a\tb", 1, &["a"], "b"),
            ("'a b' c\"d\\", 1, &["a b"], "c\"d\\"),
            ("a b", 0, &[], "a b"),
            ("'' b", 1, &[""], "b"),
        ] {
            let (found, found_rest) = first_words(line, count).unwrap();
            assert_eq!(
                (found.as_slice(), found_rest),
                (&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()[..], rest),
                "{line}"
            );
        }
        assert_eq!(first_words("a 'b", 1).unwrap().1, "'b");
        assert_eq!(first_words("a 'b", 2).unwrap_err(), "a quote is not closed");
        assert_eq!(first_words("a b\\", 2).unwrap_err(), "ends with a backslash");
    }
}
