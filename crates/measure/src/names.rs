//! Names a user types: looked up in a fixed list, with the near ones in the error.

use thiserror::Error;

/// A name that is in none of the lists it could be in.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown {kind} `{found}`, expected {}", listed(near, known))]
pub struct UnknownName {
    /// What the name should name, such as `vCPU type`.
    pub kind: &'static str,
    /// What was given.
    pub found: String,
    /// The known names that resemble it, in the order of `known`; often empty.
    pub near: Vec<&'static str>,
    /// Every known name.
    pub known: Vec<&'static str>,
}

impl UnknownName {
    /// That `found` is none of `known`.
    pub fn new(
        kind: &'static str,
        found: &str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let known: Vec<_> = known.into_iter().collect();
        let near = nearest(found, &known);
        Self { kind, found: found.to_owned(), near, known }
    }
}

/// The known names that resemble `found`, in the first of these ways that any does: another case,
/// two typing mistakes at most, a part of the name.
fn nearest(found: &str, known: &[&'static str]) -> Vec<&'static str> {
    let found = found.to_lowercase();
    if found.len() < 3 {
        return Vec::new();
    }
    let matching = |resembles: &dyn Fn(&str) -> bool| -> Vec<&'static str> {
        known.iter().copied().filter(|name| resembles(&name.to_lowercase())).collect()
    };
    let same = |name: &str| name == found;
    let mistyped = |name: &str| strsim::damerau_levenshtein(name, &found) <= 2;
    let part = |name: &str| name.contains(&found);
    let ways: [&dyn Fn(&str) -> bool; 3] = [&same, &mistyped, &part];
    ways.into_iter().map(matching).find(|names| !names.is_empty()).unwrap_or_default()
}

fn listed(near: &[&'static str], known: &[&'static str]) -> String {
    if near.is_empty() {
        return format!("one of {}", known.join(", "));
    }
    format!("something like {} (known: {})", near.join(", "), known.join(", "))
}
