//! Names a user types: looked up in a fixed list, with the near ones in the error.

use thiserror::Error;

/// A name that is in none of the lists it could be in.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown {kind} `{found}`, expected {}", listed(near, known))]
pub struct UnknownName {
    /// What the name should name, such as `vCPU type`.
    pub kind: &'static str,
    /// The name that is in no list, as it was given.
    pub found: String,
    /// The known names that resemble it, in the order of `known`; often empty.
    pub near: Vec<&'static str>,
    /// Every name of the list, in its order.
    pub known: Vec<&'static str>,
}

impl UnknownName {
    /// `found` is not among `known`; near names are looked for.
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

/// The known names that resemble `found`, by the first of these rules that any does: another case,
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
    let rules: [&dyn Fn(&str) -> bool; 3] = [&same, &mistyped, &part];
    rules.into_iter().map(matching).find(|names| !names.is_empty()).unwrap_or_default()
}

fn listed(near: &[&'static str], known: &[&'static str]) -> String {
    if near.is_empty() {
        return format!("one of {}", known.join(", "));
    }
    format!("something like {} (known: {})", near.join(", "), known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["EPYC", "EPYC-v4", "EPYC-Milan", "ec2"];

    #[test]
    fn near_names_are_those_of_the_closest_kind() {
        for (found, near) in [
            ("epyc-V4", &["EPYC-v4"][..]),
            ("EPYC-v5", &["EPYC-v4"]),
            ("EPIC", &["EPYC"]),
            ("Milan", &["EPYC-Milan"]),
            ("ec3", &["ec2"]),
            ("EC2", &["ec2"]),
            ("Xeon-Gold", &[]),
            // Two letters resemble everything.
            ("ep", &[]),
            ("", &[]),
        ] {
            assert_eq!(UnknownName::new("vCPU type", found, KNOWN).near, near, "{found}");
        }
    }

    #[test]
    fn all_known_names_are_listed() {
        let all = "EPYC, EPYC-v4, EPYC-Milan, ec2";
        for (found, expected) in [
            ("Xeon", format!("unknown vCPU type `Xeon`, expected one of {all}")),
            (
                "EPYC-Mlian",
                format!(
                    "unknown vCPU type `EPYC-Mlian`, expected something like EPYC-Milan (known: {all})"
                ),
            ),
        ] {
            assert_eq!(UnknownName::new("vCPU type", found, KNOWN).to_string(), expected);
        }
    }
}
